"""POST and GET /api/v1/audit/notifications: statuses, bodies and problems that clients rely on."""

from __future__ import annotations

import base64
import itertools
import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from app.audit.event import rfc3339
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


# Not by chance: some stand in the names of tests, which have to be the same wherever they are collected.
_numbers = itertools.count()


def unique(high: int) -> str:
    return (uuid.uuid5(uuid.NAMESPACE_OID, str(next(_numbers))).hex + "é" * high)[:high]


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        *((name, unique(1), ...) for name, _ in TEXTS),
        *((name, unique(high), ...) for name, high in [*TEXTS, *OPTIONAL]),
        *((name, value, ...) for name, values in CHOICES.items() for value in values),
        *((name, None, None) for name, _ in OPTIONAL),
        *(("escalation_level", n, n) for n in (0, 5)),
        ("escalation_level", ..., 0),
        ("sent_at", "2026-01-05T10:05:00Z", ...),
        ("sent_at", "2001-01-01T00:00:00Z", ...),
        ("sent_at", "2026-01-05T11:00:00.1234567+01:00", "2026-01-05T10:00:00.123456Z"),
        ("unknown", 5, None),
    ],
    ids=lambda v: ascii(v)[:30],
)
def test_a_good_value(service: Service, name: str, value: Any, kept: Any) -> None:
    sent = note(**{name: value})
    answer = service.post(sent, NOTIFICATIONS)
    assert answer.status_code == 201, answer.text
    body = answer.json
    assert type(body["id"]) is int
    optional = {n for n, _ in OPTIONAL} & sent.keys() if value is not None else set()
    assert body.keys() == {"id", "created_at", "updated_at", "escalation_level", *REQUIRED, *optional}
    assert body.get(name) == (value if kept is ... else kept)
    found = service.client.get(NOTIFICATIONS, query_string={"limit": 1000}).json["data"]
    assert body in found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in REQUIRED for value in (..., None, "", 5, True, [], {}, "a\0", "\ud800")),
        *((name, "é" * (high + 1)) for name, high in [*TEXTS, *OPTIONAL]),
        *((name, "  \t ") for name in ("remediation_id", "notification_id")),
        *((name, wrong) for name in CHOICES for wrong in ("Email", "SENT", "other", " sent")),
        *((name, wrong) for name, _ in OPTIONAL for wrong in (5, [], "\0", "\udfff")),
        *(("escalation_level", wrong) for wrong in (-1, 6, 1.5, "1", True, None)),
        *(("sent_at", wrong) for wrong in ("2026-01-05", "2026-01-05T09:59:00", "24h", "2026-01-05T10:05:00.000001Z")),
    ],
    ids=lambda v: ascii(v)[:30],
)
def test_a_bad_value(service: Service, name: str, value: Any) -> None:
    before = service.database.count("notification_audit")
    body = problem(service.post(note(**{name: value}), NOTIFICATIONS), 400, VALIDATION, NOTIFICATIONS)
    assert body["field_errors"].keys() == {name}
    assert service.database.count("notification_audit") == before


def test_all_bad_fields_are_named(service: Service) -> None:
    wrong = {"channel": "x", "status": "x", "sent_at": "x", "escalation_level": 9, "recipient": "x" * 501}
    body = problem(service.post(note(**wrong, remediation_id=...), NOTIFICATIONS), 400, VALIDATION, NOTIFICATIONS)
    assert body["field_errors"].keys() == {*wrong, "remediation_id"}
    assert body["field_errors"]["recipient"] == "exceeds maximum length (actual: 501, max: 500)"
    late = note(sent_at="2026-01-05T10:06:00Z", channel="x")
    body = problem(service.post(late, NOTIFICATIONS), 400, VALIDATION, NOTIFICATIONS)
    assert body["field_errors"].keys() == {"sent_at", "channel"}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"5", b"NaN", b'{"a":1,"a":1}', b"[" * 100_000], ids=ascii)
def test_malformed(service: Service, body: bytes) -> None:
    problem(service.post(body, NOTIFICATIONS), 400, "invalid_request", NOTIFICATIONS)
    problem(service.post(body, NOTIFICATIONS, content_type=None), 400, VALIDATION, NOTIFICATIONS)


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


@pytest.mark.parametrize("name", ["remediation_id", "channel", "status", "since", "until", "limit", "offset", "cursor"])
def test_bad_parameters(filled: Service, name: str) -> None:
    ident = {"cursor": "2026-01-05T10:00:00Z"}
    wrong = ["a\0b"] if name == "remediation_id" else ["a\0b", "", "x", "-1"]
    if name == "cursor":
        made = [[ident["cursor"], v] for v in ("²", "-1", "1.5", "9" * 19, "", "x", None)]
        wrong += [base64.urlsafe_b64encode(json.dumps(v).encode()).decode() for v in made]
    for text in wrong:
        answer = filled.client.get(NOTIFICATIONS, query_string={name: text})
        body = problem(answer, 400, VALIDATION, NOTIFICATIONS)
        assert body["field_errors"].keys() == {name}
