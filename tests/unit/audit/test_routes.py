from __future__ import annotations

import json
from typing import Any

import pytest

from app.audit.outcome import (
    Conflict,
    InDoubt,
    NotificationRow,
    Outcome,
    ParentMissing,
    Refused,
    Rejected,
    Spilled,
    Stored,
    WriteRequest,
)
from app.config.settings import AuditSettings, Settings
from app.config.stores import RedisSettings
from app.http.problems import unavailable
from app.telemetry import metrics
from tests.unit.fakes import (
    NOW,
    UUID_1,
    UUID_2,
    FakeConnection,
    FakeIngest,
    event,
    make_client,
    make_services,
    notification,
)

UNKNOWN = "the outcome is not known - please retry with the same ids"
FULL = "the service is at its capacity - please retry"
DLQ_FULL = "the database is away and the dead letter queue is full - please retry"
BOTH_GONE = "database and DLQ both unavailable - please retry"
EVENTS, BATCH, NOTIFICATIONS = (f"/api/v1/audit/{p}" for p in ("events", "events/batch", "notifications"))


REDIS = RedisSettings(url="redis://127.0.0.1:1/0")


def answered(
    path: str, body: Any, outcome: Outcome | None = None, redis: RedisSettings = REDIS, **audit: Any
) -> tuple[int, dict[str, Any], Any]:
    """Status, JSON and headers of a POST whose write ends with the outcome; without one, nothing may be written."""

    def write(request: WriteRequest) -> Outcome:
        assert outcome is not None, "was handed to the write path"
        return outcome

    services = make_services(Settings(audit=AuditSettings(**audit), redis=redis), write)
    response = make_client(services).post(path, data=json.dumps(body), content_type="application/json")
    is_problem = response.status_code >= 400
    assert response.content_type == ("application/problem+json" if is_problem else "application/json")
    answer = json.loads(response.data)
    if is_problem:
        assert (answer.pop("status"), answer.pop("instance")) == (response.status_code, path)
        answer["type"] = answer["type"].removeprefix("https://kubernaut.ai/problems/")
    return response.status_code, answer, response.headers


def problem(slug: str, title: str, detail: str, **members: Any) -> dict[str, Any]:
    return {"type": slug, "title": title, "detail": detail, **members}


def unavailable_body(slug: str, detail: str, **members: Any) -> dict[str, Any]:
    return problem(slug, "Service Unavailable", detail, retry=True, **members)


IDS = {"event_id": UUID_1, "event_timestamp": "2026-01-05T10:00:00Z"}
DIFFERENT = "is stored with different content"
FAILURES = [
    (Refused("service-unavailable"), "service-unavailable", BOTH_GONE, "5"),
    (Refused("dlq-full"), "dlq-full", DLQ_FULL, "5"),
    (Refused("buffer-full"), "buffer-full", FULL, "1"),
]


# --- one event ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (Stored(), 201, {**IDS, "message": "Audit event created successfully"}),
        (Stored(duplicates=(0,)), 200, {**IDS, "message": "Audit event already recorded"}),
        (Spilled(), 202, {"status": "accepted", "message": "audit event queued for async processing", **IDS}),
        (
            Conflict((0,)),
            409,
            problem(
                "conflict",
                "Resource Conflict",
                f"an event with this event_id and date {DIFFERENT}",
                resource="audit_events",
                field="event_id",
                value=UUID_1,
                field_errors={"event_id": DIFFERENT},
            ),
        ),
        (
            ParentMissing((0,)),
            400,
            problem(
                "validation-error",
                "Validation Error",
                "parent event does not exist",
                field_errors={"parent_event_id": "parent event does not exist"},
            ),
        ),
        (Rejected(0), 400, problem("invalid_event_data", "Invalid Event Data", "the record cannot be stored")),
        (InDoubt(), 503, unavailable_body("service-unavailable", UNKNOWN, outcome="unknown", event_id=UUID_1)),
        *((refused, 503, unavailable_body(slug, detail)) for refused, slug, detail, _ in FAILURES),
    ],
)
def test_event_answers(outcome: Outcome, status: int, body: dict[str, Any]) -> None:
    assert answered(EVENTS, event(event_id=UUID_1), outcome)[:2] == (status, body)


