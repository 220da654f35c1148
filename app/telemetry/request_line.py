"""The line of one request: what it says, and its words as JSON and for people."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import orjson

from app.telemetry.trace import TraceContext


class RequestLine(NamedTuple):
    """What there is to say of a request; made in its thread, worded in the writer's."""

    ended: float  # seconds since the epoch
    request_id: str
    principal: str
    trace: TraceContext | None
    method: str
    route: str  # the rule that matched, never the path that was asked for
    status: int
    seconds: float
    outcome: str  # stored, duplicate, spilled, unknown, ok, or the slug of the problem; failed without one
    records: int  # events or notifications of the request, 0 where there were none
    bytes_in: str | None  # Content-Length as it was sent
    bytes_out: int
    client: str = "-"  # its address, past the proxies that are trusted
    event_id: UUID | None = None  # of its event, the first of several

    @property
    def level(self) -> int:
        """500 is a mistake of ours; 503 says what is so."""
        if self.status == 500:
            return logging.ERROR
        return logging.WARNING if self.status > 500 else logging.INFO

    @property
    def told(self) -> str:
        """The outcome as both forms of the log say it."""
        return "failed" if self.outcome == "ok" and self.status >= 400 else self.outcome


def stamp(seconds: float) -> str:
    """A time of the log: RFC 3339 in UTC, microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def request_json(line: RequestLine) -> bytes:
    """A request's line as one JSON object; what is not known is left out."""
    body: dict[str, object] = {
        "time": stamp(line.ended),
        "level": logging.getLevelName(line.level).lower(),
        "logger": "app.request",
        "message": "request",
        "pid": os.getpid(),
        "request_id": line.request_id,
        "principal": line.principal,
        "client": line.client,
        "method": line.method,
        "route": line.route,
        "status": line.status,
        "duration_ms": round(line.seconds * 1000, 3),
        "outcome": line.told,
        "bytes_out": line.bytes_out,
    }
    if line.records:
        body["records"] = line.records
    if line.event_id is not None:
        body["event_id"] = line.event_id
    if line.bytes_in and line.bytes_in.isdecimal():
        body["bytes_in"] = int(line.bytes_in[:18])
    if line.trace is not None:
        body["trace_id"], body["span_id"] = line.trace
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)


def request_text(line: RequestLine) -> bytes:
    """A request's line for people."""
    records = f" {line.records} records" if line.records > 1 else ""
    event = f" {line.event_id}" if line.event_id is not None else ""
    return (
        f"{datetime.fromtimestamp(line.ended):%Y-%m-%d %H:%M:%S},{int(line.ended * 1000) % 1000:03d} "  # noqa: DTZ006 - as the other lines of a terminal
        f"{logging.getLevelName(line.level):<7} app.request [{line.request_id}] {line.method} {line.route} "
        f"{line.status} {line.told}{records}{event} {line.seconds * 1000:.1f} ms\n"
    ).encode()
