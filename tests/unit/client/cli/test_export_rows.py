"""Where rows of an export end, however the blocks are cut."""

from __future__ import annotations

import csv
import io
import itertools
import json

import pytest
from datastorage_client.cli.errors import ServiceError
from datastorage_client.cli.exports import rows as rows_module
from datastorage_client.cli.exports.rows import Cells, Form, Last, Lines
from hypothesis import given
from hypothesis import strategies as st

CELL = st.text(st.sampled_from("a,\"\r\n'=é"), max_size=6)
ROWS = st.lists(st.tuples(CELL, CELL), max_size=6)
CUTS = st.lists(st.integers(0, 200), max_size=12)
HEADER = b"event_date,event_id,one,two,log_index\r\n"


def table(rows: list[tuple[str, str]]) -> list[bytes]:
    """Rows as the service writes them."""
    found = []
    for number, row in enumerate(rows):
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerow(["2026-01-05", f"e-{number}", *row, number])
        found.append(text.getvalue().encode())
    return found


def blocks(whole: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({min(cut, len(whole)) for cut in cuts}), len(whole)]
    return [whole[a:b] for a, b in itertools.pairwise(edges)]


@given(ROWS, CUTS, st.integers(0, 60))
def test_rows_of_csv(cells: list[tuple[str, str]], cuts: list[int], missing: int) -> None:
    written = table(cells)
    whole = HEADER + b"".join(written)
    sent = whole[: len(whole) - missing]
    form, found, count = Cells(), b"", 0
    for block in blocks(sent, cuts):
        if rows := form.cut(block):
            count += form.count(rows)
            found += rows
            assert form.last(rows) == Last(f"2026-01-05/e-{count - 1}", count - 1)
    there = 0
    while there < len(written) and len(HEADER) + len(b"".join(written[: there + 1])) <= len(sent):
        there += 1
    assert found == b"".join(written[:there])
    assert count == there
    assert len(form.header) + len(found) + form.left() == len(sent)


@given(st.lists(st.text(max_size=5), max_size=6), CUTS)
def test_rows_of_ndjson(texts: list[str], cuts: list[int]) -> None:
    lines = [
        json.dumps({"kind": "notification", "id": number, "text": text, "log_index": None}).encode() + b"\n"
        for number, text in enumerate(texts)
    ]
    form, found, count = Lines(), b"", 0
    for block in blocks(b"".join(lines) + b'{"kind":', cuts):
        if rows := form.cut(block):
            count += form.count(rows)
            found += rows
            assert form.last(rows) == Last(f"notification/{count - 1}", None)
    assert (found, count) == (b"".join(lines), len(lines))
    assert form.left() == 8


@pytest.mark.parametrize("form", [Lines(), Lines(6), Cells(), Cells(6)])
def test_entries_rise(form: Form) -> None:
    rows = [
        b'{"log_index":7}\n{"log_index":null}\n{"log_index":9}\n', b'{"log_index":9}\n'
    ] if isinstance(form, Lines) else [b"2026-01-05,e-7,7\r\n", b""]  # fmt: skip
    form.cut(b"" if isinstance(form, Lines) else b"event_date,event_id,log_index\r\n")
    assert form.count(rows[0]) == rows[0].count(b"\n")
    assert form.count(b"") == 0
    if rows[1]:
        with pytest.raises(ServiceError, match="entry 9 of the log behind entry 9"):
            form.count(rows[1])


@pytest.mark.parametrize(
    ("form", "row"), [(Lines(7), b'{"log_index":7}\n'), (Cells(7), b'2026-01-05,e-7,"a ""\r\n",7\r\n')]
)
def test_a_stream_goes_on_behind_what_is_there(form: Form, row: bytes) -> None:
    if isinstance(form, Cells):
        form.cut(b"event_date,event_id,one,log_index\r\n")
    with pytest.raises(ServiceError, match="entry 7 of the log behind entry 7"):
        form.count(row * 2)


@pytest.mark.parametrize("form", [Lines(), Cells()])
def test_a_row_without_end_is_refused(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "MAX_ROW_BYTES", 1000)
    form.cut(b"a" * 1000)
    with pytest.raises(ServiceError, match="a row of more than"):
        form.cut(b"a")


@pytest.mark.parametrize("line", [b"no\n", b"{}\n", b'{"kind":"audit_event"}\n', b"[" * 5000 + b"\n", b"\xff\n"])
def test_what_is_no_row_is_refused(line: bytes) -> None:
    with pytest.raises(ServiceError, match="a row that cannot be read"):
        Lines().last(line)
    form = Cells()
    form.cut(b"a\r\n" + line[:-1] + b"\r\n")
    with pytest.raises(ServiceError, match="a row that cannot be read"):
        form.last(line[:-1] + b"\r\n")
