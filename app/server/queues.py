"""Connections that wait, each kind for so long at the most."""

from __future__ import annotations

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
