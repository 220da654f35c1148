"""The log of a database held against its records, by code of its own: it imports nothing of the service.

What is kept of each entry is its hash, and where it is found by its record: a million take some hundred megabytes.
"""

from __future__ import annotations

import hashlib
import json
import struct
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import psycopg

from tests.log_tree import EMPTY_ROOT, WIDTH, LogTree
from tests.log_tree import tree_root as tree_root

_EPOCH = date(2000, 1, 1)
_AT_ONCE = 2000  # rows that a cursor fetches
_MANY = 5  # faults of a kind that are told one by one
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _json(members: dict[str, Any]) -> bytes:
    return _ENCODER.encode(members).encode()


def entry_of(kind: str, ident: str, day: date, commitment: bytes, version: int) -> bytes:
    """An entry as it is hashed."""
    return _text(kind, ident, day.isoformat(), commitment, version)


def _text(kind: str, ident: str, day: str, commitment: bytes, version: int) -> bytes:
    # Nothing in it has to be escaped.
    return f'{{"commitment":"{commitment.hex()}","id":"{ident}","kind":"{kind}","on":"{day}","v":{version}}}'.encode()


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry, and the record that it is of."""

    text: bytes  # as it is hashed
    kind: str
    ident: str
    day: str
    version: int
    of: bytes  # one for each record: an event's id and day, a notification's number, an act's id
    key: int  # in log_places


def _entries(kept: bytes) -> Iterator[_Entry]:
    at = 0
    while at < len(kept):
        code = kept[at]
        if code < 2:
            raw, day, end = kept[at + 1 : at + 17], _day(kept[at + 17 : at + 21]), at + 53
            kind, ident, key, of = "audit_event", str(UUID(bytes=raw)), _key(b"e" + raw), kept[at + 1 : at + 21]
        elif code < 4:
            raw, day, end = kept[at + 1 : at + 9], _day(kept[at + 9 : at + 13]), at + 45
            kind, ident, key, of = "notification", str(struct.unpack(">q", raw)[0]), _key(b"n" + raw), raw
        else:
            end = at + 3 + struct.unpack(">H", kept[at + 1 : at + 3])[0]
            text = kept[at + 3 : end]
            m = json.loads(text)
            raw = UUID(m["id"]).bytes
            yield _Entry(text, m["kind"], m["id"], m["on"], m["v"], raw, _key(b"a" + raw))
            at = end
            continue
        text = _text(kind, ident, day, kept[end - 32 : end], code & 1)
        yield _Entry(text, kind, ident, day, code & 1, of, key)
        at = end
    assert at == len(kept)


@lru_cache(maxsize=1024)
def _day(kept: bytes) -> str:
    return (_EPOCH + timedelta(days=struct.unpack(">i", kept)[0])).isoformat()


def _key(ident: bytes) -> int:
    return int(struct.unpack(">q", _sha(ident)[:8])[0])


def entries_of(kept: bytes) -> list[bytes]:
    """The entries of a bundle, as they are hashed."""
    return [entry.text for entry in _entries(kept)]


def records_of(conn: psycopg.Connection) -> Iterator[tuple[str, str]]:
    """Of each entry of the log, in their order, the kind and the id."""
    for (kept,) in _rows(conn, "SELECT entries FROM log_bundles ORDER BY bundle"):
        for entry in _entries(bytes(kept)):
            yield entry.kind, entry.ident


@dataclass
class LogReport:
    """What the log of a database is, and everything that is wrong with it."""

    size: int = 0
    root: bytes = EMPTY_ROOT
    kinds: Counter[str] = field(default_factory=Counter)
    old: int = 0  # entries of records from before there was a log
    pending: int = 0
    records: int = 0  # what is stored, with an entry or not
    faults: list[str] = field(default_factory=list)
    tree: LogTree = field(default_factory=lambda: LogTree(b""))


@dataclass
class _Log:
    """What has to be remembered of all entries."""

    leaves: bytearray = field(default_factory=bytearray)
    keys: array[int] = field(default_factory=lambda: array("q"))
    by_record: dict[bytes, int] = field(default_factory=dict)


def check_log(url: str) -> LogReport:
    """Read the whole log and every record, and compare: one entry for each, one record for each, and the tree above."""
    report = LogReport()
    with psycopg.connect(url) as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        conn.execute("SET LOCAL timezone = 'UTC'")
        conn.execute("SET LOCAL datestyle = 'ISO, YMD'")
        conn.execute("SET LOCAL statement_timeout = 0")
        log = _read_entries(conn, report)
        report.tree = LogTree(bytes(log.leaves))
        report.root = report.tree.root(report.tree.size)
        _check_tiles(conn, report)
        _check_places(conn, report, log)
        _check_records(conn, report, log)
        for table in ("log_pending_a", "log_pending_b"):
            row = conn.execute(f"SELECT coalesce(sum(count), 0) FROM {table}").fetchone()
            assert row is not None
            report.pending += row[0]
    return report


def _rows(conn: psycopg.Connection, statement: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a query, a few at a time."""
    with conn.cursor("rows", binary=True) as cursor:
        cursor.itersize = _AT_ONCE
        cursor.execute(statement)
        yield from cursor


