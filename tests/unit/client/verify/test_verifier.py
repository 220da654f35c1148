"""What the verifier takes, and what it refuses: over HTTP, from a log that can lie."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from datastorage_client import (
    AsyncDataStorageClient,
    DataStorageClient,
    NotFoundError,
    ProblemError,
    UnexpectedAnswerError,
)
from datastorage_client.models import Notification
from datastorage_client.problems import NoCheckpointError
from datastorage_client.verify import (
    CheckpointGoneError,
    InclusionError,
    NoteRefusedError,
    NotesDifferError,
    NotWitnessedError,
    OtherDayError,
    ProofFormError,
    RecordDiffersError,
    SmallerError,
    VerificationError,
    Verifier,
    steps,
)
from datastorage_client.verify.errors import ContradictionError
from datastorage_common.notes import make_key

from tests.unit.client.verify.log_server import KEY, ORIGIN, OTHER_KEY, WITNESS, Log, serving

CHECKPOINT = "/api/v1/log/checkpoint"
KEYS = str(KEY.verifier)
POLICY = f"witness w {WITNESS.verifier}\nquorum w\n"
ROW = {
    "id": 42, "remediation_id": "rr-1", "notification_id": "n-1", "recipient": "ops@example.com", "channel": "email",
    "message_summary": "Pod restarted", "status": "sent", "sent_at": "2026-01-05T10:00:00Z", "escalation_level": 0,
    "created_at": "2026-01-05T10:00:00.120000Z", "updated_at": "2026-01-05T10:00:00.120000Z",
}  # fmt: skip


@pytest.fixture
def log() -> Log:
    return Log(5)


@pytest.fixture
def client(log: Log) -> Iterator[DataStorageClient]:
    with serving(log) as url, DataStorageClient(url, retry_for=0) as made:
        yield made


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "time", SimpleNamespace(sleep=lambda seconds: None))


def test_a_missing_library_is_named() -> None:
    program = "import sys; sys.modules['cryptography'] = None; import datastorage_client.verify"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert shown.returncode == 1
    assert "datastorage_client.verify needs cryptography: pip install" in shown.stderr


# --- checkpoints ---------------------------------------------------------------------------------------------------


def test_a_log_that_grows_is_followed(log: Log, client: DataStorageClient, tmp_path: Path) -> None:
    verifier = Verifier(KEYS, store=tmp_path)
    assert verifier.update(client).size == 5
    for more in (1, 7, 300):
        for _ in range(more):
            log.put_event()
        log.sign()
        # Another process goes on where this one has stopped.
        assert Verifier(KEYS, store=tmp_path).update(client).size == len(log.entries)
    assert verifier.update(client).size == 313
    [note] = (tmp_path / "checkpoints").glob("*.note")
    assert note.read_bytes() == log.note()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda note: note.replace(b"\n5\n", b"\n6\n"), "the signature of log.example/audit is wrong"),
        (
            lambda note: note.replace(ORIGIN.encode(), b"another", 1),
            "the checkpoint of the log another has no signature by a key of log.example",
        ),
        (lambda note: note.replace("— ".encode(), b"- "), "refused: a signature line"),
        (lambda note: b"hello", "refused: a note without signatures"),
    ],
)
def test_a_wrong_checkpoint_is_refused(
    log: Log, client: DataStorageClient, tmp_path: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    log.changes[CHECKPOINT] = change
    with pytest.raises(NoteRefusedError, match=says):
        Verifier(KEYS, store=tmp_path).update(client)
    assert not (tmp_path / "checkpoints").exists()


def test_a_page_of_a_portal_is_no_checkpoint(client: DataStorageClient) -> None:
    with pytest.raises(UnexpectedAnswerError, match="is not application/octet-stream"):
        client._http.get(CHECKPOINT, headers={"Accept": "application/octet-stream"})


def test_another_key_of_that_name_is_not_enough(log: Log, client: DataStorageClient) -> None:
    log.keys = (OTHER_KEY,)
    with pytest.raises(NoteRefusedError, match="has no signature by a key of log"):
        Verifier(KEYS).update(client)


def test_keys_rotate(log: Log, client: DataStorageClient) -> None:
    log.keys = (KEY, OTHER_KEY)
    for keys in (KEYS, str(OTHER_KEY.verifier), f"# both\n{KEYS}\n\n{OTHER_KEY.verifier}\n"):
        assert Verifier(keys).update(client).size == 5


def test_keys_come_from_a_file(log: Log, client: DataStorageClient, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEYS + "\n")
    assert Verifier(tmp_path / "key").update(client).size == 5
    (tmp_path / "key").write_text("no key\n")
    with pytest.raises(ValueError, match="line 1: not a verifier key"):
        Verifier(tmp_path / "key")
    with pytest.raises(ValueError, match="there is no verifier key"):
        Verifier("# none\n")


def forked(log: Log) -> Log:
    """Another log of the same origin that is larger, with another entry in the middle."""
    other = Log()
    for i in range(len(log.entries) + 3):
        other.put_event(None if i != 2 else "00000000-0000-0000-0000-00000000ffff")
    other.sign()
    return other


@pytest.mark.parametrize("larger", [True, False])
def test_a_log_that_was_altered_is_told(log: Log, client: DataStorageClient, tmp_path: Path, larger: bool) -> None:
    verifier = Verifier(KEYS, store=tmp_path)
    verifier.update(client)
    before, other = log.note(), forked(log)
    if not larger:
        other.sign(5)
    log.__dict__.update(other.__dict__)
    with pytest.raises(NotesDifferError, match="contradicts itself") as caught:
        verifier.update(client)
    assert (caught.value.remembered, caught.value.seen) == (before, log.note())
    assert caught.value.evidence is not None
    assert (caught.value.evidence / "remembered.note").read_bytes() == before
    assert (caught.value.evidence / "seen.note").read_bytes() == log.note()
    # What was seen first stays remembered.
    with pytest.raises(NotesDifferError):
        Verifier(KEYS, store=tmp_path).update(client)


def test_another_event_with_its_own_proof_is_not_taken(log: Log, client: DataStorageClient) -> None:
    asked, other = list(log.events)[:2]
    log.events[asked], log.places[asked] = log.events[other], log.places[other]
    with pytest.raises(ProofFormError, match=f"answers with the event {other}, not {asked}"):
        Verifier(KEYS).event(client, asked)
    assert Verifier(KEYS).event(client, other).record["event_id"] == other


def test_a_number_of_gigabytes_is_not_written_out(log: Log) -> None:
    [ident, *_] = log.events
    huge = log.events[ident].replace(b'"weight": 1.50', b'"weight": 1e99999999999')
    assert huge != log.events[ident]
    with pytest.raises(ProofFormError, match="a number that no record can have"):
        Verifier(KEYS).check_event(huge, log.proof(0))
    proof = json.loads(log.json_proof(0))
    proof["entry"]["v"] = 7
    text = json.dumps(proof).replace('"v": 7', '"v": 1e99999999999').encode()
    with pytest.raises(ProofFormError, match="a number that none can have"):
        Verifier(KEYS).check_event(log.events[ident], text)


def test_a_log_that_became_smaller_is_told(log: Log, client: DataStorageClient, tmp_path: Path) -> None:
    verifier = Verifier(KEYS, store=tmp_path)
    verifier.update(client)
    log.sign(3)
    with pytest.raises(SmallerError, match="has become smaller: 3 entries, and there were 5") as caught:
        verifier.update(client)
    assert caught.value.evidence is not None


def test_a_log_that_denies_what_is_remembered_is_told(log: Log, client: DataStorageClient) -> None:
    verifier, ident = Verifier(KEYS), next(iter(log.events))
    log.missing.add(CHECKPOINT)
    with pytest.raises(NoCheckpointError):
        verifier.update(client)
    log.missing.clear()
    verifier.update(client)
    log.missing.add(CHECKPOINT)
    log.asked.clear()
    with pytest.raises(CheckpointGoneError, match="one of 5 entries of the log") as caught:
        verifier.update(client)
    assert caught.value.remembered == log.note()
    assert len(log.asked) == 3  # one instance may be a moment behind
    log.denies = True
    log.missing.add(f"/api/v1/audit/events/{ident}/proof")
    with pytest.raises(CheckpointGoneError):
        verifier.event(client, ident)


def test_a_log_that_was_just_given_another_name_is_no_alarm(log: Log, client: DataStorageClient) -> None:
    other, ident = make_key("log.example/audit-2", b"\4" * 32), next(iter(log.events))
    both = f"{KEYS}\n{other.verifier}\n"
    verifier, old_only = Verifier(both), Verifier(KEYS)
    for each in (verifier, old_only):
        each.update(client)
    log.missing |= {CHECKPOINT, f"/api/v1/audit/events/{ident}/proof"}
    log.denies = True
    # What it does not say, or of a name that it had before, is no excuse.
    for called in (None, ORIGIN, "log.example/audit-3"):
        log.called = called
        with pytest.raises(CheckpointGoneError):
            verifier.update(client)
    log.called = other.name
    renamed = f"the log {ORIGIN} is called {other.name} now, and no checkpoint was signed under that name yet"
    for ask in (lambda: verifier.update(client), lambda: verifier.event(client, ident)):
        with pytest.raises(NoCheckpointError, match=renamed):
            ask()
    with pytest.raises(CheckpointGoneError, match=f"; its log is called {other.name}"):
        old_only.update(client)
    # Once it was signed under that name, it is.
    log.missing.clear()
    log.origin, log.keys = other.name, (other,)
    assert verifier.update(client).origin == other.name
    log.missing.add(CHECKPOINT)
    with pytest.raises(CheckpointGoneError):
        verifier.update(client)


def test_an_answer_of_a_moment_ago_is_asked_for_again(log: Log, client: DataStorageClient) -> None:
    verifier = Verifier(KEYS)
    verifier.update(client)
    sizes = iter([3, 4])
    log.changes[CHECKPOINT] = lambda note: log.note(next(sizes, 5))
    log.asked.clear()
    assert verifier.update(client).size == 5
    assert log.asked == [CHECKPOINT] * 3


def test_an_old_answer_is_not_taken_for_ever(log: Log, client: DataStorageClient, tmp_path: Path) -> None:
    verifier = Verifier(KEYS, store=tmp_path)
    verifier.update(client)
    # With a right proof that the remembered tree continues it.
    log.changes[CHECKPOINT] = lambda note: log.note(3)
    for _ in range(2):
        with pytest.raises(SmallerError, match="is shown as it was, with 3 entries, and it had 5") as caught:
            verifier.update(client)
        assert caught.value.evidence is not None
        assert (caught.value.evidence / "remembered.note").read_bytes() == log.note(5)
        assert (caught.value.evidence / "seen.note").read_bytes() == log.note(3)
    # What was seen stays remembered, and what continues it is taken.
    del log.changes[CHECKPOINT]
    log.put_event()
    log.sign()
    assert verifier.update(client).size == 6


def test_an_old_answer_that_contradicts_is_told_as_that(log: Log, client: DataStorageClient) -> None:
    verifier = Verifier(KEYS)
    verifier.update(client)
    log.changes[CHECKPOINT] = lambda note: forked(log).note(3)
    with pytest.raises(NotesDifferError):
        verifier.update(client)


def test_an_old_proof_proves_as_much(log: Log, client: DataStorageClient) -> None:
    """The remembered tree continues the one that the event is in."""
    ident = next(iter(log.events))
    old = log.proof(0)
    log.changes[f"/api/v1/audit/events/{ident}/proof"] = lambda proof: old
    for _ in range(2):
        log.put_event()
    log.sign()
    verifier = Verifier(KEYS)
    assert verifier.update(client).size == 7
    assert verifier.event(client, ident).checkpoint.size == 5


def test_what_witnesses_have_seen_does_not_go_back(log: Log, client: DataStorageClient) -> None:
    verifier = Verifier(KEYS, policy=POLICY)
    log.witnessed = 4
    verifier.update(client)
    # The newest checkpoint of a proof is ahead of the witnesses, and does not hide how far they had come.
    with pytest.raises(NotWitnessedError):
        verifier.event(client, next(iter(log.events)))
    assert verifier.update(client).size == 4
    log.witnessed = 3
    with pytest.raises(SmallerError, match="with 3 entries, and it had 4"):
        verifier.update(client)


def test_without_an_answer_nothing_is_remembered(log: Log, client: DataStorageClient, tmp_path: Path) -> None:
    verifier = Verifier(KEYS, store=tmp_path)
    verifier.update(client)
    before = log.note()
    log.put_event()
    log.sign()
    log.missing.add("/api/v1/log/consistency")
    with pytest.raises(NotFoundError):
        verifier.update(client)
    [note] = (tmp_path / "checkpoints").glob("*.note")
    assert note.read_bytes() == before


def test_several_logs_have_memories_of_their_own(log: Log, client: DataStorageClient, tmp_path: Path) -> None:
    other = make_key("log.example/audit/2", b"\4" * 32)
    verifier = Verifier(f"{KEYS}\n{other.verifier}", store=tmp_path)
    verifier.update(client)
    log.origin, log.keys = other.name, (other,)
    log.sign(3)
    assert verifier.update(client).size == 3
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_threads_remember_the_largest(log: Log, client: DataStorageClient, tmp_path: Path) -> None:
    for _ in range(60):
        log.put_event()
    log.sign()
    log.changes[CHECKPOINT] = lambda note: log.note(next(sizes, 65))
    sizes = iter(range(6, 66))
    errors: list[BaseException] = []

    def follow() -> None:
        try:
            for _ in range(10):
                Verifier(KEYS, store=tmp_path).update(client)
        except BaseException as e:  # noqa: BLE001 - told below
            errors.append(e)

    threads = [threading.Thread(target=follow) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    [note] = (tmp_path / "checkpoints").glob("*.note")
    assert note.read_bytes() == log.note(65)


# --- witnesses -----------------------------------------------------------------------------------------------------


def test_a_policy_wants_witnesses(log: Log, client: DataStorageClient) -> None:
    verifier = Verifier(KEYS, policy=POLICY)
    with pytest.raises(NotWitnessedError, match="cosigned by no witness"):
        verifier.update(client)
    log.witnessed = 4
    assert verifier.update(client).size == 4
    log.changes[CHECKPOINT + "/witnessed"] = lambda note: log.note()
    with pytest.raises(NotWitnessedError, match="cosigned by no witness"):
        verifier.update(client)


def test_the_logs_of_a_policy_are_keys(log: Log, client: DataStorageClient) -> None:
    log.witnessed = 5
    assert Verifier(policy=f"log {KEYS}\n{POLICY}").update(client).size == 5
    with pytest.raises(ValueError, match="name a log"):
        Verifier(policy=POLICY)


def test_a_proof_is_witnessed_by_a_later_checkpoint(log: Log, client: DataStorageClient) -> None:
    ident = next(iter(log.events))
    verifier = Verifier(KEYS, policy=POLICY)
    log.witnessed = 4
    with pytest.raises(NotWitnessedError, match="ask again in a moment"):
        verifier.event(client, ident)
    log.witnessed = 5
    assert verifier.event(client, ident).index == 0
    with pytest.raises(NotWitnessedError):
        verifier.check_event(log.events[ident], log.proof(0))


# --- records -------------------------------------------------------------------------------------------------------


def test_an_event_is_proven_with_every_digit(log: Log, client: DataStorageClient, tmp_path: Path) -> None:
    verifier = Verifier(KEYS, store=tmp_path)
    for i, ident in enumerate(log.events):
        proved = verifier.event(client, ident, event_date="2026-01-05")
        assert (proved.index, proved.entry.id, proved.checkpoint.size) == (i, ident, 5)
        assert str(proved.record["event_data"]["big"]) == "123456789012345678901234567890"
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_an_id_of_two_days_is_asked_for_by_its_day(log: Log, client: DataStorageClient) -> None:
    ident = next(iter(log.events))
    log.put_event(ident, day="2026-01-06")
    log.sign()
    verifier = Verifier(KEYS)
    for day, index in (("2026-01-05", 0), ("2026-01-06", 5)):
        proved = verifier.event(client, ident, event_date=day)
        assert (proved.index, proved.entry.on, proved.record["event_date"]) == (index, day, day)
    assert verifier.event(client, ident).index == 5


def test_a_service_of_before_gives_the_event_of_one_day(log: Log, client: DataStorageClient) -> None:
    ident = next(iter(log.events))
    log.put_event(ident, day="2026-01-06")
    log.sign()
    log.knows_days = False
    verifier = Verifier(KEYS)
    assert verifier.event(client, ident, event_date="2026-01-06").index == 5
    with pytest.raises(OtherDayError, match="with the event of 2026-01-06, not of 2026-01-05"):
        verifier.event(client, ident, event_date="2026-01-05")


def test_an_event_is_waited_for(log: Log, client: DataStorageClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ident = log.put_event()
    with pytest.raises(ProblemError, match="Not found"):
        Verifier(KEYS).event(client, ident)
    path = f"/api/v1/audit/events/{ident}/proof"

    def sign_then(*_: object) -> None:
        if log.asked.count(path) >= 3:
            log.sign()

    monkeypatch.setattr(steps, "time", SimpleNamespace(sleep=sign_then))
    assert Verifier(KEYS).event(client, ident, wait=600.0).index == 5


def test_both_forms_of_a_proof_do_offline(log: Log) -> None:
    for i, event in enumerate(log.events.values()):
        for proof in (log.proof(i), log.json_proof(i)):
            assert Verifier(KEYS).check_event(event, proof).index == i
            assert Verifier(KEYS).check_event(event.decode(), proof).index == i


CHANGES: list[tuple[str, str, str, type[VerificationError]]] = [
    ("event", '"namespace": "prod"', '"namespace": "dev"', RecordDiffersError),
    ("event", "1.50", "1.51", RecordDiffersError),
    ("event", "567890}", "567891}", RecordDiffersError),
    ("event", '"recorded_by": "gateway"', '"recorded_by": "other"', RecordDiffersError),
    ("event", '"request_id": null', '"request_id": "r"', RecordDiffersError),
    ("event", '"trace_id_from_context": false', '"trace_id_from_context": null', RecordDiffersError),
    ("event", '"event_date": "2026-01-05"', '"event_date": "2026-01-06"', ProofFormError),
    ("event", '{"event_id"', '{"log_index": 2, "event_id"', ProofFormError),
    ("event", '"event_data": {', '"no_data": {', ProofFormError),
    ("proof", '"salt": "00', '"salt": "01', RecordDiffersError),
    ("proof", '"salt": "00', '"salt": "', ProofFormError),
    ("proof", '"index": 1', '"index": 2', InclusionError),
    ("proof", '"commitment": "', '"commitment": "0', ProofFormError),
    ("proof", '"on": "2026-01-05"', '"on": "2026-01-06"', InclusionError),
    ("proof", "log.example", "log.examplf", NoteRefusedError),
]


@pytest.mark.parametrize(("where", "before", "after", "kind"), CHANGES)
def test_what_was_changed_is_refused(
    log: Log, where: str, before: str, after: str, kind: type[VerificationError]
) -> None:
    event, proof = list(log.events.values())[1].decode(), log.json_proof(1).decode()
    assert before in (event if where == "event" else proof)
    changed = (event.replace(before, after), proof) if where == "event" else (event, proof.replace(before, after))
    with pytest.raises(kind):
        Verifier(KEYS).check_event(changed[0], changed[1].encode())


def test_a_proof_of_another_event_is_refused(log: Log) -> None:
    with pytest.raises(ProofFormError, match="the proof is of the audit_event"):
        Verifier(KEYS).check_event(list(log.events.values())[1], log.proof(2))


def test_the_path_of_a_proof_counts(log: Log) -> None:
    members = json.loads(log.json_proof(1))
    for hashes in (members["hashes"][:-1], members["hashes"] + members["hashes"][:1], members["hashes"][::-1]):
        with pytest.raises(InclusionError, match="entry 1 is not in the tree of 5 entries"):
            Verifier(KEYS).check_event(list(log.events.values())[1], json.dumps({**members, "hashes": hashes}).encode())


@pytest.mark.parametrize("proof", [b"", b"{}", b"[]", b"{", b"c2sp.org/tlog-proof@v1\nindex 1\n\nx\n", b"\xff"])
def test_what_is_no_proof_is_refused(log: Log, proof: bytes) -> None:
    with pytest.raises(ProofFormError):
        Verifier(KEYS).check_event(next(iter(log.events.values())), proof)


def test_rounded_numbers_are_refused(log: Log) -> None:
    with pytest.raises(ProofFormError, match="read as doubles"):
        Verifier(KEYS).check_event(json.loads(next(iter(log.events.values()))), log.proof(0))


def test_a_proof_whose_checkpoint_contradicts_is_told(log: Log, client: DataStorageClient) -> None:
    verifier = Verifier(KEYS)
    verifier.update(client)
    log.__dict__.update(forked(log).__dict__)
    with pytest.raises(ContradictionError):
        verifier.event(client, next(iter(log.events)))


@pytest.mark.parametrize("recorded_by", ["notifier", None])
def test_a_notification_is_proven(log: Log, client: DataStorageClient, recorded_by: str | None) -> None:
    log.put_notification(ROW, recorded_by)
    log.sign()
    verifier = Verifier(KEYS)
    proof = log.proof(5, recorded_by=recorded_by)
    for row in (ROW, json.dumps(ROW), Notification.from_dict(ROW)):
        assert verifier.notification(client, row).index == 5
        assert verifier.check_notification(row, proof).entry.id == "42"
    with pytest.raises(RecordDiffersError, match="notification 42"):
        verifier.check_notification({**ROW, "recipient": "other@example.com"}, proof)


def test_it_works_with_asyncio(log: Log, client: DataStorageClient) -> None:
    log.put_notification(ROW, None)
    log.sign()
    verifier = Verifier(KEYS)

    async def ask() -> None:
        async with AsyncDataStorageClient(str(client._http.base_url), retry_for=0) as asked:
            assert (await verifier.aupdate(asked)).size == 6
            assert (await verifier.aevent(asked, next(iter(log.events)))).index == 0
            assert (await verifier.anotification(asked, ROW)).index == 5
            log.sign(3)
            with pytest.raises(ProblemError, match="Not found"):
                await verifier.anotification(asked, ROW)

    asyncio.run(ask())
