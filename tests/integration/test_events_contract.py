"""POST /api/v1/audit/events against the table of its fields, and what holds for every request."""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from datastorage_common.times import rfc3339

from tests.integration.service import BATCH, NOW, Service, exact, problem, running
from tests.support import PostgresServer, event

KIB = 1024
JSON_TYPE = "application/json"


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


@pytest.fixture
def nothing_stored(service: Service) -> Iterator[None]:
    """Whatever the test sends must leave the table as it was."""
    before = service.database.count()
    yield
    assert service.database.count() == before


def ev(**members: Any) -> dict[str, Any]:
    return event(**{"event_timestamp": "2026-01-05T09:59:00Z", "correlation_id": uuid.uuid4().hex, **members})


def raw(field: str, text: str) -> bytes:
    """An event with one member given as JSON text."""
    body = json.dumps(ev(**{field: "@@"}))
    return body.replace('"@@"', text).encode()


def nested(depth: int) -> dict[str, Any]:
    """An object that nests `depth` containers, itself counted."""
    value: Any = {}
    for level in range(depth - 1):
        value = [value] if level % 2 else {"k": value}
    return value if isinstance(value, dict) else {"k": value[0]}


def sized(n: int) -> dict[str, str]:
    """An object whose compact UTF-8 takes n bytes, not all of them ASCII."""
    return {"k": "é" * 100 + "x" * (n - len('{"k":""}') - 200)}


# --- fields: what is kept -----------------------------------------------------------------------------------------

LENGTHS = [
    ("version", 1, 20),
    ("event_type", 1, 100),
    ("event_action", 1, 50),
    ("correlation_id", 1, 255),
    ("actor_type", 1, 50),
    ("actor_id", 1, 255),
    ("resource_type", 1, 50),
    ("resource_id", 1, 255),
    ("namespace", 1, 253),
    ("cluster_name", 1, 255),
    ("severity", 1, 20),
    ("trace_id", 1, 255),
    ("span_id", 1, 255),
    ("error_code", 1, 50),
    ("error_message", 1, 4096),
]
GOOD: list[tuple[str, Any, Any]] = [
    *((name, text, text) for name, low, high in LENGTHS for text in ("x" * low, "é" * high, "😀" * high)),
    *(
        ("event_category", c, c)
        for c in ("gateway", "notification", "analysis", "signalprocessing", "workflow", "execution", "orchestration")
    ),
    *(("event_category", c, c) for c in ("a", "auth", "a.b-c_d.9", "datastorage.access", "a" * 50)),
    *(("event_outcome", o, o) for o in ("success", "failure", "pending")),
    *((n, None, None) for n in ("namespace", "cluster_name", "severity", "duration_ms", "parent_event_id")),
    *((n, None, None) for n in ("trace_id", "span_id", "actor_ip", "error_code", "error_message")),
    ("namespace", "", None),
    ("cluster_name", "", None),
    ("severity", "", "info"),
    ("severity", "anything", "anything"),
    ("duration_ms", 0, 0),
    ("duration_ms", 2**31 - 1, 2**31 - 1),
    ("retention_days", 1, 1),
    ("retention_days", 2555, 2555),
    ("is_sensitive", True, True),
    ("is_sensitive", False, False),
    ("actor_ip", "192.0.2.7", "192.0.2.7"),
    ("actor_ip", "2001:DB8:0::1", "2001:db8::1"),
    ("event_data", {}, {}),
    ("event_data", nested(32), nested(32)),
    ("event_data", sized(256 * KIB), sized(256 * KIB)),
    (
        "event_data",
        {"é": "😀", "": None, "a": [True, False, "\u0001"]},
        {"é": "😀", "": None, "a": [True, False, "\x01"]},
    ),
]


def short(value: object) -> str:
    return ascii(value)[:40]


def rows_of(service: Service, bodies: list[bytes]) -> list[dict[str, Any]]:
    """How a batch of events that are new reads back, in its order."""
    answer = service.post(b"[" + b",".join(bodies) + b"]", BATCH)
    assert answer.status_code == 201, answer.text
    return [service.row(ident) for ident in answer.json["event_ids"]]


