"""Whom the service refused, summed up: a flood of refusals must fill neither memory nor the table."""

from __future__ import annotations

import threading
from collections import Counter
from typing import NamedTuple

# So many different ones are told apart between two events; of the others only the number is kept.
MAX_DIFFERENT = 50


class Refusal(NamedTuple):
    """Who was refused, and why."""

    status: int
    reason: str
    principal: str | None
    address: str | None


class Sums(NamedTuple):
    """What there was since the last look."""

    counts: Counter[Refusal]
    others: int

    @property
    def total(self) -> int:
        """All refusals."""
        return self.counts.total() + self.others


class Refusals:
    """Counts refusals. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Refusal] = Counter()
        self._others = 0

    def add(self, refusal: Refusal) -> None:
        """Count one."""
        with self._lock:
            if refusal in self._counts or len(self._counts) < MAX_DIFFERENT:
                self._counts[refusal] += 1
            else:
                self._others += 1

    def take(self) -> Sums | None:
        """What was counted since the last take; None if there was nothing."""
        with self._lock:
            if not self._counts:
                return None
            sums = Sums(self._counts, self._others)
            self._counts, self._others = Counter(), 0
            return sums
