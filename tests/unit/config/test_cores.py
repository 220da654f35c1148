from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.config import cores
from app.config.settings import ServerSettings


def test_workers_follow_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_AT_START", 4)
    for quota, expected in ((None, 4), (2.5, 2), (0.5, 1), (16.0, 4)):
        monkeypatch.setattr(cores, "cpu_quota", lambda quota=quota: quota)
        assert cores.available_cores() == expected
        assert ServerSettings().effective_workers() == expected
    assert ServerSettings(workers=3).effective_workers() == 3


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processes cannot be pinned here")
def test_a_worker_that_is_pinned_counts_the_cores_of_the_service() -> None:
    # Its share of the connections and of the limits is by the number of workers.
    code = (
        "import os; from app.config.settings import ServerSettings; before = ServerSettings().effective_workers();"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(before, ServerSettings().effective_workers())"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    cores_here = cores.available_cores()
    assert found == [str(cores_here)] * 2


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"/sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        ({"/sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 2.0),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
    ],
)
def test_cpu_quota(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], quota: float | None) -> None:
    def read(path: Path) -> str:
        if str(path) not in files:
            raise FileNotFoundError(str(path))
        return files[str(path)]

    monkeypatch.setattr(cores.Path, "read_text", read)
    assert cores.cpu_quota() == quota
