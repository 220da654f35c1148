"""The end of a worker: the wait for load balancers, the last requests, the flush, and the mark of what was left.

docs/decisions/graceful-shutdown.md has the steps and why they are these.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.config.settings import ShutdownSettings
    from app.services import Services

# How long a connection that has not sent anything may still begin to.
LAST_CALL_SECONDS = 1.0


def unfinished_mark(pid: int) -> Path:
    """The file that is there while a worker runs, and stays if it ended without having flushed everything."""
    return Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]) / f"unfinished-{pid}"


def unfinished_workers() -> list[str]:
    """The process ids of the workers that ended before they had flushed everything."""
    folder = os.environ["PROMETHEUS_MULTIPROC_DIR"]
    return [path.name.rsplit("-", 1)[1] for path in Path(folder).glob("unfinished-*")]


class Shutdown:
    """When a worker stops, and what it does then. The master exits 0 whatever its workers did; the mark tells it."""

    def __init__(self, settings: ShutdownSettings, services: Services, log: Any) -> None:
        self._settings = settings
        self._services = services
        self._log = log
        self._mark = unfinished_mark(os.getpid())
        # Where its folder has no room the worker has no mark, and its end is not judged: no reason not to serve.
        with contextlib.suppress(OSError):
            self._mark.touch()
        self._ended = False
        self.stops_at: float | None = None  # on the monotonic clock; None until it is asked for

    @property
    def begun(self) -> bool:
        """Whether readiness is off, and every answer closes its connection."""
        return self.stops_at is not None

    def begin(self, *, wait: bool) -> None:
        """Turn readiness off now and stop after the propagation delay; called again it can only be sooner.

        gunicorn's master closes its listeners at once, but the sockets that a worker inherited go on answering, so load
        balancers have the delay to notice.
        """
        self._services.drain()
        stops_at = time.monotonic() + (self._settings.endpoint_propagation_delay if wait else 0.0)
        if self.stops_at is None or stops_at < self.stops_at:
            self.stops_at = stops_at

    def due(self, now: float) -> bool:
        """Whether it is time to stop."""
        return self.stops_at is not None and now >= self.stops_at

    @property
    def request_timeout(self) -> float:
        """Seconds that requests in flight have after that."""
        return self._settings.request_timeout

    def end(self) -> None:
        """Flush and close; safe to call again."""
        if self._ended:
            return
        self._ended = True
        started = time.monotonic()
        clean = self._services.stop()
        self._log.info("worker %d stopped after %.1f s", os.getpid(), time.monotonic() - started)
        if clean:
            self._mark.unlink(missing_ok=True)
        else:
            self._log.error("worker %d left something behind", os.getpid())
