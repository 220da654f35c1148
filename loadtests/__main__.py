"""Runs a load scenario: starts what it needs, drives locust, shows the figures, checks what was stored.

    python -m loadtests write_storm                                    # with servers of its own
    python -m loadtests mixed --base-url http://127.0.0.1:8080         # against a service that runs
    python -m loadtests sustained_writes --seconds 20 --processes 4
    python -m loadtests concurrent_search --web                        # with locust's web page
    python -m loadtests audit_queries --rows 1000000                   # a larger table

Reports go to loadtests/reports/ as JSON and HTML. Only this machine is loaded, unless --allow-remote says otherwise.
Exit code 0; 1 where an answer was wrong or an event that was acknowledged is not stored; 2 where it cannot be run.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from datastorage_common import terminal
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from app.config.settings import DLQSettings
from bench import fill
from devserver import DevError, free_port
from devserver.processes import Guarded
from loadtests import events, workflows
from loadtests.report import remarks, table
from loadtests.scenarios import SCENARIOS, Scenario
from loadtests.target import TargetError, check_answers, check_target
from tests.support import ROOT, Database, GunicornService, postgres_server, valkey_server

CATALOGUE = 400
# More than an event of the corpus takes in the dead letter queue.
ENTRY_BYTES = 8192
# Locust's own start, the beginning, and the last answers.
SPARE_SECONDS = 90.0
DRAIN_SECONDS = 60.0


class LoadTestError(Exception):
    """The scenario cannot be run, or what it found is wrong; one line."""


@dataclass
class Target:
    """What is loaded; ``database`` and ``log`` where the servers are ours."""

    url: str
    database: Database | None = None
    log: Path | None = None


def queue_settings(scenario: Scenario) -> dict[str, str]:
    """Room in the dead letter queue for all events of a scenario that stops PostgreSQL, however long it is to run.

    All, since PostgreSQL takes its time to come back, and replay its own behind it.
    """
    if not scenario.own_servers:
        return {}
    default = DLQSettings()
    return {
        "DATASTORAGE_DLQ__MAX_LEN": str(max(default.max_len, scenario.due)),
        "DATASTORAGE_DLQ__MAX_BYTES": str(max(default.max_bytes, scenario.due * ENTRY_BYTES)),
    }


@contextlib.contextmanager
def own_servers(folder: Path, scenario: Scenario, rows: int, console: Console) -> Iterator[Target]:
    """PostgreSQL, Valkey and gunicorn for the run, stopped at its end."""
    with postgres_server(max_wal_size="4GB") as postgres, valkey_server() as valkey:
        database = postgres.make_database()
        if scenario.rows:
            fill.check_disk(str(folder), rows)
            console.print(f"filling the table with {rows:,} events", highlight=False)
            fill.fill(database, rows, progress=console.is_terminal)
        service = GunicornService(
            {
                "DATASTORAGE_DATABASE__URL": database.service_url,
                "DATASTORAGE_REDIS__URL": valkey.url(),
                "DATASTORAGE_LOGGING__LEVEL": "warning",
                **queue_settings(scenario),
            },
            folder / "gunicorn.log",
        )
        service.start()
        try:
            yield Target(service.url, database, service.log)
        finally:
            service.stop()


def post(url: str, path: str, body: Any) -> None:
    """One POST that has to be answered 201. Raises LoadTestError."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=30)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", parts.path.rstrip("/") + path, data, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as e:
        raise LoadTestError(f"{url} does not answer: {e}") from None
    finally:
        connection.close()
    if answer.status != 201:
        raise LoadTestError(f"{path} was answered {answer.status}: {text[:200]!r}")


def prepare(target: Target, scenario: Scenario, name: str) -> None:
    """Put in what the scenario's readers and searchers have to find."""
    if scenario.catalogue:
        post(target.url, "/api/v1/workflows/batch", workflows.bodies(f"{name}-catalogue", CATALOGUE))
    if ("Reader" in scenario.users and target.database is None) or (scenario.catalogue and "Reader" in scenario.users):
        for body, _ in zip(events.batches(f"{name}-before", 200), range(3), strict=False):
            post(target.url, "/api/v1/audit/events/batch", body)


