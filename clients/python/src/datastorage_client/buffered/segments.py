"""One process's part of a spool on disk: a folder of append-only segments, a cursor, and a lock.

A segment is ``DSSPOOL1`` and frames. A frame is the length of its payload and the CRC-32 of length and payload (two
big-endian 32-bit numbers), then the payload: the milliseconds at which the event was captured (64 bits) and its JSON.
The cursor says up to where events have been dealt with. It is not fsynced: an old one makes events be sent again
under the same ids, which the service answers as already stored.

Whoever holds the flock on a folder's ``lock`` may read and send it; it ends with the process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

from datastorage_client.buffered.event import Item
from datastorage_client.buffered.memory import within

log = logging.getLogger(__name__)

MAGIC = b"DSSPOOL1"
_HEAD = struct.Struct(">II")
_CAPTURED = struct.Struct(">Q")
_CURSOR = struct.Struct(">QQI")
_READ_AHEAD_BYTES = 1024 * 1024
# No frame is longer; a larger number is damage and must not be allocated.
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024


def frame(item: Item) -> bytes:
    """The item as it is on disk."""
    payload = _CAPTURED.pack(item.captured_ms) + item.raw
    length = len(payload)
    return _HEAD.pack(length, zlib.crc32(payload, zlib.crc32(length.to_bytes(4, "big")))) + payload


def read_frame(fd: int, offset: int, limit: int) -> tuple[Item, int] | None:
    """The item at an offset and where it ends, ``limit`` at the latest; None for anything that is no frame."""
    head = os.pread(fd, _HEAD.size, offset)
    if len(head) < _HEAD.size:
        return None
    length, crc = _HEAD.unpack(head)
    end = offset + _HEAD.size + length
    if not _CAPTURED.size <= length <= MAX_PAYLOAD_BYTES or end > limit:
        return None
    payload = os.pread(fd, length, offset + _HEAD.size)
    if len(payload) < length or zlib.crc32(payload, zlib.crc32(length.to_bytes(4, "big"))) != crc:
        return None
    return Item(payload[_CAPTURED.size :], _CAPTURED.unpack_from(payload)[0]), end


# Held while a descriptor is opened or closed together with the note of it, and over every fork: a child must find
# all locks that it inherited, to close them, and nothing else.
fork_lock = threading.RLock()


def _close(fd: int | None) -> None:
    if fd is not None:
        with contextlib.suppress(OSError):
            os.close(fd)


def sync_dir(path: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Folder:
    """A locked folder and where reading stands in it. Segments are numbered from 1."""

    def __init__(self, path: Path, lock_fd: int, on_damage: Callable[[str], None]) -> None:
        self.path = path
        self._lock_fd = lock_fd
        self._on_damage = on_damage
        self._cursor_fd = os.open(path / "cursor", os.O_RDWR | os.O_CREAT, 0o600)
        self.sizes: dict[int, int] = {
            int(p.stem): p.stat().st_size for p in path.glob("*.seg") if p.stem.isascii() and p.stem.isdecimal()
        }
        self._acked = self._load_cursor()
        self._position = self._acked
        self._ahead: deque[tuple[Item, tuple[int, int]]] = deque()
        self._ahead_bytes = 0
        self._read_fd: int | None = None
        self._drop_acked()

    @classmethod
    def create(cls, root: Path, on_damage: Callable[[str], None]) -> Folder:
        """A new folder of this process, locked before anybody can see it."""
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        hidden = root / f".{name}"
        hidden.mkdir(mode=0o700)
        lock_fd = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(root / name)
            sync_dir(root)
            return cls(root / name, lock_fd, on_damage)
        except OSError:
            os.close(lock_fd)
            raise

    @classmethod
    def adopt(cls, path: Path, on_damage: Callable[[str], None]) -> Folder | None:
        """The folder of a process that is gone; None if somebody has it, or somebody else was faster."""
        try:
            lock_fd = os.open(path / "lock", os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before may have emptied and removed it between our open and our lock.
            there = os.stat(path / "lock")
            if (there.st_ino, there.st_dev) != ((ours := os.fstat(lock_fd)).st_ino, ours.st_dev):
                raise FileNotFoundError(path)
            return cls(path, lock_fd, on_damage)
        except OSError:
            os.close(lock_fd)
            return None

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(self.sizes.values())

    def peek(self, max_events: int, max_bytes: int) -> list[Item]:
        """The oldest events that are not acknowledged, up to both bounds but at least one if there is any."""
        while len(self._ahead) < max_events and self._ahead_bytes < max(max_bytes, _READ_AHEAD_BYTES):
            if not self._read_one():
                break
        items = [item for item, _ in self._ahead]
        return within(items[:max_events], max_bytes)

    def ack(self, count: int) -> None:
        """The oldest events are dealt with: move the cursor, remove segments that are done with."""
        for _ in range(count):
            item, self._acked = self._ahead.popleft()
            self._ahead_bytes -= len(item.raw)
        number, offset = self._acked
        body = _CURSOR.pack(number, offset, 0)[:16]
        os.pwrite(self._cursor_fd, body + zlib.crc32(body).to_bytes(4, "big"), 0)
        self._drop_acked()

    def _read_one(self) -> bool:
        while True:
            number, offset = self._position
            end = self.sizes.get(number, 0)
            if offset < end:
                if self._frame_at(number, offset, end) is not None:
                    return True
                self._damaged(number, offset, end)
            following = min((n for n in list(self.sizes) if n > number), default=None)
            if following is None:
                return False
            self._close_file()
            self._position = (following, len(MAGIC))

    def _frame_at(self, number: int, offset: int, end: int) -> Item | None:
        if self._read_fd is None:
            with fork_lock:
                self._read_fd = os.open(self.path / f"{number:08}.seg", os.O_RDONLY)
        found = read_frame(self._read_fd, offset, end)
        if found is None:
            return None
        item, after = found
        self._position = (number, after)
        self._ahead.append((item, self._position))
        self._ahead_bytes += len(item.raw)
        return item

    def _damaged(self, number: int, offset: int, end: int) -> None:
        """What cannot be read is kept beside the segments, and reading goes on with the next segment."""
        kept = self.path.parent / f"damaged-{self.path.name}-{number:08}-{offset}"
        with contextlib.suppress(OSError), open(self.path / f"{number:08}.seg", "rb") as file:
            file.seek(offset)
            kept.write_bytes(file.read(end - offset))
        self._position = (number, end)
        self._on_damage(f"{end - offset} bytes of a spool segment cannot be read and are kept as {kept}")

    def _load_cursor(self) -> tuple[int, int]:
        stored = os.pread(self._cursor_fd, _CURSOR.size, 0)
        if len(stored) == _CURSOR.size and zlib.crc32(stored[:16]) == int.from_bytes(stored[16:], "big"):
            number, offset, _ = _CURSOR.unpack(stored)
            if offset <= self.sizes.get(number, 0) or number < min(self.sizes, default=0):
                return number, offset
        return 0, 0

    def _drop_acked(self) -> None:
        """Remove the segments that lie wholly before the cursor; the one it stands in stays."""
        for number in [n for n in list(self.sizes) if n < self._acked[0]]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path / f"{number:08}.seg")
            self.sizes.pop(number, None)

    def _close_file(self) -> None:
        with fork_lock:
            _close(self._read_fd)
            self._read_fd = None

    def remove(self) -> None:
        """Delete the folder, all of which was dealt with. The lock goes last."""
        try:
            for path in self.path.iterdir():
                if path.name != "lock":
                    path.unlink()
            os.unlink(self.path / "lock")
            self.path.rmdir()
        except OSError as e:
            log.warning("the empty spool folder %s cannot be removed: %s", self.path, e)
        finally:
            self.release()

    def release(self) -> None:
        """Let go of the folder, and with it of the lock; in a forked child the parent's stays."""
        self._close_file()
        for fd in (self._cursor_fd, self._lock_fd):
            _close(fd)


