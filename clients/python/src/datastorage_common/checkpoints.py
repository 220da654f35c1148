"""Checkpoints of a log (c2sp.org/tlog-checkpoint) and proofs that carry one (c2sp.org/tlog-proof)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from datastorage_common.merkle import HASH_BYTES
from datastorage_common.notes import MAX_NOTE_BYTES, Note, NoteError, decode_base64, parse_note

_NUMBER = re.compile("0|[1-9][0-9]{0,18}")
_PROOF = "c2sp.org/tlog-proof@v1"
# A tree of 2**63 entries has no longer paths.
_MAX_HASHES = 63
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 64 * 1024


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says it is: so many entries under this root. ``extensions`` are lines that nobody checks."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The text that is signed."""
        return "".join(f"{line}\n" for line in (self.origin, self.size, encode_hash(self.root), *self.extensions))


def parse_checkpoint(text: str) -> Checkpoint:
    """Read the text of a note as a checkpoint. Raises NoteError."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 3 or not all(lines):
        raise NoteError("a checkpoint has an origin, a size and a root at least")
    origin, size, root = lines[:3]
    return Checkpoint(origin, parse_number(size, "the size of a checkpoint"), parse_hash(root), tuple(lines[3:]))


@dataclass(frozen=True, slots=True)
class Proof:
    """That an entry is in a log: its index, the path to the root, and the signed checkpoint with that root."""

    index: int
    path: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None  # nobody vouches for it

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says. Raises NoteError."""
        return parse_checkpoint(self.note.text)

    def encode(self) -> bytes:
        """The proof as it is written down."""
        lines = [_PROOF]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines += [f"index {self.index}", *map(encode_hash, self.path), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.note.encode()


def parse_proof(data: bytes) -> Proof:
    """Read a proof; nothing in it is checked. Raises NoteError."""
    if len(data) > MAX_PROOF_BYTES:
        raise NoteError(f"a proof of more than {MAX_PROOF_BYTES} bytes")
    head, blank, note = data.partition(b"\n\n")
    try:
        lines = head.decode().split("\n")
    except UnicodeDecodeError:
        raise NoteError("a proof that is not UTF-8") from None
    if not blank or lines.pop(0) != _PROOF:
        raise NoteError(f"not a proof: {_PROOF} is expected")
    extra = None
    if lines and lines[0].startswith("extra "):
        try:
            extra = decode_base64(lines.pop(0).removeprefix("extra "))
        except ValueError:
            raise NoteError("the extra data of a proof is not base64") from None
    if not lines or not lines[0].startswith("index "):
        raise NoteError("a proof without an index")
    index = parse_number(lines.pop(0).removeprefix("index "), "the index of a proof")
    if len(lines) > _MAX_HASHES:
        raise NoteError(f"a proof with more than {_MAX_HASHES} hashes")
    return Proof(index, tuple(map(parse_hash, lines)), parse_note(note), extra)


def encode_hash(value: bytes) -> str:
    """A hash as checkpoints and proofs have it."""
    return base64.b64encode(value).decode()


def parse_hash(text: str) -> bytes:
    """Read a hash. Raises NoteError."""
    try:
        value = decode_base64(text)
    except ValueError:
        value = b""
    if len(value) != HASH_BYTES:
        raise NoteError("a hash that is not base64 of 32 bytes")
    return value


def parse_number(text: str, what: str) -> int:
    """Read a number without leading zeros, below 2 ** 63. Raises NoteError."""
    if not _NUMBER.fullmatch(text) or int(text) >= 2**63:
        raise NoteError(f"{what} is not a number")
    return int(text)
