"""Applies the numbered files of ``sql/`` in order, each once, under an advisory lock.

Each file runs in a transaction of its own together with its row in ``schema_migrations``, so a migration is
either there and recorded, or not there at all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

SQL_DIR = Path(__file__).resolve().parent.parent / "sql"
_NUMBERED = re.compile(r"(\d{4})_(\w+)\.sql")
# Any fixed number: it names "somebody is migrating this database" among advisory locks.
_LOCK = 7_306_418
_LOCK_TIMEOUT = "60s"


class MigrationError(Exception):
    """The schema could not be brought up to date; the message is one line for the operator."""


@dataclass(frozen=True)
class Migration:
    """One numbered file of ``sql/``."""

    number: int
    name: str
    path: Path


def migrations() -> list[Migration]:
    """All migrations that this release has, lowest number first."""
    found = [
        Migration(int(m[1]), path.stem, path)
        for path in sorted(SQL_DIR.glob("*.sql"))
        if (m := _NUMBERED.fullmatch(path.name))
    ]
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"migrations must be numbered without gaps from 0001: {[m.name for m in found]}")
    return found


def required_version() -> int:
    """The schema version that this release needs: its highest migration."""
    return migrations()[-1].number


def migrate(conninfo: str, *, service_role: str | None = None) -> list[str]:
    """Bring the database up to date and give ``service_role`` its rights; the names of what was applied.

    Safe to run at the same time from several places. Raises MigrationError with one line.
    """
    try:
        with psycopg.connect(conninfo, autocommit=True, application_name="datastorage-migrate") as conn:
            return _apply(conn, service_role)
    except psycopg.Error as e:
        text = " ".join(str(e).split())
        raise MigrationError(f"migration failed: {text}") from e


def _apply(conn: psycopg.Connection, service_role: str | None) -> list[str]:
    applied: list[str] = []
    encoding = conn.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MigrationError(f"the database's encoding is {encoding}: make it with ENCODING 'UTF8'")
    conn.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(_LOCK_TIMEOUT)))
    for migration in migrations():
        # A transaction-level lock, so that a pooler in transaction mode cannot leave it behind.
        with conn.transaction():
            conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            conn.execute(
                "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL, "
                "applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
            )
            if conn.execute("SELECT 1 FROM schema_migrations WHERE version = %s", (migration.number,)).fetchone():
                continue
            conn.execute(migration.path.read_bytes())
            conn.execute(
                "INSERT INTO schema_migrations (version, name) VALUES (%s, %s)", (migration.number, migration.name)
            )
            applied.append(migration.name)
    _months(conn)
    if service_role is not None:
        _grant(conn, service_role)
    return applied


def _months(conn: psycopg.Connection) -> None:
    """Partitions for the months that an event may fall in now; the running service keeps up from here."""
    for offset in (-1, 0, 1, 2):
        conn.execute(
            "SELECT audit_ensure_partition("
            "(date_trunc('month', now() AT TIME ZONE 'UTC') + %s * interval '1 month')::date)",
            (offset,),
        )


def _grant(conn: psycopg.Connection, role: str) -> None:
    row = conn.execute("SELECT current_user, current_schema()").fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    owner, schema = row
    if role == owner:
        return
    if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        raise MigrationError(f"there is no role {role} to give rights to: make it first (CREATE ROLE … LOGIN)")
    text = (SQL_DIR / "grants.sql").read_text()
    statement = sql.SQL(text).format(role=sql.Identifier(role), schema=sql.Identifier(schema))
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        conn.execute(statement)
