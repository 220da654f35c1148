"""Appends events to the segments of a folder, durably."""

from __future__ import annotations

import contextlib
import errno
import os
import time

from datastorage_client.buffered.event import Item
from datastorage_client.buffered.forking import fork_lock
from datastorage_client.buffered.frames import MAGIC, frame
from datastorage_client.buffered.segments import Folder, close_quietly, sync_dir


class Writer:
    """Appends to the folder of this process. Events count as there once `append` has returned."""

    def __init__(self, folder: Folder, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._number = max(folder.sizes, default=0)
        self._fd: int | None = None
        self._offset = 0
        self._events = 0  # in the segment

    def append(self, items: list[Item]) -> None:
        """Write the events and fsync. Raises OSError; then none of them counts, though some may be on disk."""
        if self._fd is None or self._offset >= self._segment_bytes:
            self._open_next()
        assert self._fd is not None  # noqa: S101 - opened just now
        data = b"".join(frame(item, self._events + n) for n, item in enumerate(items))
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError:
            self._take_back()
            raise
        try:
            os.fsync(self._fd)
        except OSError:
            self._take_back()
            # After a failed fsync it is unknown what is on disk, and a later one may say that all is well: the
            # segment ends where it was good, and the events go into a new one.
            self.close()
            raise
        self._offset += len(data)
        self._events += len(items)
        self._folder.appended[self._number] = time.monotonic()
        self._folder.sizes[self._number] = self._offset

    def _take_back(self) -> None:
        """Leave the segment as it was, so that what comes next can be appended; or end it there."""
        assert self._fd is not None  # noqa: S101 - it is being written to
        try:
            os.ftruncate(self._fd, self._offset)
            os.lseek(self._fd, self._offset, os.SEEK_SET)
        except OSError:
            self.close()

    def _open_next(self) -> None:
        self.close()
        self._number += 1
        path = self._folder.path / f"{self._number:08}.seg"
        with fork_lock:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            if os.write(self._fd, MAGIC) < len(MAGIC):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._fd)
            sync_dir(self._folder.path)
        except OSError:
            self.close()
            raise
        self._offset = len(MAGIC)
        self._events = 0

    def close(self) -> None:
        """End the segment; without an event in it, it is none."""
        if self._fd is not None and self._number not in self._folder.sizes:
            with contextlib.suppress(OSError):
                os.unlink(self._folder.path / f"{self._number:08}.seg")
        self.forsake()

    def forsake(self) -> None:
        """Close the file, and leave it to those who write to it."""
        with fork_lock:
            close_quietly(self._fd)
            self._fd = None
