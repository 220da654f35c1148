"""Queries of requests, each timed under its name."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from app.postgres.reader import Reader
from app.postgres.sessions import Connection
from app.telemetry import metrics

T = TypeVar("T")


def timed_read(reader: Reader, operation: str, query: Callable[[Connection], T], *, newest: bool = False) -> T:
    """What the query gives; ``operation`` is its name in metrics. Raises as `Reader.read` does.

    ``newest``: as `Reader.read_newest` reads.
    """
    started = time.perf_counter()
    try:
        return reader.read_newest(query) if newest else reader.read(query)
    finally:
        metrics.child(metrics.QUERY_SECONDS, operation).observe(time.perf_counter() - started)
