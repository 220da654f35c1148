"""The flusher with a write function and a sink of the test's: who is told what, and what the loop survives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from app.audit import flusher as flusher_module
from app.audit import write_metrics, writer
from app.audit.buffer import Buffer
from app.audit.flusher import Flusher
from app.audit.outcome import (
    Conflict,
    InDoubt,
    NotWritten,
    ParentMissing,
    Refused,
    Rejected,
    Spilled,
    SpillOutcome,
    Stored,
    WriteOutcome,
    WriteRequest,
)
from app.audit.pending_write import PendingWrite
from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import Settings
from app.postgres.errors import Fault
from app.postgres.watchdog import Watchdog
from app.telemetry import metrics
from tests.sinks import FakeSink
from tests.support import wait_until
from tests.unit.fakes import HOUR, FakeConnection

OUTAGE = NotWritten(Fault.OUTAGE)
IN_DOUBT = NotWritten(Fault.OUTAGE, in_doubt=True)
GONE = Refused("service-unavailable")


def request(name: str) -> WriteRequest:
    records: Any = (SimpleNamespace(nbytes=10, name=name, sent_at=datetime.now(UTC)),)
    return WriteRequest(records)


class Stage:
    """A flusher whose database answers what the test scripts: outcomes by name, call by call."""

    def __init__(self) -> None:
        self.sink = FakeSink()
        self.breaker = Breaker()
        self.buffer = Buffer(100, 10_000)
        self.calls: list[list[str]] = []
        self.connections: list[FakeConnection] = []
        self.answer: Callable[[str, int], WriteOutcome] = lambda name, call: Stored()
        self.connect: Callable[[], FakeConnection] = FakeConnection

    def make(self) -> Flusher:
        def write(session: object, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
            names = [r.records[0].name for r in requests]  # type: ignore[union-attr]
            self.calls.append(names)
            return [self.answer(name, len(self.calls)) for name in names]

        clock = Clock()
        made = writer.Writer(Settings(), self.breaker, Watchdog(clock), clock, write)
        return Flusher(Settings().buffer, self.buffer, made, self.sink, clock)

    def connected(self, *_: object, **__: object) -> FakeConnection:
        self.connections.append(self.connect())
        return self.connections[-1]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    monkeypatch.setattr(writer, "connect", made.connected)
    return made


@pytest.fixture
def running(stage: Stage) -> Iterator[Flusher]:
    flusher = stage.make()
    flusher.start()
    yield flusher
    flusher.stop(HOUR)


def put(stage: Stage, name: str) -> PendingWrite:
    pending = PendingWrite(request(name))
    assert stage.buffer.offer(pending, 0)
    return pending


def test_each_request_gets_its_own_outcome(stage: Stage) -> None:
    said: dict[str, WriteOutcome] = {
        "a": Stored(),
        "b": Conflict((0,)),
        "c": Rejected(0),
        "d": OUTAGE,
        "e": Stored((0,)),
    }
    stage.answer = lambda name, call: said[name]
    assert stage.make().flush([request(n) for n in "abcde"]) == [
        Stored(),
        Conflict((0,)),
        Rejected(0),
        Spilled(),
        Stored((0,)),
    ]
    assert [(r.records[0].name, why) for r, why in stage.sink.spilled] == [("d", "database unavailable")]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("written", "spilled", "told"),
    [
        (OUTAGE, Spilled(), Spilled()),
        (OUTAGE, GONE, GONE),
        (OUTAGE, Refused("dlq-full"), Refused("dlq-full")),
        (OUTAGE, InDoubt(), InDoubt()),
        (IN_DOUBT, Spilled(), Spilled()),
        (IN_DOUBT, GONE, InDoubt()),
        (IN_DOUBT, Refused("dlq-full"), InDoubt()),
        (IN_DOUBT, InDoubt(), InDoubt()),
        (NotWritten(Fault.UNKNOWN), Spilled(), Spilled()),
        (NotWritten(Fault.DEPLOYMENT), GONE, GONE),
    ],
)
def test_what_is_told_of_a_write_that_failed(
    stage: Stage, written: NotWritten, spilled: SpillOutcome, told: object
) -> None:
    stage.answer = lambda name, call: written
    stage.sink.outcome = spilled
    assert stage.make().flush([request("a")]) == [told]


def test_an_orphan_is_refused_when_its_parent_can_be_nowhere(stage: Stage) -> None:
    stage.answer = lambda name, call: ParentMissing((0,)) if name == "child" else Stored()
    assert stage.make().flush([request("child"), request("other")]) == [ParentMissing((0,)), Stored()]
    assert stage.calls == [["child", "other"], ["child"]], "looked for once more"
    assert not stage.sink.spilled


def test_an_orphan_whose_parent_was_replayed_meanwhile_is_stored(stage: Stage) -> None:
    stage.answer = lambda name, call: ParentMissing((0,)) if call == 1 else Stored()
    assert stage.make().flush([request("child")]) == [Stored()]


def test_an_orphan_waits_with_its_parent(stage: Stage) -> None:
    stage.sink.parents = True
    stage.answer = lambda name, call: ParentMissing((0,))
    assert stage.make().flush([request("child")]) == [Spilled()]
    assert [why for _, why in stage.sink.spilled] == ["parent not stored yet"]


def test_an_orphan_that_cannot_be_looked_for_again_is_spilled(stage: Stage) -> None:
    stage.answer = lambda name, call: ParentMissing((0,)) if call == 1 else IN_DOUBT
    stage.sink.outcome = GONE
    assert stage.make().flush([request("child")]) == [InDoubt()]


def test_no_connection_opens_the_breaker_and_later_flushes_do_not_try(stage: Stage) -> None:
    def refuse() -> FakeConnection:
        raise psycopg.OperationalError("connection refused")

    stage.connect = refuse
    flusher = stage.make()
    assert flusher.flush([request("a"), request("b")]) == [Spilled(), Spilled()]
    assert (stage.breaker.state, stage.breaker.unreachable) == ("open", True)
    stage.connect = FakeConnection
    assert flusher.flush([request("c")]) == [Spilled()]
    assert stage.calls == []
    assert stage.connections == []


@pytest.mark.parametrize(
    ("said", "state"),
    [
        (Stored(), "closed"),
        (Stored((0,)), "half-open"),
        (Conflict((0,)), "half-open"),
        (Rejected(0), "half-open"),
        (NotWritten(Fault.UNKNOWN), "half-open"),
        (OUTAGE, "open"),
        (NotWritten(Fault.DEPLOYMENT), "open"),
        (NotWritten(Fault.OUTAGE, timed_out=True), "open"),
    ],
)
def test_only_a_row_really_written_ends_an_outage(stage: Stage, said: WriteOutcome, state: str) -> None:
    stage.breaker.failed(unreachable=True)
    stage.breaker.recovered()
    stage.answer = lambda name, call: said
    stage.make().flush([request("a")])
    assert stage.breaker.state == state
    if state == "half-open":
        assert stage.breaker.allow(), "the next write may try"


def test_three_flushes_that_time_out_open_the_breaker(stage: Stage) -> None:
    stage.answer = lambda name, call: NotWritten(Fault.OUTAGE, timed_out=True)
    flusher = stage.make()
    states = []
    for _ in range(3):
        flusher.flush([request("a")])
        states.append(stage.breaker.state)
    assert states == ["closed", "closed", "open"]


def test_a_broken_connection_is_replaced(stage: Stage) -> None:
    flusher = stage.make()
    flusher.flush([request("a")])
    flusher.flush([request("b")])
    assert len(stage.connections) == 1
    stage.connections[0].broken = True
    flusher.flush([request("c")])
    assert len(stage.connections) == 2


def test_a_connection_that_ended_while_it_lay_idle_is_replaced_before_the_write(stage: Stage) -> None:
    flusher = stage.make()
    flusher.flush([request("a")])
    stage.connections[0].hang_up()
    assert flusher.flush([request("b")]) == [Stored()]
    assert (len(stage.connections), stage.calls, stage.breaker.state) == (2, [["a"], ["b"]], "closed")


def breaks_once(stage: Stage, said: WriteOutcome) -> Flusher:
    """A flusher whose connection turns out to be dead in its second write."""

    def answer(name: str, call: int) -> WriteOutcome:
        if call == 2:
            stage.connections[0].broken = True
            return said
        return Stored()

    stage.answer = answer
    flusher = stage.make()
    flusher.flush([request("a")])
    return flusher


def test_a_write_on_a_connection_that_had_died_unnoticed_is_tried_on_another(stage: Stage) -> None:
    flusher = breaks_once(stage, OUTAGE)
    assert flusher.flush([request("b")]) == [Stored()]
    assert (stage.calls, stage.breaker.state) == ([["a"], ["b"], ["b"]], "closed")


def test_what_no_digest_vouches_for_is_not_written_twice(stage: Stage) -> None:
    """A notification that was perhaps stored would be told that its id is taken."""
    flusher = breaks_once(stage, IN_DOUBT)
    assert flusher.flush([request("b")]) == [Spilled()]
    assert (stage.calls, stage.breaker.state) == ([["a"], ["b"]], "open")


def test_a_connection_that_breaks_again_is_an_outage(stage: Stage) -> None:
    def answer(name: str, call: int) -> WriteOutcome:
        stage.connections[-1].broken = call > 1
        return OUTAGE if call > 1 else Stored()

    stage.answer = answer
    flusher = stage.make()
    flusher.flush([request("a")])
    assert flusher.flush([request("b")]) == [Spilled()]
    assert (len(stage.calls), stage.breaker.state) == (3, "open")


def test_a_server_that_takes_no_writes_is_asked_for_anew(stage: Stage) -> None:
    """The address may lead to another by now: the old primary answers as a standby on the connection that lives."""
    stage.answer = lambda name, call: OUTAGE if call == 1 else Stored()
    flusher = stage.make()
    flusher.flush([request("a")])
    stage.breaker.recovered()
    assert flusher.flush([request("b")]) == [Stored()]
    assert len(stage.connections) == 2


def test_an_unexpected_exception_fails_its_waiters_and_the_loop_goes_on(stage: Stage, running: Flusher) -> None:
    def answer(name: str, call: int) -> WriteOutcome:
        if name == "bad":
            raise RuntimeError("a mistake of ours")
        return Stored()

    stage.answer = answer
    assert put(stage, "bad").wait(HOUR) == InDoubt()
    assert put(stage, "good").wait(HOUR) == Stored()
    assert stage.connections[0].closed, "the state of that connection is not known"


def test_an_unexpected_exception_gives_the_trial_back(stage: Stage) -> None:
    """Otherwise no write would ever be tried again, and every write would be spilled with PostgreSQL up."""

    def answer(name: str, call: int) -> WriteOutcome:
        raise RuntimeError("a mistake of ours")

    stage.breaker.failed(unreachable=True)
    stage.breaker.recovered()
    stage.answer = answer
    flusher = stage.make()
    with pytest.raises(RuntimeError):
        flusher.flush([request("bad")])
    stage.answer = lambda name, call: Stored()
    assert flusher.flush([request("good")]) == [Stored()]
    assert stage.breaker.closed


def test_a_password_file_that_cannot_be_read_is_an_outage(stage: Stage) -> None:
    def refuse() -> FakeConnection:
        raise PermissionError("the password file cannot be read")

    stage.connect = refuse
    assert stage.make().flush([request("a")]) == [Spilled()], "nothing was sent, so nothing is in doubt"
    assert stage.breaker.state == "open"


def test_what_gathers_during_a_flush_goes_with_the_next(stage: Stage, running: Flusher) -> None:
    gate = threading.Event()

    def answer(name: str, call: int) -> WriteOutcome:
        assert gate.wait(HOUR)
        return Stored()

    stage.answer = answer
    first = put(stage, "0")
    wait_until(lambda: stage.calls, what="the first flush")
    rest = [put(stage, str(n)) for n in range(1, 6)]
    gate.set()
    assert [t.wait(HOUR) for t in (first, *rest)] == [Stored()] * 6
    assert stage.calls == [["0"], ["1", "2", "3", "4", "5"]]


def stored() -> float:
    return metrics.TRACES.labels("notification", "success")._value.get()


def test_an_answered_write_is_counted_already(stage: Stage, running: Flusher) -> None:
    before = stored()
    assert put(stage, "a").wait(HOUR) == Stored()
    assert stored() == before + 1


def test_who_cannot_be_counted_is_answered_all_the_same(
    stage: Stage, running: Flusher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no space for the files of the metrics")

    monkeypatch.setattr(write_metrics, "count", broken)
    assert put(stage, "a").wait(HOUR) == Stored()
    assert "a flush was not counted" in caplog.messages


def test_a_withdrawn_request_is_not_written(stage: Stage) -> None:
    gone, stays = put(stage, "gone"), put(stage, "stays")
    assert stage.buffer.withdraw(gone)
    flusher = stage.make()
    flusher.start()
    assert stays.wait(HOUR) == Stored()
    assert flusher.stop(HOUR)
    assert stage.calls == [["stays"]]


def test_stop_flushes_what_is_queued(stage: Stage) -> None:
    gate = threading.Event()

    def answer(name: str, call: int) -> WriteOutcome:
        assert gate.wait(HOUR)
        return Stored()

    stage.answer = answer
    flusher = stage.make()
    flusher.start()
    writes = [put(stage, "under way")]
    wait_until(lambda: stage.calls, what="the first flush")
    writes += [put(stage, str(n)) for n in range(50)]
    # The queue is closed while one flush is under way and fifty requests wait.
    stopping = threading.Thread(target=flusher.stop, args=(HOUR,), daemon=True)
    stopping.start()
    wait_until(lambda: stage.buffer.closed, what="the closed queue")
    gate.set()
    stopping.join()
    assert flusher.stop(0), "it has ended"
    assert [t.outcome for t in writes] == [Stored()] * 51
    assert stage.connections[0].closed


def test_stop_does_not_wait_longer_than_told(stage: Stage) -> None:
    gate = threading.Event()

    def answer(name: str, call: int) -> WriteOutcome:
        gate.wait(HOUR)
        return Stored()

    stage.answer = answer
    put(stage, "slow")
    flusher = stage.make()
    flusher.start()
    assert not flusher.stop(0.1)
    gate.set()
    assert flusher.stop(HOUR)


def test_an_idle_flusher_shows_that_it_lives(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flusher_module, "_HEARTBEAT_SECONDS", 0.01)
    flusher = stage.make()
    flusher.start()
    seen = flusher.heartbeat
    wait_until(lambda: flusher.heartbeat > seen, what="a heartbeat")
    assert flusher.stop(HOUR)
