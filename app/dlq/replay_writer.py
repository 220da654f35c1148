"""Replay's writer: the write path of live events, but for what it tells the breaker."""

from __future__ import annotations

import logging

from app.audit.outcome import NotWritten, WriteOutcome, WriteRequest
from app.audit.writer import Writer, proves_well
from app.postgres.errors import Fault

log = logging.getLogger(__name__)


class ReplayWriter(Writer):
    """Tries whenever the breaker is not open, and only ever closes it.

    What fails at replay may fail because of what is replayed. Whether PostgreSQL is away for live writes, the flusher
    and the monitor find out; and they do not lose their trial to a replay that fails.
    """

    lost = False  # whether PostgreSQL was not there to be asked at the last write

    def to_database(self, requests: list[WriteRequest]) -> list[WriteOutcome]:
        """Try to write; one outcome each. At once NotWritten while the breaker is open."""
        self.lost = self._breaker.state == "open"
        return [NotWritten(Fault.OUTAGE)] * len(requests) if self.lost else self._try(requests)

    def _judge(self, requests: list[WriteRequest], outcomes: list[WriteOutcome], *, fired: bool, broken: bool) -> None:
        if any(proves_well(r, o) for r, o in zip(requests, outcomes, strict=True)) and self._breaker.succeeded():
            log.info("PostgreSQL takes writes again")

    def _report(
        self, fault: Fault, *, timed_out: bool = False, unreachable: bool = False, error: Exception | None = None
    ) -> None:
        self.lost = self.lost or unreachable
