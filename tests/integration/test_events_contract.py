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

from app.audit.event import rfc3339
from tests.integration.service import EVENTS, NOW, Service, exact, problem, running
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


# --- fields: limits ---------------------------------------------------------------------------------------------

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
VALIDATION, DATA = "validation-error", "invalid_event_data"
BAD: list[tuple[str, Any, str, str | None]] = [
    *((name, ..., VALIDATION, "is required") for name in REQUIRED),
    *((name, None, VALIDATION, None) for name in REQUIRED if name != "event_data"),
    *((name, None, VALIDATION, None) for name in ("actor_type", "actor_id", "resource_type", "resource_id")),
    *((name, None, VALIDATION, None) for name in ("event_id", "is_sensitive", "retention_days")),
    *((name, "", VALIDATION, None) for name in REQUIRED if name != "event_data"),
    *(
        (name, "é" * (high + 1), VALIDATION, f"exceeds maximum length (actual: {high + 1}, max: {high})")
        for name, _, high in LENGTHS
    ),
    ("event_category", "x" * 51, VALIDATION, "exceeds maximum length (actual: 51, max: 50)"),
    *((name, wrong, VALIDATION, None) for name, _, _ in LENGTHS for wrong in (1, True, [], {})),
    *((name, wrong, VALIDATION, None) for name, _, _ in LENGTHS for wrong in ("a\0b", "a\ud800b", "\udfff")),
    *((n, w, VALIDATION, None) for n in ("event_category", "event_outcome") for w in (1, None, [], "x\0", "\ud800")),
    *(("event_category", wrong, VALIDATION, None) for wrong in ("Gateway", "GATEWAY", "gateway ", "other")),
    *(("event_outcome", wrong, VALIDATION, None) for wrong in ("Success", "ok", "failed", " success")),
    *(("duration_ms", wrong, VALIDATION, None) for wrong in (-1, 2**31, 1.5, "5", True, 10**30, [], {})),
    *(("retention_days", wrong, VALIDATION, None) for wrong in (0, 2556, -1, 1.5, "30", True)),
    *(("is_sensitive", wrong, VALIDATION, None) for wrong in (0, 1, "true", [])),
    *(
        (name, wrong, VALIDATION, None)
        for name in ("event_id", "parent_event_id")
        for wrong in ("", "x", 5, {}, "a" * 32, "{" + str(uuid.UUID(int=1)) + "}", str(uuid.UUID(int=1)) + "0")
    ),
    *(
        ("actor_ip", wrong, VALIDATION, None)
        for wrong in ("", "1.2.3", "1.2.3.256", "localhost", 1, "10.0.0.0/8", "fe80::1%eth0", "1.2.3.4\0")
    ),
    *(
        ("event_timestamp", wrong, VALIDATION, None)
        for wrong in (
            "2026-01-05T09:59:00",
            "2026-01-05",
            "2026-01-05 09:59:00Z",
            "2026-01-05T09:59Z",
            "2026-01-05T09:59:00+0100",
            "2026-01-05T09:59:00+24:00",
            "2026-02-30T09:59:00Z",
            "2026-01-05T25:00:00Z",
            "2026-01-05T09:59:00.Z",
            "20260105T095900Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "２026-01-05T09:59:00Z",
            "24h",
            1767607140,
            {},
        )
    ),
    *(("event_data", wrong, DATA, None) for wrong in ("text", 5, True, [], [{}])),
    ("event_data", nested(33), DATA, None),
    ("event_data", nested(200), DATA, None),
    ("event_data", sized(256 * KIB + 1), DATA, None),
    *(
        ("event_data", wrong, DATA, None)
        for text in ("a\0b", "\ud800", "\udc00\ud800")
        for wrong in ({"k": text}, {text: 1}, {"k": [{"deep": [text]}]}, {"k": {text: {}}})
    ),
]


def short(value: object) -> str:
    return ascii(value)[:40]


@pytest.mark.parametrize(("name", "value", "kept"), GOOD, ids=short)
def test_a_good_value_is_stored_as_it_is(service: Service, name: str, value: Any, kept: Any) -> None:
    row = service.stored(ev(**{name: value}))
    assert row[name] == kept
    if name in ("duration_ms", "is_sensitive"):
        assert type(row[name]) is type(kept)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(("name", "value", "slug", "message"), BAD, ids=short)
def test_a_bad_value_is_refused(service: Service, name: str, value: Any, slug: str, message: str | None) -> None:
    body = problem(service.post(ev(**{name: value})), 400, slug)
    assert body["field_errors"].keys() == {name}
    assert body["title"] == ("Validation Error" if slug == VALIDATION else "Invalid Event Data")
    assert name in body["detail"] or slug == DATA
    if message is not None:
        assert body["field_errors"][name] == message


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


def test_categories_are_configurable(postgres: PostgresServer, template: str) -> None:
    long = "c" * 50
    with running(postgres, template, audit={"event_categories": ("billing", long)}) as s:
        assert s.stored(ev(event_category=long))["actor_id"] == long + "-service"
        problem(s.post(ev(event_category="gateway")), 400, VALIDATION)


