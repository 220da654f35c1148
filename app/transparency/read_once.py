"""Something that is read twice a second, however many ask for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from app.clock import Clock

T = TypeVar("T")

# What callers are told may be that old. A record is signed after a second at the most: clients have it within two.
FRESH_SECONDS = 0.5
# A read takes milliseconds. One that hangs, on a server that stands still, is not waited for by others: their own
# is refused at once by then, or answered by another server.
_SHARED_SECONDS = 1.0


class ReadOnce(Generic[T]):
    """What a read gave at most half a second ago. Those who ask while it goes on share it, what it raises included.

    Safe to share between threads.
    """

    def __init__(self, read: Callable[[], T], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, T] | None = None  # when its read began, and what it gave
        self._under_way: Future[T] | None = None

    def get(self, enough: Callable[[T], bool] = lambda _: True) -> T:
        """What was read lately; what is read now, where that is not enough. Raises what the read raises."""
        known = self._known
        if known is not None and self._clock.monotonic() - known[0] < FRESH_SECONDS and enough(known[1]):
            return known[1]
        found, is_own = self._shared()
        if is_own or enough(found):
            return found
        # That read may have begun before this request came, and so before what it asks for was there.
        return self._shared()[0]

    def _shared(self) -> tuple[T, bool]:
        """What a read gives that goes on already, or one of our own; which of the two it is."""
        with self._lock:
            other = self._under_way
            if other is None:
                own = self._under_way = Future[T]()
        if other is not None:
            # Not result(timeout): what the read raises may be a TimeoutError of its own.
            if wait([other], _SHARED_SECONDS).done:
                return other.result(), False
            return self._read(), True
        began = self._clock.monotonic()
        try:
            found = self._read()
        except BaseException as e:
            self._end(own, None)
            own.set_exception(e)
            raise
        self._end(own, (began, found))
        own.set_result(found)
        return found, True

    def _end(self, own: Future[T], known: tuple[float, T] | None) -> None:
        with self._lock:
            if known is not None:
                self._known = known
            if self._under_way is own:
                self._under_way = None
