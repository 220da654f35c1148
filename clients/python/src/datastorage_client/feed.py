"""Following the feed: which page comes next, and when it is asked for."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self, cast

import httpx

from datastorage_client._generated.models import (
    UNSET,
    AuditFeed,
    FeedAct,
    FeedEvent,
    FeedNotification,
    FeedRemovedEvent,
    FeedRemovedNotification,
)
from datastorage_client._generated.operations import get_audit_feed
from datastorage_client.arguments import EventFilters, event_filters, understood
from datastorage_client.asking import Repeat, waiting
from datastorage_client.elements import elements
from datastorage_client.problems import DataStorageError, ProblemError, cursor, retry_after
from datastorage_client.retry import Backoff
from datastorage_client.transport import AnswerTooLargeError, UnexpectedAnswerError, address, may_pass

# Below the minute after which many proxies end a request that nothing comes of.
DEFAULT_FEED_WAIT_S = 20
# Between two requests, where there was nothing and the service did not wait.
_PAUSE_S = 1.0
# So many pages without an item, one after the other, come at full speed: of 50,000 entries each.
_MOST_EMPTY = 1000
_OWN = ("limit", "kinds", "salts")
_log = logging.getLogger(__name__)

FeedItem = FeedEvent | FeedNotification | FeedAct | FeedRemovedEvent | FeedRemovedNotification
Stop = threading.Event
AsyncStop = asyncio.Event


@dataclass(frozen=True, kw_only=True)
class FeedPage:
    """A page of the feed.

    events: what comes next, in the order of the log; tombstones among them are FeedRemovedEvent and
    FeedRemovedNotification. next: the cursor to go on from, to be kept once the page is handled. caught_up: whether the
    end of the feed is reached; an empty page alone does not say so. retry_after: seconds after which the service wants
    to be asked again, where it says so. body: the answer, JSON as it was sent.
    """

    events: list[FeedItem]
    next: str
    caught_up: bool
    retry_after: float | None = None
    body: bytes = field(default=b'{"events": []}', repr=False, compare=False)

    def raw_events(self) -> list[bytes]:
        """The JSON text of each of `events`, in the same order, byte for byte as it was sent.

        `events` have numbers as floats, which rounds them, and times as datetimes. Who has to have the digest of a
        record, or every digit, reads this.
        """
        return elements(self.body, "events")


class FeedOptions(EventFilters, total=False):
    """Filters of events, and ``limit``: how many items a page has at most (1 to 1000, by default 100).

    ``kinds``: ``audit_event`` (the default), ``notification`` and ``act``, as a list or joined by commas; others than
    the first go with no filter. ``salts``: whether records come with their salts.
    """

    limit: int
    kinds: str | Iterable[str]
    salts: bool


@dataclass(frozen=True, kw_only=True)
class FeedQuery:
    """What of a request for a page stays the same from page to page."""

    wait: int
    arguments: dict[str, Any]

    @classmethod
    def of(cls, wait: int, options: FeedOptions) -> Self:
        """The query of a client's arguments. Raises TypeError for what is no option."""
        own: dict[str, Any] = {name: options[name] for name in _OWN if name in options}  # type: ignore[literal-required]
        if "kinds" in own and not isinstance(own["kinds"], str):
            own["kinds"] = ",".join(own["kinds"])
        filters = cast("EventFilters", {name: value for name, value in options.items() if name not in _OWN})
        return cls(wait=wait, arguments={**own, "wait": wait, **event_filters(filters, "after", "wait", *_OWN)})

    def request(self, after: str | None, stop: Stop | None = None, *, once: bool = False) -> dict[str, Any]:
        """What httpx is asked for. ``once``: in one attempt, as the follower itself makes the next."""
        asked = get_audit_feed.request(after=UNSET if after is None else after, **self.arguments)
        repeat = Repeat.NEVER.extension if once else {}
        return {**asked, "extensions": {**waiting(self.wait, stop), **repeat}}


def feed_page(response: httpx.Response, after: str | None) -> FeedPage:
    """The page in an answer about what comes behind ``after``. Raises UnexpectedAnswerError."""
    answer = understood(get_audit_feed, response, AuditFeed)
    wait = retry_after(response.headers.get("Retry-After"), response.headers.get("Date"))
    if cursor(answer.next_) is None:
        raise UnexpectedAnswerError(f"{address(response.url)}: the page of the feed has no usable cursor")
    if not isinstance(answer.caught_up, bool):
        raise UnexpectedAnswerError(f"{address(response.url)}: the page of the feed does not say if it is the last")
    # Its items would come again and again.
    if answer.next_ == after and (answer.events or not answer.caught_up):
        raise UnexpectedAnswerError(f"{address(response.url)}: the page of the feed leads to itself")
    return FeedPage(
        events=answer.events,
        next=answer.next_,
        caught_up=answer.caught_up,
        retry_after=wait,
        body=response.content,
    )


