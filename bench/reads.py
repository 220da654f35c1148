"""What reading costs: lists of events among many, and searches of the catalogue."""

from __future__ import annotations

import itertools
import json
import time

from bench import fill
from bench.catalogue import search_body, workflow
from bench.client import Connection, WrongAnswerError
from bench.harness import EVENTS, WORKFLOWS, Bench
from bench.load import load, percentile
from bench.requests import get, post
from bench.writes import paced

CATALOGUE = 10_000
SUSTAINED_SECONDS = 60.0


def timed(connection: Connection, path: str, wanted: int) -> float:
    """Seconds that one list takes. WrongAnswerError unless it has so many rows."""
    asked = time.perf_counter()
    body = connection.ask(get(path), 200)
    taken = time.perf_counter() - asked
    if (found := len(json.loads(body)["data"])) != wanted:
        raise WrongAnswerError(f"{path}: {found} rows instead of {wanted}")
    return taken


def queries(bench: Bench) -> None:
    """Lists of few and of many rows, among as many events as --rows says."""
    database = bench.database.server.make_database()
    bench.console.print(f"  filling a table with {bench.rows:,} events", highlight=False)
    fill.check_disk(str(bench.folder), bench.rows)
    fill.fill(database, bench.rows, progress=bench.console.is_terminal)
    with bench.service(database=database) as service:
        connection = Connection(service.port)
        correlations = bench.rows // fill.ROWS_A_CORRELATION
        actors = max(1, bench.rows // fill.ROWS_AN_ACTOR)
        for scenario, path, choices, wanted, goal, key, bar in (
            (
                "query, 5 rows", f"{EVENTS}?correlation_id=fill-%d", correlations, fill.ROWS_A_CORRELATION, 10,
                "audit_query.simple_p95_ms", 180,
            ),
            (
                "query, 100 rows", f"{EVENTS}?limit=100&count=none&actor_id=actor-%d", actors, 100, 25,
                "audit_query.large_p95_ms", 650,
            ),
            (
                "query, 100 of 1,000 rows and their count", f"{EVENTS}?limit=100&actor_id=actor-%d", actors, 100, 25,
                "audit_query.counted_p95_ms", 650,
            ),
        ):  # fmt: skip
            taken = [timed(connection, path % (n * 7919 % choices), wanted) for n in range(210)]
            bench.add(
                "queries", f"{scenario}: p95", 1000 * percentile(taken[10:], 95), "ms", goal, at_least=False,
                note=f"{bench.rows:,} events stored", key=key, bar=bar,
            )  # fmt: skip
        connection.close()
    database.drop()
    bench.add(
        "queries", "ten million events against one million: worst query", None, "×", 1.3, at_least=False,
        note="make bench-large measures it",
    )  # fmt: skip


def workflows(bench: Bench) -> None:
    """The catalogue: 200 creates one by one and as one batch, and searches among 10,000 workflows."""
    with bench.service() as service:
        connection = Connection(service.port)
        _creates(bench, connection)
        for chunk in range(0, CATALOGUE - 400, 800):
            many = json.dumps([workflow("many", chunk + n) for n in range(800)]).encode()
            connection.ask(post(f"{WORKFLOWS}/batch", many), 201)
        bench.database.query("VACUUM ANALYZE remediation_workflow_catalog")
        searches = [post(f"{WORKFLOWS}/search", json.dumps(search_body(n)).encode()) for n in range(400)]
        taken = []
        for search in searches:
            asked = time.perf_counter()
            if not json.loads(connection.ask(search, 200))["workflows"]:
                raise WrongAnswerError("a search found nothing")
            taken.append(time.perf_counter() - asked)
        connection.close()
        at_once = load(
            service.port,
            lambda n: itertools.cycle(searches[n::2]),
            200,
            connections=20,
            warm=0.5,
            seconds=max(4.0, bench.seconds),
        )
    one, many_at_once = "search among 10,000, one at a time", "search among 10,000, 20 at a time"
    bench.add(
        "workflows", f"{one}: p95", 1000 * percentile(taken[50:], 95), "ms", 10, at_least=False,
        key="workflow_search.single_p95_ms", bar=200,
    )  # fmt: skip
    rate = f"{at_once.answers / (at_once.ended - at_once.began):,.0f} a second"
    for percent, goal, bar in ((95, 25, 500), (99, 50, 1000)):
        bench.add(
            "workflows", f"{many_at_once}: p{percent}", 1000 * percentile(at_once.latencies, percent), "ms", goal,
            at_least=False, note=rate, key=f"workflow_search.concurrent_p{percent}_ms", bar=bar,
        )  # fmt: skip


def _creates(bench: Bench, connection: Connection) -> None:
    creates = [post(WORKFLOWS, json.dumps(workflow("one", n)).encode()) for n in range(200)]
    began = time.perf_counter()
    for create in creates:
        connection.ask(create, 201)
    taken = time.perf_counter() - began
    asked = time.perf_counter()
    connection.ask(post(f"{WORKFLOWS}/search", json.dumps(search_body(1)).encode()), 200)
    searched = time.perf_counter() - asked
    bench.add(
        "workflows", "200 creates one by one", taken, "s", 2, at_least=False, key="bulk_import.one_by_one_s", bar=60,
        note=f"mean {1000 * taken / 200:.1f} ms",
    )  # fmt: skip
    bench.add(
        "workflows", "first search after them", 1000 * searched, "ms", 500, at_least=False,
        key="bulk_import.search_after_ms", bar=500,
    )  # fmt: skip
    batch = json.dumps([workflow("batch", n) for n in range(200)]).encode()
    began = time.perf_counter()
    connection.ask(post(f"{WORKFLOWS}/batch", batch), 201)
    bench.add(
        "workflows", "200 creates as one batch", time.perf_counter() - began, "s", 0.5, at_least=False,
        key="bulk_import.batch_s",
    )  # fmt: skip


def sustained_search(bench: Bench) -> None:
    """Ten searches a second for a minute: the last ten seconds are no slower than the first."""
    seconds = SUSTAINED_SECONDS
    with bench.service() as service:
        connection = Connection(service.port)
        for chunk in range(0, CATALOGUE, 800):
            many = json.dumps([workflow("sustained", n) for n in range(chunk, min(chunk + 800, CATALOGUE))]).encode()
            connection.ask(post(f"{WORKFLOWS}/batch", many), 201)
        connection.close()
        bench.database.query("VACUUM ANALYZE remediation_workflow_catalog")
        searches = [post(f"{WORKFLOWS}/search", json.dumps(search_body(n)).encode()) for n in range(400)]

        def search(n: int) -> bytes:
            return searches[n % 400]

        paced(service.port, rate=50, seconds=2, name="warm", request=search, expected=200)
        taken = paced(service.port, rate=10, seconds=seconds, name="", request=search, expected=200)
    ten = 10 * 10
    bench.add(
        "search", "10 searches/s for 60 s: p95", 1000 * percentile(taken, 95), "ms", 10, at_least=False,
        key="workflow_search.sustained_p95_ms", bar=200,
    )  # fmt: skip
    # Medians: of a hundred values the 95th percentile shows what else the machine did for a moment.
    ratio = percentile(taken[-ten:], 50) / percentile(taken[:ten], 50)
    bench.add(
        "search", "… median of the last 10 s against the first 10 s", ratio, "×", 1.2, at_least=False,
        key="workflow_search.last_to_first",
    )  # fmt: skip
