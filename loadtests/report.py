"""The figures of a run, and what is wrong with it."""

from __future__ import annotations

import re
from typing import Any

from rich.table import Table

from loadtests.scenarios import Scenario

# A client process that uses this much of a core may be what limits the figures.
CLIENT_LIMIT = 0.9
_UNCOUNTED = "GET /health/live"
_QUEUE_FULL = (
    "events were refused with 503 dlq-full: the service's database was away for longer than its dead letter queue had "
    "room for; give the service a larger dlq.max_len (or dlq.max_bytes), or send less"
)


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that puts 50/s before 120/s."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def build(
    scenario: Scenario,
    stats: Any,
    *,
    acknowledged: dict[str, int],
    late: int,
    busiest: float,
    processes: int,
    host: str,
    begun: bool,
    exceptions: list[str],
) -> dict[str, Any]:
    """The report of a run from locust's statistics; ``problems`` is empty where it succeeded."""
    rows = []
    for entry in sorted(stats.entries.values(), key=lambda e: _natural(e.name)):
        percentiles = {
            f"p{p:g}_ms": entry.get_response_time_percentile(p / 100) if entry.num_requests else None
            for p in (50, 95, 99)
        }
        rows.append(
            {
                "name": entry.name,
                "requests": entry.num_requests,
                "failures": entry.num_failures,
                "requests_per_s": round(entry.total_rps, 2),
                **percentiles,
                "max_ms": round(entry.max_response_time, 1),
            }
        )
    counted = [row for row in rows if row["name"] != _UNCOUNTED]
    total = sum(row["requests"] for row in counted)
    problems = [f"{row['failures']} of {row['requests']} failed: {row['name']}" for row in rows if row["failures"]]
    problems += [error.error if isinstance(error.error, str) else str(error.error) for error in stats.errors.values()]
    if any("/dlq-full" in problem for problem in problems):
        problems.append(_QUEUE_FULL)
    problems += [f"a user failed: {message}" for message in exceptions]
    if not begun:
        problems.append("the run ended before all users were there")
    elif not total:
        problems.append("no request was sent")
    if scenario.expected is not None and total != scenario.expected:
        problems.append(f"{total} requests instead of {scenario.expected}")
    return {
        "scenario": scenario.name,
        "about": scenario.about,
        "host": host,
        "requests": rows,
        "acknowledged_events": acknowledged,
        "client": {
            "processes": processes,
            "busiest_share_of_a_core": round(busiest, 2),
            "limit": busiest > CLIENT_LIMIT,
            "sent_late": late,
        },
        "problems": problems,
    }


def table(report: dict[str, Any]) -> Table:
    """The figures for people."""
    made = Table(title=f"{report['scenario']}: {report['about']}", title_justify="left")
    made.add_column("request", no_wrap=True)
    for name in ("requests", "failed", "a second", "p50", "p95", "p99", "slowest"):
        made.add_column(name, justify="right", no_wrap=True)
    for row in report["requests"]:
        failed = f"[red]{row['failures']}[/]" if row["failures"] else "0"
        times = (row["p50_ms"], row["p95_ms"], row["p99_ms"], row["max_ms"])
        shown = ["–" if ms is None else f"{ms:,.0f} ms" for ms in times]
        made.add_row(row["name"], f"{row['requests']:,}", failed, f"{row['requests_per_s']:,.1f}", *shown)
    return made


def remarks(report: dict[str, Any]) -> list[str]:
    """What the table does not say, in lines."""
    client = report["client"]
    lines = [
        f"{client['processes']} client processes, the busiest at {client['busiest_share_of_a_core']:.0%} of a core"
    ]
    if client["limit"]:
        lines.append("The client was the limit: use more PROCESSES, or another machine for it.")
    if client["sent_late"]:
        lines.append(f"{client['sent_late']} requests went out later than they were due; their times count from then.")
    if kept := report["acknowledged_events"]:
        lines.append("events answered: " + ", ".join(f"{n:,} × {status}" for status, n in sorted(kept.items())))
    return lines
