"""The bounded queue between request threads and the flusher: offer, drain a whole batch, withdraw, close.

Bounded in records and in bytes. Whoever finds it full waits in line; room that a drain makes goes to the first
in line, so neither a large batch nor a small event starves. Nobody is woken for nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from app.audit.outcome import Outcome, WriteRequest


class Ticket:
    """One request on its way through the queue, and the outcome that its thread waits for.

    ``table``: where it goes, as metrics call it; None for a request that nobody waits for.
    """

    __slots__ = ("_done", "began", "nbytes", "outcome", "request", "size", "state", "table")

    def __init__(self, request: WriteRequest, table: str | None = None) -> None:
        self.began = time.perf_counter()
        self.table = table
        self.request = request
        self.size = len(request.records)
        self.nbytes = request.nbytes
        self.outcome: Outcome | None = None
        self.state = "new"  # new → queued → taken; withdrawn from new or queued
        # A bare lock is the cheapest thing that one thread can wait on and another can release.
        self._done = threading.Lock()
        self._done.acquire()

    def resolve(self, outcome: Outcome) -> None:
        """Set the outcome and wake the waiter. Called once, by whoever took the ticket."""
        self.outcome = outcome
        self._done.release()

    def wait(self, seconds: float) -> Outcome | None:
        """The outcome, or None if there was none within ``seconds``."""
        return self.outcome if self._done.acquire(timeout=max(0.0, seconds)) else None


class _Line:
    """A request thread in line for room."""

    __slots__ = ("admitted", "ready", "ticket")

    def __init__(self, ticket: Ticket) -> None:
        self.ticket = ticket
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
        self._queue: deque[Ticket] = deque()
        self._line: deque[_Line] = deque()
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

    def offer(self, ticket: Ticket, timeout: float) -> bool:
        """Queue the ticket, waiting up to ``timeout`` seconds for room; False if there was none, or after close."""
        with self._lock:
            if self._closed:
                return False
            if not self._line and self._fits(ticket):
                self._add(ticket)
                return True
            place = _Line(ticket)
            self._line.append(place)
        place.ready.acquire(timeout=timeout)
        with self._lock:
            if not place.admitted and place in self._line:
                self._line.remove(place)
                # Who stood behind a large batch may fit now that it has left.
                self._admit()
            return place.admitted

    def withdraw(self, ticket: Ticket) -> bool:
        """Take the ticket back; False if the flusher has it already."""
        with self._lock:
            if ticket.state != "queued":
                return False
            self._queue.remove(ticket)
            self._forget(ticket)
            ticket.state = "withdrawn"
            self._admit()
            return True

    def drain(self, max_records: int, timeout: float) -> list[Ticket]:
        """Take what is there, up to ``max_records`` (one larger request goes alone); blocks for the first.

        An empty list after ``timeout`` seconds, or at once when the buffer is closed and empty.
        """
        with self._lock:
            if not self._queue and not self._closed:
                self._drainer_waits = True
                self._filled.wait(timeout)
                self._drainer_waits = False
            taken: list[Ticket] = []
            room = max_records
            while self._queue and (self._queue[0].size <= room or not taken):
                ticket = self._queue.popleft()
                room -= ticket.size
                self._forget(ticket)
                ticket.state = "taken"
                taken.append(ticket)
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

    def _fits(self, ticket: Ticket) -> bool:
        if not self._queue:
            # One larger than the whole buffer is let in when the queue is empty.
            return True
        return self._depth + ticket.size <= self.size and self._bytes + ticket.nbytes <= self.max_bytes

    def _add(self, ticket: Ticket) -> None:
        ticket.state = "queued"
        self._queue.append(ticket)
        self._depth += ticket.size
        self._bytes += ticket.nbytes
        if self._drainer_waits:
            self._drainer_waits = False
            self._filled.notify()

    def _forget(self, ticket: Ticket) -> None:
        self._depth -= ticket.size
        self._bytes -= ticket.nbytes

    def _admit(self) -> None:
        while self._line and self._fits(self._line[0].ticket):
            place = self._line.popleft()
            place.admitted = True
            self._add(place.ticket)
            place.ready.release()
