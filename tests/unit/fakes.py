"""Stand-ins for the parts that need PostgreSQL, and records to feed them with."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import flask
import psycopg

from app import create_app
from app.audit.outcome import Outcome, WriteRequest
from app.clock import Clock
from app.config.settings import Settings
from app.postgres.monitor import DatabaseState
from app.services import Services

NOW = datetime(2026, 1, 5, 10, 0, 0, tzinfo=UTC)
UUID_1 = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
UUID_2 = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5c"
HOUR = 3600.0  # a wait that must not last: a test in which it does is ended by its own limit
WELL = DatabaseState(connected=True, seen=True, schema_version=10_000)


class FixedClock(Clock):
    """A wall clock that stands at one moment, until a test moves it; the monotonic one runs."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


class StandingClock(FixedClock):
    """Both clocks stand until a test moves them."""

    def __init__(self, moment: datetime = NOW) -> None:
        super().__init__(moment)
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class FakeIngest:
    """Answers every submit with one outcome, and keeps what it was given."""

    def __init__(self, outcome: Outcome | Callable[[WriteRequest], Outcome]) -> None:
        self.outcome = outcome
        self.requests: list[WriteRequest] = []
        self.tables: list[str | None] = []

    def submit(self, request: WriteRequest, table: str | None) -> Outcome:
        self.tables.append(table)
        self.requests.append(request)
        return self.outcome(request) if callable(self.outcome) else self.outcome


class FakeCursor:
    def __init__(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self.rows = list(rows)
        self.statusmessage = "COMMIT"

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def __iter__(self) -> Any:
        return iter(self.rows)


class FakeCopying:
    """The cursor of a connection, for COPY: what is written to it stands with its statement in ``executed``."""

    def __init__(self, executed: list[tuple[str, Any]]) -> None:
        self._executed = executed

    def __enter__(self) -> FakeCopying:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def copy(self, statement: str) -> FakeCopying:
        self._executed.append((statement, b""))
        return self

    def write(self, data: bytes) -> None:
        statement, written = self._executed[-1]
        self._executed[-1] = statement, written + data


_IDLE = SimpleNamespace(
    transaction_status=psycopg.pq.TransactionStatus.IDLE, parameter_status=lambda name: "UTF8", server_version=180000
)
# What a poll sees of a connection on which nothing has come, and of one whose other end is gone.
_QUIET, _OTHER_END = os.pipe()
_ENDED, _GONE = os.pipe()
os.close(_GONE)


class FakeConnection:
    """A connection that answers each statement with the rows of the first key that the statement contains.

    A value that is an exception is raised instead.
    """

    pooled = warned = False
    begin_writing, begin_reading = "BEGIN", "BEGIN READ ONLY"

    def __init__(self, answers: dict[str, Sequence[tuple[Any, ...]] | Exception] | None = None) -> None:
        self.answers = answers or {}
        self.executed: list[tuple[str, Any]] = []
        self.closed = self.broken = False
        self.pgconn = SimpleNamespace(socket=_QUIET, consume_input=self._hung_up)
        self.info = _IDLE

    def execute(self, statement: str, parameters: Any = None, **_: Any) -> FakeCursor:
        self.executed.append((statement, parameters))
        for part, rows in self.answers.items():
            if part in statement:
                if isinstance(rows, Exception):
                    raise rows
                return FakeCursor(rows)
        return FakeCursor([])

    def cursor(self) -> FakeCopying:
        return FakeCopying(self.executed)

    def add_notice_handler(self, handler: object) -> None:
        pass

    def hang_up(self) -> None:
        """The other side ends the connection; nobody on this side has noticed yet."""
        self.pgconn.socket = _ENDED

    def _hung_up(self) -> None:
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    def close(self) -> None:
        self.closed = True


def make_services(settings: Settings | None = None, outcome: Any = None, **parts: Any) -> Services:
    """The parts of an app, none started: PostgreSQL seems well, and every write ends with ``outcome``."""
    services = Services(settings or Settings(), clock=parts.pop("clock", FixedClock()), **parts)
    services.monitor.state = WELL
    if outcome is not None:
        services.ingest = FakeIngest(outcome)  # type: ignore[assignment]
    return services


def make_client(services: Services) -> flask.testing.FlaskClient:
    """A client of an app made of these parts."""
    return create_app(services.settings, services).test_client()


def event(**members: Any) -> dict[str, Any]:
    """The JSON members of a valid event at NOW; a value of ``...`` leaves a member out."""
    body = {
        "version": "1.0",
        "event_type": "gateway.signal.received",
        "event_timestamp": "2026-01-05T10:00:00Z",
        "event_category": "gateway",
        "event_action": "received",
        "event_outcome": "success",
        "correlation_id": "rr-1",
        "event_data": {"a": 1},
        **members,
    }
    return {k: v for k, v in body.items() if v is not ...}


def notification(**members: Any) -> dict[str, Any]:
    """The JSON members of a valid notification at NOW; a value of ``...`` leaves a member out."""
    body = {
        "remediation_id": "rem-1",
        "notification_id": "n-1",
        "recipient": "team@example.com",
        "channel": "email",
        "message_summary": "restarted",
        "status": "sent",
        "sent_at": "2026-01-05T10:00:00Z",
        **members,
    }
    return {k: v for k, v in body.items() if v is not ...}
