"""HTTP requests that end at a deadline as a whole.

urllib3 limits each wait for the next bytes: a server or proxy that drips a byte now and then would hold a command for
ever.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Deadline:
    """When what is asked now has to be over, on the monotonic clock."""

    def __init__(self) -> None:
        self._at: float | None = None

    def within(self, seconds: float) -> None:
        """Begin anew."""
        self._at = time.monotonic() + seconds

    def apply(self, sock: socket.socket) -> None:
        """Bound the socket's next wait. Raises TimeoutError if there is no time left for it."""
        if self._at is None:
            return
        if (left := self._at - time.monotonic()) <= 0:
            raise TimeoutError("timed out")
        sock.settimeout(left)


class _Incoming(io.RawIOBase):
    """What comes in on a socket."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock = sock
        self._deadline = deadline
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open until it is closed itself

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._deadline.apply(self._sock)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def pool_manager(deadline: Deadline, connect_timeout_s: float) -> urllib3.PoolManager:
    """Pools whose connections keep to the deadline; connecting has a limit of its own."""

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
            super().__init__(sock, *args, **kwargs)
            self.fp.close()
            self.fp = io.BufferedReader(_Incoming(sock, deadline))

    class Plain(HTTPConnection):
        response_class = Response

        def send(self, data: Any) -> None:
            _send_within(self, deadline, data, super().send)

    class Secure(HTTPSConnection):
        response_class = Response

        def send(self, data: Any) -> None:
            _send_within(self, deadline, data, super().send)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    manager = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=connect_timeout_s))
    manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return manager


def _send_within(connection: HTTPConnection, deadline: Deadline, data: Any, send: Any) -> None:
    if connection.sock is None:
        connection.connect()
    deadline.apply(connection.sock)
    send(data)  # sendall has one limit for all of it
