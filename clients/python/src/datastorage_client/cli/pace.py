"""How long the many answers of one command may take together: each alone ends in time, and there may be thousands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from datastorage_client.problems import DataStorageError

START_S = 600.0
ANSWER_S = 2.0


class TooSlowError(DataStorageError):
    """The answers come so slowly that a command would run for days."""


class Pace:
    """Gives ten minutes, and two seconds more for each answer that came. Any number of threads may share one.

    A service that lets every answer drip until just before its timeout is left so, and one that is slow is not.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._end: float | None = None
        self._answers = 0

    def check(self) -> None:
        """To be called before each request; the first one starts the clock. Raises TooSlowError."""
        with self._lock:
            if self._end is None:
                self._end = self._now() + START_S
            if self._now() > self._end:
                raise TooSlowError(
                    f"the service is too slow: {self._answers} answers took longer than "
                    f"{START_S + ANSWER_S * self._answers:.0f} s"
                )

    def came(self) -> None:
        """An answer came."""
        with self._lock:
            assert self._end is not None  # noqa: S101 - it was asked for
            self._end += ANSWER_S
            self._answers += 1
