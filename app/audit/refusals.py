"""Whom the service refused, summed up: a flood of refusals must fill neither memory nor the table."""

from __future__ import annotations

import threading
from collections import Counter
from typing import NamedTuple

from app.auth.refusal import Refusal

# So many different ones are told apart between two events; of the others only the number is kept.
MAX_DIFFERENT = 50


class Sums(NamedTuple):
    """What there was since the last look."""

    counts: Counter[Refusal]
    others: int
    first: dict[Refusal, str]  # the id of the first request of each

    @property
    def total(self) -> int:
        """All refusals."""
        return self.counts.total() + self.others


class Refusals:
    """Counts refusals. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Refusal] = Counter()
        self._first: dict[Refusal, str] = {}
        self._others = 0

    def add(self, refusal: Refusal, request_id: str) -> None:
        """Count one."""
        with self._lock:
            if refusal in self._counts or len(self._counts) < MAX_DIFFERENT:
                self._counts[refusal] += 1
                self._first.setdefault(refusal, request_id)
            else:
                self._others += 1

    def take(self) -> Sums | None:
        """What was counted since the last take; None if there was nothing."""
        with self._lock:
            if not self._counts:
                return None
            sums = Sums(self._counts, self._others, self._first)
            self._counts, self._others, self._first = Counter(), 0, {}
            return sums
