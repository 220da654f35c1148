"""What ten million stored events cost against one million: queries and writes, side by side (`make bench-large`).

    python -m bench.large                                # 10,000,000 against 1,000,000, about 15 minutes
    python -m bench.large --rows 3000000                 # fewer
    python -m bench.large --data /srv/large --step fill      # the table stays there …
    python -m bench.large --data /srv/large --step measure   # … and is measured as often as you like
    python -m bench.large --data /srv/large --step explain   # how PostgreSQL finds the rows

Both tables are in one PostgreSQL, each behind a gunicorn of its own; requests go to one and the other in turn. The
goal is that each request that picks its rows by a filter or a page costs at most 1.3 times as much. Exit code 1 if it
does not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from datastorage_common import terminal
from rich.console import Console
from rich.progress import track

from app.audit import queries
from app.audit.filters import event_query
from app.auth.read_limits import EVERYTHING
from app.config.settings import ServerSettings
from app.postgres.lists import Cursor
from bench import fill
from bench.client import Connection, WrongAnswerError
from bench.fill import NoRoomError
from bench.harness import EVENTS, Bench, Service
from bench.load import load, percentile
from bench.measure import markdown, report
from bench.requests import batches, get, singles
from devserver import EmbeddedPostgres
from tests.support import Database, PostgresServer

GOAL = 1.3
REFERENCE_ROWS = 1_000_000
REPEATS = 50
WRITE_ROUNDS = 5
# What anybody would set who keeps ten million events; the rest is PostgreSQL's own.
SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "8GB", "checkpoint_timeout": "15min"}


def paths(number: int, rows: int, ids: list[str]) -> dict[str, tuple[str, int | None]]:
    """The queries that are compared: name → (path, rows in its answer; None for a single event)."""
    now = datetime.now(UTC)
    middle = Cursor(now - timedelta(days=12, seconds=number), "00000000-0000-0000-0000-000000000000").encode()
    spot = number * 7919
    actors, resources = rows // fill.ROWS_AN_ACTOR, rows // fill.ROWS_A_RESOURCE
    who = f"actor_id=actor-{spot % actors}"
    return {
        "one correlation, 5 rows, counted": (f"?correlation_id=fill-{spot % (rows // fill.ROWS_A_CORRELATION)}", 5),
        "one resource, 20 rows, counted": (f"?resource_id=resource-{spot % resources}", 20),
        "one actor, 100 of 1,000 rows, counted": (f"?limit=100&{who}", 100),
        "one actor, 100 rows": (f"?limit=100&count=none&{who}", 100),
        "one actor since yesterday": (f"?limit=5&count=none&since=24h&{who}", 5),
        "the newest 100": ("?limit=100&count=none", 100),
        "a page in the middle, 100 rows": (f"?limit=100&cursor={middle}", 100),
        "one type, 100 rows": ("?limit=100&count=none&event_type=aws.ssm.DescribeInstanceInformation", 100),
        "one severity of two, 100 rows": ("?limit=100&count=none&severity=warning", 100),
        "one kind of twenty, 100 rows": ("?limit=100&count=none&resource_type=kind-7", 100),
        "failures of a kind, 100 rows": (
            "?limit=100&count=none&event_outcome=failure&resource_type=kind-7",
            100,
        ),
        "what nothing has": ("?count=none&resource_type=nobody", 0),
        "event_data that one event has": (f"?data=%7B%22sequence%22%3A{spot % rows}%7D", 1),
        "one event by its id": (f"/{ids[number % len(ids)]}", None),
    }


def ask(connection: Connection, path: str, wanted: int | None) -> float:
    """Seconds that one query takes. WrongAnswerError unless it gives what it should."""
    began = time.perf_counter()
    body = connection.ask(get(EVENTS + path), 200)
    taken = time.perf_counter() - began
    if wanted is not None and (found := len(json.loads(body)["data"])) != wanted:
        raise WrongAnswerError(f"{path}: {found} rows instead of {wanted}")
    return taken


def compare_queries(bench: Bench, sides: list[tuple[Service, int, list[str]]]) -> None:
    """Each query on the large table against the same on the small one, in turn."""
    connections = [Connection(service.port) for service, _, _ in sides]
    taken: dict[str, tuple[list[float], list[float]]] = {}
    for n in track(range(REPEATS), "  queries", console=bench.console, transient=True):
        for which, (_, rows, ids) in enumerate(sides):
            for name, (path, wanted) in paths(n, rows, ids).items():
                # Twice, and the second counts: what it costs to find the rows, not what the disk takes to give them,
                # which is the same for a row of either table and would drown everything else.
                ask(connections[which], path, wanted)
                taken.setdefault(name, ([], []))[which].append(ask(connections[which], path, wanted))
    for connection in connections:
        connection.close()
    for name, (large, small) in taken.items():
        middle = [1000 * percentile(values[5:], 50) for values in (large, small)]
        p95 = [1000 * percentile(values[5:], 95) for values in (large, small)]
        bench.add(
            "large", name, middle[0] / middle[1], "×", GOAL, at_least=False,
            note=f"median {middle[1]:.2f} → {middle[0]:.2f} ms, p95 {p95[1]:.2f} → {p95[0]:.2f} ms",
        )  # fmt: skip


def _write_rates(service: Service, turn: int) -> tuple[float, float]:
    """Events/s that are stored one a request, and in batches of 500."""
    done = load(service.port, lambda n: singles(f"large-{turn}-{n}"), warm=0.5, seconds=2)
    made = load(service.port, lambda n: iter(list(batches(f"large-batch-{turn}-{n}", 10, 500))), connections=8)
    return done.answers / 2, 10_000 / (made.ended - made.began)


def compare_writes(bench: Bench, sides: list[tuple[Service, int, list[str]]]) -> None:
    """The cost of a write beside so many rows: the rates of both, in turn."""
    rates: tuple[list[float], list[float]] = ([], [])
    batched: tuple[list[float], list[float]] = ([], [])
    for turn in track(range(WRITE_ROUNDS), "  writes", console=bench.console, transient=True):
        for which, (service, _, _) in enumerate(sides):
            alone, in_batches = _write_rates(service, turn)
            rates[which].append(alone)
            batched[which].append(in_batches)
    for name, (large, small), unit in (
        ("a single event, durable", rates, "events/s"),
        ("batches of 500, durable", batched, "rows/s"),
    ):
        ratio = statistics.median(b / a for a, b in zip(large, small, strict=True))
        note = f"{statistics.median(small):,.0f} → {statistics.median(large):,.0f} {unit}"
        bench.add("large", name, ratio, "×", GOAL, at_least=False, note=note)


def explain(bench: Bench, databases: dict[str, Database], rows: dict[str, int]) -> None:
    """EXPLAIN (ANALYZE, BUFFERS) of every page that is compared, the second of two executions."""
    for which, database in databases.items():
        with psycopg.connect(database.service_url, autocommit=True) as conn:
            for name, (path, wanted) in paths(3, rows[which], ["x"]).items():
                if wanted is None:
                    continue
                arguments = dict(part.split("=", 1) for part in path[1:].split("&"))
                if "data" in arguments:
                    arguments["data"] = '{"sequence":23757}'
                statement, parameters = queries.event_page_sql(
                    event_query(arguments, datetime.now(UTC), EVERYTHING), ServerSettings().max_response_bytes
                )
                for _ in range(2):
                    plan = conn.execute(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters).fetchall()
                bench.console.print(f"\n[bold]{which}: {name}[/]")
                bench.console.print("\n".join(row[0] for row in plan), markup=False, highlight=False)


@contextlib.contextmanager
def server(folder: Path) -> Iterator[PostgresServer]:
    """A PostgreSQL whose data stays in ``folder``."""
    folder.chmod(0o755)
    embedded = EmbeddedPostgres(folder / "postgres", settings=SETTINGS)
    embedded.start()
    try:
        yield PostgresServer(embedded.url("superuser"), embedded.url("owner"), embedded.url("service"), embedded)
    finally:
        embedded.stop("fast", timeout=300)


def make(bench: Bench, there: PostgresServer, state: Path, wanted: dict[str, int]) -> None:
    """Fill the tables that are not there yet, and note their databases in ``state``."""
    made: dict[str, Any] = json.loads(state.read_text()) if state.exists() else {}
    for which, rows in wanted.items():
        if made.get(which, {}).get("rows") == rows:
            continue
        database = there.make_database()
        bench.console.print(f"  filling a table with {rows:,} events", highlight=False)
        seconds = fill.fill(database, rows)
        (size,) = database.query("SELECT pg_size_pretty(pg_database_size(current_database()))")[0]
        bench.console.print(f"  {rows:,} events in {seconds:.0f} s, {size}", highlight=False)
        made[which] = {"name": database.name, "rows": rows}
        state.write_text(json.dumps(made))


def open_databases(there: PostgresServer, state: Path) -> tuple[dict[str, Database], dict[str, int]]:
    """The databases that were filled, the large one first, and their rows."""
    if not state.exists():
        raise NoRoomError(f"there is no table in {state.parent}: run with --step fill first")
    made = json.loads(state.read_text())
    databases = {which: there.database(made[which]["name"]) for which in ("large", "small")}
    return databases, {which: made[which]["rows"] for which in databases}


def measure(bench: Bench, databases: dict[str, Database], rows: dict[str, int], only: str | None = None) -> None:
    """The comparisons, or one kind of them."""
    ids = {}
    for which, database in databases.items():
        spots = [fill.correlation(rows[which] * n // 40) for n in range(40)]
        found = database.query("SELECT event_id FROM audit_events WHERE correlation_id = ANY(%s)", spots)
        ids[which] = [str(ident) for (ident,) in found]
    with contextlib.ExitStack() as stack:
        sides = [
            (stack.enter_context(bench.service(database=database)), rows[which], ids[which])
            for which, database in databases.items()
        ]
        if only in (None, "queries"):
            compare_queries(bench, sides)
        if only in (None, "writes"):
            compare_writes(bench, sides)


def main() -> int:
    """Fill, measure, report; 0, 1 if something costs more than the goal, 2 for a wrong answer."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.large",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of the large table (default 10000000)")
    parser.add_argument("--data", metavar="FOLDER", help="keep the tables there; else they are removed at the end")
    parser.add_argument("--step", choices=("fill", "measure", "explain", "all"), default="all")
    parser.add_argument("--only", choices=("queries", "writes"), help="measure these alone")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there as Markdown")
    args = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=170)
    with tempfile.TemporaryDirectory(prefix="datastorage-large-") as scratch:
        folder = Path(args.data or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        state = folder / "tables.json"
        try:
            if args.step in ("fill", "all") and not state.exists():
                fill.check_disk(str(folder), args.rows + REFERENCE_ROWS)
            with server(folder) as there:
                bench = Bench(Database("", "", "", "", there), Path(scratch), 2.0, console)
                if args.step in ("fill", "all"):
                    make(bench, there, state, {"small": REFERENCE_ROWS, "large": args.rows})
                if args.step != "fill":
                    databases, rows = open_databases(there, state)
                    if args.step == "explain":
                        explain(bench, databases, rows)
                    else:
                        measure(bench, databases, rows, args.only)
        except (WrongAnswerError, NoRoomError) as e:
            console.print(f"[red]{e}[/]")
            return 2
    if bench.figures:
        console.print()
        console.print(report(bench.figures))
    if args.json:
        Path(args.json).write_text(json.dumps([f.as_json() for f in bench.figures], indent=1, ensure_ascii=False))
    if args.markdown:
        Path(args.markdown).write_text(markdown(bench.figures))
    return 1 if any(figure.met is False for figure in bench.figures) else 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
