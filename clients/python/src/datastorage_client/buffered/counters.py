"""The numbers of one store in one process, and the telling of them to a metrics hook."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from datastorage_client.buffered.forking import fork_lock
from datastorage_client.buffered.metrics import MetricsHook

log = logging.getLogger(__name__)

_LOG_EVERY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Stats:
    """What a store has done in this process so far.

    buffered: events that store() took. written: events that the service has. dropped: events that were not kept, by
    reason. waiting: events of this process that are neither. synced: of those taken, how many are durable, on disk
    or written; without a spool always as many as written. Events that earlier processes left in the spool count as
    written or dropped too. restarts: how often a thread of the store failed and was started again.
    """

    buffered: int
    written: int
    dropped: Mapping[str, int]
    waiting: int
    synced: int
    restarts: int = 0


class Counters:
    """Counts. The sending thread writes ``written`` and tells; any thread may call `drop`."""

    def __init__(self, hook: MetricsHook, buffered: Callable[[], int]) -> None:
        self._hook = hook
        self._buffered = buffered
        self._lock = threading.Lock()
        self.written = 0
        self._dropped: Counter[str] = Counter()
        self._attempts: list[tuple[str | None, float]] = []
        self._told_buffered = 0
        self._told_written = 0
        self._told_dropped: Counter[str] = Counter()
        self._next_log = 0.0

    def drop(self, reason: str, count: int = 1) -> None:
        """Events that are not kept."""
        if count:
            with self._lock:
                self._dropped[reason] += count

    def dropped(self) -> dict[str, int]:
        """All drops so far, by reason."""
        with self._lock:
            return {reason: count for reason, count in self._dropped.items() if count}

    def failed(self, reason: str, seconds: float) -> None:
        """An attempt that failed."""
        self._attempts.append((reason, seconds))

    def succeeded(self, seconds: float) -> None:
        """An attempt that did not."""
        self._attempts.append((None, seconds))

    def tell(self, waiting: int) -> None:
        """Tell the hook what has changed."""
        try:
            with fork_lock:
                self._tell(waiting)
        except Exception:
            if (now := time.monotonic()) >= self._next_log:
                self._next_log = now + _LOG_EVERY_S
                log.exception("the metrics hook failed")

    def _tell(self, waiting: int) -> None:
        hook = self._hook
        if buffered := self._buffered() - self._told_buffered:
            self._told_buffered += buffered
            hook.buffered(buffered)
        if written := self.written - self._told_written:
            self._told_written += written
            hook.written(written)
        for reason, total in self.dropped().items():
            if count := total - self._told_dropped[reason]:
                self._told_dropped[reason] = total
                hook.dropped(count, reason)
        attempts, self._attempts = self._attempts, []
        for failure, seconds in attempts:
            hook.write_duration(seconds)
            if failure is not None:
                hook.batch_failed(failure)
        hook.buffer_size(waiting)
