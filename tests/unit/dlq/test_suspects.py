from __future__ import annotations

import pytest

from app.dlq import suspects
from app.dlq.suspects import Suspects


def test_failures_count_only_where_others_were_written_between_them() -> None:
    known = Suspects()
    assert not known.failed(b"1-0", kept=10)
    assert not any(known.failed(b"1-0", kept=10) for _ in range(10)), "nothing was written: perhaps an outage"
    assert not known.failed(b"1-0", kept=11)
    assert known.failed(b"1-0", kept=12)
    assert not known.failed(b"1-0", kept=13), "the next attempt begins from nothing"
    assert b"1-0" in known


def test_a_cleared_entry_begins_from_nothing() -> None:
    known = Suspects()
    assert not known.failed(b"1-0", kept=1)
    assert not known.failed(b"1-0", kept=2)
    known.clear(b"1-0")
    known.clear(b"2-0")
    assert b"1-0" not in known
    assert not known.failed(b"1-0", kept=3)


def test_the_oldest_is_forgotten_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suspects, "_SUSPECTS", 2)
    known = Suspects()
    for ident in (b"1-0", b"2-0", b"3-0"):
        known.failed(ident, kept=1)
    assert [ident in known for ident in (b"1-0", b"2-0", b"3-0")] == [False, True, True]
