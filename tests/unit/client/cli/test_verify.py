"""`datastorage verify` against a log that can lie."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from datastorage_client.cli import http_client
from datastorage_client.cli import verify as verify_module
from datastorage_client.evidence import About, Stream
from datastorage_client.verify import steps
from datastorage_common.notes import make_key

from app.cli.help import HELP
from tests.unit.client.cli.support import ROW, Run, files
from tests.unit.client.evidence.bundles import QUERY, REQUEST, bundle, put_exported, rewrite, write
from tests.unit.client.evidence.test_bundle import broken_off, lines_of
from tests.unit.client.verify.log_server import FEED, KEY, ORIGIN, OTHER_KEY, WITNESS, Log

NAMES = (
    "--proof", "--since", "--store", "--url", "--database", "--event", "--notification", "--sample", "--only-new",
    "--records", "--config", "--token",
)  # fmt: skip


# --- verify --url --------------------------------------------------------------------------------------------------


def test_a_whole_log_is_verified(log: Log, run: Run, tmp_path: Path) -> None:
    log.put_notification(ROW, "notifier")
    log.sign()
    (tmp_path / "since").write_bytes(log.note(300))
    result = run("verify", "--since", tmp_path / "since", "--sample", 5, "--store", tmp_path / "store")
    assert result.exit_code == 0, result.output
    for said in (
        "601 entries",
        "600 events, 1 notification, 0 acts",
        "checkpoint of 300 entries",
        "5 events compared",
        "compared:     601 records with their entries",
    ):
        assert said in result.stdout
    told = json.loads(run("verify", "--json", "--store", tmp_path / "store").stdout)
    assert (told["ok"], told["size"], told["entries"]) == (True, 601, {"audit_event": 600, "notification": 1})
    assert (told["compared"], told["not_compared"], told["faults"], told["first"]) == (601, None, {}, None)


def test_the_first_wrong_entry_is_named(log: Log, run: Run) -> None:
    path = "/api/v1/log/tile/entries/001"
    log.changes[path] = lambda data: data.replace(b"2026-01-05", b"2026-01-06")
    result = run("verify")
    assert result.exit_code == 1
    assert "entry 256: is not the one that the tree has there; wrong in all: 1 (tree 1)" in result.stderr
    root = base64.b64encode(bytes.fromhex(json.loads(run("verify", "--json").stdout)["root"])).decode()
    for said in (
        "size:         600 entries",
        f"root:         {root}",
        "first wrong:  entry 256: is not the one that the tree has there",
        "wrong in all: 1 (tree 1)",
    ):
        assert said in result.stdout.splitlines()
    assert "verified" not in result.stdout
    told = json.loads(run("verify", "--json").stdout)
    assert (told["ok"], told["first"]["index"], told["faults"]) == (False, 256, {"tree": 1})


def test_a_changed_tile_names_the_entries_below_it(log: Log, run: Run) -> None:
    log.changes["/api/v1/log/tile/0/001"] = lambda data: bytes(32) + data[32:]
    result = run("verify")
    assert (result.exit_code, "of the entries 256 to 511, one or more of which" in result.stderr) == (1, True)


def test_a_tree_without_its_root_is_told_with_its_checkpoint(log: Log, run: Run) -> None:
    log.changes["/api/v1/log/tile/0/002.p/88"] = lambda data: bytes(len(data))
    result = run("verify")
    assert (result.exit_code, "size:         600 entries" in result.stdout) == (1, True)
    assert "the last tiles do not give the root of the checkpoint" in result.stderr
    assert "wrong in all: 1 (tree 1)" in result.stdout


def test_what_cannot_be_proven_is_said(log: Log, run: Run) -> None:
    said = [line for line in run("verify").stdout.splitlines() if line.startswith("not proven:")]
    assert "before the first checkpoint" in said[0]
    assert "no record was stored past the log" in said[-2]
    assert all("--database" in line for line in said[-2:])
    assert len(json.loads(run("verify", "--json").stdout)["not_proven"]) == len(said)


def test_a_log_that_the_service_calls_inconsistent_is_no_outage(log: Log, run: Run, tmp_path: Path) -> None:
    log.contradicts = "the memory in redis has 700 entries, and the log has 600"
    for options in ((), ("--no-records",), ("--records",), ("--store", tmp_path / "store", "--only-new")):
        result = run("verify", *options)
        assert result.exit_code == 1, result.output
        assert "its log contradicts what was signed of it, and has stopped: the memory in redis" in result.stderr
        assert "wrong in all: 1 (inconsistent 1)" in result.stdout
    told = json.loads(run("verify", "--json").stdout)
    assert (told["ok"], told["faults"], told["size"]) == (False, {"inconsistent": 1}, 600)
    log.missing.add("/api/v1/log/checkpoint")
    result = run("verify")
    assert (result.exit_code, "contradicts what was signed of it" in result.stderr) == (1, True)


def test_an_inconsistent_log_is_seen_where_health_is_not(log: Log, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "HTTPClient", partial(http_client.HTTPClient, retry_limit_s=0.0))
    log.contradicts = "the memory in redis has 700 entries, and the log has 600"
    # A proxy lets it not through, answers itself, or the worker has not looked yet.
    log.missing.add("/health")
    for options in ((), ("--no-records",)):
        assert "contradicts what was signed of it, and has stopped; wrong" in run("verify", *options).stderr
    log.missing.clear()
    for health in (b"<html>", b'{"status": "ok"}'):
        log.changes["/health"] = lambda _, health=health: health
        assert run("verify", "--no-records").exit_code == 1
    log.changes["/health"] = lambda _: b'{"status": "healthy", "log": {}}'
    assert "contradicts what was signed of it" in run("verify").stderr
    # It is no matter of them.
    log.contradicts = None
    log.missing.add("/health")
    log.missing.add(FEED)
    assert run("verify").exit_code == 0


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


def test_an_old_checkpoint_is_not_taken_again_and_again(
    log: Log, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "time", SimpleNamespace(sleep=lambda seconds: None))
    assert run("verify", "--store", tmp_path / "store").exit_code == 0
    assert run("log", "mirror", tmp_path / "copy").exit_code == 0
    # It is signed, and the service proves rightly that the log has grown from it.
    log.changes["/api/v1/log/checkpoint"] = lambda note: log.note(300)
    result = run("verify", "--store", tmp_path / "store")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is shown as it was, with 300 entries, and it had 600" in result.stderr
    kept = {path.name: path.read_bytes() for path in (tmp_path / "store" / "evidence").rglob("*.note")}
    assert kept == {"remembered.note": log.note(), "seen.note": log.note(300)}
    assert run("log", "mirror", tmp_path / "copy").exit_code == 1
    # Of a moment ago it may be.
    for command in (("verify", "--store", tmp_path / "store"), ("log", "mirror", tmp_path / "copy")):
        sizes = iter([300, 300])
        log.changes["/api/v1/log/checkpoint"] = lambda note, sizes=sizes: log.note(next(sizes, 600))
        assert run(*command).exit_code == 0


def test_an_event_of_another_day_is_not_accused(log: Log, run: Run) -> None:
    log.__dict__.update(Log(5).__dict__)
    ident = next(iter(log.events))
    log.put_event(ident, day="2026-01-06")
    log.sign()
    result = run("verify", "--sample", 6)
    assert result.exit_code == 0, result.output
    assert "6 events compared" in result.stdout
    log.knows_days = False
    result = run("verify", "--sample", 6)
    assert result.exit_code == 0, result.output
    assert "5 events compared" in result.stdout
    assert "1 event not compared, whose id is given as that of another day" in result.stdout


def test_events_that_differ_from_their_entries_are_found(log: Log, run: Run) -> None:
    for ident, event in log.events.items():
        log.events[ident] = event.replace(b"alert-1", b"alert-2")
    result = run("verify", "--no-records", "--sample", 3)
    assert result.exit_code == 1
    assert "; wrong in all: 3 (proof 3)" in result.stderr
    log.events.clear()
    assert "there is no such record; wrong in all: 3 (no row 3)" in run("verify", "--no-records", "--sample", 3).stderr


def test_a_policy_of_witnesses_is_asked_for(log: Log, run: Run, tmp_path: Path) -> None:
    (tmp_path / "policy").write_text(f"witness w {WITNESS.verifier}\nquorum w\n")
    result = run("verify", "--witness-policy", tmp_path / "policy")
    assert (result.exit_code, "cosigned by no witness: not enough" in result.stderr) == (1, True)
    log.missing.add("/api/v1/log/checkpoint")
    result = run("verify", "--witness-policy", tmp_path / "policy")
    assert (result.exit_code, "no checkpoint that witnesses have seen" in result.stderr) == (1, True)
    log.missing.clear()
    # The newest one does where the service has no policy of its own.
    log.changes["/api/v1/log/checkpoint"] = lambda note: log.note(cosigned=True)
    assert "600 entries" in run("verify", "--witness-policy", tmp_path / "policy").stdout
    log.changes.clear()
    (tmp_path / "policy").write_text(f"log {KEY.verifier}\nquorum none\n")
    assert run("verify", "--witness-policy", tmp_path / "policy").exit_code == 0
    (tmp_path / "policy").write_text(f"witness w {WITNESS.verifier}\nquorum w\n")
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
    assert result.exit_code == 1
    known = f"{OTHER_KEY.name}+{OTHER_KEY.verifier.key_id.hex()}"
    assert result.stderr == f"datastorage: the checkpoint of the log {ORIGIN} has no signature by a key of {known}\n"


def test_no_answer_is_no_alarm(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASTORAGE_URL", "http://127.0.0.1:1")
    for command in (("verify",), ("log", "mirror", tmp_path / "copy")):
        result = run(*command)
        assert (result.exit_code, "no service answers at" in result.stderr) == (3, True)


def test_all_is_read_again_unless_only_what_is_new_is_asked_for(log: Log, run: Run, tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert run("verify", "--store", store, "--only-new").exit_code == 0
    result = run("verify", "--store", store, "--only-new")
    assert "512 entries that the store has from before" in result.stdout
    assert json.loads(run("verify", "--store", store, "--only-new", "--json").stdout)["not_read_again"] == 512
    log.changes["/api/v1/log/tile/entries/000"] = lambda data: data.replace(b"2026-01-05", b"2026-01-06")
    assert run("verify", "--store", store, "--only-new").exit_code == 0
    result = run("verify", "--store", store)
    assert (result.exit_code, "entry 0: is not the one" in result.stderr) == (1, True)
    log.changes.clear()
    result = run("verify", "--store", tmp_path / "another")
    assert (result.exit_code, "not read:" in result.stdout) == (0, False)
    assert {name.partition("/")[0] for name in files(tmp_path / "another")} == {"checkpoints"}


def test_what_was_not_compared_is_said(run: Run) -> None:
    why = "as that was not asked for: --sample N compares events, a run without --no-records all records"
    assert f"not compared: records with their entries, {why}" in run("verify", "--no-records").stdout
    told = run("verify", "--no-records", "--sample", 3).stdout
    assert f"not compared: records with their entries (but 3 events), {why}" in told


@pytest.mark.parametrize("kept", ["--store", "--since"])
def test_a_log_that_denies_a_checkpoint_is_told(
    log: Log, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    monkeypatch.setattr(steps, "time", SimpleNamespace(sleep=lambda seconds: None))
    (tmp_path / "since").write_bytes(log.note(300))
    assert run("verify", "--store", tmp_path / "store").exit_code == 0
    log.missing.add("/api/v1/log/checkpoint")
    (tmp_path / "policy").write_text(f"witness w {WITNESS.verifier}\nquorum w\n")
    size = 600 if kept == "--store" else 300
    result = run("verify", kept, tmp_path / kept.strip("-"))
    assert result.exit_code == 1
    assert f"and one of {size} entries of the log {ORIGIN} is known from before" in result.stderr
    result = run("verify", kept, tmp_path / kept.strip("-"), "--witness-policy", tmp_path / "policy")
    assert (result.exit_code, f"and one of {size} entries" in result.stderr) == (1, True)
    assert run("verify").exit_code == 3  # nothing to hold it against


@pytest.mark.parametrize("kept", ["--store", "--since"])
def test_a_log_that_was_just_given_another_name_cannot_be_told_of_yet(
    log: Log, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    monkeypatch.setattr(steps, "time", SimpleNamespace(sleep=lambda seconds: None))
    (tmp_path / "since").write_bytes(log.note(300))
    assert run("verify", "--store", tmp_path / "store").exit_code == 0
    other = make_key("log.example/audit-2", b"\4" * 32)
    (tmp_path / "keys").write_text(f"{KEY.verifier}\n{other.verifier}\n")
    (tmp_path / "policy").write_text(f"witness w {WITNESS.verifier}\nquorum w\n")
    log.missing.add("/api/v1/log/checkpoint")
    log.called = other.name
    options = ("verify", kept, tmp_path / kept.strip("-"))
    assert run(*options).exit_code == 1, "its key is not known"
    for more in ((), ("--witness-policy", tmp_path / "policy")):
        result = run(*options, "--key", tmp_path / "keys", *more)
        assert result.exit_code == 3
        assert f"the log {ORIGIN} is called {other.name} now, and no checkpoint was signed" in result.stderr


def test_a_checkpoint_of_another_name_is_told_of(log: Log, run: Run, tmp_path: Path) -> None:
    assert run("verify", "--store", tmp_path / "store").exit_code == 0
    other = make_key("log.example/audit-2", b"\4" * 32)
    (tmp_path / "key-2").write_text(str(other.verifier))
    log.origin, log.keys = other.name, (other,)
    log.sign(300)
    # The old key need not be at hand.
    options = ("verify", "--store", tmp_path / "store", "--key", tmp_path / "key-2")
    result = run(*options)
    assert result.exit_code == 0
    assert f"remembered:   another log too: {ORIGIN}, 600 entries" in result.stdout
    assert f"log:          {other.name}" in result.stdout
    told = json.loads(run(*options, "--json").stdout)
    assert told["remembered_of_other_logs"] == [{"origin": ORIGIN, "size": 600}]


@pytest.mark.parametrize(
    "options",
    [
        *(("--proof", "x", name, "x") for name in ("--since", "--store", "--url")),
        *(("--database", name, "x") for name in ("--store", "--proof", "--event", "--url")),
        ("--proof", "x", "--sample", "0"), ("--proof", "x", "--only-new"), ("--event", "x", "--notification", "x"),
        ("--proof", "x", "--token", "x"), ("--database", "--token", "x"),
        ("--database", "--sample", "3"),
        ("--proof", "x", "--records"), ("--database", "--records"),
        ("--database", "--only-new"), ("--only-new", "--sample", "3"),
        ("--config", "x"), ("--event", "x"),
    ],
)  # fmt: skip
def test_no_option_is_ignored(run: Run, options: tuple[str, ...]) -> None:
    result = run("verify", *("http://127.0.0.1:1" if options[i - 1] == "--url" else o for i, o in enumerate(options)))
    assert result.exit_code == 2
    named = {name for name in NAMES if name in result.stderr}
    assert len(named) == 2
    assert named & set(options) == {option for option in options if option in named}


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


def test_files_that_are_none_of_what_they_should_be_are_told_from_a_wrong_log(
    log: Log, run: Run, tmp_path: Path
) -> None:
    event, proof = tmp_path / "event", tmp_path / "proof"
    idents = list(log.events)

    def told(event_data: bytes, proof_data: bytes, option: str = "--event") -> tuple[int, str]:
        event.write_bytes(event_data)
        proof.write_bytes(proof_data)
        result = run("verify", "--proof", proof, option, event)
        assert "the log is not what it was signed to be" not in result.stderr
        assert result.stderr.count("\n") == 1
        return result.exit_code, result.stderr

    good, good_proof = log.events[idents[7]], log.proof(7)
    for content, says in (
        (b"no json", "the record is not JSON"),
        (b"[" + good + b"]", "the record is not a JSON object"),
        (b'{"data": [], "pagination": {}}', "an answer with many records"),
        (b"{}", "the record is no event: it has no event_id"),
        (good.replace(b"1.50", b"[" * 260 + b"]" * 260), "the record is nested deeper than any record can be"),
        (good.replace(b"1.50", b"[" * 100_000 + b"]" * 100_000), "the record is not JSON: nested too deeply"),
    ):
        code, said = told(content, good_proof)
        assert (code, says in said) == (2, True), said
    assert told(b'{"id": 42}', good_proof, "--notification")[0] == 2
    for content in (b"hello", b"{}", b""):
        code, said = told(good, content)
        assert (code, "the proof cannot be read" in said) == (2, True), said
    code, said = told(good, log.proof(8))
    assert (code, "the record is not the one in the log: the proof is of" in said) == (1, True), said
    # As jq 1.6 writes it.
    code, said = told(good.replace(b"123456789012345678901234567890", b"123456789012345680000000000000"), good_proof)
    assert (code, "the record is not the one in the log" in said) == (1, True), said
    assert "Numbers have to be as the service wrote them, and jq and JavaScript round them" in said
    log.keys = (OTHER_KEY,)
    code, said = told(good, log.proof(7))
    assert (code, "no signature by a key of" in said) == (1, True), said


def test_an_older_checkpoint_has_to_be_signed(log: Log, run: Run, tmp_path: Path) -> None:
    log.keys = (OTHER_KEY,)
    (tmp_path / "since").write_bytes(log.note(300))
    log.keys = (KEY,)
    result = run("verify", "--since", tmp_path / "since")
    assert (result.exit_code, "--since: the checkpoint of the log" in result.stderr) == (2, True)


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


# --- verify FILE.zip -------------------------------------------------------------------------------------------------


def test_a_bundle_is_verified_offline(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bundle(tmp_path / "evidence.zip", Log(30), (1, 5))
    monkeypatch.setenv("DATASTORAGE_URL", "http://127.0.0.1:1")
    result = run("verify", path)
    assert result.exit_code == 0, result.output
    for said in (
        "size:         32 entries",
        f"key:          {KEY.verifier} (as it was given)",
        "records:      2 records",
        "range:        entries 0 to 29",
        "filter:       event_type=gateway.signal.received",
        "exported:     by auditor at 2026-01-05T10:00:00.120000Z, entry 31",
        "compared:     4 records with their entries",
        "verified:     each record is in the log as it stands here, and the log says who exported them",
    ):
        assert said in result.stdout.splitlines()
    monkeypatch.delenv("DATASTORAGE_LOG_KEY")
    result = run("verify", path)
    assert (result.exit_code, "(of the file itself: NOT COMPARED)" in result.stdout) == (0, True)
    assert "not proven:   that the key is the log's: it came with the file" in result.stdout
    told = json.loads(run("verify", path, "--json").stdout)
    assert (told["ok"], told["records"], told["by"], told["key_from_bundle"]) == (True, 2, "auditor", True)
    assert (told["broken_off"], told["filter_cut"]) == (0, False)


def swap(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(files: dict[str, bytes]) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("records.ndjson", b'"event_date": "2026-01-05"', b'"event_date": "\\ud800"'),
        ("exported.ndjson", b'"log_index": 30', b'"log_index": ' + b"9" * 30),
        ("manifest.json", b'"size": 32', b'"size": ' + b"9" * 30),
    ],
)
def test_what_nobody_could_have_written_is_said_in_json_too(
    run: Run, tmp_path: Path, name: str, old: bytes, new: bytes
) -> None:
    path = bundle(tmp_path / "evidence.zip", Log(30), (1, 5))
    rewrite(path, swap(name, old, new), manifest=name != "manifest.json")
    result = run("verify", path, "--json")
    assert (result.exit_code, json.loads(result.stdout)["verdict"]) == (1, "wrong")


def test_what_a_bundle_does_not_prove_is_said(run: Run, tmp_path: Path) -> None:
    path = broken_off(tmp_path / "evidence.zip", Log(300))
    result = run("verify", path)
    said = "not proven:   that nothing is missing or added between the entries 0 and 2, 3 records"
    assert (result.exit_code, said in result.stdout) == (0, True)
    assert json.loads(run("verify", path, "--json").stdout)["broken_off_range"] == [0, 2]
    assert "not proven:   who exported, if the service ever asked for no token" in result.stdout
    log = Log(30)
    put_exported(log, "pending", actor="anonymous", range=[0, 30])
    whole = {"rows": 0, "bytes": 0, "sha256": sha256(b"").hexdigest()}
    put_exported(log, "success", actor="anonymous", range=[0, 30], **whole)
    log.sign()
    stream = Stream(request_id=REQUEST, records=0, bytes=0, sha256=whole["sha256"], whole=True)
    write(path, log, [], About(query=QUERY, range=(0, 30), principal=None, end="30", streams=[stream]))
    result = run("verify", path)
    assert (result.exit_code, "not proven:   who exported: the service asked for no token" in result.stdout) == (
        0,
        True,
    )


def test_an_altered_bundle_ends_with_1_and_is_named(run: Run, tmp_path: Path) -> None:
    path = bundle(tmp_path / "evidence.zip", Log(30), (1, 5))
    rewrite(path, lines_of(lambda f: [f[0].replace(b'"prod"', b'"dev"'), f[1]]))
    result = run("verify", path)
    said = "audit_event 00000000-0000-0000-0000-000000000002, entry 1: its content does not give its digest"
    assert (result.exit_code, f"the evidence does not hold: {said}" in result.stderr) == (1, True)
    told = json.loads(run("verify", path, "--json").stdout)
    assert (told["ok"], told["first"]["index"], told["first"]["id"]) == (False, 1, said[12:48])
    path.write_bytes(path.read_bytes() + b"\0")
    assert "the zip's own structure" in run("verify", path).stderr


def test_a_bundle_that_is_none_and_options_that_do_not_fit(run: Run, tmp_path: Path) -> None:
    result = run("verify", tmp_path / "none.zip")
    assert (result.exit_code, "No such file" in result.stderr) == (2, True)
    for content, why in ((b"", "it is empty"), (b"no zip", "it is no zip file"), (b"x" * 1000, "it is no zip file")):
        (tmp_path / "text").write_bytes(content)
        result = run("verify", tmp_path / "text")
        assert (result.exit_code, f"this is no evidence bundle: {why}" in result.stderr) == (1, True)
    result = run("verify", tmp_path / "text", "--since", tmp_path / "text")
    assert (result.exit_code, "FILE.zip and --since exclude each other" in result.stderr) == (2, True)
