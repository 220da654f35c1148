"""Measures the scenarios: the service is started once to count what it does, and once to see what it allocates."""

from __future__ import annotations

import contextlib
import itertools
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low
from typing import Any
from urllib.parse import urlsplit

from bench.client import Connection, WrongAnswerError
from tests.counts import systemcalls
from tests.counts.proxy import Postgres, Proxy, Redis
from tests.counts.scenarios import REQUESTS, SCENARIOS, Request, fill
from tests.counts.service import CountedService, environment, strace
from tests.support import ROOT, Database, postgres_server, scratch_dir, valkey_server

# A statement is prepared when it runs for the sixth time; the first requests fill caches too.
WARM = 7
REPEATS = 11
RECORDED = 4
REPLAYS = 3
# Connections that serve, by the purpose that the service gives them; others look after things at times of their own.
_SERVING = ("flusher", "query")

# What was counted: scenario → figure → name → how many.
Counts = dict[str, dict[str, dict[str, int]]]


@dataclass
class Servers:
    """PostgreSQL and Valkey behind proxies that read along."""

    database: Database
    postgres: Proxy
    redis: Proxy
    redis_url: str
    folder: Path
    ready: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def environ(self) -> dict[str, str]:
        """What the service is told of PostgreSQL."""
        return {"DATASTORAGE_DATABASE__URL": through(self.database.service_url, self.postgres, "?sslmode=disable")}

    def run(self) -> Path:
        """A folder for one run."""
        made = self.folder / f"run-{next(self._numbers)}"
        made.mkdir()
        return made


def through(url: str, proxy: Proxy, options: str = "") -> str:
    """The address of a server as it is behind its proxy."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}").geturl() + options


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """Real servers with an empty database."""
    with contextlib.ExitStack() as stack:
        postgres = stack.enter_context(postgres_server())
        database = postgres.make_database()
        parts = urlsplit(database.service_url)
        behind = Proxy(str(parts.hostname), int(parts.port or 0), Postgres)
        stack.callback(behind.close)
        valkey = stack.enter_context(valkey_server())
        queue = Proxy("127.0.0.1", valkey.port, Redis)
        stack.callback(queue.close)
        folder = stack.enter_context(scratch_dir())
        yield Servers(database, behind, queue, through(valkey.url(), queue), folder)


@contextlib.contextmanager
def service(servers: Servers, *, environ: dict[str, str] | None = None, **options: Any) -> Iterator[CountedService]:
    """The service, ready; killed at the end."""
    made = CountedService({**servers.environ, **(environ or {})}, servers.run(), **options)
    try:
        made.start()
        yield made
    except WrongAnswerError as e:
        raise WrongAnswerError(f"{e}\nend of its log:\n{made.log.read_text()[-2000:]}") from None
    finally:
        made.stop()


def measure(
    servers: Servers,
    scenarios: Collection[str] = SCENARIOS,
    *,
    module: str = "app.wsgi:application",
    environ: dict[str, str] | None = None,
    repeats: int = REPEATS,
    system_calls: bool = True,
    allocations: bool = True,
) -> Counts:
    """All figures of these scenarios; those of system calls only where strace may trace."""
    if not servers.ready:
        # Modules are compiled now, and the tables filled.
        with service(servers) as warm:
            fill(warm.port)
        servers.ready = True
    counts: Counts = {name: {} for name in SCENARIOS if name in scenarios}
    served = [name for name in counts if name != "replay"]
    recorded = _record(servers, served, module=module, environ=environ) if served and allocations else None
    # Beside each other: nothing is timed, and each looks at itself only.
    with ThreadPoolExecutor(1) as beside:
        rest = beside.submit(
            _count_rest, servers, recorded, "replay" in counts, system_calls=system_calls, allocations=allocations
        )
        if served:
            _count(servers, served, counts, repeats, system_calls=system_calls, module=module, environ=environ)
        for name, figures in rest.result().items():
            counts[name].update(figures)
    return counts


def _count(
    servers: Servers, names: list[str], counts: Counts, repeats: int, *, system_calls: bool, **options: Any
) -> None:
    """Count calls, sleeps, modules, statements, round trips and system calls."""
    file = servers.run() / "strace"
    traced = strace(file) if system_calls else []
    threads: dict[str, list[int]] = {}
    with service(servers, traced=traced, **options) as running:
        if "start" in names:
            started = running.tell("start")
            counts["start"] = {
                "calls": started["calls"],
                "sleeps": started["sleeps"],
                "modules": dict.fromkeys(started["modules"], 1),
            }
        threads["ready"] = [running.threads["parent"], running.threads["process"]]
        for name in names:
            if name in REQUESTS:
                counts[name].update(_count_requests(servers, running, name, repeats))
                threads[name] = running.tell("threads")["serving"]
    if traced:
        made = _system_calls(file, threads)
        for name in names:
            counts[name]["system_calls"] = made["ready" if name == "start" else name]


def _count_requests(servers: Servers, running: CountedService, name: str, repeats: int) -> dict[str, dict[str, int]]:
    connection = Connection(running.port)
    for _ in range(WARM):
        REQUESTS[name].send(connection)
    running.settle(servers.postgres, _SERVING)
    seen: dict[str, list[Counter[str]]] = {}
    before = _look(servers, running)
    for _ in range(repeats):
        running.tell("mark", "before")
        REQUESTS[name].send(connection)
        running.settle(servers.postgres, _SERVING)
        running.tell("mark", name)
        now = _look(servers, running)
        for figure, after in now.items():
            seen.setdefault(figure, []).append(after - before[figure])
        before = now
    connection.close()
    return {figure: middle(rounds) for figure, rounds in seen.items()}


def _look(servers: Servers, running: CountedService) -> dict[str, Counter[str]]:
    statements, trips = servers.postgres.heard.take(_SERVING)
    return {
        "calls": Counter(running.tell("calls")),
        "sleeps": Counter(running.tell("sleeps")),
        "statements": statements,
        "round_trips": trips,
    }


def middle(rounds: list[Counter[str]]) -> dict[str, int]:
    """The median of each name: what only some rounds had, a loop's turn or a timeout, is in none."""
    names = {name for each in rounds for name in each}
    made = {name: median_low(each[name] for each in rounds) for name in sorted(names)}
    return {name: count for name, count in made.items() if count}


