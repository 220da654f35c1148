"""What the sequencer's steps say to PostgreSQL, and what they make of the answers."""

from __future__ import annotations

import struct
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from datastorage_common.merkle import HASH_BYTES

from app.transparency import log_store
from app.transparency.edge import Edge, grow, partial_tiles
from app.transparency.entries import place_key
from app.transparency.log_store import TURN_ROWS, Head, Intake, LogBrokenError, OldRecords, PendingRow
from tests.log_tree import tree_root
from tests.unit.fakes import FakeConnection, FakeCursor
from tests.unit.transparency.test_entries import event_entry, notification_entry

TILES, BUNDLE = "FROM unnest(%b::int2[], %b::int8[]) AS u(level, tile)", "FROM log_bundles WHERE"
OLD_EVENTS, OLD_NOTIFICATIONS = "SELECT log_event_entry", "SELECT log_notification_entry"
LONG_AGO, SOME_ID, SOME_DAY = datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0), date(1970, 1, 1)
LATER = datetime(2026, 1, 5, 10, tzinfo=UTC)
SALTS = [bytes([i]) * 16 for i in range(3)]


class Deleting(FakeConnection):
    """Each DELETE finds so many of the rows that it names."""

    def __init__(self, missing: int = 0) -> None:
        super().__init__()
        self.missing = missing

    def execute(self, statement: str, parameters: Any = None, **keywords: Any) -> FakeCursor:
        cursor = super().execute(statement, parameters, **keywords)
        cursor.rowcount = len(parameters[0]) - self.missing  # type: ignore[attr-defined]
        return cursor


def intake(*, events_done: bool = False, notifications_done: bool = False, indexed: bool = True) -> Intake:
    return Intake(events_done, notifications_done, LONG_AGO, SOME_ID, SOME_DAY, 0, indexed)


def said(conn: FakeConnection, part: str) -> list[Any]:
    return [parameters for statement, parameters in conn.executed if part in statement]


# --- head and edge -------------------------------------------------------------------------------------------------


def test_the_lock_is_there_or_another_has_it() -> None:
    assert log_store.lock_head(FakeConnection({"SKIP LOCKED": [("2000", "1000")]}))  # type: ignore[arg-type]
    assert not log_store.lock_head(FakeConnection())  # type: ignore[arg-type]


def test_the_head() -> None:
    holder = uuid4()
    conn = FakeConnection({"FROM log_head": [(7, 2, holder)]})
    assert log_store.head(conn) == Head(7, 2, holder)  # type: ignore[arg-type]
    with pytest.raises(LogBrokenError, match="log_head has no row"):
        log_store.head(FakeConnection())  # type: ignore[arg-type]


def rows_of_edge(edge: Edge) -> list[tuple[int, bytes]]:
    return [(level, edge.tiles[level]) for level, _ in partial_tiles(edge.size)]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000])
def test_the_edge_is_read_as_it_grew(size: int) -> None:
    entries = [b"x"] * size
    edge = grow(Edge(), entries, [bytes(HASH_BYTES)] * size).edge
    conn = FakeConnection({TILES: rows_of_edge(edge), BUNDLE: [(edge.bundle,)]})
    read = log_store.edge(conn, size)  # type: ignore[arg-type]
    more = [b"y"] * 300, [b"\1" * HASH_BYTES] * 300
    assert grow(read, *more) == grow(edge, *more)
    assert (read.size, read.bundle) == (edge.size, edge.bundle)


@pytest.mark.parametrize("size", [0, 1, 255, 257, 511, 700])
def test_the_root_of_an_earlier_size(size: int) -> None:
    hashes = [bytes([i % 256]) * HASH_BYTES for i in range(700)]
    tiles = {(t.level, t.number): t.hashes for t in grow(Edge(), [b"x"] * 700, hashes).tiles}
    conn = FakeConnection({TILES: [(level, tiles[(level, number)]) for level, number in partial_tiles(size)]})
    assert log_store.root(conn, size) == tree_root(hashes[:size])  # type: ignore[arg-type]
    if size:
        with pytest.raises(LogBrokenError):
            log_store.root(FakeConnection(), size)  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["missing", "short", "long"])
