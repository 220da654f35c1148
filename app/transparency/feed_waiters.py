"""Requests that wait for the log to grow. They hold nothing but their thread, and there are few of them.

One caller may have all places while nobody else wants one. Who comes then takes one from the caller with the most.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator

from app.clock import Clock


class Place:
    """What one who waits has. ``taken``: another one has it by now."""

    __slots__ = ("caller", "taken")

    def __init__(self, caller: str) -> None:
        self.caller = caller
        self.taken = False


class FeedWaiters:
    """Those of one worker. Safe to share between threads."""

    def __init__(self, most: int, clock: Clock, counted: Callable[[int], None] = lambda _: None) -> None:
        """``most``: so many wait at a time. ``counted`` is told how many do, whenever that changes."""
        self._most = most
        self._clock = clock
        self._counted = counted
        self._changed = threading.Condition()
        self._places: list[Place] = []  # the oldest first
        self._grown = 0
        self._ended = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._places)

    @property
    def grown(self) -> int:
        """How often the log was seen to have grown. To be read before it is looked at what there is."""
        return self._grown

    def note_growth(self) -> None:
        """Wake all who wait: there may be something new."""
        with self._changed:
            self._grown += 1
            self._changed.notify_all()

    def end(self) -> None:
        """Wake all who wait, and let nobody wait any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @contextlib.contextmanager
    def room(self, caller: str) -> Iterator[Place | None]:
        """A place for one more until the end of the block; None where there is none for this caller.

        Where all are taken and the caller would still have fewer than the one with the most, that one's oldest goes.
        """
        with self._changed:
            place = self._new_place(caller)
        try:
            yield place
        finally:
            if place is not None:
                with self._changed:
                    if not place.taken:
                        self._places.remove(place)
                        self._counted(len(self._places))

    def wait(self, place: Place, seen: int, until: float) -> bool:
        """Wait until the log has grown since `grown` was ``seen``.

        False at ``until``, a monotonic time, whatever has grown: a look may take longer than the log to grow again.
        False also where the place was taken, and at the end.
        """
        with self._changed:
            while not self._ended and not place.taken:
                left = until - self._clock.monotonic()
                if left <= 0:
                    return False
                if self._grown != seen:
                    return True
                self._changed.wait(left)
            return False

    def _new_place(self, caller: str) -> Place | None:
        """With the lock held."""
        if self._ended:
            return None
        if len(self._places) >= self._most and not self._take_from_another(caller):
            return None
        place = Place(caller)
        self._places.append(place)
        self._counted(len(self._places))
        return place

    def _take_from_another(self, caller: str) -> bool:
        """Whether there was somebody with at least two more. With fewer, both would take from each other in turn."""
        had = Counter(place.caller for place in self._places)
        most = max(had.values(), default=0)
        if had[caller] + 2 > most:
            return False
        oldest = next(place for place in self._places if had[place.caller] == most)
        oldest.taken = True
        self._places.remove(oldest)
        self._changed.notify_all()
        return True
