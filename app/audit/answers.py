"""The outcome of a write as the answer to its request."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import flask
import orjson
from datastorage_common.times import rfc3339

from app.audit.event import AuditEvent, Notification
from app.audit.outcome import (
    Conflict,
    InDoubt,
    Outcome,
    ParentMissing,
    Refused,
    Rejected,
    Spilled,
    Stored,
)
from app.audit.schemas import NOTIFICATION_FIELDS
from app.http.json_provider import json_response
from app.http.problems import Problem
from app.http.validation_failures import count_validation_failures

_PARENT = "parent event does not exist"
_BOTH_GONE = "database and DLQ both unavailable - please retry"
_FULL = {
    "buffer-full": "the service is at its capacity - please retry",
    "dlq-full": "the database is away and the dead letter queue is full - please retry",
}
_UNKNOWN = "the outcome is not known - please retry with the same ids"
_NOT_STORABLE = "the record cannot be stored"


def _now_string(moment: Any) -> str:
    return rfc3339(moment.astimezone(UTC))


def _failure(outcome: Outcome, ids: dict[str, Any]) -> Problem:
    """The problem of an outcome that kept nothing for certain, or nothing that is certain."""
    if isinstance(outcome, InDoubt):
        return Problem("service-unavailable", _UNKNOWN, members={"outcome": "unknown", **ids})
    assert isinstance(outcome, Refused)  # noqa: S101 - the others have answers of their own
    return Problem(outcome.slug, _FULL.get(outcome.slug, _BOTH_GONE))


def event_answer(event: AuditEvent, outcome: Outcome, ignored: Mapping[str, Any]) -> flask.Response:
    """The answer to one event. Raises Problem where nothing was kept for certain.

    ``ignored``: what the answer says of members that were ignored, as `app.validation.ignored` gives it.
    """
    ids = {"event_id": str(event.event_id)}
    answer: dict[str, Any] = {**ids, "event_timestamp": rfc3339(event.event_timestamp)}
    match outcome:
        case Stored(duplicates=duplicates):
            message = "Audit event already recorded" if duplicates else "Audit event created successfully"
            body = {**answer, "message": message, **ignored}
            return json_response(orjson.dumps(body), 200 if duplicates else 201)
        case Spilled():
            accepted = {"status": "accepted", "message": "audit event queued for async processing"}
            return json_response(orjson.dumps({**accepted, **answer, **ignored}), 202)
        case Conflict():
            raise Problem(
                "conflict",
                "an event with this event_id and date is stored with different content",
                field_errors={"event_id": "is stored with different content"},
                members={"resource": "audit_events", "field": "event_id", "value": str(event.event_id)},
            )
        case ParentMissing():
            count_validation_failures([("parent_event_id", "parent_not_found")])
            raise Problem("validation-error", _PARENT, field_errors={"parent_event_id": _PARENT})
        case Rejected():
            raise Problem("invalid_event_data", _NOT_STORABLE)
    raise _failure(outcome, ids)


def batch_answer(events: tuple[AuditEvent, ...], outcome: Outcome, ignored: Mapping[str, Any]) -> flask.Response:
    """The answer to a batch of events, which is kept whole or not at all. Raises Problem as `event_answer` does."""
    ids = {"event_ids": [str(e.event_id) for e in events]}
    match outcome:
        case Stored(duplicates=duplicates):
            # A copy inside the batch is no sign that it was stored before; all of them being old is.
            n = len(events)
            if len(duplicates) == n:
                message, status = f"{n} audit events already recorded", 200
            else:
                message, status = f"{n} audit events created successfully", 201
            body = {**ids, "message": message, "duplicates": list(duplicates), **ignored}
            return json_response(orjson.dumps(body), status)
        case Spilled():
            n = len(events)
            accepted = {"status": "accepted", "message": f"{n} audit events queued for async processing", "count": n}
            return json_response(orjson.dumps({**accepted, **ids, **ignored}), 202)
        case Conflict(indexes=indexes):
            raise Problem(
                "conflict",
                f"event at index {indexes[0]}: is stored with different content under the same event_id and date",
                field_errors={f"[{i}].event_id": "is stored with different content" for i in indexes},
                members={"resource": "audit_events", "field": "event_id", "indexes": list(indexes)},
            )
        case ParentMissing(indexes=indexes):
            count_validation_failures([("parent_event_id", "parent_not_found")] * len(indexes))
            raise Problem(
                "validation-error",
                f"event at index {indexes[0]}: {_PARENT}",
                field_errors={f"[{i}].parent_event_id": _PARENT for i in indexes},
            )
        case Rejected(index=index):
            raise Problem("invalid_event_data", f"event at index {index}: {_NOT_STORABLE}")
    raise _failure(outcome, ids)


def notification_answer(record: Notification, outcome: Outcome, ignored: Mapping[str, Any]) -> flask.Response:
    """The answer to one notification. Raises Problem as `event_answer` does."""
    match outcome:
        case Stored(notification=row) if row is not None:
            body: dict[str, Any] = {"id": row.id}
            for name in NOTIFICATION_FIELDS:
                value = getattr(record, name)
                if value is not None:
                    body[name] = rfc3339(value) if name == "sent_at" else value
            body["created_at"] = _now_string(row.created_at)
            body["updated_at"] = _now_string(row.updated_at)
            for name in ("request_id", "recorded_by"):
                if (value := getattr(record, name)) is not None:
                    body[name] = value
            return json_response(orjson.dumps({**body, **ignored}), 201)
        case Spilled():
            body = {"status": "accepted", "message": "audit record queued for processing", **ignored}
            return json_response(orjson.dumps(body), 202)
        case Conflict(identical=identical):
            raise Problem(
                "conflict",
                "a notification with this notification_id is stored already",
                members={
                    "resource": "notification_audit",
                    "field": "notification_id",
                    "value": record.notification_id,
                    "identical": identical,
                },
            )
        case Rejected():
            raise Problem("validation-error", _NOT_STORABLE)
    raise _failure(outcome, {"notification_id": record.notification_id})
