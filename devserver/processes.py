"""Child processes that do not outlive us."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from devserver import guard
from devserver.accounts import Account, identity
from devserver.errors import DevError
from devserver.guard import children, still_there

# SIGKILL takes effect at once, unless the process hangs in the kernel on a broken disk.
KILL_TIMEOUT = 30.0

# Other users must not read events: what a child writes is for its owner alone, also where our umask is wider.
PRIVATE_UMASK = 0o077


class Guard:
    """A process that ends a child of ours when we are gone, whichever way we went.

    Linux' parent-death signal would do for most of that, but it fires when the *thread* that started the child ends,
    is lost at a change of user, and leaves a frozen child and all that the child has started.
    """

    def __init__(self, orphan_signal: signal.Signals) -> None:
        """Before the child is started; ``orphan_signal`` is what it is sent when we are gone."""
        self._process = subprocess.Popen(
            [sys.executable, "-P", guard.__file__, str(os.getpid()), str(int(orphan_signal))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def watch(self, pid: int) -> None:
        """Say which child it is. OSError if the guard has ended."""
        assert self._process.stdin is not None  # noqa: S101 - Popen was told so
        self._process.stdin.write(b"%d\n" % pid)
        self._process.stdin.flush()

    def release(self) -> None:
        """End the guard, whose child is gone; safe to call again."""
        # It ends at the end of its input; with the child gone it has nothing to do.
        if self._process.stdin is not None and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait()


class Guarded(subprocess.Popen[bytes]):
    """A child process as `subprocess` makes it that does not outlive us, nor do its own children.

    It must be waited for, or polled until it has ended, as any other.
    """

    def __init__(self, args: Sequence[str | Path], *, orphan_signal: signal.Signals = signal.SIGKILL, **rest: Any):
        """As Popen; ``orphan_signal`` is what the guard sends when we are gone."""
        self._guard = Guard(orphan_signal)
        try:
            super().__init__([os.fspath(a) for a in args], **rest)
        except BaseException:
            self._guard.release()
            raise
        try:
            self._guard.watch(self.pid)
        except OSError:  # ended by a signal to all of us for example: the child must not be left alone
            self.kill()
            self.wait()
            raise

    def poll(self) -> int | None:
        """None while it runs, else its exit code."""
        code = super().poll()
        if code is not None:
            self._guard.release()
        return code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code when it has ended. subprocess.TimeoutExpired if that takes longer."""
        code = super().wait(timeout)
        self._guard.release()
        return code


class Child:
    """A child process in a session of its own that does not outlive us.

    A session of its own keeps Ctrl-C in a terminal away from it: we decide who stops when. A guard ends the child
    when we are gone.
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
        umask: int = -1,
    ) -> None:
        """Start ``args``; ``orphan_signal`` is what the guard sends when we are gone. DevError if it fails."""
        self.name = name
        process: subprocess.Popen[bytes] | None = None
        try:
            self._guard = Guard(orphan_signal)
        except OSError as e:
            raise DevError(f"{name} cannot be started: {e}") from e
        try:
            self._process = process = subprocess.Popen(
                [os.fspath(a) for a in args],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                cwd=cwd,
                env=env,
                start_new_session=True,
                pass_fds=pass_fds,
                umask=umask,
                **identity(account),
            )
            self._guard.watch(self._process.pid)
        except (OSError, subprocess.SubprocessError) as e:
            if process is not None:  # the guard ended before it knew of it, by a signal to all of us for example
                self.kill()
            self._guard.release()
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
        self._guard.release()
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
        self._guard.release()

    def kill(self) -> None:
        """SIGKILL it and everything below it; returns when all are gone."""
        if self.exit_code() is None:
            # Stopped first, so that it cannot start another child between our look and our shot.
            self._process.send_signal(signal.SIGSTOP)
            below = children(self.pid)
            self._process.kill()
            self._process.wait()
            for process in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            left = still_there(below, KILL_TIMEOUT)
            if left:
                raise DevError(f"{self.name}: process {left[0].pid} does not end, even by SIGKILL")
        self._guard.release()

    def freeze(self) -> None:
        """SIGSTOP it and everything below it: it keeps its sockets and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        for process in children(self.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """SIGCONT it and everything below it; harmless if it was not frozen."""
        for process in children(self.pid):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
        self._process.send_signal(signal.SIGCONT)


def processes_in(folder: Path, names: tuple[str, ...]) -> list[int]:
    """Processes with one of these names whose working directory is ``folder``, as far as we may look."""
    where = folder.resolve()
    found: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # gone meanwhile, or of another user
            if process.name() in names and Path(process.cwd()) == where:
                found.append(process.pid)
    return found
