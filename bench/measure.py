"""Measures the service against what the machine can do, as ratios inside one run (`make bench-datastorage`).

    python -m bench.measure                        # everything, about eight minutes
    python -m bench.measure --only singles         # one part; may be repeated
    python -m bench.measure --runs 3               # three times, the medians of each figure
    python -m bench.measure --rows 100000          # fewer events in the table that queries read
    python -m bench.measure --json bench.json      # the figures also as JSON
    python -m bench.measure --seconds 6 --strict   # longer rounds; exit code 1 if a goal is missed

The servers are real: an embedded PostgreSQL and gunicorn with the service's own gunicorn.conf.py. An answer with a
wrong status ends the run with exit code 2.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from datastorage_common import terminal
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.client import WrongAnswerError
from bench.door import front_door
from bench.fill import NoRoomError
from bench.harness import Bench, Figure, medians, number
from bench.log import log_of_records
from bench.machine import fingerprint, measure
from bench.reads import queries, sustained_search, workflows
from bench.upkeep import cold_start, memory, replay
from bench.writes import CONNECTIONS, batch_events, crowd, single_events, steady_writes, storms
from tests.support import postgres_server

PARTS: dict[str, Callable[[Bench], None]] = {
    "singles": single_events,
    "batches": batch_events,
    "door": front_door,
    "log": log_of_records,
    "steady": steady_writes,
    "storm": storms,
    "crowd": crowd,
    "queries": queries,
    "workflows": workflows,
    "search": sustained_search,
    "start": cold_start,
    "replay": replay,
    "memory": memory,
}


def report(figures: list[Figure]) -> Table:
    """Every figure, its goal and how far it is from that."""
    table = Table(title="datastorage bench", title_justify="left")
    for name, justify in (("scenario", "left"), ("figure", "right"), ("goal", "right"), ("ratio", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("")
    for figure in figures:
        goal = ratio = ""
        if figure.goal is not None:
            sign = "≥" if figure.at_least else "≤"
            goal = f"{sign} {number(figure.goal)} {figure.unit}"
        if figure.goal is not None and figure.value is not None:
            colour = "green" if figure.met else "red"
            ratio = (
                f"[{colour}]{figure.value / figure.goal:.2f}[/]"
                if figure.goal
                else f"[{colour}]{'met' if figure.met else 'missed'}[/]"
            )
        table.add_row(figure.scenario, f"{number(figure.value)} {figure.unit}", goal, ratio, figure.note)
    return table


def markdown(figures: list[Figure]) -> str:
    """The same table for a page."""
    lines = ["| scenario | figure | goal | ratio | |", "| --- | --- | --- | --- | --- |"]
    for f in figures:
        goal = "" if f.goal is None else f"{'≥' if f.at_least else '≤'} {number(f.goal)} {f.unit}"
        ratio = "" if f.goal is None or f.value is None else "met" if not f.goal else f"{f.value / f.goal:.2f}"
        missed = f.met is False
        ratio = f"**{'missed' if not f.goal else ratio}**" if missed else ratio
        lines.append(f"| {f.scenario} | {number(f.value)} {f.unit} | {goal} | {ratio} | {f.note} |")
    return "\n".join(lines) + "\n"


def run(parts: list[str], args: argparse.Namespace, console: Console) -> list[Figure]:
    """The figures of one run of these parts. Raises WrongAnswerError."""
    with tempfile.TemporaryDirectory(prefix="datastorage-bench-") as name, postgres_server() as server:
        bench = Bench(server.make_database(), Path(name), args.seconds, console, rows=args.rows, soak=args.soak)
        for part in parts:
            bench.empty_tables()
            bench.database.query("TRUNCATE remediation_workflow_catalog")
            PARTS[part](bench)
        return bench.figures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.measure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    parser.add_argument("--markdown", metavar="FILE", help="write the table there as Markdown")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="so many runs, and the medians (default 1)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a round of single events (default 2)")
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="events in the table that queries read (default 1000000)"
    )
    parser.add_argument(
        "--soak", type=float, default=20.0, help="seconds of load over which memory has to stay flat (default 20)"
    )
    parser.add_argument("--only", choices=list(PARTS), action="append", help="this part alone; may be repeated")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if a goal is missed")
    return parser.parse_args()


def main() -> int:
    """Run the parts asked for; 0, 1 with --strict and a goal missed, 2 for a wrong answer."""
    args = _arguments()
    # A table that is not shown on a terminal is as wide as it needs to be.
    console = Console() if sys.stdout.isatty() else Console(width=180)
    machine = fingerprint()
    console.print(
        f"{machine['cores']} cores of {machine['processor']}, Python {machine['python']}, {CONNECTIONS} connections",
        highlight=False,
    )
    if (busy := os.getloadavg()[0]) > 1:
        console.print(f"[yellow]load average {busy:.1f}: others use this machine, so figures may be too low[/]")
    began = time.perf_counter()
    runs = []
    try:
        for turn in range(args.runs):
            if args.runs > 1:
                console.print(f"run {turn + 1} of {args.runs}", highlight=False)
            runs.append(run(args.only or list(PARTS), args, console))
        measured = measure()
    except (WrongAnswerError, NoRoomError) as e:
        console.print(Text.assemble(("wrong answer: " if isinstance(e, WrongAnswerError) else "", "red"), str(e)))
        return 2
    figures = medians(runs)
    console.print()
    console.print(report(figures))
    console.print(f"{time.perf_counter() - began:.0f} s in all", highlight=False)
    if args.json:
        about = {**machine, "load": busy, "connections": CONNECTIONS, "runs": args.runs, "rows": args.rows, **measured}
        shown = {**about, "figures": [figure.as_json() for figure in figures]}
        Path(args.json).write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    if args.markdown:
        Path(args.markdown).write_text(markdown(figures))
    return 1 if args.strict and any(figure.met is False for figure in figures) else 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
