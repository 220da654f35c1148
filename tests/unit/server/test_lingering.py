"""Connections that wait, and the end of one."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
from gunicorn.config import Config

from app.server import lingering
from app.server.connections import Connection
from app.server.lingering import Queue, drain, end_our_side
from tests.unit.fakes import HOUR

Ends = tuple[socket.socket, Connection]


def connection(sock: socket.socket) -> Connection:
    return Connection(sock, ("127.0.0.1", 1), ("127.0.0.1", 2), Config(), answer_seconds=HOUR, max_body=1000)


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A client's socket, and the connection to it."""
    client, server = socket.socketpair()
    with client, server:
        client.settimeout(HOUR)
        yield client, connection(server)


@pytest.fixture
def conns() -> Iterator[list[Connection]]:
    sockets = [sock for _ in range(2) for sock in socket.socketpair()]
    yield [connection(sock) for sock in sockets]
    for sock in sockets:
        sock.close()


def test_who_waits_longest_is_due_first(conns: list[Connection]) -> None:
    queue = Queue(10.0)
    assert queue.due(1e9) is None
    for now, conn in enumerate(conns):
        queue.add(conn, float(now))
        assert conn.queue is queue
    assert (len(queue), list(queue)) == (4, conns)
    assert queue.due(9.9) is None
    assert queue.due(10.0) is conns[0]
    assert queue.due(1e9) is conns[0], "asked again it is the same, until it is removed"
    queue.remove(conns[0])
    assert conns[0].queue is None
    assert queue.due(10.9) is None
    assert queue.due(11.0) is conns[1]


def test_one_from_the_middle_can_be_removed_and_added_anew(conns: list[Connection]) -> None:
    queue = Queue(10.0)
    for now, conn in enumerate(conns):
        queue.add(conn, float(now))
    queue.remove(conns[1])
    queue.remove(conns[0])
    queue.add(conns[0], 4.0)
    assert list(queue) == [conns[2], conns[3], conns[0]]
    assert queue.due(13.9) is conns[2]


def test_who_has_waited_for_so_long(conns: list[Connection]) -> None:
    queue = Queue(HOUR)
    assert queue.oldest(0.0, 1e9) is None
    queue.add(conns[0], 5.0)
    queue.add(conns[1], 5.5)
    assert queue.oldest(0.5, 5.4) is None
    assert queue.oldest(0.5, 5.5) is conns[0]
    assert queue.due(5.5) is None


def test_a_queue_can_be_emptied_while_it_is_gone_through(conns: list[Connection]) -> None:
    queue = Queue(10.0)
    for conn in conns:
        queue.add(conn, 0.0)
    for conn in queue:
        queue.remove(conn)
    assert len(queue) == 0


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
