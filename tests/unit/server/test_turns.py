"""What the master does at each turn comes before its workers, and keeps none from being started."""

from __future__ import annotations

from typing import Any

from app.server.turns import at_each_turn


class Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def exception(self, text: str) -> None:
        self.said.append(text)


class Master:
    """What gunicorn's is to us: a method that looks after its workers, and a log."""

    def __init__(self) -> None:
        self.log = Log()
        self.done: list[str] = []

    def manage_workers(self) -> None:
        self.done.append("workers")


def test_a_step_comes_before_the_workers() -> None:
    master: Any = Master()
    at_each_turn(master, lambda: master.done.append("step"))
    master.manage_workers()
    master.manage_workers()
    assert master.done == ["step", "workers"] * 2
    assert not master.log.said


def test_a_step_that_fails_keeps_no_worker_from_being_started() -> None:
    def fails() -> None:
        raise RecursionError("no")

    master: Any = Master()
    at_each_turn(master, fails)
    master.manage_workers()
    assert master.done == ["workers"]
    assert master.log.said == ["datastorage: a step of the master failed unexpectedly"]
