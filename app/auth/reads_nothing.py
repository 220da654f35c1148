"""Says in the log who may read and is given nothing: such a caller sees empty lists, as where there is nothing."""

from __future__ import annotations

import logging
import threading
import time

from app.auth.principal import Principal

log = logging.getLogger(__name__)

_SAY_EVERY_SECONDS = 60.0
# Principals that are remembered; of more than these, all are said again.
_MAX_NAMES = 1000


class ReadsNothing:
    """Tells of each such principal once a minute. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}

    def look_at(self, principal: Principal) -> None:
        """A principal is about to read events or notifications."""
        if not principal.reads.nothing:
            return
        with self._lock:
            now = time.monotonic()
            said = self._said.get(principal.name)
            if said is not None and now < said + _SAY_EVERY_SECONDS:
                return
            if len(self._said) >= _MAX_NAMES:
                self._said.clear()
            self._said[principal.name] = now
        log.info("%s reads nothing: %s", principal.name, principal.remark or "its token allows none")
