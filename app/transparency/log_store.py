"""The log's tables: what each step of the sequencer says to PostgreSQL, in transactions that the caller begins."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg
from datastorage_common.merkle import HASH_BYTES

from app.postgres.sessions import Connection, writing
from app.postgres.statements import statements
from app.transparency.edge import WIDTH, Edge, Growth, partial_tiles
from app.transparency.entries import place_key

_SQL = statements("log")

# Rows of log_pending_a and log_pending_b by turns (log_queue in sql/0005_log.sql).
TURN_ROWS = 16_384

# COPY in binary: what it begins with, the two int8 of a row, each behind its length, and what it ends with.
_COPY_BEGINS, _COPY_ENDS = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_place_row = struct.Struct(">hiqiq").pack


class LogBrokenError(Exception):
    """The log's tables contradict each other; the message says where."""


@dataclass(frozen=True, slots=True)
class Head:
    """The row of log_head."""

    size: int
    epoch: int
    holder: UUID | None
    origin: str | None = None  # the log's name; None: nothing was signed yet
    inconsistent: str | None = None  # what it contradicts: no place is given any more


@dataclass(frozen=True, slots=True)
class PendingRow:
    """What one statement stored: its number in the queue, and its entries in their kept form."""

    number: int
    count: int
    entries: bytes
    age: float = 0.0  # seconds since it was stored


@dataclass(frozen=True, slots=True)
class Intake:
    """The row of log_intake, and whether the index is there that old events are found by."""

    events_done: bool
    notifications_done: bool
    recorded_at: datetime
    event_id: UUID
    event_date: date
    notification_id: int
    indexed: bool


@dataclass(frozen=True, slots=True)
class OldRecords:
    """Records from before there was a log: their entries, and the salts that were made for them."""

    entries: list[bytes]
    salts: list[bytes]


def lock_head(conn: Connection) -> bool:
    """Take the lock of the one who gives places, until the transaction ends; False if another one has it."""
    return conn.execute(_SQL["lock_head"]).fetchone() is not None


def end_stopped_holder(conn: Connection) -> int:
    """End the sessions that have had the lock for over 5 s; how many there were. Raises psycopg.Error."""
    return len(conn.execute(_SQL["end_stopped_holder"]).fetchall())


def head(conn: Connection) -> Head:
    """The head, as it is for whoever has the lock."""
    return Head(*_one(conn, "head"))


