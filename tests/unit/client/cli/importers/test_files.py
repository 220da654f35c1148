"""Reading records: every form of file, exact values, errors that say where."""

from __future__ import annotations

import gzip
import os
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path

import pytest
from datastorage_client.cli.importers import files
from datastorage_client.cli.importers.files import FileError, read_records

# The same bytes every time: they stand in the names of tests.
compress = partial(gzip.compress, mtime=0)

LINES = b'{"eventID": "1"}\n\n  {"eventID": "2"}  \r\n{"eventID": "3"}'


def write(tmp_path: Path, name: str, content: bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content)
    return str(path)


def ids(path: str) -> list[object]:
    return [record.value["eventID"] for record in read_records(path)]


@pytest.mark.parametrize("name", ["x.jsonl", "x.json", "x.jsonl.gz", "x"])
@pytest.mark.parametrize("packed", [False, True])
def test_lines_whatever_the_name(tmp_path: Path, name: str, packed: bool) -> None:
    path = write(tmp_path, name, compress(LINES) if packed else LINES)
    assert ids(path) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "content",
    [
        b'{"Records": [{"eventID": "1"}, {"eventID": "2"}]}',
        b'{\n  "Records": [\n    {"eventID": "1"},\n    {"eventID": "2"}\n  ]\n}\n',
        b'[{"eventID": "1"}, {"eventID": "2"}]',
        b'[\n{"eventID": "1"},\n{"eventID": "2"}\n]',
        b'{"Records": [{"eventID": "1"}]}\n{"Records": [{"eventID": "2"}]}\n',
        b'\xef\xbb\xbf{"eventID": "1"}\n{"eventID": "2"}',
        compress(b'{"eventID": "1"}\n') + compress(b'{"eventID": "2"}\n'),
    ],
)
def test_documents(tmp_path: Path, content: bytes) -> None:
    assert ids(write(tmp_path, "x.json", content)) == ["1", "2"]


def test_one_object_over_several_lines(tmp_path: Path) -> None:
    assert ids(write(tmp_path, "x.json", b'\n{\n "eventID": "1"\n}\n')) == ["1"]


@pytest.mark.parametrize("content", [b"", b"\n\n", compress(b""), b'{"Records": []}', b"[]"])
def test_nothing_in_it(tmp_path: Path, content: bytes) -> None:
    assert ids(write(tmp_path, "x.json", content)) == []


def test_numbers_stay_exact(tmp_path: Path) -> None:
    path = write(tmp_path, "x.jsonl", b'{"a": 123456789012345678901234567890, "b": 1.10, "c": 1688560107.857}')
    (record,) = read_records(path)
    assert record.value["a"] == Decimal("123456789012345678901234567890")
    assert str(record.value["b"]) == "1.10"
    assert record.value["c"] == Decimal("1688560107.857")


def test_positions(tmp_path: Path) -> None:
    lines = write(tmp_path, "x.jsonl", LINES)
    assert [r.position for r in read_records(lines)] == [f"{lines}:1", f"{lines}:3 record 2", f"{lines}:4 record 3"]
    document = write(tmp_path, "x.json", b'{"Records": [{}, {}]}')
    assert [r.position for r in read_records(document)] == [f"{document}:1", f"{document}:1 record 2"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": \n', "not JSON: Expecting value (line 2, column 7)"),
        ("x.json", b'{"a": 1}\n{"a": 1,}\n', "(line 2, column"),
        ("x.jsonl", b'{"a":\n1}', "(line 1, column"),
        ("x.json", b'\n{\n"a": 1,\n"b" 2\n}', "not JSON: Expecting ':' delimiter (line 4, column 5)"),
        ("x.json", b'{"a": 1}\n\n{"a": 1, "a": 2}', 'not JSON: duplicate key "a" (line 3)'),
        ("x.jsonl", b'{"a": 1}\n{"a": "\xff"}', "not JSON: not UTF-8 (line 2)"),
        ("x.jsonl", b'{"a": NaN}', "NaN is not JSON (line 1)"),
        ("x.jsonl", b"{}\n5\n", "record 2 is not a JSON object (line 2)"),
        ("x.json", b'{"Records": [{}, null]}', "record 2 is not a JSON object (line 1)"),
        ("x.json", compress(LINES * 100)[:-20], "end-of-stream"),
        ("x.gz", compress(LINES)[:12] + b"garbage garbage", "invalid"),
        ("x.gz", compress(LINES)[:-8] + b"\0" * 8, "CRC check failed"),
        ("x.json", b'{"a":\n', "not JSON: Expecting value (line 2, column 1)"),
    ],
)
def test_what_cannot_be_read_says_where(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(FileError) as e:
        list(read_records(path))
    assert str(e.value).startswith(path + ": ")
    assert message in str(e.value)
    assert "\n" not in str(e.value)


def test_records_before_a_broken_line_come_out(tmp_path: Path) -> None:
    path = write(tmp_path, "x.jsonl", b'{"eventID": "1"}\n{')
    assert [r.value for r in islice(read_records(path), 1)] == [{"eventID": "1"}]


def test_what_is_no_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, message in ((pipe, "not a regular file"), (tmp_path, "not a regular file"), (tmp_path / "no", "No such")):
        with pytest.raises(FileError, match=message):
            list(read_records(str(path)))


@pytest.mark.parametrize("content", [b'{"a": "' + b"x" * 100 + b'"}', b"{\n" + b" " * 100 + b"}"])
def test_values_have_a_size_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(files, "MAX_VALUE_BYTES", 64)
    with pytest.raises(FileError, match="longer than"):
        list(read_records(write(tmp_path, "x.json", content)))


def test_lines_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of many lines is never held as a whole: its size may exceed the limit on one value."""
    monkeypatch.setattr(files, "MAX_VALUE_BYTES", 64)
    path = write(tmp_path, "x.jsonl", b'{"eventID": "1"}\n' * 1000)
    assert len(ids(path)) == 1000
