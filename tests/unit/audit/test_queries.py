from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app.audit import filters, queries
from app.audit.filters import event_query, notification_query
from app.audit.queries import EVENT_MEMBERS, NOTIFICATION_MEMBERS
from app.http.problems import Problem
from app.postgres.lists import Cursor
from tests.unit.fakes import NOW, UUID_1, FakeConnection, FixedClock

MAX_BYTES = 8 * 1024**2
EVENT_CURSOR = Cursor(NOW, UUID_1).encode()
NOTE_CURSOR = Cursor(NOW, "17").encode()


def raw_cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


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


# --- parameters ---------------------------------------------------------------------------------------------


def test_defaults() -> None:
    query = event_query({}, NOW)
    assert query == queries.Query((), (), limit=50, offset=0, cursor=None, count=True)


@pytest.mark.parametrize("name", filters.EVENT_FILTERS)
def test_filters_are_exact_and_parameters(name: str) -> None:
    query = event_query({name: "x' OR 1=1"}, NOW)
    assert query.conditions == (f"{name} = %s",)
    assert query.parameters == ("x' OR 1=1",)


def test_everything_at_once() -> None:
    arguments = {
        "correlation_id": "c",
        "event_outcome": "failure",
        "since": "24h",
        "until": "2026-01-05",
        "data": '{"a": 1.10}',
        "limit": "1000",
        "offset": "9223372036854775807",
        "count": "none",
        "unknown": "x",
    }
    query = event_query(arguments, NOW)
    since, until = datetime(2026, 1, 4, 10, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)
    assert dict(zip(query.conditions, query.parameters, strict=True)) == {
        "correlation_id = %s": "c",
        "event_outcome = %s": "failure",
        "event_timestamp >= %s": since,
        "event_timestamp <= %s": until,
        "event_date >= %s": since.date(),
        "event_date <= %s": until.date(),
        "event_data @> %s::jsonb": '{"a":1.10}',
    }
    assert (query.limit, query.offset, query.count) == (1000, 2**63 - 1, False)


def test_the_first_of_a_repeated_parameter_counts() -> None:
    query = event_query(MultiDict([("severity", "a"), ("severity", "b"), ("limit", "1"), ("limit", "x")]), NOW)
    assert (query.parameters, query.limit) == (("a",), 1)


