"""The export: all records that are meant, in the order of the log, as one stream of bytes.

Read in short transactions, each of which goes on where the one before ended: no snapshot lasts as long as the stream.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
import zlib
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from datastorage_common.uuids import parse_uuid

from app.audit import by_key
from app.audit.event import NOTIFICATION_CATEGORY
from app.auth.read_limits import ReadLimits
from app.postgres.sessions import Connection
from app.transparency.feed_cursor import looks_sealed
from app.transparency.log_reads import Keys, event_indexes, notification_index
from app.transparency.log_view import ExpiredError, LogView, NotACursorError
from app.transparency.records_read import Read

# Rows that are read in one transaction.
PIECE_ROWS = 256
# Of one piece, in bytes: for rows of usual sizes one statement is enough then.
PIECE_BYTES = 8 * 1024**2
# For clocks of instances that differ, on top of how far ahead an event's own time may be.
_SINCE_SLACK = timedelta(days=1)
_INDEX = re.compile(r"[0-9]{1,18}")
_NOTIFICATION = re.compile(r"notification/([0-9]{1,18})")
_EVENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})/([0-9A-Fa-f-]{36})")
# While nothing is found something is sent all the same, or who waits takes the stream for broken.
_SILENCE_SECONDS = 5.0
# Of deflate: a block that holds nothing, where the one before ends with a byte (RFC 1951, section 3.2.4).
_NOTHING = b"\x00\x00\x00\xff\xff"
_GZIP = 16 + zlib.MAX_WBITS
# Rows come as fast as they are read: more effort would take longer than reading them.
_GZIP_LEVEL = 1


class EventName(NamedTuple):
    """An event by its day and id."""

    day: date
    event_id: UUID


class NotificationName(NamedTuple):
    """A notification by its row number."""

    number: int


# A cursor, an index in the log, or a record.
Place: TypeAlias = str | int | EventName | NotificationName


def parse_place(text: str) -> Place | None:
    """A place in the log, as a request names it; None where it is none."""
    if _INDEX.fullmatch(text):
        return int(text)
    if (found := _NOTIFICATION.fullmatch(text)) is not None:
        return NotificationName(int(found[1]))
    if (found := _EVENT.fullmatch(text)) is not None:
        ident = parse_uuid(found[2])
        try:
            return None if ident is None else EventName(date.fromisoformat(found[1]), ident)
        except ValueError:
            return None
    return text if looks_sealed(text) else None


class NoSuchRecordError(ValueError):
    """A record that a request names has no place in the log, or its reader may not know of it."""


class BehindError(Exception):
    """This server has not heard of all that was told already, as a standby that has just taken over."""


class Span(NamedTuple):
    """The entries that are looked through: from ``first`` on, up to and without ``stop``; ``end``: the cursor there."""

    first: int
    stop: int
    end: str


class WrongPlaceError(ValueError):
    """What is wrong with a place that a request names by the parameter."""

    def __init__(self, parameter: str, cause: ValueError) -> None:
        super().__init__(parameter)
        self.parameter = parameter
        self.cause = cause


def open_span(
    conn: Connection,
    keys: Keys,
    reads: ReadLimits,
    after: Place | None,
    before: Place | None,
    since: datetime | None,
) -> Span:
    """What an export looks through. ``since``: no record that is meant was stored before.

    Raises WrongPlaceError, BehindError; RestartedError, ExpiredError, StandsStillError; LogBrokenError; psycopg.Error.
    """
    view = LogView(conn, keys, narrow=reads.narrow)
    first = view.oldest
    if after is not None:
        first = _passed(conn, view, reads, after, "after", 1)
        if isinstance(after, int) and first > view.end:
            raise WrongPlaceError("after", NoSuchRecordError())
        if first < view.oldest:
            raise ExpiredError("what follows is not kept any more", view.seal(view.beginning()))
    stop = view.end
    if before is not None:
        stop = _passed(conn, view, reads, before, "before", 0)
        if stop > view.end:
            if isinstance(before, str):
                raise BehindError
            raise WrongPlaceError("before", NoSuchRecordError())
    if since is not None:
        first = max(first, view.size_before(since - _SINCE_SLACK))
    return Span(first, max(first, stop), view.seal(view.behind(stop)))


def _passed(conn: Connection, view: LogView, reads: ReadLimits, place: Place, parameter: str, itself: int) -> int:
    """How many entries are before a place; ``itself``: how many it is, where it is an entry."""
    try:
        if isinstance(place, str):
            return view.place(place).passed
        if isinstance(place, int):
            # It would count the records of others.
            if reads.narrow:
                raise NotACursorError
            return place + itself
        return _index(conn, reads, place) + itself
    except ValueError as e:
        raise WrongPlaceError(parameter, e) from None


def _index(conn: Connection, reads: ReadLimits, name: EventName | NotificationName) -> int:
    """Where a record is in the log. Raises NoSuchRecordError."""
    if isinstance(name, NotificationName):
        found = notification_index(conn, name.number)
        may = reads.admits(None, NOTIFICATION_CATEGORY)
    else:
        found = event_indexes(conn, [(name.event_id, name.day)]).get((name.event_id, name.day))
        key = by_key.EventKey(str(name.event_id), name.day, found or 0)
        may = not reads.narrow or bool(by_key.pick_events(conn, [key], [], reads, 1))
    if found is None or not may:
        raise NoSuchRecordError
    return found


class Sent:
    """How much of an export was sent."""

    def __init__(self) -> None:
        self.rows = self.sensitive = self.size = 0
        self._digest = hashlib.sha256()

    def add(self, part: bytes) -> None:
        """Count bytes, before they are packed."""
        self.size += len(part)
        self._digest.update(part)

    def told(self) -> dict[str, Any]:
        """As the event of the service's own has it."""
        return {
            "rows": self.rows,
            "sensitive_events": self.sensitive,
            "bytes": self.size,
            "sha256": self._digest.hexdigest(),
        }