def command(args: argparse.Namespace, target: Target, name: str, report: Path) -> list[str]:
    """Locust's command line."""
    made = [
        sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"),
        "--scenario", args.scenario, "--host", target.url, "--run-name", name, "--report", str(report),
        "--html", str(report.with_suffix(".html")), "--json-file", str(report.with_suffix(".locust")),
        "--stop-timeout", "35", "--exit-code-on-error", "1", "--loglevel", "WARNING",
    ]  # fmt: skip
    if args.processes > 1:
        made += ["--processes", str(args.processes), "--master-bind-host", "127.0.0.1"]
        made += ["--master-bind-port", str(port := free_port()), "--master-port", str(port)]
    if args.seconds is not None:
        made += ["--scenario-seconds", str(args.seconds)]
    if args.allow_remote:
        made += ["--allow-remote"]
    if args.web:
        return [*made, "--web-host", "127.0.0.1", "--web-port", str(args.web_port)]
    return [*made, "--headless", "--only-summary"]


class Outage:
    """Stops PostgreSQL for the middle third of a run."""

    def __init__(self, database: Database, seconds: float, console: Console) -> None:
        assert database.server.embedded is not None
        self._server = database.server.embedded
        self._from, self._to = seconds / 3, 2 * seconds / 3
        self._console = console
        self.stopped = self.started = False

    def at(self, elapsed: float) -> None:
        """Do what is due so many seconds after the beginning."""
        if elapsed >= self._from and not self.stopped:
            self._server.stop("immediate")
            self.stopped = True
            self._console.print(f"{elapsed:5.1f} s: PostgreSQL stopped", highlight=False)
        if elapsed >= self._to and self.stopped and not self.started:
            self._server.start()
            self.started = True
            self._console.print(f"{elapsed:5.1f} s: PostgreSQL started again", highlight=False)


def how_far(elapsed: float, seconds: float) -> str:
    """How far a run is, for a line of progress; its last answers may come after its time."""
    if elapsed > seconds:
        return f"{elapsed:5.0f} s, waiting for the last answers"
    return f"{elapsed:5.0f} s of {seconds:.0f}"


def follow(
    process: subprocess.Popen[bytes], report: Path, scenario: Scenario, outage: Outage | None, console: Console
) -> int:
    """Show how far the run is until it ends; locust's exit code. Raises LoadTestError where it does not end."""
    progress_file = report.with_suffix(".progress")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[told]}"))
    deadline = time.monotonic() + scenario.seconds + SPARE_SECONDS
    told = 0.0
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(scenario.name, total=max(scenario.seconds, 1.0), told="starting")
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise LoadTestError(f"the run did not end {SPARE_SECONDS:g} s after its time")
            state: dict[str, Any] = {}
            with contextlib.suppress(OSError, ValueError):
                state = json.loads(progress_file.read_text())
            if state.get("begin"):
                elapsed = time.time() - state["begin"]
                said = f"{state['requests']:,} requests, {state['failures']} failed"
                progress.update(bar, completed=min(elapsed, scenario.seconds), told=said)
                if not console.is_terminal and elapsed - told >= 10:
                    told = elapsed
                    console.print(f"{how_far(elapsed, scenario.seconds)}: {said}", highlight=False)
                if outage is not None:
                    outage.at(elapsed)
            time.sleep(0.1)
    return process.returncode


def check_stored(database: Database, name: str, acknowledged: dict[str, int]) -> str:
    """What the table holds of the run against what was answered. Raises LoadTestError where they differ."""
    wanted = sum(acknowledged.values())
    count = (
        "SELECT count(*), count(DISTINCT event_id) FROM audit_events "
        "WHERE correlation_id LIKE %s AND correlation_id NOT LIKE %s"
    )
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        [(stored, distinct)] = database.query(count, f"{name}-%", f"{name}-before-%")
        # What was answered 202 comes from the dead letter queue, a little later.
        if stored >= wanted or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    if stored != wanted or distinct != wanted:
        raise LoadTestError(f"{wanted:,} events were acknowledged and {stored:,} ({distinct:,} ids) are stored")
    return f"{stored:,} events stored, as many as were acknowledged"


