"""The flusher: the one thread of a worker process that writes what requests have queued.

It blocks for the first pending write, takes what is there, writes it in one transaction and tells every waiting
request its outcome. Under load batches grow by themselves, since the next one gathers while this one commits.
What PostgreSQL cannot take goes to the sink; a request is never answered before its own commit.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

from app.audit import write_metrics
from app.audit.buffer import Buffer
from app.audit.outcome import (
    InDoubt,
    NotWritten,
    Outcome,
    ParentMissing,
    Refused,
    Sink,
    WriteOutcome,
    WriteRequest,
)
from app.audit.pending_write import PendingWrite
from app.audit.writer import Writer
from app.clock import Clock
from app.config.settings import BufferSettings
from app.telemetry import metrics

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

# How often an idle flusher shows that it lives.
_HEARTBEAT_SECONDS = 1.0


class Flusher:
    """Drains a buffer into PostgreSQL, or else into the sink, until it is stopped."""

    def __init__(
        self,
        settings: BufferSettings,
        buffer: Buffer,
        writer: Writer,
        sink: Sink,
        clock: Clock,
        tracing: Tracing | None = None,
    ) -> None:
        self._settings = settings
        self._buffer = buffer
        self.writer = writer
        self._sink = sink
        self._clock = clock
        self._tracing = tracing
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
            writes = self._buffer.drain(self._settings.max_batch, _HEARTBEAT_SECONDS)
            if writes:
                self._flush_guarded(writes)
            elif self._buffer.closed:
                break
        self.writer.drop_session()

    def _flush_guarded(self, writes: list[PendingWrite]) -> None:
        try:
            started = self._clock.monotonic()
            requests = [pending.request for pending in writes]
            outcomes = self.flush(requests) if self._tracing is None else self._traced(self._tracing, requests)
            metrics.FLUSH_SECONDS.observe(self._clock.monotonic() - started)
            metrics.FLUSH_SIZE.observe(sum(pending.size for pending in writes))
        except Exception:  # the loop must outlive any mistake; the requests are told that the outcome is unknown
            log.exception("flush failed unexpectedly")
            self.writer.drop_session()
            outcomes = [InDoubt() for _ in writes]
        settled = list(zip(writes, outcomes, strict=True))
        try:
            write_metrics.count(settled, self._clock.now())
        except Exception:  # a request is told its outcome, counted or not
            log.exception("a flush was not counted")
        for pending, outcome in settled:
            pending.resolve(outcome)

    def _traced(self, tracing: Tracing, requests: list[WriteRequest]) -> list[Outcome]:
        records = sum(len(request.records) for request in requests)
        with tracing.work("flush", [request.span for request in requests], records=records) as tell:
            outcomes = self.flush(requests)
            for name, count in Counter(type(outcome).__name__.lower() for outcome in outcomes).items():
                tell(f"datastorage.{name}", count)
        return outcomes

    def flush(self, requests: list[WriteRequest]) -> list[Outcome]:
        """Write the requests, spill those that PostgreSQL cannot take; one outcome each, in order."""
        written = self.writer.to_database(requests)
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
            again = self.writer.to_database([requests[i] for i in sorted(orphans)])
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
