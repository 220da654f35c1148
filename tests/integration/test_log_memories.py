"""What the log remembers in Redis: by compare-and-set, each wait bounded, and never by a right that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import redis

from app.config.stores import RedisSettings
from app.dlq.endpoint import Endpoint
from app.transparency.memories import KEY, MemoryAwayError, RedisMemory, Remembered
from devserver.valkey import EmbeddedValkey
from tests.support import Valkey, valkey_server
from tests.tree import ROOT

FIRST = Remembered("log.example/one", 3, 7, bytes(range(32))).encode()
SECOND = Remembered("log.example/one", 3, 9, bytes(32)).encode()


@pytest.fixture
def memory(streams: redis.Redis, valkey: Valkey) -> Iterator[RedisMemory]:
    made = RedisMemory(Endpoint(RedisSettings(url=valkey.url(0))))
    yield made
    made.close()


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedValkey]:
    with valkey_server() as server:
        yield server


def test_it_is_moved_on_from_what_it_holds_alone(memory: RedisMemory, streams: redis.Redis) -> None:
    assert memory.read() == b""
    assert not memory.advance(SECOND, FIRST), "it is empty"
    assert memory.advance(b"", FIRST)
    assert memory.read() == FIRST == streams.get(KEY)
    assert not memory.advance(b"", SECOND)
    assert not memory.advance(SECOND, SECOND)
    assert memory.advance(FIRST, SECOND)
    assert memory.read() == SECOND
    assert streams.ttl(KEY) == -1, "it is kept for ever"


def test_a_redis_that_forgot_its_scripts(memory: RedisMemory, streams: redis.Redis) -> None:
    assert memory.advance(b"", FIRST)
    streams.script_flush()
    assert memory.advance(FIRST, SECOND)


def test_a_key_of_another_kind_is_not_put_right(memory: RedisMemory, streams: redis.Redis) -> None:
    streams.rpush(KEY, "somebody's")
    for ask in (memory.read, lambda: memory.advance(b"", FIRST)):
        with pytest.raises(MemoryAwayError, match="Redis refuses"):
            ask()
    assert streams.lrange(KEY, 0, -1) == [b"somebody's"]


def documented_rights() -> list[str]:
    page = (ROOT / "docs" / "dead-letter-queue.md").read_text(encoding="utf-8")
    [rules] = [line for line in page.splitlines() if line.startswith("ACL SETUSER datastorage ")]
    [more] = re.findall(r"`log.key_file`\), also `(~[^`]+)`", page)
    return [*rules.split(), more]


def test_the_documented_rights_are_enough_and_needed(own: EmbeddedValkey) -> None:
    *rules, more = documented_rights()
    with redis.Redis.from_url(own.url()) as admin:
        admin.flushall()
        admin.execute_command("ACL", "SETUSER", "datastorage", "reset")
        admin.execute_command(*rules)
        admin.execute_command("ACL", "SETUSER", "datastorage", "on", ">secret")
        memory = RedisMemory(Endpoint(RedisSettings(url=f"redis://datastorage:secret@127.0.0.1:{own.port}/0")))
        for ask in (memory.read, lambda: memory.advance(b"", FIRST)):
            with pytest.raises(MemoryAwayError, match=r"Redis refuses \(NOPERM\)"):
                ask()
        admin.execute_command("ACL", "SETUSER", "datastorage", more)
        assert memory.advance(b"", FIRST)
        assert memory.read() == FIRST
        memory.close()


def test_a_redis_that_stands_still_holds_nobody_up(own: EmbeddedValkey) -> None:
    with redis.Redis.from_url(own.url()) as admin:
        admin.set(KEY, FIRST)
    memory = RedisMemory(Endpoint(RedisSettings(url=own.url())))
    assert memory.read() == FIRST
    own.freeze()
    try:
        for ask in (memory.read, lambda: memory.advance(FIRST, SECOND)):
            with pytest.raises(MemoryAwayError, match="Redis does not answer"):
                ask()
    finally:
        own.thaw()
    memory.close()


def test_what_too_few_replicas_have_is_not_remembered_yet(own: EmbeddedValkey) -> None:
    """The tree is signed only once they have it: one that is promoted must not have forgotten it."""
    with redis.Redis.from_url(own.url()) as admin:
        admin.set(KEY, FIRST)
    memory = RedisMemory(Endpoint(RedisSettings(url=own.url())), min_replicas=1)
    with pytest.raises(MemoryAwayError, match="too few replicas have it"):
        memory.advance(FIRST, SECOND)
    assert memory.read() == SECOND
    with pytest.raises(MemoryAwayError, match="too few replicas have it"):
        memory.advance(SECOND, SECOND)
    memory.close()


def test_a_memory_that_moved_behind_somebody_s_back(memory: RedisMemory, streams: redis.Redis) -> None:
    """Of two that have read the same, one moves it on."""
    assert memory.advance(b"", FIRST)
    before = memory.read()
    assert memory.advance(before, SECOND)
    assert not memory.advance(before, Remembered("log.example/one", 4, 9, bytes(range(32))).encode())
    assert memory.read() == SECOND
