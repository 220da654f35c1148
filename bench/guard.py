"""Ratios that stay the same on a busy machine, one or more for each section of the baseline; under a minute.

Absolute times say little on a machine that others use, so each figure is taken against a reference that suffers the
same: the reference and what is measured alternate in short rounds, and the median of the rounds counts. Two kinds:

- **processor time**: seconds that the service's workers have used for a request, by the kernel's account, against the
  same for a bare Flask route that asks PostgreSQL for ten rows. Waiting for others is not in it. What shares the
  processor's caches with others costs more of it in some hours than in others, and it is the more the more code and
  data a request touches: an empty route feels little of that, one with a decoder, a pool and a query what ours feel.
- **latency of a lone request**: of hundreds the quickest few, against those of that bare route, or, for a write, of an
  empty route of the same app and a plain insert of the same row. Others may hold up most requests; nobody makes one
  quicker than it is.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import psycopg
from psycopg import sql

from bench import client, fill
from bench.catalogue import search_body, workflow
from bench.client import Connection, WrongAnswerError, event_bytes, get, load, percentile, post, singles
from bench.harness import EVENTS, WORKFLOWS, Bench, Service, cpu_seconds, psql
from bench.machine import fdatasync_ms
from bench.upkeep import drain, spill
from bench.writes import storm
from tests.support import Database, valkey_server

ROUNDS = 5
BATCH = 500
ROWS = 20_000
CATALOGUE = 1_000
CREATED = 200
STARTS = 7
REPLAYED = 3_016
SECTIONS = (
    "audit_write", "audit_batch", "audit_query", "workflow_search", "burst", "bulk_import", "cold_start",
    "replay",  # the last: it stops PostgreSQL
)  # fmt: skip
_NOTHING = post("/empty", event_bytes("empty", 0, "2026-01-01T00:00:00Z"))
_ASKING = post("/asking", event_bytes("asking", 0, "2026-01-01T00:00:00Z"))
_IMPORTS = "import flask, gunicorn.app.wsgiapp, psycopg, psycopg_pool, redis, marshmallow, prometheus_flask_exporter"


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
        return self._cpu(self.bare, lambda n: itertools.repeat(_ASKING), 201, count)

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
            mine = self.cpu(lambda n, turn=turn: requests(turn, n), expected, count, connections) / divide
            after = self.cpu_of_asking()
            ratios.append(mine / ((before + after) / 2))
            own.append(mine)
            before = after
        self.record(section, name, median(ratios), f"{1e6 * median(own):.0f} µs of processor time")


Taken = dict[str, list[float]]
# The part of the requests that counts as undisturbed: others may hold up all but these.
QUICKEST = 5


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


# --- the sections -------------------------------------------------------------------------------------------


@contextlib.contextmanager
def plain_insert(database: Database, rows: int) -> Iterator[Callable[[int], None]]:
    """What stores ``rows`` new events by one statement on a connection of its own: PostgreSQL's share of a write."""
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        cursor = conn.execute(
            sql.SQL("CREATE TEMPORARY TABLE sample AS SELECT * FROM audit_events LIMIT {}").format(sql.Literal(rows))
        )
        if cursor.rowcount != rows:
            raise WrongAnswerError(f"{cursor.rowcount} events to take a sample of {rows} from")
        names = [c.name for c in conn.execute("SELECT * FROM sample LIMIT 0").description or []]
        values = ["gen_random_uuid()" if name == "event_id" else name for name in names]
        statement = f"INSERT INTO audit_events ({', '.join(names)}) SELECT {', '.join(values)} FROM sample"

        def insert(_: int) -> None:
            conn.execute(statement, prepare=True)  # type: ignore[call-overload]

        yield insert


def audit_write(pair: Pair) -> None:
    """Processor time and lone latency of one event a request; the latter also against PostgreSQL's own share."""
    pair.cpu_ratio("audit_write", lambda turn, n: singles(f"guard-{turn}-{n}"), 201, "cpu_to_asking", count=500)
    durable, empty = Connection(pair.durable.port), Connection(pair.empty.port)
    moment = client.now()
    with plain_insert(pair.bench.database, 1) as insert:
        taken = lone(
            {
                "durable": lambda n: _drop(durable.ask(post(EVENTS, event_bytes("guard-lone", n, moment)), 201)),
                "empty": lambda n: _drop(empty.ask(_NOTHING, 201)),
                "insert": insert,
            },
            count=400,
        )
    durable.close()
    empty.close()
    pair.bench.add("lone", "audit_write: lone write", 1000 * quick(taken, "durable"), "ms", key="audit_write.lone_ms")
    pair.record(
        "audit_write", "latency_to_parts", against(taken, "durable", "empty", "insert"),
        f"{ms(taken, 'durable')} against {ms(taken, 'empty')} and {ms(taken, 'insert')}",
    )  # fmt: skip


