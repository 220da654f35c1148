"""Which of several workers takes the next connection; keep-alive binds a client to its worker for long.

The worker that is awake accepts, so one can get most of a row of connections while another sleeps: of 20 clients that
stay one of two workers had up to 16, and the search's p95 of such a run was 35 ms instead of 26.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable

# A worker may be so far ahead of another before it lets that one go first.
SLACK = 1
# How long the other one may take, and how many connections this one takes if it does not: the other is busy.
YIELD_SECONDS = 0.005
AFTER_YIELD = 4


class Shares:
    """How many connections each worker of one master has, in memory that all of them see.

    Made in the master before it forks. A slot is one worker's; -1 while that takes no connections.
    """

    def __init__(self, slots: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * slots)).cast("i")
        for slot in range(slots):
            self._counts[slot] = -1

    def __len__(self) -> int:
        return len(self._counts)

    def free_slot(self, taken: Iterable[int]) -> int | None:
        """A slot that no worker has, or None."""
        used = set(taken)
        return next((slot for slot in range(len(self)) if slot not in used), None)

    def set(self, slot: int, connections: int) -> None:
        """Say how many a worker has."""
        self._counts[slot] = connections

    def others_first(self, slot: int) -> bool:
        """Whether another worker has clearly fewer connections than this one."""
        limit = self._counts[slot] - SLACK
        return any(0 <= count < limit for count in self._counts)
