"""Servers of the local run that end are started again: how soon, and when no more."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from app.clock import Clock
from devserver import DevError, StartCancelledError
from devserver.keeper import BACKOFF_SECONDS, SOON_SECONDS, Keeper
from devserver.server import Server


class MovedClock(Clock):
    seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


class FakeServer(Server):
    """A server without a process, whose ends a test decides."""

    name = "Fake"

    def __init__(self) -> None:
        super().__init__(Path("/data/fake"), port=1234, settings={})
        self.code: int | None = None
        self.starts = 0
        self.fault: DevError | None = None

    def exit_code(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.code = None

    def launch(self) -> None:
        self.starts += 1

    def wait_ready(self, cancel: threading.Event | None = None, timeout: float = 60.0) -> None:
        if self.fault is not None:
            raise self.fault


class Kept:
    def __init__(self) -> None:
        self.server, self.clock = FakeServer(), MovedClock()
        self.said: list[str] = []
        self.keeper = Keeper([self.server], self.clock, self.said.append, threading.Event())

    def dies(self, code: int = -9) -> None:
        self.server.code = code
        self.keeper.look()

    def after(self, seconds: float) -> int:
        self.clock.seconds += seconds
        self.keeper.look()
        return self.server.starts


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_what_runs_is_left_alone(kept: Kept) -> None:
    assert (kept.after(0), kept.after(3600), kept.said) == (0, 0, [])


def test_the_first_end_is_mended_at_once_and_told_in_one_line(kept: Kept) -> None:
    kept.dies()
    assert kept.server.starts == 1
    assert kept.said == ["Fake ended by SIGKILL: it is started again now, with its data, at port 1234"]


def test_each_further_end_soon_after_a_start_waits_longer_and_the_last_is_told(kept: Kept) -> None:
    for starts, delay in enumerate(BACKOFF_SECONDS):
        kept.dies(1)
        if delay:
            assert kept.said[-1].endswith(
                f"with exit code 1: it is started again in {delay:g} s, with its data, at port 1234"
            )
            assert kept.after(delay - 0.5) == starts
        assert kept.after(0.5) == starts + 1
    with pytest.raises(DevError) as told:
        kept.dies(1)
    assert str(told.value) == (
        "Fake ended 5 times, each soon after its start, the last time with exit code 1: stopping everything. "
        "/data/fake/server.log says why; mend that (or move /data/fake away) and start again"
    )


def test_what_has_run_for_a_while_is_started_at_once_again(kept: Kept) -> None:
    for starts in range(1, 20):
        kept.dies()
        assert kept.server.starts == starts
        kept.after(SOON_SECONDS + 1)


def test_a_start_that_fails_counts_as_an_end(kept: Kept) -> None:
    kept.server.fault = DevError("no room")
    kept.dies()
    assert kept.said[-1] == "Fake ended at its start (no room): it is started again in 1 s, with its data, at port 1234"
    for _ in BACKOFF_SECONDS[2:]:
        kept.after(30)  # however long each of them took
    with pytest.raises(DevError, match=r"ended 5 times.* at its start \(no room\)"):
        kept.after(30)


def test_a_start_is_given_up_when_the_run_is_stopped(kept: Kept) -> None:
    kept.server.fault = StartCancelledError("stopped while starting")
    with pytest.raises(StartCancelledError):
        kept.dies()
