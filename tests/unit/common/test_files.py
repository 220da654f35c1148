"""Files that operators give: bounded in bytes and in time, and one clear line where they are not what is needed."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from datastorage_common import files
from datastorage_common.files import ReadError, as_text, read_secret, read_whole


def fault_of(path: Path | str, limit: int = 100, *, pipes: bool = False) -> str:
    with pytest.raises(ReadError) as e:
        read_whole(path, limit, pipes=pipes)
    assert str(e.value) == f"{path}: {e.value.reason}"
    return e.value.reason


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def endless(fifo: Path) -> Iterator[Path]:
    """A pipe into which somebody writes for as long as anybody reads."""

    def write() -> None:
        try:
            with open(fifo, "wb", buffering=0) as stream:
                while True:
                    stream.write(b"x" * 4096)
        except BrokenPipeError:
            return

    thread = threading.Thread(target=write)
    thread.start()
    yield fifo
    os.close(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK))  # for a writer that nobody has read from
    thread.join()


def test_a_file_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for content in (b"", b"x" * 100):
        path.write_bytes(content)
        assert read_whole(path, 100) == content
    path.write_bytes(b"x" * 101)
    assert fault_of(path) == "is larger than 100 bytes"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with open(path, "wb") as stream:
        stream.truncate(1 << 40)
    assert fault_of(path) == "is larger than 100 bytes"


def test_what_is_no_file(tmp_path: Path, fifo: Path) -> None:
    assert fault_of(tmp_path) == "is a folder, where a regular file is needed"
    assert fault_of(fifo) == "is a pipe, where a regular file is needed"
    assert fault_of(tmp_path / "none") == "No such file or directory"
    assert fault_of(tmp_path / "none" / "none") == "No such file or directory"
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert fault_of(tmp_path / "loop") == "Too many levels of symbolic links"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        assert fault_of(tmp_path / "socket") == "No such device or address"
    assert fault_of("/dev/zero") == "is larger than 100 bytes"
    assert read_whole("/dev/null", 100) == b""
    with pytest.raises(ReadError, match="no file can have such a name"):
        read_whole("a\0b", 100)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch(0)
    assert fault_of(path) == "Permission denied"


def test_a_pipe_where_pipes_are_taken(fifo: Path) -> None:
    thread = threading.Thread(target=fifo.write_bytes, args=(b"x" * 99,))
    thread.start()
    assert read_whole(fifo, 100, pipes=True) == b"x" * 99
    thread.join()


def test_a_pipe_that_never_ends(endless: Path) -> None:
    assert fault_of(endless, pipes=True) == "is larger than 100 bytes"


def test_a_pipe_that_says_nothing(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PIPE_SECONDS", 0.05)
    assert fault_of(fifo, pipes=True) == "did not come to its end within 0.05 s"
    silent = os.open(fifo, os.O_RDWR)
    try:
        assert fault_of(fifo, pipes=True) == "did not come to its end within 0.05 s"
    finally:
        os.close(silent)


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_file_that_changes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: int) -> None:
    """Is read again until it is complete, or refused."""
    path = tmp_path / "x"
    path.write_bytes(b"half")
    left = changes
    read = os.read

    def and_then_it_changes(descriptor: int, size: int) -> bytes:
        nonlocal left
        found = read(descriptor, size)
        if left and not found:
            left -= 1
            with open(path, "ab") as stream:
                stream.write(b"+")
        return found

    monkeypatch.setattr(files.os, "read", and_then_it_changes)
    if changes < 3:
        assert read_whole(path, 100) == b"half" + b"+" * changes
    else:
        assert fault_of(path) == "changes while it is read; try again when it is complete"


def test_secrets(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes("pässword \r\n".encode())
    assert read_secret(path) == "pässword "
    path.write_bytes(b"\xff")
    with pytest.raises(ReadError, match="is not UTF-8"):
        read_secret(path)


def test_names_of_any_bytes_can_be_told(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9-\xc3\xa9-\x1b[0m")
    assert as_text(name) == "caf\\xe9-é-\x1b[0m"
    with pytest.raises(ReadError) as e:
        read_whole(tmp_path / name, 100)
    assert str(e.value) == f"{tmp_path}/caf\\xe9-é-\\x1b[0m: No such file or directory"
