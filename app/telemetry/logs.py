"""How log lines look and where they go: one JSON object each, or text on a terminal; every line names its request."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar

import orjson

from app.config.settings import LoggingSettings
from app.telemetry.log_writer import LineWriter
from app.telemetry.request_line import stamp
from app.telemetry.trace import current_trace

# The id of the request that this thread serves. Here, so that logging pulls nothing else in: the master of gunicorn
# logs too, and must not import what makes metrics.
current_request: ContextVar[str] = ContextVar("current_request", default="-")
# Who was authenticated for it.
current_principal: ContextVar[str] = ContextVar("current_principal", default="-")


_OF_THE_SERVICE = "of_the_service"


def service_log(name: str) -> logging.LoggerAdapter[logging.Logger]:
    """A logger for what a request's thread may notice of the service's state: the lines name no request.

    Whose request found out first that a file has changed, or that a server is away, is chance.
    """
    return logging.LoggerAdapter(logging.getLogger(name), {_OF_THE_SERVICE: True})


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, _OF_THE_SERVICE, False):
            record.request_id = record.principal = "-"
            record.trace = None
            return True
        record.request_id = current_request.get()
        record.principal = current_principal.get()
        record.trace = current_trace.get()
        return True


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, pid, what is known of the request, and the exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": stamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        for name in ("request_id", "principal"):
            if (value := getattr(record, name, "-")) != "-":
                line[name] = value
        if (trace := getattr(record, "trace", None)) is not None:
            line["trace_id"], line["span_id"] = trace
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # a lone surrogate, which a line about somebody's data may hold
            shown = {
                k: v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for k, v in line.items()
            }
            return orjson.dumps(shown, default=str).decode()


class QueueHandler(logging.Handler):
    """Words a record in the thread that logs, since what it names may change, and leaves the writing to the writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Queue the record's line."""
        try:
            line = self.format(record).encode("utf-8", "backslashreplace") + b"\n"
        except Exception:  # noqa: BLE001 - a line that cannot be worded must not fail what wanted to log it
            self.handleError(record)
            return
        self._writer.put(line, urgent=True)


def is_console(settings: LoggingSettings) -> bool:
    """Whether lines are for people: by setting, or because standard error is a terminal."""
    return settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())


def dress(handler: logging.Handler, settings: LoggingSettings) -> None:
    """Give a handler the configured form, and what is known of the request on every line."""
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s")
        if is_console(settings)
        else JSONFormatter()
    )
    handler.addFilter(_RequestId())


def configure(settings: LoggingSettings, writer: LineWriter | None = None) -> logging.Handler:
    """Send the log of this process to standard error in the configured form; the handler that does it."""
    handler: logging.Handler = logging.StreamHandler(sys.stderr) if writer is None else QueueHandler(writer)
    dress(handler, settings)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    # The pool reports every failed connection attempt; the monitor says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    # A line for each request to an issuer of tokens; what went wrong is said once.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return handler
