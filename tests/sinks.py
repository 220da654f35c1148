"""A sink of the test's; tests/integration/test_sinks.py holds it to what the dead letter queue does."""

from __future__ import annotations

from collections.abc import Sequence

from app.audit.event import AuditEvent
from app.audit.outcome import Spilled, SpillOutcome, WriteRequest


class FakeSink:
    """Answers each spilled request with one outcome, and keeps what it was given, with the reason."""

    def __init__(self, outcome: SpillOutcome | None = None) -> None:
        self.outcome: SpillOutcome = outcome or Spilled()
        self.parents = False
        self.spilled: list[tuple[WriteRequest, str]] = []

    @property
    def requests(self) -> list[WriteRequest]:
        """The requests that it was given."""
        return [request for request, _ in self.spilled]

    @property
    def held(self) -> int:
        """The records that it says it keeps."""
        return sum(len(r.records) for r in self.requests) if isinstance(self.outcome, Spilled) else 0

    def spill(self, requests: Sequence[WriteRequest], reason: str) -> list[SpillOutcome]:
        self.spilled += [(r, reason) for r in requests]
        return [self.outcome] * len(requests)

    def may_hold_parents(self) -> bool:
        return self.parents or (
            self.held > 0 and any(isinstance(r, AuditEvent) for request in self.requests for r in request.records)
        )
