"""Bursts of writes through the queue, with a database slow enough that the queue has to hold them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import flask

from app import metrics
from app.audit import store
from app.audit.outcome import WriteOutcome, WriteRequest
from app.lifecycle import Services
from tests.support import Database, event

EVENTS = "/api/v1/audit/events"


def burst(app: flask.Flask, size: int, name: str) -> tuple[list[int], float]:
    """So many events at once, each from a thread of its own; their statuses, and the seconds until the last."""
    gate = threading.Barrier(size + 1)
    statuses: list[int] = []

    def send(number: int) -> None:
        client = app.test_client()
        body = event(correlation_id=f"{name}-{number}")
        gate.wait(20)
        statuses.append(client.post(EVENTS, json=body).status_code)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(size)]
    for thread in threads:
        thread.start()
    gate.wait(20)
    began = time.perf_counter()
    for thread in threads:
        thread.join(30)
    return statuses, time.perf_counter() - began


def rejected() -> float:
    """datastorage_buffer_rejected_total, all reasons together."""
    return sum(
        sample.value
        for metric in metrics.BUFFER_REJECTED.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


def slow_write(seconds: float, depths: list[int], parts: list[Services]) -> Callable[..., list[WriteOutcome]]:
    """The write function behind a wait, noting how deep the queue got meanwhile."""

    def write(session: store.WriteSession, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
        time.sleep(seconds)
        depths.extend(p.buffer.depth for p in parts)
        return store.write(session, requests)

    return write


def test_150_at_once_are_all_stored_through_a_queue_that_has_to_hold_them(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    depths: list[int] = []
    parts: list[Services] = []
    flushing = threading.Event()

    def write(session: store.WriteSession, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
        """The first call lasts until all the others are queued behind it, below buffer.flush_timeout."""
        if not flushing.is_set():
            flushing.set()
            until = time.monotonic() + 2.5
            while parts[0].buffer.depth < 150 and time.monotonic() < until:
                time.sleep(0.01)
            depths.append(parts[0].buffer.depth)
        return store.write(session, requests)

    app = make_app(buffer={"size": 1000}, services={"write_function": write})
    parts.append(app.extensions["datastorage"])
    before = rejected()
    # Otherwise the flusher takes as many of the storm at once as have come when it wakes.
    first = threading.Thread(target=lambda: app.test_client().post(EVENTS, json=event(correlation_id="first")))
    first.start()
    assert flushing.wait(20)
    statuses, _ = burst(app, 150, "storm")
    first.join(20)
    assert statuses == [201] * 150
    assert depths[0] > 75, "the queue never held much: the test shows nothing"
    stored = [row[0] for row in database.query("SELECT correlation_id FROM audit_events")]
    assert sorted(stored) == sorted(["first", *(f"storm-{n}" for n in range(150))])
    assert rejected() == before


def test_the_third_burst_is_as_fast_as_the_first(make_app: Callable[..., flask.Flask], database: Database) -> None:
    depths: list[int] = []
    parts: list[Services] = []
    app = make_app(buffer={"size": 1000}, services={"write_function": slow_write(0.1, depths, parts)})
    parts.append(app.extensions["datastorage"])
    before = rejected()
    taken = []
    for n in range(3):
        statuses, seconds = burst(app, 100, f"burst-{n}")
        assert statuses == [201] * 100
        taken.append(seconds)
    rows = database.query("SELECT count(*), count(DISTINCT correlation_id), count(DISTINCT event_id) FROM audit_events")
    assert rows == [(300, 300, 300)]
    assert rejected() == before
    assert taken[-1] <= 2 * taken[0], taken


def test_a_queue_too_small_for_the_storm_says_so(make_app: Callable[..., flask.Flask], database: Database) -> None:
    """The counterpart: without room the same storm is refused in part, counted, and only the rest is stored."""
    app = make_app(buffer={"size": 20, "enqueue_timeout": 0.05}, services={"write_function": slow_write(0.3, [], [])})
    before = rejected()
    statuses, _ = burst(app, 100, "small")
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
    statuses, _ = burst(app, 50, "single")
    for thread in threads:
        thread.join(30)
    assert answers == [201] * 20
    assert statuses == [201] * 50
    assert database.count() == 20 * 50 + 50
