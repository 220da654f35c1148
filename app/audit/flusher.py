"""The flusher: the one thread of a worker process that writes what requests have queued.

It blocks for the first ticket, takes what is there, writes it in one transaction and tells every waiter what
became of its request. Under load batches grow by themselves, since the next one gathers while this one commits.
What PostgreSQL cannot take goes to the sink; a request is never answered before its own commit.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import psycopg

from app import metrics
from app.audit.buffer import Buffer, Ticket
from app.audit.outcome import (
    InDoubt,
    NotWritten,
    Outcome,
    ParentMissing,
    Refused,
    Sink,
    Stored,
    WriteOutcome,
    WriteRequest,
)
from app.audit.store import WriteSession, write
from app.breaker import Breaker
from app.clock import Clock
from app.config import Settings
from app.database import Fault, Watchdog, classify, connect

log = logging.getLogger(__name__)

# How often an idle flusher shows that it lives.
_HEARTBEAT_SECONDS = 1.0

WriteFunction = Callable[[WriteSession, Sequence[WriteRequest]], list[WriteOutcome]]


def local_settings(settings: Settings) -> str:
    """What each transaction of the flusher sets for itself behind a pooler that drops session settings."""
    if settings.database.prepared_statements:
        return ""
    b = settings.buffer
    return (
        "SET LOCAL synchronous_commit = on; "
        f"SET LOCAL statement_timeout = {round(1000 * b.flush_statement_timeout)}; "
        f"SET LOCAL lock_timeout = {round(1000 * b.flush_lock_timeout)}"
    )


class Flusher:
    """Drains a buffer into PostgreSQL, or else into the sink, until it is stopped."""

    def __init__(
        self,
        settings: Settings,
        buffer: Buffer,
        sink: Sink,
        breaker: Breaker,
        watchdog: Watchdog,
        clock: Clock,
        write_function: WriteFunction = write,
    ) -> None:
        self._settings = settings
        self._buffer = buffer
        self._sink = sink
        self._breaker = breaker
        self._watchdog = watchdog
        self._clock = clock
        self._write = write_function
        self._session: WriteSession | None = None
        self._thread: threading.Thread | None = None
        self.heartbeat = clock.monotonic()

    def start(self) -> None:
        """Start the thread. It connects when the first batch comes, so PostgreSQL may be away."""
        self._thread = threading.Thread(target=self._run, name="flusher", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Flush what is queued and end; True if that was done within ``timeout`` seconds."""
        self._buffer.close()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self.heartbeat = self._clock.monotonic()
            tickets = self._buffer.drain(self._settings.buffer.max_batch, _HEARTBEAT_SECONDS)
            if tickets:
                self._flush_guarded(tickets)
            elif self._buffer.closed:
                break
        if self._session is not None:
            self._session.conn.close()

    def _flush_guarded(self, tickets: list[Ticket]) -> None:
        try:
            started = self._clock.monotonic()
            outcomes = self.flush([ticket.request for ticket in tickets])
            metrics.FLUSH_SECONDS.observe(self._clock.monotonic() - started)
            metrics.FLUSH_SIZE.observe(sum(ticket.size for ticket in tickets))
        except Exception:  # the loop must outlive any mistake; the waiters are told that nobody knows
            log.exception("flush failed unexpectedly")
            self._drop_session()
            outcomes = [InDoubt() for _ in tickets]
        for ticket, outcome in zip(tickets, outcomes, strict=True):
            ticket.resolve(outcome)

    def flush(self, requests: list[WriteRequest]) -> list[Outcome]:
        """Write the requests, spill those that PostgreSQL cannot take; one outcome each, in order."""
        written = self._to_database(requests)
        outcomes: list[Outcome] = []
        spill: list[int] = []
        for i, outcome in enumerate(written):
            if isinstance(outcome, NotWritten):
                spill.append(i)
                outcomes.append(Refused("service-unavailable"))
            else:
                if isinstance(outcome, ParentMissing):
                    spill.append(i)
                outcomes.append(outcome)
        if spill:
            self._spill(requests, written, spill, outcomes)
        return outcomes

    def _spill(
        self,
        requests: list[WriteRequest],
        written: list[WriteOutcome],
        candidates: list[int],
        outcomes: list[Outcome],
    ) -> None:
        orphans = {i for i in candidates if isinstance(written[i], ParentMissing)}
        if orphans and not self._sink.may_hold_parents():
            # The queue is empty now; a parent may have been replayed since it was looked for. Look once more.
            again = self._to_database([requests[i] for i in sorted(orphans)])
            for i, outcome in zip(sorted(orphans), again, strict=True):
                written[i] = outcome
                if not isinstance(outcome, NotWritten):
                    outcomes[i] = outcome
            candidates = [i for i in candidates if isinstance(written[i], NotWritten)]
        if not candidates:
            return
        reason = "parent not stored yet" if orphans.issuperset(candidates) else "database unavailable"
        spilled = self._sink.spill([requests[i] for i in candidates], reason)
        for i, result in zip(candidates, spilled, strict=True):
            first = written[i]
            in_doubt = isinstance(first, NotWritten) and first.in_doubt
            # Refused by the queue, but perhaps committed: not "nothing was kept".
            outcomes[i] = InDoubt() if in_doubt and isinstance(result, Refused) else result

    def _to_database(self, requests: list[WriteRequest]) -> list[WriteOutcome]:
        if not self._breaker.allow():
            return [NotWritten(Fault.OUTAGE)] * len(requests)
        try:
            session = self._connected()
        except psycopg.Error as e:
            self._report(classify(e), unreachable=True, error=e)
            return [NotWritten(classify(e))] * len(requests)
        with self._watchdog.deadline(session.conn, self._settings.buffer.flush_timeout) as deadline:
            outcomes = self._write(session, requests)
        self._judge(requests, outcomes, fired=deadline.fired, broken=session.broken)
        if session.broken:
            self._drop_session()
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
                "flusher",
                statement_timeout=b.flush_statement_timeout,
                lock_timeout=b.flush_lock_timeout,
            )
            self._session = WriteSession(conn, local_settings(self._settings))
        return self._session

    def _drop_session(self) -> None:
        if self._session is not None:
            self._session.conn.close()
            self._session = None
