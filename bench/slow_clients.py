"""What clients that are silent or slow cost the others (`make bench-slow-clients`).

    python -m bench.slow_clients                     # three rounds, about a minute
    python -m bench.slow_clients --rounds 10         # more
    python -m bench.slow_clients --json slow.json    # the figures also as JSON

Sixteen writers on connections that stay send one event after the other: without the crowd and beside it, in turn. The
crowd is 64 clients that send nothing and 64 slow ones: half of them send a body by single bytes, a quarter a head, and
a quarter read nothing of a large answer. One that the service ends comes again. The goal is that the writers' p99
beside the crowd is less than twice that without. Exit code 1 if it is not, 2 for a wrong answer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import select
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from datastorage_common import terminal
from rich.console import Console

from bench.client import Connection, WrongAnswerError
from bench.harness import EVENTS, Bench, Service
from bench.load import Load, load, percentile
from bench.machine import fingerprint
from bench.measure import report
from bench.requests import event_bytes, get, now, post, singles
from tests.support import postgres_server

WRITERS = 16
CROWD = {"silent": 64, "slow body": 32, "slow head": 16, "deaf": 16}
GOAL = 2.0
# The list that its client does not read: so many rows, each with so much event_data.
ROWS, DATA_BYTES = 1000, 4096
# A slow client sends a byte so often, and comes again so soon after its end.
_TICK_SECONDS = 0.1
# Until the writers count, after the crowd came or left: it takes the service a moment to make sixteen large lists.
_SETTLE_SECONDS = 2.0

_STARTS = {
    "silent": b"",
    "slow body": f"POST {EVENTS} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    "Content-Length: 1000\r\n\r\n".encode(),
    "slow head": f"POST {EVENTS} HTTP/1.1\r\nHost: bench\r\nX-Slow: ".encode(),
    "deaf": get(f"{EVENTS}?limit={ROWS}&count=none&event_type=gateway.signal.large"),
}
_fork = multiprocessing.get_context("fork")
_BYTES = {"slow body": b" ", "slow head": b"a"}


class _Slow:
    """One client of the crowd."""

    def __init__(self, kind: str, port: int) -> None:
        self.kind = kind
        self._port = port
        self._sock: socket.socket | None = None
        self.begun = self.ends = 0

    @property
    def connected(self) -> bool:
        """Whether the service has not ended it, as far as it knows."""
        return self._sock is not None

    def tick(self) -> None:
        """Begin, or send the next byte and see whether the service has ended the connection."""
        try:
            if self._sock is None:
                self._begin()
            elif self._ended():
                self._leave()
            elif self.kind in _BYTES:
                self._sock.send(_BYTES[self.kind])
        except BlockingIOError:
            pass
        except OSError:
            self._leave()

    def _begin(self) -> None:
        sock = socket.socket()
        if self.kind == "deaf":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(1.0)
        sock.connect(("127.0.0.1", self._port))
        sock.setblocking(False)
        self._sock = sock
        self.begun += 1
        sock.send(_STARTS[self.kind])

    def _ended(self) -> bool:
        assert self._sock is not None
        if self.kind == "deaf":
            poll = select.poll()
            poll.register(self._sock, select.POLLRDHUP)
            return bool(poll.poll(0))
        # What the service says is an error, and its connection ends.
        return bool(select.select([self._sock], [], [], 0)[0]) and not self._sock.recv(65536)

    def _leave(self) -> None:
        """The next tick begins anew."""
        self.ends += 1
        if self._sock is not None:
            self._sock.close()
            self._sock = None


@contextlib.contextmanager
def crowd(port: int) -> Iterator[list[int]]:
    """The silent and the slow clients, in a process of their own.

    The list has, once the block has ended, how many were connected then and how many connections had been ended.
    """
    stop, there = _fork.Event(), _fork.Event()
    counts = _fork.Array("l", 2)
    seen: list[int] = []

    def run() -> None:
        clients = [_Slow(kind, port) for kind, count in CROWD.items() for _ in range(count)]
        while not stop.wait(_TICK_SECONDS):
            for each in clients:
                each.tick()
            if all(each.begun for each in clients):
                there.set()
        counts[:] = [sum(each.connected for each in clients), sum(each.ends for each in clients)]

    process = _fork.Process(target=run, daemon=True)
    process.start()
    try:
        if not there.wait(60):
            raise WrongAnswerError("the crowd cannot connect")
        yield seen
    finally:
        stop.set()
        process.join()
        seen[:] = counts[:]


def _write(service: Service, name: str, seconds: float) -> Load:
    return load(
        service.port, lambda _: singles(name), processes=1, connections=WRITERS,
        warm=_SETTLE_SECONDS, seconds=seconds,
    )  # fmt: skip


def _store_large(service: Service) -> None:
    """Events for the list that its client does not read."""
    moment = now()
    padding = b'"event_data":{"padding":"%b",' % (b"x" * DATA_BYTES)
    connection = Connection(service.port)
    for b in range(ROWS // 100):
        events = [event_bytes("large", 100 * b + n, moment) for n in range(100)]
        body = b"[" + b",".join(events).replace(b'"event_data":{', padding) + b"]"
        body = body.replace(b"gateway.signal.received", b"gateway.signal.large")
        connection.ask(post(f"{EVENTS}/batch", body), 201)
    connection.close()


def compare(bench: Bench, rounds: int) -> None:
    """The writers without and beside the crowd, in turn."""
    taken: dict[str, list[Load]] = {"without": [], "beside": []}
    crowds = []
    with bench.service() as service:
        _store_large(service)
        _write(service, "warm", 1.0)
        for turn in range(rounds):
            taken["without"].append(_write(service, f"without-{turn}", bench.seconds))
            with crowd(service.port) as seen:
                taken["beside"].append(_write(service, f"beside-{turn}", bench.seconds))
            crowds.append(seen)
    there, ends = ([each[n] for each in crowds] for n in (0, 1))
    bench.add(
        "slow clients", f"of the crowd of {sum(CROWD.values())} connected at the end of a round",
        statistics.median(there), "clients", note=f"the service ended {statistics.median(ends):.0f} meanwhile",
    )  # fmt: skip
    for percent in (50, 99):
        values = {side: [1000 * percentile(one.latencies, percent) for one in loads] for side, loads in taken.items()}
        for side, each in values.items():
            where = "beside the crowd" if side == "beside" else "without it"
            bench.add(
                "slow clients", f"{WRITERS} writers {where}: p{percent}", statistics.median(each), "ms",
                note=f"{rounds} rounds, {min(each):.1f} to {max(each):.1f}; {_rate(taken[side]):,.0f} events/s",
            )  # fmt: skip
        ratios = [b / a for a, b in zip(values["without"], values["beside"], strict=True)]
        bench.add(
            "slow clients", f"… p{percent} beside against without", statistics.median(ratios), "×",
            GOAL if percent == 99 else None, at_least=False,
            note=f"{rounds} rounds, {min(ratios):.2f} to {max(ratios):.2f}",
        )  # fmt: skip


def _rate(loads: list[Load]) -> float:
    return statistics.median(one.answers / (one.ended - one.began) for one in loads)


def main() -> int:
    """Measure and report; 0, 1 if the goal is missed, 2 for a wrong answer."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.slow_clients",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3, help="times that both are measured in turn (default 3)")
    # Longer than a head may take, so that slow heads end and come again meanwhile.
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each measurement (default 6)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    args = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=170)
    machine, busy = fingerprint(), os.getloadavg()[0]
    if busy > 1:
        console.print(f"[yellow]load average {busy:.1f}: others use this machine, so figures may be off[/]")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="datastorage-slow-") as name, postgres_server() as server:
        bench = Bench(server.make_database(), Path(name), args.seconds, console)
        try:
            compare(bench, args.rounds)
        except WrongAnswerError as e:
            console.print(f"[red]wrong answer:[/] {e}")
            return 2
    console.print()
    console.print(report(bench.figures))
    console.print(f"{time.perf_counter() - began:.0f} s in all", highlight=False)
    if args.json:
        shown = {**machine, "load": busy, "crowd": CROWD, "figures": [figure.as_json() for figure in bench.figures]}
        Path(args.json).write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    return 1 if any(figure.met is False for figure in bench.figures) else 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
