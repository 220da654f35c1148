"""POST and GET /api/v1/audit/notifications: statuses, bodies and problems that clients rely on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from datastorage_common.times import rfc3339

from tests.integration.service import NOTIFICATIONS, NOW, Service, problem, running
from tests.support import PostgresServer, notification

VALIDATION = "validation-error"


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


def note(**members: Any) -> dict[str, Any]:
    return notification(**{"sent_at": "2026-01-05T09:59:00Z", **members})


TEXTS = [("remediation_id", 255), ("notification_id", 255), ("recipient", 500), ("message_summary", 1000)]
OPTIONAL = [("delivery_status", 255), ("error_message", 1000)]
CHOICES = {
    "channel": ("email", "slack", "pagerduty", "webhook", "sms", "teams"),
    "status": ("sent", "failed", "pending", "acknowledged", "escalated"),
}
REQUIRED = [*(name for name, _ in TEXTS), *CHOICES, "sent_at"]
GOOD: dict[str, dict[str, Any]] = {
    "shortest": {name: "s" for name, _ in TEXTS},
    "longest": {name: "é" * high for name, high in [*TEXTS, *OPTIONAL]},
    "null": dict.fromkeys(name for name, _ in OPTIONAL),
    **{channel: {"channel": channel} for channel in CHOICES["channel"]},
    **{status: {"status": status} for status in CHOICES["status"]},
    "lowest": {"escalation_level": 0},
    "highest": {"escalation_level": 5},
    "ahead of the clock": {"sent_at": "2026-01-05T10:05:00Z"},
    "old": {"sent_at": "2001-01-01T00:00:00Z"},
    "no level": {"escalation_level": ...},
    "another zone": {"sent_at": "2026-01-05T11:00:00.1234567+01:00"},
    "more than asked": {"unknown": 5},
}
# What of it reads back otherwise than it was sent.
KEPT = {
    "null": {name: ... for name, _ in OPTIONAL},
    "another zone": {"sent_at": "2026-01-05T10:00:00.123456Z"},
    "more than asked": {"unknown": ...},
}


@pytest.mark.parametrize("name", GOOD)
def test_good_values_are_stored_as_they_are(service: Service, name: str) -> None:
    """At the limits of each member; what is refused beyond them is in tests/unit/audit/test_validator.py."""
    sent = note(**GOOD[name])
    answer = service.post(sent, NOTIFICATIONS)
    assert answer.status_code == 201, answer.text
    body = answer.json
    expected = {"escalation_level": 0, **sent, **KEPT.get(name, {})}
    kept = {k: v for k, v in expected.items() if v is not ...}
    assert body.pop("ignored", []) == [name for name in sent if name == "unknown"]
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert {k: v for k, v in body.items() if k not in ("id", "created_at", "updated_at", "request_id")} == kept
    assert type(body["id"]) is int
    found = service.client.get(NOTIFICATIONS, query_string={"limit": 1000}).json["data"]
    assert body in found


# One of each kind, for the form of the answer and what is stored: all values are in tests/unit/audit/test_validator.py.
KINDS: dict[str, tuple[str, Any, str]] = {
    "missing": ("remediation_id", ..., "is required"),
    "null": ("recipient", None, "must not be null"),
    "empty": ("message_summary", "", "must not be empty"),
    "blank": ("notification_id", "  \t ", "must not be empty"),
    "too long": ("error_message", "é" * 1001, "exceeds maximum length (actual: 1001, max: 1000)"),
    "no text": ("delivery_status", 5, "must be a string"),
    "NUL": ("message_summary", "a\0", "holds a character that cannot be stored"),
    "surrogate": ("recipient", "\ud800", "holds a character that cannot be stored"),
    "enumeration": ("status", "SENT", "must be one of: sent, failed, pending, acknowledged, escalated"),
    "range": ("escalation_level", 6, "must be an integer from 0 to 5"),
    "timestamp": ("sent_at", "24h", "must be an RFC 3339 time with zone, such as 2026-01-05T10:00:00Z"),
    "future": (
        "sent_at",
        "2026-01-05T10:05:00.000001Z",
        "timestamp is in the future (server time: 2026-01-05T10:00:00Z, event time: 2026-01-05T10:05:00.000001Z)",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_value_is_refused(service: Service, kind: str) -> None:
    name, value, message = KINDS[kind]
    before = service.database.count("notification_audit")
    body = problem(service.post(note(**{name: value}), NOTIFICATIONS), 400, VALIDATION, NOTIFICATIONS)
    assert body["field_errors"] == {name: message}
    assert service.database.count("notification_audit") == before


def test_all_bad_fields_are_named(service: Service) -> None:
    wrong = {"channel": "x", "status": "x", "sent_at": "x", "escalation_level": 9, "recipient": "x" * 501}
    body = problem(service.post(note(**wrong, remediation_id=...), NOTIFICATIONS), 400, VALIDATION, NOTIFICATIONS)
    assert body["field_errors"].keys() == {*wrong, "remediation_id"}
    assert body["field_errors"]["recipient"] == "exceeds maximum length (actual: 501, max: 500)"
    late = note(sent_at="2026-01-05T10:06:00Z", channel="x")
    body = problem(service.post(late, NOTIFICATIONS), 400, VALIDATION, NOTIFICATIONS)
    assert body["field_errors"].keys() == {"sent_at", "channel"}


def test_malformed(service: Service) -> None:
    before = service.database.count("notification_audit")
    problem(service.post(b'{"a":1,"a":1}', NOTIFICATIONS), 400, "invalid_request", NOTIFICATIONS)
    problem(service.post(b"{", NOTIFICATIONS, content_type=None), 400, VALIDATION, NOTIFICATIONS)
    assert service.database.count("notification_audit") == before


def test_a_taken_id_is_a_conflict_that_says_whether_it_is_identical(service: Service) -> None:
    first = note(sent_at="2026-01-05T09:59:00.5Z")
    assert service.post(first, NOTIFICATIONS).status_code == 201
    same = {**first, "sent_at": "2026-01-05T10:59:00.500+01:00", "escalation_level": 0, "delivery_status": None}
    for again, identical in ((same, True), ({**first, "status": "failed"}, False)):
        body = problem(service.post(again, NOTIFICATIONS), 409, "conflict", NOTIFICATIONS)
        assert body["title"] == "Resource Conflict"
        assert (body["resource"], body["field"]) == ("notification_audit", "notification_id")
        assert (body["value"], body["identical"]) == (first["notification_id"], identical)
    rows = service.database.query(
        "SELECT status FROM notification_audit WHERE notification_id = %s", first["notification_id"]
    )
    assert rows == [("sent",)]


@pytest.fixture(scope="module")
def filled(postgres: PostgresServer, template: str) -> Iterator[Service]:
    """30 notifications, two at each hour."""
    with running(postgres, template) as s:
        for i in range(30):
            body = note(
                notification_id=str(i),
                remediation_id=f"r{i % 3}",
                channel=CHOICES["channel"][i % 6],
                status=CHOICES["status"][i % 5],
                sent_at=rfc3339(NOW - timedelta(hours=i // 2)),
            )
            assert s.post(body, NOTIFICATIONS).status_code == 201
        yield s


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [int(n["notification_id"]) for n in answer.json["data"]]


def test_reading(filled: Service) -> None:
    def found(**parameters: Any) -> list[int]:
        return ids(filled.client.get(NOTIFICATIONS, query_string={"limit": 1000, **parameters}))

    # sent_at DESC, id DESC: the younger of two at one moment comes first.
    order = [i + 1 - 2 * (i % 2) for i in range(30)]
    assert found() == order
    assert found(remediation_id="r1") == [i for i in order if i % 3 == 1]
    assert found(channel="sms") == [i for i in order if i % 6 == 4]
    assert found(status="failed") == [i for i in order if i % 5 == 1]
    assert found(status="sent", channel="email", remediation_id="r0") == [0]
    assert found(since="2h") == [1, 0, 3, 2, 5, 4]
    assert found(since="2026-01-05T08:00:00Z", until="2026-01-05T08:00:00Z") == [5, 4]
    assert found(remediation_id="nobody") == []
    assert found(limit=3, offset=2) == [3, 2, 5]
    assert ids(filled.client.get(NOTIFICATIONS + "?remediation_id=r1&remediation_id=r2"))[0] == 1


def test_pages(filled: Service) -> None:
    first = filled.client.get(NOTIFICATIONS + "?limit=7").json
    cursor = first["pagination"]["next_cursor"]
    assert first["pagination"] == {"limit": 7, "offset": 0, "total": 30, "has_more": True, "next_cursor": cursor}
    found = [int(n["notification_id"]) for n in first["data"]]
    while cursor:
        page = filled.client.get(NOTIFICATIONS, query_string={"limit": 7, "cursor": cursor})
        found += ids(page)
        assert "total" not in page.json["pagination"]
        cursor = page.json["pagination"]["next_cursor"]
    assert found == ids(filled.client.get(NOTIFICATIONS + "?limit=1000"))


def test_every_wrong_parameter_is_named(filled: Service) -> None:
    """One of each; all that is refused is in tests/unit/audit/test_queries.py."""
    wrong = {"remediation_id": "a\0b", "channel": "x", "status": "", "since": "x", "until": "-1", "limit": "0"}
    wrong |= {"offset": "-1", "cursor": "x"}
    answer = filled.client.get(NOTIFICATIONS, query_string=wrong)
    assert problem(answer, 400, VALIDATION, NOTIFICATIONS)["field_errors"].keys() == wrong.keys()
