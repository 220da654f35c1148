from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.server.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    made = World()
    yield made
    made.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)
