"""Events of the service's own are what a client's event with the same members would be."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from datastorage_common import jsonvalue
from datastorage_common.times import rfc3339

from app.audit.event import AuditEvent
from app.audit.schemas import EVENT_FIELDS
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from app.workflows.events import EventFactory
from app.workflows.labels import LABELS
from app.workflows.search import Found, Search

NOW = datetime(2026, 1, 5, 10, 0, 0, 123456, tzinfo=UTC)
SEARCH = Search(
    labels=dict(zip(LABELS, ("OOMKilled", "critical", "deployment", "production", "P0"), strict=True)),
    custom_labels={},
    detected_labels={},
    statuses=None,
    top_k=3,
    min_score=Decimal("0.5"),
    remediation_id=None,
    asked={"signal_type": "OOMKilled"},
)
ROW = {
    "workflow_id": UUID(int=1),
    "workflow_name": "n",
    "version": "1",
    "status": "active",
    "is_latest_version": True,
    "content_hash": "0" * 64,
    "execution_engine": "tekton",
}
FOUND = Found(
    {
        "workflow_id": UUID(int=1),
        "title": "t",
        "rank": 1,
        "confidence": 0.505,
        "label_boost": 0.05,
        "label_penalty": 0.0,
    }
)
FACTORY = EventFactory(AuditSettings(), lambda: NOW)


@pytest.mark.parametrize(
    "event",
    [
        FACTORY.created(ROW, recorded_by="importer", request_id="rq-1"),
        FACTORY.updated(
            ROW,
            {"status": "active", "actual_success_rate": Decimal("0.50"), "disabled_by": None},
            recorded_by="importer",
            request_id="rq-1",
        ),
        FACTORY.searched(SEARCH, [FOUND], 7, recorded_by="importer", request_id="rq-1"),
    ],
    ids=["created", "updated", "searched"],
)
def test_an_event_survives_the_queue_unchanged(event: AuditEvent) -> None:
    body = {name: getattr(event, name) for name in EVENT_FIELDS}
    body |= {
        "event_id": str(event.event_id),
        "event_timestamp": rfc3339(event.event_timestamp),
        "event_data": jsonvalue.parse(event.event_data),
    }
    assert Validator(AuditSettings(), lambda: NOW).event(body, recorded_by="importer", request_id="rq-1") == event


def test_the_fingerprint_of_the_contract() -> None:
    assert SEARCH.fingerprint == "895759d18819db5c"
