"""The way in: a request thread hands its records over and waits for the outcome."""

from __future__ import annotations

import logging

from app.audit import write_metrics
from app.audit.buffer import Buffer
from app.audit.outcome import InDoubt, Outcome, Refused, Spilled, Stored, WriteRequest
from app.audit.pending_write import PendingWrite
from app.clock import Clock
from app.config.settings import BufferSettings
from app.telemetry import metrics

log = logging.getLogger(__name__)


class Ingest:
    """Puts requests on the queue. `submit` waits for the outcome; `post` does not."""

    def __init__(self, settings: BufferSettings, buffer: Buffer, clock: Clock) -> None:
        self._settings = settings
        self._buffer = buffer
        self._clock = clock

    def submit(self, request: WriteRequest, table: str | None) -> Outcome:
        """Queue the request and wait for its outcome, no longer than ``buffer.commit_timeout``.

        ``table`` is counted; None for an event of the service's own.

        Refused("buffer-full") if there was no room in time; Refused("service-unavailable") if the flusher did not
        come to it and it was withdrawn; InDoubt if the flusher has it and said nothing.
        """
        deadline = self._clock.monotonic() + self._settings.commit_timeout
        pending = PendingWrite(request, table)
        if not self._buffer.offer(pending, self._settings.enqueue_timeout):
            metrics.BUFFER_REJECTED.labels("full").inc()
            return self._refused(pending, "service-unavailable" if self._buffer.closed else "buffer-full")
        outcome = pending.wait(deadline - self._clock.monotonic())
        if outcome is not None:
            return outcome
        metrics.BUFFER_REJECTED.labels("timeout").inc()
        if self._buffer.withdraw(pending):
            return self._refused(pending, "service-unavailable")
        # It may have been resolved between the two looks. Otherwise the flusher counts it once it knows.
        return pending.wait(0) or InDoubt()

    def _refused(self, pending: PendingWrite, slug: str) -> Refused:
        outcome = Refused(slug)
        write_metrics.count([(pending, outcome)], self._clock.now())
        return outcome

    def post(self, request: WriteRequest) -> bool:
        """Queue the request without waiting for its outcome; False if there was no room in time.

        What becomes of it is counted and logged by the thread that finds out.
        """
        pending = _UnawaitedWrite(request)
        if self._buffer.offer(pending, self._settings.enqueue_timeout):
            return True
        metrics.BUFFER_REJECTED.labels("full").inc()
        self._refused(pending, "buffer-full")
        log.warning("no room in the queue for an event of the service's own")
        return False


class _UnawaitedWrite(PendingWrite):
    """A write that no request waits for: the outcome is logged if nothing was kept."""

    __slots__ = ()

    def resolve(self, outcome: Outcome) -> None:
        if not isinstance(outcome, Stored | Spilled):
            log.warning("an event of the service's own was not kept: %s", type(outcome).__name__)
        super().resolve(outcome)