def _drop(_: object) -> None:
    """Nothing more is wanted of an answer that was right."""


def audit_batch(pair: Pair) -> None:
    """Processor time of an event in a batch of 500, and the latency of such a batch against a plain insert of it."""
    pair.cpu_ratio(
        "audit_batch", lambda turn, n: client.batches(f"guard-batch-{turn}-{n}", 1000, BATCH), 201,
        "cpu_an_event_to_asking", count=8, divide=BATCH, connections=4,
    )  # fmt: skip
    connection = Connection(pair.durable.port)
    bodies = list(client.batches("guard-batch-lone", 12, BATCH))
    with plain_insert(pair.bench.database, BATCH) as insert:
        taken = lone(
            {
                "batch": lambda n: _drop(connection.ask(bodies[n], 201)),
                "insert": insert,
            },
            count=12,
        )
    connection.close()
    pair.record(
        "audit_batch", "latency_to_insert", against(taken, "batch", "insert"),
        f"{ms(taken, 'batch')} against {ms(taken, 'insert')}",
    )  # fmt: skip


def audit_query(pair: Pair) -> None:
    """Lone latency of a query of five rows and of one of a hundred, among 20,000 events."""
    database = pair.bench.database.server.make_database()
    fill.fill(database, ROWS, progress=False)
    with pair.bench.service(database=database) as service:
        connection, asking = Connection(service.port), Connection(pair.bare.port)
        few, many = ROWS // fill.ROWS_A_CORRELATION, ROWS // fill.ROWS_AN_ACTOR
        taken = lone(
            {
                "simple": lambda n: _drop(connection.ask(get(f"{EVENTS}?correlation_id=fill-{n * 7919 % few}"), 200)),
                "large": lambda n: _drop(
                    connection.ask(get(f"{EVENTS}?limit=100&count=none&actor_id=actor-{n % many}"), 200)
                ),
                "asking": lambda n: _drop(asking.ask(_ASKING, 201)),
            },
            count=200,
        )
        connection.close()
        asking.close()
    database.drop()
    for name in ("simple", "large"):
        pair.record("audit_query", f"{name}_latency_to_asking", against(taken, name, "asking"), ms(taken, name))


def workflow_search(pair: Pair) -> None:
    """Lone latency of a search among 1,000 workflows, and its processor time with 32 at a time."""
    connection, asking = Connection(pair.durable.port), Connection(pair.bare.port)
    many = json.dumps([workflow("guard", n) for n in range(CATALOGUE)]).encode()
    connection.ask(post(f"{WORKFLOWS}/batch", many), 201)
    pair.bench.database.query("VACUUM ANALYZE remediation_workflow_catalog")
    searches = [post(f"{WORKFLOWS}/search", json.dumps(search_body(n)).encode()) for n in range(400)]
    taken = lone(
        {
            "search": lambda n: _drop(connection.ask(searches[n % 400], 200)),
            "asking": lambda n: _drop(asking.ask(_ASKING, 201)),
        },
        count=200,
    )
    connection.close()
    asking.close()
    pair.record(
        "workflow_search", "single_latency_to_asking", against(taken, "search", "asking"), ms(taken, "search")
    )  # fmt: skip
    pair.cpu_ratio(
        "workflow_search", lambda _, n: itertools.cycle(searches[n::2]), 200, "concurrent_cpu_to_asking", count=300
    )


def burst(pair: Pair) -> None:
    """A hundred events at once against as many requests of the bare route: the quickest of six each."""
    ours, theirs = [], []
    for turn in range(6):
        done = storm(pair.durable.port, 100, f"guard-{turn}")
        ours.append(done.ended - done.began)
        requests = itertools.repeat(_ASKING, 100)
        done = client.drive(pair.bare.port, requests, 201, 100, warm=0, seconds=3600)
        theirs.append(done.ended - done.began)
    pair.record(
        "burst", "storm_to_asking", min(ours) / min(theirs),
        f"{1000 * min(ours):.0f} ms against {1000 * min(theirs):.0f}",
    )  # fmt: skip


def bulk_import(pair: Pair) -> None:
    """Processor time of a workflow in a batch of 200, and of one created alone."""

    def batches(turn: int, process: int) -> Iterator[bytes]:
        for batch in range(2):
            name = f"bulk-{turn}-{process}-{batch}"
            yield post(f"{WORKFLOWS}/batch", json.dumps([workflow(name, n) for n in range(CREATED)]).encode())

    def alone(turn: int, process: int) -> Iterator[bytes]:
        for n in itertools.count():
            yield post(WORKFLOWS, json.dumps(workflow(f"alone-{turn}-{process}", n)).encode())

    pair.cpu_ratio(
        "bulk_import", batches, 201, "batch_cpu_to_asking", count=4, divide=CREATED, connections=4
    )  # fmt: skip
    pair.cpu_ratio("bulk_import", alone, 201, "single_cpu_to_asking", count=120, connections=8)


