"""How long the campaign injects faults: its time, and what it was to do."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest

from bench.campaign.faults import FAULTS
from bench.campaign.faults import injector as module
from bench.campaign.faults.injector import Injector
from bench.campaign.goals import Goals

STAGE: Any = None


@pytest.fixture
def injector(monkeypatch: pytest.MonkeyPatch) -> Injector:
    monkeypatch.setitem(FAULTS, "nothing", lambda stage, rng: None)
    return Injector(STAGE, random.Random(1), ["nothing"], gap=0)


def test_it_goes_on_until_it_is_enough(injector: Injector) -> None:
    injector.run(0, lambda: injector.counts["nothing"] >= 20)
    assert (injector.counts["nothing"], injector.errors) == (20, [])


def test_it_does_not_go_on_for_ever(injector: Injector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MORE_SECONDS", 0)
    injector.run(0, lambda: False)
    assert injector.errors == ["it was not enough 0 s later"]


def test_a_fault_that_cannot_be_mended_is_an_error(injector: Injector, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(stage: Any, rng: random.Random) -> None:
        raise RuntimeError("stays broken")

    monkeypatch.setitem(FAULTS, "nothing", fails)
    injector.run(0, lambda: sum(injector.counts.values()) >= 1)
    assert injector.errors == ["nothing: RuntimeError: stays broken"]


@pytest.mark.parametrize(("goals", "met"), [(Goals(), True), (Goals(kills=3), True), (Goals(kills=4), False)])
def test_kills_of_all_kinds_are_counted_together(goals: Goals, met: bool) -> None:
    stage: Any = SimpleNamespace(kills={"worker": 1, "sequencer": 2})
    assert goals.met(stage) is met
