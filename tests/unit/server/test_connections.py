"""A client's connection: the one answer to a request, and requests however their bytes are cut."""

from __future__ import annotations

import itertools
import json
import select
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from gunicorn.config import Config
from hypothesis import given
from hypothesis import strategies as st

from app.http.problems import Problem
from app.server import heads
from app.server.connections import (
    Answer,
    BodyWantedError,
    ClientGoneError,
    Connection,
    NotYet,
    RefusedError,
    send_now,
)
from tests.unit.fakes import HOUR

BASE = "https://p.example/problems"
PROBLEM = Problem("unauthorized", "no token", headers={"WWW-Authenticate": "Bearer"})
LARGE = b"x" * 300 * 1024  # more than is gathered before it is sent
TOO_LARGE = bytes(8 * 1024**2)  # beyond what is kept for a client that reads slowly
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The client's end, which waits for an hour, and the server's, whose buffer is small."""
    client, server = socket.socketpair()
    with client, server:
        client.settimeout(HOUR)
        server.setblocking(False)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        yield client, server


def everything(client: socket.socket) -> bytes:
    """What arrives up to the end of the server's side."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def at_once(client: socket.socket) -> bytes:
    """What has arrived."""
    return client.recv(2**20) if select.select([client], [], [], 0)[0] else b""


def read_by_another(client: socket.socket) -> tuple[threading.Thread, list[bytes]]:
    """A thread that reads all of it, and where that is then."""
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(everything(client)), daemon=True)
    thread.start()
    return thread, found


# --- the answer ---------------------------------------------------------------------------------------------


def test_an_answer_is_sent_when_it_is_complete(pair: Pair) -> None:
    client, server = pair
    answer = Answer(server, HOUR)
    answer.sendall(b"head ")
    answer.sendall(b"body")
    assert not answer.begun
    assert at_once(client) == b""
    assert not answer.finish()
    assert (answer.begun, answer.over) == (True, True)
    assert at_once(client) == b"head body"


