"""A feed that does not give the records in the order of the log has an end, and is told."""

from __future__ import annotations

import tracemalloc
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from datastorage_client.verify import feed

from tests.unit.client.verify.feed_support import Lie, asked_pages, whole
from tests.unit.client.verify.log_server import Log

pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.fixture
def log(all_kinds: Log) -> Log:
    return all_kinds


def page_of(number: int) -> Callable[[Lie], Lie]:
    """A lie about one page of a hundred."""

    def only(lie: Lie) -> Lie:
        def told(page: dict[str, Any]) -> None:
            if page["next"] == str(100 * (number + 1)):
                lie(page)

        return told

    return only


def repeats(page: dict[str, Any]) -> None:
    page["events"][5] = page["events"][4]


def mixes(page: dict[str, Any]) -> None:
    page["events"][4:6] = page["events"][5:3:-1]


def drops(page: dict[str, Any]) -> None:
    del page["events"][5:8]


def stays(page: dict[str, Any]) -> None:
    page["next"] = "100"


def stays_empty(page: dict[str, Any]) -> None:
    page.update(events=[], next="100")


def ends(page: dict[str, Any]) -> None:
    page.update(events=page["events"][:5], next="105", caught_up=True)


def adds(page: dict[str, Any]) -> None:
    page["events"].append(page["events"][-1].replace('"log_index": 199', '"log_index": 200'))


def hides_places(page: dict[str, Any]) -> None:
    page["events"][5] = page["events"][5].replace('"log_index": 105', '"log_index": null')


def breaks(page: dict[str, Any]) -> None:
    page["next"] = 7


def long_cursor(page: dict[str, Any]) -> None:
    page["next"] = "1" * 2000


def foreign_cursor(page: dict[str, Any]) -> None:
    page["next"] = "200\r\nX: y"


def far_too_many(page: dict[str, Any]) -> None:
    page["events"] += ["{}"] * 1000


def nests(page: dict[str, Any]) -> None:
    page["events"][5] = page["events"][5].replace("1.50", "[" * 100_000 + "]" * 100_000)


def nests_elsewhere(page: dict[str, Any]) -> None:
    page["events"][0] = page["events"][0].replace('"log_index"', f'"more": {"[" * 1500 + "]" * 1500}, "log_index"')


def text_place(page: dict[str, Any]) -> None:
    page["events"][5] = page["events"][5].replace('"log_index": 105', '"log_index": "105"')


@pytest.mark.parametrize(
    ("lie", "kind", "at", "says"),
    [
        (repeats, "feed", 105, "the service gives the record of entry 104 again, or out of its order"),
        (mixes, "no row", 104, "there is no such record"),
        (drops, "no row", 105, "there is no such record"),
        (stays, "feed", 200, "the service gives the record of entry 100 again"),
        (stays_empty, "feed", 100, "the service gives the same page of records again and again"),
        (ends, "feed", 105, "the service says that no record follows, of 303 entries"),
        (adds, "feed", 200, "the service gives more records than it was asked for"),
        (hides_places, "feed", 105, "the service gives a record that it cannot say the place of"),
        (breaks, "feed", 100, "a page of records cannot be read"),
        (long_cursor, "feed", 100, "a page of records cannot be read"),
        (foreign_cursor, "feed", 100, "a page of records cannot be read"),
        (far_too_many, "feed", 100, "a page of records cannot be read: Expected `array` of at most length 1000"),
        (nests, "feed", 100, "a page of records cannot be read: nested too deeply"),
        (nests_elsewhere, "feed", 100, "a page of records cannot be read: nested too deeply"),
        (text_place, "feed", 105, "a record cannot be read"),
    ],
)
def test_a_feed_that_lies_about_its_order_has_an_end(log: Log, lie: Lie, kind: str, at: int, says: str) -> None:
    def turn(page: dict[str, Any]) -> None:
        page_of(1)(lie)(page)
        if lie is ends and page["next"] == "205":  # and so it stays
            page.update(events=[], next="105", caught_up=True)

    log.turn = turn
    found = whole(log)
    fault = found.first
    assert fault is not None
    assert (fault.kind, fault.index, fault.record) == (kind, at, ("audit_event", str(uuid.UUID(int=at + 1))))
    assert says in fault.text
    assert asked_pages(log) <= 8
    if kind == "feed":
        assert fault.text.endswith("; the records from here on are not compared")
        assert found.compared == at


@pytest.mark.parametrize("text", [b"[" * 300_000, b'{"x":' + b"[" * 300_000, b'{"x":' * 300_000])
def test_a_first_page_that_nests_is_none(log: Log, text: bytes) -> None:
    log.changes[feed.FEED] = lambda page: text
    found = whole(log)
    assert (found.faults, found.not_compared) == ({"feed": 1}, None)
    assert found.first is not None
    assert "a page of records cannot be read" in found.first.text


@pytest.mark.parametrize("nesting", [900, 1500])
def test_a_place_that_is_hidden_in_depth_is_told(nesting: int) -> None:
    item = msgspec.Raw(b'{"a":' + b"[" * nesting + b"]" * nesting + b', "log_index": null}')
    page = feed.Page([item], "1", caught_up=False, asked=1)
    places, wrong = feed._places(page, 0, 1)
    assert (places, wrong is None) == ([], False)
    assert feed._is_placed(item) == (nesting == 1500)


def test_of_many_items_none_is_made() -> None:
    """The list of them would have 56 bytes for each, and more for what it points to."""
    text = b'{"events":[' + b"{}," * 300_000 + b'{}],"next":"1","caught_up":true}'
    tracemalloc.start()
    try:
        with pytest.raises(msgspec.DecodeError, match="at most length 1000"):
            feed.read_page(text, 500)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1_000_000


def test_a_page_has_as_many_items_as_can_be_asked_for() -> None:
    text = b'{"events":[' + b"{}," * 999 + b'{"a": 1}],"next":"1","caught_up":true}'
    items = feed.read_page(text, 1000).events
    assert (len(items), bytes(items[0]), bytes(items[-1])) == (1000, b"{}", b'{"a": 1}')


def test_empty_pages_without_end_have_one(log: Log) -> None:
    """Each with another cursor."""
    numbers = iter(range(10**9))

    def lie(page: dict[str, Any]) -> None:
        page.update(events=[], next=str(next(numbers) % 200), caught_up=False)

    log.turn = lie
    found = whole(log)
    assert (found.faults, asked_pages(log)) == ({"no row": 303}, 4)


def test_a_feed_that_is_behind_for_a_moment_is_asked_again(log: Log) -> None:
    tries = iter(range(10))

    def lie(page: dict[str, Any]) -> None:
        if page["next"] == "200" and next(tries) < 2:
            page.update(events=[], next="100", caught_up=True)

    log.turn = lie
    assert (whole(log).first, next(tries)) == (None, 3)
