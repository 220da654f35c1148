"""Pages that end where an answer would become too large: what PostgreSQL sends of them.

A page's first statement takes along what is small as it is stored. Where a row is not, the page is read again by a
statement that adds up as it goes and ends early; PostgreSQL makes texts of no more rows than it has to.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.postgres.statements import statements

_SQL = statements("pages")

# A number of jsonb takes 16 bytes and becomes 402 characters: what is stored as it is grows no more than this.
_MAX_GROWTH = 26
# Compressed values are mostly a tenth of their text; those of which this is not true end a page sooner or later.
_USUAL_RATIO = 10
# Of so many answers PostgreSQL may make the texts, to send one: the estimate by stored sizes may be that far off.
_READ_AHEAD = 2
# The members of a page beside its rows.
_FRAME_BYTES = 512


class LargeRowsError(Exception):
    """A page has rows that are not small: it is to be read with the statement for large ones."""


def small_bytes(max_bytes: int, rows: int) -> int:
    """How large a row may be stored, that so many of them are not much larger than an answer may be."""
    return _READ_AHEAD * max_bytes // (_MAX_GROWTH * (rows + 1))


def is_small(documents: Sequence[str], texts: Sequence[str]) -> str:
    """A condition with one parameter, `small_bytes`: the columns, jsonb and text, may be sent without a second look."""
    plain = [f"pg_column_compression({c}) IS NULL" for c in documents]
    # Neither of the two has to read a value that is stored apart from its row, nor to decompress one.
    sizes = [*(f"coalesce(pg_column_size({c}), 0)" for c in documents), *map(_text_bytes, texts)]
    return " AND ".join([*plain, f"{' + '.join(sizes)} <= %s"])


def _text_bytes(column: str) -> str:
    return f"coalesce(octet_length({column}), 0)"


def numbered(keys: str) -> str:
    """The rows of a statement, in its order, with their number ``n`` from 1, and ``found``, how many they are."""
    return _SQL["numbered"].format(keys=keys)


def page_sql(rows: str, columns: Sequence[str], documents: Sequence[str], texts: Sequence[str]) -> str:
    """A statement that gives ``columns`` and ``found`` of the first rows that fit into an answer, of the first always.

    ``rows`` gives these columns and those of `numbered`. Its parameters are followed by `page_parameters`. A document
    (jsonb) comes as its text.
    """
    estimate = [
        f"coalesce(pg_column_size({c}), 0)::bigint "
        f"* CASE WHEN pg_column_compression({c}) IS NULL THEN 1 ELSE {_USUAL_RATIO} END"
        for c in documents
    ]
    return _SQL["fitting_rows"].format(
        rows=rows,
        columns=", ".join(columns),
        names=", ".join([*columns, "n", "found"]),
        texts=", ".join([*(f"{c}::text AS {c}" if c in documents else c for c in columns), "n", "found"]),
        estimate=" + ".join([*estimate, *map(_text_bytes, texts)]),
        exact=" + ".join(map(_text_bytes, (*documents, *texts))),
    )


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
