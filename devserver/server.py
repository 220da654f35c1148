"""What the embedded servers share.

Layout of a server's data directory, which is for its owner alone: ``lock`` (held while the server runs),
``server.log``, ``passwords.json``, and the data in ``pgdata/`` or ``appendonlydir/``.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from devserver.errors import DevError, StartCancelledError
from devserver.locks import hold, private
from devserver.ports import free_port, port_is_free
from devserver.processes import Child, processes_in

# Crash recovery replays the log since the last checkpoint and may take this long.
READY_TIMEOUT = 60.0
# A run that was killed leaves its servers to their guards; a start right after it waits so long for them to be gone.
PREDECESSOR_TIMEOUT = 20.0
MAX_LOG_BYTES = 16 * 1024**2

_POLL = 0.02


class Server:
    """What the embedded servers share: a locked data directory, one child, a log, a port that stays.

    `start` is `launch` and `wait_ready`; call the two apart to start several servers at once. After `stop` or
    `kill` the same object can be started again and comes up at the same port with the same data. Its methods are
    for one thread at a time.
    """

    name: str
    _process_names: tuple[str, ...]

    def __init__(self, data_dir: Path, *, port: int | None, settings: Mapping[str, str]) -> None:
        self.data_dir = data_dir.absolute()
        self.log_file = self.data_dir / "server.log"
        self.settings = dict(settings)
        self._port = port
        self._child: Child | None = None
        self._lock: int | None = None
        self._log_start = 0
        self._home = self.data_dir  # the server's working directory

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """TCP port on 127.0.0.1; known from the first `launch` on."""
        if self._port is None:
            raise DevError(f"{self.name} has no port before its first start")
        return self._port

    @property
    def pid(self) -> int:
        """Process id of the server (of PostgreSQL: the postmaster); DevError when it does not run."""
        return self._running().pid

    def exit_code(self) -> int | None:
        """None while it runs or when it was never launched; negative is the signal that ended it."""
        return self._child.exit_code() if self._child is not None else None

    def start(self, cancel: threading.Event | None = None) -> None:
        """Start and wait until it answers; DevError, with the reason, if it does not. ``cancel`` gives up."""
        self.launch()
        self.wait_ready(cancel)

    def launch(self) -> None:
        """Make what is missing in the data directory and start the process, without waiting for it."""
        if self._child is not None:
            raise DevError(f"{self.name} runs already")
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            self.data_dir.chmod(0o700)  # also where an earlier release made it
            self._lock = hold(self.data_dir / "lock", self.name)
        except OSError as e:
            raise DevError(f"cannot use {self.data_dir}: {e.strerror}; choose another folder with DATA_DIR=...") from e
        try:
            self._wait_for_predecessor()
            if self._port is None:
                self._port = free_port()
            elif not port_is_free(self._port):
                raise DevError(
                    f"port {self._port} for {self.name} is in use: stop what listens there, or choose another"
                )
            self._launch()
        except OSError as e:  # of one of its files: a full disk, no descriptor left
            self._unlock()
            raise DevError(f"{self.name} cannot be started: {e}") from e
        except BaseException:
            self._unlock()
            raise

    def wait_ready(self, cancel: threading.Event | None = None, timeout: float = READY_TIMEOUT) -> None:
        """Wait until it answers requests; DevError, and it is gone, if it ends or does not within ``timeout``."""
        child = self._running()
        try:
            for _ in waiting(timeout, cancel):
                if (code := child.exit_code()) is not None:
                    raise DevError(f"{self.name} ended at its start with exit code {code}: {self._reason()}")
                if self._is_ready():
                    self._prepare()
                    return
            raise DevError(f"{self.name} was not ready within {timeout:g} s: {self._reason()}")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL, as in a crash; returns when the whole server is gone. Harmless if it does not run."""
        if self._child is not None:
            self._child.kill()
            self._child = None
        self._unlock()

    def freeze(self) -> None:
        """SIGSTOP the whole server: connections stay, nothing is answered."""
        self._running().freeze()

    def thaw(self) -> None:
        """SIGCONT the whole server."""
        self._running().thaw()

    def close(self) -> None:
        """Stop it if it runs, in the way that suits it best."""
        raise NotImplementedError

    def _launch(self) -> None:
        raise NotImplementedError

    def _is_ready(self) -> bool:
        raise NotImplementedError

    def _prepare(self) -> None:
        """Whatever is to be done once it answers."""

    def _wait_for_predecessor(self) -> None:
        """Wait until no server of an earlier run, one that was killed, is left; DevError if one stays."""
        for _ in waiting(PREDECESSOR_TIMEOUT, None):
            busy = processes_in(self._home, self._process_names)
            if not busy:
                return
        raise DevError(
            f"{self._home} is in use by process {busy[0]}: stop it, or choose another folder with DATA_DIR=..."
        )

    def _running(self) -> Child:
        if self._child is None:
            raise DevError(f"{self.name} does not run")
        return self._child

    def _stop(self, how: signal.Signals, timeout: float) -> None:
        if self._child is not None:
            try:
                self._child.stop(how, timeout)
            finally:
                self._child = None
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @contextlib.contextmanager
    def _log(self) -> Iterator[IO[bytes]]:
        """The log, open for the server's output; one older log is kept."""
        if self.log_file.exists() and self.log_file.stat().st_size > MAX_LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with open(self.log_file, "ab", opener=private) as log:
            self._log_start = log.tell()
            yield log

    def _reason(self) -> str:
        """The line of this start's log that says most, and where to read on."""
        with open(self.log_file, "rb") as log:
            log.seek(self._log_start)
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        telling = [line for line in lines if re.search(r"FATAL|PANIC|# |rror", line)] or lines
        return f"{telling[-1].strip()} (see {self.log_file})" if telling else f"see {self.log_file}"

    def _password(self, who: str) -> str:
        """The password of ``who``, drawn at random when there is none yet."""
        path = self.data_dir / "passwords.json"
        known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        if who not in known:
            known[who] = secrets.token_urlsafe(24)
            fresh = path.with_suffix(".new")
            with open(fresh, "w", encoding="utf-8", opener=private) as stream:
                json.dump(known, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(path)
        return known[who]


def waiting(timeout: float, cancel: threading.Event | None) -> Iterator[None]:
    """Turns of a waiting loop until ``timeout`` seconds are over; StartCancelledError as soon as ``cancel`` is set."""
    event = cancel if cancel is not None else threading.Event()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        yield
        if event.wait(_POLL):
            raise StartCancelledError("stopped while starting")


def package(module: str, distribution: str) -> Path:
    """Folder of an installed package, without importing it: its import starts things."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise DevError(
            f"{distribution} is not installed: install 'datastorage[dev]', "
            "or use servers of your own with DATABASE_URL and REDIS_URL"
        )
    return Path(spec.origin).parent
