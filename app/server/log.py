"""gunicorn's own log lines in the form of all others, so that a collector can read every line."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger

from app.configuration import load_settings
from app.telemetry import logs


class Log(Logger):  # type: ignore[misc]
    """gunicorn's log, dressed like ours."""

    def setup(self, cfg: Any) -> None:
        """Set gunicorn's log up, then dress it."""
        super().setup(cfg)
        settings = load_settings().logging
        for handler in self.error_log.handlers:
            logs.dress(handler, settings)
