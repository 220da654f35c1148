"""Every record held against its entry, by a feed that can lie."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datastorage_client import DataStorageClient
from datastorage_client.problems import InternalError, ProblemError, UnavailableError
from datastorage_client.transport import AnswerTooLargeError
from datastorage_client.verify import LogWrongError, Verifier, feed
from datastorage_client.verify.feed import FEED
from datastorage_client.verify.steps import Fetch
from datastorage_client.verify.tiles import Tiles
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.trust import Trust
from datastorage_client.verify.whole import Whole, check_whole

from tests.unit.client.cli.support import ROW
from tests.unit.client.verify.log_server import DAY, KEY, Log, serving
from tests.unit.client.verify.test_tree import fetch_from

TRUST = Trust((KEY.verifier,))
Lie = Callable[[dict[str, Any]], None]


@pytest.fixture(autouse=True)
def _small_pages_and_no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_MOST_RECORDS", 100)
    monkeypatch.setattr(feed, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def log() -> Log:
    """300 events, a notification, an event of an id that was used the day before, and an act, which is the last."""
    log = Log(300)
    log.put_notification(ROW, "notifier")
    log.put_event(str(uuid.UUID(int=8)), day="2026-01-06")
    log.put_act(str(uuid.UUID(int=1000)))
    log.sign()
    return log


def whole(log: Log, fetch: Fetch | None = None, follow: Path | None = None) -> Whole:
    fetch = fetch or fetch_from(log)
    return check_whole(fetch, Tree(Tiles(fetch), TRUST.check(log.note())), follow=follow)


def first(log: Log, fetch: Fetch | None = None) -> str:
    return str(whole(log, fetch).first)


def asked_pages(log: Log) -> int:
    return log.asked.count(FEED)


def test_every_record_is_compared(log: Log) -> None:
    found = whole(log)
    assert (found.first, found.compared, found.not_compared, asked_pages(log)) == (None, 303, None, 4)
    assert found.kinds == {"audit_event": 301, "notification": 1, "intake_finished": 1}


def test_the_feed_is_followed_no_further_than_the_checkpoint(log: Log) -> None:
    for _ in range(250):
        log.put_event()
    note = log.note()
    log.sign()
    log.changes["/api/v1/log/checkpoint"] = lambda now: note
    fetch = fetch_from(log)
    limits: list[str] = []

    def noted(path: str, accept: str, max_bytes: int | None = None, /) -> bytes:
        if path.startswith(FEED):
            limits.append(path.partition("limit=")[2].partition("&")[0])
        return fetch(path, accept, max_bytes)

    found = check_whole(noted, Tree(Tiles(fetch), TRUST.check(note)))
    assert (found.first, found.compared, limits) == (None, 303, ["100", "100", "100", "3"])


def edit(at: int, before: str, after: str) -> Lie:
    """Another text in the record of an entry."""

    def lie(page: dict[str, Any]) -> None:
        for i, item in enumerate(page["events"]):
            if json.loads(item)["log_index"] == at:
                assert before in item
                page["events"][i] = item.replace(before, after)

    return lie


EVENT_7, EVENT_9 = (f"audit_event {uuid.UUID(int=n)}" for n in (8, 10))
ACT = f"intake_finished {uuid.UUID(int=1000)}"


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (edit(9, '"prod"', '"dev"'), f"{EVENT_9}, entry 9: its content does not give its digest"),
        (edit(9, "1.50", "1.51"), f"{EVENT_9}, entry 9: its content does not give its digest"),
        (edit(9, '"digest": "', '"digest": "00'), f"{EVENT_9}, entry 9: its digest was changed"),
        (edit(9, '"recorded_by": "gateway"', '"recorded_by": null'), f"{EVENT_9}, entry 9: a column outside its"),
        (edit(9, '"salt": "00', '"salt": "01'), f"{EVENT_9}, entry 9: a column outside its"),
        (edit(9, f'"salt": "{bytes(range(16)).hex()}"', '"salt": null'), f"{EVENT_9}, entry 9: its salt is not there"),
        (edit(9, '"salt"', '"more"'), f"{EVENT_9}, entry 9: it cannot be read: a member of it is missing"),
        (edit(9, '"actor_id"', '"actor_id": "x", "actor_id"'), f"{EVENT_9}, entry 9: it cannot be read: duplicate key"),
        (edit(9, "567890}", "567890e999999}"), f"{EVENT_9}, entry 9: it has a number that no record can have"),
        (
            edit(9, str(uuid.UUID(int=10)), str(uuid.UUID(int=11))),
            f"{EVENT_9}, entry 9: the service gives the audit_event {uuid.UUID(int=11)} of {DAY} for it",
        ),
        (edit(301, '"2026-01-06"', '"2026-01-05"'), f"{EVENT_7}, entry 301: the service gives the audit_event"),
        (edit(9, '"kind": "audit_event"', '"kind": "act"'), f"{EVENT_9}, entry 9: it cannot be read"),
        (edit(9, '"kind": "audit_event"', '"kind": []'), f"{EVENT_9}, entry 9: it cannot be read"),
        (edit(300, '"ops@example.com"', '"x"'), "notification 42, entry 300: its content does not give its digest"),
        (edit(300, '"notifier"', "null"), "notification 42, entry 300: a column outside its digest was changed"),
        (edit(300, '"id": 42', '"id": 43'), "notification 42, entry 300: the service gives the notification 43 for it"),
        (edit(302, '"owner"', '"other"'), f"{ACT}, entry 302: its content does not give its digest"),
        (edit(302, '"intake_finished"', '"purge"'), f"{ACT}, entry 302: its content does not give its digest"),
    ],
)  # fmt: skip
def test_a_record_that_differs_is_named(log: Log, lie: Lie, says: str) -> None:
    log.turn = lie
    found = whole(log)
    assert says in str(found.first)
    assert (found.faults.total(), found.compared) == (1, 303)


def test_the_first_is_named_and_all_are_counted(log: Log) -> None:
    def lie(page: dict[str, Any]) -> None:
        page["events"] = [item.replace('"prod"', '"dev"') for item in page["events"]]

    log.turn = lie
    found = whole(log)
    assert (found.faults, str(found.first).partition(",")[0]) == ({"content": 301}, f"audit_event {uuid.UUID(int=1)}")
    with serving(log) as url, DataStorageClient(url, retry_for=0) as client:
        with pytest.raises(
            LogWrongError, match=r"entry 0: its content .*; wrong in all: 301 \(content 301\)"
        ) as caught:
            Verifier(str(KEY.verifier)).whole_log(client)
        assert caught.value.found.faults == {"content": 301}
        log.turn = lambda page: None
        assert Verifier(str(KEY.verifier)).whole_log(client).compared == 303
        assert Verifier(str(KEY.verifier)).whole_log(client, records=False).compared == 0


def test_a_record_that_was_removed_is_named(log: Log) -> None:
    del log.events[str(uuid.UUID(int=10))]
    del log.records[302]
    found = whole(log)
    assert (found.faults, str(found.first)) == (
        {"no row": 1, "feed": 1},
        f"{EVENT_9}, entry 9: there is no such record",
    )
    # What was left out at the end: the service says that nothing follows.
    assert str(found.wrong[1]).startswith(f"{ACT}, entry 302: the service says that no record follows, of 303 entries")


def test_acts_that_are_left_out_are_passed_over(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page may be empty where all that it would have is gone."""
    monkeypatch.setattr(feed, "_MOST_RECORDS", 1)
    for index in (50, 51, 52):
        del log.records[index]
    found = whole(log)
    assert (found.faults, found.compared) == ({"no row": 3}, 303)
    assert [each.index for each in found.wrong] == [50, 51, 52]


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


