"""What is logged of a request."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from app.audit.outcome import NotificationRow
from app.config.settings import LoggingSettings, Settings
from app.telemetry import log_writer
from app.telemetry.log_writer import LineWriter
from app.telemetry.request_log import RequestLog, RequestNote, current_note
from tests.unit.fakes import HOUR, NOW, event, make_client, make_services, notification


@pytest.fixture
def written() -> list[bytes]:
    return []


@pytest.fixture
def lines(written: list[bytes]) -> Callable[..., list[dict[str, Any]]]:
    """Sends requests to an app: lines([(method, path, keywords), …], settings, outcome) → their lines."""

    def send(
        requests: list[tuple[str, str, dict[str, Any]]], settings: LoggingSettings | None = None, outcome: Any = None
    ) -> list[dict[str, Any]]:
        services = make_services(Settings(logging=settings or LoggingSettings()), outcome=outcome)
        services.request_log.writer = LineWriter(write=written.append)
        services.request_log.writer.start()
        client = make_client(services)
        for method, path, keywords in requests:
            client.open(path, method=method, **keywords)
        assert services.request_log.writer.stop(HOUR)
        return [json.loads(line) for line in b"".join(written).splitlines()]

    return send


def test_each_request_is_one_line(lines: Callable[..., list[dict[str, Any]]]) -> None:
    from app.audit.outcome import Stored

    secret = "what nobody should read"
    headers = {
        "X-Request-ID": "rid-7",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "Authorization": f"Bearer {secret}",
    }
    body = event(event_data={"password": secret})
    path = f"/api/v1/audit/events?strict=false&correlation_id={secret.replace(' ', '+')}"
    [line] = lines([("POST", path, {"json": body, "headers": headers})], outcome=Stored())
    assert line.keys() == {
        *("time", "level", "logger", "message", "pid", "request_id", "principal", "client", "method", "route"),
        "status",
        *("duration_ms", "outcome", "records", "event_id", "bytes_in", "bytes_out", "trace_id", "span_id"),
    }
    assert (line["request_id"], line["trace_id"]) == ("rid-7", "4bf92f3577b34da6a3ce929d0e0e4736")
    assert (line["method"], line["route"], line["status"]) == ("POST", "/api/v1/audit/events", 201)
    assert (line["outcome"], line["records"]) == ("stored", 1)
    assert line["duration_ms"] > 0
    assert line["bytes_in"] > 100
    assert line["bytes_out"] > 50
    assert "nobody" not in json.dumps(line)


def test_outcomes(lines: Callable[..., list[dict[str, Any]]]) -> None:
    from app.audit.outcome import Conflict, InDoubt, Refused, Spilled, Stored

    outcomes = iter([Stored((0,)), Spilled(), InDoubt(), Refused("buffer-full"), Conflict((0,))])
    post = ("POST", "/api/v1/audit/events", {"json": event()})
    batch = ("POST", "/api/v1/audit/events/batch", {"json": [event(), event()]})
    got = lines(
        [post, post, post, batch, post, ("POST", "/api/v1/audit/events", {"json": {}}), ("GET", "/nowhere/x", {})],
        outcome=lambda request: next(outcomes),
    )
    assert [("event_id" in g) for g in got] == [True] * 5 + [False] * 2
    assert [(g["status"], g["outcome"], g.get("records")) for g in got] == [
        (200, "duplicate", 1),
        (202, "spilled", 1),
        (503, "unknown", 1),
        (503, "buffer-full", 2),
        (409, "conflict", 1),
        (400, "validation-error", None),
        (404, "not-found", None),
    ]
    assert got[-1]["route"] == "unmatched"


def test_the_line_names_the_first_event(lines: Callable[..., list[dict[str, Any]]]) -> None:
    from app.audit.outcome import Stored

    ids = [str(uuid.uuid4()) for _ in range(3)]
    batch = ("POST", "/api/v1/audit/events/batch", {"json": [event(event_id=i) for i in ids]})
    one = ("POST", "/api/v1/audit/events", {"json": event(event_id=ids[2])})
    note = ("POST", "/api/v1/audit/notifications", {"json": notification()})
    stored = Stored(notification=NotificationRow(7, NOW, NOW))
    got = lines([batch, one, note], outcome=stored)
    assert [(g["records"], g.get("event_id")) for g in got] == [(3, ids[0]), (1, ids[2]), (1, None)]


def test_probes_and_scrapes_are_quiet_unless_they_fail(lines: Callable[..., list[dict[str, Any]]]) -> None:
    probes = [("GET", path, {}) for path in ("/health", "/health/live", "/health/ready", "/metrics", "/health/none")]
    assert [line["status"] for line in lines(probes)] == [404]


def test_at_debug_they_are_lines_too(lines: Callable[..., list[dict[str, Any]]]) -> None:
    assert len(lines([("GET", "/health/live", {})], LoggingSettings(level="debug"))) == 1


def test_at_warning_only_failures_of_the_service_are_lines(lines: Callable[..., list[dict[str, Any]]]) -> None:
    from app.audit.outcome import Refused

    post = ("POST", "/api/v1/audit/events", {"json": event()})
    got = lines([post, ("GET", "/nowhere", {})], LoggingSettings(level="warning"), Refused("dlq-full"))
    assert [line["status"] for line in got] == [503]


def test_lines_of_requests_can_be_turned_off(lines: Callable[..., list[dict[str, Any]]]) -> None:
    assert lines([("GET", "/nowhere", {})], LoggingSettings(requests=False)) == []


def test_a_queue_of_lines_stays_small() -> None:
    request_log = RequestLog(LoggingSettings())
    assert request_log.writer._limit == log_writer.QUEUE_LINES <= 10_000
    # Without a running writer there is nothing to add to.
    current_note.set(RequestNote())
    request_log.add("GET", "/x", 200, None, 0)
    assert not request_log.writer._queue
