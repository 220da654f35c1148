"""A load generator that costs next to nothing: raw keep-alive sockets, prepared bytes, one poll loop a process.

Any answer with another status than the expected one ends the run: a fast 400 is not a fast write.
"""

from __future__ import annotations

import functools
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


_EVENT = (
    '{"version":"1.0","event_type":"gateway.signal.received","event_timestamp":"%(moment)s","event_category":"gateway",'
    '"event_action":"received","event_outcome":"success","correlation_id":"%(prefix)s-%%d","actor_type":"service",'
    '"actor_id":"gateway-%%d","resource_type":"Deployment","resource_id":"checkout-%%d","namespace":"payments",'
    '"cluster_name":"production-eu-1","severity":"warning","duration_ms":12,"event_data":{"sequence":%%d,'
    '"cluster":"production-eu-1","object":{"kind":"Deployment","name":"checkout-service","uid":"%%032x"},'
    '"labels":{"team":"payments","tier":"backend","release":"2024.11.3"},"reason":"OOMKilled","restarts":7,'
    '"message":"container exceeded its memory limit and was restarted by the kubelet","limits":{"memory":"512Mi",'
    '"cpu":"500m"},"annotations":["first-seen","auto-remediation","notify-oncall"]}}'
)


@functools.lru_cache(maxsize=64)
def _template(prefix: str, moment: str) -> bytes:
    return (_EVENT % {"prefix": prefix, "moment": moment}).encode()


def event_bytes(prefix: str, number: int, moment: str) -> bytes:
    """One event of about 1 KB, distinct by its correlation id and its data."""
    return _template(prefix, moment) % (number, number % 97, number % 997, number, number)


