"""What is stored and has no entry, and entries that a record has too many of.

Nothing is looked for one by one where the numbers come out even: every entry has its record, no two have the same, so
where there are as many records as entries, each record has one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar
from uuid import UUID

from datastorage_common.faults import second_entry

from app.transparency.edge import WIDTH
from app.transparency.entries import place_key, readable
from app.verify.bundles import MOST_WITHOUT_PLACE, BundleCheck
from app.verify.records import identity, record_name, wrong_with
from app.verify.report import Report
from app.verify.source import Row, Source, Stored, Totals

_T = TypeVar("_T")
# Entries or records at a time.
_AT_ONCE = 2048


class Leftovers:
    """Looks at what the walk along the entries cannot see."""

    def __init__(self, source: Source, report: Report, bundles: BundleCheck) -> None:
        self._source = source
        self._report = report
        self._bundles = bundles
        self._waiting: set[bytes] = set()  # records whose entries are pending
        self._with_record = bundles.with_record

    def check(self, totals: Totals) -> None:
        """Count, and where it does not come out even, name."""
        self._pending()
        self._twice()
        self._report.old_waiting = totals.old_waiting
        missing = totals.records - self._with_record - totals.old_waiting
        # What is said to wait is no number to reckon with before each is looked at: rows put there past the log make up
        # for those that have their entries already.
        if missing != 0 or self._bundles.unread or totals.old_waiting:
            finished = totals.finished_by is not None
            named = self._name(finished=finished) if len(self._bundles.keys_without_place) <= MOST_WITHOUT_PLACE else 0
            if named < missing and not self._bundles.unread:
                text = f"of {totals.records} records {missing} have no entry, of which {named} could be named"
                self._report.add("no entry", text)

    def waiting_acts(self) -> set[UUID]:
        """Acts whose entries are pending."""
        return {UUID(bytes=ident[1:]) for ident in self._waiting if ident.startswith(b"a")}

    def _pending(self) -> None:
        """Entries that wait for their places, as those that have one."""
        for kept in self._source.pending():
            entries, why = readable(kept)
            if why:
                self._report.add("pending", f"a pending row cannot be read to its end: {why}")
            for part in _parts(entries):
                stored = self._source.stored(part)
                placed, _ = self._placed({place_key(entry) for entry in part})
                for entry in part:
                    self._wait(entry, stored.get(identity(entry)), placed)
                self._report.pending += len(part)

    def _wait(self, entry: bytes, record: Stored | None, placed: set[bytes]) -> None:
        ident = identity(entry)
        wrong = wrong_with(entry, record, None)
        if wrong is not None:
            self._report.add(wrong.kind, f"{wrong.text} (it waits for its place)", record=record_name(entry))
        if ident in placed or ident in self._waiting:
            self._report.add("two entries", "it has an entry, and waits for another", record=record_name(entry))
        elif record is not None:
            self._with_record += 1
        self._waiting.add(ident)

    def _twice(self) -> None:
        """Records that have several entries: their ids have several places."""
        for group in _parts(self._source.shared_keys()):
            at = self._entries(sorted({index for indexes in group for index in indexes}))
            for indexes in group:
                seen: dict[bytes, int] = {}
                for index in sorted(indexes):
                    entry = at.get(index)
                    if entry is None:
                        continue
                    first = seen.setdefault(identity(entry), index)
                    if first != index:
                        self._with_record -= 1
                        kind, text = second_entry(first)
                        self._report.add(kind, text, index=index, record=record_name(entry))

    def _name(self, *, finished: bool) -> int:
        """Look for the entry of every record; how many have none."""
        named = 0
        for rows in _parts(self._source.rows()):
            placed, lost = self._placed({row.key for row in rows})
            for row in rows:
                if row.waits:
                    self._old(row, has_entry=row.ident in placed, finished=finished)
                    continue
                if row.ident in placed or row.ident in self._waiting:
                    continue
                if row.key in self._bundles.keys_without_place:
                    continue
                named += 1
                index = lost.get(row.key)
                text = "it has no entry" if index is None else "its entry cannot be read any more"
                self._report.add("no entry", text, index=index, record=row.record)
        return named

    def _old(self, row: Row, *, has_entry: bool, finished: bool) -> None:
        """A record that is to be taken in as one from before there was a log."""
        if has_entry:
            text = "it has an entry, and log_intake says that it is still to be taken in"
            self._report.add("intake", text, record=row.record)
        elif finished:
            text = "it stands there as an old record that is to be taken in, and the intake is finished"
            self._report.add("intake", text, record=row.record)

    def _placed(self, keys: Iterable[int]) -> tuple[set[bytes], dict[int, int]]:
        """Whose entries the places of these keys lead to; and by key, places whose entries cannot be read."""
        places = sorted(self._source.places(list(keys)), key=lambda place: place[1])
        entries = self._entries([index for _, index in places])
        lost = {key: index for key, index in places if index not in entries and index < self._report.size}
        return {identity(entry) for entry in entries.values()}, lost

    def _entries(self, indexes: Sequence[int]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        inside = [index for index in indexes if 0 <= index < self._report.size]
        for numbers in _parts({index // WIDTH: None for index in inside}, 64):
            wanted = set(numbers)
            entries = {n: readable(kept.data)[0] for n, kept in self._source.bundles(numbers).items()}
            for index in inside:
                if index // WIDTH in wanted and index % WIDTH < len(entries.get(index // WIDTH, ())):
                    found[index] = entries[index // WIDTH][index % WIDTH]
        return found


def _parts(items: Iterable[_T], count: int = _AT_ONCE) -> Iterator[list[_T]]:
    each = iter(items)
    while part := list(itertools.islice(each, count)):
        yield part
