"""Measures the service against what the machine can do, as ratios inside one run (`make bench-datastorage`).

    python -m tests.performance.bench                        # everything, about a minute
    python -m tests.performance.bench --only singles         # one part
    python -m tests.performance.bench --json bench.json      # the figures also as JSON
    python -m tests.performance.bench --seconds 6 --strict   # longer rounds; exit code 1 if a goal is missed

The servers are real: an embedded PostgreSQL and gunicorn with the service's own gunicorn.conf.py. An answer with a
wrong status ends the run with exit code 2.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.dev import postgres_binaries
from tests.performance import client
from tests.performance.client import Connection, WrongAnswerError, event_bytes, get, load, percentile, post, singles
from tests.support import ROOT, Database, GunicornService, postgres_server, wait_until

CONNECTIONS = 64
ROUNDS = 3
BATCH = 500
BATCHES_A_ROUND = 60
EVENTS = "/api/v1/audit/events"
WORKFLOWS = "/api/v1/workflows"


@dataclass
class Figure:
    """One line of the report. ``goal`` is what ``value`` is held against: at least, or at most, that much."""

    part: str
    scenario: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = True
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal was met; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


class Service(GunicornService):
    """gunicorn as in production, serving any application."""

    application = "app.wsgi:application"

    def launch(self) -> float:
        """Start the process without waiting; the moment of the start."""
        with open(self.log, "ab") as log:
            began = time.perf_counter()
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "gunicorn.conf.py"), self.application],
                cwd=ROOT,
                env=self._environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return began


@dataclass
class Bench:
    """What every part needs, and the figures so far."""

    database: Database
    folder: Path
    seconds: float
    console: Console
    figures: list[Figure] = field(default_factory=list)

    @contextlib.contextmanager
    def service(self, application: str = "app.wsgi:application", *, launch: bool = True) -> Iterator[Service]:
        """A running gunicorn with its defaults; DATASTORAGE_* of the caller's environment apply."""
        given = {k: v for k, v in os.environ.items() if k.startswith("DATASTORAGE_")}
        made = Service(
            {**given, "DATASTORAGE_DATABASE__URL": self.database.service_url, "DATASTORAGE_LOGGING__LEVEL": "warning"},
            self.folder / f"{application.split(':')[1]}.log",
        )
        made.application = application
        made.launch()
        try:
            if launch:
                path = "/empty" if application.endswith(":bare") else "/health/ready"
                wanted = 405 if application.endswith(":bare") else 200
                wait_until(lambda: made.alive() and made.probe(path) == wanted, 30, f"{path} of gunicorn")
            yield made
        except WrongAnswerError as e:
            raise WrongAnswerError(f"{e}\nend of its log:\n{made.log.read_text()[-2000:]}") from None
        finally:
            made.stop()

    def add(self, *args: object, **kwargs: object) -> None:
        """Keep a figure and show that the run moves on."""
        figure = Figure(*args, **kwargs)  # type: ignore[arg-type]
        self.figures.append(figure)
        self.console.print(f"  {figure.scenario}: {_number(figure.value)} {figure.unit}", highlight=False)

    def empty_tables(self) -> None:
        """Take every event out (the triggers refuse that to anybody but a replica) and settle the server."""
        self.database.query("BEGIN; SET LOCAL session_replication_role = replica; TRUNCATE audit_events; COMMIT")
        self.database.query("CHECKPOINT")


# --- the parts ----------------------------------------------------------------------------------------------


def single_events(bench: Bench) -> None:
    """One event a request, durable, against routes that do nothing."""
    nothing = post("/empty", event_bytes("empty", 0, client.now()))
    with (
        bench.service() as durable,
        bench.service("tests.performance.empty_app:inside") as inside,
        bench.service("tests.performance.empty_app:bare") as bare,
    ):
        rates: dict[str, list[float]] = {"durable": [], "inside": [], "bare": []}
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
                if name == "durable":
                    latencies += done.latencies
    rate = {name: statistics.median(values) for name, values in rates.items()}
    bench.add("singles", "empty POST route inside this app", rate["inside"], "/s")
    bench.add("singles", "bare Flask route", rate["bare"], "/s")
    bench.add(
        "singles",
        "single events, durable",
        rate["durable"],
        "/s",
        note=f"saturated: p95 {1000 * percentile(latencies, 95):.0f} ms, p99 {1000 * percentile(latencies, 99):.0f} ms",
    )
    ratios = [d / i for d, i in zip(rates["durable"], rates["inside"], strict=True)]
    bench.add(
        "singles", "… against the empty route", statistics.median(ratios), "×", 0.60,
        note=f"rounds {min(ratios):.2f} to {max(ratios):.2f}",
    )  # fmt: skip
    ratios = [d / b for d, b in zip(rates["durable"], rates["bare"], strict=True)]
    bench.add(
        "singles", "… against the bare route", statistics.median(ratios), "×", 0.50,
        note=f"rounds {min(ratios):.2f} to {max(ratios):.2f}",
    )  # fmt: skip
    expected_half = rate["durable"] / 2
    with bench.service() as service:
        p = paced(service.port, rate=expected_half, seconds=bench.seconds, name="half")
        bench.add(
            "singles", f"single events at half of that, {expected_half:.0f}/s: p99",
            1000 * percentile(p, 99), "ms", 50, at_least=False,
        )  # fmt: skip


