"""Files of metrics on a disk without room: what does not fit stays in memory, and no hole is mapped."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from app.telemetry import metric_files
from app.telemetry.metric_files import FILE_BYTES, RoomyDict


class Disk:
    """Takes so many bytes more."""

    def __init__(self, free: int) -> None:
        self.free = free
        self._write = os.write

    def write(self, descriptor: int, data: bytes) -> int:
        if not self.free:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = data[: self.free]
        self.free -= len(part)
        return self._write(descriptor, part)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(10 * FILE_BYTES)
    monkeypatch.setattr(os, "write", made.write)
    monkeypatch.setattr(metric_files, "alone", False)
    monkeypatch.setattr(metric_files, "left_out", 0)
    monkeypatch.setattr(metric_files, "_LOOK_AGAIN_SECONDS", 0.0)
    return made


def stored(path: Path) -> dict[str, float]:
    return {key: value for key, value, *_ in MmapedDict.read_all_values_from_file(str(path))}  # type: ignore[no-untyped-call]


def holes(path: Path) -> int:
    """Bytes of the file that the disk has kept no room for."""
    found = path.stat()
    return max(0, found.st_size - found.st_blocks * 512)


def test_prometheus_client_makes_its_files_so() -> None:
    assert getattr(values, "MmapedDict") is RoomyDict  # noqa: B009 - the module does not export it


def test_a_file_has_its_room_from_the_start_and_as_it_grows(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    made = RoomyDict(str(path))
    assert (path.stat().st_size, holes(path)) == (FILE_BYTES, 0)
    expected = {}
    for number in range(3000):
        key = f"key {number}" + "x" * (number % 50)
        made.write_value(key, float(number), 0.0)
        expected[key] = float(number)
    assert stored(path) == expected
    assert path.stat().st_size > FILE_BYTES
    assert holes(path) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["counter_1.db"]
    made.close()
    again = RoomyDict(str(path))
    assert again.read_value("key 50") == (50.0, 0.0)
    again.close()


def test_without_room_a_file_is_in_memory_and_leaves_nothing(disk: Disk, tmp_path: Path) -> None:
    disk.free = FILE_BYTES - 1
    made = RoomyDict(str(tmp_path / "counter_1.db"))
    assert metric_files.alone
    assert list(tmp_path.iterdir()) == []
    made.write_value("a", 5.0, 0.0)
    assert made.read_value("a") == (5.0, 0.0)
    disk.free = FILE_BYTES
    RoomyDict(str(tmp_path / "histogram_1.db")).close()
    assert list(tmp_path.iterdir()) == [], "all of a process or none of it"
    made.close()


def test_without_a_folder_it_is_in_memory(disk: Disk, tmp_path: Path) -> None:
    RoomyDict(str(tmp_path / "gone" / "counter_1.db")).close()
    assert metric_files.alone


def test_a_series_that_finds_no_room_harms_no_other_and_comes_when_there_is_some(disk: Disk, tmp_path: Path) -> None:
    path = tmp_path / "counter_1.db"
    made = RoomyDict(str(path))
    disk.free = 5
    for number in range(3000):
        assert made.read_value(f"key {number}") == (0.0, 0.0)
        made.write_value(f"key {number}", float(number), 0.0)
    kept = stored(path)
    assert 0 < len(kept) < 3000
    assert kept == {f"key {number}": float(number) for number in range(len(kept))}
    assert (path.stat().st_size, holes(path)) == (FILE_BYTES, 0)
    assert metric_files.left_out
    disk.free = 10 * FILE_BYTES
    made.write_value("key 2999", 7.0, 0.0)
    assert stored(path) == {**kept, "key 2999": 7.0}
    made.close()
