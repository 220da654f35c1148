"""What is kept: audit events and notifications, validated, immutable, with one canonical form.

`AuditEvent` and `Notification` are made by `app.audit.schemas` alone. The canonical form (and its SHA-256, the
digest) decides whether two records with one identity have the same content.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson

# Roughly what an event costs in memory beside its texts: the object, its times, UUIDs and queue entry.
_EVENT_OVERHEAD_BYTES = 1200
# Bump when the canonical form changes, so that digests of different forms never look equal.
_EVENT_FORM = b"audit-event/1\n"
_NOTIFICATION_FORM = b"notification-audit/1\n"


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with ``Z``; microseconds only when there are any."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return text + "Z"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One audit event after validation and defaults (contract 1, section 2)."""

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

    @property
    def key(self) -> tuple[UUID, date]:
        """Identity: the same key with the same digest is the same event."""
        return (self.event_id, self.event_date)

    @property
    def nbytes(self) -> int:
        """Estimate of the memory that the event holds, for the queue's bound."""
        return _EVENT_OVERHEAD_BYTES + len(self.event_data) + 4 * len(self.error_message or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One notification audit record after validation (contract 1, section 5)."""

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

    @property
    def key(self) -> str:
        """Identity: notification_id."""
        return self.notification_id

    @property
    def nbytes(self) -> int:
        """Estimate of the memory that the record holds."""
        return _EVENT_OVERHEAD_BYTES + 4 * (len(self.message_summary) + len(self.error_message or ""))


Record = AuditEvent | Notification


def event_digest(members: dict[str, Any], canonical_event_data: bytes) -> bytes:
    """SHA-256 over the canonical form of an event.

    ``members`` are the contract's members after defaults, event_data left out: times as aware datetimes, UUIDs
    as UUID. Two requests that mean the same event give the same digest, however they were written.
    """
    body = {
        **members,
        "event_timestamp": rfc3339(members["event_timestamp"]),
        "event_data": orjson.Fragment(canonical_event_data),
    }
    return hashlib.sha256(_EVENT_FORM + orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


def notification_digest(members: dict[str, Any]) -> bytes:
    """SHA-256 over the canonical form of a notification: all members after defaults."""
    body = {**members, "sent_at": rfc3339(members["sent_at"])}
    return hashlib.sha256(_NOTIFICATION_FORM + orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()
