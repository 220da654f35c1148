"""`datastorage token`, and the token that the other commands show to the service."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage
from datastorage_common import files

from app.auth.authorizer import SCOPE_OF
from app.auth.principal import Principal, TokenError
from app.auth.static_tokens import TokenVerifier, parse_tokens
from app.auth.watched_file import MAX_FILE_BYTES
from app.cli.token import append, entry_text
from app.http.problems import Problem
from tests.support import ROOT
from tests.unit.stub_service import Canned, StubService


def run(*arguments: object, **options: object) -> Result:
    result = CliRunner().invoke(datastorage, [*map(str, arguments)], **options)  # type: ignore[arg-type]
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def create(*arguments: object) -> Result:
    return run("token", "create", *arguments)


def test_a_token_and_its_entry_fit(tmp_path: Path) -> None:
    out = create("--name", "gateway", "--scope", "audit:write", "--scope", "audit:read").output
    [made] = [line.strip() for line in out.splitlines() if line.startswith("  dst_")]
    assert len(made) == 4 + 43, "256 random bits"
    _, _, entry = out.partition("Its entry for the token file:\n\n")
    assert made not in entry
    (tmp_path / "t").write_text(entry)
    found = TokenVerifier(str(tmp_path / "t")).principal(made)
    assert found == Principal("gateway", frozenset({"audit:write", "audit:read"}))


def test_every_token_is_another() -> None:
    assert len({create("--name", "a", "--scope", "metrics").output for _ in range(20)}) == 20


def test_append_makes_a_private_file_and_adds_to_it(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    tokens = [create("--name", n, "--scope", "audit:read", "--append", path, "--quiet").output.strip() for n in "abc"]
    assert path.stat().st_mode & 0o777 == 0o600
    verifier = TokenVerifier(str(path))
    assert [verifier.principal(t).name for t in tokens] == ["a", "b", "c"]
    assert not any(t in path.read_text() for t in tokens)


def test_append_leaves_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text("# kept\n" + entry_text("one", "a", ("metrics",), None).rstrip("\n"))
    before = path.read_text()
    assert create("--name", "b", "--scope", "metrics", "--append", path).exit_code == 0
    assert path.read_text().startswith(before + "\n- name: b\n")


@pytest.mark.parametrize("content", ["tokens:\n- a\n", "- name: a\n", "just text", "- ["])
def test_append_refuses_what_is_no_token_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "something.yaml"
    path.write_text(content)
    result = create("--name", "a", "--scope", "metrics", "--append", path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"datastorage: {path}: ")
    assert result.stdout == "", "a token that is stored nowhere is not shown"
    assert path.read_text() == content


def test_append_refuses_what_is_no_file_or_has_no_room(tmp_path: Path) -> None:
    fifo, large = tmp_path / "fifo", tmp_path / "large"
    os.mkfifo(fifo)
    large.write_bytes(b"# " + b"x" * MAX_FILE_BYTES)
    for path, reason in ((fifo, "is no ordinary file"), (large, f"such a file may have {MAX_FILE_BYTES} bytes")):
        result = create("--name", "a", "--scope", "metrics", "--append", path)
        assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
        assert reason in result.stderr


def test_append_says_why_it_cannot(tmp_path: Path) -> None:
    result = create("--name", "a", "--scope", "metrics", "--append", tmp_path / "none" / "tokens.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("No such file or directory\n")


def test_many_may_append_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: append(path, entry_text(f"t{i}", f"n{i}", ("metrics",), None)), range(16)))
    assert {e.principal.name for e in parse_tokens(path.read_bytes()).values()} == {f"n{i}" for i in range(16)}


def test_a_token_can_be_made_to_expire(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    made = create("--name", "a", "--scope", "metrics", "--expires", "2d", "--append", path, "--quiet").output.strip()
    assert TokenVerifier(str(path)).principal(made).name == "a"
    with pytest.raises(TokenError, match="has expired"):
        TokenVerifier(str(path), now=lambda: time.time() + 2 * 86400 + 1).principal(made)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--name", "a"),
        ("--scope", "metrics"),
        ("--name", "", "--scope", "metrics"),
        ("--name", "a\nb", "--scope", "metrics"),
        ("--name", "a", "--scope", "everything"),
        ("--name", "a", "--scope", "metrics", "--expires", "soon"),
        ("--name", "a", "--scope", "metrics", "--quiet"),
    ],
)
def test_wrong_options(arguments: tuple[str, ...]) -> None:
    assert create(*arguments).exit_code == 2


@pytest.mark.parametrize("name", ["yes", "123", "a: b", "- a", "'", '"', "ü", "# a", "a" * 255])
def test_names_survive_yaml(name: str) -> None:
    [entry] = parse_tokens(entry_text("t", name, ("metrics",), None).encode()).values()
    assert entry.principal.name == name


# --- commands that show a token ------------------------------------------------------------------------------


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubService]:
    with StubService() as running:
        monkeypatch.setenv("DATASTORAGE_URL", running.url)
        yield running


def shown(stub: StubService) -> set[str | None]:
    return {request.headers.get("Authorization") for request in stub.requests}


COMMANDS = (
    ("events",),
    ("dlq", "status"),
    ("dlq", "list"),
    ("dlq", "show", "events:1-0"),
    ("dlq", "replay", "events:1-0"),
    ("dlq", "purge", "--yes", "events:1-0"),
    ("holds", "list"),
    ("holds", "show", "x"),
    ("holds", "set", "--name", "a", "--reason", "b", "--everything"),
    ("holds", "release", "x", "--reason", "b", "--yes"),
    ("import", "cloudtrail", "--shift-to-now", "loadtests/corpus/cloudtrail.jsonl.gz"),
    ("import", "workflows", "loadtests/corpus/workflows"),
    (
        "workflows",
        "search",
        "--signal-type",
        "a",
        "--severity",
        "low",
        "--component",
        "b",
        "--environment",
        "c",
        "--priority",
        "P1",
    ),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: " ".join(c[:2]))
def test_every_command_shows_its_token(stub: StubService, command: tuple[str, ...]) -> None:
    stub.script.extend([Canned(400, b"{}", (("Content-Type", "application/problem+json"),))] * 50)
    run(*command, env={"DATASTORAGE_TOKEN": "dst_secret"})
    assert shown(stub) == {"Bearer dst_secret"}


@pytest.mark.parametrize(
    ("command", "page", "scopes"),
    [
        (COMMANDS[10], "import-cloudtrail.md", {"audit:read", "audit:write"}),
        (
            ("import", "workflows", "loadtests/corpus/workflows/hello-world.yaml"),
            "workflows.md",
            {"workflows:read", "workflows:write"},
        ),
    ],
    ids=["cloudtrail", "workflows"],
)
def test_the_scopes_that_an_import_needs_are_said(
    stub: StubService, command: tuple[str, ...], page: str, scopes: set[str]
) -> None:
    if "workflows" in command:
        stub.script.append(Canned(200, b'{"versions": []}', (("Content-Type", "application/json"),)))
    run(*command)
    rules = {(method, re.sub("<[^>]+>", ".+", rule)): scope for (method, rule), scope in SCOPE_OF.items()}
    used = {
        scope
        for request in stub.requests
        for (method, rule), scope in rules.items()
        if request.method == method and re.fullmatch(rule, request.path)
    }
    assert used == scopes
    named = re.compile(r"\b(?:audit|workflows):(?:read|write)\b")
    assert set(named.findall(run(*command[:2], "--help").output)) == scopes
    text = (ROOT / "docs" / page).read_text()
    assert scopes <= set(named.findall(text.partition("## Importing workflow files")[2] or text))


def test_where_a_token_may_come_from(stub: StubService, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    for arguments, env, expected in (
        ((), {}, None),
        (("--token", "typed"), {"DATASTORAGE_TOKEN": "variable"}, "typed"),
        (("--token-file", file), {"DATASTORAGE_TOKEN": "variable"}, "from-file"),
        ((), {"DATASTORAGE_TOKEN": "variable", "DATASTORAGE_TOKEN_FILE": str(file)}, "variable"),
        ((), {"DATASTORAGE_TOKEN_FILE": str(file)}, "from-file"),
        (("--token", "typed"), {"DATASTORAGE_TOKEN_FILE": str(file)}, "typed"),
    ):
        stub.requests.clear()
        run("events", *arguments, env=env)
        assert shown(stub) == {f"Bearer {expected}" if expected else None}, (arguments, env)
    stub.requests.clear()
    run("events", "--token-file", "-", input="piped\n")
    assert shown(stub) == {"Bearer piped"}


def test_a_token_that_comes_through_a_pipe(stub: StubService, tmp_path: Path) -> None:
    """As from `<(program)` of a shell."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(fifo.write_text, "piped\n")
        run("events", "--token-file", fifo)
    assert shown(stub) == {"Bearer piped"}


