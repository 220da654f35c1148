"""The catalogue's table: creates, changes and reads. Every function works on the caller's connection.

Changes have to run in a transaction of the caller's, who stores their audit events in the same one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import psycopg
from datastorage_common import jsonvalue
from datastorage_common.times import rfc3339

from app.postgres import pages
from app.postgres.lists import Cursor, ListQuery, Page
from app.postgres.sessions import Connection
from app.postgres.statements import all_of, statements

_SQL = statements("workflows")
# Creates of one name wait for each other: an advisory lock of this class, one of so many for each name.
_LOCK_CLASS = 7_306_419
_LOCKS = 256

# Member → type, in the order of replies; what a create sends, and beside it what the server adds.
_SENT: dict[str, str] = {
    "workflow_name": "text",
    "version": "text",
    "name": "text",
    "description": "text",
    "owner": "text",
    "maintainer": "text",
    "content": "text",
    "content_hash": "text",
    "parameters": "jsonb",
    "execution_engine": "text",
    "container_image": "text",
    "container_digest": "text",
    "labels": "jsonb",
    "custom_labels": "jsonb",
    "detected_labels": "jsonb",
    "status": "text",
    "status_reason": "text",
    "previous_version": "text",
    "deprecation_notice": "text",
    "version_notes": "text",
    "change_summary": "text",
    "approved_by": "text",
    "approved_at": "timestamptz",
    "expected_success_rate": "numeric",
    "expected_duration_seconds": "int8",
    "actual_success_rate": "numeric",
    "total_executions": "int8",
    "successful_executions": "int8",
    "created_by": "text",
}
_MADE = {"workflow_id": "uuid", "is_latest_version": "bool"}
_DEFAULTS = {"status": "active", "total_executions": 0, "successful_executions": 0}
_JSON = frozenset(m for m, kind in _SENT.items() if kind == "jsonb")
MEMBERS = (
    "workflow_id",
    *_SENT,
    "is_latest_version",
    *("disabled_at", "disabled_by", "disabled_reason", "created_at", "updated_at", "updated_by"),
)
_SELECT = ", ".join(f"{m}::text" if m in _JSON else m for m in MEMBERS)
# Columns of no fixed size.
_DOCUMENTS = sorted(_JSON)
_TEXTS = [m for m, kind in _SENT.items() if kind == "text"] + ["disabled_by", "disabled_reason", "updated_by"]

_COLUMNS = {**_MADE, **_SENT}
_ARRAYS = ", ".join(f"%s::{'text' if kind == 'jsonb' else kind}[]" for kind in _COLUMNS.values())
_VALUES = ", ".join(f"{m}::jsonb" if m in _JSON else m for m in _COLUMNS)
_INSERT = _SQL["insert"].format(columns=", ".join(_COLUMNS), values=_VALUES, arrays=_ARRAYS, returned=_SELECT)
_BY_ID = _SQL["by_id"].format(columns=_SELECT)
_LATEST = _SQL["latest"].format(columns=_SELECT)

Row = dict[str, Any]


class DuplicateError(Exception):
    """The workflows at these indexes have a name and version that the catalogue, or the batch before them, has."""

    def __init__(self, indexes: Sequence[int]) -> None:
        super().__init__(f"duplicates at {list(indexes)}")
        self.indexes = tuple(indexes)


@dataclass(frozen=True)
class WorkflowQuery(ListQuery):
    """A checked list of workflows. ``content``: whether it is wanted."""

    content: bool


def _row(values: Sequence[Any]) -> Row:
    return dict(zip(MEMBERS, values, strict=True))


def to_json(row: Row) -> Row:
    """The row as orjson can write it, members that are null left out."""
    return {m: _plain(m, v) for m, v in row.items() if v is not None}


def _plain(member: str, value: Any) -> Any:
    if member in _JSON:
        return orjson.Fragment(value)
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    return value


def create(conn: Connection, ids: Sequence[UUID], workflows: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Insert the workflows in their order, all or none; the rows as stored.

    The last active one of a name becomes its latest version. Raises DuplicateError, and psycopg.Error.
    """
    names = [str(w["workflow_name"]) for w in workflows]
    versions = [str(w["version"]) for w in workflows]
    conn.execute(_SQL["lock_names"], (_LOCK_CLASS, _LOCKS - 1, names))
    taken = set(conn.execute(_SQL["taken"], (names, versions)).fetchall())
    duplicates = []
    for index, key in enumerate(zip(names, versions, strict=True)):
        if key in taken:
            duplicates.append(index)
        taken.add(key)
    if duplicates:
        raise DuplicateError(duplicates)
    latest = {w["workflow_name"]: i for i, w in enumerate(workflows) if w.get("status", "active") == "active"}
    conn.execute(_SQL["take_flag"], (list(latest),))
    sent = [
        [jsonvalue.compact(w[m]).decode() if m in _JSON and m in w else w.get(m, _DEFAULTS.get(m)) for w in workflows]
        for m in _SENT
    ]
    flags = [latest.get(n) == i for i, n in enumerate(names)]
    try:
        rows = conn.execute(_INSERT, (list(ids), flags, *sent)).fetchall()
    except psycopg.errors.UniqueViolation:
        # Another session wrote without the lock: which row it was is not known.
        raise DuplicateError([0]) from None
    return [_row(values) for values in rows]


