"""A trace that a request belongs to, on its way into the tables."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest
import redis

from app.dlq.keys import KEYS
from tests.integration.workflow_support import LABELS, SEARCH, WORKFLOWS, workflow
from tests.support import Database, Valkey, event, shared_valkey, wait_until

EVENTS = "/api/v1/audit/events"
TRACE, OTHER = "4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"


def under(trace: str) -> dict[str, str]:
    """The header of a caller in this trace."""
    return {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}


def trace_ids(database: Database) -> list[Any]:
    return [row[0] for row in database.query("SELECT trace_id FROM audit_events ORDER BY correlation_id")]


def test_events_take_the_trace_of_their_request(client: flask.testing.FlaskClient, database: Database) -> None:
    def post(correlation: str, headers: dict[str, str], **members: Any) -> int:
        return client.post(EVENTS, json=event(correlation_id=correlation, **members), headers=headers).status_code

    assert post("1", under(TRACE)) == 201
    assert post("2", under(TRACE), trace_id="the client's own") == 201
    assert post("3", under(TRACE), trace_id=None) == 201
    assert post("4", {}) == 201  # not that of the request before, though the same thread serves it
    assert post("5", {"traceparent": f"00-{TRACE.upper()}-00f067aa0ba902b7-01"}) == 201
    batch = [event(correlation_id="6"), event(correlation_id="7", trace_id="own")]
    assert client.post(EVENTS + "/batch", json=batch, headers=under(OTHER)).status_code == 201
    assert trace_ids(database) == [TRACE, "the client's own", TRACE, None, None, OTHER, "own"]
    rows = {row["correlation_id"]: row["trace_id_from_context"] for row in client.get(EVENTS).json["data"]}
    assert rows == {"1": True, "2": False, "3": True, "4": False, "5": False, "6": True, "7": False}
    spans = database.query("SELECT count(*) FROM audit_events WHERE span_id IS NOT NULL")
    assert spans == [(0,)]


def test_a_retry_under_another_trace_is_the_same_event(client: flask.testing.FlaskClient, database: Database) -> None:
    body = event(event_id=str(uuid.uuid4()))
    assert client.post(EVENTS, json=body, headers=under(TRACE)).status_code == 201
    assert client.post(EVENTS, json=body, headers=under(OTHER)).status_code == 200
    assert client.post(EVENTS, json=body).status_code == 200
    batch = client.post(EVENTS + "/batch", json=[body], headers=under(OTHER))
    assert (batch.status_code, batch.json["duplicates"]) == (200, [0])
    assert trace_ids(database) == [TRACE]
    assert client.get(f"{EVENTS}/{body['event_id']}").json["trace_id"] == TRACE
    # What a client says itself is content.
    assert client.post(EVENTS, json={**body, "trace_id": TRACE}).status_code == 409


def test_the_catalogues_own_events_too(client: flask.testing.FlaskClient, database: Database) -> None:
    created = client.post(WORKFLOWS, json=workflow(), headers=under(TRACE))
    assert created.status_code == 201, created.text
    found = client.post(SEARCH, json={"filters": LABELS}, headers=under(OTHER))
    assert found.status_code == 200, found.text
    found.close()
    wait_until(lambda: database.count() == 2, what="both events")
    rows = database.query(
        "SELECT event_action, trace_id, trace_id_from_context FROM audit_events ORDER BY event_action"
    )
    assert rows == [("create", TRACE, True), ("search_completed", OTHER, True)]


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with shared_valkey() as server:
        yield server


def test_a_trace_survives_the_queue_and_the_retry_is_recognised(
    make_app: Callable[..., flask.Flask], valkey: Valkey, database: Database
) -> None:
    app = make_app(redis={"url": valkey.url(0)})
    wait_until(lambda: app.extensions["datastorage"].queue_watch.state.connected, what="Redis connected")
    client = app.test_client()
    streams: redis.Redis = redis.Redis.from_url(valkey.url(0))
    key = KEYS["events"].stream
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    bodies = [event(correlation_id=str(i), event_id=str(uuid.uuid4())) for i in range(3)]
    bodies[1]["trace_id"] = "own"
    for body in bodies:
        assert client.post(EVENTS, json=body, headers=under(TRACE)).status_code == 202
    # An entry that somebody else wrote: what it claims to be a trace is looked at as a header is.
    entry = json.loads(streams.xrange(key)[2][1][b"message"])
    forged = {**entry, "trace_id": "x" * 5000, "payload": {**entry["payload"], "event_id": str(uuid.uuid4())}}
    streams.xadd(key, {"message": json.dumps(forged)})
    database.query("GRANT INSERT ON audit_events TO datastorage")
    wait_until(lambda: streams.xlen(key) == 0, what="stream empty")
    stored = database.query(
        "SELECT trace_id, trace_id_from_context FROM audit_events ORDER BY correlation_id, trace_id"
    )
    assert stored == [(TRACE, True), ("own", False), (TRACE, True), (None, False)]
    assert streams.xlen(KEYS["events"].dead) == 0
    for body in bodies:
        assert client.post(EVENTS, json=body, headers=under(OTHER)).status_code == 200
    streams.close()