def batch_events(bench: Bench) -> None:
    """Batches of 500 against one `psql \\copy` of the same rows into the same table."""
    rows = BATCHES_A_ROUND * BATCH
    copied = bench.folder / "rows.copy"
    ours: list[float] = []
    theirs: list[float] = []
    processes = 4
    with bench.service() as service:
        load(service.port, lambda n: client.batches(f"warm-{n}", 4, BATCH), processes=2, connections=8)
        for turn in range(ROUNDS):
            bench.empty_tables()
            done = load(
                service.port,
                lambda n, turn=turn: iter(
                    list(client.batches(f"batch-{turn}-{n}", BATCHES_A_ROUND // processes, BATCH))
                ),
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
    bench.add("batches", f"batches of {BATCH}, durable", statistics.median(ours), "rows/s")
    ratios = [o / t for o, t in zip(ours, theirs, strict=True)]
    bench.add(
        "batches", "… against \\copy", statistics.median(ratios), "×", 0.90,
        note=f"rounds {min(ratios):.2f} to {max(ratios):.2f}",
    )  # fmt: skip


def psql(database: Database, *commands: str) -> str:
    """Run psql as superuser; what it prints."""
    parts = urlsplit(database.superuser_url)
    environ = {
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGUSER": str(parts.username),
        "PGPASSWORD": str(parts.password),
        "PGDATABASE": database.name,
    }
    arguments = [argument for command in commands for argument in ("-c", command)]
    done = subprocess.run(
        [postgres_binaries() / "psql", "-X", "-v", "ON_ERROR_STOP=1", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise WrongAnswerError(f"psql: {done.stderr.strip()}")
    return done.stdout


def paced(port: int, *, rate: float, seconds: float, name: str) -> list[float]:
    """Seconds that writes take at a steady rate, counted from when each was due: a late start counts as waiting."""
    clients = 8 if rate < 1000 else 32
    moment = client.now()
    start = time.perf_counter() + 0.1

    gate = threading.Lock()
    latencies: list[float] = []
    errors: list[BaseException] = []
    counter = itertools.count()

    def send() -> None:
        try:
            connection = Connection(port)
            while (due := start + (n := next(counter)) / rate) < start + seconds:
                if (early := due - time.perf_counter()) > 0:
                    time.sleep(early)
                connection.ask(post(EVENTS, event_bytes(f"paced-{name}", n, moment)), 201)
                taken = time.perf_counter() - due
                with gate:
                    latencies.append(taken)
            connection.close()
        except BaseException as e:  # noqa: BLE001 - raised below
            errors.append(e)

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return latencies


def steady_writes(bench: Bench) -> None:
    """Latency of single writes at 120 a second."""
    with bench.service() as service:
        paced(service.port, rate=120, seconds=0.5, name="warm")
        taken = paced(service.port, rate=120, seconds=max(5.0, bench.seconds), name="steady")
    bench.add("steady", "120 single events/s: p95", 1000 * percentile(taken, 95), "ms", 15, at_least=False)
    bench.add("steady", "120 single events/s: p99", 1000 * percentile(taken, 99), "ms")


def cold_start(bench: Bench) -> None:
    """From the start of gunicorn to live, to ready, to the first write and later ones; the median of three starts."""
    live, ready, first, later = [], [], [], []
    for turn in range(ROUNDS):
        with bench.service(launch=False) as service:
            began = time.perf_counter()
            for path, into in (("/health/live", live), ("/health/ready", ready)):
                while not (service.alive() and service.probe(path) == 200):
                    time.sleep(0.005)
                    if time.perf_counter() - began > 30:
                        raise WrongAnswerError(f"{path} did not answer 200 within 30 s")
                into.append(time.perf_counter() - began)
            moment = client.now()
            connection = Connection(service.port)
            taken = []
            for n in range(100):
                asked = time.perf_counter()
                connection.ask(post(EVENTS, event_bytes(f"cold-{turn}", n, moment)), 201)
                taken.append(time.perf_counter() - asked)
            connection.close()
            first.append(taken[0])
            later.append(percentile(taken[1:], 95))
    bench.add("start", "start of gunicorn to live", statistics.median(live), "s", 0.7, at_least=False)
    bench.add("start", "start of gunicorn to ready", statistics.median(ready), "s", 1.0, at_least=False)
    bench.add("start", "first write after ready", 1000 * statistics.median(first), "ms", 50, at_least=False)
    bench.add("start", "later writes: p95", 1000 * statistics.median(later), "ms", 15, at_least=False)


def storms(bench: Bench) -> None:
    """Many at once, each on a connection of its own: 150, then three times 100."""
    with bench.service() as service:
        load(service.port, lambda n: itertools.islice(singles(f"storm-warm-{n}"), 100), processes=1, connections=10)

        def storm(size: int, name: str) -> float:
            # As many requests as connections: each connection sends one.
            requests = itertools.islice(singles(f"storm-{name}"), size)
            began = time.perf_counter()
            done = client.drive(service.port, requests, 201, size, warm=0, seconds=3600)
            if done.answers != size:
                raise WrongAnswerError(f"{size} sent, {done.answers} answered")
            return time.perf_counter() - began

        whole = storm(150, "150")
        bursts = [storm(100, f"burst-{n}") for n in range(3)]
    bench.add("storm", "150 at once", whole, "s", 0.3, at_least=False)
    bench.add("storm", "3 × 100: last burst against the first", bursts[-1] / bursts[0], "×", 1.2, at_least=False)


def queries(bench: Bench) -> None:
    """Lists of few and of many rows, on what the run has stored and a hundred thousand events more at the most."""
    with bench.service() as service:
        load(service.port, lambda n: client.batches(f"query-{n}", 20, BATCH), processes=2, connections=4)
        rows = bench.database.count()
        connection = Connection(service.port)
        for scenario, path, wanted, goal in (
            ("query, 1 row", f"{EVENTS}?correlation_id=query-0-%d", 1, 10),
            ("query, 100 rows", f"{EVENTS}?event_category=gateway&limit=100&count=none&actor_id=gateway-%d", 100, 25),
        ):
            taken = []
            for n in range(110):
                asked = time.perf_counter()
                body = connection.ask(get(path % (n % 97)), 200)
                taken.append(time.perf_counter() - asked)
                if len(json.loads(body)["data"]) != wanted:
                    raise WrongAnswerError(f"{scenario}: {len(json.loads(body)['data'])} rows")
            bench.add(
                "queries", f"{scenario}: p95", 1000 * percentile(taken[10:], 95), "ms", goal, at_least=False,
                note=f"{rows} events stored",
            )  # fmt: skip
        connection.close()


def workflows(bench: Bench) -> None:
    """The catalogue: 200 creates one by one and as one batch, and searches among 10,000 workflows."""
    with bench.service() as service:
        connection = Connection(service.port)
        creates = [post(WORKFLOWS, json.dumps(_workflow("one", n)).encode()) for n in range(200)]
        began = time.perf_counter()
        for create in creates:
            connection.ask(create, 201)
        bench.add("workflows", "200 creates one by one", time.perf_counter() - began, "s", 2, at_least=False)
        batch = json.dumps([_workflow("batch", n) for n in range(200)]).encode()
        began = time.perf_counter()
        connection.ask(post(f"{WORKFLOWS}/batch", batch), 201)
        bench.add("workflows", "200 creates as one batch", time.perf_counter() - began, "s", 0.5, at_least=False)
        for chunk in range(0, 9_600, 800):
            many = json.dumps([_workflow("many", chunk + n) for n in range(800)]).encode()
            connection.ask(post(f"{WORKFLOWS}/batch", many), 201)
        bench.database.query("VACUUM ANALYZE remediation_workflow_catalog")
        searches = [post(f"{WORKFLOWS}/search", json.dumps(_search(n)).encode()) for n in range(400)]
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
    bench.add("workflows", f"{one}: p95", 1000 * percentile(taken[50:], 95), "ms", 10, at_least=False)
    rate = f"{at_once.answers / (at_once.ended - at_once.began):,.0f} a second"
    for percent, goal in ((95, 25), (99, 50)):
        value = 1000 * percentile(at_once.latencies, percent)
        bench.add("workflows", f"{many_at_once}: p{percent}", value, "ms", goal, at_least=False, note=rate)


_SIGNALS = [f"Signal{n}" for n in range(40)]
_SEVERITIES = ("critical", "high", "medium", "low")
_COMPONENTS = ("pod", "deployment", "node", "statefulset", "*")
_ENVIRONMENTS = ("production", "staging", "test", "*")
_PRIORITIES = ("P0", "P1", "P2", "P3")


def _workflow(kind: str, number: int) -> dict[str, object]:
    """One of a catalogue whose labels are spread as in a real one: few share all five, some take any."""
    return {
        "workflow_name": f"{kind}-{number}",
        "version": "1.0.0",
        "name": f"Workflow {number}",
        "description": "Restarts what does not answer",
        "content": f"steps:\n  - restart: {number}\n",
        "execution_engine": "tekton",
        "labels": {
            "signal_type": _SIGNALS[number % 40] if number % 50 else "*",
            "severity": _SEVERITIES[number // 40 % 4],
            "component": _COMPONENTS[number // 160 % 5],
            "environment": [_ENVIRONMENTS[number // 800 % 4], "production"],
            "priority": _PRIORITIES[number // 3200 % 4] if number % 3 else "*",
        },
        "custom_labels": {"team": [f"team-{number % 20}"]},
        "detected_labels": {"gitOpsManaged": True, "gitOpsTool": "argocd"} if number % 2 else {},
    }


def _search(number: int) -> dict[str, object]:
    return {
        "filters": {
            "signal_type": _SIGNALS[number % 40],
            "severity": _SEVERITIES[number // 40 % 4],
            "component": "pod",
            "environment": "production",
            "priority": "P0",
            "custom_labels": {"team": [f"team-{number % 20}"]},
            "detected_labels": {"gitOpsManaged": True, "gitOpsTool": "argocd"},
        },
        "top_k": 10,
    }


PARTS: dict[str, Callable[[Bench], None]] = {
    "singles": single_events,
    "batches": batch_events,
    "steady": steady_writes,
    "start": cold_start,
    "storm": storms,
    "queries": queries,
    "workflows": workflows,
}


# --- the report ---------------------------------------------------------------------------------------------


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def report(bench: Bench) -> Table:
    """Every figure, its goal and how far it is from that."""
    table = Table(title="datastorage bench", title_justify="left")
    for name, justify in (("scenario", "left"), ("figure", "right"), ("goal", "right"), ("ratio", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("")
    for figure in bench.figures:
        goal = ratio = ""
        if figure.goal is not None:
            sign = "≥" if figure.at_least else "≤"
            goal = f"{sign} {_number(figure.goal)} {figure.unit}"
            colour = "green" if figure.met else "red"
            ratio = f"[{colour}]{figure.value / figure.goal:.2f}[/]"
        table.add_row(figure.scenario, f"{_number(figure.value)} {figure.unit}", goal, ratio, figure.note)
    return table


def main() -> int:
    """Run the parts asked for; 0, 1 with --strict and a goal missed, 2 for a wrong answer."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.performance.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round of single events (default 2)")
    parser.add_argument("--only", choices=list(PARTS), action="append", help="this part alone; may be repeated")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a goal is missed")
    args = parser.parse_args()
    # A table that is not shown on a terminal is as wide as it needs to be.
    console = Console() if sys.stdout.isatty() else Console(width=140)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    console.print(f"{cores} cores, Python {platform.python_version()}, {CONNECTIONS} connections", highlight=False)
    if (busy := os.getloadavg()[0]) > 1:
        console.print(f"[yellow]load average {busy:.1f}: others use this machine, so figures may be too low[/]")
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="datastorage-bench-") as name, postgres_server() as server:
        bench = Bench(server.make_database(), Path(name), args.seconds, console)
        try:
            for part in args.only or PARTS:
                bench.empty_tables()
                PARTS[part](bench)
        except WrongAnswerError as e:
            console.print(Text.assemble(("wrong answer: ", "red"), str(e)))
            return 2
    console.print()
    console.print(report(bench))
    console.print(f"{time.perf_counter() - began:.0f} s in all", highlight=False)
    if args.json:
        figures = [{**asdict(figure), "met": figure.met} for figure in bench.figures]
        about = {"cores": cores, "python": platform.python_version(), "load": busy, "connections": CONNECTIONS}
        Path(args.json).write_text(json.dumps({**about, "figures": figures}, indent=1, ensure_ascii=False) + "\n")
    return 1 if args.strict and any(figure.met is False for figure in bench.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
