"""What one caller that asks without end costs the others, and what limits cost (`make bench-greedy`).

    python -m bench.greedy                       # three rounds, about a minute and a half
    python -m bench.greedy --json greedy.json    # the figures also as JSON

Nine principals write single events at a steady rate, with JSON Web Tokens; the tenth keeps 64 connections busy and
ignores every 429. The nine are measured without it and beside it, with limits and without, in turn. The goal is that
their p99 beside it is at most one and a half times that without. Then one principal below its limits keeps the
service busy, with all three limits and without any: the goal is 0.93 of the rate. Exit code 1 if a goal is missed, 2
for a wrong answer.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import select
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from datastorage_common import terminal
from rich.console import Console

from bench.client import Connection, WrongAnswerError
from bench.harness import Bench, Service
from bench.load import load, pace, percentile
from bench.machine import fingerprint
from bench.measure import report
from bench.requests import Requests, singles
from tests.support import postgres_server, valkey_server
from tests.tokens import AUDIENCE, ISSUER, Issuer

OTHERS = 9
OTHERS_RATE = 270.0
GREEDY_CONNECTIONS = 64
# Of one principal: three times what each of the nine sends, and so little that the greedy one is at its end at once.
LIMITED = {
    "limits__principal_requests": "100/second",
    "limits__principal_events": "100/second",
    "limits__address_requests": "1000000/second",
}
ROOMY = dict.fromkeys(LIMITED, "1000000/minute")
P99_GOAL, RATE_GOAL = 1.5, 0.93
_SETTLE_SECONDS = 1.0
_fork = multiprocessing.get_context("fork")


def authorized(requests: Requests, token: str) -> Requests:
    """The same requests from somebody."""
    header = b"\r\nAuthorization: Bearer " + token.encode() + b"\r\n"
    return (request.replace(b"\r\n", header, 1) for request in requests)


@contextlib.contextmanager
def greedy(port: int, token: str) -> Iterator[dict[int, float]]:
    """The greedy client, in a process of its own; afterwards: status → answers a second."""
    stop = _fork.Event()
    results = _fork.SimpleQueue()
    seen: dict[int, float] = {}

    def run() -> None:
        counts: dict[int, int] = {}
        requests = authorized(singles(f"greedy-{time.time()}"), token)
        made = {c.sock.fileno(): c for c in (Connection(port) for _ in range(GREEDY_CONNECTIONS))}
        poll = select.epoll()
        for fd, connection in made.items():
            poll.register(fd, select.EPOLLIN)
            connection.sock.sendall(next(requests))
        began = time.monotonic()
        while not stop.is_set():
            for fd, _ in poll.poll(0.1):
                data = made[fd].sock.recv(1 << 16)
                status = int(data[9:12]) if made[fd].fresh and data else 0
                if made[fd].feed(data, status) is not None:
                    counts[status] = counts.get(status, 0) + 1
                    made[fd].sock.sendall(next(requests))
        results.put({status: count / (time.monotonic() - began) for status, count in counts.items()})

    process = _fork.Process(target=run, daemon=True)
    process.start()
    try:
        time.sleep(_SETTLE_SECONDS)
        yield seen
    finally:
        stop.set()
        seen.update(results.get())
        process.join()


def _others(service: Service, tokens: list[str], name: str, seconds: float) -> float:
    """The p99 of the nine in milliseconds."""
    streams = [authorized(singles(f"{name}-{n}"), token) for n, token in enumerate(tokens)]
    done = pace(
        service.port, lambda n: next(streams[n % OTHERS]), 201, rate=OTHERS_RATE, seconds=seconds, connections=64
    )
    return 1000 * percentile(done.latencies, 99)


def fairness(bench: Bench, services: dict[str, Service], issuer: Issuer, rounds: int) -> None:
    """The nine without the greedy one and beside it, with limits and without."""
    tokens = [issuer.token(sub=f"other-{n}") for n in range(OTHERS)]
    taken: dict[str, list[float]] = {"without it": [], "beside it": [], "beside it, no limits": []}
    asked: list[dict[int, float]] = []
    for turn in range(rounds):
        taken["without it"].append(_others(services["limited"], tokens, f"alone-{turn}", bench.seconds))
        for where, name in (("beside it", "limited"), ("beside it, no limits", "off")):
            with greedy(services[name].port, issuer.token(sub="greedy")) as seen:
                taken[where].append(_others(services[name], tokens, f"{name}-{turn}", bench.seconds))
            if name == "limited":
                asked.append(seen)
    for where, values in taken.items():
        note = f"{rounds} rounds, {min(values):.1f} to {max(values):.1f}"
        bench.add("one greedy of ten", f"the nine {where}: p99", statistics.median(values), "ms", note=note)
    for where in ("beside it", "beside it, no limits"):
        ratios = [b / a for a, b in zip(taken["without it"], taken[where], strict=True)]
        goal = P99_GOAL if where == "beside it" else None
        note = f"{rounds} rounds, {min(ratios):.2f} to {max(ratios):.2f}"
        bench.add(
            "one greedy of ten", f"… {where} against without", statistics.median(ratios), "×", goal, at_least=False,
            note=note,
        )  # fmt: skip
    for status, what in ((201, "kept"), (429, "refused")):
        rates = [each.get(status, 0.0) for each in asked]
        bench.add("one greedy of ten", f"the greedy one: {what}", statistics.median(rates), "/s")


def cost(bench: Bench, services: dict[str, Service], issuer: Issuer, rounds: int) -> None:
    """The rate of one principal below its limits, against the rate without limits."""
    token = issuer.token(sub="busy")
    rates: dict[str, list[float]] = {"off": [], "roomy": []}
    spent: dict[str, list[float]] = {"off": [], "roomy": []}
    for turn in range(rounds):
        for name, found in rates.items():
            stream: Callable[[int], Requests] = lambda n, name=name, turn=turn: authorized(  # type: ignore[misc] # noqa: E731
                singles(f"{name}-{turn}-{n}"), token
            )
            began = services[name].cpu_seconds()
            done = load(services[name].port, stream, connections=64, warm=_SETTLE_SECONDS, seconds=bench.seconds)
            found.append(done.answers / (done.ended - done.began))
            # Of the warming up too: its requests are as many as those a second that are counted.
            asked = done.answers * (1 + _SETTLE_SECONDS / bench.seconds)
            spent[name].append(1e6 * (services[name].cpu_seconds() - began) / asked)
    for name, what in (("off", "no limits"), ("roomy", "all three limits")):
        bench.add("what limits cost", f"single events, JWT, {what}", statistics.median(rates[name]), "/s")
    added = [b - a for a, b in zip(spent["off"], spent["roomy"], strict=True)]
    bench.add(
        "what limits cost", "… processor time of the workers that limits add", statistics.median(added), "µs a request",
        note=f"to {statistics.median(spent['off']):.0f}; {rounds} rounds, {min(added):.0f} to {max(added):.0f}",
    )  # fmt: skip
    ratios = [b / a for a, b in zip(rates["off"], rates["roomy"], strict=True)]
    bench.add(
        "what limits cost", "… with limits against without", statistics.median(ratios), "×", RATE_GOAL,
        note=f"{rounds} rounds, {min(ratios):.2f} to {max(ratios):.2f}",
    )  # fmt: skip


def compare(bench: Bench, rounds: int, redis_url: str) -> None:
    """All of it, on services that differ in their limits alone."""
    issuer = Issuer()
    keys = bench.folder / "keys.json"
    keys.write_bytes(issuer.jwks("ec"))
    common: dict[str, Any] = {
        "auth__mode": "jwt",
        "auth__jwt_keys_file": str(keys),
        "auth__jwt_issuer": ISSUER,
        "auth__jwt_audience": AUDIENCE,
        "redis__url": redis_url,
    }
    given: dict[str, dict[str, Any]] = {"off": {}, "limited": {**LIMITED}, "roomy": {**ROOMY}}
    with contextlib.ExitStack() as stack:
        services = {name: stack.enter_context(bench.service(**common, **limits)) for name, limits in given.items()}
        for service in services.values():
            _others(service, [issuer.token(sub=f"warm-{n}") for n in range(OTHERS)], "warm", 1.0)
        fairness(bench, services, issuer, rounds)
        cost(bench, services, issuer, rounds)


def main() -> int:
    """Measure and report; 0, 1 if a goal is missed, 2 for a wrong answer."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.greedy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, help="times that all are measured in turn (default 3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement (default 4)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    args = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=170)
    machine, busy = fingerprint(), os.getloadavg()[0]
    if busy > 1:
        console.print(f"[yellow]load average {busy:.1f}: others use this machine, so figures may be off[/]")
    with (
        tempfile.TemporaryDirectory(prefix="datastorage-greedy-") as name,
        postgres_server() as server,
        valkey_server() as redis,
    ):
        bench = Bench(server.make_database(), Path(name), args.seconds, console)
        try:
            compare(bench, args.rounds, redis.url(0))
        except WrongAnswerError as e:
            console.print(f"[red]wrong answer:[/] {e}")
            return 2
    console.print(report(bench.figures))
    if args.json:
        shown = {**machine, "load": busy, "figures": [figure.as_json() for figure in bench.figures]}
        Path(args.json).write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    return 1 if any(figure.met is False for figure in bench.figures) else 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