@pytest.mark.parametrize("kind", ["texts", "choices", "others"])
def test_good_values_are_stored_as_they_are(service: Service, kind: str) -> None:
    """At the limits of each member; what is refused beyond them is in tests/unit/audit/test_validator.py."""
    texts, choices = {name for name, _, _ in LENGTHS}, {"event_category", "event_outcome"}
    kinds = {"texts": texts, "choices": choices, "others": {name for name, _, _ in GOOD} - texts - choices}
    tried = [(name, value, kept) for name, value, kept in GOOD if name in kinds[kind]]
    rows = rows_of(service, [json.dumps(ev(**{name: value})).encode() for name, value, _ in tried])
    wrong = [
        f"{name} {short(value)} reads back as {short(row[name])}"
        for (name, value, kept), row in zip(tried, rows, strict=True)
        if row[name] != kept or type(row[name]) is not type(kept)
    ]
    assert not wrong


# --- fields: what is refused ------------------------------------------------------------------------------------

VALIDATION, DATA = "validation-error", "invalid_event_data"
UNSTORABLE = "holds a character that cannot be stored"
# One of each kind, for the form of the answer and what is stored: all values are in tests/unit/audit/test_validator.py.
KINDS: dict[str, tuple[str, Any, str]] = {
    "missing": ("version", ..., "is required"),
    "null": ("event_type", None, "must not be null"),
    "empty": ("correlation_id", "", "must not be empty"),
    "too long": ("event_action", "é" * 51, "exceeds maximum length (actual: 51, max: 50)"),
    "no text": ("actor_id", 5, "must be a string"),
    "NUL": ("error_message", "a\0b", UNSTORABLE),
    "surrogate": ("resource_id", "a\ud800b", UNSTORABLE),
    "enumeration": ("event_outcome", "Success", "must be one of: success, failure, pending"),
    "range": ("retention_days", 2556, "must be an integer from 1 to 2555"),
    "fraction": ("duration_ms", 1.5, "must be an integer from 0 to 2147483647"),
    "flag": ("is_sensitive", "true", "must be true or false"),
    "UUID": ("event_id", "{" + str(uuid.UUID(int=1)) + "}", "must be a UUID"),
    "address": ("actor_ip", "10.0.0.0/8", "must be an IP address"),
    "timestamp": (
        "event_timestamp",
        "2026-01-05T09:59:00",
        "must be an RFC 3339 time with zone, such as 2026-01-05T10:00:00Z",
    ),
    "no object": ("event_data", [{}], "must be a JSON object"),
    "depth": ("event_data", nested(33), "is nested deeper than 32 levels"),
    "size": ("event_data", sized(256 * KIB + 1), "exceeds maximum size (actual: 262145 bytes, max: 262144 bytes)"),
    "text in data": ("event_data", {"k": [{"deep": ["a\0b"]}]}, UNSTORABLE),
    "key in data": ("event_data", {"\ud800": 1}, UNSTORABLE),
}


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_value_is_refused(service: Service, kind: str) -> None:
    name, value, message = KINDS[kind]
    slug = DATA if name == "event_data" else VALIDATION
    body = problem(service.post(ev(**{name: value})), 400, slug)
    assert body["field_errors"] == {name: message}
    assert body["detail"] == f"{name} {message}"
    assert body["title"] == ("Invalid Event Data" if slug == DATA else "Validation Error")


def test_defaults(service: Service) -> None:
    row = service.stored(ev(event_category="analysis", correlation_id="c-defaults"))
    expected = {
        "actor_type": "service",
        "actor_id": "analysis-service",
        "resource_type": "analysis",
        "resource_id": "c-defaults",
        "severity": "info",
        "is_sensitive": False,
        "retention_days": 2555,
        **dict.fromkeys(("parent_event_id", "parent_event_date", "namespace", "cluster_name", "duration_ms")),
        **dict.fromkeys(("trace_id", "span_id", "actor_ip", "error_code", "error_message", "recorded_by")),
    }
    assert {k: row[k] for k in expected} == expected
    assert uuid.UUID(row["event_id"]).version == 7
    assert row["event_date"] == "2026-01-05"


