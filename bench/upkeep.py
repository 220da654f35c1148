"""What the service costs beside requests: its start, the replay of what an outage left, its memory."""

from __future__ import annotations

import statistics
import threading
import time

import psutil
import psycopg

from bench.client import Connection, WrongAnswerError
from bench.harness import EVENTS, Bench, Service
from bench.load import drive, load, percentile
from bench.requests import batches, event_bytes, now, post, singles
from tests.support import Database, valkey_server

STARTS = 3
REPLAYED = 10_000
BATCH = 500


def cold_start(bench: Bench) -> None:
    """From the start of gunicorn to live, to ready, to the first write and later ones; the median of three starts."""
    live: list[float] = []
    ready: list[float] = []
    first: list[float] = []
    later: list[float] = []
    for turn in range(STARTS):
        with bench.service(launch=False) as service:
            began = time.perf_counter()
            for path, into in (("/health/live", live), ("/health/ready", ready)):
                while not (service.alive() and service.probe(path) == 200):
                    time.sleep(0.005)
                    if time.perf_counter() - began > 30:
                        raise WrongAnswerError(f"{path} did not answer 200 within 30 s")
                into.append(time.perf_counter() - began)
            moment = now()
            connection = Connection(service.port)
            taken = []
            for n in range(100):
                asked = time.perf_counter()
                connection.ask(post(EVENTS, event_bytes(f"cold-{turn}", n, moment)), 201)
                taken.append(time.perf_counter() - asked)
            connection.close()
            first.append(taken[0])
            later.append(percentile(taken[1:], 95))
    for scenario, values, unit, goal, key, bar in (
        ("start of gunicorn to live", live, "s", 0.7, "cold_start.live_s", 1.0),
        ("start of gunicorn to ready", ready, "s", 1.0, "cold_start.ready_s", None),
        ("first write after ready", first, "ms", 50, "cold_start.first_write_ms", 2000),
        ("later writes: p95", later, "ms", 15, "cold_start.later_p95_ms", 250),
    ):
        value = statistics.median(values) * (1000 if unit == "ms" else 1)
        bench.add("start", scenario, value, unit, goal, at_least=False, key=key, bar=bar)


