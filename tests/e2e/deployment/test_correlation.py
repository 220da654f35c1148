"""One correlation, from the signal at the gateway to the notification, read back complete and in order."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from datastorage_client import ValidationError
from datastorage_client.models import AuditBatchCreated, AuditEvent, AuditEventCreated, Notification

from tests.e2e.deployment.conftest import Deployment, event, own
from tests.support import notification

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


def read_back(deployment: Deployment, correlation: str) -> list[AuditEvent]:
    """All events of the correlation, oldest first, page by page of two."""
    return list(deployment.client.iter_events(correlation_id=correlation, page_size=2))[::-1]


def check(rows: list[AuditEvent], sent: list[dict[str, Any]]) -> None:
    assert [str(row.event_id) for row in rows] == [e["event_id"] for e in sent]
    assert [row.event_category for row in rows] == list(CATEGORIES)
    parents = [row.parent_event_id and str(row.parent_event_id) for row in rows]
    assert parents == [None, *(e["event_id"] for e in sent[:-1])]
    assert [row.event_data.to_dict() for row in rows] == [e["event_data"] for e in sent]
    times = [row.event_timestamp for row in rows]
    assert times == sorted(times)


def test_from_gateway_to_notification(deployment: Deployment) -> None:
    correlation = own("remediation")
    sent = chain(correlation)
    for body in sent:
        assert isinstance(deployment.client.create_event(body), AuditEventCreated)
    record = notification(remediation_id=correlation)
    assert isinstance(deployment.client.create_notification(record), Notification)
    # Somebody else's events must not get in between.
    assert isinstance(deployment.client.create_events(chain(f"{correlation}-other")), AuditBatchCreated)
    check(read_back(deployment, correlation), sent)
    notes = deployment.client.iter_notifications(remediation_id=correlation)
    assert [n.notification_id for n in notes] == [record["notification_id"]]


def test_as_one_batch_parents_before_children(deployment: Deployment) -> None:
    correlation = own("remediation")
    sent = chain(correlation)
    created = deployment.client.create_events(sent)
    assert isinstance(created, AuditBatchCreated)
    assert created.duplicates == []
    check(read_back(deployment, correlation), sent)


def test_a_link_that_is_missing_breaks_the_chain(deployment: Deployment) -> None:
    correlation = own("remediation")
    first, _, third, *_ = chain(correlation)
    deployment.client.create_event(first)
    with pytest.raises(ValidationError) as refused:
        deployment.client.create_event(third)
    assert "parent_event_id" in refused.value.field_errors
    assert len(read_back(deployment, correlation)) == 1