@pytest.mark.parametrize(("path", "body"), [(EVENTS, event()), (BATCH, [event()]), (NOTIFICATIONS, notification())])
@pytest.mark.parametrize(
    ("outcome", "seconds"), [*((o, s) for o, _, _, s in FAILURES), (InDoubt(), "5"), (Spilled(), None)]
)
def test_when_to_try_again(path: str, body: Any, outcome: Outcome, seconds: str | None) -> None:
    _, answer, headers = answered(path, body, outcome)
    assert headers.get("Retry-After") == seconds
    assert answer.get("retry") is (True if seconds else None)
    assert ("outcome" in answer) is isinstance(outcome, InDoubt), "only then may something have been kept"


@pytest.mark.parametrize(("path", "body"), [(EVENTS, event()), (BATCH, [event()]), (NOTIFICATIONS, notification())])
def test_without_redis_no_answer_speaks_of_a_queue(path: str, body: Any) -> None:
    detail = "the database is not available - please retry"
    _, answer, headers = answered(path, body, Refused("service-unavailable"), redis=RedisSettings())
    assert answer == unavailable_body("service-unavailable", detail)
    assert headers["Retry-After"] == "5"
    full = answered(path, body, Refused("buffer-full"), redis=RedisSettings())[1]
    assert full == unavailable_body("buffer-full", FULL), "the others have nothing to do with it"


def test_an_id_is_made_and_told() -> None:
    services = make_services(outcome=Stored())
    response = make_client(services).post(EVENTS, json=event())
    ingest = services.ingest
    assert isinstance(ingest, FakeIngest)
    [request] = ingest.requests
    [record] = request.records
    assert response.get_json()["event_id"] == str(record.event_id)  # type: ignore[union-attr]


@pytest.mark.parametrize("path", [EVENTS, NOTIFICATIONS])
@pytest.mark.parametrize("body", [[], [event()], "x", 1, None, True])
def test_a_record_is_an_object(path: str, body: Any) -> None:
    expected = problem("invalid_request", "Invalid Request", "request body must be a JSON object")
    assert answered(path, body)[:2] == (400, expected)


def test_a_refused_event() -> None:
    code, answer, _ = answered(EVENTS, event(version=..., event_outcome="ok", event_data=[]))
    assert code == 400
    assert answer == problem(
        "validation-error",
        "Validation Error",
        "invalid fields: version, event_outcome",
        field_errors={
            "version": "is required",
            "event_outcome": "must be one of: success, failure, pending",
            "event_data": "must be a JSON object",
        },
    )


def test_times_out_of_the_window_are_members() -> None:
    _, answer, _ = answered(EVENTS, event(event_timestamp="2026-01-05T10:06:00Z"))
    assert (answer["server_time"], answer["event_time"]) == ("2026-01-05T10:00:00Z", "2026-01-05T10:06:00Z")
    assert answer["field_errors"].keys() == {"event_timestamp"}


def test_data_that_is_no_object() -> None:
    code, answer, _ = answered(EVENTS, event(event_data="x"))
    assert (code, answer["type"], answer["title"]) == (400, "invalid_event_data", "Invalid Event Data")


# --- batches ------------------------------------------------------------------------------------------------

