"""The thread that does the same step again and again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from app.loop import LoopThread
from tests.support import wait_until

log = logging.getLogger("test.loop")
AN_HOUR = 3600.0


def loop(step: Callable[[], object], every: float = 0.001, **more: object) -> LoopThread:
    return LoopThread("a-loop", step, every, log, **more)  # type: ignore[arg-type]


def test_it_goes_on_after_an_error_and_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    rounds: list[None] = []

    def step() -> None:
        rounds.append(None)
        if len(rounds) == 1:
            raise RuntimeError("a mistake")

    made = loop(step)
    made.start()
    wait_until(lambda: len(rounds) >= 3, what="rounds after the mistake")
    assert made.stop(60)
    assert [(r.name, r.message) for r in caplog.records] == [("test.loop", "a loop failed unexpectedly")]
    assert "a mistake" in caplog.text


def test_stop_ends_the_pause_and_then_the_end_is_run() -> None:
    rounds: list[str] = []
    made = loop(lambda: rounds.append("round"), AN_HOUR, end=lambda: rounds.append("end"))
    made.start()
    wait_until(lambda: bool(rounds), what="the first round")
    assert made.stop(60)
    assert rounds == ["round", "end"]
    assert made.stopping


def test_stop_says_when_a_step_does_not_end_in_time() -> None:
    began, go_on = threading.Event(), threading.Event()

    def step() -> None:
        began.set()
        go_on.wait(60)

    made = loop(step)
    made.start()
    assert began.wait(60)
    assert not made.stop(0.001)
    go_on.set()
    assert made.stop(60)


def test_a_loop_that_was_never_started_has_stopped() -> None:
    assert loop(lambda: None).stop(0)


def test_a_wish_ends_the_pause() -> None:
    wake, rounds = threading.Event(), []
    made = loop(lambda: rounds.append(None), AN_HOUR, wake=wake)
    made.start()
    wait_until(lambda: len(rounds) == 1, what="the first round")
    wake.set()
    wait_until(lambda: len(rounds) == 2, what="the round that was wished for")
    assert made.stop(60)


def test_an_error_at_the_end_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def end() -> None:
        raise RuntimeError("at the end")

    made = loop(lambda: None, end=end)
    made.start()
    assert made.stop(60)
    assert "at the end" in caplog.text