def test_what_there_is_of_an_answer_that_goes_on_is_sent_after_a_while(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, server = pair
    now = [0.0]
    monkeypatch.setattr("app.server.connections.time.monotonic", lambda: now[0])
    answer = Answer(server, HOUR)
    for moment, part, arrived in (
        (0.0, b"a", b""),
        (0.9, b"b", b""),
        (1.1, b"c", b"ab"),
        (2.0, b"d", b""),
        (2.2, b"e", b"cd"),
    ):
        now[0] = moment
        answer.sendall(part)
        assert at_once(client) == arrived
    assert not answer.finish()
    assert at_once(client) == b"e"


def test_nothing_is_written_after_an_answer_is_complete(pair: Pair) -> None:
    client, server = pair
    answer = Answer(server, HOUR)
    answer.sendall(b"the one")
    answer.finish()
    with pytest.raises(ClientGoneError):
        answer.sendall(b"another")
    with pytest.raises(ClientGoneError):
        answer.finish()
    answer.refuse(PROBLEM, BASE)
    answer.go_on()
    assert at_once(client) == b"the one"


def test_nothing_but_the_rest_is_written_once_an_answer_has_begun(pair: Pair) -> None:
    client, server = pair
    thread, found = read_by_another(client)
    answer = Answer(server, HOUR)
    answer.sendall(LARGE)
    answer.sendall(b"more")  # the part before it is sent by now
    assert (answer.begun, answer.over) == (True, False)
    answer.refuse(PROBLEM, BASE)
    answer.go_on()
    answer.sendall(b"end")
    answer.wait(answer.finish())
    server.close()
    thread.join()
    assert found == [LARGE + b"more" + b"end"]


def test_a_refusal_is_the_answer(pair: Pair) -> None:
    client, server = pair
    answer = Answer(server, HOUR)
    answer.refuse(PROBLEM, BASE, "/a", "r-1")
    answer.refuse(Problem("not-found", "another"), BASE)
    with pytest.raises(ClientGoneError):
        answer.sendall(b"another")
    head, _, body = at_once(client).partition(b"\r\n\r\n")
    status, *headers = head.decode("ascii").split("\r\n")
    assert status == "HTTP/1.1 401 Unauthorized"
    assert dict(each.split(": ") for each in headers) == {
        "Connection": "close",
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "WWW-Authenticate": "Bearer",
        "X-Request-ID": "r-1",
    }
    assert json.loads(body) == {
        "type": f"{BASE}/unauthorized", "title": "Unauthorized", "status": 401, "detail": "no token", "instance": "/a"
    }  # fmt: skip


def test_a_refusal_takes_the_place_of_what_was_gathered_and_not_sent(pair: Pair) -> None:
    client, server = pair
    answer = Answer(server, HOUR)
    answer.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
    answer.refuse(PROBLEM, BASE)
    got = at_once(client)
    assert got.startswith(b"HTTP/1.1 401 ")
    assert got.count(b"HTTP/1.1") == 1
    assert b"half of it" not in got


def test_an_answer_can_be_made_anew_until_some_of_it_is_sent(pair: Pair) -> None:
    client, server = pair
    thread, found = read_by_another(client)
    answer = Answer(server, HOUR)
    answer.sendall(b"forgotten")
    assert answer.withdraw()
    answer.sendall(LARGE)
    answer.sendall(b"end")
    assert not answer.withdraw()
    answer.wait(answer.finish())
    assert not answer.withdraw()
    server.close()
    thread.join()
    assert found == [LARGE + b"end"]


def test_a_client_is_told_to_go_on_before_the_answer(pair: Pair) -> None:
    client, server = pair
    answer = Answer(server, HOUR)
    answer.go_on()
    answer.sendall(b"answer")
    answer.finish()
    assert at_once(client) == b"HTTP/1.1 100 Continue\r\n\r\nanswer"


def test_what_a_client_does_not_take_at_once_is_returned(pair: Pair) -> None:
    client, server = pair
    data = bytes(range(256)) * 500  # more than the buffer, less than what is sent in pieces
    answer = Answer(server, HOUR)
    answer.sendall(data)
    rest = answer.finish()
    assert 0 < len(rest) < len(data)
    got = b""
    while rest:
        got += at_once(client)
        rest = rest[send_now(server, rest) :]
    assert got + at_once(client) == data


def test_an_answer_waits_for_a_client_that_reads_slowly(pair: Pair) -> None:
    client, server = pair
    thread, found = read_by_another(client)
    answer = Answer(server, HOUR)
    for _ in range(10):
        answer.sendall(LARGE)
    answer.wait(answer.finish())
    server.close()
    thread.join()
    assert found == [10 * LARGE]


def test_a_client_that_does_not_read_is_given_up_after_its_seconds(pair: Pair) -> None:
    _, server = pair
    answer = Answer(server, 0.01)
    answer.sendall(TOO_LARGE)
    with pytest.raises(ClientGoneError):
        answer.sendall(b"end")
    assert answer.over
    with pytest.raises(ClientGoneError):
        answer.sendall(b"more")
    with pytest.raises(ClientGoneError):
        answer.finish()


def test_a_client_that_is_gone(pair: Pair) -> None:
    client, server = pair
    client.close()
    answer = Answer(server, HOUR)
    answer.sendall(b"answer")
    with pytest.raises(ClientGoneError):
        answer.finish()
    assert answer.over
    answer.refuse(PROBLEM, BASE)
    with pytest.raises(ClientGoneError):
        Answer(server, HOUR).refuse(PROBLEM, BASE)
    with pytest.raises(ClientGoneError):
        Answer(server, HOUR).go_on()


def test_a_client_that_goes_while_it_is_waited_for(pair: Pair) -> None:
    client, server = pair
    answer = Answer(server, HOUR)
    answer.sendall(b"x" * 100_000)
    rest = answer.finish()
    thread = threading.Timer(0.01, client.close)
    thread.start()
    with pytest.raises(ClientGoneError):
        answer.wait(rest)
    thread.join()


# --- requests -----------------------------------------------------------------------------------------------


def connection(sock: socket.socket, max_body: int = 1000) -> Connection:
    cfg = Config()
    cfg.set("forwarded_allow_ips", "")
    return Connection(sock, ("127.0.0.1", 1), ("127.0.0.1", 2), cfg, answer_seconds=HOUR, max_body=max_body)


@pytest.fixture
def conn(pair: Pair) -> Connection:
    return connection(pair[1])


Taken = tuple[str, str, bytes, bool]


def taken(conn: Connection) -> Taken:
    """The request that is ready."""
    assert conn.request is not None
    assert conn.body is not None
    assert conn.request.whole is conn.body.whole
    return conn.request.method, conn.request.path, conn.body.content(), conn.request.whole


def served(conn: Connection, pieces: list[bytes]) -> tuple[list[Taken], int]:
    """The requests in what arrives, served as the worker does; and the status of what ended them, or 0."""
    found = []
    for piece in pieces:
        data = piece
        try:
            while conn.take(data):
                found.append(taken(conn))
                if not found[-1][3]:
                    return found, 0  # the connection is closed
                conn.next_request()
                data, conn.received = conn.received, b""
                if not data:
                    break
        except RefusedError as e:
            return found, e.problem.kind.status
    return found, 0


def request(path: str, *headers: str, body: bytes = b"", method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: here", *headers, "", ""]).encode() + body


SIZED = request("/sized", "Content-Length: 5", body=b"hello")
CHUNKED = request("/chunked", "Transfer-Encoding: chunked", body=b"2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n")
PLAIN = request("/plain", method="GET")
GOOD: dict[bytes, Taken] = {
    SIZED: ("POST", "/sized", b"hello", True),
    CHUNKED: ("POST", "/chunked", b"hello", True),
    PLAIN: ("GET", "/plain", b"", True),
}
# Each ends the connection, with this status.
BAD = {
    request("/", "Transfer-Encoding: chunked", body=b"x\r\n"): 400,
    request("/", "Transfer-Encoding: chunked", body=b"0\r\nHost: a\r\n\r\n"): 400,
    request("/", "Transfer-Encoding: gzip"): 501,
    request("/", "Expect: x"): 417,
    request("/", "Host: again"): 400,
    b"GET / HTTP/1.1\nHost: here\n\n": 400,
    b"GET / HTTP/1.1\r\n\r\n": 400,
    b"nonsense\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000: 431,
}
EMPTY_LINES = st.sampled_from([b"", b"", b"\r\n", b"\r\n\r\n", b"\n"])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges) if a < b]


