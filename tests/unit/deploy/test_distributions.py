"""The two distributions: one version, and the licence in each."""

from __future__ import annotations

import tomllib
from typing import Any

from tests.tree import ROOT

CLIENT = ROOT / "clients" / "python"


def project(folder: Any) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found


def test_both_have_one_version_and_the_service_asks_for_it() -> None:
    """They speak to each other by entry points that are nobody else's business."""
    version = project(ROOT)["version"]
    assert project(CLIENT)["version"] == version
    assert f"datastorage-client[cli]=={version}" in project(ROOT)["dependencies"]


def test_both_have_the_licence() -> None:
    assert (CLIENT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
