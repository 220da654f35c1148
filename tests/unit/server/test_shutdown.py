"""The end of a worker, and the mark that says whether it left something behind."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.config.settings import ShutdownSettings
from app.server import shutdown
from app.server.shutdown import Shutdown, unfinished_mark, unfinished_workers
from tests.unit.server.fakes import FakeServices, Log


class World:
    """A shutdown whose clock a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(shutdown, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.log = Log()

    def make(self, services: FakeServices | None = None, **settings: Any) -> Shutdown:
        self.services = services or FakeServices()
        return Shutdown(ShutdownSettings(**settings), self.services, self.log)  # type: ignore[arg-type]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    return World(monkeypatch)


def test_nothing_is_due_while_nobody_has_asked_for_it(world: World) -> None:
    made = world.make()
    assert not made.begun
    assert not made.due(1e9)
    assert world.services.calls == []


def test_readiness_is_off_at_once_and_the_stop_comes_after_the_delay(world: World) -> None:
    made = world.make(endpoint_propagation_delay=20.5)
    made.begin(wait=True)
    assert world.services.calls == ["drain"]
    assert made.begun
    assert made.stops_at == 120.5
    assert not made.due(120.4)
    assert made.due(120.5)


def test_a_second_signal_changes_nothing(world: World) -> None:
    made = world.make(endpoint_propagation_delay=20.5)
    made.begin(wait=True)
    world.now += 10
    made.begin(wait=True)
    assert made.stops_at == 120.5


def test_one_without_the_delay_brings_it_forward(world: World) -> None:
    made = world.make(endpoint_propagation_delay=20.5)
    made.begin(wait=True)
    world.now += 10
    made.begin(wait=False)
    assert made.due(110.0)
    made.begin(wait=True)
    assert made.due(110.0), "and none after it puts it off again"


@pytest.mark.parametrize(("wait", "delay"), [(True, 0.0), (False, 60.0)])
def test_without_a_delay_it_stops_at_once(world: World, wait: bool, delay: float) -> None:
    made = world.make(endpoint_propagation_delay=delay)
    made.begin(wait=wait)
    assert made.due(world.now)


def test_requests_have_their_time_after_that(world: World) -> None:
    assert world.make(request_timeout=7.9).request_timeout == 7.9


@pytest.mark.parametrize(("clean", "level"), [(True, "info"), (False, "error")])
def test_the_end(world: World, clean: bool, level: str) -> None:
    made = world.make(FakeServices(clean=clean))
    mark = unfinished_mark(os.getpid())
    assert mark.exists()
    made.end()
    made.end()
    assert world.services.calls == ["stop"], "once, however often it is asked to end"
    assert world.log.lines[0] == ("info", f"worker {os.getpid()} stopped after 0.0 s")
    assert world.log.lines[-1][0] == level
    assert mark.exists() is not clean, "the master sees what was left behind"


def test_the_mark_stays_where_the_end_fails(world: World) -> None:
    class Failing(FakeServices):
        def stop(self) -> bool:
            raise RuntimeError("no flush")

    made = world.make(Failing())
    with pytest.raises(RuntimeError):
        made.end()
    assert unfinished_mark(os.getpid()).exists()


def test_the_workers_that_left_something_are_named_by_their_marks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert unfinished_workers() == []
    for pid in (12, 7):
        unfinished_mark(pid).touch()
    (tmp_path / "counter_7.db").touch()
    assert sorted(unfinished_workers()) == ["12", "7"]
