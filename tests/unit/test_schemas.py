from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import jsonvalue
from app.audit.event import AuditEvent, Notification
from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS, Refusal, Validator, parse_rfc3339, parse_uuid
from app.config import AuditSettings
from tests.unit.fakes import NOW, UUID_1, UUID_2, event, notification
from tests.unit.test_jsonvalue import VALUES, respelled

VALIDATOR = Validator(AuditSettings(), lambda: NOW)


def accepted(validator: Validator = VALIDATOR, **members: Any) -> AuditEvent:
    made = validator.event(event(**members))
    assert isinstance(made, AuditEvent), made
    return made


def refused(validator: Validator = VALIDATOR, **members: Any) -> Refusal:
    made = validator.event(event(**members))
    assert isinstance(made, Refusal), made
    return made


def only_fault(refusal: Refusal) -> tuple[str, str, str]:
    [fault] = refusal.faults
    return fault.name, str(fault.fault), fault.fault.reason


def notified(**members: Any) -> Notification:
    made = VALIDATOR.notification(notification(**members))
    assert isinstance(made, Notification), made
    return made


# --- defaults -----------------------------------------------------------------------------------------------


def test_defaults() -> None:
    made = accepted()
    assert made.event_id.version == 7
    assert made.event_date == NOW.date()
    assert {name: getattr(made, name) for name in EVENT_FIELDS if name != "event_id"} == {
        "version": "1.0",
        "event_type": "gateway.signal.received",
        "event_timestamp": NOW,
        "event_category": "gateway",
        "event_action": "received",
        "event_outcome": "success",
        "correlation_id": "rr-1",
        "event_data": b'{"a":1}',
        "actor_type": "service",
        "actor_id": "gateway-service",
        "resource_type": "gateway",
        "resource_id": "rr-1",
        "parent_event_id": None,
        "namespace": None,
        "cluster_name": None,
        "severity": "info",
        "duration_ms": None,
        "trace_id": None,
        "span_id": None,
        "actor_ip": None,
        "error_code": None,
        "error_message": None,
        "is_sensitive": False,
        "retention_days": 2555,
    }


GIVEN = {
    "actor_type": "user",
    "actor_id": "u",
    "resource_type": "pod",
    "resource_id": "p",
    "namespace": "ns",
    "cluster_name": "c",
    "severity": "critical",
    "duration_ms": 0,
    "trace_id": "t",
    "span_id": "s",
    "error_code": "E1",
    "error_message": "no",
    "is_sensitive": True,
    "retention_days": 1,
    "actor_ip": "10.0.0.1",
}


@pytest.mark.parametrize("name", GIVEN)
def test_optional_members_are_kept(name: str) -> None:
    assert getattr(accepted(**{name: GIVEN[name]}), name) == GIVEN[name]


@pytest.mark.parametrize(("name", "default"), [("namespace", None), ("cluster_name", None), ("severity", "info")])
def test_empty_text_counts_as_absent(name: str, default: str | None) -> None:
    assert getattr(accepted(**{name: ""}), name) == default


@pytest.mark.parametrize(
    "name", ["parent_event_id", "namespace", "cluster_name", "severity", "duration_ms", "trace_id", "actor_ip"]
)
def test_null_is_kept_where_it_may_be(name: str) -> None:
    assert getattr(accepted(**{name: None}), name) is None


def test_unknown_members_are_ignored() -> None:
    assert accepted(event_id=UUID_1, surprise={"a": [1]}).digest == accepted(event_id=UUID_1).digest


def test_ids_and_addresses_become_canonical() -> None:
    made = accepted(event_id=UUID_1.upper(), parent_event_id=UUID_2.upper(), actor_ip="2001:DB8::0:1")
    assert made.event_id == UUID(UUID_1)
    assert made.parent_event_id == UUID(UUID_2)
    assert made.actor_ip == "2001:db8::1"
    assert made.key == (UUID(UUID_1), NOW.date())


# --- fields -------------------------------------------------------------------------------------------------

