"""Replay always moves: past large entries, what always fails, clocks that step, and what others do to the queue."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
import pytest
import redis

from app.audit.event import AuditEvent
from app.audit.outcome import InDoubt, Spilled, WriteOutcome, WriteRequest
from app.audit.store import WriteSession, write
from app.clock import Clock
from app.dlq import consumer, replay
from app.dlq.keys import GROUP, KEYS
from app.services import Services
from tests.support import Database, Valkey, event, notification, valkey_server, wait_until

EVENTS = KEYS["events"]
# What fails waits minutes in production, and is looked at every other second.
SOON = {"backoff": (0.05, 0.05, 0.05)}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (
        (consumer, "CLAIM_IDLE_SECONDS"),
        (consumer, "CLAIM_EVERY_SECONDS"),
        (replay, "_ASIDE_SECONDS"),
        (replay, "_PAUSE_SECONDS"),
        (replay, "_RECOUNT_EVERY_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 0.05)


@pytest.fixture
def make(make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis) -> Callable[..., flask.Flask]:
    """Builds a running service with a dead letter queue."""

    def build(**sections: Any) -> flask.Flask:
        return make_app(redis={"url": valkey.url(0)}, **sections)

    return build


def services_of(app: flask.Flask) -> Services:
    services = app.extensions["datastorage"]
    assert isinstance(services, Services)
    return services


def put(streams: redis.Redis, *, size: int = 0, request_id: str | None = None, **members: Any) -> str:
    """Add an entry as a spill does; the event's id."""
    payload = event(**{"event_id": str(uuid.uuid4()), "event_data": {"text": "x" * size}, **members})
    message = json.dumps({"type": "audit_event", "payload": payload, "request_id": request_id})
    streams.xadd(EVENTS.stream, {"message": message})
    streams.incrby(EVENTS.size, len(message))
    return str(payload["event_id"])


def empty(streams: redis.Redis) -> bool:
    return streams.xlen(EVENTS.stream) == 0


def reasons(streams: redis.Redis) -> list[str]:
    return [fields[b"reason"].decode() for _, fields in streams.xrange(EVENTS.dead)]


