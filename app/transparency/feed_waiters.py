"""Requests that wait for the log to grow. They hold nothing but their thread, and there are few of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from app.clock import Clock


class FeedWaiters:
    """Those of one worker. Safe to share between threads."""

    def __init__(self, most: int, clock: Clock, counted: Callable[[int], None] = lambda _: None) -> None:
        """``most``: so many wait at a time. ``counted`` is told how many do, whenever that changes."""
        self._most = most
        self._clock = clock
        self._counted = counted
        self._changed = threading.Condition()
        self._waiting = 0
        self._grown = 0
        self._ended = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._waiting

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
    def room(self) -> Iterator[bool]:
        """Whether there is room for one more, who has it until the end of the block."""
        with self._changed:
            admitted = not self._ended and self._waiting < self._most
            if admitted:
                self._waiting += 1
                self._counted(self._waiting)
        try:
            yield admitted
        finally:
            if admitted:
                with self._changed:
                    self._waiting -= 1
                    self._counted(self._waiting)

    def wait(self, seen: int, until: float) -> bool:
        """Wait until the log has grown since `grown` was ``seen``; False at ``until``, a monotonic time, or the end."""
        with self._changed:
            while not self._ended and self._grown == seen:
                left = until - self._clock.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return not self._ended
