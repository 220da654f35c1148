"""How the requests of one flush fit together: what is to be stored, and the outcome of each request. Without SQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from app.audit.event import AuditEvent, EventKey, Notification, ParentKey
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
    parents: dict[ParentKey, date]  # the days of the parents that are known
    unresolved: set[ParentKey]  # parents that the table is to be asked for
    # Requests that contradict an earlier one: a conflict only if that one's content is what is stored in the end.
    waiting: set[int]
    # The events by their ids; made for the first writer who may not read everything.
    by_id: dict[UUID, list[AuditEvent]] | None = field(default=None, init=False)

    def knows(self, event: AuditEvent) -> bool:
        """Whether the parent of an event is known to be there, for the event's writer."""
        within, parent = event.parent_within, event.parent_event_id
        if event.parent_key in self.parents:
            return True
        if within is None or parent is None:
            return False
        if self.by_id is None:
            self.by_id = {}
            self._name(self.events.values())
        found = [e.event_date for e in self.by_id.get(parent, ()) if within.admits(e.namespace, e.event_category)]
        if found:
            self.parents[within, parent] = max(found)
        return bool(found)

    def add(self, events: dict[EventKey, AuditEvent]) -> None:
        """Add events that are to be stored, and are not there yet."""
        self.events.update(events)
        if self.by_id is not None:
            self._name(events.values())

    def _name(self, events: Iterable[AuditEvent]) -> None:
        assert self.by_id is not None  # noqa: S101 - made by `finds`
        for event in events:
            self.by_id.setdefault(event.event_id, []).append(event)


def fit_together(live: dict[int, WriteRequest], outcomes: dict[int, WriteOutcome]) -> Plan:
    """Fit the requests together in order.

    A request that contradicts itself is in conflict at once; one that contradicts an earlier request waits.
    """
    plan = Plan({}, {}, set(), set())
    for i, request in live.items():
        mine: dict[EventKey, AuditEvent] = {}
        clashes = []
        wanted: set[ParentKey] = set()
        ids: dict[UUID, date] = {}
        for index, record in enumerate(request.records):
            if not isinstance(record, AuditEvent):
                continue
            parent = record.parent_event_id
            if parent is not None and parent not in ids and not plan.knows(record):
                wanted.add(record.parent_key)
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
        plan.add(mine)
        for event_id, day in ids.items():
            plan.parents.setdefault(event_id, day)
    return plan


def settle_orphans(live: dict[int, WriteRequest], lost: set[ParentKey], outcomes: dict[int, WriteOutcome]) -> None:
    """The outcome of each request that has a record whose parent is neither stored nor before it."""
    for i, request in live.items():
        indexes = []
        earlier: set[UUID] = set()
        for index, record in enumerate(request.records):
            if isinstance(record, AuditEvent):
                parent = record.parent_event_id
                if parent is not None and parent not in earlier and record.parent_key in lost:
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
