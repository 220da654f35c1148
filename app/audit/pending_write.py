"""A write between the request thread that asks for it and the flusher that makes it."""

from __future__ import annotations

import threading
import time

from app.audit.outcome import Outcome, WriteRequest


class PendingWrite:
    """The records of one request on their way through the queue, and the outcome that its thread waits for.

    ``table``: where it goes, as metrics call it; None for an event of the service's own.
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
        """Set the outcome and wake the waiter. Called once, by the thread that took the write out of the queue."""
        self.outcome = outcome
        self._done.release()

    def wait(self, seconds: float) -> Outcome | None:
        """The outcome, or None if there was none within ``seconds``."""
        return self.outcome if self._done.acquire(timeout=max(0.0, seconds)) else None
