"""`datastorage dev` (= `make run`) as people use it: start, Ctrl-C, start again, and what may go wrong."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.local_run import LocalRun
from tests.support import PostgresServer, free_port, valkey_server, wait_until

pytestmark = pytest.mark.embedded


def gone(processes: list[psutil.Process]) -> bool:
    def runs(process: psutil.Process) -> bool:
        try:
            return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return not any(runs(process) for process in processes)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., LocalRun]]:
    """Starts local runs on folders below the test's own: run("data", PORT="8081")."""
    made: list[LocalRun] = []

    def start(folder: str = "data", umask: int = -1, **environ: str) -> LocalRun:
        environ.setdefault("DATA_DIR", str(tmp_path / folder))
        made.append(LocalRun(tmp_path / f"output-{len(made)}", environ, umask))
        return made[-1]

    yield start
    for one in made:
        one.end()


def test_the_data_survives_ctrl_c_and_kill(run: Callable[..., LocalRun], tmp_path: Path) -> None:
    first = run(DATASTORAGE_AUDIT__RECORD_SERVICE="true").ready()
    own = first.request("GET", "/api/v1/audit/events?event_category=datastorage.admin").json["data"]
    [migrated] = [row for row in own if row["event_action"] == "migrated"]
    assert (migrated["actor_id"], migrated["recorded_by"]) == ("datastorage_owner", None)
    for expected in (
        "/api/v1/audit/events",
        "/metrics",
        "/health",
        "postgresql://datastorage_owner@127",
        "redis://127",
    ):
        assert expected in first.text
    assert str(tmp_path / "data") in first.text
    [key] = re.findall(r"^  Log key   (localhost/datastorage\+.+)$", first.text, re.MULTILINE)
    wait_until(lambda: first.request("GET", "/health").json["status"] == "healthy", what="healthy")
    assert first.put("local") == 201
    assert first.count("local") == 1
    wait_until(lambda: first.request("GET", "/health").json["log"]["signed_size"], what="the log is signed")
    processes = first.family()
    names = {p.name() for p in processes}
    assert {"postgres", "valkey-server"} <= names
    assert first.ctrl_c() == 0, first.text
    assert "stopped; the data stays in" in first.text
    assert gone(processes)

    second = run().ready()
    assert second.count("local") == 1
    assert f"  Log key   {key}\n" in second.text
    assert second.put("local") == 201
    processes = second.family()
    second.process.kill()
    second.process.wait()
    wait_until(lambda: gone(processes), what="nothing is left running")

    third = run().ready()
    assert third.count("local") == 2
    assert third.ctrl_c() == 0, third.text


def signed(one: LocalRun) -> bool:
    log = one.request("GET", "/health").json["log"]
    return bool(log["signed_size"]) and log["signed_size"] == log["size"]


