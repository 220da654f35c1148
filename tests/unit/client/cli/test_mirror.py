"""`datastorage log mirror` against a log that can lie."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from datastorage_client.cli.log import log as log_group
from datastorage_client.verify import mirror as mirror_module
from datastorage_client.verify import steps
from datastorage_common.notes import make_key

from tests.unit.client.cli.support import ROW, Run, files
from tests.unit.client.verify.log_server import KEY, Log


def test_a_copy_has_the_files_of_the_specification(log: Log, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    result = run("log", "mirror", copy)
    assert (result.exit_code, result.stdout) == (0, f"{copy} has 600 entries of {log.origin}\n")
    assert files(copy) == {
        "checkpoint",
        *(f"tile/{level}/{tile}" for level in ("0", "entries") for tile in ("000", "001", "002.p/88")),
        "tile/1/000.p/2",
    }
    for name in files(copy):
        assert (copy / name).read_bytes() == log.answer(f"/api/v1/log/{name}")[2]


def test_a_copy_grows_and_fetches_nothing_twice(log: Log, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert run("log", "mirror", copy).exit_code == 0
    for _ in range(200):
        log.put_event()
    log.sign()
    log.asked.clear()
    assert json.loads(run("log", "mirror", copy, "--json").stdout)["size"] == 800
    assert not {path for path in log.asked if path.endswith(("/000", "/001"))}
    # What is not complete any more is not left behind.
    assert files(copy) == {
        "checkpoint",
        *(f"tile/{level}/{tile}" for level in ("0", "entries") for tile in ("000", "001", "002", "003.p/32")),
        "tile/1/000.p/3",
    }


def test_a_copy_that_was_stopped_goes_on(log: Log, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    log.missing.add("/api/v1/log/tile/entries/001")
    assert run("log", "mirror", copy).exit_code == 3
    assert "checkpoint" not in files(copy)
    log.missing.clear()
    log.asked.clear()
    assert run("log", "mirror", copy).exit_code == 0
    assert "/api/v1/log/tile/entries/000" not in log.asked


def test_a_copy_takes_nothing_wrong(log: Log, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    path = "/api/v1/log/tile/entries/001"
    log.changes[path] = lambda data: data.replace(b"2026-01-05", b"2026-01-06")
    result = run("log", "mirror", copy)
    assert (result.exit_code, "entry 256 is not the one" in result.stderr) == (1, True)
    assert not {"checkpoint", "tile/entries/001"} & files(copy)


def test_a_log_that_contradicts_its_copy_leaves_it_alone(log: Log, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert run("log", "mirror", copy).exit_code == 0
    before = {name: (copy / name).read_bytes() for name in files(copy)}
    other = Log()
    for i in range(700):
        other.put_event(None if i != 200 else "00000000-0000-0000-0000-00000000ffff")
    other.sign()
    log.__dict__.update(other.__dict__)
    result = run("log", "mirror", copy)
    assert result.exit_code == 1
    assert "the first 600 of its 700 entries are others" in result.stderr
    assert {name: (copy / name).read_bytes() for name in before} == before
    assert {name for name in files(copy) if name.endswith("seen.note")}


def test_what_a_restored_database_lost_is_named(log: Log, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    log.put_notification(ROW, "notifier")
    log.put_notification({**ROW, "id": 43}, "notifier")
    log.sign()
    assert run("log", "mirror", copy).exit_code == 0
    assert run("log", "mirror", copy, "--missing").exit_code == 0
    # From before the last 12, of which one event came again, and one number was given again.
    lost = list(log.events)[590:]
    for ident in lost:
        del log.events[ident]
    del log.entries[590:]
    log.put_event(lost[3])
    log.put_notification({**ROW, "recipient": "other@example.com"}, None)
    log.sign()
    result = run("log", "mirror", copy)
    assert result.exit_code == 1
    assert "the log has become smaller: 592 entries, and the copy has 602; both checkpoints" in result.stderr
    where, key = os.environ["DATASTORAGE_URL"], os.environ["DATASTORAGE_LOG_KEY"]
    command = f"datastorage log mirror {copy} --url {where} --key {key} --missing"
    assert f"`{command}` names what it lost" in result.stderr
    result = run("log", "mirror", copy, "--missing", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["common"] == 590
    assert [row["id"] for row in told["lost"]] == [*lost[:3], *lost[4:], "42", "43"]
    assert [row["id"] for row in told["lost"] if row["number_used_again"]] == ["42"]
    assert [row["index"] for row in told["lost"]] == [i for i in range(590, 602) if i != 593]
    shown = run("log", "mirror", copy, "--missing").stdout
    assert "the first 590 entries are the same; 11 records of the copy missing behind them" in shown


def test_without_a_copy_nothing_is_missing(run: Run, tmp_path: Path) -> None:
    result = run("log", "mirror", tmp_path / "copy", "--missing")
    assert (result.exit_code, "there is no whole copy" in result.stderr) == (3, True)


def lose(log: Log, start: int) -> list[str]:
    """Take the newest events away, as a restored database has; their ids."""
    lost = list(log.events)[start:]
    for ident in lost:
        del log.events[ident]
    del log.entries[start:]
    log.sign()
    return lost


def test_an_event_that_waits_for_its_place_is_not_missing(
    log: Log, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    kept = dict(log.events)
    assert run("log", "mirror", copy).exit_code == 0
    lost = lose(log, 590)
    log.events[lost[2]] = kept[lost[2]]  # sent again, and the log stands still
    result = run("log", "mirror", copy, "--missing")
    assert result.exit_code == 1
    assert f"592  audit_event  {lost[2]}  2026-01-05  (stored, waits for a place)\n" in result.stdout
    assert "9 records of the copy missing behind them; 1 event stored that the log has no place for" in result.stdout
    told = json.loads(run("log", "mirror", copy, "--missing", "--json").stdout)
    assert [row["id"] for row in told["waiting"]] == [lost[2]]
    assert lost[2] not in [row["id"] for row in told["lost"]]
    for ident in lost:
        log.events[ident] = kept[ident]
    assert run("log", "mirror", copy, "--missing").exit_code == 0
    # No more are asked for than that.
    monkeypatch.setattr(mirror_module, "MOST_ASKED", 4)
    log.asked.clear()
    told = json.loads(run("log", "mirror", copy, "--missing", "--json").stdout)
    assert (len(told["waiting"]), told["not_asked"]) == (4, 6)
    assert len([path for path in log.asked if path.endswith("/proof")]) == 4


def test_a_log_that_denies_the_copy_is_told(
    log: Log, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "time", SimpleNamespace(sleep=lambda seconds: None))
    assert run("log", "mirror", tmp_path / "copy").exit_code == 0
    log.missing.add("/api/v1/log/checkpoint")
    for options in ((), ("--missing",)):
        result = run("log", "mirror", tmp_path / "copy", *options)
        assert (result.exit_code, "one of 600 entries of the log" in result.stderr) == (1, True)
    assert run("log", "mirror", tmp_path / "new").exit_code == 3


def test_a_log_of_another_name_goes_on_in_the_copy(log: Log, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert run("log", "mirror", copy).exit_code == 0
    before = (copy / "checkpoint").read_bytes()
    other = make_key("log.example/audit-2", b"\4" * 32)
    (tmp_path / "key").write_text(f"{KEY.verifier}\n{other.verifier}\n")
    log.origin, log.keys = other.name, (other,)
    for _ in range(3):
        log.put_event()
    log.sign()
    result = run("log", "mirror", copy)
    assert result.exit_code == 0
    assert f"the log was {KEY.name}, of 600 entries, and is {other.name} now, which continues it" in result.stdout
    [kept] = (copy / "checkpoints").glob("*.note")
    assert kept.read_bytes() == before
    assert str(kept) in result.stdout
    assert json.loads(run("log", "mirror", copy, "--json").stdout)["renamed_from"] is None
    assert "the log was" not in run("log", "mirror", copy).stdout


def test_a_log_of_another_name_that_lost_records_needs_a_new_folder(log: Log, run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert run("log", "mirror", copy).exit_code == 0
    before = {name: (copy / name).read_bytes() for name in files(copy)}
    other = make_key("log.example/audit-2", b"\4" * 32)
    (tmp_path / "key").write_text(f"{KEY.verifier}\n{other.verifier}\n")
    log.origin, log.keys = other.name, (other,)
    lose(log, 590)
    result = run("log", "mirror", copy)
    assert result.exit_code == 1
    assert (
        f"the log is called {other.name} now, and the copy is of {KEY.name}: copy it to a new folder" in result.stderr
    )
    assert {name: (copy / name).read_bytes() for name in before} == before
    assert run("log", "mirror", tmp_path / "new").exit_code == 0


def test_the_client_alone_names_the_package_of_other_commands() -> None:
    refused = CliRunner().invoke(log_group, ["keygen", "a"])
    assert refused.exit_code == 2
    assert "No such command 'keygen'; the other commands of `log`" in refused.stderr
    assert "come with the service's package: the wheel datastorage" in refused.stderr
    assert "the wheel datastorage" in " ".join(CliRunner().invoke(log_group, ["--help"]).stdout.split())