def _read_entries(conn: psycopg.Connection, report: LogReport) -> _Log:
    log = _Log()
    row = conn.execute("SELECT size FROM log_head").fetchone()
    assert row is not None
    report.size = row[0]
    size = 0
    bundles = _rows(conn, "SELECT bundle, width, entries FROM log_bundles ORDER BY bundle")
    for number, (bundle, width, kept) in enumerate(bundles):
        before = size
        for entry in _entries(bytes(kept)):
            _add(log, report, entry, size)
            size += 1
        if bundle != number or before != WIDTH * number or size - before != width:
            report.faults.append(f"bundle {bundle} holds {size - before} entries, from {before} on; width {width}")
    if size != report.size:
        report.faults.append(f"the head says {report.size}, and there are {size} entries")
    return log


def _add(log: _Log, report: LogReport, entry: _Entry, index: int) -> None:
    log.leaves += _sha(b"\0" + entry.text)
    log.keys.append(entry.key)
    report.kinds[entry.kind] += 1
    report.old += entry.version == 0
    first = log.by_record.setdefault(entry.of, index)
    if first != index:
        report.faults.append(f"two entries for {entry.kind} {entry.ident} of {entry.day}: {first} and {index}")


def _check_tiles(conn: psycopg.Connection, report: LogReport) -> None:
    tree, right, wrong = report.tree, 0, []
    for level, tile, hashes in _rows(conn, "SELECT level, tile, hashes FROM log_tiles"):
        if bytes(hashes) == tree.tile(level, tile) != b"":
            right += 1
        else:
            wrong.append((level, tile))
    if wrong or right != tree.tiles():
        report.faults.append(f"{right} of {tree.tiles()} tiles are right; wrong: {sorted(wrong)[:_MANY]}")


def _check_places(conn: psycopg.Connection, report: LogReport, log: _Log) -> None:
    right = 0
    for row in _rows(conn, "SELECT log_index, id_hash FROM log_places ORDER BY log_index"):
        if right == len(log.keys) or row != (right, log.keys[right]):
            break
        right += 1
    else:
        if right == len(log.keys):
            return
    report.faults.append(f"the places are not those of the entries: the first that is wrong is {right}")