LIMIT, OFFSET = "must be an integer from 1 to 1000", "must be an integer of at least 0"
NO_TIME = "invalid time format: use 24h, 7d, an RFC 3339 time or YYYY-MM-DD"
UNSTORABLE = "holds a character that cannot be stored"
WRONG = [
    *(
        ("limit", v, LIMIT)
        for v in ("0", "1001", "-1", "x", "", "1.0", "1.5", " 5", "٣", "٥", "²", "9" * 30, "1e2", "a\0b")
    ),
    *(("offset", v, OFFSET) for v in ("-1", "x", "", "1.0", "9223372036854775808", "9" * 5000, "a\0b")),
    *(("count", v, "must be one of: exact, none") for v in ("", "Exact", "1", "some", "a\0b")),
    *(
        (name, v, NO_TIME)
        for name in ("since", "until")
        for v in (
            *("", "x", "-1", "soon", "-1h", "-24h", "24", "h", "1x", "h1", "1h 30m", "1e3h", "٢h", "∞d", "nan", "inf"),
            *("yesterday", "2026-13-01", "2026-02-30", "2026-01-05T10:00", "2026-01-05T25:00:00Z"),
            *("0001-01-01T00:00:00+01:00", "99999999999d", "9" * 400 + "d"),
        )
    ),
    *((name, "a\0b", UNSTORABLE) for name in ("since", "until")),
    ("since", "24h\0", UNSTORABLE),
]
KEPT_NOWHERE = "holds something that cannot be stored"
WRONG_FOR_EVENTS = [
    *(("event_outcome", v, "must be one of: success, failure, pending") for v in ("Failure", "nope", "ok", "")),
    *((name, "a\0b", UNSTORABLE) for name in filters.EVENT_FILTERS),
    *(
        ("data", v, "must be a JSON object")
        for v in ("", "[]", "5", "{", "null", '"\udcff"', '{"a":1,"a":1}', '{"a":NaN}', "[" * 100_000, "a\0b")
    ),
    *(
        ("data", v, KEPT_NOWHERE)
        for v in (
            *('{"a": "\\u0000"}', '{"a":"\\ud800"}', '{"a": 1e401}', '{"a":1e131071}'),
            *('{"a":' * 33 + "{}" + "}" * 33, '{"a":' * 40 + "1" + "}" * 40),
        )
    ),
]
WRONG_FOR_NOTIFICATIONS = [
    *(("channel", v, "must be one of: email, slack, pagerduty, webhook, sms, teams") for v in ("fax", "", "x", "-1")),
    *(("status", v, "must be one of: sent, failed, pending, acknowledged, escalated") for v in ("Sent", "", "x", "-1")),
    *((name, "a\0b", UNSTORABLE) for name in ("remediation_id", "channel", "status")),
]
GROWING = '{"a": [' + ",".join(["1e400"] * 700) + "]}"
WRONG_FOR_EVENTS.append(("data", GROWING, "holds too many numbers with large exponents"))
NO_CURSOR = "is not a cursor of this service"
MOMENT = "2026-01-05T10:00:00Z"
BAD_CURSORS = [
    *("", "x", "-1", "\0", "a\0b", "!!!!", "AAAA", "xxxxx", "ä", "é", "W10", "e30"),
    *map(raw_cursor, ([], {}, 5, None, [MOMENT], [1, 2, 3], {"a": 1, "b": 2}, [MOMENT, UUID_1, 1], [UUID_1, MOMENT])),
    *map(raw_cursor, (["2026", UUID_1], ["2026-01-05", UUID_1], [MOMENT[:-1], UUID_1], [1, UUID_1])),
    *(raw_cursor([MOMENT, v]) for v in (5, None, "", "x", "²", "-1", "1.5", "9" * 19, UUID_1 + "\0", "1; DROP TABLE")),
    *(
        text
        for cursor in (EVENT_CURSOR, NOTE_CURSOR)
        for text in (cursor[:-2], cursor[2:], cursor + "!", "!" + cursor, cursor + "\n", cursor * 2)
    ),
]


def check_refused(read: Any, name: str, value: str, message: str) -> None:
    with pytest.raises(Problem) as e:
        read({name: value}, NOW)
    assert e.value.kind.slug == "validation-error"
    assert e.value.members["field_errors"] == {name: message}
    assert e.value.detail == f"{name}: {message}"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    WRONG + WRONG_FOR_EVENTS + [("cursor", c, NO_CURSOR) for c in [*BAD_CURSORS, NOTE_CURSOR]],
)
def test_wrong_parameters_of_events(name: str, value: str, message: str) -> None:
    check_refused(event_query, name, value, message)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    WRONG + WRONG_FOR_NOTIFICATIONS + [("cursor", c, NO_CURSOR) for c in [*BAD_CURSORS, EVENT_CURSOR]],
)
def test_wrong_parameters_of_notifications(name: str, value: str, message: str) -> None:
    check_refused(notification_query, name, value, message)


def test_all_wrong_parameters_are_named() -> None:
    with pytest.raises(Problem) as e:
        event_query({"limit": "x", "since": "y", "event_outcome": "z", "count": "w"}, NOW)
    assert e.value.members["field_errors"].keys() == {"limit", "since", "event_outcome", "count"}
    assert "invalid time format" in e.value.detail


@pytest.mark.parametrize(("read", "cursor"), [(event_query, EVENT_CURSOR), (notification_query, NOTE_CURSOR)])
def test_a_cursor_excludes_offset_and_total(read: Any, cursor: str) -> None:
    with pytest.raises(Problem, match="cursor: excludes offset"):
        read({"cursor": cursor, "offset": "0"}, NOW)
    query = read({"cursor": cursor, "count": "exact"}, NOW)
    assert query.cursor is not None
    assert not query.count


