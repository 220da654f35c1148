"""The log of a running service, read and checked as a whole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datastorage_common.checkpoints import Checkpoint, encode_hash, parse_checkpoint
from datastorage_common.counts import counted
from datastorage_common.notes import Note, NoteError, parse_note
from datastorage_common.records import EVENT, NOTIFICATION, Entry, parse_entry

from datastorage_client.cli.progress import Meter
from datastorage_client.problems import ProblemError
from datastorage_client.verify import NoteRefusedError, OtherDayError, TreeError, VerificationError, Verifier
from datastorage_client.verify.memory import OnDisk
from datastorage_client.verify.steps import Fetch, run
from datastorage_client.verify.tiles import WIDTH, Tiles
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.trust import Trust
from datastorage_client.verify.walk import walk

# Of so many random entries none may be an event's.
_TRIES = 20
_OTHER_RECORD = "a record is not the one in the log"


@dataclass(slots=True)
class Report:
    """What was found."""

    checkpoint: Checkpoint | None = None
    kinds: dict[str, int] = field(default_factory=dict)
    since: int | None = None
    sampled: int = 0
    other_day: int = 0  # of the sample, where the service gave the event of another day with this id
    not_read: int | None = None  # entries that were taken from the store; None where none may be
    others: list[Checkpoint] = field(default_factory=list)  # remembered in the store, of logs with other names
    heading: str = "the log is not what it was signed to be"
    wrong: int = 0
    first: str = ""
    first_index: int | None = None

    def members(self) -> dict[str, Any]:
        """As JSON has it."""
        found: dict[str, Any] = {"ok": not self.wrong}
        if self.checkpoint is not None:
            point = self.checkpoint
            found |= {"origin": point.origin, "size": point.size, "root": point.root.hex(), "entries": self.kinds}
            found |= {"since": self.since, "sampled": self.sampled, "other_day": self.other_day}
            found["not_read_again"] = self.not_read or 0
            found["remembered_of_other_logs"] = [{"origin": old.origin, "size": old.size} for old in self.others]
        if self.wrong:
            found |= {"wrong": self.wrong, "first": {"index": self.first_index, "what": self.first}}
        return found

    def lines(self) -> Iterator[tuple[str, str]]:
        """As people read it, where nothing is wrong."""
        assert self.checkpoint is not None  # noqa: S101 - nothing is wrong, so there is one
        yield "log", self.checkpoint.origin
        yield "size", counted(self.checkpoint.size, "entry", "entries")
        yield "root", encode_hash(self.checkpoint.root)
        events, rows = self.kinds.get(EVENT, 0), self.kinds.get(NOTIFICATION, 0)
        acts = sum(self.kinds.values()) - events - rows
        yield "entries", f"{counted(events, 'event')}, {counted(rows, 'notification')}, {counted(acts, 'act')}"
        if self.since is not None:
            yield "since", f"continues the checkpoint of {counted(self.since, 'entry', 'entries')}"
        if self.sampled:
            yield "sample", f"{counted(self.sampled, 'event')} compared"
        if self.other_day:
            days = "is given as that of another day: is it an older service?"
            yield "sample", f"{counted(self.other_day, 'event')} not compared, whose id {days}"
        for old in self.others:
            size = counted(old.size, "entry", "entries")
            told = f"another log too: {old.origin}, {size}; nothing of it is checked in {self.checkpoint.origin}"
            yield "remembered", told
        if self.not_read is not None:
            yield "not read", f"{counted(self.not_read, 'entry', 'entries')} that the store has from before"
        but = f" (but {counted(self.sampled, 'event')})" if self.sampled else ""
        yield "not compared", f"records with their entries{but}: --sample N compares events, --database all records"
        yield "verified", "all tiles and entries lead to the signed root"


def verify_url(
    fetch: Fetch, trust: Trust, since: Note | None, store: Path | None, sample: int, meter: Meter, *, only_new: bool
) -> Report:
    """Check everything that the log publishes. Raises DataStorageError, OSError.

    ``only_new``: complete tiles are kept in ``store``, and those that it has are not read again.
    """
    verifier = Verifier(trust.keys, store=store, policy=trust.policy)
    checkpoint = run(fetch, verifier.updating(None if since is None else since.encode()))
    meter.expect(checkpoint.size)
    tiles = Tiles(fetch, store if only_new else None)
    tree = Tree(tiles, checkpoint)
    report = Report(checkpoint, others=[] if store is None else _others(store, checkpoint.origin))
    if since is not None:
        report.since = _check_since(trust, since, tree)
    found = walk(tree, meter.show)
    report.kinds = dict(found.kinds)
    report.wrong, report.first = found.wrong, found.first_wrong
    report.first_index = found.first_index if found.wrong else None
    if only_new:
        report.not_read = len(tiles.held_bundles) * WIDTH
    if not report.wrong:
        _compare(fetch, verifier, tree, sample, report)
        report.heading = _OTHER_RECORD if report.wrong else report.heading
    return report


def _others(store: Path, origin: str) -> list[Checkpoint]:
    """What is remembered of logs with other names, as this command has written it: their keys may not be at hand."""
    found = []
    for note in OnDisk(store).others(origin):
        try:
            found.append(parse_checkpoint(parse_note(note).text))
        except NoteError as e:
            raise NoteRefusedError(f"a checkpoint that {store} remembers cannot be read: {e}") from None
    return found


def _check_since(trust: Trust, since: Note, tree: Tree) -> int:
    """The size of an older checkpoint, of the same tree. Raises VerificationError."""
    old = trust.signed(since.encode())
    if old.size > tree.size:
        raise TreeError(tree.size, f"the log has {tree.size} entries, and had {old.size} in the checkpoint of --since")
    if tree.root_at(old.size) != old.root:
        raise TreeError(0, f"the first {old.size} entries are not those of the checkpoint of --since")
    return old.size


def _compare(fetch: Fetch, verifier: Verifier, tree: Tree, sample: int, report: Report) -> None:
    """Compare random events with their entries."""
    for index, entry in _random_events(tree, sample):
        try:
            proved = run(fetch, verifier.proving_event(entry.id, entry.on, 0.0))
        except ProblemError as e:
            if e.status != 404:
                raise
            _add(report, index, f"event {entry.id} of {entry.on} has entry {index}, and is not there")
        except OtherDayError:
            # A service of before is not asked for a day.
            report.other_day += 1
        except VerificationError as e:
            _add(report, index, f"entry {index}: {e}")
        else:
            if proved.index != index:
                _add(report, index, f"event {entry.id} has entry {proved.index} by its proof, and entry {index} too")
            report.sampled += 1


def _random_events(tree: Tree, wanted: int) -> Iterator[tuple[int, Entry]]:
    tries = min(tree.size, wanted * _TRIES)
    for index in random.sample(range(tree.size), tries):
        if wanted == 0:
            return
        entry = parse_entry(tree.entries(index // WIDTH)[index % WIDTH])
        if entry.kind == EVENT:
            wanted -= 1
            yield index, entry


def _add(report: Report, index: int, what: str) -> None:
    report.wrong += 1
    if report.first_index is None or index < report.first_index:
        report.first_index, report.first = index, what
