"""The one definition of what an audit request is: marshmallow schemas, and the stages of their validation.

A request passes these stages in order: JSON syntax, required/type/enum/length,
timestamp window, event_data. Every failing field is reported at once; the earliest failing stage gives the
problem's slug and detail. The parent check comes last, when the event is written.

Nearly all requests are right, and to say so a schema takes ten times as long as a decoder that msgspec makes from
its fields (`decoder`). The decoder may decline what the schema takes, never the other way round; what it declines, the
schema judges and words.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import msgspec
import orjson
import uuid_utils.compat
from datastorage_common import jsonvalue
from datastorage_common.times import parse_rfc3339, rfc3339
from datastorage_common.uuids import parse_uuid
from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing

from app.audit.event import AuditEvent, Notification, make_event, notification_digest
from app.config.settings import AuditSettings

_MAX_NUMBER_DIGITS = 400  # of event_data; jsonb expands exponents when it stores and reads them
_INT4_MAX = 2**31 - 1


class Fault(str):
    """A message about one field, with the reason that metrics count it under and the stage that found it."""

    __slots__ = ("reason", "stage")

    reason: str
    stage: int

    def __new__(cls, text: str, reason: str, stage: int = 0) -> Fault:
        fault = super().__new__(cls, text)
        fault.reason = reason
        fault.stage = stage
        return fault


FIELDS, WINDOW, DATA = 0, 1, 2  # stages, earliest first


UUIDText = Annotated[str, msgspec.Meta(min_length=36, max_length=36)]


class Text(fields.Field[str]):
    """A string of 'low' to 'high' code points that PostgreSQL can store."""

    def __init__(self, low: int, high: int, *, blank: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)
        self.low, self.high, self.blank = low, high, blank

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return Annotated[str, msgspec.Meta(min_length=self.low, max_length=self.high)]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(Fault("must be a string", "invalid"))
        if len(value) > self.high:
            raise ValidationError(
                Fault(f"exceeds maximum length (actual: {len(value)}, max: {self.high})", "exceeds_max_length")
            )
        if len(value) < self.low or (not self.blank and not value.strip()):
            raise ValidationError(Fault("must not be empty", "required"))
        if not jsonvalue.is_storable_text(value):
            raise ValidationError(Fault("holds a character that cannot be stored", "invalid"))
        return value


class Choice(Text):
    """A string out of a closed set; case matters."""

    def __init__(self, allowed: Sequence[str], high: int = 50, **kwargs: Any) -> None:
        super().__init__(1, high, **kwargs)
        self.allowed = frozenset(allowed)
        self.choices = tuple(allowed)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return Literal[self.choices] if self.choices else msgspec.UnsetType

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text not in self.allowed:
            raise ValidationError(Fault("must be one of: " + ", ".join(self.choices), "invalid"))
        return text


class Whole(fields.Field[int]):
    """An integer from 'low' to 'high'; 5.0 is one, "5" and true are not."""

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)
        self.low, self.high = low, high

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return Annotated[int, msgspec.Meta(ge=self.low, le=self.high)]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, Decimal) and abs(value.adjusted()) < 20 and value == value.to_integral_value():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError(Fault(f"must be an integer from {self.low} to {self.high}", "invalid"))
        if not self.low <= value <= self.high:
            raise ValidationError(Fault(f"must be an integer from {self.low} to {self.high}", "invalid"))
        return value


class Flag(fields.Field[bool]):
    """true or false, nothing that merely looks like it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return bool

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(Fault("must be true or false", "invalid"))
        return value


class Identifier(fields.Field[UUID]):
    """A UUID in its 36-character form, any case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return UUIDText

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> UUID:
        parsed = parse_uuid(value)
        if parsed is None:
            raise ValidationError(Fault("must be a UUID", "invalid"))
        return parsed


class Moment(fields.Field[datetime]):
    """An RFC 3339 time with zone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return str

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        parsed = parse_rfc3339(value)
        if parsed is None:
            raise ValidationError(Fault("must be an RFC 3339 time with zone, such as 2026-01-05T10:00:00Z", "invalid"))
        return parsed


def parse_address(value: object) -> str:
    """The canonical text of an IPv4 or IPv6 address; ValueError if it is not one."""
    # Zone ids (fe80::1%eth0) mean nothing on another host, and PostgreSQL's inet refuses them.
    if isinstance(value, str) and "%" not in value and len(value) <= 45:
        return str(ipaddress.ip_address(value))
    raise ValueError("not an IP address")


