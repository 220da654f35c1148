"""A new origin: the log goes on under another name, where it contradicts what was signed or a key is compromised.

Its places go on. The act is the first entry behind the log as it stands, and says what was remembered under the old
name. Until every memory outside PostgreSQL has the new name the log stands still, so that nobody who gives places
compares the one with the other; what was killed in between is finished by the same command.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import psycopg
import uuid_utils.compat
from datastorage_common.merkle import leaf_hash

from app.postgres.sessions import Connection, writing
from app.postgres.statements import statements
from app.transparency import checkpoint_store, log_store
from app.transparency.acts import Act, ActRefusedError, now_and_who, put_act, stored_act
from app.transparency.edge import grow
from app.transparency.entries import as_json, split
from app.transparency.log_store import Head
from app.transparency.memories import Memory, Remembered
from app.transparency.remembering import CHECKPOINT, advanced, check_all_known, tree_in
from app.transparency.signer import of_another_log
from app.transparency.tree import root_at

NEW_ORIGIN = "new_origin"
_SQL = statements("origins")
# Who gives places has the lock for 4 s at the most.
_LOCK_SECONDS = 10.0
# Somebody else may move it at the same moment.
_MOVES = 5


@dataclass(frozen=True, slots=True)
class NewOrigin:
    """What was done."""

    act: Act
    already: bool  # whether the act was there before
    tree: Remembered  # the log with the act as its last entry, as the memories have it
    moved: tuple[str, ...]  # the memories that have it since now
    late: tuple[tuple[str, Remembered], ...]  # what those of them held that the act does not name


@dataclass(frozen=True, slots=True)
class _Said:
    """What the operator said."""

    reason: str
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Named:
    """The log under its new name, when the lock of the head is given back."""

    act: Act
    already: bool
    tree: Remembered
    standing_still: bool  # until its memories have the name


def start_origin(
    conn: Connection,
    memories: Sequence[Memory],
    name: str,
    reason: str,
    record: Callable[[Connection, Act], None] | None,
    record_moved: Callable[[Connection, Act, str, Remembered], None] | None = None,
    without: Sequence[str] = (),
) -> NewOrigin:
    """Give the log this name, or finish what an earlier call for it began.

    ``record`` is called in the transaction of the act; ``record_moved`` before a memory is moved that holds something
    that the act does not name. ``without``: memories that are lost for good.

    Raises ActRefusedError, LogBrokenError where the log's edge is not whole, psycopg.Error; InsufficientPrivilege where
    the role does not own the tables.
    """
    # Before the head: whatever is remembered by now, the log had it then.
    trees = {memory.name: tree_in(memory) for memory in memories}

    def checked() -> _Named:
        check_all_known(conn, memories, without)
        return _named(conn, trees, name, _Said(reason, tuple(without)), record)

    named = _locked(conn, checked)
    # By the act: what it names may be left.
    details = named.act.details
    left = {old["origin"] for old in details["remembered"]} | {details["old_origin"]}
    whys = [standing_still(name)]
    moved: list[str] = []
    late: list[tuple[str, Remembered]] = []
    for memory in memories:
        found = trees[memory.name]
        if found is None and not named.standing_still:
            # That of a log that goes on already is filled by `datastorage log remember`, behind a proof.
            continue

        def overwrites(tree: Remembered, memory: Memory = memory) -> None:
            if _told(memory.name, tree) in details["remembered"]:
                return
            # It may be the only trace of what was lost.
            if record_moved is not None:
                with writing(conn):
                    record_moved(conn, named.act, memory.name, tree)
            late.append((memory.name, tree))

        if _move(memory, left, named.tree, overwrites):
            moved.append(memory.name)
        if found is not None and found.origin != name:
            whys.append(of_another_log(f"the memory in {memory.name}", found, name))
    with writing(conn):
        conn.execute(_SQL["go_on"], (name, whys))
        checkpoint_store.give_up_memories(conn, without)
    return NewOrigin(named.act, named.already, named.tree, tuple(moved), tuple(late))


def standing_still(name: str) -> str:
    """Why the log stands still between the act and the last of its memories."""
    return f"the log becomes {name}: `datastorage log new-origin {name}` has to be run again, to its end"


def _locked(conn: Connection, do: Callable[[], _Named]) -> _Named:
    """Do something in a transaction with the lock of who gives places. Raises ActRefusedError."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            with writing(conn):
                conn.execute(_SQL["wait_shortly"])
                conn.execute(_SQL["lock_head"])
                return do()
        except psycopg.errors.LockNotAvailable:
            if time.monotonic() >= deadline:
                raise ActRefusedError(
                    f"another session has held the lock of log_head for {_LOCK_SECONDS:g} s: nothing was done"
                ) from None