def test_an_edge_that_is_not_all_there_is_refused(what: str) -> None:
    edge = grow(Edge(), [b"x"] * 600, [bytes(HASH_BYTES)] * 600).edge
    (level, hashes), *others = rows_of_edge(edge)
    damaged = {
        "missing": others,
        "short": [(level, hashes[:-HASH_BYTES]), *others],
        "long": [(level, hashes + bytes(HASH_BYTES)), *others],
    }[what]
    conn = FakeConnection({TILES: damaged, BUNDLE: [(edge.bundle,)]})
    with pytest.raises(LogBrokenError, match="the last tile of level 0 does not hold 88 hashes, for 600 entries"):
        log_store.edge(conn, 600)  # type: ignore[arg-type]
    with pytest.raises(LogBrokenError, match="the last bundle is not there"):
        log_store.edge(FakeConnection({TILES: rows_of_edge(edge)}), 600)  # type: ignore[arg-type]


def places_in(copied: bytes) -> list[tuple[int, int]]:
    """The rows that COPY in binary was given: keys and indexes."""
    rows = copied[19:-2]
    assert copied == b"PGCOPY\n\xff\r\n\0" + bytes(8) + rows + b"\xff\xff"
    found = [struct.unpack(">hiqiq", rows[i : i + 26]) for i in range(0, len(rows), 26)]
    assert all(row[:2] + row[3:4] == (2, 8, 8) for row in found), "two columns of 8 bytes"
    return [(row[2], row[4]) for row in found]


def test_what_the_log_has_grown_by_is_written_with_the_places_behind_it() -> None:
    entries = [event_entry(), notification_entry()]
    edge = grow(Edge(), [b"x"] * 255, [bytes(HASH_BYTES)] * 255).edge
    growth = grow(edge, entries, [b"\1" * HASH_BYTES, b"\2" * HASH_BYTES])
    conn = FakeConnection()
    log_store.write(conn, growth, entries)  # type: ignore[arg-type]
    [(levels, numbers, widths, hashes)] = said(conn, "INSERT INTO log_tiles")
    assert list(zip(levels, numbers, widths, strict=True)) == [(0, 0, 256), (0, 1, 1), (1, 0, 1)]
    assert [len(h) for h in hashes] == [256 * HASH_BYTES, HASH_BYTES, HASH_BYTES]
    [(bundles, widths, _)] = said(conn, "INSERT INTO log_bundles")
    assert list(zip(bundles, widths, strict=True)) == [(0, 256), (1, 1)]
    [copied] = said(conn, "COPY log_places")
    assert places_in(copied) == [(place_key(entry), 255 + i) for i, entry in enumerate(entries)]


# --- what waits ------------------------------------------------------------------------------------------------------


def test_rows_are_deleted_where_their_numbers_say() -> None:
    rows = [PendingRow(n, 1, b"") for n in (0, TURN_ROWS - 1, TURN_ROWS, 2 * TURN_ROWS - 1, 2 * TURN_ROWS)]
    conn = Deleting()
    log_store.delete_pending(conn, rows)  # type: ignore[arg-type]
    assert said(conn, "DELETE FROM log_pending_a") == [([0, TURN_ROWS - 1, 2 * TURN_ROWS],)]
    assert said(conn, "DELETE FROM log_pending_b") == [([TURN_ROWS, 2 * TURN_ROWS - 1],)]
    conn = Deleting()
    log_store.delete_pending(conn, rows[2:4])  # type: ignore[arg-type]
    assert not said(conn, "DELETE FROM log_pending_a"), "nothing of it is there"


