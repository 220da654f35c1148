"""The service under gunicorn with something inside that counts, and a line to it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from devserver.processes import Guarded
from tests.counts.proxy import Proxy
from tests.support import GunicornService, wait_until

# What does not depend on the service alone: locks and clocks go by what else runs, memory by the allocator.
_NOT_TRACED = (
    "futex", "clock_gettime", "clock_nanosleep", "sched_yield", "mmap", "munmap", "madvise", "brk", "mremap",
    "mprotect", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "restart_syscall",
)  # fmt: skip
# A service is at rest when it was found to be in so many looks, so far apart: it has called nothing since the one
# before, waits for no answer, and no thread is at work or would be if it had a processor.
_QUIET_LOOKS = 2
_QUIET_SECONDS = 0.005
_ANSWER_SECONDS = 60.0


def environment(folder: Path) -> dict[str, str]:
    """Variables of a measured process: the same few on every machine, since the service looks at each one."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    # No COVERAGE_*: its tracer would be counted. Sets and dictionaries keep one order by the seed.
    return {**kept, "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


def strace(file: Path) -> list[str]:
    """The command that traces what follows it, or nothing where that cannot be done."""
    command = ["strace", "-f", "-qq", "-s", "32", "-e", "signal=none", "-e", f"trace=!{','.join(_NOT_TRACED)}", "-o"]
    if shutil.which("strace") is None:
        return []
    tried = subprocess.run([*command, "/dev/null", "true"], capture_output=True, check=False)
    return [*command, str(file)] if tried.returncode == 0 else []


class CountedService(GunicornService):
    """gunicorn with the service's own gunicorn.conf.py and one worker, started by `tests.counts.launch`.

    ``traced``: what stands in front of the command; ``recorded``: where memray writes, or None to count calls.
    """

    def __init__(
        self,
        environ: dict[str, str],
        folder: Path,
        *,
        module: str = "app.wsgi:application",
        traced: list[str] | None = None,
        recorded: Path | None = None,
    ) -> None:
        super().__init__(environ, folder / "service.log", module=module)
        given = {k: v for k, v in self._environ.items() if k.startswith("DATASTORAGE_")}
        self._environ = {**environment(folder), **given, **environ, "DATASTORAGE_SERVER__WORKERS": "1"}
        if recorded is not None:
            self._environ["COUNTS_BYTES"] = str(recorded)
        self._traced = traced or []
        self._control: socket.socket | None = None
        self._lines: Any = None
        self.threads: dict[str, Any] = {}

    def start(self, *, ready: bool = True) -> None:
        """Start, and wait until it is ready."""
        ours, theirs = socket.socketpair()
        with theirs, open(self.log, "ab") as log:
            self.process = Guarded(
                [*self._traced, sys.executable, "-m", "tests.counts.launch",
                 "-c", str(self.root / "gunicorn.conf.py"), self.module],
                cwd=self.root,
                env={**self._environ, "COUNTS_CONTROL": str(theirs.fileno())},
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )  # fmt: skip
        ours.settimeout(_ANSWER_SECONDS)
        self._control, self._lines = ours, ours.makefile("rw")
        try:
            self.threads = self.tell("threads")
        except (OSError, ValueError):
            raise AssertionError("gunicorn did not start:\n" + self.log.read_text()[-3000:]) from None
        if ready:
            wait_until(lambda: self.alive() and self.probe("/health/ready") == 200, 30, "/health/ready of gunicorn")

    def probe(self, path: str, *, port: int | None = None, timeout: float = 2.0) -> int:
        """Status code of a GET at the health port: threads of its own answer there, which are not counted."""
        return super().probe(path, port=port or self.health_port, timeout=timeout)

    def tell(self, *command: str) -> Any:
        """Send a command to the worker; its answer."""
        self._lines.write(json.dumps(command) + "\n")
        self._lines.flush()
        return json.loads(self._lines.readline())

    def settle(self, proxy: Proxy, purposes: tuple[str, ...], *, calls: bool = True) -> None:
        """Wait until every thread that serves waits for the next request. AssertionError if that takes too long."""
        serving = self.tell("threads")["serving"]
        before, quiet = -1, 0
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            time.sleep(_QUIET_SECONDS)
            now = self.tell("total") if calls else 0
            rests = now == before and proxy.heard.idle(purposes) and self._asleep(serving)
            quiet = quiet + 1 if rests else 0
            if quiet == _QUIET_LOOKS:
                return
            before = now
        raise AssertionError(f"the service did not come to rest within {_ANSWER_SECONDS:g} s")

    def _asleep(self, threads: list[int]) -> bool:
        """Whether each of these threads waits for something; True where the kernel does not say."""
        if sys.platform != "linux":
            return True
        tasks = Path(f"/proc/{self.threads['process']}/task")
        states = [(tasks / str(thread) / "stat").read_text().rpartition(")")[2].split()[0] for thread in threads]
        return all(state == "S" for state in states)

    def stop(self, how: signal.Signals = signal.SIGKILL, timeout: float = 30.0) -> int:
        """End it at once: nothing that it would still do is measured."""
        assert self.process is not None
        if self._control is not None:
            self._lines.close()
            self._control.close()
        # Not strace: it ends by itself, when it has written everything down.
        for name in ("parent", "process"):
            with contextlib.suppress(ProcessLookupError):
                if name in self.threads:
                    os.kill(self.threads[name], how)
        if not self.threads:
            os.killpg(self.process.pid, how)
        return self.process.wait(timeout)