def run(args: argparse.Namespace, console: Console, target: Target, name: str) -> int:
    """The scenario against the target; the exit code. Raises LoadTestError."""
    scenario = SCENARIOS[args.scenario].scaled(args.seconds)
    report = args.reports / f"{args.scenario}.json"
    args.reports.mkdir(parents=True, exist_ok=True)
    for old in (report, report.with_suffix(".progress")):
        old.unlink(missing_ok=True)
    prepare(target, scenario, name)
    outage = (
        Outage(target.database, scenario.seconds, console) if args.scenario == "outage" and target.database else None
    )
    process = Guarded(command(args, target, name, report), cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        if args.web:
            console.print(
                f"locust's page is on http://127.0.0.1:{args.web_port}, the service on {target.url}; Ctrl-C ends it"
            )
            return process.wait()
        code = follow(process, report, scenario, outage, console)
    except KeyboardInterrupt:
        return 130
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(45)
            except subprocess.TimeoutExpired:
                process.kill()
        report.with_suffix(".progress").unlink(missing_ok=True)
    if not report.exists():
        raise LoadTestError(f"locust ended with {code} and left no report")
    return conclude(code, json.loads(report.read_text()), report, target, name, outage, console)


def conclude(
    code: int, shown: dict[str, Any], report: Path, target: Target, name: str, outage: Outage | None, console: Console
) -> int:
    """Show the figures and what is wrong with them; the exit code."""
    problems = list(shown["problems"])
    console.print(table(shown))
    for line in remarks(shown):
        console.print(line, highlight=False)
    if target.database is not None:
        if outage is not None and not outage.started:
            problems.append("PostgreSQL was not stopped and started during the run")
        elif outage is not None and not shown["acknowledged_events"].get("202"):
            problems.append("no event was answered 202 while PostgreSQL was stopped")
        try:
            console.print(check_stored(target.database, name, shown["acknowledged_events"]), highlight=False)
        except LoadTestError as e:
            problems.append(str(e))
    shown["problems"] = problems
    report.write_text(json.dumps(shown, indent=1, ensure_ascii=False) + "\n")
    console.print(f"reports: {report} and {report.with_suffix('.html')}", highlight=False, soft_wrap=True)
    for problem in problems:
        console.print(f"failed: {problem}", style="red", markup=False)
    if problems and target.log is not None:
        console.print(target.log.read_text()[-1500:], markup=False, highlight=False)
    return 1 if problems else code


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests",
        description=__doc__ + "\nscenarios:\n" + "\n".join(f"  {s.name:18} {s.about}" for s in SCENARIOS.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", choices=list(SCENARIOS), metavar="SCENARIO")
    parser.add_argument("--base-url", default="", help="a service that runs already; else one is started")
    parser.add_argument("--processes", type=int, default=2, help="client processes (default 2)")
    parser.add_argument("--seconds", type=float, help="another length of the scenario's stages")
    parser.add_argument("--rows", type=int, default=200_000, help="events that audit_queries reads (default 200000)")
    parser.add_argument("--reports", type=Path, default=ROOT / "loadtests" / "reports", help="folder for the reports")
    parser.add_argument("--web", action="store_true", help="start locust's web page instead of running at once")
    parser.add_argument("--web-port", type=int, default=8089, help="its port (default 8089)")
    parser.add_argument("--allow-remote", action="store_true", help="load another machine than this")
    return parser.parse_args()


def main() -> int:
    """Run the scenario; the exit code."""
    args = _arguments()
    console = Console() if sys.stdout.isatty() else Console(width=140)
    name = f"load-{time.time_ns() // 1_000_000:x}"
    try:
        if args.base_url:
            check_target(args.base_url, allow_remote=args.allow_remote)
            if SCENARIOS[args.scenario].own_servers:
                raise LoadTestError(f"{args.scenario} stops PostgreSQL: run it without a base URL, on its own servers")
            check_answers(args.base_url.rstrip("/"))
            return run(args, console, Target(args.base_url.rstrip("/")), name)
        with (
            tempfile.TemporaryDirectory(prefix="datastorage-load-") as folder,
            own_servers(Path(folder), SCENARIOS[args.scenario].scaled(args.seconds), args.rows, console) as target,
        ):
            return run(args, console, target, name)
    except (LoadTestError, TargetError, fill.NoRoomError, DevError, AssertionError) as e:
        print(f"loadtest: {e}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    terminal.prepare()
    sys.exit(main())
