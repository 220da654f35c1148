"""The feed: records in the order of the log, from a cursor on. Nobody who follows it misses a record.

It ends where the log is signed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import orjson

from app.postgres.sessions import Connection
from app.transparency.log_reads import Keys
from app.transparency.log_view import LogView
from app.transparency.records_read import Wanted, read_records

# Given for a cursor: from the present end on.
END = "end"


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """What is asked for. ``after``: a cursor, `END`, or None for the beginning."""

    after: str | None
    limit: int
    wanted: Wanted
    max_bytes: int

    def from_cursor(self, after: str) -> FeedQuery:
        """The same from there on."""
        return replace(self, after=after)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Items as JSON, in the order of the log."""

    items: list[bytes]
    next: str
    caught_up: bool
    sensitive: list[str]  # the ids of those events in it that are marked so

    def body(self) -> bytes:
        """The answer."""
        said = {"next": self.next, "caught_up": self.caught_up}
        return orjson.dumps({"events": [orjson.Fragment(item) for item in self.items], **said})


def read_page(
    conn: Connection, query: FeedQuery, keys: Keys, monotonic: Callable[[], float], *, large: bool = False
) -> FeedPage:
    """The page behind the cursor.

    Raises NotACursorError, RestartedError, ExpiredError, StandsStillError; LogBrokenError; psycopg.Error;
    pages.LargeRowsError where it takes ``large``.
    """
    view = LogView(conn, keys, narrow=query.wanted.reads.narrow)
    if query.after is None:
        start = view.beginning()
    else:
        start = view.present() if query.after == END else view.place(query.after)
    if start.passed >= view.end:
        return FeedPage([], view.seal(start), True, [])
    read = read_records(
        conn, query.wanted, start.passed, view.end, query.limit, query.max_bytes, monotonic, large=large
    )
    return FeedPage(read.items, view.seal(view.behind(read.stop, start.origin)), read.stop >= view.end, read.sensitive)
