"""Parquet, a file a day, from the rows of an export: types kept, in memory that does not depend on how many there are.

Two steps, so that days may come in any order: the rows of each day into a file of their own, then each of these into
Parquet. Both begin anew where a run was killed; the rows are still where they were.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from datastorage_common.files import as_text
from datastorage_common.terminal import printable

from datastorage_client.cli.errors import ServiceError
from datastorage_client.cli.progress import Flow
from datastorage_client.folder import sync_folder

EVENTS, NOTIFICATIONS = "audit-events", "notifications"
_KINDS = {"audit_event": EVENTS, "notification": NOTIFICATIONS}
_FILE = re.compile(rf"(?:{EVENTS}|{NOTIFICATIONS})-[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}\.parquet")
_DAYS = ".export.days"
_MOST_OPEN = 64
# Of JSON, of which the objects of Python are made at once: several times as much.
_BATCH_BYTES = 2 * 1024 * 1024
# Of JSON, a row group: readers want them large, and it is kept in memory as columns.
_GROUP_BYTES = 32 * 1024 * 1024
_MOMENT = pa.timestamp("us", tz="UTC")
# What is no text. `event_data` is its JSON, with every digit.
_OTHERS: Mapping[str, tuple[Any, Any]] = {
    "event_date": (date, pa.date32()),
    "parent_event_date": (date, pa.date32()),
    "event_timestamp": (datetime, _MOMENT),
    "recorded_at": (datetime, _MOMENT),
    "sent_at": (datetime, _MOMENT),
    "created_at": (datetime, _MOMENT),
    "updated_at": (datetime, _MOMENT),
    "event_data": (msgspec.Raw, pa.string()),
    "is_sensitive": (bool, pa.bool_()),
    "trace_id_from_context": (bool, pa.bool_()),
    "duration_ms": (int, pa.int32()),
    "retention_days": (int, pa.int32()),
    "escalation_level": (int, pa.int32()),
    "id": (int, pa.int64()),
    "log_index": (int, pa.int64()),
}
MEMBERS: Mapping[str, tuple[str, ...]] = {
    EVENTS: (
        *("event_id", "event_date", "version", "event_type", "event_timestamp", "event_category", "event_action"),
        *("event_outcome", "correlation_id", "event_data", "actor_type", "actor_id", "resource_type", "resource_id"),
        *("parent_event_id", "namespace", "cluster_name", "severity", "duration_ms", "trace_id", "span_id"),
        *("actor_ip", "error_code", "error_message", "is_sensitive", "retention_days", "parent_event_date"),
        *("recorded_at", "recorded_by", "request_id", "trace_id_from_context", "digest", "log_index"),
    ),
    NOTIFICATIONS: (
        *("id", "remediation_id", "notification_id", "recipient", "channel", "message_summary", "status", "sent_at"),
        *("delivery_status", "error_message", "escalation_level", "created_at", "updated_at", "request_id"),
        *("recorded_by", "log_index"),
    ),
}
_SALTED: Mapping[str, tuple[str, ...]] = {EVENTS: ("salt",), NOTIFICATIONS: ("digest", "salt")}


class _Day(msgspec.Struct):
    kind: str
    event_date: str = ""
    sent_at: str = ""


_days = msgspec.json.Decoder(_Day)


def files(folder: Path) -> list[Path]:
    """Those files of a folder that have the names of an export's, in their order."""
    return sorted(path for path in folder.glob("*.parquet") if _FILE.fullmatch(path.name))


def write(rows: Path, folder: Path, flow: Flow, *, salts: bool) -> list[Path]:
    """Make the files of a folder of a file of rows (NDJSON). Raises OSError; ServiceError for what is no row."""
    spool = folder / _DAYS
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir()
    _split(rows, spool, flow)
    made = []
    tables = {kind: _Table(kind, salts=salts) for kind in MEMBERS}
    for path in sorted(spool.iterdir()):
        kind = EVENTS if path.name.startswith(EVENTS) else NOTIFICATIONS
        target = folder / f"{path.name}.parquet"
        part = folder / f".{path.name}.parquet.part"
        tables[kind].write(path, part)
        part.replace(target)
        path.unlink()
        made.append(target)
        flow.show(lambda _: f"{len(made):,} Parquet files")
    sync_folder(folder)
    shutil.rmtree(spool)
    for other in sorted(set().union(*(table.others for table in tables.values()))):
        flow.note(f"not in the files, for this release does not know it: {printable(other)[:100]}")
    return made