class Address(fields.Field[str]):
    """An IPv4 or IPv6 address, given back in canonical form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return str

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return parse_address(value)
        except ValueError:
            raise ValidationError(Fault("must be an IP address", "invalid")) from None


class Data(fields.Field[dict[str, Any]]):
    """A JSON object; what may be in it is checked by the event_data stage."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=_MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return dict[str, Any]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError(Fault("must be a JSON object", "invalid", DATA))
        return value


_MESSAGES: dict[str, Any] = {
    "required": Fault("is required", "required"),
    "null": Fault("must not be null", "required"),
}


class AuditEventSchema(Schema):
    """POST /api/v1/audit/events: the members of an event, their types, lengths and defaults."""

    class Meta:
        unknown = EXCLUDE

    version = Text(1, 20, required=True)
    event_type = Text(1, 100, required=True)
    event_timestamp = Moment(required=True)
    event_category = Choice((), required=True)  # the values come from the settings: see with_categories
    event_action = Text(1, 50, required=True)
    event_outcome = Choice(("success", "failure", "pending"), required=True)
    correlation_id = Text(1, 255, required=True)
    event_data = Data(required=True)
    actor_type = Text(0, 50)
    actor_id = Text(0, 255)
    resource_type = Text(0, 50)
    resource_id = Text(0, 255)
    parent_event_id = Identifier(allow_none=True, load_default=None)
    namespace = Text(0, 253, allow_none=True, load_default=None)
    cluster_name = Text(0, 255, allow_none=True, load_default=None)
    severity = Text(0, 20, allow_none=True, load_default="info")
    duration_ms = Whole(0, _INT4_MAX, allow_none=True, load_default=None)
    event_id = Identifier()
    trace_id = Text(0, 255, allow_none=True, load_default=None)
    span_id = Text(0, 255, allow_none=True, load_default=None)
    actor_ip = Address(allow_none=True, load_default=None)
    error_code = Text(0, 50, allow_none=True, load_default=None)
    error_message = Text(0, 4096, allow_none=True, load_default=None)
    is_sensitive = Flag(load_default=False)
    retention_days = Whole(1, 2555, load_default=2555)

    @classmethod
    def with_categories(cls, categories: Sequence[str]) -> AuditEventSchema:
        """The schema with the configured values of event_category."""
        made = cls.from_dict({"event_category": Choice(categories, required=True)}, name="AuditEvent")
        schema = made(unknown=EXCLUDE)
        assert isinstance(schema, AuditEventSchema)  # noqa: S101 - from_dict subclasses cls
        return schema


class NotificationSchema(Schema):
    """POST /api/v1/audit/notifications: the members of a notification record."""

    class Meta:
        unknown = EXCLUDE

    remediation_id = Text(1, 255, blank=False, required=True)
    notification_id = Text(1, 255, blank=False, required=True)
    recipient = Text(1, 500, required=True)
    channel = Choice(("email", "slack", "pagerduty", "webhook", "sms", "teams"), required=True)
    message_summary = Text(1, 1000, required=True)
    status = Choice(("sent", "failed", "pending", "acknowledged", "escalated"), required=True)
    sent_at = Moment(required=True)
    delivery_status = Text(0, 255, allow_none=True, load_default=None)
    error_message = Text(0, 1000, allow_none=True, load_default=None)
    escalation_level = Whole(0, 5, load_default=0)


def decoder(schema: Schema) -> type[msgspec.Struct]:
    """A msgspec type for what the schema takes, made from its fields: types, lengths, choices, nulls and defaults.

    What a member's own form must be beyond that (UUIDs, times, addresses) is left to whoever uses it. A member that
    may be absent and has no default is msgspec.UNSET then.
    """
    required: list[tuple[str, Any]] = []
    optional: list[tuple[str, Any, Any]] = []
    for name, field in schema.fields.items():
        kind = field.wire  # type: ignore[attr-defined]
        if field.allow_none:
            kind = kind | None
        if field.required:
            required.append((name, kind))
        elif field.load_default is missing:
            optional.append((name, kind | msgspec.UnsetType, msgspec.UNSET))
        else:
            optional.append((name, kind, field.load_default))
    made = msgspec.defstruct("Decoded", [*required, *optional], gc=False)
    # msgspec (0.22.0) reads a type when it is first used, and a second thread that uses it meanwhile ends the process
    # with a segmentation fault. So it reads it now, before there are other threads.
    msgspec.json.Decoder(made)
    return made


