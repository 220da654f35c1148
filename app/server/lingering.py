"""The end of a connection that is not to be used again.

Closing a socket with bytes unread takes the answer away from the client that is about to read it. So our side is
ended first, and what the client still sends is read and thrown away for a while (RFC 9112, section 9.6).
"""

from __future__ import annotations

import socket

from app.server.connections import Connection

# How long and for how many bytes a client's end of a connection is waited for. A client that sends too large a body
# reads the answer only when it is through.
LINGER_SECONDS = 2.0
_LINGER_BYTES = 16 * 1024**2


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