def test_unknown_members_are_ignored(service: Service) -> None:
    row = service.stored(ev(unknown={"a": nested(60)}, recorded_by="mallory", digest="00", event_date="2020-01-01"))
    assert "unknown" not in row
    assert row["recorded_by"] is None
    assert row["event_date"] == "2026-01-05"


LONG = "c" * 50


@pytest.fixture(scope="module")
def configured(postgres: PostgresServer, template: str) -> Iterator[Service]:
    """A service with limits of its own."""
    audit = {"event_categories": ("gateway", "billing", LONG), "clock_skew": 60.0, "max_event_age": 7200.0}
    with running(postgres, template, audit=audit, server={"max_body_size": 1000}) as s:
        yield s


def test_categories_are_configurable(configured: Service) -> None:
    assert configured.stored(ev(event_category=LONG))["actor_id"] == LONG + "-service"
    assert configured.stored(ev(event_category="datastorage.access"))["event_category"] == "datastorage.access"
    answer = problem(configured.post(ev(event_category="workflow")), 400, VALIDATION)
    rule = f"must be one of: gateway, billing, {LONG} (the service's audit.event_categories)"
    assert answer["field_errors"] == {"event_category": rule}


@pytest.mark.usefixtures("nothing_stored")
def test_every_failing_field_is_listed_and_the_earliest_stage_speaks(service: Service) -> None:
    wrong: dict[str, Any] = {
        "version": "",
        "event_type": "x" * 101,
        "event_category": "no pe",
        "event_outcome": "nope",
        "event_timestamp": "2026-01-05T10:06:00Z",
        "event_data": [],
        "duration_ms": -1,
        "actor_ip": "nope",
    }
    body = problem(service.post(ev(**wrong, correlation_id=...)), 400, VALIDATION)
    assert body["field_errors"].keys() == {*wrong, "correlation_id"}
    assert "future" not in body["detail"]
    # Without a fault of the first stage the window speaks, and event_data is named beside it.
    body = problem(service.post(ev(event_timestamp="2026-01-05T10:06:00Z", event_data=nested(33))), 400, VALIDATION)
    assert body["detail"].startswith("timestamp is in the future (")
    assert body["field_errors"].keys() == {"event_timestamp", "event_data"}


# --- time -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("2026-01-05T09:59:00Z", "2026-01-05T09:59:00Z"),
        ("2026-01-05t09:59:00z", "2026-01-05T09:59:00Z"),
        ("2026-01-05T09:59:00.5Z", "2026-01-05T09:59:00.500000Z"),
        ("2026-01-05T09:59:00.000Z", "2026-01-05T09:59:00Z"),
        ("2026-01-05T09:59:00.123456999Z", "2026-01-05T09:59:00.123456Z"),
        ("2026-01-05T09:59:00.9999999999Z", "2026-01-05T09:59:00.999999Z"),
        ("2026-01-05T11:59:00+02:00", "2026-01-05T09:59:00Z"),
        ("2026-01-05T00:29:00-09:30", "2026-01-05T09:59:00Z"),
        ("2026-01-05T09:59:00-00:00", "2026-01-05T09:59:00Z"),
        ("2026-01-04T23:30:00-01:00", "2026-01-05T00:30:00Z"),
        ("2026-01-05T00:30:00+01:00", "2026-01-04T23:30:00Z"),
        ("2026-01-05T10:05:00Z", "2026-01-05T10:05:00Z"),
        ("2025-12-29T10:00:00Z", "2025-12-29T10:00:00Z"),
    ],
)
def test_times_go_out_in_utc(service: Service, sent: str, kept: str) -> None:
    answer = service.post(ev(event_timestamp=sent))
    assert answer.json["event_timestamp"] == kept
    row = service.row(answer.json["event_id"])
    assert (row["event_timestamp"], row["event_date"]) == (kept, kept[:10])


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("late", "detail"),
    [
        (timedelta(minutes=5, microseconds=1), "timestamp is in the future (server time: {now}, event time: {event})"),
        (timedelta(days=-7, microseconds=-1), "timestamp is too old (must be within 7 days, age: 7d 0h)"),
    ],
)
def test_outside_the_window(service: Service, late: timedelta, detail: str) -> None:
    sent = rfc3339(NOW + late)
    body = problem(service.post(ev(event_timestamp=sent)), 400, VALIDATION)
    assert body["detail"] == detail.format(now="2026-01-05T10:00:00Z", event=sent)
    assert (body["server_time"], body["event_time"]) == ("2026-01-05T10:00:00Z", sent)
    assert body["field_errors"] == {"event_timestamp": body["detail"]}


