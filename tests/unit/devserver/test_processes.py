"""Child processes that do not outlive us."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from devserver import (
    Child,
    DevError,
    processes,
)
from tests.support import wait_until


def _sleeper(code: str = "import time; print('up', flush=True); time.sleep(600)") -> Child:
    return Child("sleeper", [sys.executable, "-c", code], orphan_signal=signal.SIGTERM)


def test_a_child_stops_when_asked() -> None:
    child = _sleeper()
    assert child.exit_code() is None
    child.stop(signal.SIGTERM, 30)
    assert child.exit_code() == -signal.SIGTERM


def test_a_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    up = tmp_path / "up"
    child = _sleeper(
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(up)!r}).touch(); time.sleep(600)"
    )
    wait_until(up.exists)
    with pytest.raises(DevError, match=r"sleeper did not stop within 0\.1 s and was killed"):
        child.stop(signal.SIGTERM, 0.1)
    assert child.exit_code() == -signal.SIGKILL


def test_a_frozen_child_stops_too() -> None:
    child = _sleeper()
    child.freeze()
    child.stop(signal.SIGTERM, 30)
    assert child.exit_code() == -signal.SIGTERM


def test_a_child_that_cannot_start_is_one_clear_line() -> None:
    with pytest.raises(DevError, match=r"nothing cannot be started: .*No such file"):
        Child("nothing", ["/nonexistent/program"], orphan_signal=signal.SIGTERM)


def test_a_child_for_which_there_is_no_room_is_one_clear_line() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull, "rb") as file:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (file.fileno() + 1, before[1]))
            with pytest.raises(DevError, match=r"true cannot be started: .*Too many open files"):
                Child("true", ["true"], orphan_signal=signal.SIGTERM)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_child_whose_guard_is_gone_is_not_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ctrl-C reaches a guard that has no session of its own yet."""
    gone = tmp_path / "gone.py"
    gone.touch()
    monkeypatch.setattr(processes.guard, "__file__", str(gone))
    real, started = subprocess.Popen, []

    def popen(*arguments: Any, **keywords: Any) -> Any:
        if started:
            started[0].wait()
        started.append(real(*arguments, **keywords))
        return started[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", popen)
    with pytest.raises(DevError, match=r"sleeper cannot be started: .*Broken pipe"):
        _sleeper()
    _, sleeper = started
    assert sleeper.returncode == -signal.SIGKILL


def test_a_child_is_waited_for() -> None:
    assert _sleeper("raise SystemExit(3)").wait() == 3


def test_a_process_that_is_gone_has_no_children_and_is_not_there() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(ended.pid)
    ended.wait()
    assert processes.children(ended.pid) == []

    class Vanishing:
        """Ends between two looks at it."""

        def is_running(self) -> bool:
            raise psutil.NoSuchProcess(ended.pid)

    vanishing: Any = Vanishing()
    assert processes.still_there([process, vanishing], 60) == []