def _split(rows: Path, spool: Path, flow: Flow) -> None:
    """The rows of each day into a file of their own, of which so many are open at a time."""
    opened: OrderedDict[str, BinaryIO] = OrderedDict()
    try:
        with open(rows, "rb") as source:
            for number, line in enumerate(source, 1):
                name = _name(line, number)
                file = opened.get(name)
                if file is None:
                    if len(opened) >= _MOST_OPEN:
                        opened.popitem(last=False)[1].close()
                    file = opened[name] = open(spool / name, "ab")  # noqa: SIM115 - closed below
                opened.move_to_end(name)
                file.write(line)
                if number % 1000 == 0:
                    flow.show(lambda _, number=number: f"{number:,} rows by day")  # type: ignore[misc]
    finally:
        for file in opened.values():
            file.close()


def _name(line: bytes, number: int) -> str:
    """``audit-events-2026-11-28``. Raises ServiceError: it becomes the name of a file."""
    try:
        row = _days.decode(line)
        day = date.fromisoformat(row.event_date if row.kind == "audit_event" else row.sent_at[:10])
        return f"{_KINDS[row.kind]}-{day.isoformat()}"
    except (msgspec.DecodeError, ValueError, KeyError, RecursionError):
        raise ServiceError(f"row {number:,} cannot be read; is it of a Data Storage Service?") from None


class _Table:
    """The columns of a kind of records."""

    def __init__(self, kind: str, *, salts: bool) -> None:
        self._names = (*MEMBERS[kind], *(_SALTED[kind] if salts else ()))
        types = {name: _OTHERS.get(name, (str, pa.string())) for name in self._names}
        self._schema = pa.schema([(name, kind_of[1]) for name, kind_of in types.items()])
        # Raw stands for any value, null too; together with None it would take nothing else.
        fields = [
            (name, kind_of[0] if kind_of[0] is msgspec.Raw else kind_of[0] | None, None)
            for name, kind_of in types.items()
        ]
        self._decoder = msgspec.json.Decoder(msgspec.defstruct("Row", fields))
        self._all = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self.others: set[str] = set()  # members of rows that are no column

    def write(self, rows: Path, path: Path) -> None:
        """Raises OSError, ServiceError."""
        with open(path, "wb") as file:
            with pq.ParquetWriter(file, self._schema, compression="zstd") as writer:
                group: list[pa.Table] = []
                size = 0
                for lines in _batches(rows):
                    group.append(self._columns(lines, rows))
                    size += sum(map(len, lines))
                    if size >= _GROUP_BYTES:
                        writer.write_table(pa.concat_tables(group), row_group_size=2**31)
                        group, size = [], 0
                if group:
                    writer.write_table(pa.concat_tables(group), row_group_size=2**31)
            file.flush()
            os.fsync(file.fileno())

    def _columns(self, lines: list[bytes], path: Path) -> pa.Table:
        try:
            # Members come and go with releases, not from row to row.
            self.others |= self._all.decode(lines[0]).keys() - {"kind", *self._names}
            read = [msgspec.structs.astuple(self._decoder.decode(line)) for line in lines]
            columns = dict(zip(self._names, map(list, zip(*read, strict=True)), strict=True))
            if "event_data" in columns:
                columns["event_data"] = [None if raw is None else bytes(raw).decode() for raw in columns["event_data"]]
            return pa.table(columns, schema=self._schema)
        except (msgspec.DecodeError, ValueError, RecursionError) as e:
            said = printable(str(e))[:200]
            raise ServiceError(f"a row of {as_text(path.name)} has another form than this release knows: {said}") from e


def _batches(path: Path) -> Iterator[list[bytes]]:
    """The lines of a file, some at a time."""
    with open(path, "rb") as source:
        while lines := source.readlines(_BATCH_BYTES):
            yield lines
