"""The service with a delay before each write, in front of it: what a slower write path looks like from outside.

GUARD_DELAY_MS says how long. Served in tests only, by gunicorn with the service's own gunicorn.conf.py.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

from app.wsgi import application

_DELAY = float(os.environ["GUARD_DELAY_MS"]) / 1000
_inner = application.wsgi_app


def _delayed(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/api/v1/audit/events":
        time.sleep(_DELAY)
    return _inner(environ, start_response)


application.wsgi_app = _delayed  # type: ignore[method-assign]
