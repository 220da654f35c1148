"""Whoever is given events that are marked sensitive, is recorded first."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import flask.testing
import pytest
import redis
import yaml

from app.audit.own_events import ACCESS
from app.auth.principal import token_digest
from app.dlq.keys import KEYS
from tests.integration.test_dlq_replay import put
from tests.read_limits import bearer, named_principals
from tests.support import Database, Valkey, event, wait_until

EVENTS = "/api/v1/audit/events"
FEED = "/api/v1/audit/feed"


@pytest.fixture
def alice(tmp_path: Path) -> dict[str, Any]:
    """Settings with which alice may do everything, by the token alice-token."""
    scopes = ["audit:write", "audit:read", "dlq:admin"]
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(yaml.safe_dump([{"name": "alice", "sha256": token_digest("a").hex(), "scopes": scopes}]))
    return {"mode": "token", "tokens_file": str(tokens)}


def accesses(database: Database) -> list[dict[str, Any]]:
    """What was recorded of readers, oldest first."""
    names = ("actor_id", "actor_ip", "correlation_id", "resource_id", "trace_id", "recorded_by", "is_sensitive")
    columns = ", ".join("host(actor_ip)" if name == "actor_ip" else name for name in names)
    rows = database.query(
        f"SELECT {columns}, event_data FROM audit_events WHERE event_category = %s ORDER BY event_id", ACCESS
    )
    return [dict(zip((*names, "data"), row, strict=True)) for row in rows]


def test_who_reads_sensitive_events_is_recorded(
    make_app: Callable[..., flask.Flask], database: Database, alice: dict[str, Any]
) -> None:
    client = make_app(auth=alice).test_client()
    headers = {"Authorization": "Bearer a", "X-Request-ID": "r-1"}
    secret, other = (str(uuid.uuid4()) for _ in range(2))
    assert client.post(EVENTS, json=event(event_id=secret, is_sensitive=True), headers=headers).status_code == 201
    assert client.post(EVENTS, json=event(event_id=other), headers=headers).status_code == 201
    assert client.get(f"{EVENTS}/{other}", headers=headers).status_code == 200
    assert client.get(f"{EVENTS}?correlation_id=nothing", headers=headers).status_code == 200
    assert accesses(database) == [], "nobody was given a sensitive event"

    traced = {**headers, "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    listed = client.get(f"{EVENTS}?event_category=gateway&limit=10", headers=traced)
    assert len(listed.json["data"]) == 2
    found = client.get(f"{EVENTS}/{secret}", headers={**headers, "X-Request-ID": "r-2"})
    assert found.json["is_sensitive"] is True
    by_list, by_id = accesses(database)
    assert by_list == {
        "actor_id": "alice",
        "actor_ip": "127.0.0.1",
        "correlation_id": "r-1",
        "resource_id": secret,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "recorded_by": None,
        "is_sensitive": False,
        "data": {
            "request_id": "r-1",
            "route": f"GET {EVENTS}",
            "filters": {"event_category": "gateway", "limit": "10"},
            "sensitive_events": 1,
            "event_ids": [secret],
        },
    }
    assert (by_id["correlation_id"], by_id["resource_id"]) == ("r-2", secret)
    assert by_id["data"]["filters"] == {"event_id": secret}
    # What is recorded of readers is no secret itself: reading it makes no more of it.
    assert client.get(f"{EVENTS}?event_category=gateway&limit=1&offset=5", headers=headers).status_code == 200
    assert len(accesses(database)) == 2


def test_only_what_the_answer_holds_is_recorded(client: flask.testing.FlaskClient, database: Database) -> None:
    batch = [event(correlation_id=str(n), is_sensitive=True) for n in range(130)]
    assert client.post(EVENTS + "/batch", json=batch).status_code == 201
    assert len(client.get(EVENTS + "?limit=3").json["data"]) == 3
    assert len(client.get(EVENTS + "?limit=1000&event_category=gateway").json["data"]) == 130
    few, many = (row["data"] for row in accesses(database))
    assert accesses(database)[0]["resource_id"] == f"GET {EVENTS}"
    assert (few["sensitive_events"], len(few["event_ids"])) == (3, 3)
    assert (many["sensitive_events"], len(many["event_ids"])) == (130, 100)
    assert accesses(database)[0]["actor_id"] == "anonymous"


def test_without_the_setting_nothing_is_recorded(make_app: Callable[..., flask.Flask], database: Database) -> None:
    client = make_app(audit={"record_access": False}).test_client()
    assert client.post(EVENTS, json=event(is_sensitive=True)).status_code == 201
    assert len(client.get(EVENTS).json["data"]) == 1
    assert accesses(database) == []


def test_what_cannot_be_recorded_is_not_answered(make_app: Callable[..., flask.Flask], database: Database) -> None:
    client = make_app().test_client()
    secret, other = (str(uuid.uuid4()) for _ in range(2))
    for ident, sensitive in ((secret, True), (other, False)):
        assert client.post(EVENTS, json=event(event_id=ident, is_sensitive=sensitive)).status_code == 201
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    for path in (EVENTS, f"{EVENTS}/{secret}"):
        refused = client.get(path)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert refused.json["type"].endswith("/service-unavailable")
        assert "data" not in refused.json
    assert client.get(f"{EVENTS}/{other}").status_code == 200
    database.query("GRANT INSERT ON audit_events TO datastorage")
    wait_until(lambda: client.get(EVENTS).status_code == 200, what="read again")
    assert len(accesses(database)) == 1


def in_the_log(app: flask.Flask) -> None:
    """Wait until every record has its place, from where the feed gives it."""
    database = app.extensions["datastorage"].database
    pending = "SELECT EXISTS (SELECT FROM log_pending_a) OR EXISTS (SELECT FROM log_pending_b)"
    wait_until(lambda: database.read(lambda c: c.execute(pending).fetchone()) == (False,), what="all has its place")


def test_who_follows_the_log_is_recorded_too(
    make_app: Callable[..., flask.Flask], database: Database, alice: dict[str, Any]
) -> None:
    app = make_app(auth=alice)
    client, headers = app.test_client(), {"Authorization": "Bearer a", "X-Request-ID": "r-1"}
    sent = [event(correlation_id=f"c-{n}", is_sensitive=n in (1, 4)) for n in range(6)]
    stored = client.post(EVENTS + "/batch", json=sent, headers=headers).json["event_ids"]
    in_the_log(app)
    first = client.get(f"{FEED}?limit=1", headers=headers).json
    following = f"{FEED}?after={first['next']}"
    for path in (f"{FEED}?correlation_id=c-2", f"{FEED}?after=end", f"{FEED}?kinds=notification,act"):
        assert client.get(path, headers=headers).status_code == 200
    assert accesses(database) == [], "nobody was given a sensitive event"

    page = client.get(f"{following}&limit=2", headers=headers).json
    assert [row["is_sensitive"] for row in page["events"]] == [True, False]
    [one] = accesses(database)
    assert (one["actor_id"], one["correlation_id"], one["resource_id"]) == ("alice", "r-1", stored[1])
    assert one["data"] == {
        "request_id": "r-1",
        "route": f"GET {FEED}",
        "filters": {"after": first["next"], "limit": "2"},
        "sensitive_events": 1,
        "event_ids": [stored[1]],
    }
    assert len(client.get(f"{FEED}?kinds=audit_event,notification", headers=headers).json["events"]) >= 6
    assert accesses(database)[1]["data"]["event_ids"] == [stored[1], stored[4]]
    in_the_log(app)
    # What is recorded of readers is no secret itself: reading it makes no more of it.
    own = client.get(f"{FEED}?event_category={ACCESS}", headers=headers).json["events"]
    assert len(own) == len(accesses(database)) == 2


def test_who_may_read_some_records_is_recorded_with_those(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    with named_principals():
        app = make_app()
        client = app.test_client()
        teams = ("payments", "bank", "payments", None)
        sent = [event(namespace=team, is_sensitive=True) for team in teams]
        stored = client.post(EVENTS + "/batch", json=sent, headers=bearer("unlimited")).json["event_ids"]
        in_the_log(app)
        assert client.get(FEED, headers=bearer("unknown")).json["events"] == []
        assert accesses(database) == []
        given = client.get(FEED, headers=bearer("one")).json["events"]
        assert [row["event_id"] for row in given] == [stored[0], stored[2]]
        [row] = accesses(database)
        assert (row["actor_id"], row["data"]["event_ids"]) == ("one", [stored[0], stored[2]])
        database.query("REVOKE INSERT ON audit_events FROM datastorage")
        assert client.get(FEED, headers=bearer("one")).status_code == 503
        assert client.get(f"{FEED}?event_outcome=failure", headers=bearer("one")).status_code == 200
        database.query("GRANT INSERT ON audit_events TO datastorage")


def test_only_what_a_page_of_the_feed_had_room_for_is_recorded(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    app = make_app(server={"max_response_bytes": 1 << 16}, audit={"record_service": False})
    client = app.test_client()
    # Each fills more than half of a page; the events between them are small.
    sizes = [10, 40_000, 10, 40_000, 10]
    sent = [event(event_data={"text": "x" * size}, is_sensitive=True) for size in sizes]
    stored = client.post(EVENTS + "/batch", json=sent).json["event_ids"]
    in_the_log(app)
    page = client.get(f"{FEED}?kinds=audit_event,notification").json
    assert [row["event_id"] for row in page["events"]] == stored[:3]
    assert not page["caught_up"]
    assert accesses(database)[0]["data"]["event_ids"] == stored[:3]


def test_a_page_of_the_feed_that_cannot_be_recorded_is_not_answered(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    app = make_app()
    client = app.test_client()
    sent = [event(correlation_id="secret", is_sensitive=True), event(correlation_id="other")]
    assert client.post(EVENTS + "/batch", json=sent).status_code == 201
    in_the_log(app)
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    for asked in ("", "?correlation_id=secret", "?limit=1", "?wait=1", "?salts=true"):
        refused = client.get(FEED + asked)
        assert (refused.status_code, refused.headers["Cache-Control"]) == (503, "no-store")
        assert int(refused.headers["Retry-After"]) > 0
        assert "Link" not in refused.headers, "nobody gets past what he was not given"
        assert not {"events", "next"} & refused.json.keys()
    assert client.get(f"{FEED}?correlation_id=other").status_code == 200
    database.query("GRANT INSERT ON audit_events TO datastorage")
    answered = wait_until(lambda: a if (a := client.get(FEED)).status_code == 200 else None, what="read again")
    assert [row["correlation_id"] for row in answered.json["events"]][:2] == ["secret", "other"]
    assert len(accesses(database)) == 1


def test_the_dead_letter_queue_keeps_who_read(
    make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis, database: Database
) -> None:
    app = make_app(redis={"url": valkey.url(0)})
    wait_until(lambda: app.extensions["datastorage"].queue_watch.state.connected, what="Redis connected")
    client = app.test_client()
    assert client.post(EVENTS, json=event(is_sensitive=True)).status_code == 201
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    assert len(client.get(EVENTS).json["data"]) == 1
    assert streams.xlen(KEYS["events"].stream) == 1
    database.query("GRANT INSERT ON audit_events TO datastorage")
    wait_until(lambda: len(accesses(database)) == 1, what="replayed")
    assert streams.xlen(KEYS["events"].dead) == 0


def test_a_sensitive_dead_letter_is_recorded_too(
    make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis, database: Database
) -> None:
    client = make_app(redis={"url": valkey.url(0)}).test_client()
    secret = put(streams, is_sensitive=True, event_type="")
    put(streams, event_type="")
    wait_until(lambda: streams.xlen(KEYS["events"].dead) == 2, what="dead letters")
    first, second = client.get("/api/v1/dlq/dead-letters").json["dead_letters"]
    assert client.get(f"/api/v1/dlq/dead-letters/{second['id']}").status_code == 200
    assert client.get("/api/v1/dlq/dead-letters?stream=notifications").status_code == 200
    [listed] = accesses(database)
    assert listed["data"]["event_ids"] == [secret]
    assert client.get(f"/api/v1/dlq/dead-letters/{first['id']}").status_code == 200
    assert accesses(database)[1]["data"]["filters"] == {"letter_id": first["id"]}


def test_a_filter_that_cannot_be_stored_is_recorded_as_far_as_it_can(
    client: flask.testing.FlaskClient, database: Database
) -> None:
    assert client.post(EVENTS, json=event(is_sensitive=True)).status_code == 201
    assert client.get(EVENTS + "?strict=false&x=%00&%00=y").status_code == 200
    [row] = accesses(database)
    assert row["data"]["filters"] == {"strict": "false", "x": "\ufffd", "\ufffd": "y"}


@pytest.mark.parametrize("damaged", ["a\0b", "\ud800"])
def test_a_damaged_dead_letter_hides_no_others_and_can_be_deleted(
    make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis, database: Database, damaged: str
) -> None:
    client = make_app(redis={"url": valkey.url(0)}).test_client()
    put(streams, event_id=damaged, is_sensitive=True)
    put(streams, event_type="")
    wait_until(lambda: streams.xlen(KEYS["events"].dead) == 2, what="dead letters")
    letters = client.get("/api/v1/dlq/dead-letters")
    assert letters.status_code == 200, letters.text
    first, _ = letters.json["dead_letters"]
    path = f"/api/v1/dlq/dead-letters/{first['id']}"
    assert client.get(path).status_code == 200
    assert client.post(path + "/replay").status_code == 202
    wait_until(lambda: streams.xlen(KEYS["events"].dead) == 2, what="it is a dead letter again")
    again = client.get("/api/v1/dlq/dead-letters").json["dead_letters"][-1]
    assert client.delete(f"/api/v1/dlq/dead-letters/{again['id']}").status_code == 200
