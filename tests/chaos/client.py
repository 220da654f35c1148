"""A client process of the campaign: writes events with ids of its own, retries what was not answered, keeps a ledger.

The ledger is a file of JSON lines: what was acknowledged, what was refused, what nobody answered in the end.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import random
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

THREADS = 6
_TIMEOUT_SECONDS = 12.0
# After the campaign has ended a client tries so long to get an answer for what it has in hand.
_LAST_TRIES_SECONDS = 20.0


class Client:
    """One client process."""

    def __init__(self, seed: int, ports: list[int], ledger: Path, stop: Event, pause: float) -> None:
        self._seed = seed
        self._ports = ports
        self._ledger = ledger
        self._stop = stop
        self._pause = pause
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def run(self) -> None:
        """Write until told to stop; the last line of the ledger holds the counts."""
        with open(self._ledger, "w", encoding="utf-8") as out:
            threads = [threading.Thread(target=self._write_forever, args=(i, out)) for i in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            out.write(json.dumps({"counts": self._counts}) + "\n")

    def _write_forever(self, number: int, out: Any) -> None:
        rng = random.Random(f"{self._seed}-{number}")
        connections: dict[int, http.client.HTTPConnection] = {}
        while not self._over():
            path, body, ids, kind = _request(rng)
            result = self._deliver(rng, connections, path, json.dumps(body).encode())
            with self._lock:
                out.write(json.dumps({"kind": kind, "result": result, "ids": ids}) + "\n")
            if self._pause:
                time.sleep(rng.random() * 2 * self._pause)
        for connection in connections.values():
            connection.close()

    def _over(self) -> bool:
        """Whether to end: told so, or the campaign is gone and nobody would ever tell."""
        campaign = multiprocessing.parent_process()
        return self._stop.is_set() or campaign is None or not campaign.is_alive()

    def _deliver(
        self, rng: random.Random, connections: dict[int, http.client.HTTPConnection], path: str, body: bytes
    ) -> str:
        """Send until there is an answer that is final: the status as text, or "unanswered"."""
        give_up = None
        port = rng.choice(self._ports)
        while True:
            status = self._send(connections, port, path, body)
            with self._lock:
                self._counts["requests"] += 1
                self._counts[str(status) if status else "lost"] += 1
            if status not in (0, 503):
                return str(status)
            if self._over():
                give_up = give_up or time.monotonic() + _LAST_TRIES_SECONDS
                if time.monotonic() > give_up:
                    return "unanswered"
            # The next try goes to the other instance, as behind a balancer.
            port = self._ports[(self._ports.index(port) + 1) % len(self._ports)]
            time.sleep(0.02 + rng.random() * 0.2)

    def _send(self, connections: dict[int, http.client.HTTPConnection], port: int, path: str, body: bytes) -> int:
        connection = connections.get(port)
        if connection is None:
            connection = connections[port] = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0


def _event(rng: random.Random, **members: Any) -> dict[str, Any]:
    ident = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    return {
        "version": "1.0",
        "event_id": ident,
        "event_type": "gateway.signal.received",
        "event_timestamp": datetime.now(UTC).isoformat(),
        "event_category": "gateway",
        "event_action": "received",
        "event_outcome": "success",
        "correlation_id": f"c-{rng.randrange(1000)}",
        "event_data": {"proof": ident[::-1], "filler": "x" * rng.randrange(300)},
        **members,
    }


def _request(rng: random.Random) -> tuple[str, Any, list[str], str]:
    """Path, body, ids and kind (good, poison, invalid, notification) of a request."""
    dice = rng.random()
    single, batch = "/api/v1/audit/events", "/api/v1/audit/events/batch"
    if dice < 0.02:
        bad = _event(rng, event_outcome="perhaps")
        return single, bad, [bad["event_id"]], "invalid"
    if dice < 0.04:
        bad = _event(rng, correlation_id="poison")
        return single, bad, [bad["event_id"]], "poison"
    if dice < 0.08:
        ident = str(uuid.UUID(int=rng.getrandbits(128), version=4))
        note = {
            "remediation_id": "r",
            "notification_id": ident,
            "recipient": "oncall",
            "channel": "email",
            "message_summary": ident[::-1],
            "status": "sent",
            "sent_at": datetime.now(UTC).isoformat(),
        }
        return "/api/v1/audit/notifications", note, [ident], "notification"
    if dice < 0.30:
        events = [_event(rng) for _ in range(rng.randrange(2, 40))]
        return batch, events, [e["event_id"] for e in events], "good"
    event = _event(rng)
    return single, event, [event["event_id"]], "good"


def run(seed: int, ports: list[int], ledger: Path, stop: Event, pause: float) -> None:
    """Entry point of a client process."""
    Client(seed, ports, ledger, stop, pause).run()
