"""The bounded buffer between the threads that store events and the one that takes them away."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Protocol

from datastorage_client.buffered.event import Item


class StoreClosedError(RuntimeError):
    """The store was closed before."""


class Source(Protocol):
    """Where the sender takes events from, oldest first. Only one thread peeks and acknowledges."""

    def peek(self, max_events: int, max_bytes: int) -> Sequence[Item]:
        """The oldest events, up to both bounds but at least one if there is any; they stay."""
        ...

    def ack(self, count: int) -> None:
        """Forget the oldest events: they are written or refused."""
        ...

    def release(self) -> None:
        """The events of the last peek could not be sent; they stay, and may meanwhile go elsewhere."""
        ...

    def __len__(self) -> int:
        """Events that are there."""
        ...


class MemoryBuffer:
    """Events in memory, bounded by number and bytes. Any thread puts; one peeks and acknowledges.

    An event that is being sent still counts, so the bounds hold for everything that is in memory.
    """

    def __init__(self, max_events: int, max_bytes: int, wake_at: int) -> None:
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._wake_at = min(wake_at, max_events)
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._closed = False
        self.wake = threading.Event()  # set when a full batch is there
        self.accepted = 0  # ever put
        self.taken = 0  # ever acknowledged

    def put(self, item: Item, wait_s: float = 0.0) -> bool:
        """Add an event, waiting for room so long; False if there was none. Raises StoreClosedError."""
        size = len(item.raw)
        with self._lock:
            if self._closed:
                raise StoreClosedError("the store is closed")
            if self._full(size) and not (wait_s > 0 and self._wait_for_room(size, wait_s)):
                return False
            self._items.append(item)
            self._bytes += size
            self.accepted += 1
            # A waiting thread comes by itself after its interval: only a full batch is worth a switch of threads.
            if len(self._items) == self._wake_at:
                self.wake.set()
        return True

    def _full(self, size: int) -> bool:
        return len(self._items) >= self._max_events or self._bytes + size > self._max_bytes

    def _wait_for_room(self, size: int, wait_s: float) -> bool:
        return (
            size <= self._max_bytes
            and self._room.wait_for(lambda: self._closed or not self._full(size), wait_s)
            and not self._closed
        )

    def close(self) -> None:
        """Take no more events."""
        with self._lock:
            self._closed = True
            self._room.notify_all()

    def peek(self, max_events: int, max_bytes: int) -> list[Item]:
        """As `Source.peek`."""
        with self._lock:
            return within(list(islice(self._items, max_events)), max_bytes)

    def ack(self, count: int) -> None:
        """As `Source.ack`."""
        with self._lock:
            for _ in range(count):
                self._bytes -= len(self._items.popleft().raw)
            self.taken += count
            self._room.notify_all()

    def release(self) -> None:
        """As `Source.release`."""

    def __len__(self) -> int:
        return len(self._items)

    @property
    def size_bytes(self) -> int:
        """Bytes of the events that are there."""
        return self._bytes


def within(items: list[Item], max_bytes: int) -> list[Item]:
    """The first of the items that go into so many bytes as a JSON array, at least one."""
    size = 2
    for n, item in enumerate(items):
        size += len(item.raw) + 1
        if size > max_bytes and n:
            return items[:n]
    return items
