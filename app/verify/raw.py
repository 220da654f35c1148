"""Values of PostgreSQL in the form that digests and entries have them in, whatever they are.

Somebody who changes a record may make a time infinite, for which Python has no type, and a check has to get over that.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta

from datastorage_common.times import rfc3339
from psycopg import Cursor
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

from app.transparency.entries import day_text

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_int8 = struct.Struct(">q").unpack


class _Moment(Loader):
    """RFC 3339."""

    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        (since,) = _int8(data)
        try:
            return rfc3339(_EPOCH + timedelta(microseconds=since))
        except OverflowError:
            return f"{since} microseconds after {_EPOCH}"


class _Day(Loader):
    """Such as 2026-01-05."""

    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        kept = bytes(data)
        try:
            return day_text(kept)
        except OverflowError:
            return f"{int.from_bytes(kept, 'big', signed=True)} days after {_EPOCH}"


class _Uuid(Loader):
    """In small letters."""

    format = Format.BINARY

    def load(self, data: Buffer) -> str:
        h = bytes(data).hex()
        return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


class _Json(Loader):
    """The text."""

    format = Format.BINARY

    def load(self, data: Buffer) -> bytes:
        return bytes(data)


def take_raw(cursor: Cursor[tuple[object, ...]]) -> None:
    """Let a cursor give texts for times, days and UUIDs, and bytes for JSON."""
    for name, loader in (("timestamptz", _Moment), ("date", _Day), ("uuid", _Uuid), ("json", _Json)):
        cursor.adapters.register_loader(name, loader)
