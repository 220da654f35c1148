"""What a list may be asked, what is wrong with a parameter, and which conditions the others make."""

from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app.audit import filters, queries
from app.audit.filters import event_query, notification_query
from app.auth.read_limits import EVERYTHING
from app.http.problems import Problem
from app.postgres.lists import Cursor
from tests.unit.fakes import NOW, UUID_1, FixedClock

EVENT_CURSOR = Cursor(NOW, UUID_1).encode()
NOTE_CURSOR = Cursor(NOW, "17").encode()


def raw_cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_defaults() -> None:
    query = event_query({}, NOW, EVERYTHING)
    assert query == queries.Query((), (), limit=50, offset=0, cursor=None, count=True, reads=EVERYTHING)


@pytest.mark.parametrize("name", filters.EVENT_FILTERS)
def test_filters_are_exact_and_parameters(name: str) -> None:
    query = event_query({name: "x' OR 1=1"}, NOW, EVERYTHING)
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
    query = event_query(arguments, NOW, EVERYTHING)
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
    query = event_query(
        MultiDict([("severity", "a"), ("severity", "b"), ("limit", "1"), ("limit", "x")]), NOW, EVERYTHING
    )
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
WRONG_FOR_EVENTS += [
    ("data", data, "holds arrays of more than 32 elements in all")
    for data in ('{"a": [' + ",".join(["[1]"] * 17) + "]}", '{"a": [{"b": [' + ",".join("1" * 32) + "]}]}")
]
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
        read({name: value}, NOW, EVERYTHING)
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
        event_query({"limit": "x", "since": "y", "event_outcome": "z", "count": "w"}, NOW, EVERYTHING)
    assert e.value.members["field_errors"].keys() == {"limit", "since", "event_outcome", "count"}
    assert "invalid time format" in e.value.detail


@pytest.mark.parametrize(("read", "cursor"), [(event_query, EVENT_CURSOR), (notification_query, NOTE_CURSOR)])
def test_a_cursor_excludes_offset_and_total(read: Any, cursor: str) -> None:
    with pytest.raises(Problem, match="cursor: excludes offset"):
        read({"cursor": cursor, "offset": "0"}, NOW, EVERYTHING)
    query = read({"cursor": cursor, "count": "exact"}, NOW, EVERYTHING)
    assert query.cursor is not None
    assert not query.count


@given(st.dictionaries(st.sampled_from(["data", "cursor", "limit", "offset", "since", "until", "severity"]), st.text()))
def test_whatever_is_asked_is_a_query_or_a_400(arguments: dict[str, str]) -> None:
    for read in (event_query, notification_query):
        with contextlib.suppress(Problem):
            query = read(arguments, NOW, EVERYTHING)
            assert len(query.conditions) == len(query.parameters)


def test_times_count_back_from_the_clock() -> None:
    assert event_query({"since": "0s"}, FixedClock().now(), EVERYTHING).parameters == (NOW, NOW.date())
