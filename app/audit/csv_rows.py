"""Records as lines of CSV (RFC 4180) that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from datastorage_common.times import rfc3339

from app.audit.shapes import EVENT_MEMBERS, NOTIFICATION_MEMBERS, Row, Shape

# Spreadsheets run a cell that begins so; East Asian ones its full-width form too. The mark itself gets one as well, so
# that taking one away always gives the text back.
_MARK = "'"
_MARKED = frozenset({*"=+-@\t\r", *"\uff1d\uff0b\uff0d\uff20", _MARK})


def header(members: Sequence[str]) -> bytes:
    """The line that names the columns."""
    return _line(members)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return _MARK + value if value[:1] in _MARKED else value
    if isinstance(value, bool):
        return "true" if value else "false"
    return rfc3339(value) if isinstance(value, datetime) else value


def _line(cells: Sequence[Any]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue().encode()


def _row(row: Row, _: Mapping[str, Any]) -> bytes:
    return _line([_cell(value) for value in row])


EVENT_HEADER, NOTIFICATION_HEADER = header(EVENT_MEMBERS), header(NOTIFICATION_MEMBERS)
CSV_ROWS = Shape(_row, _row, tombstones=False)