def _named(
    conn: Connection,
    trees: Mapping[str, Remembered | None],
    name: str,
    said: _Said,
    record: Callable[[Connection, Act], None] | None,
) -> _Named:
    """Under the lock: give the log this name, unless it has it already."""
    head = log_store.head(conn)
    row = conn.execute(_SQL["act"], (name,)).fetchone()
    if head.origin == name and row is not None:
        act = stored_act(row)
        size = act.details["size"] + 1
        tree = Remembered(name, head.epoch, size, root_at(conn, size))
        return _Named(act, True, tree, head.inconsistent == standing_still(name))
    if head.origin is not None and head.inconsistent == standing_still(head.origin):
        raise ActRefusedError(head.inconsistent)
    used = conn.execute(_SQL["is_used"], {"name": name}).fetchone() != (False,)
    if used or head.origin == name or any(tree is not None and tree.origin == name for tree in trees.values()):
        raise ActRefusedError(f"{name} is or was the name of this log: a new origin needs a name of its own")
    act = _act(conn, head, trees, name, said)
    put_act(conn, act)
    grown = _put_in(conn, head)
    conn.execute(_SQL["start"], (name, standing_still(name), sorted(trees)))
    if record is not None:
        record(conn, act)
    return _Named(act, False, Remembered(name, grown.epoch, grown.size, root_at(conn, grown.size)), True)


def _act(conn: Connection, head: Head, trees: Mapping[str, Remembered | None], name: str, said: _Said) -> Act:
    """What is written down for ever: what the log was called, and what was remembered of it."""
    known = {place: tree for place, tree in trees.items() if tree is not None}
    if head.origin is not None and (last := checkpoint_store.last(conn, head.origin)) is not None:
        known[CHECKPOINT] = last
    largest = max(known.values(), key=lambda tree: tree.size, default=None)
    if head.origin is None and largest is None:
        raise ActRefusedError("nothing was signed yet, so there is nothing to leave: log.origin names the log")
    acted_at, role = now_and_who(conn)
    details = {
        "new_origin": name,
        "old_origin": head.origin,
        "reason": said.reason,
        "size": head.size,
        "root": log_store.root(conn, head.size).hex(),
        "remembered_size": largest.size if largest is not None else None,
        "remembered_root": largest.root.hex() if largest is not None else None,
        "remembered": [_told(place, tree) for place, tree in sorted(known.items())],
        **({"without": sorted(said.without)} if said.without else {}),
    }
    return Act(uuid_utils.compat.uuid7(), NEW_ORIGIN, acted_at, role, details)


def _told(place: str, tree: Remembered) -> dict[str, object]:
    return {"in": place, "origin": tree.origin, "size": tree.size, "root": tree.root.hex()}


def _put_in(conn: Connection, head: Head) -> Head:
    """Put the act's entry behind the log, before all that waits; the head then, which nobody holds."""
    (number,) = conn.execute(_SQL["last_pending"]).fetchone() or (0,)
    rows = log_store.pending(conn, first=number, rows=1, entries=1)
    entries = split(rows[0].entries)
    growth = grow(log_store.edge(conn, head.size), entries, [leaf_hash(as_json(entry)) for entry in entries])
    log_store.write(conn, growth, entries)
    log_store.delete_pending(conn, rows)
    grown = Head(growth.edge.size, head.epoch + 1, None)
    log_store.put_head(conn, grown)
    return grown


def _move(memory: Memory, left: Set[str | None], tree: Remembered, overwrites: Callable[[Remembered], None]) -> bool:
    """Have a memory hold this tree in place of one of a name that is left; False where it holds this log already.

    ``overwrites`` is told of what it holds before that is overwritten. Raises ActRefusedError.
    """
    for _ in range(_MOVES):
        found = tree_in(memory)
        if found is not None and found.origin == tree.origin:
            return False
        if found is not None and found.origin not in left:
            raise ActRefusedError(
                f"the log is {tree.origin} now, and the memory in {memory.name} holds a tree of the log "
                f"{found.origin}: look at it, remove it, then run this again"
            )
        if found is not None:
            overwrites(found)
        if advanced(memory, found.encode() if found is not None else b"", tree):
            return True
    raise ActRefusedError(f"the memory in {memory.name} changes all the time: run this again")
