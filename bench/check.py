"""Measures the service and holds it against the baseline, or makes a new baseline of what it measures.

    python -m bench.check                       # ratios and absolute bars, about seven minutes
    python -m bench.check --short               # ratios alone, best of three: under three minutes
    python -m bench.check --update              # accept what is measured as the new baseline
    python -m bench.check --short --only audit_write --json now.json

Exit code 0 where everything holds, 1 for a regression or a missing figure, 2 for a wrong answer. Each accepted update
appends a line to docs/performance-history.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datastorage_common import terminal
from rich.console import Console

from bench import compare, guard
from bench.client import WrongAnswerError
from bench.fill import NoRoomError
from bench.harness import Bench, Figure, number
from bench.machine import fingerprint
from bench.measure import PARTS, run
from bench.sections import SECTIONS
from tests.support import ROOT, postgres_server

BASELINE = ROOT / ".perf-baseline.json"
HISTORY = ROOT / "docs" / "performance-history.md"
ATTEMPTS = 3
# Another attempt is made only if it is likely to end by then.
LONGEST_SECONDS = 170.0
# What the history shows of a run: the figures that people ask for first.
SHOWN = (
    "audit_write.cpu_to_asking", "audit_write.latency_to_parts", "audit_batch.cpu_an_event_to_asking",
    "audit_write.rate", "audit_write.p95_ms", "audit_batch.rows_per_s", "audit_query.simple_p95_ms",
    "workflow_search.concurrent_p95_ms", "replay.rate",
)  # fmt: skip


def document(figures: list[Figure], machine: dict[str, float]) -> dict[str, Any]:
    """The figures that have a name, by section, with the machine that they are of."""
    sections: dict[str, dict[str, Any]] = {}
    for figure in figures:
        if not figure.key or figure.value is None:
            continue
        section, name = figure.key.split(".")
        entry: dict[str, Any] = {"value": round(figure.value, 5), "unit": figure.unit}
        if figure.part == "guard":
            entry["kind"] = "ratio"
        else:
            entry["kind"] = "absolute"
            if figure.bar is not None:
                entry["bar"] = figure.bar
        entry["better"] = "higher" if figure.at_least and figure.part not in ("guard", "lone") else "lower"
        sections.setdefault(section, {})[name] = entry
    return {"machine": {**fingerprint(), **machine}, "tolerance": compare.TOLERANCE, "sections": sections}


def ratios(
    console: Console,
    sections: tuple[str, ...],
    application: str = "app.wsgi:application",
    *,
    machine_too: bool = True,
) -> dict[str, Any]:
    """One measurement of the ratios of these sections, and of the machine. Raises WrongAnswerError."""
    with tempfile.TemporaryDirectory(prefix="datastorage-guard-") as name, postgres_server() as server:
        bench = Bench(server.make_database(), Path(name), 1.0, console)
        machine = guard.machine(bench) if machine_too else {}
        guard.measure(bench, sections, application)
        return document(bench.figures, machine)


def best_of(
    console: Console, baseline: dict[str, Any], sections: tuple[str, ...], application: str = "app.wsgi:application"
) -> list[dict[str, Any]]:
    """Up to three measurements in under three minutes; only the sections that do not hold yet are measured again."""
    measured: list[dict[str, Any]] = []
    left = sections
    began = time.monotonic()
    for turn in range(ATTEMPTS):
        if turn:
            spent = time.monotonic() - began
            if spent + spent / turn * len(left) / len(sections) > LONGEST_SECONDS:
                console.print("no time is left for another attempt", highlight=False)
                break
            console.print(f"again, since not every ratio held: {', '.join(left)}", highlight=False)
        measured.append(ratios(console, left, application, machine_too=not turn))
        rows = compare.compare(baseline, measured, kinds=("ratio",), sections=sections)
        failed = {row.section for row in rows if not row.ok}
        left = tuple(section for section in sections if section in failed)
        if not left:
            break
    return measured


def absolutes(console: Console, args: argparse.Namespace) -> dict[str, Any]:
    """The bench's figures, held against V1's bars. Raises WrongAnswerError, NoRoomError."""
    parts = [part for part in PARTS if part != "memory"]
    wanted = argparse.Namespace(seconds=2.0, rows=args.rows, soak=5.0)
    return document(run(parts, wanted, console), {})


def update(baseline: Path, history: Path, made: dict[str, Any]) -> None:
    """Write the baseline, with the tolerances that were set by hand, and a line of it into the history."""
    if baseline.exists():
        compare.keep_tolerances(json.loads(baseline.read_text()), made)
    baseline.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    machine = made["machine"]
    figures = {f"{s}.{n}": f for s, names in made["sections"].items() for n, f in names.items()}
    shown = ", ".join(f"{key} {number(figures[key]['value'])}" for key in SHOWN if key in figures)
    where = f"{machine['cores']} × {machine['processor']}, Python {machine['python']}"
    own = (
        f"empty route {machine['empty_route_per_s']:,.0f}/s, \\copy {machine['copy_rows_per_s']:,.0f} rows/s, "
        f"fdatasync {machine['fdatasync_ms']:.2f} ms"
    )
    line = f"| {datetime.now(UTC):%Y-%m-%d} | {where} | {own} | {shown} |\n"
    with open(history, "a", encoding="utf-8") as page:
        page.write(line)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--short", action="store_true", help="ratios alone")
    parser.add_argument("--update", action="store_true", help="make the baseline anew")
    parser.add_argument("--only", choices=list(SECTIONS), action="append", help="this section alone; may be repeated")
    parser.add_argument("--rows", type=int, default=1_000_000, help="events that queries read (default 1000000)")
    parser.add_argument("--baseline", type=Path, default=BASELINE, help="default .perf-baseline.json")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write what was measured there")
    return parser.parse_args()


def main() -> int:
    """Measure, then compare or accept; the exit code."""
    args = _arguments()
    console = Console() if sys.stdout.isatty() else Console(width=160)
    sections = tuple(args.only or SECTIONS)
    try:
        if args.update:
            # The median of three, so that a lucky run does not become the bar for all that follow.
            made = compare.middle([ratios(console, sections, machine_too=not turn) for turn in range(ATTEMPTS)])
            if not args.short:
                compare.merge(made, absolutes(console, args))
            update(args.baseline, HISTORY, made)
            console.print(f"{args.baseline.name} is what was measured now; a line was added to {HISTORY.name}")
            return 0
        if not args.baseline.exists():
            console.print(f"there is no {args.baseline}: run `make update-performance-baseline` first", style="red")
            return 1
        baseline = json.loads(args.baseline.read_text())
        measured = best_of(console, baseline, sections)
        if not args.short:
            measured.append(absolutes(console, args))
    except (WrongAnswerError, NoRoomError) as e:
        console.print(f"wrong answer: {e}", style="red", markup=False)
        return 2
    if args.json:
        args.json.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n")
    kinds = ("ratio",) if args.short else ("ratio", "absolute")
    rows = compare.compare(baseline, measured, kinds=kinds, sections=sections)
    console.print(compare.table(rows))
    for line in compare.summary(rows, baseline, measured):
        console.print(line, highlight=False)
    return 0 if all(row.ok for row in rows) else 1


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
