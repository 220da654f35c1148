"""A copy of a log as files, laid out as c2sp.org/tlog-tiles has it: it outlives the log's own database."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datastorage_common.checkpoints import Checkpoint
from datastorage_common.files import read_whole
from datastorage_common.notes import MAX_NOTE_BYTES
from datastorage_common.records import EVENT, Entry, parse_entry

from datastorage_client.folder import locked, write_whole
from datastorage_client.verify.errors import NotesDifferError, SmallerError
from datastorage_client.verify.memory import OnDisk
from datastorage_client.verify.newest import newest
from datastorage_client.verify.steps import Fetch, run
from datastorage_client.verify.stored import find_stored
from datastorage_client.verify.tiles import WIDTH, Place, Tiles
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.trust import Trust
from datastorage_client.verify.walk import read_ahead

_CHECKPOINT = "checkpoint"
# A question takes milliseconds, or as long as the service's limits have it: this ends within minutes.
MOST_ASKED = 10_000
_RENAMED = (
    "; the log is called {new} now, and the copy is of {old}: copy it to a new folder, and keep this one, which has "
    "what was lost"
)


@dataclass(frozen=True, slots=True)
class Lost:
    """An entry of the copy whose record the log has no more."""

    index: int
    entry: Entry
    # A notification's number is given again after a restore; another record may have it now.
    number_used_again: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Up to where the copy and the log are one, and what only the copy has."""

    common: int
    lost: list[Lost]
    # Events that the log has not and the service has.
    waiting: list[Lost]
    # Of the lost ones, events that the service was not asked for: there are too many.
    not_asked: int


class Mirror:
    """The copy in a folder. One process at a time brings it up to date; others wait for it."""

    def __init__(self, folder: Path, trust: Trust) -> None:
        self._folder = folder
        self._trust = trust

    def held(self) -> tuple[bytes, Checkpoint] | None:
        """The note and the checkpoint that the copy is of; None while it was never whole.

        Raises NoteRefusedError, OSError.
        """
        path = self._folder / _CHECKPOINT
        if not path.exists():
            return None
        note = read_whole(path, MAX_NOTE_BYTES)
        return note, self._trust.signed(note)

    def newest(self, fetch: Fetch) -> tuple[bytes, Checkpoint]:
        """The newest checkpoint that the service shows: that of which a copy can be made.

        Raises CheckpointGoneError where there is a copy and the service says that nothing was signed.
        """
        return run(fetch, newest(self._trust, self._known()))

    def _known(self) -> list[bytes]:
        held = self.held()
        return [] if held is None else [held[0]]

    def update(self, fetch: Fetch, note: bytes, on_progress: Callable[[int], None] = lambda done: None) -> Checkpoint:
        """Copy what is new up to this signed checkpoint; every file is checked before it is written.

        Where the log has another name now, and continues the copy, the last checkpoint of the old name is kept below
        `checkpoints`.

        Stopped anywhere, it goes on from there the next time. The checkpoint is written last. Raises ContradictionError
        where the copy's checkpoint is not continued, and leaves the copy as it is; other VerificationErrors, OSError.
        """
        with locked(self._folder / "lock"):
            return self._update(fetch, note, on_progress)

    def _update(self, fetch: Fetch, note: bytes, on_progress: Callable[[int], None]) -> Checkpoint:
        checkpoint = self._trust.check(note)
        held = self.held()
        start = 0
        if held is not None:
            self._check_continued(held, fetch, note, checkpoint)
            start = held[1].size // WIDTH
        tree = Tree(Tiles(fetch, self._folder, partial=True), checkpoint)
        for number, _ in read_ahead(tree, start):
            on_progress(min((number + 1) * WIDTH, checkpoint.size))
        if held is not None and held[1].origin != checkpoint.origin:
            OnDisk(self._folder).keep(held[1].origin, held[0])
        # All files, before the checkpoint says that they are there.
        os.sync()
        write_whole(self._folder / _CHECKPOINT, note)
        if held is not None:
            for place in set(partial_places(held[1].size)) - set(partial_places(checkpoint.size)):
                _remove(self._folder / place.path)
        return checkpoint

    def _check_continued(
        self, held: tuple[bytes, Checkpoint], fetch: Fetch, note: bytes, checkpoint: Checkpoint
    ) -> None:
        old_note, old = held
        evidence = OnDisk(self._folder)
        renamed = _RENAMED.format(new=checkpoint.origin, old=old.origin) if old.origin != checkpoint.origin else ""
        if checkpoint.size < old.size:
            raise SmallerError(
                f"the log has become smaller: {checkpoint.size} entries, and the copy has {old.size}{renamed}",
                old_note, note, evidence.keep_evidence(old.origin, old_note, note),
            )  # fmt: skip
        # Nothing of it is kept before it is known to continue the copy.
        if Tree(Tiles(fetch), checkpoint).root_at(old.size) != old.root:
            raise NotesDifferError(
                f"the log contradicts the copy: the first {old.size} of its {checkpoint.size} entries are others"
                + renamed,
                old_note, note, evidence.keep_evidence(old.origin, old_note, note),
            )  # fmt: skip

    def compare(self, fetch: Fetch) -> Comparison:
        """Which records the copy has and the log, as its newest checkpoint has it, has no more.

        The service is asked for each event, up to a number: it may have stored it, and the log no place for it yet.
        Raises FileNotFoundError where there is no copy, VerificationError, DataStorageError.
        """
        held = self.held()
        if held is None:
            raise FileNotFoundError(f"{self._folder}: there is no whole copy of a log")
        copy = Tree(Tiles(None, self._folder), held[1])
        # Witnesses may be behind, and what they have not seen yet is not missing.
        _, newest_one = run(fetch, newest(Trust(self._trust.keys), self._known()))
        log = Tree(Tiles(fetch), newest_one)
        common = _common(copy, log)
        there = {entry.identity: entry for _, entry in _entries(log, common)}
        lost: list[Lost] = []
        for index, entry in _entries(copy, common):
            other = there.get(entry.identity)
            if other is None:
                lost.append(Lost(index, entry))
            elif entry.kind != EVENT and other.commitment != entry.commitment:
                lost.append(Lost(index, entry, number_used_again=True))
        events = [each for each in lost if each.entry.kind == EVENT]
        found = find_stored(fetch, [each.entry for each in events[:MOST_ASKED]], log.size)
        waiting = [each for each, stored in zip(events, found, strict=False) if stored]
        there_now = {each.index for each in waiting}
        left = [each for each in lost if each.index not in there_now]
        return Comparison(common, left, waiting, max(0, len(events) - MOST_ASKED))


def partial_places(size: int) -> list[Place]:
    """The tiles and the bundle of a log of this size that are not complete."""
    found = [Place(None, size // WIDTH, size % WIDTH)] if size % WIDTH else []
    level = 0
    while size:
        if size % WIDTH:
            found.append(Place(level, size // WIDTH, size % WIDTH))
        size //= WIDTH
        level += 1
    return found


def _common(one: Tree, other: Tree) -> int:
    """How many entries from the first on are the same in both trees."""
    same, differs = 0, min(one.size, other.size) + 1
    while differs - same > 1:
        middle = (same + differs) // 2
        if one.root_at(middle) == other.root_at(middle):
            same = middle
        else:
            differs = middle
    return same


def _entries(tree: Tree, start: int) -> Iterator[tuple[int, Entry]]:
    for number, entries in read_ahead(tree, start // WIDTH):
        for index, data in enumerate(entries, number * WIDTH):
            if index >= start:
                yield index, parse_entry(data)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another width is beside it
        path.parent.rmdir()
