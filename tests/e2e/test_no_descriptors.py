"""No file can be opened and no connection made: every answer says so, and all is well again when there is room."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
import pytest
import redis

from tests.support import Database, GunicornService, Valkey, event, valkey_server, wait_until

EVENTS = "/api/v1/audit/events"


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """One whose connections are cut, and whose entries nobody else replays."""
    with valkey_server() as server:
        yield server


def test_stores_that_cannot_be_dialled_for_want_of_descriptors(
    run_service: Callable[..., GunicornService], database: Database, own_valkey: Valkey, tmp_path: Path
) -> None:
    """Passwords are in files as well, which a new connection reads."""
    files = {}
    for name, url in (("database", database.service_url), ("redis", own_valkey.url())):
        files[name] = tmp_path / name
        files[name].write_text(unquote(urlsplit(url).password or ""))
    service = run_service(
        server__workers="1",
        database__password_file=str(files["database"]),
        redis__url=own_valkey.url(),
        redis__password_file=str(files["redis"]),
    )
    assert service.process is not None
    (worker,) = psutil.Process(service.process.pid).children()
    wait_until(lambda: service.request("GET", "/health").json["status"] == "healthy", what="healthy")
    # One that stays: another would need a descriptor.
    client = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    answers: list[tuple[int, str | None]] = []

    def write() -> int:
        body = json.dumps(event(correlation_id="descriptors"))
        client.request("POST", EVENTS, body, {"Content-Type": "application/json"})
        answer = client.getresponse()
        text = answer.read().decode()
        assert "Traceback" not in text
        assert "Too many open files" not in text
        answers.append((answer.status, answer.headers.get("Retry-After")))
        return answer.status

    def cut(name: str) -> None:
        """End the service's connections, as a restart of the store would."""
        if name == "database":
            database.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name LIKE 'datastorage-%'"
            )
        else:
            with redis.Redis.from_url(own_valkey.url()) as killer:
                killer.client_kill_filter(_type="normal", skipme=True)

    assert write() == 201
    hard = worker.rlimit(psutil.RLIMIT_NOFILE)[1]
    for stores in (["database"], ["database", "redis"]):
        for store in stores:
            cut(store)
        worker.rlimit(psutil.RLIMIT_NOFILE, (3, hard))
        for _ in range(20):
            assert write() in (201, 202, 503)
        worker.rlimit(psutil.RLIMIT_NOFILE, (hard, hard))
        wait_until(lambda: write() == 201, what="written again")
    assert {status for status, _ in answers} > {201}
    assert all(again is not None for status, again in answers if status == 503)
    kept = sum(status in (201, 202) for status, _ in answers)
    wait_until(
        lambda: database.query("SELECT count(*) FROM audit_events WHERE correlation_id = 'descriptors'") == [(kept,)],
        what="all that was answered as kept is there",
    )
    assert psutil.Process(service.process.pid).children() == [worker]
    assert service.probe("/health/ready") == 200
    assert '"exception"' not in service.log.read_text()
