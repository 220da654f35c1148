"""What is kept: audit events and notifications, validated, immutable, with one canonical form.

`AuditEvent` and `Notification` are made by `app.audit.validator` alone. The canonical form (and its SHA-256, the
digest) decides whether two records with one identity have the same content.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import orjson
from datastorage_common import jsonvalue, records
from datastorage_common.times import rfc3339

from app.auth.read_limits import EVERYTHING, ReadLimits

# Roughly what an event costs in memory beside its texts: the object, its times, UUIDs and queue entry.
_EVENT_OVERHEAD_BYTES = 1200

# The closed sets of values.
OUTCOMES = ("success", "failure", "pending")
CHANNELS = ("email", "slack", "pagerduty", "webhook", "sms", "teams")
NOTIFICATION_STATUSES = ("sent", "failed", "pending", "acknowledged", "escalated")
# Notifications have no category of their own: for limits on reading they count as of this one.
NOTIFICATION_CATEGORY = "notification"

EventKey = tuple[UUID, date]
# Which parent is meant: its id, and where its writer may not read everything, the limits within which it must be.
ParentKey = UUID | tuple[ReadLimits, UUID]


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One audit event after validation and defaults. `make_event` makes them."""

    event_id: UUID
    event_date: date  # UTC date of event_timestamp; with event_id the event's identity and primary key
    version: str
    event_type: str
    event_timestamp: datetime  # UTC, microseconds
    event_category: str
    event_action: str
    event_outcome: str
    correlation_id: str
    event_data: bytes  # compact UTF-8 JSON object, every digit as sent
    actor_type: str
    actor_id: str
    resource_type: str
    resource_id: str
    parent_event_id: UUID | None
    namespace: str | None
    cluster_name: str | None
    severity: str | None
    duration_ms: int | None
    trace_id: str | None
    span_id: str | None
    actor_ip: str | None  # canonical text of an IPv4 or IPv6 address
    error_code: str | None
    error_message: str | None
    is_sensitive: bool
    retention_days: int
    digest: bytes  # SHA-256 of the canonical form
    recorded_by: str | None = None  # who was authenticated; outside the digest
    # Of the request's traceparent, stored where the client gave the event no trace_id. Outside the digest, so that a
    # retry under another trace is still the same event.
    context_trace_id: str | None = None
    # Of the request that it came with first; outside the digest, so that a retry is still the same event.
    request_id: str | None = None
    # What its writer may read, where that is not everything and there is a parent: another one does not exist for him.
    # Outside the digest and the row.
    parent_within: ReadLimits | None = None
    row: bytes  # the event as the JSON object that the write function hands to PostgreSQL

    @property
    def key(self) -> EventKey:
        """Identity: the same key with the same digest is the same event."""
        return (self.event_id, self.event_date)

    @property
    def parent_key(self) -> ParentKey:
        """What its parent is looked up by, where it has one."""
        assert self.parent_event_id is not None  # noqa: S101 - asked of events with a parent alone
        return self.parent_event_id if self.parent_within is None else (self.parent_within, self.parent_event_id)

    @property
    def nbytes(self) -> int:
        """Estimate of the memory that the event holds, for the queue's bound."""
        return _EVENT_OVERHEAD_BYTES + len(self.event_data) + 2 * len(self.row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notification audit record after validation."""

    remediation_id: str
    notification_id: str
    recipient: str
    channel: str
    message_summary: str
    status: str
    sent_at: datetime
    delivery_status: str | None
    error_message: str | None
    escalation_level: int
    digest: bytes
    recorded_by: str | None = None
    request_id: str | None = None

    @property
    def key(self) -> str:
        """Identity: notification_id."""
        return self.notification_id

    @property
    def nbytes(self) -> int:
        """Estimate of the memory that the record holds."""
        return _EVENT_OVERHEAD_BYTES + 4 * (len(self.message_summary) + len(self.error_message or ""))


Record = AuditEvent | Notification


def make_event(
    members: dict[str, Any],
    data: bytes,
    *,
    plain: bool = False,
    recorded_by: str | None = None,
    context_trace_id: str | None = None,
    request_id: str | None = None,
    reads: ReadLimits = EVERYTHING,
) -> AuditEvent:
    """The event of the contract's members after defaults: event_data as parsed, times in UTC, UUIDs as UUID.

    ``data``: event_data as compact JSON, every digit as sent: 1.50 is the same number as 1.5 to the digest, but stays
    what it is in the table. ``plain``: event_data is, as `datastorage_common.jsonvalue.Document` says. ``reads``:
    what its writer may read, for its parent. The digest is SHA-256 over the members as JSON with sorted keys and
    numbers in one form, so two requests that mean the same event have the same, however they were written.
    ``members`` is used up.
    """
    moment: datetime = members["event_timestamp"]
    members["event_timestamp"] = time = rfc3339(moment)
    canonical = jsonvalue.canonical(members)
    digest = records.event_digest(canonical)
    context_trace_id = context_trace_id if members["trace_id"] is None else None
    if plain and context_trace_id is None:
        row = canonical
    else:
        trace_id = context_trace_id or members["trace_id"]
        stored = {**members, "event_data": orjson.Fragment(data), "trace_id": trace_id}
        if context_trace_id is not None:
            stored["trace_id_from_context"] = True
        row = orjson.dumps(stored, option=orjson.OPT_SORT_KEYS)
    by = b"null" if recorded_by is None else orjson.dumps(recorded_by)
    request = b"null" if request_id is None else orjson.dumps(request_id)
    members["event_timestamp"] = moment
    members["event_data"] = data
    # Put behind, not into one template: that would be made room for twice, for each event of a batch.
    stored_too = b',"event_date":"%b","digest":"\\\\x%b","recorded_by":%b,"request_id":%b}' % (
        time[:10].encode(),
        digest.hex().encode(),
        by,
        request,
    )
    return AuditEvent(
        **members,
        event_date=moment.date(),
        digest=digest,
        recorded_by=recorded_by,
        context_trace_id=context_trace_id,
        request_id=request_id,
        parent_within=reads if members["parent_event_id"] is not None and reads.narrow else None,
        row=row[:-1] + stored_too,
    )


def with_own_parents(events: tuple[AuditEvent, ...]) -> tuple[AuditEvent, ...]:
    """The events of a batch: a parent that is before its child there exists, whatever their writer may read.

    Decided here and not where it is written: replay writes an entry at a time, and finds such a parent in the table.
    """
    before: set[UUID] = set()
    changed = []
    for event in events:
        own = event.parent_within is not None and event.parent_event_id in before
        changed.append(msgspec.structs.replace(event, parent_within=None) if own else event)
        before.add(event.event_id)
    return tuple(changed)


def notification_digest(members: dict[str, Any]) -> bytes:
    """SHA-256 over the canonical form of a notification: all members after defaults."""
    body = {**members, "sent_at": rfc3339(members["sent_at"])}
    return records.notification_digest(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
