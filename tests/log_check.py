"""The log of a database held against its records, by code of its own: it imports nothing of the service."""

from __future__ import annotations

import hashlib
import json
import struct
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

_WIDTH = 256


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _json(members: dict[str, Any]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def entry_of(kind: str, ident: str, day: date, commitment: bytes, version: int) -> bytes:
    """An entry as it is hashed."""
    return _json({"commitment": commitment.hex(), "id": ident, "kind": kind, "on": day.isoformat(), "v": version})


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return _sha(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return _sha(b"\1" + tree_root(leaves[:split]) + tree_root(leaves[split:]))


def entries_of(kept: bytes) -> list[bytes]:
    """The entries of a bundle, as they are hashed."""
    found, at = [], 0
    while at < len(kept):
        code = kept[at]
        if code < 2:
            ident, day = str(UUID(bytes=kept[at + 1 : at + 17])), kept[at + 17 : at + 21]
            kind, commitment, at = "audit_event", kept[at + 21 : at + 53], at + 53
        elif code < 4:
            ident, day = str(struct.unpack(">q", kept[at + 1 : at + 9])[0]), kept[at + 9 : at + 13]
            kind, commitment, at = "notification", kept[at + 13 : at + 45], at + 45
        else:
            length = struct.unpack(">H", kept[at + 1 : at + 3])[0]
            found.append(kept[at + 3 : at + 3 + length])
            at += 3 + length
            continue
        when = date(2000, 1, 1) + timedelta(days=struct.unpack(">i", day)[0])
        found.append(entry_of(kind, ident, when, commitment, code & 1))
    assert at == len(kept)
    return found


@dataclass
class LogReport:
    """What the log of a database is, and everything that is wrong with it."""

    size: int = 0
    root: bytes = b""
    kinds: Counter[str] = field(default_factory=Counter)
    old: int = 0  # entries of records from before there was a log
    pending: int = 0
    faults: list[str] = field(default_factory=list)


def check_log(url: str) -> LogReport:
    """Read the whole log and every record, and compare: one entry for each, one record for each, and the tree above."""
    report = LogReport()
    with psycopg.connect(url) as conn:
        conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        conn.execute("SET LOCAL timezone = 'UTC'")
        entries = _read_entries(conn, report)
        _check_tiles(conn, report, [_sha(b"\0" + e) for e in entries])
        _check_places(conn, report, entries)
        _check_records(conn, report, entries)
        for table in ("log_pending_a", "log_pending_b"):
            row = conn.execute(f"SELECT coalesce(sum(count), 0) FROM {table}").fetchone()
            assert row is not None
            report.pending += row[0]
    return report


def _read_entries(conn: psycopg.Connection, report: LogReport) -> list[bytes]:
    entries: list[bytes] = []
    row = conn.execute("SELECT size FROM log_head").fetchone()
    assert row is not None
    report.size = row[0]
    for number, (bundle, width, kept) in enumerate(
        conn.execute("SELECT bundle, width, entries FROM log_bundles ORDER BY bundle")
    ):
        found = entries_of(bytes(kept))
        if bundle != number or len(entries) != _WIDTH * number or len(found) != width:
            report.faults.append(f"bundle {bundle} holds {len(found)} entries, from {len(entries)} on; width {width}")
        entries += found
    if len(entries) != report.size:
        report.faults.append(f"the head says {report.size}, and there are {len(entries)} entries")
    return entries


def _check_tiles(conn: psycopg.Connection, report: LogReport, leaves: list[bytes]) -> None:
    report.root = tree_root(leaves)
    wanted: dict[tuple[int, int], bytes] = {}
    level, hashes = 0, leaves
    while hashes:
        tiles = [hashes[i : i + _WIDTH] for i in range(0, len(hashes), _WIDTH)]
        wanted.update({(level, n): b"".join(tile) for n, tile in enumerate(tiles)})
        hashes = [tree_root(tile) for tile in tiles if len(tile) == _WIDTH]
        level += 1
    found = {(lv, n): bytes(h) for lv, n, h in conn.execute("SELECT level, tile, hashes FROM log_tiles")}
    if found != wanted:
        wrong = [key for key in {*found, *wanted} if found.get(key) != wanted.get(key)]
        report.faults.append(f"tiles that are wrong: {sorted(wrong)[:5]}")


def _check_places(conn: psycopg.Connection, report: LogReport, entries: list[bytes]) -> None:
    rows = conn.execute("SELECT log_index, id_hash FROM log_places ORDER BY log_index").fetchall()
    wanted = []
    for index, entry in enumerate(entries):
        members = json.loads(entry)
        if members["kind"] == "audit_event":
            key = b"e" + UUID(members["id"]).bytes
        elif members["kind"] == "notification":
            key = b"n" + struct.pack(">q", int(members["id"]))
        else:
            key = b"a" + UUID(members["id"]).bytes
        wanted.append((index, struct.unpack(">q", _sha(key)[:8])[0]))
    if rows != wanted:
        report.faults.append("the places are not those of the entries")


def _check_records(conn: psycopg.Connection, report: LogReport, entries: list[bytes]) -> None:
    there: dict[tuple[str, str], int] = {}
    for index, entry in enumerate(entries):
        members = json.loads(entry)
        report.kinds[members["kind"]] += 1
        report.old += members["v"] == 0
        key = (members["kind"], members["id"] if members["kind"] != "audit_event" else members["id"] + members["on"])
        if key in there:
            report.faults.append(f"two entries for {key}: {there[key]} and {index}")
        there[key] = index
    salts = {index: bytes(salt) for index, salt in conn.execute("SELECT log_index, salt FROM log_salts")}
    waiting = _waiting(conn)
    records = [*_events(conn), *_notifications(conn), *_acts(conn)]
    for kind, ident, day, salt, digest, columns in records:
        key = (kind, ident if kind != "audit_event" else ident + day.isoformat())
        found = there.pop(key, None)
        if found is None:
            if key not in waiting:
                report.faults.append(f"no entry for {key}")
            continue
        version = 1 if salt is not None else 0
        salt = salt if salt is not None else salts.pop(found, b"")
        commitment = _sha(salt + digest + (_sha(_json(columns)) if columns else b""))
        if entries[found] != entry_of(kind, ident, day, commitment, version):
            report.faults.append(f"the entry {found} is not that of {key}")
    if there:
        report.faults.append(f"{len(there)} entries without a record, such as {next(iter(there.items()))}")
    if salts:
        report.faults.append(f"{len(salts)} salts of nothing")


def _waiting(conn: psycopg.Connection) -> set[tuple[str, str]]:
    """What waits for a place: in the queue, or from before there was a log."""
    found = set()
    for table in ("log_pending_a", "log_pending_b"):
        for (kept,) in conn.execute(f"SELECT entries FROM {table}"):
            for entry in entries_of(bytes(kept)):
                m = json.loads(entry)
                found.add((m["kind"], m["id"] + m["on"] if m["kind"] == "audit_event" else m["id"]))
    for event_id, day in conn.execute(
        "SELECT e.event_id, e.event_date FROM audit_events e, log_intake i WHERE salt IS NULL AND NOT i.events_done "
        "AND (e.recorded_at, e.event_id, e.event_date) > (i.recorded_at, i.event_id, i.event_date)"
    ):
        found.add(("audit_event", f"{event_id}{day}"))
    for (number,) in conn.execute(
        "SELECT n.id FROM notification_audit n, log_intake i WHERE salt IS NULL AND NOT i.notifications_done "
        "AND n.id > i.notification_id"
    ):
        found.add(("notification", str(number)))
    return found


def _events(conn: psycopg.Connection) -> Any:
    for ident, day, salt, digest, parent, recorded, by, request, trace, flag in conn.execute(
        "SELECT event_id, event_date, salt, digest, parent_event_date, recorded_at, recorded_by, request_id, trace_id, "
        "trace_id_from_context FROM audit_events"
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
        yield "audit_event", str(ident), day, salt, digest, columns


def _notifications(conn: psycopg.Connection) -> Any:
    for number, sent, salt, digest, created, updated, by, request in conn.execute(
        "SELECT id, sent_at, salt, digest, created_at, updated_at, recorded_by, request_id FROM notification_audit"
    ):
        columns = {
            "created_at": _time(created),
            "id": number,
            "recorded_by": by,
            "request_id": request,
            "updated_at": _time(updated),
        }
        yield "notification", str(number), sent.astimezone(UTC).date(), salt, digest, columns


def _acts(conn: psycopg.Connection) -> Any:
    for ident, kind, acted, salt, digest in conn.execute("SELECT act_id, kind, acted_at, salt, digest FROM log_acts"):
        yield kind, str(ident), acted.astimezone(UTC).date(), salt, digest, {}
