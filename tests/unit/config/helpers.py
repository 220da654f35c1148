from __future__ import annotations

from pathlib import Path

import pytest

from app.config.load import ConfigError
from app.configuration import load_settings


def env(**values: str) -> dict[str, str]:
    return {"DATASTORAGE_" + name: value for name, value in values.items()}


def faults(environ: dict[str, str] | None = None, path: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as e:
        load_settings(str(path) if path else None, environ or {})
    assert all(fault in str(e.value) for fault in e.value.faults)
    assert "\n" not in str(e.value)
    return e.value.faults
