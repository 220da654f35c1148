"""`datastorage token list` and `revoke`: what a token file holds, and how an entry leaves it."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage

from app.auth.principal import UNLIMITED_SCOPES, token_digest
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.auth.static_tokens import TokenVerifier, parse_tokens
from app.cli import token_file
from app.cli.token_file import append, entry_text, take_out
from tests.unit.auth.helpers import refusal


def run(*arguments: object, **options: Any) -> Result:
    result = CliRunner().invoke(datastorage, ["token", *map(str, arguments)], **options)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def names(path: Path) -> list[str]:
    return [e.principal.name for e in parse_tokens(path.read_bytes()).values()]


def hash_of(token: str) -> str:
    return token_digest(token).hex()


def line(name: str, token: str) -> str:
    return entry_text(token, name, ("metrics",), None)


def test_a_token_that_reads_some_records_alone(tmp_path: Path) -> None:
    path = tmp_path / "t"
    options = ("--read-namespace", "team-a", "--read-namespace", "", "--read-category", "gateway")
    made = run("create", "--name", "a", "--scope", "audit:read", *options, "--append", path, "--quiet").output.strip()
    expected = ReadLimits(frozenset({"team-a", ""}), frozenset({"gateway"}))
    assert TokenVerifier(str(path)).principal(made).reads == expected
    assert "created: 20" in path.read_text()
    for scope in UNLIMITED_SCOPES:
        result = run("create", "--name", "a", "--scope", scope, *options)
        assert result.exit_code == 2
        assert f"{scope} is about the records of everybody" in result.stderr


def test_files_without_the_newer_members_are_good() -> None:
    [entry] = parse_tokens(f"- name: a\n  sha256: {'a' * 64}\n  scopes: [metrics]\n".encode()).values()
    assert (entry.created, entry.expires, entry.principal.reads) == (None, None, EVERYTHING)


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ("reads: []", "reads must have namespaces or categories"),
        ("reads: {}", "reads must have namespaces or categories"),
        ("reads: {namespace: [a]}", "reads must have namespaces or categories"),
        ("reads: {namespaces: a}", "reads.namespaces must be a list of texts"),
        ("reads: {categories: [5]}", "reads.categories must be a list of texts"),
        (f"reads: {{categories: {[str(n) for n in range(101)]}}}", "reads.categories must have 100 texts at the most"),
        ("created: yesterday", "created must be a time"),
        ("reads: {namespaces: [a]}\n  scopes: [dlq:admin]", "dlq:admin is about the records of everybody"),
        ("reads: {namespaces: [a]}\n  scopes: [holds:admin]", "holds:admin is about the records of everybody"),
    ],
)
def test_wrong_members(members: str, fault: str) -> None:
    scopes = "" if "scopes" in members else "  scopes: [metrics]\n"
    with pytest.raises(ValueError, match=fault):
        parse_tokens(f"- name: a\n  sha256: {'a' * 64}\n{scopes}  {members}\n".encode())


def test_an_empty_list_reads_nothing() -> None:
    text = f"- name: a\n  sha256: {'a' * 64}\n  scopes: [audit:read]\n  reads: {{namespaces: []}}\n"
    [entry] = parse_tokens(text.encode()).values()
    assert entry.principal.reads == ReadLimits(frozenset(), None)


def test_list_shows_who_has_a_token_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "t"
    made = run("create", "--name", "gateway", "--scope", "audit:write", "--append", path, "--quiet").output.strip()
    run("create", "--name", "team-a", "--scope", "audit:read", "--read-namespace", "a", "--append", path)
    text = (
        path.read_text() + f"- name: old\n  sha256: {'a' * 64}\n  scopes: [metrics]\n  expires: 2020-01-05T10:00:00Z\n"
    )
    path.write_text(text)
    head, *rows = run("list", path).stdout.splitlines()
    assert head.split() == ["name", "hash", "scopes", "reads", "created", "expires"]
    assert rows[0].split()[:4] == ["gateway", hash_of(made)[:8], "audit:write", "-"], "it reads nothing"
    assert rows[0].endswith("never")
    assert "namespaces=a" in rows[1]
    assert rows[2].endswith("2020-01-05T10:00:00Z (expired)")
    for scope in ("audit:read", "dlq:admin"):
        run("create", "--name", scope, "--scope", scope, "--append", tmp_path / scope)
        assert " all " in run("list", tmp_path / scope).stdout
    assert made not in run("list", path).stdout
    listed = json.loads(run("list", path, "--json").stdout)
    assert [e["name"] for e in listed] == ["gateway", "team-a", "old"]
    assert [e["expired"] for e in listed] == [False, False, True]
    assert (listed[1]["reads"], listed[2]["created"]) == ({"namespaces": ["a"]}, None)
    assert made not in json.dumps(listed)


@pytest.mark.parametrize("command", [("list",), ("revoke", "a", "--yes")])
def test_a_file_that_is_none(tmp_path: Path, command: tuple[str, ...]) -> None:
    bad = tmp_path / "bad"
    bad.write_text("- name: a\n")
    for path in (tmp_path / "missing", tmp_path, bad):
        result = run(command[0], path, *command[1:])
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("datastorage: ")
        assert result.stderr.count("\n") == 1


def test_revoke_shuts_a_token_out_and_leaves_every_other_byte(tmp_path: Path) -> None:
    path = tmp_path / "t"
    one, two, three = (line(name, name) for name in ("one", "two", "three"))
    path.write_text(f"# the team's\n---\n{one}\n# kept\n{two}  # kept too\n\n{three}# the end\n")
    path.chmod(0o640)
    verifier = TokenVerifier(str(path))
    assert verifier.principal("two")
    before = path.read_text()
    assert run("revoke", path, "two", "--yes").stdout == f"1 entry taken out of {path}.\n"
    assert path.read_text() == before.replace(two, "")
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["t"]
    verifier.file._next_look = 0.0
    assert refusal(verifier, "two") == "unknown"
    for name in ("one", "three"):
        assert run("revoke", path, hash_of(name)[:8].upper(), "--yes").exit_code == 0
    assert names(path) == []
    assert path.read_text().startswith("# the team's\n")
    append(path, line("four", "four"))
    assert names(path) == ["four"]


def test_revoke_asks(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(line("one", "one"))
    refused = run("revoke", path, "one", input="n\n")
    assert refused.exit_code == 1
    assert hash_of("one")[:8] in refused.stderr
    assert names(path) == ["one"]
    assert run("revoke", path, "one", input="y\n").exit_code == 0
    assert names(path) == []


def test_revoke_refuses_what_is_not_clear(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(line("same", "one") + line("same", "two") + line("other", "three"))
    result = run("revoke", path, "same", "--yes")
    assert result.exit_code == 1
    assert (
        f"2 entries fit: name one by its hash ({hash_of('one')[:8]}, {hash_of('two')[:8]}), or add --all"
        in result.stderr
    )
    for nothing in ("none", hash_of("one")[:7], ""):
        assert run("revoke", path, nothing, "--yes").exit_code == 1
    assert len(names(path)) == 3
    assert run("revoke", path, "same", "--all", "--yes").exit_code == 0
    assert names(path) == ["other"]


@pytest.mark.parametrize(
    "text",
    [
        "[{name: a, sha256: HASH, scopes: [metrics]}]\n",
        "- &x {name: a, sha256: HASH, scopes: [metrics]}\n- {<<: *x, sha256: OTHER}\n",
    ],
)
def test_files_that_are_to_be_edited_by_hand(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t"
    path.write_text(text.replace("HASH", f"'{hash_of('a')}'").replace("OTHER", f"'{hash_of('b')}'"))
    before = path.read_bytes()
    result = run("revoke", path, hash_of("a")[:8], "--yes")
    assert result.exit_code == 1
    assert "take it out by hand" in result.stderr or "nothing was taken out" in result.stderr
    assert path.read_bytes() == before


def test_other_forms_of_an_entry(tmp_path: Path) -> None:
    path = tmp_path / "t"
    flow = f"- {{name: b, sha256: '{hash_of('b')}',\n   scopes: [metrics]}}\n"
    block = f"  -\n    name: >-\n      a\n      long\n    sha256: '{hash_of('a')}'\n    scopes:\n    - metrics\n\n"
    path.write_text(block + "  " + flow.replace("\n   ", "\n     "))
    assert run("revoke", path, "a long", "--yes").exit_code == 0
    assert names(path) == ["b"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text(line("one", "one") + line("two", "two"))
    link.symlink_to(real)
    assert run("revoke", link, "one", "--yes").exit_code == 0
    assert link.is_symlink()
    assert names(real) == ["two"]


def test_an_append_that_waits_for_the_lock_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has opened the file that is about to be replaced."""
    path = tmp_path / "t"
    path.write_text(line("one", "one"))
    opened, replaced = threading.Event(), token_file._replace

    def flock(fd: int, how: int) -> None:
        opened.set()
        real(fd, how)

    def replace(*arguments: Any) -> None:
        opened.clear()
        waiting.append(pool.submit(append, path, line("two", "two")))
        assert opened.wait(60)
        replaced(*arguments)

    real, waiting = token_file.fcntl.flock, []  # type: ignore[attr-defined]
    monkeypatch.setattr(token_file.fcntl, "flock", flock)  # type: ignore[attr-defined]
    monkeypatch.setattr(token_file, "_replace", replace)
    with ThreadPoolExecutor(1) as pool:
        take_out(path, lambda there: {token_digest("one")})
        waiting[0].result(60)
    assert names(path) == ["two"]


def test_many_may_add_and_take_out_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("".join(line(f"old{i}", f"old{i}") for i in range(8)))

    def work(i: int) -> None:
        append(path, line(f"new{i}", f"new{i}"))
        take_out(path, lambda there: {d for d in there if d == token_digest(f"old{i}")})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert set(names(path)) == {f"new{i}" for i in range(8)}


def test_a_disk_that_is_full_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t"
    path.write_text(line("one", "one"))

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(token_file.os, "fsync", full)  # type: ignore[attr-defined]
    result = run("revoke", path, "one", "--yes")
    assert (result.exit_code, "No space left on device" in result.stderr) == (1, True)
    assert names(path) == ["one"]
    assert os.listdir(tmp_path) == ["t"]
