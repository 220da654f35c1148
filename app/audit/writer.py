"""Trying PostgreSQL: one connection for writes, its deadline, and what the breaker learns from it.

The flusher and the replay of the dead letter queue each have one of these; they share the breaker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import psycopg

from app.audit.outcome import NotWritten, Stored, WriteOutcome, WriteRequest
from app.audit.store import WriteSession, write
from app.breaker import Breaker
from app.clock import Clock
from app.config import Settings
from app.database import Fault, Watchdog, classify, connect

log = logging.getLogger(__name__)

WriteFunction = Callable[[WriteSession, Sequence[WriteRequest]], list[WriteOutcome]]


def local_settings(settings: Settings) -> str:
    """What each transaction sets for itself behind a pooler that drops session settings."""
    if settings.database.prepared_statements:
        return ""
    b = settings.buffer
    return (
        "SET LOCAL synchronous_commit = on; "
        f"SET LOCAL statement_timeout = {round(1000 * b.flush_statement_timeout)}; "
        f"SET LOCAL lock_timeout = {round(1000 * b.flush_lock_timeout)}"
    )


class Writer:
    """Writes requests while the breaker allows it. Used by one thread; connects when first needed."""

    def __init__(
        self,
        settings: Settings,
        breaker: Breaker,
        watchdog: Watchdog,
        clock: Clock,
        write_function: WriteFunction = write,
        purpose: str = "flusher",
    ) -> None:
        self._settings = settings
        self._breaker = breaker
        self._watchdog = watchdog
        self._clock = clock
        self._write = write_function
        self._purpose = purpose
        self._session: WriteSession | None = None

    def to_database(self, requests: list[WriteRequest]) -> list[WriteOutcome]:
        """Try to write; one outcome each. At once NotWritten while the breaker is open."""
        if not self._breaker.allow():
            return [NotWritten(Fault.OUTAGE)] * len(requests)
        try:
            return self._try(requests)
        except BaseException:
            # The trial of a half-open breaker must not be lost with a mistake of ours: nobody would try again.
            self._breaker.not_tried()
            raise

    def _try(self, requests: list[WriteRequest]) -> list[WriteOutcome]:
        try:
            session = self._connected()
        except (psycopg.Error, OSError) as e:  # OSError: the password file could not be read just now
            self._report(classify(e), unreachable=True, error=e)
            return [NotWritten(classify(e))] * len(requests)
        with self._watchdog.deadline(session.conn, self._settings.buffer.flush_timeout) as deadline:
            outcomes = self._write(session, requests)
        self._judge(requests, outcomes, fired=deadline.fired, broken=session.broken)
        if session.broken:
            self.drop_session()
        return outcomes

    def _judge(self, requests: list[WriteRequest], outcomes: list[WriteOutcome], *, fired: bool, broken: bool) -> None:
        """Tell the breaker what this flush says about PostgreSQL."""
        failures = [o for o in outcomes if isinstance(o, NotWritten) and o.fault is not Fault.UNKNOWN]
        if not failures:
            # Only a row that was really written proves that PostgreSQL takes writes again.
            if any(
                isinstance(o, Stored) and len(o.duplicates) < len(r.records)
                for o, r in zip(outcomes, requests, strict=True)
            ):
                if self._breaker.succeeded():
                    log.info("PostgreSQL takes writes again")
            else:
                self._breaker.not_tried()
        elif fired or broken:
            self._report(Fault.OUTAGE, unreachable=True, error=None)
        else:
            self._report(failures[0].fault, timed_out=all(f.timed_out for f in failures))

    def _report(
        self, fault: Fault, *, timed_out: bool = False, unreachable: bool = False, error: Exception | None = None
    ) -> None:
        opened = self._breaker.failed(timed_out=timed_out, unreachable=unreachable)
        if opened:
            kind = type(error).__name__ if error is not None else fault.value
            level = logging.ERROR if fault is Fault.DEPLOYMENT else logging.WARNING
            log.log(level, "PostgreSQL does not take writes (%s); they go to the dead letter queue", kind)

    def _connected(self) -> WriteSession:
        if self._session is None or self._session.broken:
            b = self._settings.buffer
            conn = connect(
                self._settings.database,
                self._purpose,
                statement_timeout=b.flush_statement_timeout,
                lock_timeout=b.flush_lock_timeout,
            )
            self._session = WriteSession(conn, local_settings(self._settings))
        return self._session

    def drop_session(self) -> None:
        """Close the connection; the next write makes another."""
        if self._session is not None:
            self._session.conn.close()
            self._session = None
