"""The load scenarios for locust: user classes, the shape that runs one scenario, and what makes a run fail.

    make loadtest SCENARIO=write_storm                      # with servers of its own
    locust -f loadtests/locustfile.py --scenario mixed --host http://127.0.0.1:8080         # with the web page
    locust -f loadtests/locustfile.py --scenario mixed --host http://127.0.0.1:8080 --headless --processes 2

Any answer with another status than the expected one fails the run, however fast it was. In stages with a rate a
request is sent when it is due, and the time it takes counts from then: a service that falls behind cannot hide it.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import gevent
from locust import LoadTestShape, constant, events, task
from locust.contrib.fasthttp import FastHttpUser
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from loadtests import events as corpus
from loadtests import workflows
from loadtests.report import CLIENT_LIMIT, build
from loadtests.scenarios import SCENARIOS, Scenario, Stage
from loadtests.target import TargetError, check_target

EVENTS = "/api/v1/audit/events"
WORKFLOWS = "/api/v1/workflows"
BATCH = 100
# From the moment that all users are there to the first request, so that every process knows of it in time.
LEAD_SECONDS = 1.0
# How long the last answers are waited for.
GRACE_SECONDS = 35.0
# A request that goes out so much later than it was due found no free user, or a client that was too busy.
LATE_SECONDS = 0.05


class Run:
    """What one locust process knows of the run: the scenario, its beginning, its share, and what it counted."""

    def __init__(self) -> None:
        self.scenario: Scenario = SCENARIOS["write_storm"]
        self.name = "load"
        self.index, self.processes = 0, 1
        self.reset()

    def reset(self) -> None:
        """Forget an earlier run, as the web page starts several."""
        self.begin: float | None = None
        self.numbers = itertools.count()
        self.arrivals: dict[int, Iterator[int]] = {}
        self.acknowledged: Counter[str] = Counter()
        self.late = 0
        self.working = 0
        self.bodies: dict[str, Iterator[bytes]] = {}

    def begin_at(self, moment: float) -> None:
        """Everybody starts at this moment of time.time()."""
        self.begin = moment
        for place, _ in enumerate(self.scenario.stages):
            self.arrivals[place] = itertools.count(self.index, self.processes)

    @property
    def over(self) -> bool:
        """Whether nothing more is sent."""
        return self.begin is not None and time.time() > self.begin + self.scenario.seconds

    def stages(self) -> Iterator[tuple[int, Stage, float, float]]:
        """The stages with their beginnings and ends, as moments of time.time()."""
        assert self.begin is not None
        moment = self.begin
        for place, stage in enumerate(self.scenario.stages):
            yield place, stage, moment, moment + stage.seconds
            moment += stage.seconds

    def events(self, kind: str) -> Iterator[bytes]:
        """Bodies of this process' own, distinct from those of the others."""
        if kind not in self.bodies:
            make = (lambda p, s, n: corpus.batches(p, BATCH, s, n)) if kind == "batches" else corpus.bodies
            self.bodies[kind] = make(self.name, self.index, self.processes)
        return self.bodies[kind]


run = Run()


