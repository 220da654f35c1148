"""Records by the keys that entries of the log have, in the order of the log: which of them pass, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any, NamedTuple

import psycopg

from app.audit import readable
from app.audit.shapes import (
    EVENT_DATA,
    EVENT_MEMBERS,
    LARGE,
    NOTIFICATION_SELECT,
    SMALL_SELECT,
    WIDE_SELECT,
    Shape,
    placed,
    sensitive,
    with_readable_parents,
)
from app.auth.read_limits import ReadLimits
from app.postgres import pages
from app.postgres.statements import Sql, statements

_SQL = statements("audit_queries")
_AT = "k.log_index"
_EVENT_SALT, _NOTIFICATION_SALT = _SQL["event_salt"], _SQL["notification_salt"]
_NOTIFICATION_DIGEST = _SQL["notification_digest"]


class EventKey(NamedTuple):
    """An event, as its entry in the log names it."""

    event_id: str
    day: date
    at: int  # its index in the log


# Row number and index in the log of a notification, as its entry names it.
NotificationKey = tuple[int, int]


class Found(NamedTuple):
    """The records that are there, as they are written, by their index in the log."""

    records: dict[int, bytes]
    ends_early: bool = False  # there are more behind them, for which there was no room
    sensitive: Mapping[int, str] = MappingProxyType({})  # the ids of those that are marked so


def pick_events(
    conn: psycopg.Connection, keys: Sequence[EventKey], conditions: Sequence[Sql], reads: ReadLimits, most: int
) -> set[int]:
    """The first of these events that may be read and meet the conditions, by their index; ``most`` at the most."""
    source, where = readable.events(reads), readable.joined(conditions)
    statement = _SQL["events_picked"].format(readable=source.text, conditions=where.text)
    rows = _planned(conn, statement, [*_arrays(keys), *source.parameters, *where.parameters, most])
    return {index for (index,) in rows}


def pick_notifications(
    conn: psycopg.Connection, keys: Sequence[NotificationKey], conditions: Sequence[Sql], reads: ReadLimits, most: int
) -> set[int]:
    """As `pick_events`."""
    source, where = readable.notifications(reads), readable.joined(conditions)
    statement = _SQL["notifications_picked"].format(readable=source.text, conditions=where.text)
    rows = _planned(conn, statement, [*_numbers(keys), *where.parameters, most])
    return {index for (index,) in rows}


def events(
    conn: psycopg.Connection,
    keys: Sequence[EventKey],
    reads: ReadLimits,
    shape: Shape,
    max_bytes: int,
    *,
    salts: bool,
    large: bool,
) -> Found:
    """The events, which the reader may read: the caller has picked them. With ``salts`` each has its salt too.

    ``large``: no more than fit into so many bytes, and one at least. Raises pages.LargeRowsError where that is needed.
    """
    if not keys:
        return Found({})
    if large:
        columns = f"{placed(WIDE_SELECT, reads, _AT)}, {_AT} AS at" + (f", {_EVENT_SALT} AS salt" if salts else "")
        inner = _SQL["large_event_rows"].format(columns=columns, keys=pages.numbered(_SQL["event_keys_in_order"]))
        names = [*EVENT_MEMBERS, "at", *(["salt"] if salts else [])]
        statement = pages.page_sql(inner, names, ["event_data"], ["error_message"])
        rows = _planned(conn, statement, [*_arrays(keys), *pages.page_parameters(max_bytes)]).fetchall()
        ends_early = bool(rows) and len(rows) < rows[0][-1]
        rows = [row[:-1] for row in rows]
    else:
        columns = f"{placed(SMALL_SELECT, reads, _AT)}, {_AT}" + (f", {_EVENT_SALT}" if salts else "")
        statement = _SQL["events_in_order"].format(columns=columns)
        small = [pages.small_bytes(max_bytes, len(keys))] * len(LARGE)
        rows = _planned(conn, statement, [*small, *_arrays(keys)]).fetchall()
        ends_early = False
        if None in [row[EVENT_DATA] for row in rows]:
            raise pages.LargeRowsError
    own = len(EVENT_MEMBERS)
    beside = [row[own:] for row in rows]
    rows = with_readable_parents(conn, [row[:own] for row in rows], reads)
    marked = set(sensitive(rows))
    records, told = {}, {}
    for row, (at, *salt) in zip(rows, beside, strict=True):
        records[at] = shape.event(row, {"salt": salt[0]} if salts else {})
        if marked and (ident := str(row[0])) in marked:
            told[at] = ident
    return Found(records, ends_early, told)


def notifications(
    conn: psycopg.Connection, keys: Sequence[NotificationKey], reads: ReadLimits, shape: Shape, *, salts: bool
) -> Found:
    """The notifications that may be read; as `events` else.

    With ``salts`` each has its digest too, which no other answer shows.
    """
    if not keys:
        return Found({})
    source = readable.notifications(reads)
    beside = f"{_NOTIFICATION_SALT}, {_NOTIFICATION_DIGEST}" if salts else "NULL, NULL"
    columns = f"{_AT}, {beside}, {placed(NOTIFICATION_SELECT, reads, _AT)}"
    statement = _SQL["notifications_in_order"].format(columns=columns, readable=source.text)
    rows = _planned(conn, statement, _numbers(keys))
    split = [(row[0], {"digest": row[2], "salt": row[1]} if salts else {}, row[3:]) for row in rows]
    return Found({at: shape.notification(row, more) for at, more, row in split})


def _planned(conn: psycopg.Connection, statement: str, parameters: Sequence[object]) -> psycopg.Cursor[Any]:
    """Run a statement that looks for keys, with a plan of its own.

    A prepared one may keep its plan from when a month or table was empty: then it reads all of it for each key.
    """
    return conn.execute(statement, parameters, prepare=False)


def _arrays(keys: Sequence[EventKey]) -> list[object]:
    return [[key.event_id for key in keys], [key.day for key in keys], [key.at for key in keys]]


def _numbers(keys: Sequence[NotificationKey]) -> list[object]:
    return [[number for number, _ in keys], [at for _, at in keys]]