def test_the_window_moves_with_the_clock_and_the_settings(configured: Service) -> None:
    s = configured
    began = s.clock.at

    def sent(**back: int) -> dict[str, Any]:
        return ev(event_timestamp=rfc3339(began + timedelta(**back)))

    assert s.post(sent(minutes=1)).status_code == 201
    problem(s.post(sent(minutes=1, seconds=1)), 400, VALIDATION)
    assert s.post(sent(hours=-2)).status_code == 201
    s.clock.at += timedelta(seconds=1)
    assert s.post(sent(minutes=1, seconds=1)).status_code == 201
    body = problem(s.post(sent(hours=-2)), 400, VALIDATION)
    assert body["detail"] == "timestamp is too old (must be within 2 hours, age: 0d 2h)"


# --- event_data -------------------------------------------------------------------------------------------------


NUMBERS = [
    *("0", "-7", "1.10", "0.1", "9007199254740993", "123456789012345678", "1234567890123456789"),
    *("18446744073709551616", "-99999999999999999999999999999999999999"),
    "3.14159265358979323846264338327950288419716939937510582097494459",
    *("1e2", "1E-7", "12.5e+3", "9" * 400, "0." + "1" * 400, "1e400", "1e-400", "-2.5E400"),
]


def test_numbers_survive_exactly(service: Service) -> None:
    sent = [raw("event_data", f'{{"n": {number}, "l": [{number}]}}') for number in NUMBERS]
    for number, row in zip(NUMBERS, rows_of(service, sent), strict=True):
        for kept in (row["event_data"]["n"], row["event_data"]["l"][0]):
            assert not isinstance(kept, float), short(number)
            assert Decimal(kept) == Decimal(number), short(number)


@pytest.mark.usefixtures("nothing_stored")
def test_a_number_too_large_is_refused(service: Service) -> None:
    body = problem(service.post(raw("event_data", '{"l": [[{"n": 1e401}]]}')), 400, DATA)
    message = "holds a number beyond 400 significant digits or an exponent of ±400"
    assert body["field_errors"] == {"event_data": message}


def test_size_counts_compact_utf8_not_what_was_sent(service: Service) -> None:
    text = json.dumps(sized(256 * KIB), indent=40)  # ASCII escapes and blanks: far more on the wire
    assert len(text) > 256 * KIB
    assert service.post(raw("event_data", text)).status_code == 201


# --- bodies that are no events ----------------------------------------------------------------------------------

# One of each kind: all of them are in tests/unit/http/test_flask_app.py.
MALFORMED = {
    "nothing": b"",
    "an array": b"[]",
    "cut off": json.dumps(ev())[:-1].encode(),
    "not UTF-8": b'{"a": "\xed\xa0\x80"}',
    "a member twice": json.dumps(ev())[:-1].encode() + b', "version": "1.0"}',
    "too deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
}


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_body_is_a_problem(service: Service, kind: str) -> None:
    assert problem(service.post(MALFORMED[kind]), 400, "invalid_request")["title"] == "Invalid Request"


@pytest.mark.usefixtures("nothing_stored")
def test_an_empty_object_is_a_problem(service: Service) -> None:
    assert problem(service.post(b"{}"), 400, VALIDATION)["field_errors"].keys() == {
        *("version", "event_type", "event_timestamp", "event_category", "event_action", "event_outcome"),
        *("correlation_id", "event_data"),
    }