class ScenarioUser(FastHttpUser):
    """Waits for the common beginning, works through the scenario once, then idles until it is stopped."""

    abstract = True
    network_timeout = 30.0
    connection_timeout = 10.0
    wait_time = constant(0.1)
    expected: ClassVar[frozenset[int]] = frozenset({200})
    _worked = False

    def on_start(self) -> None:
        """Take a number that no other user of the run has."""
        self.number = run.index + next(run.numbers) * run.processes

    @task
    def once(self) -> None:
        """Do the scenario's work when its time has come."""
        if self._worked or run.begin is None:
            return
        self._worked = True
        run.working += 1
        try:
            self.work()
        finally:
            run.working -= 1

    def work(self) -> None:
        """Send through all stages: when a request is due where there is a rate, else as fast as answers come."""
        for place, stage, start, end in run.stages():
            while True:
                rate = stage.rate
                due = max(start, time.time()) if rate is None else start + next(run.arrivals[place]) / rate
                if due >= end:
                    break
                if (early := due - time.time()) > 0:
                    gevent.sleep(early)
                elif stage.rate is not None and -early > LATE_SECONDS:
                    run.late += 1
                self.step(stage.label, due if stage.rate is not None else None)

    def step(self, label: str, due: float | None) -> None:
        """One request of this kind of user."""
        raise NotImplementedError

    def send(
        self,
        method: str,
        path: str,
        name: str,
        body: bytes | None = None,
        *,
        due: float | None = None,
        events_kept: int = 0,
        check: Callable[[Any], str | None] | None = None,
        expected: frozenset[int] | None = None,
    ) -> Any:
        """One request, which fails unless its status is an expected one and ``check`` finds nothing wrong with it.

        The decoded answer, or None where it failed.
        """
        wanted = expected or self.expected
        headers = {"Content-Type": "application/json"} if body is not None else {}
        with self.client.request(method, path, name=name, data=body, headers=headers, catch_response=True) as r:
            if due is not None:
                r.request_meta["response_time"] = 1000 * (time.time() - due)
            if r.status_code not in wanted:
                told = "/".join(str(status) for status in sorted(wanted))
                r.failure(f"expected {told}, got {r.status_code}: {(r.text or str(r.error))[:200]}")
                return None
            if events_kept:
                run.acknowledged[str(r.status_code)] += events_kept
            answer = json.loads(r.content)
            if check is not None and (wrong := check(answer)):
                r.failure(wrong)
                return None
            r.success()
            return answer


class StormWriter(ScenarioUser):
    """One event in each burst that it is needed for."""

    expected = frozenset({201})

    def on_start(self) -> None:
        """Connect beforehand: what is measured is the storm, not the handshakes."""
        super().on_start()
        self.send("GET", "/health/live", "GET /health/live", expected=frozenset({200}))

    def work(self) -> None:
        assert run.begin is not None
        for place, (moment, size) in enumerate(run.scenario.bursts):
            if self.number >= size:
                continue
            gevent.sleep(max(0.0, run.begin + moment - time.time()))
            name = f"POST events, burst {place + 1} of {size}"
            self.send("POST", EVENTS, name, next(run.events("singles")), due=run.begin + moment, events_kept=1)


class Writer(ScenarioUser):
    """One event a request."""

    expected = frozenset({201})

    def step(self, label: str, due: float | None) -> None:
        self.send("POST", EVENTS, f"POST events{label}", next(run.events("singles")), due=due, events_kept=1)


class BatchWriter(ScenarioUser):
    """A batch a request."""

    expected = frozenset({201})

    def step(self, label: str, due: float | None) -> None:
        self.send(
            "POST", f"{EVENTS}/batch", f"POST events/batch of {BATCH}", next(run.events("batches")), events_kept=BATCH
        )


class OutageWriter(ScenarioUser):
    """Events with ids of its own, while PostgreSQL comes and goes: kept in either store is kept."""

    expected = frozenset({201, 202})

    def step(self, label: str, due: float | None) -> None:
        body = corpus.with_id(next(run.events("singles")), str(uuid.uuid4()))
        self.send("POST", EVENTS, f"POST events{label}", body, due=due, events_kept=1)


def _empty(answer: Any) -> str | None:
    return None if answer["data"] else "the list is empty"


class Reader(ScenarioUser):
    """The newest page, the page behind it, and from there by correlation, actor and id."""

    def step(self, label: str, due: float | None) -> None:
        page = self.send("GET", f"{EVENTS}?limit=100&count=none", "GET events, newest 100", check=self._some)
        if not page or not page["data"]:
            gevent.sleep(0.1)
            return
        row = page["data"][self.number % len(page["data"])]
        if cursor := page["pagination"]["next_cursor"]:
            self.send("GET", f"{EVENTS}?limit=100&cursor={cursor}", "GET events, next 100", check=_empty)
        for member in ("correlation_id", "actor_id"):
            self._filtered(member, row[member])
        self.send("GET", f"{EVENTS}/{row['event_id']}", "GET events/{event_id}")

    def _filtered(self, member: str, value: str) -> None:
        query = f"{EVENTS}?{member}={_quoted(value)}&limit=100&count=none"
        self.send("GET", query, f"GET events by {member}", check=_empty)

    @staticmethod
    def _some(answer: Any) -> str | None:
        # Beside writers the table may be empty for a moment; a table to be queried may not.
        return _empty(answer) if run.scenario.rows else None


