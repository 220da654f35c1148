"""A local run: what ends it, and what does not count as a failure."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.config.settings import Settings
from app.postgres.migrations import MigrationError
from devserver import (
    DevError,
    localrun,
)
from devserver.backends import Backends


@pytest.mark.parametrize(("code", "how"), [(-9, "by SIGKILL"), (3, "with exit code 3")])
def test_what_ends_by_itself_is_named(code: int, how: str, tmp_path: Path) -> None:
    """A server during the start, and the service at any time; servers that end later are started again."""
    run = localrun.LocalRun({}, 8080, tmp_path)
    server: Any = SimpleNamespace(name="PostgreSQL", exit_code=lambda: code, log_file=tmp_path / "server.log")
    service: Any = SimpleNamespace(name="the service", exit_code=lambda: None)
    backends = Backends(database_url="", direct_url="", service_role=None, redis_url="", embedded=(server,))
    with pytest.raises(DevError, match=rf"PostgreSQL ended unexpectedly {how} \(see .*server.log\)"):
        run._check_alive(service, backends.embedded)
    service.exit_code = server.exit_code
    with pytest.raises(DevError, match=rf"the service ended unexpectedly {how} \(see its log above\)"):
        run._watch(service, backends)


@pytest.mark.parametrize("asked", [True, False])
def test_a_start_that_fails_because_it_was_given_up_is_no_failure(
    asked: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = localrun.LocalRun({}, 8080, tmp_path)

    def broken(*_: object) -> None:
        if asked:
            run._stop.set()
        raise DevError("Valkey cannot be started: [Errno 32] Broken pipe")

    monkeypatch.setattr(localrun, "check_port", lambda *_: None)
    monkeypatch.setattr(localrun.signal, "signal", lambda *_: None)
    monkeypatch.setattr(localrun, "start_backends", broken)
    if asked:
        assert run.run() == 0
    else:
        with pytest.raises(DevError, match="Broken pipe"):
            run.run()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, None),
        ({"DATABASE_URL": "postgresql://db/a"}, "DATABASE_URL"),
        ({"DATASTORAGE_DATABASE__URL": "postgresql://db/a"}, "DATASTORAGE_DATABASE__URL"),
        (
            {"DATASTORAGE_DATABASE__URL": "postgresql://db/a", "DATASTORAGE_DATABASE__DIRECT_URL": "postgresql://db/a"},
            "DATASTORAGE_DATABASE__DIRECT_URL",
        ),
    ],
)
def test_a_database_that_cannot_be_migrated_is_told_with_what_named_it(
    given: dict[str, str], named: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A variable that was exported for a command is easily forgotten."""

    def refused(*_: object, **__: object) -> None:
        raise MigrationError("connection refused")

    monkeypatch.setattr(localrun, "migrate", refused)
    backends = Backends(database_url="", direct_url="", service_role=None, redis_url="", embedded=())
    with pytest.raises(MigrationError) as caught:
        localrun.LocalRun(given, 8080, tmp_path)._migrate(Settings(), backends)
    told = f" (the database is the one that {named} names)" if named else ""
    assert str(caught.value) == f"connection refused{told}"
