"""Consumers of the feed beside the writers, each a process that is killed and goes on from its cursor."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.campaign.load import SEVERITIES
from devserver.processes import Guarded
from tests.tree import ROOT

ALL_KINDS = {"kinds": "audit_event,notification,act"}
FILTERED = {"severity": SEVERITIES[0]}  # about one event in three
_GROWS_SECONDS = 2.0
_A_RECORD_BYTES = 60  # at the least; the line at the beginning of a run has fewer


class FollowerProcess:
    """One consumer, and the folder in which it keeps what it got."""

    def __init__(self, name: str, folder: Path, ports: list[int], query: dict[str, str]) -> None:
        """``query`` is what it asks for beside cursor, limit and wait."""
        self.name = name
        self.query = query
        self.items = folder / "items"
        self.lock = threading.Lock()  # who has it may kill
        self._folder = folder
        self._ports = ports
        self._process: Guarded | None = None
        self._starts = 0
        folder.mkdir()

    def start(self) -> None:
        """Start it: from the beginning, or from the cursor that it has kept."""
        self._starts += 1
        ports, seed = ",".join(map(str, self._ports)), f"{self.name}-{self._starts}"
        command = ["-m", "bench.campaign.follower", str(self._folder), seed, ports, json.dumps(self.query)]
        self._process = Guarded([sys.executable, *command], cwd=ROOT)

    def kill(self, rng: random.Random) -> None:
        """Kill it at any moment, or in the one after it has kept something, which the cursor is not behind yet.

        Raises AssertionError if it has ended by itself.
        """
        if rng.random() < 0.5:
            self._wait_until_it_grows()
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} has ended with {self._process.returncode}"
        self._process.kill()
        self._process.wait()

    def drain(self, seconds: float) -> None:
        """Have it end where the feed does. Raises AssertionError if it does not, or has ended before."""
        assert self._process is not None
        assert self._process.poll() is None, f"{self.name} has ended with {self._process.returncode}"
        (self._folder / "stop").touch()
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not come to the end of the feed within {seconds:g} s") from None
        assert code == 0, f"{self.name} ended with {code}"

    def end(self) -> None:
        """End it, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def lines(self) -> Iterator[list[Any]]:
        """What it has kept, in the order in which it came (see `bench.campaign.follower`)."""
        with open(self.items, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)

    def _wait_until_it_grows(self) -> None:
        """Until it has kept something, or for a while: there may be nothing."""
        before, deadline = self._size(), time.monotonic() + _GROWS_SECONDS
        while self._size() < before + _A_RECORD_BYTES and time.monotonic() < deadline:
            time.sleep(0.0005)

    def _size(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self.items.stat().st_size
        return 0


@contextlib.contextmanager
def following(directory: Path, ports: list[int]) -> Iterator[list[FollowerProcess]]:
    """One that takes all of the log and one with a filter, at work during the block."""
    queries = {"everything": ALL_KINDS, "filtered": FILTERED}
    made = [FollowerProcess(name, directory / f"follower-{name}", ports, query) for name, query in queries.items()]
    try:
        for each in made:
            each.start()
        yield made
    finally:
        for each in made:
            each.end()