def test_rows_that_somebody_else_took_are_noticed() -> None:
    with pytest.raises(LogBrokenError, match="by somebody who does not have the lock"):
        log_store.delete_pending(Deleting(missing=1), [PendingRow(1, 1, b""), PendingRow(2, 1, b"")])  # type: ignore[arg-type]


@pytest.mark.parametrize(("turn", "table"), [(0, "log_pending_a"), (1, "log_pending_b")])
def test_an_empty_table_is_emptied_under_its_lock(turn: int, table: str) -> None:
    conn = FakeConnection({f"SELECT EXISTS (SELECT FROM {table})": [(False,)]})
    assert log_store.empty_pending(conn, turn)  # type: ignore[arg-type]
    assert [statement for statement, _ in conn.executed] == [
        "BEGIN",
        "SELECT set_config('lock_timeout', '100', true)",
        f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE",
        f"SELECT EXISTS (SELECT FROM {table})",
        f"TRUNCATE {table}",
        "COMMIT",
    ]


def test_a_table_in_which_something_waits_is_not_emptied() -> None:
    conn = FakeConnection({"SELECT EXISTS": [(True,)]})
    assert not log_store.empty_pending(conn, 0)  # type: ignore[arg-type]
    assert not said(conn, "TRUNCATE")


def test_a_table_that_somebody_uses_is_not_waited_for() -> None:
    conn = FakeConnection({"LOCK TABLE": psycopg.errors.LockNotAvailable("lock timeout")})
    assert not log_store.empty_pending(conn, 1)  # type: ignore[arg-type]
    assert not said(conn, "TRUNCATE")
    assert not said(conn, "COMMIT")


# --- records from before there was a log ------------------------------------------------------------------


def test_old_events_come_first_and_how_far_is_noted() -> None:
    entries = [event_entry(0, UUID(int=i)) for i in range(3)]
    rows = [(e, s, LATER, UUID(int=i), LATER.date()) for i, (e, s) in enumerate(zip(entries, SALTS, strict=True))]
    conn = FakeConnection({OLD_EVENTS: rows})
    assert log_store.old_records(conn, intake(), 40, 100) == OldRecords(entries, SALTS)  # type: ignore[arg-type]
    assert said(conn, OLD_EVENTS) == [(LONG_AGO, SOME_ID, SOME_DAY, 100)]
    assert said(conn, "UPDATE log_intake") == [(LATER, UUID(int=2), LATER.date(), 3)]
    assert said(conn, "INSERT INTO log_salts") == [(40, SALTS)]


def test_then_old_notifications() -> None:
    entries = [notification_entry(2, number) for number in (3, 4, 9)]
    rows = [(e, s, n) for e, s, n in zip(entries, SALTS, (3, 4, 9), strict=True)]
    conn = FakeConnection({OLD_NOTIFICATIONS: rows})
    assert log_store.old_records(conn, intake(), 40, 100) == OldRecords(entries, SALTS)  # type: ignore[arg-type]
    assert said(conn, "UPDATE log_intake SET events_done") == [None]
    assert said(conn, "UPDATE log_intake SET notification_id") == [(9, 3)]
    assert said(conn, "INSERT INTO log_salts") == [(40, SALTS)]


def test_then_nothing() -> None:
    conn = FakeConnection()
    assert log_store.old_records(conn, intake(events_done=True), 40, 100) == OldRecords([], [])  # type: ignore[arg-type]
    assert said(conn, "UPDATE log_intake SET notifications_done") == [None]
    conn = FakeConnection()
    done = intake(events_done=True, notifications_done=True)
    assert log_store.old_records(conn, done, 40, 100) == OldRecords([], [])  # type: ignore[arg-type]
    assert conn.executed == []


def test_events_wait_for_their_index() -> None:
    conn = FakeConnection()
    assert log_store.old_records(conn, intake(indexed=False), 40, 100) == OldRecords([], [])  # type: ignore[arg-type]
    assert conn.executed == [], "notifications wait behind them"
