"""Connections that threads hand back to the loop, and the pipe that wakes it."""

from __future__ import annotations

import contextlib
import os
import selectors
from collections import deque
from collections.abc import Callable

from app.server.connections import Connection


class Handover:
    """What threads and signals leave for the loop; ``take`` is called with each connection, in the loop."""

    def __init__(self, poller: selectors.BaseSelector, take: Callable[[Connection], None]) -> None:
        self._take = take
        self._left: deque[Connection | None] = deque()
        self._woken = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        poller.register(self._read, selectors.EVENT_READ, self._on_woken)

    def put(self, conn: Connection | None) -> None:
        """Leave a connection that a thread is done with, and wake the loop; None wakes it and no more."""
        self._left.append(conn)
        if not self._woken:
            self._woken = True
            with contextlib.suppress(BlockingIOError):
                os.write(self._write, b"\0")

    def _on_woken(self, _: int) -> None:
        os.read(self._read, 64)
        self._woken = False
        while self._left:
            if (conn := self._left.popleft()) is not None:
                self._take(conn)
