"""Signs the tree, so that no crash and no failover ever signs two trees of one size.

In this order: the sequencing is committed; the tree on the primary is proven to continue every tree that is remembered;
that is committed; every memory outside PostgreSQL is moved on to it by compare-and-set; exactly that tree is signed; the
checkpoint is stored. Killed in between, the next holder of the log's lock finds a memory ahead of the stored checkpoint
and the tree that it names still there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from datastorage_common.checkpoints import Checkpoint
from datastorage_common.notes import Note, SigningKey

from app.postgres.sessions import Connection, reading, writing
from app.transparency import checkpoint_store, log_store
from app.transparency.memories import Memory, MemoryAwayError, MemoryBrokenError, Remembered, decode
from app.transparency.tree import roots_at


class InconsistentError(Exception):
    """The tree contradicts one that was signed; the message says which, in one line."""


class NotSignedError(Exception):
    """Nothing is signed for now; the message says why, in one line."""


class NotHolderError(Exception):
    """Another one gives places, and signs."""


@dataclass(frozen=True, slots=True)
class _Proven:
    """A tree that continues all that is remembered, and what each memory holds."""

    checkpoint: Checkpoint
    epoch: int
    held: list[bytes]
    stored: bool  # whether its checkpoint is there already


class Signer:
    """Makes checkpoints for the one that gives places."""

    def __init__(self, holder: UUID, keys: Callable[[], Sequence[SigningKey]], memories: Sequence[Memory]) -> None:
        """``keys``: those that sign now, the log's own first. ``memories``: all that are set up."""
        self._holder = holder
        self._keys = keys
        self._memories = memories

    def check(self, conn: Connection) -> None:
        """That the log continues every tree that is remembered. Raises InconsistentError, NotSignedError."""
        self._prove(conn, self._keys())

    def sign(self, conn: Connection) -> Checkpoint | None:
        """Sign the tree as it is; None where it is signed already.

        Raises InconsistentError, NotSignedError, NotHolderError, psycopg.Error.
        """
        keys = self._keys()
        proven = self._prove(conn, keys)
        point = proven.checkpoint
        remembered = Remembered(point.origin, proven.epoch, point.size, point.root)
        if proven.stored and all(held and decode(held).size == point.size for held in proven.held):
            return None
        # A commit: with all before it, it is on every standby that has to have it, and this one still has the lock's epoch.
        with writing(conn):
            if not checkpoint_store.note_proven(conn, self._holder, proven.epoch, point.size):
                raise NotHolderError
        after = remembered.encode()
        for memory, held in zip(self._memories, proven.held, strict=True):
            if held != after and not self._advanced(memory, held, after):
                raise NotHolderError
        note = Note(point.text(), tuple(key.sign(point.text()) for key in keys))
        with writing(conn):
            stands = checkpoint_store.put(
                conn, point.origin, point.size, point.root, proven.epoch, note.encode().decode()
            )
        if stands != point.root:
            raise InconsistentError(f"two trees of {point.size} entries are signed")
        return point

    def _prove(self, conn: Connection, keys: Sequence[SigningKey]) -> _Proven:
        held = [self._held(memory) for memory in self._memories]
        with reading(conn):
            head = log_store.head(conn)
            if head.holder != self._holder:
                raise NotHolderError
            origin = head.origin or keys[0].name
            last = checkpoint_store.last(conn, origin)
            known: list[tuple[str, Remembered]] = [("the last checkpoint", last)] if last is not None else []
            for memory, data in zip(self._memories, held, strict=True):
                tree = _decoded(memory, data)
                if tree is not None:
                    known.append((f"the memory in {memory.name}", tree))
                elif last is not None:
                    raise NotSignedError(f"the memory in {memory.name} is empty, and there are checkpoints")
            for name, tree in known:
                if tree.origin != origin:
                    raise InconsistentError(f"{name} is of the log {tree.origin}, and this one is {origin}")
                if tree.size > head.size:
                    raise InconsistentError(f"{name} has {tree.size} entries, and the log has {head.size}")
                if tree.epoch > head.epoch:
                    raise NotHolderError
            roots = roots_at(conn, [head.size, *(tree.size for _, tree in known)])
        for (name, tree), root in zip(known, roots[1:], strict=True):
            if tree.root != root:
                raise InconsistentError(f"{name} has another root of {tree.size} entries than the log")
        stored = last is not None and last.size == head.size
        return _Proven(Checkpoint(origin, head.size, roots[0]), head.epoch, held, stored)

    def _held(self, memory: Memory) -> bytes:
        try:
            return memory.read()
        except MemoryAwayError as e:
            raise NotSignedError(f"the memory in {memory.name} is away: {e}") from None

    def _advanced(self, memory: Memory, before: bytes, after: bytes) -> bool:
        try:
            return memory.advance(before, after)
        except MemoryAwayError as e:
            raise NotSignedError(f"the memory in {memory.name} is away: {e}") from None


def _decoded(memory: Memory, data: bytes) -> Remembered | None:
    try:
        return decode(data)
    except MemoryBrokenError as e:
        raise NotSignedError(f"the memory in {memory.name} {e}") from None
