"""A thread that does the same step again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable


class LoopThread:
    """Runs ``step`` in a thread of its own, ``every_seconds``, until it is stopped.

    An error of the step is logged, and the next round tries again: a loop that died would freeze what it watches over.
    Setting ``wake`` ends the pause between two rounds at once. ``end`` is run in the thread after the last round.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], object],
        every_seconds: float,
        log: logging.Logger,
        *,
        wake: threading.Event | None = None,
        end: Callable[[], None] | None = None,
    ) -> None:
        self._name = name
        self._step = step
        self._every_seconds = every_seconds
        self._log = log
        self._wake = wake or threading.Event()
        self._end = end
        self._thread: threading.Thread | None = None
        self.stopping = False

    def start(self) -> None:
        """Start the thread; in the process that needs it, after the fork."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """End after the current round; True if that was done within ``timeout`` seconds."""
        self.stopping = True
        self._wake.set()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            # In this order: a stop or a wish in between is seen now, one that comes later ends the pause.
            self._wake.clear()
            if self.stopping:
                break
            self._guarded(self._step)
            self._wake.wait(self._every_seconds)
        if self._end is not None:
            self._guarded(self._end)

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception:  # noqa: BLE001 - any mistake is in the log, and the next round tries again
            self._log.exception("%s failed unexpectedly", self._name.replace("-", " "))
