"""How many cores this process may use."""

from __future__ import annotations

import os
from pathlib import Path

# As this process was started. A worker has this from its master, and is pinned to one core afterwards: what it may use
# then is its own share, and no number of workers.
_AT_START = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def available_cores() -> int:
    """Cores that the service may use, the same in all its processes; at least 1.

    The affinity at the start, bounded by a cgroup quota where one is set.
    """
    quota = cpu_quota()
    return max(1, min(_AT_START, int(quota)) if quota else _AT_START)


def cpu_quota() -> float | None:
    """The cgroup's CPU quota in cores (cgroup v2, then v1), or None where there is none."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        base = Path("/sys/fs/cgroup/cpu")
        quota = int((base / "cpu.cfs_quota_us").read_text())
        return quota / int((base / "cpu.cfs_period_us").read_text()) if quota > 0 else None
    except (OSError, ValueError):
        return None
