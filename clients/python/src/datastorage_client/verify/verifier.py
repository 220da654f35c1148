"""The verifier: keys from outside, a memory of what was seen, and the procedures that every answer goes through."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

from datastorage_common import jsonvalue
from datastorage_common.checkpoints import MAX_PROOF_BYTES, Checkpoint, parse_hash
from datastorage_common.merkle import ProofError, check_consistency
from datastorage_common.records import Entry
from datastorage_common.witness_policy import Policy, parse_policy

from datastorage_client.aio import AsyncDataStorageClient
from datastorage_client.asking import at_most
from datastorage_client.client import DataStorageClient
from datastorage_client.problems import NoCheckpointError, ProblemError
from datastorage_client.verify.errors import (
    LogWrongError,
    NotesDifferError,
    NotWitnessedError,
    OtherDayError,
    OtherRecordError,
    ProofFormError,
    RecordDiffersError,
    SmallerError,
)
from datastorage_client.verify.keys import Keys, read_keys
from datastorage_client.verify.memory import InProcess, Memory, OnDisk
from datastorage_client.verify.newest import PAUSE_S, STALE_TRIES, check_not_gone, newer, newest
from datastorage_client.verify.proofs import RecordProof, check_path, read_proof
from datastorage_client.verify.record import Record, check_event, check_notification, read_record
from datastorage_client.verify.steps import JSON, NOTE, Ask, AsyncFetch, Fetch, Pause, Steps, arun, run
from datastorage_client.verify.tiles import Tiles
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.trust import Trust
from datastorage_client.verify.whole import Whole, check_whole

_EVENTS = "/api/v1/audit/events/"
_NOTIFICATIONS = "/api/v1/audit/notifications/"
_LONGEST_PAUSE_S = 5.0
# Whether digits were lost cannot be seen from what is left.
_NUMBERS = (
    "; did another program write it? Numbers have to be as the service wrote them, and jq and JavaScript round them"
)


@dataclass(frozen=True, slots=True)
class Proved:
    """A record that is in the log, with its place and the checkpoint that says so."""

    index: int
    entry: Entry
    checkpoint: Checkpoint
    record: dict[str, Any]  # as it was checked, numbers as they are written


class Verifier:
    """Checks what services answer about their logs. Any number of threads may share one.

    keys: verifier keys, as text or in a file (a Path), one a line; they come from outside the service. A checkpoint has
    to be signed by one whose name is its origin. store: the folder in which the last checkpoint of each log is
    remembered, and what contradicts it; several processes may share it. Without one, memory ends with the process.
    policy: witnesses that have to have cosigned, as c2sp.org/tlog-policy (text, a Path, or a Policy); its logs are
    taken as keys too.

    What does not hold is raised as a VerificationError. An answer that did not come, or is a problem, is raised as the
    client raises it; nothing is remembered then.
    """

    def __init__(
        self, keys: Keys = (), *, store: Path | str | None = None, policy: Policy | Path | str | None = None
    ) -> None:
        """Raises ValueError for keys or a policy that cannot be read, OSError for their files."""
        if isinstance(policy, str | Path):
            policy = parse_policy(policy.encode() if isinstance(policy, str) else policy.read_bytes())
        found = read_keys(keys) if keys or policy is None else ()
        known = (*found, *(() if policy is None else policy.logs))
        if not known:
            raise ValueError("neither the keys nor the policy name a log")
        self._trust = Trust(known, policy)
        self._memory: Memory = InProcess() if store is None else OnDisk(Path(store))

    # What is at hand: nothing is asked.

    def check_note(self, note: bytes) -> Checkpoint:
        """The checkpoint of a note that is signed, and cosigned as the policy has it. Raises VerificationError."""
        return self._trust.check(note)

    def check_event(self, event: Record, proof: bytes) -> Proved:
        """Check the proof of an event, offline. Raises VerificationError.

        ``event``: as the API gives it, best the bytes of the answer; ``proof``: a tlog-proof, or the JSON of one.
        """
        members, found = read_record(event), read_proof(proof)
        checkpoint = self.check_note(found.proof.note.encode())
        try:
            return self._proved(members, found, checkpoint, is_event=True)
        except RecordDiffersError as e:
            raise RecordDiffersError(f"{e}{_NUMBERS}") from None

    def check_notification(self, row: Record, proof: bytes) -> Proved:
        """As `check_event`, for a notification as lists give it."""
        members, found = read_record(row), read_proof(proof)
        return self._proved(members, found, self.check_note(found.proof.note.encode()), is_event=False)

    # What is asked of the service.

    def update(self, client: DataStorageClient) -> Checkpoint:
        """The newest checkpoint: signed, continuing the remembered one, and remembered from now on.

        Raises ContradictionError where it does not continue it, SmallerError of these where it stays older than it;
        other VerificationErrors.
        """
        return run(_fetch(client), self.updating())

    def event(
        self, client: DataStorageClient, event_id: UUID | str, *, event_date: str | None = None, wait: float = 0.0
    ) -> Proved:
        """Ask for an event and its proof, and check both; the checkpoint is remembered as `update` does.

        ``event_date``: the day of the event, such as 2026-01-05, where its id was used on several. ``wait``: so many
        seconds may pass until it is in the log. Raises OtherDayError where the service gives the event of another day;
        NotFoundError, VerificationError.
        """
        return run(_fetch(client), self.proving_event(str(event_id), event_date, wait))

    def notification(self, client: DataStorageClient, row: Record, *, wait: float = 0.0) -> Proved:
        """As `event`, for a notification as a list or the answer to its storing gives it."""
        return run(_fetch(client), self.proving_notification(row, wait))

    def whole_log(self, client: DataStorageClient, *, records: bool = True) -> Whole:
        """Check all that the service shows: entries against the newest checkpoint, and ``records`` against entries.

        Raises LogWrongError where any is wrong, and what `update` does.
        """
        fetch = _fetch(client)
        tree = Tree(Tiles(fetch), run(fetch, self.updating()))
        found = check_whole(fetch, tree, records=records)
        if not found.well:
            raise LogWrongError(found)
        return found

    async def aupdate(self, client: AsyncDataStorageClient) -> Checkpoint:
        """As `update`, for asyncio."""
        return await arun(_afetch(client), self.updating())

    async def aevent(
        self, client: AsyncDataStorageClient, event_id: UUID | str, *, event_date: str | None = None, wait: float = 0.0
    ) -> Proved:
        """As `event`, for asyncio."""
        return await arun(_afetch(client), self.proving_event(str(event_id), event_date, wait))

    async def anotification(self, client: AsyncDataStorageClient, row: Record, *, wait: float = 0.0) -> Proved:
        """As `notification`, for asyncio."""
        return await arun(_afetch(client), self.proving_notification(row, wait))

    # The procedures.

    def updating(self, since: bytes | None = None) -> Steps[Checkpoint]:
        """The steps of `update`. ``since``: a note that is kept elsewhere; the service must not deny it either."""
        known = self._known()
        note, checkpoint = yield from newest(self._trust, [*known, *([] if since is None else [since])])
        if (held := newer(self._trust, known, checkpoint)) is not None:
            # That they contradict each other would be worse.
            yield from self._comparing(*held, note, checkpoint)
            raise SmallerError(
                f"the log {checkpoint.origin} is shown as it was, with {checkpoint.size} entries, and it had "
                f"{held[1].size}: somebody gives an old answer again and again, or a cache does not let go of one",
                held[0], note, self._memory.keep_evidence(checkpoint.origin, held[0], note),
            )  # fmt: skip
        return (yield from self._continuing(note, checkpoint))

    def proving_event(self, event_id: str, event_date: str | None, wait: float) -> Steps[Proved]:
        """The steps of `event`."""
        path = _EVENTS + quote(event_id, safe="")
        query = f"?event_date={quote(event_date)}" if event_date is not None else ""
        record = read_record((yield from _event(path, query)))
        # Another event with its own proof would be as good a proof, of something else.
        if not _is_id(event_id, record.get("event_id")):
            raise ProofFormError(f"the service answers with the event {record.get('event_id')}, not {event_id}")
        if event_date is not None and record.get("event_date") != event_date:
            raise OtherDayError(
                f"the service answers with the event of {record.get('event_date')}, not of {event_date}"
            )
        return (yield from self._proving(record, f"{path}/proof{query}", wait, is_event=True))

    def proving_notification(self, row: Record, wait: float) -> Steps[Proved]:
        """The steps of `notification`."""
        record = read_record(row)
        path = f"{_NOTIFICATIONS}{quote(str(record.get('id')), safe='')}/proof"
        return (yield from self._proving(record, path, wait, is_event=False))

    def _proving(self, record: dict[str, Any], path: str, wait: float, *, is_event: bool) -> Steps[Proved]:
        try:
            found = read_proof((yield from _waiting(path, wait)))
        except NoCheckpointError as e:
            check_not_gone(self._trust, self._known(), e)
            raise
        note = found.proof.note.encode()
        checkpoint = self._trust.signed(note)
        proved = self._proved(record, found, checkpoint, is_event=is_event)
        witnessed = self._trust.is_witnessed(note)
        yield from self._continuing(note, checkpoint, remember=witnessed)
        if not witnessed:
            yield from self._witnessing(checkpoint)
        return proved

    def _known(self) -> list[bytes]:
        """The remembered notes of the logs that may be asked about."""
        origins = dict.fromkeys(key.name for key in self._trust.keys)
        return [note for note in map(self._memory.get, origins) if note is not None]

    def _witnessing(self, checkpoint: Checkpoint) -> Steps[None]:
        """Raises NotWitnessedError unless a witnessed checkpoint continues this one."""
        witnessed = yield from self.updating()
        if witnessed.origin != checkpoint.origin or witnessed.size < checkpoint.size:
            raise NotWitnessedError(
                f"the checkpoint of {checkpoint.size} entries has not enough witnesses yet: ask again in a moment"
            )
        proof = yield from _consistency(checkpoint.size, witnessed.size)
        try:
            check_consistency(checkpoint.size, witnessed.size, checkpoint.root, witnessed.root, proof)
        except ProofError as e:
            raise NotWitnessedError(f"what the witnesses have seen does not continue this checkpoint: {e}") from None

    def _continuing(self, note: bytes, seen: Checkpoint, *, remember: bool = True) -> Steps[Checkpoint]:
        """Remember a checkpoint, once it is proven to continue the remembered one, or to be continued by it.

        Without ``remember`` it is only proven: what has too few witnesses would hide how far those had come.
        """
        while True:
            held_note = self._memory.get(seen.origin)
            if held_note is None:
                if not remember or self._memory.replace(seen.origin, None, note):
                    return seen
                continue
            held = self._trust.signed(held_note)
            yield from self._comparing(held_note, held, note, seen)
            if not remember or seen.size <= held.size or self._memory.replace(seen.origin, held_note, note):
                return seen

    def _comparing(self, held_note: bytes, held: Checkpoint, note: bytes, seen: Checkpoint) -> Steps[None]:
        """Raises ContradictionError unless one of the two continues the other."""
        old, new = (held, seen) if held.size <= seen.size else (seen, held)
        proof: list[bytes] = []
        tries = 0
        while 0 < old.size < new.size:
            try:
                proof = yield from _consistency(old.size, new.size)
                break
            except ProblemError as e:
                if new is seen or e.status not in (400, 404):
                    raise
                tries += 1
                if tries == STALE_TRIES:
                    evidence = self._memory.keep_evidence(seen.origin, held_note, note)
                    raise SmallerError(
                        f"the log {seen.origin} has become smaller: {seen.size} entries, and there were {held.size}",
                        held_note, note, evidence,
                    ) from None  # fmt: skip
            yield Pause(PAUSE_S)
        try:
            check_consistency(old.size, new.size, old.root, new.root, proof)
        except ProofError as e:
            evidence = self._memory.keep_evidence(seen.origin, held_note, note)
            raise NotesDifferError(
                f"the log {seen.origin} contradicts itself: its checkpoint of {seen.size} entries and the remembered "
                f"one of {held.size} are not of one tree ({e})",
                held_note, note, evidence,
            ) from None  # fmt: skip

    def _proved(self, record: dict[str, Any], found: RecordProof, checkpoint: Checkpoint, *, is_event: bool) -> Proved:
        check_path(found, checkpoint.root, checkpoint.size)
        if record.get("log_index") not in (None, found.proof.index):
            raise OtherRecordError(
                f"the record is answered with the place {record['log_index']}, and proven at {found.proof.index}"
            )
        if found.salt is None:
            raise ProofFormError("the proof has no salt: without it nobody can say what the entry was made of")
        if is_event:
            check_event(record, found.entry, found.salt)
        else:
            check_notification(record, found.recorded_by, found.entry, found.salt)
        return Proved(found.proof.index, found.entry, checkpoint, record)


def _event(path: str, query: str) -> Steps[bytes]:
    """An event. Raises ProblemError."""
    try:
        return (yield Ask(path + query, JSON, None))
    except ProblemError as e:
        # A service of before knows the day of proofs alone.
        if not query or e.status != 400:
            raise
    return (yield Ask(path, JSON, None))


def _is_id(asked: str, answered: object) -> bool:
    """Whether an event that was answered has the id that was asked for, which has several spellings."""
    try:
        return answered == str(UUID(asked))
    except ValueError:
        return answered == asked


def _consistency(old: int, size: int) -> Steps[list[bytes]]:
    """The hashes of a consistency proof. Raises ProofFormError, ProblemError."""
    if old in (0, size):
        return []
    answer = yield Ask(f"/api/v1/log/consistency?from={old}&to={size}", JSON)
    try:
        members = jsonvalue.parse(answer)
        if (members["from"], members["size"]) != (old, size):
            raise ProofFormError(f"the service proves another step than that from {old} to {size} entries")
        return [parse_hash(text) for text in members["hashes"]]
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise ProofFormError(f"the consistency proof from {old} to {size} entries cannot be read") from e


def _waiting(path: str, wait: float) -> Steps[bytes]:
    """The answer, once the record is in the log. Raises ProblemError."""
    deadline = time.monotonic() + wait
    while True:
        try:
            return (yield Ask(path, NOTE))
        except ProblemError as e:
            pause = min(e.retry_after or PAUSE_S, _LONGEST_PAUSE_S)
            if not e.type.endswith(("/not-yet-in-log", "/no-checkpoint")) or time.monotonic() + pause > deadline:
                raise
        yield Pause(pause)


def _fetch(client: DataStorageClient) -> Fetch:
    def fetch(path: str, accept: str, max_bytes: int | None = MAX_PROOF_BYTES, /) -> bytes:
        return client._http.get(path, headers={"Accept": accept}, extensions=at_most(max_bytes)).content

    return fetch


def _afetch(client: AsyncDataStorageClient) -> AsyncFetch:
    async def fetch(path: str, accept: str, max_bytes: int | None = MAX_PROOF_BYTES, /) -> bytes:
        return (await client._http.get(path, headers={"Accept": accept}, extensions=at_most(max_bytes))).content

    return fetch
