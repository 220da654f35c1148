"""The tables of checkpoints and cosignatures, in transactions that the caller begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from datastorage_common.notes import VerifierKey

from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.transparency.memories import Remembered
from app.transparency.vouched import Row, newest_signed

_SQL = statements("checkpoints")


def last(conn: Connection, origin: str) -> Remembered | None:
    """The largest tree of this origin that has a checkpoint, whoever put it there."""
    return next((_tree(row) for row in newest_rows(conn, origin, 1)), None)


def last_signed(conn: Connection, origin: str, keys: Sequence[VerifierKey]) -> tuple[bool, Remembered | None]:
    """Whether there are checkpoints of this origin, and the largest tree of those that one of these keys has signed."""
    newest, signed = newest_signed(lambda most: newest_rows(conn, origin, most), keys)
    return newest is not None, None if signed is None else _tree(signed)


def newest_rows(conn: Connection, origin: str, most: int) -> list[Row]:
    """So many rows of this origin, whoever put them there; the largest tree first."""
    return [_row(row) for row in conn.execute(_SQL["last"], (origin, most))]


def _row(row: Sequence[Any]) -> Row:
    origin, size, epoch, root, note = row
    return Row(origin, size, epoch, bytes(root), note)


def _tree(row: Row) -> Remembered:
    return Remembered(row.origin, row.epoch, row.size, row.root)


def note_proven(conn: Connection, origin: str, size: int, memories: Sequence[str], holder: UUID, epoch: int) -> bool:
    """Write down that the tree of this size continues all that is remembered, and that these memories are moved.

    False where the lock is another's now.
    """
    return conn.execute(_SQL["note_proven"], (origin, size, list(memories), holder, epoch)).rowcount == 1


def proven_memories(conn: Connection) -> list[str]:
    """The names of all memories that were ever moved under the log's name, but for those that were given up."""
    row = conn.execute(_SQL["memories"]).fetchone()
    return [] if row is None else list(row[0])


def give_up_memories(conn: Connection, names: Sequence[str]) -> None:
    """Write down that these memories are lost for good."""
    if names:
        conn.execute(_SQL["give_up_memories"], (list(names),))


def note_unsigned(conn: Connection, why: str | None, holder: UUID) -> bool:
    """Write down why nothing is signed for now, or that something is; False where another one gives places now."""
    return conn.execute(_SQL["note_unsigned"], (why, why, holder)).rowcount == 1


def note_inconsistent(conn: Connection, why: str) -> None:
    """Write down what the log contradicts; what was written down first stays."""
    conn.execute(_SQL["note_inconsistent"], (why,))


def put(conn: Connection, origin: str, size: int, root: bytes, epoch: int, note: str) -> Row | None:
    """Store a checkpoint, unless the log has another name by now, or may not be signed any more.

    Gives the one that stands there now, which was there before if it is another; None where none does.
    """
    conn.execute(_SQL["put"], (origin, size, root, epoch, note, origin))
    row = conn.execute(_SQL["stands"], (origin, size)).fetchone()
    return None if row is None else _row(row)
