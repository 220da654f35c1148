"""What is asked of the log: checkpoint, tiles, bundles, entries and proofs. Nothing beyond the checkpoint is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias
from uuid import UUID

from datastorage_common.merkle import HASH_BYTES
from datastorage_common.notes import VerifierKey

from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.transparency.edge import WIDTH
from app.transparency.entries import as_json, event_key, notification_key, record_of, split
from app.transparency.log_store import LogBrokenError
from app.transparency.tile_paths import Place
from app.transparency.tree import consistency_proof, inclusion_proof
from app.transparency.vouched import Row, newest_signed

_SQL = statements("log_reads")
# Those of the log that this instance has: what it shows as signed, one of them has signed.
Keys: TypeAlias = Sequence[VerifierKey]


class NoCheckpointError(Exception):
    """Nothing was signed yet under the log's present origin; ``origin``: None where it has none."""

    def __init__(self, origin: str | None) -> None:
        super().__init__(origin)
        self.origin = origin


class NotYetInLogError(Exception):
    """What is asked for is not in the tree of the newest checkpoint; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Published:
    """The newest signed checkpoint: up to where the log is shown."""

    origin: str
    size: int
    note: bytes


@dataclass(frozen=True, slots=True)
class Included:
    """An entry with its proof of being in the tree of the checkpoint."""

    index: int
    entry: bytes  # canonical JSON
    path: list[bytes]
    checkpoint: Published


def published(conn: Connection, keys: Keys) -> Published | None:
    """The newest checkpoint under the log's present origin that one of these keys has signed; None where there is none.

    Where none of them is of that origin nobody can tell here who has signed, and the newest row is given.
    """

    def newest(most: int) -> list[Row]:
        rows = conn.execute(_SQL["published"], (most,))
        return [Row(origin, size, epoch, bytes(root), note) for origin, size, epoch, root, note in rows]

    row, signed = newest_signed(newest, keys)
    return _given(row if row is None or not _is_known(row.origin, keys) else signed)


def origin(conn: Connection) -> str | None:
    """The log's name; None where nothing was signed yet."""
    row = conn.execute(_SQL["origin"]).fetchone()
    return None if row is None else row[0]


def _is_known(origin: str, keys: Keys) -> bool:
    return any(key.name == origin for key in keys)


def _given(row: Row | None) -> Published | None:
    return None if row is None else Published(row.origin, row.size, row.note.encode())


def tile(conn: Connection, place: Place, size: int) -> bytes | None:
    """The hashes of a tile of the tree of ``size`` entries; None where it has not so many. Raises LogBrokenError."""
    if not place.is_in(size):
        return None
    row = conn.execute(_SQL["tile"], (place.level, place.number), binary=True).fetchone()
    hashes = bytes(row[0])[: place.width * HASH_BYTES] if row is not None else b""
    if len(hashes) != place.width * HASH_BYTES:
        raise LogBrokenError(f"tile {place.number} of level {place.level} does not hold {place.width} hashes")
    return hashes


def bundle(conn: Connection, place: Place, size: int) -> bytes | None:
    """Entries, each behind its length in two bytes; None where the tree of ``size`` has not so many.

    Raises LogBrokenError.
    """
    if not place.is_in(size):
        return None
    entries = _entries(conn, {place.number})[place.number][: place.width]
    if len(entries) != place.width:
        raise LogBrokenError(f"bundle {place.number} does not hold {place.width} entries")
    return b"".join([len(text).to_bytes(2, "big") + text for text in map(as_json, entries)])


def included(conn: Connection, index: int | None, keys: Keys) -> Included:
    """The entry at this index, and its proof; None stands for an index that is not given yet.

    Raises NoCheckpointError, NotYetInLogError.
    """
    point = _newest(conn, keys)
    if index is None:
        raise NotYetInLogError("it has no place in the log yet")
    if index >= point.size:
        raise NotYetInLogError(f"the newest checkpoint has {point.size} entries")
    [entry] = _at(conn, [index])
    return Included(index, as_json(entry), inclusion_proof(conn, index, point.size), point)


