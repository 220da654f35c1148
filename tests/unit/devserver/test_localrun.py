"""A local run: what ends it, and what does not count as a failure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.config.log import LogSettings
from app.config.log_keys import load_keys
from app.config.settings import Settings
from devserver import (
    DevError,
    EmbeddedPostgres,
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


def test_the_log_of_an_embedded_database_gets_a_key_once(tmp_path: Path) -> None:
    embedded: Any = (EmbeddedPostgres(tmp_path / "postgresql", port=5433),)
    backends = Backends(database_url="", direct_url="", service_role=None, redis_url="", embedded=embedded)
    path = tmp_path / "log.key"
    for _ in range(2):
        run = localrun.LocalRun({}, 8080, tmp_path)
        settings = run._with_log_key(Settings(), backends)
        [key] = load_keys(settings.log)
        assert key.name == "localhost/datastorage"
        assert run._environ["DATASTORAGE_LOG__KEY_FILE"] == settings.log.key_file == str(path)
        assert path.read_text() == f"{key.encode()}\n"
        held = path.stat().st_mtime_ns
    assert path.stat().st_mtime_ns == held
    path.unlink()
    others = dataclasses.replace(backends, embedded=())
    given = Settings(log=LogSettings(key_file="mine.key"))
    assert localrun.LocalRun({}, 8080, tmp_path)._with_log_key(Settings(), others) == Settings()
    assert localrun.LocalRun({}, 8080, tmp_path)._with_log_key(given, backends) == given
    assert not path.exists()
    with pytest.raises(DevError, match=r"cannot make .*: No such file"):
        localrun.LocalRun({}, 8080, tmp_path / "nowhere")._with_log_key(Settings(), backends)
