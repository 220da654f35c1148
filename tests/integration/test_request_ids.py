"""The id of a request on its way into the tables: with each record, beside its content."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import flask
import redis

from app.dlq.keys import KEYS
from tests.integration.workflow_support import LABELS, SEARCH, WORKFLOWS, workflow
from tests.support import Database, Valkey, event, notification, wait_until

EVENTS = "/api/v1/audit/events"
NOTIFICATIONS = "/api/v1/audit/notifications"


def of(request_id: str) -> dict[str, str]:
    return {"X-Request-ID": request_id}


def ids(answer: Any) -> set[str]:
    return {row["event_id"] for row in answer.json["data"]}


def test_each_record_has_the_id_of_its_request(client: flask.testing.FlaskClient) -> None:
    first = client.post(EVENTS, json=event(), headers=of("rq-1"))
    batch = client.post(EVENTS + "/batch", json=[event(), event()], headers=of("rq-2"))
    unnamed = client.post(EVENTS, json=event())
    made = unnamed.headers["X-Request-ID"]
    assert uuid.UUID(made).version == 7, "beside those of its time in the index"
    row = client.get(f"{EVENTS}/{first.json['event_id']}").json
    assert row["request_id"] == "rq-1"
    for asked, found in (
        ("rq-1", {first.json["event_id"]}),
        ("rq-2", set(batch.json["event_ids"])),
        (made, {unnamed.json["event_id"]}),
        ("RQ-1", set()),
        ("rq-", set()),
    ):
        assert ids(client.get(EVENTS, query_string={"request_id": asked})) == found
    sent = notification()
    assert client.post(NOTIFICATIONS, json=sent, headers=of("rq-3")).status_code == 201
    [record] = client.get(NOTIFICATIONS, query_string={"remediation_id": sent["remediation_id"]}).json["data"]
    assert record["request_id"] == "rq-3"


def test_a_retry_keeps_the_id_of_the_first(client: flask.testing.FlaskClient, database: Database) -> None:
    body = event(event_id=str(uuid.uuid4()))
    assert client.post(EVENTS, json=body, headers=of("rq-1")).status_code == 201
    assert client.post(EVENTS, json=body, headers=of("rq-2")).status_code == 200
    # What a client says of it is a member that the service does not know.
    assert client.post(EVENTS, json={**body, "request_id": "mine"}, headers=of("rq-3")).status_code == 200
    assert database.query("SELECT request_id FROM audit_events") == [("rq-1",)]


def test_the_catalogues_own_events_too(client: flask.testing.FlaskClient, database: Database) -> None:
    created = client.post(WORKFLOWS, json=workflow(), headers=of("rq-1"))
    assert created.status_code == 201, created.text
    path = f"{WORKFLOWS}/{created.json['workflow_id']}"
    assert client.patch(path, json={"status": "disabled"}, headers=of("rq-2")).status_code == 200
    found = client.post(SEARCH, json={"filters": LABELS}, headers=of("rq-3"))
    assert found.status_code == 200, found.text
    found.close()
    wait_until(lambda: database.count() == 3, what="all events")
    rows = dict(database.query("SELECT event_action, request_id FROM audit_events"))
    assert rows == {"create": "rq-1", "update": "rq-2", "search_completed": "rq-3"}


def test_an_id_survives_the_queue(
    make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis, database: Database
) -> None:
    app = make_app(redis={"url": valkey.url(0)})
    wait_until(lambda: app.extensions["datastorage"].queue_watch.state.connected, what="Redis connected")
    client = app.test_client()
    key = KEYS["events"].stream
    database.query("REVOKE INSERT ON audit_events, notification_audit FROM datastorage")
    bodies = [event(correlation_id=str(i), event_id=str(uuid.uuid4())) for i in range(2)]
    for i, body in enumerate(bodies):
        assert client.post(EVENTS, json=body, headers=of(f"rq-{i}")).status_code == 202
    assert client.post(NOTIFICATIONS, json=notification(), headers=of("rq-n")).status_code == 202
    # As the release before writes an entry, and as somebody might who is none.
    entry = json.loads(streams.xrange(key)[0][1][b"message"])
    for i, beside in enumerate(({}, {"request_id": "x" * 5000})):
        payload = {**entry["payload"], "event_id": str(uuid.uuid4()), "correlation_id": str(2 + i)}
        before = {name: value for name, value in entry.items() if name != "request_id"}
        streams.xadd(key, {"message": json.dumps({**before, **beside, "payload": payload})})
    database.query("GRANT INSERT ON audit_events, notification_audit TO datastorage")
    wait_until(lambda: not any(streams.xlen(KEYS[name].stream) for name in KEYS), what="streams empty")
    stored = database.query("SELECT request_id FROM audit_events ORDER BY correlation_id")
    assert [row[0] for row in stored] == ["rq-0", "rq-1", None, None]
    assert database.query("SELECT request_id FROM notification_audit") == [("rq-n",)]
    assert not any(streams.xlen(KEYS[name].dead) for name in KEYS)
    for body in bodies:
        assert client.post(EVENTS, json=body, headers=of("again")).status_code == 200