REQUIRED = [
    "version",
    "event_type",
    "event_timestamp",
    "event_category",
    "event_action",
    "event_outcome",
    "correlation_id",
    "event_data",
]
MAX = {
    "version": 20,
    "event_type": 100,
    "event_action": 50,
    "correlation_id": 255,
    "actor_type": 50,
    "actor_id": 255,
    "resource_type": 50,
    "resource_id": 255,
    "namespace": 253,
    "cluster_name": 255,
    "severity": 20,
    "trace_id": 255,
    "span_id": 255,
    "error_code": 50,
    "error_message": 4096,
}


@pytest.mark.parametrize("name", REQUIRED)
def test_required_members(name: str) -> None:
    refusal = refused(**{name: ...})
    assert only_fault(refusal) == (name, "is required", "required")
    assert (refusal.slug, refusal.detail) == ("validation-error", f"{name} is required")
    assert only_fault(refused(**{name: None})) == (name, "must not be null", "required")


@pytest.mark.parametrize("name", ["version", "event_type", "event_category", "event_action", "correlation_id"])
def test_required_texts_are_not_empty(name: str) -> None:
    assert only_fault(refused(**{name: ""})) == (name, "must not be empty", "required")


@pytest.mark.parametrize(("name", "limit"), MAX.items())
def test_lengths_count_code_points(name: str, limit: int) -> None:
    assert getattr(accepted(**{name: "😀" * limit}), name) == "😀" * limit
    message = f"exceeds maximum length (actual: {limit + 1}, max: {limit})"
    assert only_fault(refused(**{name: "x" * (limit + 1)})) == (name, message, "exceeds_max_length")


@pytest.mark.parametrize("name", MAX)
@pytest.mark.parametrize("value", [5, True, [], {}, jsonvalue.HUGE])
def test_texts_are_texts(name: str, value: object) -> None:
    assert only_fault(refused(**{name: value})) == (name, "must be a string", "invalid")


@pytest.mark.parametrize("name", MAX)
@pytest.mark.parametrize("value", ["a\0", "\ud800"])
def test_texts_must_be_storable(name: str, value: str) -> None:
    assert only_fault(refused(**{name: value}))[1:] == ("holds a character that cannot be stored", "invalid")


def test_category_out_of_the_configured_ones() -> None:
    _, message, reason = only_fault(refused(event_category="Gateway"))
    assert message.startswith("must be one of: gateway, notification, ")
    assert reason == "invalid"
    assert only_fault(refused(event_category="g" * 51))[2] == "exceeds_max_length"
    own = Validator(AuditSettings(event_categories=("a", "b")), lambda: NOW)
    assert accepted(own, event_category="b").actor_id == "b-service"
    assert only_fault(refused(own, event_category="gateway"))[1] == "must be one of: a, b"


@pytest.mark.parametrize("value", ["Success", "ok", 1, ""])
def test_outcome_is_an_enumeration(value: object) -> None:
    assert only_fault(refused(event_outcome=value))[0] == "event_outcome"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("duration_ms", v) for v in (-1, 2**31, Decimal("1.5"), Decimal("1e99"), jsonvalue.HUGE, "5", True, [])),
        *(("retention_days", v) for v in (0, 2556, None)),
        *(("is_sensitive", v) for v in ("true", 1, 0, None)),
        *(("event_id", v) for v in (None, "", "x", UUID_1.replace("-", ""), "{" + UUID_1 + "}", UUID_1 + "\n", 5)),
        *(("parent_event_id", v) for v in ("", "not-a-uuid", f"urn:uuid:{UUID_1}")),
        *(("actor_ip", v) for v in ("", "10.0.0", "10.0.0.1/8", "fe80::1%eth0", "10.0.0.01", 1, True)),
        *(("actor_id", v) for v in (None,)),
        *(("event_timestamp", v) for v in ("", "2026-01-05", "2026-01-05T10:00:00", 1767607200)),
    ],
)
def test_wrong_values(name: str, value: Any) -> None:
    assert only_fault(refused(**{name: value}))[0] == name


