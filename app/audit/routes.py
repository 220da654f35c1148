"""HTTP of the audit API: reads requests, hands them to the domain; `app.audit.answers` words the outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import flask
from datastorage_common.uuids import parse_uuid

from app.audit import filters, queries
from app.audit.accesses import NOT_RECORDED, AccessRecorder
from app.audit.answers import batch_answer, event_answer, notification_answer
from app.audit.current_caller import current_caller
from app.audit.event import AuditEvent, Record, with_own_parents
from app.audit.ingest import Ingest
from app.audit.outcome import InDoubt, Outcome, Refused, Spilled, Stored, WriteRequest, traced
from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS, AuditEventSchema, NotificationSchema
from app.audit.validator import Validator
from app.auth.authorizer import has_scope, read_limits, recorded_by
from app.clock import Clock
from app.config.settings import Settings
from app.http import bounded
from app.http.bodies import Bodies, json_body, json_document
from app.http.json_provider import json_response
from app.http.parameters import declared_first, takes
from app.http.problems import Problem, unavailable
from app.http.request_context import request_id, trace_id
from app.http.timed_reads import timed_read
from app.http.validation import invalid, not_an_object, valid_batch
from app.http.validation_failures import register_field_labels
from app.postgres.reader import Reader
from app.telemetry.request_log import note
from app.validation.field_errors import ValidationFailure
from app.validation.ignored import KnownMembers

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing

_EVENT, _NOTIFICATION = KnownMembers(AuditEventSchema()), KnownMembers(NotificationSchema())
_UNAVAILABLE = Refused("service-unavailable")


class Parts(Protocol):
    """What these routes need of the service (`app.services.Services` has it)."""

    settings: Settings
    clock: Clock
    bodies: Bodies
    validator: Validator
    ingest: Ingest
    reader: Reader
    admit_events: Callable[[int], None] | None  # raises Problem where the caller has written as many as it may
    accesses: AccessRecorder | None
    tracing: Tracing | None


def create_blueprint(services: Parts) -> flask.Blueprint:
    """The audit blueprint of one app."""
    blueprint = flask.Blueprint("audit", __name__, url_prefix="/api/v1/audit")
    register_field_labels([*EVENT_FIELDS, *NOTIFICATION_FIELDS, "Content-Type"])
    _add_writes(blueprint, services)
    _add_reads(blueprint, services)
    return blueprint


def _add_writes(blueprint: flask.Blueprint, services: Parts) -> None:
    validator = services.validator
    max_batch_size = services.settings.audit.max_batch_size

    @blueprint.post("/events")
    def create_event() -> flask.Response:
        body, plain = json_document(services.bodies)
        if not isinstance(body, dict):
            raise not_an_object()
        ignored = _EVENT.ignored(body)  # before anything is kept: what is kept must be answered
        event = validator.event(
            body,
            plain=plain,
            recorded_by=recorded_by(),
            request_id=request_id(),
            context_trace_id=trace_id(),
            reads=read_limits(),
        )
        if isinstance(event, ValidationFailure):
            raise invalid(event, ignored)
        return event_answer(event, _submit(services, (event,), "audit_events"), ignored)

    @blueprint.post("/events/batch")
    def create_batch() -> flask.Response:
        body, plain = json_document(services.bodies)
        reads = read_limits()
        check = partial(
            validator.event,
            plain=plain,
            recorded_by=recorded_by(),
            request_id=request_id(),
            context_trace_id=trace_id(),
            reads=reads,
        )
        events = tuple(valid_batch(body, "event", max_batch_size, check, _EVENT))
        if reads.narrow:
            events = with_own_parents(events)
        ignored = _EVENT.ignored_of_batch(body)
        return batch_answer(events, _submit(services, events, "audit_events_batch"), ignored)

    @blueprint.post("/notifications")
    def create_notification() -> flask.Response:
        body = json_body(services.bodies)
        if not isinstance(body, dict):
            raise not_an_object()
        ignored = _NOTIFICATION.ignored(body)
        record = validator.notification(body, recorded_by=recorded_by(), request_id=request_id())
        if isinstance(record, ValidationFailure):
            raise invalid(record, ignored)
        return notification_answer(record, _submit(services, (record,), "notification_audit"), ignored)


def _add_reads(blueprint: flask.Blueprint, services: Parts) -> None:
    max_bytes = services.settings.server.max_response_bytes

    def event_query() -> queries.Query:
        return filters.event_query(flask.request.args, services.clock.now(), read_limits())

    def notification_query() -> queries.Query:
        return filters.notification_query(flask.request.args, services.clock.now(), read_limits())

    @blueprint.get("/events")
    @takes(filters.EVENT_PARAMETERS, event_query)
    def list_events() -> flask.Response:
        query = event_query()

        def read(large: bool) -> queries.Answer:
            return timed_read(
                services.reader, "list_events", lambda conn: queries.list_events(conn, query, max_bytes, large=large)
            )

        return _events_answer(services, bounded.page(read), declared_first())

    def day(event_id: str) -> date | None:
        return filters.event_day(flask.request.args)

    @blueprint.get("/events/<event_id>")
    @takes(["event_date"], day)
    def get_event(event_id: str) -> flask.Response:
        ident, on = parse_uuid(event_id), day(event_id)
        found = None
        if ident is not None:
            wanted: UUID = ident
            reads = read_limits()
            found = timed_read(services.reader, "get_event", lambda conn: queries.get_event(conn, wanted, reads, on))
        if found is None:
            raise Problem("not-found", "there is no event with this id")
        if has_scope("holds:admin"):
            # Of the primary: a hold counts from when it was answered.
            row = found
            found = timed_read(
                services.reader, "get_holds_of_event", lambda conn: queries.with_holds(conn, row, wanted), newest=True
            )
        return _events_answer(services, found, {"event_id": event_id})

    @blueprint.get("/notifications")
    @takes(filters.NOTIFICATION_PARAMETERS, notification_query)
    def list_notifications() -> flask.Response:
        query = notification_query()
        return json_response(
            timed_read(
                services.reader, "list_notifications", lambda conn: queries.list_notifications(conn, query, max_bytes)
            )
        )


def _events_answer(services: Parts, answer: queries.Answer, filters: Mapping[str, str]) -> flask.Response:
    """The answer, once it is recorded who is given the sensitive events in it. Raises Problem 503."""
    recorder = services.accesses
    if answer.sensitive and recorder is not None and not recorder.keep(current_caller(), answer.sensitive, filters):
        raise Problem("service-unavailable", NOT_RECORDED)
    return json_response(answer.body)


def _submit(services: Parts, records: tuple[Record, ...], table: str) -> Outcome:
    """The outcome of the write. Raises Problem 503 where PostgreSQL is away and there is no queue to speak of."""
    if services.admit_events is not None:
        services.admit_events(len(records))
    request = WriteRequest(records) if services.tracing is None else traced(records)
    outcome = services.ingest.submit(request, table)
    first = records[0]
    if isinstance(outcome, Stored):
        word = "stored" if len(outcome.duplicates) < len(records) else "duplicate"
    else:
        # What is refused is worded as a problem, whose slug says more.
        word = {Spilled: "spilled", InDoubt: "unknown"}.get(type(outcome), "ok")
    note(word, len(records), first.event_id if isinstance(first, AuditEvent) else None)
    if outcome == _UNAVAILABLE and not services.settings.redis.configured:
        raise unavailable()
    return outcome
