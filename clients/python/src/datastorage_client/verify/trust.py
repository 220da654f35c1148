"""Whose signatures are taken: the keys of logs, and the witnesses that have to have seen a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datastorage_common.checkpoints import Checkpoint, parse_checkpoint
from datastorage_common.notes import Note, NoteError, VerifierKey, parse_note
from datastorage_common.witness_policy import Policy

from datastorage_client.verify.errors import NoteRefusedError, NotWitnessedError


@dataclass(frozen=True, slots=True)
class Trust:
    """Keys of logs, one at least, and perhaps a policy of witnesses."""

    keys: Sequence[VerifierKey]
    policy: Policy | None = None

    def signed(self, note: bytes) -> Checkpoint:
        """The checkpoint of a note that its log has signed. Raises NoteRefusedError."""
        try:
            read = parse_note(note)
            checkpoint = parse_checkpoint(read.text)
            origin = checkpoint.origin
            keys = [key for key in self.keys if key.name == origin]
            # Each is looked at: a wrong signature of the log beside a right one is not taken.
            if not [key for key in keys if key.signed(read) is not None]:
                known = " or ".join(f"{key.name}+{key.key_id.hex()}" for key in self.keys)
                raise NoteRefusedError(f"the checkpoint of the log {origin} has no signature by a key of {known}")
        except NoteError as e:
            raise NoteRefusedError(f"the checkpoint is refused: {e}") from None
        return checkpoint

    def signers(self, note: bytes) -> list[VerifierKey]:
        """The keys of its log that have signed a note. Raises NoteRefusedError where none has."""
        origin = self.signed(note).origin
        read = parse_note(note)
        return [key for key in self.keys if key.name == origin and key.signed(read) is not None]

    def witnesses(self, note: bytes) -> set[str]:
        """The witnesses of the policy that have cosigned. Raises NoteRefusedError where a cosignature is wrong."""
        return set() if self.policy is None else self._witnesses(self.policy, note)

    def is_witnessed(self, note: bytes) -> bool:
        """Whether enough witnesses have cosigned; where there is no policy, none is needed. Raises NoteRefusedError."""
        return self.policy is None or self.policy.fulfilled(self._witnesses(self.policy, note))

    def check(self, note: bytes) -> Checkpoint:
        """The checkpoint of a note that is signed, and cosigned as the policy has it.

        Raises NoteRefusedError, NotWitnessedError.
        """
        checkpoint = self.signed(note)
        if not self.is_witnessed(note):
            named = ", ".join(sorted(self.witnesses(note))) or "no witness"
            raise NotWitnessedError(
                f"the checkpoint of {checkpoint.size} entries is cosigned by {named}: not enough for the policy"
            )
        return checkpoint

    @staticmethod
    def _witnesses(policy: Policy, note: bytes) -> set[str]:
        try:
            read: Note = parse_note(note)
            return policy.witnessed(read)
        except NoteError as e:
            raise NoteRefusedError(f"the checkpoint is refused: {e}") from None
