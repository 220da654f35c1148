"""Log lines: one JSON object each, or readable text on a terminal; every line names its request."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import orjson

from app.config import LoggingSettings


class _RequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        from app.http import request_id

        record.request_id = request_id()
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


def configure(settings: LoggingSettings) -> None:
    """Send the log of this process to standard error in the configured form."""
    console = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s")
        if console
        else JSONFormatter()
    )
    handler.addFilter(_RequestId())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    # The pool reports every failed connection attempt; the monitor says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
