"""The service and its references: what a request costs in processor time, and how long a lone one takes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median

from bench.harness import Bench, Service
from bench.load import load, percentile
from bench.requests import event_bytes, post

ROUNDS = 5
ASKING = post("/asking", event_bytes("asking", 0, "2026-01-01T00:00:00Z"))
# The part of the requests that counts as undisturbed: others may hold up all but these.
QUICKEST = 5


@dataclass
class Pair:
    """The service and what it is held against: the empty route of the same app, and the bare one that asks."""

    bench: Bench
    durable: Service
    empty: Service
    bare: Service

    def record(self, section: str, name: str, ratio: float, note: str = "") -> None:
        """Keep a ratio; less is better."""
        self.bench.add("guard", f"{section}: {name.replace('_', ' ')}", ratio, "×", key=f"{section}.{name}", note=note)

    def cpu_of_asking(self, count: int = 300) -> float:
        """Processor seconds that a request of the bare route that asks PostgreSQL costs."""
        return self._cpu(self.bare, lambda n: itertools.repeat(ASKING), 201, count)

    def cpu(self, requests: Callable[[int], Iterator[bytes]], expected: int, count: int, connections: int) -> float:
        """Processor seconds that one of ``count`` requests of these costs the service."""
        return self._cpu(self.durable, requests, expected, count, connections)

    def _cpu(
        self,
        service: Service,
        requests: Callable[[int], Iterator[bytes]],
        expected: int,
        count: int,
        connections: int = 32,
    ) -> float:
        # A number of requests, not a time: all that cost processor time are counted, however slow they are.
        before = service.cpu_seconds()
        done = load(
            service.port,
            lambda n: itertools.islice(requests(n), count // 2),
            expected,
            processes=2,
            connections=connections,
        )
        return (service.cpu_seconds() - before) / done.answers

    def cpu_ratio(
        self,
        section: str,
        requests: Callable[[int, int], Iterator[bytes]],
        expected: int,
        name: str,
        *,
        count: int,
        divide: int = 1,
        connections: int = 32,
    ) -> None:
        """Record what a request costs in processor time, in requests of the bare route that asks PostgreSQL."""
        ratios, own = [], []
        before = self.cpu_of_asking()
        for turn in range(ROUNDS):
            mine = self.cpu(partial(requests, turn), expected, count, connections) / divide
            after = self.cpu_of_asking()
            ratios.append(mine / ((before + after) / 2))
            own.append(mine)
            before = after
        self.record(section, name, median(ratios), f"{1e6 * median(own):.0f} µs of processor time")


Taken = dict[str, list[float]]


def lone(asks: dict[str, Callable[[int], None]], count: int) -> Taken:
    """Seconds of ``count`` requests of each, one request at a time, each kind in its turn."""
    taken: Taken = {name: [] for name in asks}
    for n in range(count):
        for name, ask in asks.items():
            began = time.perf_counter()
            ask(n)
            taken[name].append(time.perf_counter() - began)
    return taken


def against(taken: Taken, name: str, *parts: str) -> float:
    """How much longer one takes than the others together where nothing else got in the way."""
    return quick(taken, name) / sum(quick(taken, part) for part in parts)


def quick(taken: Taken, name: str) -> float:
    """Seconds that one takes undisturbed."""
    return percentile(taken[name], QUICKEST)


def ms(taken: Taken, name: str) -> str:
    """What one takes, for a note."""
    return f"{1000 * quick(taken, name):.2f} ms"
