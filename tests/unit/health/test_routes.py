from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from app.audit.outcome import Spilled, Stored, WriteRequest
from app.audit.pending_write import PendingWrite
from app.audit.validator import Validator
from app.auth.principal import Verifier
from app.config.settings import AuditSettings, BufferSettings, HealthSettings, Settings
from app.config.stores import RedisSettings
from app.dlq.state import NOT_CONFIGURED, QueueState, StreamState
from app.postgres.monitor import DatabaseState
from app.services import Services
from app.transparency.watch import LogState
from tests.unit.fakes import NOW, WELL, FakeConnection, FakeIngest, StandingClock, event, make_client, make_services

GONE = DatabaseState(connected=False, seen=True)
FULL = {"events": StreamState(depth=10, capacity=10, dead_letters=0, oldest_age_seconds=0.0, full=True)}
NO_REDIS = NOT_CONFIGURED
REDIS = QueueState(True, "aof_always")
REDIS_GONE = QueueState()
REDIS_FULL = QueueState(True, "aof_always", streams=FULL)
REDIS_REFUSES = QueueState(True, "aof_always", refuses="READONLY")
REDIS_FORGETS = QueueState(True, "none")


def services_with(
    database: DatabaseState = WELL,
    redis: QueueState = NO_REDIS,
    settings: Settings | None = None,
    **parts: Any,
) -> Services:
    services = make_services(settings, **parts)
    services.monitor.state = database
    services.queue_state = lambda: redis  # type: ignore[method-assign]
    return services


def asked(services: Services, path: str) -> tuple[int, dict[str, Any]]:
    response = make_client(services).get(path)
    assert response.content_type == "application/json"
    return response.status_code, response.get_json()


def without(state: DatabaseState, **changes: Any) -> DatabaseState:
    return dataclasses.replace(state, **changes)


@pytest.mark.parametrize(
    ("database", "redis", "code", "body"),
    [
        (WELL, NO_REDIS, 200, {"status": "healthy", "database": "connected", "redis": "not_configured"}),
        (
            WELL,
            REDIS,
            200,
            {"status": "healthy", "database": "connected", "redis": "connected", "durability": "aof_always"},
        ),
        (
            WELL,
            REDIS_GONE,
            200,
            {
                "status": "degraded",
                "database": "connected",
                "redis": "unreachable",
                "reasons": ["redis_unreachable"],
            },
        ),
        (
            WELL,
            REDIS_FORGETS,
            200,
            {
                "status": "degraded",
                "database": "connected",
                "redis": "connected",
                "durability": "none",
                "reasons": ["redis_not_durable"],
            },
        ),
        (GONE, NO_REDIS, 503, {"status": "unhealthy", "database": "unreachable", "redis": "not_configured"}),
        (
            GONE,
            REDIS,
            503,
            {"status": "unhealthy", "database": "unreachable", "redis": "connected", "durability": "aof_always"},
        ),
        (GONE, REDIS_GONE, 503, {"status": "unhealthy", "database": "unreachable", "redis": "unreachable"}),
    ],
)
def test_health(database: DatabaseState, redis: QueueState, code: int, body: dict[str, Any]) -> None:
    assert asked(services_with(database, redis), "/health") == (code, body)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"schema_version": 0}, ["schema_outdated"]),
        ({"schema_version": 0, "may_write": False}, ["schema_outdated"]),
        ({"may_write": False}, ["missing_rights"]),
        ({"durable": False}, ["database_not_durable"]),
        ({"encoding": "LATIN1"}, ["database_encoding"]),
        ({"standby": True}, ["database_is_standby"]),
        ({"may_write": False, "durable": False}, ["missing_rights", "database_not_durable"]),
    ],
)
def test_health_says_what_is_wrong_although_postgresql_answers(changes: dict[str, Any], reasons: list[str]) -> None:
    code, body = asked(services_with(without(WELL, **changes)), "/health")
    assert (code, body["status"], body["reasons"]) == (200, "degraded", reasons)


def test_health_while_writes_are_refused() -> None:
    services = services_with(redis=REDIS)
    services.breaker.failed()
    assert asked(services, "/health")[1]["reasons"] == ["database_refuses_writes"]
    assert asked(services, "/health/ready") == (
        200,
        {"status": "ready", "mode": "degraded", "reason": "database_refuses_writes"},
    )


READY = (200, {"status": "ready"})


def degraded(reason: str) -> tuple[int, dict[str, Any]]:
    return 200, {"status": "ready", "mode": "degraded", "reason": reason}


def not_ready(reason: str) -> tuple[int, dict[str, Any]]:
    return 503, {"status": "not_ready", "reason": reason}


