from __future__ import annotations

from pathlib import Path

import pytest

from app.config import cores
from app.config.settings import ServerSettings


def test_workers_follow_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    for quota, expected in ((None, 4), (2.5, 2), (0.5, 1), (16.0, 4)):
        monkeypatch.setattr(cores, "cpu_quota", lambda quota=quota: quota)
        assert cores.available_cores() == expected
        assert ServerSettings().effective_workers() == expected
    assert ServerSettings(workers=3).effective_workers() == 3


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
