"""Callers that may read and are given nothing."""

from __future__ import annotations

import pytest

from app.auth import reads_nothing
from app.auth.principal import Principal
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.auth.reads_nothing import ReadsNothing


def test_each_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "app.auth")
    now = [100.0]
    monkeypatch.setattr(reads_nothing.time, "monotonic", lambda: now[0])
    told = ReadsNothing()
    for name, reads, remark in (
        ("a", ReadLimits(frozenset()), "no namespaces, since the claim groups is missing"),
        ("a", ReadLimits(frozenset()), "again"),
        ("b", ReadLimits(None, frozenset()), ""),
        ("c", EVERYTHING, ""),
        ("d", ReadLimits(frozenset({"x"})), ""),
    ):
        told.look_at(Principal(name, frozenset(), reads, remark))
    assert caplog.messages == [
        "a reads nothing: no namespaces, since the claim groups is missing",
        "b reads nothing: its token allows none",
    ]
    now[0] += 60
    told.look_at(Principal("a", frozenset(), ReadLimits(frozenset())))
    assert len(caplog.messages) == 3


def test_the_number_of_names_is_bounded() -> None:
    told = ReadsNothing()
    for number in range(3000):
        told.look_at(Principal(str(number), frozenset(), ReadLimits(frozenset())))
    assert len(told._said) <= 1000
