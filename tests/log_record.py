"""From a record as the API gives it to its entry in the log, as docs/log.md says; imports nothing of the service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

# What of a record the digest does not cover.
EVENT_COLUMNS = (
    *("event_date", "parent_event_date", "recorded_at", "recorded_by", "request_id"),
    *("trace_id", "trace_id_from_context"),
)
NOTIFICATION_COLUMNS = ("created_at", "id", "recorded_by", "request_id", "updated_at")
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


@dataclass(frozen=True)
class Steps:
    """Every step from a record to the hash in the log."""

    canonical: str
    digest: bytes
    columns: str
    commitment: bytes
    entry: str
    leaf: bytes


def parse(text: str | bytes) -> Any:
    """JSON, with its numbers as they are written."""
    return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def canonical(value: Any) -> str:
    """The canonical form of JSON."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(k)}:{canonical(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, Decimal):
        return _number(value)
    return json.dumps(value, ensure_ascii=False)


def _number(value: Decimal) -> str:
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return "0"
    while text.endswith("0"):
        text, exponent = text[:-1], exponent + 1
    text += "0" * exponent if exponent >= 0 else f"e{exponent}"
    return "-" * sign + text


def event_steps(event: dict[str, Any], salt: bytes, version: int = 1) -> list[Steps]:
    """The steps of an event; two ways where it does not say whether its trace_id is that of the request."""
    members = {name: event[name] for name in EVENT_MEMBERS}
    members["actor_ip"] = _address(members["actor_ip"])
    without_trace = {**members, "trace_id": None}
    flag = event["trace_id_from_context"]
    ways = [members, without_trace] if flag is None else [without_trace if flag else members]
    columns = {name: event[name] for name in EVENT_COLUMNS}
    names = {"kind": "audit_event", "id": event["event_id"], "on": event["event_date"], "v": Decimal(version)}
    return [_steps("audit-event/1\n", way, columns, names, salt) for way in ways]


def notification_steps(row: dict[str, Any], salt: bytes, version: int = 1) -> Steps:
    """The steps of a notification, whose members that are null may be left out."""
    members = {name: row.get(name) for name in NOTIFICATION_MEMBERS}
    columns = {name: row.get(name) for name in NOTIFICATION_COLUMNS}
    names = {"kind": "notification", "id": str(row["id"]), "on": row["sent_at"][:10], "v": Decimal(version)}
    return _steps("notification-audit/1\n", members, columns, names, salt)


def act_steps(act: dict[str, Any], salt: bytes) -> Steps:
    """The steps of an act, which has nothing that its digest does not cover."""
    names = {"kind": act["kind"], "id": act["act_id"], "on": act["acted_at"][:10], "v": Decimal(1)}
    text = canonical(act)
    digest = sha256(b"log-act/1\n" + text.encode()).digest()
    commitment = sha256(salt + digest).digest()
    entry = canonical({**names, "commitment": commitment.hex()})
    return Steps(text, digest, "", commitment, entry, sha256(b"\0" + entry.encode()).digest())


def id_hash(prefix: bytes, ident: bytes) -> int:
    """By which log_places finds the places of an id."""
    return int.from_bytes(sha256(prefix + ident).digest()[:8], "big", signed=True)


def _address(text: str | None) -> str | None:
    if text is None or ":" not in text or "." not in text:
        return text
    head, _, last = text.rpartition(":")
    a, b, c, d = map(int, last.split("."))
    return f"{head}:{256 * a + b:x}:{256 * c + d:x}"


def _steps(form: str, members: dict[str, Any], columns: dict[str, Any], names: dict[str, Any], salt: bytes) -> Steps:
    text = canonical(members)
    digest = sha256((form + text).encode()).digest()
    outside = canonical(columns)
    commitment = sha256(salt + digest + sha256(outside.encode()).digest()).digest()
    entry = canonical({**names, "commitment": commitment.hex()})
    return Steps(text, digest, outside, commitment, entry, sha256(b"\0" + entry.encode()).digest())