@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.just(UTC)), st.uuids())
def test_cursors_come_back(moment: datetime, ident: UUID) -> None:
    cursor = Cursor(moment, str(ident))
    assert Cursor.decode(cursor.encode()) == cursor
    assert cursor.encode() == urlencode({"": cursor.encode()})[1:], "needs no escaping in a URL"


@given(st.text(max_size=40) | st.binary(max_size=40).map(lambda b: base64.urlsafe_b64encode(b).decode()))
def test_any_text_is_a_cursor_or_not(text: str) -> None:
    assert Cursor.decode(text) is None or isinstance(Cursor.decode(text), Cursor)


@given(st.dictionaries(st.sampled_from(["data", "cursor", "limit", "offset", "since", "until", "severity"]), st.text()))
def test_whatever_is_asked_is_a_query_or_a_400(arguments: dict[str, str]) -> None:
    for read in (event_query, notification_query):
        with contextlib.suppress(Problem):
            query = read(arguments, NOW)
            assert len(query.conditions) == len(query.parameters)


# --- statements ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [{}, {"severity": "a"}, {"since": "1h", "until": "1h", "data": "{}"}, {"cursor": EVENT_CURSOR, "namespace": "n"}],
)
def test_every_parameter_has_its_place(arguments: dict[str, str]) -> None:
    statement, parameters = queries.event_page_sql(event_query(arguments, NOW), MAX_BYTES)
    assert statement.count("%s") == len(parameters)
    assert statement.index("LIMIT") < statement.index("JOIN"), "rows are picked before they are read"
    assert statement.endswith("ORDER BY e.event_timestamp DESC, e.event_id DESC")


def test_a_page_asks_for_one_row_more() -> None:
    statement, parameters = queries.event_page_sql(event_query({"limit": "7", "offset": "21"}, NOW), MAX_BYTES)
    assert "ORDER BY event_timestamp DESC, event_id DESC LIMIT %s OFFSET %s" in statement
    assert parameters[2:] == [8, 21]


def test_a_cursor_is_a_keyset_condition() -> None:
    statement, parameters = queries.event_page_sql(
        event_query({"severity": "a", "cursor": EVENT_CURSOR}, NOW), MAX_BYTES
    )
    assert "WHERE severity = %s AND (event_timestamp, event_id) < (%s, %s) AND event_date <= %s ORDER" in statement
    assert parameters[2:] == ["a", NOW, UUID(UUID_1), NOW.date(), 51, 0]


# --- answers ------------------------------------------------------------------------------------------------


def listed(conn: FakeConnection, kind: str = "events", **arguments: str) -> dict[str, Any]:
    if kind == "events":
        return json.loads(queries.list_events(conn, event_query(arguments, NOW), MAX_BYTES))  # type: ignore[arg-type]
    return json.loads(queries.list_notifications(conn, notification_query(arguments, NOW), MAX_BYTES))  # type: ignore[arg-type]


def test_an_event_has_every_column() -> None:
    conn = FakeConnection({"FROM audit_events e": [event_row()]})
    raw = queries.get_event(conn, UUID(UUID_1))  # type: ignore[arg-type]
    assert raw is not None
    assert b'"event_data":{"a": 1.10}' in raw, "digits as stored"
    row = json.loads(raw)
    assert tuple(row) == EVENT_MEMBERS
    assert (row["event_timestamp"], row["recorded_at"]) == ("2026-01-05T10:00:00Z", "2026-01-05T10:00:00.000005Z")
    assert (row["event_id"], row["event_date"], row["namespace"]) == (UUID_1, "2026-01-05", None)
    assert queries.get_event(FakeConnection(), UUID(UUID_1)) is None  # type: ignore[arg-type]


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


def test_times_count_back_from_the_clock() -> None:
    assert event_query({"since": "0s"}, FixedClock().now()).parameters == (NOW, NOW.date())
