"""A record against its entry."""

from __future__ import annotations

from uuid import UUID

import orjson
from datastorage_common import records
from datastorage_common.faults import NO_RECORD, NO_SALT, Wrong, mismatch

from app.transparency.entries import ACT, EVENT, NOTIFICATION, OLD_EVENT, OLD_NOTIFICATION, as_json
from app.verify.source import Stored

_OLD = (OLD_EVENT, OLD_NOTIFICATION)


def identity(entry: bytes) -> bytes:
    """Whose an entry is: the same bytes for all entries of one record."""
    code = entry[0]
    if code <= EVENT:
        return b"e" + entry[1:21]
    if code <= NOTIFICATION:
        return b"n" + entry[1:9]
    return b"a" + UUID(orjson.loads(entry[3:])["id"]).bytes


def record_name(entry: bytes) -> tuple[str, str]:
    """Kind and id of an entry's record, as entries have them."""
    members = orjson.loads(as_json(entry))
    return str(members.get("kind")), members["id"]


def is_old(entry: bytes) -> bool:
    """Whether it says that its record is from before there was a log."""
    return entry[0] in _OLD


def wrong_with(entry: bytes, stored: Stored | None, old_salt: bytes | None) -> Wrong | None:
    """What of a record does not fit its entry. ``old_salt``: the one by the entry's place."""
    if stored is None:
        return NO_RECORD
    code = entry[0]
    old = code in _OLD
    salt = old_salt if old else stored.salt
    if salt is None:
        return NO_SALT
    if old and stored.salt is not None:
        return Wrong("salt", "it has a salt of its own, and its entry is that of a record from before the log")

    def fits(digest: bytes) -> bool:
        return entry_of(stored, code, salt, digest) == entry

    return mismatch(fits, stored.digest, stored.digests)


def entry_of(stored: Stored, code: int, salt: bytes, digest: bytes) -> bytes:
    """The entry, in its kept form, of a record with this digest."""
    commitment = records.commitment(salt, digest, stored.columns)
    if code != ACT:
        return bytes((code,)) + stored.head + commitment
    text = stored.head + commitment.hex().encode() + stored.tail
    return bytes((ACT,)) + len(text).to_bytes(2, "big") + text
