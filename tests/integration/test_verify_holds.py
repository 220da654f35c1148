"""Whoever changes holds past the service is found: the acts in the log say what was set and released."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import flask
import psycopg
import pytest

from app.services import Services
from app.verify.check import check_log
from app.verify.database import DatabaseSource
from app.verify.report import Report
from tests.support import Database, wait_until
from tests.verify_rows import Conn

HOLDS = "/api/v1/holds"
# There is no key here, and so no checkpoint.
UNSIGNED = {"signature": 1}
ACTIVE, RELEASED = "released_at IS NULL", "released_at IS NOT NULL"


def checked(conn: Conn) -> Report:
    return check_log(DatabaseSource(conn), [])


@pytest.fixture
def conn(make_app: Callable[..., flask.Flask], database: Database) -> Iterator[Conn]:
    """A superuser whom no trigger sees, where one hold is in force and one is released."""
    app = make_app()
    client = app.test_client()
    for name in ("one", "two"):
        sent = {"name": name, "reason": "r", "filter": {"data": {"n": 1.0}, "since": "2026-01-01"}}
        assert client.post(HOLDS, json=sent).status_code == 201
    path = f"{HOLDS}/{client.get(HOLDS).json['holds'][0]['hold_id']}/release"
    assert client.post(path, json={"reason": "closed"}).status_code == 200
    services: Services = app.extensions["datastorage"]
    wait_until(lambda: services.log_watch.state.size == 6, what="all is in the log")
    services.stop()
    with contextlib.closing(psycopg.connect(database.superuser_url)) as conn:
        conn.execute("SET LOCAL session_replication_role = replica")
        yield conn
        conn.rollback()


EDITS = [
    f"DELETE FROM audit_holds WHERE {ACTIVE}",
    f"DELETE FROM audit_holds WHERE {RELEASED}",
    f"UPDATE audit_holds SET hold_id = gen_random_uuid() WHERE {ACTIVE}",
    f"UPDATE audit_holds SET name = 'three' WHERE {ACTIVE}",
    f"UPDATE audit_holds SET reason = 'another' WHERE {ACTIVE}",
    f'UPDATE audit_holds SET filter = filter || \'{{"actor_id": "nobody"}}\' WHERE {ACTIVE}',
    f"UPDATE audit_holds SET filter = filter - 'since' WHERE {ACTIVE}",
    f"UPDATE audit_holds SET set_at = set_at + interval '1 microsecond' WHERE {ACTIVE}",
    f"UPDATE audit_holds SET set_by = 'somebody' WHERE {ACTIVE}",
    f"UPDATE audit_holds SET set_salt = sha256('x') WHERE {ACTIVE}",
    f"UPDATE audit_holds SET set_act = gen_random_uuid() WHERE {ACTIVE}",
    # As if it were released, by the act of another or by none.
    (
        "UPDATE audit_holds a SET released_at = b.released_at, release_reason = b.release_reason, "
        "release_act = gen_random_uuid(), release_salt = b.release_salt FROM audit_holds b "
        f"WHERE a.{ACTIVE} AND b.{RELEASED}"
    ),
    f"UPDATE audit_holds SET released_at = now() WHERE {ACTIVE}",
    # As if it were in force still.
    (
        "UPDATE audit_holds SET released_at = NULL, release_reason = NULL, release_act = NULL, release_salt = NULL "
        f"WHERE {RELEASED}"
    ),
    f"UPDATE audit_holds SET release_reason = 'another' WHERE {RELEASED}",
    f"UPDATE audit_holds SET released_by = 'somebody' WHERE {RELEASED}",
    f"UPDATE audit_holds SET released_at = released_at - interval '1 day' WHERE {RELEASED}",
    (
        "INSERT INTO audit_holds "
        "SELECT gen_random_uuid(), name, reason, filter, set_at, set_by, gen_random_uuid(), set_salt "
        f"FROM audit_holds WHERE {ACTIVE}"
    ),
    "UPDATE audit_holds SET filter = '[]' WHERE name = 'one'",
]


def test_what_acts_do_not_say_of_holds_is_found(conn: Conn) -> None:
    report = checked(conn)
    assert (report.faults, report.holds, report.size) == (UNSIGNED, 2, 6), report.first
    for table, constraint in conn.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE conrelid = 'audit_holds'::regclass "
        "AND contype IN ('c', 'u', 'f')"
    ).fetchall():
        conn.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
    for edit in EDITS:
        conn.execute("SAVEPOINT before")
        assert conn.execute(edit).rowcount == 1, edit
        report = checked(conn)
        assert report.faults.get("hold"), edit
        conn.execute("ROLLBACK TO before")
    assert checked(conn).faults == UNSIGNED


def test_an_act_that_is_changed_with_its_hold_is_found_as_every_record_is(conn: Conn) -> None:
    conn.execute(
        "UPDATE log_acts SET details = details || '{\"principal\": \"somebody\"}' WHERE kind = 'hold_set'",
    )
    conn.execute("UPDATE audit_holds SET set_by = 'somebody'")
    found = checked(conn)
    assert found.first is not None
    assert (found.first.kind, found.first.record and found.first.record[0]) == ("content", "hold_set")
