"""Limits on a real Valkey: one count for all instances, and none of its troubles is one of a request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import redis

from app.clock import Clock
from app.config.stores import RedisSettings
from app.dlq.endpoint import Endpoint
from app.quotas import quota as quota_module
from app.quotas import shared_count
from app.quotas.quota import MAX_KEYS, Quota
from app.quotas.shared_count import PREFIX, SharedCount
from devserver import EmbeddedValkey
from tests.support import Valkey, free_port, valkey_server, wait_until
from tests.unit.fakes import HOUR

DAY = 86400


class Instances:
    """Each has a storage of its own."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def make(self, url: str, amount: int, *, number: int = 2, workers: int = 1, seconds: int = DAY) -> list[Quota]:
        found = []
        for _ in range(number):
            endpoint = Endpoint(RedisSettings(url=url))
            shared = SharedCount(endpoint)
            self._stack.callback(shared.close)
            self._stack.callback(endpoint.close)
            found.append(Quota("principal", amount, seconds, clock=Clock(), workers=workers, shared=shared))
        return found


@pytest.fixture
def instances() -> Iterator[Instances]:
    with ExitStack() as stack:
        yield Instances(stack)


@pytest.fixture
def own() -> Iterator[EmbeddedValkey]:
    with valkey_server() as server:
        yield server


def passed(quota: Quota, tries: int, key: str = "one") -> int:
    return sum(quota.take(key).allowed for _ in range(tries))


def test_two_instances_share_one_limit(valkey: Valkey, streams: redis.Redis, instances: Instances) -> None:
    one, other = instances.make(valkey.url(0), 1000)
    let = [0, 0]

    def spend(number: int, quota: Quota) -> None:
        let[number] = passed(quota, 800)

    threads = [threading.Thread(target=spend, args=pair) for pair in enumerate((one, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Early by what the other one holds, and whole once both have asked on; never more.
    assert 1000 - 1000 // 50 <= sum(let) <= 1000
    assert sum(let) + passed(one, 300) + passed(other, 300) == 1000
    [key] = streams.keys("*")
    assert key.startswith(f"{PREFIX}:principal:1000:".encode())
    assert 0 < streams.ttl(key) <= 2 * DAY


def test_another_limit_or_a_new_start_counts_anew_or_goes_on(
    valkey: Valkey, streams: redis.Redis, instances: Instances
) -> None:
    [first] = instances.make(valkey.url(0), 100, number=1)
    assert passed(first, 60) == 60
    [restarted] = instances.make(valkey.url(0), 100, number=1)
    assert 100 - 60 - 2 <= passed(restarted, 100) <= 40
    [changed] = instances.make(valkey.url(0), 50, number=1)
    assert passed(changed, 100) == 50


@pytest.mark.embedded
def test_redis_is_killed_and_comes_back(
    own: EmbeddedValkey, instances: Instances, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.quotas")
    monkeypatch.setattr(shared_count, "AGAIN_SECONDS", HOUR)
    [quota] = instances.make(own.url(0), 100, number=1, workers=2)
    assert passed(quota, 20) == 20
    own.kill()
    # Its share is half of the limit; it may still have something of its last piece.
    assert 30 <= passed(quota, 200) <= 32
    assert passed(quota, 30, "newcomer") == 30
    assert [r.levelname for r in caplog.records] == ["WARNING"], "said once"
    own.start()
    monkeypatch.setattr(shared_count, "AGAIN_SECONDS", 0.0)
    quota._shared._again_at = 0.0  # type: ignore[union-attr]
    wait_until(lambda: passed(quota, 1, "prober") and len(caplog.records) == 2, what="counted in Redis again")
    assert passed(quota, 200, "newcomer") == 70
    assert passed(quota, 200) <= 50, "what was let through meanwhile is told"


@pytest.mark.embedded
def test_a_redis_that_is_frozen_holds_up_one_request_once(
    own: EmbeddedValkey, instances: Instances, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shared_count, "AGAIN_SECONDS", HOUR)
    [quota] = instances.make(own.url(0), 10_000, number=1)
    assert passed(quota, 5) == 5
    asked: list[str] = []
    incr = quota._shared._storage.incr  # type: ignore[union-attr]
    monkeypatch.setattr(
        quota._shared._storage,  # type: ignore[union-attr]
        "incr",
        lambda key, *rest: (asked.append(key), incr(key, *rest))[1],
    )
    own.freeze()
    let: list[int] = []
    threads = [threading.Thread(target=lambda n=n: let.append(passed(quota, 50, f"key {n % 4}"))) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert let == [50] * 16
    assert len(asked) <= 8, "after the first that had no answer nobody asks"
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1


@pytest.mark.embedded
def test_redis_that_never_was_there(instances: Instances) -> None:
    [quota] = instances.make(f"redis://127.0.0.1:{free_port()}/0", 10, number=1)
    assert passed(quota, 20) == 10


def test_without_the_rights_each_worker_counts_for_itself_and_the_queue_keeps_its_connections(
    valkey: Valkey, streams: redis.Redis, instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams.execute_command("ACL", "SETUSER", "narrow", "on", ">word", "~audit:dlq:*", "+@all")
    dropped: list[int] = []
    monkeypatch.setattr(Endpoint, "doubt", lambda self: dropped.append(1))
    host = valkey.url(0).rpartition("@")[2]
    [quota] = instances.make(f"redis://narrow:word@{host}", 10, number=1)
    assert passed(quota, 20) == 10
    assert dropped == []
    streams.execute_command("ACL", "DELUSER", "narrow")


def test_the_rights_that_the_page_names_are_enough(valkey: Valkey, streams: redis.Redis, instances: Instances) -> None:
    streams.execute_command(
        "ACL", "SETUSER", "limits", "on", ">word", f"~{PREFIX}:*", "+evalsha", "+script|load", "+get", "+incrby",
        "+expire", "+select", "+client|setname", "+client|setinfo",
    )  # fmt: skip
    host = valkey.url(0).rpartition("@")[2]
    one, other = instances.make(f"redis://limits:word@{host}", 10)
    assert sum(quota.take("batch", 8).allowed for quota in (one, other)) == 1
    assert sum(passed(quota, 20) for quota in (one, other)) == 10
    streams.execute_command("ACL", "DELUSER", "limits")


def test_a_flood_of_keys_has_a_bound_and_no_threads(valkey: Valkey, streams: redis.Redis, instances: Instances) -> None:
    [quota] = instances.make(valkey.url(0), 5, number=1)
    assert passed(quota, 9, "greedy") == 5
    before = threading.active_count()
    for number in range(MAX_KEYS // 4):
        assert quota.take(f"flood {number}").allowed
    assert len(quota._windows) <= MAX_KEYS
    assert threading.active_count() == before
    assert not quota.take("greedy").allowed


def test_a_flood_of_keys_does_not_fill_redis(
    valkey: Valkey, streams: redis.Redis, instances: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quota_module, "MAX_KEYS", 50)
    [quota] = instances.make(valkey.url(0), 3, number=1)
    for number in range(200):
        assert quota.take(f"flood {number}").allowed
    assert len(list(streams.scan_iter(f"*{PREFIX}*", count=1000))) <= 50
    # Who comes after them has this worker's share.
    assert [quota.take("late").allowed for _ in range(4)] == [True, True, True, False]