def _system_calls(file: Path, threads: dict[str, list[int]]) -> dict[str, dict[str, int]]:
    rounds: dict[str, list[Counter[str]]] = {}
    for mark, calls in systemcalls.sections(file):
        if mark in threads:
            rounds.setdefault(mark, []).append(systemcalls.of(calls, threads[mark]))
    return {mark: middle(each) for mark, each in rounds.items()}


def _record(servers: Servers, names: list[str], **options: Any) -> subprocess.Popen[str]:
    """See what is allocated, in a start of its own: counting allocates too. What reads it runs on."""
    folder = servers.run()
    with service(servers, recorded=folder, **options) as running:
        for name in names:
            if name in REQUESTS:
                _record_requests(servers, running, REQUESTS[name], folder / name)
    if "start" not in names:
        for file in folder.glob("start*"):
            file.unlink()
    return _reader(folder)


def _reader(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.counts.allocations", str(folder)]
    return subprocess.Popen(command, cwd=ROOT, env=environment(folder), stdout=subprocess.PIPE, text=True)


def _read(reader: subprocess.Popen[str]) -> dict[str, dict[str, int]]:
    out, _ = reader.communicate()
    if reader.returncode != 0:
        raise AssertionError(f"reading the allocations ended with {reader.returncode}")
    places: dict[str, dict[str, int]] = json.loads(out)
    return places


def _record_requests(servers: Servers, running: CountedService, request: Request, file: Path) -> None:
    connection = Connection(running.port)
    for _ in range(WARM):
        request.send(connection)
    running.settle(servers.postgres, _SERVING, calls=False)
    running.tell("trace", str(file))
    for _ in range(RECORDED):
        request.send(connection)
        running.settle(servers.postgres, _SERVING, calls=False)
    running.tell("stop_trace")
    connection.close()


def _count_rest(
    servers: Servers, recorded: subprocess.Popen[str] | None, replay: bool, *, system_calls: bool, allocations: bool
) -> Counts:
    """What was allocated, and the replay."""
    counts: Counts = {}
    if recorded is not None:
        for name, places in _read(recorded).items():
            requests = RECORDED if name in REQUESTS else 1
            counts[name] = {"bytes": {place: size // requests for place, size in places.items() if size >= requests}}
    if replay:
        counts["replay"] = _count_replay(servers, system_calls=system_calls, allocations=allocations)
    return counts


def _count_replay(servers: Servers, *, system_calls: bool, allocations: bool) -> dict[str, dict[str, int]]:
    folder, recorded, metrics = servers.run(), servers.run(), servers.run()
    environ = {
        **environment(folder), **servers.environ, "DATASTORAGE_REDIS__URL": servers.redis_url,
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }  # fmt: skip
    traced = strace(folder / "strace") if system_calls else []
    command = [*traced, sys.executable, "-m", "tests.counts.replay", str(REPLAYS)]
    if allocations:
        command.append(str(recorded / "replay"))
    log = folder / "replay.log"
    with (
        open(log, "wb") as errors,
        subprocess.Popen(
            command, cwd=ROOT, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        rounds = _follow(servers, process)
    if process.returncode != 0:
        raise AssertionError(f"the replay ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    counts = {figure: middle(each) for figure, each in rounds.items()}
    if traced:
        made = [calls for mark, calls in systemcalls.sections(folder / "strace") if mark == "replayed"]
        counts["system_calls"] = middle([systemcalls.of(calls, calls) for calls in made])
    if allocations:
        counts["bytes"] = _read(_reader(recorded))["replay"]
    return counts


def _follow(servers: Servers, process: subprocess.Popen[str]) -> dict[str, list[Counter[str]]]:
    """Take the counts of each replay as it says where it is."""
    assert process.stdin is not None
    assert process.stdout is not None

    def look() -> dict[str, Counter[str]]:
        statements, trips = servers.postgres.heard.take(("replay",))
        commands, redis_trips = servers.redis.heard.take(("redis",))
        return {
            "statements": statements, "round_trips": trips, "redis_commands": commands,
            "redis_round_trips": redis_trips,
        }  # fmt: skip

    rounds: dict[str, list[Counter[str]]] = {}
    before: dict[str, Counter[str]] = {}
    for line in process.stdout:
        said = json.loads(line)
        if said["say"] == "before":
            before = look()
        elif said["say"] == "after":
            now = {figure: after - before[figure] for figure, after in look().items()}
            now |= {"calls": Counter(said["calls"]), "sleeps": Counter(said["sleeps"])}
            for figure, counted in now.items():
                rounds.setdefault(figure, []).append(counted)
        process.stdin.write("\n")
        process.stdin.flush()
    return rounds
