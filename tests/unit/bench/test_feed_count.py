"""The campaign's count of the feed: what consumers have kept, against a log and its tables."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bench.campaign import load
from bench.campaign.feed_count import Feed, FeedCount
from bench.campaign.follower import Line, line_of

RNG = random.Random(1)
SEVERITIES = ("critical", "info", "warning", "critical", "critical", "info")
EVERYTHING = {"kinds": "audit_event,notification,act"}
CRITICAL = {"severity": "critical"}


def _note(number: int) -> dict[str, Any]:
    return {**dict.fromkeys(load.NOTIFICATION_COLUMNS, "text"), "sent_at": "2026-01-01T00:00:00Z", "id": str(number)}


EVENTS = [load.event(RNG, severity=severity) for severity in SEVERITIES]
# Their order in the log: an act and a notification between the events.
RECORDS: list[tuple[str, Any]] = [
    *(("audit_event", event) for event in EVENTS[:2]),
    ("new_origin", {"act_id": "a"}),
    ("notification", _note(7)),
    *(("audit_event", event) for event in EVENTS[2:]),
]
LOG = [(kind, r.get("event_id") or r.get("act_id") or r["id"]) for kind, r in RECORDS]
FEED = Feed(LOG, [(kind, record) for kind, record in RECORDS if kind != "new_origin"])


def _line(place: int) -> Line:
    kind, record = RECORDS[place]
    return line_of({**record, "kind": "act" if kind == "new_origin" else kind, "log_index": place})


def _lines(*places: int) -> list[Line]:
    return [_line(place) for place in places]


def _begin(kept: int = -1) -> list[Line]:
    return [("run", kept)]


@pytest.mark.parametrize(("query", "places"), [(EVERYTHING, range(8)), ({}, (0, 1, 4, 5, 6, 7)), (CRITICAL, (0, 5, 6))])
def test_who_got_all_that_was_asked_for_got_nothing_wrong(query: dict[str, str], places: Any) -> None:
    assert FEED.count([*_begin(), *_lines(*places)], query) == FeedCount(items=len(places))


def test_what_comes_again_from_the_cursor_on_is_repeated_and_right() -> None:
    lines = [*_begin(), *_lines(0, 1, 2, 3), *_begin(1), *_begin(1), *_lines(2, 3, 4, 5), *_begin(5), *_lines(6, 7)]
    assert FEED.count(lines, EVERYTHING) == FeedCount(items=10, repeated=2)
    lines = [*_begin(), *_lines(0, 5), *_begin(0), *_lines(5, 6), *_begin(6)]
    assert FEED.count(lines, CRITICAL) == FeedCount(items=4, repeated=1)


@pytest.mark.parametrize(
    ("places", "told"),
    [
        ((0, 1, 2, 4, 5, 6, 7), "4 came where 3 follows"),
        ((1, 2, 3, 4, 5, 6, 7), "1 came where 0 follows"),
    ],
)
def test_a_hole_is_missing_and_out_of_order(places: tuple[int, ...], told: str) -> None:
    found = FEED.count([*_begin(), *_lines(*places)], EVERYTHING)
    assert (found.missing, found.out_of_order) == (1, 1)
    assert told in found.faults


def test_the_end_that_never_came_is_missing() -> None:
    found = FEED.count([*_begin(), *_lines(0, 1, 2, 3, 4, 5)], EVERYTHING)
    assert found == FeedCount(
        items=6, missing=2, faults=["what has the place 6 never came", "what has the place 7 never came"]
    )


def test_what_comes_late_is_out_of_order_and_not_missing() -> None:
    found = FEED.count([*_begin(), *_lines(0, 1, 3, 2, 4, 5, 6, 7)], EVERYTHING)
    assert (found.missing, found.out_of_order, found.repeated) == (0, 3, 0)


@pytest.mark.parametrize("kept", [0, 5])
def test_a_run_that_does_not_begin_behind_its_cursor_is_out_of_order(kept: int) -> None:
    found = FEED.count([*_begin(), *_lines(0, 1, 2, 3, 4, 5), *_begin(kept), *_lines(3, 4, 5, 6, 7)], EVERYTHING)
    assert (found.missing, found.out_of_order, found.repeated) == (0, 1, 3)


def test_the_same_again_within_a_run_is_out_of_order() -> None:
    found = FEED.count([*_begin(), *_lines(0, 1, 1, 2, 3, 4, 5, 6, 7)], EVERYTHING)
    assert (found.out_of_order, found.repeated) == (1, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        (*_line(4)[:3], "0123456789abcdef"),  # says something else
        (*_line(5)[:2], 4, _line(5)[3]),  # is another one than the log has there
        ("notification", *_line(4)[1:]),
        ("audit_event", "b", 8, ""),  # behind the end
        _line(2),  # was not asked for
        ("audit_event", _line(4)[1], 4, "removed"),
    ],
)
def test_what_is_not_in_the_log_there_is_strange(wrong: Line) -> None:
    found = FEED.count([*_begin(), *_lines(0, 1), wrong, *_lines(4, 5, 6, 7)], {})
    assert (found.items, found.strange, found.missing, found.out_of_order) == (7, 1, 0, 0)
    assert len(found.faults) == 1


def test_what_is_stored_and_has_no_place_is_missing() -> None:
    feed = Feed(LOG[:-1], [(kind, record) for kind, record in RECORDS if kind != "new_origin"])
    found = feed.count([*_begin(), *_lines(0, 1, 4, 5, 6)], {})
    assert found == FeedCount(items=5, missing=1, faults=[f"{EVENTS[-1]['event_id']}, which has no place never came"])
    assert feed.count([*_begin(), *_lines(0, 5, 6)], CRITICAL) == FeedCount(items=3)


def test_what_was_wrong_with_an_answer_is_told() -> None:
    found = FEED.count([*_begin(), *_lines(*range(8)), ("problem", "400 bad")], EVERYTHING)
    assert found == FeedCount(items=8, faults=["400 bad"])


def test_many_faults_are_told_by_their_number() -> None:
    feed = Feed([("act", str(n)) for n in range(100)], [])
    found = feed.count(_begin(), EVERYTHING)
    assert (found.missing, len(found.faults), found.faults[-1]) == (100, 6, "100 in all: missing …")


def test_counts_of_several_are_added() -> None:
    both = FeedCount(items=3, missing=1, faults=["a"])
    both.add(FeedCount(items=4, repeated=2, faults=["b"]))
    assert both == FeedCount(items=7, repeated=2, missing=1, faults=["a", "b"])
