"""Every record, as the feed gives it, held against the entry at its place."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import Any

from datastorage_common import jsonvalue, records
from datastorage_common.faults import NO_RECORD, NO_SALT, Faults, Wrong, mismatch
from datastorage_common.records import EVENT, NOTIFICATION, Entry

from datastorage_client.problems import DataStorageError
from datastorage_client.verify.errors import FeedError
from datastorage_client.verify.feed import ACT, Feed
from datastorage_client.verify.memory import Followed
from datastorage_client.verify.record import event_digests
from datastorage_client.verify.steps import Fetch

# Of a record; the 256 KiB that one has by default have room for fewer. Each may take 300 bytes of memory.
_MAX_VALUES = 1_000_000
_ACT_MEMBERS = ("act_id", "acted_at", "acted_by", "details")


class RecordCheck:
    """Is given the entries one after the other, takes their records from the feed, and notes what is wrong.

    ``start``: the first entry whose record is compared. ``compared``: how many were. ``failed``: why the others are not
    known, where that is no fault of the records.
    """

    def __init__(self, fetch: Fetch, size: int, held: Followed, faults: Faults) -> None:
        """``size``: of the checkpoint; ``held``: how far an earlier run came."""
        self.start = held.size
        self.compared = 0
        self.failed: DataStorageError | None = None
        self._open = partial(Feed, fetch, size, held.size, held.cursor)
        self._feed: Feed | None = None
        self._records: Generator[tuple[int, bytes]] | None = None
        self._ahead: tuple[int, bytes] | None = None
        self._faults = faults
        self._stopped = False

    @property
    def next(self) -> str | None:
        """The cursor behind all that was compared; None before the first."""
        return None if self._feed is None else self._feed.next

    def check(self, first: int, entries: Sequence[Entry | None]) -> None:
        """Compare the next entries, from place ``first`` on; None stands for one that is not known."""
        if self._stopped:
            return
        # Where the feed cannot be opened, this one's record is the first that is not known.
        index = max(first, self.start)
        entry = next(iter(entries[index - first :]), None)
        try:
            records = self._begun()
            for index, entry in enumerate(entries, first):
                if index < self.start:
                    continue
                record = self._take(records, index)
                if entry is None:
                    continue
                self.compared += 1
                wrong = NO_RECORD if record is None else wrong_with(entry, record)
                if wrong is not None:
                    self._faults.add(*wrong, index=index, record=(entry.kind, entry.id))
        except FeedError as e:
            self._stopped = True
            text = f"{e}; the records from here on are not compared"
            self._faults.add("feed", text, index=index, record=None if entry is None else (entry.kind, entry.id))
        except DataStorageError as e:
            self._stopped, self.failed = True, e

    def close(self) -> None:
        """End what is under way."""
        if self._records is not None:
            self._records.close()

    def _begun(self) -> Generator[tuple[int, bytes]]:
        if self._records is None:
            self._feed = self._open()
            self.start = self._feed.start
            self._records = self._feed.records()
        return self._records

    def _take(self, records: Iterator[tuple[int, bytes]], index: int) -> bytes | None:
        """The record at a place; None where the feed has none there. Raises FeedError, DataStorageError."""
        if self._ahead is None:
            self._ahead = next(records, None)
        if self._ahead is None or self._ahead[0] != index:
            return None
        record, self._ahead = self._ahead[1], None
        return record


def wrong_with(entry: Entry, record: bytes) -> Wrong | None:
    """What of a record, as the feed gives it with its salt, does not fit its entry."""
    # Marks in texts count too.
    if len(record) > _MAX_VALUES and sum(map(record.count, (b",", b"[", b"{"))) > _MAX_VALUES:
        return Wrong("form", f"it has more than {_MAX_VALUES:,} values, and is not looked at")
    try:
        members, plain = jsonvalue.document(record)
        # Written out, a short number may be gigabytes.
        if not plain and jsonvalue.number_out_of_range(members, jsonvalue.MAX_NUMBER_DIGITS):
            return Wrong("form", "it has a number that no record can have")
        return _wrong_with(entry, members)
    except jsonvalue.JSONError as e:
        return Wrong("form", f"it cannot be read: {e}")
    except (TypeError, ValueError, KeyError, AttributeError):
        return Wrong("form", "it cannot be read: a member of it is missing or of another kind")


def _wrong_with(entry: Entry, record: dict[str, Any]) -> Wrong | None:
    """Raises TypeError, ValueError, KeyError or AttributeError for what is no record."""
    kind = record["kind"]
    ident = record[{EVENT: "event_id", NOTIFICATION: "id", ACT: "act_id"}[kind]]
    wanted = entry.kind if entry.kind in (EVENT, NOTIFICATION) else ACT
    # An event is known by its day too.
    day = record["event_date"] if kind == EVENT else entry.on
    if (kind, str(ident), day) != (wanted, entry.id, entry.on):
        return Wrong(
            "other record", f"the service gives the {kind} {ident}{f' of {day}' if kind == EVENT else ''} for it"
        )
    if record.get("removed") is True:
        return NO_RECORD
    if record["salt"] is None:
        return NO_SALT
    salt = bytes.fromhex(record["salt"])
    given, on, digests, columns = _content(kind, record)

    def fits(digest: bytes) -> bool:
        return (given, on) == (entry.kind, entry.on) and records.commitment(salt, digest, columns) == entry.commitment

    return mismatch(fits, bytes.fromhex(record["digest"] or ""), digests)


def _content(kind: str, record: dict[str, Any]) -> tuple[str, str, list[bytes], bytes | None]:
    """Kind and day of its entry, the digests that it gives, and the canonical JSON of its columns."""
    if kind == EVENT:
        columns = jsonvalue.canonical({name: record[name] for name in records.EVENT_COLUMNS})
        return EVENT, record["event_date"], list(event_digests(record)), columns
    if kind == NOTIFICATION:
        # What is null is left out.
        columns = jsonvalue.canonical({name: record.get(name) for name in records.NOTIFICATION_COLUMNS})
        content = jsonvalue.canonical({name: record.get(name) for name in records.NOTIFICATION_MEMBERS})
        return NOTIFICATION, str(record.get("sent_at"))[:10], [records.notification_digest(content)], columns
    content = jsonvalue.canonical({**{name: record[name] for name in _ACT_MEMBERS}, "kind": record["act"]})
    return record["act"], record["acted_at"][:10], [records.act_digest(content)], None
