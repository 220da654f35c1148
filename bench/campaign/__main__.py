"""`python -m bench.campaign`: the fault campaign as a command (`make chaos SECONDS=300 SEED=1`)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from datastorage_common import terminal
from rich.console import Console
from rich.table import Table

from bench.campaign.campaign import run
from bench.campaign.faults import FAULTS
from bench.campaign.goals import Goals
from bench.campaign.load import BATCH_EVENTS
from bench.campaign.report import Report

_EXAMPLES = """examples:
  python -m bench.campaign --seconds 300 --seed 1
  python -m bench.campaign --seconds 60 --only postgres_kill,worker_kill --json report.json
  python -m bench.campaign --events 1000000 --kills 200 --batch 400 --gap 0.8
"""


def show(report: Report, console: Console) -> None:
    """The report as a table."""
    table = Table(title=f"fault campaign, seed {report.seed}, {report.seconds:g} s")
    table.add_column("what")
    table.add_column("count", justify="right")
    for name, count in report.faults.items():
        table.add_row(f"fault {name}", str(count))
    for name, why in report.left_out.items():
        table.add_row(f"left out: {name} ({why})", "-")
    table.add_section()
    table.add_row("faults in all", str(sum(report.faults.values())))
    for name, count in report.kills.items():
        table.add_row(f"killed: {name}", str(count))
    for name, count in report.counts.items():
        table.add_row("requests" if name == "requests" else f"answers {name}", str(count))
    table.add_section()
    for name in ("acknowledged", "found", "dead_letters", "unanswered"):
        table.add_row(name.replace("_", " "), str(getattr(report, name)))
    for name in ("missing", "doubled", "altered", "refused_but_stored"):
        value = getattr(report, name)
        table.add_row(name.replace("_", " "), f"[bold red]{value}[/]" if value else f"[green]{value}[/]")
    for name in ("log_size", "log_takeovers", "log_looks", "log_notes", "log_checkpoints", "log_served"):
        table.add_row(name.replace("_", " "), str(getattr(report, name)))
    wrong = len(report.log_faults)
    table.add_row("log faults", f"[bold red]{wrong}[/]" if wrong else "[green]0[/]")
    for name in ("followers", "feed_items", "feed_repeated"):
        table.add_row(name.replace("_", " "), str(getattr(report, name)))
    for name in ("feed_missing", "feed_out_of_order", "feed_strange"):
        value = getattr(report, name)
        table.add_row(name.replace("_", " "), f"[bold red]{value}[/]" if value else f"[green]{value}[/]")
    table.add_row("seconds to drain", f"{report.drain_seconds:g}")
    console.print(table)
    if report.missing:
        console.print(f"of the missing, {report.waiting} wait in the queue, {report.wrongly_dead} are dead letters")
    for name, idents in report.examples.items():
        console.print(f"{name.replace('_', ' ')}, for example: {', '.join(idents)}")
    for fault in report.log_faults[:20]:
        console.print(f"log: {fault}")
    for fault in report.feed_faults[:20]:
        console.print(f"feed: {fault}")
    for name, count in report.unexpected.items():
        console.print(f"unexpected answer: {name} × {count}")
    for error in report.errors:
        console.print(f"error: {error}")


def main() -> int:
    """Run a campaign; 0 if nothing was lost or doubled, 1 otherwise, 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.campaign",
        description="Break everything around the service at random and count what it kept.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long to inject faults (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="decides the faults and the load (default 1)")
    parser.add_argument("--clients", type=int, default=4, help="client processes (default 4)")
    parser.add_argument("--gap", type=float, default=1.5, help="mean seconds between faults (default 1.5)")
    parser.add_argument("--drain", type=float, default=180, help="seconds to wait for the queue to drain (default 180)")
    parser.add_argument("--events", type=int, default=0, help="go on until so many events are stored")
    parser.add_argument("--kills", type=int, default=0, help="go on until so many processes were killed")
    parser.add_argument(
        "--batch", type=int, default=BATCH_EVENTS, help=f"events of a batch at the most (default {BATCH_EVENTS})"
    )
    parser.add_argument("--only", default="", help="comma-separated faults; all: " + ", ".join(FAULTS))
    parser.add_argument("--json", type=Path, help="write the report to this file as well")
    parser.add_argument("--redis-server", type=Path, help="this server instead of the embedded Valkey")
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    if unknown := [name for name in only if name not in FAULTS]:
        parser.error(f"there is no fault {', '.join(unknown)}")
    console = Console()
    console.print(f"running for {options.seconds:g} s, then waiting for the queue to drain …")
    report = run(
        seconds=options.seconds,
        seed=options.seed,
        clients=options.clients,
        gap=options.gap,
        only=only or None,
        drain_seconds=options.drain,
        redis_server=options.redis_server,
        goals=Goals(options.events, options.kills, options.batch),
    )
    show(report, console)
    if options.json is not None:
        options.json.write_text(report.as_json() + "\n")
    return 0 if report.ok else 1


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
