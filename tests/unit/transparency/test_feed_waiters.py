"""Requests that wait for the log to grow: few at a time, woken by what is new and by the end, and nothing is missed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.transparency.feed_waiters import FeedWaiters
from tests.support import wait_until
from tests.unit.fakes import HOUR, FixedClock, StandingClock


class Followers:
    """Waiters, each in a thread of its own, and how many they were at each change."""

    def __init__(self, most: int, pool: ThreadPoolExecutor) -> None:
        self.counted: list[int] = []
        self.clock = FixedClock()
        self.waiters = FeedWaiters(most, self.clock, self.counted.append)
        self._pool = pool

    def follow(self, seen: int) -> Future[bool | None]:
        """Wait for an hour, where there is room: whether there was something; None where there was no room."""

        def follow() -> bool | None:
            with self.waiters.room() as admitted:
                return self.waiters.wait(seen, self.clock.monotonic() + HOUR) if admitted else None

        return self._pool.submit(follow)

    def until(self, number: int) -> None:
        wait_until(lambda: self.counted[-1:] == [number], what=f"{number} wait")


@pytest.fixture
def followers() -> Iterator[Followers]:
    with ThreadPoolExecutor(8) as pool:
        made = Followers(3, pool)
        yield made
        made.waiters.end()


def test_all_who_wait_are_told_of_what_is_new(followers: Followers) -> None:
    waiting = [followers.follow(followers.waiters.grown) for _ in range(3)]
    followers.until(3)
    assert not any(each.done() for each in waiting)
    followers.waiters.note_growth()
    assert [each.result() for each in waiting] == [True] * 3
    assert sorted(followers.counted[:3]) == [1, 2, 3]
    assert followers.counted[3:] == [2, 1, 0]


def test_there_is_room_for_so_many(followers: Followers) -> None:
    waiting = [followers.follow(followers.waiters.grown) for _ in range(3)]
    followers.until(3)
    counted = list(followers.counted)
    assert followers.follow(followers.waiters.grown).result() is None
    assert followers.counted == counted, "who was not let in is not counted"
    followers.waiters.note_growth()
    assert all(each.result() for each in waiting)
    # Whoever has gone leaves his place to others.
    seen = followers.waiters.grown
    again = [followers.follow(seen) for _ in range(3)]
    followers.until(3)
    followers.waiters.note_growth()
    assert all(each.result() for each in again)


def test_a_place_is_given_back_whatever_happens(followers: Followers) -> None:
    def fail() -> None:
        with followers.waiters.room() as admitted:
            assert admitted
            raise RuntimeError

    for _ in range(4):
        with pytest.raises(RuntimeError):
            fail()
    assert followers.counted == [1, 0] * 4


def test_without_places_nobody_waits() -> None:
    with FeedWaiters(0, FixedClock()).room() as admitted:
        assert not admitted


def test_what_came_between_reading_and_waiting_is_not_missed(followers: Followers) -> None:
    """The number is read before the page: what is new since then was perhaps not on it."""
    waiters, until = followers.waiters, followers.clock.monotonic() + HOUR
    seen = waiters.grown
    waiters.note_growth()
    assert waiters.wait(seen, until) is True
    for _ in range(3):
        waiters.note_growth()
    assert waiters.wait(seen, until) is True, "however often"
    seen = waiters.grown
    waiting = followers.follow(seen)
    followers.until(1)
    assert not waiting.done(), "what was seen already is nothing new"
    waiters.note_growth()
    assert waiting.result() is True


def test_no_growth_is_missed_by_those_who_read_and_wait_in_turn(followers: Followers) -> None:
    """Each sees every page at last, whenever the log grows: between its steps, and while it waits."""
    waiters, last = followers.waiters, 500
    pages = [0]

    def follow() -> int:
        read = 0
        while read < last:
            seen = waiters.grown
            read = pages[-1]
            if read < last and not waiters.wait(seen, followers.clock.monotonic() + HOUR):
                break
        return read

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(follow) for _ in range(4)]
        for n in range(1, last + 1):
            pages.append(n)
            waiters.note_growth()
        assert [each.result() for each in found] == [last] * 4


def test_the_end_wakes_all_and_lets_nobody_in(followers: Followers) -> None:
    waiting = [followers.follow(followers.waiters.grown) for _ in range(3)]
    followers.until(3)
    followers.waiters.end()
    assert [each.result() for each in waiting] == [False] * 3
    seen = followers.waiters.grown
    assert followers.follow(seen).result() is None
    followers.waiters.note_growth()
    assert followers.follow(seen).result() is None
    assert followers.waiters.wait(seen, followers.clock.monotonic() + HOUR) is False, "who had a place already"
    followers.waiters.end()
    assert followers.counted[-1] == 0


def test_a_wait_is_over_at_its_time() -> None:
    clock = StandingClock()
    waiters = FeedWaiters(1, clock)
    assert waiters.wait(waiters.grown, 0.0) is False
    assert waiters.wait(waiters.grown, -5.0) is False
    waiters.note_growth()
    assert waiters.wait(0, -5.0) is True, "what is there is told, however late"


def test_a_wake_for_nothing_does_not_lengthen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A condition may wake by itself: the wait goes on with what is left of it."""
    clock = StandingClock()
    waiters = FeedWaiters(1, clock)
    asked: list[float | None] = []

    def woken(timeout: float | None = None) -> bool:
        asked.append(timeout)
        clock.seconds += 10
        return True

    monkeypatch.setattr(threading.Condition, "wait", lambda self, timeout=None: woken(timeout))
    assert waiters.wait(waiters.grown, 25.0) is False
    assert asked == [25.0, 15.0, 5.0]
