"""The lock of a data directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devserver import (
    DevError,
    locks,
)


def test_a_data_directory_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    held = locks.hold(tmp_path / "lock", "Valkey")
    with pytest.raises(DevError, match="in use by another run: stop that one, or choose another folder"):
        locks.hold(tmp_path / "lock", "Valkey")
    os.close(held)
    os.close(locks.hold(tmp_path / "lock", "Valkey"))
