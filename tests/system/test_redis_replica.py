"""Spills that wait for a replica of Redis (redis.min_replicas), with a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from app.audit.outcome import InDoubt, WriteRequest
from app.audit.validator import Validator
from app.clock import Clock
from app.config.settings import AuditSettings, Settings
from app.config.stores import RedisSettings
from app.dlq.queue import DeadLetterQueue
from devserver import EmbeddedValkey
from tests.support import Database, GunicornService, event, valkey_server, wait_until

EVENTS = "/api/v1/audit/events"
STREAM = "audit:dlq:events"


@pytest.fixture
def primary() -> Iterator[EmbeddedValkey]:
    with valkey_server() as server:
        yield server


@pytest.fixture
def replica(primary: EmbeddedValkey) -> Iterator[EmbeddedValkey]:
    password = urlsplit(primary.url()).password
    with valkey_server(replicaof=f"127.0.0.1 {primary.port}", primaryauth=str(password)) as server:
        with redis.Redis.from_url(primary.url()) as client:
            wait_until(lambda: client.info("replication")["connected_slaves"] == 1, what="the replica is connected")
            wait_until(lambda: client.wait(1, 100) == 1, what="the replica follows")
        yield server


@pytest.fixture
def run_service(database: Database, tmp_path: Path) -> Iterator[Callable[..., GunicornService]]:
    with ExitStack() as stack:

        def run(name: str, environ: dict[str, str]) -> GunicornService:
            base = {"DATASTORAGE_DATABASE__URL": database.service_url, "DATASTORAGE_SERVER__WORKERS": "1"}
            service = GunicornService({**base, **environ}, tmp_path / f"{name}.log")
            service.start()
            stack.callback(service.stop)
            return service

        yield run


def test_a_spill_that_no_replica_has_is_not_acknowledged(
    run_service: Callable[..., GunicornService], database: Database, primary: EmbeddedValkey, replica: EmbeddedValkey
) -> None:
    keys = {"DATASTORAGE_REDIS__URL": primary.url(), "DATASTORAGE_REDIS__MIN_REPLICAS": "1"}
    nowhere = {"DATASTORAGE_DATABASE__URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    service = run_service("without-database", {**keys, **nowhere})
    safe, doubtful = event(event_id=_id(1)), event(event_id=_id(2))
    assert service.request("POST", EVENTS, safe).status == 202
    with redis.Redis.from_url(replica.url()) as client:
        assert client.xlen(STREAM) == 1, "acknowledged, so the replica has it"

    replica.kill()
    # One that nobody has told of the replica's end; the primary has the entry, so it may well be written, and taking it
    # out again would not reach a replica that is promoted.
    unaware = DeadLetterQueue(Settings(redis=RedisSettings(url=primary.url(), min_replicas=1)), Clock())
    record = Validator(AuditSettings(), Clock().now).event(doubtful)
    assert unaware.spill([WriteRequest((record,))], "why") == [InDoubt()]  # type: ignore[arg-type]
    unaware.close()
    # Who looks finds it out before the next write is half kept.
    wait_until(lambda: service.probe("/health/ready") == 503, what="not ready")
    assert service.request("GET", "/health/ready").json["reason"] == "queue_refuses_writes"
    answer = service.request("POST", EVENTS, event(event_id=_id(3)))
    assert (answer.status, "outcome" in answer.json) == (503, False)
    with redis.Redis.from_url(primary.url()) as client:
        assert client.xlen(STREAM) == 2

    replica.start()
    wait_until(lambda: service.request("POST", EVENTS, doubtful).status == 202, what="the retry is acknowledged")
    service.stop()
    # Another instance that has a database writes all of them, each once.
    other = run_service("with-database", keys)
    wait_until(lambda: other.request("GET", "/api/v1/dlq").json["streams"]["events"]["depth"] == 0, what="replayed")
    rows = database.query("SELECT event_id::text FROM audit_events ORDER BY 1")
    assert rows == [(safe["event_id"],), (doubtful["event_id"],)]


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"
