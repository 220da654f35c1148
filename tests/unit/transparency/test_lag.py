"""How far the log is behind, as a worker says it: a lag that nobody looks at must not seem to be well."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from app.telemetry import metrics
from app.transparency.watch import LogWatch
from tests.unit.fakes import StandingClock, make_services


class Seen:
    """A connection that shows one row of the log."""

    def __init__(self, **changes: Any) -> None:
        row: dict[str, object] = {"size": 10, "taken": 0, "all_taken": True, "indexed": True}
        row |= {
            "signed": 10,
            "epoch": 1,
            "origin": "log",
            "unsigned": None,
            "tried": 0.0,
            "inconsistent": None,
            "first": None,
            "pending": 0,
        }
        self.row = tuple({**row, "lag": 0.0, **changes}.values())

    def execute(self, statement: object, parameters: object) -> Any:
        return SimpleNamespace(fetchone=lambda: self.row)


def look(watch: LogWatch, **changes: Any) -> None:
    watch.look(Seen(**changes))  # type: ignore[arg-type]


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def watch(clock: StandingClock) -> LogWatch:
    return LogWatch(clock, stalled=lambda: None)


def test_it_is_what_was_seen(clock: StandingClock, watch: LogWatch) -> None:
    look(watch)
    assert watch.lag() == 0
    clock.seconds += 1
    assert watch.lag() == 0, "the next look is not late yet"
    look(watch, first=3, pending=7, lag=2.5)
    assert watch.lag() == 2.5


def test_it_grows_while_nobody_can_look(clock: StandingClock, watch: LogWatch) -> None:
    look(watch)
    clock.seconds += 300
    assert watch.lag() == 300
    look(watch)
    assert watch.lag() == 0


def test_it_grows_from_the_start_where_nobody_ever_could(clock: StandingClock, watch: LogWatch) -> None:
    clock.seconds = 5000
    assert watch.lag() == 0
    clock.seconds += 90
    assert watch.lag() == 90
    assert not watch.seen


def test_old_records_wait_since_one_was_taken_in(clock: StandingClock, watch: LogWatch) -> None:
    look(watch, all_taken=False, taken=0)
    for second in range(1, 100):
        clock.seconds += 1
        # New records get their places, old ones do not.
        look(watch, all_taken=False, taken=0, size=10 + second)
    assert watch.lag() == 99
    look(watch, all_taken=False, taken=500)
    assert watch.lag() == 0
    clock.seconds += 2
    look(watch, all_taken=False, taken=500, indexed=False)
    assert watch.lag() == 2, "also where their index is not there"
    look(watch, all_taken=True, taken=500)
    assert watch.lag() == 0


def test_a_look_that_fails_is_no_look(clock: StandingClock, watch: LogWatch) -> None:
    class Denied:
        def execute(self, statement: object, parameters: object) -> Any:
            raise psycopg.errors.InsufficientPrivilege("permission denied for table log_head")

    look(watch)
    clock.seconds += 100
    with pytest.raises(psycopg.Error):
        watch.look(Denied())  # type: ignore[arg-type]
    assert watch.lag() == 100


def test_the_gauge_grows_without_a_look() -> None:
    clock = StandingClock()
    services = make_services(clock=clock)
    services.sampler.sample()
    assert metrics.LOG_LAG._value.get() == 0
    clock.seconds += 120
    services.sampler.sample()
    assert metrics.LOG_LAG._value.get() == 120
