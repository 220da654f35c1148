"""The breaker: when it opens, who may try, and what closes it."""

from __future__ import annotations

import threading

from app.breaker import Breaker


def opened() -> Breaker:
    breaker = Breaker()
    assert breaker.failed(unreachable=True)
    return breaker


def test_closed_lets_everybody_through() -> None:
    breaker = Breaker()
    assert [breaker.allow() for _ in range(5)] == [True] * 5
    assert breaker.closed
    assert not breaker.succeeded()


def test_a_lost_connection_opens_at_once() -> None:
    breaker = opened()
    assert (breaker.state, breaker.unreachable) == ("open", True)
    assert not breaker.allow()
    assert not breaker.failed(unreachable=True), "open already: not opened again"


def test_three_timeouts_in_a_row_open() -> None:
    breaker = Breaker()
    assert [breaker.failed(timed_out=True) for _ in range(3)] == [False, False, True]
    assert breaker.state == "open"
    assert not breaker.unreachable


def test_a_success_between_timeouts_starts_the_count_again() -> None:
    breaker = Breaker()
    breaker.failed(timed_out=True)
    breaker.failed(timed_out=True)
    assert not breaker.succeeded()
    assert [breaker.failed(timed_out=True) for _ in range(3)] == [False, False, True]


def test_half_open_lets_one_through() -> None:
    breaker = opened()
    breaker.recovered()
    assert breaker.state == "half-open"
    assert [breaker.allow() for _ in range(3)] == [True, False, False]
    assert not breaker.unreachable, "reads may go on"


def test_only_one_of_many_threads_gets_the_trial() -> None:
    breaker = opened()
    breaker.recovered()
    gate = threading.Barrier(16)
    allowed: list[bool] = []

    def ask() -> None:
        gate.wait(60)
        allowed.append(breaker.allow())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(allowed) == [False] * 15 + [True]


def test_a_commit_closes_it() -> None:
    breaker = opened()
    breaker.recovered()
    assert not breaker.closed, "SELECT 1 is no proof"
    assert breaker.allow()
    assert breaker.succeeded()
    assert breaker.closed


def test_a_failed_trial_opens_it_again_even_by_a_timeout() -> None:
    breaker = opened()
    breaker.recovered()
    assert breaker.allow()
    assert not breaker.failed(timed_out=True)
    assert breaker.state == "open"


def test_a_trial_that_tried_nothing_is_given_back() -> None:
    breaker = opened()
    breaker.recovered()
    assert breaker.allow()
    breaker.not_tried()
    assert breaker.state == "half-open"
    assert breaker.allow()


def test_recovery_means_nothing_to_a_closed_one() -> None:
    breaker = Breaker()
    breaker.recovered()
    assert breaker.state == "closed"


def test_a_store_that_was_only_away_is_not_troubled_once_it_answers() -> None:
    breaker = Breaker()
    breaker.failed(unreachable=True)
    assert breaker.troubled
    breaker.recovered()
    assert not breaker.troubled, "nobody may write for hours: that is no reason to call it degraded"


def test_a_store_that_refused_writes_is_troubled_until_one_is_kept() -> None:
    breaker = Breaker()
    breaker.failed()
    breaker.recovered()
    assert breaker.troubled
    breaker.failed(unreachable=True)
    breaker.recovered()
    assert breaker.troubled
    breaker.succeeded()
    assert not breaker.troubled