@pytest.mark.usefixtures("nothing_stored")
def test_every_failing_field_is_listed_and_the_earliest_stage_speaks(service: Service) -> None:
    wrong: dict[str, Any] = {
        "version": "",
        "event_type": "x" * 101,
        "event_category": "nope",
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
        (timedelta(minutes=6), "timestamp is in the future (server time: {now}, event time: {event})"),
        (timedelta(days=-7, microseconds=-1), "timestamp is too old (must be within 7 days, age: 7d 0h)"),
        (timedelta(days=-8, hours=-2, minutes=-59), "timestamp is too old (must be within 7 days, age: 8d 2h)"),
    ],
)
def test_outside_the_window(service: Service, late: timedelta, detail: str) -> None:
    sent = rfc3339(NOW + late)
    body = problem(service.post(ev(event_timestamp=sent)), 400, VALIDATION)
    assert body["detail"] == detail.format(now="2026-01-05T10:00:00Z", event=sent)
    assert (body["server_time"], body["event_time"]) == ("2026-01-05T10:00:00Z", sent)
    assert body["field_errors"] == {"event_timestamp": body["detail"]}


def test_the_window_moves_with_the_clock_and_the_settings(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template, audit={"clock_skew": 60.0, "max_event_age": 7200.0}) as s:
        assert s.post(ev(event_timestamp="2026-01-05T10:01:00Z")).status_code == 201
        problem(s.post(ev(event_timestamp="2026-01-05T10:01:01Z")), 400, VALIDATION)
        assert s.post(ev(event_timestamp="2026-01-05T08:00:00Z")).status_code == 201
        s.clock.at += timedelta(seconds=1)
        assert s.post(ev(event_timestamp="2026-01-05T10:01:01Z")).status_code == 201
        body = problem(s.post(ev(event_timestamp="2026-01-05T08:00:00Z")), 400, VALIDATION)
        assert body["detail"] == "timestamp is too old (must be within 2 hours, age: 0d 2h)"


# --- event_data -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [
        "0",
        "-7",
        "1.10",
        "0.1",
        "9007199254740993",
        "123456789012345678",
        "1234567890123456789",
        "18446744073709551616",
        "-99999999999999999999999999999999999999",
        "3.14159265358979323846264338327950288419716939937510582097494459",
        "1e2",
        "1E-7",
        "12.5e+3",
        "9" * 400,
        "0." + "1" * 400,
        "1e400",
        "1e-400",
        "-2.5E400",
    ],
    ids=short,
)
def test_numbers_survive_exactly(service: Service, number: str) -> None:
    row = service.stored(raw("event_data", f'{{"n": {number}, "l": [{number}]}}'))
    for kept in (row["event_data"]["n"], row["event_data"]["l"][0]):
        assert not isinstance(kept, float)
        assert Decimal(kept) == Decimal(number)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    "number",
    ["9" * 401, "0." + "1" * 401, "1e401", "1e-401", "-1E+131071", "1e999999999999999999999", "1e200000", "9" * 5000],
    ids=short,
)
def test_numbers_too_large_are_refused(service: Service, number: str) -> None:
    for data in (f'{{"n": {number}}}', f'{{"l": [[{{"n": {number}}}]]}}'):
        problem(service.post(raw("event_data", data)), 400, DATA)


def test_size_counts_compact_utf8_not_what_was_sent(service: Service) -> None:
    text = json.dumps(sized(256 * KIB), indent=40)  # ASCII escapes and blanks: far more on the wire
    assert len(text) > 256 * KIB
    assert service.post(raw("event_data", text)).status_code == 201


# --- bodies that are no events ----------------------------------------------------------------------------------

