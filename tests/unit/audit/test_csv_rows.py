"""Records as lines of CSV: a parser gives back what went in, and no cell begins with what a spreadsheet runs."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from app.audit import csv_rows
from app.audit.csv_rows import CSV_ROWS, EVENT_HEADER, NOTIFICATION_HEADER
from app.audit.shapes import EVENT_DATA, EVENT_MEMBERS, NOTIFICATION_MEMBERS

RUN = set("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
TEXTS = st.text(alphabet=st.sampled_from("=+-@\t\r\n',;\"\x1f \uff1dab\u00e9"), max_size=6)


def read(line: bytes) -> list[str]:
    [row] = csv.reader(io.StringIO(line.decode(), newline=""), strict=True)
    return row


def row_of(text: str, other: str, data: str) -> tuple[Any, ...]:
    """A row of an event with these texts in it."""
    values: dict[str, Any] = {
        **dict.fromkeys(EVENT_MEMBERS),
        "event_id": UUID(int=7),
        "event_date": date(2026, 1, 5),
        "event_timestamp": datetime(2026, 1, 5, 10, tzinfo=UTC),
        "event_type": text,
        "error_message": other,
        "is_sensitive": True,
        "duration_ms": 7,
        "event_data": data,
    }
    return tuple(values[member] for member in EVENT_MEMBERS)


@given(TEXTS, TEXTS, st.sampled_from(["{}", '{"a": 1}', '{"a": "=,\\n"}']))
@example("\x1f=", "plain", "{}")
@example("plain", "'", '{"a": 1}')
def test_a_row_of_any_texts(text: str, other: str, data: str) -> None:
    row = row_of(text, other, data)
    line = CSV_ROWS.event(row, {})
    assert line.endswith(b"\r\n")
    cells = dict(zip(EVENT_MEMBERS, read(line), strict=True))
    for member, stored in (("event_type", text), ("error_message", other), ("event_data", data)):
        assert cells[member][:1] not in RUN
        assert cells[member].removeprefix("'") == stored
        assert (cells[member] == stored) == (stored[:1] not in RUN | {"'"})
    assert (cells["event_id"], cells["event_date"]) == ("00000000-0000-0000-0000-000000000007", "2026-01-05")
    assert (cells["event_timestamp"], cells["is_sensitive"]) == ("2026-01-05T10:00:00Z", "true")
    assert (cells["duration_ms"], cells["namespace"]) == ("7", "")


@given(TEXTS, TEXTS, st.sampled_from(["{}", '{"a": 1}']))
def test_the_short_way_gives_the_same_line(text: str, other: str, data: str) -> None:
    row = row_of(text, other, data)
    assert CSV_ROWS.event(row, {}) == csv_rows._special_line(csv_rows._cells(row))


@given(TEXTS, TEXTS)
@example("x;=1+1", "x\t=1+1")
def test_cells_stay_whole_where_semicolons_and_tabs_part_them_too(text: str, other: str) -> None:
    line = CSV_ROWS.event(row_of(text, other, "{}"), {}).decode()
    # As one who takes all three for the same: none of them outside of quotes is more than there were.
    outside = "".join(line.split('"')[::2])
    assert sum(map(outside.count, ",;\t")) == len(EVENT_MEMBERS) - 1


def test_most_rows_take_the_short_way() -> None:
    cells = csv_rows._cells(row_of("gateway.signal.received", "no such host", "{}"))
    assert cells[EVENT_DATA] == "{}"
    assert csv_rows._is_plain(cells)


def test_the_headers_name_the_members() -> None:
    assert read(EVENT_HEADER) == list(EVENT_MEMBERS)
    assert read(NOTIFICATION_HEADER) == list(NOTIFICATION_MEMBERS)
