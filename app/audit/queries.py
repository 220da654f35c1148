"""Reading events and notifications: filters, pages by offset or cursor, one event by id.

Ids are picked first, from an index and inside a LIMIT; the wide rows are read for those alone, and no more of them
than one answer may hold.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import psycopg
from datastorage_common import jsonvalue
from datastorage_common.times import parse_rfc3339, parse_time, rfc3339
from datastorage_common.uuids import parse_uuid

from app.audit.schemas import EVENT_FIELDS
from app.http.problems import Problem
from app.postgres import pages
from app.postgres.statements import all_of, statements

_SQL = statements("audit_queries")

EVENT_FILTERS = (
    "event_type",
    "event_category",
    "severity",
    "correlation_id",
    "actor_type",
    "actor_id",
    "resource_type",
    "resource_id",
    "namespace",
    "cluster_name",
)
_OUTCOMES = ("success", "failure", "pending")
_CHANNELS = ("email", "slack", "pagerduty", "webhook", "sms", "teams")
_STATUSES = ("sent", "failed", "pending", "acknowledged", "escalated")
# Offsets and bounds go into bigint parameters.
_MAX_OFFSET = 2**63 - 1
_NOTIFICATION_ID = re.compile(r"[0-9]{1,18}")
# The longest that a time and a UUID make has 94 characters.
_MAX_CURSOR_CHARACTERS = 128

# Member → column, where they differ, and how the value is read as text.
_EVENT_EXPRESSIONS = {
    "version": "e.event_version",
    "event_data": "e.event_data::text",
    "actor_ip": "host(e.actor_ip)",
    "digest": "encode(e.digest, 'hex')",
}
EVENT_MEMBERS = (
    "event_id",
    "event_date",
    *(f for f in EVENT_FIELDS if f != "event_id"),
    "parent_event_date",
    "recorded_at",
    "recorded_by",
    "digest",
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
_ONE_EVENT = _SQL["event"].format(columns=_EVENT_SELECT)
_EVENT_DATA = EVENT_MEMBERS.index("event_data")

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
)
_NOTIFICATION_SELECT = ", ".join(NOTIFICATION_MEMBERS)


class Cursor(NamedTuple):
    """Where a page ended: the key of its last row."""

    moment: datetime
    ident: str

    def encode(self) -> str:
        """Opaque text for clients."""
        raw = orjson.dumps([rfc3339(self.moment), self.ident])
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    @staticmethod
    def decode(text: str) -> Cursor | None:
        """The cursor of its text, or None if it is not one."""
        if len(text) > _MAX_CURSOR_CHARACTERS:
            return None
        try:
            moment, ident = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (ValueError, binascii.Error, TypeError):
            return None
        parsed = parse_rfc3339(moment)
        if parsed is None or not isinstance(ident, str):
            return None
        cursor = Cursor(parsed, ident)
        # Base64 reads past what it does not know: only what encode() could have made is a cursor.
        return cursor if cursor.encode() == text else None


@dataclass(frozen=True)
class Query:
    """A checked list query: SQL conditions with their parameters, and the page."""

    conditions: tuple[str, ...]
    parameters: tuple[object, ...]
    limit: int
    offset: int
    cursor: Cursor | None
    count: bool


class _Arguments:
    """Reads query parameters (the first of each counts) and gathers everything that is wrong with them."""

    def __init__(self, arguments: Mapping[str, str], now: datetime) -> None:
        self._arguments = arguments
        self._now = now
        self.errors: dict[str, str] = {}
        self.details: list[str] = []
        self.conditions: list[str] = []
        self.parameters: list[object] = []

    def refuse(self, name: str, message: str) -> None:
        self.errors[name] = message
        self.details.append(f"{name}: {message}")

    def text(self, name: str) -> str | None:
        value = self._arguments.get(name)
        if value is not None and not jsonvalue.is_storable_text(value):
            self.refuse(name, "holds a character that cannot be stored")
            return None
        return value

    def equal(self, name: str) -> None:
        value = self.text(name)
        if value is not None:
            self.conditions.append(f"{name} = %s")
            self.parameters.append(value)

    def choice(self, name: str, allowed: tuple[str, ...]) -> None:
        value = self.text(name)
        if value is None:
            return
        if value not in allowed:
            self.refuse(name, "must be one of: " + ", ".join(allowed))
            return
        self.conditions.append(f"{name} = %s")
        self.parameters.append(value)

    def time(self, name: str, column: str, operator: str) -> datetime | None:
        value = self.text(name)
        if value is None:
            return None
        moment = parse_time(value, self._now)
        if moment is None:
            self.refuse(name, "invalid time format: use 24h, 7d, an RFC 3339 time or YYYY-MM-DD")
            return None
        self.conditions.append(f"{column} {operator} %s")
        self.parameters.append(moment)
        return moment

    def whole(self, name: str, low: int, high: int, default: int) -> int:
        value = self._arguments.get(name)
        if value is None:
            return default
        if value.isascii() and value.isdigit() and len(value) <= 19 and low <= int(value) <= high:
            return int(value)
        limit = f"from {low} to {high}" if high != _MAX_OFFSET else "of at least 0"
        self.refuse(name, f"must be an integer {limit}")
        return default

    def cursor(self) -> Cursor | None:
        text = self._arguments.get("cursor")
        if text is None:
            return None
        cursor = Cursor.decode(text)
        if cursor is None:
            self.refuse("cursor", "is not a cursor of this service")
        elif "offset" in self._arguments:
            self.refuse("cursor", "excludes offset")
        return cursor

    def page(self) -> tuple[int, int, Cursor | None, bool]:
        limit = self.whole("limit", 1, 1000, 50)
        offset = self.whole("offset", 0, _MAX_OFFSET, 0)
        count = self._arguments.get("count", "exact")
        if count not in ("exact", "none"):
            self.refuse("count", "must be one of: exact, none")
        cursor = self.cursor()
        return limit, offset, cursor, count == "exact" and cursor is None

    def finish(self) -> Query:
        """The query. Raises Problem 400 that names every wrong parameter."""
        limit, offset, cursor, count = self.page()
        if self.errors:
            raise Problem("validation-error", "; ".join(self.details), field_errors=self.errors)
        return Query(tuple(self.conditions), tuple(self.parameters), limit, offset, cursor, count)


def event_query(arguments: Mapping[str, str], now: datetime) -> Query:
    """Check the parameters of GET /api/v1/audit/events. Raises Problem 400."""
    read = _Arguments(arguments, now)
    for name in EVENT_FILTERS:
        read.equal(name)
    read.choice("event_outcome", _OUTCOMES)
    since = read.time("since", "event_timestamp", ">=")
    until = read.time("until", "event_timestamp", "<=")
    # event_date follows from the timestamp; naming it lets PostgreSQL leave whole months out.
    if since is not None:
        read.conditions.append("event_date >= %s")
        read.parameters.append(since.date())
    if until is not None:
        read.conditions.append("event_date <= %s")
        read.parameters.append(until.date())
    _containment(read, arguments)
    query = read.finish()
    if query.cursor is not None and parse_uuid(query.cursor.ident) is None:
        raise Problem(
            "validation-error",
            "cursor: is not a cursor of this service",
            field_errors={"cursor": "is not a cursor of this service"},
        )
    return query


def _containment(read: _Arguments, arguments: Mapping[str, str]) -> None:
    text = arguments.get("data")
    if text is None:
        return
    try:
        value = jsonvalue.parse(text.encode("utf-8", "surrogatepass"))
    except jsonvalue.JSONError:
        read.refuse("data", "must be a JSON object")
        return
    if not isinstance(value, dict):
        read.refuse("data", "must be a JSON object")
    elif (
        jsonvalue.depth_exceeds(value, 32)
        or jsonvalue.number_out_of_range(value, 400)
        or jsonvalue.has_unstorable_text(value)
    ):
        read.refuse("data", "holds something that cannot be stored")
    elif jsonvalue.growth_bytes(value) > jsonvalue.MAX_GROWTH_BYTES:
        read.refuse("data", "holds too many numbers with large exponents")
    else:
        read.conditions.append("event_data @> %s::jsonb")
        read.parameters.append(jsonvalue.compact(value).decode())


def notification_query(arguments: Mapping[str, str], now: datetime) -> Query:
    """Check the parameters of GET /api/v1/audit/notifications. Raises Problem 400."""
    read = _Arguments(arguments, now)
    read.equal("remediation_id")
    read.choice("channel", _CHANNELS)
    read.choice("status", _STATUSES)
    read.time("since", "sent_at", ">=")
    read.time("until", "sent_at", "<=")
    query = read.finish()
    if query.cursor is not None and not _NOTIFICATION_ID.fullmatch(query.cursor.ident):
        raise Problem(
            "validation-error",
            "cursor: is not a cursor of this service",
            field_errors={"cursor": "is not a cursor of this service"},
        )
    return query


def _event_keys(query: Query) -> tuple[str, list[object]]:
    """The statement that picks the keys of a page, one more than asked for, and its parameters."""
    conditions, parameters = query.conditions, list(query.parameters)
    if query.cursor is not None:
        # The bound on event_date says nothing new, but lets PostgreSQL leave later months out.
        conditions = (*conditions, "(event_timestamp, event_id) < (%s, %s)", "event_date <= %s")
        parameters += [query.cursor.moment, UUID(query.cursor.ident), query.cursor.moment.date()]
    keys = _SQL["event_keys"].format(conditions=all_of(conditions))
    # One row more than asked for tells whether there is another page.
    return keys, [*parameters, query.limit + 1, query.offset]


def event_page_sql(query: Query, max_bytes: int) -> tuple[str, list[object]]:
    """The statement that reads a page of events, and its parameters; event_data is NULL where a row is not small."""
    keys, parameters = _event_keys(query)
    statement = _SQL["event_page"].format(columns=_SMALL_SELECT, keys=keys)
    return statement, [pages.small_bytes(max_bytes, query.limit)] * len(_LARGE) + parameters


def large_event_page_sql(query: Query, max_bytes: int) -> tuple[str, list[object]]:
    """As `event_page_sql`, for rows of any size: only the first that fit, and behind each how many there are."""
    keys, parameters = _event_keys(query)
    rows = _SQL["large_event_rows"].format(columns=_WIDE_SELECT, keys=pages.numbered(keys))
    statement = pages.page_sql(rows, EVENT_MEMBERS, ["event_data"], ["error_message"])
    return statement, [*parameters, *pages.page_parameters(max_bytes)]


def list_events(conn: psycopg.Connection, query: Query, max_bytes: int, *, large: bool = False) -> bytes:
    """The JSON answer of GET /api/v1/audit/events, of at most ``max_bytes`` unless one event is larger.

    Raises pages.LargeRowsError where that takes ``large``.
    """
    if large:
        rows = conn.execute(*large_event_page_sql(query, max_bytes)).fetchall()
        found = rows[0][-1] if rows else 0
        return _page(conn, _EVENTS, query, [row[:-1] for row in rows], found, max_bytes)
    rows = conn.execute(*event_page_sql(query, max_bytes)).fetchall()
    if None in [row[_EVENT_DATA] for row in rows]:
        raise pages.LargeRowsError
    return _page(conn, _EVENTS, query, rows, len(rows), max_bytes)


def get_event(conn: psycopg.Connection, event_id: UUID) -> bytes | None:
    """One event as JSON, the newest if its id was used on several days; None if there is none."""
    row = conn.execute(_ONE_EVENT, [event_id]).fetchone()
    return None if row is None else orjson.dumps(_event(row))


def list_notifications(conn: psycopg.Connection, query: Query, max_bytes: int) -> bytes:
    """The JSON answer of GET /api/v1/audit/notifications, of at most ``max_bytes``."""
    conditions, parameters = query.conditions, list(query.parameters)
    if query.cursor is not None:
        conditions = (*conditions, "(sent_at, id) < (%s, %s)")
        parameters += [query.cursor.moment, int(query.cursor.ident)]
    statement = _SQL["notification_page"].format(columns=_NOTIFICATION_SELECT, conditions=all_of(conditions))
    rows = conn.execute(statement, [*parameters, query.limit + 1, query.offset]).fetchall()
    return _page(conn, _NOTIFICATIONS, query, rows, len(rows), max_bytes)


def _count(conn: psycopg.Connection, counting: str, query: Query, *, seen: int, more: bool) -> int | None:
    if not query.count:
        return None
    if not more and (seen or query.offset == 0):
        # The page reached the end, so the count is known without counting.
        return query.offset + seen
    row = conn.execute(counting.format(conditions=all_of(query.conditions)), query.parameters).fetchone()
    assert row is not None  # noqa: S101 - count always has a row
    return int(row[0])


def _page(
    conn: psycopg.Connection, kind: _Kind, query: Query, rows: list[tuple[Any, ...]], found: int, max_bytes: int
) -> bytes:
    """The answer with the rows that fit; ``found``: how many there are, one more than asked for if there are others."""
    rows = rows[: query.limit]
    ended_early = len(rows) < min(found, query.limit)
    data: list[Any] = [kind.read(row) for row in rows]
    body = b"" if ended_early else _answer(conn, kind, query, rows, data, query.limit, found > query.limit)
    if ended_early or len(body) > max_bytes:
        written = [orjson.dumps(row) for row in data]
        fit = pages.fitting(written, max_bytes)
        data = [orjson.Fragment(row) for row in written[:fit]]
        body = _answer(conn, kind, query, rows[:fit], data, fit, fit < found)
    return body


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
    total = _count(conn, kind.counting, query, seen=len(rows), more=more)
    if total is not None:
        pagination["total"] = total
    pagination["has_more"] = more
    pagination["next_cursor"] = Cursor(rows[-1][kind.moment], str(rows[-1][0])).encode() if more else None
    return orjson.dumps({"data": data, "pagination": pagination})


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def _event(row: tuple[Any, ...]) -> dict[str, Any]:
    event = {member: _plain(value) for member, value in zip(EVENT_MEMBERS, row, strict=True)}
    event["event_data"] = orjson.Fragment(event["event_data"])
    return event


def _notification(row: tuple[Any, ...]) -> dict[str, Any]:
    """A stored notification; null optionals are left out."""
    return {member: _plain(value) for member, value in zip(NOTIFICATION_MEMBERS, row, strict=True) if value is not None}


class _Kind(NamedTuple):
    """A kind of record to be listed."""

    counting: str  # the statement that counts them
    moment: int  # where the time stands in a row that the list is sorted by
    read: Callable[[tuple[Any, ...]], dict[str, Any]]


_EVENTS = _Kind(_SQL["count_events"], EVENT_MEMBERS.index("event_timestamp"), _event)
_NOTIFICATIONS = _Kind(_SQL["count_notifications"], NOTIFICATION_MEMBERS.index("sent_at"), _notification)
