"""Trying PostgreSQL: one connection for writes, its deadline, and what the breaker learns from it.

The flusher and the replay of the dead letter queue each have one of these; they share the breaker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import psycopg

from app.audit.event import AuditEvent
from app.audit.outcome import NotWritten, Stored, WriteOutcome, WriteRequest
from app.audit.store import WriteSession, write
from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import Settings
from app.postgres.errors import Fault, classify
from app.postgres.sessions import AT_ONCE_SECONDS, Limits, connect, is_hung_up
from app.postgres.watchdog import Watchdog

log = logging.getLogger(__name__)

WriteFunction = Callable[[WriteSession, Sequence[WriteRequest]], list[WriteOutcome]]


def _may_be_repeated(requests: Sequence[WriteRequest], outcomes: Sequence[WriteOutcome]) -> bool:
    """Whether writing all of it once more means the same: an event's digest tells, a notification's id does not."""
    return not any(
        isinstance(o, NotWritten) and o.in_doubt and not all(isinstance(r, AuditEvent) for r in q.records)
        for q, o in zip(requests, outcomes, strict=True)
    )


def _still_in_doubt(before: WriteOutcome, outcome: WriteOutcome) -> WriteOutcome:
    """The later outcome; a second try that came to nothing does not take back what the first may have done."""
    if isinstance(before, NotWritten) and before.in_doubt and isinstance(outcome, NotWritten):
        return replace(outcome, in_doubt=True)
    return outcome


def _refused(outcome: WriteOutcome) -> bool:
    return isinstance(outcome, NotWritten) and outcome.fault is Fault.OUTAGE and not outcome.timed_out


def proves_well(request: WriteRequest, outcome: WriteOutcome) -> bool:
    """Whether a row was really written: only that proves that PostgreSQL takes writes."""
    return isinstance(outcome, Stored) and len(outcome.duplicates) < len(request.records)


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
            # The trial of a half-open breaker must not be lost with a mistake of ours: no write would be tried again.
            self._breaker.not_tried()
            raise

    def _try(self, requests: list[WriteRequest]) -> list[WriteOutcome]:
        used = self._session
        started = self._clock.monotonic()
        outcomes: list[WriteOutcome] = []
        while True:
            try:
                session = self._connected()
            except (psycopg.Error, OSError) as e:  # OSError: the password file could not be read just now
                self._report(classify(e), unreachable=True, error=e)
                # What the connection before this one said stands, and so does the doubt that it left.
                return outcomes or [NotWritten(classify(e))] * len(requests)
            with self._watchdog.deadline(session.conn, self._settings.buffer.flush_timeout) as deadline:
                outcomes = self._written(session, requests, outcomes)
            if session is not used or not session.broken or deadline.fired:
                break
            # Perhaps only this connection has ended: a proxy or a restart closes what lay idle.
            if self._clock.monotonic() - started > AT_ONCE_SECONDS or not _may_be_repeated(requests, outcomes):
                break
            self.drop_session()
        self._judge(requests, outcomes, fired=deadline.fired, broken=session.broken)
        if session.broken or any(_refused(o) for o in outcomes):
            # A server that takes no writes may have become a standby: the next write asks the address again.
            self.drop_session()
        return outcomes

    def _written(
        self, session: WriteSession, requests: list[WriteRequest], before: list[WriteOutcome]
    ) -> list[WriteOutcome]:
        """Write what is not written yet; one outcome each. ``before``: those of a connection that ended, if any.

        Once more for all of them would call a stored notification a duplicate of itself.
        """
        if not before:
            return self._write(session, requests)
        left = [i for i, outcome in enumerate(before) if isinstance(outcome, NotWritten)]
        outcomes = list(before)
        for i, outcome in zip(left, self._write(session, [requests[i] for i in left]), strict=True):
            outcomes[i] = _still_in_doubt(before[i], outcome)
        return outcomes

    def _judge(self, requests: list[WriteRequest], outcomes: list[WriteOutcome], *, fired: bool, broken: bool) -> None:
        """Tell the breaker what this flush says about PostgreSQL."""
        failures = [o for o in outcomes if isinstance(o, NotWritten) and o.fault is not Fault.UNKNOWN]
        if not failures:
            if any(proves_well(r, o) for r, o in zip(requests, outcomes, strict=True)):
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
            fate = self._settings.spilled_or_refused
            log.log(level, "PostgreSQL does not take writes (%s); they %s", kind, fate)

    def _connected(self) -> WriteSession:
        if self._session is not None and (self._session.broken or is_hung_up(self._session.conn)):
            self.drop_session()
        if self._session is None:
            b = self._settings.buffer
            limits = Limits(b.flush_statement_timeout, b.flush_lock_timeout)
            conn = connect(self._settings.database, self._purpose, limits, self._watchdog)
            self._session = WriteSession(conn)
        return self._session

    def drop_session(self) -> None:
        """Close the connection; the next write makes another."""
        if self._session is not None:
            self._session.conn.close()
            self._session = None
