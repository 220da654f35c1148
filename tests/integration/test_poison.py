"""One row that PostgreSQL refuses, in a flush with others: it fails alone."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.audit.outcome import WriteOutcome, WriteRequest
from app.audit.store import WriteSession, write
from tests.integration.service import BATCH, EVENTS, Service, problem, running
from tests.sinks import FakeSink
from tests.support import PostgresServer, event, wait_until

PATIENT = {"flush_timeout": 60.0, "commit_timeout": 120.0, "flush_statement_timeout": 50.0, "enqueue_timeout": 60.0}
CHECK = "ALTER TABLE audit_events ADD CONSTRAINT no_poison CHECK (correlation_id <> 'poison')"


class Gate:
    """A write function that holds each flush until it is opened, and remembers how large they were."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.sizes: list[int] = []

    def __call__(self, session: WriteSession, requests: Sequence[WriteRequest]) -> list[WriteOutcome]:
        self.sizes.append(len(requests))
        assert self.opened.wait(60)
        return write(session, requests)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
def service(postgres: PostgresServer, template: str, gate: Gate, sink: FakeSink) -> Iterator[Service]:
    parts = {"write_function": gate, "sink": sink}
    with running(postgres, template, services=parts, buffer=PATIENT) as s:
        yield s
        gate.opened.set()


def ev(**members: Any) -> dict[str, Any]:
    return event(**{"event_timestamp": "2026-01-05T09:59:00Z", "correlation_id": uuid.uuid4().hex, **members})


def together(service: Service, gate: Gate, bodies: list[Any]) -> list[Any]:
    """Send each body from a client of its own, so that one flush has them all; the answers in order."""

    def send(body: Any) -> Any:
        return service.post(body, BATCH if isinstance(body, list) else EVENTS)

    records = sum(len(b) if isinstance(b, list) else 1 for b in bodies)
    with ThreadPoolExecutor(len(bodies) + 1) as pool:
        plug = pool.submit(send, ev())
        wait_until(lambda: gate.sizes, what="the flusher busy")
        futures = [pool.submit(send, body) for body in bodies]
        wait_until(lambda: service.parts.buffer.depth == records, 60, "everything queued")
        gate.opened.set()
        answers = [f.result() for f in futures]
        assert plug.result().status_code == 201
    assert gate.sizes == [1, len(bodies)]
    return answers


@pytest.mark.parametrize("at", [0, 250, 499])
def test_one_bad_row_among_499_good_ones(service: Service, gate: Gate, sink: FakeSink, at: int) -> None:
    service.database.query(CHECK)
    bodies = [ev() for _ in range(500)]
    bodies[at]["correlation_id"] = "poison"
    answers = together(service, gate, bodies)
    assert Counter(a.status_code for a in answers) == {201: 499, 400: 1}
    body = problem(answers[at], 400, "invalid_event_data")
    assert "poison" not in str(body)
    assert "constraint" not in str(body)
    stored = {c for (c,) in service.database.query("SELECT correlation_id FROM audit_events")}
    assert stored >= {b["correlation_id"] for b in bodies if b is not bodies[at]}
    assert service.database.count() == 500
    assert sink.requests == []


@pytest.mark.parametrize("code", ["P0001", "XX000"])
def test_an_unknown_fault_keeps_to_its_row(service: Service, gate: Gate, sink: FakeSink, code: str) -> None:
    service.database.query(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.correlation_id = 'poison' THEN "
        f"RAISE EXCEPTION 'secret' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$"
    )
    service.database.query("CREATE TRIGGER t BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse()")
    bodies = [ev() for _ in range(100)]
    bodies[42]["correlation_id"] = "poison"
    answers = together(service, gate, bodies)
    assert Counter(a.status_code for a in answers) == {201: 99, 202: 1}
    assert answers[42].status_code == 202
    assert "secret" not in answers[42].text
    assert [r.correlation_id for q in sink.requests for r in q.records] == ["poison"]
    assert service.database.count() == 100
    # The service goes on taking events: one odd row is no outage.
    assert service.post(ev()).status_code == 201
    assert service.parts.breaker.closed


def test_an_event_of_a_month_that_was_detached_by_hand_is_spilled_alone(
    service: Service, gate: Gate, sink: FakeSink
) -> None:
    service.database.query("SELECT audit_ensure_partition('2025-12-01')")
    service.database.query("ALTER TABLE audit_events DETACH PARTITION audit_events_2025_12")
    bodies = [ev() for _ in range(20)]
    bodies[7]["event_timestamp"] = "2025-12-31T10:00:00Z"
    answers = together(service, gate, bodies)
    assert Counter(a.status_code for a in answers) == {201: 19, 202: 1}
    assert answers[7].status_code == 202
    assert len(sink.requests) == 1
    assert service.parts.breaker.closed


def test_a_bad_row_of_a_batch_takes_its_batch_alone(service: Service, gate: Gate, sink: FakeSink) -> None:
    service.database.query(CHECK)
    bad, good = [ev() for _ in range(20)], [ev() for _ in range(20)]
    bad[13]["correlation_id"] = "poison"
    bodies = [ev(), good, bad, ev()]
    answers = together(service, gate, bodies)
    assert [a.status_code for a in answers] == [201, 201, 400, 201]
    assert problem(answers[2], 400, "invalid_event_data", BATCH)["detail"].startswith("event at index 13: ")
    stored = {c for (c,) in service.database.query("SELECT correlation_id FROM audit_events")}
    assert not stored & {b["correlation_id"] for b in bad}
    assert service.database.count() == 23
    assert sink.requests == []