# Members that may be absent and get what `_with_defaults` says.
_WITHOUT_DEFAULT = tuple(
    n for n, f in AuditEventSchema._declared_fields.items() if not f.required and f.load_default is missing
)
EVENT_FIELDS = tuple(AuditEventSchema._declared_fields)
NOTIFICATION_FIELDS = tuple(NotificationSchema._declared_fields)


class FieldFault(NamedTuple):
    """One wrong field: its name, what is wrong with it, and the first slug-giving stage."""

    name: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record was refused: every wrong field, and extra members for the problem."""

    faults: tuple[FieldFault, ...]
    members: Mapping[str, Any]

    @property
    def stage(self) -> int:
        return min(f.fault.stage for f in self.faults)

    @property
    def slug(self) -> str:
        return "invalid_event_data" if self.stage == DATA else "validation-error"

    @property
    def detail(self) -> str:
        """One sentence about the earliest failing stage."""
        first = [f for f in self.faults if f.fault.stage == self.stage]
        if self.stage == WINDOW:
            return str(first[0].fault)
        if len(first) == 1:
            return f"{first[0].name} {first[0].fault}"
        return "invalid fields: " + ", ".join(f.name for f in first)


class Validator:
    """Turns parsed JSON into records, or into the reasons why not. Safe to share between threads."""

    def __init__(self, settings: AuditSettings, now: Callable[[], datetime]) -> None:
        self._settings = settings
        self._now = now
        self._events = AuditEventSchema.with_categories(settings.event_categories)
        self._decoded = decoder(self._events)
        self._oldest = timedelta(seconds=settings.max_event_age)
        self._newest = timedelta(seconds=settings.clock_skew)
        self._notifications = NotificationSchema()

    def event(
        self,
        body: dict[str, Any],
        *,
        plain: bool = False,
        window: bool = True,
        recorded_by: str | None = None,
        context_trace_id: str | None = None,
    ) -> AuditEvent | Refusal:
        """Validate one event.

        ``window=False``: as replay must, which leaves the timestamp window out, and takes event_data by its size as it
        was sent: what waits in the queue may have been accepted before numbers were written out to be measured.

        ``plain``: the body comes from a plain `jsonvalue.Document`. ``context_trace_id``: from the request's headers,
        for an event that names no trace itself.
        """
        quick = self._quick(body, plain=plain, window=window)
        if quick is None:
            members = self._judge(body, window=window)
            if isinstance(members, Refusal):
                return members
            quick = members, jsonvalue.compact(members["event_data"])
        return make_event(*quick, plain=plain, recorded_by=recorded_by, context_trace_id=context_trace_id)

    def _quick(self, body: dict[str, Any], *, plain: bool, window: bool) -> tuple[dict[str, Any], bytes] | None:
        """The members of an event that is right, after defaults, and its event_data written out.

        None where the schema has to look.
        """
        try:
            members = msgspec.structs.asdict(msgspec.convert(body, self._decoded))
        except (msgspec.ValidationError, UnicodeEncodeError):  # the latter for a lone surrogate in a choice
            return None
        moment = parse_rfc3339(members["event_timestamp"])
        if moment is None:
            return None
        if window and not -self._oldest <= moment - self._now() <= self._newest:
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
            data, limit = orjson.dumps(parsed), self._settings.max_nesting
            if len(data) > self._settings.max_event_data:
                return None
            if jsonvalue.may_exceed_depth(data, limit) and jsonvalue.depth_exceeds(parsed, limit):
                return None
        else:
            if not jsonvalue.is_storable_text("".join([v for v in members.values() if type(v) is str])):
                return None
            if self._data(parsed, written_out=window) is not None:
                return None
            data = jsonvalue.compact(parsed)
        for name in _WITHOUT_DEFAULT:
            if members[name] is msgspec.UNSET:
                del members[name]
        return _with_defaults(members), data

    def _judge(self, body: dict[str, Any], *, window: bool) -> dict[str, Any] | Refusal:
        """The members of an event after defaults, or everything that is wrong with it: by the schema itself."""
        raw_data = body.get("event_data")
        faults: list[FieldFault] = []
        extra: dict[str, Any] = {}
        try:
            loaded: dict[str, Any] = self._events.load(body)
        except ValidationError as e:
            faults.extend(_faults(e))
            loaded = e.valid_data if isinstance(e.valid_data, dict) else {}
        if window and "event_timestamp" in loaded:
            fault, extra = self._window(loaded["event_timestamp"])
            if fault is not None:
                faults.append(FieldFault("event_timestamp", fault))
        if isinstance(raw_data, dict) and (data_fault := self._data(raw_data, written_out=window)) is not None:
            faults.append(FieldFault("event_data", data_fault))
        if faults:
            faults.sort(key=lambda f: f.fault.stage)
            return Refusal(tuple(faults), extra)
        return _with_defaults(loaded)

    def notification(
        self, body: dict[str, Any], *, window: bool = True, recorded_by: str | None = None
    ) -> Notification | Refusal:
        """Validate one notification record."""
        faults: list[FieldFault] = []
        extra: dict[str, Any] = {}
        try:
            loaded: dict[str, Any] = self._notifications.load(body)
        except ValidationError as e:
            faults.extend(_faults(e))
            loaded = e.valid_data if isinstance(e.valid_data, dict) else {}
        limit = self._now() + timedelta(seconds=self._settings.clock_skew)
        if window and "sent_at" in loaded and loaded["sent_at"] > limit:
            fault, extra = self._window(loaded["sent_at"])
            assert fault is not None  # noqa: S101 - it is in the future
            faults.append(FieldFault("sent_at", fault))
        if faults:
            return Refusal(tuple(faults), extra)
        return Notification(**loaded, digest=notification_digest(loaded), recorded_by=recorded_by)

    def _window(self, moment: datetime) -> tuple[Fault | None, dict[str, Any]]:
        now = self._now()
        members = {"server_time": rfc3339(now.replace(microsecond=0)), "event_time": rfc3339(moment)}
        if moment > now + timedelta(seconds=self._settings.clock_skew):
            text = (
                f"timestamp is in the future (server time: {members['server_time']}, "
                f"event time: {members['event_time']})"
            )
            return Fault(text, "future_timestamp", WINDOW), members
        age = now - moment
        if age > timedelta(seconds=self._settings.max_event_age):
            text = (
                f"timestamp is too old (must be within {_span(self._settings.max_event_age)}, "
                f"age: {age.days}d {age.seconds // 3600}h)"
            )
            return Fault(text, "timestamp_too_old", WINDOW), members
        return None, {}

    def _data(self, data: dict[str, Any], *, written_out: bool) -> Fault | None:
        limit = self._settings.max_nesting
        match jsonvalue.fault_of(data, limit, _MAX_NUMBER_DIGITS):
            case "depth":
                return Fault(f"is nested deeper than {limit} levels", "invalid", DATA)
            case "number":
                n = _MAX_NUMBER_DIGITS
                return Fault(f"holds a number beyond {n} significant digits or an exponent of ±{n}", "invalid", DATA)
            case "text":
                return Fault("holds a character that cannot be stored", "invalid", DATA)
        sent, limit = len(jsonvalue.compact(data)), self._settings.max_event_data
        size = jsonvalue.written_bytes(data) if written_out else sent
        if size > limit:
            how = "" if size == sent else " with its numbers written out"
            text = f"exceeds maximum size{how} (actual: {size} bytes, max: {limit} bytes)"
            return Fault(text, "exceeds_max_length", DATA)
        return None


def _span(seconds: float) -> str:
    """``7 days``, or hours, minutes, seconds where days do not come out even."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds % size == 0 and seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:g} seconds"


def _faults(error: ValidationError) -> list[FieldFault]:
    messages = error.messages if isinstance(error.messages, dict) else {"body": error.messages}
    found = []
    for name, texts in messages.items():
        first = texts[0] if isinstance(texts, list) and texts else "is invalid"
        found.append(FieldFault(str(name), first if isinstance(first, Fault) else Fault(str(first), "invalid")))
    return found


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


__all__ = [
    "DATA",
    "EVENT_FIELDS",
    "FIELDS",
    "NOTIFICATION_FIELDS",
    "WINDOW",
    "AuditEventSchema",
    "Fault",
    "FieldFault",
    "NotificationSchema",
    "Refusal",
    "Validator",
    "decoder",
]
