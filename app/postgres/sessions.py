"""Connections to PostgreSQL and the transactions on them, with every setting pinned that a statement leans on.

A role, a database, the server, the environment (``PG*``) and an address can each set what a session starts with: how
dates are written, which tables a name means, whether a commit waits for the disk. None of that may decide what an
answer means. On a connection of our own the settings are made once, for the session. Behind a pooler that hands one
server session from transaction to transaction they would be lost, or stay behind for another client: there each
transaction makes them for itself. Which of the two it is shows by the process id: a pooler gives out ids of its own.
"""

from __future__ import annotations

import contextlib
import select
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import conninfo

from app.config.stores import DatabaseSettings
from app.postgres.statements import statements
from app.postgres.watchdog import Watchdog

_MEANING = {
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "bytea_output": "hex",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    # A policy that would hide rows is an error, not a shorter answer; and an index gives all that it finds.
    "row_security": "off",
    "gin_fuzzy_search_limit": "0",
    "transform_null_equals": "off",
    "exit_on_error": "off",
    # Session ends are ours to decide.
    "idle_session_timeout": "0",
}
_DURABLE = {
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    # The warning that a commit did not wait for its standby has to be heard.
    "client_min_messages": "notice",
}
# A connection that had died unnoticed fails at once; what fails later is the server's own trouble.
AT_ONCE_SECONDS = 1.0
_TRANSACTION_TIMEOUT_SINCE = 170000  # server version that has transaction_timeout
_BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_PIN = statements("postgres")["pin"]


class UnconfirmedError(psycopg.OperationalError):
    """A commit was answered with a warning: it may not be on the standby that it has to be on."""


