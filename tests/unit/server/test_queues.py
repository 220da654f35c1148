"""Connections that wait, the longest first."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from app.server.connections import Connection
from app.server.queues import Pauses, Queue
from tests.unit.fakes import HOUR
from tests.unit.server.fakes import connection


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


def test_pauses_end_each_in_its_time(conns: list[Connection]) -> None:
    pauses: Pauses[Connection] = Pauses()
    assert (pauses.oldest(0.0, 5.0), pauses.due(5.0), len(pauses)) == (None, None, 0)
    for conn, seconds in zip(conns, (3.0, 1.0, 2.0, 9.0), strict=True):
        conn.aside = seconds
        pauses.add(conn, 10.0)
    assert (len(pauses), pauses.due(10.9), pauses.oldest(0.0, 10.0)) == (4, None, conns[1])
    assert pauses.due(11.0) is conns[1]
    pauses.remove(conns[1])
    pauses.remove(conns[2])
    # Added anew it is due at its new time alone.
    conns[2].aside = 5.0
    pauses.add(conns[2], 10.0)
    assert conns[2].queue is pauses
    over = []
    while (conn := pauses.due(20.0)) is not None:
        pauses.remove(conn)
        over.append(conn)
    assert over == [conns[0], conns[2], conns[3]]
    assert (len(pauses), list(pauses)) == (0, [])
