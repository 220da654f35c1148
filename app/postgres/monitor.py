"""The monitor: one thread a worker that knows how PostgreSQL is, so that a request that asks need not wait.

Each round, on a connection of its own: does PostgreSQL answer, is its schema the right one, may the service
write, is it set up to keep what it is given, and are the months ahead there. Health answers from what was last
seen; an open breaker learns from here that the database answers again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import psycopg

from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import Settings
from app.loop import LoopThread
from app.postgres.errors import Fault, classify, in_a_line
from app.postgres.migrations import required_version
from app.postgres.partitions import make_partition, months_ahead, wanted_months
from app.postgres.sessions import Connection, Limits, connect, is_hung_up, reading
from app.postgres.statements import statements
from app.postgres.watchdog import Watchdog
from app.telemetry import metrics

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0
# What changes seldom is looked at seldom.
_SLOW_EVERY = 15


@dataclass(frozen=True)
class DatabaseState:
    """What is known of PostgreSQL."""

    connected: bool = False
    seen: bool = False  # whether PostgreSQL was asked at all yet
    schema_version: int | None = None  # None: not known
    may_write: bool = True
    durable: bool = True  # fsync and full_page_writes are on
    deployment_fault: bool = False  # bad password, missing database, missing table
    standby: bool = False  # the server follows another one
    encoding: str = "UTF8"

    def schema_outdated(self, required: int) -> bool:
        """Whether the schema is known to be older than this release needs."""
        return self.schema_version is not None and self.schema_version < required


_INSPECT = statements("postgres")["inspect"]


class Monitor:
    """Watches PostgreSQL for one worker; `state` is the last known."""

    def __init__(
        self,
        settings: Settings,
        breaker: Breaker,
        watchdog: Watchdog,
        clock: Clock,
        found_again: Callable[[], None] = lambda: None,
        also: Callable[[Connection], None] | None = None,
    ) -> None:
        self._found_again = found_again  # called when the server was away, or a standby, and takes writes again
        self._seen_also = True
        self._also = also  # looks at something else on the connection, where the schema is the right one
        self._settings = settings
        self._breaker = breaker
        self._watchdog = watchdog
        self._clock = clock
        self._conn: Connection | None = None
        self._loop = LoopThread("monitor", self.look, ROUND_SECONDS, log, end=self._drop)
        self._round = 0
        self._months: set[date] = set()
        self.required_schema = required_version()
        self.state = DatabaseState()

    def start(self) -> None:
        """Start the thread; PostgreSQL may be away."""
        self._loop.start()

    def stop(self) -> None:
        """End the thread; waits no longer than one probe takes."""
        self._loop.stop(timeout=self._settings.database.connect_timeout + 1)

    def look(self) -> DatabaseState:
        """One round: probe, and now and then inspect; the new state."""
        before = self.state
        try:
            conn, standby = self._probe()
        except (psycopg.Error, OSError) as e:  # a password file that cannot be read is an OSError
            self._lost(e)
            return self.state
        if before.seen and not before.connected:
            log.info("PostgreSQL answers again")
        self._round += 1
        found = replace(self.state, connected=True, seen=True, deployment_fault=False, standby=standby)
        if standby:
            self.state = found
            self._is_standby(before)
            return self.state
        if before.seen and (not before.connected or before.standby):
            self._found_again()
        # Before it is said that it answers: whoever hears that may write at once, and read there.
        self._breaker.recovered()
        self.state = found
        try:
            self._ensure_months(conn)
        except psycopg.Error as e:
            log.warning("could not make the partitions of coming months: %s", type(e).__name__)
            if conn.closed:
                self._drop()
                return self.state
        if self._also is not None and self._is_right():
            self._look_also(conn, self._also)
        return self.state

    def _look_also(self, conn: Connection, also: Callable[[Connection], None]) -> None:
        try:
            with self._watchdog.deadline(conn, self._settings.health.probe_timeout), reading(conn):
                also(conn)
            if not self._seen_also:
                log.info("the log of all records can be looked at again")
            self._seen_also = True
        except psycopg.Error as e:
            # PostgreSQL has just answered: this says nothing of writes.
            if self._seen_also:
                log.warning("could not look at the log of all records: %s", in_a_line(e))
            self._seen_also = False
            if conn.closed:
                self._drop()

    def _probe(self) -> tuple[Connection, bool]:
        """The connection, found well, and whether its server only follows another. Raises psycopg.Error, OSError."""
        used = self._conn is not None
        try:
            return self._probe_once()
        except psycopg.OperationalError:
            # Perhaps only this connection has ended, which says nothing of the server: ask on another at once.
            if not used or self._conn is None or not self._conn.closed:
                raise
            self._drop()
            return self._probe_once()

    def _probe_once(self) -> tuple[Connection, bool]:
        conn = self._connected()
        # A probe that takes longer says the same as one that fails.
        with self._watchdog.deadline(conn, self._settings.health.probe_timeout) as deadline:
            try:
                [(standby,)] = conn.execute("SELECT pg_is_in_recovery()").fetchall()
                if self._round % _SLOW_EVERY == 0 or not self.state.connected or not self._is_right():
                    with reading(conn):
                        self._inspect(conn)
            except psycopg.Error as e:
                if deadline.fired:
                    self._drop()  # not a connection that had ended before
                raise e from None
        return conn, bool(standby)

    def _is_standby(self, before: DatabaseState) -> None:
        """The server follows another, or has been made to: the address may lead to that other one by now."""
        if not before.standby:
            fate = self._settings.spilled_or_refused
            log.warning("PostgreSQL is a standby and takes no writes; they %s", fate)
        self._drop()
        self._breaker.failed()

    def _is_right(self) -> bool:
        s = self.state
        return s.may_write and s.schema_version is not None and s.schema_version >= self.required_schema

    def _inspect(self, conn: Connection) -> None:
        row = conn.execute(_INSPECT).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has one row
        migrated, may_write, durable = row
        found = conn.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone() if migrated else (0,)
        assert found is not None  # noqa: S101
        encoding = str(conn.info.parameter_status("server_encoding"))
        if encoding != "UTF8" and self.state.encoding == "UTF8":
            log.error(
                "the database's encoding is %s: not every text can be kept as it came. Move to a database that was "
                "made with ENCODING 'UTF8'",
                encoding,
            )
        if not durable and self.state.durable:
            log.error("PostgreSQL runs with fsync or full_page_writes off: a power cut loses acknowledged events")
        if found[0] < self.required_schema and found[0] != self.state.schema_version:
            log.error(
                "the tables in the schema %s are at version %d, and %d is needed: run datastorage migrate, or set "
                "database.schema to where they are",
                self._settings.database.schema,
                found[0],
                self.required_schema,
            )
        self.state = replace(
            self.state, schema_version=found[0], may_write=may_write, durable=durable, encoding=encoding
        )

    def _lost(self, error: Exception) -> None:
        fault = classify(error)
        if self.state.connected or not self.state.seen:
            # The first line names host, port and reason; passwords are in none of libpq's messages.
            log.warning("PostgreSQL does not answer: %s", str(error).splitlines()[0] if str(error) else fault.value)
        self._drop()
        # What was known of the schema stays known: a database that is away does not get older.
        self.state = replace(self.state, connected=False, seen=True, deployment_fault=fault is Fault.DEPLOYMENT)
        self._breaker.failed(unreachable=True)

    def _ensure_months(self, conn: Connection) -> None:
        if self.state.schema_outdated(self.required_schema):
            return
        today = self._clock.now().date()
        wanted = wanted_months(today)
        if not self._months.issuperset(wanted) or self._round % (60 * _SLOW_EVERY) == 1:
            try:
                self._make_months(conn, wanted)
            finally:
                # Also when a month could not be made: that is when the gauge has something to say.
                metrics.PARTITION_MONTHS_AHEAD.set(months_ahead(today, self._months))
        metrics.PARTITION_MONTHS_AHEAD.set(months_ahead(today, self._months))

    def _make_months(self, conn: Connection, wanted: list[date]) -> None:
        with self._watchdog.deadline(conn, self._settings.database.connect_timeout):
            with reading(conn):
                self._months = {row[0] for row in conn.execute("SELECT * FROM audit_partition_months()")}
            for month in wanted:
                if month not in self._months:
                    make_partition(conn, month)
                    self._months.add(month)
                    log.info("made the partition of %s", month.strftime("%Y-%m"))

    def _connected(self) -> Connection:
        if self._conn is not None and is_hung_up(self._conn):
            self._drop()
        if self._conn is None:
            limit = self._settings.health.probe_timeout
            self._conn = connect(self._settings.database, "monitor", Limits(limit, limit), self._watchdog)
        return self._conn

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
