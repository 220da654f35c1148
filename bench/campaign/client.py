"""A client process of the campaign: writes events with ids of its own, retries what was not answered, keeps a ledger.

The ledger is a file of JSON lines: what was acknowledged, what was refused, what had no answer in the end.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TextIO

from bench.campaign.load import LARGE_BYTES, Request, any_request

THREADS = 6
_TIMEOUT_SECONDS = 12.0
# After the campaign has ended a client tries so long to get an answer for what it has in hand.
_LAST_TRIES_SECONDS = 20.0
# Large events of a process, in bytes: so many at once, so many a second. They stay in memory and on disk.
_LARGE_AT_ONCE = 4 << 20
_LARGE_A_SECOND = 128 << 10
_LARGE_SHARE = {True: 0.2, False: 0.01}  # of single events, while an outage was last seen, and else


class Ledger:
    """What became of each request."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def tried(self, status: int) -> None:
        """Count one try; 0 stands for no answer."""
        with self._lock:
            self._counts["requests"] += 1
            self._counts[str(status) if status else "lost"] += 1

    def settled(self, request: Request, result: str) -> None:
        """Note what a request came to: a status, or "unanswered"."""
        line = json.dumps({"kind": request.kind, "result": result, "prints": request.prints}) + "\n"
        with self._lock:
            self._out.write(line)

    def finish(self) -> None:
        """The last line holds the counts."""
        self._out.write(json.dumps({"counts": self._counts}) + "\n")
        self._out.flush()


class Sender:
    """Sends requests to the instances in turn until there is an answer; for one thread."""

    def __init__(self, ports: list[int], ledger: Ledger) -> None:
        self._ports = ports
        self._ledger = ledger
        self._connections: dict[int, http.client.HTTPConnection] = {}

    def deliver(self, rng: random.Random, request: Request, over: Callable[[], bool], patience: float) -> str:
        """Send until there is a final answer, or for ``patience`` seconds when it is over; gives the result."""
        body = json.dumps(request.body).encode()
        port = rng.choice(self._ports)
        give_up = None
        while (status := self.send(port, request.path, body)) in (0, 503):
            if over():
                give_up = give_up or time.monotonic() + patience
                if time.monotonic() > give_up:
                    break
            # The next try goes to the other instance, as behind a balancer.
            port = self._ports[(self._ports.index(port) + 1) % len(self._ports)]
            time.sleep(0.02 + rng.random() * 0.2)
        result = "unanswered" if status in (0, 503) else str(status)
        self._ledger.settled(request, result)
        return result

    def send(self, port: int, path: str, body: bytes) -> int:
        """One try: the status, 0 for no answer."""
        status = self._post(port, path, body)
        self._ledger.tried(status)
        return status

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()

    def _post(self, port: int, path: str, body: bytes) -> int:
        connection = self._connections.get(port)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
            self._connections[port] = connection
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException):
            connection.close()
            return 0


class _Allowance:
    """How much may be sent in large events: a bucket that fills slowly. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: float = _LARGE_AT_ONCE
        self._seen = time.monotonic()

    def take(self) -> bool:
        """Take the bytes of one large event; False if there are not so many."""
        with self._lock:
            now = time.monotonic()
            self._left = min(_LARGE_AT_ONCE, self._left + (now - self._seen) * _LARGE_A_SECOND)
            self._seen = now
            if self._left < LARGE_BYTES[1]:
                return False
            self._left -= LARGE_BYTES[1]
            return True


class Client:
    """One client process."""

    def __init__(self, seed: int, ports: list[int], ledger: Ledger, stop: Event, pause: float, batch: int) -> None:
        self._seed = seed
        self._ports = ports
        self._ledger = ledger
        self._stop = stop
        self._pause = pause
        self._batch = batch
        self._allowance = _Allowance()

    def run(self) -> None:
        """Write until told to stop."""
        threads = [threading.Thread(target=self._write_forever, args=(i,)) for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _write_forever(self, number: int) -> None:
        rng = random.Random(f"{self._seed}-{number}")
        sender = Sender(self._ports, self._ledger)
        outage = False
        while not self._over():
            large = rng.random() < _LARGE_SHARE[outage] and self._allowance.take()
            request = any_request(rng, large=large, batch=self._batch)
            result = sender.deliver(rng, request, self._over, _LAST_TRIES_SECONDS)
            outage = result == "202"
            if self._pause:
                time.sleep(rng.random() * 2 * self._pause)
        sender.close()

    def _over(self) -> bool:
        """Whether to end: told so, or the campaign is gone and will not tell."""
        campaign = multiprocessing.parent_process()
        return self._stop.is_set() or campaign is None or not campaign.is_alive()


def run(seed: int, ports: list[int], path: Path, stop: Event, pause: float, batch: int) -> None:
    """Entry point of a client process; ``batch`` is the most events of a request."""
    with open(path, "w", encoding="utf-8") as out:
        ledger = Ledger(out)
        Client(seed, ports, ledger, stop, pause, batch).run()
        ledger.finish()