@given(
    st.lists(st.tuples(EMPTY_LINES, st.sampled_from(sorted(GOOD))), max_size=5),
    st.sampled_from([b"", *BAD]),
    st.lists(st.integers(0, 700), max_size=12),
)
def test_a_stream_is_the_same_requests_wherever_it_is_cut(
    sent: list[tuple[bytes, bytes]], last: bytes, places: list[int]
) -> None:
    wire = b"".join(lines + each for lines, each in sent) + last
    expected = [GOOD[each] for _, each in sent], BAD.get(last, 0)
    small = [wire[at : at + 1] for at in range(min(len(wire), 2000))] + [wire[2000:]]
    for pieces in ([wire], cut(wire, places), small):
        client, server = socket.socketpair()
        with client, server:
            assert served(connection(server), [piece for piece in pieces if piece]) == expected


def test_pipelined_requests_come_one_after_the_other(conn: Connection) -> None:
    assert conn.take(SIZED + CHUNKED + PLAIN[:20])
    assert taken(conn) == GOOD[SIZED]
    assert conn.received == CHUNKED + PLAIN[:20]
    answer = conn.answer
    conn.next_request()
    assert conn.answer is not answer
    data, conn.received = conn.received, b""
    assert conn.take(data)
    assert taken(conn) == GOOD[CHUNKED]
    conn.next_request()
    data, conn.received = conn.received, b""
    assert not conn.take(data)
    assert conn.request is None
    assert conn.take(PLAIN[20:])
    assert taken(conn) == GOOD[PLAIN]