def edge(conn: Connection, size: int) -> Edge:
    """The right edge of a log of this size. Raises LogBrokenError if it is not all there."""
    tiles = _edge_tiles(conn, size)
    bundle = b""
    if size % WIDTH:
        row = conn.execute(_SQL["edge_bundle"], (size // WIDTH,), binary=True).fetchone()
        if row is None:
            raise LogBrokenError(f"the last bundle is not there, for {size} entries")
        bundle = bytes(row[0])
    return Edge(size, bundle, tuple(tiles))


def root(conn: Connection, size: int) -> bytes:
    """The root of the log as it was at this size, by its edge then. Raises LogBrokenError as `edge` does."""
    return Edge(size, tiles=tuple(_edge_tiles(conn, size, grown=True))).root()


def _edge_tiles(conn: Connection, size: int, *, grown: bool = False) -> list[bytes]:
    """What the last tile of each level holds; with ``grown`` they may hold more by now, behind it."""
    wanted = partial_tiles(size)
    found: dict[int, bytes] = {}
    if wanted:
        levels, numbers = zip(*wanted, strict=True)
        cursor = conn.execute(_SQL["edge_tiles"], (list(levels), list(numbers)), binary=True)
        found = {level: bytes(hashes) for level, hashes in cursor}
    depth = max((level for level, _ in wanted), default=-1) + 1
    tiles = []
    for level in range(depth):
        width = size // WIDTH**level % WIDTH
        hashes = found.get(level, b"")
        if grown:
            hashes = hashes[: width * HASH_BYTES]
        if len(hashes) != width * HASH_BYTES:
            raise LogBrokenError(f"the last tile of level {level} does not hold {width} hashes, for {size} entries")
        tiles.append(hashes)
    return tiles


def anything_pending(conn: Connection, first: int) -> bool:
    """Whether rows wait, from this number on."""
    return bool(_one(conn, "anything_pending", {"first": first})[0])


def pending(conn: Connection, *, first: int, rows: int, entries: int) -> list[PendingRow]:
    """The next rows from this number on, with so many entries or as many as one row has."""
    cursor = conn.execute(_SQL["pending"], {"first": first, "rows": rows, "entries": entries}, binary=True)
    return [PendingRow(number, count, bytes(kept), age) for number, count, kept, age in cursor]


def set_aside(conn: Connection, row: PendingRow, why: str) -> None:
    """Keep a copy of a row that can't be read."""
    conn.execute(_SQL["set_aside"], (row.number, row.count, row.entries, row.age, why))


def delete_pending(conn: Connection, rows: Sequence[PendingRow]) -> None:
    """Remove what was taken. Raises LogBrokenError if it is not all there any more."""
    numbers = [row.number for row in rows]
    taken = 0
    for turn, statement in enumerate(("delete_from_a", "delete_from_b")):
        ours = [n for n in numbers if n // TURN_ROWS % 2 == turn]
        if ours:
            taken += conn.execute(_SQL[statement], (ours,)).rowcount
    if taken != len(numbers):
        raise LogBrokenError("pending rows were taken by somebody who does not have the lock")


def write(conn: Connection, growth: Growth, entries: Sequence[bytes]) -> None:
    """Store what the log has grown by, ``entries``, and where each is found."""
    bundles, tiles = growth.bundles, growth.tiles
    conn.execute(
        _SQL["put_bundles"],
        ([b.number for b in bundles], [b.width for b in bundles], [b.entries for b in bundles]),
    )
    conn.execute(
        _SQL["put_tiles"],
        ([t.level for t in tiles], [t.number for t in tiles], [t.width for t in tiles], [t.hashes for t in tiles]),
    )
    first = growth.edge.size - len(entries)
    rows = [_place_row(2, 8, place_key(entry), 8, index) for index, entry in enumerate(entries, first)]
    with conn.cursor() as cursor, cursor.copy(_SQL["put_places"]) as copy:
        copy.write(b"".join([_COPY_BEGINS, *rows, _COPY_ENDS]))


def put_head(conn: Connection, new: Head) -> None:
    """Store the head."""
    conn.execute(_SQL["put_head"], (new.size, new.epoch, new.holder))


def intake(conn: Connection) -> Intake:
    """How far the records from before there was a log are taken in."""
    return Intake(*_one(conn, "intake"))


def old_records(conn: Connection, state: Intake, first: int, limit: int) -> OldRecords:
    """The next records from before there was a log, for the places from ``first`` on, and note how far that is.

    Nothing where all are taken in already, or where their index is still being made.
    """
    if not state.events_done:
        if not state.indexed:
            return OldRecords([], [])
        conn.execute(_SQL["walk_the_index"])
        after = (state.recorded_at, state.event_id, state.event_date)
        rows = conn.execute(_SQL["old_events"], (*after, limit), binary=True).fetchall()
        if rows:
            conn.execute(_SQL["took_events"], (*rows[-1][2:], len(rows)))
            return _salted(conn, rows, first)
        conn.execute(_SQL["no_more_events"])
    if not state.notifications_done:
        rows = conn.execute(_SQL["old_notifications"], (state.notification_id, limit), binary=True).fetchall()
        if rows:
            conn.execute(_SQL["took_notifications"], (rows[-1][2], len(rows)))
            return _salted(conn, rows, first)
        conn.execute(_SQL["no_more_notifications"])
    return OldRecords([], [])


def _salted(conn: Connection, rows: list[tuple[Any, ...]], first: int) -> OldRecords:
    found = OldRecords([bytes(row[0]) for row in rows], [bytes(row[1]) for row in rows])
    conn.execute(_SQL["put_salts"], (first, found.salts))
    return found


def pending_bytes(conn: Connection) -> tuple[int, int]:
    """How large the two pending tables are on disk, what is deleted in them included."""
    a, b = _one(conn, "pending_bytes")
    return a, b


def empty_pending(conn: Connection, turn: int) -> bool:
    """Empty the pending table whose turn it is not (0 or 1), if nothing waits in it; whether that was done.

    In a transaction of its own. Nobody waits longer than 100 ms behind it: then it is not done.
    """
    table = ("a", "b")[turn]
    try:
        with writing(conn):
            conn.execute(_SQL["wait_no_longer"])
            conn.execute(_SQL[f"lock_{table}"])
            # Under the lock: a writer that was late has committed by now.
            if conn.execute(_SQL[f"waits_in_{table}"]).fetchone() != (False,):
                return False
            conn.execute(_SQL[f"empty_{table}"])
            return True
    except psycopg.errors.LockNotAvailable:
        return False


def _one(conn: Connection, statement: str, parameters: Any = None) -> tuple[Any, ...]:
    row = conn.execute(_SQL[statement], parameters).fetchone()
    if row is None:
        raise LogBrokenError(f"log_{'intake' if statement == 'intake' else 'head'} has no row")
    return row
