"""Records from before there was a log: how they are found, and that new ones do not wait for them."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import flask
import pytest

from app.clock import Clock
from app.postgres.migrations import migrate
from app.postgres.sessions import Connection, Limits, connect, reading, writing
from app.postgres.statements import statements
from app.postgres.watchdog import Watchdog
from app.transparency import log_store, sequencer
from app.transparency.entries import OLD_EVENT, OLD_NOTIFICATION, record_of, split
from tests.conftest import settings_for
from tests.log_check import check_log
from tests.old_records import database_before_the_log, put_records
from tests.support import Database, PostgresServer, event, wait_until

OLD_EVENTS = statements("log")["old_events"]
IN_ORDER = "SELECT event_id::text FROM audit_events WHERE salt IS NULL ORDER BY recorded_at, event_id, event_date"


@pytest.fixture
def database(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database from before there was a log, with records of four months, and migrated since."""
    with database_before_the_log(postgres, tmp_path, monkeypatch) as made:
        put_records(made, events=6000, notifications=300)
        migrate(made.owner_url, service_role=settings_for(made).database.service_role())
        yield made


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    watchdog = Watchdog(Clock())
    watchdog.start()
    with connect(settings_for(database).database, "test", Limits(60, 60), watchdog) as made:
        yield made
    watchdog.stop()


def entries(database: Database) -> list[bytes]:
    """The entries of the log, in their kept form."""
    rows = database.query("SELECT entries FROM log_bundles ORDER BY bundle")
    return list(itertools.chain.from_iterable(split(bytes(kept)) for (kept,) in rows))


@pytest.mark.parametrize("analysed", [False, True])
def test_they_are_found_by_their_index(database: Database, conn: Connection, *, analysed: bool) -> None:
    """Month by month in order, and no month is sorted: whatever PostgreSQL knows of how many there are."""
    if analysed:
        database.query("ANALYZE audit_events")
    with writing(conn):
        state = log_store.intake(conn)
        assert len(log_store.old_records(conn, state, 0, 100).entries) == 100
        after = (state.recorded_at, state.event_id, state.event_date, 100)
        plan = "\n".join(row[0] for row in conn.execute("EXPLAIN " + OLD_EVENTS, after))
    scans = [line for line in plan.splitlines() if " on audit_events" in line]
    assert scans, plan
    assert all("Index Scan using" in line and "_unsalted on" in line for line in scans), plan
    assert "Sort " not in plan.replace("Sort Key", "")
    with reading(conn):
        assert conn.execute("SHOW enable_sort").fetchone() == ("on",), "for that transaction alone"


def test_the_order_is_that_of_their_recording(database: Database, make_app: Callable[..., flask.Flask]) -> None:
    wanted = [i for (i,) in database.query(IN_ORDER)]
    numbers = [str(n) for (n,) in database.query("SELECT id FROM notification_audit ORDER BY id")]
    make_app()
    wait_until(lambda: database.query("SELECT taken FROM log_intake") == [(6300,)], what="all taken in")
    kept = entries(database)
    found = [record_of(e) for e in kept if e[0] in (OLD_EVENT, OLD_NOTIFICATION)]
    assert [r.ident for r in found if r is not None] == wanted + numbers
    assert check_log(database.superuser_url).faults == []


def test_new_events_come_between(
    database: Database, make_app: Callable[..., flask.Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored while old ones are taken in waits for one bite of them, not for all."""
    monkeypatch.setattr(sequencer, "_MAX_OLD_ENTRIES", 20)
    posted, bite = threading.Event(), sequencer.Sequencer._bite

    def bite_once_first(self: sequencer.Sequencer, conn: Connection, *, take_over: bool) -> bool:
        more = bite(self, conn, take_over=take_over)
        posted.wait(60)
        return more

    monkeypatch.setattr(sequencer.Sequencer, "_bite", bite_once_first)
    client = make_app().test_client()
    wait_until(lambda: database.query("SELECT taken > 0 FROM log_intake") == [(True,)], what="the first old ones")
    ident = str(uuid.uuid4())
    assert client.post("/api/v1/audit/events", json=event(event_id=ident)).status_code == 201
    posted.set()
    wait_until(lambda: database.query("SELECT taken FROM log_intake") == [(6300,)], what="all taken in")
    kept = entries(database)
    found = [n for n, e in enumerate(kept) if (r := record_of(e)) is not None and r.ident == ident]
    assert found[0] < len(kept) - 20, "it waited for the last old one"
