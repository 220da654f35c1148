"""Whose children a process has, and the guard that ends them when it is gone.

Run as a program it is the guard; it imports little, since every embedded server starts one.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time

import psutil

_POLL = 0.005


def children(pid: int) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def still_there(processes: list[psutil.Process], timeout: float) -> list[psutil.Process]:
    """Those that have not ended within ``timeout`` seconds; one that only its parent has yet to reap has ended."""
    deadline = time.monotonic() + timeout
    left = processes
    while True:
        left = [process for process in left if _runs(process)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(_POLL)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def watch_over(parent: int, orphan_signal: int, grace: float = 10.0) -> None:
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
    family = [child, *children(child.pid)] if child.is_running() else []
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in reversed(family):
            process.resume()  # a frozen process would not see the signal
        child.send_signal(orphan_signal)
    for process in still_there(family, grace):
        for victim in [process, *children(process.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()


if __name__ == "__main__":
    watch_over(int(sys.argv[1]), int(sys.argv[2]))
