"""Which rows of log_checkpoints a key of this log has signed: the service's role may put others there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from datastorage_common.checkpoints import Checkpoint
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

    def is_signed(self, keys: Sequence[VerifierKey]) -> bool:
        """Whether one of these keys has signed exactly this tree, in its name."""
        return _is_signed(self, tuple(key for key in keys if key.name == self.origin))


@lru_cache(maxsize=64)  # each proof shows the newest checkpoint: it is checked once
def _is_signed(row: Row, keys: tuple[VerifierKey, ...]) -> bool:
    try:
        note = parse_note(row.note.encode())
    except NoteError:
        return False
    return note.text == Checkpoint(row.origin, row.size, row.root).text() and any(_has(note, key) for key in keys)


def _has(note: Note, key: VerifierKey) -> bool:
    try:
        return key.signed(note) is not None
    except NoteError:
        return False


def newest_signed(newest: Callable[[int], list[Row]], keys: Sequence[VerifierKey]) -> tuple[Row | None, Row | None]:
    """The newest row, and the newest that one of these keys has signed. ``newest`` gives so many, the largest first."""
    rows = newest(1)
    if not rows or rows[0].is_signed(keys):
        return (rows[0], rows[0]) if rows else (None, None)
    return rows[0], next((row for row in newest(_MOST) if row.is_signed(keys)), None)
