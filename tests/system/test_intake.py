"""A large table from before there was a log: taken in while the service writes and is killed again and again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.postgres.migrations import migrate
from app.transparency.entries import OLD_EVENT, OLD_NOTIFICATION, record_of, split
from tests.conftest import settings_for
from tests.e2e.load import Writers, Written
from tests.log_check import check_log
from tests.old_records import database_before_the_log, put_records
from tests.support import Database, GunicornService, PostgresServer, valkey_server, wait_until

EVENTS, NOTIFICATIONS = 100_000, 10_000
KILLS = 5
IN_ORDER = "SELECT event_id::text FROM audit_events WHERE salt IS NULL ORDER BY recorded_at, event_id, event_date"
TAKEN = "SELECT taken FROM log_intake"


@pytest.fixture
def database(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database from before there was a log, with records of four months, and migrated since."""
    folder = tmp_path / "sql"
    folder.mkdir()
    with database_before_the_log(postgres, folder, monkeypatch) as made:
        put_records(made, events=EVENTS, notifications=NOTIFICATIONS)
        migrate(made.owner_url, service_role=settings_for(made).database.service_role())
        yield made


@pytest.mark.nightly
@pytest.mark.timeout(900)
def test_a_large_table_is_taken_in_once_whatever_is_killed(database: Database, tmp_path: Path) -> None:
    sent: list[Written] = []
    with ExitStack() as stack:
        valkey = stack.enter_context(valkey_server())
        environ = {**database.environ, "DATASTORAGE_REDIS__URL": valkey.url(), "DATASTORAGE_SERVER__WORKERS": "1"}
        killed = GunicornService(environ, tmp_path / "killed.log")
        lasting = GunicornService(environ, tmp_path / "lasting.log")
        stack.callback(lambda: killed.process is not None and killed.kill())
        for _ in range(KILLS):
            # Alone it gives places, and is killed among old records.
            taken = database.query(TAKEN)[0][0]
            killed.start()
            with Writers(killed, 2, pause=0.01) as writers:
                wait_until(lambda taken=taken: database.query(TAKEN)[0][0] > taken, what="some more taken in")
                killed.kill()
            sent += writers.sent
        assert database.query(TAKEN)[0][0] < EVENTS + NOTIFICATIONS, "they were killed too late to be in its way"
        lasting.start()
        stack.callback(lasting.stop)
        with Writers(lasting, 2, pause=0.01) as writers:
            done = "SELECT events_done AND notifications_done FROM log_intake"
            wait_until(lambda: database.query(done) == [(True,)], 600, what="all taken in")
        sent += writers.sent
        waits = "SELECT (SELECT count(*) FROM log_pending_a) + (SELECT count(*) FROM log_pending_b)"
        wait_until(lambda: database.query(waits) == [(0,)], what="all others in the log")
    assert database.query(TAKEN) == [(EVENTS + NOTIFICATIONS,)]
    rows = {i for (i,) in database.query("SELECT event_id::text FROM audit_events")}
    assert {w.event_id for w in sent if w.status in (200, 201)} <= rows

    report = check_log(database.superuser_url)
    assert (report.faults, report.old) == ([], EVENTS + NOTIFICATIONS)
    bundles = database.query("SELECT entries FROM log_bundles ORDER BY bundle")
    kept = list(itertools.chain.from_iterable(split(bytes(entries)) for (entries,) in bundles))
    old = [n for n, entry in enumerate(kept) if entry[0] in (OLD_EVENT, OLD_NOTIFICATION)]
    found = [record.ident for n in old if (record := record_of(kept[n])) is not None]
    numbers = [str(n) for (n,) in database.query("SELECT id FROM notification_audit WHERE salt IS NULL ORDER BY id")]
    assert found == [i for (i,) in database.query(IN_ORDER)] + numbers, "the oldest first"
    assert old[-1] - old[0] >= len(old), "new ones have places between"
