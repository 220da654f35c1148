"""Log lines: one JSON object each, or readable text on a terminal; every line names its request."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

import orjson

from app.config import LoggingSettings

# The id of the request that this thread serves. Here, so that logging pulls nothing else in: the master of gunicorn
# logs too, and must not import what makes metrics.
current_request: ContextVar[str] = ContextVar("current_request", default="-")


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request.get()
        return True


class JSONFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, request_id, and the exception if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
        }
        if (ident := getattr(record, "request_id", "-")) != "-":
            line["request_id"] = ident
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def dress(handler: logging.Handler, settings: LoggingSettings) -> None:
    """Give a handler the configured form, and the request id on every line."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s")
        if console
        else JSONFormatter()
    )
    handler.addFilter(_RequestId())


def configure(settings: LoggingSettings) -> None:
    """Send the log of this process to standard error in the configured form."""
    handler = logging.StreamHandler(sys.stderr)
    dress(handler, settings)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    # The pool reports every failed connection attempt; the monitor says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
