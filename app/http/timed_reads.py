"""Queries of requests, each timed under its name."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from app.http.problems import unavailable
from app.postgres.errors import took_too_long
from app.postgres.reader import Reader
from app.postgres.sessions import Connection
from app.telemetry import metrics

T = TypeVar("T")
log = logging.getLogger(__name__)

_TOO_LONG = "the query took longer than it may - please ask for less, or retry"


def timed_read(reader: Reader, operation: str, query: Callable[[Connection], T], *, newest: bool = False) -> T:
    """What the query gives; ``operation`` is its name in metrics.

    Raises as `Reader.read` does; Problem 503 where the server gave up on a statement, which says nothing of others.

    ``newest``: as `Reader.read_newest` reads.
    """
    started = time.perf_counter()
    try:
        return reader.read_newest(query) if newest else reader.read(query)
    except Exception as e:
        if not took_too_long(e):
            raise
        log.warning("a query took longer than it may: %s", operation)
        raise unavailable(_TOO_LONG) from None
    finally:
        metrics.child(metrics.QUERY_SECONDS, operation).observe(time.perf_counter() - started)