@pytest.mark.parametrize(
    ("database", "redis", "answer"),
    [
        (WELL, NO_REDIS, READY),
        (WELL, REDIS, READY),
        (WELL, REDIS_GONE, READY),
        (GONE, REDIS, degraded("database_unreachable")),
        (GONE, REDIS_FORGETS, degraded("database_unreachable")),
        (without(GONE, deployment_fault=True), REDIS, degraded("database_unreachable")),
        (GONE, NO_REDIS, not_ready("database_unreachable")),
        (GONE, REDIS_GONE, not_ready("database_unreachable")),
        (GONE, REDIS_FULL, not_ready("queue_full")),
        (GONE, REDIS_REFUSES, not_ready("queue_refuses_writes")),
        (WELL, REDIS_FULL, READY),
        (WELL, REDIS_REFUSES, READY),
        (DatabaseState(), NO_REDIS, not_ready("database_unreachable")),
        (DatabaseState(), REDIS, degraded("database_unreachable")),
        (without(WELL, may_write=False), REDIS, degraded("missing_rights")),
        (without(WELL, schema_version=0), REDIS, not_ready("schema_outdated")),
        (without(GONE, schema_version=0), REDIS, not_ready("schema_outdated")),
        (without(WELL, schema_version=None), REDIS, READY),
    ],
)
def test_readiness(database: DatabaseState, redis: QueueState, answer: tuple[int, dict[str, Any]]) -> None:
    assert asked(services_with(database, redis), "/health/ready") == answer


def test_readiness_may_demand_the_database() -> None:
    settings = Settings(health=HealthSettings(ready_requires_database=True))
    assert asked(services_with(GONE, REDIS, settings), "/health/ready") == not_ready("database_unreachable")
    assert asked(services_with(WELL, REDIS, settings), "/health/ready") == READY


@pytest.mark.parametrize("database", [WELL, GONE, without(WELL, schema_version=0)])
def test_not_ready_while_shutting_down_but_still_serving(database: DatabaseState) -> None:
    services = services_with(database, REDIS)
    services.drain()
    services.ingest = FakeIngest(Spilled())  # type: ignore[assignment]
    assert asked(services, "/health/ready") == not_ready("shutting_down")
    assert asked(services, "/health/live") == (200, {"status": "alive"})
    assert make_client(services).post("/api/v1/audit/events", json=event()).status_code == 202


def test_readiness_while_the_queue_is_full() -> None:
    services = services_with(settings=Settings(buffer=BufferSettings(size=2)))
    record = Validator(AuditSettings(), lambda: NOW).event(event())
    for expected in (READY, READY, degraded("buffer_full")):
        assert asked(services, "/health/ready") == expected
        services.buffer.offer(PendingWrite(WriteRequest((record,))), 0)  # type: ignore[arg-type]


def test_live_until_the_flusher_is_stuck() -> None:
    clock = StandingClock()
    services = services_with(GONE, clock=clock)
    assert asked(services, "/health/live") == (200, {"status": "alive"})
    clock.seconds = services.flusher.heartbeat + 29.9
    assert asked(services, "/health/live") == (200, {"status": "alive"})
    clock.seconds = services.flusher.heartbeat + 30
    assert asked(services, "/health/live") == (503, {"status": "dead", "reason": "flusher_stuck"})