def cold_start(pair: Pair) -> None:
    """Processor time of a start until it is ready against that of importing the libraries just before and after."""
    ratios, taken = [], []
    before = _cpu_of_imports()
    for _ in range(STARTS):
        with pair.bench.service(server__workers="1") as service:
            assert service.process is not None
            taken.append(cpu_seconds(service.process.pid) + service.cpu_seconds())
        after = _cpu_of_imports()
        ratios.append(taken[-1] / ((before + after) / 2))
        before = after
    pair.record("cold_start", "cpu_to_imports", median(ratios), f"{median(taken):.2f} s of processor time")


def _cpu_of_imports() -> float:
    before = os.times()
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def replay(pair: Pair) -> None:
    """Processor time of a replayed event: the median of three outages."""
    ratios, rates = [], []
    before = pair.cpu_of_asking()
    with (
        valkey_server() as valkey,
        pair.bench.service(redis__url=valkey.url(), dlq__max_len="10000", server__workers="1") as service,
    ):
        for turn in range(3):
            stored = pair.bench.database.count()
            spill(service.port, f"guard-replay-{turn}", REPLAYED, pair.bench.database)
            used = service.cpu_seconds()
            rates.append(drain(pair.bench.database, stored, REPLAYED)[1])
            used = (service.cpu_seconds() - used) / REPLAYED
            pair.cpu_of_asking(64)  # not counted: it makes its connections anew
            after = pair.cpu_of_asking()
            ratios.append(used / ((before + after) / 2))
            before = after
    pair.record("replay", "cpu_an_event_to_asking", median(ratios), f"{median(rates):,.0f} events/s")


PARTS: dict[str, Callable[[Pair], None]] = {
    "audit_write": audit_write,
    "audit_batch": audit_batch,
    "audit_query": audit_query,
    "workflow_search": workflow_search,
    "burst": burst,
    "bulk_import": bulk_import,
    "cold_start": cold_start,
    "replay": replay,
}


def measure(bench: Bench, sections: tuple[str, ...] = SECTIONS, application: str = "app.wsgi:application") -> None:
    """Take the ratios of these sections into ``bench.figures``. Raises WrongAnswerError.

    ``application`` is what stands in for the service: a test puts a slower one there.
    """
    with (
        bench.service(application) as durable,
        bench.service("bench.empty_app:inside") as empty,
        bench.service("bench.empty_app:bare") as bare,
    ):
        # Nothing is measured cold.
        load(durable.port, lambda n: singles(f"warm-{n}"), connections=16, seconds=0.5)
        load(empty.port, lambda n: itertools.repeat(_NOTHING), connections=16, seconds=0.5)
        load(bare.port, lambda n: itertools.repeat(_ASKING), connections=16, seconds=0.5)
        for section in sections:
            bench.empty_tables()
            bench.database.query("TRUNCATE remediation_workflow_catalog")
            PARTS[section](Pair(bench, durable, empty, bare))


def machine(bench: Bench) -> dict[str, float]:
    """What this machine does: requests/s of the empty route, rows/s of one `psql \\copy`, ms of one fdatasync."""
    with bench.service("bench.empty_app:inside") as empty:
        done = load(empty.port, lambda n: itertools.repeat(_NOTHING), connections=64, warm=0.3, seconds=1.0)
    bench.empty_tables()
    with bench.service() as service:
        load(service.port, lambda n: client.batches(f"copy-{n}", 10, BATCH), connections=4)
    copied = bench.folder / "machine.copy"
    psql(bench.database, f"\\copy (SELECT * FROM audit_events) TO '{copied}'")
    rows = bench.database.count()
    if rows != 20 * BATCH:
        raise WrongAnswerError(f"{20 * BATCH} events answered 201, {rows} in the table")
    bench.empty_tables()
    text = psql(bench.database, "\\timing on", f"\\copy audit_events FROM '{copied}'")
    with contextlib.suppress(FileNotFoundError):
        copied.unlink()
    milliseconds = float(text.split("Time: ")[1].split(" ms")[0])
    return {
        "empty_route_per_s": round(done.answers / 1.0, 1),
        "copy_rows_per_s": round(1000 * rows / milliseconds, 1),
        "fdatasync_ms": round(fdatasync_ms(str(bench.folder)), 4),
    }
