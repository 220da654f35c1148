"""Measures the export of many events: rows a second, and what service and client hold meanwhile.

    python -m bench.export                     # 1,000,000 events, about six minutes
    python -m bench.export --rows 100000

The events are put into the table by COPY, and the service gives them their places in the log.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from datastorage_common import terminal
from rich.console import Console

from bench import fill
from bench.harness import Bench, Service
from bench.machine import fingerprint
from bench.measure import report
from devserver.processes import Guarded
from tests.support import Database, postgres_server, wait_until

GOAL_ROWS = 20_000
GOAL_MIB = 150
_COMMAND = Path(sys.executable).parent / "datastorage"
_EXPORT = "/api/v1/audit/export"


class Peak:
    """The most resident memory that processes have had together, in MiB, looked at ten times a second."""

    def __init__(self, pids: list[int]) -> None:
        self._processes = [psutil.Process(pid) for pid in pids]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.mib = 0.0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            try:
                self.mib = max(self.mib, max(p.memory_info().rss for p in self._processes) / 2**20)
            except psutil.NoSuchProcess:
                return


def placed(bench: Bench, database: Database, rows: int) -> None:
    """Wait until each event has its place in the log."""

    def size() -> int:
        return int(database.query("SELECT size FROM log_head")[0][0])

    began = time.perf_counter()
    wait_until(lambda: size() >= rows, 900, "places in the log")
    bench.console.print(f"  places after {time.perf_counter() - began:.0f} s", highlight=False)


def streams(bench: Bench, service: Service, rows: int) -> None:
    """Streams of the service alone, thrown away by curl."""
    for name, query, coding in (
        ("NDJSON", "?format=ndjson", "identity"),
        ("CSV", "?format=csv", "identity"),
        ("CSV, gzip", "?format=csv", "gzip"),
        ("one of 1,000 actors", "?actor_id=actor-7", "gzip"),
    ):
        began = time.perf_counter()
        with Peak([worker.pid for worker in service.workers()]) as peak:
            asked = ["curl", "-sSf", "-o", "/dev/null", "-H", f"Accept-Encoding: {coding}"]
            url = f"http://127.0.0.1:{service.port}{_EXPORT}{query}"
            subprocess.run([*asked, url], check=True, timeout=900)
        rate = rows / (time.perf_counter() - began)
        note = f"the largest worker had {peak.mib:.0f} MiB at most"
        bench.add("export", f"{name}: entries looked through", rate, "/s", GOAL_ROWS, note=note)
        bench.add("export", f"{name}: memory of a worker", peak.mib, "MiB", GOAL_MIB, at_least=False)


def command(bench: Bench, service: Service, rows: int) -> None:
    """`datastorage export`, whose memory counts too."""
    for form in ("ndjson", "csv"):
        target = bench.folder / f"exported.{form}"
        began = time.perf_counter()
        url = f"http://127.0.0.1:{service.port}"
        made = Guarded([_COMMAND, "export", "--url", url, "--format", form, "--output", str(target)])
        with Peak([made.pid]) as peak:
            code = made.wait(900)
        if code:
            raise RuntimeError(f"datastorage export ended with {code}")
        rate = rows / (time.perf_counter() - began)
        bench.add("export", f"datastorage export --format {form}", rate, "/s", GOAL_ROWS)
        bench.add("export", f"… memory of the command, {form}", peak.mib, "MiB", GOAL_MIB, at_least=False)
        target.unlink()


def main() -> int:
    """Measure and report; 0, or 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="events (default 1000000)")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    args = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=170)
    machine, busy = fingerprint(), os.getloadavg()[0]
    if busy > 1:
        console.print(f"[yellow]load average {busy:.1f}: others use this machine, so figures may be off[/]")
    with tempfile.TemporaryDirectory(prefix="datastorage-export-") as name, postgres_server() as server:
        bench = Bench(server.make_database(), Path(name), 0.0, console)
        fill.check_disk(name, args.rows)
        fill.fill(bench.database, args.rows, progress=console.is_terminal)
        with bench.service(server__threads="16", audit__record_service="false") as service:
            placed(bench, bench.database, args.rows)
            streams(bench, service, args.rows)
            command(bench, service, args.rows)
    console.print(report(bench.figures))
    if args.json:
        shown = {**machine, "load": busy, "figures": [figure.as_json() for figure in bench.figures]}
        Path(args.json).write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    return 1 if any(figure.met is False for figure in bench.figures) else 0


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
