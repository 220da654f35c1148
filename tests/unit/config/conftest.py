from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def yaml_file(tmp_path: Path) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A pipe that nobody writes to: opening it plainly would wait for ever."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path
