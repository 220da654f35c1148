"""Standard output for records that must not be lost on their way: who is behind it has them before it is said so."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import stat
import struct
import termios
import threading
import time
from collections.abc import Iterable

_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.001, 0.1
_WAIT_MS = 100
# After the end is asked for: time for a reader that reads to take the rest of the line, and of the page.
_GRACE_S = 0.4
# Of a file in one write; between two it is seen whether there is room.
_FILE_BYTES = 1024 * 1024


class Output:
    """Lines to a descriptor."""

    def __init__(self, descriptor: int, stop: threading.Event) -> None:
        """``stop`` ends waiting for a reader."""
        self._descriptor = descriptor
        self._stop = stop
        self._ends_at: float | None = None
        mode = os.fstat(descriptor).st_mode
        self._is_file = stat.S_ISREG(mode)
        self._is_pipe = stat.S_ISFIFO(mode)
        self._socket = socket.socket(fileno=os.dup(descriptor)) if stat.S_ISSOCK(mode) else None

    def begin(self) -> None:
        """End the line that a follower before has begun and not ended: the next one has to be whole. Raises OSError.

        A pipe with a name has a reader that may have got half a line. It gets an empty line, always, which readers of
        NDJSON pass over.
        """
        if (self._is_file and not self._at_a_beginning()) or (self._is_pipe and self._has_name()):
            self._write(b"\n")

    def _at_a_beginning(self) -> bool:
        """Whether the next byte of the file begins a line. Where that cannot be seen it does not."""
        appends = fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & os.O_APPEND
        size = os.fstat(self._descriptor).st_size
        place = size if appends else min(size, os.lseek(self._descriptor, 0, os.SEEK_CUR))
        if place == 0:
            return True
        try:
            # Opened anew: for writing alone it cannot be read.
            with open(f"/proc/self/fd/{self._descriptor}", "rb", buffering=0) as file:
                return os.pread(file.fileno(), 1, place - 1) == b"\n"
        except OSError:
            return False

    def _has_name(self) -> bool:
        one, other = os.pipe()
        try:
            return os.fstat(one).st_dev != os.fstat(self._descriptor).st_dev
        finally:
            os.close(one)
            os.close(other)

    def write(self, lines: Iterable[bytes]) -> bool:
        """Write these lines; False if it was ended before they were taken. Raises OSError.

        To a file they are on the disk then; of a pipe or a socket the reader has taken all.
        """
        data = b"".join(line + b"\n" for line in lines)
        if not data:
            return True
        if not self._write(data):
            return False
        if self._is_file:
            os.fsync(self._descriptor)
        return self._taken()

    def _write(self, data: bytes) -> bool:
        view = memoryview(data)
        while view:
            if not self._is_file:
                ready = self._events(select.POLLOUT, _WAIT_MS)
                if self._over(ready):
                    return False
                if not ready:
                    continue
            view = view[self._write_some(view) :]
        return True

    def _over(self, ready: int) -> bool:
        """Whether the end was asked for, and the reader does not read, or is slow."""
        if not self._stop.is_set():
            return False
        if self._ends_at is None:
            self._ends_at = time.monotonic() + _GRACE_S
        return not ready or time.monotonic() > self._ends_at

    def _write_some(self, view: memoryview) -> int:
        """Write so much as makes nobody wait; how many bytes that were."""
        if self._is_file:
            return os.write(self._descriptor, view[:_FILE_BYTES])
        # What can be written to takes so many bytes at once.
        if self._socket is None:
            return os.write(self._descriptor, view[: select.PIPE_BUF])
        try:
            return self._socket.send(view, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def _taken(self) -> bool:
        """Wait until the reader has taken everything; False if it was ended before. Raises BrokenPipeError."""
        pause = _FIRST_LOOK_S
        while self._unread():
            # The reader may have taken all and gone between.
            if self._events(0, 0) & (select.POLLERR | select.POLLHUP) and self._unread():
                raise BrokenPipeError(errno.EPIPE, "the reader has gone")
            if self._stop.wait(pause):
                return not self._unread()
            pause = min(2 * pause, _LONGEST_LOOK_S)
        return True

    def _unread(self) -> int:
        """Bytes that the reader has not taken yet, where that can be known."""
        if not (self._is_pipe or self._socket):
            return 0
        # Of a socket TIOCOUTQ says it, which Linux has under the name SIOCOUTQ too.
        asked = termios.FIONREAD if self._is_pipe else termios.TIOCOUTQ
        try:
            found: int = struct.unpack("i", fcntl.ioctl(self._descriptor, asked, bytes(4)))[0]
        except OSError:
            return 0
        return found

    def _events(self, wanted: int, milliseconds: int) -> int:
        poll = select.poll()
        poll.register(self._descriptor, wanted)
        found = poll.poll(milliseconds)
        return found[0][1] if found else 0
