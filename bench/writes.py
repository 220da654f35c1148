"""What writing costs: single events, batches, a steady rate, storms, and writers beside readers."""

from __future__ import annotations

import itertools
import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from bench.catalogue import search_body, workflow
from bench.client import Connection, WrongAnswerError
from bench.harness import EVENTS, WORKFLOWS, Bench, number, psql
from bench.load import Load, drive, load, pace, percentile
from bench.requests import batches, event_bytes, get, now, post, singles

CONNECTIONS = 64
ROUNDS = 5
BATCH = 500
BATCHES_A_ROUND = 120
WRITERS = READERS = 50


def notes(*texts: str) -> str:
    """Those that say something, in one line."""
    return "; ".join(text for text in texts if text)


def spread(values: list[float]) -> str:
    """How far rounds were apart."""
    return f"rounds {min(values):.2f} to {max(values):.2f}"


def single_events(bench: Bench) -> None:
    """One event a request, durable, against routes that do nothing."""
    nothing = post("/empty", event_bytes("empty", 0, now()))
    with (
        bench.service() as durable,
        bench.service("bench.empty_app:inside") as inside,
        bench.service("bench.empty_app:bare") as bare,
    ):
        rates: dict[str, list[float]] = {"durable": [], "inside": [], "bare": []}
        warnings = dict.fromkeys(rates, "")
        latencies: list[float] = []
        for turn in range(ROUNDS):
            # Side by side in time, so that a machine that gets slower does so for all three.
            for name, service, requests in (
                ("durable", durable, lambda n, turn=turn: singles(f"single-{turn}-{n}")),
                ("inside", inside, lambda n: itertools.repeat(nothing)),
                ("bare", bare, lambda n: itertools.repeat(nothing)),
            ):
                done = load(service.port, requests, connections=CONNECTIONS, warm=0.5, seconds=bench.seconds)
                rates[name].append(done.answers / bench.seconds)
                warnings[name] = warnings[name] or done.warning
                if name == "durable":
                    latencies += done.latencies
    rate = {name: statistics.median(values) for name, values in rates.items()}
    bench.add("singles", "empty POST route inside this app", rate["inside"], "/s", note=warnings["inside"])
    bench.add("singles", "bare Flask route", rate["bare"], "/s", note=warnings["bare"])
    saturated = (
        f"saturated: p95 {1000 * percentile(latencies, 95):.0f} ms, p99 {1000 * percentile(latencies, 99):.0f} ms"
    )
    bench.add(
        "singles", "single events, durable", rate["durable"], "/s", note=notes(warnings["durable"], saturated),
        key="audit_write.rate", bar=120,
    )  # fmt: skip
    for name, scenario, goal, key in (
        ("inside", "… against the empty route", 0.60, "audit_write.rate_to_empty"),
        ("bare", "… against the bare route", 0.50, "audit_write.rate_to_bare"),
    ):
        ratios = [d / i for d, i in zip(rates["durable"], rates[name], strict=True)]
        bench.add("singles", scenario, statistics.median(ratios), "×", goal, note=spread(ratios), key=key)
    with bench.service() as service:
        taken = paced(service.port, rate=rate["durable"] / 2, seconds=bench.seconds, name="half")
    bench.add(
        "singles", "single events at half of that: p99", 1000 * percentile(taken, 99), "ms", 50, at_least=False,
        note=f"{rate['durable'] / 2:,.0f}/s", key="audit_write.half_rate_p99_ms",
    )  # fmt: skip


