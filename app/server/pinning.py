"""A core for each worker: threads of one interpreter lose half their speed when they run on several cores."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from app.config.cores import cpu_quota


def wanted(pin_workers: str, workers: int) -> bool:
    """Whether workers are pinned: server.pin_workers, where auto asks for a core each and no CPU quota."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    if pin_workers != "auto":
        return pin_workers == "always"
    return cpu_quota() is None and 1 < workers <= len(os.sched_getaffinity(0))


def free_core(taken: Iterable[int]) -> int:
    """A core of this process that no other worker has, or the first one."""
    used = set(taken)
    cores = sorted(os.sched_getaffinity(0))
    return next((core for core in cores if core not in used), cores[0])


def pin(core: int) -> None:
    """Keep this process on that core."""
    os.sched_setaffinity(0, {core})
    # A flush wakes many waiting threads at once. Each would interrupt the flusher on their common core, only to find
    # the interpreter taken and go back to sleep; batch threads wait until the flusher sleeps.
    # Needs no privilege, but a sandbox may refuse the call: then the worker is slower, and starts all the same.
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