PAIR = [event(event_id=UUID_1), event(event_id=UUID_2)]
PAIR_IDS = {"event_ids": [UUID_1, UUID_2]}


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (Stored(), 201, {**PAIR_IDS, "message": "2 audit events created successfully", "duplicates": []}),
        (Stored((1,)), 201, {**PAIR_IDS, "message": "2 audit events created successfully", "duplicates": [1]}),
        (Stored((0, 1)), 200, {**PAIR_IDS, "message": "2 audit events already recorded", "duplicates": [0, 1]}),
        (
            Spilled(),
            202,
            {"status": "accepted", "message": "2 audit events queued for async processing", "count": 2, **PAIR_IDS},
        ),
        (
            Conflict((0, 1)),
            409,
            problem(
                "conflict",
                "Resource Conflict",
                "event at index 0: is stored with different content under the same event_id and date",
                resource="audit_events",
                field="event_id",
                indexes=[0, 1],
                field_errors={"[0].event_id": DIFFERENT, "[1].event_id": DIFFERENT},
            ),
        ),
        (
            ParentMissing((1,)),
            400,
            problem(
                "validation-error",
                "Validation Error",
                "event at index 1: parent event does not exist",
                field_errors={"[1].parent_event_id": "parent event does not exist"},
            ),
        ),
        (
            Rejected(1),
            400,
            problem("invalid_event_data", "Invalid Event Data", "event at index 1: the record cannot be stored"),
        ),
        (InDoubt(), 503, unavailable_body("service-unavailable", UNKNOWN, outcome="unknown", **PAIR_IDS)),
        *((refused, 503, unavailable_body(slug, detail)) for refused, slug, detail, _ in FAILURES),
    ],
)
def test_batch_answers(outcome: Outcome, status: int, body: dict[str, Any]) -> None:
    assert answered(BATCH, PAIR, outcome)[:2] == (status, body)


@pytest.mark.parametrize(
    ("body", "slug", "title", "detail"),
    [
        ({}, "invalid_request", "Invalid Request", "request body must be a JSON array, not a single object"),
        ("x", "invalid_request", "Invalid Request", "request body must be a JSON array, not a single object"),
        ([], "validation-error", "Validation Error", "batch cannot be empty"),
        (
            [event()] * 4,
            "batch-size-exceeded",
            "Batch Size Exceeded",
            "batch size 4 exceeds maximum allowed batch size of 3",
        ),
    ],
)
def test_not_a_batch(body: Any, slug: str, title: str, detail: str) -> None:
    most = {"max_batch_size": 3} if slug == "batch-size-exceeded" else {}
    assert answered(BATCH, body, max_batch_size=3)[:2] == (400, {**problem(slug, title, detail), **most})


def test_all_wrong_elements_are_named_and_nothing_is_written() -> None:
    batch = [event(), event(event_data=[]), 5, event(version="", event_data=3)]
    code, answer, _ = answered(BATCH, batch)
    assert code == 400
    assert answer == problem(
        "invalid_event_data",
        "Invalid Event Data",
        "event at index 1: event_data must be a JSON object",
        field_errors={
            "[1].event_data": "must be a JSON object",
            "[2]": "must be a JSON object",
            "[3].version": "must not be empty",
            "[3].event_data": "must be a JSON object",
        },
    )


def test_the_first_wrong_element_may_be_no_object() -> None:
    _, answer, _ = answered(BATCH, ["x", event(version="")])
    assert (answer["type"], answer["detail"]) == ("invalid_request", "event at index 0: must be a JSON object")


def test_a_batch_is_one_request() -> None:
    services = make_services(outcome=Stored())
    make_client(services).post(BATCH, json=PAIR)
    ingest = services.ingest
    assert isinstance(ingest, FakeIngest)
    assert [[str(r.event_id) for r in q.records] for q in ingest.requests] == [[UUID_1, UUID_2]]  # type: ignore[union-attr]