def _quoted(value: str) -> str:
    from urllib.parse import quote

    return quote(value, safe="")


class Searcher(ScenarioUser):
    """Searches of the catalogue that find something."""

    def step(self, label: str, due: float | None) -> None:
        number = self.number + next(run.numbers)
        body = json.dumps(workflows.search(number)).encode()
        self.send("POST", f"{WORKFLOWS}/search", f"POST workflows/search{label}", body, due=due, check=self._found)

    @staticmethod
    def _found(answer: Any) -> str | None:
        return None if answer["workflows"] else "the search found nothing"


class Importer(ScenarioUser):
    """Two hundred workflows one by one, two hundred as one batch, and a search."""

    expected = frozenset({201})

    def work(self) -> None:
        for body in workflows.bodies(f"{run.name}-one", 200):
            self.send("POST", WORKFLOWS, "POST workflows", json.dumps(body).encode())
        batch = json.dumps(workflows.bodies(f"{run.name}-batch", 200)).encode()
        self.send("POST", f"{WORKFLOWS}/batch", "POST workflows/batch of 200", batch)
        body = json.dumps(workflows.search(0)).encode()
        self.send(
            "POST", f"{WORKFLOWS}/search", "POST workflows/search", body, expected=frozenset({200}),
            check=Searcher._found,
        )  # fmt: skip


_CLASSES = {c.__name__: c for c in (StormWriter, Writer, BatchWriter, OutageWriter, Reader, Searcher, Importer)}


class ScenarioShape(LoadTestShape):
    """All users of the scenario at once; the end when the last of them has its answer."""

    def reset_time(self) -> None:
        """A run begins: which one, its options say."""
        super().reset_time()
        if self.runner is not None:
            _choose(self.runner.environment)

    def tick(self) -> tuple[int, float, list[type[Any]]] | None:
        """How many users of which classes, or None when the scenario is over."""
        wanted = [_CLASSES[name] for name in run.scenario.users]
        count = sum(run.scenario.users.values())
        if run.begin is not None and time.time() > run.begin + run.scenario.seconds + 1.0:
            busy = gathered.working() if isinstance(self.runner, MasterRunner) else run.working
            if not busy or time.time() > run.begin + run.scenario.seconds + GRACE_SECONDS:
                return None
        return count, float(count), wanted


# --- the processes of a run ---------------------------------------------------------------------------------