def spill(port: int, name: str, count: int, database: Database) -> None:
    """Stop PostgreSQL and have ``count`` events taken into the dead letter queue, every one answered 202."""
    assert database.server.embedded is not None
    database.server.embedded.stop("immediate")
    connection = Connection(port)
    moment = now()
    # Until a worker knows that PostgreSQL is gone a write takes longer; then all are spilled at once.
    for n in range(16):
        connection.ask(post(EVENTS, event_bytes(f"{name}-first", n, moment)), 202)
    connection.close()
    bodies = batches(name, (count - 16) // BATCH, BATCH)
    done = drive(port, bodies, 202, 4, warm=0, seconds=3600)
    if done.answers != (count - 16) // BATCH:
        raise WrongAnswerError(f"{(count - 16) // BATCH} batches sent, {done.answers} answered")


def drain(database: Database, before: int, spilled: int) -> tuple[float, float]:
    """Start PostgreSQL and wait until all spilled events are stored: (seconds to the first, events a second since)."""
    assert database.server.embedded is not None
    database.server.embedded.start()
    began = time.perf_counter()
    first = seen = 0.0
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        while True:
            row = conn.execute("SELECT count(*) FROM audit_events").fetchone()
            assert row is not None
            now, stored = time.perf_counter(), row[0] - before
            if stored and not first:
                first, seen = now, stored
            if stored >= spilled:
                break
            if now - began > 120:
                raise WrongAnswerError(f"{stored} of {spilled} events replayed after 120 s")
            time.sleep(0.005)
    if stored > spilled:
        raise WrongAnswerError(f"{spilled} events spilled and {stored} stored")
    return first - began, (spilled - seen) / max(now - first, 1e-9)


def replay(bench: Bench) -> None:
    """How fast what an outage has left in the dead letter queue gets into the table."""
    with (
        valkey_server() as valkey,
        bench.service(redis__url=valkey.url(), dlq__max_len=str(2 * REPLAYED)) as service,
    ):
        before = bench.database.count()
        spilled = 16 + (REPLAYED - 16) // BATCH * BATCH
        spill(service.port, "replay", REPLAYED, bench.database)
        waited, rate = drain(bench.database, before, spilled)
    bench.add(
        "replay", "replay from the dead letter queue", rate, "events/s", 2000, key="replay.rate", bar=20 / 60,
        note=f"{spilled:,} events, begun {waited:.1f} s after PostgreSQL was back",
    )  # fmt: skip


# --- memory -------------------------------------------------------------------------------------------------

_MB = 1024**2


class _Peak:
    """The most resident memory that any worker has while the block runs, in bytes."""

    def __init__(self, service: Service) -> None:
        self._workers = service.workers()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.bytes = 0

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.bytes = max(self.bytes, resident(self._workers))


def resident(workers: list[psutil.Process]) -> int:
    """Resident memory of the largest worker, in bytes."""
    return int(max(worker.memory_info().rss for worker in workers))


def _fill_buffer(service: Service, bodies: list[bytes], lock: psycopg.Connection) -> int:
    """Send all bodies at once while the table is locked, let go, and count those that found the queue full."""
    lock.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
    full = [0] * len(bodies)

    def send(number: int) -> None:
        connection = Connection(service.port)
        status, answer = connection.ask_any(post(f"{EVENTS}/batch", bodies[number]))
        connection.close()
        full[number] = int(status == 503 and b"buffer-full" in answer)
        if status not in (201, 503):
            raise WrongAnswerError(f"a batch was answered {answer[:300]!r}")

    threads = [threading.Thread(target=send, args=(n,)) for n in range(len(bodies))]
    for thread in threads:
        thread.start()
    time.sleep(1.2)
    lock.rollback()
    for thread in threads:
        thread.join()
    return sum(full)


def memory(bench: Bench) -> None:
    """Memory of one worker: with its queue full of small and of large events, and over a time of load."""
    moment = now()
    small = [b"[" + b",".join(event_bytes(f"full-{b}", n, moment) for n in range(100)) + b"]" for b in range(24)]
    padding = b"x" * 32_000
    large = [
        b"[" + b",".join(
            event_bytes(f"wide-{b}", n, moment).replace(b'"event_data":{', b'"event_data":{"padding":"%b",' % padding)
            for n in range(40)
        ) + b"]"
        for b in range(40)
    ]  # fmt: skip
    for name, bodies in (("1,000 events of 1 KB", small), ("32 MiB of events", large)):
        with (
            bench.service(
                server__workers="1", buffer__enqueue_timeout="300ms", buffer__flush_lock_timeout="1900ms"
            ) as service,
            psycopg.connect(bench.database.superuser_url) as lock,
            _Peak(service) as peak,
        ):
            if not _fill_buffer(service, bodies, lock):
                raise WrongAnswerError(f"{len(bodies)} batches did not fill the queue")
        bench.add(
            "memory", f"worker with a full queue, {name}", peak.bytes / _MB, "MB", 120, at_least=False,
            note="the most at any time, requests on the way included",
        )  # fmt: skip
        bench.empty_tables()
    with bench.service() as service:
        workers = service.workers()

        def work(name: str, seconds: float) -> int:
            load(service.port, lambda n: singles(f"{name}-{n}"), connections=64, seconds=seconds)
            return resident(workers)

        warm = work("warm", max(5.0, bench.soak / 4))
        after = work("soak", bench.soak)
    bench.add(
        "memory", "worker after a time of load against before", after / warm, "×", 1.05, at_least=False,
        note=f"{warm / _MB:.0f} to {after / _MB:.0f} MB in {bench.soak:g} s; --soak 3600 makes it an hour",
    )  # fmt: skip
