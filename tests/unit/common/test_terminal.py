"""What the commands print on terminals of any kind: characters replaced, never a traceback, JSON always exact."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage
from datastorage_common import jsonvalue, terminal

from app.auth.static_tokens import parse_tokens
from tests.support import ROOT
from tests.tree import modules
from tests.unit.client.cli.importers.test_cloudtrail import record
from tests.unit.stub_service import Canned, StubService

ODD = "Jürgen → 日本 \U0001f600"
CASES = [
    ({"PYTHONIOENCODING": "cp1252"}, "cp1252"),
    ({"PYTHONIOENCODING": "ascii", "COLUMNS": "20", "TERM": "dumb", "NO_COLOR": "1"}, "ascii"),
    ({"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "1"}, "ascii"),
]


@pytest.fixture
def stub() -> Iterator[StubService]:
    with StubService() as running:
        yield running


def run(*arguments: str | Path, stdout: Any = subprocess.PIPE, **environ: str) -> subprocess.CompletedProcess[bytes]:
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONIOENCODING", "COLUMNS", "LANG", "LC_ALL", "TERM")}
    return subprocess.run(
        [sys.executable, "-m", "datastorage_client.cli.main", *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={**kept, **environ},
        timeout=120,
        check=False,
    )


def canned(value: object) -> Canned:
    return Canned(200, jsonvalue.compact(value), (("Content-Type", "application/json"),))


def shown(done: subprocess.CompletedProcess[bytes], encoding: str) -> str:
    """What was printed, which has to be in the terminal's encoding."""
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done.stdout.decode(encoding) + done.stderr.decode(encoding)


@pytest.fixture
def odd_file(tmp_path: Path) -> Path:
    path = tmp_path / os.fsdecode(b"\xff.jsonl")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    good = record(eventID=None, eventTime=now, eventName=ODD, userIdentity={"type": "IAMUser", "userName": ODD})
    bad = record(eventID=ODD, eventTime="2020-01-01T00:00:00Z")
    path.write_bytes(b"".join(jsonvalue.compact(v) + b"\n" for v in (good, bad)))
    return path


@pytest.mark.parametrize(("environ", "encoding"), CASES)
def test_commands_that_ask_the_service(
    stub: StubService, odd_file: Path, environ: dict[str, str], encoding: str
) -> None:
    at = ("--url", stub.url)
    imported = run("import", "cloudtrail", odd_file, *at, **environ)
    assert imported.returncode == 1, imported.stderr.decode()
    assert "2 records of 1 file: 1 stored" in shown(imported, encoding)
    table = run("events", *at, **environ)
    assert table.returncode == 0
    shown(table, encoding)
    exact = run("events", "--json", *at, **environ)
    assert json.loads(exact.stdout)["event_data"]["userIdentity"]["userName"] == ODD
    letter = {"id": "events:1-0", "final_retry_count": 1, "reason": ODD, "moved_at": ODD}
    page = {"dead_letters": [letter], "pagination": {"next_cursor": None}}
    stub.script.extend([canned(page), canned(page), canned(letter)])
    assert run("dlq", "list", *at, **environ).returncode == 0
    assert json.loads(run("dlq", "list", "--json", *at, **environ).stdout)["reason"] == ODD
    assert json.loads(run("dlq", "show", "events:1-0", *at, **environ).stdout)["reason"] == ODD
    problem = (("Content-Type", "application/problem+json"),)
    stub.script.append(Canned(404, jsonvalue.compact({"type": "x", "title": ODD, "detail": ODD}), problem))
    refused = run("dlq", "show", "x", *at, **environ)
    assert (refused.returncode, "datastorage: J" in shown(refused, encoding)) == (1, True)


@pytest.mark.parametrize(("environ", "encoding"), CASES[1:])
def test_commands_that_ask_nobody(tmp_path: Path, environ: dict[str, str], encoding: str) -> None:
    made = run("token", "create", "--name", ODD, "--scope", "metrics", **environ)
    if "LC_ALL" in environ:  # there the name is no text
        assert made.returncode == 2
    else:
        written = shown(made, encoding).partition("token file:\n\n")[2]
        [entry] = parse_tokens(written.encode()).values()
        assert entry.principal.name == ODD
    path = tmp_path / "settings.yaml"
    path.write_text(f"auth: {{jwt_issuer: '{ODD}'}}\nserver: {{'{ODD}': 1}}\n", encoding="utf-8")
    refused = run("config", "check", "--config", path, **environ)
    assert (refused.returncode, "there is no key server.J" in shown(refused, encoding)) == (2, True)
    path.write_text(f"auth: {{jwt_issuer: '{ODD}'}}\n", encoding="utf-8")
    assert run("config", "--config", path, **environ).returncode == 0
    as_json = run("config", "--json", "--config", path, **environ)
    assert json.loads(as_json.stdout)["auth"]["jwt_issuer"] == ODD