def _read_ahead(span: Span, read: Callable[[int], Read]) -> Generator[Read]:
    """All that is found, piece by piece: while one is sent, the next is read."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="export")

    def begin(at: int) -> Future[Read]:
        # Lines of the log say whose request it is there, too.
        return pool.submit(copy_context().run, read, at)

    try:
        at = span.first
        coming = begin(at) if at < span.stop else None
        while coming is not None:
            found = coming.result()
            at = found.stop
            coming = begin(at) if at < span.stop else None
            yield found
    finally:
        # What is read has its own limit, and nobody waits for it any more.
        pool.shutdown(wait=False, cancel_futures=True)


def parts(
    span: Span, head: bytes, read: Callable[[int], Read], sent: Sent, *, packed: bool, monotonic: Callable[[], float]
) -> Generator[bytes]:
    """The bytes of an export, counted in ``sent``.

    ``read`` gives what is found from an entry on. ``packed``: as gzip, of which something comes now and then also while
    nothing is found.
    """
    packing = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP) if packed else None
    said = monotonic()
    with contextlib.closing(_read_ahead(span, read)) as pieces:
        for part in itertools.chain([head], _rows(pieces, sent)):
            sent.add(part)
            sending = part if packing is None else packing.compress(part) if part else b""
            if packing is not None and not sending and monotonic() - said >= _SILENCE_SECONDS:
                sending = packing.flush(zlib.Z_SYNC_FLUSH) + _NOTHING
            if sending:
                yield sending
                said = monotonic()
    if packing is not None:
        yield packing.flush()


def _rows(pieces: Generator[Read], sent: Sent) -> Generator[bytes]:
    """The rows of each piece as one text, counted."""
    for found in pieces:
        sent.rows += len(found.items)
        sent.sensitive += len(found.sensitive)
        yield b"".join(found.items)
