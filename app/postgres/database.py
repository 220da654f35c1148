"""PostgreSQL: the pool for queries."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import date
from typing import TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout

from app.clock import Clock
from app.config.stores import DatabaseSettings
from app.postgres.errors import OutageError
from app.postgres.partitions import make_partition
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
        # Where the primary stands in for a replica, no query waits for that longer than a connection takes.
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

        Raises OutageError at once while PostgreSQL is known to be away; errors of psycopg and of the pool pass through.
        """
        self._refuse_if_away()
        try:
            return self._query(query)
        except _DiedUnnoticedError:
            self.renew()  # the others lie there as long
            return self._query(query)

    def _query(self, query: Callable[[Connection], T]) -> T:
        with self._connection() as conn, _as_died_unnoticed(conn), reading(conn):
            return query(conn)

    def change(self, action: Callable[[Connection], T]) -> T:
        """Run the action in one transaction that writes; it is never run twice.

        Raises as `read` does; `sessions.UnconfirmedError` is one of psycopg's errors.
        """
        self._refuse_if_away()
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

    def make_partition(self, day: date) -> None:
        """Make the partition of the day's month. Raises as `read` does."""
        self._refuse_if_away()
        with self._connection() as conn:
            make_partition(conn, day)

    def _refuse_if_away(self) -> None:
        if self._is_away():
            raise OutageError

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
