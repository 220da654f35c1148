"""`datastorage verify --database`: what it says, and how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage
from datastorage_common.notes import Note, make_key, parse_note
from datastorage_common.witness_policy import Policy

from app.cli.verify import verify_database
from app.transparency.memories import FileMemory, Remembered
from app.transparency.origins import start_origin
from tests.support import ROOT, Database
from tests.verify_support import (
    KEY,
    ORIGIN,
    POLICY,
    fill,
    make_events,
    pinned,
    place_all,
    store_events,
    without_triggers,
)


@pytest.fixture
def filled(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    for name, value in database.environ.items():
        monkeypatch.setenv(name, value)
    fill(database, 280)
    return database


def run(
    capsys: pytest.CaptureFixture[str],
    *,
    as_json: bool = False,
    policy: Policy | None = None,
    since: Note | None = None,
    key: Any = KEY,
) -> tuple[int, str, str]:
    code = 0
    try:
        verify_database(config_path=None, keys=[key.verifier], policy=policy, since=since, as_json=as_json)
    except SystemExit as e:
        code = int(str(e.code))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_all_is_well(filled: Database, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(filled.service_url) as conn:
        store_events(conn, make_events(4, start=900))
    place_all(filled)
    since = parse_note(filled.query("SELECT note FROM log_checkpoints WHERE size = 256")[0][0].encode())
    code, out, _ = run(capsys, policy=POLICY, since=since)
    assert code == 0
    for line in (
        "entries:      365 (324 audit_event, 1 intake_finished, 40 notification)",
        "signed:       361 entries; 4 behind them are not signed yet",
        "checkpoints:  4",
        "witnessed:    361 entries",
        "since:        256 entries",
        "old records:  50: as they were when they were taken in",
        "not proven:   changes made before the first checkpoint was signed",
    ):
        assert line in out.splitlines()
    assert out.endswith("\nall is well\n")
    told = json.loads(run(capsys, as_json=True)[1])
    assert (told["ok"], told["size"], told["signed_size"], told["unsigned"]) == (True, 365, 361, 4)
    assert (told["first"], told["faults"], told["old"]) == (None, {}, 50)


def test_the_first_wrong_record_is_named(filled: Database, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(filled.superuser_url) as conn, without_triggers(conn):
        conn.execute(
            "UPDATE audit_events SET event_data = event_data || '{\"a\": 1}' WHERE correlation_id IN ('c-9', 'c-8')"
        )
        conn.execute("UPDATE notification_audit SET recorded_by = 'x' WHERE salt IS NOT NULL")
    [(ident,)] = filled.query("SELECT event_id::text FROM audit_events WHERE correlation_id = 'c-8'")
    code, out, _ = run(capsys)
    assert code == 1
    *_, before, first = out.splitlines()[:-20]
    *named, rest = out.splitlines()[-20:]
    assert before.startswith("not proven: ")
    assert first == f"first wrong:  audit_event {ident}, entry 59: its content does not give its digest"
    assert all(re.match("wrong:        (audit_event|notification) [0-9a-f-]+, entry [0-9]+: ", line) for line in named)
    assert rest == "wrong in all: 32 (columns 30, content 2); --json names the first 32"
    code, out, _ = run(capsys, as_json=True)
    told = json.loads(out)
    assert (code, told["ok"], told["faults"]) == (1, False, {"columns": 30, "content": 2})
    assert (told["wrong"][0], len(told["wrong"])) == (told["first"], 32)
    assert [each["index"] for each in told["wrong"]] == sorted(each["index"] for each in told["wrong"])
    assert (told["first"]["id"], told["first"]["index"], told["first"]["what"]) == (ident, 59, "content")


def test_a_log_that_the_service_found_inconsistent(filled: Database, capsys: pytest.CaptureFixture[str]) -> None:
    filled.query("UPDATE log_head SET inconsistent = 'the memory in redis has 400 entries, and the log has 361'")
    code, out, _ = run(capsys)
    assert code == 1
    assert "first wrong:  the service has stopped to sign: the memory in redis has 400 entries" in out
    assert json.loads(run(capsys, as_json=True)[1])["faults"] == {"inconsistent": 1}


@pytest.mark.parametrize(
    ("size", "right", "wrong"),
    [
        (300, True, ""),
        (361, True, ""),
        (0, False, "has another root of 0 entries than the log"),
        (299, False, "has another root of 299 entries than the log"),
        (400, False, "has 400 entries, and the log has 361"),
    ],
)
def test_what_is_remembered_has_to_fit(
    filled: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    size: int,
    right: bool,
    wrong: str,
) -> None:
    memory = FileMemory(str(tmp_path / "signed"))
    root = bytes(32)
    if right:
        [(root,)] = filled.query("SELECT root FROM log_checkpoints WHERE size = %s", size)
    assert memory.advance(b"", Remembered(ORIGIN, 1, size, bytes(root)).encode())
    monkeypatch.setenv("DATASTORAGE_LOG__CHECKPOINT_FILE", str(tmp_path / "signed"))
    code, out, _ = run(capsys)
    assert (code, f"the memory in file {wrong}" in out) == (int(bool(wrong)), bool(wrong))
    assert "in file:" in out
    told = json.loads(run(capsys, as_json=True)[1])
    assert told["faults"] == ({"remembered": 1} if wrong else {})
    assert told["memories"][0]["holds"]["size"] == size


def test_a_memory_of_another_log_and_one_that_is_away(
    filled: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATASTORAGE_REDIS__URL", "redis://127.0.0.1:1/0")
    code, out, _ = run(capsys)
    assert code == 0, "what is away contradicts nothing"
    assert "in redis:     Redis does not answer" in out
    memory = FileMemory(str(tmp_path / "signed"))
    assert memory.advance(b"", Remembered("log.example/b", 1, 0, bytes(32)).encode())
    monkeypatch.setenv("DATASTORAGE_LOG__CHECKPOINT_FILE", str(tmp_path / "signed"))
    code, out, _ = run(capsys)
    assert code == 1
    assert f"the memory in file is of the log log.example/b, and this one is {ORIGIN}" in out


def test_earlier_names_are_shown(filled: Database, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pinned(filled, filled.owner_url) as conn:
        start_origin(conn, [FileMemory(str(tmp_path / "signed"))], "log.example/b", "the key was seen", None)
    code, out, _ = run(capsys)
    assert code == 0, out
    assert re.search(rf"\nearlier name: {ORIGIN}, to 361 entries, until [0-9T:.-]+Z: the key was seen\n", out)
    [earlier] = json.loads(run(capsys, as_json=True)[1])["earlier"]
    assert (earlier["origin"], earlier["size"], earlier["reason"]) == (ORIGIN, 361, "the key was seen")
    done = CliRunner().invoke(datastorage, ["log", "status"], env=filled.environ)
    assert f"earlier:     {ORIGIN}, to 361 entries, until " in done.output
    assert "nobody gives places since" in done.output
    assert "in redis:    not asked: redis.url is not set here\n" in done.output


def test_what_comes_from_outside_has_to_fit(filled: Database, capsys: pytest.CaptureFixture[str]) -> None:
    since = parse_note(filled.query("SELECT note FROM log_checkpoints WHERE size = 256")[0][0].encode())
    other = make_key(ORIGIN, b"5" * 32)
    code, out, err = run(capsys, since=since, key=other)
    assert (code, out) == (2, "")
    assert err == "datastorage: the older checkpoint cannot be used: none of the keys has signed it\n"
    code, out, _ = run(capsys, key=other)
    assert code == 1
    assert "signed:       nothing by these keys; 361 entries by another one\n" in out


def test_a_database_that_is_away(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASTORAGE_DATABASE__URL", "postgresql://nobody@127.0.0.1:1/none")
    code, out, err = run(capsys)
    assert (code, out) == (3, "")
    assert "database.direct_url" in err


def test_the_command_of_the_page(filled: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "log.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^datastorage (verify --database .*)$", page, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    key = tmp_path / "log.vkey"
    key.write_text(f"{KEY.verifier}\n")
    done = CliRunner().invoke(datastorage, command.split(), env=filled.environ)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "all is well"), done.output
    filled.query("ALTER TABLE audit_events DISABLE TRIGGER USER; DELETE FROM audit_events WHERE correlation_id = 'c-2'")
    done = CliRunner().invoke(datastorage, ["verify", "--database", "--key", str(key), "--json"], env=filled.environ)
    assert (done.exit_code, json.loads(done.stdout)["faults"]) == (1, {"no row": 1})
    done = CliRunner().invoke(datastorage, ["verify", "--database"], env=filled.environ)
    assert (done.exit_code, done.stdout) == (2, "")
