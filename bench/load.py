"""A load generator that costs next to nothing: raw keep-alive sockets, prepared bytes, one poll loop a process."""

from __future__ import annotations

import multiprocessing
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.client import IDLE_SECONDS, Connection, WrongAnswerError
from bench.requests import Requests

_fork = multiprocessing.get_context("fork")
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
        sock.settimeout(IDLE_SECONDS)
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
            ready = poll.poll(IDLE_SECONDS)
            if not ready:
                raise WrongAnswerError(f"{len(sent)} requests without an answer for {IDLE_SECONDS:g} s")
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
            wait = start + sent / rate - clock() if sent < total and (free or len(made) < connections) else IDLE_SECONDS
            # select() on the epoll counts in microseconds, epoll itself in milliseconds.
            if not select.select([poll], [], [], max(0.0, wait))[0]:
                if wait >= IDLE_SECONDS:
                    raise WrongAnswerError(f"{len(due_of)} requests without an answer for {IDLE_SECONDS:g} s")
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