def batch_events(bench: Bench) -> None:
    """Batches of 500 against one `psql \\copy` of the same rows into the same table."""
    rows = BATCHES_A_ROUND * BATCH
    copied = bench.folder / "rows.copy"
    ours: list[float] = []
    theirs: list[float] = []
    processes = 4

    def bodies(turn: int, process: int) -> Iterator[bytes]:
        return iter(list(batches(f"batch-{turn}-{process}", BATCHES_A_ROUND // processes, BATCH)))

    with bench.service() as service:
        load(service.port, lambda n: batches(f"warm-{n}", 4, BATCH), processes=2, connections=8)
        for turn in range(ROUNDS):
            bench.empty_tables()
            done = load(
                service.port,
                partial(bodies, turn),
                processes=processes,
                connections=8,
            )
            stored = bench.database.count()
            if stored != rows:
                raise WrongAnswerError(f"{rows} events answered 201, {stored} in the table")
            ours.append(rows / (done.ended - done.began))
            psql(bench.database, f"\\copy (SELECT * FROM audit_events) TO '{copied}'")
            bench.empty_tables()
            # \timing leaves out the start of psql and its login.
            text = psql(bench.database, "\\timing on", f"\\copy audit_events FROM '{copied}'")
            milliseconds = float(text.split("Time: ")[1].split(" ms")[0])
            theirs.append(1000 * rows / milliseconds)
    copied.unlink()
    bench.add("batches", "psql \\copy", statistics.median(theirs), "rows/s")
    bench.add(
        "batches", f"batches of {BATCH}, durable", statistics.median(ours), "rows/s", note=done.warning,
        key="audit_batch.rows_per_s",
    )  # fmt: skip
    ratios = [o / t for o, t in zip(ours, theirs, strict=True)]
    bench.add(
        "batches", "… against \\copy", statistics.median(ratios), "×", 0.90, note=spread(ratios),
        key="audit_batch.rate_to_copy",
    )  # fmt: skip


def paced(
    port: int,
    *,
    rate: float,
    seconds: float,
    name: str,
    request: Callable[[int], bytes] | None = None,
    expected: int = 201,
) -> list[float]:
    """Seconds that requests take at a steady rate, counted from when each was due: a late start counts as waiting.

    In the order in which they were due. Single events, unless ``request`` makes something else of a number.
    """
    moment = now()
    make = request or (lambda n: post(EVENTS, event_bytes(f"paced-{name}", n, moment)))
    done = pace(port, make, expected, rate=rate, seconds=seconds)
    if done.warning:
        raise WrongAnswerError(f"at {rate:,.0f}/s {done.warning}: nothing was measured")
    return done.latencies


def steady_writes(bench: Bench) -> None:
    """Latency of single writes at 120 a second."""
    with bench.service() as service:
        paced(service.port, rate=120, seconds=0.5, name="warm")
        taken = paced(service.port, rate=120, seconds=max(5.0, bench.seconds), name="steady")
    bench.add(
        "steady", "120 single events/s: p95", 1000 * percentile(taken, 95), "ms", 15, at_least=False,
        key="audit_write.p95_ms", bar=235,
    )  # fmt: skip
    bench.add(
        "steady", "120 single events/s: p99", 1000 * percentile(taken, 99), "ms", key="audit_write.p99_ms", bar=450,
        at_least=False,
    )  # fmt: skip


def storm(port: int, size: int, name: str) -> Load:
    """Send ``size`` events at once, each on a connection of its own. WrongAnswerError unless each is answered 201."""
    # As many requests as connections: each connection sends one.
    requests = itertools.islice(singles(f"storm-{name}"), size)
    done = drive(port, requests, 201, size, warm=0, seconds=3600)
    if done.answers != size:
        raise WrongAnswerError(f"{size} sent, {done.answers} answered")
    return done


def storms(bench: Bench) -> None:
    """Many at once, each on a connection of its own: 150, then three times 100. One refusal ends the run."""
    with bench.service() as service:
        load(service.port, lambda n: itertools.islice(singles(f"storm-warm-{n}"), 100), processes=1, connections=10)
        before = bench.database.count()

        def seconds(size: int, name: str) -> float:
            done = storm(service.port, size, name)
            return done.ended - done.began

        whole = seconds(150, "150")
        bursts = [seconds(100, f"burst-{n}") for n in range(3)]
        kept = bench.database.count() - before
    bench.add("storm", "150 at once", whole, "s", 0.3, at_least=False, key="burst.storm_150_s", bar=5)
    note = "s, ".join(f"{b:.3f}" for b in bursts) + "s"
    bench.add(
        "storm", "3 × 100: last burst against the first", bursts[-1] / bursts[0], "×", 1.2, at_least=False, note=note,
        key="burst.last_to_first",
    )  # fmt: skip
    worst = max(bursts) / statistics.mean(bursts)
    bench.add(
        "storm", "3 × 100: slowest burst against the mean", worst, "×", 2.0, at_least=False,
        key="burst.slowest_to_mean", bar=2,
    )  # fmt: skip
    bench.add(
        "storm", "storm and bursts: refused or not stored", 450 - kept, "of 450", 0, at_least=False,
        key="burst.refused", bar=0,
    )  # fmt: skip


# --- writers and readers side by side -----------------------------------------------------------------------


@dataclass
class StormCounts:
    """What clients that run side by side were answered."""

    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    gate: threading.Lock = field(default_factory=threading.Lock)

    def run(self, port: int, kind: str, requests: Iterator[bytes], allowed: set[int], until: float) -> None:
        """Send one after the other until the time is up; 503 is allowed with a Retry-After only."""
        try:
            connection = Connection(port)
            for request in requests:
                if time.perf_counter() > until:
                    break
                status, answer = connection.ask_any(request)
                right = status in allowed and (status != 503 or b"\r\nretry-after:" in answer.lower())
                with self.gate:
                    self.answers[f"{kind} {status}"] += 1
                    if not right:
                        self.wrong.append(f"{kind}: {answer[:300]!r}")
                if b"\r\nconnection: close\r\n" in answer.lower():
                    connection.close()
                    connection = Connection(port)
            connection.close()
        except BaseException as e:  # noqa: BLE001 - raised by the caller
            self.errors.append(e)


def crowd(bench: Bench) -> None:
    """50 writers at once on a pool of 25; 50 readers and searchers on a pool of 5 while writes go on."""
    taken = []
    with bench.service(database__pool_size="25") as service:
        storm(service.port, WRITERS, "crowd-warm")
        for turn in range(ROUNDS):
            done = storm(service.port, WRITERS, f"crowd-{turn}")
            taken.append(done.ended - done.began)
    bench.add(
        "crowd", f"{WRITERS} writers at once, pool of 25: all answered 201", max(taken), "s", 0.5, at_least=False,
        note=f"slowest of {ROUNDS}", bar=30, key="audit_write.crowd_s",
    )  # fmt: skip
    seconds = max(3.0, bench.seconds)
    counts = StormCounts()
    with bench.service(database__pool_size="5") as service:
        connection = Connection(service.port)
        many = json.dumps([workflow("crowd", n) for n in range(400)]).encode()
        connection.ask(post(f"{WORKFLOWS}/batch", many), 201)
        connection.close()
        before = bench.database.query("SELECT count(*) FROM audit_events WHERE correlation_id LIKE 'crowd-write-%'")
        searches = [post(f"{WORKFLOWS}/search", json.dumps(search_body(n)).encode()) for n in range(100)]
        reads = [get(f"{EVENTS}?limit=100&event_category=gateway"), get(f"{EVENTS}?correlation_id=storm-crowd-0-5")]
        until = time.perf_counter() + seconds
        jobs: list[tuple[str, Iterator[bytes], set[int]]] = [
            *(("read", itertools.cycle(reads[n % 2 :] + reads[: n % 2]), {200, 503}) for n in range(READERS // 2)),
            *(("search", itertools.cycle(searches[n:] + searches[:n]), {200, 503}) for n in range(READERS // 2)),
            *(("write", singles(f"crowd-write-{n}"), {201}) for n in range(8)),
        ]
        threads = [
            threading.Thread(target=counts.run, args=(service.port, kind, requests, allowed, until))
            for kind, requests, allowed in jobs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if counts.errors:
        raise counts.errors[0]
    if counts.wrong:
        raise WrongAnswerError(f"{len(counts.wrong)} wrong answers, the first: {counts.wrong[0]}")
    after = bench.database.query("SELECT count(*) FROM audit_events WHERE correlation_id LIKE 'crowd-write-%'")
    lost = counts.answers["write 201"] - (after[0][0] - before[0][0])
    said = ", ".join(f"{number(count)} × {kind}" for kind, count in sorted(counts.answers.items()))
    bench.add(
        "crowd", f"{READERS} readers and searchers, pool of 5: neither 200 nor 503 with Retry-After",
        len(counts.wrong), "answers", 0, at_least=False, note=said,
    )  # fmt: skip
    bench.add("crowd", "… writes meanwhile: answered 201 and not kept", lost, "events", 0, at_least=False)
