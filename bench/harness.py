"""What every measurement needs: real servers, figures with their goals, and what a process has used."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from rich.console import Console

from bench.client import WrongAnswerError
from devserver import postgres_binaries
from tests.support import AS_SHIPPED, Database, GunicornService, wait_until

EVENTS = "/api/v1/audit/events"
WORKFLOWS = "/api/v1/workflows"


@dataclass
class Figure:
    """One line of the report. ``goal`` is what ``value`` is held against: at least, or at most, that much.

    ``key`` is the figure's name in the baseline, ``section.figure``; ``bar`` is what V1 held, in the same unit.
    A figure without a value was not measured in this run.
    """

    part: str
    scenario: str
    value: float | None
    unit: str
    goal: float | None = None
    at_least: bool = True
    note: str = ""
    key: str = ""
    bar: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal was met; None where there is none, or no value."""
        if self.goal is None or self.value is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def as_json(self) -> dict[str, Any]:
        """The figure and whether its goal was met."""
        return {**asdict(self), "met": self.met}


def medians(runs: list[list[Figure]]) -> list[Figure]:
    """One figure for each scenario of several runs: the median, and in its note how far the runs were apart."""
    if len(runs) == 1:
        return runs[0]
    merged = []
    for figure in runs[0]:
        same = [f for run in runs for f in run if (f.part, f.scenario) == (figure.part, figure.scenario)]
        values = sorted(f.value for f in same if f.value is not None)
        if not values:
            merged.append(figure)
            continue
        spread = f"{len(values)} runs, {number(values[0])} to {number(values[-1])}"
        note = f"{spread}; {figure.note}" if figure.note else spread
        merged.append(replace(figure, value=statistics.median(values), note=note))
    return merged


class Service(GunicornService):
    """gunicorn as in production, serving any application."""

    limits = AS_SHIPPED

    def workers(self) -> list[psutil.Process]:
        """The worker processes."""
        assert self.process is not None
        children: list[psutil.Process] = psutil.Process(self.process.pid).children()
        return children

    def cpu_seconds(self) -> float:
        """Processor time that the workers have used so far, in seconds."""
        return sum(cpu_seconds(worker.pid) for worker in self.workers())


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, in seconds: the kernel's nanoseconds where it keeps them, else its ticks."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    except (OSError, ValueError, IndexError):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


@dataclass
class Bench:
    """What every part needs, and the figures so far.

    ``seconds`` is the length of a round of single events, ``rows`` how many events the queries run among,
    ``soak`` how long the load lasts over which memory has to stay flat.
    """

    database: Database
    folder: Path
    seconds: float
    console: Console
    rows: int = 1_000_000
    soak: float = 20.0
    figures: list[Figure] = field(default_factory=list)

    @contextlib.contextmanager
    def service(
        self,
        application: str = "app.wsgi:application",
        *,
        launch: bool = True,
        database: Database | None = None,
        **settings: str,
    ) -> Iterator[Service]:
        """A running gunicorn with its defaults; DATASTORAGE_* of the caller's environment apply.

        Settings are given as ``section__key``.
        """
        given = {k: v for k, v in os.environ.items() if k.startswith("DATASTORAGE_")}
        url = (database or self.database).service_url
        made = Service(
            {
                **given,
                "DATASTORAGE_DATABASE__URL": url,
                "DATASTORAGE_LOGGING__LEVEL": "warning",
                **{f"DATASTORAGE_{key.upper()}": value for key, value in settings.items()},
            },
            self.folder / f"{application.split(':')[1]}.log",
        )
        made.module = application
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
        self.console.print(f"  {figure.scenario}: {number(figure.value)} {figure.unit}", highlight=False)

    def empty_tables(self) -> None:
        """Take every event out (the triggers refuse that to anybody but a replica) and settle the server."""
        self.database.query("BEGIN; SET LOCAL session_replication_role = replica; TRUNCATE audit_events; COMMIT")
        self.database.query("CHECKPOINT")


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


def number(value: float | None) -> str:
    """A figure as people read it."""
    if value is None:
        return "–"
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
