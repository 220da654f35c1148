"""POST /api/v1/audit/events/batch: statuses, bodies and problems that clients rely on."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from app.audit.event import AuditEvent
from app.audit.outcome import Conflict, Stored, WriteRequest
from app.audit.store import WriteSession, write
from app.postgres.sessions import Connection
from tests.integration.service import BATCH, Service, problem, running
from tests.support import PostgresServer, event

VALIDATION = "validation-error"


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


@pytest.fixture
def nothing_stored(service: Service) -> Iterator[None]:
    before = service.database.count()
    yield
    assert service.database.count() == before


def ev(**members: Any) -> dict[str, Any]:
    return event(**{"event_timestamp": "2026-01-05T09:59:00Z", **members})


def named(**members: Any) -> dict[str, Any]:
    return ev(event_id=str(uuid.uuid4()), **members)


@pytest.mark.parametrize("n", [1, 2, 1000])
def test_ids_come_in_the_order_of_the_request(service: Service, n: int) -> None:
    correlation = uuid.uuid4().hex
    body = [ev(correlation_id=correlation, event_action=str(i), version=f"v{i % 7}") for i in range(n)]
    answer = service.post(body, BATCH)
    assert answer.status_code == 201
    ids = answer.json["event_ids"]
    assert answer.json == {"event_ids": ids, "message": f"{n} audit events created successfully", "duplicates": []}
    assert len(set(ids)) == n
    rows = service.list(correlation_id=correlation, limit=1000)["data"]
    stored = {row["event_id"]: (row["event_action"], row["version"]) for row in rows}
    assert [stored[i] for i in ids] == [(str(i), f"v{i % 7}") for i in range(n)]


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("body", "slug", "title", "detail"),
    [
        (ev(), "invalid_request", "Invalid Request", "request body must be a JSON array, not a single object"),
        ([], VALIDATION, "Validation Error", "batch cannot be empty"),
        (
            [ev()] * 1001,
            "batch-size-exceeded",
            "Batch Size Exceeded",
            "batch size 1001 exceeds maximum allowed batch size of 1000",
        ),
        (b"[{}", "invalid_request", "Invalid Request", None),
    ],
    ids=["an object", "nothing in it", "too many", "cut off"],
)
def test_no_batch(service: Service, body: Any, slug: str, title: str, detail: str | None) -> None:
    answer = problem(service.post(body, BATCH), 400, slug, BATCH)
    assert answer["title"] == title
    assert detail in (None, answer["detail"])


def test_limits_are_configurable(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template, audit={"max_batch_size": 2}, server={"max_body_size": 2000}) as s:
        assert s.post([ev(), ev()], BATCH).status_code == 201
        answer = problem(s.post([ev()] * 3, BATCH), 400, "batch-size-exceeded", BATCH)
        assert answer["detail"] == "batch size 3 exceeds maximum allowed batch size of 2"
        assert answer["max_batch_size"] == 2
        big = json.dumps([ev(event_data={"x": "x" * 2000})]).encode()
        problem(s.post(big, BATCH), 413, "request-too-large", BATCH)
        assert s.database.count() == 2


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("bad", "member", "value", "slug"),
    [
        (0, "version", "", VALIDATION),
        (1, "event_timestamp", "2026-01-05T10:06:00Z", VALIDATION),
        (499, "event_data", [], "invalid_event_data"),
        (250, "correlation_id", "a\0b", VALIDATION),
    ],
)
def test_one_bad_element_refuses_all(service: Service, bad: int, member: str, value: Any, slug: str) -> None:
    body = [ev() for _ in range(500)]
    body[bad][member] = value
    answer = problem(service.post(body, BATCH), 400, slug, BATCH)
    assert answer["detail"].startswith(f"event at index {bad}: ")
    assert answer["field_errors"].keys() == {f"[{bad}].{member}"}


@pytest.mark.usefixtures("nothing_stored")
def test_every_bad_element_is_named(service: Service) -> None:
    body = [
        ev(),
        ev(event_data=5),
        7,
        ev(event_type="x" * 101, version=...),
        ev(event_timestamp="2025-12-01T00:00:00Z"),
    ]
    answer = problem(service.post(body, BATCH), 400, "invalid_event_data", BATCH)
    assert answer["detail"].startswith("event at index 1: ")
    assert answer["field_errors"].keys() == {
        "[1].event_data",
        "[2]",
        "[3].event_type",
        "[3].version",
        "[4].event_timestamp",
    }
    assert answer["field_errors"]["[3].event_type"] == "exceeds maximum length (actual: 101, max: 100)"
    for element in (5, None, "x", []):
        detail = service.post([ev(), element], BATCH).json["detail"]
        assert detail.startswith("event at index 1: ")


def test_what_is_stored_already_is_a_duplicate(service: Service) -> None:
    old, new = [named() for _ in range(3)], [named() for _ in range(2)]
    assert service.post(old, BATCH).status_code == 201
    mixed = [new[0], old[0], new[1], old[2]]
    answer = service.post(mixed, BATCH)
    assert answer.status_code == 201
    assert answer.json["duplicates"] == [1, 3]
    assert answer.json["event_ids"] == [e["event_id"] for e in mixed]
    again = service.post(mixed, BATCH)
    assert again.status_code == 200
    assert again.json["duplicates"] == [0, 1, 2, 3]
    assert again.json["event_ids"] == answer.json["event_ids"]
    assert service.post(old[0]).status_code == 200


def test_the_same_id_twice_in_a_batch(service: Service) -> None:
    before = service.database.count()
    a, b = named(), named()
    answer = service.post([a, b, {**a, "event_timestamp": "2026-01-05T10:59:00+01:00"}], BATCH)
    assert answer.status_code == 201
    assert answer.json["event_ids"] == [a["event_id"], b["event_id"], a["event_id"]]
    assert service.database.count() == before + 2
    # Different content under one id: nothing of the batch stays. On another day it is another event.
    c, d = named(), named()
    problem(service.post([c, d, {**c, "event_action": "other"}], BATCH), 409, "conflict", BATCH)
    assert service.database.count() == before + 2
    assert service.post([c, d, {**c, "event_timestamp": "2026-01-04T10:00:00Z"}], BATCH).status_code == 201
    assert service.database.count() == before + 5


def test_a_conflict_names_every_index_and_keeps_nothing(service: Service) -> None:
    old = [named() for _ in range(2)]
    assert service.post(old, BATCH).status_code == 201
    before = service.database.count()
    body = [named(), {**old[0], "version": "2"}, named(), {**old[1], "version": "2"}, named()]
    answer = problem(service.post(body, BATCH), 409, "conflict", BATCH)
    assert answer["title"] == "Resource Conflict"
    assert answer["field_errors"].keys() == {"[1].event_id", "[3].event_id"}
    assert answer["detail"].startswith("event at index 1: ")
    # Also when the batch contradicts itself as well.
    body += [{**body[0], "version": "3"}]
    answer = problem(service.post(body, BATCH), 409, "conflict", BATCH)
    assert answer["field_errors"].keys() == {"[1].event_id", "[3].event_id", "[5].event_id"}
    assert service.database.count() == before
    assert service.post([body[0], body[2]], BATCH).json["duplicates"] == []


def test_contradicting_what_is_not_stored_in_the_end_is_no_conflict(service: Service) -> None:
    """In one flush: a batch that fails, a conflict, and events that contradict only what those would have stored."""
    old, lone = named(), named()
    assert service.post([old, named()], BATCH).status_code == 201
    failing = [lone, {**old, "version": "2"}]
    bodies = [failing, [{**lone, "version": "3"}], [{**old, "version": "4"}], [old], [{**lone, "version": "5"}]]
    requests = []
    for body in bodies:
        events = [service.parts.validator.event(e) for e in body]
        assert all(isinstance(e, AuditEvent) for e in events)
        requests.append(WriteRequest(tuple(events)))
    with Connection.connect(service.database.service_url, autocommit=True) as conn:
        outcomes = write(WriteSession(conn), requests)
    assert outcomes == [Conflict((1,)), Stored(()), Conflict((0,)), Stored((0,)), Conflict((0,))]
    assert service.row(lone["event_id"])["version"] == "3"


def test_parents_inside_a_batch(service: Service) -> None:
    parent = named(event_timestamp="2026-01-04T10:00:00Z")
    child = named(parent_event_id=parent["event_id"])
    grandchild = named(parent_event_id=child["event_id"])
    before = service.database.count()
    # An element may lean on an earlier one, not on a later one or on none.
    answer = problem(service.post([parent, grandchild, child], BATCH), 400, VALIDATION, BATCH)
    assert answer["detail"] == "event at index 1: parent event does not exist"
    assert answer["field_errors"] == {"[1].parent_event_id": "parent event does not exist"}
    lost = [ev(parent_event_id=str(uuid.uuid4())) for _ in range(2)]
    answer = problem(service.post([parent, lost[0], child, lost[1]], BATCH), 400, VALIDATION, BATCH)
    assert answer["field_errors"].keys() == {"[1].parent_event_id", "[3].parent_event_id"}
    assert service.database.count() == before
    assert service.post([parent, child, grandchild], BATCH).status_code == 201
    row = service.row(child["event_id"])
    assert (row["parent_event_id"], row["parent_event_date"]) == (parent["event_id"], "2026-01-04")
    assert service.row(grandchild["event_id"])["parent_event_id"] == child["event_id"]


def test_a_batch_larger_than_the_queue_and_the_flush(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template, buffer={"size": 10, "max_batch": 5}) as s:
        assert s.post([ev() for _ in range(100)], BATCH).status_code == 201
        assert s.database.count() == 100
