"""A service for the buffered store to speak to, with orders for what to answer."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from datastorage_client import ConnectionFailedError, DataStorageError
from datastorage_client.problems import problem

Judge = Callable[[list[dict[str, Any]]], DataStorageError | None]
BASE = "https://kubernaut.ai/problems/"


def refusal(slug: str, status: int = 400, *, retry_after: str | None = None, **members: Any) -> DataStorageError:
    """The exception of a problem, made as from an answer."""
    headers = {"Content-Type": "application/problem+json"}
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    body = {"type": BASE + slug, "title": "T", "status": status, "detail": "d", "instance": "/", **members}
    return problem(status, headers, json.dumps(body).encode())


def away(*, sent: bool = False) -> DataStorageError:
    """No answer."""
    return ConnectionFailedError("nobody answers", sent=sent)


class Service:
    """Keeps what it takes, by event_id; a second copy with the same id counts as one, as in the real one."""

    def __init__(self, *orders: DataStorageError | None, judge: Judge | None = None) -> None:
        self.orders = deque(orders)  # what to raise on the next calls; None: judge
        self.judge = judge
        self.batches: list[list[dict[str, Any]]] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.down = threading.Event()

    def send_events(self, body: bytes, count: int) -> int:
        events = json.loads(body)
        assert len(events) == count
        self.batches.append(events)
        if self.down.is_set():
            raise away()
        error = self.orders.popleft() if self.orders else None
        if error is None and self.judge is not None:
            error = self.judge(events)
        if error is not None:
            raise error
        new = [e for e in events if e["event_id"] not in self.stored]
        self.stored |= {e["event_id"]: e for e in events}
        return 201 if new else 200
