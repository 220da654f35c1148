"""The bounded queue between request threads and the flusher: offer, drain a whole batch, withdraw, close.

Bounded in records and in bytes. A request that finds it full waits in line; room that a drain makes goes to the first
in line, so neither a large batch nor a small event starves. A thread is woken only once there is something for it.
"""

from __future__ import annotations

import threading
from collections import deque

from app.audit.pending_write import PendingWrite


class _Place:
    """A request thread in line for room."""

    __slots__ = ("admitted", "pending", "ready")

    def __init__(self, pending: PendingWrite) -> None:
        self.pending = pending
        self.admitted = False
        self.ready = threading.Lock()
        self.ready.acquire()


class Buffer:
    """The queue of one worker process. ``size`` counts records, ``max_bytes`` their estimated memory."""

    def __init__(self, size: int, max_bytes: int) -> None:
        self.size = size
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self._queue: deque[PendingWrite] = deque()
        self._line: deque[_Place] = deque()
        self._depth = 0
        self._bytes = 0
        self._drainer_waits = False
        self._closed = False

    @property
    def depth(self) -> int:
        """Records that wait, not counting those being flushed."""
        return self._depth

    @property
    def nbytes(self) -> int:
        """Estimated bytes of the records that wait."""
        return self._bytes

    def offer(self, pending: PendingWrite, timeout: float) -> bool:
        """Queue the write, waiting up to ``timeout`` seconds for room; False if there was none, or after close."""
        with self._lock:
            if self._closed:
                return False
            if not self._line and self._fits(pending):
                self._add(pending)
                return True
            place = _Place(pending)
            self._line.append(place)
        place.ready.acquire(timeout=timeout)
        with self._lock:
            if not place.admitted and place in self._line:
                self._line.remove(place)
                # What stood behind a large batch may fit now that the batch has left.
                self._admit()
            return place.admitted

    def withdraw(self, pending: PendingWrite) -> bool:
        """Take the write back; False if the flusher has it already."""
        with self._lock:
            if pending.state != "queued":
                return False
            self._queue.remove(pending)
            self._forget(pending)
            pending.state = "withdrawn"
            self._admit()
            return True

    def drain(self, max_records: int, timeout: float) -> list[PendingWrite]:
        """Take what is there, up to ``max_records`` (one larger request goes alone); blocks for the first.

        An empty list after ``timeout`` seconds, or at once when the buffer is closed and empty.
        """
        with self._lock:
            if not self._queue and not self._closed:
                self._drainer_waits = True
                self._filled.wait(timeout)
                self._drainer_waits = False
            taken: list[PendingWrite] = []
            room = max_records
            while self._queue and (self._queue[0].size <= room or not taken):
                pending = self._queue.popleft()
                room -= pending.size
                self._forget(pending)
                pending.state = "taken"
                taken.append(pending)
            if self._line:
                self._admit()
            return taken

    def close(self) -> None:
        """Take no more; what is queued can still be drained."""
        with self._lock:
            self._closed = True
            for place in self._line:
                place.ready.release()
            self._line.clear()
            self._filled.notify()

    @property
    def closed(self) -> bool:
        return self._closed

    def _fits(self, pending: PendingWrite) -> bool:
        if not self._queue:
            # One larger than the whole buffer is let in when the queue is empty.
            return True
        return self._depth + pending.size <= self.size and self._bytes + pending.nbytes <= self.max_bytes

    def _add(self, pending: PendingWrite) -> None:
        pending.state = "queued"
        self._queue.append(pending)
        self._depth += pending.size
        self._bytes += pending.nbytes
        if self._drainer_waits:
            self._drainer_waits = False
            self._filled.notify()

    def _forget(self, pending: PendingWrite) -> None:
        self._depth -= pending.size
        self._bytes -= pending.nbytes

    def _admit(self) -> None:
        while self._line and self._fits(self._line[0].pending):
            place = self._line.popleft()
            place.admitted = True
            self._add(place.pending)
            place.ready.release()
