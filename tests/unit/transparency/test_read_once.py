"""What is read twice a second, by whoever comes first."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.transparency import read_once, sequencer, signing
from app.transparency.read_once import FRESH_SECONDS, ReadOnce
from tests.support import wait_until
from tests.unit.fakes import HOUR, StandingClock


def test_it_is_read_anew_after_a_second() -> None:
    clock, read = StandingClock(), iter(range(10))
    once = ReadOnce(lambda: next(read), clock)
    assert [once.get() for _ in range(3)] == [0, 0, 0]
    clock.seconds += FRESH_SECONDS
    assert [once.get(), once.get()] == [1, 1]
    assert once.get(lambda value: value >= 1) == 1
    assert once.get(lambda value: value >= 5) == 2, "once more, and what that gives"
    assert once.get() == 2


def test_its_age_counts_from_before_the_read() -> None:
    clock = StandingClock()
    calls: list[int] = []

    def slow() -> int:
        clock.seconds += FRESH_SECONDS
        calls.append(1)
        return len(calls)

    once = ReadOnce(slow, clock)
    assert (once.get(), once.get()) == (1, 2)


def test_those_who_come_meanwhile_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_once, "_SHARED_SECONDS", HOUR)
    go, begun, reads = threading.Event(), threading.Event(), []

    def read() -> int:
        reads.append(1)
        begun.set()
        assert go.wait(HOUR)
        return len(reads)

    once = ReadOnce(read, StandingClock())
    with ThreadPoolExecutor(9) as others:
        first = others.submit(once.get)
        assert begun.wait(HOUR)
        asked = [others.submit(once.get) for _ in range(7)]
        # One for whom that is not enough waits for it, and reads again behind it.
        more = others.submit(once.get, lambda value: value >= 2)
        wait_until(lambda: all(f.running() for f in [*asked, more]), what="all of them have come")
        go.set()
        assert more.result() == 2
        assert first.result() == 1
        assert {f.result() for f in asked} <= {1, 2}
    assert len(reads) == 2


def test_what_it_raises_is_shared_and_not_kept() -> None:
    answers: list[Exception | int] = [OSError("away"), 5]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    once = ReadOnce(read, StandingClock())
    with pytest.raises(OSError, match="away"):
        once.get()
    assert (once.get(), once.get()) == (5, 5)


def test_one_that_hangs_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_once, "_SHARED_SECONDS", 0.0)
    go, begun, reads = threading.Event(), threading.Event(), []

    def read() -> int:
        reads.append(1)
        if len(reads) == 1:
            begun.set()
            assert go.wait(HOUR)
            return 1
        raise ConnectionError

    once = ReadOnce(read, StandingClock())
    with ThreadPoolExecutor(1) as other:
        first = other.submit(once.get)
        try:
            assert begun.wait(HOUR)
            for _ in range(3):
                with pytest.raises(ConnectionError):
                    once.get()
        finally:
            go.set()
        assert first.result() == 1
    assert once.get() == 1


def test_a_record_is_in_a_served_checkpoint_within_two_seconds() -> None:
    """By the intervals alone, with a quarter left for the work."""
    rounds = math.ceil(signing._EVERY_SECONDS / sequencer._ROUND_SECONDS)
    assert rounds * sequencer._ROUND_SECONDS + FRESH_SECONDS <= 1.5
