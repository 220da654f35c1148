"""A background thread that is there until its work is done, also after an exception in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

_PAUSE_S = 0.5


class Worker:
    """Runs ``work`` in a thread until that returns, then ``ended``.

    What raises is logged and counted in ``restarts``, and the work begins anew. Nothing may be imported in there: a
    child that is forked in the middle of an import finds the module half made.
    """

    def __init__(self, name: str, work: Callable[[], None], ended: Callable[[], None]) -> None:
        self.name = name
        self.restarts = 0
        self._work = work
        self._ended = ended
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._complained = False

    def start(self) -> bool:
        """Start the thread if there was none yet; whether there is one now. A process may have as many as it may."""
        with self._lock:
            if self._thread is not None:
                return True
            thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            try:
                thread.start()
            except RuntimeError as e:
                if not self._complained:
                    log.error("the thread %s cannot be started now, its events wait in memory: %s", self.name, e)
                self._complained = True
                return False
            self._thread = thread
            return True

    @property
    def is_current(self) -> bool:
        """Whether the caller is in this thread."""
        return self._thread is threading.current_thread()

    def join(self, timeout: float) -> bool:
        """Wait for the end; whether it came."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            try:
                self._work()
                break
            except BaseException:  # sys.exit() in a callback would end the thread in silence, and nothing would be sent
                self.restarts += 1
                log.exception("the thread %s failed and goes on", self.name)
                threading.Event().wait(_PAUSE_S)
        self._ended()
