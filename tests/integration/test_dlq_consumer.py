"""What one consumer is given of a stream, and the count of its bytes, in a real Valkey."""

from __future__ import annotations

import random
from typing import Any

import pytest
import redis

from app.clock import Clock
from app.config.settings import DLQSettings
from app.dlq import consumer, scripts
from app.dlq.consumer import Attempts, Consumer, Entry
from app.dlq.keys import GROUP, KEYS

EVENTS = KEYS["events"]
ALL = 10_000


def made(streams: redis.Redis, name: str = "one", **keys: Any) -> Consumer:
    return Consumer(streams, "events", name, DLQSettings(**keys), Clock())


def put(streams: redis.Redis, *sizes: int) -> list[bytes]:
    """Add entries of so many bytes, as a spill does; their ids."""
    streams.incrby(EVENTS.size, sum(sizes))
    return [streams.xadd(EVENTS.stream, {"message": b"x" * size}) for size in sizes]


def held(streams: redis.Redis) -> int:
    return sum(len(fields[b"message"]) for _, fields in streams.xrange(EVENTS.stream))


def sizes_of(entries: list[Entry]) -> list[int]:
    return [len(entry.message or b"") for entry in entries]


def test_new_entries_come_in_portions_of_bytes_and_the_largest_alone(streams: redis.Redis) -> None:
    put(streams, *[100] * 40, 5000, 100, 100)
    one = made(streams, replay_bytes=1050)
    portions = [sizes_of(one.next(ALL)) for _ in range(6)]
    assert portions == [[100] * 10] * 4 + [[5000], [100, 100]]


def test_no_more_entries_are_given_than_asked_for(streams: redis.Redis) -> None:
    put(streams, *[10] * 50)
    one = made(streams)
    assert [len(one.next(20)) for _ in range(3)] == [20, 20, 10]


def test_pending_entries_come_in_portions_of_bytes_too_and_in_order(streams: redis.Redis) -> None:
    idents = put(streams, *[100] * 20)
    one = made(streams, replay_bytes=550)
    taken = [entry for _ in range(4) for entry in one.next(ALL)]
    assert [entry.ident for entry in taken] == idents
    one.again(taken[0])
    again = [one.next(ALL) for _ in range(4)]
    assert [entry.ident for portion in again for entry in portion] == idents
    assert {len(portion) for portion in again} == {5}
    one.beyond(taken[9])
    assert [entry.ident for entry in one.next(5)] == idents[10:15]


def test_new_entries_come_though_many_are_pending(streams: redis.Redis) -> None:
    put(streams, *[10] * 100)
    one = made(streams)
    first = one.next(100)
    put(streams, 77)
    one.again(first[0])
    assert 77 in sizes_of(one.next(10) + one.next(10))


def test_pending_entries_come_though_new_ones_keep_coming(
    streams: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "CLAIM_IDLE_SECONDS", 0.0)
    [left] = put(streams, 77)
    streams.xgroup_create(EVENTS.stream, GROUP, id="0")
    streams.xreadgroup(GROUP, "dead", {EVENTS.stream: ">"})
    one = made(streams)
    for _ in range(100):
        put(streams, 10)
        [entry] = one.next(1)
        one.settle([entry])
        if entry.ident == left:
            break
    assert entry.ident == left


def test_more_pending_entries_than_a_page_are_all_found(streams: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "CLAIM_IDLE_SECONDS", 0.0)
    idents = put(streams, *[10] * 1300)
    streams.xgroup_create(EVENTS.stream, GROUP, id="0")
    streams.xreadgroup(GROUP, "dead", {EVENTS.stream: ">"}, count=1300)
    one = made(streams)
    for ident in idents[:1100]:
        one.remember(Entry(ident, None), Attempts(1, one.now() + 30))
    found: list[Entry] = []
    while batch := one.next(150):
        found += batch
    assert [entry.ident for entry in found] == idents[1100:]


def test_the_bytes_are_added_up_right_while_entries_come_and_go(streams: redis.Redis) -> None:
    chance = random.Random(7)
    idents = put(streams, *[chance.randrange(1, 3000) for _ in range(2500)])
    put(streams, *[chance.randrange(1, 3000) for _ in range(100)])
    streams.set(EVENTS.size, 10**12)
    one = made(streams)
    chance.shuffle(idents)
    more, steps = 1, 0
    while more:
        more, *_ = scripts.RECOUNT.run(streams, 3, EVENTS.stream, EVENTS.size, EVENTS.recount, 10**13, 600, 30)
        if more:
            one.settle([Entry(idents.pop(), None) for _ in range(50)])
            assert one.bury(Entry(idents.pop(), None), 0, "why", "now")
            put(streams, chance.randrange(1, 3000))
            steps += 1
    assert steps > 2
    assert int(streams.get(EVENTS.size)) == held(streams)
    one.settle([Entry(ident, None) for ident in idents[:500]])
    assert int(streams.get(EVENTS.size)) == held(streams)


def test_the_bytes_are_added_up_again_only_when_it_is_time(streams: redis.Redis) -> None:
    put(streams, *[1000] * 10)
    one = made(streams, max_bytes=50_000)
    one.recount()
    streams.set(EVENTS.size, 11_000)
    one.recount()
    assert int(streams.get(EVENTS.size)) == 11_000, "plausible, and looked at a moment ago"
    streams.hset(EVENTS.recount, "done", streams.time()[0] - 60)
    one.recount()
    assert int(streams.get(EVENTS.size)) == 11_000, "plausible, and looked at a minute ago"
    streams.set(EVENTS.size, 25_000)
    one.recount()
    assert int(streams.get(EVENTS.size)) == 10_000, "half full"
    streams.set(EVENTS.size, 11_000)
    streams.hset(EVENTS.recount, "done", streams.time()[0] + 7200)
    one.recount()
    assert int(streams.get(EVENTS.size)) == 10_000, "the clock stepped back"


def test_an_entry_of_thousands_of_fields_can_be_buried(streams: redis.Redis) -> None:
    ident = streams.xadd(EVENTS.stream, {f"field-{n}": "x" for n in range(6000)})
    one = made(streams)
    [entry] = one.next(ALL)
    assert entry == Entry(ident, None)
    assert one.bury(entry, 0, "the entry holds no message", "now")
    assert streams.xlen(EVENTS.stream) == 0
    assert streams.xrange(EVENTS.dead)[0][1][b"original_id"] == ident
