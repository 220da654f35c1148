"""A log that can lie, and the commands run against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage

from tests.unit.client.cli.support import Run
from tests.unit.client.verify.log_server import KEY, Log, serving


@pytest.fixture
def log() -> Log:
    return Log(600)  # two bundles, and part of a third


@pytest.fixture
def run(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    (tmp_path / "key").write_text(f"{KEY.verifier}\n")
    monkeypatch.setenv("DATASTORAGE_LOG_KEY", str(tmp_path / "key"))

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(datastorage, [*map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    with serving(log) as url:
        monkeypatch.setenv("DATASTORAGE_URL", url)
        yield invoke
