"""Where the rows of an export end, found in blocks of bytes: looking at each row would be the slowest part of it."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

import msgspec

from datastorage_client.cli.errors import ServiceError

# More than the largest record can be, written in either form: what is longer is no row.
MAX_ROW_BYTES = 32 * 1024 * 1024
_TOO_LONG = f"the service sends a row of more than {MAX_ROW_BYTES:,} bytes; is it the Data Storage Service?"
_NO_ROW = "the service sends a row that cannot be read; is it the Data Storage Service?"
_CRLF = b"\r\n"
_DAY, _ID, _INDEX = (
    re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    re.compile(rb"[0-9a-f-]{1,36}"),
    re.compile(rb"[0-9]{1,18}"),
)
# All bytes that do not decide where a row of CSV ends.
_OTHERS = bytes(byte for byte in range(256) if byte not in b'"\r\n')


class Last(NamedTuple):
    """Where a row is: its place as a request names it, and its index in the log, where the reader is told."""

    place: str
    log_index: int | None


class Form(Protocol):
    """What differs between the forms of an export. One object reads one stream."""

    header: bytes  # a row that names the columns, none of the others; empty until it came, or where there is none

    def cut(self, block: bytes) -> bytes:
        """The next bytes of the stream; the whole rows that end in them. Raises ServiceError for too long a row."""

    def count(self, rows: bytes) -> int:
        """How many rows these are, the next ones. Raises ServiceError where one is none, or was there before."""

    def last(self, rows: bytes) -> Last:
        """Where the last of some rows is. Raises ServiceError where it cannot be read."""

    def left(self) -> int:
        """How many bytes came behind the last whole row."""


class _Row(msgspec.Struct):
    kind: str
    event_id: str | None = None
    event_date: str | None = None
    id: int | None = None
    log_index: int | None = None


class _Place(msgspec.Struct, gc=False):
    log_index: int | None = None


_rows = msgspec.json.Decoder(_Row)
# Passes over all other members, and finds what is no JSON object on the way, for a twentieth of what a row costs.
# To count line breaks too would be as much again: white space between objects, an empty line too, is taken, and no row.
_places = msgspec.json.Decoder(_Place)


def _check_behind(index: int, last: int) -> None:
    """Raises ServiceError."""
    if index <= last:
        raise ServiceError(
            f"the service sends entry {index} of the log behind entry {last}, and so rows that are there already: is "
            "it the Data Storage Service?"
        )


class _Tail:
    """The beginning of a row whose end did not come yet."""

    def __init__(self) -> None:
        self._kept = bytearray()

    @property
    def size(self) -> int:
        return len(self._kept)

    def keep(self, part: bytes) -> None:
        """Raises ServiceError."""
        if self.size + len(part) > MAX_ROW_BYTES:
            raise ServiceError(_TOO_LONG)
        self._kept += part

    def take(self, part: bytes) -> bytes:
        """All of it and this; nothing is kept any more."""
        if not self._kept:
            return part
        whole = bytes(self._kept) + part
        self._kept.clear()
        return whole


class Lines:
    """Newline-delimited JSON: a row a line.

    ``behind``: the entry of the log that the stream has to go on from, where it is known. Entries rise from there.
    """

    def __init__(self, behind: int | None = None) -> None:
        self.header = b""
        self._tail = _Tail()
        self._last = -1 if behind is None else behind

    def cut(self, block: bytes) -> bytes:
        end = block.rfind(b"\n") + 1
        rows = self._tail.take(block[:end]) if end else b""
        self._tail.keep(block[end:])
        return rows

    def count(self, rows: bytes) -> int:
        try:
            places = _places.decode_lines(rows)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ServiceError(_NO_ROW) from None
        last = self._last
        for place in places:
            index = place.log_index
            if index is not None:
                if index <= last:
                    _check_behind(index, last)
                last = index
        self._last = last
        return len(places)

    def last(self, rows: bytes) -> Last:
        line = rows[rows.rfind(b"\n", 0, len(rows) - 1) + 1 :]
        try:
            row = _rows.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ServiceError(_NO_ROW) from None
        if row.kind == "notification" and row.id is not None:
            return Last(f"notification/{row.id}", row.log_index)
        if row.event_date is None or row.event_id is None:
            raise ServiceError(_NO_ROW)
        return Last(f"{row.event_date}/{row.event_id}", row.log_index)

    def left(self) -> int:
        return self._tail.size


class Cells:
    """CSV: a row ends with a CRLF that is not inside of quotes, so an even number of quotes is before it.

    The first row of a stream names the columns. It is given in `header`, and is none of the rows. ``behind``: as
    `Lines` has it, of the first row.
    """

    def __init__(self, behind: int | None = None) -> None:
        self.header = b""
        self._behind = behind
        self._tail = _Tail()
        self._odd = False  # whether the tail ends inside of quotes
        self._cr = False  # whether it ends with a CR outside of them

    def cut(self, block: bytes) -> bytes:
        end = self._last_end(block)
        rows = self._tail.take(block[:end]) if end else b""
        rest = block[end:]
        self._tail.keep(rest)
        self._odd ^= block.count(b'"') % 2 == 1
        self._cr = rest.endswith(b"\r") and not self._odd
        if rows and not self.header:
            at = self._first_end(rows)
            self.header, rows = rows[:at], rows[at:]
        return rows

    def _last_end(self, block: bytes) -> int:
        """Behind the last end of a row in a block that comes behind the tail; 0 if there is none."""
        at, inside = len(block), self._odd ^ (block.count(b'"') % 2 == 1)
        while (found := block.rfind(_CRLF, 0, at)) >= 0:
            inside ^= block.count(b'"', found, at) % 2 == 1
            if not inside:
                return found + 2
            at = found
        return 1 if self._cr and block.startswith(b"\n") else 0

    def _first_end(self, rows: bytes) -> int:
        at = rows.index(_CRLF)
        while rows.count(b'"', 0, at) % 2:
            at = rows.index(_CRLF, at + 2)
        return at + 2

    def count(self, rows: bytes) -> int:
        if self._behind is not None and rows:
            index = self.last(rows[: self._first_end(rows)]).log_index
            if index is not None:
                _check_behind(index, self._behind)
            self._behind = None
        # Two quotes with no line break between change nothing for those behind them, and most rows have no others.
        bare = rows.translate(None, _OTHERS).replace(b'""', b"")
        return sum(part.count(_CRLF) for part in bare.split(b'"')[::2])

    def last(self, rows: bytes) -> Last:
        start, end = 0, len(rows) - 2
        inside = False
        while (found := rows.rfind(_CRLF, 0, end)) >= 0:
            inside ^= rows.count(b'"', found, end) % 2 == 1
            if not inside:
                start = found + 2
                break
            end = found
        names = self.header.strip().split(b",")
        row = rows[start:].strip()
        # What is first and last in a row is never in quotes, and a cell between may be large.
        cells = dict(zip(names, row.split(b",", 2)[:2], strict=False))
        if names[-1] == b"log_index":
            cells[names[-1]] = row.rpartition(b",")[2]
        return _place(cells)

    def left(self) -> int:
        return self._tail.size


def _place(row: dict[bytes, bytes]) -> Last:
    """Raises ServiceError."""
    index = row.get(b"log_index", b"")
    at = int(index) if _INDEX.fullmatch(index) else None
    day, ident, number = (row.get(name, b"") for name in (b"event_date", b"event_id", b"id"))
    if _DAY.fullmatch(day) and _ID.fullmatch(ident):
        return Last(f"{day.decode()}/{ident.decode()}", at)
    if _INDEX.fullmatch(number):
        return Last(f"notification/{number.decode()}", at)
    raise ServiceError(_NO_ROW)
