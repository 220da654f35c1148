"""Applies the numbered files of ``sql/`` in order, each once, under an advisory lock; then makes the indexes that lack.

Each file runs in a transaction of its own together with its row in ``schema_migrations``, so a migration is
either there and recorded, or not there at all. No writer waits for one longer than a try for a lock takes
(`app.postgres.short_tries`), and none for an index (`app.postgres.indexes`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.clock import Clock
from app.postgres import indexes
from app.postgres.errors import one_line
from app.postgres.sessions import Connection, Limits, pin_to, pins
from app.postgres.short_tries import Patience, ShortTries, StillLockedError
from app.postgres.statements import statements
from app.postgres.watchdog import Watchdog
from app.resources import resource

SQL_DIR = resource("sql")
_NUMBERED = re.compile(r"(\d{4})_(\w+)\.sql")
# Any fixed number: it names "this database is being migrated" among advisory locks.
_LOCK = 7_306_418
_CONNECT_TIMEOUT_SECONDS = 10.0
_DEFAULT_SCHEMA = "public"
_HOMES = statements("postgres")["homes"]


# What a connection is given to store of the migrations of these names.
Record = Callable[[Connection, list[str]], None]


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


def _silent(line: str) -> None:
    pass


def migrate(
    conninfo: str,
    *,
    service_role: str | None = None,
    schema: str = "public",
    say: Callable[[str], None] = _silent,
    patience: Patience | None = None,
    record: Record | None = None,
) -> list[str]:
    """Bring the tables of ``schema`` up to date and give ``service_role`` its rights; the names of what was applied.

    ``say`` is given a line for each thing that is done or waited for; ``record`` is called in a transaction with
    what was applied, unless that is nothing. Safe to run at the same time from several places, while the service
    runs, and again after it was stopped halfway. Raises MigrationError with one line.
    """
    patience = patience or Patience()
    try:
        with _connect(conninfo, schema, patience) as conn:
            tries = ShortTries(conn, patience, schema, _LOCK, say)
            return _apply(tries, service_role, lambda: _connect(conninfo, schema, patience), record)
    except StillLockedError as e:
        raise MigrationError(f"migration failed: {e}") from None
    except psycopg.Error as e:
        raise MigrationError(f"migration failed: {one_line(e)}") from e


def _connect(conninfo: str, schema: str, patience: Patience) -> Connection:
    known = conninfo_to_dict(conninfo)
    limit = float(known.get("connect_timeout") or _CONNECT_TIMEOUT_SECONDS)
    options: dict[str, str | int] = {
        "application_name": "datastorage-migrate",
        "client_encoding": "UTF8",
        "connect_timeout": round(limit),
    }
    conn = Connection.connect(make_conninfo(conninfo, **options), autocommit=True)
    watchdog = Watchdog(Clock())
    watchdog.start()
    # A migration takes as long as it takes.
    limits = Limits(statement=0, lock=patience.each_try)
    try:
        with watchdog.deadline(conn, limit):
            pin_to(conn, pins(limits, schema, conn.info.server_version))
    finally:
        watchdog.stop()
    return conn


def _apply(
    tries: ShortTries,
    service_role: str | None,
    another: Callable[[], AbstractContextManager[Connection]],
    record: Record | None,
) -> list[str]:
    encoding = tries.conn.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MigrationError(f"the database's encoding is {encoding}: make it with ENCODING 'UTF8'")
    tries.until_done(f"schema {tries.schema}", partial(_ensure_schema, tries.conn, tries.schema))
    applied: list[str] = []
    for migration in migrations():
        if tries.until_done(migration.name, partial(_run, tries.conn, migration)):
            applied.append(migration.name)
            tries.say(f"applied {migration.name}")
    # Before the months: the partitions of a new database get their indexes from the table.
    indexes.make_parents(tries)
    _months(tries)
    if applied and record is not None:
        # Before what may take long; it needs the month's partition.
        tries.until_done("the event of the migrations", partial(record, tries.conn, applied))
    if service_role is not None:
        _grant(tries, service_role)
    indexes.make_partitions(tries, another)
    return applied


def _run(conn: Connection, migration: Migration) -> bool:
    """Apply a migration in the current transaction; False if it was applied before."""
    # A transaction-level lock, so that a pooler in transaction mode cannot leave it behind.
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    conn.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version integer PRIMARY KEY, name text NOT NULL, "
        "applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    if conn.execute("SELECT 1 FROM schema_migrations WHERE version = %s", (migration.number,)).fetchone():
        return False
    conn.execute(migration.path.read_bytes())
    conn.execute("INSERT INTO schema_migrations (version, name) VALUES (%s, %s)", (migration.number, migration.name))
    return True


def _ensure_schema(conn: Connection, schema: str) -> None:
    """Make the schema where it is missing; MigrationError if it has no tables of ours and another one does."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    if conn.execute("SELECT to_regnamespace(%s)", (f'"{schema}"',)).fetchone() == (None,):
        _make_schema(conn, schema)
    homes = [row[0] for row in conn.execute(_HOMES)]
    if schema == _DEFAULT_SCHEMA and homes and schema not in homes:
        raise MigrationError(
            f"the tables are in the schema {homes[0]}, not in {schema}: set database.schema to {homes[0]}"
        )


def _make_schema(conn: Connection, schema: str) -> None:
    try:
        conn.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    except psycopg.errors.InsufficientPrivilege:
        raise MigrationError(
            f"there is no schema {schema}, and this role may not make it: make it first, or let database.direct_url "
            "be the address of the role that owns the tables"
        ) from None


def _months(tries: ShortTries) -> None:
    """Partitions for the months that an event may fall in now; the running service keeps up from here."""
    statement = (
        "SELECT audit_ensure_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + %s * interval '1 month')::date)"
    )
    for offset in (-1, 0, 1, 2):
        tries.until_done("a month's partition", partial(tries.conn.execute, statement, (offset,)))


def _grant(tries: ShortTries, role: str) -> None:
    conn = tries.conn
    row = conn.execute("SELECT current_user").fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    owner = row[0]
    if role == owner:
        return
    if conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
        raise MigrationError(f"there is no role {role} to give rights to: make it first (CREATE ROLE … LOGIN)")
    text = (SQL_DIR / "grants.sql").read_text()
    statement = sql.SQL(text).format(role=sql.Identifier(role), schema=sql.Identifier(tries.schema))

    def give() -> None:
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        conn.execute(statement)

    tries.until_done("the rights of the service's role", give)
