"""Migrating while the service writes: a wait for a lock stops no writer, and indexes are made beside the writes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest

from app.postgres import indexes, migrations
from app.postgres.indexes import INDEXES
from app.postgres.migrations import MigrationError, migrate, required_version
from app.postgres.short_tries import Patience, held_by
from tests.conftest import settings_for
from tests.log_check import check_log
from tests.support import Database, wait_until

# As the release before inserts: without the column that is to come.
INSERT = """
INSERT INTO audit_events (event_id, event_date, event_version, event_type, event_timestamp, event_action,
    event_category, event_outcome, correlation_id, event_data, actor_type, actor_id, resource_type, resource_id,
    namespace, digest)
SELECT gen_random_uuid(), current_date, '1', 't', now(), 'a', 'gateway', 'success', 'c', '{}', 'service', 'x', 'y', 'z',
    'n', ''
"""
BUSY = Patience(each_try=0.1, pause=0.1, in_all=60.0)
# An old view of the data, which CREATE INDEX CONCURRENTLY waits for.
VIEW = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1"
STATES = """
SELECT c.relname, x.indisvalid, EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
WHERE t.relname LIKE 'audit_events%%' AND pg_get_indexdef(c.oid) LIKE ANY(%s)
"""
WANTED = [
    "%(request_id)%",
    "%(namespace, event_timestamp%",
    "%WHERE (namespace IS NULL)",
    "%(event_category, event_timestamp%",
    "%WHERE (salt IS NULL)",
]


def migrate_without_indexes(database: Database, up_to: int) -> list[str]:
    """Apply the first migrations alone."""
    wanted = migrations.migrations()[:up_to]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrations, "migrations", lambda: wanted)
        patch.setattr(indexes, "INDEXES", {})
        return migrate(database.owner_url)


@pytest.fixture
def old(database: Database) -> Database:
    """A database as the release before left it, with events in it."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("DROP OWNED BY CURRENT_USER CASCADE")
    assert len(migrate_without_indexes(database, up_to=3)) == 3
    role = settings_for(database).database.service_role()
    database.query(f"GRANT SELECT, INSERT ON audit_events, notification_audit TO {role}")
    database.query(INSERT)
    assert states(database) == []
    return database


def states(database: Database) -> list[tuple[str, bool, bool]]:
    """The indexes in question on the table and its partitions: name, whether it is whole, and part of the table's."""
    return sorted(database.query(STATES, WANTED))


def assert_indexed(database: Database) -> None:
    """The table and each of its partitions has each index, whole and joined up."""
    months = database.query("SELECT count(*) FROM audit_partition_months()")[0][0]
    found = states(database)
    assert {name for name, _, joined in found if not joined} == set(INDEXES)
    assert all(valid for _, valid, _ in found)
    assert len(found) == len(INDEXES) * (months + 1)


class Running:
    """A migration in a thread of its own, and what it has said."""

    def __init__(self, database: Database, patience: Patience = BUSY) -> None:
        self.lines: list[str] = []
        role = settings_for(database).database.service_role()
        self._pool = ThreadPoolExecutor(1)
        self.result: Future[list[str]] = self._pool.submit(
            migrate, database.owner_url, service_role=role, say=self.lines.append, patience=patience
        )

    def said(self, text: str) -> bool:
        # What went wrong is better told than waited for.
        return any(text in line for line in self.lines) or bool(self.result.done() and self.result.result())


@contextlib.contextmanager
def long_transaction(database: Database, statement: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.superuser_url, application_name="report") as conn:
        conn.execute(statement)
        yield conn


class Writes:
    """Writes one after another, each of which waits for a lock as long as a flush of the service does."""

    def __init__(self, database: Database) -> None:
        self.done = 0
        self.error: psycopg.Error | None = None
        self._stop = threading.Event()
        self._url = database.service_url
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute("SET lock_timeout = '10s'")
            try:
                while not self._stop.wait(0.01):
                    conn.execute(INSERT)
                    self.done += 1
            except psycopg.Error as e:
                self.error = e

    def go_on(self) -> None:
        """Some more are written from now on."""
        count = self.done
        wait_until(lambda: self.done > count + 20 or self.error, what="writes beside the migration")
        assert self.error is None


def test_a_long_read_holds_up_the_migration_and_no_write(old: Database) -> None:
    with Writes(old) as writes, long_transaction(old, "SELECT count(*) FROM audit_events") as reader:
        running = Running(old)
        held = f"0004_request_ids waits for a lock, held by process {reader.info.backend_pid} (report of "
        wait_until(lambda: running.said(held), what="a word of who is in the way")
        writes.go_on()
        assert not running.result.done()
        assert old.query("SELECT max(version) FROM schema_migrations") == [(3,)]
        reader.commit()
        assert "0004_request_ids" in running.result.result(60)
        writes.go_on()
    assert f"applied {running.result.result()[0]}" in running.lines
    assert_indexed(old)
    assert old.count() == writes.done + 1
    # What came before 0005_log waits for the intake, and what came behind it for its place.
    report = check_log(old.superuser_url)
    assert (report.faults, report.size) == ([], 0)
    assert report.pending > 0


