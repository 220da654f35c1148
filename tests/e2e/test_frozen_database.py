"""PostgreSQL frozen (SIGSTOP of all its processes) or killed under load: answers in time, nothing lost or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from devserver import EmbeddedPostgres
from tests.e2e.load import EVENTS, Writers, Written, check_kept
from tests.support import Database, GunicornService, PostgresServer, postgres_server, wait_until

pytestmark = pytest.mark.embedded

LIMITS = {
    "buffer__flush_statement_timeout": "500ms",
    "buffer__flush_lock_timeout": "400ms",
    "buffer__flush_timeout": "1s",
    "buffer__commit_timeout": "15s",
    "database__statement_timeout": "1s",
    "database__pool_timeout": "1s",
    "database__connect_timeout": "2s",
    "health__probe_timeout": "900ms",
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A server of this file's own, to freeze and kill."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def server(postgres: PostgresServer) -> EmbeddedPostgres:
    assert postgres.embedded is not None
    return postgres.embedded


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Database]:
    made = postgres.make_database()
    yield made
    assert postgres.embedded is not None
    postgres.embedded.thaw()
    made.drop()


class Prober:
    """Asks for health all the time and keeps what each address answered; 0 stands for no answer."""

    def __init__(self, service: GunicornService, *ports: int) -> None:
        self._service = service
        self._stop = threading.Event()
        self.statuses: dict[int, list[int]] = {port: [] for port in ports}
        self._threads = [threading.Thread(target=self._probe, args=(port,)) for port in ports]

    def __enter__(self) -> Prober:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def answered(self, count: int) -> bool:
        """Whether each address has answered so often."""
        return all(sum(s > 0 for s in statuses) >= count for statuses in self.statuses.values())

    def _probe(self, port: int) -> None:
        while not self._stop.wait(0.05):
            for path in ("/health", "/health/live", "/health/ready"):
                self.statuses[port].append(self._service.probe(path, port=port, timeout=30))


def writes_again(writers: Writers) -> Callable[[], bool]:
    """Whether the writers got some 201 since now."""
    seen = len(writers.sent)
    return lambda: sum(w.status == 201 for w in writers.sent[seen:]) >= 20


def test_frozen_under_load(
    server: EmbeddedPostgres, database: Database, run_service: Callable[..., GunicornService]
) -> None:
    service = run_service(**LIMITS, server__workers="1", server__threads="32")
    reads: list[int] = []
    with Writers(service, 12) as writers:
        wait_until(lambda: len(writers.sent) > 100, what="load")
        server.freeze()
        # It stays frozen until all of this was answered.
        with Prober(service, service.port, service.health_port) as prober:
            reads += [service.request("GET", f"{EVENTS}?limit=1", timeout=60).status for _ in range(10)]
            wait_until(lambda: prober.answered(20), what="probes")
            seen = len(writers.sent)
            wait_until(lambda: len(writers.sent) > seen + 100, what="answers to writers")
            wait_until(lambda: service.request("GET", "/health").status == 503, what="the loss shows")
        server.thaw()
        wait_until(writes_again(writers), what="writes after the thaw")
    assert all(0 not in statuses for statuses in prober.statuses.values()), "a probe was not answered"
    assert {w.status for w in writers.sent} == {201, 503}
    assert set(reads) <= {200, 503}
    refused = [w for w in writers.sent if w.status == 503]
    assert all(w.answer is not None and "Retry-After" in w.answer.headers for w in refused)
    check_kept(writers.sent, database)
    retry_unknown(service, database, writers.sent)


def retry_unknown(service: GunicornService, database: Database, sent: list[Written]) -> None:
    """An answer of unknown outcome carries its ids, and sending the same again settles it."""
    unknown = [w for w in sent if w.unknown]
    assert unknown, "nothing was in doubt: the test shows nothing"
    for w in unknown:
        if w.answer is not None:
            assert w.answer.json["event_id"] == w.event_id
        wait_until(lambda w=w: service.request("POST", EVENTS, w.body).status in (200, 201), what="settled")  # type: ignore[misc]
    ids = [w.event_id for w in unknown]
    rows = database.query(
        "SELECT event_id, count(*) FROM audit_events WHERE event_id = ANY(%s::uuid[]) GROUP BY 1", ids
    )
    assert {(str(i), n) for i, n in rows} == {(i, 1) for i in ids}


def test_probes_are_answered_while_every_request_thread_waits(
    server: EmbeddedPostgres, database: Database, run_service: Callable[..., GunicornService]
) -> None:
    # A flush that takes its time and few threads: for some seconds nobody is left to serve a request.
    limits = {**LIMITS, "buffer__flush_timeout": "60s", "buffer__commit_timeout": "150s"}
    service = run_service(**limits, server__workers="1", server__threads="2")
    with Writers(service, 8) as writers:
        wait_until(lambda: len(writers.sent) > 30, what="load")
        server.freeze()
        wait_until(lambda: service.probe("/health/live", timeout=0.5) == 0, what="every thread waits")
        with Prober(service, service.health_port) as prober:
            wait_until(lambda: prober.answered(20), what="probes")
        assert service.probe("/health/live", timeout=0.5) == 0, "a thread was free: the test shows nothing"
        server.thaw()
        wait_until(writes_again(writers), what="writes after the thaw")
    assert 0 not in prober.statuses[service.health_port]
    check_kept(writers.sent, database)


def test_a_short_freeze_is_waited_for(
    server: EmbeddedPostgres, database: Database, run_service: Callable[..., GunicornService]
) -> None:
    service = run_service(server__workers="1")
    with Writers(service, 8) as writers:
        wait_until(lambda: len(writers.sent) > 50, what="load")
        server.freeze()
        time.sleep(0.4)
        server.thaw()
        wait_until(writes_again(writers), what="writes after the thaw")
    assert {w.status for w in writers.sent} == {201}
    check_kept(writers.sent, database)


def test_killed_and_restarted_under_load(
    server: EmbeddedPostgres, database: Database, run_service: Callable[..., GunicornService]
) -> None:
    service = run_service(**LIMITS, server__workers="2")
    with Writers(service, 16) as writers:
        wait_until(lambda: len(writers.sent) > 100, what="load")
        server.kill()
        wait_until(lambda: service.request("GET", "/health").status == 503, what="the loss shows")
        assert service.probe("/health/live") == 200
        server.start()
        wait_until(writes_again(writers), what="writes after the restart")
        wait_until(lambda: service.request("GET", "/health").status == 200, what="healthy")
        # Each worker finds out for itself, within a second; until then it refuses reads at once.
        wait_until(lambda: service.request("GET", f"{EVENTS}?limit=1").status == 200, what="reads after the restart")
    assert {w.status for w in writers.sent} <= {201, 503}
    check_kept(writers.sent, database)
