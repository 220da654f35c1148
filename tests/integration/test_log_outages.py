"""Workers, poolers and PostgreSQL itself end under load: what was answered as kept has its place in the log, once."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import flask
import psutil
import pytest

from tests.integration.service import BATCH, EVENTS
from tests.integration.test_reconnect import at_port, port_of
from tests.log_support import new_id, sequencers, settled, size, turn
from tests.pooler import BINARY, pgbouncer
from tests.relay import Relay
from tests.support import Database, GunicornService, event, postgres_server, valkey_server, wait_until


class Load:
    """Threads that write until the block ends; `kept` are the ids of what was answered with 201 or 202."""

    def __init__(self, post: Callable[[str, Any], int], writers: int = 3) -> None:
        self._post = post
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(writers)
        self._writers = writers
        self._running: list[Future[None]] = []
        self.kept: list[str] = []
        self.statuses: set[int] = set()

    def _write(self) -> None:
        while not self._stop.is_set():
            ids = [new_id() for _ in range(7)]
            for path, body, sent in (
                (EVENTS, event(event_id=ids[0]), ids[:1]),
                (BATCH, [event(event_id=i) for i in ids[1:]], ids[1:]),
            ):
                status = self._post(path, body)
                self.statuses.add(status)
                if status in (201, 202):
                    self.kept += sent

    def more(self) -> None:
        """Wait until some more is kept."""
        before = len(self.kept)
        wait_until(lambda: len(self.kept) > before + 100, what="more is written")

    def __enter__(self) -> Load:
        self._running = [self._threads.submit(self._write) for _ in range(self._writers)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._threads.shutdown()
        for each in self._running:
            each.result()


def grows(database: Database, beyond: int) -> None:
    wait_until(lambda: size(database) > beyond, what="the log grows")


def of_app(app: flask.Flask) -> Callable[[str, Any], int]:
    return lambda path, body: app.test_client().post(path, json=body).status_code


def of_service(service: GunicornService) -> Callable[[str, Any], int]:
    def post(path: str, body: Any) -> int:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return service.request("POST", path, body).status
        return 0  # its worker is gone

    return post


def leader(service: GunicornService, database: Database) -> psutil.Process | None:
    """The worker that gives places, by its end of the connection that did so last."""
    ports = {
        port
        for (port,) in database.query(
            "SELECT client_port FROM pg_stat_activity WHERE application_name = 'datastorage-sequencer' "
            "AND datname = current_database()"
        )
    }
    assert service.process is not None
    for worker in psutil.Process(service.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(c.laddr and c.laddr.port in ports for c in worker.net_connections("tcp")):
                return worker
    return None


@pytest.mark.usefixtures("direct")
def test_the_leaders_worker_is_killed_and_another_takes_over(database: Database, tmp_path: Any) -> None:
    environ = {
        "DATASTORAGE_SERVER__WORKERS": "2",
        "DATASTORAGE_AUDIT__RECORD_SERVICE": "true",
        **database.environ,
    }
    service = GunicornService(environ, tmp_path / "gunicorn.log")
    service.start()
    holders = set()
    try:
        with Load(of_service(service)) as load:
            for _ in range(4):
                load.more()
                before = size(database)
                worker = wait_until(lambda: leader(service, database), what="somebody gives places")
                holders.add(database.query("SELECT holder FROM log_head")[0][0])
                worker.kill()
                grows(database, before + 50)
        assert 201 in load.statuses
        report = settled(database, load.kept)
        assert len(holders) >= 2
        assert report.kinds["audit_event"] > len(load.kept), "the service's own are in it"
        metrics = service.metrics()
        sampled = {name.partition("{")[0]: value for name, value in metrics.items() if "_log_" in name}
        assert sampled["datastorage_log_size"] > 0
    finally:
        service.stop()
    with sequencers(database) as [one]:  # that it stopped is an event too
        turn(one)
    settled(database, load.kept)


@pytest.mark.usefixtures("direct")
def test_connections_that_are_cut_all_the_time(make_app: Callable[..., flask.Flask], database: Database) -> None:
    """The sequencer's among them: at any point, commits too."""
    with Relay(port_of(database.service_url)) as relay:
        app = make_app(database={"url": at_port(database.service_url, relay.port)})
        with Load(of_app(app)) as load:
            for _ in range(12):
                before = size(database)
                relay.hang_up()
                grows(database, before)
        settled(database, load.kept)


@pytest.mark.embedded
@pytest.mark.skipif(BINARY is None, reason="PgBouncer is not installed (Debian package pgbouncer)")
def test_behind_a_pooler_in_transaction_mode(make_services_on: Any) -> None:
    with postgres_server() as server, pgbouncer(server) as pooled:
        database = pooled.make_database()
        first, second = (make_services_on(database) for _ in range(2))
        with Load(of_app(first), 2) as one, Load(of_app(second), 2) as other:
            one.more()
            other.more()
            # The pooler gives the holder's session to somebody else after each transaction.
            database.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'datastorage' "
                "AND datname = current_database()"
            )
            one.more()
            other.more()
        assert one.statuses <= {201, 503}
        report = settled(database, [*one.kept, *other.kept])
        assert report.size >= len(one.kept) + len(other.kept)


@pytest.mark.embedded
def test_postgresql_is_killed_under_load(make_services_on: Any) -> None:
    with postgres_server() as server, valkey_server() as valkey:
        assert server.embedded is not None
        database = server.make_database()
        app = make_services_on(database, redis={"url": valkey.url()})
        with Load(of_app(app)) as load:
            for _ in range(3):
                load.more()
                server.embedded.kill()
                load.more()  # into the dead letter queue
                server.embedded.start()
                wait_until(lambda: app.extensions["datastorage"].monitor.state.connected, what="it is found again")
        assert {201, 202} <= load.statuses <= {201, 202, 503}
        wait_until(
            lambda: app.test_client().get("/api/v1/dlq").json["streams"]["events"]["depth"] == 0,
            what="the queue is empty",
        )
        settled(database, load.kept)
