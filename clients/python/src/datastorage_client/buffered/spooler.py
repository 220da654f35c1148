"""The thread that takes events from memory to disk, and the source that the sender sees of both."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable

from datastorage_client.buffered.event import Item
from datastorage_client.buffered.forking import fork_lock
from datastorage_client.buffered.memory import MemoryBuffer
from datastorage_client.buffered.policies import Spool

if sys.platform != "win32":  # which has no such locks; a store refuses the policy there
    from datastorage_client.buffered.disk_spool import DiskSpool, SpoolFullError

log = logging.getLogger(__name__)

_WRITE_EVENTS = 10_000
_RETRY_S = 0.5


class SpooledSource:
    """A sender's source: the spool, and past it memory while the disk does not take anything.

    The sender's thread calls the methods of `Source`, the spooler's thread `move`.
    """

    def __init__(self, buffer: MemoryBuffer, policy: Spool, on_damage: Callable[[int], None]) -> None:
        self._buffer = buffer
        self._policy = policy
        self._on_damage = on_damage
        self._lock = threading.Lock()
        self._claimed = False  # the sender has the head of the memory buffer
        self._from_memory = False
        self._failing = False
        self.disk: DiskSpool | None = None
        self.sent_from_memory = 0

    def move(self) -> int:
        """Make what is in memory durable, and forget it there; how many events. Raises OSError or SpoolFullError."""
        if self.disk is None:
            policy = self._policy
            try:
                with fork_lock:
                    self.disk = DiskSpool(policy.path, policy.max_bytes, policy.chunk_bytes, self._on_damage)
            except OSError:
                self._failing = True
                raise
        with self._lock:
            if self._claimed:
                return 0
            items = self._buffer.peek(_WRITE_EVENTS, self._policy.chunk_bytes)
            if not items:
                return 0
            try:
                self.disk.append(items)
            except OSError:
                self._failing = True
                raise
            self._failing = False
            self._buffer.ack(len(items))
            return len(items)

    def peek(self, max_events: int, max_bytes: int) -> list[Item]:
        self.release()
        if self.disk is not None:
            self.disk.adopt()
            if found := self.disk.peek(max_events, max_bytes):
                return found
        if not self._failing:
            return []
        with self._lock:
            found = self._buffer.peek(max_events, max_bytes)
            self._claimed = self._from_memory = bool(found)
        return found

    def ack(self, count: int) -> None:
        if self._from_memory:
            self._buffer.ack(count)
            self.sent_from_memory += count
            self.release()
        else:
            assert self.disk is not None  # noqa: S101 - these events came from there
            self.disk.ack(count)

    def release(self) -> None:
        with self._lock:
            self._claimed = self._from_memory = False

    def __len__(self) -> int:
        return len(self._buffer) + (len(self.disk) if self.disk is not None else 0)

    @property
    def resolved(self) -> int:
        """Events of this process that were written or refused."""
        return self.sent_from_memory + (self.disk.own_acked if self.disk is not None else 0)

    @property
    def orphans(self) -> bool:
        """Whether events of earlier processes wait, as far as that is known."""
        return (self.disk is None and not self._failing) or (self.disk is not None and self.disk.orphans)


class Spooler:
    """The loop of the thread that writes to disk."""

    def __init__(
        self, source: SpooledSource, buffer: MemoryBuffer, interval: float, progress: Callable[[], None]
    ) -> None:
        self._source = source
        self._buffer = buffer
        self._interval = interval
        self._progress = progress
        self.stopped = threading.Event()

    def run(self) -> None:
        """Move events to disk until stopped and none is left in memory, or the disk does not take them."""
        told = False
        while True:
            last = self.stopped.is_set()
            wait = 0.0
            opened = self._source.disk is None
            try:
                moved = self._source.move()
                told = told and not moved
            except (OSError, SpoolFullError) as e:
                if not told:
                    log.error("the spool takes no events now, they stay in memory: %s", str(e) or "it is full")
                told, moved, wait = True, 0, _RETRY_S
            except Exception:  # of any kind: this thread alone writes
                if not told:
                    log.exception("writing the spool failed unexpectedly, events stay in memory")
                told, moved, wait = True, 0, _RETRY_S
            if moved or (opened and self._source.disk is not None):
                self._progress()
            if last and not moved:
                return
            if not last and len(self._buffer) < _WRITE_EVENTS:
                self._buffer.wake.wait(max(wait, self._interval))
                self._buffer.wake.clear()
