"""Records as the API gives them: the columns that are read, and what they become."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import psycopg
from datastorage_common.times import rfc3339

from app.audit import readable
from app.audit.schemas import EVENT_FIELDS
from app.auth.read_limits import ReadLimits
from app.postgres import pages
from app.postgres.statements import statements

_SQL = statements("audit_queries")

Row = tuple[Any, ...]
# A row, and what is given beside its members.
Write = Callable[[Row, Mapping[str, Any]], bytes]


class Shape(NamedTuple):
    """How records are written, each on its own. A row has the columns of its kind in their order."""

    event: Write
    notification: Write
    tombstones: bool  # whether something stands for what is not there any more


# Member → column, where they differ, and how the value is read as text.
_EVENT_EXPRESSIONS = {
    "version": "e.event_version",
    "event_data": "e.event_data::text",
    "actor_ip": "host(e.actor_ip)",
    "digest": "encode(e.digest, 'hex')",
    "log_index": _SQL["event_log_index"],
}
EVENT_MEMBERS = (
    "event_id",
    "event_date",
    *(f for f in EVENT_FIELDS if f != "event_id"),
    "parent_event_date",
    "recorded_at",
    "recorded_by",
    "request_id",
    "trace_id_from_context",
    "digest",
    "log_index",
)
EVENT_SELECT = ", ".join(_EVENT_EXPRESSIONS.get(m, f"e.{m}") for m in EVENT_MEMBERS)
# Where a row is large, without these two; event_data is never NULL otherwise.
LARGE = {"event_data": "e.event_data::text", "error_message": "e.error_message"}
_IS_SMALL = pages.is_small(["e.event_data"], ["e.error_message"])
SMALL_SELECT = ", ".join(
    f"CASE WHEN {_IS_SMALL} THEN {LARGE[m]} END" if m in LARGE else _EVENT_EXPRESSIONS.get(m, f"e.{m}")
    for m in EVENT_MEMBERS
)
WIDE_SELECT = ", ".join(
    f"{'e.event_data' if m == 'event_data' else _EVENT_EXPRESSIONS.get(m, f'e.{m}')} AS {m}" for m in EVENT_MEMBERS
)
EVENT_DATA = EVENT_MEMBERS.index("event_data")
_PARENT = (EVENT_MEMBERS.index("parent_event_id"), EVENT_MEMBERS.index("parent_event_date"))
_IS_SENSITIVE = EVENT_MEMBERS.index("is_sensitive")

NOTIFICATION_MEMBERS = (
    "id",
    "remediation_id",
    "notification_id",
    "recipient",
    "channel",
    "message_summary",
    "status",
    "sent_at",
    "delivery_status",
    "error_message",
    "escalation_level",
    "created_at",
    "updated_at",
    "request_id",
    "recorded_by",
    "log_index",
)
NOTIFICATION_SELECT = ", ".join(_SQL["notification_log_index"] if m == "log_index" else m for m in NOTIFICATION_MEMBERS)


def placed(columns: str, reads: ReadLimits, at: str | None = None) -> str:
    """The columns. Where a record is in the log says how many others there are: no reader with limits is told.

    ``at``: a column that has it already, so that it need not be looked for.
    """
    known = "NULL::bigint" if reads.narrow else at
    if known is not None:
        for index in (_SQL["event_log_index"], _SQL["notification_log_index"]):
            columns = columns.replace(index, known)
    return columns


def with_readable_parents(
    conn: psycopg.Connection, rows: list[tuple[Any, ...]], reads: ReadLimits
) -> list[tuple[Any, ...]]:
    """The rows, without the day of each parent that may not be read."""
    ident, day = _PARENT
    parents = {(row[ident], row[day]) for row in rows if row[day] is not None} if reads.narrow else None
    if not parents:
        return rows
    source = readable.events(reads)
    keys = ([p[0] for p in parents], [p[1] for p in parents])
    found = set(conn.execute(_SQL["readable_parents"].format(readable=source.text), [*keys, *source.parameters]))
    return [row if (row[ident], row[day]) in found else (*row[:day], None, *row[day + 1 :]) for row in rows]


def event(row: tuple[Any, ...]) -> dict[str, Any]:
    """A stored event, by its columns in the order of `EVENT_MEMBERS`."""
    members = dict(zip(EVENT_MEMBERS, row, strict=True))
    members["event_timestamp"] = rfc3339(members["event_timestamp"])
    members["recorded_at"] = rfc3339(members["recorded_at"])
    members["event_data"] = orjson.Fragment(members["event_data"])
    return members


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def notification(row: tuple[Any, ...]) -> dict[str, Any]:
    """A stored notification; null optionals are left out."""
    return {member: _plain(value) for member, value in zip(NOTIFICATION_MEMBERS, row, strict=True) if value is not None}


def sensitive(rows: list[tuple[Any, ...]]) -> list[str]:
    """The ids of those events that are marked so."""
    return [str(row[0]) for row in rows if row[_IS_SENSITIVE]]


def _event_item(row: Row, more: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"kind": "audit_event", **event(row), **more})


def _notification_item(row: Row, more: Mapping[str, Any]) -> bytes:
    return orjson.dumps({"kind": "notification", **notification(row), **more})


# Items of the feed; and lines of an export, which are the same with a line break behind each.
ITEMS = Shape(_event_item, _notification_item, tombstones=True)
LINES = Shape(
    lambda row, more: _event_item(row, more) + b"\n",
    lambda row, more: _notification_item(row, more) + b"\n",
    tombstones=False,
)
