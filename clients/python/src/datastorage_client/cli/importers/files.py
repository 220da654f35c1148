"""Records out of files: JSON lines, one JSON document, or CloudTrail's ``{"Records": [...]}``, gzipped or not.

What a file is shows in its bytes, not in its name, except that a name in ``.jsonl`` or ``.ndjson`` promises one
value a line. Files of lines are read a line at a time; a document that spans lines has to be read whole.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import stat
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, cast

from datastorage_common import jsonvalue
from datastorage_common.files import as_text
from datastorage_common.terminal import printable

# A line or a document is held in memory with its parsed form, some ten times its size. CloudTrail's own files end
# at about 50 MB unpacked; more than this is a wrong file or a decompression bomb.
MAX_VALUE_BYTES = 128 * 1024**2

_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
# Device, inode, size and time of the last change.
_Mark = tuple[int, int, int, int]


class FileError(Exception):
    """A file cannot be read as records; the message names the file, and the line where there is one."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One record and where it stands."""

    path: str  # as text, also where the name is not UTF-8
    number: int  # of the record in its file, from 1
    line: int  # where its JSON value starts, from 1
    value: dict[str, Any]  # as `datastorage_common.jsonvalue.parse` gives it: nothing rounded

    @property
    def position(self) -> str:
        """``FILE:LINE``, with the record's number where a line holds several."""
        where = f"{self.path}:{self.line}"
        return where if self.number == self.line else f"{where} record {self.number}"


class Inputs:
    """Files that are read more than once: what is sent has to be what was looked over before."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._marks: dict[str, _Mark] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def records(self) -> Iterator[FileRecord]:
        """The records of all files in their order. Raises FileError, also where a file has changed meanwhile."""
        for path in self._paths:
            yield from read_records(path, self._marks)


def read_records(path: str, marks: dict[str, _Mark] | None = None) -> Iterator[FileRecord]:
    """The records of a file in its order. Raises FileError at the first thing that is not one.

    ``marks`` remembers how each file was when it was read first.
    """
    number = 0
    shown = as_text(path)
    for line, value in _values(path, {} if marks is None else marks):
        for element in _elements(value):
            number += 1
            if not isinstance(element, dict):
                raise FileError(f"{printable(shown)}: record {number} is not a JSON object (line {line})")
            yield FileRecord(shown, number, line, element)


def _elements(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, dict) and isinstance(records := value.get("Records"), list):
        return records
    return [value]


def _values(path: str, marks: dict[str, _Mark]) -> Iterator[tuple[int, Any]]:
    """(line, value) of each JSON value of the file."""
    shown = printable(as_text(path))
    try:
        # Without O_NONBLOCK opening a pipe waits for its writer.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as raw:
            found = os.fstat(raw.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise FileError(f"{shown}: is not a regular file")  # importing reads a file twice
            known = marks.setdefault(path, _mark(found))
            _check_same(shown, known, found)
            packed = raw.read(2) == _GZIP_MAGIC
            raw.seek(0)
            stream = io.BufferedReader(cast("io.RawIOBase", gzip.GzipFile(fileobj=raw))) if packed else raw
            for number, value in _split(shown, stream):
                # Before each: who goes on writing must not be followed for ever.
                _check_same(shown, known, os.fstat(raw.fileno()))
                yield number, value
    except IsADirectoryError:
        raise FileError(f"{shown}: is not a regular file") from None
    except (OSError, EOFError, zlib.error) as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else str(e)
        raise FileError(f"{shown}: {reason}") from None


def _mark(found: os.stat_result) -> _Mark:
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _check_same(path: str, known: _Mark, found: os.stat_result) -> None:
    if _mark(found) != known:
        raise FileError(f"{path}: changed while it was read; import it when nobody writes to it any more")


def _split(path: str, stream: IO[bytes]) -> Iterator[tuple[int, Any]]:
    promised_lines = path.removesuffix(".gz").endswith((".jsonl", ".ndjson"))
    number = 0
    started = False
    while text := stream.readline(MAX_VALUE_BYTES + 1):
        number += 1
        _check_size(path, text)
        if number == 1:
            text = text.removeprefix(_BOM)
        if not text.strip():
            continue
        try:
            value = jsonvalue.parse(text.rstrip(b"\r\n"))
        except jsonvalue.JSONError as e:
            if started or promised_lines:
                raise _located(path, e, number) from None
            # The first value does not end on its line: a document that was written over several.
            yield number, _document(path, text, stream, number)
            return
        started = True
        yield number, value


def _document(path: str, beginning: bytes, stream: IO[bytes], first_line: int) -> Any:
    body = beginning + stream.read(MAX_VALUE_BYTES + 1)
    _check_size(path, body)
    try:
        return jsonvalue.parse(body)
    except jsonvalue.JSONError as e:
        raise _located(path, e, first_line) from None


def _check_size(path: str, value: bytes) -> None:
    if len(value) > MAX_VALUE_BYTES:
        raise FileError(f"{path}: a line or document is longer than {MAX_VALUE_BYTES // 1024**2} MiB")


def _located(path: str, error: jsonvalue.JSONError, first_line: int) -> FileError:
    """The parser counts lines from where it began; people count from the top of the file."""
    message, found = re.subn(r"\(line (\d+)", lambda m: f"(line {int(m[1]) + first_line - 1}", str(error))
    return FileError(f"{path}: not JSON: {message}" + ("" if found else f" (line {first_line})"))
