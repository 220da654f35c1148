"""Pages that end where an answer would become too large: what PostgreSQL sends of them, and what goes into the answer.

A page's first statement takes along what is small as it is stored. Where a row is not, the page is read again by a
statement that adds up as it goes and ends early; PostgreSQL makes texts of no more rows than it has to.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from app.http.problems import Problem

T = TypeVar("T")

# A number of jsonb takes 16 bytes and becomes 402 characters: what is stored as it is grows no more than this.
_MAX_GROWTH = 26
# Compressed values are mostly a tenth of their text; those of which this is not true end a page sooner or later.
_USUAL_RATIO = 10
# Of so many answers PostgreSQL may make the texts, to send one: the estimate by stored sizes may be that far off.
_READ_AHEAD = 2
# The members of a page beside its rows.
_FRAME_BYTES = 512

# Large pages that a worker makes at a time: each takes several times its answer of memory, so that is what bounds them
# all. The others wait, which is short: a page takes a fraction of a second.
_AT_ONCE = 4
_PATIENCE_SECONDS = 10.0
_room = threading.BoundedSemaphore(_AT_ONCE)


class LargeRowsError(Exception):
    """A page has rows that are not small: it is to be read with the statement for large ones."""


def page(read: Callable[[bool], T]) -> T:
    """The page that ``read`` gives: for small rows, or else for large ones, which it is told. Raises Problem 503."""
    try:
        return read(False)
    except LargeRowsError:
        with large_page():
            return read(True)


@contextlib.contextmanager
def large_page() -> Iterator[None]:
    """What fetches a page of large rows, and makes an answer of it, does so in here. Raises Problem 503.

    Before it has a connection: who waits here must keep none from others.
    """
    if not _room.acquire(timeout=_PATIENCE_SECONDS):
        raise Problem("service-unavailable", "too many large answers are being made - please retry")
    try:
        yield
    finally:
        _room.release()


def small_bytes(max_bytes: int, rows: int) -> int:
    """How large a row may be stored, that so many of them are not much larger than an answer may be."""
    return _READ_AHEAD * max_bytes // (_MAX_GROWTH * (rows + 1))


def is_small(documents: Sequence[str], texts: Sequence[str]) -> str:
    """A condition with one parameter, `small_bytes`: the columns, jsonb and text, may be sent without a second look."""
    plain = [f"pg_column_compression({c}) IS NULL" for c in documents]
    return " AND ".join([*plain, f"{_stored_bytes(documents, texts)} <= %s"])


def _stored_bytes(documents: Sequence[str], texts: Sequence[str]) -> str:
    # Neither of the two has to read a value that is stored apart from its row, nor to decompress one.
    sizes = [f"coalesce(pg_column_size({c}), 0)" for c in documents] + [
        f"coalesce(octet_length({c}), 0)" for c in texts
    ]
    return " + ".join(sizes)


def numbered(keys: str) -> str:
    """The rows of a statement, in its order, with their number ``n`` from 1, and ``found``, how many they are."""
    return f"SELECT *, row_number() OVER () AS n, count(*) OVER () AS found FROM ({keys}) AS picked"  # noqa: S608


def page_sql(rows: str, columns: Sequence[str], documents: Sequence[str], texts: Sequence[str]) -> str:
    """A statement that gives ``columns`` and ``found`` of the first rows that fit into an answer, of the first always.

    ``rows`` gives these columns and those of `numbered`. Its parameters are followed by `page_parameters`. A document
    (jsonb) comes as its text.
    """
    names = ", ".join([*columns, "n", "found"])
    read = ", ".join([*(f"{c}::text AS {c}" if c in documents else c for c in columns), "n", "found"])
    reckoned = " + ".join(
        [
            *(
                f"coalesce(pg_column_size({c}), 0)::bigint "
                f"* CASE WHEN pg_column_compression({c}) IS NULL THEN 1 ELSE {_USUAL_RATIO} END"
                for c in documents
            ),
            *(f"coalesce(octet_length({c}), 0)" for c in texts),
        ]
    )
    exact = " + ".join(f"coalesce(octet_length({c}), 0)" for c in (*documents, *texts))
    # OFFSET 0 keeps each text from being made more than once. In the order of n all along, so that no row is sorted
    # with its texts, and those behind the end are not looked at.
    return f"""
        SELECT {", ".join(columns)}, found FROM (
            SELECT {names}, sum({exact}) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) AS written FROM (
                SELECT {read} FROM (
                    SELECT {names}, sum({reckoned}) OVER (ORDER BY n ROWS UNBOUNDED PRECEDING) AS reckoned
                    FROM ({rows}) AS rows
                ) AS estimated WHERE n = 1 OR reckoned <= %s ORDER BY n OFFSET 0
            ) AS made
        ) AS counted WHERE n = 1 OR written <= %s ORDER BY n"""  # noqa: S608 - put together from the callers' constants


def page_parameters(max_bytes: int) -> tuple[int, int]:
    """The last parameters of `page_sql`."""
    return _READ_AHEAD * max_bytes, max_bytes


def fitting(rows: Sequence[bytes], max_bytes: int) -> int:
    """How many of the rows of an answer, from the first on, it may hold; one at least, if there are any."""
    left = max_bytes - _FRAME_BYTES
    for count, row in enumerate(rows):
        left -= len(row) + 1
        if left < 0:
            return max(count, 1)
    return len(rows)
