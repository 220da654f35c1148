"""Notes on the disk, which several processes read and write at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datastorage_client.verify import memory
from datastorage_client.verify.memory import OnDisk
from datastorage_common.files import ReadError, read_whole

NAME = "log.example/one"


def test_a_note_that_comes_while_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process writes the first one: between the look into the file and the look whether there is one."""
    on_disk = OnDisk(tmp_path)
    looks = []

    def look(path: Path, limit: int) -> bytes:
        looks.append(path)
        try:
            return read_whole(path, limit)
        except ReadError:
            on_disk.keep(NAME, b"first")
            raise

    monkeypatch.setattr(memory, "read_whole", look)
    assert on_disk.get(NAME) == b"first"
    assert len(looks) == 2


def test_what_cannot_be_read_is_no_reason_to_begin_anew(tmp_path: Path) -> None:
    on_disk: Any = OnDisk(tmp_path)
    assert on_disk.get(NAME) is None
    on_disk.path(NAME).mkdir(parents=True)
    with pytest.raises(ReadError, match="a folder"):
        on_disk.get(NAME)
