"""Connections that wait, each kind for so long at the most."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar


class Waits(Protocol):
    """What can wait in a queue, and knows in which."""

    queue: Queue[Any] | None


T = TypeVar("T", bound=Waits)


class Queue(Generic[T]):
    """Connections that wait for the same thing for so many seconds, in the order in which they began."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[T, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._since))

    def add(self, conn: T, now: float) -> None:
        """Let it wait from now on."""
        conn.queue = self
        self._since[conn] = now

    def remove(self, conn: T) -> None:
        """It has what it waited for."""
        conn.queue = None
        del self._since[conn]

    def oldest(self, waited: float, now: float) -> T | None:
        """The one that waits longest, if that is so many seconds."""
        for conn, since in self._since.items():
            return conn if since + waited <= now else None
        return None

    def due(self, now: float) -> T | None:
        """The one that waits longest, if its time is over."""
        return self.oldest(self.seconds, now)


class Pausing(Waits, Protocol):
    """What waits for a time of its own, in seconds."""

    aside: float


P = TypeVar("P", bound=Pausing)


class Pauses(Queue[P]):
    """Connections that wait for nothing but a time, each for its own; in the order in which they are over."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self._until: dict[P, float] = {}
        self._heap: list[tuple[float, int, P]] = []  # what was taken out meanwhile stays until its turn
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._until)

    def __iter__(self) -> Iterator[P]:
        return iter(list(self._until))

    def add(self, conn: P, now: float) -> None:
        """Let it wait for as long as it has to."""
        conn.queue = self
        self._until[conn] = until = now + conn.aside
        heapq.heappush(self._heap, (until, next(self._numbers), conn))

    def remove(self, conn: P) -> None:
        """It waits no more."""
        conn.queue = None
        del self._until[conn]

    def oldest(self, waited: float, now: float) -> P | None:
        """The one whose pause is over first, whether or not it is."""
        while self._heap:
            until, _, conn = self._heap[0]
            if self._until.get(conn) == until:
                return conn
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> P | None:
        """One whose pause is over."""
        conn = self.oldest(0.0, now)
        return conn if conn is not None and self._until[conn] <= now else None
