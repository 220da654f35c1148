"""Which workers are pinned, and to which core."""

from __future__ import annotations

import os
from typing import Any

import pytest

from app.server import pinning


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 1, 7}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: None, raising=False)
    monkeypatch.setattr(pinning, "cpu_quota", lambda: None)


@pytest.mark.parametrize(("workers", "expected"), [(1, False), (2, True), (3, True), (4, False)])
def test_auto_pins_where_each_worker_has_a_core(workers: int, expected: bool) -> None:
    assert pinning.wanted("auto", workers) is expected
    assert pinning.wanted("always", workers)
    assert not pinning.wanted("never", workers)


def test_auto_does_not_pin_under_a_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinning, "cpu_quota", lambda: 2.0)
    assert not pinning.wanted("auto", 2)
    assert pinning.wanted("always", 2)


def test_a_system_that_cannot_pin_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity")
    assert not pinning.wanted("always", 2)


@pytest.mark.parametrize(("taken", "core"), [([], 1), ([1], 3), ([3, 1], 7), ([1, 3, 7], 1)])
def test_each_worker_gets_a_core_of_its_own_while_there_are_some(taken: list[int], core: int) -> None:
    assert pinning.free_core(taken) == core


def test_a_sandbox_that_refuses_batch_scheduling_is_no_reason_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[Any] = []

    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, cores: pinned.append((pid, cores)))
    monkeypatch.setattr(os, "sched_setscheduler", refuse, raising=False)
    pinning.pin(3)
    assert pinned == [(0, {3})]