@dataclass(frozen=True)
class Limits:
    """How long the statements of a session may take, in seconds; 0 is no limit."""

    statement: float
    lock: float


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose settings are pinned; `connect` and `pin` make it one."""

    # Whether a pooler stands in between, which may give each transaction another server session.
    pooled = False
    # What a transaction begins with.
    begin_writing = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
    begin_reading = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
    # The settings that a transaction makes for itself; nothing where the session has them.
    pinning = ""
    # A commit that gave up waiting for a synchronous standby succeeds with only a warning.
    warned = False

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            self.warned = True


def search_path(schema: str) -> str:
    """The value of search_path for a schema: temporary tables come last, so that none stands in for one of ours."""
    return f'"{schema}", pg_temp'


def pins(limits: Limits, schema: str, server_version: int) -> dict[str, str]:
    """Every setting of a session, by name; ``server_version`` as libpq gives it, such as 150004."""
    settings = {
        **_MEANING,
        **_DURABLE,
        "search_path": search_path(schema),
        "statement_timeout": f"{round(1000 * limits.statement)}",
        "lock_timeout": f"{round(1000 * limits.lock)}",
        "idle_in_transaction_session_timeout": f"{round(1000 * 2 * limits.statement)}",
    }
    if server_version >= _TRANSACTION_TIMEOUT_SINCE:
        settings["transaction_timeout"] = "0"
    return settings


def connection_string(settings: DatabaseSettings, purpose: str, *, replica: bool = False) -> str:
    """libpq connection string with every wait bounded that begins before a session is there."""
    base = settings.read_conninfo() if replica else settings.conninfo()
    known = conninfo.conninfo_to_dict(base)
    # Each host of several gets its share, so that all of them together take no longer than one would.
    hosts = str(known.get("host") or "").count(",") + 1
    return conninfo.make_conninfo(
        base,
        application_name=f"datastorage-{purpose}",
        client_encoding="UTF8",
        # libpq takes whole seconds and treats 1 as 2.
        connect_timeout=max(2, round(settings.connect_timeout / hosts)),
        tcp_user_timeout=round(1000 * max(settings.statement_timeout, settings.connect_timeout)),
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
    )


def connect(settings: DatabaseSettings, purpose: str, limits: Limits, watchdog: Watchdog) -> Connection:
    """A pinned connection in autocommit mode, bounded in every wait. Raises psycopg.OperationalError."""
    conn = Connection.connect(connection_string(settings, purpose), autocommit=True)
    pin(conn, settings, limits, watchdog)
    return conn


def pin(conn: Connection, settings: DatabaseSettings, limits: Limits, watchdog: Watchdog) -> None:
    """Pin the settings of a fresh connection in autocommit mode; closes it where that fails. Raises psycopg.Error."""
    try:
        with watchdog.deadline(conn, settings.connect_timeout):
            pin_to(conn, pins(limits, settings.schema, conn.info.server_version))
    except BaseException:
        conn.close()
        raise
    if settings.prepared_statements and not conn.pooled:
        conn.prepare_threshold = 5


def pin_to(conn: Connection, wanted: dict[str, str]) -> None:
    """Make these settings, for the session or for each transaction on it. Raises psycopg.Error."""
    conn.prepare_threshold = None
    conn.add_notice_handler(conn._notice)
    made = conn.execute(_PIN, (list(wanted), list(wanted.values()), conn.info.backend_pid)).fetchone()
    conn.pooled = made != (len(wanted),)
    if conn.pooled:
        each = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in wanted.items())
        conn.pinning = f"SELECT {each}"
        conn.begin_writing = f"{Connection.begin_writing}; SELECT {each}"
        conn.begin_reading = f"{Connection.begin_reading}; SELECT {each}"


@contextlib.contextmanager
def writing(conn: Connection) -> Iterator[Connection]:
    """A transaction that writes, on a connection that has none: committed at the end of the block, or undone.

    Raises psycopg.Error; UnconfirmedError where the commit was answered, but is perhaps not on the standby that it has
    to be on.
    """
    begin(conn)
    with begun(conn):
        yield conn


@contextlib.contextmanager
def reading(conn: Connection) -> Iterator[Connection]:
    """The connection for queries: in a transaction of its own where the settings hold for one only."""
    if not conn.pooled:
        yield conn
        return
    conn.execute(conn.begin_reading)
    with _undone_on_error(conn):
        yield conn
        conn.execute("COMMIT")


@contextlib.contextmanager
def snapshot(conn: Connection, schema: str, tables: Sequence[str]) -> Iterator[Connection]:
    """A transaction that reads one snapshot, taken when no TRUNCATE of these tables can happen any more.

    Raises psycopg.Error.
    """
    locked = ", ".join(f'"{schema}".{table}' for table in tables)
    # The lock takes no snapshot; the settings would.
    parts = [_BEGIN_SNAPSHOT, f"LOCK TABLE {locked} IN ACCESS SHARE MODE", conn.pinning]
    conn.execute("; ".join(part for part in parts if part), prepare=False)
    with _undone_on_error(conn):
        yield conn
        conn.execute("COMMIT", prepare=False)


def begin(conn: Connection) -> None:
    """Begin a transaction that writes. Raises psycopg.Error."""
    conn.execute(conn.begin_writing, prepare=False)


@contextlib.contextmanager
def begun(conn: Connection) -> Iterator[Connection]:
    """The rest of a transaction that `begin` began: committed at the end of the block, or undone."""
    with _undone_on_error(conn):
        yield conn
        commit(conn)


def commit(conn: Connection) -> None:
    """Commit what `begin` began. Raises psycopg.Error, UnconfirmedError among them."""
    conn.warned = False
    answer = conn.execute("COMMIT", prepare=False)
    if answer.statusmessage != "COMMIT":
        # PostgreSQL answers COMMIT with ROLLBACK where a statement had failed, and calls that a success.
        raise psycopg.errors.InFailedSqlTransaction("the transaction had failed: nothing was committed")
    if conn.warned:
        raise UnconfirmedError("the commit was not confirmed by a standby")


def confirm(conn: Connection) -> None:
    """Write something that nobody reads, so that the commit waits for all that was committed before.

    For who has found something there and is about to say that it is kept: whoever stored it may have been told that no
    standby has it yet, and a commit that has written nothing waits for none. Raises psycopg.Error.
    """
    conn.execute("SELECT pg_logical_emit_message(true, 'datastorage', '')")


def roll_back(conn: Connection) -> bool:
    """End the transaction, if there is one, without its changes; False if the connection did not survive."""
    if conn.closed or conn.broken:
        return False
    if conn.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
        return True
    try:
        conn.execute("ROLLBACK", prepare=False)
    except psycopg.Error:
        conn.close()
        return False
    return True


@contextlib.contextmanager
def _undone_on_error(conn: Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        roll_back(conn)
        raise


def is_hung_up(conn: psycopg.Connection[Any]) -> bool:
    """Whether the other side has ended an idle connection, as far as this machine knows; one system call if not."""
    try:
        poller = select.poll()
        poller.register(conn.pgconn.socket, select.POLLIN)
        # What lies there may be a notice, and the end only behind it.
        for _ in range(3):
            if not poller.poll(0):
                return False
            conn.pgconn.consume_input()
    except psycopg.Error:
        return True
    return bool(poller.poll(0))
