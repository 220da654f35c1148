"""Entries of the log: the form in which they are kept, the JSON that is hashed, and the key by which one is found.

sql/0005_log.sql makes the kept form, one entry behind the other. An entry is what it is (one byte), then

* 0 or 1, an event: its UUID (16 bytes), its day (4), its commitment (32);
* 2 or 3, a notification: its row number (8), its day (4), its commitment (32);
* 4, an act: its length (2) and its JSON as it stands.

Even ones were recorded before there was a log. Numbers are big-endian; a day counts from 2000-01-01.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Literal
from uuid import UUID

import orjson

Kind = Literal["audit_event", "notification"]

OLD_EVENT, EVENT, OLD_NOTIFICATION, NOTIFICATION, ACT = range(5)
_EVENT_BYTES = 1 + 16 + 4 + 32
_NOTIFICATION_BYTES = 1 + 8 + 4 + 32
_ACT_HEAD_BYTES = 1 + 2
_EPOCH = date(2000, 1, 1)
_first_int8 = struct.Struct(">q").unpack_from


class EntryError(ValueError):
    """The kept form is not one of entries."""


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """What an entry says of a record."""

    kind: Kind
    ident: str  # an event's UUID, a notification's row number
    day: date
    commitment: bytes
    version: int


def split(kept: bytes) -> list[bytes]:
    """The single entries of some that are kept one behind the other, all of them such as can be read.

    Raises EntryError.
    """
    found, why = readable(kept)
    if why:
        raise EntryError(why)
    return found


def readable(kept: bytes) -> tuple[list[bytes], str]:
    """As `split`, the entries up to the first that cannot be read, and why it cannot; nothing where all can."""
    if len(kept) % _EVENT_BYTES == 0 and max(kept[::_EVENT_BYTES], default=ACT) <= EVENT:
        # Events alone, as nearly always: each begins where the one before ends, and most have the same day.
        found = [kept[i : i + _EVENT_BYTES] for i in range(0, len(kept), _EVENT_BYTES)]
        if all(map(_is_day, {entry[17:21] for entry in found})):
            return found, ""
    found = []
    why = ""
    start, end = 0, len(kept)
    while start < end:
        code = kept[start]
        if code <= EVENT:
            stop = start + _EVENT_BYTES
        elif code <= NOTIFICATION:
            stop = start + _NOTIFICATION_BYTES
        elif code == ACT:
            stop = start + _ACT_HEAD_BYTES
            stop += int.from_bytes(kept[stop - 2 : stop], "big")
        else:
            why = f"there is no entry of the kind {code}"
            break
        if stop > end:
            why = "the last entry is cut off"
            break
        found.append(kept[start:stop])
        start = stop
    for i, entry in enumerate(found):
        try:
            _check(entry)
        except EntryError as e:
            return found[:i], str(e)
    return found, why


def _is_day(days: bytes) -> bool:
    try:
        return bool(day_text(days))
    except OverflowError:
        return False


def _check(entry: bytes) -> None:
    """Raises EntryError unless the entry has a day that there is, or is an act with an id."""
    try:
        code = entry[0]
        if code == ACT:
            place_key(entry)
        else:
            day_text(entry[17:21] if code <= EVENT else entry[9:13])
    except (OverflowError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise EntryError(f"no such entry: {type(e).__name__}") from None


def as_json(entry: bytes) -> bytes:
    """The canonical JSON of an entry: what is hashed, and what the log's bundles hold."""
    code = entry[0]
    if code <= EVENT:
        h = entry.hex()
        return (
            f'{{"commitment":"{h[42:]}","id":"{h[2:10]}-{h[10:14]}-{h[14:18]}-{h[18:22]}-{h[22:34]}",'
            f"{_end_of_event(entry[17:21], code)}"
        ).encode()
    if code <= NOTIFICATION:
        number = int.from_bytes(entry[1:9], "big", signed=True)
        return (
            f'{{"commitment":"{entry[13:].hex()}","id":"{number}","kind":"notification",'
            f'"on":"{day_text(entry[9:13])}","v":{code - 2}}}'
        ).encode()
    return entry[_ACT_HEAD_BYTES:]


@lru_cache(maxsize=1024)
def _end_of_event(days: bytes, code: int) -> str:
    return f'"kind":"audit_event","on":"{day_text(days)}","v":{code}}}'


def record_of(entry: bytes) -> RecordEntry | None:
    """The record that an entry is about; None if it is about an act."""
    code = entry[0]
    if code <= EVENT:
        h = entry[1:17].hex()
        ident = f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
        return RecordEntry("audit_event", ident, _day(entry[17:21]), entry[21:], code)
    if code <= NOTIFICATION:
        number = int.from_bytes(entry[1:9], "big", signed=True)
        return RecordEntry("notification", str(number), _day(entry[9:13]), entry[13:], code - 2)
    return None


def place_key(entry: bytes) -> int:
    """The key of an entry in log_places: 64 bits of a hash, as a signed number."""
    code = entry[0]
    if code <= EVENT:
        return _key(b"e" + entry[1:17])
    if code <= NOTIFICATION:
        return _key(b"n" + entry[1:9])
    return act_key(UUID(orjson.loads(entry[_ACT_HEAD_BYTES:])["id"]))


def event_key(event_id: UUID) -> int:
    """The key of an event's entries: the same id may have been used on several days."""
    return _key(b"e" + event_id.bytes)


def notification_key(number: int) -> int:
    """The key of a notification's entry."""
    return _key(b"n" + number.to_bytes(8, "big", signed=True))


def act_key(act_id: UUID) -> int:
    """The key of an act's entry."""
    return _key(b"a" + act_id.bytes)


def _key(ident: bytes) -> int:
    key: int = _first_int8(sha256(ident).digest())[0]
    return key


@lru_cache(maxsize=1024)
def _day(days: bytes) -> date:
    return _EPOCH + timedelta(days=int.from_bytes(days, "big", signed=True))


@lru_cache(maxsize=1024)
def day_text(days: bytes) -> str:
    """A day of the kept form as entries have it. Raises OverflowError for one that no calendar has."""
    return _day(days).isoformat()


@lru_cache(maxsize=1024)
def day_bytes(text: str) -> bytes:
    """A day, such as 2026-01-05, in the kept form; nothing where the text is not one."""
    try:
        return (date.fromisoformat(text) - _EPOCH).days.to_bytes(4, "big", signed=True)
    except ValueError:
        return b""
