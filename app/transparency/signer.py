"""Signs the tree, so that no crash and no failover ever signs two trees of one size.

In this order: the sequencing is committed; the tree on the primary is proven to continue every tree that is
remembered; that is committed; every memory outside PostgreSQL is moved on to it by compare-and-set; exactly that tree
is signed; the checkpoint is stored. Killed in between, the next holder of the log's lock finds a memory ahead of the
stored checkpoint, and the tree that it names still there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from datastorage_common.checkpoints import Checkpoint
from datastorage_common.notes import Note, SigningKey

from app.postgres.sessions import Connection, reading, writing
from app.transparency import checkpoint_store, log_store
from app.transparency.log_store import Head, LogBrokenError
from app.transparency.memories import Memory, MemoryAwayError, MemoryBrokenError, Remembered, decode
from app.transparency.tree import roots_at

# How log_head.unsigned begins where the one that gives places has no key of the log, and another one may have.
_KEYLESS = "there is no key"
# … and nothing was ever signed: signing is off. A log that has a name was, and its key is missing.
NO_KEY = f"{_KEYLESS}: log.key_file is not set"


class InconsistentError(Exception):
    """The tree contradicts one that was signed; the message says which, in one line."""


class NotSignedError(Exception):
    """Nothing is signed for now; the message says why, in one line."""


class NotHolderError(Exception):
    """Another one gives places, and signs."""


def is_keyless(why: str) -> bool:
    """Whether this is why one worker signs nothing, and says nothing of the others."""
    return why.startswith(_KEYLESS)


@dataclass(frozen=True, slots=True)
class _Stored:
    """What log_checkpoints has of the log's name. The service's role may put rows there that nobody has signed."""

    any: bool
    last: Remembered | None  # of those that one of our keys has signed: no other row can contradict the log


@dataclass(frozen=True, slots=True)
class _Proven:
    """A tree that continues all that is remembered, and what each memory holds."""

    checkpoint: Checkpoint
    held: list[bytes]
    stored: bool  # whether its checkpoint is there already


class Signer:
    """Makes checkpoints for the one that gives places."""

    def __init__(self, keys: Sequence[SigningKey], memories: Sequence[Memory], origin: str | None = None) -> None:
        """``keys``: those of `log.key_file`. ``memories``: all that are set up. ``origin``: as the settings have it."""
        self._keys = keys
        self._verifiers = [key.verifier for key in keys]
        self._memories = memories
        self._origin = origin
        # What a log that nobody has named yet is called.
        self._name = origin or (keys[0].name if keys else None)

    def check(self, conn: Connection, head: Head) -> None:
        """That the log continues every tree that is remembered; under its lock, before anything is put behind it.

        Raises InconsistentError, NotSignedError where not all can be asked, psycopg.Error.
        """
        origin = head.origin or self._name
        if origin is not None:
            held = [self._held(memory) for memory in self._memories]
            self._prove(conn, head, origin, self._stored(conn, origin), held)

    def sign(self, conn: Connection, holder: UUID) -> Checkpoint | None:
        """Sign the tree as it is; None where it is signed already.

        Raises InconsistentError, NotSignedError, NotHolderError, psycopg.Error.
        """
        if not self._keys or self._name is None:
            with reading(conn):
                named = log_store.head(conn).origin
            raise NotSignedError(NO_KEY if named is None else f"{_KEYLESS} of the log {named}: log.key_file is not set")
        # All this before the head: whatever is remembered by now, the tree on the primary had it then.
        held = [self._held(memory) for memory in self._memories]
        with reading(conn):
            before = log_store.head(conn)
            origin = before.origin or self._name
            stored = self._stored(conn, origin)
            head = log_store.head(conn)
            if head.holder != holder or head.origin != before.origin:
                raise NotHolderError
            keys = self._keys_of(origin)
            proven = self._prove(conn, head, origin, stored, held)
        point = proven.checkpoint
        after = Remembered(origin, head.epoch, point.size, point.root).encode()
        if proven.stored and all((tree := decode(data)) and tree.size == point.size for data in proven.held):
            return None
        # A commit: with it all before it is on every standby that has to have it, and the lock is still this one's.
        with writing(conn):
            names = [memory.name for memory in self._memories]
            if not checkpoint_store.note_proven(conn, origin, point.size, names, holder, head.epoch):
                raise NotHolderError
        for memory, data in zip(self._memories, proven.held, strict=True):
            # Not moved: somebody else moved it, from before a pause or on another primary. The next look tells which.
            # Also one that holds it already: whether it is on the disk, or with replicas, its answer says.
            if not self._advanced(memory, data, after):
                raise NotHolderError
        note = Note(point.text(), tuple(key.sign(point.text()) for key in keys))
        with writing(conn):
            stands = checkpoint_store.put(conn, origin, point.size, point.root, head.epoch, note.encode().decode())
        if stands is None:
            raise NotHolderError
        signed = stands.signed_by(self._verifiers)
        if signed is None:
            raise NotSignedError(
                f"log_checkpoints has a row of {point.size} entries that no key of this log has signed: "
                "the next larger tree is signed"
            )
        if signed.root != point.root:
            raise InconsistentError(f"two trees of {point.size} entries are signed")
        return point

    def can_sign(self, origin: str | None) -> bool:
        """Whether there is a key of the log of that name; None: of a log that has none yet."""
        if origin is None:
            return bool(self._keys)
        return self._origin in (None, origin) and any(key.name == origin for key in self._keys)

    def _keys_of(self, origin: str) -> list[SigningKey]:
        if not self.can_sign(origin):
            named = ": log.key_file has none" if self._origin in (None, origin) else f": log.origin is {self._origin}"
            raise NotSignedError(f"{_KEYLESS} of the log {origin}{named}")
        return [key for key in self._keys if key.name == origin]

    def _stored(self, conn: Connection, origin: str) -> _Stored:
        return _Stored(*checkpoint_store.last_signed(conn, origin, self._verifiers))

    def _prove(self, conn: Connection, head: Head, origin: str, stored: _Stored, held: list[bytes]) -> _Proven:
        last = stored.last
        known: list[tuple[str, Remembered]] = [("the last checkpoint", last)] if last is not None else []
        empty = ""
        for memory, data in zip(self._memories, held, strict=True):
            tree = _decoded(memory, data)
            if tree is not None:
                known.append((f"the memory in {memory.name}", tree))
            elif stored.any:
                empty = memory.name
        root = proven_root(conn, head.size, origin, known)
        # Behind the comparisons: what contradicts the log is told, whatever else is amiss.
        if empty:
            raise NotSignedError(f"the memory in {empty} is empty, and there are checkpoints")
        return _Proven(Checkpoint(origin, head.size, root), held, last is not None and last.size == head.size)

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


def proven_root(conn: Connection, size: int, origin: str, known: Sequence[tuple[str, Remembered]]) -> bytes:
    """The root of the tree of this size, which continues each of these, by what remembers it.

    Raises InconsistentError, psycopg.Error.
    """
    for name, tree in known:
        if tree.origin != origin:
            raise InconsistentError(of_another_log(name, tree, origin))
        if tree.size > size:
            raise InconsistentError(f"{name} has {tree.size} entries, and the log has {size}")
    try:
        roots = roots_at(conn, [size, *(tree.size for _, tree in known)])
    except LogBrokenError as e:
        raise InconsistentError(f"its hashes are not whole: {e}") from None
    for (name, tree), root in zip(known, roots[1:], strict=True):
        if tree.root != root:
            raise InconsistentError(f"{name} has another root of {tree.size} entries than the log")
    return roots[0]


def of_another_log(name: str, tree: Remembered, origin: str) -> str:
    """What is said of a tree that bears another name than the log."""
    return f"{name} is of the log {tree.origin}, and this one is {origin}"


def _decoded(memory: Memory, data: bytes) -> Remembered | None:
    try:
        return decode(data)
    except MemoryBrokenError as e:
        raise NotSignedError(f"the memory in {memory.name} {e}") from None
