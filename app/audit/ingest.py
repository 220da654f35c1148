"""The way in: a request thread hands its records over and waits for what became of them."""

from __future__ import annotations

from app import metrics
from app.audit.buffer import Buffer, Ticket
from app.audit.outcome import InDoubt, Outcome, Refused, WriteRequest
from app.clock import Clock
from app.config import BufferSettings


class Ingest:
    """Puts requests on the queue. `submit` waits for the outcome; `post` does not."""

    def __init__(self, settings: BufferSettings, buffer: Buffer, clock: Clock) -> None:
        self._settings = settings
        self._buffer = buffer
        self._clock = clock

    def submit(self, request: WriteRequest) -> Outcome:
        """Queue the request and wait for its outcome, no longer than ``buffer.commit_timeout``.

        Refused("buffer-full") if there was no room in time; Refused("service-unavailable") if the flusher did not
        come to it and it was withdrawn; InDoubt if the flusher has it and said nothing.
        """
        deadline = self._clock.monotonic() + self._settings.commit_timeout
        ticket = Ticket(request)
        if not self._buffer.offer(ticket, self._settings.enqueue_timeout):
            metrics.BUFFER_REJECTED.labels("full").inc()
            return Refused("service-unavailable" if self._buffer.closed else "buffer-full")
        outcome = ticket.wait(deadline - self._clock.monotonic())
        if outcome is not None:
            return outcome
        metrics.BUFFER_REJECTED.labels("timeout").inc()
        if self._buffer.withdraw(ticket):
            return Refused("service-unavailable")
        # It may have been resolved between the two looks.
        return ticket.wait(0) or InDoubt()
