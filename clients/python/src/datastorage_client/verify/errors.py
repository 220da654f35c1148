"""What a verifier may find, as exceptions: one for each step, from the form of a proof to the whole tree."""

from __future__ import annotations

from pathlib import Path

from datastorage_common.faults import Faults

from datastorage_client.problems import DataStorageError


class VerificationError(DataStorageError):
    """What the service says does not hold."""


class NoteRefusedError(VerificationError):
    """A checkpoint that none of the known keys has signed, or that is none."""


class CheckpointGoneError(VerificationError):
    """The service says that nothing was signed, and a checkpoint of the log is known: ``remembered`` is its note."""

    def __init__(self, reason: str, remembered: bytes) -> None:
        super().__init__(reason)
        self.remembered = remembered


class NotWitnessedError(VerificationError):
    """A checkpoint that is signed, but not by enough of the policy's witnesses."""


class ProofFormError(VerificationError):
    """A proof that cannot be read, or is of another record."""


class OtherRecordError(ProofFormError):
    """A proof that can be read, and is of another record, or of another place."""


class OtherDayError(OtherRecordError):
    """The event of another day, of an id that was used on several; a service of before gives it so."""


class RecordDiffersError(VerificationError):
    """A record that is not the one whose entry is in the log: a member was changed, or its salt."""


class InclusionError(VerificationError):
    """A proof that does not lead from the entry to the root of the checkpoint."""


class TreeError(VerificationError):
    """A tile or an entry that is not of the checkpoint's tree; ``index`` is the first entry that it is about."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


class FeedError(VerificationError):
    """Records that are not given in the order of the log; ``index`` is the first entry whose record is not known."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index


class LogWrongError(VerificationError):
    """Entries or records of a log that are wrong; ``found`` says which."""

    def __init__(self, found: Faults) -> None:
        super().__init__(f"{found.first}; wrong in all: {found.told()}")
        self.found = found


class ContradictionError(VerificationError):
    """Two signed checkpoints of one log that cannot both be true.

    ``remembered`` and ``seen`` are the notes, ``evidence`` the folder that keeps both; None where nothing is kept.
    """

    def __init__(self, reason: str, remembered: bytes, seen: bytes, evidence: Path | None) -> None:
        super().__init__(reason + ("" if evidence is None else f"; both checkpoints are kept in {evidence}"))
        self.remembered = remembered
        self.seen = seen
        self.evidence = evidence


class NotesDifferError(ContradictionError):
    """The log was altered, or shows different trees to different readers."""


class SmallerError(ContradictionError):
    """The log has fewer entries than before: its database is from an earlier time, entries were removed, or somebody
    gives an old answer again and again."""
