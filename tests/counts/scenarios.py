"""What is counted: requests to the running service, its start, and a replay of the dead letter queue."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.catalogue import search_body, workflow
from bench.client import Connection
from bench.requests import event_bytes, get, now, post
from tests.support import wait_until

EVENTS = "/api/v1/audit/events"
FEED = "/api/v1/audit/feed"
WORKFLOWS = "/api/v1/workflows"
BATCH = 500
ROWS = 100
CATALOGUE = 200

# A body in pieces that are each read before the next one comes: how many pieces the kernel would make of it is chance.
_PIECE = 60 * 1024
_PIECE_SECONDS = 0.003
_LISTED = "listed"


@dataclass(frozen=True)
class Request:
    """A request of which each one costs the same, and the status of its answer."""

    make: Callable[[], bytes]
    status: int

    def send(self, connection: Connection) -> None:
        """Send it and wait for the answer. Raises WrongAnswerError for another status."""
        data = self.make()
        while len(data) > _PIECE:
            connection.sock.sendall(data[:_PIECE])
            data = data[_PIECE:]
            time.sleep(_PIECE_SECONDS)
        connection.ask(data, self.status)


def _event() -> bytes:
    return post(EVENTS, event_bytes("counts", 7, now()))


def _batch(prefix: str = "counts") -> bytes:
    moment = now()
    return post(f"{EVENTS}/batch", b"[" + b",".join(event_bytes(prefix, 7, moment) for _ in range(BATCH)) + b"]")


REQUESTS = {
    "event": Request(_event, 201),
    "batch": Request(_batch, 201),
    # By a correlation of its own: the same rows, whatever else was stored meanwhile.
    "list": Request(lambda: get(f"{EVENTS}?limit={ROWS}&correlation_id={_LISTED}-7"), 200),
    # From the beginning: the log keeps its order.
    "feed": Request(lambda: get(f"{FEED}?limit={ROWS}"), 200),
    "search": Request(lambda: post(f"{WORKFLOWS}/search", json.dumps(search_body(7)).encode()), 200),
}
SCENARIOS = (*REQUESTS, "start", "replay")


def fill(port: int) -> None:
    """Store the events that are listed and followed, and the workflows that are searched."""
    connection = Connection(port)
    Request(lambda: _batch(_LISTED), 201).send(connection)
    connection.ask(
        post(f"{WORKFLOWS}/batch", json.dumps([workflow("counts", n) for n in range(CATALOGUE)]).encode()), 201
    )
    wait_until(lambda: _followed(connection) == ROWS, what="a whole page has its place in the log")
    connection.close()


def _followed(connection: Connection) -> int:
    """How many events the page of the feed holds."""
    answer = connection.ask(REQUESTS["feed"].make(), REQUESTS["feed"].status)
    return len(json.loads(answer)["events"])
