"""What is asked of the log: checkpoint, tiles, bundles, entries and proofs. Nothing beyond the checkpoint is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from datastorage_common.merkle import HASH_BYTES

from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.transparency.edge import WIDTH
from app.transparency.entries import as_json, event_key, notification_key, record_of, split
from app.transparency.log_store import LogBrokenError
from app.transparency.tree import consistency_proof, inclusion_proof

_SQL = statements("log_reads")


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


def published(conn: Connection) -> Published | None:
    """The newest checkpoint under the log's present origin; None where none was signed."""
    row = conn.execute(_SQL["published"]).fetchone()
    return None if row is None else Published(row[0], row[1], row[2].encode())


def tile(conn: Connection, level: int, number: int, width: int, size: int) -> bytes | None:
    """The first ``width`` hashes of a tile of the tree of ``size`` entries; None where it has not so many."""
    if not _is_there(level, number, width, size):
        return None
    row = conn.execute(_SQL["tile"], (level, number), binary=True).fetchone()
    hashes = bytes(row[0])[: width * HASH_BYTES] if row is not None else b""
    if len(hashes) != width * HASH_BYTES:
        raise LogBrokenError(f"tile {number} of level {level} does not hold {width} hashes")
    return hashes


def bundle(conn: Connection, number: int, width: int, size: int) -> bytes | None:
    """The first ``width`` entries of a bundle, each behind its length in two bytes; None where it has not so many."""
    if not _is_there(0, number, width, size):
        return None
    entries = _entries(conn, {number})[number][:width]
    if len(entries) != width:
        raise LogBrokenError(f"bundle {number} does not hold {width} entries")
    return b"".join([len(text).to_bytes(2, "big") + text for text in map(as_json, entries)])


def _is_there(level: int, number: int, width: int, size: int) -> bool:
    return 1 <= width <= WIDTH and number * WIDTH + width <= size // WIDTH**level


def included(conn: Connection, index: int) -> Included | None:
    """The entry at this index and its proof; None where the checkpoint does not reach so far."""
    point = published(conn)
    if point is None or not 0 <= index < point.size:
        return None
    [entry] = _at(conn, [index])
    return Included(index, as_json(entry), inclusion_proof(conn, index, point.size), point)


def consistent_from(conn: Connection, old: int) -> tuple[Published, list[bytes]] | None:
    """The checkpoint, and the proof that the tree of ``old`` entries is its beginning; None where it is smaller."""
    point = published(conn)
    if point is None or old > point.size:
        return None
    return point, consistency_proof(conn, old, point.size)


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
