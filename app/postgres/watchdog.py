"""Deadlines on our own clock for threads that wait on a connection to PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import psycopg

from app.clock import Clock

# Wake-ups of the watchdog: deadlines are whole seconds, so a tenth is fine enough and costs next to nothing.
_WATCH_INTERVAL_SECONDS = 0.1


class Watchdog:
    """Shuts the socket of a connection whose deadline has passed.

    A frozen server acknowledges TCP and never answers, and its statement_timeout is a clock that does not tick.
    The thread that waits on the connection then gets an OperationalError at once; `Deadline.fired` says why.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._armed: dict[int, Deadline] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1)

    @contextlib.contextmanager
    def deadline(self, conn: psycopg.Connection[Any], seconds: float) -> Iterator[Deadline]:
        """Give the block ``seconds``; after that the connection is dead and its user finds out."""
        armed = Deadline(conn, self._clock.monotonic() + seconds)
        with self._lock:
            self._armed[id(armed)] = armed
        try:
            yield armed
        finally:
            with self._lock:
                del self._armed[id(armed)]

    def _run(self) -> None:
        while not self._stop.wait(_WATCH_INTERVAL_SECONDS):
            now = self._clock.monotonic()
            # Inside the lock: afterwards the descriptor may belong to another connection.
            with self._lock:
                for armed in self._armed.values():
                    if not armed.fired and now >= armed.at:
                        armed.fire()


class Deadline:
    """One armed deadline of the watchdog."""

    def __init__(self, conn: psycopg.Connection[Any], at: float) -> None:
        self.at = at
        self.fired = False
        self._conn = conn

    def fire(self) -> None:
        """Shut the socket both ways. Called by the watchdog."""
        self.fired = True
        shut_socket(self._conn)


def shut_socket(conn: psycopg.Connection[Any]) -> None:
    """End a connection at the socket, under the thread that waits on it; no goodbye to the server."""
    try:
        fd = conn.pgconn.socket
    except psycopg.Error:
        return  # closed already: no thread waits on it
    with contextlib.suppress(OSError):  # not connected any more: the aim is reached
        duplicate = socket.socket(fileno=os.dup(fd))
        try:
            duplicate.shutdown(socket.SHUT_RDWR)
        finally:
            duplicate.close()
