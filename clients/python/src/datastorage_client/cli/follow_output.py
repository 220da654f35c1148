"""Standard output for records that must not be lost on their way: who is behind it has them before it is said so."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import struct
import termios
import threading
from collections.abc import Sequence

_LOOK_S = 0.02
_WAIT_MS = 250


class Output:
    """Lines to a descriptor."""

    def __init__(self, descriptor: int, stop: threading.Event) -> None:
        """``stop`` ends waiting for a reader."""
        self._descriptor = descriptor
        self._stop = stop
        mode = os.fstat(descriptor).st_mode
        self._is_file = stat.S_ISREG(mode)
        self._is_pipe = stat.S_ISFIFO(mode)

    def begin(self) -> None:
        """End the line that a follower before has begun in the file and not ended: the next one has to be whole."""
        if not self._is_file:
            return
        size = os.fstat(self._descriptor).st_size
        path = f"/proc/self/fd/{self._descriptor}"
        if size == 0:
            return
        # Opened anew: for writing alone it cannot be read.
        with open(path, "rb") as file:
            file.seek(size - 1)
            if file.read(1) != b"\n":
                self._write(b"\n")

    def write(self, lines: Sequence[bytes]) -> bool:
        """Write these lines; False if it was ended before they were taken. Raises OSError.

        To a file they are on the disk then; of a pipe the reader has taken all.
        """
        if not lines:
            return True
        if not self._write(b"".join(line + b"\n" for line in lines)):
            return False
        if self._is_file:
            os.fsync(self._descriptor)
        return not self._is_pipe or self._taken()

    def _write(self, data: bytes) -> bool:
        view = memoryview(data)
        # A pipe that can be written to takes so many bytes without making anybody wait.
        most = select.PIPE_BUF if self._is_pipe else len(view)
        while view:
            while self._is_pipe and not self._events(select.POLLOUT):
                if self._stop.is_set():
                    return False
            view = view[os.write(self._descriptor, view[:most]) :]
        return True

    def _taken(self) -> bool:
        """Wait until the reader of the pipe has taken everything; False if it was ended before."""
        while _unread(self._descriptor):
            if self._events(0) & select.POLLERR:
                raise BrokenPipeError(errno.EPIPE, "nobody reads the pipe")
            if self._stop.wait(_LOOK_S):
                return False
        return True

    def _events(self, wanted: int) -> int:
        poll = select.poll()
        poll.register(self._descriptor, wanted)
        found = poll.poll(_WAIT_MS if wanted else 0)
        return found[0][1] if found else 0


def _unread(descriptor: int) -> int:
    """Bytes in a pipe. Where nobody reads any more, a write says so."""
    found: int = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0\0\0\0"))[0]
    return found
