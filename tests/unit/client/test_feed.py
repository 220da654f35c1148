"""Following the feed: what is asked for, when it is asked again, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Callable
from itertools import islice
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from datastorage_client import (
    AsyncDataStorageClient,
    Backoff,
    ConnectionFailedError,
    DataStorageClient,
    FeedExpiredError,
    FeedPage,
    FeedRestartedError,
    NotFoundError,
    UnavailableError,
    UnexpectedAnswerError,
    ValidationError,
)
from datastorage_client import feed as feed_module
from datastorage_client.elements import elements
from datastorage_client.feed import AsyncFeedFollower, FeedFollower
from datastorage_client.models import (
    FeedAct,
    FeedEvent,
    FeedNotification,
    FeedRemovedEvent,
    FeedRemovedNotification,
)
from datastorage_client.transport import AnswerTooLargeError

from app.http.problems import Problem
from tests.support import wait_until
from tests.unit.client.feed_service import (
    FeedService,
    act,
    event,
    notification,
    page,
    removed_event,
    removed_notification,
)
from tests.unit.fakes import HOUR
from tests.unit.stub_service import Canned, busy, json_answer

BROKEN = Canned(0)
EMPTY = page([], "0")


def refused(slug: str, **members: Any) -> Canned:
    made = Problem(slug, "no", members=members)
    headers = (("Content-Type", "application/problem+json"), *made.headers.items())
    return Canned(made.kind.status, made.body("https://kubernaut.ai/problems", "/x"), headers)


class Both:
    """Pages of either client, so many of them: what holds for one holds for the other."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def follow(self, url: str, pages: int, *, client: dict[str, Any] | None = None, **asked: Any) -> list[FeedPage]:
        options = {"retry_for": HOUR, **(client or {})}
        if self.kind == "sync":
            with DataStorageClient(url, **options) as made:
                return list(islice(made.follow_feed(**asked), pages))

        async def run() -> list[FeedPage]:
            async with AsyncDataStorageClient(url, **options) as made:
                follower = made.follow_feed(**asked)
                return [await anext(follower) for _ in range(pages)]

        return asyncio.run(run())

    def read(self, url: str, **asked: Any) -> FeedPage:
        if self.kind == "sync":
            with DataStorageClient(url, retry_for=HOUR) as made:
                return made.read_feed(**asked)

        async def run() -> FeedPage:
            async with AsyncDataStorageClient(url, retry_for=HOUR) as made:
                return await made.read_feed(**asked)

        return asyncio.run(run())


