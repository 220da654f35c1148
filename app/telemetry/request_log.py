"""The log of requests: what is found out about each while it is served, and its line."""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar
from uuid import UUID

from app.config.settings import LoggingSettings
from app.telemetry.log_writer import LineWriter
from app.telemetry.logs import current_principal, current_request, is_console
from app.telemetry.request_line import RequestLine, request_json, request_text
from app.telemetry.trace import current_trace


class RequestNote:
    """What is found out about a request while it is served."""

    __slots__ = ("event_id", "outcome", "records", "started")

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.outcome = "ok"
        self.records = 0
        self.event_id: UUID | None = None


current_note: ContextVar[RequestNote | None] = ContextVar("current_note", default=None)


def note(outcome: str, records: int = 0, event_id: UUID | None = None) -> None:
    """Note the outcome of the current request and the id of its first event, for its line."""
    if (kept := current_note.get()) is not None:
        kept.outcome = outcome
        kept.records = records or kept.records
        kept.event_id = event_id or kept.event_id


# What is asked for every few seconds by machines; worth a line at info only when it fails.
QUIET = ("/health", "/metrics")


class RequestLog:
    """Puts a line of each request into the log, off its thread."""

    def __init__(self, settings: LoggingSettings) -> None:
        self.writer = LineWriter(request_text if is_console(settings) else request_json)
        self._wanted = settings.requests
        self._least = logging.getLevelName(settings.level.upper())
        self._quiet_too = settings.level == "debug"

    def add(
        self, method: str, route: str, status: int, bytes_in: str | None, bytes_out: int, client: str = "-"
    ) -> None:
        """Log the current request, which is about to be answered."""
        writer = self.writer
        if not self._wanted or not writer.running:
            return
        if status < 400 and not self._quiet_too and route.startswith(QUIET):
            return
        kept = current_note.get()
        if kept is None:
            return
        line = RequestLine(
            time.time(),
            current_request.get(),
            current_principal.get(),
            current_trace.get(),
            method,
            route,
            status,
            time.perf_counter() - kept.started,
            kept.outcome,
            kept.records,
            bytes_in,
            bytes_out,
            client,
            kept.event_id,
        )
        if line.level >= self._least:
            writer.put(line)
