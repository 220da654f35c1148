"""The thread that writes the log: other threads put lines onto a bounded queue, and none of them waits.

Lines are written many at a time. When the reader of the log does not keep up, lines are dropped and counted. Without
the thread (in gunicorn's master, before it starts and after it has ended) lines are written at once.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import stat
import sys
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

from app.telemetry.request_line import RequestLine, request_json

# Lines that wait at the most; a request's takes about half a kilobyte.
QUEUE_LINES = 8192
# Lines of requests wait so long for company; lines of events wake the writer at once.
_LINGER_SECONDS = 0.05
# Lines that are formatted before they are written.
_LINES_PER_WRITE = 256
# Several processes share the log. Into a pipe only writes up to PIPE_BUF are never torn apart by another's.
_PIPE_BYTES = select.PIPE_BUF
_MAX_WRITE_BYTES = 64 * 1024
# How long a log that takes nothing is waited for, by the writer alone.
_STUCK_SECONDS = 1.0

Line = RequestLine | bytes


class LineWriter:
    """The queue of lines and the thread that empties it. ``write`` takes whole lines and may wait or raise OSError."""

    def __init__(
        self,
        word: Callable[[RequestLine], bytes] = request_json,
        write: Callable[[bytes], None] | None = None,
        limit: int = QUEUE_LINES,
    ) -> None:
        self._word = word
        self._write = write or write_to_stderr
        self._limit = limit
        self._queue: deque[Line] = deque()
        # None of these may stop a signal handler that logs while its own thread is just logging.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._ending = False
        self._thread: threading.Thread | None = None
        self._writing = threading.RLock()
        self._counting = threading.RLock()
        self._dropped = 0

    def start(self) -> None:
        """Start the thread; in the process that logs, after the fork."""
        self._ending = False
        thread = threading.Thread(target=self._run, name="log", daemon=True)
        thread.start()  # RuntimeError where there is no room for one: lines go on being written at once
        self._thread = thread
        # A process that ends without having been stopped still says what it had to say.
        atexit.register(self.stop)

    def stop(self, timeout: float = 2.0) -> bool:
        """Write what waits and end the thread; False if the log did not take everything in time."""
        thread = self._thread
        if thread is None:
            return True
        self._ending = True
        self._wake.put(None)
        thread.join(timeout)
        atexit.unregister(self.stop)
        if thread.is_alive():
            return False  # the log is stuck: lines go on being queued, and dropped
        self._thread = None
        self._drain()
        return True

    @property
    def running(self) -> bool:
        return self._thread is not None

    def put(self, line: Line, *, urgent: bool = False) -> None:
        """Queue a line; never waits while the thread runs. ``urgent``: do not wait for others to come."""
        if len(self._queue) >= self._limit:
            self._drop(1)
            return
        self._queue.append(line)
        if self._thread is None:
            self._drain()
        elif urgent:
            self._wake.put(None)

    def take_dropped(self) -> int:
        """How many lines were dropped since this was last asked."""
        with self._counting:
            dropped, self._dropped = self._dropped, 0
        return dropped

    def _drop(self, lines: int) -> None:
        with self._counting:
            self._dropped += lines

    def _run(self) -> None:
        while not self._ending:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=_LINGER_SECONDS)
                while True:
                    self._wake.get_nowait()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        with self._writing:
            queue, word = self._queue, self._word
            while queue:
                lines = [queue.popleft() for _ in range(min(len(queue), _LINES_PER_WRITE))]
                try:
                    self._write(b"".join([word(x) if isinstance(x, RequestLine) else x for x in lines]))
                except (OSError, ValueError):  # ValueError: the stream was closed
                    self._drop(len(lines))


def write_to_stderr(lines: bytes) -> None:
    """Write whole lines to standard error, so that those of other processes do not come in between.

    Raises OSError if the log takes nothing for a while.
    """
    try:
        fd = sys.stderr.fileno()
    except (OSError, ValueError, AttributeError):  # replaced by something that is no file
        sys.stderr.write(lines.decode())
        return
    most = _PIPE_BYTES if stat.S_ISFIFO(os.fstat(fd).st_mode) else _MAX_WRITE_BYTES
    start = 0
    while start < len(lines):
        end = len(lines)
        if end - start > most:
            # As many whole lines as fit; one that is longer than that goes alone.
            end = lines.rfind(b"\n", start, start + most) + 1 or lines.find(b"\n", start) + 1 or len(lines)
        _write_all(fd, memoryview(lines)[start:end])
        start = end


def _write_all(fd: int, rest: memoryview) -> None:
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:  # another process made it non-blocking
            if not select.select([], [fd], [], _STUCK_SECONDS)[1]:
                raise