@pytest.mark.parametrize("answer", [404, 403])
def test_where_there_is_no_feed_that_is_said(log: Log, answer: int) -> None:
    found = whole(log, answering(log, ProblemError(answer, {})))
    assert (found.first, found.compared, found.not_compared) == (None, 0, "the service has no feed of its records")


def test_a_reader_with_limits_compares_nothing(log: Log) -> None:
    def lie(page: dict[str, Any]) -> None:
        page["events"] = [item.replace('"log_index": ', '"log_index": null, "x": ') for item in page["events"]]

    log.turn = lie
    found = whole(log)
    assert (found.well, found.compared) == (True, 0)
    assert "does not say where records are" in str(found.not_compared)


def answering(log: Log, error: Exception, after: int = 0, least: int = 0) -> Fetch:
    """As a service that fails so, behind the first pages of the feed, where more than ``least`` records are wanted."""
    fetch, pages = fetch_from(log), iter(range(10**9))

    def ask(path: str, accept: str, max_bytes: int | None = None, /) -> bytes:
        limit = int(path.partition("limit=")[2].partition("&")[0] or 0)
        if path.startswith(FEED) and next(pages) >= after and limit > least:
            raise error
        return fetch(path, accept, max_bytes)

    return ask


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize(
    "error", [UnavailableError(503, {}), ProblemError(410, {"type": "https://kubernaut.ai/problems/feed-restarted"})]
)
def test_a_feed_that_is_away_is_no_finding(log: Log, error: ProblemError, after: int) -> None:
    with pytest.raises(ProblemError) as caught:
        whole(log, answering(log, error, after))
    assert caught.value is error
    # But what is wrong is told first.
    log.changes["/api/v1/log/tile/entries/000"] = lambda data: data.replace(b"2026-01-05", b"2026-01-07")
    assert whole(log, answering(log, error, after)).faults == {"tree": 1}


