"""`datastorage log keygen`, `log key`, and what `log status` says of signing."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage
from datastorage_common.notes import COSIGNATURE, make_key, parse_signing_key, parse_verifier_key

from app.transparency.memories import FileMemory
from app.transparency.signer import Signer
from tests.integration.test_log_signing import KEY, signed_turn
from tests.log_support import sequencers, statements_of
from tests.support import Database

NAME = "audit.example.com/log"


def run(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(datastorage, ["log", *arguments], env=environ)


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    out = tmp_path / "log.key"
    before = os.umask(0o777)
    try:
        made = run("keygen", NAME, "--out", str(out))
    finally:
        os.umask(before)
    assert made.exit_code == 0, made.output
    verifier = parse_verifier_key(made.stdout)
    assert verifier.name == NAME
    key = parse_signing_key(out.read_text())
    assert (key.name, key.verifier) == (NAME, verifier)
    assert key.encode() not in made.output
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    held = out.read_bytes()
    again = run("keygen", NAME, "--out", str(out))
    assert (again.exit_code, again.stdout) == (1, "")
    assert "is there already: nothing was made" in again.stderr
    assert out.read_bytes() == held


def test_no_key_is_made_through_a_link_or_where_it_can_not_be_kept(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    (tmp_path / "link").symlink_to(target)
    assert run("keygen", NAME, "--out", str(tmp_path / "link")).exit_code == 1
    assert not target.exists()
    missing = run("keygen", NAME, "--out", str(tmp_path / "nowhere" / "log.key"))
    assert (missing.exit_code, len(missing.stderr.splitlines())) == (1, 1)
    assert "No such file or directory" in missing.stderr


@pytest.mark.parametrize(
    "name",
    [
        "",
        "localhost/../y",
        "audit.example.com/.",
        "https://audit.example.com/log",
        "audit.example.com/a b",
        "audit.example.com/a+b",
        "audit.example.com/log\n",
        "audit.example.com/\x1b[31m",
        "audit.example.com/\u202egol",
        "audit.example.com/log/",
        "/log",
        "audit.example.com/log?x=1",
        "audit.example.com/" + "a" * 250,
    ],
)
def test_a_name_that_no_log_can_have(tmp_path: Path, name: str) -> None:
    for arguments in (["keygen", name, "--out", str(tmp_path / "k")], ["new-origin", name, "--reason", "r", "--yes"]):
        refused = run(*arguments)
        assert refused.exit_code == 2, refused.output
        assert "a URL without https://" in " ".join(refused.stderr.split())
        assert "\x1b" not in refused.output
    assert not (tmp_path / "k").exists()


def test_the_verifier_keys_of_a_file(tmp_path: Path) -> None:
    one, other = make_key(NAME, bytes(32)), make_key(NAME, bytes([1]) * 32)
    file = tmp_path / "log.key"
    file.write_text(f"# the new one\n{one.encode()}\n\n{other.encode()}\n")
    file.chmod(0o600)
    told = f"{one.verifier}\n{other.verifier}\n"
    assert run("key", "--key-file", str(file)).output == told
    assert run("key", DATASTORAGE_LOG__KEY_FILE=str(file)).output == told
    none = run("key")
    assert (none.exit_code, none.stdout) == (1, "")
    assert "log.key_file is not set" in none.stderr
    file.write_text(one.encode()[:-3])
    wrong = run("key", "--key-file", str(file))
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert wrong.stderr.startswith(f"datastorage: {file}: line 1: ")
    assert one.encode()[-20:-3] not in wrong.output
    assert run("key", "--key-file", str(tmp_path / "missing")).exit_code == 1


def test_a_key_that_everybody_can_read(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    path.write_text(f"{make_key(NAME, bytes(32)).encode()}\n")
    for mode, said in ((0o600, False), (0o440, False), (0o644, True)):
        path.chmod(mode)
        for shown in (run("key", "--key-file", str(path)), run("key", DATASTORAGE_LOG__KEY_FILE=str(path))):
            assert shown.exit_code == 0, shown.output
            assert (f"every user of this machine may read {path} (mode {mode:04o})" in shown.stderr) == said
            assert len(shown.stderr.splitlines()) == int(said)


@pytest.mark.parametrize("name", ["keygen", "key", "remember", "new-origin", "status"])
def test_help_has_examples(name: str) -> None:
    shown = run(name, "--help")
    assert shown.exit_code == 0
    assert re.search(rf"^ *(Example: )?datastorage log {name}\b", shown.output, re.MULTILINE), shown.output
    assert name in run("--help").output


def status(database: Database, **environ: str) -> dict[str, Any]:
    result = run("status", "--json", **database.environ, **environ)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_what_is_signed_and_remembered(database: Database, tmp_path: Path) -> None:
    found = status(database)
    assert (found["origin"], found["checkpoint"], found["memories"], found["witnesses"]) == (None, None, [], [])
    path = tmp_path / "checkpoint"
    environ = {"DATASTORAGE_LOG__CHECKPOINT_FILE": str(path)}
    with sequencers(database, signer=Signer((), ())) as [one]:
        statements_of(database, 1)
        signed_turn(one)
        assert status(database)["signing"] == "off"
    with sequencers(database, signer=Signer((KEY,), [FileMemory(str(path))])) as [one]:
        statements_of(database, 4)
        signed_turn(one)
        found = status(database, **environ)
        assert (found["origin"], found["signing"], found["signing_stopped"]) == (KEY.name, "on", None)
        assert found["checkpoint"]["size"] == 5
        [memory] = found["memories"]
        assert memory == {
            "name": "file",
            "holds": {"origin": KEY.name, "size": 5, "root": found["root"]},
            "trouble": None,
        }
        shown = run("status", **database.environ, **environ).output
        for line in (
            f"origin: +{KEY.name}",
            "checkpoint: +5 entries, signed at 20",
            "signing: +on",
            "in file: +5 entries",
        ):
            assert re.search(f"^{line}", shown, re.MULTILINE), shown
        path.write_text("something")
        statements_of(database, 1)
        signed_turn(one)
    found = status(database, **environ)
    assert (found["signing"], found["memories"][0]["trouble"]) == ("stopped", "does not hold a tree")
    assert "in file:     does not hold a tree\n" in run("status", **database.environ, **environ).output
    away = status(database, **environ, DATASTORAGE_REDIS__URL="redis://127.0.0.1:1/0")
    assert [(m["name"], m["holds"]) for m in away["memories"]] == [("redis", None), ("file", None)]
    assert away["memories"][0]["trouble"].startswith("Redis does not answer")


def test_what_witnesses_have_said(database: Database, tmp_path: Path) -> None:
    known, silent, former = (make_key(f"w/{n}", bytes([n]) * 32, COSIGNATURE) for n in range(3))
    with sequencers(database, signer=Signer((KEY,), ())) as [one]:
        statements_of(database, 3)
        signed_turn(one)
    for key in (known, former):
        database.query(
            "INSERT INTO log_cosignatures (origin, size, witness, line) VALUES (%s, 3, %s, 'x')",
            KEY.name,
            str(key.verifier),
        )
    policy = tmp_path / "policy"
    policy.write_text(f"witness one {known.verifier}\nwitness two {silent.verifier}\nquorum one\n")
    (tmp_path / "log.key").write_text(KEY.encode())
    environ = {
        "DATASTORAGE_LOG__KEY_FILE": str(tmp_path / "log.key"),
        "DATASTORAGE_LOG__WITNESS_POLICY": str(policy),
    }
    told = [(w["name"], w["size"]) for w in status(database, **environ)["witnesses"]]
    assert told == [("one", 3), ("two", None), ("w/2", 3)]
    shown = run("status", **database.environ, **environ).output
    assert re.search("^witness: +one: 3 entries at 20", shown, re.MULTILINE)
    assert re.search("^witness: +two: nothing$", shown, re.MULTILINE)


def test_a_log_that_stands_still_is_told(database: Database) -> None:
    database.query("UPDATE log_head SET origin = 'a.example/log', inconsistent = 'it has another root'")
    found = status(database)
    assert (found["signing"], found["signing_stopped"], found["inconsistent"]) == (
        "stopped",
        *2 * ["it has another root"],
    )
    assert "stopped, the log is INCONSISTENT: it has another root\n" in run("status", **database.environ).output
