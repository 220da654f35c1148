"""How the requests of one flush fit together: what is to be stored, and the outcome of each request. Without SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.audit.event import AuditEvent, EventKey, Notification
from app.audit.outcome import (
    Conflict,
    NotificationRow,
    NotWritten,
    ParentMissing,
    Stored,
    WriteOutcome,
    WriteRequest,
)
from app.postgres.errors import Fault


@dataclass
class Plan:
    """What a set of requests comes to, once the copies inside it and its parents are known."""

    events: dict[EventKey, AuditEvent]  # to be stored, each key once
    parents: dict[UUID, date]  # the days of the parents that are known
    unresolved: set[UUID]  # parents that the table is to be asked for
    # Requests that contradict an earlier one: a conflict only if that one's content is what is stored in the end.
    waiting: set[int]


def fit_together(live: dict[int, WriteRequest], outcomes: dict[int, WriteOutcome]) -> Plan:
    """Fit the requests together in order.

    A request that contradicts itself is in conflict at once; one that contradicts an earlier request waits.
    """
    plan = Plan({}, {}, set(), set())
    for i, request in live.items():
        mine: dict[EventKey, AuditEvent] = {}
        clashes = []
        wanted: set[UUID] = set()
        ids: dict[UUID, date] = {}
        for index, record in enumerate(request.records):
            if not isinstance(record, AuditEvent):
                continue
            parent = record.parent_event_id
            if parent is not None and parent not in ids and parent not in plan.parents:
                wanted.add(parent)
            key = record.key
            known = mine.get(key)
            if known is not None:
                if known.digest != record.digest:
                    clashes.append(index)
            elif (other := plan.events.get(key)) is None:
                mine[key] = record
            elif other.digest != record.digest:
                plan.waiting.add(i)
            ids.setdefault(record.event_id, record.event_date)
        if clashes:
            outcomes[i] = Conflict(tuple(clashes))
            plan.waiting.discard(i)
        if clashes or i in plan.waiting:
            continue
        plan.unresolved |= wanted
        plan.events.update(mine)
        for event_id, day in ids.items():
            plan.parents.setdefault(event_id, day)
    return plan


def settle_orphans(live: dict[int, WriteRequest], lost: set[UUID], outcomes: dict[int, WriteOutcome]) -> None:
    """The outcome of each request that has a record whose parent is neither stored nor before it."""
    for i, request in live.items():
        indexes = []
        earlier: set[UUID] = set()
        for index, record in enumerate(request.records):
            if isinstance(record, AuditEvent):
                if record.parent_event_id in lost and record.parent_event_id not in earlier:
                    indexes.append(index)
                earlier.add(record.event_id)
        if indexes:
            outcomes[i] = ParentMissing(tuple(indexes))


def conflicts(request: WriteRequest, old: dict[EventKey, bytes]) -> tuple[int, ...]:
    """Indexes of the records that are stored with different content; ``old``: the digests of what was stored."""
    return tuple(
        index
        for index, record in enumerate(request.records)
        if isinstance(record, AuditEvent) and old.get(record.key, record.digest) != record.digest
    )


def event_outcome(
    request: WriteRequest, seen: set[EventKey | str], new: set[EventKey], old: dict[EventKey, bytes]
) -> WriteOutcome:
    """The outcome of a request of events, after a commit; ``seen``: the keys of the requests before it."""
    if indexes := conflicts(request, old):
        return Conflict(indexes)
    duplicates = []
    for index, record in enumerate(request.records):
        assert isinstance(record, AuditEvent)  # noqa: S101 - requests are of one kind
        if record.key in seen or record.key in old:
            duplicates.append(index)
        elif record.key not in new:
            # Neither inserted nor there: the table lost it between two statements, which nothing does.
            return NotWritten(Fault.UNKNOWN)
        seen.add(record.key)
    return Stored(tuple(duplicates))


def notification_outcome(
    record: Notification,
    repeated: bool,
    kept: dict[str, Notification],
    new: dict[str, NotificationRow],
    old: dict[str, bytes],
) -> WriteOutcome:
    """The outcome of a request of one notification, after a commit; ``repeated``: one before it has the same id."""
    if record.key in old:
        return Conflict((0,), identical=old[record.key] == record.digest)
    if record.key not in new:
        return NotWritten(Fault.UNKNOWN)
    if repeated:
        return Conflict((0,), identical=kept[record.key].digest == record.digest)
    return Stored(notification=new[record.key])