@pytest.mark.parametrize("text", ["5", "5.0", "5e0", "0.5e1", "500e-2"])
def test_whole_numbers_however_written(text: str) -> None:
    made = accepted(duration_ms=jsonvalue.parse(text.encode()))
    assert made.duration_ms == 5
    assert type(made.duration_ms) is int


def test_all_wrong_fields_are_named() -> None:
    refusal = refused(version=..., event_outcome="x", duration_ms=-1, event_data=[])
    assert {f.name for f in refusal.faults} == {"version", "event_outcome", "duration_ms", "event_data"}
    assert refusal.slug == "validation-error"
    assert refusal.detail == "invalid fields: version, event_outcome, duration_ms"


# --- stages -------------------------------------------------------------------------------------------------

FUTURE = "2026-01-05T10:06:00Z"


def test_the_earliest_stage_gives_slug_and_detail() -> None:
    everything = {"version": 5, "event_timestamp": FUTURE, "event_data": []}
    refusal = refused(**everything)
    assert (refusal.slug, refusal.detail) == ("validation-error", "version must be a string")
    assert [f.name for f in refusal.faults] == ["version", "event_timestamp", "event_data"]
    refusal = refused(**{**everything, "version": "1"})
    assert refusal.slug == "validation-error"
    assert refusal.detail.startswith("timestamp is in the future")
    refusal = refused(event_data=[])
    assert (refusal.slug, refusal.detail) == ("invalid_event_data", "event_data must be a JSON object")


def test_the_future() -> None:
    refusal = refused(event_timestamp=FUTURE)
    assert refusal.detail == (
        "timestamp is in the future (server time: 2026-01-05T10:00:00Z, event time: 2026-01-05T10:06:00Z)"
    )
    assert refusal.members == {"server_time": "2026-01-05T10:00:00Z", "event_time": "2026-01-05T10:06:00Z"}
    assert only_fault(refusal)[2] == "future_timestamp"


def test_the_past() -> None:
    refusal = refused(event_timestamp="2025-12-28T07:30:00Z")
    assert refusal.detail == "timestamp is too old (must be within 7 days, age: 8d 2h)"
    assert refusal.members == {"server_time": "2026-01-05T10:00:00Z", "event_time": "2025-12-28T07:30:00Z"}
    assert only_fault(refusal)[2] == "timestamp_too_old"


@pytest.mark.parametrize(
    ("moment", "good"),
    [
        (NOW + timedelta(minutes=5), True),
        (NOW + timedelta(minutes=5, microseconds=1), False),
        (NOW - timedelta(days=7), True),
        (NOW - timedelta(days=7, microseconds=1), False),
    ],
)
def test_the_window_includes_its_ends(moment: datetime, good: bool) -> None:
    made = VALIDATOR.event(event(event_timestamp=moment.isoformat()))
    assert isinstance(made, AuditEvent) is good
    assert isinstance(VALIDATOR.event(event(event_timestamp=moment.isoformat()), window=False), AuditEvent)


@pytest.mark.parametrize(
    ("age", "words"), [(7 * 86400.0, "7 days"), (36 * 3600.0, "36 hours"), (90.0, "90 seconds"), (0.5, "0.5 seconds")]
)
def test_the_window_is_configurable(age: float, words: str) -> None:
    narrow = Validator(AuditSettings(max_event_age=age, clock_skew=1), lambda: NOW)
    assert f"must be within {words}," in refused(narrow, event_timestamp="2025-12-01T00:00:00Z").detail
    assert only_fault(refused(narrow, event_timestamp="2026-01-05T10:00:02Z"))[2] == "future_timestamp"


def test_the_date_is_that_of_utc() -> None:
    assert accepted(event_timestamp="2026-01-05T00:30:00+02:00").event_date.isoformat() == "2026-01-04"