@pytest.mark.parametrize("kind", [JSON_TYPE, "application/json; charset=utf-8", "Application/JSON;charset=UTF-8;x=y"])
def test_json_is_taken(service: Service, kind: str) -> None:
    assert service.post(ev(), content_type=kind).status_code == 201


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("kind", [None, "text/plain"])
def test_another_content_type_is_refused_first(service: Service, kind: str | None) -> None:
    for body in (ev(), b"{"):
        assert problem(service.post(body, content_type=kind), 400, VALIDATION)["title"] == "Validation Error"


def test_gzip(service: Service) -> None:
    body = json.dumps(ev(correlation_id="zipped")).encode()
    gzipped = {"headers": {"Content-Encoding": "gzip"}}
    assert service.post(gzip.compress(body), **gzipped).status_code == 201
    half = len(body) // 2
    two = gzip.compress(body[:half]) + gzip.compress(body[half:])
    assert service.post(two, headers={"Content-Encoding": "GZIP"}).status_code == 201
    assert service.post(gzip.compress(body), headers={"Content-Encoding": "x-gzip"}).status_code == 201
    assert service.list(correlation_id="zipped")["pagination"]["total"] == 3


@pytest.mark.usefixtures("nothing_stored")
def test_bad_encodings(service: Service) -> None:
    body = json.dumps(ev()).encode()
    zipped = gzip.compress(body)
    gzipped = {"headers": {"Content-Encoding": "gzip"}}
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    problem(service.post(bomb, **gzipped), 413, "request-too-large")
    for broken in (b"", body, zipped[:-1], zipped[:20], zipped[:-4] + b"\1\1\1\1", zipped + b"rest"):
        problem(service.post(broken, **gzipped), 400, "invalid_request")
    for encoding in ("br", "deflate", "gzip, gzip", "x"):
        answer = service.post(body, headers={"Content-Encoding": encoding})
        assert problem(answer, 415, "unsupported-encoding")["title"] == "Unsupported Encoding"


def test_body_size(configured: Service) -> None:
    s = configured
    before = s.database.count()
    body = json.dumps(ev(event_timestamp=rfc3339(s.clock.at))).encode()
    fits = body + b" " * (1000 - len(body))
    gzipped = {"headers": {"Content-Encoding": "gzip"}}
    assert s.post(fits).status_code == 201
    assert s.post(gzip.compress(fits), **gzipped).status_code == 201
    assert problem(s.post(fits + b" "), 413, "request-too-large")["title"] == "Request Too Large"
    problem(s.post(gzip.compress(fits + b" "), **gzipped), 413, "request-too-large")
    assert s.database.count() == before + 2


# --- answers, idempotency, parents ------------------------------------------------------------------------------


def test_the_answer_of_a_new_event(service: Service) -> None:
    answer = service.post(ev())
    assert answer.status_code == 201
    assert answer.content_type == JSON_TYPE
    assert answer.json == {
        "event_id": str(uuid.UUID(answer.json["event_id"])),
        "event_timestamp": "2026-01-05T09:59:00Z",
        "message": "Audit event created successfully",
    }


def full() -> dict[str, Any]:
    """An event with every member set."""
    return ev(
        event_id=str(uuid.uuid4()),
        event_timestamp="2026-01-05T09:59:00.5Z",
        event_data={"a": 1, "b": {"c": 2.5, "d": [1, 10**20]}},
        actor_ip="2001:db8::1",
        actor_type="user",
        actor_id="u",
        resource_type="pod",
        resource_id="p",
        namespace="n",
        cluster_name="c",
        severity="warning",
        duration_ms=5,
        trace_id="t",
        span_id="s",
        error_code="e",
        error_message="m",
        is_sensitive=True,
        retention_days=30,
    )


