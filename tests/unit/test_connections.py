"""A listener at its end (what has begun is finished, nothing new begins, a shared one is left alone); and bodies."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest
from gunicorn.config import Config

from app.connections import ClientSocket, Connection, Shares, held_by, take_no_newcomers
from tests.unit.fakes import HOUR


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=5) as made:
        made.settimeout(60)
        yield made


def may_filter(listener: socket.socket) -> bool:
    """Whether the kernel lets this user filter a socket at all, tried with a program that lets everything pass."""
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0xFFFFFFFF), 8)
    try:
        listener.setsockopt(socket.SOL_SOCKET, 26, struct.pack("@HP", 1, ctypes.addressof(program)))
    except PermissionError:
        return False
    return True


def test_who_has_connected_is_served_and_who_comes_later_is_refused(listener: socket.socket) -> None:
    filtered = may_filter(listener)
    address = listener.getsockname()
    with socket.create_connection(address, timeout=60) as early, socket.socket() as late:
        assert take_no_newcomers(listener) is filtered
        late.settimeout(0.1)
        if filtered:
            with pytest.raises(TimeoutError):
                late.connect(address)
        early.sendall(b"request")
        served, _ = listener.accept()
        with served:
            served.settimeout(60)
            assert served.recv(100) == b"request"
            served.sendall(b"answer")
            assert early.recv(100) == b"answer"
        assert select.select([listener], [], [], 0)[0] == []
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=60)


def test_whether_another_process_holds_it(listener: socket.socket) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        listener.close()
        os._exit(0)
    os.close(read)
    assert held_by(child, listener)
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert not held_by(child, other)
    os.close(write)
    os.waitpid(child, 0)


def test_a_process_that_cannot_be_looked_at_may_hold_it(listener: socket.socket) -> None:
    nobody = 2**22 + 1  # above the most that Linux gives
    assert held_by(nobody, listener)


# --- bodies -------------------------------------------------------------------------------------------------

Ends = tuple[socket.socket, Connection]


@pytest.fixture
def ends() -> Iterator[Ends]:
    client, server = socket.socketpair()
    with client:
        sock = ClientSocket.of(server, HOUR)
        with sock:
            yield client, Connection(Config(), sock, ("127.0.0.1", 1), ("127.0.0.1", 2))


def begin(ends: Ends, length: int, *parts: bytes, seconds: float = HOUR) -> Any:
    """The body of a request whose head and the first of the parts came at once; the rest has ``seconds``."""
    client, conn = ends
    head = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n" % length
    assert conn.add(head + parts[0])
    for part in parts[1:]:
        client.sendall(part)
    request = conn.next_request()
    conn.sock.receive_until = monotonic() + seconds
    return request.body


def test_a_body_that_came_with_its_head(ends: Ends) -> None:
    body = begin(ends, 5, b"12345")
    assert body.read(100) == b"12345"
    assert body.read(100) == b""
    assert ends[1].parser.finish_body(monotonic() + HOUR)


def test_a_body_in_parts(ends: Ends) -> None:
    body = begin(ends, 12, b"1234", b"5678", b"9abc")
    assert body.read(5) == b"12345"
    assert body.read(100) == b"6789abc"
    assert body.read(100) == b""


def test_a_body_of_many_kilobytes(ends: Ends) -> None:
    client, _ = ends
    sent = os.urandom(1024**2)
    writer = threading.Thread(target=client.sendall, args=(sent,))
    body = begin(ends, len(sent), b"")
    writer.start()
    assert body.read(len(sent)) == sent
    writer.join()


@pytest.mark.parametrize("read", [0, 3, 5])
def test_the_next_request_begins_behind_the_body(ends: Ends, read: int) -> None:
    body = begin(ends, 5, b"12345GET /next HTTP/1.1\r\nHost: here\r\n\r\n")
    assert body.read(read) == b"12345"[:read]
    assert ends[1].parser.finish_body(monotonic() + HOUR)
    assert ends[1].take_pipelined()
    assert ends[1].next_request().path == "/next"


def test_the_rest_of_a_body_is_no_request(ends: Ends) -> None:
    """Bytes behind a body that arrived in parts stay in the socket."""
    _, conn = ends
    body = begin(ends, 8, b"1234", b"5678GET /next HTTP/1.1\r\nHost: here\r\n\r\n")
    assert body.read(8) == b"12345678"
    assert conn.parser.finish_body(monotonic() + HOUR)
    assert not conn.take_pipelined()
    data = conn.sock.receive_now()
    assert data is not None
    assert conn.add(data)
    assert conn.next_request().path == "/next"


def test_a_body_that_ends_too_early(ends: Ends) -> None:
    client, _ = ends
    body = begin(ends, 10, b"1234")
    client.shutdown(socket.SHUT_WR)
    assert body.read(10) == b"1234"


def test_a_body_that_does_not_come(ends: Ends) -> None:
    body = begin(ends, 10, b"1234", seconds=0.01)
    with pytest.raises(TimeoutError):
        body.read(10)


# --- shares -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "others"),
    [
        ([5], False),
        ([5, 5], False),
        ([5, 4], False),
        ([5, 3], True),
        ([5, 9], False),
        ([5, -1], False),
        ([5, -1, 0], True),
        ([1, 0], False),
    ],
)
def test_who_is_clearly_ahead_lets_others_go_first(counts: list[int], others: bool) -> None:
    shares = Shares(4)
    for slot, count in enumerate(counts):
        shares.set(slot, count)
    assert shares.others_first(0) is others


def test_every_process_sees_the_shares() -> None:
    shares = Shares(2)
    shares.set(0, 7)
    child = os.fork()
    if child == 0:
        shares.set(1, 3)
        os._exit(0)
    os.waitpid(child, 0)
    assert shares.others_first(0)
