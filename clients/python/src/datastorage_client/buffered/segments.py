"""One process's part of a spool on disk: a folder of append-only segments, a cursor, and a lock.

A segment is ``DSSPOOL1`` and frames, one an event.

The cursor says up to where events have been dealt with. It has its room from the start, is overwritten in place and
not fsynced: an old one makes events be sent again under the same ids, which the service answers as already stored.

The process that holds the flock on a folder's ``lock`` may read and send it; the flock ends with the process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import math
import os
import re
import secrets
import shutil
import struct
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path

from datastorage_common.counts import counted

from datastorage_client.buffered.event import Item
from datastorage_client.buffered.forking import fork_lock
from datastorage_client.buffered.frames import MAGIC, is_torn, read_around_holes, read_frame
from datastorage_client.buffered.memory import within

log = logging.getLogger(__name__)

_CURSOR = struct.Struct(">QQI")
# What a frame looks like at its start: a length of 64 MiB at most, a time before the year 3084, and JSON. The JSON of
# an event has no such bytes in it.
_LOOKS_LIKE_FRAME = re.compile(rb"(?=[\x00-\x04].{9}[\x00-\x1f].{5}\{)", re.DOTALL)
_READ_AHEAD_BYTES = 1024 * 1024


# Is told how many events cannot be read, and where they were, in words.
OnDamage = Callable[[int, str], None]


def close_quietly(fd: int | None) -> None:
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

    def __init__(self, path: Path, lock_fd: int, on_damage: OnDamage, cursor_fd: int | None) -> None:
        self.path = path
        self._lock_fd = lock_fd
        self._on_damage = on_damage
        self._cursor_fd = cursor_fd
        self._cursor_complained = False
        self.appended: dict[int, float] = {}  # by segment of this process, when it was written to last: monotonic
        self._last_number: int | None = None  # of the event before the position in its segment, where known
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
    def create(cls, root: Path, on_damage: OnDamage) -> Folder:
        """A new folder of this process, locked before anybody can see it. Raises OSError, and leaves nothing then."""
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        hidden = root / f".{name}"
        hidden.mkdir(mode=0o700)
        lock_fd = cursor_fd = None
        try:
            lock_fd = os.open(hidden / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            cursor_fd = os.open(hidden / "cursor", os.O_RDWR | os.O_CREAT, 0o600)
            if os.pwrite(cursor_fd, bytes(_CURSOR.size), 0) < _CURSOR.size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(cursor_fd)
            hidden.rename(root / name)
            sync_dir(root)
            return cls(root / name, lock_fd, on_damage, cursor_fd)
        except OSError:
            for fd in (lock_fd, cursor_fd):
                close_quietly(fd)
            for path in (hidden, root / name):
                shutil.rmtree(path, ignore_errors=True)
            raise

    @classmethod
    def adopt(cls, path: Path, on_damage: OnDamage) -> Folder | None:
        """The folder of a process that is gone; None if another process has it, or was faster."""
        try:
            lock_fd = os.open(path / "lock", os.O_RDWR)
        except OSError:
            return None
        cursor_fd = None
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before may have emptied and removed it between our open and our lock.
            there = os.stat(path / "lock")
            if (there.st_ino, there.st_dev) != ((ours := os.fstat(lock_fd)).st_ino, ours.st_dev):
                raise FileNotFoundError(path)
            # A disk that is full may have no room for one, and what waits on it must leave all the same.
            with contextlib.suppress(OSError):
                cursor_fd = os.open(path / "cursor", os.O_RDWR | os.O_CREAT, 0o600)
            return cls(path, lock_fd, on_damage, cursor_fd)
        except OSError:
            close_quietly(lock_fd)
            close_quietly(cursor_fd)
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
        self._write_cursor()
        self._drop_acked()

    def _write_cursor(self) -> None:
        """Say how far all is dealt with. That it is does not depend on it: the next start would send again."""
        number, offset = self._acked
        body = _CURSOR.pack(number, offset, 0)[:16]
        try:
            if self._cursor_fd is None:
                self._cursor_fd = os.open(self.path / "cursor", os.O_RDWR | os.O_CREAT, 0o600)
            os.pwrite(self._cursor_fd, body + zlib.crc32(body).to_bytes(4, "big"), 0)
        except OSError as e:
            if not self._cursor_complained:
                log.warning("the cursor of %s cannot be written, what is sent may be sent again: %s", self.path, e)
            self._cursor_complained = True

    def _read_one(self) -> bool:
        while True:
            number, offset = self._position
            end = self.sizes.get(number, 0)
            if offset < end:
                if self._frame_at(number, offset, end) is not None:
                    return True
                self._skip(number, offset, end)
                continue
            following = min((n for n in list(self.sizes) if n > number), default=None)
            if following is None:
                return False
            if self.sizes.get(number, 0) > end:
                continue  # the writer added to this one before it began the next
            self._close_file()
            self._position = (following, len(MAGIC))
            self._last_number = -1

    def _frame_at(self, number: int, offset: int, end: int) -> Item | None:
        if self._read_fd is None:
            with fork_lock:
                self._read_fd = os.open(self.path / f"{number:08}.seg", os.O_RDONLY)
        found = read_frame(self._read_fd, offset, end, self.appended.get(number, -math.inf))
        if found is None:
            return None
        item, after, self._last_number = found
        self._position = (number, after)
        self._ahead.append((item, self._position))
        self._ahead_bytes += len(item.raw)
        return item

    def _skip(self, number: int, offset: int, end: int) -> None:
        """Go on at the next whole frame, or with the next segment; what cannot be read is kept beside the segments."""
        fd = self._read_fd
        assert fd is not None  # noqa: S101 - it was read from just now
        rest = read_around_holes(fd, offset, end)
        starts = [offset + match.start() for match in _LOOKS_LIKE_FRAME.finditer(rest)]
        following = next(((at, f[2]) for at in starts if (f := read_frame(fd, at, end)) is not None), None)
        self._position = (number, end if following is None else following[0])
        if following is None and is_torn(rest):
            segment = self.path / f"{number:08}.seg"
            log.info("the end of %s was never written whole: %s", segment, counted(len(rest), "byte"))
            return
        stretch = rest[: self._position[1] - offset]
        # The first may not look like a start any more, which it is.
        seen = len({offset, *(at for at in starts if at < self._position[1])})
        count = (self._missing(following[1]) if following is not None else None) or seen
        kept = self.path.parent / f"damaged-{self.path.name}-{number:08}-{offset}"
        what = f"{counted(count, 'event')} in {counted(len(stretch), 'byte')} of a spool segment cannot be read"
        try:
            kept.write_bytes(stretch)
        except OSError as e:
            self._on_damage(count, f"{what} and cannot be kept as {kept}: {e}")
        else:
            self._on_damage(count, f"{what} and are kept as {kept}")

    def _missing(self, number: int) -> int | None:
        """How many events there were between the last one and that of a number; None where the numbers do not tell."""
        # Older segments have the same number in all.
        if self._last_number is None or number <= self._last_number:
            return None
        return number - self._last_number - 1

    def _load_cursor(self) -> tuple[int, int]:
        if self._cursor_fd is None:
            return 0, 0
        stored = os.pread(self._cursor_fd, _CURSOR.size, 0)
        if len(stored) == _CURSOR.size and zlib.crc32(stored[:16]) == int.from_bytes(stored[16:], "big"):
            number, offset, _ = _CURSOR.unpack(stored)
            if offset <= self.sizes.get(number, 0) or number < min(self.sizes, default=0):
                return number, offset
        return 0, 0

    def _drop_acked(self) -> None:
        """Remove the segments that lie wholly before the cursor; the one it stands in stays."""
        for number in [n for n in list(self.sizes) if n < self._acked[0]]:
            # One that stays is before the cursor, and goes with the folder or at the next start.
            with contextlib.suppress(OSError):
                os.unlink(self.path / f"{number:08}.seg")
            self.sizes.pop(number, None)
            self.appended.pop(number, None)

    def _close_file(self) -> None:
        with fork_lock:
            close_quietly(self._read_fd)
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
            close_quietly(fd)
