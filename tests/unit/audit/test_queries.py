"""The statements that read a page, and the answers that their rows make."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from app.audit import queries
from app.audit.filters import event_query, notification_query
from app.audit.shapes import EVENT_MEMBERS, NOTIFICATION_MEMBERS
from app.auth.read_limits import EVERYTHING
from app.postgres.lists import Cursor
from tests.unit.fakes import NOW, UUID_1, FakeConnection

MAX_BYTES = 8 * 1024**2
EVENT_CURSOR = Cursor(NOW, UUID_1).encode()
NOTE_CURSOR = Cursor(NOW, "17").encode()


def event_row(**values: Any) -> tuple[Any, ...]:
    row: dict[str, Any] = dict.fromkeys(EVENT_MEMBERS)
    row.update(
        event_id=UUID(UUID_1),
        event_date=NOW.date(),
        event_timestamp=NOW,
        recorded_at=NOW.replace(microsecond=5),
        event_data='{"a": 1.10}',
        digest="00ff",
    )
    return tuple((row | values).values())


def note_row(ident: int) -> tuple[Any, ...]:
    row: dict[str, Any] = dict.fromkeys(NOTIFICATION_MEMBERS)
    row.update(id=ident, notification_id=f"n-{ident}", sent_at=NOW, escalation_level=0)
    return tuple(row.values())


# --- statements ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [{}, {"severity": "a"}, {"since": "1h", "until": "1h", "data": "{}"}, {"cursor": EVENT_CURSOR, "namespace": "n"}],
)
def test_every_parameter_has_its_place(arguments: dict[str, str]) -> None:
    statement, parameters = queries.event_page_sql(event_query(arguments, NOW, EVERYTHING), MAX_BYTES)
    assert statement.count("%s") == len(parameters)
    rows = statement[statement.index("FROM (SELECT event_id") :]
    assert rows.index("LIMIT") < rows.index("JOIN"), "rows are picked before they are read"
    assert statement.endswith("ORDER BY e.event_timestamp DESC, e.event_id DESC")


def test_a_page_asks_for_one_row_more() -> None:
    statement, parameters = queries.event_page_sql(
        event_query({"limit": "7", "offset": "21"}, NOW, EVERYTHING), MAX_BYTES
    )
    assert "ORDER BY event_timestamp DESC, event_id DESC LIMIT %s OFFSET %s" in statement
    assert parameters[2:] == [8, 21]


def test_a_cursor_is_a_keyset_condition() -> None:
    statement, parameters = queries.event_page_sql(
        event_query({"severity": "a", "cursor": EVENT_CURSOR}, NOW, EVERYTHING), MAX_BYTES
    )
    assert "WHERE severity = %s AND (event_timestamp, event_id) < (%s, %s) AND event_date <= %s ORDER" in statement
    assert parameters[2:] == ["a", NOW, UUID(UUID_1), NOW.date(), 51, 0]


# --- answers ------------------------------------------------------------------------------------------------


def listed(conn: FakeConnection, kind: str = "events", **arguments: str) -> dict[str, Any]:
    if kind == "events":
        return json.loads(queries.list_events(conn, event_query(arguments, NOW, EVERYTHING), MAX_BYTES).body)  # type: ignore[arg-type]
    return json.loads(queries.list_notifications(conn, notification_query(arguments, NOW, EVERYTHING), MAX_BYTES))  # type: ignore[arg-type]


def test_an_event_has_every_column() -> None:
    conn = FakeConnection({"FROM audit_events e": [event_row()]})
    answer = queries.get_event(conn, UUID(UUID_1), EVERYTHING)  # type: ignore[arg-type]
    assert answer is not None
    raw = answer.body
    assert b'"event_data":{"a": 1.10}' in raw, "digits as stored"
    row = json.loads(raw)
    assert tuple(row) == EVENT_MEMBERS
    assert (row["event_timestamp"], row["recorded_at"]) == ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00.000005Z")
    assert (row["event_id"], row["event_date"], row["namespace"]) == (UUID_1, "2026-01-05", None)
    assert queries.get_event(FakeConnection(), UUID(UUID_1), EVERYTHING) is None  # type: ignore[arg-type]


def test_nothing_found() -> None:
    for kind in ("events", "notifications"):
        assert listed(FakeConnection(), kind) == {
            "data": [],
            "pagination": {"limit": 50, "offset": 0, "total": 0, "has_more": False, "next_cursor": None},
        }


def test_a_page_with_more_behind_it() -> None:
    conn = FakeConnection({"count(*)": [(9,)], "JOIN": [event_row()] * 3})
    answer = listed(conn, limit="2", severity="x")
    assert len(answer["data"]) == 2
    assert answer["pagination"] == {
        "limit": 2,
        "offset": 0,
        "total": 9,
        "has_more": True,
        "next_cursor": EVENT_CURSOR,
    }
    assert conn.executed[-1] == ("SELECT count(*) FROM audit_events WHERE severity = %s", ("x",))


def test_a_page_of_notifications_with_more_behind_it() -> None:
    conn = FakeConnection({"count(*)": [(9,)], "ORDER BY sent_at": [note_row(18), note_row(17), note_row(16)]})
    answer = listed(conn, "notifications", limit="2", cursor=NOTE_CURSOR)
    assert [row["id"] for row in answer["data"]] == [18, 17]
    assert answer["data"][0] == {
        "id": 18,
        "notification_id": "n-18",
        "sent_at": "2026-01-05T10:00:00Z",
        "escalation_level": 0,
    }
    assert answer["pagination"] == {"limit": 2, "offset": 0, "has_more": True, "next_cursor": NOTE_CURSOR}
    [(statement, parameters)] = conn.executed
    assert "(sent_at, id) < (%s, %s) ORDER BY sent_at DESC, id DESC" in statement
    assert parameters == [NOW, 17, 3, 0]


@pytest.mark.parametrize(
    ("rows", "arguments", "total", "counted"),
    [
        (2, {}, 2, False),
        (2, {"offset": "5"}, 7, False),
        (0, {"offset": "5"}, 4, True),
        (3, {"limit": "2"}, 4, True),
        (3, {"limit": "2", "count": "none"}, None, False),
    ],
)
def test_the_total_is_counted_only_when_it_must_be(
    rows: int, arguments: dict[str, str], total: int | None, counted: bool
) -> None:
    conn = FakeConnection({"count(*)": [(4,)], "JOIN": [event_row()] * rows})
    assert listed(conn, **arguments)["pagination"].get("total") == total
    assert len(conn.executed) == 1 + counted