# --- every command --------------------------------------------------------------------------------------------


def tree(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if path == ():
        context = click.Context(datastorage)
        below = {name: datastorage.get_command(context, name) for name in datastorage.list_commands(context)}
    else:
        below = dict(command.commands) if isinstance(command, click.Group) else {}
    for name, found in below.items():
        assert found is not None
        yield from tree(found, (*path, name))


EVERY = list(tree(datastorage))
# With what has to stand before it: an argument is found by its place, behind those that name a file.
TEXTS = [
    (path, [__file__ for p in command.params[:number] if isinstance(p, click.Argument)], parameter)
    for path, command in EVERY
    for number, parameter in enumerate(command.params)
    if isinstance(parameter.type, click.types.StringParamType) and not getattr(parameter, "is_flag", False)
]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-16"])
@pytest.mark.parametrize("path", [path for path, _ in EVERY], ids=" ".join)
def test_the_help_of_every_command(monkeypatch: pytest.MonkeyPatch, path: Sequence[str], encoding: str) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    datastorage.main([*path, "--help"], prog_name="datastorage", standalone_mode=False)
    sys.stdout.flush()
    assert raw.getvalue().decode(encoding).startswith("Usage: datastorage")


@pytest.mark.parametrize(
    ("path", "before", "parameter"), TEXTS, ids=lambda v: v.name if isinstance(v, click.Parameter) else " ".join(v)
)
def test_no_text_may_hold_other_bytes_than_utf_8(
    path: Sequence[str], before: Sequence[str], parameter: click.Parameter
) -> None:
    text = os.fsdecode(b"caf\xe9")
    arguments = [*before, text] if isinstance(parameter, click.Argument) else [parameter.opts[0], text]
    result = CliRunner().invoke(datastorage, [*path, *arguments])
    assert (result.exit_code, "caf\\xe9 is not UTF-8" in result.output) == (2, True), result.output


def test_most_texts_are_looked_at() -> None:
    assert len(TEXTS) > 30


@pytest.mark.parametrize(
    "arguments",
    [
        (b"dev", b"--data-dir", b"\xff"),
        (b"\xff",),
        (b"--\xff",),
        (b"events", b"--\xff"),
        (b"import", b"workflows", b"\xff"),
    ],
)
def test_other_bytes_elsewhere_on_a_command_line(arguments: Sequence[bytes]) -> None:
    done = run(*map(os.fsdecode, arguments))
    assert (done.returncode, b"Traceback" in done.stderr) == (2, False)


# --- where nobody reads ---------------------------------------------------------------------------------------


COMMAND_LINES = [("--help",), ("config", "--json"), ("token", "create", "--name=a", "--scope=metrics")]


@pytest.mark.parametrize("arguments", COMMAND_LINES, ids=" ".join)
def test_a_reader_that_has_gone_ends_the_command_in_silence(arguments: Sequence[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = run(*arguments, stdout=writer)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_reader_of_a_table_that_has_gone(stub: StubService, odd_file: Path) -> None:
    assert run("import", "cloudtrail", odd_file, "--url", stub.url).returncode == 1
    for options in ((), ("--json",)):
        reader, writer = os.pipe()
        os.close(reader)
        done = run("events", *options, "--url", stub.url, stdout=writer)
        os.close(writer)
        assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("arguments", COMMAND_LINES[:2], ids=" ".join)
def test_no_room_for_the_output_is_one_line(arguments: Sequence[str], encoding: str) -> None:
    with open("/dev/full", "wb") as full:
        done = run(*arguments, stdout=full, PYTHONIOENCODING=encoding)
    assert done.returncode == 1
    assert done.stderr == b"datastorage: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", ">&- 2>&- <&-"])
def test_descriptors_that_are_closed(stub: StubService, closed: str) -> None:
    script = f'"$0" -m datastorage_client.cli.main events --url "$1" {closed}'
    done = subprocess.run(["sh", "-c", script, sys.executable, stub.url], capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"Traceback" not in done.stderr


def test_another_error_is_not_taken_for_one_of_the_output() -> None:
    with pytest.raises(FileNotFoundError):
        terminal.give_up(FileNotFoundError(2, "No such file", "x"))
    with pytest.raises(ConnectionResetError):
        terminal.give_up(ConnectionResetError(104, "reset"))


@pytest.mark.parametrize("module", ["loadtests", "bench.campaign", "bench.contract", "bench.measure", "tests.counts"])
def test_programs_beside_the_command(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode("ascii").startswith("usage: ")


def test_every_program_that_prints_has_its_terminal_prepared() -> None:
    """Also those whose printing takes minutes to come to."""
    found = {
        path.relative_to(ROOT)
        for path in modules("bench", "loadtests", "tests")
        if path != Path(__file__)
        and "Console(" in (text := path.read_text(encoding="utf-8"))
        and '__name__ == "__main__"' in text
        and "    terminal.prepare()\n" not in text
    }
    assert found == set()
