"""Records what happens to the service itself, in a thread of its own: no request waits for it."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from datetime import UTC, datetime, timedelta

from app.audit.event import AuditEvent
from app.audit.ingest import Ingest
from app.audit.outcome import InDoubt, Refused, Spilled, Stored, WriteRequest
from app.audit.refusals import Refusals
from app.audit.service_events import ServiceEvents
from app.auth.principal import CredentialChange
from app.auth.refusal import Refusal
from app.clock import Clock
from app.config.settings import Settings
from app.instance import Run
from app.loop import LoopThread

log = logging.getLogger(__name__)

_ROUND_SECONDS = 5.0
# The first refusal is recorded at once, what follows it once in so long.
_SUM_SECONDS = 60.0
# Events that wait to be stored: while nothing can be, the oldest go first.
_MAX_WAITING = 100


class Recorder:
    """Sums refusals up, and stores the events about the service; what is refused is tried again."""

    def __init__(self, settings: Settings, ingest: Ingest, events: ServiceEvents, clock: Clock) -> None:
        self._settings = settings
        self._ingest = ingest
        self.events = events
        self._clock = clock
        self._refusals = Refusals()
        self._waiting: deque[AuditEvent] = deque(maxlen=_MAX_WAITING)
        self._wake = threading.Event()
        self._sum_from = clock.monotonic()
        self._loop = LoopThread("recorder", self._round, _ROUND_SECONDS, log, wake=self._wake, end=self._last_round)
        self.run: Run | None = None

    def start(self, run: Run | None) -> None:
        """Start the thread. ``run`` is what this process is a worker of; None where it is not under a master."""
        self.run = run
        if run is not None and self._is_recent(run.began):
            self._add(self.events.started(self._settings, run))
        self._loop.start()

    def stop(self) -> bool:
        """Queue what there is to say, and end; True if that was done in time. To be called before the flusher ends."""
        if not self._loop.stopping and self.run is not None and self.run.claim_end():
            self._waiting.append(self.events.stopped(self.run))
        return self._loop.stop(timeout=self._settings.buffer.enqueue_timeout + 1)

    def refused(self, refusal: Refusal, request_id: str) -> None:
        """Count a request that was refused; never waits."""
        self._refusals.add(refusal, request_id)
        if self._clock.monotonic() >= self._sum_from:
            self._wake.set()

    def credentials_changed(self, change: CredentialChange) -> None:
        """Another content of a file of tokens or keys is in force; never waits."""
        # The file's own time is the same for every worker that sees it.
        changed = datetime.fromtimestamp(change.changed_ns // 1000 / 1_000_000, UTC)
        known = self.run is not None and self.run.began <= changed <= self._clock.now() and self._is_recent(changed)
        at = changed if known else self._clock.now()
        self._add(self.events.credentials_changed(change, at, self.run))

    def keep(self, event: AuditEvent) -> bool:
        """Store what a request is about to do; False if that was not kept, so that it must not be done."""
        return isinstance(self._ingest.submit(WriteRequest((event,)), None), Stored | Spilled)

    def _is_recent(self, moment: datetime) -> bool:
        """Whether there is a partition for it, as there is for clients' events."""
        return self._clock.now() - moment < timedelta(seconds=self._settings.audit.max_event_age)

    def _add(self, event: AuditEvent) -> None:
        self._waiting.append(event)
        self._wake.set()

    def _round(self) -> None:
        if self._clock.monotonic() >= self._sum_from:
            self._sum_up()
        while self._waiting and not self._loop.stopping:
            event = self._waiting[0]
            outcome = self._ingest.submit(WriteRequest((event,)), None)
            if isinstance(outcome, Refused | InDoubt):
                return  # again in the next round; under the same id it is the same event
            if not isinstance(outcome, Stored | Spilled):
                # It would stand before all others for ever.
                log.error("%s is not recorded: %s", event.event_type, type(outcome).__name__)
            with contextlib.suppress(ValueError):  # others came meanwhile, and it was the oldest of too many
                self._waiting.remove(event)

    def _last_round(self) -> None:
        """What there is, without waiting for its outcome: the flusher ends after this."""
        self._sum_up()
        while self._waiting:
            self._ingest.post(WriteRequest((self._waiting.popleft(),)))

    def _sum_up(self) -> None:
        sums = self._refusals.take()
        if sums is not None:
            self._sum_from = self._clock.monotonic() + _SUM_SECONDS
            self._waiting.append(self.events.refused(sums, self._clock.now()))
