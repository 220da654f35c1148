"""Replay's writer: what it tells the breaker that live writes share with it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from app.audit import writer as writer_module
from app.audit.outcome import NotWritten, Stored, WriteOutcome, WriteRequest
from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import Settings
from app.dlq.replay_writer import ReplayWriter
from app.postgres.errors import Fault
from app.postgres.watchdog import Watchdog
from tests.unit.fakes import FakeConnection

REQUEST = WriteRequest((SimpleNamespace(nbytes=1),))  # type: ignore[arg-type]
OUTAGE = NotWritten(Fault.OUTAGE, timed_out=True)


class Stage:
    """A writer whose database answers each write with one outcome."""

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.outcome: WriteOutcome = Stored()
        self.breaks = False
        self.writes = 0
        self.writer = ReplayWriter(Settings(), self.breaker, Watchdog(Clock()), Clock(), self._write)

    def _write(self, session: Any, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
        self.writes += 1
        session.conn.broken = self.breaks
        return [self.outcome] * len(requests)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(writer_module, "connect", lambda *_, **__: FakeConnection())
    return Stage()


@pytest.mark.parametrize("fault", [Fault.OUTAGE, Fault.DEPLOYMENT, Fault.UNKNOWN])
@pytest.mark.parametrize("timed_out", [True, False])
def test_what_fails_at_replay_never_opens_the_breaker(stage: Stage, fault: Fault, timed_out: bool) -> None:
    stage.outcome = NotWritten(fault, timed_out=timed_out)
    for _ in range(5):
        assert stage.writer.to_database([REQUEST]) == [stage.outcome]
    assert stage.breaker.closed
    assert not stage.writer.lost


def test_its_timeouts_do_not_add_to_those_of_live_writes(stage: Stage) -> None:
    stage.breaker.failed(timed_out=True)
    stage.outcome = OUTAGE
    stage.writer.to_database([REQUEST])
    stage.writer.to_database([REQUEST])
    assert stage.breaker.closed
    assert [stage.breaker.failed(timed_out=True) for _ in range(2)] == [False, True]


def test_it_leaves_the_trial_of_a_half_open_breaker_to_live_writes(stage: Stage) -> None:
    stage.breaker.failed(unreachable=True)
    stage.breaker.recovered()
    stage.outcome = OUTAGE
    stage.writer.to_database([REQUEST])
    assert stage.breaker.state == "half-open"
    assert stage.breaker.allow(), "a live write is tried beside it"
    stage.writer.to_database([REQUEST])
    assert not stage.breaker.allow(), "and keeps its trial"


def test_it_closes_a_half_open_breaker_with_a_row_that_it_wrote(stage: Stage) -> None:
    stage.breaker.failed(unreachable=True)
    stage.breaker.recovered()
    stage.outcome = Stored((0,))
    stage.writer.to_database([REQUEST])
    assert stage.breaker.state == "half-open", "what was there already proves nothing"
    stage.outcome = Stored()
    stage.writer.to_database([REQUEST])
    assert stage.breaker.closed


def test_it_does_not_try_while_the_breaker_is_open(stage: Stage) -> None:
    stage.breaker.failed(unreachable=True)
    assert stage.writer.to_database([REQUEST]) == [NotWritten(Fault.OUTAGE)]
    assert (stage.writes, stage.writer.lost) == (0, True)


def test_a_write_that_breaks_its_connection_is_told_from_none_to_be_had(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.outcome, stage.breaks = NotWritten(Fault.OUTAGE), True
    stage.writer.to_database([REQUEST])
    assert not stage.writer.lost, "perhaps by what was written"

    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("connection refused")

    stage.writer.drop_session()
    monkeypatch.setattr(writer_module, "connect", refuse)
    assert stage.writer.to_database([REQUEST]) == [NotWritten(Fault.OUTAGE)]
    assert stage.writer.lost
    assert stage.breaker.closed, "the monitor and the flusher find that out"