class Gathered:
    """What the master has heard of its client processes."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.late = 0
        self.busiest = 0.0
        self._working: dict[str, int] = {}

    def take(self, client: str, data: dict[str, Any]) -> None:
        """Add what a process has counted since its last report."""
        self.acknowledged.update(data.get("acknowledged", {}))
        self.late += data.get("late", 0)
        self.busiest = max(self.busiest, data.get("busiest", 0.0))
        self._working[client] = data.get("working", 0)

    def working(self) -> int:
        """Users that still have something to do, as of the last reports."""
        return sum(self._working.values())


gathered = Gathered()


class Share:
    """How much of a core this process uses, second by second."""

    def __init__(self) -> None:
        self.busiest = 0.0
        gevent.spawn(self._watch)

    def _watch(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        while True:
            gevent.sleep(1.0)
            now, used = time.perf_counter(), time.process_time()
            if run.begin is not None and not run.over:
                self.busiest = max(self.busiest, (used - cpu) / (now - wall))
            wall, cpu = now, used


def _own_report() -> dict[str, Any]:
    acknowledged, run.acknowledged = dict(run.acknowledged), Counter()
    late, run.late = run.late, 0
    return {
        "acknowledged": acknowledged,
        "late": late,
        "busiest": _share[0].busiest if _share else 0.0,
        "working": run.working,
    }


_share: list[Share] = []


@events.init_command_line_parser.add_listener
def _arguments(parser: Any) -> None:
    parser.add_argument("--scenario", choices=list(SCENARIOS), default="write_storm", help="what to run")
    parser.add_argument("--scenario-seconds", type=float, help="another length of the scenario")
    parser.add_argument("--run-name", default="", help="what correlation ids begin with", include_in_web_ui=False)
    parser.add_argument("--report", default="", help="write the run's figures there as JSON", include_in_web_ui=False)
    parser.add_argument(
        "--allow-remote", action="store_true", help="load another machine than this", include_in_web_ui=False
    )


@events.init.add_listener
def _init(environment: Any, **_: Any) -> None:
    options, runner = environment.parsed_options, environment.runner
    if options.host:
        try:
            check_target(options.host, allow_remote=options.allow_remote)
        except TargetError as e:
            print(f"loadtest: {e}", file=sys.stderr)
            sys.exit(2)
    run.processes = max(1, options.processes or 1)
    run.name = options.run_name or f"load-{os.getpid() if run.processes == 1 else os.getppid()}"
    if not isinstance(runner, MasterRunner):
        _share.append(Share())
    runner.register_message("begin", lambda environment, msg, **_: _begin(environment, msg.data))
    if options.report and not isinstance(runner, WorkerRunner):
        gevent.spawn(_tell, environment, Path(options.report).with_suffix(".progress"))


def _begin(environment: Any, data: dict[str, Any]) -> None:
    run.index = max(0, environment.runner.worker_index)
    run.name = data["name"]
    run.begin_at(data["at"])


@events.test_start.add_listener
def _start(environment: Any, **_: Any) -> None:
    options = environment.parsed_options
    try:
        check_target(environment.host or "", allow_remote=options.allow_remote)
    except TargetError as e:
        print(f"loadtest: {e}", file=sys.stderr)
        environment.runner.quit()
        return
    _choose(environment)


def _choose(environment: Any) -> None:
    options = environment.parsed_options
    run.scenario = SCENARIOS[options.scenario].scaled(options.scenario_seconds)
    run.index = max(0, getattr(environment.runner, "worker_index", 0))
    run.reset()
    gathered.reset()


@events.spawning_complete.add_listener
def _all_there(user_count: int, **_: Any) -> None:
    runner = _environment[0].runner
    if isinstance(runner, WorkerRunner) or run.begin is not None:
        return
    at = time.time() + LEAD_SECONDS
    run.begin_at(at)
    if isinstance(runner, MasterRunner):
        runner.send_message("begin", {"at": at, "name": run.name})


_environment: list[Any] = []


@events.init.add_listener
def _remember(environment: Any, **_: Any) -> None:
    _environment.append(environment)


@events.report_to_master.add_listener
def _to_master(client_id: str, data: dict[str, Any]) -> None:
    data["datastorage"] = _own_report()


@events.worker_report.add_listener
def _from_worker(client_id: str, data: dict[str, Any]) -> None:
    gathered.take(client_id, data.get("datastorage", {}))


def _tell(environment: Any, path: Path) -> None:
    """Write twice a second how far the run is, for whoever shows it."""
    while True:
        total = environment.stats.total
        fresh = path.with_suffix(".new")
        fresh.write_text(
            json.dumps({"begin": run.begin, "requests": total.num_requests, "failures": total.num_failures})
        )
        fresh.replace(path)
        gevent.sleep(0.5)


@events.quitting.add_listener
def _end(environment: Any, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        return
    if isinstance(environment.runner, LocalRunner):
        gathered.take("local", _own_report())
    report = build(
        run.scenario, environment.stats, acknowledged=dict(gathered.acknowledged), late=gathered.late,
        busiest=gathered.busiest, processes=run.processes, host=environment.host or "", begun=run.begin is not None,
        exceptions=[e["msg"] for e in environment.runner.exceptions.values()],
    )  # fmt: skip
    if environment.parsed_options.report:
        Path(environment.parsed_options.report).write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    for problem in report["problems"]:
        print(f"loadtest: {problem}", file=sys.stderr)
    if gathered.busiest > CLIENT_LIMIT:
        print("loadtest: the client was the limit: use more --processes", file=sys.stderr)
    if report["problems"]:
        environment.process_exit_code = 1
