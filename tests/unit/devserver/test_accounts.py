"""Users that servers run as when we are root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devserver import (
    Account,
    accounts,
)


def test_postgres_runs_as_root_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    account = accounts.unprivileged()
    assert account is not None
    assert account.uid != 0
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert accounts.unprivileged() is None


def test_what_somebody_else_owns_stays_theirs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    owner = accounts.owner_of(tmp_path)
    assert owner == (Account(uid=os.getuid(), gid=os.getgid(), name=str(os.getuid())) if os.getuid() else None)
    assert accounts.owner_of(tmp_path / "nothing") is None