MALFORMED = [
    *(("invalid_request", text) for text in (b"", b" ", b"{", b"}", b'{"a":}', b"{'a':1}", b'{"a":1,}', b"nul")),
    *(("invalid_request", text) for text in (b"[]", b"[{}]", b"5", b'"text"', b"null", b"true", b"-", b"01")),
    *(("invalid_request", text) for text in (b"NaN", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}')),
    ("invalid_request", b"\xef\xbb\xbf{}"),
    ("invalid_request", b'{"a": "\xff"}'),
    ("invalid_request", b'{"a": "\xed\xa0\x80"}'),
    ("invalid_request", b'{"a": "raw\x00nul"}'),
    ("invalid_request", b'{"a": "line\nfeed"}'),
    ("invalid_request", "{}".encode("utf-16")),
    ("invalid_request", b"{} {}"),
    ("invalid_request", b"[" * 100_000),
    ("invalid_request", b"[" * 100_000 + b"]" * 100_000),
    ("invalid_request", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    ("invalid_request", b'{"a": 1, "a": 1}'),
    ("invalid_request", b'{"\\u0061": 1, "a": 2}'),
    ("invalid_request", b'{"\\ud800": 1, "\\ud800": 2}'),
    ("invalid_request", json.dumps(ev())[:-1].encode()),
    ("invalid_request", json.dumps(ev())[:-1].encode() + b', "version": "1.0"}'),
    ("invalid_request", json.dumps(ev(event_data="@")).replace('"@"', '{"x": {"k": 1, "k": 2}}').encode()),
    ("validation-error", b"{}"),
]


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(("slug", "body"), MALFORMED, ids=short)
def test_a_malformed_body_is_a_problem(service: Service, slug: str, body: bytes) -> None:
    answer = problem(service.post(body), 400, slug)
    if slug == "invalid_request":
        assert answer["title"] == "Invalid Request"


@pytest.mark.parametrize("kind", [JSON_TYPE, "application/json; charset=utf-8", "Application/JSON;charset=UTF-8;x=y"])
def test_json_is_taken(service: Service, kind: str) -> None:
    assert service.post(ev(), content_type=kind).status_code == 201


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    "kind", [None, "", "text/plain", "application/jsonx", "application/x-www-form-urlencoded", ";"]
)
@pytest.mark.parametrize("body", [ev(), b"{"], ids=short)
def test_another_content_type_is_refused_first(service: Service, kind: str | None, body: Any) -> None:
    assert problem(service.post(body, content_type=kind), 400, VALIDATION)["title"] == "Validation Error"


def test_gzip(service: Service) -> None:
    body = json.dumps(ev(correlation_id="zipped")).encode()
    gzipped = {"headers": {"Content-Encoding": "gzip"}}
    assert service.post(gzip.compress(body), **gzipped).status_code == 201
    half = len(body) // 2
    two = gzip.compress(body[:half]) + gzip.compress(body[half:])
    assert service.post(two, headers={"Content-Encoding": "GZIP"}).status_code == 201
    assert service.list(correlation_id="zipped")["pagination"]["total"] == 2


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


def test_body_size(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template, server={"max_body_size": 1000}) as s:
        body = json.dumps(ev()).encode()
        fits = body + b" " * (1000 - len(body))
        gzipped = {"headers": {"Content-Encoding": "gzip"}}
        assert s.post(fits).status_code == 201
        assert s.post(gzip.compress(fits), **gzipped).status_code == 201
        assert problem(s.post(fits + b" "), 413, "request-too-large")["title"] == "Request Too Large"
        problem(s.post(gzip.compress(fits + b" "), **gzipped), 413, "request-too-large")
        assert s.database.count() == 2


# --- the rules for every endpoint -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/audit/nothing", "/api/v1/audit/events/", "/api/v1/%00%ff"])
def test_unknown_path(service: Service, path: str) -> None:
    answer = service.client.get(path)
    assert answer.status_code == 404
    assert json.loads(answer.data)["type"].endswith("/not-found")
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "BREW"])
@pytest.mark.parametrize(("path", "allowed"), [(EVENTS, {"GET", "POST"}), (EVENTS + "/batch", {"POST"})])
def test_wrong_method(service: Service, method: str, path: str, allowed: set[str]) -> None:
    answer = service.client.open(path, method=method)
    assert problem(answer, 405, "method-not-allowed", path)["title"] == "Method Not Allowed"
    assert allowed <= set(answer.headers["Allow"].split(", "))
    assert method not in answer.headers["Allow"]


def test_problem_base_url_is_configurable(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template, server={"problem_base_url": "https://example.org/p/"}) as s:
        assert s.post(b"{").json["type"] == "https://example.org/p/invalid_request"


@pytest.mark.parametrize("path", [EVENTS, "/nothing"])
def test_request_id(service: Service, path: str) -> None:
    def sent(value: str | None) -> str:
        headers = {} if value is None else {"X-Request-ID": value}
        return str(service.client.get(path, headers=headers).headers["X-Request-ID"])

    for good in ("r-1", str(uuid.uuid4()), "a" * 128):
        assert sent(good) == good
    made = {sent(None), sent(None)}
    assert len(made) == 2
    assert all(made)
    for bad in ("", "a" * 129, "a b", "<script>", "é", 'x"y'):
        assert sent(bad) not in ("", bad)


def test_cors_is_off_unless_configured(service: Service, postgres: PostgresServer, template: str) -> None:
    origin = {"Origin": "https://ui.example.org"}
    preflight = {**origin, "Access-Control-Request-Method": "POST"}

    def cors(s: Service, method: str, headers: dict[str, str]) -> dict[str, str]:
        answer = s.client.open(EVENTS, method=method, headers=headers)
        return {k: v for k, v in answer.headers.items() if k.startswith("Access-Control")}

    assert cors(service, "GET", origin) == {}
    assert cors(service, "OPTIONS", preflight) == {}
    with running(postgres, template, server={"cors_allowed_origins": (origin["Origin"],)}) as s:
        assert cors(s, "GET", origin)["Access-Control-Allow-Origin"] == origin["Origin"]
        assert "POST" in cors(s, "OPTIONS", preflight)["Access-Control-Allow-Methods"]
        for headers in ({}, {"Origin": "https://evil.example.org"}):
            assert "Access-Control-Allow-Origin" not in cors(s, "GET", headers)


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
    assert answer.json == {**created.json, "message": "Audit event already recorded"}
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
