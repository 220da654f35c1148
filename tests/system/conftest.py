"""Fixtures of the tests that need other people's programs."""

from __future__ import annotations

import pytest

from tests.system.go_tools import GoTools, build


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> GoTools:
    """Go's tools for logs, built once; skips without Go, or where its modules cannot be had."""
    return build(tmp_path_factory.mktemp("go-tools"))
