"""Reading events and notifications: pages by offset or cursor, one event by id.

Ids are picked first, from an index and inside a LIMIT; the wide rows are read for those alone, and no more of them
than one answer may hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg

from app.audit import readable
from app.audit.shapes import (
    EVENT_DATA,
    EVENT_MEMBERS,
    EVENT_SELECT,
    LARGE,
    NOTIFICATION_MEMBERS,
    NOTIFICATION_SELECT,
    SMALL_SELECT,
    WIDE_SELECT,
    event,
    notification,
    placed,
    sensitive,
    with_readable_parents,
)
from app.auth.read_limits import ReadLimits
from app.postgres import pages
from app.postgres.lists import Cursor, ListQuery
from app.postgres.statements import Sql, each_with, statements

_SQL = statements("audit_queries")
# So many holds of an event are named.
_MAX_HOLDS = 100


class Answer(NamedTuple):
    """An answer with events."""

    body: bytes
    sensitive: list[str]  # the ids of those in it that are marked so
    day: date | None = None  # of the one event that was asked for


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
        return each_with(self.conditions, self.parameters)


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
    statement = _SQL["event_page"].format(columns=placed(SMALL_SELECT, query.reads), keys=keys)
    return statement, [pages.small_bytes(max_bytes, query.limit)] * len(LARGE) + parameters


def large_event_page_sql(query: Query, max_bytes: int) -> tuple[str, list[object]]:
    """As `event_page_sql`, for rows of any size: only the first that fit, and behind each how many there are."""
    keys, parameters = _event_keys(query)
    rows = _SQL["large_event_rows"].format(columns=placed(WIDE_SELECT, query.reads), keys=pages.numbered(keys))
    statement = pages.page_sql(rows, EVENT_MEMBERS, ["event_data"], ["error_message"])
    return statement, [*parameters, *pages.page_parameters(max_bytes)]


def list_events(conn: psycopg.Connection, query: Query, max_bytes: int, *, large: bool = False) -> Answer:
    """The JSON answer of GET /api/v1/audit/events, of at most ``max_bytes`` unless one event is larger.

    Raises pages.LargeRowsError where that takes ``large``.
    """
    if large:
        rows = conn.execute(*large_event_page_sql(query, max_bytes)).fetchall()
        found = rows[0][-1] if rows else 0
        rows = with_readable_parents(conn, [row[:-1] for row in rows], query.reads)
        rows, body = _page(conn, _EVENTS, query, rows, found, max_bytes)
        return Answer(body, sensitive(rows))
    rows = conn.execute(*event_page_sql(query, max_bytes)).fetchall()
    if None in [row[EVENT_DATA] for row in rows]:
        raise pages.LargeRowsError
    rows = with_readable_parents(conn, rows, query.reads)
    rows, body = _page(conn, _EVENTS, query, rows, len(rows), max_bytes)
    return Answer(body, sensitive(rows))


def get_event(conn: psycopg.Connection, event_id: UUID, reads: ReadLimits, day: date | None = None) -> Answer | None:
    """One event as JSON, the newest that may be read if its id was used on several days and no day is named.

    None if there is none.
    """
    source, where = readable.events(reads), readable.one_event(event_id, day)
    statement = _SQL["event"].format(columns=placed(EVENT_SELECT, reads), readable=source.text, conditions=where.text)
    row = conn.execute(statement, [*source.parameters, *where.parameters]).fetchone()
    if row is None:
        return None
    [row] = with_readable_parents(conn, [row], reads)
    return Answer(orjson.dumps(event(row)), sensitive([row]), row[1])


def with_holds(conn: psycopg.Connection, answer: Answer, event_id: UUID) -> Answer:
    """An answer of `get_event` with the oldest holds in force that take the event, and how many more there are.

    Apart from it: rows are read where they may be a moment behind, and holds are not.
    """
    found = conn.execute(_SQL["holds_of_event"], (event_id, answer.day, _MAX_HOLDS)).fetchall()
    more = found[0][-1] - len(found) if found else 0
    told = {"held_by": [{"hold_id": hold_id, "name": name} for hold_id, name, _ in found]}
    held = orjson.dumps({**told, "held_by_more": more} if more else told)
    return answer._replace(body=answer.body[:-1] + b"," + held[1:])


def list_notifications(conn: psycopg.Connection, query: Query, max_bytes: int) -> bytes:
    """The JSON answer of GET /api/v1/audit/notifications, of at most ``max_bytes``."""
    conditions = query.filters
    if query.cursor is not None:
        conditions.append(Sql("(sent_at, id) < (%s, %s)", (query.cursor.moment, int(query.cursor.ident))))
    source, where = readable.notifications(query.reads), readable.joined(conditions)
    statement = _SQL["notification_page"].format(
        columns=placed(NOTIFICATION_SELECT, query.reads), readable=source.text, conditions=where.text
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


class _Kind(NamedTuple):
    """A kind of record to be listed."""

    counting: Callable[[Query], tuple[str, tuple[object, ...]]]  # the statement that counts them, and its parameters
    moment: int  # where the time stands in a row that the list is sorted by
    read: Callable[[tuple[Any, ...]], dict[str, Any]]


_EVENTS = _Kind(_counting_events, EVENT_MEMBERS.index("event_timestamp"), event)
_NOTIFICATIONS = _Kind(_counting_notifications, NOTIFICATION_MEMBERS.index("sent_at"), notification)
