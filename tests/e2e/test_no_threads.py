"""The system gives no more threads or processes: the service waits for room, says so, and goes on by itself.

A control group of a test's own has the limit, as a container's has.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.support import GunicornService, event, wait_until

GROUPS = Path("/sys/fs/cgroup")
EVENTS = "/api/v1/audit/events"


class Group:
    """How many threads and processes there may be, the service's all together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def used(self) -> int:
        return int((self._folder / "pids.current").read_text())

    def admit(self, most: int | None) -> None:
        (self._folder / "pids.max").write_text("max" if most is None else str(most))

    def take_in(self, process: psutil.Process) -> None:
        for one in (process, *process.children(recursive=True)):
            (self._folder / "cgroup.procs").write_text(str(one.pid))

    def remove(self) -> None:
        wait_until(self._removed, what="nobody is left in the group")

    def _removed(self) -> bool:
        with contextlib.suppress(OSError):
            self._folder.rmdir()
        return not self._folder.exists()


@pytest.fixture
def group() -> Iterator[Group]:
    for parent in (GROUPS / "pids", GROUPS):  # version 1, version 2
        folder = parent / f"datastorage-test-{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / "pids.max").exists():
            yield (made := Group(folder))
            made.remove()
            return
        folder.rmdir()
    pytest.skip("a limit of a test's own needs the right to make a control group with pids")


@pytest.fixture
def service(group: Group, run_service: Callable[..., GunicornService]) -> Iterator[GunicornService]:
    made = run_service(start=False, server__workers="2", server__threads="8")
    yield made
    group.admit(None)
    if made.process is not None:
        made.kill()


def started(service: GunicornService, group: Group, most: int | None) -> psutil.Process:
    group.admit(most)
    service.launch()
    assert service.process is not None
    master = psutil.Process(service.process.pid)
    group.take_in(master)
    return master


def lines(service: GunicornService, text: str) -> int:
    return service.log.read_text().count(text)


def said_more(service: GunicornService, text: str, times: int) -> bool:
    return lines(service, text) >= times


def test_workers_that_cannot_start_their_threads_are_tried_again(service: GunicornService, group: Group) -> None:
    said = "cannot start its threads: can't start new thread; another one is tried in 2 s"
    started(service, group, 3)
    for most in (3, 8):  # with none of them, with some
        group.admit(most)
        before = lines(service, said)
        wait_until(partial(said_more, service, said, before + 1), what="it says so")
        assert service.alive()
    group.admit(None)
    wait_until(lambda: service.probe("/health/ready") == 200, what="ready by itself")
    assert service.request("POST", EVENTS, event()).status == 201
    assert "Traceback" not in service.log.read_text()
    assert service.stop() == 0, service.log.read_text()


def test_a_worker_that_cannot_be_forked_is_tried_again(service: GunicornService, group: Group) -> None:
    master = started(service, group, None)
    wait_until(lambda: service.alive() and service.probe("/health/ready") == 200, what="ready")
    wait_until(lambda: service.metrics()["datastorage_buffer_capacity"] == 2000, what="both workers")
    first, second = master.children()
    group.admit(1)
    first.kill()
    wait_until(lambda: lines(service, "no worker can be started"), what="it says so")
    assert (master.is_running(), second.is_running()) == (True, True)
    # The other one goes on with the threads that it has.
    for _ in range(20):
        assert service.request("POST", EVENTS, event()).status == 201
    group.admit(None)
    wait_until(lambda: len(master.children()) == 2, what="its successor")
    wait_until(lambda: service.probe("/health/ready") == 200, what="ready")
    assert "Traceback" not in service.log.read_text()
    assert service.stop() == 0, service.log.read_text()
