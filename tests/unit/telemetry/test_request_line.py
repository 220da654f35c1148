"""The line of a request, as JSON and for people."""

from __future__ import annotations

import json
import os
from uuid import UUID

import pytest

from app.telemetry.request_line import RequestLine, request_json, request_text
from app.telemetry.trace import TraceContext

LINE = RequestLine(
    1767607200.25,
    "rid-1",
    "gateway",
    TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"),
    "POST",
    "/api/v1/audit/events/batch",
    201,
    0.0012345,
    "stored",
    500,
    "123456",
    26000,
    "203.0.113.7",
    UUID("01890a5d-ac96-774b-bcce-b302099a8057"),
)


def test_the_line_of_a_request() -> None:
    assert json.loads(request_json(LINE)) == {
        "time": "2026-01-05T10:00:00.250000+00:00",
        "level": "info",
        "logger": "app.request",
        "message": "request",
        "pid": os.getpid(),
        "request_id": "rid-1",
        "principal": "gateway",
        "client": "203.0.113.7",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "method": "POST",
        "route": "/api/v1/audit/events/batch",
        "status": 201,
        "duration_ms": 1.234,
        "outcome": "stored",
        "records": 500,
        "event_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "bytes_in": 123456,
        "bytes_out": 26000,
    }
    assert request_json(LINE).count(b"\n") == 1
    assert request_text(LINE).endswith(
        b"INFO    app.request [rid-1] POST /api/v1/audit/events/batch 201 stored 500 records "
        b"01890a5d-ac96-774b-bcce-b302099a8057 1.2 ms\n"
    )


@pytest.mark.parametrize(
    ("status", "outcome", "told"),
    [(503, "ok", "failed"), (404, "ok", "failed"), (200, "ok", "ok"), (503, "dlq-full", "dlq-full")],
)
def test_both_forms_say_the_same_of_a_failure(status: int, outcome: str, told: str) -> None:
    line = LINE._replace(method="GET", route="/health/ready", status=status, outcome=outcome, records=0, event_id=None)
    assert json.loads(request_json(line))["outcome"] == told
    assert f" GET /health/ready {status} {told} 1.2 ms\n".encode() in request_text(line)


@pytest.mark.parametrize("bytes_in", [None, "", "-1", "1e3", "x" * 100, "²"])
def test_what_is_not_known_is_left_out(bytes_in: str | None) -> None:
    line = json.loads(request_json(LINE._replace(bytes_in=bytes_in, trace=None, records=0, event_id=None)))
    assert not {"bytes_in", "trace_id", "span_id", "records", "event_id"} & line.keys()


@pytest.mark.parametrize(("status", "level"), [(200, "info"), (404, "info"), (500, "error"), (503, "warning")])
def test_levels(status: int, level: str) -> None:
    assert json.loads(request_json(LINE._replace(status=status)))["level"] == level
