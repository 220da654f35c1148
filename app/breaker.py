"""A circuit breaker: while a store is known to be away, no write waits to find that out again.

closed     every write is tried
open       no write is tried; a thread in the background looks for recovery
half-open  the store answers again; one real write is tried, and only its commit closes the breaker

Recovered means that one real write was kept: a full disk or a read-only server answers SELECT 1 as well.
"""

from __future__ import annotations

import threading

# A lock that is held or one slow statement is bad luck; so many in a row are an outage.
_TIMEOUTS_IN_A_ROW = 3


class Breaker:
    """Thread-safe. A caller asks `allow`, tries, and reports with `succeeded` or `failed`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = "closed"
        self._timeouts = 0
        self._trial = False
        self.unreachable = False  # whether the last failure was of the connection, not of a statement
        self.kept = 0  # writes that succeeded; two threads may count one together, which changes it all the same
        self._refused = False  # whether a write was refused, and none was kept since

    @property
    def state(self) -> str:
        """closed, open or half-open."""
        return self._state

    @property
    def closed(self) -> bool:
        return self._state == "closed"

    @property
    def troubled(self) -> bool:
        """Whether writes are known to fail: away, or refused and not proven well since.

        A store that was merely away and answers again is not troubled, though its first write is still to come.
        """
        return self._state == "open" or (self._state == "half-open" and self._refused)

    def allow(self) -> bool:
        """Whether to try now. In the half-open state one caller is let through until it has reported."""
        if self._state == "closed":
            return True
        with self._lock:
            if self._state == "half-open" and not self._trial:
                self._trial = True
                return True
            return self._state == "closed"

    def succeeded(self) -> bool:
        """A real write was kept; True if that closed the breaker."""
        self.kept += 1
        if self._state == "closed" and self._timeouts == 0:
            return False
        with self._lock:
            was = self._state
            self._state, self._timeouts, self._trial, self.unreachable = "closed", 0, False, False
            self._refused = False
            return was != "closed"

    def failed(self, *, timed_out: bool = False, unreachable: bool = False) -> bool:
        """A try failed; True if that opened the breaker. ``timed_out``: the server gave up on a lock or statement."""
        with self._lock:
            self._trial = False
            if timed_out and self._state == "closed":
                self._timeouts += 1
                if self._timeouts < _TIMEOUTS_IN_A_ROW:
                    return False
            was = self._state
            self._state, self._timeouts = "open", 0
            self.unreachable = unreachable
            self._refused = self._refused or not unreachable
            return was == "closed"

    def not_tried(self) -> None:
        """A caller that was allowed found nothing to try."""
        with self._lock:
            self._trial = False

    def recovered(self) -> None:
        """The store answers again: the next write is a trial."""
        with self._lock:
            if self._state == "open":
                self._state, self._trial, self.unreachable = "half-open", False, False
