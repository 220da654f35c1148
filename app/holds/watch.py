"""How many holds are in force, as every worker sees it now and then."""

from __future__ import annotations

from app.clock import Clock
from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.telemetry import metrics

_ACTIVE = statements("holds")["active"]
_EVERY_SECONDS = 10.0


class HoldWatch:
    """Counts them on a connection of the monitor."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next = 0.0

    def look(self, conn: Connection) -> None:
        """One look, where the last was long enough ago. Raises psycopg.Error."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        for (active,) in conn.execute(_ACTIVE):
            metrics.HOLDS_ACTIVE.set(active)
        self._next = now + _EVERY_SECONDS
