"""A Redis that forgets what it had said OK to: emptied, restarted from an older file, failed over without its last."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import redis

from app.audit.outcome import Spilled, WriteRequest
from app.audit.validator import Validator
from app.clock import Clock
from app.config.settings import AuditSettings, DLQSettings, Settings
from app.config.stores import RedisSettings
from app.dlq.admin import Admin
from app.dlq.endpoint import Endpoint
from app.dlq.keys import KEYS
from app.dlq.memory import parse_id
from app.dlq.queue import DeadLetterQueue
from app.dlq.watch import QueueWatch
from app.telemetry import metrics
from devserver import EmbeddedValkey
from tests.relay import Relay
from tests.support import event, scratch_dir, valkey_server, wait_until
from tests.unit.fakes import StandingClock

pytestmark = pytest.mark.embedded
STREAM = KEYS["events"].stream
REMEMBER = 500.0


class Worker:
    """The queue of one worker and what watches it; nothing runs by itself."""

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        redis_settings = RedisSettings(url=url, spill_timeout=30.0)
        settings = Settings(redis=redis_settings, dlq=DLQSettings(max_len=100_000, remember=REMEMBER))
        endpoint = Endpoint(settings.redis)
        self.queue = DeadLetterQueue(settings, self.clock, endpoint)
        admin = Admin(settings, endpoint, timeout=30.0)
        self.watch = QueueWatch(admin, self.queue, endpoint, self.clock)
        self.watch.look()

    def spill(self, count: int) -> None:
        check = Validator(AuditSettings(), Clock().now).event
        records = tuple(check(event(event_id=f"0190a1b2-c3d4-7e5f-8a9b-{n:012d}")) for n in range(count))
        assert self.queue.spill([WriteRequest(records)], "why") == [Spilled()]  # type: ignore[arg-type]

    def lost(self) -> bool:
        return "queue_lost" in self.watch.look().faults

    def close(self) -> None:
        self.watch.stop()
        self.queue.close()


@pytest.fixture
def valkey() -> Iterator[EmbeddedValkey]:
    with valkey_server() as server:
        yield server


@pytest.fixture
def admin(valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url()) as client:
        yield client


@pytest.fixture
def worker(valkey: EmbeddedValkey) -> Iterator[Worker]:
    made = Worker(valkey.url())
    yield made
    made.close()


def counted() -> float:
    return float(metrics.DLQ_LOST.labels("events")._value.get())


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if "queue_lost" in r.getMessage() and r.levelno == logging.ERROR]


def settle(admin: redis.Redis, count: int) -> None:
    """As replay does once the first so many are committed."""
    for ident, _ in admin.xrange(STREAM, count=count):
        admin.xdel(STREAM, ident)


def test_an_emptied_redis_is_noticed_and_counted_once(
    worker: Worker, admin: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    worker.spill(3)
    worker.spill(4)
    assert not worker.lost()
    before = counted()
    admin.flushall()
    assert worker.lost()
    assert counted() - before == 7
    assert worker.lost(), "for a while"
    assert len(said(caplog)) == 1
    assert "up to 7 records that this worker spilled, and 7 entries of all workers" in said(caplog)[0]


def test_it_is_noticed_though_others_have_spilled_since(
    worker: Worker, valkey: EmbeddedValkey, admin: redis.Redis
) -> None:
    worker.spill(3)
    before = counted()
    admin.flushall()
    other = Worker(valkey.url())
    other.spill(10)
    assert worker.lost()
    assert counted() - before == 3
    assert not other.lost()
    other.close()


def test_another_worker_says_that_entries_waited(worker: Worker, valkey: EmbeddedValkey, admin: redis.Redis) -> None:
    worker.spill(3)
    other = Worker(valkey.url())
    before = counted()
    admin.delete(STREAM)
    assert other.lost()
    assert counted() == before, "it cannot vouch for what it did not spill"
    other.close()


def test_what_was_written_before_is_no_loss(
    worker: Worker, admin: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    worker.spill(3)
    worker.spill(2)
    settle(admin, 5)
    assert not worker.lost()
    admin.flushall()
    assert not worker.lost()
    assert said(caplog) == []


def test_entries_that_replay_settles_are_not_counted(worker: Worker, admin: redis.Redis) -> None:
    worker.spill(3)
    settle(admin, 3)
    assert not worker.lost()
    worker.spill(2)
    before = counted()
    admin.flushall()
    assert worker.lost()
    assert counted() - before == 2


def test_a_restart_from_an_older_file(valkey: EmbeddedValkey, worker: Worker, admin: redis.Redis) -> None:
    worker.spill(3)
    with scratch_dir() as folder:
        valkey.stop()
        shutil.copytree(valkey.data_dir / "appendonlydir", folder / "older")
        valkey.start()
        worker.watch.look()
        worker.spill(5)
        before = counted()
        valkey.stop()
        shutil.rmtree(valkey.data_dir / "appendonlydir")
        shutil.copytree(folder / "older", valkey.data_dir / "appendonlydir")
        valkey.start()
    assert admin.xlen(STREAM) == 3
    assert worker.lost()
    assert counted() - before == 5


def test_a_restart_without_a_loss_is_none(valkey: EmbeddedValkey, worker: Worker) -> None:
    worker.spill(3)
    valkey.kill()
    valkey.start()
    assert not worker.lost()


def test_a_failover_without_the_last_entries(admin: redis.Redis, valkey: EmbeddedValkey) -> None:
    password = str(urlsplit(valkey.url()).password)
    admin.config_set("repl-diskless-sync-delay", 0)
    settings = {"replicaof": f"127.0.0.1 {valkey.port}", "primaryauth": password}
    with valkey_server(**settings) as replica, Relay(valkey.port) as relay:
        with redis.Redis.from_url(replica.url()) as own:
            own.config_set("requirepass", password)
        new = redis.Redis("127.0.0.1", replica.port, password=password)
        worker = Worker(f"redis://:{password}@127.0.0.1:{relay.port}")
        worker.spill(3)
        wait_until(lambda: new.xlen(STREAM) == 3, what="the replica has them")
        assert not worker.lost()
        new.replicaof("NO", "ONE")
        worker.spill(4)
        before = counted()
        relay.target = replica.port
        assert worker.lost()
        assert counted() - before == 4
        worker.close()
        new.close()


def test_ids_are_never_repeated(worker: Worker, admin: redis.Redis) -> None:
    worker.spill(2)
    # As of a server whose clock was ahead.
    ahead = "99999999999999-7"
    admin.xadd(STREAM, {"message": "x"}, id=ahead)
    worker.watch.look()
    admin.flushall()
    worker.spill(3)
    ids = [parse_id(ident) for ident, _ in admin.xrange(STREAM)]
    assert ids == [(99999999999999, 8), (99999999999999, 9), (99999999999999, 10)]
    assert int(admin.get(KEYS["events"].size)) > 0
    admin.flushall()
    worker.spill(1)
    assert parse_id(admin.xrange(STREAM)[0][0]) > ids[-1], "without a look in between too"


def test_the_reason_is_said_for_as_long_as_it_is_remembered(valkey: EmbeddedValkey, admin: redis.Redis) -> None:
    clock = StandingClock(Clock().now())
    worker = Worker(valkey.url(), clock)
    worker.spill(1)
    admin.flushall()
    assert worker.lost()
    clock.seconds += REMEMBER - 1
    assert worker.lost()
    clock.seconds += 2
    assert not worker.lost()
    worker.close()


def test_what_is_older_than_it_remembers_is_not_looked_for(valkey: EmbeddedValkey, admin: redis.Redis) -> None:
    clock = StandingClock(Clock().now())
    worker = Worker(valkey.url(), clock)
    worker.spill(1)
    settle(admin, 1)
    clock.seconds += REMEMBER + 1
    admin.delete(worker.queue.witness)
    assert not worker.lost()
    worker.close()


def test_the_witness_goes_with_its_worker(valkey: EmbeddedValkey, admin: redis.Redis) -> None:
    worker = Worker(valkey.url())
    worker.spill(1)
    [key] = admin.keys("audit:dlq:witness:*")
    assert admin.ttl(key) > 0, "and by itself where its worker was killed"
    worker.close()
    assert admin.keys("audit:dlq:witness:*") == []