def test_empty_lines_before_a_request_are_ignored_and_not_kept(conn: Connection) -> None:
    for _ in range(100):
        assert not conn.take(b"\r\n" * 1000)
        assert conn.received == b""
    assert conn.take(b"\r\n\n" + PLAIN)
    assert taken(conn) == GOOD[PLAIN]


@pytest.mark.parametrize("piece", [1000, heads.MAX_HEAD_BYTES, 10**6])
def test_a_head_that_does_not_end_is_refused_by_its_bytes(conn: Connection, piece: int) -> None:
    sent = 0
    with pytest.raises(RefusedError) as e:  # noqa: PT012 - whichever piece is one too many
        for _ in range(1 + heads.MAX_HEAD_BYTES // piece):
            conn.take(b"a" * piece)
            sent += piece
            assert len(conn.received) == sent
    assert e.value.problem.kind.status == 431
    assert sent <= heads.MAX_HEAD_BYTES


def test_a_head_that_ends_behind_the_limit_is_refused(conn: Connection) -> None:
    with pytest.raises(RefusedError) as e:
        conn.take(request("/", *[f"X{number}: {'a' * 8000}" for number in range(9)]))
    assert e.value.problem.kind.status == 431


def test_a_body_longer_than_the_limit_is_not_waited_for(pair: Pair) -> None:
    conn = connection(pair[1], max_body=10)
    assert conn.take(request("/", "Content-Length: 11"))
    assert taken(conn) == ("POST", "/", b"", False)
    assert conn.request is not None
    assert conn.request.should_close()
    conn.next_request()
    assert not conn.take(request("/", "Transfer-Encoding: chunked", body=b"b\r\n0123456789"))
    assert conn.held == 10
    assert conn.take(b"a")
    assert taken(conn) == ("POST", "/", b"0123456789a", False)


def test_a_client_that_expects_to_be_told(conn: Connection) -> None:
    assert not conn.take(request("/", "Content-Length: 5", "Expect: 100-continue"))
    assert conn.expects_continue
    assert conn.take(b"hello")
    conn.next_request()
    assert not conn.expects_continue


def test_a_client_that_ends_its_side_early(conn: Connection) -> None:
    assert conn.ended_early() is None
    assert not conn.take(b"GET / HT")
    assert conn.ended_early() is None, "it never began a request that there could be an answer to"
    conn.received = b""
    assert not conn.take(SIZED[:-1])
    refused = conn.ended_early()
    assert refused is not None
    assert (refused.problem.kind.status, refused.problem.detail) == (400, "the request body ended too early")


def test_what_is_there_to_read(pair: Pair, conn: Connection) -> None:
    client, _ = pair
    assert conn.receive() is None
    client.sendall(b"abc")
    assert conn.receive() == b"abc"
    assert conn.receive() is None
    client.shutdown(socket.SHUT_WR)
    assert conn.receive() == b""
    conn.close()
    assert conn.receive() == b"", "of one that is broken as well"


@pytest.mark.parametrize("read", ["read", "readline", "readlines", "__iter__"])
def test_a_body_that_has_not_come_unwinds_the_application(read: str) -> None:
    def application(body: Any) -> None:
        try:
            getattr(body, read)()
        except Exception as e:  # as applications do
            raise AssertionError("was taken for an error") from e

    with pytest.raises(BodyWantedError):
        application(NotYet())
    with pytest.raises(BodyWantedError):
        NotYet().read(100)
    with pytest.raises(BodyWantedError):
        list(NotYet())  # type: ignore[call-overload]
