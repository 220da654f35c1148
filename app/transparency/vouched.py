"""Which rows of log_checkpoints a key of this log has signed: the service's role may put others there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import Note, NoteError, VerifierKey, parse_note

# Behind so many rows that nobody has signed no other is looked for: each may take a tenth of a millisecond.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Row:
    """A row of log_checkpoints."""

    origin: str
    size: int
    epoch: int
    root: bytes
    note: str

    def signed_by(self, keys: Sequence[VerifierKey]) -> Row | None:
        """What one of these keys has signed, of this size and in its name; None where none has.

        The root is that of the note: what stands in the column beside it is nobody's word.
        """
        return _signed(self, tuple(key for key in keys if key.name == self.origin))


@lru_cache(maxsize=64)  # each proof shows the newest checkpoint: it is checked once
def _signed(row: Row, keys: tuple[VerifierKey, ...]) -> Row | None:
    try:
        note = parse_note(row.note.encode())
        point = parse_checkpoint(note.text)
    except NoteError:
        return None
    if (point.origin, point.size) != (row.origin, row.size) or not any(_has(note, key) for key in keys):
        return None
    return replace(row, root=point.root)


def _has(note: Note, key: VerifierKey) -> bool:
    try:
        return key.signed(note) is not None
    except NoteError:
        return False


def newest_signed(newest: Callable[[int], list[Row]], keys: Sequence[VerifierKey]) -> tuple[Row | None, Row | None]:
    """The newest row, and the newest that one of these keys has signed. ``newest`` gives so many, the largest first."""
    rows = newest(1)
    if not rows:
        return None, None
    signed = rows[0].signed_by(keys) or next(filter(None, (row.signed_by(keys) for row in newest(_MOST))), None)
    return rows[0], signed
