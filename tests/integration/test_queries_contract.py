"""GET /api/v1/audit/events: filters, times, order, pages."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from datastorage_common.times import rfc3339

from tests.integration.service import BATCH, EVENTS, NOW, Service, problem, running
from tests.support import PostgresServer, event

VALIDATION = "validation-error"
FILTERS = [
    "event_type",
    "event_category",
    "severity",
    "correlation_id",
    "actor_type",
    "actor_id",
    "resource_type",
    "resource_id",
    "namespace",
    "cluster_name",
    "event_outcome",
]
# What the two kinds of rows have in each filter's column.
ODD = {**{name: f"Odd-{name}" for name in FILTERS}, "event_category": "workflow", "event_outcome": "failure"}
ODD["severity"] = "Odd"
N = 60


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    """60 events: one each 3 hours back from now, but three at each moment; every third one odd."""
    with running(postgres, template) as s:
        body = [
            event(
                event_id=str(uuid.UUID(int=(i * 7919) % 997 << 64 | i)),
                event_timestamp=rfc3339(NOW - timedelta(hours=3 * (i // 3))),
                event_action=str(i),
                event_data={"i": i, "odd": {"is": i % 3 == 0, "tags": ["a", str(i)]}, "n": 10**30 + i},
                **(ODD if i % 3 == 0 else {}),
            )
            for i in range(N)
        ]
        assert s.post(body, BATCH).status_code == 201
        yield s


def numbers(page: dict[str, Any]) -> list[int]:
    return [int(row["event_action"]) for row in page["data"]]


def everything(service: Service) -> list[int]:
    return numbers(service.list(limit=1000))


def test_order_is_newest_first_with_the_id_as_tie_breaker(service: Service) -> None:
    rows = service.list(limit=1000)["data"]
    keys = [(row["event_timestamp"], row["event_id"]) for row in rows]
    assert len(keys) == N
    assert keys == sorted(keys, reverse=True)
    # The ids are not in the order of insertion, or the tie-breaker would prove nothing.
    assert numbers({"data": rows[:3]}) not in ([0, 1, 2], [2, 1, 0])


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter(service: Service, name: str) -> None:
    page = service.list(**{name: ODD[name], "limit": 1000})
    assert sorted(numbers(page)) == list(range(0, N, 3))
    assert page["pagination"]["total"] == N // 3
    assert {row[name] for row in page["data"]} == {ODD[name]}
    if name == "event_outcome":
        for wrong in ("Failure", "nope", ""):
            body = problem(service.client.get(EVENTS, query_string={name: wrong}), 400, VALIDATION)
            assert body["field_errors"].keys() == {name}
    else:
        assert service.list(**{name: ODD[name].upper()})["data"] == []
        assert service.list(**{name: ODD[name][:-1]})["data"] == []
        assert service.list(**{name: "%"})["data"] == []


def test_filters_and_together(service: Service) -> None:
    assert len(service.list(**ODD)["data"]) == N // 3
    for name in FILTERS:
        other = "success" if name == "event_outcome" else "other"
        assert service.list(**{**ODD, name: other})["data"] == []
    assert numbers(service.list(actor_id=ODD["actor_id"], since="2026-01-05T10:00:00Z")) == [0]
    assert numbers(service.list(actor_id=ODD["actor_id"], data='{"i": 9}')) == [9]


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("24h", timedelta(hours=24)),
        ("30m", timedelta(minutes=30)),
        ("1h30m", timedelta(hours=1.5)),
        ("2d", timedelta(days=2)),
        ("1.5d", timedelta(days=1.5)),
        ("0s", timedelta()),
        ("2026-01-05T07:00:00Z", timedelta(hours=3)),
        ("2026-01-05T09:00:00+02:00", timedelta(hours=3)),
        ("2026-01-05T06:59:59.999999Z", timedelta(hours=3, microseconds=1)),
        ("2026-01-05T07:00:00.000001Z", timedelta(hours=3, microseconds=-1)),
        ("2026-01-05T07:00:00", timedelta(hours=3)),
        ("2026-01-05", timedelta(hours=10)),
        ("2025-12-31", timedelta(hours=106)),
        ("1999-12-31", timedelta(days=9999)),
        ("2099-12-31", timedelta(days=-9999)),
    ],
)
def test_times(service: Service, text: str, back: timedelta) -> None:
    age = {i: timedelta(hours=3 * (i // 3)) for i in range(N)}
    assert sorted(numbers(service.list(since=text, limit=1000))) == [i for i in age if age[i] <= back]
    assert sorted(numbers(service.list(until=text, limit=1000))) == [i for i in age if age[i] >= back]
    both = service.list(since="2026-01-05T07:00:00Z", until="2026-01-05T07:00:00Z")
    assert sorted(numbers(both)) == [3, 4, 5]


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("limit", ["1", "1000"]),
        ("offset", ["0", "60", str(2**63 - 1)]),
        ("count", ["exact", "none"]),
        ("data", ["{}", '{"i": 5}']),
    ],
)
def test_parameters_at_their_limits(service: Service, name: str, good: list[str]) -> None:
    """What is refused beyond them is in tests/unit/audit/test_queries.py."""
    for text in good:
        answer = service.client.get(EVENTS, query_string={name: text})
        assert answer.status_code == 200, (text, answer.text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("since", "-24h", "invalid time format: use 24h, 7d, an RFC 3339 time or YYYY-MM-DD"),
        ("limit", "1001", "must be an integer from 1 to 1000"),
        ("severity", "a\0b", "holds a character that cannot be stored"),
        ("data", '{"a":"\\ud800"}', "holds something that cannot be stored"),
        ("data", '{"a":1e131071}', "holds something that cannot be stored"),
        ("cursor", "W10", "is not a cursor of this service"),
    ],
)
def test_a_bad_parameter_is_refused(service: Service, name: str, text: str, message: str) -> None:
    body = problem(service.client.get(EVENTS, query_string={name: text}), 400, VALIDATION)
    assert body["field_errors"] == {name: message}
    assert body["detail"] == f"{name}: {message}"


def test_bytes_that_are_no_text_reach_no_statement(service: Service) -> None:
    for name in (*FILTERS, "since", "until", "limit", "offset", "cursor", "count", "data"):
        answer = service.client.get(f"{EVENTS}?{name}=%FF%ED%A0%80")
        assert answer.status_code in (200, 400), (name, answer.text)


def test_every_wrong_parameter_is_named(service: Service) -> None:
    wrong = {"event_outcome": "x", "since": "x", "until": "x", "limit": "x", "offset": "x", "data": "x", "count": "x"}
    assert (
        problem(service.client.get(EVENTS, query_string=wrong), 400, VALIDATION)["field_errors"].keys() == wrong.keys()
    )


def test_unknown_parameters_are_refused_unless_it_is_asked_for(service: Service) -> None:
    answer = service.client.get(f"{EVENTS}?evnt_outcome=failure&limit=0")
    assert problem(answer, 400, VALIDATION)["field_errors"] == {
        "evnt_outcome": "is not a parameter of this request; did you mean event_outcome?",
        "limit": "must be an integer from 1 to 1000",
    }
    assert numbers(service.list(evnt_outcome="failure", strict="false")) == numbers(service.list())


def test_the_first_of_a_repeated_parameter_counts(service: Service) -> None:
    answer = service.client.get(f"{EVENTS}?limit=2&limit=x&event_outcome=failure&event_outcome=nope")
    assert answer.status_code == 200
    assert numbers(answer.json) == numbers(service.list(event_outcome="failure", limit=2))


def test_pagination_members(service: Service) -> None:
    page = service.list()
    cursor = page["pagination"].pop("next_cursor")
    assert isinstance(cursor, str)
    assert page["pagination"] == {"limit": 50, "offset": 0, "total": N, "has_more": True}
    assert len(page["data"]) == 50
    last = service.list(limit=20, offset=40)
    assert last["pagination"] == {"limit": 20, "offset": 40, "total": N, "has_more": False, "next_cursor": None}
    nothing = service.list(correlation_id="nobody")
    assert nothing["data"] == []
    assert (nothing["pagination"]["total"], nothing["pagination"]["has_more"]) == (0, False)
    assert service.list(offset=1000)["pagination"]["total"] == N
    assert service.list(offset=1000)["data"] == []
    assert "total" not in service.list(count="none")["pagination"]
    assert "total" not in service.list(cursor=cursor)["pagination"]


@pytest.mark.parametrize("size", [1, 7, 20, 60])
def test_pages_by_offset_and_by_cursor_give_the_same(service: Service, size: int) -> None:
    wanted = everything(service)
    offsets = [n for at in range(0, N, size) for n in numbers(service.list(limit=size, offset=at))]
    assert offsets == wanted
    found: list[int] = []
    parameters: dict[str, Any] = {"limit": size}
    while True:
        page = service.list(**parameters)
        found += numbers(page)
        parameters["cursor"] = page["pagination"]["next_cursor"]
        assert page["pagination"]["has_more"] is (parameters["cursor"] is not None)
        if parameters["cursor"] is None:
            break
    assert found == wanted


def test_a_cursor_goes_with_filters_but_not_with_an_offset(service: Service) -> None:
    first = service.list(event_outcome="failure", limit=5)
    cursor = first["pagination"]["next_cursor"]
    rest = service.list(event_outcome="failure", limit=1000, cursor=cursor)
    assert sorted(numbers(first) + numbers(rest)) == list(range(0, N, 3))
    for offset in ("0", "5"):
        answer = service.client.get(EVENTS, query_string={"cursor": cursor, "offset": offset})
        assert problem(answer, 400, VALIDATION)["field_errors"].keys() >= {"cursor"}


def test_a_tampered_cursor(service: Service) -> None:
    """One that is cut and one with another id; all forms are in tests/unit/audit/test_queries.py."""
    cursor = service.list(limit=1)["pagination"]["next_cursor"]
    moment, ident = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    other = base64.urlsafe_b64encode(json.dumps([moment, ident + "\0"]).encode()).decode().rstrip("=")
    for text in (cursor[:-2], other):
        answer = service.client.get(EVENTS, query_string={"cursor": text})
        assert problem(answer, 400, VALIDATION)["field_errors"].keys() == {"cursor"}


def test_data_asks_for_containment(service: Service) -> None:
    def found(value: Any) -> list[int]:
        return sorted(numbers(service.list(data=json.dumps(value), limit=1000)))

    assert found({}) == list(range(N))
    assert found({"i": 7}) == [7]
    assert found({"i": 7.0}) == [7]
    assert found({"i": "7"}) == []
    assert found({"odd": {"is": True}}) == list(range(0, N, 3))
    assert found({"odd": {"tags": ["11"]}}) == [11]
    assert found({"n": 10**30 + 5}) == [5]
    assert found({"missing": None}) == []


COLUMNS = {
    "event_id",
    "event_date",
    "version",
    "event_type",
    "event_timestamp",
    "event_category",
    "event_action",
    "event_outcome",
    "correlation_id",
    "event_data",
    "actor_type",
    "actor_id",
    "resource_type",
    "resource_id",
    "parent_event_id",
    "parent_event_date",
    "namespace",
    "cluster_name",
    "severity",
    "duration_ms",
    "trace_id",
    "span_id",
    "actor_ip",
    "error_code",
    "error_message",
    "is_sensitive",
    "retention_days",
    "recorded_at",
    "recorded_by",
    "request_id",
    "trace_id_from_context",
    "digest",
}
# The salt of its entry in the log is in no list; where that entry is comes from the log.
UNLISTED = {"salt"}
OF_THE_LOG = {"log_index"}


def test_each_row_has_every_stored_column(service: Service) -> None:
    rows = service.database.query(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'audit_events'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    assert {c.replace("event_version", "version") for (c,) in rows} == COLUMNS | UNLISTED
    for row in service.list(limit=1000)["data"]:
        assert row.keys() == COLUMNS | OF_THE_LOG
    row = next(r for r in service.list(limit=1000)["data"] if r["event_action"] == "1")
    assert [k for k, v in row.items() if v is None and k != "log_index"] == [
        *("parent_event_id", "namespace", "cluster_name", "duration_ms", "trace_id", "span_id", "actor_ip"),
        *("error_code", "error_message", "parent_event_date", "recorded_by"),
    ]
    assert row["trace_id_from_context"] is False
    assert (row["event_timestamp"], row["event_date"]) == ("2026-01-05T10:00:00Z", "2026-01-05")
    assert row["event_data"]["n"] == Decimal(10**30 + 1)
    assert row["recorded_at"].endswith("Z")


def test_one_event_by_id(service: Service) -> None:
    wanted = {**service.list(limit=1)["data"][0], "held_by": []}
    assert service.row(wanted["event_id"]) == wanted
    assert service.row(wanted["event_id"].upper()) == wanted
    for unknown in (str(uuid.uuid4()), "x", "1", "%00", wanted["event_id"] + "0", "{" + wanted["event_id"] + "}"):
        answer = service.client.get(f"{EVENTS}/{unknown}")
        assert answer.status_code == 404
        assert answer.json["title"] == "Not Found"
        assert answer.json["type"].endswith("/not-found")
