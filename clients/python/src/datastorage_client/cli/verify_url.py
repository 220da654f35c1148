"""The log of a running service, read and checked as a whole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datastorage_common.checkpoints import Checkpoint, encode_hash, parse_checkpoint
from datastorage_common.counts import counted
from datastorage_common.faults import NEVER_PROVEN, NO_RECORD
from datastorage_common.notes import Note, NoteError, parse_note
from datastorage_common.records import EVENT, NOTIFICATION, Entry, parse_entry

from datastorage_client.cli.progress import Meter
from datastorage_client.problems import NoCheckpointError, ProblemError
from datastorage_client.verify import NoteRefusedError, OtherDayError, TreeError, VerificationError, Verifier
from datastorage_client.verify.feed import NoFeedError
from datastorage_client.verify.memory import OnDisk
from datastorage_client.verify.standing import contradiction
from datastorage_client.verify.steps import Fetch, run
from datastorage_client.verify.tiles import WIDTH, Tiles
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.trust import Trust
from datastorage_client.verify.whole import NOT_ASKED_FOR, Whole, check_whole

# Of so many random entries none may be an event's.
_TRIES = 20
_NOT_PROVEN = (
    *NEVER_PROVEN,
    "that there was no later checkpoint: one that was kept elsewhere (--store, --since) does that",
    "that no record was stored past the log, and what has no place in it yet: --database looks at these",
    "older checkpoints, log_places and the mask of an actor_ip, which the service does not show: --database too",
)
_OTHER_LOG, _OTHER_RECORD = "the log is not what it was signed to be", "a record is not the one in the log"


@dataclass(slots=True)
class Report:
    """What was found."""

    found: Whole = field(default_factory=Whole)
    checkpoint: Checkpoint | None = None
    since: int | None = None
    sampled: int = 0
    other_day: int = 0  # of the sample, where the service gave the event of another day with this id
    by_request: bool = False  # whether records were left out because that was asked for
    not_read: int | None = None  # entries that were taken from the store; None where none may be
    others: list[Checkpoint] = field(default_factory=list)  # remembered in the store, of logs with other names
    heading: str | None = None  # None: as what is wrong has it

    @property
    def verdict(self) -> str:
        """In two words; the members of JSON say more."""
        if not self.found.well:
            return "wrong"
        return "verified" if self.found.not_compared is None else "not compared"

    def left_out(self) -> str | None:
        """What is said last where nothing is wrong, and records were to be compared, and were not."""
        why = self.found.not_compared
        if not self.found.well or why in (None, NOT_ASKED_FOR):
            return None
        return f"NOT COMPARED: no record was held against its entry, as {why}; --records makes that an error"

    def members(self) -> dict[str, Any]:
        """As JSON has it."""
        told: dict[str, Any] = {"ok": self.found.well, "verdict": self.verdict}
        if self.checkpoint is not None:
            point, found = self.checkpoint, self.found
            told |= {"origin": point.origin, "size": point.size, "root": point.root.hex(), "entries": found.kinds}
            told |= {"compared": found.compared, "compared_before": found.compared_before}
            told |= {"not_compared": found.not_compared}
            told |= {"since": self.since, "sampled": self.sampled, "other_day": self.other_day}
            told["not_read_again"] = self.not_read or 0
            told["not_proven"] = list(_NOT_PROVEN)
            told["remembered_of_other_logs"] = [{"origin": old.origin, "size": old.size} for old in self.others]
        return {**told, **self.found.fault_members()}

    def wrong(self) -> str:
        """What is wrong, as people read it: the first of it, and how much there is."""
        first = self.found.first
        assert first is not None  # noqa: S101 - asked for where something is
        heading = self.heading
        if heading is None:
            heading = _OTHER_LOG if first.record is None else _OTHER_RECORD
        # Of a checkpoint that is not taken nothing is counted.
        more = "" if self.checkpoint is None else f"; wrong in all: {self.found.told()}"
        return (f"{heading}: " if heading else "") + f"{first}{more}"

    def lines(self) -> Iterator[tuple[str, str]]:
        """As people read it: what the checkpoint says, what was looked at, and what is wrong."""
        if self.checkpoint is None:
            return
        yield "log", self.checkpoint.origin
        yield "size", counted(self.checkpoint.size, "entry", "entries")
        yield "root", encode_hash(self.checkpoint.root)
        kinds = self.found.kinds
        events, rows = kinds.get(EVENT, 0), kinds.get(NOTIFICATION, 0)
        acts = sum(kinds.values()) - events - rows
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
        yield from self._compared()
        for text in _NOT_PROVEN:
            yield "not proven", text
        if self.found.well:
            yield "verified", self._verified()
        else:
            yield from self.found.fault_lines()

    def _compared(self) -> Iterator[tuple[str, str]]:
        found = self.found
        if found.not_compared is not None:
            but = f" (but {counted(self.sampled, 'event')})" if self.sampled else ""
            rest = "a run without --no-records all records" if self.by_request else "--database all records"
            how = f": --sample N compares events, {rest}" if found.well else ""
            yield "not compared", f"records with their entries{but}, as {found.not_compared}{how}"
            return
        yield (
            "compared",
            f"{counted(found.compared, 'record')} with {'its entry' if found.compared == 1 else 'their entries'}",
        )
        if found.compared_before:
            yield "not compared", f"{counted(found.compared_before, 'record')} that an earlier run has compared"

    def _verified(self) -> str:
        found, tree = self.found, "all tiles and entries lead to the signed root"
        if found.not_compared is not None:
            return tree
        if not found.compared_before:
            return f"{tree}, and each record gives its entry"
        now = f"{counted(found.compared, 'record')} compared now: each gives its entry" if found.compared else ""
        before = f"an earlier run found so of {counted(found.compared_before, 'record')}, which nobody looked at now"
        return "; ".join(filter(None, (tree, now, before)))


def verify_url(
    fetch: Fetch,
    trust: Trust,
    since: Note | None,
    store: Path | None,
    sample: int,
    meter: Meter,
    *,
    only_new: bool,
    records: bool | None,
) -> Report:
    """Check everything that the log publishes. Raises DataStorageError, OSError.

    ``only_new``: complete tiles are kept in ``store``, and those that it has are not read again, nor records compared
    again. ``records``: whether records are compared; None: where the service gives them.
    """
    verifier = Verifier(trust.keys, store=store, policy=trust.policy)
    try:
        checkpoint = run(fetch, verifier.updating(None if since is None else since.encode()))
    except NoCheckpointError:
        if (said := contradiction(fetch)) is None:
            raise
        report = Report()
        report.found.add("inconsistent", said)
        return report
    meter.expect(checkpoint.size)
    tiles = Tiles(fetch, store if only_new else None)
    report = Report(checkpoint=checkpoint, others=[] if store is None else _others(store, checkpoint.origin))
    report.by_request = records is False
    try:
        tree = Tree(tiles, checkpoint)
        if since is not None:
            report.since = _check_since(trust, since, tree)
    except TreeError as e:
        report.found.add("tree", str(e))
        report.found.not_compared = "the tree cannot be read"
        return report
    report.found = found = check_whole(
        fetch, tree, records=records is not False, follow=store if only_new else None, on_progress=meter.show
    )
    if records and found.well and found.not_compared is not None:
        raise NoFeedError(f"the records cannot be compared: {found.not_compared}; see --no-records")
    if only_new:
        report.not_read = len(tiles.held_bundles) * WIDTH
    if found.well:
        _compare(fetch, verifier, tree, sample, report)
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
        record = (entry.kind, entry.id)
        try:
            proved = run(fetch, verifier.proving_event(entry.id, entry.on, 0.0))
        except ProblemError as e:
            if e.status != 404:
                raise
            report.found.add(*NO_RECORD, index=index, record=record)
        except OtherDayError:
            # A service of before is not asked for a day.
            report.other_day += 1
        except VerificationError as e:
            report.found.add("proof", str(e), index=index, record=record)
        else:
            if proved.index != index:
                text = f"by its proof it is entry {proved.index}"
                report.found.add("proof", text, index=index, record=record)
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
