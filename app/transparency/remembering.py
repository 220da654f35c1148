"""Filling memories that are empty: an operator accepts that one was lost, or that a new one is set up.

The signer fills none by itself where there are checkpoints: a database that was restored together with an empty memory
would look the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.postgres.sessions import Connection, writing
from app.transparency import checkpoint_store, log_store
from app.transparency.acts import ActRefusedError
from app.transparency.memories import SETTINGS, Memory, MemoryAwayError, MemoryBrokenError, Remembered, decode
from app.transparency.signer import InconsistentError, proven_root

CHECKPOINT = "checkpoint"  # what the last one that is stored is called, beside the memories


@dataclass(frozen=True, slots=True)
class Filled:
    """What was done."""

    tree: Remembered | None  # None: nothing is remembered anywhere, and nothing was signed
    held: tuple[str, ...]  # the memories that held a tree before
    filled: tuple[str, ...]


def fill_empty(
    conn: Connection,
    memories: Sequence[Memory],
    record: Callable[[Connection, Remembered, Sequence[str], str], None] | None,
    without: Sequence[str] = (),
) -> Filled:
    """Fill the memories that are empty, once the log is proven to continue its last checkpoint and all others.

    ``record`` is called before anything is filled, in a transaction of its own, with the names of what is about to be
    and the outcome `pending`; behind it with what was filled, and `success`. ``without``: memories that are lost for
    good. Raises ActRefusedError, psycopg.Error.
    """
    if not memories and not without:
        raise ActRefusedError(
            "no memory is set up here: redis.url or log.checkpoint_file, as the service has them, say where they are"
        )
    # Before the head: whatever is remembered by now, the log had it then.
    trees = {memory.name: tree_in(memory) for memory in memories}
    empty = [memory for memory in memories if trees[memory.name] is None]
    # One that writes, so that nobody proves it to a standby.
    with writing(conn):
        check_all_known(conn, memories, without)
        head = log_store.head(conn)
        known = [(f"the memory in {name}", tree) for name, tree in trees.items() if tree is not None]
        if head.origin is not None and (last := checkpoint_store.last(conn, head.origin)) is not None:
            known.append((f"the last {CHECKPOINT}", last))
        if head.inconsistent is not None:
            raise ActRefusedError(f"the log is inconsistent, and stays so: {head.inconsistent} (docs/log.md)")
        tree = max((tree for _, tree in known), key=lambda tree: tree.size, default=None)
        if tree is not None:
            try:
                proven_root(conn, head.size, head.origin or tree.origin, known)
            except InconsistentError as e:
                raise ActRefusedError(f"nothing was filled: {e}") from None
            if empty and record is not None:
                record(conn, tree, [memory.name for memory in empty], "pending")
    if tree is None:
        return Filled(None, (), ())
    held = tuple(name for name, found in trees.items() if found is not None)
    # False: another one filled it meanwhile, and perhaps the log was signed since.
    filled = tuple(memory.name for memory in empty if advanced(memory, b"", tree))
    if filled:
        with writing(conn):
            checkpoint_store.give_up_memories(conn, without)
            if record is not None:
                record(conn, tree, filled, "success")
    return Filled(tree, held, filled)


def check_all_known(conn: Connection, memories: Sequence[Memory], without: Sequence[str]) -> None:
    """That each memory that was ever moved under the log's name is set up here, or is given up by name.

    What one of them holds may be the only trace of what was lost. Raises ActRefusedError, psycopg.Error.
    """
    here = {memory.name for memory in memories}
    for name in without:
        if name in here:
            raise ActRefusedError(f"the memory in {name} is set up here ({SETTINGS[name]}): it can be asked")
    for name in checkpoint_store.proven_memories(conn):
        if name not in here and name not in without:
            raise ActRefusedError(
                f"the log is remembered in {name} too, which is not set up here: set {SETTINGS.get(name, name)} as the "
                f"service has it; if it is lost for good, say --without {name}"
            )


def tree_in(memory: Memory) -> Remembered | None:
    """What a memory holds; None where it is empty. Raises ActRefusedError."""
    try:
        return decode(memory.read())
    except MemoryAwayError as e:
        raise ActRefusedError(f"the memory in {memory.name} is away: {e}") from None
    except MemoryBrokenError as e:
        raise ActRefusedError(
            f"the memory in {memory.name} {e}: look at it, remove it, then `datastorage log remember`"
        ) from None


def advanced(memory: Memory, before: bytes, tree: Remembered) -> bool:
    """Put the tree in the place of what is in a memory; False if it holds something else. Raises ActRefusedError."""
    try:
        return memory.advance(before, tree.encode())
    except MemoryAwayError as e:
        raise ActRefusedError(f"the memory in {memory.name} is away: {e}") from None