def test_the_same_content_again_is_recorded_once(service: Service) -> None:
    first = full()
    created = service.post(first)
    assert created.status_code == 201
    first["event_timestamp"] = "2026-01-05T10:59:00.500000+01:00"
    first["event_id"] = first["event_id"].upper()
    first["actor_ip"] = "2001:DB8:0:0::1"
    first["duration_ms"] = 5.0
    first["unknown"] = "new"
    again = json.dumps({k: first[k] for k in sorted(first, reverse=True)})
    for a, b in (
        ('{"a": 1, "b": {"c": 2.5, "d": [1,', '{"b": {"d": [1.0,'),
        ("0000000]}}", '0000000.0], "c": 25e-1}, "a": 1e0}'),
    ):
        assert a in again
        again = again.replace(a, b)
    answer = service.post(again.encode())
    assert answer.status_code == 200, answer.text
    assert answer.json == {**created.json, "message": "Audit event already recorded", "ignored": ["unknown"]}
    assert service.list(correlation_id=first["correlation_id"])["pagination"]["total"] == 1


def test_defaults_written_out_are_the_same_content(service: Service) -> None:
    body = ev(event_id=str(uuid.uuid4()))
    assert service.post(body).status_code == 201
    written = {"actor_type": "service", "actor_id": "gateway-service", "resource_type": "gateway", "severity": ""}
    written |= {"namespace": "", "cluster_name": None, "resource_id": body["correlation_id"], "retention_days": 2555}
    assert service.post({**body, **written, "is_sensitive": False}).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"version": "2"},
        {"event_type": "t"},
        {"event_timestamp": "2026-01-05T09:59:00.500001Z"},
        {"event_category": "workflow"},
        {"event_action": "x"},
        {"event_outcome": "failure"},
        {"correlation_id": "other"},
        {"event_data": {}},
        {"event_data": {"a": 1, "b": {"c": 2.5, "d": [10**20, 1]}}},
        {"event_data": {"a": "1", "b": {"c": 2.5, "d": [1, 10**20]}}},
        {"event_data": {"a": True, "b": {"c": 2.5, "d": [1, 10**20]}}},
        {"event_data": {"a": 1, "b": {"c": 2.5, "d": [1, 10**20 + 1]}}},
        *({name: "other"} for name in ("actor_type", "actor_id", "resource_type", "resource_id", "namespace")),
        *({name: "other"} for name in ("cluster_name", "severity", "trace_id", "span_id", "error_code")),
        {"error_message": "other"},
        {"actor_ip": "2001:db8::2"},
        {"duration_ms": 0},
        {"duration_ms": None},
        {"is_sensitive": False},
        {"retention_days": 31},
    ],
    ids=short,
)
def test_different_content_under_one_identity_is_a_conflict(service: Service, change: dict[str, Any]) -> None:
    body = full()
    assert service.post(body).status_code == 201
    answer = problem(service.post({**body, **change}), 409, "conflict")
    assert answer["title"] == "Resource Conflict"
    assert service.row(body["event_id"])["correlation_id"] == body["correlation_id"]
    assert service.post(body).status_code == 200


def test_an_id_may_come_again_on_another_day(service: Service) -> None:
    body = full()
    assert service.post(body).status_code == 201
    assert service.post({**body, "event_timestamp": "2026-01-04T09:59:00Z"}).status_code == 201
    assert service.row(body["event_id"])["event_date"] == "2026-01-05"
    assert service.list(correlation_id=body["correlation_id"])["pagination"]["total"] == 2


def test_parent(service: Service) -> None:
    parent = service.stored(ev(event_timestamp="2025-12-31T23:00:00Z"))
    row = service.stored(ev(parent_event_id=parent["event_id"].upper()))
    assert (row["parent_event_id"], row["parent_event_date"]) == (parent["event_id"], "2025-12-31")
    before = service.database.count()
    own = str(uuid.uuid4())
    for body in (ev(parent_event_id=str(uuid.uuid4())), ev(parent_event_id=own, event_id=own)):
        answer = problem(service.post(body), 400, VALIDATION)
        assert answer["detail"] == "parent event does not exist"
        assert answer["field_errors"].keys() == {"parent_event_id"}
    assert service.database.count() == before


def test_the_row_holds_what_was_sent(service: Service) -> None:
    body = full()
    row = service.stored(json.dumps(body).encode())
    body["event_timestamp"] = "2026-01-05T09:59:00.500000Z"
    sent = exact(json.dumps(body).encode())
    assert {k: row[k] for k in sent} == sent
