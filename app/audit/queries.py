"""Reading events and notifications: pages by offset or cursor, one event by id.

Ids are picked first, from an index and inside a LIMIT; the wide rows are read for those alone, and no more of them
than one answer may hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from datastorage_common.times import rfc3339

from app.audit import readable
from app.audit.schemas import EVENT_FIELDS
from app.auth.read_limits import ReadLimits
from app.postgres import pages
from app.postgres.lists import Cursor, ListQuery
from app.postgres.statements import Sql, statements

_SQL = statements("audit_queries")

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
_EVENT_SELECT = ", ".join(_EVENT_EXPRESSIONS.get(m, f"e.{m}") for m in EVENT_MEMBERS)
# Where a row is large, without these two; event_data is never NULL otherwise.
_LARGE = {"event_data": "e.event_data::text", "error_message": "e.error_message"}
_IS_SMALL = pages.is_small(["e.event_data"], ["e.error_message"])
_SMALL_SELECT = ", ".join(
    f"CASE WHEN {_IS_SMALL} THEN {_LARGE[m]} END" if m in _LARGE else _EVENT_EXPRESSIONS.get(m, f"e.{m}")
    for m in EVENT_MEMBERS
)
_WIDE_SELECT = ", ".join(
    f"{'e.event_data' if m == 'event_data' else _EVENT_EXPRESSIONS.get(m, f'e.{m}')} AS {m}" for m in EVENT_MEMBERS
)
_EVENT_DATA = EVENT_MEMBERS.index("event_data")
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
_NOTIFICATION_SELECT = ", ".join(
    _SQL["notification_log_index"] if m == "log_index" else m for m in NOTIFICATION_MEMBERS
)


def _placed(columns: str, reads: ReadLimits) -> str:
    """The columns. Where a record is in the log says how many others there are: no reader with limits is told."""
    if reads.narrow:
        for index in (_SQL["event_log_index"], _SQL["notification_log_index"]):
            columns = columns.replace(index, "NULL::bigint")
    return columns


class Answer(NamedTuple):
    """An answer with events."""

    body: bytes
    sensitive: list[str]  # the ids of those in it that are marked so


@dataclass(frozen=True)
class Query(ListQuery):
    """A checked query of an audit list.

    ``count``: whether the answer says how many rows there are. ``reads``: what whoever asks may read.
    """

    count: bool
    reads: ReadLimits

    @property
    def filters(self) -> list[Sql]:
        """The conditions, each with its parameter."""
        return [Sql(c, (p,)) for c, p in zip(self.conditions, self.parameters, strict=True)]


def _event_keys(query: Query) -> tuple[str, list[object]]:
    """The statement that picks the keys of a page, one more than asked for, and its parameters."""
    conditions = query.filters
    if query.cursor is not None:
        # The bound on event_date says nothing new, but lets PostgreSQL leave later months out.
        after = (query.cursor.moment, UUID(query.cursor.ident))
        conditions.append(Sql("(event_timestamp, event_id) < (%s, %s)", after))
        conditions.append(Sql("event_date <= %s", (query.cursor.moment.date(),)))
    # One row more than asked for tells whether there is another page.
    rows = query.limit + 1
    source, where = readable.newest(query.reads, conditions, rows + query.offset)
    keys = _SQL["event_keys"].format(readable=source.text, conditions=where.text)
    return keys, [*source.parameters, *where.parameters, rows, query.offset]


def event_page_sql(query: Query, max_bytes: int) -> tuple[str, list[object]]:
    """The statement that reads a page of events, and its parameters; event_data is NULL where a row is not small."""
    keys, parameters = _event_keys(query)
    statement = _SQL["event_page"].format(columns=_placed(_SMALL_SELECT, query.reads), keys=keys)
    return statement, [pages.small_bytes(max_bytes, query.limit)] * len(_LARGE) + parameters


def large_event_page_sql(query: Query, max_bytes: int) -> tuple[str, list[object]]:
    """As `event_page_sql`, for rows of any size: only the first that fit, and behind each how many there are."""
    keys, parameters = _event_keys(query)
    rows = _SQL["large_event_rows"].format(columns=_placed(_WIDE_SELECT, query.reads), keys=pages.numbered(keys))
    statement = pages.page_sql(rows, EVENT_MEMBERS, ["event_data"], ["error_message"])
    return statement, [*parameters, *pages.page_parameters(max_bytes)]


def list_events(conn: psycopg.Connection, query: Query, max_bytes: int, *, large: bool = False) -> Answer:
    """The JSON answer of GET /api/v1/audit/events, of at most ``max_bytes`` unless one event is larger.

    Raises pages.LargeRowsError where that takes ``large``.
    """
    if large:
        rows = conn.execute(*large_event_page_sql(query, max_bytes)).fetchall()
        found = rows[0][-1] if rows else 0
        rows = _with_readable_parents(conn, [row[:-1] for row in rows], query.reads)
        rows, body = _page(conn, _EVENTS, query, rows, found, max_bytes)
        return Answer(body, _sensitive(rows))
    rows = conn.execute(*event_page_sql(query, max_bytes)).fetchall()
    if None in [row[_EVENT_DATA] for row in rows]:
        raise pages.LargeRowsError
    rows = _with_readable_parents(conn, rows, query.reads)
    rows, body = _page(conn, _EVENTS, query, rows, len(rows), max_bytes)
    return Answer(body, _sensitive(rows))


def get_event(conn: psycopg.Connection, event_id: UUID, reads: ReadLimits, day: date | None = None) -> Answer | None:
    """One event as JSON, the newest that may be read if its id was used on several days and no day is named.

    None if there is none.
    """
    source, where = readable.events(reads), readable.one_event(event_id, day)
    statement = _SQL["event"].format(columns=_placed(_EVENT_SELECT, reads), readable=source.text, conditions=where.text)
    row = conn.execute(statement, [*source.parameters, *where.parameters]).fetchone()
    if row is None:
        return None
    [row] = _with_readable_parents(conn, [row], reads)
    return Answer(orjson.dumps(_event(row)), _sensitive([row]))


def _with_readable_parents(
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


def list_notifications(conn: psycopg.Connection, query: Query, max_bytes: int) -> bytes:
    """The JSON answer of GET /api/v1/audit/notifications, of at most ``max_bytes``."""
    conditions = query.filters
    if query.cursor is not None:
        conditions.append(Sql("(sent_at, id) < (%s, %s)", (query.cursor.moment, int(query.cursor.ident))))
    source, where = readable.notifications(query.reads), readable.joined(conditions)
    statement = _SQL["notification_page"].format(
        columns=_placed(_NOTIFICATION_SELECT, query.reads), readable=source.text, conditions=where.text
    )
    rows = conn.execute(statement, [*where.parameters, query.limit + 1, query.offset]).fetchall()
    return _page(conn, _NOTIFICATIONS, query, rows, len(rows), max_bytes)[1]


def _count(conn: psycopg.Connection, kind: _Kind, query: Query, *, seen: int, more: bool) -> int | None:
    if not query.count:
        return None
    if not more and (seen or query.offset == 0):
        # The page reached the end, so the count is known without counting.
        return query.offset + seen
    row = conn.execute(*kind.counting(query)).fetchone()
    assert row is not None  # noqa: S101 - count always has a row
    return int(row[0])


def _counting_events(query: Query) -> tuple[str, tuple[object, ...]]:
    source, where = readable.countable(query.reads, query.filters)
    statement = _SQL["count_events"].format(readable=source.text, conditions=where.text)
    return statement, source.parameters + where.parameters


def _counting_notifications(query: Query) -> tuple[str, tuple[object, ...]]:
    source, where = readable.notifications(query.reads), readable.joined(query.filters)
    statement = _SQL["count_notifications"].format(readable=source.text, conditions=where.text)
    return statement, where.parameters


def _page(
    conn: psycopg.Connection, kind: _Kind, query: Query, rows: list[tuple[Any, ...]], found: int, max_bytes: int
) -> tuple[list[tuple[Any, ...]], bytes]:
    """The rows that fit, and the answer with them.

    ``found``: how many there are, one more than asked for if there are others.
    """
    rows = rows[: query.limit]
    ended_early = len(rows) < min(found, query.limit)
    data: list[Any] = [kind.read(row) for row in rows]
    body = b"" if ended_early else _answer(conn, kind, query, rows, data, query.limit, found > query.limit)
    if ended_early or len(body) > max_bytes:
        written = [orjson.dumps(row) for row in data]
        fit = pages.fitting(written, max_bytes)
        data = [orjson.Fragment(row) for row in written[:fit]]
        rows = rows[:fit]
        body = _answer(conn, kind, query, rows, data, fit, fit < found)
    return rows, body


def _answer(
    conn: psycopg.Connection,
    kind: _Kind,
    query: Query,
    rows: list[tuple[Any, ...]],
    data: list[Any],
    limit: int,
    more: bool,
) -> bytes:
    pagination: dict[str, Any] = {"limit": limit, "offset": query.offset}
    total = _count(conn, kind, query, seen=len(rows), more=more)
    if total is not None:
        pagination["total"] = total
    pagination["has_more"] = more
    pagination["next_cursor"] = Cursor(rows[-1][kind.moment], str(rows[-1][0])).encode() if more else None
    return orjson.dumps({"data": data, "pagination": pagination})


def _event(row: tuple[Any, ...]) -> dict[str, Any]:
    event = dict(zip(EVENT_MEMBERS, row, strict=True))
    event["event_timestamp"] = rfc3339(event["event_timestamp"])
    event["recorded_at"] = rfc3339(event["recorded_at"])
    event["event_data"] = orjson.Fragment(event["event_data"])
    return event


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def _notification(row: tuple[Any, ...]) -> dict[str, Any]:
    """A stored notification; null optionals are left out."""
    return {member: _plain(value) for member, value in zip(NOTIFICATION_MEMBERS, row, strict=True) if value is not None}


def _sensitive(rows: list[tuple[Any, ...]]) -> list[str]:
    return [str(row[0]) for row in rows if row[_IS_SENSITIVE]]


class _Kind(NamedTuple):
    """A kind of record to be listed."""

    counting: Callable[[Query], tuple[str, tuple[object, ...]]]  # the statement that counts them, and its parameters
    moment: int  # where the time stands in a row that the list is sorted by
    read: Callable[[tuple[Any, ...]], dict[str, Any]]


_EVENTS = _Kind(_counting_events, EVENT_MEMBERS.index("event_timestamp"), _event)
_NOTIFICATIONS = _Kind(_counting_notifications, NOTIFICATION_MEMBERS.index("sent_at"), _notification)
