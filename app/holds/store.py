"""The table of holds: set, released and read. Every function works on the caller's connection.

What changes has to run in a transaction of the caller's, who stores its audit event in the same one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import psycopg
import uuid_utils.compat
from datastorage_common import jsonvalue
from datastorage_common.times import rfc3339

from app.postgres import pages
from app.postgres.lists import Cursor, ListQuery, Page
from app.postgres.sessions import Connection, confirm
from app.postgres.statements import all_of, statements
from app.transparency.acts import HOLD_RELEASED, HOLD_SET, Act, commitment_to

_SQL = statements("holds")
_SALT_BYTES = 16

# In the order of answers.
MEMBERS = (
    *("hold_id", "name", "reason", "filter", "set_at", "set_by", "set_act"),
    *("released_at", "released_by", "release_reason", "release_act"),
)
_ONE = _SQL["one"].format(columns=", ".join("filter::text" if m == "filter" else m for m in MEMBERS))
_TEXTS = ["name", "reason", "release_reason"]

Row = dict[str, Any]


def to_json(row: Row) -> Row:
    """The hold as orjson can write it, with its state; members that are null left out."""
    told = {member: _plain(member, value) for member, value in row.items() if value is not None}
    return {**told, "state": "active" if row["released_at"] is None else "released"}


def _plain(member: str, value: Any) -> Any:
    if member == "filter":
        return orjson.Fragment(value)
    return rfc3339(value) if isinstance(value, datetime) else value


def put(conn: Connection, hold: Mapping[str, Any], by: str | None) -> Row:
    """Set the hold, with its act; it as it is stored. ``by``: who sets it.

    Raises psycopg.errors.UniqueViolation where there is one of its id; psycopg.Error.
    """
    salt = secrets.token_bytes(_SALT_BYTES)
    texts = {member: hold[member] for member in ("name", "reason", "filter")}
    act = _act(conn, HOLD_SET, hold["hold_id"], by, salt, texts)
    texts["filter"] = jsonvalue.compact(hold["filter"]).decode()
    conn.execute(
        _SQL["set"], (hold["hold_id"], *texts.values(), act.acted_at, by, salt, act.act_id, _details(act), act.digest())
    )
    return _found(get(conn, hold["hold_id"]))


def release(conn: Connection, hold_id: UUID, reason: str, by: str | None) -> Row | None:
    """Release the hold, with its act; it as it is stored. None where none of this id is in force.

    Raises psycopg.Error.
    """
    salt = secrets.token_bytes(_SALT_BYTES)
    act = _act(conn, HOLD_RELEASED, hold_id, by, salt, {"reason": reason})
    row = conn.execute(
        _SQL["release"], (hold_id, reason, act.acted_at, by, salt, act.act_id, _details(act), act.digest())
    ).fetchone()
    return _found(get(conn, hold_id)) if row is not None and row[0] else None


def _act(conn: Connection, kind: str, hold_id: UUID, by: str | None, salt: bytes, texts: Mapping[str, Any]) -> Act:
    row = conn.execute(_SQL["now_and_who"]).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    acted_at, role = row
    details = {"hold_id": str(hold_id), "principal": by, "texts": commitment_to(texts, salt).hex()}
    return Act(uuid_utils.compat.uuid7(), kind, acted_at, role, details)


def _details(act: Act) -> str:
    return orjson.dumps(act.details).decode()


def _found(row: Row | None) -> Row:
    assert row is not None  # noqa: S101 - it was stored a moment ago, in this transaction
    return row


def get(conn: psycopg.Connection, hold_id: UUID) -> Row | None:
    """One hold, released or not."""
    values = conn.execute(_ONE, (hold_id,)).fetchone()
    return None if values is None else dict(zip(MEMBERS, values, strict=True))


def get_confirmed(conn: Connection, hold_id: UUID) -> Row | None:
    """As `get`, in a transaction that writes: once that is committed the hold is wherever a commit has to be.

    Whoever committed it may have been told that no standby has it yet. Raises psycopg.Error.
    """
    confirm(conn)
    return get(conn, hold_id)


def page(conn: psycopg.Connection, query: ListQuery, max_bytes: int) -> Page:
    """A page of the list, newest first; it ends early where an answer would become larger than ``max_bytes``."""
    conditions, parameters = query.conditions, list(query.parameters)
    if query.cursor is not None:
        conditions = (*conditions, "(set_at, hold_id) < (%s, %s)")
        parameters += [query.cursor.moment, UUID(query.cursor.ident)]
    keys = _SQL["page_keys"].format(conditions=all_of(conditions))
    inner = _SQL["page_rows"].format(columns=", ".join(MEMBERS), keys=pages.numbered(keys))
    statement = pages.page_sql(inner, MEMBERS, ["filter"], _TEXTS)
    # One row more than asked for tells whether there is another page.
    asked = [*parameters, query.limit + 1, query.offset, *pages.page_parameters(max_bytes)]
    read = conn.execute(statement, asked).fetchall()
    found = read[0][-1] if read else 0
    rows = [dict(zip(MEMBERS, values[:-1], strict=True)) for values in read[: query.limit]]
    rows = rows[: pages.fitting([orjson.dumps(to_json(row)) for row in rows], max_bytes)]
    following = Cursor(rows[-1]["set_at"], str(rows[-1]["hold_id"])) if len(rows) < found else None
    if following is None and query.cursor is None and (rows or query.offset == 0):
        # The page reached the end, so the count is known without counting.
        return Page(rows, query.offset + len(rows), None)
    counted = conn.execute(_SQL["count"].format(conditions=all_of(query.conditions)), query.parameters).fetchone()
    assert counted is not None  # noqa: S101 - count always has a row
    return Page(rows, int(counted[0]), following)
