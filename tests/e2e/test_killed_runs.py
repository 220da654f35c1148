"""A test, a benchmark or a campaign that is killed leaves none of its processes behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import ROOT, Database, free_port, wait_until

pytestmark = pytest.mark.embedded

_SERVICE = """
import sys, threading
from pathlib import Path
from tests.support import GunicornService
service = GunicornService({{"DATASTORAGE_DATABASE__URL": {url!r}}}, Path({folder!r}, "gunicorn.log"))
service.start()
threading.Event().wait()
"""
_COUNTED = """
import threading
from pathlib import Path
from tests.counts.service import CountedService
CountedService({{"DATASTORAGE_DATABASE__URL": {url!r}}}, Path({folder!r})).start()
threading.Event().wait()
"""


class Killed:
    """A process with a session of its own, to be killed alone, and everything below it that was seen."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        self.log = folder / "killed.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={
                    **os.environ,
                    "TMPDIR": str(folder),
                    "PYTHONPATH": str(ROOT),
                    "PORT": str(free_port()),
                    "DATA_DIR": str(folder / "data"),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.seen: set[psutil.Process] = set()

    def named(self, name: str) -> int:
        """How many processes below it have this in their command line."""
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        now = psutil.Process(self.process.pid).children(recursive=True)
        self.seen.update(now)
        return sum(name in " ".join(command_of(process)) for process in now)

    def kill(self) -> None:
        """As the kernel does when memory runs out, or a job that takes too long."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def left(self) -> list[psutil.Process]:
        """What still runs of all that was seen, and of what that has started since."""
        return [process for process in self.seen if runs(process)]


def command_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Killed]]:
    made: list[Killed] = []
    yield made
    for each in made:
        each.process.kill()
        each.process.wait()
        for process in each.left():
            process.kill()


# What is started, and what is to be seen of it before the shot: part of a command line, and how often.
KINDS = {
    "service": (["-c", _SERVICE], {"gunicorn": 2}),
    "counted service": (["-c", _COUNTED], {"tests.counts.launch": 2}),
    "local run": (["-m", "datastorage_client.cli.main", "dev"], {"gunicorn": 2, "postgres": 2, "valkey": 1}),
    "campaign": (["-m", "bench.campaign", "--seconds", "600"], {"gunicorn": 4, "postgres": 2, "spawn_main": 2}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_outlives_what_is_killed(kind: str, database: Database, tmp_path: Path, started: list[Killed]) -> None:
    arguments, expected = KINDS[kind]
    if arguments[0] == "-c":
        arguments = ["-c", arguments[1].format(url=database.service_url, folder=str(tmp_path))]
    killed = Killed(arguments, tmp_path)
    started.append(killed)
    for name, count in expected.items():
        wait_until(lambda n=name, c=count: killed.named(n) >= c, 120, f"{count} × {name}")  # type: ignore[misc]
    killed.kill()
    wait_until(lambda: not killed.left(), 120, f"the end of all of {kind}")
