"""The migration that brings the log, on tables with records: several at once, stopped halfway, and beside writes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from app.postgres.migrations import MigrationError, migrate, required_version
from app.postgres.short_tries import Patience
from tests.conftest import settings_for
from tests.integration.test_migration_online import Running, Writes, long_transaction
from tests.log_check import check_log
from tests.old_records import database_before_the_log, put_records
from tests.support import Database, PostgresServer, wait_until

BUSY = Patience(each_try=0.1, pause=0.1, in_all=60.0)
VERSION = "SELECT max(version) FROM schema_migrations"
STATE = "SELECT events_done, notifications_done, taken FROM log_intake"
WHOLE = "SELECT bool_and(indisvalid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relname LIKE '%unsalted'"


@pytest.fixture
def database(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database from before there was a log, with records in it."""
    folder = tmp_path / "sql"
    folder.mkdir()
    with database_before_the_log(postgres, folder, monkeypatch) as made:
        put_records(made, events=500, notifications=20)
        made.query(f"GRANT SELECT, INSERT ON audit_events, notification_audit TO {role_of(made)}")
        yield made


def role_of(database: Database) -> str:
    return str(settings_for(database).database.service_role())


def bring_up(database: Database) -> list[str]:
    return migrate(database.owner_url, service_role=role_of(database), patience=BUSY)


def test_several_at_once_and_once_more(database: Database) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: bring_up(database), range(4)))
    assert sorted(name for names in results for name in names if "log" in name) == ["0005_log"]
    database.query("UPDATE log_intake SET taken = 3")
    assert bring_up(database) == []
    assert database.query(STATE) == [(False, False, 3)], "what was noted stays"
    assert database.query(WHOLE) == [(True,)]


def test_nothing_is_there_of_one_that_was_killed(database: Database) -> None:
    """It holds the lock of one table and waits for that of the other: then it is gone, and writes went on."""
    with long_transaction(database, "SELECT count(*) FROM notification_audit") as reader, Writes(database) as writes:
        running = Running(database)
        held = f"0005_log waits for a lock, held by process {reader.info.backend_pid} (report of "
        wait_until(lambda: running.said(held), what="a word of who is in the way")
        writes.go_on()
        killed = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'datastorage-migrate'"
        database.query(killed + " AND datname = current_database()")
        with pytest.raises(MigrationError):
            running.result.result(60)
        assert database.query(VERSION) == [(4,)]
        assert database.query("SELECT to_regclass('log_head'), to_regclass('log_pending_id')") == [(None, None)]
        writes.go_on()
        reader.commit()
        assert "0005_log" in bring_up(database)
        writes.go_on()
    assert database.query(VERSION) == [(required_version(),)]
    report = check_log(database.superuser_url)
    assert report.faults == [], "each waits in the queue, or is an old one"
    assert 0 < report.pending < writes.done


def test_no_row_is_written_anew(database: Database) -> None:
    """However large the tables are, the migration only notes its columns."""
    files = (
        "SELECT relname, pg_relation_filenode(oid) FROM pg_class "
        "WHERE relkind = 'r' AND relname ~ '^(audit_events_2|notification_audit$)' ORDER BY 1"
    )
    before = database.query(files)
    assert len(before) >= 4
    bring_up(database)
    after = dict(database.query(files))
    assert [(name, after[name]) for name, _ in before] == before
    assert database.query("SELECT count(*) FROM audit_events WHERE salt IS NULL") == [(500,)]


def test_a_row_that_the_release_before_stores_has_its_entry(database: Database) -> None:
    """Its statement names no salt, and its role has no right to anything of the log."""
    migrate(database.owner_url)
    with Writes(database) as writes:
        writes.go_on()
    assert database.query("SELECT sum(count) FROM log_pending_a") == [(writes.done,)]
    with psycopg.connect(database.service_url) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("SELECT FROM log_pending_a")
    assert check_log(database.superuser_url).faults == []