# --- event_data ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [[], "x", 1, True])
def test_data_must_be_an_object(value: object) -> None:
    refusal = refused(event_data=value)
    assert refusal.slug == "invalid_event_data"
    assert only_fault(refusal) == ("event_data", "must be a JSON object", "invalid")


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (nested(33), "is nested deeper than 32 levels"),
        ({"a": jsonvalue.parse(b"1e401")}, "holds a number beyond 400 significant digits or an exponent of ±400"),
        ({"a": jsonvalue.HUGE}, "holds a number beyond 400 significant digits or an exponent of ±400"),
        ({"a": ["\0"]}, "holds a character that cannot be stored"),
        ({"\ud800": 1}, "holds a character that cannot be stored"),
        ({"a": "ä" * 131072}, "exceeds maximum size (actual: 262152 bytes, max: 262144 bytes)"),
    ],
)
def test_data_that_cannot_be_kept(data: Any, message: str) -> None:
    refusal = refused(event_data=data)
    assert (refusal.slug, refusal.detail) == ("invalid_event_data", f"event_data {message}")


@pytest.mark.parametrize("data", [{}, nested(32), {"a": "x" * (262144 - 8)}, {"a": jsonvalue.parse(b"1e400")}])
def test_data_at_the_limit(data: Any) -> None:
    assert jsonvalue.parse(accepted(event_data=data).event_data) == data


def test_limits_of_data_are_configurable() -> None:
    strict = Validator(AuditSettings(max_event_data=10, max_nesting=1), lambda: NOW)
    assert accepted(strict, event_data={"a": 1}).event_data == b'{"a":1}'
    assert refused(strict, event_data={"a": "xxxx"}).slug == "invalid_event_data"
    assert refused(strict, event_data={"a": []}).slug == "invalid_event_data"


# --- digest -------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.text("abc", max_size=3), VALUES, max_size=4), st.data())
def test_digest_does_not_depend_on_the_spelling(data: dict[str, Any], draw: st.DataObject) -> None:
    body = event(event_id=UUID_1, event_data=data, duration_ms=12)
    again = jsonvalue.parse(respelled(body, draw.draw).encode())
    first, second = VALIDATOR.event(body), VALIDATOR.event(again)
    if isinstance(first, Refusal):
        assert isinstance(second, Refusal)
    else:
        assert isinstance(second, AuditEvent)
        assert first.digest == second.digest


@pytest.mark.parametrize(
    "members",
    [
        {"event_id": UUID_1.upper()},
        {"event_timestamp": "2026-01-05T11:00:00.0000009+01:00"},
        {"actor_type": "service", "actor_id": "gateway-service", "resource_type": "gateway", "resource_id": "rr-1"},
        {"severity": ""},
        {"namespace": None, "cluster_name": "", "duration_ms": None},
        {"is_sensitive": False, "retention_days": 2555},
        {"unknown": 1},
    ],
)
def test_same_content_same_digest(members: dict[str, Any]) -> None:
    assert accepted(**{"event_id": UUID_1, **members}).digest == accepted(event_id=UUID_1).digest


OTHERS: dict[str, Any] = {
    **GIVEN,
    "version": "1.1",
    "event_type": "x",
    "event_timestamp": "2026-01-05T10:00:00.000001Z",
    "event_category": "workflow",
    "event_action": "x",
    "event_outcome": "failure",
    "correlation_id": "x",
    "event_data": {"a": "1"},
    "parent_event_id": UUID_2,
    "event_id": UUID_2,
}


@pytest.mark.parametrize("name", EVENT_FIELDS)
def test_every_member_counts_in_the_digest(name: str) -> None:
    assert accepted(**{"event_id": UUID_1, name: OTHERS[name]}).digest != accepted(event_id=UUID_1).digest


def test_who_recorded_it_does_not_count() -> None:
    made = VALIDATOR.event(event(event_id=UUID_1), recorded_by="me")
    assert isinstance(made, AuditEvent)
    assert made.recorded_by == "me"
    assert made.digest == accepted(event_id=UUID_1).digest


# --- notifications ------------------------------------------------------------------------------------------


