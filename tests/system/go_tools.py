"""Other people's tools for logs, in Go: our small programs around them (tests/system/go), and tessera's fsck."""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from devserver.processes import Guarded
from tests.tree import ROOT

SOURCE = ROOT / "tests" / "system" / "go"
_FSCK = "github.com/transparency-dev/tessera/cmd/fsck"
_BUILD_SECONDS = 300
_RUN_SECONDS = 120
# fsck ends with 0 whatever it found, or not at all: this line alone says that all is well.
_SUCCESS = re.compile(r"Successfully fsck'd log with size ([0-9]+) and root (\S+) ")
# With -v=1 it shows every second what it has compared; where a tile is wrong it may stand still behind that.
_FAILURE = re.compile(r"^[EF][0-9]{4} |:Invalid|^panic", re.MULTILINE)


@dataclass(frozen=True)
class GoTools:
    """The programs, built."""

    folder: Path

    def run(
        self, name: str, *arguments: str | Path, given: bytes = b"", token: str = ""
    ) -> subprocess.CompletedProcess[bytes]:
        """What a program says; it ends by itself."""
        command = [self.folder / name, *arguments]
        environ = {**os.environ, "LOG_TOKEN": token}
        return subprocess.run(command, input=given, capture_output=True, timeout=_RUN_SECONDS, check=False, env=environ)

    def says(self, name: str, *arguments: str | Path, given: bytes = b"", token: str = "") -> str:
        """The output of a program that accepts what it is given."""
        done = self.run(name, *arguments, given=given, token=token)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def refuses(self, name: str, *arguments: str | Path, given: bytes = b"", token: str = "") -> str:
        """Why a program does not accept what it is given."""
        done = self.run(name, *arguments, given=given, token=token)
        assert done.returncode == 1, f"accepted: {done.stdout.decode()}"
        return done.stderr.decode()

    def fsck(self, url: str, key: Path, *, token: str = "") -> tuple[int, str] | None:
        """The size and the root that tessera's fsck found and compared with the checkpoint; None where it did not.

        It is ended as soon as it has said that something is wrong: it may not end by itself.
        """
        command: list[str | Path] = [
            self.folder / "fsck",
            "-ui=false",
            "-v=1",
            f"-storage_url={url}",
            f"-public_key={key}",
        ]
        if token:
            command.append(f"-bearer_token={token}")
        process = Guarded(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            said = _read(process)
        finally:
            process.kill()
            process.wait()
        found = _SUCCESS.search(said)
        return None if found is None else (int(found[1]), found[2])


def _read(process: Guarded) -> str:
    """What it says until it ends, or says that something is wrong."""
    assert process.stderr is not None
    said = b""
    deadline = time.monotonic() + _RUN_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while not _FAILURE.search(said.decode(errors="replace")):
            assert time.monotonic() < deadline, f"fsck neither ended nor said why: {said.decode(errors='replace')}"
            if selector.select(0.5):
                more = os.read(process.stderr.fileno(), 65536)
                if not more:
                    break
                said += more
    return said.decode(errors="replace")


def build(folder: Path) -> GoTools:
    """Build the programs, or skip: without Go, or where its modules cannot be had."""
    if shutil.which("go") is None:
        pytest.skip("needs Go (https://go.dev)")
    # No other version of Go is fetched, and no module but those that go.sum names.
    environ = {**os.environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    got = _go(["go", "mod", "download"], environ)
    if got.returncode != 0:
        pytest.skip(f"Go cannot get the modules of tests/system/go here: {got.stderr.strip()[-300:]}")
    made = _go(["go", "build", "-o", f"{folder}/", "./...", _FSCK], environ)
    assert made.returncode == 0, made.stderr
    return GoTools(folder)


def _go(command: list[str], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=SOURCE, env=environ, capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
    )