class Course:
    """Where a follower is, and when it asks next. It waits for nothing itself."""

    def __init__(self, query: FeedQuery, after: str | None, retry_for: float) -> None:
        """``retry_for``: no attempt starts later than so many seconds after the first that failed."""
        self.query = query
        self.after = after
        self._retry_for = retry_for
        self._backoff = Backoff()
        self._failures = 0
        self._give_up_at = 0.0
        self._not_before = 0.0
        self._passed: set[str] = set()  # cursors of the pages without an item that came one after the other

    def pause(self) -> float:
        """Seconds until the next request may be sent."""
        return max(0.0, self._not_before - time.monotonic())

    def answered(self, answer: httpx.Response, seconds: float) -> FeedPage:
        """The page in an answer that came so many seconds after it was asked for. Raises UnexpectedAnswerError."""
        page = feed_page(answer, self.after)
        if self._failures:
            _log.info("the feed answers again")
        self._failures = 0
        if page.events or page.caught_up:
            self._passed.clear()
        stands = not page.events and (page.caught_up or self._goes_round(page.next))
        # The service did not wait for something to come: it was not asked to, stops, or has too many who wait.
        at_once = seconds < self.query.wait or self.query.wait <= 0
        if (stands and at_once) or page.retry_after:
            self._not_before = time.monotonic() + self._backoff.wait(1, page.retry_after or _PAUSE_S)
        self.after = page.next
        return page

    def _goes_round(self, following: str) -> bool:
        """Whether a page without an item leads to where one led before, or is one of very many."""
        if following in self._passed or len(self._passed) >= _MOST_EMPTY:
            return True
        self._passed.add(following)
        return False

    def failed(self, error: DataStorageError) -> None:
        """There was no page. Raises the error where the same request will not pass, or too much time has gone by."""
        now = time.monotonic()
        if not self._failures:
            self._give_up_at = now + self._retry_for
        self._failures += 1
        wait = self._backoff.wait(self._failures, error.retry_after if isinstance(error, ProblemError) else None)
        if not _again(error) or now + wait > self._give_up_at:
            self._failures = 0
            raise error
        if self._failures == 1:
            _log.warning("the feed does not answer, and is asked again: %s", error)
        self._not_before = now + wait


def _again(error: DataStorageError) -> bool:
    # The same page is as large the next time.
    return may_pass(error) and not isinstance(error, AnswerTooLargeError)


class FeedFollower:
    """The pages of a feed, one after the other, without end; made by `DataStorageClient.follow_feed`.

    One thread takes pages from it. `close`, from any thread, or the event ``stop`` of the call ends it, within a second
    also while it waits for an answer, for the next attempt, or for something to come. After an exception it may be
    asked for the same page again.
    """

    def __init__(self, http: httpx.Client, course: Course, stop: Stop | None) -> None:
        self._http = http
        self._course = course
        self._stop = stop or Stop()

    @property
    def after(self) -> str | None:
        """The cursor of the next request: of the page that was given last, handled or not."""
        return self._course.after

    def close(self) -> None:
        """End it: no page is given any more."""
        self._stop.set()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FeedPage:
        course = self._course
        while not self._stop.wait(course.pause()):
            begun = time.monotonic()
            try:
                answer = self._http.request(**course.query.request(course.after, self._stop, once=True))
            except DataStorageError as e:
                if not self._stop.is_set():
                    course.failed(e)
                continue
            return course.answered(answer, time.monotonic() - begun)
        raise StopIteration


class AsyncFeedFollower:
    """As `FeedFollower`, for asyncio: cancelling the task that waits for a page ends the waiting, too."""

    def __init__(self, http: httpx.AsyncClient, course: Course, stop: AsyncStop | None) -> None:
        self._http = http
        self._course = course
        self._stop = stop or AsyncStop()

    @property
    def after(self) -> str | None:
        """The cursor of the next request: of the page that was given last, handled or not."""
        return self._course.after

    def close(self) -> None:
        """End it: no page is given any more."""
        self._stop.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FeedPage:
        course = self._course
        while not await self._stopped_within(course.pause()):
            begun = time.monotonic()
            try:
                answer = await self._unless_stopped(course.query.request(course.after, once=True))
            except DataStorageError as e:
                course.failed(e)
                continue
            if answer is not None:
                return course.answered(answer, time.monotonic() - begun)
        raise StopAsyncIteration

    async def _stopped_within(self, seconds: float) -> bool:
        if seconds and not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), seconds)
            except TimeoutError:
                return False
        return self._stop.is_set()

    async def _unless_stopped(self, request: dict[str, Any]) -> httpx.Response | None:
        asked = asyncio.ensure_future(self._http.request(**request))
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait({asked, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return asked.result() if asked.done() else None
        finally:
            asked.cancel()
            stopped.cancel()
            await asyncio.gather(asked, stopped, return_exceptions=True)
