"""When the log is signed, and what is written down for all workers where it is not."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
import pytest
from datastorage_common.notes import make_key

from app.clock import Clock
from app.postgres.watchdog import Watchdog
from app.transparency import log_store
from app.transparency.memories import Remembered
from app.transparency.signer import NO_KEY, InconsistentError, NotHolderError, Signer
from app.transparency.signing import Signing
from tests.unit.fakes import StandingClock
from tests.unit.transparency.fake_log import FakeLog, FakeMemory

NAME = "log.example/one"
KEY = make_key(NAME, bytes(32))
AWAY = "the memory in redis is away: no answer"


class World:
    """The signing of the one that gives places in a log."""

    def __init__(self, *, keys: tuple[Any, ...] = (KEY,)) -> None:
        self.log, self.memory, self.clock = FakeLog(3), FakeMemory(), StandingClock()
        self.signing = Signing(Signer(keys, (self.memory,)), self.log.holder, Watchdog(Clock()), self.clock)

    def step(self, seconds: float = 0.0, *, more: int = 0) -> int:
        """Some time later, with so many entries more; how many statements it took."""
        self.clock.seconds += seconds
        if more:
            self.log.grow(more)
        before = len(self.log.executed)
        self.signing.step(self.log, self.log.edge.size)  # type: ignore[arg-type]
        return len(self.log.executed) - before

    def said(self, part: str) -> list[Any]:
        return [parameters for statement, parameters in self.log.executed if part in statement]


def test_what_is_new_is_signed_about_once_a_second() -> None:
    world = World()
    assert world.step() > 0
    assert world.step(0.5, more=1) == 0, "it is too soon"
    assert world.step(0.5) > 0
    assert world.log.signed == [3, 4]
    assert world.said("SET unsigned") == [(None, None, world.log.holder)], "once, that all is well"


def test_where_nothing_is_new_it_looks_seldom() -> None:
    world = World()
    world.step()
    assert [world.step(1.0) for _ in range(29)] == [0] * 29
    assert world.step(1.0) > 0, "what is remembered may be another log's by now"
    assert world.log.signed == [3]


def test_why_nothing_is_signed_is_written_down_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    world.step()
    world.memory.away = True
    world.step(1.0, more=1)
    assert world.log.unsigned == AWAY
    tries = [world.step(1.0) > 0 for _ in range(17)]
    assert [second for second, tried in enumerate(tries, 1) if tried] == [2, 6, 11, 16], "longer pauses, up to 5 s"
    assert len(world.said("SET unsigned")) == 6, "each time: the others see by it that somebody tries"
    world.memory.away = False
    world.step(5.0)
    assert (world.log.unsigned, world.log.signed) == (None, [3, 4])
    assert world.step(1.0, more=1) > 0, "as soon as ever"
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", f"the log is not signed: {AWAY}"),
        ("INFO", "the log is signed again"),
    ]


def test_without_a_key_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World(keys=())
    for _ in range(100):
        world.step(5.0, more=1)
    assert (world.log.unsigned, len(world.said("SET unsigned"))) == (NO_KEY, 1)
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("INFO", f"the log is not signed: {NO_KEY}")]


def test_one_whose_turn_is_over_writes_nothing_down() -> None:
    world = World()
    world.memory.away = True
    world.log.taken_over()
    with pytest.raises(NotHolderError):
        world.step()
    assert world.log.unsigned is None


def test_another_connection_is_looked_at_anew() -> None:
    world = World()
    world.step()
    world.signing.forget()
    assert world.step(1.0) > 0
    assert len(world.said("SET unsigned")) == 2


def test_who_cannot_be_asked_stops_no_place(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.step()
    world.memory.away = True
    world.signing.compare(world.log, log_store.head(world.log))  # type: ignore[arg-type]
    world.memory.away = False
    world.memory.held = Remembered(NAME, 1, 7, bytes(32)).encode()
    with pytest.raises(InconsistentError):
        world.signing.compare(world.log, log_store.head(world.log))  # type: ignore[arg-type]
    assert caplog.records == []


def test_what_the_log_contradicts_is_written_down_and_stays(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for why in ("the first", "the second"):
        world.signing.stop(world.log, why)  # type: ignore[arg-type]
    assert world.log.inconsistent == "the first"
    assert all(r.levelname == "ERROR" for r in caplog.records)


def test_that_it_could_not_be_written_down_is_said(caplog: pytest.LogCaptureFixture) -> None:
    def lost() -> None:
        raise psycopg.OperationalError("connection\n lost")

    world = World()
    world.log.before["SET inconsistent"] = lost
    world.signing.stop(world.log, "why")  # type: ignore[arg-type]
    assert caplog.messages[-1] == "could not write down that the log is inconsistent: connection lost"
