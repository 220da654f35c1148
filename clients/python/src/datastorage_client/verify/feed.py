"""The records of a log in its order, a page at a time, up to the size of a checkpoint. Nothing of it is trusted."""

from __future__ import annotations

import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, TypeVar
from urllib.parse import urlencode

import msgspec
from datastorage_common.records import EVENT, NOTIFICATION

from datastorage_client.problems import CURSOR, DataStorageError, InternalError, ProblemError
from datastorage_client.transport import AnswerTooLargeError
from datastorage_client.verify.errors import FeedError
from datastorage_client.verify.newest import PAUSE_S, STALE_TRIES
from datastorage_client.verify.steps import JSON, Fetch

T = TypeVar("T")
FEED = "/api/v1/audit/feed"
ACT = "act"
# Of larger pages PostgreSQL reads more rows twice: what is in them is then too much to be sent without a second look.
_MOST_RECORDS = 500
# More than a service gives by its own limit. Of one that gives more, fewer records are asked for at a time.
_MAX_PAGE_BYTES = 64 * 1024 * 1024
_FEWER = 10
# As many as can be asked for.
_MAX_ITEMS = 1000
_NOT_THERE = "the service has no feed of its records"
_LIMITED = "the service does not say where records are in the log: has this reader limits?"
# What a kept cursor may be answered with: it is no cursor here, or it is of another log.
_OTHER_CURSOR = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.GONE})


class NoFeedError(DataStorageError):
    """The service does not give this reader the records in the order of the log."""


class _Placed(msgspec.Struct):
    log_index: int | None = None


# Ends at the first item too many. The length of a list is looked at when all of it is made, 20 million items of 64 MiB.
_Items = msgspec.defstruct(
    "_Items",
    [(f"item_{n}", msgspec.Raw, None) for n in range(_MAX_ITEMS)],
    array_like=True,
    forbid_unknown_fields=True,
)


class _Answer(msgspec.Struct):
    events: _Items  # type: ignore[valid-type]
    next: Annotated[str, msgspec.Meta(pattern=CURSOR)]
    caught_up: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Of the feed: its items as they came, the cursor behind them, and whether the end is reached."""

    events: list[msgspec.Raw]
    next: str
    caught_up: bool
    asked: int  # for how many


_answers = msgspec.json.Decoder(_Answer)
_placed = msgspec.json.Decoder(_Placed)


class Feed:
    """The records of the entries from ``start`` on, below ``size``. While one page is looked at, the next one comes.

    ``next``: the cursor behind all that was given; by it another run goes on.
    """

    def __init__(self, fetch: Fetch, size: int, start: int = 0, after: str | None = None) -> None:
        """Asks for the first page. ``after``: a kept cursor, behind the entries below ``start``; where the service does
        not take it, ``start`` is 0. Raises NoFeedError, DataStorageError.
        """
        self.start = start
        self.next = after
        self._fetch = fetch
        self._size = size
        self._most = _MOST_RECORDS
        self._first: Page | None = None
        if start == size:
            return
        try:
            self._first = self._ask(start, after)
        except ProblemError as e:
            if after is not None and e.status in _OTHER_CURSOR:
                self.start, self.next = 0, None
                self._first = self._ask(0, None)
            elif e.status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                raise NoFeedError(_NOT_THERE) from None
            else:
                raise
        if self._first.events and not _is_placed(self._first.events[0]):
            raise NoFeedError(_LIMITED)

    def records(self) -> Generator[tuple[int, bytes]]:
        """The index and the JSON of each record; indexes rise, and those without a record are left out.

        Raises FeedError, DataStorageError.
        """
        at, page, early = self.start, self._first, 0
        with ThreadPoolExecutor(1) as pool:
            while at < self._size:
                assert page is not None  # noqa: S101 - there is more
                places, wrong = _places(page, at, self._size)
                if places:
                    at = places[-1] + 1
                elif wrong is None and page.caught_up:
                    early += 1
                    if early == STALE_TRIES:
                        raise FeedError(at, f"the service says that no record follows, of {self._size} entries")
                    # A standby may be a moment behind.
                    time.sleep(PAUSE_S)
                elif wrong is None and page.next == self.next:
                    wrong = FeedError(at, "the service gives the same page of records again and again")
                elif wrong is None:
                    # All that it passes over has no record: acts alone are left out.
                    at += page.asked
                self.next = page.next
                following = None if wrong or at >= self._size else pool.submit(self._ask, at, page.next)
                yield from zip(places, map(bytes, page.events), strict=False)
                if wrong is not None:
                    raise wrong
                if following is not None:
                    page = following.result()

    def _ask(self, at: int, after: str | None) -> Page:
        """Raises FeedError where it is no page; DataStorageError."""
        asked = min(self._most, self._size - at)
        while True:
            query = {"kinds": f"{EVENT},{NOTIFICATION},{ACT}", "salts": "true", "limit": str(asked)}
            if after is not None:
                query["after"] = after
            try:
                return read_page(self._fetch(f"{FEED}?{urlencode(query, safe=',')}", JSON, _MAX_PAGE_BYTES), asked)
            except AnswerTooLargeError:
                if asked == 1:
                    raise
                self._most = max(1, asked // _FEWER)
            except InternalError as e:
                # One that is not as any could be stored may keep the others back.
                if asked == 1:
                    raise FeedError(at, f"the service cannot give its record: {e}") from None
            except msgspec.DecodeError as e:
                raise FeedError(at, f"a page of records cannot be read: {e}") from None
            asked = max(1, asked // _FEWER)


def read_page(answer: bytes, asked: int) -> Page:
    """The page in an answer about so many records. Raises msgspec.DecodeError."""
    read = _decoded(_answers, answer)
    items = [item for item in msgspec.structs.astuple(read.events) if item is not None]
    return Page(items, read.next, read.caught_up, asked)


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes | msgspec.Raw) -> T:
    """What it reads in a text. Raises msgspec.DecodeError, whatever it is that cannot be read."""
    try:
        return decoder.decode(text)
    except UnicodeDecodeError:
        raise msgspec.DecodeError("not UTF-8") from None
    except RecursionError:
        raise msgspec.DecodeError("nested too deeply") from None


def _places(page: Page, at: int, size: int) -> tuple[list[int], FeedError | None]:
    """Where the records of a page are, as far as they are in order; and what is wrong with the one behind them."""
    places: list[int] = []
    for item in page.events:
        try:
            index = _decoded(_placed, item).log_index
        except msgspec.DecodeError as e:
            return places, FeedError(at, f"a record cannot be read: {e}")
        if index is None:
            return places, FeedError(at, "the service gives a record that it cannot say the place of")
        if index < at:
            return places, FeedError(at, f"the service gives the record of entry {index} again, or out of its order")
        if index >= size or len(places) == page.asked:
            return places, FeedError(at, "the service gives more records than it was asked for")
        places.append(index)
        at = index + 1
    return places, None


def _is_placed(item: msgspec.Raw) -> bool:
    """Whether it says where it is; what cannot be read is told later."""
    try:
        return _decoded(_placed, item).log_index is not None
    except msgspec.DecodeError:
        return True