@pytest.mark.parametrize("path", ["/health", "/health/ready", "/health/live"])
def test_probes_touch_no_connection(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    services = services_with()
    monkeypatch.setattr(services.reader, "read", lambda query: pytest.fail("asked the database"))
    assert asked(services, path)[0] == 200
    assert make_client(services).head(path).status_code == 200


def test_without_redis() -> None:
    services = make_services(outcome=Stored())
    assert services.queue_state() == NO_REDIS
    assert services.replay_paused() == "not_configured"


def test_the_queue_is_as_the_watch_saw_it_last() -> None:
    services = make_services(Settings(redis=RedisSettings(url="redis://127.0.0.1:1")))
    assert services.queue_watch is not None
    services.queue_watch.state = REDIS_FULL
    assert services.queue_state() == REDIS_FULL


def test_a_spill_that_was_refused_counts_before_the_watch_looks() -> None:
    services = make_services(Settings(redis=RedisSettings(url="redis://127.0.0.1:1")))
    assert services.queue_watch is not None
    assert services.queue is not None
    services.queue_watch.state = QueueState(True, "aof_always")
    services.queue.breaker.failed()
    assert services.queue_state().obstacle == "queue_refuses_writes"


@pytest.mark.parametrize("away", [(), ("corp",)])
def test_the_issuers_that_are_away_are_named(away: tuple[str, ...]) -> None:
    class Known(Verifier):
        @property
        def issuers_away(self) -> tuple[str, ...]:
            return away

    services = services_with()
    services.verifier = Known()
    _, body = asked(services, "/health")
    assert body.get("issuers_unreachable") == (["corp"] if away else None)
    assert (body["issuers"], body["status"]) == (("unreachable", "degraded") if away else ("connected", "healthy"))


@pytest.mark.parametrize(("lag", "state", "status"), [(0.5, "current", "healthy"), (61.0, "lagging", "degraded")])
def test_the_log_behind_is_a_member_of_its_own(lag: float, state: str, status: str) -> None:
    services = services_with(clock=StandingClock())
    services.log_watch.state = LogState(size=70, pending=3, lag=lag)
    services.log_watch.seen = True
    code, body = asked(services, "/health")
    assert (code, body["status"], "reasons" in body) == (200, status, False)
    expected = {"state": state, "size": 70, "pending": 3, "lag_seconds": lag, "signed_size": None, "signing": "off"}
    assert body["log"] == expected
    assert asked(services, "/health/ready") == (200, {"status": "ready"})


def test_without_postgresql_nobody_knows_how_the_log_is() -> None:
    clock = StandingClock()
    services = services_with(clock=clock, database=GONE)
    services.log_watch.state = LogState(size=70, pending=3, lag=0.5)
    services.log_watch.seen = True
    services.log_watch.lag()
    clock.seconds += 61
    code, body = asked(services, "/health")
    assert (code, body["status"]) == (503, "unhealthy")
    found = {name: body["log"][name] for name in ("state", "size", "pending", "lag_seconds")}
    assert found == {"state": "unknown", "size": 70, "pending": 3, "lag_seconds": 61.5}


def test_a_log_that_was_never_seen_is_behind_after_a_while() -> None:
    clock = StandingClock()
    services = services_with(clock=clock)
    assert "log" not in asked(services, "/health")[1]
    clock.seconds += 61
    assert asked(services, "/health")[1]["log"] == {"state": "lagging", "lag_seconds": 61.0}


def look(
    services: Services,
    signed: int | None,
    *,
    origin: str | None = "log.example",
    unsigned: str | None = None,
    wrong: str | None = None,
) -> None:
    """Have the log looked at: of 70 entries so many are signed."""
    row = (70, 0, True, True, signed, 1, origin, unsigned, 0.0, wrong, None, 0, 0.0)
    services.log_watch.look(FakeConnection({"FROM log_head h": [row]}))  # type: ignore[arg-type]


def test_a_log_that_is_signed_is_well() -> None:
    services = services_with(clock=StandingClock())
    look(services, 70)
    _, body = asked(services, "/health")
    assert (body["status"], body["log"]["signed_size"], body["log"]["signing"]) == ("healthy", 70, "on")
    assert "signing_stopped" not in body["log"]


def test_a_log_that_is_not_signed_for_long_is_degraded() -> None:
    clock = StandingClock()
    services = services_with(clock=clock)
    look(services, 60, unsigned="the memory in redis is away")
    _, body = asked(services, "/health")
    assert (body["status"], body["log"]["signing"]) == ("healthy", "stopped"), "not at once"
    assert body["log"]["signing_stopped"] == "the memory in redis is away"
    clock.seconds += 61.0
    look(services, 60, unsigned="the memory in redis is away")
    code, body = asked(services, "/health")
    assert (code, body["status"], "reasons" in body) == (200, "degraded", False)
    assert asked(services, "/health/ready") == (200, {"status": "ready"})


def test_a_log_that_is_degraded_says_why_also_where_nobody_wrote_it_down() -> None:
    clock = StandingClock()
    services = services_with(clock=clock)
    look(services, 60)
    clock.seconds += 61.0
    look(services, 60)
    _, body = asked(services, "/health")
    assert (body["status"], body["log"]["signing"]) == ("degraded", "stopped")
    assert body["log"]["signing_stopped"].startswith("no instance signs it")


def test_without_a_key_a_log_that_was_never_signed_is_never_late() -> None:
    clock = StandingClock()
    services = services_with(clock=clock)
    look(services, None, origin=None)
    clock.seconds += 61.0
    look(services, None, origin=None)
    _, body = asked(services, "/health")
    assert (body["status"], body["log"]["signing"]) == ("healthy", "off")


def test_a_log_that_was_signed_and_has_lost_its_key_is_degraded() -> None:
    clock = StandingClock()
    services = services_with(clock=clock)
    why = "there is no key of the log log.example: log.key_file is not set"
    look(services, 60, unsigned=why)
    clock.seconds += 61.0
    look(services, 60, unsigned=why)
    _, body = asked(services, "/health")
    assert (body["status"], body["log"]["signing"]) == ("degraded", "stopped")
    assert body["log"]["signing_stopped"] == why


def test_a_log_that_contradicts_what_was_signed_is_degraded_at_once() -> None:
    services = services_with(clock=StandingClock())
    look(services, 70, wrong="the last checkpoint has 80 entries, and the log has 70")
    _, body = asked(services, "/health")
    assert (body["status"], "reasons" in body) == ("degraded", False)
    assert body["log_inconsistent"] == "the last checkpoint has 80 entries, and the log has 70"
    assert (body["log"]["signing"], body["log"]["signing_stopped"]) == ("stopped", body["log_inconsistent"])
    assert asked(services, "/health/ready") == (200, {"status": "ready"})