@pytest.fixture(params=["sync", "async"])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.param)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between requests, which take no time: the clock stands but for them. Of the jitter the whole comes."""
    made: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout:
                made.append(timeout)
            return self.is_set()

    async def stopped_within(self: AsyncFeedFollower, seconds: float) -> bool:
        if seconds:
            made.append(seconds)
        return self._stop.is_set()

    monkeypatch.setattr(feed_module, "Stop", Stop)
    monkeypatch.setattr(AsyncFeedFollower, "_stopped_within", stopped_within)
    monkeypatch.setattr(feed_module, "time", SimpleNamespace(monotonic=lambda: sum(made)))
    monkeypatch.setattr(feed_module, "Backoff", lambda: Backoff(random=lambda: 1.0))
    return made


def indexes(pages: list[FeedPage]) -> list[int | None]:
    return [item.log_index for page in pages for item in page.events]


def test_pages_come_one_after_the_other_each_item_once(both: Both) -> None:
    with FeedService([event(i) for i in range(5)]) as service:
        pages = both.follow(service.url, 3, limit=2)
        assert indexes(pages) == [0, 1, 2, 3, 4]
        assert [(page.next, page.caught_up) for page in pages] == [("2", False), ("4", False), ("5", True)]
        assert [query.get("after") for query in service.feed_queries()] == [None, "2", "4"]
        assert {(query["limit"], query["wait"], query["kinds"]) for query in service.feed_queries()} == {
            ("2", "20", "audit_event")
        }


def test_every_kind_of_item_has_its_type(both: Both) -> None:
    items = [event(0), removed_event(1), notification(2), removed_notification(3), act(4)]
    with FeedService(items) as service:
        found = both.read(service.url, kinds=["audit_event", "notification", "act"], salts=True)
        kinds = [FeedEvent, FeedRemovedEvent, FeedNotification, FeedRemovedNotification, FeedAct]
        assert [type(item) for item in found.events] == kinds
        assert indexes([found]) == [0, 1, 2, 3, 4]
        first, _, noted, _, done = found.events
        assert isinstance(first, FeedEvent)
        assert first.event_data.to_dict() == {"number": 0}
        assert isinstance(noted, FeedNotification)
        assert noted.salt == "cd" * 16
        assert isinstance(done, FeedAct)
        assert done.details.to_dict() == {"reason": "restored"}
        [query] = service.feed_queries()
        assert (query["kinds"], query["salts"], query["wait"]) == ("audit_event,notification,act", "true", "0")


EXACT = b"123456789012345678901234567890.10"


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(b'{"events":[%s],"next":"1","caught_up":true}', id="as the service writes it"),
        pytest.param(
            b' { "caught_up" : true ,\n"next" :"1", "more" : {"events" : [ 1.0 ]}, "events":[\n%s ]\n} ',
            id="as it may",
        ),
    ],
)
def test_items_are_there_as_they_were_sent_with_every_digit(both: Both, between: bytes) -> None:
    made = json.dumps({**event(0), "event_data": {"x": 17}}, separators=(",", ":"), ensure_ascii=False).encode()
    first = made.replace(b"17", EXACT + b',"y":"\\u00e9 \xc3\xa9 \\"]} ","z":1E400,"n":[[],{},-0.0]')
    second = json.dumps(removed_event(1), indent=1).encode()
    for items in ([], [first], [first, second]):
        with FeedService() as service:
            service.script.append(Canned(200, between % b", ".join(items), (("Content-Type", "application/json"),)))
            found = both.read(service.url)
            assert found.raw_events() == items
            assert len(found.events) == len(items)


def test_a_page_of_somebody_else_has_no_raw_items() -> None:
    made = FeedPage(events=[], next="1", caught_up=True)
    assert made.raw_events() == []
    assert "body" not in repr(made)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"events"', b'{"events":', b'{"events":[', b'{"events":[1', b'{"a":1;']
)
def test_what_is_no_object_has_no_elements(body: bytes) -> None:
    with pytest.raises(ValueError):
        elements(body, "events")


def test_an_item_of_a_reader_with_limits_has_no_place(both: Both) -> None:
    with FeedService([{**event(0), "log_index": None}]) as service:
        [item] = both.read(service.url).events
        assert isinstance(item, FeedEvent)
        assert item.log_index is None


def test_filters_and_a_cursor_are_those_of_the_call(both: Both) -> None:
    with FeedService([event(0)]) as service:
        service.script += [page([], "6", caught_up=False), page([], "8")]
        both.follow(service.url, 2, after="5", wait=30, event_outcome="failure", data={"a": 1}, since="24h", limit=1000)
        [first, second] = service.feed_queries()
        wanted = {"event_outcome": "failure", "data": '{"a": 1}', "since": "24h", "limit": "1000", "wait": "30"}
        same = {**wanted, "kinds": "audit_event", "salts": "false"}
        assert first == {**same, "after": "5"}
        assert second == {**same, "after": "6"}


def test_what_is_no_filter_is_a_mistake_of_the_caller(both: Both) -> None:
    with FeedService() as service, pytest.raises(TypeError, match="unexpected keyword argument 'event_typ'"):
        both.follow(service.url, 1, event_typ="x")
    assert service.requests == []


def test_a_page_is_read_again_as_other_reads_are(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Backoff.wait
    monkeypatch.setattr(Backoff, "wait", lambda self, n, after=None: wait(Backoff(0.001, 0.001), n, after))
    with FeedService([event(0)]) as service:
        service.script += [busy(), BROKEN]
        assert indexes([both.read(service.url, after="0")]) == [0]
        assert [query["after"] for query in service.feed_queries()] == ["0"] * 3


@pytest.mark.parametrize(
    ("first", "wait", "pause"),
    [
        pytest.param(page([], "0"), 20, [1.25], id="it did not wait, as where the worker stops"),
        pytest.param(page([], "0", Retry_After="1"), 20, [1.25], id="it has too many who wait"),
        pytest.param(page([], "0", Retry_After="7"), 20, [7.25], id="it says how long"),
        pytest.param(page([], "0", Retry_After="0"), 20, [1.25], id="it says no time"),
        pytest.param(page([], "0"), 0, [1.25], id="it was not asked to wait"),
        pytest.param(page([], "7", caught_up=False), 20, [], id="a filter let nothing through, and more follows"),
        pytest.param(page([event(0)], "1"), 20, [], id="something came"),
        pytest.param(page([event(0)], "1", Retry_After="2"), 20, [2.25], id="something came, and it says how long"),
    ],
)
def test_an_answer_at_once_is_not_asked_for_at_once(
    both: Both, waits: list[float], first: Canned, wait: int, pause: list[float]
) -> None:
    with FeedService() as service:
        service.script += [first, page([event(8)], "9")]
        both.follow(service.url, 2, after="0", wait=wait)
        assert waits == pause


def test_pages_that_go_round_are_not_asked_for_at_once(both: Both, waits: list[float]) -> None:
    with FeedService() as service:
        service.script += [page([], cursor, caught_up=False) for cursor in "ababa"] + [page([event(8)], "9")]
        both.follow(service.url, 6, after="0")
        assert [query["after"] for query in service.feed_queries()] == ["0", *"ababa"]
        assert waits == [1.25] * 3
        # Behind an item it is another round.
        waits.clear()
        service.script += [page([], cursor, caught_up=False) for cursor in "ab"] + [page([event(8)], "9")] * 2
        both.follow(service.url, 3, after="0")
        assert waits == []


def test_empty_pages_that_do_not_end_are_not_asked_for_at_once(waits: list[float]) -> None:
    course = feed_module.Course(feed_module.FeedQuery.of(20, {}), "0", HOUR)
    request = httpx.Request("GET", "http://localhost/api/v1/audit/feed")

    def paused(cursor: int, caught_up: bool = False) -> bool:
        members = {"events": [], "next": str(cursor), "caught_up": caught_up}
        course.answered(httpx.Response(200, json=members, request=request), 0.0)
        waits.append(course.pause())  # and so the time is over
        return waits[-1] > 0

    assert [n for n in range(1, 1004) if paused(n)] == [1001, 1002, 1003]
    assert [paused(2000, caught_up=True), paused(2001)] == [True, False]


NO_CURSORS = ["", "a b", "a/b", "\u00e9", "1\r\nX: y", "1\n", "x" * 513, 5, None, ["1"]]


@pytest.mark.parametrize("cursor", NO_CURSORS)
def test_a_page_without_a_usable_cursor_is_none(both: Both, waits: list[float], cursor: Any) -> None:
    members = {"events": [event(0)], "next": cursor, "caught_up": False}
    with FeedService() as service:
        for ask in (lambda: both.follow(service.url, 1, after="0"), lambda: both.read(service.url, after="0")):
            service.script.append(json_answer(200, members))
            with pytest.raises(UnexpectedAnswerError, match=r"has no usable cursor$"):
                ask()
        assert len(service.requests) == 2
        assert waits == []


@pytest.mark.parametrize("cursor", ["-", "x" * 512, "aZ09_-"])
def test_a_cursor_is_taken_as_it_is(both: Both, cursor: str) -> None:
    with FeedService() as service:
        service.script.append(page([event(0)], cursor))
        assert both.read(service.url).next == cursor


@pytest.mark.parametrize(
    "answer",
    [page([event(0)], "7"), page([event(0)], "7", caught_up=False), page([], "7", caught_up=False)],
    ids=["an item, at the end", "an item", "none"],
)
def test_a_page_that_leads_to_itself_is_none(both: Both, waits: list[float], answer: Canned) -> None:
    with FeedService() as service:
        for ask in (lambda: both.follow(service.url, 2, after="7"), lambda: both.read(service.url, after="7")):
            service.script.append(answer)
            with pytest.raises(UnexpectedAnswerError, match=r"leads to itself$"):
                ask()
        assert len(service.requests) == 2


def test_after_a_wait_for_nothing_it_is_asked_at_once() -> None:
    course = feed_module.Course(feed_module.FeedQuery.of(20, {}), "0", HOUR)
    with FeedService() as service, DataStorageClient(service.url) as client:
        service.script.append(EMPTY)
        answer = client._http.get("/api/v1/audit/feed")
        course.answered(answer, 20.1)
        assert course.pause() == 0
        course.answered(answer, 19.9)
        assert course.pause() > 0.9


FAULTS = [BROKEN, busy(retry_after="2"), refused("rate-limit-exceeded"), Canned(502, b"<html>"), Canned(504)]


def test_faults_are_waited_out_and_nothing_is_missed_or_doubled(
    both: Both, waits: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    with FeedService([event(i) for i in range(4)]) as service:
        service.script += [None, *FAULTS, None]
        with caplog.at_level(logging.INFO, "datastorage_client.feed"):
            assert indexes(both.follow(service.url, 2, limit=2)) == [0, 1, 2, 3]
        assert [query.get("after") for query in service.feed_queries()] == [None] + ["2"] * 6
        # 0.25 s doubled, and what the service says on top.
        assert waits == pytest.approx([0.25, 2 + 0.5, 1 + 1.0, 2.0, 4.0])
        assert [record.message.split(":")[0] for record in caplog.records] == [
            "the feed does not answer, and is asked again",
            "the feed answers again",
        ]


def test_waits_have_a_longest_and_begin_anew_after_an_answer(both: Both, waits: list[float]) -> None:
    with FeedService([event(0), event(1)]) as service:
        service.script += [*[BROKEN] * 9, None, BROKEN, None]
        both.follow(service.url, 2, limit=1)
        assert waits == pytest.approx([0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 0.25])


def test_it_gives_up_as_the_client_does(both: Both, waits: list[float]) -> None:
    with FeedService([event(0)]) as service:
        service.script += [busy(retry_after="0")] * 9
        with pytest.raises(UnavailableError):
            both.follow(service.url, 1, client={"retry_for": 2})
        assert waits == pytest.approx([0.25, 0.5, 1])
        waits.clear()
        with pytest.raises(UnavailableError):
            both.follow(service.url, 1, retry_for=0.3)
        assert waits == [0.25]


def test_after_an_error_the_same_page_can_be_asked_for_again() -> None:
    with FeedService([event(0), event(1)]) as service, DataStorageClient(service.url) as client:
        service.script += [None, busy(), BROKEN, None]
        follower = client.follow_feed(limit=1, retry_for=0)
        assert indexes([next(follower)]) == [0]
        with pytest.raises(UnavailableError):
            next(follower)
        with pytest.raises(ConnectionFailedError):
            next(follower)
        assert follower.after == "1"
        assert indexes([next(follower)]) == [1]
        assert follower.after == "2"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused("feed-restarted", next="c-2"), FeedRestartedError),
        (refused("feed-expired", next="c-2"), FeedExpiredError),
    ],
)
def test_a_cursor_that_leads_nowhere_says_where_to_go_on(
    both: Both, waits: list[float], answer: Canned, error: type[FeedRestartedError | FeedExpiredError]
) -> None:
    with FeedService() as service:
        service.script.append(answer)
        with pytest.raises(error) as e:
            both.follow(service.url, 1, after="c-1")
        assert (e.value.status, e.value.next) == (410, "c-2")
        assert len(service.requests) == 1
        assert waits == []


@pytest.mark.parametrize("kind", [FeedRestartedError, FeedExpiredError])
def test_a_410_without_a_usable_cursor_has_none(kind: type[FeedRestartedError | FeedExpiredError]) -> None:
    assert kind(410, {}).next is None
    assert {kind(410, {"next": cursor}).next for cursor in NO_CURSORS} == {None}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused("validation-error", field_errors={"after": "is no cursor"}), ValidationError),
        (refused("not-found"), NotFoundError),
        (json_answer(200, {"events": [], "caught_up": True}), UnexpectedAnswerError),
        (json_answer(200, {"events": [], "next": "1", "caught_up": "no"}), UnexpectedAnswerError),
        (json_answer(200, {"events": [{"kind": "new"}], "next": "1", "caught_up": True}), UnexpectedAnswerError),
        (page([event(i) for i in range(200)], "200"), AnswerTooLargeError),
    ],
)
def test_what_does_not_pass_by_itself_is_raised_at_once(
    both: Both, waits: list[float], answer: Canned, error: type[Exception]
) -> None:
    with FeedService() as service:
        service.script.append(answer)
        with pytest.raises(error):
            both.follow(service.url, 1, client={"max_answer_bytes": 65536})
        assert len(service.requests) == 1
        assert waits == []


LIMIT_S = 0.3


def test_the_wait_comes_on_top_of_the_timeout_of_the_client(both: Both) -> None:
    with FeedService() as service:
        # Longer than the timeout, shorter than that and the wait.
        timer = threading.Timer(3 * LIMIT_S, service.add, [event(0)])
        timer.start()
        assert indexes(both.follow(service.url, 1, client={"timeout": LIMIT_S, "retry_for": 0}, wait=30)) == [0]
        timer.join()


def test_an_answer_that_does_not_come_has_a_deadline_all_the_same(both: Both) -> None:
    class Silent(FeedService):
        def _route(self, request: Any) -> Canned:
            request.query["wait"] = str(HOUR)
            return super()._route(request)

    with Silent() as service, pytest.raises(ConnectionFailedError, match=r"no whole answer within 1.3 s$"):
        both.follow(service.url, 1, client={"timeout": LIMIT_S, "retry_for": 0}, wait=1)


End = Callable[[FeedFollower, threading.Event], None]
ENDS: list[End] = [lambda follower, stop: follower.close(), lambda follower, stop: stop.set()]


@pytest.mark.parametrize("end", ENDS, ids=["close", "stop"])
@pytest.mark.parametrize("busy_for", [None, "3600"], ids=["waits for an answer", "waits to ask again"])
def test_it_ends_when_asked_also_while_it_waits(end: End, busy_for: str | None) -> None:
    given: list[FeedPage] = []
    stop = threading.Event()
    with FeedService() as service, DataStorageClient(service.url, timeout=HOUR) as client:
        if busy_for:
            service.script.append(busy(retry_after=busy_for))
        follower = client.follow_feed(wait=30, stop=stop, retry_for=2 * HOUR)
        thread = threading.Thread(target=lambda: given.extend(follower))
        thread.start()
        wait_until(lambda: service.requests if busy_for else service.waiting, what="the request")
        end(follower, stop)
        thread.join(20)
        # Sooner than the answer, which comes after 30 s, or the time to ask again.
        assert not thread.is_alive()
        assert given == []
        assert list(follower) == []
        assert len(service.requests) == 1


@pytest.mark.parametrize("way", ["close", "stop", "cancel"])
@pytest.mark.parametrize("busy_for", [None, "3600"], ids=["waits for an answer", "waits to ask again"])
def test_for_asyncio_it_ends_when_asked(way: str, busy_for: str | None) -> None:
    async def run(service: FeedService) -> None:
        stop = asyncio.Event()
        async with AsyncDataStorageClient(service.url, timeout=HOUR) as client:
            follower = client.follow_feed(wait=30, stop=stop, retry_for=2 * HOUR)

            async def all_pages() -> list[FeedPage]:
                return [page async for page in follower]

            task = asyncio.create_task(all_pages())
            while not (service.requests if busy_for else service.waiting):
                await asyncio.sleep(0.02)
            {"close": follower.close, "stop": stop.set, "cancel": task.cancel}[way]()
            done, _ = await asyncio.wait({task}, timeout=20)
            assert done
            assert task.cancelled() if way == "cancel" else task.result() == []
            assert len(service.requests) == 1
            assert len(asyncio.all_tasks()) == 1, "nothing is left behind"

    with FeedService() as service:
        if busy_for:
            service.script.append(busy(retry_after=busy_for))
        asyncio.run(run(service))


def test_one_that_is_ended_before_asks_for_nothing(both: Both) -> None:
    with FeedService([event(0)]) as service:
        stop: Any = threading.Event() if both.kind == "sync" else asyncio.Event()
        stop.set()
        with pytest.raises(StopAsyncIteration) if both.kind == "async" else contextlib.nullcontext():
            assert both.follow(service.url, 1, stop=stop) == []
        assert service.requests == []


def test_what_comes_while_the_service_waits_is_given(both: Both) -> None:
    with FeedService([event(0)]) as service:
        timer = threading.Thread(target=lambda: (wait_until(lambda: service.waiting), service.add(event(1))))
        timer.start()
        assert indexes(both.follow(service.url, 1, after="1", wait=30)) == [1]
        timer.join()