class Sizes:
    """The write function; remembers how many bytes of data each write of several requests held."""

    def __init__(self) -> None:
        self.bytes: list[int] = []

    def __call__(self, session: WriteSession, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
        if len(requests) > 1:
            records = [record for request in requests for record in request.records]
            self.bytes.append(sum(len(r.event_data) for r in records if isinstance(r, AuditEvent)))
        return write(session, requests)


class Writing:
    """A client that writes one event after another until the block ends; its answers."""

    def __init__(self, app: flask.Flask) -> None:
        self._client = app.test_client()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.codes: list[int] = []

    def _run(self) -> None:
        while not self._stop.is_set():
            self.codes.append(self._client.post("/api/v1/audit/events", json=event()).status_code)

    def __enter__(self) -> Writing:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def trigger(database: Database, code: str) -> None:
    """Let PostgreSQL refuse poison with this SQLSTATE; 57P01 ends the connection as well."""
    action = f"RAISE EXCEPTION 'secret' USING ERRCODE = '{code}'"
    if code == "57P01":
        action = "PERFORM pg_terminate_backend(pg_backend_pid())"
    database.query(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.correlation_id = 'poison' THEN "
        f"{action}; END IF; RETURN NEW; END $$"
    )
    database.query("CREATE TRIGGER t BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse()")


# --- settings that were narrowed since --------------------------------------------------------------------------

WIDE = {
    "audit": {"max_event_data": 2**20, "max_nesting": 200, "max_event_age": 90 * 86400.0, "clock_skew": 86400.0},
    "buffer": {"max_bytes": 2**26},
}
NARROW = {
    "audit": {
        "event_categories": ("gateway",),
        "max_event_data": 1000,
        "max_nesting": 2,
        "max_event_age": 3600.0,
        "clock_skew": 1.0,
        "max_batch_size": 1,
    },
    "server": {"max_body_size": 10_000},
}


def nested(depth: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(depth - 1):
        data = {"d": data}
    return data


def ago(**parts: float) -> str:
    return (datetime.now(UTC) - timedelta(**parts)).isoformat()


def test_what_was_accepted_under_wider_settings_is_stored(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    bodies = {
        name: event(event_id=str(uuid.uuid4()), correlation_id=name, **members)
        for name, members in {
            "event_categories": {"event_category": "auth"},
            "max_event_data": {"event_data": {"text": "x" * 2000}},
            "max_body_size": {"event_data": {"text": "x" * 500_000}},
            "max_nesting": {"event_data": nested(200)},
            "max_event_age": {"event_timestamp": ago(days=80)},
            "clock_skew": {"event_timestamp": ago(hours=-20)},
        }.items()
    }
    batch = [event(event_id=str(uuid.uuid4()), correlation_id="max_batch_size") for _ in range(3)]
    note = notification(sent_at=ago(hours=-20))
    wide = make(**WIDE)
    accepting = wide.test_client()
    database.query("REVOKE INSERT ON audit_events, notification_audit FROM datastorage")
    for name, body in bodies.items():
        assert accepting.post("/api/v1/audit/events", json=body).status_code == 202, name
    assert accepting.post("/api/v1/audit/events/batch", json=batch).status_code == 202
    assert accepting.post("/api/v1/audit/notifications", json=note).status_code == 202
    services_of(wide).stop()
    database.query("GRANT INSERT ON audit_events, notification_audit TO datastorage")
    assert database.count() == 0

    narrow = make(**NARROW).test_client()
    wait_until(
        lambda: empty(streams) and streams.xlen(KEYS["notifications"].stream) == 0, what="everything is replayed"
    )
    assert reasons(streams) == []
    rows = database.query("SELECT correlation_id, event_category, event_data FROM audit_events")
    stored = {name: (category, data) for name, category, data in rows}
    assert len(rows) == len(bodies) + len(batch)
    assert {name: (b["event_category"], b["event_data"]) for name, b in bodies.items()}.items() <= stored.items()
    assert database.count("notification_audit") == 1
    # The same is refused where it is new.
    for name, body in bodies.items():
        assert narrow.post("/api/v1/audit/events", json=body).status_code in (400, 413), name
    assert narrow.post("/api/v1/audit/events/batch", json=batch).status_code == 400
    assert narrow.post("/api/v1/audit/notifications", json=note).status_code == 400


# --- large entries, and time-outs -------------------------------------------------------------------------------


def test_large_entries_are_replayed_a_few_at_a_time_while_others_write(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    ids = {put(streams, size=size) for size in [250_000] * 100 + [100_000] * 200}
    sizes = Sizes()
    app = make(services={"write_function": sizes})
    with Writing(app) as live:
        wait_until(lambda: empty(streams), 150, "everything is replayed")
        wait_until(lambda: live.codes, what="a live write")
    assert set(live.codes) == {201}
    assert {str(row[0]) for row in database.query("SELECT event_id FROM audit_events")} >= ids
    assert max(sizes.bytes) <= services_of(app).settings.dlq.replay_bytes


def test_replay_bytes_bounds_what_is_written_at_a_time(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    for _ in range(30):
        put(streams, size=10_000)
    put(streams, size=100_000)
    sizes = Sizes()
    make(dlq={"replay_bytes": 35_000}, services={"write_function": sizes})
    wait_until(lambda: database.count() == 31, what="everything is replayed, the largest alone")
    assert max(sizes.bytes) <= 35_000


def test_a_write_that_times_out_is_halved_and_never_opens_the_breaker(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    database.query(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF (SELECT count(*) FROM fresh) > 3 THEN "
        "RAISE EXCEPTION 'too slow' USING ERRCODE = '57014'; END IF; RETURN NULL; END $$"
    )
    database.query(
        "CREATE TRIGGER t AFTER INSERT ON audit_events REFERENCING NEW TABLE AS fresh "
        "FOR EACH STATEMENT EXECUTE FUNCTION slow()"
    )
    for _ in range(100):
        put(streams)
    app = make()
    with Writing(app) as live:
        wait_until(lambda: empty(streams), what="everything is replayed")
        wait_until(lambda: live.codes, what="a live write")
    assert set(live.codes) == {201}
    assert streams.xlen(EVENTS.dead) == 0
    assert streams.hlen(EVENTS.attempts) == 0


def test_a_redis_without_memory_is_emptied_all_the_same(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    with valkey_server() as own, redis.Redis.from_url(own.url(0)) as streams:
        put(streams)
        put(streams, parent_event_id=str(uuid.uuid4()))  # what is remembered of it finds no room
        put(streams)
        streams.set(EVENTS.size, 10**12)  # nor can this be put right
        streams.xgroup_create(EVENTS.stream, GROUP, id="0")
        streams.config_set("maxmemory", "1")
        make_app(redis={"url": own.url(0)})
        wait_until(lambda: database.count() == 2, what="both are stored")
        wait_until(lambda: streams.xlen(EVENTS.stream) == 1, what="only the child waits")
        streams.config_set("maxmemory", "0")
        wait_until(lambda: streams.hlen(EVENTS.attempts) == 1, what="replay goes on")


# --- what fails alone -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["53100", "57014", "57P01", "55P03", "58030", "42501", "P0001", "40001"])
def test_an_entry_that_always_fails_alone_is_its_own_fault(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis, code: str
) -> None:
    trigger(database, code)
    good = [put(streams) for _ in range(10)]
    put(streams, correlation_id="poison")
    good += [put(streams) for _ in range(10)]
    app = make(dlq=SOON)
    with Writing(app) as live:
        wait_until(lambda: streams.xlen(EVENTS.dead) == 1, what="it became a dead letter")
        wait_until(lambda: empty(streams), what="the others are replayed")
    assert set(live.codes) == {201}
    assert {str(row[0]) for row in database.query("SELECT event_id FROM audit_events")} >= set(good)
    [reason] = reasons(streams)
    assert reason.startswith("PostgreSQL")
    assert "secret" not in reason
    assert streams.xrange(EVENTS.dead)[0][1][b"final_retry_count"] == b"3"
    assert services_of(app).breaker.closed


def test_a_refusal_that_looks_like_a_missing_month_is_a_refusal(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    trigger(database, "23514")
    put(streams, correlation_id="poison")
    put(streams)
    client = make().test_client()
    wait_until(lambda: empty(streams), what="the queue is empty")
    assert reasons(streams) == ["PostgreSQL refuses the record"]
    assert client.post("/api/v1/audit/events", json=event(correlation_id="poison")).status_code == 400


def test_events_of_a_month_that_was_detached_by_hand_keep_nobody_waiting(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    database.query("SELECT audit_ensure_partition('2020-02-01')")
    database.query("ALTER TABLE audit_events DETACH PARTITION audit_events_2020_02")
    lost = {put(streams, event_timestamp="2020-02-03T04:05:06Z") for _ in range(3)}
    good = {put(streams) for _ in range(20)}
    app = make(dlq=SOON)
    with Writing(app) as live:
        wait_until(lambda: streams.xlen(EVENTS.dead) == 3, what="they became dead letters")
        wait_until(lambda: empty(streams), what="the others are replayed")
    assert set(live.codes) == {201}
    assert {str(row[0]) for row in database.query("SELECT event_id FROM audit_events")} >= good
    bounds = "FROM ('2020-02-01') TO ('2020-03-01')"
    database.query(f"ALTER TABLE audit_events ATTACH PARTITION audit_events_2020_02 FOR VALUES {bounds}")
    for ident, _ in streams.xrange(EVENTS.dead):
        app.test_client().post(f"/api/v1/dlq/dead-letters/events:{ident.decode()}/replay")
    wait_until(lambda: empty(streams), what="replayed after the month is back")
    assert {str(row[0]) for row in database.query("SELECT event_id FROM audit_events")} >= good | lost


def test_an_outage_counts_against_no_entry(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    # One attempt would be the last.
    app = make(dlq={"backoff": (0.05,)})
    for _ in range(3):
        for _ in range(5):
            put(streams)
        wait_until(lambda: streams.hlen(EVENTS.attempts) == 5, what="each failed alone")
        database.query("GRANT INSERT ON audit_events TO datastorage")
        wait_until(lambda: empty(streams), what="all are stored once it is over")
        database.query("REVOKE INSERT ON audit_events FROM datastorage")
    assert database.count() == 15
    assert streams.xlen(EVENTS.dead) == 0
    assert services_of(app).breaker.closed


# --- clocks -----------------------------------------------------------------------------------------------------


class Stepping(Clock):
    """A wall clock that a test steps."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.mark.parametrize("hours", [5, -5])
def test_a_clock_that_steps_buries_no_child_and_delays_none(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis, hours: int
) -> None:
    clock = Stepping()
    make(services={"clock": clock})
    parent = str(uuid.uuid4())
    put(streams, parent_event_id=parent)
    wait_until(lambda: streams.hlen(EVENTS.attempts) == 1, what="the child waits")
    known = streams.hvals(EVENTS.attempts)
    clock.ahead = timedelta(hours=hours)
    wait_until(lambda: streams.hvals(EVENTS.attempts) != known, what="the child is looked at again")
    assert streams.xlen(EVENTS.dead) == 0
    put(streams, event_id=parent)
    wait_until(lambda: database.count() == 2, what="both are stored")


@pytest.mark.parametrize("hours", [5, -5])
def test_the_age_of_what_waits_is_told_by_the_clock_that_dated_it(
    make: Callable[..., flask.Flask], streams: redis.Redis, hours: int
) -> None:
    clock = Stepping()
    clock.ahead = timedelta(hours=hours)
    client = make(services={"clock": clock}).test_client()
    put(streams, parent_event_id=str(uuid.uuid4()))

    def age() -> float:
        return float(client.get("/api/v1/dlq").json["streams"]["events"]["oldest_age_seconds"])

    assert 0 < wait_until(age, what="an age") < 3600


def test_a_clock_of_redis_that_steps_forth_does_not_use_up_a_childs_patience() -> None:
    idle, step = consumer.CLAIM_IDLE_SECONDS, 5 * 3600.0
    waiting = consumer.Attempts().orphaned_again(1000.0).orphaned_again(1000.0 + idle)
    assert waiting.patience(1000.0 + 2 * idle) == pytest.approx(2 * idle)
    assert waiting.patience(1000.0 + 2 * idle + step) <= idle + 60
    assert waiting.patience(1000.0 - step) == pytest.approx(idle)


def test_a_child_whose_parent_never_comes_is_buried_when_its_patience_is_at_an_end(
    make: Callable[..., flask.Flask], streams: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PARENT_PATIENCE_SECONDS", 0.2)
    make()
    put(streams, parent_event_id=str(uuid.uuid4()))
    wait_until(lambda: reasons(streams) == ["parent event does not exist"], what="buried")


@pytest.mark.parametrize("text", ["0|{due}|0.000", "1|{due}|0.000", "3|{due}|0.000", "0|{due}|{due}", "garbage"])
def test_a_due_time_further_ahead_than_any_wait_counts_as_come(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis, text: str
) -> None:
    due = streams.time()[0] + 7200
    put(streams)
    streams.xgroup_create(EVENTS.stream, GROUP, id="0")
    [[_, [(ident, _)]]] = streams.xreadgroup(GROUP, "before", {EVENTS.stream: ">"})
    streams.hset(EVENTS.attempts, ident, text.format(due=f"{due}.000"))
    make(dlq={"backoff": (60.0, 300.0, 900.0, 3600.0)})
    wait_until(lambda: database.count() == 1, what="stored")


def test_an_entry_that_is_not_due_waits(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    put(streams)
    streams.xgroup_create(EVENTS.stream, GROUP, id="0")
    [[_, [(ident, _)]]] = streams.xreadgroup(GROUP, "before", {EVENTS.stream: ">"})
    streams.hset(EVENTS.attempts, ident, f"1|{streams.time()[0] + 3000}.000|0.000")
    make(dlq={"backoff": (3600.0, 3600.0)})
    for _ in range(10):
        put(streams)
    wait_until(lambda: streams.xlen(EVENTS.stream) == 1, what="the others are replayed")
    assert database.count() == 10


# --- what others did to the queue -------------------------------------------------------------------------------


def test_what_a_foreign_consumer_was_given_is_replayed(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    for _ in range(100):
        put(streams)
    streams.xgroup_create(EVENTS.stream, GROUP, id="0")
    streams.xreadgroup(GROUP, "foreign", {EVENTS.stream: ">"}, count=30)
    streams.xreadgroup(GROUP, "foreign", {EVENTS.stream: ">"}, count=40, noack=True)
    [[_, taken]] = streams.xreadgroup(GROUP, "foreign", {EVENTS.stream: ">"}, count=20)
    streams.xack(EVENTS.stream, GROUP, *[ident for ident, _ in taken])
    make()
    wait_until(lambda: database.count() == 100, what="everything is stored")
    wait_until(lambda: empty(streams), what="the queue is empty")


def test_a_group_that_somebody_made_at_the_end_hides_nothing(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    for _ in range(50):
        put(streams)
    streams.xgroup_create(EVENTS.stream, GROUP, id="$")
    make()
    wait_until(lambda: database.count() == 50, what="everything is stored")


def test_pending_ids_whose_entries_were_deleted_are_forgotten(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    for _ in range(5):
        put(streams)
    streams.xgroup_create(EVENTS.stream, GROUP, id="0")
    [[_, taken]] = streams.xreadgroup(GROUP, "foreign", {EVENTS.stream: ">"}, count=3)
    streams.xdel(EVENTS.stream, *[ident for ident, _ in taken])
    make()
    put(streams, parent_event_id=str(uuid.uuid4()))
    wait_until(lambda: database.count() == 2, what="the others are stored")
    wait_until(lambda: streams.xpending(EVENTS.stream, GROUP)["pending"] == 1, what="only the child is pending")


@pytest.mark.parametrize("said", [b"1.5e3", b"text", b"", b"007", b"-5", b"99999999999999999999", ["a", "list"]])
def test_what_is_refused_for_the_sake_of_a_byte_count_is_not_kept(
    make: Callable[..., flask.Flask], streams: redis.Redis, said: Any
) -> None:
    """Redis undoes nothing of a script that fails: the count must be looked at before the first entry."""
    services = make().extensions["datastorage"]
    services.replayer.stop(60)
    for keys in KEYS.values():
        streams.delete(keys.size)
        streams.rpush(keys.size, *said) if isinstance(said, list) else streams.set(keys.size, said)
    requests = [
        WriteRequest((services.validator.event(event(event_id=str(uuid.uuid4()))),)),
        WriteRequest((services.validator.notification(notification()),)),
    ]
    assert services.queue.spill(requests, "a test") == [Spilled(), Spilled()]
    assert [streams.xlen(KEYS[name].stream) for name in ("events", "notifications")] == [1, 1]
    for keys in KEYS.values():
        assert streams.get(keys.size) == str(len(streams.xrange(keys.stream)[0][1][b"message"])).encode()
    # What takes an entry out, or puts one back, does not stop half-way either.
    streams.set(EVENTS.size, b"1.5e3")
    [ident] = [ident for ident, _ in streams.xrange(EVENTS.stream)]
    taker = consumer.Consumer(streams, "events", "somebody", services.settings.dlq, services.clock)
    assert taker.bury(consumer.Entry(ident, None), 0, "a test", "2026-01-05T10:00:00Z") is True
    streams.set(EVENTS.size, b"1.5e3")
    [letter] = services.admin.dead_letters("events", 10, None)
    assert services.admin.revive(letter["id"]) == "accepted"
    assert (streams.xlen(EVENTS.stream), streams.xlen(EVENTS.dead)) == (1, 0)


@pytest.mark.parametrize("said", [b"999999999999", b"-500", b"text", b"", None, ["a", "list"]])
def test_a_byte_count_that_was_changed_by_hand_is_put_right(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis, said: Any
) -> None:
    client = make().test_client()
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    assert client.post("/api/v1/audit/events", json=event()).status_code == 202
    held = streams.get(EVENTS.size)
    with streams.pipeline() as change:
        change.delete(EVENTS.size)
        if isinstance(said, list):
            change.rpush(EVENTS.size, *said)
        elif said is not None:
            change.set(EVENTS.size, said)
        change.hset(EVENTS.recount, "done", 1)  # the last time is long ago
        change.execute()
    wait_until(lambda: streams.type(EVENTS.size) == b"string" and streams.get(EVENTS.size) == held, what="right")
    assert client.post("/api/v1/audit/events", json=event()).status_code == 202


def test_a_stream_that_was_deleted_by_hand_has_room_again(
    make: Callable[..., flask.Flask], database: Database, streams: redis.Redis
) -> None:
    client = make(dlq={"max_bytes": 2000}).test_client()
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    codes = iter(lambda: client.post("/api/v1/audit/events", json=event()).status_code, None)
    assert set(itertools.takewhile(lambda code: code != 503, codes)) == {202}
    streams.delete(EVENTS.stream)
    wait_until(lambda: next(codes) == 202, what="there is room")


def test_a_spill_that_breaks_off_half_way_is_in_doubt(make: Callable[..., flask.Flask], streams: redis.Redis) -> None:
    """The second entry finds no id that is left: the first is kept, and Redis answers with an error."""
    services = make().extensions["datastorage"]
    services.replayer.stop(60)
    streams.xadd(EVENTS.stream, {"message": "x"}, id="18446744073709551615-18446744073709551614")
    requests = [
        WriteRequest(tuple(services.validator.event(event(event_id=str(uuid.uuid4()))) for _ in range(2))),
    ]
    assert services.queue.spill(requests, "a test") == [InDoubt()]
    assert streams.xlen(EVENTS.stream) == 2


@pytest.mark.parametrize("key", [EVENTS.stream, KEYS["notifications"].stream])
def test_keys_that_are_something_else_refuse_a_spill_as_a_whole(
    make: Callable[..., flask.Flask], streams: redis.Redis, key: str
) -> None:
    services = make().extensions["datastorage"]
    services.replayer.stop(60)
    streams.set(key, "something else")
    requests = [
        WriteRequest((services.validator.event(event(event_id=str(uuid.uuid4()))),)),
        WriteRequest((services.validator.notification(notification()),)),
    ]
    outcomes = services.queue.spill(requests, "a test")
    assert all(isinstance(o, InDoubt) for o in outcomes)
    assert [streams.exists(k.stream) for k in KEYS.values() if k.stream != key] == [0]
