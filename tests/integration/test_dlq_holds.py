"""A dead letter whose record is under a hold is not deleted, by nobody."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

import flask
import pytest
import redis

from app.audit.event import AuditEvent
from app.audit.recorder import Recorder
from app.dlq.admin import Admin
from app.dlq.keys import KEYS
from app.services import Services
from tests.support import Database, Valkey, event, notification, wait_until

HOLDS = "/api/v1/holds"
LETTERS = "/api/v1/dlq/dead-letters"


@pytest.fixture
def app(make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis) -> flask.Flask:
    return make_app(redis={"url": valkey.url(0)})


def letter(streams: redis.Redis, stream: str, message: Any) -> str:
    """The id of a new dead letter."""
    text = message if isinstance(message, str) else json.dumps(message)
    return f"{stream}:{streams.xadd(KEYS[stream].dead, {'message': text}).decode()}"


def hold(app: flask.Flask, wanted: dict[str, Any]) -> str:
    answer = app.test_client().post(HOLDS, json={"name": "n", "reason": "r", "filter": wanted})
    assert answer.status_code == 201
    return str(answer.json["hold_id"])


def test_a_record_under_a_hold_stays(app: flask.Flask, streams: redis.Redis) -> None:
    client = app.test_client()
    held = letter(
        streams,
        "events",
        {"type": "audit_event", "payload": event(event_id=str(uuid.uuid4()), actor_id="alice", event_data={"n": 1.0})},
    )
    by_request = letter(
        streams,
        "events",
        {"type": "audit_event", "payload": event(event_id=str(uuid.uuid4()), actor_id="bob"), "request_id": "r-held"},
    )
    free = letter(
        streams, "events", {"type": "audit_event", "payload": event(event_id=str(uuid.uuid4()), actor_id="bob")}
    )
    told = letter(
        streams, "notifications", {"type": "notification_audit", "payload": notification(remediation_id="rr-held")}
    )
    unread = letter(streams, "events", "broken")
    ones = [
        hold(app, {"actor_id": "alice", "data": {"n": 1}}),
        hold(app, {"request_id": "r-held"}),
        hold(app, {"remediation_id": "rr-held"}),
    ]
    for letter_id, by in ((held, ones[:1]), (by_request, ones[1:2]), (told, ones[2:]), (unread, ones)):
        answer = client.delete(f"{LETTERS}/{letter_id}")
        assert (answer.status_code, answer.json["type"].rpartition("/")[2]) == (409, "held"), answer.json
        assert answer.json["held_by"] == by
        assert client.get(f"{LETTERS}/{letter_id}").status_code == 200
    assert client.delete(f"{LETTERS}/{free}").status_code == 200, "no hold takes it"
    for one in ones:
        assert client.post(f"{HOLDS}/{one}/release", json={"reason": "r"}).status_code == 200
    for letter_id in (held, by_request, told, unread):
        assert client.delete(f"{LETTERS}/{letter_id}").status_code == 200
        assert client.delete(f"{LETTERS}/{letter_id}").status_code == 404


def test_one_with_a_text_that_nothing_can_store_is_under_every_hold(app: flask.Flask, streams: redis.Redis) -> None:
    """An answer shows the escape of a lone surrogate: with that in its place it would be a record, and it is none."""
    client = app.test_client()
    unread = event(event_id=str(uuid.uuid4()), actor_id="bob", namespace="shop\ud800")
    ident = letter(streams, "events", {"type": "audit_event", "payload": unread})
    one = hold(app, {"actor_id": "alice"})
    answer = client.delete(f"{LETTERS}/{ident}")
    assert (answer.status_code, answer.json.get("held_by")) == (409, [one])
    assert client.post(f"{HOLDS}/{one}/release", json={"reason": "r"}).status_code == 200
    assert client.delete(f"{LETTERS}/{ident}").status_code == 200


def test_a_number_that_nothing_can_write_hides_no_letter(app: flask.Flask, streams: redis.Redis) -> None:
    """It is shown as it lies there, is under every hold, and can be deleted when there is none."""
    client = app.test_client()
    text = '{"type": "audit_event", "payload": {"event_data": {"n": 1e99999999999999999999}}}'
    ident, beside = letter(streams, "events", text), letter(streams, "events", "{}")
    shown = client.get(LETTERS)
    assert (shown.status_code, [found["id"] for found in shown.json["dead_letters"]]) == (200, [ident, beside])
    assert (client.get(f"{LETTERS}/{ident}").json["raw"], shown.json["dead_letters"][0]["entry"]) == (text, None)
    one = hold(app, {"actor_id": "alice"})
    assert client.delete(f"{LETTERS}/{ident}").status_code == 409
    assert client.post(f"{HOLDS}/{one}/release", json={"reason": "r"}).status_code == 200
    assert client.delete(f"{LETTERS}/{ident}").status_code == 200


def test_without_the_database_no_letter_is_deleted(app: flask.Flask, streams: redis.Redis) -> None:
    ident = letter(streams, "events", "broken")
    services: Services = app.extensions["datastorage"]
    services.breaker.failed(unreachable=True)
    try:
        assert app.test_client().delete(f"{LETTERS}/{ident}").status_code == 503
    finally:
        services.breaker.recovered()
    assert app.test_client().get(f"{LETTERS}/{ident}").status_code == 200


def test_who_sets_a_hold_is_answered_after_a_deletion_that_began_before(
    app: flask.Flask, streams: redis.Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be answered that nothing is removed any more, and then something would."""
    ident = letter(
        streams, "events", {"type": "audit_event", "payload": event(event_id=str(uuid.uuid4()), actor_id="alice")}
    )
    order: list[str] = []
    real = Admin.delete

    def set_hold() -> None:
        hold(app, {"actor_id": "alice"})
        order.append("set")

    setting = threading.Thread(target=set_hold)

    def delete(self: Admin, letter_id: str) -> bool:
        setting.start()
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(lambda: database.query(waits) == [(1,)], what="the hold waits")
        done = real(self, letter_id)
        order.append("deleted")
        return done

    monkeypatch.setattr(Admin, "delete", delete)
    assert app.test_client().delete(f"{LETTERS}/{ident}").status_code == 200
    setting.join(timeout=60)
    assert order == ["deleted", "set"]


def test_who_lost_the_lock_meanwhile_deletes_nothing(
    make_app: Callable[..., flask.Flask],
    valkey: Valkey,
    streams: redis.Redis,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL restarts, fails over or ends a session that idled, while it is recorded what is about to be done."""
    app, other = (make_app(redis={"url": valkey.url(0)}, audit={"record_service": True}) for _ in range(2))
    ident = letter(
        streams, "events", {"type": "audit_event", "payload": event(event_id=str(uuid.uuid4()), actor_id="alice")}
    )
    real = Recorder.keep

    def keep(self: Recorder, told: AuditEvent) -> bool:
        ended = (
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock'"
        )
        assert database.query(ended) == [(True,)]
        hold(other, {"actor_id": "alice"})
        return real(self, told)

    monkeypatch.setattr(Recorder, "keep", keep)
    assert app.test_client().delete(f"{LETTERS}/{ident}").status_code == 503
    assert other.test_client().get(f"{LETTERS}/{ident}").status_code == 200