def test_a_wait_without_an_end_is_given_up_and_names_the_holder(old: Database) -> None:
    with long_transaction(old, "LOCK TABLE audit_events IN ACCESS SHARE MODE") as reader:
        running = Running(old, Patience(each_try=0.05, pause=0.05, in_all=0.3))
        with pytest.raises(MigrationError, match=rf"held by process {reader.info.backend_pid} \(report .*gave up"):
            running.result.result(60)
    assert old.query("SELECT max(version) FROM schema_migrations") == [(3,)]
    assert_indexed_after_another_run(old)


def test_a_prepared_transaction_is_named_as_what_it_is() -> None:
    assert held_by([]) == ""
    assert held_by([("-1/5", None, None, None, None)]) == ", held by a prepared transaction (pg_prepared_xacts)"


def assert_indexed_after_another_run(database: Database) -> None:
    migrate(database.owner_url, service_role=settings_for(database).database.service_role(), patience=BUSY)
    assert_indexed(database)
    assert database.query("SELECT max(version) FROM schema_migrations") == [(required_version(),)]


def test_indexes_are_made_beside_the_writes(old: Database) -> None:
    with Writes(old) as writes, long_transaction(old, VIEW) as reader:
        running = Running(old)
        wait_until(lambda: running.said("making index audit_events_request of audit_events_"), what="an index begun")
        writes.go_on()
        assert not running.result.done()
        reader.commit()
        running.result.result(60)
        writes.go_on()
    assert_indexed(old)


def test_an_index_that_was_stopped_halfway_is_made_again(old: Database) -> None:
    invalid = (
        "SELECT count(*) FROM pg_index x JOIN pg_class c ON c.oid = indexrelid WHERE relkind = 'i' AND NOT indisvalid"
    )
    with long_transaction(old, VIEW):
        running = Running(old)
        wait_until(lambda: running.said("making index"), what="an index begun")
        wait_until(lambda: old.query(invalid) == [(1,)], what="an index that is not whole")
        [(killed,)] = old.query(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'datastorage-migrate'"
        )
        assert killed == 2
        with pytest.raises(MigrationError):
            running.result.result(60)
    assert old.query(invalid) == [(1,)]
    # A month that the service makes meanwhile has its own from the table.
    old.query("SELECT audit_ensure_partition('2150-05-31')")
    assert {joined for name, _, joined in states(old) if "2150_05" in name} == {True}
    assert_indexed_after_another_run(old)


def test_an_index_that_goes_on_without_its_migration_is_waited_for(old: Database) -> None:
    """As PostgreSQL does where the migration was killed, and its connection with it."""
    [(month,)] = old.query("SELECT to_char(max(m), 'YYYY_MM') FROM audit_partition_months() m")
    migrate_without_indexes(old, up_to=required_version())
    # The one that comes first.
    name = f"audit_events_{month}_request"
    left = f"CREATE INDEX CONCURRENTLY {name} ON audit_events_{month} {INDEXES['audit_events_request']}"
    known = f"SELECT oid, indisvalid FROM pg_class JOIN pg_index ON oid = indexrelid WHERE relname = '{name}'"
    waiting = "SELECT 1 FROM pg_locks WHERE mode = 'ShareUpdateExclusiveLock' AND NOT granted"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(old.owner_url, autocommit=True) as conn:
        with long_transaction(old, VIEW) as reader:
            going_on = pool.submit(conn.execute, left)
            [(first, whole)] = wait_until(lambda: old.query(known), what="an index begun")
            assert not whole
            running = Running(old)
            wait_until(lambda: running.said(f"making index audit_events_request of audit_events_{month}"), what="it")
            wait_until(lambda: old.query(waiting), what="the migration waits for the index")
            reader.commit()
        going_on.result(60)
    running.result.result(60)
    assert old.query(known) == [(first, True)], "was made anew"
    assert_indexed(old)


def test_several_migrations_at_once_make_each_index_once(old: Database) -> None:
    all_of_them = [Running(old) for _ in range(4)]
    applied = [name for r in all_of_them for name in r.result.result(60)]
    assert applied.count("0004_request_ids") == 1
    made = [line.split(" (")[0] for r in all_of_them for line in r.lines if line.startswith("making index")]
    assert len(made) == len(set(made)) > 0
    assert_indexed(old)


def test_a_new_database_has_its_indexes_without_that(old: Database) -> None:
    with psycopg.connect(old.owner_url, autocommit=True) as conn:
        conn.execute("DROP OWNED BY CURRENT_USER CASCADE")
    running = Running(old)
    assert len(running.result.result(60)) == required_version()
    assert not any("making index" in line for line in running.lines)
    assert_indexed(old)
