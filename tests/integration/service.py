"""A running service for a whole module of tests, on a clock that the tests move."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import flask.testing
import psycopg
import pytest
from werkzeug.test import TestResponse

from app import create_app
from app.clock import Clock
from app.http import bounded
from app.services import Services
from tests.conftest import settings_for
from tests.support import Database, PostgresServer, wait_until

EVENTS = "/api/v1/audit/events"
BATCH = EVENTS + "/batch"
NOTIFICATIONS = "/api/v1/audit/notifications"
NOW = datetime(2026, 1, 5, 10, 0, 0, tzinfo=UTC)
PROBLEM = {"type", "title", "status", "detail", "instance"}


class MovableClock(Clock):
    """Stands still where a test has put it; the monotonic clock runs on."""

    def __init__(self, at: datetime = NOW) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


@dataclass
class Service:
    """A running app, its database and its clock."""

    app: flask.Flask
    parts: Services
    database: Database
    clock: MovableClock

    @property
    def client(self) -> flask.testing.FlaskClient:
        """A client of its own; threads must not share one."""
        return self.app.test_client()

    def post(self, body: Any, path: str = EVENTS, **keywords: Any) -> TestResponse:
        """POST a body: bytes as they are, everything else as JSON with ASCII escapes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.post(path, data=data, **{"content_type": "application/json", **keywords})

    def row(self, event_id: str) -> dict[str, Any]:
        """A stored event, its numbers exact."""
        answer = self.client.get(f"{EVENTS}/{event_id}")
        assert answer.status_code == 200
        return exact(answer.data)

    def stored(self, body: Any, **keywords: Any) -> dict[str, Any]:
        """POST an event that must be new; how it reads back."""
        answer = self.post(body, **keywords)
        assert answer.status_code == 201, answer.text
        return self.row(answer.json["event_id"])

    def list(self, **parameters: Any) -> dict[str, Any]:
        """A page of events."""
        answer = self.client.get(EVENTS, query_string=parameters)
        assert answer.status_code == 200, answer.text
        return exact(answer.data)


def exact(body: bytes) -> Any:
    """JSON with every fraction as a Decimal."""
    return json.loads(body, parse_float=Decimal)


def problem(answer: TestResponse, status: int, slug: str, path: str = EVENTS) -> dict[str, Any]:
    """Check that the answer is a whole problem and give its members."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.data)
    assert body.keys() >= PROBLEM
    assert body["type"] == f"https://kubernaut.ai/problems/{slug}"
    assert (body["status"], body["instance"]) == (status, path)
    assert body["title"]
    assert body["detail"]
    return body


@contextlib.contextmanager
def running(
    postgres: PostgresServer,
    template: str,
    *,
    at: datetime = NOW,
    services: dict[str, Any] | None = None,
    **sections: dict[str, Any],
) -> Iterator[Service]:
    """The service on a database of its own until the block ends."""
    database = postgres.make_database(template)
    settings = settings_for(database, **sections)
    clock = MovableClock(at)
    parts = Services(settings, **{"clock": clock, **(services or {})})
    app = create_app(settings, parts)
    parts.start()
    try:
        wait_until(lambda: parts.monitor.state.connected, what="database connected")
        yield Service(app, parts, database, clock)
    finally:
        parts.stop()
        database.drop()


class BusyGate:
    """In place of the places for large pages: who comes waits until the test lets him through."""

    def __init__(self) -> None:
        self.waiting, self.open = threading.Event(), threading.Event()

    def acquire(self, timeout: float) -> bool:
        self.waiting.set()
        return self.open.wait(60)

    def release(self) -> None:
        """Nobody else waits for a place."""


def ask_at_a_busy_gate(service: Service, monkeypatch: pytest.MonkeyPatch, ask: Callable[[], TestResponse]) -> int:
    """The status of a request that has to wait for its place; while it does, it keeps no connection from others."""
    gate = BusyGate()
    monkeypatch.setattr(bounded, "_room", gate)
    with ThreadPoolExecutor(1) as other:
        asked = other.submit(ask)
        try:
            assert gate.waiting.wait(60), "the answer was not one that waits"
            stats = service.parts.database.pool_stats()
            assert stats["pool_size"] > 0
            assert stats["pool_available"] == stats["pool_size"]
        finally:
            gate.open.set()
        return asked.result().status_code


def characters_received(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows from here on by the characters of each statement's rows, as they arrive from PostgreSQL."""
    received: list[int] = []
    fetchall = psycopg.Cursor.fetchall

    def counted(self: psycopg.Cursor[Any]) -> list[Any]:
        rows = fetchall(self)
        received.append(sum(len(v) for row in rows for v in row if isinstance(v, str)))
        return rows

    monkeypatch.setattr(psycopg.Cursor, "fetchall", counted)
    return received