def now() -> str:
    """The present as the API wants it."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def singles(prefix: str) -> Requests:
    """Requests of one distinct event each, without end; head and body are one template, so that each costs little."""
    moment = now()
    # A number of fixed width keeps the length, and so the head, the same.
    body = _template(prefix, moment).replace(b"%d", b"%010d", 1)
    head = post("/api/v1/audit/events", body % (0, 10, 100, 10**9, 0)).split(b"\r\n\r\n", 1)[0]
    whole = head + b"\r\n\r\n" + body
    return (whole % (n, 10 + n % 87, 100 + n % 897, 10**9 + n, n) for n in itertools.count())


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

    @property
    def fresh(self) -> bool:
        """Whether nothing of an answer has come yet."""
        return not self._got

    def feed(self, data: bytes, expected: int) -> bytes | None:
        """The whole answer that these bytes complete, or None while it is not whole.

        Raises WrongAnswerError for another status than the expected one, and where the connection was closed.
        """
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
        return answer

    def ask(self, request: bytes, expected: int) -> bytes:
        """Send and wait for the whole answer."""
        self.sock.sendall(request)
        while (answer := self.feed(self.sock.recv(1 << 18), expected)) is None:
            pass
        return answer.split(b"\r\n\r\n", 1)[1]

    def ask_any(self, request: bytes) -> tuple[int, bytes]:
        """Send and wait for the whole answer, with any status: (status, head and body)."""
        self.sock.sendall(request)
        while True:
            data = self.sock.recv(1 << 18)
            # An answer's first packet holds its status line.
            status = int((self._got + data)[9:12] or 0)
            if (answer := self.feed(data, status)) is not None:
                return status, answer

    def close(self) -> None:
        self.sock.close()


# A client process that uses this much of a core may be what limits the figure.
CLIENT_LIMIT = 0.9


@dataclass
class Load:
    """What one process did: answers inside the measured time, and the seconds each took.

    ``busy`` is the share of a core that the busiest client process used.
    """

    answers: int
    began: float
    ended: float
    latencies: list[float]
    busy: float = 0.0

    @property
    def warning(self) -> str:
        """Says so where the client, not the service, may have been the limit."""
        return f"the client was the limit: {self.busy:.0%} of a core" if self.busy > CLIENT_LIMIT else ""


class _Usual:
    """Recognises an answer that is whole and looks like one that was parsed before, without parsing it again."""

    def __init__(self, expected: int) -> None:
        self._status = b"HTTP/1.1 %d " % expected
        self._size = self._from = self._to = self._end = -1
        self._length = b""

    def learn(self, answer: bytes) -> None:
        """Remember where a whole answer has its length and its end."""
        self._size = len(answer)
        self._end = answer.index(b"\r\n\r\n")
        self._from = answer.lower().index(b"\r\ncontent-length:")
        self._to = answer.index(b"\r\n", self._from + 2) + 2
        self._length = answer[self._from : self._to]

    def knows(self, data: bytes) -> bool:
        """Whether this is a whole answer with the expected status."""
        return (
            len(data) == self._size
            and data.startswith(self._status)
            and data[self._from : self._to] == self._length
            and data.startswith(b"\r\n\r\n", self._end)
        )


def _send(sock: socket.socket, request: bytes) -> None:
    sent = sock.send(request)
    if sent < len(request):
        # A large batch, and the server is behind: waiting is right, as long as it moves.
        sock.settimeout(_IDLE_SECONDS)
        sock.sendall(request[sent:])
        sock.setblocking(False)


def drive(port: int, requests: Requests, expected: int, connections: int, *, warm: float, seconds: float) -> Load:
    """Keep every connection busy for ``warm`` + ``seconds``, or until the requests run out."""
    made = {c.sock.fileno(): c for c in (Connection(port) for _ in range(connections))}
    poll = select.epoll()
    sent: dict[int, float] = {}
    usual = _Usual(expected)
    clock = time.perf_counter
    began = clock()
    start, stop = began + warm, began + warm + seconds
    spent = time.process_time()
    latencies: list[float] = []
    try:
        for fd, connection in made.items():
            poll.register(fd, select.EPOLLIN)
            # Without a time limit of its own a call costs no extra poll(); the epoll below has the limit.
            connection.sock.setblocking(False)
            if (request := next(requests, None)) is not None:
                sent[fd] = clock()
                _send(connection.sock, request)
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
                connection = made[fd]
                data = connection.sock.recv(1 << 18)
                if connection.fresh and usual.knows(data):
                    pass
                elif (answer := connection.feed(data, expected)) is not None:
                    usual.learn(answer)
                else:
                    continue
                moment = clock()
                asked = sent.pop(fd)
                if start <= moment <= stop:
                    latencies.append(moment - asked)
                    last = moment
                if moment < stop and (request := next(requests, None)) is not None:
                    sent[fd] = moment
                    _send(connection.sock, request)
        busy = (time.process_time() - spent) / max(clock() - began, 1e-9)
        return Load(len(latencies), start, last, latencies, busy)
    finally:
        poll.close()
        for connection in made.values():
            connection.close()


def pace(
    port: int, request: Callable[[int], bytes], expected: int, *, rate: float, seconds: float, connections: int = 32
) -> Load:
    """Send at a steady rate whether or not earlier requests were answered; seconds count from when each was due.

    One loop sends and receives, so that the client's own threads are not what is measured. The latencies are in the
    order in which the requests were due.
    """
    made: dict[int, Connection] = {}
    free: list[Connection] = []
    due_of: dict[int, tuple[int, float]] = {}
    latencies: dict[int, float] = {}
    total = int(rate * seconds)
    clock = time.perf_counter
    spent, began = time.process_time(), clock()
    start = began + 0.05
    poll = select.epoll()
    try:
        sent = 0
        body = request(0)
        while len(latencies) < total:
            now = clock()
            while sent < total and start + sent / rate <= now and (free or len(made) < connections):
                if not free:
                    connection = Connection(port)
                    connection.sock.setblocking(False)
                    made[connection.sock.fileno()] = connection
                    poll.register(connection.sock, select.EPOLLIN)
                    free.append(connection)
                connection = free.pop()
                due_of[connection.sock.fileno()] = (sent, start + sent / rate)
                _send(connection.sock, body)
                sent += 1
                body = request(sent)
            wait = (
                start + sent / rate - clock() if sent < total and (free or len(made) < connections) else _IDLE_SECONDS
            )
            # select() on the epoll counts in microseconds, epoll itself in milliseconds.
            if not select.select([poll], [], [], max(0.0, wait))[0]:
                if wait >= _IDLE_SECONDS:
                    raise WrongAnswerError(f"{len(due_of)} requests without an answer for {_IDLE_SECONDS:g} s")
                continue
            for fd, _ in poll.poll(0):
                connection = made[fd]
                if fd not in due_of:  # closed behind an answer, which the server may do
                    poll.unregister(fd)
                    free.remove(connection)
                    made.pop(fd).close()
                    continue
                if connection.feed(connection.sock.recv(1 << 18), expected) is not None:
                    number, due = due_of.pop(fd)
                    latencies[number] = clock() - due
                    free.append(connection)
        ended = clock()
        busy = (time.process_time() - spent) / (ended - began)
        return Load(total, start, ended, [latencies[n] for n in range(total)], busy)
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
        max(r.busy for r in loads),
    )


def percentile(values: list[float], percent: float) -> float:
    """The value that ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
