"""What a hold takes is what the list with its filter shows: two ways to say one thing, held against each other."""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from datastorage_common import jsonvalue
from datastorage_common.times import rfc3339

from app.audit.event import CHANNELS, NOTIFICATION_STATUSES, OUTCOMES
from app.audit.filters import EVENT_CONDITIONS, NOTIFICATION_CONDITIONS
from app.holds import schemas
from app.validation.field_errors import ValidationFailure
from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS, NOW, Service, running
from tests.support import PostgresServer, event, notification

# Few values, so that filters meet; some that look like others, and None for what may be missing.
TEXTS = ["a", "A", "a ", "ü", "%", "a_", "x" * 250]
TIMES = [rfc3339(NOW - timedelta(days=day, microseconds=us)) for day in (0, 1, 2) for us in (0, 1)]
DATA: list[dict[str, Any]] = [
    {},
    {"n": 1},
    {"n": 1.0, "m": [1, {"k": None}]},
    {"m": [1]},
    {"s": "ü"},
    {"m": [{"k": None}]},
]
POOLS: dict[str, list[Any]] = {
    **dict.fromkeys(("event_type", "correlation_id", "actor_type", "actor_id"), TEXTS),
    **dict.fromkeys(("resource_type", "resource_id", "remediation_id"), TEXTS),
    **{name: [*TEXTS, None] for name in ("severity", "namespace", "cluster_name")},
    "event_category": ["gateway", "workflow", "gateway.a"],
    "event_outcome": [*OUTCOMES],
    "request_id": ["r-1", "r-2", "R-1"],
    "since": TIMES,
    "until": TIMES,
    "data": DATA,
    "channel": [*CHANNELS],
    "status": [*NOTIFICATION_STATUSES],
}
# Longer ones do not fit their columns.
SHORT = ("severity", "actor_type", "resource_type", "event_type")


def of_pool(rng: random.Random, name: str) -> Any:
    value = rng.choice(POOLS[name])
    return value[:20] if name in SHORT and value is not None else value


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    rng = random.Random(7)
    with running(postgres, template) as s:
        kept = [n for n in EVENT_CONDITIONS if n not in ("request_id", "since", "until", "data")]
        for request_id in POOLS["request_id"]:
            batch = [
                event(
                    **{name: of_pool(rng, name) for name in kept},
                    event_timestamp=rng.choice(TIMES),
                    event_data=rng.choice(DATA),
                )
                for _ in range(150)
            ]
            assert s.post(batch, BATCH, headers={"X-Request-ID": request_id}).status_code == 201
        for _ in range(60):
            members = {name: of_pool(rng, name) for name in ("remediation_id", "channel", "status")}
            record = notification(**members, sent_at=rng.choice(TIMES), notification_id=str(uuid.uuid4()))
            assert s.post(record, NOTIFICATIONS).status_code == 201
        yield s


def filters(rng: random.Random, names: tuple[str, ...]) -> dict[str, Any]:
    chosen = rng.sample(names, rng.choices([1, 2, 3, len(names)], [6, 6, 3, 1])[0])
    return {name: value for name in chosen if (value := of_pool(rng, name)) is not None}


def listed(service: Service, path: str, ident: str, wanted: dict[str, Any]) -> set[str]:
    query = {name: jsonvalue.compact(v).decode() if name == "data" else v for name, v in wanted.items()}
    answer = service.client.get(path, query_string={**query, "limit": "1000"})
    assert answer.status_code == 200, answer.json
    return {str(row[ident]) for row in answer.json["data"]}


def held(service: Service, statement: str, wanted: dict[str, Any]) -> set[str]:
    kept = schemas.hold({"name": "n", "reason": "r", "filter": wanted}, NOW)
    assert not isinstance(kept, ValidationFailure), kept
    return {row[0] for row in service.database.query(statement, jsonvalue.compact(kept["filter"]).decode())}


@pytest.mark.parametrize(
    ("path", "ident", "names", "statement"),
    [
        (
            EVENTS,
            "event_id",
            EVENT_CONDITIONS,
            "SELECT event_id::text FROM audit_events e WHERE audit_filter_takes_event(%s::jsonb, e)",
        ),
        (
            NOTIFICATIONS,
            "id",
            NOTIFICATION_CONDITIONS,
            "SELECT id::text FROM notification_audit n WHERE audit_filter_takes_notification(%s::jsonb, n)",
        ),
    ],
    ids=["events", "notifications"],
)
def test_a_hold_takes_what_the_list_shows(
    service: Service, path: str, ident: str, names: tuple[str, ...], statement: str
) -> None:
    rng = random.Random(11)
    alone = ({name: value} for name in names for value in POOLS[name] if value is not None)
    several = (filters(rng, names) for _ in range(150))
    sizes = set()
    for wanted in itertools.chain(alone, several):
        if wanted.get("since", "") > wanted.get("until", "~"):
            continue
        if any(name in SHORT and len(value) > 20 for name, value in wanted.items()):
            continue
        shown = listed(service, path, ident, wanted)
        assert held(service, statement, wanted) == shown, wanted
        sizes.add(len(shown))
    assert len(sizes) > 10, "the filters told records apart"
    everything = listed(service, path, ident, {})
    assert held(service, statement, {}) == everything


def test_a_filter_of_a_later_release_holds_too_much_rather_than_too_little(service: Service) -> None:
    for table, function in (("audit_events", "event"), ("notification_audit", "notification")):
        takes = f"SELECT bool_and(audit_filter_takes_{function}(%s::jsonb, r)) FROM {table} r"
        later = '{"kinds": ["audit_event", "notification", "other"], "of_later": "x"}'
        assert service.database.query(takes, later) == [(True,)]
