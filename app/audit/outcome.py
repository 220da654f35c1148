"""What is asked of the write path, and the outcome.

Not kept in three ways: a request that is not valid never comes here (`ValidationFailure`); what PostgreSQL can never
store is `Rejected`; what could not be kept now, and may be sent again, is `Refused`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.audit.event import Record
from app.postgres.errors import Fault
from app.telemetry.trace import TraceContext, current_span


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """The records of one request: kept all or none."""

    records: tuple[Record, ...]

    @property
    def nbytes(self) -> int:
        """Estimate of the memory that the records hold."""
        return sum(record.nbytes for record in self.records)

    @property
    def span(self) -> TraceContext | None:
        """The span of the request, where traces are on."""
        return None


@dataclass(frozen=True, slots=True)
class TracedRequest(WriteRequest):
    """A request that has a span. A class of its own, so that the others carry nothing of it."""

    origin: TraceContext

    @property
    def span(self) -> TraceContext | None:
        return self.origin


def traced(records: tuple[Record, ...]) -> WriteRequest:
    """The records of the current request, with its span if it has one."""
    span = current_span.get()
    return WriteRequest(records) if span is None else TracedRequest(records, span)


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """What PostgreSQL added to a stored notification."""

    id: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """Committed to PostgreSQL. ``duplicates``: indexes of records that were there already, with the same content."""

    duplicates: tuple[int, ...] = ()
    notification: NotificationRow | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing kept: the records at ``indexes`` are stored with different content.

    A notification id that is taken is always a conflict; ``identical`` says whether the stored one is the same.
    """

    indexes: tuple[int, ...]
    identical: bool = False


@dataclass(frozen=True, slots=True)
class ParentMissing:
    """Nothing kept: the parents of the records at ``indexes`` are not stored."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Nothing kept, and no later try will keep it: PostgreSQL cannot store the record at ``index``."""

    index: int


@dataclass(frozen=True, slots=True)
class NotWritten:
    """PostgreSQL did not take it. ``in_doubt``: a commit was sent and never answered, so it may be stored."""

    fault: Fault
    in_doubt: bool = False
    timed_out: bool = False  # the server gave up on a lock or a statement


@dataclass(frozen=True, slots=True)
class Spilled:
    """Durably in the dead letter queue; will be written without the client's help."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing kept anywhere, and a later try may keep it.

    ``slug`` names the problem: service-unavailable, dlq-full or buffer-full.
    """

    slug: str


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Perhaps kept: PostgreSQL or the queue was given it and did not answer."""


# What one attempt to write to PostgreSQL may say of a request, and what the client may be told.
WriteOutcome = Stored | Conflict | ParentMissing | Rejected | NotWritten
Outcome = Stored | Conflict | ParentMissing | Rejected | Spilled | Refused | InDoubt
SpillOutcome = Spilled | Refused | InDoubt


class Sink(Protocol):
    """The way out when PostgreSQL cannot take a write."""

    def spill(self, requests: Sequence[WriteRequest], reason: str) -> list[SpillOutcome]:
        """Keep each request whole or not at all, in order; never raises, never waits beyond its own limit."""

    def may_hold_parents(self) -> bool:
        """Whether entries wait that a missing parent may be among; True when that cannot be known."""


class UnavailableSink:
    """The sink of a service that has no dead letter queue: nothing can be spilled."""

    def spill(self, requests: Sequence[WriteRequest], reason: str) -> list[SpillOutcome]:
        """Refuse everything."""
        return [Refused("service-unavailable")] * len(requests)

    def may_hold_parents(self) -> bool:
        """Nothing ever waits here."""
        return False
