"""The way in: what a request thread is told, and what is counted."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from app import metrics
from app.audit.buffer import Buffer, Ticket
from app.audit.ingest import Ingest
from app.audit.outcome import InDoubt, Outcome, Refused, Spilled, Stored, WriteRequest
from app.clock import Clock
from app.config import BufferSettings
from tests.unit.fakes import NOW

SETTINGS = dataclasses.replace(BufferSettings(), enqueue_timeout=0.02, commit_timeout=0.1)


def request(size: int = 1) -> WriteRequest:
    records: Any = tuple(SimpleNamespace(nbytes=10, sent_at=NOW) for _ in range(size))
    return WriteRequest(records)


def rejected(reason: str) -> float:
    return metrics.BUFFER_REJECTED.labels(reason)._value.get()


def take(buffer: Buffer, outcome: Outcome | None) -> threading.Thread:
    """A flusher that takes once and answers, or takes and says nothing."""

    def run() -> None:
        for ticket in buffer.drain(10, 5):
            if outcome is not None:
                ticket.resolve(outcome)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("outcome", [Stored(), Spilled(), Refused("dlq-full"), InDoubt()])
def test_the_flushers_outcome_is_passed_on(outcome: Outcome) -> None:
    buffer = Buffer(10, 1000)
    thread = take(buffer, outcome)
    slow = dataclasses.replace(SETTINGS, commit_timeout=5.0)
    assert Ingest(slow, buffer, Clock()).submit(request(), "audit_events") == outcome
    thread.join(5)


def test_no_room_in_time() -> None:
    buffer = Buffer(1, 1000)
    buffer.offer(Ticket(request()), 0)
    before = rejected("full")
    began = time.monotonic()
    assert Ingest(SETTINGS, buffer, Clock()).submit(request(), "audit_events") == Refused("buffer-full")
    assert time.monotonic() - began >= 0.015, "it waits for room first"
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
    buffer = Buffer(10, 1000)
    thread = take(buffer, None)
    assert Ingest(SETTINGS, buffer, Clock()).submit(request(), "audit_events") == InDoubt()
    thread.join(5)


def test_an_outcome_that_comes_at_the_last_moment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = Buffer(10, 1000)

    def withdraw(ticket: Ticket) -> bool:
        ticket.resolve(Stored())
        return False

    monkeypatch.setattr(buffer, "withdraw", withdraw)
    assert Ingest(SETTINGS, buffer, Clock()).submit(request(), "audit_events") == Stored()


def test_waiting_for_room_counts_against_the_limit() -> None:
    buffer = Buffer(1, 1000)
    buffer.offer(Ticket(request()), 0)
    # Room comes after 0.2 s of the 0.4 s; the outcome never.
    threading.Timer(0.2, buffer.drain, (10, 0)).start()
    settings = dataclasses.replace(SETTINGS, enqueue_timeout=5.0, commit_timeout=0.4)
    began = time.monotonic()
    assert Ingest(settings, buffer, Clock()).submit(request(), "audit_events") == Refused("service-unavailable")
    assert 0.35 < time.monotonic() - began < 0.4 + 0.19


def test_post_does_not_wait(caplog: pytest.LogCaptureFixture) -> None:
    buffer = Buffer(1, 1000)
    ingest = Ingest(SETTINGS, buffer, Clock())
    assert ingest.post(request())
    with caplog.at_level(logging.WARNING):
        assert not ingest.post(request())
        (ticket,) = buffer.drain(10, 0)
        ticket.resolve(Refused("service-unavailable"))
    assert [r.message for r in caplog.records] == [
        "no room in the queue for an event of the service's own",
        "an event of the service's own was not kept: Refused",
    ]


def failures() -> float:
    return metrics.TRACES.labels("notification", "failure")._value.get()


def test_what_never_reached_the_flusher_is_counted_here() -> None:
    before = failures()
    full = Buffer(1, 1000)
    full.offer(Ticket(request()), 0)
    for buffer in (full, Buffer(10, 1000)):
        ingest = Ingest(SETTINGS, buffer, Clock())
        assert isinstance(ingest.submit(request(), "audit_events"), Refused)
    assert failures() == before + 2
    assert not Ingest(SETTINGS, full, Clock()).post(request())
    assert failures() == before + 3


@pytest.mark.parametrize("outcome", [Stored(), None])
def test_what_the_flusher_took_is_counted_by_it_alone(outcome: Outcome | None) -> None:
    before = failures()
    buffer = Buffer(10, 1000)
    thread = take(buffer, outcome)
    assert Ingest(SETTINGS, buffer, Clock()).submit(request(), "audit_events") == (outcome or InDoubt())
    thread.join(5)
    assert failures() == before
