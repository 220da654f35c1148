"""Turns requests into records. A request passes these stages in order:

JSON syntax, required/type/enum/length, timestamp window, event_data. Every failing field is reported at once; the
earliest failing stage gives the problem's slug and detail. The parent check comes last, when the event is written.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import orjson
import uuid_utils.compat
from datastorage_common import jsonvalue
from datastorage_common.counts import counted
from datastorage_common.times import parse_rfc3339, rfc3339
from datastorage_common.uuids import parse_uuid
from marshmallow import ValidationError, missing

from app.audit.event import AuditEvent, Notification, make_event, notification_digest
from app.audit.schemas import AuditEventSchema, Category, NotificationSchema
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.config.settings import MAX_NESTING, AuditSettings
from app.config.values import MAX_CATEGORY
from app.validation.decoder import decoder
from app.validation.field_errors import DATA, WINDOW, FieldError, FieldMessage, ValidationFailure, field_errors
from app.validation.fields import Text, parse_address

# Members that may be absent and get what `_with_defaults` says.
_WITHOUT_DEFAULT = tuple(
    n for n, f in AuditEventSchema._declared_fields.items() if not f.required and f.load_default is missing
)


class _Limits(NamedTuple):
    """How wide an event may be."""

    schema: AuditEventSchema
    decoded: type[msgspec.Struct]
    takes_category: Callable[[str], bool] | None  # None: every one that fits its column
    max_nesting: int
    max_data: int | None  # None: whatever PostgreSQL can hold


def _limits(category: Text, max_nesting: int, max_data: int | None) -> _Limits:
    schema = AuditEventSchema.with_category(category)
    takes = category.takes if isinstance(category, Category) else None
    return _Limits(schema, decoder(schema), takes, max_nesting, max_data)


class Validator:
    """Turns parsed JSON into records, or into the reasons why not. Safe to share between threads."""

    def __init__(self, settings: AuditSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        category = Category(settings.event_categories, required=True)
        self._asked = _limits(category, settings.max_nesting, settings.max_event_data)
        # The widest that any settings allow, and what earlier releases took.
        self._kept = _limits(Text(1, MAX_CATEGORY, required=True), MAX_NESTING, None)
        self._oldest = timedelta(seconds=settings.max_event_age)
        self._newest = timedelta(seconds=settings.clock_skew)
        self._notifications = NotificationSchema()

    def event(
        self,
        body: dict[str, Any],
        *,
        plain: bool = False,
        replayed: bool = False,
        recorded_by: str | None = None,
        context_trace_id: str | None = None,
        request_id: str | None = None,
        reads: ReadLimits = EVERYTHING,
    ) -> AuditEvent | ValidationFailure:
        """Validate one event.

        ``replayed``: it was accepted before, perhaps by another release or under other settings. No setting refuses
        it then: only what the tables cannot hold is wrong.

        ``plain``: the body comes from a plain `jsonvalue.Document`. ``context_trace_id``: from the request's headers,
        for an event that names no trace itself. ``request_id``: of the request that it comes with. ``reads``: what
        its writer may read, and its parent must be in.
        """
        quick = self._quick(body, plain=plain, replayed=replayed)
        if quick is None:
            members = self._judge(body, replayed=replayed)
            if isinstance(members, ValidationFailure):
                return members
            quick = members, jsonvalue.compact(members["event_data"])
        return make_event(
            *quick,
            plain=plain,
            recorded_by=recorded_by,
            context_trace_id=context_trace_id,
            request_id=request_id,
            reads=reads,
        )

    def _quick(self, body: dict[str, Any], *, plain: bool, replayed: bool) -> tuple[dict[str, Any], bytes] | None:
        """The members of an event that is right, after defaults, and its event_data written out.

        None where the schema has to look.
        """
        limits = self._kept if replayed else self._asked
        try:
            members = msgspec.structs.asdict(msgspec.convert(body, limits.decoded))
        except (msgspec.ValidationError, UnicodeEncodeError):  # the latter for a lone surrogate in a choice
            return None
        if limits.takes_category is not None and not limits.takes_category(members["event_category"]):
            return None
        moment = parse_rfc3339(members["event_timestamp"])
        if moment is None:
            return None
        if not replayed and not -self._oldest <= moment - self._now() <= self._newest:
            return None
        members["event_timestamp"] = moment
        for name in ("event_id", "parent_event_id"):
            text = members[name]
            if isinstance(text, str) and (parsed := parse_uuid(text)) is not None:
                members[name] = parsed
            elif isinstance(text, str):
                return None
        if members["actor_ip"] is not None:
            try:
                members["actor_ip"] = parse_address(members["actor_ip"])
            except ValueError:
                return None
        parsed = members["event_data"]
        if plain:
            data, depth = orjson.dumps(parsed), limits.max_nesting
            if limits.max_data is not None and len(data) > limits.max_data:
                return None
            if jsonvalue.may_exceed_depth(data, depth) and jsonvalue.depth_exceeds(parsed, depth):
                return None
        else:
            if not jsonvalue.is_storable_text("".join([v for v in members.values() if type(v) is str])):
                return None
            if _data_fault(parsed, limits) is not None:
                return None
            data = jsonvalue.compact(parsed)
        for name in _WITHOUT_DEFAULT:
            if members[name] is msgspec.UNSET:
                del members[name]
        return _with_defaults(members), data

    def _judge(self, body: dict[str, Any], *, replayed: bool) -> dict[str, Any] | ValidationFailure:
        """The members of an event after defaults, or everything that is wrong with it: by the schema itself."""
        limits = self._kept if replayed else self._asked
        raw_data = body.get("event_data")
        errors: list[FieldError] = []
        extra: dict[str, Any] = {}
        try:
            loaded: dict[str, Any] = limits.schema.load(body)
        except ValidationError as e:
            errors.extend(field_errors(e))
            loaded = e.valid_data if isinstance(e.valid_data, dict) else {}
        if not replayed and "event_timestamp" in loaded:
            message, extra = self._window(loaded["event_timestamp"])
            if message is not None:
                errors.append(FieldError("event_timestamp", message))
        if isinstance(raw_data, dict) and (message := _data_fault(raw_data, limits)) is not None:
            errors.append(FieldError("event_data", message))
        if errors:
            errors.sort(key=lambda f: f.message.stage)
            return ValidationFailure(tuple(errors), extra)
        return _with_defaults(loaded)

    def notification(
        self,
        body: dict[str, Any],
        *,
        replayed: bool = False,
        recorded_by: str | None = None,
        request_id: str | None = None,
    ) -> Notification | ValidationFailure:
        """Validate one notification record; ``replayed`` as in `event`."""
        errors: list[FieldError] = []
        extra: dict[str, Any] = {}
        try:
            loaded: dict[str, Any] = self._notifications.load(body)
        except ValidationError as e:
            errors.extend(field_errors(e))
            loaded = e.valid_data if isinstance(e.valid_data, dict) else {}
        limit = self._now() + timedelta(seconds=self._settings.clock_skew)
        if not replayed and "sent_at" in loaded and loaded["sent_at"] > limit:
            message, extra = self._window(loaded["sent_at"])
            assert message is not None  # noqa: S101 - it is in the future
            errors.append(FieldError("sent_at", message))
        if errors:
            return ValidationFailure(tuple(errors), extra)
        digest = notification_digest(loaded)
        return Notification(**loaded, digest=digest, recorded_by=recorded_by, request_id=request_id)

    def _window(self, moment: datetime) -> tuple[FieldMessage | None, dict[str, Any]]:
        now = self._now()
        members = {"server_time": rfc3339(now.replace(microsecond=0)), "event_time": rfc3339(moment)}
        if moment > now + timedelta(seconds=self._settings.clock_skew):
            text = (
                f"timestamp is in the future (server time: {members['server_time']}, "
                f"event time: {members['event_time']})"
            )
            return FieldMessage(text, "future_timestamp", WINDOW), members
        age = now - moment
        if age > timedelta(seconds=self._settings.max_event_age):
            text = (
                f"timestamp is too old (must be within {_span(self._settings.max_event_age)}, "
                f"age: {age.days}d {age.seconds // 3600}h)"
            )
            return FieldMessage(text, "timestamp_too_old", WINDOW), members
        return None, {}


def _data_fault(data: dict[str, Any], limits: _Limits) -> FieldMessage | None:
    match jsonvalue.fault_of(data, limits.max_nesting, jsonvalue.MAX_NUMBER_DIGITS):
        case "depth":
            return FieldMessage(f"is nested deeper than {limits.max_nesting} levels", "invalid", DATA)
        case "number":
            n = jsonvalue.MAX_NUMBER_DIGITS
            return FieldMessage(f"holds a number beyond {n} significant digits or an exponent of ±{n}", "invalid", DATA)
        case "text":
            return FieldMessage("holds a character that cannot be stored", "invalid", DATA)
    if limits.max_data is None:
        return None
    size = jsonvalue.written_bytes(data)
    if size > limits.max_data:
        how = "" if size == len(jsonvalue.compact(data)) else " with its numbers written out"
        text = f"exceeds maximum size{how} (actual: {size} bytes, max: {limits.max_data} bytes)"
        return FieldMessage(text, "exceeds_max_length", DATA)
    return None


def _span(seconds: float) -> str:
    """``7 days``, or hours, minutes, seconds where days do not come out even."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0 and seconds >= size:
            return counted(int(seconds // size), unit)
    return "1 second" if seconds == 1 else f"{seconds:g} seconds"


def _with_defaults(members: dict[str, Any]) -> dict[str, Any]:
    """The members with what the contract says of those that are absent or empty."""
    if members.get("event_id") is None:
        members["event_id"] = uuid_utils.compat.uuid7()
    members.setdefault("actor_type", "service")
    members.setdefault("actor_id", f"{members['event_category']}-service")
    members.setdefault("resource_type", members["event_category"])
    members.setdefault("resource_id", members["correlation_id"])
    # An empty text counts as absent for these three.
    members["namespace"] = members["namespace"] or None
    members["cluster_name"] = members["cluster_name"] or None
    if members["severity"] == "":
        members["severity"] = "info"
    return members