def consistent_from(conn: Connection, old: int, size: int | None, keys: Keys) -> tuple[Published, list[bytes]] | None:
    """A checkpoint, and the proof that the tree of ``old`` entries is its beginning.

    ``size``: of that checkpoint; the newest, where it is None. None where there is none of this size, or it is smaller
    than ``old``. Raises NoCheckpointError.
    """
    point: Published | None = _newest(conn, keys)
    if point is not None and size is not None and size != point.size:
        point = published_at(conn, point.origin, size, keys)
    if point is None or old > point.size:
        return None
    return point, consistency_proof(conn, old, point.size)


def published_at(conn: Connection, origin: str, size: int, keys: Keys) -> Published | None:
    """The checkpoint of this size; None where there is none that one of these keys has signed, as in `published`."""
    found = conn.execute(_SQL["published_at"], (origin, size)).fetchone()
    if found is None:
        return None
    row = Row(origin, size, found[2], bytes(found[3]), found[4])
    return _given(row.signed_by(keys) if _is_known(origin, keys) else row)


def entries_between(conn: Connection, first: int, stop: int) -> list[bytes]:
    """The entries from ``first`` on, up to and without ``stop``, in their kept form. Raises LogBrokenError."""
    return _at(conn, range(first, stop))


def leaf_beginnings(conn: Connection, sizes: Iterable[int], octets: int) -> dict[int, bytes]:
    """For trees of these sizes, so many bytes of the hash of the last leaf; without those that are not there."""
    wanted = sorted({size for size in sizes if size > 0})
    rows = conn.execute(_SQL["leaf_beginnings"], (octets, wanted), binary=True) if wanted else ()
    return {size: bytes(found) for size, found in rows if len(found) == octets}


def _newest(conn: Connection, keys: Keys) -> Published:
    point = published(conn, keys)
    if point is None:
        raise NoCheckpointError(origin(conn))
    return point


def event_indexes(conn: Connection, keys: Sequence[tuple[UUID, date]]) -> dict[tuple[UUID, date], int]:
    """Where events are in the log, by id and day; those that have no place yet are left out."""
    wanted = {(str(ident), day): (ident, day) for ident, day in keys}
    found: dict[tuple[UUID, date], int] = {}
    for index, entry in _candidates(conn, {event_key(ident) for ident, _ in keys}):
        record = record_of(entry)
        if record is not None and record.kind == "audit_event" and (key := wanted.get((record.ident, record.day))):
            found[key] = index
    return found


def notification_index(conn: Connection, number: int) -> int | None:
    """Where a notification is in the log; None where it has no place yet."""
    for index, entry in _candidates(conn, {notification_key(number)}):
        record = record_of(entry)
        if record is not None and (record.kind, record.ident) == ("notification", str(number)):
            return index
    return None


def _candidates(conn: Connection, keys: set[int]) -> list[tuple[int, bytes]]:
    """The entries whose ids have one of these hashes."""
    indexes = [index for (index,) in conn.execute(_SQL["places"], (list(keys),), binary=True)]
    return list(zip(indexes, _at(conn, indexes), strict=True))


def _at(conn: Connection, indexes: Sequence[int]) -> list[bytes]:
    """The entries at these indexes, in their kept form."""
    bundles = _entries(conn, {index // WIDTH for index in indexes})
    found = []
    for index in indexes:
        held = bundles[index // WIDTH]
        if index % WIDTH >= len(held):
            raise LogBrokenError(f"bundle {index // WIDTH} does not hold entry {index}")
        found.append(held[index % WIDTH])
    return found


def _entries(conn: Connection, numbers: Iterable[int]) -> dict[int, list[bytes]]:
    wanted = sorted(numbers)
    rows = conn.execute(_SQL["bundles"], (wanted,), binary=True) if wanted else ()
    found = {number: split(bytes(kept)) for number, kept in rows}
    if missing := [number for number in wanted if number not in found]:
        raise LogBrokenError(f"bundle {missing[0]} is not there")
    return found
