from __future__ import annotations

import json
import logging
import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.workers.gthread import ThreadWorker

from app.config import HealthSettings, Settings, ShutdownSettings
from app.logs import LineWriter
from app.worker import Worker, unfinished_mark


class FakeServices:
    """Remembers what was done to it."""

    def __init__(self, *, clean: bool = True) -> None:
        self.clean = clean
        self.draining = False
        self.calls: list[str] = []

    def start(self) -> None:
        self.calls.append("start")

    def drain(self) -> None:
        self.draining = True
        self.calls.append("drain")

    def stop(self) -> bool:
        self.calls.append("stop")
        return self.clean


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def info(self, text: str, *arguments: object) -> None:
        self.lines.append(("info", text % arguments))

    def error(self, text: str, *arguments: object) -> None:
        self.lines.append(("error", text % arguments))


class World:
    """A worker without gunicorn's own process, and what reached gunicorn's part of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
        self.reached: list[Any] = []
        self.config: dict[str, Any] = {}
        for name in ("handle_exit", "handle_quit", "run", "enqueue_req"):
            monkeypatch.setattr(ThreadWorker, name, self.reach(name))
        self.worker: Any = Worker.__new__(Worker)
        self.worker.log = Log()
        self.worker.cfg = SimpleNamespace(set=self.config.__setitem__)

    def reach(self, name: str) -> Any:
        def method(worker: Any, *arguments: Any) -> None:
            self.reached.append((name, *arguments))

        return method

    def begin(self, services: FakeServices, **shutdown: Any) -> FakeServices:
        self.worker.wsgi = SimpleNamespace(extensions={"datastorage": services})
        health = HealthSettings(port=9090)
        self.worker.begin(Settings(shutdown=ShutdownSettings(**shutdown), health=health))
        return services


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> World:
    return World(monkeypatch, tmp_path)


EXIT = ("handle_exit", signal.SIGTERM, None)


def test_sigterm_before_the_application_is_loaded(world: World) -> None:
    world.worker.handle_exit(signal.SIGTERM, None)
    world.worker.handle_quit(signal.SIGQUIT, None)
    world.worker.end()
    assert world.reached == [EXIT, ("handle_quit", signal.SIGQUIT, None)]


class FakeTimer:
    """A timer whose time is over when a test says so."""

    def __init__(self, delay: float, function: Any, arguments: Any) -> None:
        self.delay, self.function, self.arguments = delay, function, arguments
        self.started = self.daemon = False

    def start(self) -> None:
        self.started = True

    def ring(self) -> None:
        assert self.started
        self.function(*self.arguments)


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[FakeTimer]:
    """Those that were made."""
    made: list[FakeTimer] = []

    def make(*arguments: Any) -> FakeTimer:
        made.append(FakeTimer(*arguments))
        return made[-1]

    monkeypatch.setattr(threading, "Timer", make)
    return made


def test_sigterm_turns_readiness_off_and_waits_for_load_balancers(world: World, timers: list[FakeTimer]) -> None:
    services = world.begin(FakeServices(), endpoint_propagation_delay=20.5)
    world.worker.handle_exit(signal.SIGTERM, None)
    assert services.draining
    assert world.worker.max_keepalived == 0, "every answer closes its connection"
    assert world.reached == [], "connections are still taken"
    [timer] = timers
    assert (timer.delay, timer.daemon) == (20.5, True)
    timer.ring()
    assert world.reached == [EXIT]


def test_a_second_sigterm_changes_nothing(world: World, timers: list[FakeTimer]) -> None:
    services = world.begin(FakeServices(), endpoint_propagation_delay=20.5)
    for _ in range(3):
        world.worker.handle_exit(signal.SIGTERM, None)
    [timer] = timers
    timer.ring()
    assert world.reached == [EXIT]
    assert services.calls == ["start", "drain"]


def test_without_a_delay_it_stops_at_once(world: World, timers: list[FakeTimer]) -> None:
    world.begin(FakeServices(), endpoint_propagation_delay=0.0)
    world.worker.handle_exit(signal.SIGTERM, None)
    assert world.reached == [EXIT]
    assert timers == []


def test_sigquit_does_not_wait_but_still_flushes(world: World) -> None:
    services = world.begin(FakeServices(), endpoint_propagation_delay=60)
    world.worker.handle_quit(signal.SIGQUIT, None)
    assert world.reached == [EXIT]
    assert services.draining


@pytest.mark.parametrize(("clean", "level"), [(True, "info"), (False, "error")])
def test_the_end(world: World, clean: bool, level: str) -> None:
    services = world.begin(FakeServices(clean=clean), request_timeout=7.9)
    mark = unfinished_mark(os.getpid())
    assert mark.exists()
    world.worker.run()
    world.worker.end()
    assert services.calls == ["start", "stop"], "once, however often it is asked to end"
    assert world.config == {"graceful_timeout": 7}
    assert world.worker.log.lines[-1][0] == level
    assert mark.exists() is not clean, "the master sees what was left behind"


def test_probes_have_threads_of_their_own(world: World) -> None:
    world.begin(FakeServices())
    handled: list[str] = []
    done = threading.Event()
    world.worker.handle = lambda conn: handled.append(threading.current_thread().name)
    world.worker.method_queue = SimpleNamespace(defer=lambda *a: done.set())
    request, probe = (SimpleNamespace(server=("127.0.0.1", port)) for port in (8080, 9090))
    world.worker.enqueue_req(request)
    assert world.reached == [("enqueue_req", request)]
    world.worker.enqueue_req(probe)
    assert done.wait(60)
    assert handled[0].startswith("probe")
    assert len(world.reached) == 1


def test_a_worker_without_a_master_ends_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    services = world.begin(FakeServices())
    world.worker.alive = True
    monkeypatch.setattr(ThreadWorker, "is_parent_alive", lambda worker: True)
    assert world.worker.is_parent_alive()
    assert not services.draining
    monkeypatch.setattr(ThreadWorker, "is_parent_alive", lambda worker: False)
    assert not world.worker.is_parent_alive()
    assert services.draining
    assert world.worker.alive is False


def test_all_that_a_worker_logs_goes_through_one_queue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    writer = LineWriter(write=written.append)
    services = SimpleNamespace(request_log=SimpleNamespace(writer=writer))
    world.worker.wsgi = SimpleNamespace(extensions={"datastorage": services})
    gunicorns = logging.Logger("gunicorn.error")
    world.worker.log = SimpleNamespace(error_log=gunicorns)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    world.worker.open_log(Settings())
    assert writer.running
    gunicorns.info("of gunicorn")
    logging.getLogger("app.x").warning("of ours")
    world.worker.close_log()
    world.worker.close_log()
    assert not writer.running
    gunicorns.info("after the end")
    lines = [json.loads(line)["message"] for line in b"".join(written).splitlines()]
    assert lines == ["of gunicorn", "of ours", "after the end"]