def test_notification_defaults() -> None:
    made = notified()
    assert (made.delivery_status, made.error_message, made.escalation_level) == (None, None, 0)
    assert made.sent_at == NOW
    assert made.key == "n-1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((n, ...) for n in ("remediation_id", "notification_id", "recipient", "channel", "message_summary", "status")),
        ("sent_at", ...),
        ("remediation_id", "  "),
        ("notification_id", "\t"),
        ("remediation_id", "x" * 256),
        ("recipient", "x" * 501),
        ("recipient", ""),
        ("channel", "fax"),
        ("message_summary", "x" * 1001),
        ("status", "Sent"),
        ("sent_at", "yesterday"),
        ("sent_at", FUTURE),
        ("delivery_status", "x" * 256),
        ("error_message", "x" * 1001),
        ("escalation_level", 6),
        ("escalation_level", -1),
        ("escalation_level", None),
    ],
)
def test_notification_refused(name: str, value: object) -> None:
    made = VALIDATOR.notification(notification(**{name: value}))
    assert isinstance(made, Refusal)
    assert [f.name for f in made.faults] == [name]
    assert made.slug == "validation-error"


def test_an_old_notification_is_fine_and_a_future_one_at_replay() -> None:
    assert notified(sent_at="2020-01-01T00:00:00Z").sent_at.year == 2020
    assert isinstance(VALIDATOR.notification(notification(sent_at=FUTURE), window=False), Notification)
    assert notified(sent_at="2026-01-05T10:05:00Z")


NOTIFICATION_OTHERS: dict[str, Any] = {
    "remediation_id": "x",
    "notification_id": "x",
    "recipient": "x",
    "channel": "slack",
    "message_summary": "x",
    "status": "failed",
    "sent_at": "2026-01-05T10:00:01Z",
    "delivery_status": "x",
    "error_message": "x",
    "escalation_level": 1,
}


@pytest.mark.parametrize("name", NOTIFICATION_FIELDS)
def test_every_member_counts_in_the_digest_of_a_notification(name: str) -> None:
    assert notified(**{name: NOTIFICATION_OTHERS[name]}).digest != notified().digest
    assert notified(sent_at="2026-01-05T11:00:00+01:00").digest == notified().digest


# --- texts of times and ids ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00+00:00"),
        ("2026-01-05t10:00:00z", "2026-01-05T10:00:00+00:00"),
        ("2026-01-05T10:00:00.5Z", "2026-01-05T10:00:00.500000+00:00"),
        ("2026-01-05T10:00:00.123456999Z", "2026-01-05T10:00:00.123456+00:00"),
        ("2026-01-05T12:00:00+02:00", "2026-01-05T10:00:00+00:00"),
        ("2026-01-04T23:30:00-10:30", "2026-01-05T10:00:00+00:00"),
        ("2026-01-05T10:00:00-00:00", "2026-01-05T10:00:00+00:00"),
    ],
)
def test_rfc3339(text: str, iso: str) -> None:
    parsed = parse_rfc3339(text)
    assert parsed is not None
    assert parsed.isoformat() == iso
    assert parsed.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-05",
        "2026-01-05T10:00:00",
        "2026-01-05 10:00:00Z",
        "2026-01-05T10:00Z",
        "2026-01-05T10:00:00.Z",
        "2026-01-05T10:00:00+0200",
        "2026-02-30T10:00:00Z",
        "2026-01-05T24:00:01Z",
        "2026-01-05T10:00:00+24:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٦-01-05T10:00:00Z",
        "2026-01-05T10:00:00Z\n",
        "",
        None,
        5,
    ],
)
def test_not_rfc3339(text: object) -> None:
    assert parse_rfc3339(text) is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_rfc3339_reads_what_python_writes(moment: datetime) -> None:
    assert parse_rfc3339(moment.isoformat()) == moment


def test_uuid_texts() -> None:
    assert parse_uuid(UUID_1.upper()) == UUID(UUID_1)
    for text in (UUID_1.replace("-", ""), UUID_1 + " ", "{" + UUID_1 + "}", 5, None):
        assert parse_uuid(text) is None
