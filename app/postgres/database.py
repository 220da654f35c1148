"""PostgreSQL: the pool for queries, and whose fault an error is."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from enum import Enum
from typing import TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout, TooManyRequests

from app.clock import Clock
from app.config.settings import DatabaseSettings
from app.postgres.sessions import (
    AT_ONCE_SECONDS,
    Connection,
    Limits,
    begin,
    begun,
    connection_string,
    is_hung_up,
    pin,
    reading,
)
from app.postgres.watchdog import Watchdog

T = TypeVar("T")

# A lost connection of the pool is tried again for so long: the next request for one tries anew, and waits for no
# back-off that an outage has made long.
_RECONNECT_SECONDS = 2.0
# Who waits for a connection looks up so often whether there is still something to wait for.
_LOOK_UP_SECONDS = 0.5
# The service's clock is the one that counts; it fires this much after the server's own timeout should have.
_READ_GRACE_SECONDS = 1.0


class Fault(Enum):
    """Whose fault a database error is, and so what becomes of the write (docs/architecture.md)."""

    OUTAGE = "outage"  # PostgreSQL cannot take it now
    CONFLICT = "conflict"  # serialization failure or deadlock: worth another try at once
    MISSING_PARTITION = "missing_partition"
    ROW = "row"  # the row's own fault: it can never be stored
    DEPLOYMENT = "deployment"  # missing table, missing rights, bad password
    UNKNOWN = "unknown"


_OUTAGE_CODES = frozenset({"25006", "55P03", "57014"})
_TURNED_DOWN = re.compile(
    r'FATAL: +([\w-]+ authentication failed|no pg_hba\.conf entry|(role|database) ".*" does not exist)'
)
_TIMEOUT_CODES = frozenset({"55P03", "57014"})


def classify(error: BaseException) -> Fault:
    """Whose fault an error of psycopg or its pool is."""
    if isinstance(error, PoolTimeout | TooManyRequests | OSError):
        return Fault.OUTAGE
    if not isinstance(error, psycopg.Error):
        return Fault.UNKNOWN
    state = error.sqlstate
    if state is None:
        if not isinstance(error, psycopg.OperationalError):
            return Fault.UNKNOWN
        # No answer from the server: the connection could not be made, or broke. Where the server turned it down,
        # libpq keeps the words and drops the SQLSTATE (28 or 3D).
        return Fault.DEPLOYMENT if _TURNED_DOWN.search(str(error)) else Fault.OUTAGE
    if state in _OUTAGE_CODES or state.startswith(("08", "53", "57P0", "58")):
        return Fault.OUTAGE
    if state in ("40001", "40P01"):
        return Fault.CONFLICT
    # Where no partition takes the row PostgreSQL names the table and no constraint; a trigger that raises the same code
    # names neither.
    if state == "23514" and error.diag.table_name and not error.diag.constraint_name:
        return Fault.MISSING_PARTITION
    if state.startswith(("22", "23")):
        return Fault.ROW
    if state.startswith(("42", "3D", "28")):
        return Fault.DEPLOYMENT
    return Fault.UNKNOWN


def is_timeout(error: BaseException) -> bool:
    """Whether the server gave up on a lock or a statement: one is bad luck, several in a row an outage."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _TIMEOUT_CODES


class _DiedUnnoticedError(psycopg.OperationalError):
    """A connection was found dead by the first that was said to it."""


@contextlib.contextmanager
def _as_died_unnoticed(conn: Connection) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    except psycopg.OperationalError as e:
        if conn.closed and time.monotonic() - started < AT_ONCE_SECONDS:
            raise _DiedUnnoticedError(str(e)) from e
        raise


