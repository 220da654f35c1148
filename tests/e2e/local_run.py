"""A `datastorage dev` for tests to start, use and stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil

from devserver.processes import Guarded
from tests.support import PATIENT, GunicornService, environ_of, event, free_port, wait_until

# Where the project is worked on.
COMMAND = (sys.executable, "-m", "datastorage_client.cli.main")


class LocalRun:
    """One `datastorage dev`, as a terminal would start it: with a process group of its own."""

    def __init__(
        self,
        output: Path,
        environ: dict[str, str],
        umask: int = -1,
        command: Sequence[str | Path] = COMMAND,
        cwd: Path | None = None,
    ) -> None:
        self.port = int(environ.get("PORT") or free_port())
        self.output = output
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DATASTORAGE_", "PROMETHEUS_", "CONFIG_PATH"))}
        kept |= environ_of(PATIENT)
        for name in ("DATABASE_URL", "REDIS_URL"):
            kept.pop(name, None)
        with open(output, "wb") as stream:
            self.process = Guarded(
                [*command, "dev"],
                orphan_signal=signal.SIGTERM,
                env={**kept, "PORT": str(self.port), "DATASTORAGE_SERVER__WORKERS": "1", **environ},
                cwd=cwd,
                umask=umask,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        # Only the client half of it is used.
        self.request = GunicornService({}, output, port=self.port).request

    @property
    def text(self) -> str:
        return self.output.read_text()

    def ready(self) -> LocalRun:
        """Wait for the banner."""

        def seen() -> bool:
            assert self.process.poll() is None, self.text
            return "Ctrl-C stops everything" in self.text

        wait_until(seen, 60, "the banner")
        return self

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def ctrl_c(self) -> int:
        """What a terminal does; the exit code."""
        os.killpg(self.process.pid, signal.SIGINT)
        return self.process.wait(60)

    def put(self, correlation: str) -> int:
        return self.request("POST", "/api/v1/audit/events", event(correlation_id=correlation)).status

    def count(self, correlation: str) -> int:
        return len(self.request("GET", f"/api/v1/audit/events?correlation_id={correlation}").json["data"])

    def end(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
