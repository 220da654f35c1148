"""What a record may hold: each member's limits, what is said of a wrong one, defaults, the digest."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from datastorage_common import jsonvalue
from datastorage_common.times import rfc3339
from hypothesis import given
from hypothesis import strategies as st

from app.audit.event import AuditEvent, Notification
from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from app.validation.field_errors import ValidationFailure
from tests.unit.common.test_jsonvalue import VALUES, respelled
from tests.unit.fakes import NOW, UUID_1, UUID_2, event, notification

VALIDATOR = Validator(AuditSettings(), lambda: NOW)


def accepted(validator: Validator = VALIDATOR, **members: Any) -> AuditEvent:
    made = validator.event(event(**members))
    assert isinstance(made, AuditEvent), made
    return made


def refused(validator: Validator = VALIDATOR, **members: Any) -> ValidationFailure:
    made = validator.event(event(**members))
    assert isinstance(made, ValidationFailure), made
    return made


def only_error(failure: ValidationFailure) -> tuple[str, str, str]:
    [error] = failure.errors
    return error.name, str(error.message), error.message.reason


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


# --- what is refused ------------------------------------------------------------------------------------------
# The one table of it: over HTTP (tests/integration) only one value of each kind is tried.

KIB = 1024
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
CATEGORY = "must be 1 to 50 characters of a-z, 0-9, '.', '_' or '-', and start with a letter"
UNSTORABLE = "holds a character that cannot be stored"
NUMBER = "holds a number beyond 400 significant digits or an exponent of ±400"
NO_TIME = "must be an RFC 3339 time with zone, such as 2026-01-05T10:00:00Z"


def nested(depth: int) -> dict[str, Any]:
    """An object that nests `depth` containers of both kinds, itself counted."""
    value: Any = {}
    for level in range(depth - 1):
        value = [value] if level % 2 else {"k": value}
    return value if isinstance(value, dict) else {"k": value[0]}


def sized(n: int) -> dict[str, str]:
    """An object whose compact UTF-8 takes n bytes, not all of them ASCII."""
    return {"k": "é" * 100 + "x" * (n - len('{"k":""}') - 200)}


def too_long(actual: int, limit: int) -> str:
    return f"exceeds maximum length (actual: {actual}, max: {limit})"


def whole(low: int, high: int) -> str:
    return f"must be an integer from {low} to {high}"


# (member, value, message, reason)
BAD_FIELDS: list[tuple[str, Any, str, str]] = [
    *((name, ..., "is required", "required") for name in REQUIRED),
    *((name, None, "must not be null", "required") for name in REQUIRED),
    *((name, None, "must not be null", "required") for name in ("actor_type", "actor_id", "resource_type")),
    *((name, None, "must not be null", "required") for name in ("resource_id", "event_id", "is_sensitive")),
    ("retention_days", None, "must not be null", "required"),
    *(
        (name, "", "must not be empty", "required")
        for name in ("version", "event_type", "event_category", "event_action", "event_outcome", "correlation_id")
    ),
    *(
        (name, c * (high + 1), too_long(high + 1, high), "exceeds_max_length")
        for name, high in {**MAX, "event_category": 50, "event_outcome": 50}.items()
        for c in ("x", "é")
    ),
    *(
        (name, wrong, "must be a string", "invalid")
        for name in (*MAX, "event_category", "event_outcome")
        for wrong in (1, 5, True, [], {}, jsonvalue.HUGE)
    ),
    *(
        (name, wrong, UNSTORABLE, "invalid")
        for name in (*MAX, "event_category", "event_outcome")
        for wrong in ("a\0", "a\0b", "\ud800", "a\ud800b", "\udfff")
    ),
    *(
        ("event_category", wrong, CATEGORY, "invalid")
        for wrong in ("Gateway", "GATEWAY", "gateway ", "gateway\n", "9", ".a", "-a", "_", "a b", "a/b", "ä", "aé", " ")
    ),
    *(
        ("event_outcome", wrong, "must be one of: success, failure, pending", "invalid")
        for wrong in ("Success", "ok", "failed", " success")
    ),
    *(
        ("duration_ms", wrong, whole(0, 2147483647), "invalid")
        for wrong in (-1, 2**31, 1.5, Decimal("1.5"), Decimal("1e99"), 10**30, jsonvalue.HUGE, "5", True, [], {})
    ),
    *(("retention_days", wrong, whole(1, 2555), "invalid") for wrong in (0, 2556, -1, 1.5, Decimal("1.5"), "30", True)),
    *(("is_sensitive", wrong, "must be true or false", "invalid") for wrong in (0, 1, "true", [])),
    *(
        (name, wrong, "must be a UUID", "invalid")
        for name in ("event_id", "parent_event_id")
        for wrong in (
            *("", "x", "not-a-uuid", 5, {}, "a" * 32, UUID_1.replace("-", ""), "{" + UUID_1 + "}"),
            *(UUID_1 + "0", UUID_1 + "\n", f"urn:uuid:{UUID_1}", UUID_1[:-1] + "g", "x" * 36),
        )
    ),
    *(
        ("actor_ip", wrong, "must be an IP address", "invalid")
        for wrong in (
            *("", "1.2.3", "10.0.0", "1.2.3.256", "10.0.0.01", "localhost", "10.0.0.0/8", "10.0.0.1/8"),
            *("fe80::1%eth0", "1.2.3.4\0", 1, True),
        )
    ),
    *(
        ("event_timestamp", wrong, NO_TIME, "invalid")
        for wrong in (
            *("", "2026-01-05T09:59:00", "2026-01-05T10:00:00", "2026-01-05", "2026-01-05 09:59:00Z", "24h"),
            *("2026-01-05T09:59Z", "2026-01-05T09:59:00+0100", "2026-01-05T09:59:00+24:00", "2026-02-30T09:59:00Z"),
            *("2026-01-05T25:00:00Z", "2026-01-05T09:59:00.Z", "20260105T095900Z", "0001-01-01T00:00:00+01:00"),
            *("9999-12-31T23:59:59-01:00", "２026-01-05T09:59:00Z", 1767607140, 1767607200, {}),
        )
    ),
]
BAD_DATA: list[tuple[Any, str, str]] = [
    *((wrong, "must be a JSON object", "invalid") for wrong in ("x", "text", 1, 5, True, [], [{}])),
    *((nested(depth), "is nested deeper than 32 levels", "invalid") for depth in (33, 200)),
    (sized(256 * KIB + 1), "exceeds maximum size (actual: 262145 bytes, max: 262144 bytes)", "exceeds_max_length"),
    ({"a": "ä" * 131072}, "exceeds maximum size (actual: 262152 bytes, max: 262144 bytes)", "exceeds_max_length"),
    ({"a": jsonvalue.HUGE}, NUMBER, "invalid"),
    *(
        (data, UNSTORABLE, "invalid")
        for text in ("a\0b", "\0", "\ud800", "\udc00\ud800")
        for data in ({"k": text}, {text: 1}, {"k": [text]}, {"k": [{"deep": [text]}]}, {"k": {text: {}}})
    ),
]


def short(value: object) -> str:
    return "HUGE" if value is jsonvalue.HUGE else ascii(value)[:40]


def as_sent(failure: ValidationFailure, body: dict[str, Any]) -> None:
    """Check that a request with this body is refused for the same reasons, where JSON can say it."""
    for ascii_alone in (True, False):
        try:
            sent = json.dumps(body, ensure_ascii=ascii_alone).encode()
        except (TypeError, UnicodeEncodeError):  # a number as the strict parser makes them; a lone surrogate
            continue
        document = jsonvalue.document(sent)
        again = VALIDATOR.event(document.value, plain=document.plain)
        assert isinstance(again, ValidationFailure), again
        assert again == failure


@pytest.mark.parametrize(("name", "value", "message", "reason"), BAD_FIELDS, ids=short)
def test_a_bad_value_is_refused(name: str, value: Any, message: str, reason: str) -> None:
    failure = refused(**{name: value})
    assert only_error(failure) == (name, message, reason)
    assert (failure.slug, failure.detail) == ("validation-error", f"{name} {message}")
    as_sent(failure, event(**{name: value}))


@pytest.mark.parametrize(("data", "message", "reason"), BAD_DATA, ids=short)
def test_data_that_cannot_be_kept(data: Any, message: str, reason: str) -> None:
    failure = refused(event_data=data)
    assert only_error(failure) == ("event_data", message, reason)
    assert (failure.slug, failure.detail) == ("invalid_event_data", f"event_data {message}")
    as_sent(failure, event(event_data=data))


@pytest.mark.parametrize("data", ['{"n": %s}', '{"l": [[{"n": %s}]]}'])
@pytest.mark.parametrize(
    "number",
    ["9" * 401, "0." + "1" * 401, "1e401", "1e-401", "-1E+131071", "1e999999999999999999999", "1e200000", "9" * 5000],
    ids=short,
)
def test_numbers_too_large_are_refused(number: str, data: str) -> None:
    body = json.dumps(event(event_data="@")).replace('"@"', data % number).encode()
    document = jsonvalue.document(body)
    for failure in (VALIDATOR.event(document.value, plain=document.plain), VALIDATOR.event(jsonvalue.parse(body))):
        assert isinstance(failure, ValidationFailure)
        assert only_error(failure) == ("event_data", NUMBER, "invalid")
        assert failure.slug == "invalid_event_data"


@pytest.mark.parametrize(("name", "limit"), MAX.items())
def test_lengths_count_code_points(name: str, limit: int) -> None:
    assert getattr(accepted(**{name: "😀" * limit}), name) == "😀" * limit


@pytest.mark.parametrize("name", ["auth", "a", "a9", "a.b-c_d", "datastorage.access", "a" * 50, "a" + "." * 49])
def test_any_category_of_the_form_is_taken(name: str) -> None:
    made = accepted(event_category=name)
    assert (made.event_category, made.actor_id, made.resource_type) == (name, f"{name}-service", name)


def test_a_list_of_categories_closes_them() -> None:
    own = Validator(AuditSettings(event_categories=("a", "Über alles")), lambda: NOW)
    for name in ("a", "Über alles", "datastorage.access"):
        assert accepted(own, event_category=name).actor_id == f"{name}-service"
    for wrong in ("gateway", "a\n", "aa", "datastorage", "datastorage.", "datastorage.X", "xdatastorage.access"):
        message = "must be one of: a, Über alles (the service's audit.event_categories)"
        assert only_error(refused(own, event_category=wrong)) == ("event_category", message, "invalid")
    assert only_error(refused(own, event_category="datastorage." + "a" * 39))[2] == "exceeds_max_length"


@pytest.mark.parametrize("text", ["5", "5.0", "5e0", "0.5e1", "500e-2"])
def test_whole_numbers_however_written(text: str) -> None:
    made = accepted(duration_ms=jsonvalue.parse(text.encode()))
    assert made.duration_ms == 5
    assert type(made.duration_ms) is int


def test_all_wrong_fields_are_named() -> None:
    failure = refused(version=..., event_outcome="x", duration_ms=-1, event_data=[])
    assert {f.name for f in failure.errors} == {"version", "event_outcome", "duration_ms", "event_data"}
    assert failure.slug == "validation-error"
    assert failure.detail == "invalid fields: version, event_outcome, duration_ms"


# --- stages -------------------------------------------------------------------------------------------------

FUTURE = "2026-01-05T10:06:00Z"


def test_the_earliest_stage_gives_slug_and_detail() -> None:
    everything = {"version": 5, "event_timestamp": FUTURE, "event_data": []}
    failure = refused(**everything)
    assert (failure.slug, failure.detail) == ("validation-error", "version must be a string")
    assert [f.name for f in failure.errors] == ["version", "event_timestamp", "event_data"]
    failure = refused(**{**everything, "version": "1"})
    assert failure.slug == "validation-error"
    assert failure.detail.startswith("timestamp is in the future")
    failure = refused(event_data=[])
    assert (failure.slug, failure.detail) == ("invalid_event_data", "event_data must be a JSON object")


@pytest.mark.parametrize("late", [timedelta(minutes=5, microseconds=1), timedelta(minutes=6)])
def test_the_future(late: timedelta) -> None:
    sent = rfc3339(NOW + late)
    failure = refused(event_timestamp=sent)
    assert failure.detail == f"timestamp is in the future (server time: 2026-01-05T10:00:00Z, event time: {sent})"
    assert failure.members == {"server_time": "2026-01-05T10:00:00Z", "event_time": sent}
    assert only_error(failure) == ("event_timestamp", failure.detail, "future_timestamp")
    as_sent(failure, event(event_timestamp=sent))


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (timedelta(days=7, microseconds=1), "7d 0h"),
        (timedelta(days=8, hours=2, minutes=30), "8d 2h"),
        (timedelta(days=8, hours=2, minutes=59), "8d 2h"),
    ],
)
def test_the_past(age: timedelta, told: str) -> None:
    sent = rfc3339(NOW - age)
    failure = refused(event_timestamp=sent)
    assert failure.detail == f"timestamp is too old (must be within 7 days, age: {told})"
    assert failure.members == {"server_time": "2026-01-05T10:00:00Z", "event_time": sent}
    assert only_error(failure) == ("event_timestamp", failure.detail, "timestamp_too_old")
    as_sent(failure, event(event_timestamp=sent))


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
    by_schema = VALIDATOR.event(event(event_timestamp=moment.isoformat(), duration_ms=Decimal("5.0")))
    assert isinstance(by_schema, AuditEvent) is good, "also where the quick decoder declines"
    assert isinstance(VALIDATOR.event(event(event_timestamp=moment.isoformat()), replayed=True), AuditEvent)


@pytest.mark.parametrize(
    ("age", "words"), [(7 * 86400.0, "7 days"), (36 * 3600.0, "36 hours"), (90.0, "90 seconds"), (0.5, "0.5 seconds")]
)
def test_the_window_is_configurable(age: float, words: str) -> None:
    narrow = Validator(AuditSettings(max_event_age=age, clock_skew=1), lambda: NOW)
    assert f"must be within {words}," in refused(narrow, event_timestamp="2025-12-01T00:00:00Z").detail
    assert only_error(refused(narrow, event_timestamp="2026-01-05T10:00:02Z"))[2] == "future_timestamp"


def test_the_date_is_that_of_utc() -> None:
    assert accepted(event_timestamp="2026-01-05T00:30:00+02:00").event_date.isoformat() == "2026-01-04"


# --- event_data ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [{}, nested(32), sized(256 * KIB), {"a": "x" * (262144 - 8)}, {"a": jsonvalue.parse(b"1e400")}], ids=short
)
def test_data_at_the_limit(data: Any) -> None:
    assert jsonvalue.parse(accepted(event_data=data).event_data) == data


def test_data_counts_with_its_numbers_written_out() -> None:
    strict = Validator(AuditSettings(max_event_data=4096), lambda: NOW)

    def judged(count: int, *, replayed: bool = False) -> AuditEvent | ValidationFailure:
        numbers = [Decimal("1e400")] * count
        return strict.event(event(event_data={"n": numbers}), replayed=replayed)

    assert isinstance(judged(10), AuditEvent)
    failure = judged(11)
    assert isinstance(failure, ValidationFailure)
    message = "exceeds maximum size with its numbers written out (actual: 4429 bytes, max: 4096 bytes)"
    assert only_error(failure) == ("event_data", message, "exceeds_max_length")
    assert failure.slug == "invalid_event_data"
    # What waits in the queue since before that rule is kept still.
    assert isinstance(judged(100, replayed=True), AuditEvent)
    assert isinstance(judged(1000, replayed=True), AuditEvent)


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
    if isinstance(first, ValidationFailure):
        assert isinstance(second, ValidationFailure)
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


NOTIFICATION_MAX = {"remediation_id": 255, "notification_id": 255, "recipient": 500, "message_summary": 1000}
OPTIONAL_MAX = {"delivery_status": 255, "error_message": 1000}
CHOICES = {
    "channel": "must be one of: email, slack, pagerduty, webhook, sms, teams",
    "status": "must be one of: sent, failed, pending, acknowledged, escalated",
}
BAD_NOTIFICATIONS: list[tuple[str, Any, str, str]] = [
    *((name, ..., "is required", "required") for name in (*NOTIFICATION_MAX, *CHOICES, "sent_at")),
    *((name, None, "must not be null", "required") for name in (*NOTIFICATION_MAX, *CHOICES, "sent_at")),
    *((name, "", "must not be empty", "required") for name in (*NOTIFICATION_MAX, *CHOICES)),
    *(
        (name, blank, "must not be empty", "required")
        for name in ("remediation_id", "notification_id")
        for blank in ("  ", "\t", "  \t ")
    ),
    *(
        (name, c * (high + 1), too_long(high + 1, high), "exceeds_max_length")
        for name, high in {**NOTIFICATION_MAX, **OPTIONAL_MAX}.items()
        for c in ("x", "é")
    ),
    *(
        (name, wrong, "must be a string", "invalid")
        for name in (*NOTIFICATION_MAX, *OPTIONAL_MAX, *CHOICES)
        for wrong in (5, True, [], {})
    ),
    *(
        (name, wrong, UNSTORABLE, "invalid")
        for name in (*NOTIFICATION_MAX, *OPTIONAL_MAX, *CHOICES)
        for wrong in ("a\0", "\0", "\ud800", "\udfff")
    ),
    *(("channel", wrong, CHOICES["channel"], "invalid") for wrong in ("Email", "SENT", "other", " sent", "fax")),
    *(("status", wrong, CHOICES["status"], "invalid") for wrong in ("Email", "SENT", "Sent", "other", " sent")),
    ("escalation_level", None, "must not be null", "required"),
    *(("escalation_level", wrong, whole(0, 5), "invalid") for wrong in (-1, 6, 1.5, Decimal("1.5"), "1", True)),
    *(
        ("sent_at", wrong, NO_TIME, "invalid")
        for wrong in (*("", "a\0", "\ud800", 5, True, [], {}, "yesterday", "24h", "2026-01-05", "2026-01-05T09:59:00"),)
    ),
]


@pytest.mark.parametrize(("name", "value", "message", "reason"), BAD_NOTIFICATIONS, ids=short)
def test_a_bad_notification_is_refused(name: str, value: object, message: str, reason: str) -> None:
    made = VALIDATOR.notification(notification(**{name: value}))
    assert isinstance(made, ValidationFailure)
    assert only_error(made) == (name, message, reason)
    assert (made.slug, made.detail) == ("validation-error", f"{name} {message}")


@pytest.mark.parametrize("late", [timedelta(minutes=5, microseconds=1), timedelta(minutes=6)])
def test_a_notification_of_the_future(late: timedelta) -> None:
    sent = rfc3339(NOW + late)
    made = VALIDATOR.notification(notification(sent_at=sent))
    assert isinstance(made, ValidationFailure)
    message = f"timestamp is in the future (server time: 2026-01-05T10:00:00Z, event time: {sent})"
    assert only_error(made) == ("sent_at", message, "future_timestamp")
    assert (made.slug, made.detail) == ("validation-error", message)
    assert made.members == {"server_time": "2026-01-05T10:00:00Z", "event_time": sent}


def test_an_old_notification_is_fine_and_a_future_one_at_replay() -> None:
    assert notified(sent_at="2020-01-01T00:00:00Z").sent_at.year == 2020
    assert isinstance(VALIDATOR.notification(notification(sent_at=FUTURE), replayed=True), Notification)
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
