"""The dead letter queue against real PostgreSQL and Valkey: spill, cap, replay, dead letters, their admin."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from typing import Any

import flask
import psycopg
import pytest
import redis
import werkzeug.serving
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage

from app.dlq import consumer
from app.dlq.keys import GROUP, KEYS
from app.services import Services
from tests.support import Database, Valkey, event, notification, valkey_server, wait_until


@pytest.fixture
def make(make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis) -> Callable[..., flask.Flask]:
    """Builds a running service with a dead letter queue."""

    def build(**sections: Any) -> flask.Flask:
        app = make_app(redis={"url": valkey.url(0)}, **sections)
        services = services_of(app)
        wait_until(lambda: services.queue_watch.state.connected, what="Redis connected")
        return app

    return build


def services_of(app: flask.Flask) -> Services:
    services = app.extensions["datastorage"]
    assert isinstance(services, Services)
    return services


def take_away(database: Database) -> None:
    """Make the database refuse writes: a deployment fault, healed by `give_back`."""
    database.query("REVOKE INSERT ON audit_events, notification_audit FROM datastorage")


def give_back(database: Database) -> None:
    database.query("GRANT INSERT ON audit_events, notification_audit TO datastorage")


def empty(streams: redis.Redis, name: str = "events") -> bool:
    return streams.xlen(KEYS[name].stream) == 0


def test_events_batches_and_notifications_spill_and_come_back(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    client = make().test_client()
    take_away(database)
    ids = [str(uuid.uuid4()) for _ in range(4)]
    single = client.post("/api/v1/audit/events", json=event(event_id=ids[0]))
    assert single.status_code == 202
    assert single.json == {
        "status": "accepted",
        "message": "audit event queued for async processing",
        "event_id": ids[0],
        "event_timestamp": single.json["event_timestamp"],
    }
    batch = client.post("/api/v1/audit/events/batch", json=[event(event_id=i) for i in ids[1:]])
    assert batch.status_code == 202
    assert batch.json == {
        "status": "accepted",
        "message": "3 audit events queued for async processing",
        "count": 3,
        "event_ids": ids[1:],
    }
    note = client.post("/api/v1/audit/notifications", json=notification(notification_id="n-1"))
    assert (note.status_code, note.json) == (
        202,
        {"status": "accepted", "message": "audit record queued for processing"},
    )
    assert database.count() == 0
    entry = json.loads(streams.xrange(KEYS["events"].stream)[0][1][b"message"])
    assert entry["type"] == "audit_event"
    assert entry["payload"]["event_id"] == ids[0]
    assert entry["payload"]["event_data"] == {"hello": "world"}
    assert {"timestamp", "retry_count", "last_error"} < entry.keys()
    give_back(database)
    wait_until(lambda: empty(streams) and empty(streams, "notifications"), what="streams empty")
    assert {str(row[0]) for row in database.query("SELECT event_id FROM audit_events")} == set(ids)
    assert database.count("notification_audit") == 1
    assert streams.xpending(KEYS["events"].stream, GROUP)["pending"] == 0
    assert int(streams.get(KEYS["events"].size)) == 0
    again = client.post("/api/v1/audit/events", json=event())
    assert again.status_code == 201


def test_replayed_content_is_what_was_sent_and_a_retry_is_recognised(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    client = make().test_client()
    take_away(database)
    raw = b'{"big":123456789012345678901234567890,"decimal":1.10,"text":"\\u00e9\xe2\x82\xac"}'
    body = event(event_id=str(uuid.uuid4()), event_data=0, actor_ip="::1", duration_ms=0)
    sent = json.dumps(body).encode().replace(b'"event_data": 0', b'"event_data": ' + raw)
    post = {"data": sent, "content_type": "application/json"}
    assert client.post("/api/v1/audit/events", **post).status_code == 202
    give_back(database)
    wait_until(lambda: empty(streams), what="stream empty")
    assert client.post("/api/v1/audit/events", **post).status_code == 200
    stored = client.get(f"/api/v1/audit/events/{body['event_id']}").data
    assert b"123456789012345678901234567890" in stored
    assert b"1.10" in stored


def test_the_cap_is_never_passed_and_a_batch_is_never_half_kept(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    client = make(dlq={"max_len": 10}).test_client()
    take_away(database)
    eight = client.post("/api/v1/audit/events/batch", json=[event() for _ in range(8)])
    assert eight.status_code == 202
    three = client.post("/api/v1/audit/events/batch", json=[event() for _ in range(3)])
    assert three.status_code == 503
    assert three.json["type"].endswith("/dlq-full")
    assert three.headers["Retry-After"] == "5"
    assert streams.xlen(KEYS["events"].stream) == 8
    codes = [client.post("/api/v1/audit/events", json=event()).status_code for _ in range(4)]
    assert codes == [202, 202, 503, 503]
    assert streams.xlen(KEYS["events"].stream) == 10
    give_back(database)
    wait_until(lambda: empty(streams), what="stream empty")
    assert database.count() == 10


def test_alarms_rise_and_fall(make: Callable[..., flask.Flask], database: Database, streams: redis.Redis) -> None:
    app = make(dlq={"max_len": 100})
    client = app.test_client()

    def alarms() -> tuple[int, ...]:
        services_of(app).queue_watch.look()
        text = client.get("/metrics").data.decode()
        names = ("warning", "critical", "overflow_imminent")
        return tuple(int(f'datastorage_dlq_{n}{{stream="events"}} 1.0' in text) for n in names)

    take_away(database)
    for fill, expected in ((79, (0, 0, 0)), (1, (1, 0, 0)), (9, (1, 0, 0)), (1, (1, 1, 0)), (5, (1, 1, 1))):
        client.post("/api/v1/audit/events/batch", json=[event() for _ in range(fill)])
        assert alarms() == expected
    give_back(database)
    wait_until(lambda: empty(streams), what="stream empty")
    assert alarms() == (0, 0, 0)


def test_what_can_never_be_stored_becomes_a_dead_letter_with_its_reason(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    app = make()
    client = app.test_client()
    stored = str(uuid.uuid4())
    moment = event()["event_timestamp"]
    assert client.post("/api/v1/audit/events", json=event(event_id=stored, event_timestamp=moment)).status_code == 201
    stream = KEYS["events"].stream
    different = event(event_id=stored, event_timestamp=moment, severity="other")
    for message in (
        "not json",
        json.dumps({"type": "audit_event/99", "payload": {}}),
        json.dumps({"type": "audit_event", "payload": {**event(event_id=str(uuid.uuid4())), "version": ""}}),
        json.dumps({"type": "audit_event", "payload": different}),
    ):
        streams.xadd(stream, {"message": message})
    streams.xadd(stream, {"other": "field"})
    wait_until(lambda: empty(streams), what="stream empty")
    letters = client.get("/api/v1/dlq/dead-letters").json["dead_letters"]
    reasons = [letter["reason"] for letter in letters]
    assert len(reasons) == 5
    for part in ("not JSON", "unknown type", "version must not be empty", "different content", "no message"):
        assert any(part in reason for reason in reasons), (part, reasons)
    assert all(letter["original_id"] and letter["moved_at"] for letter in letters)
    assert client.get("/api/v1/dlq").json["streams"]["events"]["dead_letters"] == 5


def test_what_was_accepted_before_numbers_were_measured_written_out_is_kept(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    client = make().test_client()
    body = json.dumps(event(event_id=str(uuid.uuid4()), event_data="@"))
    body = body.replace('"@"', '{"n": [' + ",".join(["1e400"] * 1000) + "]}")
    assert client.post("/api/v1/audit/events", data=body, content_type="application/json").status_code == 400
    streams.xadd(KEYS["events"].stream, {"message": f'{{"type": "audit_event", "payload": {body}}}'})
    wait_until(lambda: empty(streams), what="stream empty")
    assert database.count() == 1
    assert client.get("/api/v1/dlq/dead-letters").json["dead_letters"] == []


def test_a_dead_letter_is_replayed_after_a_fix_or_deleted(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    client = make().test_client()
    database.query("ALTER TABLE audit_events ADD CONSTRAINT no_poison CHECK (correlation_id <> 'poison')")
    ident = str(uuid.uuid4())
    payload = event(event_id=ident, correlation_id="poison")
    streams.xadd(KEYS["events"].stream, {"message": json.dumps({"type": "audit_event", "payload": payload})})
    streams.xadd(KEYS["events"].stream, {"message": "broken"})
    wait_until(lambda: streams.xlen(KEYS["events"].dead) == 2, what="two dead letters")
    wait_until(lambda: empty(streams), what="stream empty")
    by_reason = {d["reason"]: d["id"] for d in client.get("/api/v1/dlq/dead-letters").json["dead_letters"]}
    poison = by_reason["PostgreSQL refuses the record"]
    # Replayed too early it fails again and stays a dead letter.
    assert client.post(f"/api/v1/dlq/dead-letters/{poison}/replay").status_code == 202
    wait_until(lambda: empty(streams) and streams.xlen(KEYS["events"].dead) == 2, what="dead again")
    database.query("ALTER TABLE audit_events DROP CONSTRAINT no_poison")
    letters = client.get("/api/v1/dlq/dead-letters").json["dead_letters"]
    poison = next(d["id"] for d in letters if d["entry"] is not None)
    assert client.post(f"/api/v1/dlq/dead-letters/{poison}/replay").status_code == 202
    stored = "SELECT event_id::text FROM audit_events WHERE correlation_id = 'poison'"
    wait_until(lambda: database.query(stored) == [(ident,)], what="stored after the fix")
    broken = client.get("/api/v1/dlq/dead-letters").json["dead_letters"][0]
    assert broken["raw"] == "broken"
    assert client.delete(f"/api/v1/dlq/dead-letters/{broken['id']}").status_code == 200
    for call in (client.delete, client.get):
        assert call(f"/api/v1/dlq/dead-letters/{broken['id']}").status_code == 404
    for unknown in ("events:1-1", "nope", "events:x", "events:18446744073709551616-0", "events:٣-٣"):
        assert client.post(f"/api/v1/dlq/dead-letters/{unknown}/replay").status_code == 404


def test_a_dead_letter_without_a_message_can_only_be_deleted(
    make: Callable[..., flask.Flask], streams: redis.Redis
) -> None:
    client = make().test_client()
    ident = streams.xadd(KEYS["events"].dead, {"other": "field"}).decode()
    answer = client.post(f"/api/v1/dlq/dead-letters/events:{ident}/replay")
    assert (answer.status_code, answer.json["detail"]) == (
        400,
        "the dead letter holds no message that could be replayed",
    )
    assert client.delete(f"/api/v1/dlq/dead-letters/events:{ident}").status_code == 200


def test_a_redis_that_is_out_of_memory_keeps_nothing_and_says_so(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    with valkey_server() as own:
        client = redis.Redis.from_url(own.url(0))
        app = make_app(redis={"url": own.url(0)})
        wait_until(lambda: services_of(app).queue_watch.state.connected, what="Redis connected")
        take_away(database)
        assert app.test_client().post("/api/v1/audit/events", json=event()).status_code == 202
        client.config_set("maxmemory", "1")
        answer = app.test_client().post("/api/v1/audit/events", json=event())
        assert (answer.status_code, "outcome" in answer.json) == (503, False)
        assert client.xlen(KEYS["events"].stream) == 1


def test_a_child_waits_for_its_parent_that_is_queued(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    client = make().test_client()
    take_away(database)
    parent, child = str(uuid.uuid4()), str(uuid.uuid4())
    assert client.post("/api/v1/audit/events", json=event(event_id=parent)).status_code == 202
    assert client.post("/api/v1/audit/events", json=event(event_id=child, parent_event_id=parent)).status_code == 202
    give_back(database)
    wait_until(lambda: database.count() == 2, what="both stored")
    wait_until(lambda: empty(streams), what="stream empty")
    # Nothing waits any more that could be the parent.
    assert client.post("/api/v1/audit/events", json=event(parent_event_id=str(uuid.uuid4()))).status_code == 400


def test_entries_of_a_dead_consumer_are_claimed(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In production it is eight seconds after which a consumer that says nothing is taken for dead.
    monkeypatch.setattr(consumer, "CLAIM_IDLE_SECONDS", 0.1)
    monkeypatch.setattr(consumer, "CLAIM_EVERY_SECONDS", 0.1)
    stream = KEYS["events"].stream
    for _ in range(3):
        payload = event(event_id=str(uuid.uuid4()))
        streams.xadd(stream, {"message": json.dumps({"type": "audit_event", "payload": payload})})
    streams.xgroup_create(stream, GROUP, id="0")
    streams.xreadgroup(GROUP, "dead-consumer", {stream: ">"}, count=3)
    make()
    wait_until(lambda: database.count() == 3, what="claimed and stored")
    wait_until(lambda: empty(streams), what="stream empty")


def test_ten_replayers_side_by_side_lose_and_double_nothing(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    client = make(dlq={"max_len": 5000}).test_client()
    take_away(database)
    for _ in range(5):
        assert client.post("/api/v1/audit/events/batch", json=[event() for _ in range(500)]).status_code == 202
    for _ in range(3):
        make(dlq={"max_len": 5000, "replay_batch": 50})
    give_back(database)
    wait_until(lambda: empty(streams), what="stream empty")
    assert database.count() == 2500
    assert streams.xlen(KEYS["events"].dead) == 0


def test_a_lost_group_is_made_again(make: Callable[..., flask.Flask], database: Database, streams: redis.Redis) -> None:
    client = make().test_client()
    take_away(database)
    client.post("/api/v1/audit/events", json=event())
    streams.xgroup_create(KEYS["events"].stream, GROUP, id="0")
    streams.xgroup_destroy(KEYS["events"].stream, GROUP)
    give_back(database)
    wait_until(lambda: database.count() == 1, what="stored")


def test_writes_go_on_while_redis_is_away_and_fail_at_once_when_both_are(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    with valkey_server() as own:
        app = make_app(redis={"url": own.url(0)})
        services = services_of(app)
        client = app.test_client()
        wait_until(lambda: services.queue_watch.state.connected, what="Redis connected")
        assert client.get("/health").json["durability"] == "aof_always"
        own.kill()
        wait_until(lambda: not services.queue_watch.state.connected, what="Redis gone")
        assert client.post("/api/v1/audit/events", json=event()).status_code == 201
        assert client.get("/health").json["status"] == "degraded"
        take_away(database)
        assert client.post("/api/v1/audit/events", json=event()).status_code == 503
        answer = client.post("/api/v1/audit/events", json=event())
        assert (answer.status_code, answer.json["retry"]) == (503, True)
        assert "outcome" not in answer.json
        assert database.count() == 1


def test_a_redis_that_forgets_is_named(make_app: Callable[..., flask.Flask]) -> None:
    with valkey_server() as own:
        client = redis.Redis.from_url(own.url(0))
        client.config_set("appendfsync", "everysec")
        app = make_app(redis={"url": own.url(0)})
        watch = services_of(app).queue_watch
        assert watch.look().durability == "aof_everysec"
        client.config_set("appendonly", "no")
        client.config_set("save", "")
        assert watch.look().durability == "none"
        assert app.test_client().get("/health").json["status"] == "degraded"


def test_the_commands_see_and_mend_the_queue(
    make: Callable[..., flask.Flask], streams: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = werkzeug.serving.make_server("127.0.0.1", 0, make(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("DATASTORAGE_URL", f"http://127.0.0.1:{server.server_port}")

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(datastorage, ["dlq", *arguments])
        return result.exit_code, result.output

    try:
        for text in ("broken one", "broken two"):
            streams.xadd(KEYS["events"].stream, {"message": text})
        wait_until(lambda: streams.xlen(KEYS["events"].dead) == 2, what="two dead letters")
        code, output = run("status")
        assert code == 0
        assert "aof_always" in output
        code, output = run("list", "--json")
        letters = [json.loads(line) for line in output.splitlines()]
        assert [letter["raw"] for letter in letters] == ["broken one", "broken two"]
        assert "not JSON" in run("list")[1]
        assert json.loads(run("show", letters[0]["id"])[1]) == letters[0]
        assert run("replay", letters[0]["id"])[0] == 0
        wait_until(lambda: empty(streams) and streams.xlen(KEYS["events"].dead) == 2, what="dead again")
        code, output = run("purge", "--all")
        assert code == 2
        assert "--yes" in output
        assert streams.xlen(KEYS["events"].dead) == 2
        assert run("purge", "--all", "--yes")[0] == 0
        assert streams.xlen(KEYS["events"].dead) == 0
        code, output = run("show", "events:1-1")
        assert code == 1
        assert "Not Found" in output
    finally:
        server.shutdown()
        thread.join()


def test_psycopg_is_what_says_that_rights_are_missing(database: Database) -> None:
    """The outage that these tests make is the one that they mean."""
    take_away(database)
    with psycopg.connect(database.service_url) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("INSERT INTO audit_events DEFAULT VALUES")
