"""Clients that write all the time and remember every answer."""

from __future__ import annotations

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from tests.support import Answer, Database, GunicornService, event, wait_until

EVENTS = "/api/v1/audit/events"


@dataclass
class Written:
    """One event that was sent, and what was said of it; no answer means that the connection broke."""

    body: dict[str, Any]
    answer: Answer | None

    @property
    def status(self) -> int:
        return self.answer.status if self.answer is not None else 0

    @property
    def event_id(self) -> str:
        return str(self.body["event_id"])

    @property
    def unknown(self) -> bool:
        """Whether the client cannot know if it was kept."""
        return self.answer is None or (self.status == 503 and self.answer.json.get("outcome") == "unknown")


class Writers:
    """Threads that send one event after the other, each with an id of its own, while the block runs."""

    def __init__(self, service: GunicornService, count: int, *, pause: float = 0.0) -> None:
        self._service = service
        self._pause = pause
        self._stop = threading.Event()
        self.sent: list[Written] = []
        self._threads = [threading.Thread(target=self._write, args=(n,)) for n in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End after the answers under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a request was never answered"

    def _write(self, number: int) -> None:
        while not self._stop.is_set():
            body = event(event_id=str(uuid.uuid4()), correlation_id=f"writer-{number}")
            try:
                answer: Answer | None = self._service.request("POST", EVENTS, body, timeout=100)
            except (OSError, http.client.HTTPException):
                answer = None
            self.sent.append(Written(body, answer))
            # Who is refused at once comes back at once, but not without end.
            self._stop.wait(self._pause if answer is not None and answer.status < 500 else 0.02)


class Load:
    """Writers that together send so many single events a second, on connections that they keep."""

    def __init__(self, ports: Callable[[], list[int]], rate: float, threads: int = 10) -> None:
        self._ports = ports
        self._interval = threads / rate
        self._lock = threading.Lock()
        self.answers: Counter[int] = Counter()
        self.acknowledged: list[str] = []
        self.failures: list[str] = []  # what was answered else, and how connections broke
        self.seconds: list[tuple[float, int, float]] = []  # when, status, how long
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write) for _ in range(threads)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until(self, status: int, count: int) -> None:
        """Wait for so many answers of this status in all."""
        wait_until(lambda: self.answers[status] >= count, what=f"{count} answers of {status}")

    def _write(self) -> None:
        connections: dict[int, http.client.HTTPConnection] = {}
        turn = 0
        due = time.monotonic()
        while not self._stop.is_set():
            ident = str(uuid.uuid4())
            ports = self._ports()
            # As a balancer does: an instance that left the rotation is not talked to on old connections.
            for gone in connections.keys() - set(ports):
                connections.pop(gone).close()
            turn += 1
            port = ports[turn % len(ports)]
            started = time.monotonic()
            status = self._send(connections, port, json.dumps(event(event_id=ident)).encode())
            self.seconds.append((started, status, time.monotonic() - started))
            with self._lock:
                self.answers[status] += 1
            if status in (200, 201, 202):
                self.acknowledged.append(ident)
            due = max(due + self._interval, time.monotonic() - 1)
            time.sleep(max(0.0, due - time.monotonic()))
        for connection in connections.values():
            connection.close()

    def _send(self, connections: dict[int, http.client.HTTPConnection], port: int, body: bytes) -> int:
        if port not in connections:
            connections[port] = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connections[port].request("POST", "/api/v1/audit/events", body, {"Content-Type": "application/json"})
            response = connections[port].getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as e:
            self._fail(repr(e), body)
            connections.pop(port).close()
            return 0
        if response.status not in (200, 201, 202):
            self._fail(f"{response.status} {data[:200]!r}", body)
        return response.status

    def _fail(self, what: str, body: bytes) -> None:
        self.failures.append(f"{datetime.now(UTC):%H:%M:%S.%f} {what} to {json.loads(body)['event_id']}")


def check_kept(sent: list[Written], database: Database) -> None:
    """Every 201 is in the table once, every refusal is not, and nothing is there twice."""
    rows = {str(i): n for i, n in database.query("SELECT event_id, count(*) FROM audit_events GROUP BY 1")}
    assert set(rows.values()) <= {1}, "an event is there twice"
    kept = {w.event_id for w in sent if w.status in (200, 201)}
    assert kept <= rows.keys(), f"{len(kept - rows.keys())} answered as stored are not there"
    refused = {w.event_id for w in sent if w.status not in (200, 201) and not w.unknown}
    assert not refused & rows.keys(), "an event is there whose client was told that nothing was kept"
    assert rows.keys() <= {w.event_id for w in sent}
