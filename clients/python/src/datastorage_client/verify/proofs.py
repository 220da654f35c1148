"""Proofs as the service answers them: c2sp.org/tlog-proof, or the same in JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from datastorage_common import jsonvalue
from datastorage_common.checkpoints import Proof, parse_hash, parse_proof
from datastorage_common.merkle import ProofError, check_inclusion, leaf_hash
from datastorage_common.notes import NoteError, parse_note
from datastorage_common.records import Entry, EntryFormError, entry_of

from datastorage_client.verify.errors import InclusionError, ProofFormError

_SALT_BYTES = 16
_MAX_HASHES = 63


@dataclass(frozen=True, slots=True)
class RecordProof:
    """A proof with what it says of the record; nothing in it is checked."""

    proof: Proof
    entry: Entry
    salt: bytes | None
    recorded_by: str | None


def read_proof(data: bytes) -> RecordProof:
    """Read a proof in either form. Raises ProofFormError."""
    try:
        return _from_json(jsonvalue.parse(data)) if data[:1] == b"{" else _from_text(data)
    except (NoteError, EntryFormError, jsonvalue.JSONError) as e:
        raise ProofFormError(f"the proof cannot be read: {e}") from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ProofFormError("the proof cannot be read: a member of it is missing or of another kind") from None


def check_path(found: RecordProof, root: bytes, size: int) -> None:
    """Raises InclusionError unless the proof leads from its entry to this root."""
    proof = found.proof
    try:
        check_inclusion(proof.index, size, leaf_hash(found.entry.encode()), proof.path, root)
    except ProofError as e:
        raise InclusionError(f"entry {proof.index} is not in the tree of {size} entries: {e}") from None


def _from_text(data: bytes) -> RecordProof:
    proof = parse_proof(data)
    if proof.extra is None:
        raise ProofFormError("the proof does not say of which entry it is")
    return _with(proof, jsonvalue.parse(proof.extra))


def _from_json(members: dict[str, Any]) -> RecordProof:
    hashes, index = members["hashes"], members["index"]
    if len(hashes) > _MAX_HASHES or type(index) is not int:
        raise ProofFormError("the proof cannot be read: its path or its index is none")
    proof = Proof(index, tuple(map(parse_hash, hashes)), parse_note(members["checkpoint"].encode()))
    return _with(proof, members)


def _with(proof: Proof, extra: dict[str, Any]) -> RecordProof:
    salt = extra.get("salt")
    read = None if salt is None else bytes.fromhex(salt)
    if read is not None and len(read) != _SALT_BYTES:
        raise ProofFormError(f"the salt of the proof is not of {_SALT_BYTES} bytes")
    by = extra.get("recorded_by")
    return RecordProof(proof, entry_of(extra["entry"]), read, by if isinstance(by, str) else None)