def test_a_token_file_that_is_none(stub: StubService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PIPE_SECONDS", 0.05)
    fifo, empty = tmp_path / "fifo", tmp_path / "empty"
    os.mkfifo(fifo)
    empty.touch()
    for path, reason in (
        (fifo, "did not come to its end within 0.05 s"),
        ("/dev/zero", "is larger than 65536 bytes"),
        (empty, "is empty"),
        (tmp_path, "is a directory"),
    ):
        result = run("events", "--token-file", path)
        assert result.exit_code == 2
        assert reason in result.stderr
        assert "Traceback" not in result.output
    assert stub.requests == []


def test_tokens_that_cannot_be_sent(stub: StubService, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a\nb")
    for arguments in (
        ("--token", "a b"),
        ("--token", "a\r\nX-Other: b"),
        ("--token-file", tmp_path / "token"),
        ("--token-file", tmp_path / "none"),
        ("--token", "a", "--token-file", tmp_path / "token"),
    ):
        result = run("events", *arguments)
        assert result.exit_code == 2
        assert "X-Other" not in result.output
    assert stub.requests == []


def test_an_empty_token_is_called_empty(stub: StubService, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    assert "the token is empty" in run("events", "--token", "").stderr
    assert f"{tmp_path / 'token'}: is empty" in run("events", "--token-file", tmp_path / "token").stderr
    assert stub.requests == []
    assert run("events", env={"DATASTORAGE_TOKEN": ""}).exit_code == 0, "a variable that is empty is not set"


def test_who_is_not_let_in_hears_what_to_do(stub: StubService) -> None:
    body = Problem("unauthorized", "a bearer token is required").body("https://p.example", "/")
    stub.script.append(Canned(401, body, (("Content-Type", "application/problem+json"),)))
    result = run("events")
    assert result.exit_code == 1
    assert "a bearer token is required" in result.stderr
    assert "DATASTORAGE_TOKEN" in result.stderr


def test_a_token_on_an_open_wire_is_remarked_upon(stub: StubService) -> None:
    assert "can read the token" not in run("events", "--token", "a").output
    # Nothing listens there; what matters is said before.
    answer = run("events", "--token", "a-secret", "--url", "http://service.invalid:1")
    assert "is not https: others on the way can read the token" in answer.stderr
    assert "a-secret" not in answer.output


@pytest.mark.parametrize("duration", ["0s", "1ms", "0"])
def test_a_token_that_is_over_at_once_is_not_made(tmp_path: Path, duration: str) -> None:
    made = create("--name", "a", "--scope", "metrics", "--expires", duration, "--append", tmp_path / "t")
    assert (made.exit_code, (tmp_path / "t").exists()) == (2, False)


def test_what_is_probably_not_meant_is_remarked_upon(tmp_path: Path) -> None:
    path = tmp_path / "t"
    given = ("--name", "a", "--scope", "audit:read", "--append", path, "--quiet")
    first = create(*given, "--read-category", "gateway", "--read-category", "datastorage.access")
    assert (first.exit_code, first.stderr) == (0, "")
    second = create(*given, "--read-category", "Gateway", "--read-category", "")
    assert second.exit_code == 0
    assert "no event can have the category" in second.stderr
    assert "Gateway" in second.stderr
    assert "has another token of a: both are good" in second.stderr
    assert second.stdout.count("\n") == 1
