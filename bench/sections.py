"""The sections of the guard: each takes some ratios of one kind of work."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from statistics import median

import psycopg
from psycopg import sql

from bench import fill
from bench.catalogue import search_body, workflow
from bench.client import Connection, WrongAnswerError
from bench.harness import EVENTS, WORKFLOWS, cpu_seconds
from bench.load import drive
from bench.pair import ASKING, Pair, against, lone, ms, quick
from bench.requests import batches, event_bytes, get, now, post, singles
from bench.upkeep import drain, spill
from bench.writes import storm
from tests.support import Database, valkey_server

ROWS = 20_000
CATALOGUE = 1_000
CREATED = 200
STARTS = 7
REPLAYED = 3_016
BATCH = 500
NOTHING = post("/empty", event_bytes("empty", 0, "2026-01-01T00:00:00Z"))
_IMPORTS = "import flask, gunicorn.app.wsgiapp, psycopg, psycopg_pool, redis, marshmallow, prometheus_flask_exporter"


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
            conn.execute(statement, prepare=True)

        yield insert


def audit_write(pair: Pair) -> None:
    """Processor time and lone latency of one event a request; the latter also against PostgreSQL's own share."""
    pair.cpu_ratio("audit_write", lambda turn, n: singles(f"guard-{turn}-{n}"), 201, "cpu_to_asking", count=500)
    durable, empty = Connection(pair.durable.port), Connection(pair.empty.port)
    moment = now()
    with plain_insert(pair.bench.database, 1) as insert:
        taken = lone(
            {
                "durable": lambda n: _drop(durable.ask(post(EVENTS, event_bytes("guard-lone", n, moment)), 201)),
                "empty": lambda n: _drop(empty.ask(NOTHING, 201)),
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
        "audit_batch", lambda turn, n: batches(f"guard-batch-{turn}-{n}", 1000, BATCH), 201,
        "cpu_an_event_to_asking", count=8, divide=BATCH, connections=4,
    )  # fmt: skip
    connection = Connection(pair.durable.port)
    bodies = list(batches("guard-batch-lone", 12, BATCH))
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
                "asking": lambda n: _drop(asking.ask(ASKING, 201)),
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
            "asking": lambda n: _drop(asking.ask(ASKING, 201)),
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
        requests = itertools.repeat(ASKING, 100)
        done = drive(pair.bare.port, requests, 201, 100, warm=0, seconds=3600)
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


# The order in which they run.
SECTIONS: dict[str, Callable[[Pair], None]] = {
    "audit_write": audit_write,
    "audit_batch": audit_batch,
    "audit_query": audit_query,
    "workflow_search": workflow_search,
    "burst": burst,
    "bulk_import": bulk_import,
    "cold_start": cold_start,
    "replay": replay,  # the last: it stops PostgreSQL
}