class Writer:
    """Appends to the folder of this process. Events count as there once `append` has returned."""

    def __init__(self, folder: Folder, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._number = max(folder.sizes, default=0)
        self._fd: int | None = None
        self._offset = 0

    def append(self, items: list[Item]) -> None:
        """Write the events and fsync. Raises OSError; then none of them counts, though some may be on disk."""
        if self._fd is None or self._offset >= self._segment_bytes:
            self._open_next()
        assert self._fd is not None  # noqa: S101 - opened just now
        data = b"".join(map(frame, items))
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
            os.fsync(self._fd)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._offset)
            # After a failed fsync nobody knows what is on disk, and a later one may say that all is well: the
            # segment ends where it was good, and the events go into a new one.
            self.close()
            raise
        self._offset += len(data)
        self._folder.sizes[self._number] = self._offset

    def _open_next(self) -> None:
        self.close()
        self._number += 1
        path = self._folder.path / f"{self._number:08}.seg"
        with fork_lock:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(self._fd, MAGIC)
            os.fsync(self._fd)
            sync_dir(self._folder.path)
        except OSError:
            self.close()
            raise
        self._offset = len(MAGIC)
        self._folder.sizes[self._number] = self._offset

    def close(self) -> None:
        """End the segment."""
        with fork_lock:
            _close(self._fd)
            self._fd = None
