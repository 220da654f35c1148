"""One limit: what is let through, what workers hold back, and what is remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from app.quotas.quota import MAX_KEYS, REFUSED_SECONDS, Quota
from tests.unit.fakes import StandingClock

T = TypeVar("T")


class Count:
    """The count of all workers, as the library keeps it in Redis."""

    def __init__(self) -> None:
        self.totals: dict[str, int] = {}
        self.kept: dict[str, int] = {}
        self.asked = 0

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        self.asked += 1
        self.totals[key] = self.totals.get(key, 0) + amount
        self.kept[key] = expiry
        return self.totals[key]

    def get(self, key: str) -> int:
        self.asked += 1
        return self.totals.get(key, 0)


class Shared:
    """A count that can be away."""

    def __init__(self, count: Count) -> None:
        self.count = count
        self.away = False
        self.turn = threading.Lock()

    def ask(self, key: str, step: Callable[[Count], T]) -> T | None:
        if self.away:
            return None
        with self.turn:
            return step(self.count)


def move(clock: StandingClock, seconds: float) -> None:
    clock.seconds += seconds
    clock.moment += timedelta(seconds=seconds)


def workers(number: int, amount: int, clock: StandingClock | None = None, **options: Any) -> tuple[list[Any], Shared]:
    shared = Shared(Count())
    made = [
        Quota("principal", amount, 60, clock=clock or StandingClock(), shared=shared, **options)  # type: ignore[arg-type]
        for _ in range(number)
    ]
    return made, shared


def passed(quota: Quota, key: str, tries: int, cost: int = 1) -> int:
    return sum(quota.take(key, cost).allowed for _ in range(tries))


def test_a_worker_alone_lets_its_share_through_and_no_more_until_the_window_ends() -> None:
    clock = StandingClock()
    quota = Quota("principal", 10, 60, clock=clock, workers=2)
    assert passed(quota, "one", 9) == 5
    refused = quota.take("one")
    assert (refused.allowed, refused.left) == (False, 0)
    assert 1 <= refused.resets_in <= 60
    assert quota.take("other").allowed
    move(clock, refused.resets_in)
    assert passed(quota, "one", 9) == 5


def test_each_worker_has_one_at_the_least() -> None:
    assert passed(Quota("principal", 1, 60, clock=StandingClock(), workers=8), "one", 5) == 1


@pytest.mark.parametrize("amount", [1, 2, 7, 49, 50, 51, 600, 10_000])
@pytest.mark.parametrize("number", [1, 2, 5])
def test_all_workers_together_let_through_the_limit_and_never_more(amount: int, number: int) -> None:
    made, shared = workers(number, amount)
    let = 0
    while True:
        before = let
        for quota in made:
            let += quota.take("one").allowed
        if let == before:
            break
    assert let == amount
    asked = shared.count.asked
    assert asked <= number * (8 + 50 + 50), "pieces, not requests"
    assert not any(quota.take("one").allowed for quota in made)
    assert shared.count.asked == asked, "who is over the limit is known"


def test_what_another_worker_has_not_spent_may_be_missing_at_the_edge_but_it_is_little() -> None:
    (one, other), _ = workers(2, 1000)
    assert passed(other, "one", 300) == 300
    let = 300 + passed(one, "one", 1000)
    assert 1000 - 1000 // 50 <= let <= 1000
    assert let + passed(other, "one", 1000) == 1000


def test_a_short_window_has_few_pieces() -> None:
    shared = Shared(Count())
    quota = Quota("principal", 1000, 1, clock=StandingClock(), shared=shared)  # type: ignore[arg-type]
    assert passed(quota, "one", 1000) == 1000
    assert shared.count.asked < 40


def test_who_comes_seldom_holds_little() -> None:
    made, _ = workers(2, 1000)
    assert made[0].take("one").allowed
    assert passed(made[1], "one", 1000) == 999


def test_a_window_begins_anew_on_every_worker_at_the_same_moment() -> None:
    clock = StandingClock()
    made, shared = workers(2, 10, clock)
    assert sum(passed(quota, "one", 20) for quota in made) == 10
    rests = {quota.take("one").resets_in for quota in made}
    assert len(rests) == 1
    move(clock, rests.pop() - 1)
    assert not made[0].take("one").allowed
    move(clock, 1)
    assert sum(passed(quota, "one", 20) for quota in made) == 10
    assert len(shared.count.totals) == 2
    # An instance whose clock is behind still finds the count of the window before.
    assert set(shared.count.kept.values()) == {120}


def test_windows_of_different_keys_end_at_different_moments() -> None:
    quota = Quota("principal", 10, 60, clock=StandingClock())
    assert len({quota.take(f"key {n}").resets_in for n in range(50)}) > 10


def test_a_batch_goes_whole_or_not_at_all_and_a_refused_one_takes_nothing_from_others() -> None:
    (one, other), _ = workers(2, 100)
    assert one.take("one", 60).allowed
    assert not other.take("one", 41).allowed
    assert one.take("one", 40).allowed
    assert not one.take("one").allowed


def test_a_batch_that_can_never_go() -> None:
    made, shared = workers(1, 100, workers=4)
    assert (made[0].most, Quota("events", 100, 60, clock=StandingClock(), workers=4).most) == (100, 25)
    assert not made[0].take("one", 101).allowed
    assert shared.count.asked == 0


def test_without_the_count_each_worker_goes_by_its_share_and_tells_it_afterwards() -> None:
    made, shared = workers(2, 100, workers=2)
    shared.away = True
    assert [passed(quota, "one", 80) for quota in made] == [50, 50]
    shared.away = False
    for quota in made:
        quota.take("one")  # each tells what it has let through
    assert not any(quota.take("one").allowed for quota in made)
    made, shared = workers(2, 100, workers=2)
    shared.away = True
    assert passed(made[0], "one", 30) == 30
    shared.away = False
    assert sum(passed(quota, "one", 200) for quota in made) == 70


def test_what_was_spent_before_the_count_was_lost_is_of_the_share() -> None:
    (quota,), shared = workers(1, 100, workers=2)
    assert passed(quota, "one", 20) == 20
    shared.away = True
    held = passed(quota, "one", 100)
    assert 30 <= held <= 32, "what it still had of its piece, and its share"


def test_a_count_that_was_forgotten_gives_no_worker_more_than_the_limit() -> None:
    (quota,), shared = workers(1, 100)
    assert passed(quota, "one", 50) == 50
    shared.count.totals.clear()
    assert passed(quota, "one", 100) == 50


def test_many_threads_let_through_the_limit() -> None:
    made, _ = workers(2, 5000)
    let: list[int] = []
    threads = [threading.Thread(target=lambda q=q: let.append(passed(q, "one", 1500))) for q in made * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 5000 - 5000 // 50 <= sum(let) <= 5000


def test_a_flood_of_keys_is_forgotten_and_who_is_there_all_the_time_is_not() -> None:
    quota = Quota("address", 3, 60, clock=StandingClock())
    assert passed(quota, "greedy", 5) == 3
    for number in range(2 * MAX_KEYS):
        assert quota.take(str(number)).allowed
        if number % 1000 == 0:
            assert not quota.take("greedy").allowed
    assert len(quota._windows) == MAX_KEYS


def test_who_was_refused_gets_what_it_may_have_in_an_even_pace() -> None:
    clock = StandingClock()
    [quota], _ = workers(1, 60, clock)  # one a second
    assert [quota.take("greedy").pause for _ in range(60)] == [0.0] * 60
    refused = quota.take("greedy")
    assert (refused.allowed, refused.pause) == (False, REFUSED_SECONDS)
    move(clock, refused.resets_in)
    paced = [quota.take("greedy") for _ in range(3)]
    assert [s.allowed for s in paced] == [True] * 3
    assert [s.pause for s in paced] == [REFUSED_SECONDS] * 3
    assert quota.take("other").pause == 0.0
    # A window without a refusal, and all is forgotten.
    move(clock, 60)
    assert quota.take("greedy").pause == 0.0


def test_the_pace_is_that_of_the_limit() -> None:
    clock = StandingClock()
    [quota], _ = workers(1, 600, clock)  # ten a second
    while quota.take("greedy").allowed:
        pass
    move(clock, 60)
    assert [round(quota.take("greedy").pause, 2) for _ in range(12)] == [
        *(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0, 1.0)
    ]
    move(clock, 1)
    assert round(quota.take("greedy").pause, 2) == 0.3, "twelve turns are taken, ten are over"
