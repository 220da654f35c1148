"""The tables of checkpoints and cosignatures, in transactions that the caller begins."""

from __future__ import annotations

from uuid import UUID

from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.transparency.memories import Remembered

_SQL = statements("checkpoints")


def last(conn: Connection, origin: str) -> Remembered | None:
    """The largest tree of this origin that has a checkpoint."""
    row = conn.execute(_SQL["last"], (origin,)).fetchone()
    return None if row is None else Remembered(origin, row[1], row[0], bytes(row[2]))


def last_note(conn: Connection) -> tuple[int, bytes] | None:
    """The size and the signed note of the newest checkpoint under the log's present origin."""
    row = conn.execute(_SQL["last_note"]).fetchone()
    return None if row is None else (row[0], row[1].encode())


def note_proven(conn: Connection, origin: str, size: int, holder: UUID, epoch: int) -> bool:
    """Write down that the tree of this size continues all that is remembered; False where the lock is another's now."""
    return conn.execute(_SQL["note_proven"], (origin, size, holder, epoch)).rowcount == 1


def note_unsigned(conn: Connection, why: str | None, holder: UUID) -> bool:
    """Write down why nothing is signed for now, or that something is; False where another one gives places now."""
    return conn.execute(_SQL["note_unsigned"], (why, why, holder)).rowcount == 1


def note_inconsistent(conn: Connection, why: str) -> None:
    """Write down what the log contradicts; what was written down first stays."""
    conn.execute(_SQL["note_inconsistent"], (why,))


def put(conn: Connection, origin: str, size: int, root: bytes, epoch: int, note: str) -> bytes | None:
    """Store a checkpoint, unless the log has another name by now, or may not be signed any more.

    Gives the root of the one that stands there now, which was there before if it is another; None where none does.
    """
    conn.execute(_SQL["put"], (origin, size, root, epoch, note, origin))
    row = conn.execute(_SQL["root_of"], (origin, size)).fetchone()
    return None if row is None else bytes(row[0])
