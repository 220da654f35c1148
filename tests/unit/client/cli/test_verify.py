"""`datastorage verify` and `datastorage log mirror` against a log that can lie."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli import verify as verify_module
from datastorage_client.cli.commands import datastorage

from app.cli.help import HELP
from tests.unit.client.verify.log_server import KEY, OTHER_KEY, WITNESS, Log, serving

Run = Callable[..., Result]
ROW = {
    "id": 42, "remediation_id": "rr-1", "notification_id": "n-1", "recipient": "ops@example.com", "channel": "email",
    "message_summary": "Pod restarted", "status": "sent", "sent_at": "2026-01-05T10:00:00Z", "escalation_level": 0,
    "created_at": "2026-01-05T10:00:00.120000Z", "updated_at": "2026-01-05T10:00:00.120000Z",
}  # fmt: skip


@pytest.fixture
def log() -> Log:
    return Log(600)  # two bundles, and part of a third


@pytest.fixture
def run(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    (tmp_path / "key").write_text(f"{KEY.verifier}\n")
    monkeypatch.setenv("DATASTORAGE_LOG_KEY", str(tmp_path / "key"))

    def invoke(*arguments: object) -> Result:
        result = CliRunner().invoke(datastorage, [*map(str, arguments)])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    with serving(log) as url:
        monkeypatch.setenv("DATASTORAGE_URL", url)
        yield invoke


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"lock"}


# --- verify --url --------------------------------------------------------------------------------------------------


def test_a_whole_log_is_verified(log: Log, run: Run, tmp_path: Path) -> None:
    log.put_notification(ROW, "notifier")
    log.sign()
    (tmp_path / "since").write_bytes(log.note(300))
    result = run("verify", "--since", tmp_path / "since", "--sample", 5, "--store", tmp_path / "store")
    assert result.exit_code == 0, result.output
    for said in ("601 entries", "600 events, 1 notification, 0 acts", "checkpoint of 300 entries", "5 events compared"):
        assert said in result.stdout
    told = json.loads(run("verify", "--json", "--store", tmp_path / "store").stdout)
    assert (told["ok"], told["size"], told["entries"]) == (True, 601, {"audit_event": 600, "notification": 1})


def test_the_first_wrong_entry_is_named(log: Log, run: Run) -> None:
    path = "/api/v1/log/tile/entries/001"
    log.changes[path] = lambda data: data.replace(b"2026-01-05", b"2026-01-06")
    result = run("verify")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "entry 256 is not the one that the tree has there" in result.stderr
    told = json.loads(run("verify", "--json").stdout)
    assert (told["ok"], told["first"]["index"], told["wrong"]) == (False, 256, 1)


def test_a_log_that_does_not_continue_an_older_checkpoint_is_told(log: Log, run: Run, tmp_path: Path) -> None:
    other = Log()
    for i in range(300):
        other.put_event(None if i != 200 else "00000000-0000-0000-0000-00000000ffff")
    other.sign()
    (tmp_path / "since").write_bytes(other.note())
    result = run("verify", "--since", tmp_path / "since")
    assert result.exit_code == 1
    assert "the first 300 entries are not those of the checkpoint of --since" in result.stderr
    (tmp_path / "since").write_bytes(log.note())
    log.sign(300)
    result = run("verify", "--since", tmp_path / "since")
    assert result.exit_code == 1
    assert "the log has 300 entries, and had 600" in result.stderr


def test_what_was_seen_is_remembered(log: Log, run: Run, tmp_path: Path) -> None:
    assert run("verify", "--store", tmp_path / "store").exit_code == 0
    log.sign(599)
    result = run("verify", "--store", tmp_path / "store")
    assert result.exit_code == 1
    assert "has become smaller" in result.stderr
    assert {Path(name).name for name in files(tmp_path / "store") if "evidence" in name} == {
        "remembered.note",
        "seen.note",
    }


def test_events_that_differ_from_their_entries_are_found(log: Log, run: Run) -> None:
    for ident, event in log.events.items():
        log.events[ident] = event.replace(b"alert-1", b"alert-2")
    result = run("verify", "--sample", 3)
    assert result.exit_code == 1
    assert "(2 more are wrong)" in result.stderr
    log.events.clear()
    assert "and is not there" in run("verify", "--sample", 3).stderr


def test_a_policy_of_witnesses_is_asked_for(log: Log, run: Run, tmp_path: Path) -> None:
    (tmp_path / "policy").write_text(f"witness w {WITNESS.verifier}\nquorum w\n")
    assert run("verify", "--witness-policy", tmp_path / "policy").exit_code == 3
    log.witnessed = 500
    assert "500 entries" in run("verify", "--witness-policy", tmp_path / "policy").stdout
    (tmp_path / "policy").write_text("quorum w\n")
    result = run("verify", "--witness-policy", tmp_path / "policy")
    assert (result.exit_code, "line 1: a name that no line before defines" in result.stderr) == (2, True)


def test_a_key_is_needed(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATASTORAGE_LOG_KEY")
    for command in (("verify",), ("log", "mirror", tmp_path / "copy")):
        result = run(*command)
        assert (result.exit_code, "--key FILE is missing" in result.stderr) == (2, True)
        assert run(*command, "--key", tmp_path / "none").exit_code == 2
    (tmp_path / "other").write_text(str(OTHER_KEY.verifier))
    result = run("verify", "--key", tmp_path / "other")
    assert (result.exit_code, "not signed by a key that is known here" in result.stderr) == (1, True)


def test_no_answer_is_no_alarm(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASTORAGE_URL", "http://127.0.0.1:1")
    for command in (("verify",), ("log", "mirror", tmp_path / "copy")):
        result = run(*command)
        assert (result.exit_code, "no service answers at" in result.stderr) == (3, True)


# --- verify --proof, --database ------------------------------------------------------------------------------------


def test_a_proof_is_verified_offline(log: Log, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log.put_notification(ROW, "notifier")
    log.sign()
    monkeypatch.setenv("DATASTORAGE_URL", "http://127.0.0.1:1")
    ident = list(log.events)[7]
    (tmp_path / "event").write_bytes(log.events[ident])
    (tmp_path / "proof").write_bytes(log.proof(7))
    options = ("verify", "--proof", tmp_path / "proof")
    result = run(*options, "--event", tmp_path / "event")
    assert result.exit_code == 0, result.output
    assert f"the audit_event {ident} is entry 7 of {log.origin}, of 601 entries" in result.stdout
    assert json.loads(run(*options, "--event", tmp_path / "event", "--json").stdout)["index"] == 7
    (tmp_path / "event").write_bytes(log.events[ident].replace(b"prod", b"dev"))
    result = run(*options, "--event", tmp_path / "event")
    assert (result.exit_code, "does not give the digest" in result.stderr) == (1, True)
    (tmp_path / "row").write_text(json.dumps(ROW))
    (tmp_path / "proof").write_bytes(log.proof(600, recorded_by="notifier"))
    assert run(*options, "--notification", tmp_path / "row").exit_code == 0
    assert run(*options).exit_code == 2
    assert run("verify", "--event", tmp_path / "event").exit_code == 2
    assert run(*options, "--event", tmp_path / "event", "--database").exit_code == 2


def test_a_database_is_for_the_services_package(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "hook", lambda name: None)
    result = run("verify", "--database")
    assert (result.exit_code, "the wheel datastorage brings it" in result.stderr) == (2, True)
    called: list[dict[str, object]] = []
    monkeypatch.setattr(verify_module, "hook", lambda name: lambda **options: called.append(options))
    assert run("verify", "--database", "--config", "x.yaml", "--json").exit_code == 0
    assert called == [
        {"config_path": "x.yaml", "keys": (KEY.verifier,), "policy": None, "since": None, "as_json": True}
    ]


def test_the_group_of_both_packages_has_the_commands_of_both(run: Run) -> None:
    for _ in range(2):
        told = run("log", "--help").stdout
        assert all(f"\n  {command} " in told for command in ("status", "intake", "mirror"))
    told = run("--help").stdout
    assert told.count("\n  log ") == 1
    assert HELP["log"] in told  # the service's line, which is about more


# --- log mirror ----------------------------------------------------------------------------------------------------


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
    del log.entries[590:]
    log.put_event(lost[3])
    log.put_notification({**ROW, "recipient": "other@example.com"}, None)
    log.sign()
    result = run("log", "mirror", copy)
    assert result.exit_code == 1
    assert "the log has become smaller: 592 entries, and the copy has 602; both checkpoints" in result.stderr
    assert f"`datastorage log mirror {copy} --missing` names what it lost" in result.stderr
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
