"""From a record to its entry in the log, step by step: digest, commitment, entry. docs/log.md says why each is so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

from datastorage_common import jsonvalue

# Before the canonical form, so that digests of different things, and of different forms, never look equal.
_EVENT_FORM = b"audit-event/1\n"
_NOTIFICATION_FORM = b"notification-audit/1\n"
_ACT_FORM = b"log-act/1\n"

EVENT = "audit_event"
NOTIFICATION = "notification"
# Members that the digest covers.
EVENT_MEMBERS = (
    *("actor_id", "actor_ip", "actor_type", "cluster_name", "correlation_id", "duration_ms", "error_code"),
    *("error_message", "event_action", "event_category", "event_data", "event_id", "event_outcome", "event_timestamp"),
    *("event_type", "is_sensitive", "namespace", "parent_event_id", "resource_id", "resource_type", "retention_days"),
    *("severity", "span_id", "trace_id", "version"),
)
NOTIFICATION_MEMBERS = (
    *("channel", "delivery_status", "error_message", "escalation_level", "message_summary", "notification_id"),
    *("recipient", "remediation_id", "sent_at", "status"),
)
# Members that are stored and not in the digest.
EVENT_COLUMNS = (
    *("event_date", "parent_event_date", "recorded_at", "recorded_by", "request_id"),
    *("trace_id", "trace_id_from_context"),
)
NOTIFICATION_COLUMNS = ("created_at", "id", "recorded_by", "request_id", "updated_at")

MAX_ENTRY_BYTES = 1024
_ENTRY = re.compile(
    rb'\{"commitment":"([0-9a-f]{64})","id":"([0-9A-Za-z-]{1,64})","kind":"([a-z][a-z_]{0,62})",'
    rb'"on":"([0-9]{4,}-[0-9]{2}-[0-9]{2})","v":([01])\}'
)
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ROW_NUMBER = re.compile("0|-?[1-9][0-9]{0,18}")


class EntryFormError(ValueError):
    """The bytes are no entry of the log; the message is one line."""


def event_digest(canonical: bytes) -> bytes:
    """SHA-256 over the canonical JSON of an event's members."""
    return sha256(_EVENT_FORM + canonical).digest()


def notification_digest(canonical: bytes) -> bytes:
    """SHA-256 over the canonical JSON of a notification's members."""
    return sha256(_NOTIFICATION_FORM + canonical).digest()


def act_digest(canonical: bytes) -> bytes:
    """SHA-256 over the canonical JSON of an act's members."""
    return sha256(_ACT_FORM + canonical).digest()


def commitment(salt: bytes, digest: bytes, columns: bytes | None) -> bytes:
    """What an entry says of a record. ``columns``: their canonical JSON; None for an act, which has none."""
    return sha256(salt + digest + (b"" if columns is None else sha256(columns).digest())).digest()


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log."""

    kind: str  # audit_event, notification, or the kind of an act
    id: str
    on: str  # a day
    version: int
    commitment: bytes

    def encode(self) -> bytes:
        """The canonical JSON that is hashed."""
        return (
            f'{{"commitment":"{self.commitment.hex()}","id":"{self.id}","kind":"{self.kind}",'
            f'"on":"{self.on}","v":{self.version}}}'
        ).encode()

    @property
    def identity(self) -> tuple[str, str, str]:
        """No two entries of a log have the same: an event's id may have been used on several days."""
        return (self.kind, self.id, self.on if self.kind == EVENT else "")


def parse_entry(data: bytes) -> Entry:
    """Read an entry. Raises EntryFormError."""
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryFormError(f"an entry of more than {MAX_ENTRY_BYTES} bytes")
    found = _ENTRY.fullmatch(data)
    if found is None:
        raise EntryFormError("an entry that is not the canonical JSON of commitment, id, kind, on and v")
    commits, ident, kind, day, version = (part.decode() for part in found.groups())
    if not (_ROW_NUMBER if kind == NOTIFICATION else _UUID).fullmatch(ident):
        raise EntryFormError(f"an entry of the kind {kind} with the id {ident}")
    return Entry(kind, ident, day, int(version), bytes.fromhex(commits))


def entry_of(members: object) -> Entry:
    """The entry of its members as JSON has them, of a proof for instance. Raises EntryFormError."""
    try:
        # Written out, a short number may be gigabytes.
        if jsonvalue.number_out_of_range(members, jsonvalue.MAX_NUMBER_DIGITS):
            raise EntryFormError("an entry with a number that none can have")
        return parse_entry(jsonvalue.canonical(members))
    except (TypeError, ValueError) as e:
        raise e if isinstance(e, EntryFormError) else EntryFormError("an entry that is not JSON") from None
