"""Bursts of writes through the queue, with a database slow enough that the queue has to hold them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import flask

from app.audit import store
from app.audit.outcome import WriteOutcome, WriteRequest
from app.services import Services
from app.telemetry import metrics
from tests.support import Database, event, wait_until

EVENTS = "/api/v1/audit/events"


def burst(app: flask.Flask, size: int, name: str) -> list[int]:
    """So many events at once, each from a thread of its own; their statuses."""
    gate = threading.Barrier(size)
    statuses: list[int] = []

    def send(number: int) -> None:
        client = app.test_client()
        body = event(correlation_id=f"{name}-{number}")
        gate.wait(60)
        statuses.append(client.post(EVENTS, json=body).status_code)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return statuses


def rejected() -> float:
    """datastorage_buffer_rejected_total, all reasons together."""
    return sum(
        sample.value
        for metric in metrics.BUFFER_REJECTED.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


def slow_write(seconds: float) -> Callable[..., list[WriteOutcome]]:
    """The write function behind a wait."""

    def write(session: store.WriteSession, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
        time.sleep(seconds)
        return store.write(session, requests)

    return write


def test_150_at_once_are_all_stored_through_a_queue_that_has_to_hold_them(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    depths: list[int] = []
    parts: list[Services] = []
    flushing = threading.Event()

    def write(session: store.WriteSession, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
        """The first call lasts until all the others are queued behind it."""
        if not flushing.is_set():
            flushing.set()
            wait_until(lambda: parts[0].buffer.depth == 150, 20, "the storm is queued")
            depths.append(parts[0].buffer.depth)
        return store.write(session, requests)

    app = make_app(buffer={"size": 1000}, services={"write_function": write})
    parts.append(app.extensions["datastorage"])
    before = rejected()
    # Otherwise the flusher takes as many of the storm at once as have come when it wakes.
    first = threading.Thread(target=lambda: app.test_client().post(EVENTS, json=event(correlation_id="first")))
    first.start()
    assert flushing.wait(60)
    statuses = burst(app, 150, "storm")
    first.join(60)
    assert statuses == [201] * 150
    assert depths == [150]
    stored = [row[0] for row in database.query("SELECT correlation_id FROM audit_events")]
    assert sorted(stored) == sorted(["first", *(f"storm-{n}" for n in range(150))])
    assert rejected() == before


def test_burst_after_burst_is_stored(make_app: Callable[..., flask.Flask], database: Database) -> None:
    app = make_app(buffer={"size": 1000}, services={"write_function": slow_write(0.1)})
    before = rejected()
    for n in range(3):
        assert burst(app, 100, f"burst-{n}") == [201] * 100
    rows = database.query("SELECT count(*), count(DISTINCT correlation_id), count(DISTINCT event_id) FROM audit_events")
    assert rows == [(300, 300, 300)]
    assert rejected() == before


def test_a_queue_too_small_for_the_storm_says_so(make_app: Callable[..., flask.Flask], database: Database) -> None:
    """The counterpart: without room the same storm is refused in part, counted, and only the rest is stored."""
    app = make_app(buffer={"size": 20, "enqueue_timeout": 0.05}, services={"write_function": slow_write(0.3)})
    before = rejected()
    statuses = burst(app, 100, "small")
    refused = statuses.count(503)
    assert refused > 0
    assert statuses.count(201) == 100 - refused == database.count()
    assert rejected() - before == refused


def test_batches_and_single_events_share_the_queue(make_app: Callable[..., flask.Flask], database: Database) -> None:
    app = make_app()
    answers: list[Any] = []

    def send(number: int) -> None:
        body = [event(correlation_id=f"mixed-{number}") for _ in range(50)]
        answers.append(app.test_client().post(f"{EVENTS}/batch", json=body).status_code)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    statuses = burst(app, 50, "single")
    for thread in threads:
        thread.join(60)
    assert answers == [201] * 20
    assert statuses == [201] * 50
    assert database.count() == 20 * 50 + 50
