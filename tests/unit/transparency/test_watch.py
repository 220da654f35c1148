"""What a look at the log says, and when somebody has to take over."""

from __future__ import annotations

from typing import Any

import pytest

from app.telemetry import metrics
from app.transparency.watch import Floor, LogState, LogWatch
from tests.unit.fakes import FakeConnection, FakeCursor, StandingClock


class World:
    """A watch over a log whose state a test says."""

    def __init__(self) -> None:
        self.clock = StandingClock()
        self.stalled = 0
        self.watch = LogWatch(self.clock, self.stall)
        self.conn = FakeConnection()

    def stall(self) -> None:
        self.stalled += 1

    def look(
        self,
        size: int,
        oldest: int | None = None,
        *,
        pending: int = 0,
        lag: float = 0.0,
        taken_in: int = 0,
        all_taken_in: bool = True,
        indexed: bool = True,
    ) -> int:
        """One look that finds this; how often somebody was to take over."""
        row = (size, taken_in, all_taken_in, indexed, size, 1, "log", None, 0.0, None, oldest, pending, lag)
        self.conn.answers = {"FROM log_head h": [row]}
        self.clock.seconds += 1.0
        before = self.stalled
        self.watch.look(self.conn)  # type: ignore[arg-type]
        return self.stalled - before


def test_an_idle_log_is_left_alone() -> None:
    world = World()
    assert [world.look(7) for _ in range(3)] == [0, 0, 0]
    assert len(world.conn.executed) == 3, "one statement a look"


def test_rows_that_stay_where_they_are_have_somebody_take_over() -> None:
    world = World()
    assert world.look(7, 3) == 0, "they may have come just now"
    assert world.look(7, 3) == 1, "nothing happens"
    assert world.look(7, 3) == 1, "again and again, until somebody does"
    assert world.look(19, 20) == 0
    assert world.look(20) == 0


def test_a_log_that_moves_is_left_alone() -> None:
    world = World()
    world.look(7, 3)
    assert world.look(8, 3) == 0, "the one that is oldest came late, and places are given"
    assert world.look(8, 4) == 0, "another one is the oldest by now"
    assert world.look(8) == 0


def test_old_records_have_somebody_take_over_once_they_can_be_found() -> None:
    world = World()
    assert world.look(7, all_taken_in=False, indexed=False) == 0
    assert world.look(7, all_taken_in=False, indexed=False) == 0, "their index is being made"
    assert world.look(7, all_taken_in=False) == 1
    assert world.look(9, all_taken_in=False, taken_in=2) == 0
    assert world.look(9, taken_in=2) == 0


def test_a_table_that_is_not_there_yet() -> None:
    world = World()
    world.watch.look(world.conn)  # type: ignore[arg-type]
    assert (world.watch.state, world.stalled) == (LogState(), 0)


def test_what_was_seen_is_in_state_and_metrics() -> None:
    world = World()
    world.look(1000, 5, pending=40, lag=1.5, taken_in=300, all_taken_in=False)
    assert world.watch.state == LogState(
        size=1000, taken_in=300, all_taken_in=False, signed=1000, oldest=5, pending=40, lag=1.5
    )
    found = [gauge._value.get() for gauge in (metrics.LOG_SIZE, metrics.LOG_PENDING)]
    assert (found, world.watch.lag()) == ([1000, 40], 1.5)


class Backlog(FakeConnection):
    """Rows that nobody takes, from 100,000 on, and 20,000 more for each look."""

    def __init__(self) -> None:
        super().__init__()
        self.last = 100_000

    def execute(self, statement: str, parameters: Any = None, **_: Any) -> FakeCursor:
        self.last += 20_000
        first = max(100_000, parameters["first"])
        return FakeCursor([(7, 0, True, True, 7, 1, "log", None, 0.0, None, first, self.last - first, 1.0)])


def test_a_log_that_stands_still_while_many_write_is_seen() -> None:
    """However many rows come behind those that wait, the first of them stays the first."""
    world = World()
    backlog: Any = Backlog()
    for looks in range(70):
        world.clock.seconds += 1.0
        world.watch.look(backlog)
        assert world.stalled == looks
        assert world.watch.state.oldest == 100_000


# --- from where on --------------------------------------------------------------------------------------------


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


def test_the_first_look_is_at_everything(clock: StandingClock) -> None:
    floor = Floor(clock)
    assert floor.first() == 0


def test_then_from_near_what_was_seen(clock: StandingClock) -> None:
    floor = Floor(clock)
    floor.first()
    floor.seen(100_000)
    assert floor.first() == 100_000 - Floor._BEHIND
    floor.seen(95_000)
    assert floor.first() == 100_000 - Floor._BEHIND, "not back, unless a row lies below it"
    floor.seen(200_000)
    assert floor.first() == 200_000 - Floor._BEHIND


def test_few_rows_are_looked_at_whole(clock: StandingClock) -> None:
    floor = Floor(clock)
    floor.first()
    floor.seen(17)
    assert floor.first() == 0


def test_everything_is_looked_at_now_and_then(clock: StandingClock) -> None:
    floor = Floor(clock)
    floor.first()
    floor.seen(100_000)
    found: list[Any] = []
    for _ in range(61):
        clock.seconds += 1.0
        found.append(floor.first())
    assert [second for second, first in enumerate(found, 1) if first == 0] == [30, 60]


def test_another_primary_whose_numbers_are_behind() -> None:
    """One that was restored, or followed from afar: its rows are looked for again, and not only now and then."""
    world = World()
    world.look(40_000, 30_000)
    assert world.look(40_000) == 0
    for _ in range(29):
        world.look(40_000)
    assert world.look(12, 100) == 0, "a look at all of them finds one"
    world.conn.executed.clear()
    assert world.look(12, 100) == 1
    assert "'first': 0" in str(world.conn.executed), "so does the next"
