"""An entry of a stream and the record in it: what a spill writes, and what replay makes of it again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
from datastorage_common import jsonvalue
from datastorage_common.terminal import printable
from datastorage_common.times import rfc3339

from app.audit.event import AuditEvent, Notification, Record
from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS
from app.audit.validator import Validator
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.dlq.keys import EVENTS, NOTIFICATIONS
from app.telemetry.trace import TraceContext, is_request_id, is_trace_id, parse_traceparent, traceparent
from app.validation.field_errors import ValidationFailure

# The kind of record in each stream, as an entry names it.
TYPES = {EVENTS: "audit_event", NOTIFICATIONS: "notification_audit"}


def _members(record: Record) -> dict[str, Any]:
    """The record under the request's names: what a client would have to send to mean the same."""
    if isinstance(record, Notification):
        members = {name: getattr(record, name) for name in NOTIFICATION_FIELDS}
        return {**members, "sent_at": rfc3339(record.sent_at)}
    members = {name: getattr(record, name) for name in EVENT_FIELDS}
    members["event_timestamp"] = rfc3339(record.event_timestamp)
    members["event_data"] = orjson.Fragment(record.event_data)
    return members


def encode(record: Record, now: datetime, reason: str, span: TraceContext | None = None) -> bytes:
    """The message of an entry; ``span``: of the request, where traces are on."""
    return orjson.dumps(
        {
            "type": TYPES[EVENTS] if isinstance(record, AuditEvent) else TYPES[NOTIFICATIONS],
            "payload": _members(record),
            # Not in the payload: the digest is that of the client's members.
            "recorded_by": record.recorded_by,
            "request_id": record.request_id,
            **(_beside(record) if isinstance(record, AuditEvent) else {}),
            **({} if span is None else {"traceparent": traceparent(span)}),
            "timestamp": rfc3339(now),
            "retry_count": 0,
            "last_error": reason,
        }
    )


def origin(text: bytes | None) -> tuple[str, str]:
    """What an entry's message says of itself, for the log: the record's id and its request's; ``-`` where it does not.

    Of any message, one that can never be written too.
    """
    try:
        message: Any = jsonvalue.parse(text or b"")
    except jsonvalue.JSONError:
        return "-", "-"
    message = message if isinstance(message, dict) else {}
    payload = message.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    ident = payload.get("event_id", payload.get("notification_id"))
    request = message.get("request_id")
    return printable(str(ident)[:255]) if ident is not None else "-", request if is_request_id(request) else "-"


def _beside(event: AuditEvent) -> dict[str, Any]:
    within = event.parent_within
    if within is None:
        return {"trace_id": event.context_trace_id}
    limits = {
        name: None if values is None else sorted(values)
        for name, values in (("namespaces", within.namespaces), ("categories", within.categories))
    }
    return {"trace_id": event.context_trace_id, "parent_within": limits}


def _limits(message: dict[str, Any]) -> ReadLimits | None:
    """Within which limits the entry's event must find its parent; None where that cannot be read."""
    within = message.get("parent_within")
    if within is None:
        return EVERYTHING
    if not isinstance(within, dict) or within.keys() != {"namespaces", "categories"}:
        return None
    values = (within["namespaces"], within["categories"])
    if not all(v is None or (isinstance(v, list) and all(isinstance(text, str) for text in v)) for v in values):
        return None
    return ReadLimits(*(None if v is None else frozenset(v) for v in values))


def span_of(text: bytes | None) -> TraceContext | None:
    """The span of the request that an entry came from, if the entry tells."""
    if text is None or b'"traceparent"' not in text:
        return None
    try:
        message = jsonvalue.parse(text)
    except jsonvalue.JSONError:
        return None
    named = message.get("traceparent") if isinstance(message, dict) else None
    return parse_traceparent(named) if isinstance(named, str) else None


def decode(validator: Validator, stream: str, text: bytes | None) -> Record | str:
    """The record that an entry's message holds, or why it can never be written."""
    if text is None:
        return "the entry holds no message"
    try:
        message = jsonvalue.parse(text)
    except jsonvalue.JSONError as e:
        return f"the entry is not JSON: {e}"
    if not isinstance(message, dict) or not isinstance(message.get("payload"), dict):
        return "the entry holds no payload"
    if message.get("type") != TYPES[stream]:
        return f"the entry is of an unknown type: {str(message.get('type'))[:100]}"
    by = message.get("recorded_by")
    by = by if isinstance(by, str) else None
    request = message.get("request_id")  # an entry of the release before has none
    request = request if is_request_id(request) else None
    record: Record | ValidationFailure
    if stream == EVENTS:
        trace = message.get("trace_id")
        reads = _limits(message)
        if reads is None:
            # Without them it might be written as if its writer could read everything.
            return "the entry's limits on reading cannot be read"
        record = validator.event(
            message["payload"],
            replayed=True,
            recorded_by=by,
            context_trace_id=trace if is_trace_id(trace) else None,
            request_id=request,
            reads=reads,
        )
    else:
        record = validator.notification(message["payload"], replayed=True, recorded_by=by, request_id=request)
    if isinstance(record, ValidationFailure):
        return f"the payload is not valid: {record.detail}"
    if stream == EVENTS and message["payload"].get("event_id") is None:
        return "the payload has no event_id"
    return record