def _check_records(conn: psycopg.Connection, report: LogReport, log: _Log) -> None:
    salts = {index: bytes(salt) for index, salt in _rows(conn, "SELECT log_index, salt FROM log_salts")}
    waiting = _waiting(conn)
    faults = Counter[str]()

    def fault(sort: str, what: str) -> None:
        faults[sort] += 1
        if faults[sort] <= _MANY:
            report.faults.append(what)

    held = bytearray(len(log.keys))  # which entries have a record
    for read in (_events, _notifications, _acts):
        for of, kind, ident, day, salt, digest, columns in read(conn):
            report.records += 1
            found = log.by_record.get(of)
            if found is None:
                if of not in waiting:
                    fault("no entry", f"no entry for {kind} {ident} of {day}")
                continue
            held[found] = 1
            version = 1 if salt is not None else 0
            salt = salt if salt is not None else salts.pop(found, b"")
            commitment = _sha(salt + digest + (_sha(_json(columns)) if columns else b""))
            leaf = _sha(b"\0" + entry_of(kind, ident, day, commitment, version))
            if leaf != log.leaves[32 * found : 32 * found + 32]:
                fault("not that of", f"the entry {found} is not that of {kind} {ident} of {day}")
    alone = [index for index in log.by_record.values() if not held[index]]
    if alone:
        report.faults.append(f"{len(alone)} entries without a record, such as {sorted(alone)[:_MANY]}")
    if salts:
        report.faults.append(f"{len(salts)} salts of nothing")
    report.faults += [f"{times} in all: {sort} …" for sort, times in faults.items() if times > _MANY]


def _waiting(conn: psycopg.Connection) -> set[bytes]:
    """What waits for a place: in the queue, or from before there was a log."""
    found = set()
    for table in ("log_pending_a", "log_pending_b"):
        for (kept,) in _rows(conn, f"SELECT entries FROM {table}"):
            found |= {entry.of for entry in _entries(bytes(kept))}
    for event_id, day in _rows(
        conn,
        "SELECT e.event_id, e.event_date FROM audit_events e, log_intake i WHERE salt IS NULL AND NOT i.events_done "
        "AND (e.recorded_at, e.event_id, e.event_date) > (i.recorded_at, i.event_id, i.event_date)",
    ):
        found.add(_event(event_id, day))
    for (number,) in _rows(
        conn,
        "SELECT n.id FROM notification_audit n, log_intake i WHERE salt IS NULL AND NOT i.notifications_done "
        "AND n.id > i.notification_id",
    ):
        found.add(struct.pack(">q", number))
    return found


def _event(ident: UUID, day: date) -> bytes:
    return ident.bytes + struct.pack(">i", (day - _EPOCH).days)


def _events(conn: psycopg.Connection) -> Iterator[tuple[Any, ...]]:
    for ident, day, salt, digest, parent, recorded, by, request, trace, flag in _rows(
        conn,
        "SELECT event_id, event_date, salt, digest, parent_event_date, recorded_at, recorded_by, request_id, trace_id, "
        "trace_id_from_context FROM audit_events",
    ):
        columns = {
            "event_date": day.isoformat(),
            "parent_event_date": parent and parent.isoformat(),
            "recorded_at": _time(recorded),
            "recorded_by": by,
            "request_id": request,
            "trace_id": trace,
            "trace_id_from_context": flag,
        }
        yield _event(ident, day), "audit_event", str(ident), day, salt, digest, columns


def _notifications(conn: psycopg.Connection) -> Iterator[tuple[Any, ...]]:
    for number, sent, salt, digest, created, updated, by, request in _rows(
        conn,
        "SELECT id, sent_at, salt, digest, created_at, updated_at, recorded_by, request_id FROM notification_audit",
    ):
        columns = {
            "created_at": _time(created),
            "id": number,
            "recorded_by": by,
            "request_id": request,
            "updated_at": _time(updated),
        }
        day = sent.astimezone(UTC).date()
        yield struct.pack(">q", number), "notification", str(number), day, salt, digest, columns


def _acts(conn: psycopg.Connection) -> Iterator[tuple[Any, ...]]:
    for ident, kind, acted, salt, digest in _rows(conn, "SELECT act_id, kind, acted_at, salt, digest FROM log_acts"):
        yield ident.bytes, kind, str(ident), acted.astimezone(UTC).date(), salt, digest, {}
