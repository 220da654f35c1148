"""What the log of all records costs: its share of a write, of the processor, of the disk, and how late it is."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil

from app.clock import Clock
from app.config.settings import Settings
from app.config.stores import DatabaseSettings
from app.postgres.watchdog import Watchdog
from app.transparency.sequencer import Sequencer
from app.transparency.signer import Signer
from app.verify.check import check_log
from app.verify.database import database_source
from bench.client import WrongAnswerError
from bench.harness import Bench, Service, cpu_seconds, number
from bench.load import load, percentile
from bench.log_signing import signed_lag
from bench.requests import Requests, batches, singles
from bench.writes import BATCH, CONNECTIONS, ROUNDS, paced, spread
from tests.support import Database, wait_until
from tests.verify_support import KEY, fill, pinned

DRAINED = 200_000
VERIFIED = 40_000
BATCHES_A_ROUND = 60
LAG_SECONDS = 60.0
SIGNED_RATE = 2000.0
SLOW_RATE, SLOW_SECONDS = 20.0, 10.0
IDLE_SECONDS = 10.0
_PENDING = "(SELECT * FROM log_pending_a UNION ALL SELECT * FROM log_pending_b)"
# A salt of 16 bytes with its length, and trace_id_from_context.
_ROW_BYTES = 18
_LOG_TABLES = ("log_bundles", "log_tiles", "log_places")


@dataclass
class _Kind:
    """The service with as much of the log as its database and its sequencer have, and what each round gave."""

    database: Database
    service: Service
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)  # microseconds of processor time an event, service and PostgreSQL

    def round(self, requests: Callable[[int], Requests], size: int, **options: Any) -> None:
        """A round of load, and what it cost until its events have their places."""
        before, used = self.database.count(), self._used()
        done = load(self.service.port, requests, connections=CONNECTIONS if size == 1 else 8, **options)
        self.rates.append(size * done.answers / (options.get("seconds") or done.ended - done.began))
        self.latencies += done.latencies
        settle(self.database)
        self.used.append(1e6 * (self._used() - used) / (self.database.count() - before))

    def _used(self) -> float:
        return self.service.cpu_seconds() + postgres_seconds(self.database)


def log_of_records(bench: Bench) -> None:
    """Writes with the log, with its triggers alone and without it; sequencing, bytes, lags, and what rest costs."""
    half = _writes(bench)
    _sequencing(bench)
    _verifying(bench)
    _lag(bench, half)
    signed_lag(bench, SIGNED_RATE)
    _slow_and_idle(bench)


def postgres_seconds(database: Database) -> float:
    """Processor time that the server's processes have used so far, in seconds."""
    pid = int(database.query("SELECT pg_read_file('postmaster.pid', 0, 20)")[0][0].split()[0])
    used = 0.0
    for process in psutil.Process(pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            used += cpu_seconds(process.pid)
    return used


def settle(database: Database) -> None:
    """Wait until nothing waits for a place: where nobody gives any, what waits is thrown away."""
    if database.query("SELECT holder FROM log_head") == [(None,)]:
        database.query("TRUNCATE log_pending_a, log_pending_b")
    wait_until(lambda: database.query(f"SELECT count(*) FROM {_PENDING} AS p") == [(0,)], 120, "an empty queue")


def _without_log(database: Database) -> Database:
    database.query("DROP TRIGGER audit_events_into_log ON audit_events")
    return database


def _relations(database: Database, *tables: str) -> int:
    return int(
        database.query("SELECT sum(pg_total_relation_size(t::regclass)) FROM unnest(%s::text[]) AS t", list(tables))[0][
            0
        ]
    )


# --- the write path -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _kinds(bench: Bench) -> Iterator[dict[str, _Kind]]:
    server = bench.database.server
    whole, triggers, without = server.make_database(), server.make_database(), _without_log(server.make_database())
    with (
        bench.service(database=whole) as first,
        bench.service("bench.unsequenced_app:application", database=triggers) as second,
        bench.service(database=without) as third,
    ):
        # A sequencer takes over when it has seen an event that waits.
        load(first.port, lambda n: singles(f"warm-{n}"), connections=8, seconds=0.5)
        wait_until(lambda: whole.query("SELECT holder FROM log_head") != [(None,)], 60, "a sequencer")
        yield {"whole": _Kind(whole, first), "triggers": _Kind(triggers, second), "without": _Kind(without, third)}
        settle(whole)
        stored, placed = whole.count(), whole.query("SELECT size FROM log_head")[0][0]
        if stored != placed:
            raise WrongAnswerError(f"{stored} events stored, {placed} in the log")
    for database in (whole, triggers, without):
        database.drop()


def _writes(bench: Bench) -> float:
    """Single events and batches, in turn; half the rate of single events with the log."""
    half = 0.0
    for kind, size in (("single events", 1), (f"batches of {BATCH}", BATCH)):
        with _kinds(bench) as kinds:
            for turn in range(ROUNDS):
                for name, each in kinds.items():
                    if size == 1:
                        each.round(_singles(f"{name}-{turn}"), 1, warm=0.5, seconds=bench.seconds)
                    else:
                        each.round(_batches(f"{name}-{turn}"), BATCH, processes=4)
        whole, without = kinds["whole"], kinds["without"]
        bench.add(
            "log", f"{kind} without the log", statistics.median(without.rates), "events/s", note=_told(without, without)
        )
        for name, scenario, goal, key in (
            ("triggers", "… with its triggers", 0.95, "triggers"),
            ("whole", "… with its triggers and the sequencer", 0.85, "sequencer"),
        ):
            ratios = [a / b for a, b in zip(kinds[name].rates, without.rates, strict=True)]
            bench.add(
                "log", scenario, statistics.median(ratios), "×", goal,
                note=f"{spread(ratios)}; {_told(kinds[name], without)}",
                key=f"log.{'single' if size == 1 else 'batch'}_{key}_to_none",
            )  # fmt: skip
        half = half or statistics.median(whole.rates) / 2
    return half


def _singles(name: str) -> Callable[[int], Requests]:
    return lambda n: singles(f"{name}-{n}")


def _batches(name: str) -> Callable[[int], Requests]:
    return lambda n: iter(list(batches(f"{name}-{n}", BATCHES_A_ROUND // 4, BATCH)))


def _told(kind: _Kind, without: _Kind) -> str:
    used = statistics.median(kind.used)
    more = f" ({used / statistics.median(without.used):.2f} ×)" if kind is not without else ""
    return f"{used:.0f} µs of processor time an event{more}, p99 {1000 * percentile(kind.latencies, 99):.0f} ms"


# --- the sequencer alone ------------------------------------------------------------------------------------


def _sequencing(bench: Bench) -> None:
    """What a place costs, of events that wait in rows of 500 and of 8, and the bytes of what is kept of them."""
    for size in (BATCH, 8):
        database = bench.database.server.make_database()
        database.query(
            "SELECT log_queue(string_agg('\\x01'::bytea || uuid_send(gen_random_uuid()) || date_send(current_date) || "
            "sha256(int4send(n)), ''), count(*)) FROM generate_series(0, %s) AS n GROUP BY n / %s",
            DRAINED - 1, size,
        )  # fmt: skip
        database.query("VACUUM ANALYZE log_pending_a, log_pending_b")
        before = {table: _relations(database, table) for table in _LOG_TABLES}
        wal = database.query("SELECT pg_current_wal_insert_lsn()")[0][0]
        python, server, wall = drain(database)
        written = float(database.query("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", wal)[0][0]) / DRAINED
        bench.add(
            "log", f"sequencing, rows of {size} events, on one core", DRAINED / (python + server), "events/s", 20_000,
            note=f"{1e6 * python / DRAINED:.2f} µs Python, {1e6 * server / DRAINED:.2f} µs PostgreSQL, "
            f"{written:.0f} bytes of WAL an event; {DRAINED / wall:,.0f} /s by the clock",
            key=f"log.sequenced_by_{size}_per_s",
        )  # fmt: skip
        kept = {table: (_relations(database, table) - before[table]) / DRAINED for table in _LOG_TABLES}
        database.drop()
    parts = ", ".join(f"{number(count)} in {table}" for table, count in kept.items())
    bench.add(
        "log", "bytes of an event in the log, indexes included", _ROW_BYTES + sum(kept.values()), "bytes", 180,
        at_least=False, note=f"{_ROW_BYTES} in its row, {parts}", key="log.bytes_an_event",
    )  # fmt: skip


def drain(database: Database) -> tuple[float, float, float]:
    """Give places to all that waits, in this thread: seconds of Python's processor, PostgreSQL's, and by the clock."""
    clock = Clock()
    sequencer = Sequencer(
        Settings(database=DatabaseSettings(url=database.service_url)), Watchdog(clock), clock, Signer((), ())
    )
    sequencer.wanted()
    # The session that it makes belongs to it alone; what the server's other processes do meanwhile counts too.
    server, python, wall = postgres_seconds(database), time.thread_time(), time.perf_counter()
    sequencer.step()
    python, wall = time.thread_time() - python, time.perf_counter() - wall
    server = postgres_seconds(database) - server
    placed = database.query("SELECT size FROM log_head")[0][0]
    if placed != DRAINED:
        raise WrongAnswerError(f"{DRAINED} events waited, {placed} have a place")
    return python, server, wall


# --- holding the log against its records ---------------------------------------------------------------------


def _verifying(bench: Bench) -> None:
    """What it costs to check a record, by both sides of the one connection."""
    database = bench.database.server.make_database()
    fill(database, VERIFIED, old=0)
    database.query("VACUUM ANALYZE")
    with pinned(database) as conn, database_source(conn, "public") as source:
        server, python, wall = postgres_seconds(database), time.thread_time(), time.perf_counter()
        report = check_log(source, [KEY.verifier])
        python, wall = time.thread_time() - python, time.perf_counter() - wall
        server = postgres_seconds(database) - server
    if not report.well:
        raise WrongAnswerError(str(report.first))
    bench.add(
        "log", "verifying a database", report.size / wall, "events/s", 1_000_000 / 60,
        note=f"{1e6 * python / report.size:.1f} µs Python, {1e6 * server / report.size:.1f} µs PostgreSQL",
        key="log.verified_per_s",
    )  # fmt: skip
    database.drop()


# --- a service at half load, at a low rate, and at rest -----------------------------------------------------


def _lag(bench: Bench, rate: float) -> None:
    """How long events wait for their place at half load, and how large the tables are in which they do."""
    database = bench.database.server.make_database()
    # Said by the statement that takes them away, a moment before that is committed.
    database.query("CREATE TABLE bench_lags (lag float8, events int)")
    database.query(
        "CREATE FUNCTION bench_lag() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN "
        "INSERT INTO bench_lags SELECT extract(epoch FROM clock_timestamp() - queued_at), count FROM gone; "
        "RETURN NULL; END $$"
    )
    for table in ("log_pending_a", "log_pending_b"):
        database.query(
            f"CREATE TRIGGER bench_lag AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone FOR EACH STATEMENT "
            "EXECUTE FUNCTION bench_lag()"
        )
    with bench.service(database=database) as service:
        paced(service.port, rate=rate / 4, seconds=3, name="warm")
        settle(database)
        database.query("TRUNCATE bench_lags")
        paced(service.port, rate=rate, seconds=LAG_SECONDS, name="lag")
        size = _relations(database, "log_pending_a", "log_pending_b")
        settle(database)
    lags = database.query("SELECT lag, sum(events)::int FROM bench_lags GROUP BY lag ORDER BY lag")
    counted = sum(events for _, events in lags)
    database.drop()
    values = [lag for lag, events in lags for _ in range(events)]
    bench.add(
        "log", "at half load: time until an event has its place, p99", percentile(values, 99), "s", 2, at_least=False,
        note=f"{rate:,.0f}/s, median {percentile(values, 50):.2f} s, longest {values[-1]:.2f} s", key="log.lag_p99_s",
    )  # fmt: skip
    bench.add(
        "log", "… and what the tables of pending rows hold then", size / counted, "bytes/event",
        note=f"{size / 1024**2:.1f} MiB after {LAG_SECONDS:g} s",
    )  # fmt: skip


def _slow_and_idle(bench: Bench) -> None:
    """Bytes of WAL a second at 20 events a second, and what an instance that nobody asks anything costs."""
    found: dict[str, tuple[float, ...]] = {}
    for name, application in (("with", "app.wsgi:application"), ("without", "bench.unsequenced_app:application")):
        database = bench.database.server.make_database()
        if name == "without":
            _without_log(database)
        with bench.service(application, database=database) as service:
            database.query("CHECKPOINT")
            paced(service.port, rate=SLOW_RATE, seconds=3, name="warm")
            before = database.query("SELECT wal_bytes FROM pg_stat_wal")[0][0]
            full = _full_pages(database)
            paced(service.port, rate=SLOW_RATE, seconds=SLOW_SECONDS, name="slow")
            settle(database)
            time.sleep(1.5)
            written = float(database.query("SELECT wal_bytes FROM pg_stat_wal")[0][0] - before)
            full = _full_pages(database) - full
            used, server = service.cpu_seconds(), postgres_seconds(database)
            time.sleep(IDLE_SECONDS)
            idle = service.cpu_seconds() - used, postgres_seconds(database) - server
            found[name] = (written / SLOW_SECONDS, *(1000 * i / IDLE_SECONDS for i in idle))
            # A page that changes for the first time since a checkpoint is in the WAL as a whole.
            bench.console.print(f"    {name} the log: {full} whole pages in the WAL", highlight=False)
        database.drop()
    more = [a - b for a, b in zip(found["with"], found["without"], strict=True)]
    bench.add(
        "log", f"WAL that the log writes at {SLOW_RATE:g} events/s", more[0] / 1024, "KiB/s", 100, at_least=False,
        note=f"without the log {found['without'][0] / 1024:.0f}", key="log.slow_wal_kib_s",
    )  # fmt: skip
    bench.add(
        "log", "at rest: processor time that the sequencer uses", more[1] + more[2], "ms/s", 5, at_least=False,
        note=f"the whole instance {found['with'][1]:.1f} ms/s in its workers and {found['with'][2]:.1f} in PostgreSQL",
    )  # fmt: skip


def _full_pages(database: Database) -> int:
    return int(database.query("SELECT wal_fpi FROM pg_stat_wal")[0][0])
