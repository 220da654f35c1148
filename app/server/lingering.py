"""Connections that wait, each kind for so long at the most, and the end of a connection.

Closing a socket with bytes unread takes the answer away from the client that is about to read it. So our side is
ended first, and what the client still sends is read and thrown away for a while (RFC 9112, section 9.6).
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.server.connections import Connection

# How long and for how many bytes a client's end of a connection is waited for. A client that sends too large a body
# reads the answer only when it is through.
LINGER_SECONDS = 2.0
_LINGER_BYTES = 16 * 1024**2


class Queue:
    """Connections that wait for the same thing for so many seconds, in the order in which they began."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: dict[Connection, float] = {}

    def __len__(self) -> int:
        return len(self._since)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._since))

    def add(self, conn: Connection, now: float) -> None:
        """Let it wait from now on."""
        conn.queue = self
        self._since[conn] = now

    def remove(self, conn: Connection) -> None:
        """It has what it waited for."""
        conn.queue = None
        del self._since[conn]

    def oldest(self, waited: float, now: float) -> Connection | None:
        """Whoever waits longest, if that is so many seconds."""
        for conn, since in self._since.items():
            return conn if since + waited <= now else None
        return None

    def due(self, now: float) -> Connection | None:
        """Whoever waits longest, if its time is over."""
        return self.oldest(self.seconds, now)


def end_our_side(conn: Connection) -> bool:
    """Say that nothing more comes from us; False if there is no client any more to hear it."""
    try:
        conn.sock.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    conn.drained = 0
    return True


def drain(conn: Connection) -> bool:
    """Throw away what the client still sends; True when it has ended its side or sent more than is read of anybody."""
    data = conn.receive()
    if data is None:
        return False
    conn.drained += len(data)
    return not data or conn.drained > _LINGER_BYTES
