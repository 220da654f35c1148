"""PostgreSQL as a primary with a synchronous standby: the primary dies, or the standby does, under load."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from devserver import EmbeddedValkey
from tests.e2e.load import EVENTS, Writers
from tests.log_support import settled, size
from tests.standby import Pair, superuser, synchronous_pair
from tests.support import (
    BACKEND,
    Database,
    GunicornService,
    event,
    valkey_server,
    wait_until,
)

pytestmark = pytest.mark.skipif(BACKEND != "embedded", reason="kills servers: runs with the embedded ones only")


@pytest.fixture
def pair() -> Iterator[Pair]:
    with synchronous_pair() as made:
        yield made


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    with valkey_server(databases="1") as server:
        yield server


@pytest.fixture
def service(pair: Pair, valkey: EmbeddedValkey, tmp_path: Path) -> Iterator[GunicornService]:
    running = GunicornService(
        {
            "DATASTORAGE_DATABASE__URL": pair.url,
            "DATASTORAGE_REDIS__URL": valkey.url(),
            "DATASTORAGE_DLQ__MAX_LEN": "100000",
            "DATASTORAGE_SERVER__WORKERS": "1",
        },
        tmp_path / "gunicorn.log",
    )
    running.start()
    yield running
    running.stop()


def drained(service: GunicornService) -> bool:
    queue = service.request("GET", "/api/v1/dlq").json
    return bool(json.dumps(queue)) and all(stream["depth"] == 0 for stream in queue["streams"].values())


def check(writers: Writers, database: Database) -> None:
    """Whatever was answered with 201 or 202 is there once, and nothing is there that was refused."""
    rows = {str(i): n for i, n in database.query("SELECT event_id, count(*) FROM audit_events GROUP BY 1")}
    assert set(rows.values()) == {1}, "an event is there twice"
    kept = {w.event_id for w in writers.sent if w.status in (200, 201, 202)}
    assert kept <= rows.keys(), f"{len(kept - rows.keys())} acknowledged are missing"
    refused = {w.event_id for w in writers.sent if w.status not in (200, 201, 202) and not w.unknown}
    assert not refused & rows.keys()


@pytest.mark.timeout(180)
def test_the_primary_dies_and_the_standby_takes_over(pair: Pair, service: GunicornService) -> None:
    with Writers(service, 4, pause=0.002) as writers:
        wait_until(lambda: len(writers.sent) > 100, what="load")
        pair.primary.kill()
        wait_until(lambda: any(w.status == 202 for w in writers.sent), what="writes go to the queue")
        assert superuser(pair.standby, "SELECT pg_promote()") == [(True,)]
        count = len(writers.sent)
        wait_until(lambda: any(w.status == 201 for w in writers.sent[count:]), what="the service has moved over")
        count = len(writers.sent)
        wait_until(lambda: len(writers.sent) > count + 100, what="load after it")
    wait_until(lambda: drained(service), what="the queue is empty")
    assert {w.status for w in writers.sent} <= {201, 202}
    check(writers, pair.standby_database())
    settled(pair.standby_database(), (w.event_id for w in writers.sent))


@pytest.mark.timeout(180)
def test_a_standby_that_lacks_the_newest_goes_on_with_the_log_that_it_has(pair: Pair, service: GunicornService) -> None:
    """An asynchronous standby: what it had not got is lost with the primary, its places in the log too."""
    superuser(pair.primary, "ALTER SYSTEM RESET synchronous_standby_names")
    superuser(pair.primary, "SELECT pg_reload_conf()")
    with Writers(service, 4, pause=0.002) as writers:
        wait_until(lambda: size(pair.database) > 100, what="load")
        pair.standby.kill()
        seen = size(pair.database)
        wait_until(lambda: size(pair.database) > seen + 100, what="load that the standby never sees")
        lost = size(pair.database)
        pair.primary.kill()
        pair.standby.start()
        assert superuser(pair.standby, "SELECT pg_promote()") == [(True,)]
        count = len(writers.sent)
        wait_until(lambda: any(w.status == 201 for w in writers.sent[count:]), what="the service has moved over")
        assert size(pair.standby_database()) < lost
        since = len(writers.sent)
        wait_until(lambda: len(writers.sent) > since + 200, what="load after it")
    wait_until(lambda: drained(service), what="the queue is empty")
    settled(pair.standby_database(), (w.event_id for w in writers.sent[since:]))


@pytest.mark.timeout(180)
def test_a_commit_that_no_standby_has_is_in_doubt_and_not_a_201(pair: Pair, service: GunicornService) -> None:
    assert service.request("POST", EVENTS, event()).status == 201
    pair.standby.kill()
    # The primary has it on disk and waits for the standby for ever; the service does not.
    alone = [service.request("POST", EVENTS, event(correlation_id=f"alone-{n}")) for n in range(2)]
    assert [answer.status for answer in alone] == [202, 202]
    # Somebody cancels such a wait: PostgreSQL says it is committed, with a warning. That is no 201 either.
    with Writers(service, 1) as writers:
        cancelled = wait_until(
            lambda: superuser(
                pair.primary,
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' "
                "AND backend_type = 'client backend'",
            ),
            what="a commit that waits",
        )
        assert cancelled
        wait_until(lambda: writers.sent, what="an answer")
    assert 201 not in {w.status for w in writers.sent}
    pair.standby.start()
    wait_until(lambda: drained(service), timeout=60, what="the queue is empty")
    assert service.request("POST", EVENTS, event()).status == 201
    check(writers, pair.database)
    assert pair.database.query("SELECT count(*) FROM audit_events WHERE correlation_id LIKE 'alone-%%'") == [(2,)]