def update(conn: Connection, ident: UUID, changes: Mapping[str, Any]) -> Row | None:
    """Set these members, and disabled_at with the status; the row as stored, None if there is none."""
    assignments = ["updated_at = clock.at"]
    parameters: list[object] = []
    for member, value in changes.items():
        assignments.append(f"{member} = %s")
        parameters.append(value)
    if changes.get("status") == "disabled":
        assignments.append("disabled_at = clock.at")
    elif changes.get("status") == "active":
        assignments.append("disabled_at = NULL")
    statement = _SQL["update"].format(assignments=", ".join(assignments), returned=_SELECT)
    values = conn.execute(statement, (*parameters, ident)).fetchone()
    return None if values is None else _row(values)


def get(conn: psycopg.Connection, ident: UUID) -> Row | None:
    """One workflow of any status and version."""
    values = conn.execute(_BY_ID, (ident,)).fetchone()
    return None if values is None else _row(values)


def latest(conn: psycopg.Connection, name: str) -> Row | None:
    """The latest version of a name, whatever its status."""
    values = conn.execute(_LATEST, (name,)).fetchone()
    return None if values is None else _row(values)


def _page_sql(query: WorkflowQuery, members: Sequence[str], max_bytes: int) -> tuple[str, list[object]]:
    conditions, parameters = query.conditions, list(query.parameters)
    if query.cursor is not None:
        moment, ident = query.cursor.moment, UUID(query.cursor.ident)
        conditions = (*conditions, "created_at <= %s AND (created_at < %s OR workflow_id > %s)")
        parameters += [moment, moment, ident]
    keys = _SQL["page_keys"].format(conditions=all_of(conditions))
    rows = _SQL["page_rows"].format(columns=", ".join(members), keys=pages.numbered(keys))
    statement = pages.page_sql(
        rows, members, [m for m in _DOCUMENTS if m in members], [m for m in _TEXTS if m in members]
    )
    # One row more than asked for tells whether there is another page.
    return statement, [*parameters, query.limit + 1, query.offset, *pages.page_parameters(max_bytes)]


def page(conn: psycopg.Connection, query: WorkflowQuery, max_bytes: int) -> Page:
    """A page of the list, newest first; it ends early where its rows are not much smaller than ``max_bytes``."""
    members = [m for m in MEMBERS if query.content or m != "content"]
    read = conn.execute(*_page_sql(query, members, max_bytes)).fetchall()
    found = read[0][-1] if read else 0
    rows = [dict(zip(members, values[:-1], strict=True)) for values in read[: query.limit]]
    fit = pages.fitting([orjson.dumps(to_json(row)) for row in rows], max_bytes)
    rows = rows[:fit]
    if fit < found:
        return Page(rows, _count(conn, query), Cursor(rows[-1]["created_at"], str(rows[-1]["workflow_id"])))
    if query.cursor is None and (rows or query.offset == 0):
        # The page reached the end, so the count is known without counting.
        return Page(rows, query.offset + len(rows), None)
    return Page(rows, _count(conn, query), None)


def _count(conn: psycopg.Connection, query: WorkflowQuery) -> int:
    statement = _SQL["count"].format(conditions=all_of(query.conditions))
    counted = conn.execute(statement, query.parameters).fetchone()
    assert counted is not None  # noqa: S101 - count always has a row
    return int(counted[0])
