"""A load generator that costs next to nothing: raw keep-alive sockets, prepared bytes, one poll loop a process.

Any answer with another status than the expected one ends the run: a fast 400 is not a fast write.
"""

from __future__ import annotations

import itertools
import multiprocessing
import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_fork = multiprocessing.get_context("fork")
_IDLE_SECONDS = 20.0

Requests = Iterator[bytes]


class WrongAnswerError(Exception):
    """An answer that was not the expected one, or none at all."""


def post(path: str, body: bytes) -> bytes:
    """The bytes of a POST of JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get(path: str) -> bytes:
    """The bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


_DATA = (
    b'{"sequence":%d,"cluster":"production-eu-1","object":{"kind":"Deployment","name":"checkout-service","uid":"%032x"},'
    b'"labels":{"team":"payments","tier":"backend","release":"2024.11.3"},"reason":"OOMKilled","restarts":7,'
    b'"message":"container exceeded its memory limit and was restarted by the kubelet","limits":{"memory":"512Mi",'
    b'"cpu":"500m"},"annotations":["first-seen","auto-remediation","notify-oncall"]}'
)


def event_bytes(prefix: str, number: int, moment: str) -> bytes:
    """One event of about 1 KB, distinct by its correlation id and its data."""
    return (
        b'{"version":"1.0","event_type":"gateway.signal.received","event_timestamp":"%b","event_category":"gateway",'
        b'"event_action":"received","event_outcome":"success","correlation_id":"%b-%d","actor_type":"service",'
        b'"actor_id":"gateway-%d","resource_type":"Deployment","resource_id":"checkout-%d","namespace":"payments",'
        b'"cluster_name":"production-eu-1","severity":"warning","duration_ms":12,"event_data":%b}'
    ) % (moment.encode(), prefix.encode(), number, number % 97, number % 997, _DATA % (number, number))


def now() -> str:
    """The present as the API wants it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def singles(prefix: str) -> Requests:
    """Requests of one distinct event each, without end."""
    moment = now()
    return (post("/api/v1/audit/events", event_bytes(prefix, n, moment)) for n in itertools.count())


def batches(prefix: str, count: int, size: int) -> Requests:
    """Requests of ``size`` distinct events each."""
    moment = now()
    for b in range(count):
        events = (event_bytes(prefix, b * size + i, moment) for i in range(size))
        yield post("/api/v1/audit/events/batch", b"[" + b",".join(events) + b"]")


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=_IDLE_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._got = b""
        self._length = 0

    def send(self, request: bytes) -> None:
        """Send a whole request."""
        self.sock.sendall(request)

    def receive(self, expected: int) -> bytes | None:
        """The body of the answer, or None while it is not whole; WrongAnswerError for another status."""
        data = self.sock.recv(1 << 18)
        if not data:
            raise WrongAnswerError(f"connection closed after {self._got[:200]!r}")
        self._got += data
        if not self._length:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = self._got[:end].lower()
            at = head.find(b"content-length:") + 15
            if at < 15:
                raise WrongAnswerError(f"answer without a length: {head!r}")
            self._length = end + 4 + int(head[at:].split(b"\r", 1)[0])
        if len(self._got) < self._length:
            return None
        answer, self._got = self._got[: self._length], self._got[self._length :]
        self._length = 0
        if int(answer[9:12]) != expected:
            raise WrongAnswerError(f"expected {expected}, got {answer[:600]!r}")
        return answer.split(b"\r\n\r\n", 1)[1]

    def ask(self, request: bytes, expected: int) -> bytes:
        """Send and wait for the whole answer."""
        self.send(request)
        while (body := self.receive(expected)) is None:
            pass
        return body

    def close(self) -> None:
        self.sock.close()


@dataclass
class Load:
    """What one process did: answers inside the measured time, and the seconds each took."""

    answers: int
    began: float
    ended: float
    latencies: list[float]


def drive(port: int, requests: Requests, expected: int, connections: int, *, warm: float, seconds: float) -> Load:
    """Keep every connection busy for ``warm`` + ``seconds``, or until the requests run out."""
    made = {c.sock.fileno(): c for c in (Connection(port) for _ in range(connections))}
    poll = select.epoll()
    sent: dict[int, float] = {}
    began = time.perf_counter()
    start, stop = began + warm, began + warm + seconds
    latencies: list[float] = []
    try:
        for fd, connection in made.items():
            poll.register(fd, select.EPOLLIN)
            if (request := next(requests, None)) is not None:
                sent[fd] = time.perf_counter()
                connection.send(request)
        last = start
        while sent:
            ready = poll.poll(_IDLE_SECONDS)
            if not ready:
                raise WrongAnswerError(f"{len(sent)} requests without an answer for {_IDLE_SECONDS:g} s")
            for fd, _ in ready:
                if fd not in sent:
                    # Closed behind an answer: the server keeps only so many idle connections.
                    poll.unregister(fd)
                    continue
                if made[fd].receive(expected) is None:
                    continue
                moment = time.perf_counter()
                asked = sent.pop(fd)
                if start <= moment <= stop:
                    latencies.append(moment - asked)
                    last = moment
                if moment < stop and (request := next(requests, None)) is not None:
                    sent[fd] = moment
                    made[fd].send(request)
        return Load(len(latencies), start, last, latencies)
    finally:
        poll.close()
        for connection in made.values():
            connection.close()


def load(
    port: int,
    requests: Callable[[int], Requests],
    expected: int = 201,
    *,
    processes: int = 2,
    connections: int = 64,
    warm: float = 0.0,
    seconds: float = 3600.0,
) -> Load:
    """`drive` in several processes at once; ``requests`` makes those of the process with that number."""
    gate = _fork.Barrier(processes)
    results = _fork.SimpleQueue()

    def run(number: int) -> None:
        try:
            mine = requests(number)
            gate.wait(120)
            results.put(drive(port, mine, expected, connections // processes, warm=warm, seconds=seconds))
        except BaseException as e:  # noqa: BLE001 - the parent raises it
            gate.abort()
            results.put(WrongAnswerError(f"{type(e).__name__}: {e}"))

    children = [_fork.Process(target=run, args=(n,), daemon=True) for n in range(processes)]
    for child in children:
        child.start()
    loads = [results.get() for _ in children]
    for child in children:
        child.join()
    for outcome in loads:
        if isinstance(outcome, BaseException):
            raise outcome
    return Load(
        sum(r.answers for r in loads),
        min(r.began for r in loads),
        max(r.ended for r in loads),
        sorted(x for r in loads for x in r.latencies),
    )


def percentile(values: list[float], percent: float) -> float:
    """The value that ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