class Database:
    """The pool for queries. Writes have a connection of their own (the flusher's), so reads cannot starve them."""

    def __init__(
        self,
        settings: DatabaseSettings,
        *,
        pool_size: int,
        clock: Clock,
        replica: bool = False,
        is_away: Callable[[], bool] = lambda: False,
    ) -> None:
        self.settings = settings
        self._is_away = is_away
        self._clock = clock
        purpose = "replica" if replica else "query"
        # Where the primary stands in for a replica, nobody waits for that longer than a connection takes.
        pool_timeout = min(settings.pool_timeout, settings.connect_timeout) if replica else settings.pool_timeout
        self.watchdog = Watchdog(clock)
        self._limits = Limits(settings.statement_timeout, settings.lock_timeout)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            connection_class=Connection,
            kwargs={"autocommit": True},
            # Asked for each connection, so that a rotated password file needs no restart.
            conninfo=lambda: connection_string(settings, purpose, replica=replica),
            min_size=0,
            max_size=pool_size,
            # Waiters beyond this are told at once; each holds a request thread.
            max_waiting=4 * pool_size + 64,
            timeout=pool_timeout,
            reconnect_timeout=_RECONNECT_SECONDS,
            open=False,
            configure=self._configure,
            name=purpose,
        )

    def start(self) -> None:
        """Start the watchdog and the pool's threads; connects to nothing yet, so PostgreSQL may be away."""
        self.watchdog.start()
        self._pool.open(wait=False)

    def stop(self) -> None:
        """Close every connection; waits no longer than a few seconds for queries under way."""
        self._pool.close(timeout=3)
        self.watchdog.stop()

    def renew(self) -> None:
        """Drop every connection there is, at once or when it comes back: PostgreSQL was away and may have moved."""
        self._pool.drain()

    def _configure(self, conn: Connection) -> None:
        pin(conn, self.settings, self._limits, self.watchdog)

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query, once more if its connection had died unnoticed.

        Errors of PostgreSQL and of the pool pass through as they are.
        """
        try:
            return self._query(query)
        except _DiedUnnoticedError:
            self.renew()  # the others lie there as long
            return self._query(query)

    def _query(self, query: Callable[[Connection], T]) -> T:
        with self._connection() as conn, _as_died_unnoticed(conn), reading(conn):
            return query(conn)

    def change(self, action: Callable[[Connection], T]) -> T:
        """Run the action in one transaction that writes; it is not run again, whatever happens.

        Errors of PostgreSQL and of the pool pass through as they are; `sessions.UnconfirmedError` is one.
        """
        try:
            return self._change(action)
        except _DiedUnnoticedError:  # by the first word to it: nothing was done
            self.renew()
            return self._change(action)

    def _change(self, action: Callable[[Connection], T]) -> T:
        with self._connection() as conn:
            with _as_died_unnoticed(conn):
                begin(conn)
            with begun(conn):
                return action(conn)

    def apart(self, action: Callable[[Connection], T]) -> T:
        """Run an action that makes transactions of its own with `sessions.writing`."""
        with self._connection() as conn:
            return action(conn)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[Connection]:
        """A connection whose other side is still there, as far as this machine knows, with its deadline."""
        until = time.monotonic() + self._pool.timeout
        conn = self._wait_for_one(until)
        while is_hung_up(conn):
            # A restart closes them all: the pool puts a new one in each one's place, and none of them costs a wait.
            conn.close()
            self._pool.putconn(conn)
            conn = self._wait_for_one(until)
        try:
            with self.watchdog.deadline(conn, self.settings.statement_timeout + _READ_GRACE_SECONDS):
                yield conn
        finally:
            self._pool.putconn(conn)

    def _wait_for_one(self, until: float) -> Connection:
        """A connection of the pool. Raises PoolTimeout, and where PostgreSQL is known to be away soon."""
        while True:
            left = until - time.monotonic()
            try:
                return self._pool.getconn(min(left, _LOOK_UP_SECONDS))
            except PoolTimeout:
                if left <= _LOOK_UP_SECONDS or self._is_away():
                    raise

    def pool_stats(self) -> dict[str, int]:
        """psycopg_pool's counters: pool_size, pool_available, requests_waiting, requests_wait_ms, …"""
        return dict(self._pool.get_stats())
