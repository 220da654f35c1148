"""One correlation, from the signal at the gateway to the notification, read back complete and in order."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support import GunicornService, event, notification

EVENTS = "/api/v1/audit/events"
CATEGORIES = ("gateway", "signalprocessing", "analysis", "workflow", "execution", "orchestration", "notification")


def chain(correlation: str) -> list[dict[str, Any]]:
    """One event of each service, each the child of the one before."""
    start = datetime.now(UTC) - timedelta(minutes=2)
    made: list[dict[str, Any]] = []
    for n, category in enumerate(CATEGORIES):
        made.append(
            event(
                event_id=str(uuid.uuid4()),
                event_type=f"{category}.step.completed",
                event_category=category,
                event_action="completed",
                correlation_id=correlation,
                event_timestamp=(start + timedelta(seconds=n)).isoformat().replace("+00:00", "Z"),
                parent_event_id=made[-1]["event_id"] if made else ...,
                event_data={"step": n, "category": category},
            )
        )
    return made


def read_back(service: GunicornService, correlation: str) -> list[dict[str, Any]]:
    """All events of the correlation, oldest first, page by page of two."""
    rows: list[dict[str, Any]] = []
    path = f"{EVENTS}?correlation_id={correlation}&limit=2"
    cursor = ""
    for _ in range(20):
        page = service.request("GET", f"{path}{cursor}").json
        rows += page["data"]
        following = page["pagination"].get("next_cursor")
        if not following:
            return rows[::-1]
        cursor = f"&cursor={following}"
    raise AssertionError("the pages have no end")


def check(rows: list[dict[str, Any]], sent: list[dict[str, Any]]) -> None:
    assert [row["event_id"] for row in rows] == [e["event_id"] for e in sent]
    assert [row["event_category"] for row in rows] == list(CATEGORIES)
    assert [row.get("parent_event_id") for row in rows] == [None, *(e["event_id"] for e in sent[:-1])]
    assert [row["event_data"] for row in rows] == [e["event_data"] for e in sent]
    times = [row["event_timestamp"] for row in rows]
    assert times == sorted(times)


def test_from_gateway_to_notification(service: GunicornService) -> None:
    correlation = f"remediation-{uuid.uuid4()}"
    sent = chain(correlation)
    for body in sent:
        assert service.request("POST", EVENTS, body).status == 201
    record = notification(remediation_id=correlation)
    assert service.request("POST", "/api/v1/audit/notifications", record).status == 201
    # Somebody else's events must not get in between.
    assert service.request("POST", f"{EVENTS}/batch", chain(f"{correlation}-other")).status == 201
    check(read_back(service, correlation), sent)
    notes = service.request("GET", f"/api/v1/audit/notifications?remediation_id={correlation}").json["data"]
    assert [n["notification_id"] for n in notes] == [record["notification_id"]]


def test_as_one_batch_parents_before_children(service: GunicornService) -> None:
    correlation = f"remediation-{uuid.uuid4()}"
    sent = chain(correlation)
    assert service.request("POST", f"{EVENTS}/batch", sent).status == 201
    check(read_back(service, correlation), sent)


def test_a_link_that_is_missing_breaks_the_chain(service: GunicornService) -> None:
    correlation = f"remediation-{uuid.uuid4()}"
    first, _, third, *_ = chain(correlation)
    assert service.request("POST", EVENTS, first).status == 201
    refused = service.request("POST", EVENTS, third)
    assert refused.status == 400
    assert "parent_event_id" in refused.json["field_errors"]
    assert len(read_back(service, correlation)) == 1
