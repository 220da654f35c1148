"""What was signed: every stored checkpoint against the tree of its size, its signatures, and those of witnesses."""

from __future__ import annotations

from collections.abc import Sequence

from datastorage_common.checkpoints import Checkpoint, parse_checkpoint
from datastorage_common.notes import Note, NoteError, VerifierKey, parse_note, parse_signatures
from datastorage_common.witness_policy import Policy

from app.verify.remembered import RememberedCheck
from app.verify.report import Report
from app.verify.source import Source, StoredCheckpoint
from app.verify.tree import Peaks


class OutsideError(ValueError):
    """What comes from outside the log, a key or an older checkpoint, cannot be used; the message is one line."""


class CheckpointCheck:
    """Compares checkpoints with the roots that the tree has on the way."""

    def __init__(
        self,
        source: Source,
        report: Report,
        keys: Sequence[VerifierKey],
        policy: Policy | None = None,
        since: Note | None = None,
        remembered: RememberedCheck | None = None,
    ) -> None:
        """``since``: an older checkpoint; ``remembered`` is given the roots that it needs.

        Raises OutsideError where no key of these has signed it."""
        self._source = source
        self._report = report
        self._keys = keys
        self._policy = policy
        self._since = None if since is None else _trusted(since, keys)
        self._remembered = remembered or RememberedCheck(report, {}, None)
        self._peaks = Peaks()
        self._unknown: StoredCheckpoint | None = None  # the largest that none of the keys has signed

    def begin(self) -> None:
        """Compare checkpoints of empty trees."""
        self._compare(self._source.checkpoints(-1, 0))
        self._compare_outside()

    def grow(self, leaves: Sequence[bytes]) -> None:
        """Some more leaves; compare checkpoints of the trees that end in them."""
        first = self._peaks.size
        end = first + len(leaves)
        rows = self._source.checkpoints(first, end)
        sizes = {row.size for row in rows} | self._remembered.sizes(first, end)
        if self._since is not None and first < self._since.size <= end:
            sizes.add(self._since.size)
        by_size: dict[int, list[StoredCheckpoint]] = {}
        for row in rows:
            by_size.setdefault(row.size, []).append(row)
        at = first
        for size in sorted(sizes):
            self._peaks.extend(b"".join(leaves[at - first : size - first]))
            at = size
            self._compare(by_size.get(size, []))
            self._compare_outside()
        self._peaks.extend(b"".join(leaves[at - first :]))

    def end(self) -> None:
        """Compare what is larger than the tree, and the cosignatures. The root of the whole is in the report then."""
        report = self._report
        report.root = self._peaks.root()
        for row in self._source.checkpoints(report.size, 2**63 - 1):
            report.checkpoints += 1
            report.add("checkpoint", f"{_named(row)}: the log has {report.size} entries")
        self._remembered.end(report.size)
        if self._since is not None and self._since.size > report.size:
            report.add("since", f"the older checkpoint is of {self._since.size} entries, the log has {report.size}")
        if report.size and report.signed_size is None:
            report.add("signature", "there is no checkpoint that one of the keys has signed")
        elif self._unknown is not None and self._unknown.size > (report.signed_size or 0):
            report.add("signature", f"{_named(self._unknown)}, the newest, is not signed by one of the keys")
        if self._policy is not None:
            self._cosignatures(self._policy)

    def _compare(self, rows: Sequence[StoredCheckpoint]) -> None:
        for row in rows:
            self._report.checkpoints += 1
            if row.root != self._peaks.root():
                self._report.add("checkpoint", f"{_named(row)} has another root than the entries give")
                continue
            try:
                note = parse_note(row.note.encode())
                if note.encode() != row.note.encode():
                    raise NoteError("its note is not in the form that it was signed in")
                if parse_checkpoint(note.text) != Checkpoint(row.origin, row.size, row.root):
                    raise NoteError("its note is of another tree")
                signed = _signed(note, self._keys)
            except NoteError as e:
                self._report.add("signature", f"{_named(row)}: {e}")
                continue
            if signed:
                self._report.signed_size = row.size
            else:
                self._report.unknown_signers += 1
                self._unknown = row
                self._report.unknown_size = row.size

    def _compare_outside(self) -> None:
        self._remembered.compare(self._peaks.size, self._peaks.root())
        if self._since is None or self._since.size != self._peaks.size or self._report.since_size is not None:
            return
        self._report.since_size = self._since.size
        if self._since.root != self._peaks.root():
            text = f"the older checkpoint has another root of {self._since.size} entries than the log: it was rewritten"
            self._report.add("since", text)

    def _cosignatures(self, policy: Policy) -> None:
        """Those that are stored: each that is of a witness of the policy, and what they come to."""
        names: set[str] = set()
        row: StoredCheckpoint | None = None
        by_key = {(w.key.name, w.key.key_id): w for w in policy.witnesses.values()}
        for said in self._source.cosignatures():
            if row is None or (row.origin, row.size) != (said.origin, said.size):
                names = set()
                found = self._source.checkpoints(said.size - 1, said.size)
                row = next((r for r in found if r.origin == said.origin), None)
            of = f"the cosignature of {said.witness} for {said.size} entries of {said.origin}"
            if row is None:
                self._report.add("cosignature", f"{of} is of no checkpoint")
                continue
            try:
                [line] = parse_signatures(said.line)
                if line.line() != said.line:
                    raise NoteError("it is not in the form that it was given in")
                witness = by_key.get((line.name, line.key_id))
                # Stored is the verifier key that it was checked with (app/transparency/cosignatures.py).
                if witness is None:
                    if any(str(w.key) == said.witness for w in by_key.values()):
                        raise NoteError("it is by another key")
                    continue
                if said.witness != str(witness.key):
                    raise NoteError(f"it is by {witness.name}")
                witness.key.check(parse_note(row.note.encode()).text, line)
            except (NoteError, ValueError) as e:
                self._report.add("cosignature", f"{of}: {e}")
                continue
            names.add(witness.name)
            if policy.fulfilled(names):
                self._report.witnessed_size = max(said.size, self._report.witnessed_size or 0)
        if policy.fulfilled(()) and self._report.signed_size is not None:
            self._report.witnessed_size = self._report.signed_size
        if self._report.size and self._report.witnessed_size is None:
            self._report.add("cosignature", "no checkpoint has the cosignatures that the policy asks for")


def _named(row: StoredCheckpoint) -> str:
    return f"the checkpoint of {row.size} entries of {row.origin}"


def _signed(note: Note, keys: Sequence[VerifierKey]) -> bool:
    """Whether one of the keys has signed it. Raises NoteError where a signature under the name of one is wrong."""
    signatures = [key.signed(note) for key in keys]  # all of them: one that is wrong is not made right by another
    return any(signature is not None for signature in signatures)


def _trusted(note: Note, keys: Sequence[VerifierKey]) -> Checkpoint:
    try:
        found = parse_checkpoint(note.text)
        if not _signed(note, keys):
            raise NoteError("none of the keys has signed it")
    except NoteError as e:
        raise OutsideError(f"the older checkpoint cannot be used: {e}") from None
    return found
