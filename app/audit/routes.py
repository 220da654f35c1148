"""HTTP of the audit API: reads requests, hands them to the domain, words the answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import flask
import orjson
import psycopg
from datastorage_common.times import rfc3339
from datastorage_common.uuids import parse_uuid

from app.audit import queries
from app.audit.event import AuditEvent, Notification, Record
from app.audit.outcome import (
    Conflict,
    InDoubt,
    Outcome,
    ParentMissing,
    Refused,
    Rejected,
    Spilled,
    Stored,
    WriteRequest,
)
from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS, Refusal
from app.auth.authorizer import recorded_by
from app.http import bounded
from app.http.flask_app import (
    count_validation_failures,
    json_body,
    json_document,
    json_response,
    register_field_labels,
    trace_id,
)
from app.http.problems import Problem
from app.telemetry import metrics
from app.telemetry.request_log import note

if TYPE_CHECKING:
    from app.services import Services

T = TypeVar("T")

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


def create_blueprint(services: Services) -> flask.Blueprint:
    """The audit blueprint of one app."""
    blueprint = flask.Blueprint("audit", __name__, url_prefix="/api/v1/audit")
    register_field_labels([*EVENT_FIELDS, *NOTIFICATION_FIELDS, "Content-Type"])
    validator = services.validator
    limit = services.settings.audit.max_batch_size
    max_bytes = services.settings.server.max_response_bytes

    @blueprint.post("/events")
    def create_event() -> flask.Response:
        body, plain = json_document(services.bodies)
        if not isinstance(body, dict):
            count_validation_failures([("body", "invalid")])
            raise Problem("invalid_request", "request body must be a JSON object")
        event = validator.event(body, plain=plain, recorded_by=recorded_by(), context_trace_id=trace_id())
        if isinstance(event, Refusal):
            raise _refused(event)
        outcome = _submit(services, (event,), "audit_events")
        return _event_answer(event, outcome)

    @blueprint.post("/events/batch")
    def create_batch() -> flask.Response:
        body, plain = json_document(services.bodies)
        if not isinstance(body, list):
            count_validation_failures([("body", "not_array")])
            raise Problem("invalid_request", "request body must be a JSON array, not a single object")
        if not body:
            count_validation_failures([("body", "empty_batch")])
            raise Problem("validation-error", "batch cannot be empty")
        if len(body) > limit:
            count_validation_failures([("body", "batch_too_large")])
            raise Problem(
                "batch-size-exceeded", f"batch size {len(body)} exceeds maximum allowed batch size of {limit}"
            )
        events = _validated_batch(services, body, plain=plain)
        return _batch_answer(events, _submit(services, events, "audit_events_batch"))

    @blueprint.get("/events")
    def list_events() -> flask.Response:
        query = queries.event_query(flask.request.args, services.clock.now())

        def read(large: bool) -> bytes:
            return _read(services, "list_events", lambda conn: queries.list_events(conn, query, max_bytes, large=large))

        return json_response(bounded.page(read))

    @blueprint.get("/events/<event_id>")
    def get_event(event_id: str) -> flask.Response:
        ident = parse_uuid(event_id)
        found = None
        if ident is not None:
            wanted: UUID = ident
            found = _read(services, "get_event", lambda conn: queries.get_event(conn, wanted))
        if found is None:
            raise Problem("not-found", "there is no event with this id")
        return json_response(found)

    @blueprint.post("/notifications")
    def create_notification() -> flask.Response:
        body = json_body(services.bodies)
        if not isinstance(body, dict):
            count_validation_failures([("body", "invalid")])
            raise Problem("invalid_request", "request body must be a JSON object")
        record = validator.notification(body, recorded_by=recorded_by())
        if isinstance(record, Refusal):
            raise _refused(record)
        return _notification_answer(record, _submit(services, (record,), "notification_audit"))

    @blueprint.get("/notifications")
    def list_notifications() -> flask.Response:
        query = queries.notification_query(flask.request.args, services.clock.now())
        return json_response(
            _read(services, "list_notifications", lambda conn: queries.list_notifications(conn, query, max_bytes))
        )

    return blueprint


def _read(services: Services, operation: str, read: Callable[[psycopg.Connection], T]) -> T:
    started = time.perf_counter()
    try:
        return services.reader.read(read)
    finally:
        metrics.child(metrics.QUERY_SECONDS, operation).observe(time.perf_counter() - started)


def _refused(refusal: Refusal) -> Problem:
    count_validation_failures((f.name, f.fault.reason) for f in refusal.faults)
    return Problem(
        refusal.slug,
        refusal.detail,
        field_errors={f.name: str(f.fault) for f in refusal.faults},
        members=refusal.members,
    )


def _validated_batch(services: Services, body: list[Any], *, plain: bool) -> tuple[AuditEvent, ...]:
    events: list[AuditEvent] = []
    problems: dict[str, str] = {}
    first: tuple[int, str, str, dict[str, Any]] | None = None
    trace = trace_id()
    who = recorded_by()
    for index, item in enumerate(body):
        if not isinstance(item, dict):
            count_validation_failures([("body", "invalid")])
            problems[f"[{index}]"] = "must be a JSON object"
            first = first or (index, "invalid_request", "must be a JSON object", {})
            continue
        event = services.validator.event(item, plain=plain, recorded_by=who, context_trace_id=trace)
        if isinstance(event, Refusal):
            count_validation_failures((f.name, f.fault.reason) for f in event.faults)
            problems.update({f"[{index}].{f.name}": str(f.fault) for f in event.faults})
            first = first or (index, event.slug, event.detail, dict(event.members))
        else:
            events.append(event)
    if first is not None:
        index, slug, detail, members = first
        raise Problem(slug, f"event at index {index}: {detail}", field_errors=problems, members=members)
    return tuple(events)


def _submit(services: Services, records: tuple[Record, ...], table: str) -> Outcome:
    outcome = services.ingest.submit(WriteRequest(records), table)
    if isinstance(outcome, Stored):
        note("stored" if len(outcome.duplicates) < len(records) else "duplicate", len(records))
    else:
        # What is refused is worded as a problem, whose slug says more.
        note({Spilled: "spilled", InDoubt: "unknown"}.get(type(outcome), "ok"), len(records))
    return outcome


def _failure(outcome: Outcome, ids: dict[str, Any]) -> Problem:
    """The problem of an outcome that kept nothing for certain, or nothing that is certain."""
    if isinstance(outcome, InDoubt):
        return Problem("service-unavailable", _UNKNOWN, members={"outcome": "unknown", **ids})
    assert isinstance(outcome, Refused)  # noqa: S101 - the others have answers of their own
    return Problem(outcome.slug, _FULL.get(outcome.slug, _BOTH_GONE))


def _event_answer(event: AuditEvent, outcome: Outcome) -> flask.Response:
    ids = {"event_id": str(event.event_id)}
    answer: dict[str, Any] = {**ids, "event_timestamp": rfc3339(event.event_timestamp)}
    match outcome:
        case Stored(duplicates=()):
            return json_response(orjson.dumps({**answer, "message": "Audit event created successfully"}), 201)
        case Stored():
            return json_response(orjson.dumps({**answer, "message": "Audit event already recorded"}), 200)
        case Spilled():
            accepted = {"status": "accepted", "message": "audit event queued for async processing"}
            return json_response(orjson.dumps({**accepted, **answer}), 202)
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


def _batch_answer(events: tuple[AuditEvent, ...], outcome: Outcome) -> flask.Response:
    ids = {"event_ids": [str(e.event_id) for e in events]}
    match outcome:
        case Stored(duplicates=duplicates):
            # A copy inside the batch is no sign that it was stored before; all of them being old is.
            n = len(events)
            if len(duplicates) == n:
                message, status = f"{n} audit events already recorded", 200
            else:
                message, status = f"{n} audit events created successfully", 201
            body = {**ids, "message": message, "duplicates": list(duplicates)}
            return json_response(orjson.dumps(body), status)
        case Spilled():
            n = len(events)
            accepted = {"status": "accepted", "message": f"{n} audit events queued for async processing", "count": n}
            return json_response(orjson.dumps({**accepted, **ids}), 202)
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


def _notification_answer(record: Notification, outcome: Outcome) -> flask.Response:
    match outcome:
        case Stored(notification=row) if row is not None:
            body: dict[str, Any] = {"id": row.id}
            for name in NOTIFICATION_FIELDS:
                value = getattr(record, name)
                if value is not None:
                    body[name] = rfc3339(value) if name == "sent_at" else value
            body["created_at"] = _now_string(row.created_at)
            body["updated_at"] = _now_string(row.updated_at)
            return json_response(orjson.dumps(body), 201)
        case Spilled():
            body = {"status": "accepted", "message": "audit record queued for processing"}
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
