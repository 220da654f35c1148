"""The records of a bundle, each held against the entry that has its index: altered, removed, added or out of order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from datastorage_common.faults import NO_RECORD, Faults
from datastorage_common.records import Entry

from datastorage_client.evidence.errors import BundleError, GivenUpError
from datastorage_client.evidence.exported import Exported, Seen, read_exported
from datastorage_client.evidence.lines import Named, name_of, wrong_record
from datastorage_client.evidence.manifest import Manifest
from datastorage_client.evidence.streams import StreamsSeen
from datastorage_client.evidence.zip_layout import EXPORTED, RECORDS
from datastorage_client.evidence.zip_read import MemberReader

_BEHIND = "it stands behind a later one: the order is not that of the log"
_ADDED = "the bundle has no entry for it: it was added"
# Of lines that the manifest does not count so many are looked at, so that they are named.
_MOST_MORE = 1000
# A few kilobytes may be hundreds of millions of lines, and each of them costs the time in which it is named.
_MOST_STRAY = 10_000
_UNREADABLE = Named(None, "record", "that cannot be read")


class RecordsHeld:
    """Is given the entries one after the other; what is wrong is added to ``found``.

    ``compared``: how many records were held against an entry, by ``kinds``. ``exported``: the events about the export.
    ``streams``: what the lines of each answer are, once it is closed. Everything here that reads lines raises
    GivenUpError where too many are no records, or have no entry.
    """

    def __init__(
        self,
        records: MemberReader,
        exported: MemberReader,
        manifest: Manifest,
        found: Faults,
        on_progress: Callable[[int, int], None],
    ) -> None:
        self.compared = 0
        self.kinds: Counter[str] = Counter()
        self.exported: list[Exported] = []
        self.streams: list[Seen] = []
        self._manifest = manifest
        self._found = found
        self._on_progress = on_progress
        self._seen = StreamsSeen(manifest.streams)
        self._stray = 0
        self._last = -1  # the last entry that a record was held against
        self._lines = self._read(records, exported)
        self._next = next(self._lines, None)

    def hold(self, index: int, entry: Entry) -> None:
        """The next entry, at its place in the log."""
        while self._next is not None:
            name, line = self._next
            if name.index is not None and name.index > index:
                break
            self._next = next(self._lines, None)
            if name.index is None or name.index == index:
                self._compare(index, entry, line)
                if name.index is None:
                    self._add_stray()
                return
            self._add_lone(name)
        self._found.add(*NO_RECORD, index=index, record=(entry.kind, entry.id))

    def close(self) -> None:
        """There are no more entries."""
        while self._next is not None:
            name, _ = self._next
            self._next = next(self._lines, None)
            self._add_lone(name)
        self.streams = self._seen.close()

    def _compare(self, index: int, entry: Entry, line: bytes) -> None:
        self._last = index
        self.compared += 1
        self.kinds[entry.kind] += 1
        wrong = wrong_record(index, entry, line)
        if wrong is not None:
            self._found.add(*wrong, index=index, record=(entry.kind, entry.id))
        self._on_progress(self.compared, self._manifest.records + self._manifest.exported)

    def _add_lone(self, name: Named) -> None:
        """A record without an entry at its place."""
        is_behind = name.index is not None and name.index <= self._last
        kind, text = ("order", _BEHIND) if is_behind else ("added", _ADDED)
        self._found.add(kind, text, index=name.index, record=(name.kind, name.id))
        self._add_stray()

    def _add_stray(self) -> None:
        self._stray += 1
        if self._stray > _MOST_STRAY:
            raise GivenUpError(
                f"more than {_MOST_STRAY:,} lines are no records, or have no entry: the rest is not looked at"
            )

    def _read(self, records: MemberReader, exported: MemberReader) -> Iterator[tuple[Named, bytes]]:
        """What each line says that it is, and the line."""
        for line in self._counted(records, RECORDS, self._manifest.records):
            name = name_of(line) or _UNREADABLE
            self._seen.add(line, name.index)
            yield name, line
        for line in self._counted(exported, EXPORTED, self._manifest.exported):
            event = read_exported(line)
            if event is None:
                self._found.add("export", "a line of exported.ndjson is no event of the service's own about an export")
            else:
                self.exported.append(event)
            yield name_of(line) or _UNREADABLE, line

    def _counted(self, reader: MemberReader, name: str, expected: int) -> Iterator[bytes]:
        count = 0
        try:
            for line in reader.lines():
                count += 1
                if count > expected + _MOST_MORE:
                    break
                yield line
        except BundleError as e:
            self._found.add("file", str(e))
            return
        if count != expected:
            least = "at least " if count > expected + _MOST_MORE else ""
            self._found.add("records", f"{name} has {least}{count:,} records, and the manifest says {expected:,}")
