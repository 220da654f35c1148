"""The files in which workers share their metrics, with room on the disk before anything is written into them.

prometheus_client maps files that are all holes into memory. A page of them that the disk has no room for is no error
but SIGBUS, the end of the process and of each that replaces it. Here each file is written out before it is mapped,
and what the disk has no room for stays in memory. Two names of prometheus_client's are replaced for that: the class
that `values` makes its files with, and that class's `_init_value`.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import time

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

# As large as prometheus_client makes a file; twice that each time it is full.
FILE_BYTES = 64 * 1024
# Beside the key of a record: its length, white space up to the next multiple of 8, value and time.
_RECORD_BYTES = 4 + 8 + 16
_VALUE_BYTES = 16
# How long a series without room waits until room is looked for again: each write of its would otherwise.
_LOOK_AGAIN_SECONDS = 10.0

# Whether there was no room for a file when this process began. Its metrics are then its own alone.
alone = False
# Series of this process that have found no room in their file so far, and that others therefore do not see.
left_out = 0


class _Positions(dict[str, int]):
    """Where the value of each key is; of one that is not there, a place that is never read."""

    nowhere = 0

    def __missing__(self, key: str) -> int:
        return self.nowhere


class RoomyDict(MmapedDict):
    """prometheus_client's file of values, which takes room on the disk before it writes. Its callers hold a lock."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        global alone
        self._look_again = 0.0
        memory = None
        if not read_mode and (alone or not (os.path.exists(filename) or _made(filename))):
            alone = True
            memory = os.memfd_create("metrics")
            filename = f"/proc/self/fd/{memory}"
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
        if memory is not None:
            os.close(memory)  # opened anew by its name
        self._places = self._positions = _Positions(self._positions)

    def _init_value(self, key: str) -> None:
        # The last place of the file is kept free for values that have none.
        size, used = self._capacity, self._used + len(key.encode()) + _RECORD_BYTES + _VALUE_BYTES
        while used > size:
            size *= 2
        if size > self._capacity and not self._grown(size):
            self._places.nowhere = self._capacity - _VALUE_BYTES
            self._m[self._places.nowhere : self._capacity] = bytes(_VALUE_BYTES)  # begins at 0, as all do
            return
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _grown(self, size: int) -> bool:
        global left_out
        if time.monotonic() < self._look_again:
            return False
        if not make_room(self._f.fileno(), size):
            left_out += 1
            self._look_again = time.monotonic() + _LOOK_AGAIN_SECONDS
            return False
        self._m = mmap.mmap(self._f.fileno(), size)
        self._capacity = size
        return True


def make_room(descriptor: int, size: int) -> bool:
    """Write zeros at a file's end until it has ``size`` bytes; False, and the file as it was, where that fails.

    Not by posix_fallocate: not every C library and file system has it, and what is written out has its room on all.
    """
    before = length = os.fstat(descriptor).st_size
    try:
        while length < size:
            length += os.write(descriptor, bytes(min(size - length, FILE_BYTES)))
    except OSError:
        os.ftruncate(descriptor, before)
        return False
    return True


def _made(filename: str) -> bool:
    """Make a file with its room, under its name only when it has it: what is found by that name is whole."""
    new = filename + ".new"
    try:
        with open(new, "wb", buffering=0) as file:
            roomy = make_room(file.fileno(), FILE_BYTES)
        if roomy:
            os.rename(new, filename)
            return True
    except OSError:
        pass
    with contextlib.suppress(OSError):
        os.unlink(new)
    return False


def install() -> None:
    """Let prometheus_client make its files so; to be called before the first metric is made."""
    setattr(values, "MmapedDict", RoomyDict)  # noqa: B010 - the module does not export it
