"""The end of a connection."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from app.server import lingering
from app.server.connections import Connection
from app.server.lingering import drain, end_our_side
from tests.unit.fakes import HOUR
from tests.unit.server.fakes import connection

Ends = tuple[socket.socket, Connection]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A client's socket, and the connection to it."""
    client, server = socket.socketpair()
    with client, server:
        client.settimeout(HOUR)
        yield client, connection(server)


def test_our_side_is_ended_and_what_the_client_still_sends_is_thrown_away(ends: Ends) -> None:
    client, conn = ends
    conn.sock.sendall(b"answer")
    conn.drained = 10**9
    assert end_our_side(conn)
    assert not drain(conn), "nothing is there yet"
    client.sendall(b"more of a request")
    assert not drain(conn)
    assert conn.drained == len(b"more of a request")
    assert client.recv(100) == b"answer"
    assert client.recv(100) == b""
    client.shutdown(socket.SHUT_WR)
    assert drain(conn)


def test_a_client_that_is_gone_hears_nothing(ends: Ends) -> None:
    client, conn = ends
    client.close()
    if end_our_side(conn):  # the kernel may not have noticed
        assert drain(conn)
    conn.close()
    assert not end_our_side(conn)
    assert drain(conn)


def test_a_client_that_sends_for_ever_is_read_for_so_many_bytes(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "_LINGER_BYTES", 100_000)
    client, conn = ends
    client.setblocking(False)
    assert end_our_side(conn)
    sent, over = 0, False
    while not over:
        with contextlib.suppress(BlockingIOError):
            sent += client.send(b"x" * 4096)
        over = drain(conn)
        assert over is (conn.drained > 100_000)
    assert conn.drained <= min(sent, 100_000 + 8192)
