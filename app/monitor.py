"""The monitor: one thread a worker that knows how PostgreSQL is, so that nobody who asks has to wait.

Each round, on a connection of its own: does PostgreSQL answer, is its schema the right one, may the service
write, is it set up to keep what it is given, and are the months ahead there. Health answers from what was last
seen; an open breaker learns from here that the database answers again.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from datetime import date

import psycopg

from app import metrics
from app.audit.partitions import months_ahead, wanted_months
from app.breaker import Breaker
from app.clock import Clock
from app.config import Settings
from app.database import Fault, Watchdog, classify, connect
from app.migrate import required_version

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

    def schema_outdated(self, required: int) -> bool:
        """Whether the schema is known to be older than this release needs."""
        return self.schema_version is not None and self.schema_version < required


_INSPECT = """
SELECT to_regclass('schema_migrations') IS NOT NULL,
       coalesce(has_table_privilege(to_regclass('audit_events'), 'INSERT'), false)
         AND coalesce(has_table_privilege(to_regclass('notification_audit'), 'INSERT'), false),
       current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on'
"""


class Monitor:
    """Watches PostgreSQL for one worker; `state` is the last known."""

    def __init__(self, settings: Settings, breaker: Breaker, watchdog: Watchdog, clock: Clock) -> None:
        self._settings = settings
        self._breaker = breaker
        self._watchdog = watchdog
        self._clock = clock
        self._conn: psycopg.Connection | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._round = 0
        self._months: set[date] = set()
        self.required_schema = required_version()
        self.state = DatabaseState()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits no longer than one probe takes."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=self._settings.database.connect_timeout + 1)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:  # the next round looks again; a monitor that died would freeze health for ever
                log.exception("monitor failed unexpectedly")
            self._stop.wait(ROUND_SECONDS)
        self._drop()

    def look(self) -> DatabaseState:
        """One round: probe, and now and then inspect; the new state."""
        try:
            conn = self._connected()
            # A probe that takes longer says the same as one that fails.
            with self._watchdog.deadline(conn, self._settings.health.probe_timeout):
                conn.execute("SELECT 1")
                if self._round % _SLOW_EVERY == 0 or not self.state.connected or not self._is_right():
                    self._inspect(conn)
            if self.state.seen and not self.state.connected:
                log.info("PostgreSQL answers again")
            self._round += 1
            self.state = replace(self.state, connected=True, seen=True, deployment_fault=False)
        except (psycopg.Error, OSError) as e:  # a password file that cannot be read is an OSError
            self._lost(e)
            return self.state
        self._breaker.recovered()
        try:
            self._ensure_months(conn)
        except psycopg.Error as e:
            log.warning("could not make the partitions of coming months: %s", type(e).__name__)
            if conn.closed:
                self._drop()
        return self.state

    def _is_right(self) -> bool:
        s = self.state
        return s.may_write and s.schema_version is not None and s.schema_version >= self.required_schema

    def _inspect(self, conn: psycopg.Connection) -> None:
        row = conn.execute(_INSPECT).fetchone()
        assert row is not None  # noqa: S101 - a SELECT without FROM has one row
        migrated, may_write, durable = row
        found = conn.execute("SELECT coalesce(max(version), 0) FROM schema_migrations").fetchone() if migrated else (0,)
        assert found is not None  # noqa: S101
        if not durable and self.state.durable:
            log.error("PostgreSQL runs with fsync or full_page_writes off: a power cut loses acknowledged events")
        self.state = replace(self.state, schema_version=found[0], may_write=may_write, durable=durable)

    def _lost(self, error: Exception) -> None:
        fault = classify(error)
        if self.state.connected or not self.state.seen:
            # The first line names host, port and reason; passwords are in none of libpq's messages.
            log.warning("PostgreSQL does not answer: %s", str(error).splitlines()[0] if str(error) else fault.value)
        self._drop()
        # What was known of the schema stays known: a database that is away does not get older.
        self.state = replace(self.state, connected=False, seen=True, deployment_fault=fault is Fault.DEPLOYMENT)
        self._breaker.failed(unreachable=True)

    def _ensure_months(self, conn: psycopg.Connection) -> None:
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

    def _make_months(self, conn: psycopg.Connection, wanted: list[date]) -> None:
        with self._watchdog.deadline(conn, self._settings.database.connect_timeout):
            self._months = {row[0] for row in conn.execute("SELECT * FROM audit_partition_months()")}
            for month in wanted:
                if month not in self._months:
                    conn.execute("SELECT audit_ensure_partition(%s)", (month,))
                    self._months.add(month)
                    log.info("made the partition of %s", month.strftime("%Y-%m"))

    def _connected(self) -> psycopg.Connection:
        if self._conn is None or self._conn.closed:
            limit = self._settings.health.probe_timeout
            self._conn = connect(self._settings.database, "monitor", statement_timeout=limit, lock_timeout=limit)
        return self._conn

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None