# --- notifications ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "status", "body"),
    [
        (
            Stored(notification=NotificationRow(7, NOW, NOW.replace(microsecond=1))),
            201,
            {
                "id": 7,
                **notification(),
                "escalation_level": 0,
                "created_at": "2026-01-05T10:00:00Z",
                "updated_at": "2026-01-05T10:00:00.000001Z",
            },
        ),
        (Spilled(), 202, {"status": "accepted", "message": "audit record queued for processing"}),
        *(
            (
                Conflict((0,), identical=identical),
                409,
                problem(
                    "conflict",
                    "Resource Conflict",
                    "a notification with this notification_id is stored already",
                    resource="notification_audit",
                    field="notification_id",
                    value="n-1",
                    identical=identical,
                ),
            )
            for identical in (True, False)
        ),
        (Rejected(0), 400, problem("validation-error", "Validation Error", "the record cannot be stored")),
        (InDoubt(), 503, unavailable_body("service-unavailable", UNKNOWN, outcome="unknown", notification_id="n-1")),
        *((refused, 503, unavailable_body(slug, detail)) for refused, slug, detail, _ in FAILURES),
    ],
)
def test_notification_answers(outcome: Outcome, status: int, body: dict[str, Any]) -> None:
    code, answer, headers = answered(NOTIFICATIONS, notification(), outcome)
    beside = {"request_id": headers["X-Request-ID"]} if status == 201 else {}
    assert (code, answer) == (status, {**body, **beside})


def test_a_refused_notification() -> None:
    _, answer, _ = answered(NOTIFICATIONS, notification(channel="fax", recipient=...))
    assert answer["field_errors"] == {
        "channel": "must be one of: email, slack, pagerduty, webhook, sms, teams",
        "recipient": "is required",
    }


# --- reads --------------------------------------------------------------------------------------------------


def reading_client(conn: FakeConnection) -> Any:
    services = make_services()
    services.reader.read = lambda query: query(conn)  # type: ignore[method-assign, assignment, arg-type, return-value]
    return make_client(services)


@pytest.mark.parametrize("path", [EVENTS, NOTIFICATIONS])
def test_lists(path: str) -> None:
    response = reading_client(FakeConnection()).get(path + "?limit=2")
    assert response.status_code == 200
    assert response.get_json()["pagination"]["limit"] == 2


@pytest.mark.parametrize("path", [EVENTS + "?limit=0", NOTIFICATIONS + "?channel=fax", EVENTS + "?cursor=x"])
def test_wrong_parameters_never_reach_the_database(path: str) -> None:
    conn = FakeConnection()
    assert reading_client(conn).get(path).status_code == 400
    assert not conn.executed


@pytest.mark.parametrize("ident", [UUID_1, "not-an-id", UUID_1 + "0"])
def test_an_event_that_is_not_there(ident: str) -> None:
    conn = FakeConnection()
    response = reading_client(conn).get(f"{EVENTS}/{ident}")
    assert (response.status_code, response.get_json()["detail"]) == (404, "there is no event with this id")
    assert len(conn.executed) == (ident == UUID_1)


@pytest.mark.parametrize("path", [EVENTS, f"{EVENTS}/{UUID_1}", NOTIFICATIONS])
def test_reads_while_postgresql_is_away(path: str) -> None:
    services = make_services()
    services.breaker.failed(unreachable=True)
    response = make_client(services).get(path)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert response.get_json()["detail"] == unavailable().detail


# --- metrics ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "table"),
    [
        (EVENTS, event(), "audit_events"),
        (BATCH, [event()], "audit_events_batch"),
        (NOTIFICATIONS, notification(), "notification_audit"),
    ],
)
def test_each_kind_of_write_is_timed_apart(path: str, body: object, table: str) -> None:
    services = make_services()
    services.ingest = ingest = FakeIngest(Spilled())  # type: ignore[assignment]
    assert make_client(services).post(path, json=body).status_code == 202
    assert ingest.tables == [table]


def test_faults_are_counted_by_field_and_reason() -> None:
    def counted(name: str, reason: str) -> float:
        return metrics.VALIDATION_FAILURES.labels(name, reason)._value.get()

    pairs = [("version", "required"), ("event_category", "exceeds_max_length"), ("body", "not_array")]
    before = [counted(*pair) for pair in pairs]
    answered(EVENTS, event(version=..., event_category="g" * 51))
    answered(BATCH, {})
    assert [counted(*pair) for pair in pairs] == [n + 1 for n in before]
