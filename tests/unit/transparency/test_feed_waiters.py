"""Requests that wait for the log to grow: few at a time, woken by what is new and by the end, and nothing is missed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.transparency.feed_waiters import FeedWaiters, Place
from tests.support import wait_until
from tests.unit.fakes import HOUR, FixedClock, StandingClock


class Followers:
    """Waiters, each in a thread of its own, and how many they were at each change."""

    def __init__(self, most: int, pool: ThreadPoolExecutor) -> None:
        self.counted: list[int] = []
        self.clock = FixedClock()
        self.waiters = FeedWaiters(most, self.clock, self.counted.append)
        self._pool = pool

    def follow(self, seen: int, caller: str = "a") -> Future[bool | None]:
        """Wait for an hour, where there is room: whether there was something; None where there was no room."""

        def follow() -> bool | None:
            with self.waiters.room(caller) as place:
                return None if place is None else self.waiters.wait(place, seen, self.clock.monotonic() + HOUR)

        return self._pool.submit(follow)

    def until(self, number: int) -> None:
        wait_until(lambda: self.counted[-1:] == [number], what=f"{number} wait")

    def came(self, *callers: str) -> list[Future[bool | None]]:
        """One after the other, each once the one before has its place."""
        came = []
        for caller in callers:
            before = len(self.counted)
            came.append(self.follow(self.waiters.grown, caller))
            wait_until(lambda b=before: len(self.counted) > b, what=f"{caller} waits")  # type: ignore[misc]
        return came


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
        with followers.waiters.room("a") as place:
            assert place is not None
            raise RuntimeError

    for _ in range(4):
        with pytest.raises(RuntimeError):
            fail()
    assert followers.counted == [1, 0] * 4


def test_without_places_nobody_waits() -> None:
    with FeedWaiters(0, FixedClock()).room("a") as place:
        assert place is None


def test_what_came_between_reading_and_waiting_is_not_missed(followers: Followers) -> None:
    """The number is read before the page: what is new since then was perhaps not on it."""
    waiters, until = followers.waiters, followers.clock.monotonic() + HOUR
    seen = waiters.grown
    waiters.note_growth()
    assert waiters.wait(Place("a"), seen, until) is True
    for _ in range(3):
        waiters.note_growth()
    assert waiters.wait(Place("a"), seen, until) is True, "however often"
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
            if read < last and not waiters.wait(Place("a"), seen, followers.clock.monotonic() + HOUR):
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
    until = followers.clock.monotonic() + HOUR
    assert followers.waiters.wait(Place("a"), seen, until) is False, "who had a place already"
    followers.waiters.end()
    assert followers.counted[-1] == 0


def test_a_wait_is_over_at_its_time() -> None:
    clock = StandingClock()
    waiters, place = FeedWaiters(1, clock), Place("a")
    assert waiters.wait(place, waiters.grown, 0.0) is False
    assert waiters.wait(place, waiters.grown, -5.0) is False
    seen = waiters.grown
    waiters.note_growth()
    assert waiters.wait(place, seen, 0.1) is True
    assert waiters.wait(place, seen, 0.0) is False, "whatever has grown"


def test_a_wait_ends_in_time_where_the_log_grows_with_each_look() -> None:
    clock = StandingClock()
    waiters, looks = FeedWaiters(1, clock), 0
    with waiters.room("a") as place:
        assert place is not None
        seen = waiters.grown
        waiters.note_growth()
        while waiters.wait(place, seen, 2.0):
            looks += 1
            assert looks < 10, "it has no end"
            seen = waiters.grown
            clock.seconds += 1.6
            waiters.note_growth()
    assert looks == 2


# --- whose places they are ----------------------------------------------------------------------------------------


def test_who_has_all_places_leaves_one_to_another(followers: Followers) -> None:
    first, second, third = followers.came("a", "a", "a")
    (other,) = followers.came("b")
    assert first.result() is False, "the oldest is ended"
    assert not any(each.done() for each in (second, third, other))
    assert followers.waiters.waiting == 3
    assert followers.follow(followers.waiters.grown, "a").result() is None, "nor is it taken back"
    assert followers.follow(followers.waiters.grown, "b").result() is None, "two and one is as even as it gets"
    followers.waiters.note_growth()
    assert [each.result() for each in (second, third, other)] == [True] * 3
    followers.until(0)


def test_places_end_up_in_equal_shares() -> None:
    with contextlib.ExitStack() as stack:
        waiters = FeedWaiters(6, StandingClock())
        had = [stack.enter_context(waiters.room("a")) for _ in range(6)]
        had += [stack.enter_context(waiters.room(caller)) for caller in "bcbcbcbca"]
        kept = [place.caller for place in had if place is not None and not place.taken]
        assert sorted(kept) == ["a", "a", "b", "b", "c", "c"]
        assert [place is not None and place.taken for place in had[:6]] == [True] * 4 + [False] * 2, "the oldest first"
        assert waiters.waiting == 6


def test_a_place_is_not_taken_while_others_are_free() -> None:
    counted: list[int] = []
    waiters = FeedWaiters(3, StandingClock(), counted.append)
    with waiters.room("a") as one, waiters.room("a") as two, waiters.room("b") as three:
        assert [place is not None and place.taken for place in (one, two, three)] == [False] * 3
    assert counted == [1, 2, 3, 2, 1, 0]


def test_who_lost_a_place_gives_none_back() -> None:
    waiters = FeedWaiters(2, StandingClock())
    with contextlib.ExitStack() as stack:
        with waiters.room("a") as lost, waiters.room("a"):
            stack.enter_context(waiters.room("b"))
            assert lost is not None
            assert lost.taken
            waiters.note_growth()
            assert waiters.wait(lost, 0, 5.0) is False, "whatever has grown"
        assert waiters.waiting == 1
    assert waiters.waiting == 0


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
    assert waiters.wait(Place("a"), waiters.grown, 25.0) is False
    assert asked == [25.0, 15.0, 5.0]