def test_a_page_that_is_too_large_is_asked_for_in_parts(log: Log) -> None:
    found = whole(log, answering(log, AnswerTooLargeError("large"), least=10))
    assert (found.first, found.compared) == (None, 303)
    with pytest.raises(AnswerTooLargeError):
        whole(log, answering(log, AnswerTooLargeError("large")))


def test_a_record_that_the_service_cannot_read_is_named(log: Log) -> None:
    fetch = fetch_from(log)

    def ask(path: str, accept: str, max_bytes: int | None = None, /) -> bytes:
        answer = fetch(path, accept, max_bytes)
        if path.startswith(FEED) and b'"log_index": 250' in answer:
            raise InternalError(500, {"title": "Internal Server Error"})
        return answer

    found = whole(log, ask)
    assert found.faults == {"feed": 1}
    assert f"audit_event {uuid.UUID(int=251)}, entry 250: the service cannot give its record" in str(found.first)
    assert found.compared == 250


def test_a_later_run_goes_on_where_all_was_well(log: Log, tmp_path: Path) -> None:
    assert whole(log, follow=tmp_path).compared == 303
    for _ in range(20):
        log.put_event()
    log.sign()
    log.asked.clear()
    found = whole(log, follow=tmp_path)
    assert (found.compared, found.compared_before, asked_pages(log)) == (20, 303, 1)
    found = whole(log, follow=tmp_path)
    assert (found.compared, found.compared_before) == (0, 323)
    # Where something is wrong, it goes on from there the next time too.
    log.put_event()
    log.sign()
    log.turn = edit(323, '"prod"', '"dev"')
    for _ in range(2):
        found = whole(log, follow=tmp_path)
        assert (found.compared, found.faults) == (1, {"content": 1})


@pytest.mark.parametrize("status", [400, 410])
def test_a_kept_cursor_that_is_refused_is_forgotten(log: Log, tmp_path: Path, status: int) -> None:
    assert whole(log, follow=tmp_path).well
    log.put_event()
    log.sign()
    fetch, refused = fetch_from(log), []

    def ask(path: str, accept: str, max_bytes: int | None = None, /) -> bytes:
        if "after=303" in path:
            refused.append(path)
            raise ProblemError(status, {})
        return fetch(path, accept, max_bytes)

    found = whole(log, ask, tmp_path)
    assert (found.compared, found.compared_before, len(refused)) == (304, 0, 1)


def test_what_is_kept_and_cannot_be_read_is_no_cursor(log: Log, tmp_path: Path) -> None:
    assert whole(log, follow=tmp_path).well
    [kept] = (tmp_path / "compared").iterdir()
    for content in (b"", b"9999\n5\n", b"x\n5\n", b"5\n\n"):
        kept.write_bytes(content)
        assert whole(log, follow=tmp_path).compared == 303


def test_records_of_a_bundle_that_is_wrong_are_not_compared(log: Log) -> None:
    log.changes["/api/v1/log/tile/entries/000"] = lambda data: data[:-1]
    found = whole(log)
    assert (found.faults, found.compared) == ({"tree": 1}, 47)


def test_an_empty_log_has_no_records() -> None:
    found = whole(Log())
    assert (found.first, found.compared) == (None, 0)
