from __future__ import annotations

from app.dlq.memory import NOTHING, Memory, format_id, parse_id
from tests.unit.fakes import StandingClock


def made(seconds: float = 100.0) -> tuple[Memory, StandingClock]:
    clock = StandingClock()
    return Memory(("events",), seconds, clock), clock


def test_ids_are_read_written_and_compared_as_redis_does() -> None:
    assert parse_id(b"12-3") == parse_id("12-3") == (12, 3)
    assert format_id((12, 3)) == "12-3"
    assert parse_id(None) == parse_id(b"") == NOTHING == (0, 0)
    assert parse_id("9-1") < parse_id("10-0") < parse_id("10-2")


def test_what_came_after_an_id_is_counted_once_and_forgotten() -> None:
    memory, clock = made()
    for n in range(1, 6):
        memory.kept("events", (n, 0), 10 * n)
        clock.seconds += 1
    assert memory.last("events") == (5, 0)
    assert memory.lost("events", (3, 0)) == 90
    assert memory.lost("events", (3, 0)) == 0
    assert memory.last("events") == (3, 0)


def test_what_is_settled_is_not_lost_and_the_last_is_looked_for_still() -> None:
    memory, clock = made()
    for n in range(1, 4):
        memory.kept("events", (n, 0), 1)
        clock.seconds += 1
    memory.settled("events", (3, 0))
    assert memory.lost("events", NOTHING) == 1
    memory.kept("events", (4, 0), 5)
    memory.settled("events", (9, 0))
    assert memory.last("events") == (4, 0)
    assert memory.lost("events", NOTHING) == 0


def test_memory_is_bounded_in_time_and_in_size() -> None:
    memory, clock = made()
    for n in range(100_000):
        memory.kept("events", (n, 0), 1)
        clock.seconds += 0.0005
    assert len(memory._streams["events"].kept) <= 4097
    assert memory.last("events") == (99_999, 0)
    clock.seconds += 101
    assert memory.last("events") == NOTHING


def test_the_greatest_id_ever_seen_stays() -> None:
    memory, _ = made()
    memory.saw("events", (5, 1))
    memory.saw("events", (2, 0))
    assert memory.seen("events") == (5, 1)