def log_command(one: LocalRun, command: str) -> str:
    """What the command that the banner shows says, with another one in place of `log status`."""
    [shown] = re.findall(r"stands:\n\n((?: .*\n)+)", one.text)
    assert "log status" in shown
    pasted = ["bash", "-c", shown.replace("log status", command)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DATASTORAGE_")}
    done = subprocess.run(pasted, input="y\n", capture_output=True, text=True, check=False, env=kept)
    assert done.returncode == 0, done.stderr
    return done.stdout


def advised(one: LocalRun) -> list[str]:
    return re.findall(r"^The log is not signed: .*?`(.+?)`", one.text, re.MULTILINE)


@pytest.mark.timeout(240)
def test_one_store_that_is_made_anew_beside_the_other(run: Callable[..., LocalRun], tmp_path: Path) -> None:
    """What a run says then ends it, and the commands that it shows work as they are shown."""
    first = run().ready()
    assert first.put("first") == 201
    wait_until(lambda: signed(first), what="signed")
    assert "in redis:    " in log_command(first, "log status")
    assert not advised(first)
    assert first.ctrl_c() == 0, first.text

    shutil.rmtree(tmp_path / "data" / "postgresql")
    second = run().ready()
    [command] = advised(second)
    assert command.startswith("log new-origin localhost/datastorage-2 --reason ")
    assert "moved to the new name: the memory in redis" in log_command(second, command)
    assert second.ctrl_c() == 0, second.text

    third = run().ready()
    assert not advised(third)
    assert third.put("third") == 201
    wait_until(lambda: signed(third), what="signed under the new name")
    assert len(re.findall(r"^  Log key   localhost/datastorage(?:-2)?\+", third.text, re.MULTILINE)) == 2
    assert third.ctrl_c() == 0, third.text

    shutil.rmtree(tmp_path / "data" / "valkey")
    fourth = run().ready()
    assert advised(fourth) == ["log remember"]
    assert "the memory in redis remembers the log localhost/datastorage-2" in log_command(fourth, "log remember")
    assert fourth.put("fourth") == 201
    wait_until(lambda: signed(fourth), what="signed again")
    assert fourth.ctrl_c() == 0, fourth.text


def test_a_name_and_witnesses_without_a_key(run: Callable[..., LocalRun], tmp_path: Path) -> None:
    """The run makes the key itself, after it has looked at the settings."""
    (tmp_path / "witnesses").write_text("quorum none\n")
    given = {"DATASTORAGE_LOG__ORIGIN": "log.example/mine", "DATASTORAGE_LOG__WITNESS_POLICY": f"{tmp_path}/witnesses"}
    one = run(**given).ready()
    assert "  Log key   log.example/mine+" in one.text
    assert one.put("named") == 201
    wait_until(lambda: signed(one), what="signed")
    assert "origin:      log.example/mine\n" in log_command(one, "log status")
    assert one.ctrl_c() == 0, one.text


@pytest.mark.nightly
def test_two_runs_side_by_side_and_one_in_the_others_way(run: Callable[..., LocalRun], tmp_path: Path) -> None:
    first, second = run("first"), run("second")
    first.ready()
    second.ready()
    assert first.put("side-by-side") == 201
    assert (first.count("side-by-side"), second.count("side-by-side")) == (1, 0)

    same_port = run("third", PORT=str(first.port))
    assert same_port.process.wait(60) == 1
    assert f"port {first.port} is in use: choose another with PORT=" in same_port.text
    assert same_port.text.count("\n") == 1
    assert not (tmp_path / "third").exists()

    same_folder = run("first")
    assert same_folder.process.wait(60) == 1
    assert "is in use by another run: stop that one, or choose another folder" in same_folder.text
    assert "Traceback" not in same_folder.text

    processes = second.family()
    service = next(p for p in processes if p.parent().pid == second.process.pid and "gunicorn" in p.cmdline())
    service.kill()
    assert second.process.wait(90) == 1
    assert "the service ended unexpectedly by SIGKILL" in second.text
    wait_until(lambda: gone(processes), what="nothing is left running")
    assert first.count("side-by-side") == 1
    os.kill(first.process.pid, signal.SIGTERM)
    assert first.process.wait(60) == 0, first.text


def test_servers_that_are_killed_are_started_again_with_their_data(run: Callable[..., LocalRun]) -> None:
    one = run().ready()

    def servers(name: str) -> list[psutil.Process]:
        found = []
        for process in one.family():
            with contextlib.suppress(psutil.NoSuchProcess):  # ended since it was listed
                if process.name() == name and process.ppid() == one.process.pid:
                    found.append(process)
        return found

    def replaced(name: str, before: psutil.Process) -> bool:
        return servers(name) not in ([], [before])

    def healthy() -> bool:
        return one.request("GET", "/health").json["status"] == "healthy"

    def write() -> bool:
        return one.put("killed") == 201

    def said(line: str) -> bool:
        return line in one.text

    wait_until(healthy, what="healthy")
    assert write()
    for name, title in (("postgres", "PostgreSQL"), ("valkey-server", "Valkey")):
        [before] = servers(name)
        [port] = {c.laddr.port for c in before.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
        before.kill()
        line = f"{title} ended by SIGKILL: it is started again now, with its data, at port {port}\n"
        wait_until(partial(said, line), what="the line that says so")
        assert one.put("killed") in (201, 202)
        wait_until(partial(replaced, name, before), what="another process of it")
        wait_until(healthy, what="both stores again")
        wait_until(write, what="written to PostgreSQL again")
        assert one.text.count("ended") == one.text.count("it is started again now") <= 2
    wait_until(lambda: one.count("killed") >= 5, what="what waited in the queue is written")
    processes = one.family()
    assert one.ctrl_c() == 0, one.text
    assert "Traceback" not in one.text
    assert gone(processes)


@pytest.mark.nightly
def test_a_server_that_does_not_stay_ends_the_run_in_one_clear_line(run: Callable[..., LocalRun]) -> None:
    one = run().ready()

    def ended() -> bool:
        for process in one.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == "valkey-server":
                    process.kill()
        return one.process.poll() is not None

    with contextlib.suppress(psutil.NoSuchProcess):  # it ended between two looks
        wait_until(ended, 120, "the run gives up")
    assert one.process.wait(60) == 1
    last = one.text.splitlines()[-1]
    assert last.startswith("datastorage: Valkey ended 5 times, each soon after its start, the last time ")
    assert "server.log says why" in last
    assert "Traceback" not in one.text


def test_nobody_else_reads_what_is_stored(run: Callable[..., LocalRun], tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    one = run(umask=0, TMPDIR=str(tmp_path / "tmp")).ready()
    assert one.put("private") == 201
    folders = [
        tmp_path / "data" / "postgresql",
        tmp_path / "data" / "valkey",
        *(tmp_path / "tmp").glob("datastorage-*"),
    ]
    assert len(folders) == 3, "two servers, and the metrics"
    paths = [*folders, *(path for folder in folders for path in folder.rglob("*"))]
    assert [path for path in paths if "appendonly.aof" in path.name]
    assert [path for path in paths if path.suffix == ".db"]
    open_to_others = [p for p in paths if stat.S_IMODE(p.lstat().st_mode) & 0o077]
    assert not open_to_others
    assert one.ctrl_c() == 0, one.text


def test_servers_that_are_there_are_used(
    run: Callable[..., LocalRun], postgres: PostgresServer, tmp_path: Path
) -> None:
    database = postgres.make_database()
    with valkey_server() as valkey:
        one = run(DATABASE_URL=database.owner_url, REDIS_URL=valkey.url()).ready()
        assert one.put("given") == 201
        own = "SELECT event_category FROM audit_events WHERE event_category NOT LIKE 'datastorage.%'"
        assert database.query(own) == [("gateway",)]
        secrets: list[Any] = [url.split(":")[2].split("@")[0] for url in (database.owner_url, valkey.url())]
        assert not [s for s in secrets if s in one.text]
        assert not [s for s in secrets for p in one.family() if s in " ".join(p.cmdline())]
        assert one.ctrl_c() == 0, one.text
    assert not (tmp_path / "data").exists()
    database.drop()


def test_a_start_can_be_given_up(run: Callable[..., LocalRun]) -> None:
    one = run()
    wait_until(lambda: "starting PostgreSQL and Valkey" in one.text, what="the first line")
    assert one.ctrl_c() == 0, one.text
    assert "Traceback" not in one.text
    assert "ready" not in one.text


def test_a_database_that_does_not_answer_is_one_clear_line(run: Callable[..., LocalRun]) -> None:
    one = run(DATABASE_URL=f"postgresql://me:secret@127.0.0.1:{free_port()}/none", REDIS_URL="redis://127.0.0.1:1")
    assert one.process.wait(60) == 1
    assert "Traceback" not in one.text
    assert "secret" not in one.text
    assert one.text.startswith("datastorage: ")
    assert one.text.endswith(" (the database is the one that DATABASE_URL names)\n")
