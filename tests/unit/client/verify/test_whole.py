"""Every record held against its entry: how far, by whom, and what is remembered."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from datastorage_client import DataStorageClient
from datastorage_client.problems import InternalError, ProblemError, UnavailableError
from datastorage_client.transport import AnswerTooLargeError
from datastorage_client.verify import LogWrongError, Verifier, feed
from datastorage_client.verify.feed import FEED
from datastorage_client.verify.tiles import Tiles
from datastorage_client.verify.tree import Tree
from datastorage_client.verify.whole import check_whole

from tests.unit.client.verify.feed_support import ACT, EVENT_9, TRUST, answering, asked_pages, edit, whole
from tests.unit.client.verify.log_server import KEY, Log, serving
from tests.unit.client.verify.test_tree import fetch_from

pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.fixture
def log(all_kinds: Log) -> Log:
    return all_kinds


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


def test_a_later_run_whose_feed_cannot_be_read_names_where_it_would_have_gone_on(log: Log, tmp_path: Path) -> None:
    assert whole(log, follow=tmp_path).well
    log.put_event()
    log.sign()
    log.turn = lambda page: page.update(next=7)
    found = whole(log, follow=tmp_path)
    assert found.first is not None
    assert (found.first.kind, found.first.index, found.compared) == ("feed", 303, 0)


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
