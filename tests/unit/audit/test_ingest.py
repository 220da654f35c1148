"""The way in: what a request thread is told, and what is counted."""

from __future__ import annotations

import dataclasses
import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from app.audit.buffer import Buffer
from app.audit.ingest import Ingest
from app.audit.outcome import InDoubt, Outcome, Refused, Spilled, Stored, WriteRequest
from app.audit.pending_write import PendingWrite
from app.clock import Clock
from app.config.settings import BufferSettings
from app.telemetry import metrics
from tests.unit.fakes import HOUR, NOW, StandingClock

SETTINGS = dataclasses.replace(BufferSettings(), enqueue_timeout=0.02, commit_timeout=0.1)
PATIENT = dataclasses.replace(SETTINGS, commit_timeout=HOUR)


def request(size: int = 1) -> WriteRequest:
    records: Any = tuple(SimpleNamespace(nbytes=10, sent_at=NOW) for _ in range(size))
    return WriteRequest(records)


def rejected(reason: str) -> float:
    return metrics.BUFFER_REJECTED.labels(reason)._value.get()


class TakenAtOnce(Buffer):
    """A queue whose flusher takes each request the moment it is in it, and answers or says nothing."""

    def __init__(self, outcome: Outcome | None) -> None:
        super().__init__(10, 1000)
        self.outcome = outcome

    def offer(self, pending: PendingWrite, timeout: float) -> bool:
        assert super().offer(pending, timeout)
        assert self.drain(10, 0) == [pending]
        if self.outcome is not None:
            pending.resolve(self.outcome)
        return True


@pytest.mark.parametrize("outcome", [Stored(), Spilled(), Refused("dlq-full"), InDoubt()])
def test_the_flushers_outcome_is_passed_on(outcome: Outcome) -> None:
    assert Ingest(PATIENT, TakenAtOnce(outcome), Clock()).submit(request(), "audit_events") == outcome


def test_an_outcome_is_waited_for() -> None:
    buffer = Buffer(10, 1000)

    def flush() -> None:
        for pending in buffer.drain(10, HOUR):
            pending.resolve(Stored())

    flusher = threading.Thread(target=flush, daemon=True)
    flusher.start()
    assert Ingest(PATIENT, buffer, Clock()).submit(request(), "audit_events") == Stored()
    flusher.join()


class WatchedBuffer(Buffer):
    """A queue that remembers how long each offer would wait for room, and lets none wait."""

    def __init__(self, size: int, clock: StandingClock | None = None, takes: float = 0.0) -> None:
        super().__init__(size, 1000)
        self.waits: list[float] = []
        self.clock, self.takes = clock, takes

    def offer(self, pending: PendingWrite, timeout: float) -> bool:
        self.waits.append(timeout)
        if self.clock is not None:
            self.clock.seconds += self.takes
        return super().offer(pending, 0)


def test_no_room_in_time() -> None:
    buffer = WatchedBuffer(1)
    buffer.offer(PendingWrite(request()), 0)
    before = rejected("full")
    assert Ingest(SETTINGS, buffer, Clock()).submit(request(), "audit_events") == Refused("buffer-full")
    assert buffer.waits[1:] == [SETTINGS.enqueue_timeout], "it waits for room first"
    assert rejected("full") == before + 1
    assert buffer.depth == 1


def test_a_closed_queue_is_no_full_queue() -> None:
    buffer = Buffer(1, 1000)
    buffer.close()
    assert Ingest(SETTINGS, buffer, Clock()).submit(request(), "audit_events") == Refused("service-unavailable")


def test_what_the_flusher_never_took_is_withdrawn() -> None:
    buffer = Buffer(10, 1000)
    before = rejected("timeout")
    assert Ingest(SETTINGS, buffer, Clock()).submit(request(), "audit_events") == Refused("service-unavailable")
    assert rejected("timeout") == before + 1
    assert buffer.depth == 0
    assert buffer.drain(10, 0) == [], "nothing may be kept of which the client was told that nothing was"


def test_what_the_flusher_took_and_never_answered_is_in_doubt() -> None:
    assert Ingest(SETTINGS, TakenAtOnce(None), Clock()).submit(request(), "audit_events") == InDoubt()


def test_an_outcome_that_comes_at_the_last_moment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = Buffer(10, 1000)

    def withdraw(pending: PendingWrite) -> bool:
        pending.resolve(Stored())
        return False

    monkeypatch.setattr(buffer, "withdraw", withdraw)
    assert Ingest(SETTINGS, buffer, Clock()).submit(request(), "audit_events") == Stored()


def test_waiting_for_room_counts_against_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(PendingWrite, "wait", lambda self, seconds: waits.append(seconds))
    # Room comes after 15 s of the 40 s; the outcome never.
    clock = StandingClock()
    buffer = WatchedBuffer(1, clock, takes=15.0)
    settings = dataclasses.replace(SETTINGS, enqueue_timeout=20.0, commit_timeout=40.0)
    assert Ingest(settings, buffer, clock).submit(request(), "audit_events") == Refused("service-unavailable")
    assert (buffer.waits, waits) == ([20.0], [25.0])


def test_post_does_not_wait(caplog: pytest.LogCaptureFixture) -> None:
    buffer = Buffer(1, 1000)
    ingest = Ingest(SETTINGS, buffer, Clock())
    assert ingest.post(request())
    with caplog.at_level(logging.WARNING):
        assert not ingest.post(request())
        (pending,) = buffer.drain(10, 0)
        pending.resolve(Refused("service-unavailable"))
    assert [r.message for r in caplog.records] == [
        "no room in the queue for an event of the service's own",
        "an event of the service's own was not kept: Refused",
    ]


def failures() -> float:
    return metrics.TRACES.labels("notification", "failure")._value.get()


def test_what_never_reached_the_flusher_is_counted_here() -> None:
    before = failures()
    full = Buffer(1, 1000)
    full.offer(PendingWrite(request()), 0)
    for buffer in (full, Buffer(10, 1000)):
        ingest = Ingest(SETTINGS, buffer, Clock())
        assert isinstance(ingest.submit(request(), "audit_events"), Refused)
    assert failures() == before + 2
    assert not Ingest(SETTINGS, full, Clock()).post(request())
    assert failures() == before + 3


@pytest.mark.parametrize("outcome", [Stored(), None])
def test_what_the_flusher_took_is_counted_by_it_alone(outcome: Outcome | None) -> None:
    before = failures()
    buffer = TakenAtOnce(outcome)
    assert Ingest(SETTINGS, buffer, Clock()).submit(request(), "audit_events") == (outcome or InDoubt())
    assert failures() == before
