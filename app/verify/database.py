"""The log and the records of a database, in one snapshot of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import psycopg

from app.audit.stored import EVENT_SELECT, NOTIFICATION_SELECT
from app.postgres.sessions import Connection, snapshot
from app.postgres.statements import statements
from app.transparency.entries import ACT, EVENT, NOTIFICATION, act_key, day_bytes, day_text, event_key, notification_key
from app.verify import rows
from app.verify.raw import take_raw
from app.verify.records import identity
from app.verify.source import Cosigned, HoldSide, Kept, Row, Source, Stored, StoredCheckpoint, TileKey, Totals

_SQL = statements("verify")
_EVENTS = _SQL["events"].format(columns=EVENT_SELECT)
_NOTIFICATIONS = _SQL["notifications"].format(columns=NOTIFICATION_SELECT)
# A TRUNCATE of them shows in older snapshots, to which their rows would be neither pending nor in the log.
_PENDING = ("log_pending_a", "log_pending_b")
# All that is read.
_TABLES = (
    *("audit_events", "audit_holds", "notification_audit", *_PENDING, "log_acts", "log_bundles", "log_checkpoints"),
    *("log_cosignatures", "log_head", "log_intake", "log_places", "log_salts", "log_set_aside", "log_tiles"),
)
# A record may have a megabyte: so many rows of the server's are held at once.
_ROWS = 64
_CURSOR_ROWS = 2048


@contextlib.contextmanager
def database_source(conn: Connection, schema: str) -> Iterator[Source]:
    """The log as it is now, in a transaction of its own. Raises psycopg.Error."""
    with snapshot(conn, schema, _PENDING):
        yield DatabaseSource(conn)


class DatabaseSource:
    """A `Source` on a connection in a transaction that reads one snapshot."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._conn = conn
        conn.execute(_SQL["walk_the_indexes"])
        self._origins = [origin for (origin,) in conn.execute(_SQL["origins"])]

    def totals(self) -> Totals:
        row = self._conn.execute(_SQL["totals"]).fetchone()
        waiting = self._conn.execute(_SQL["old_waiting"]).fetchone()
        if row is None or waiting is None:
            raise psycopg.errors.NoDataFound("log_head or log_intake has no row")
        head, origin, inconsistent, taken, finished_by, said, bundle_rows, bundles, places, salts, records, aside = row
        levels = self._conn.execute(_SQL["tile_levels"])
        return Totals(
            head=head,
            bundle_rows=bundle_rows,
            bundles=bundles,
            tiles={level: (count, end) for level, count, end in levels},
            places=places,
            salts=salts,
            records=records,
            old_waiting=waiting[0],
            set_aside=aside,
            taken=taken,
            taken_by_act=said,
            finished_by=finished_by,
            origin=origin,
            inconsistent=inconsistent,
        )

    def disguised(self) -> list[str]:
        tables = list(_TABLES)
        return [f"{name} {why}" for name, why in self._conn.execute(_SQL["disguised"], (tables, tables))]

    def bundles(self, numbers: Sequence[int]) -> dict[int, Kept]:
        found = self._conn.execute(_SQL["bundles"], (list(numbers),), binary=True)
        return {number: Kept(width or 0, bytes(entries or b"")) for number, width, entries in found}

    def tiles(self, keys: Sequence[TileKey]) -> dict[TileKey, Kept]:
        levels, numbers = [level for level, _ in keys], [number for _, number in keys]
        found = self._conn.execute(_SQL["tiles"], (levels, numbers), binary=True)
        return {(level, number): Kept(width or 0, bytes(hashes or b"")) for level, number, width, hashes in found}

    def stored(self, entries: Sequence[bytes]) -> dict[bytes, Stored]:
        found: dict[bytes, Stored] = {}
        events = [entry for entry in entries if entry[0] <= EVENT]
        if events:
            keys = (_array(entry[1:17].hex() for entry in events), _array(day_text(entry[17:21]) for entry in events))
            for row in self._stream(_EVENTS, keys):
                stored = rows.event(row)
                found[b"e" + stored.head] = stored
        numbers = [
            int.from_bytes(entry[1:9], "big", signed=True) for entry in entries if EVENT < entry[0] <= NOTIFICATION
        ]
        if numbers:
            for row in self._stream(_NOTIFICATIONS, (numbers,)):
                stored = rows.notification(row)
                found[b"n" + stored.head[:8]] = stored
        acts = [UUID(bytes=identity(entry)[1:]) for entry in entries if entry[0] == ACT]
        if acts:
            for row in self._stream(_SQL["acts"], (acts,)):
                found[b"a" + UUID(row[0]).bytes] = rows.act(row)
        return found

    def salts(self, first: int, end: int) -> dict[int, bytes]:
        return dict(self._conn.execute(_SQL["salts"], (first, end), binary=True).fetchall())

    def without_place(self, places: Sequence[tuple[int, int]]) -> list[int]:
        indexes, keys = [index for index, _ in places], [key for _, key in places]
        return [index for (index,) in self._conn.execute(_SQL["without_place"], (indexes, keys), binary=True)]

    def shared_keys(self) -> Iterator[Sequence[int]]:
        for (indexes,) in self._each("shared_keys"):
            yield indexes

    def places(self, keys: Sequence[int]) -> Iterator[tuple[int, int]]:
        yield from self._conn.execute(_SQL["places"], (list(keys),), binary=True)

    def pending(self) -> Iterator[bytes]:
        for (entries,) in self._each("pending"):
            yield bytes(entries or b"")

    def rows(self) -> Iterator[Row]:
        for ident, day, waits in self._each("event_rows"):
            key = UUID(ident)
            yield Row(b"e" + key.bytes + day_bytes(day), ("audit_event", ident), event_key(key), waits)
        for number, waits in self._each("notification_rows"):
            ident = b"n" + number.to_bytes(8, "big", signed=True)
            yield Row(ident, ("notification", str(number)), notification_key(number), waits)
        for ident, kind in self._each("act_rows"):
            act = UUID(ident)
            yield Row(b"a" + act.bytes, (kind, ident), act_key(act), waits=False)

    def checkpoints(self, after: int, upto: int) -> list[StoredCheckpoint]:
        found = self._conn.execute(_SQL["checkpoints"], (self._origins, after, upto), binary=True)
        return [StoredCheckpoint(origin, size, bytes(root or b""), note or "") for origin, size, root, note in found]

    def cosignatures(self) -> Iterator[Cosigned]:
        for row in self._each("cosignatures"):
            origin, size, witness, line = row
            yield Cosigned(origin, size, witness, line or "")

    def holds(self) -> Iterator[HoldSide]:
        for row in self._each("holds"):
            hold_id, kind, at, by, name, reason, wanted, salt, *act = row
            texts = {"reason": reason} if name is None else {"name": name, "reason": reason, "filter": wanted}
            yield HoldSide(hold_id, kind, at, by, texts, bytes(salt or b""), *act)

    def acts_without_hold(self) -> Iterator[tuple[str, str]]:
        yield from self._each("acts_without_hold")

    def _stream(self, statement: str, parameters: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement, few at a time, while PostgreSQL makes the next: nothing else is asked meanwhile."""
        with self._conn.cursor(binary=True) as cursor:
            take_raw(cursor)
            size = _ROWS if psycopg.capabilities.has_stream_chunked() else 1
            yield from cursor.stream(statement, parameters, binary=True, size=size)

    def _each(self, statement: str) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement, some at a time, beside others."""
        with self._conn.cursor(f"verify_{statement}", binary=True) as cursor:
            take_raw(cursor)
            cursor.itersize = _CURSOR_ROWS
            yield from cursor.execute(_SQL[statement])


def _array(texts: Iterator[str]) -> str:
    """An array of texts that hold nothing that has to be escaped."""
    return "{" + ",".join(texts) + "}"
