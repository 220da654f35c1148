"""Records as lines of CSV (RFC 4180) that no spreadsheet runs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from datastorage_common.times import rfc3339

from app.audit.shapes import EVENT_DATA, EVENT_MEMBERS, NOTIFICATION_MEMBERS, Row, Shape

# Spreadsheets run a cell that begins so; East Asian ones its full-width form too. The mark itself gets one as well, so
# that taking one away always gives the text back.
_MARK = "'"
_MARKED = frozenset({*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20", _MARK})
_TEXTS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: str,
    UUID: str,
    date: date.isoformat,
    datetime: rfc3339,
}
# Between cells that are looked at all at once. What a text has of it may make a row look special, which is slower.
_BETWEEN = "\x1f"
# Such a cell is in quotes. RFC 4180 asks for none around semicolons and tabs, and Python's csv writes none; but some
# spreadsheets part cells at them beside commas, and would run what stands behind one.
_QUOTED = re.compile('[",;\t\r\n]')
_SPECIAL = (*'",;\t\r\n', *(_BETWEEN + mark for mark in _MARKED))


def header(members: Sequence[str]) -> bytes:
    """The line that names the columns."""
    return _special_line(members)


def _cells(row: Row) -> list[str]:
    return ["" if v is None else v if v.__class__ is str else _TEXTS[v.__class__](v) for v in row]


def _is_plain(cells: list[str]) -> bool:
    """Whether no cell needs quotes or a mark."""
    looked_at = _BETWEEN + _BETWEEN.join(cells)
    return not any(map(looked_at.__contains__, _SPECIAL))


def _special_line(cells: Sequence[str]) -> bytes:
    """The line of any cells, with all that they need."""
    marked = (_MARK + cell if cell[:1] in _MARKED else cell for cell in cells)
    return (",".join(map(_in_quotes, marked)) + "\r\n").encode()


def _in_quotes(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell


def _event(row: Row, _: Mapping[str, Any]) -> bytes:
    cells = _cells(row)
    # Most rows need quotes around this one alone, and looking for that takes a tenth of writing cell by cell.
    data, cells[EVENT_DATA] = cells[EVENT_DATA], ""
    plain = _is_plain(cells)
    cells[EVENT_DATA] = data
    if not plain:
        return _special_line(cells)
    cells[EVENT_DATA] = _in_quotes(data)
    return (",".join(cells) + "\r\n").encode()


def _notification(row: Row, _: Mapping[str, Any]) -> bytes:
    return _special_line(_cells(row))


EVENT_HEADER, NOTIFICATION_HEADER = header(EVENT_MEMBERS), header(NOTIFICATION_MEMBERS)
CSV_ROWS = Shape(_event, _notification, tombstones=False)
