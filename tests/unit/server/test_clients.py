"""Connections of a whole worker: how requests arrive, what they may hold, and what is ended."""

from __future__ import annotations

import json
import re
import socket
from functools import partial

import pytest

from tests.support import wait_until
from tests.unit.fakes import HOUR
from tests.unit.server.world import LARGE, World, request, sized


def test_a_connection_is_kept_for_the_next_request(world: World) -> None:
    client = world.start().client()
    for body in (b"one", b"", b"three" * 1000):
        client.sendall(sized("/echo", body))
        status, headers, got = client.answer()
        assert (status, got, headers["connection"]) == (200, body, "keep-alive")
    assert client.silent()


@pytest.mark.parametrize(
    ("line", "header", "closes"),
    [
        ("GET {} HTTP/1.1", "Connection: close", True),
        ("GET {} HTTP/1.1", "Connection: x, Close", True),
        ("GET {} HTTP/1.0", "X: y", True),
        ("GET {} HTTP/1.0", "Connection: keep-alive", False),
    ],
)
def test_a_connection_ends_where_the_client_says_so(world: World, line: str, header: str, closes: bool) -> None:
    client = world.start().client()
    client.send_request("/hello", header, line=line)
    status, headers, _ = client.answer()
    assert (status, headers["connection"]) == (200, "close" if closes else "keep-alive")
    if closes:
        assert client.end() == b""
    else:
        client.send_request("/hello", line=line)
        assert client.answer()[0] == 200


def test_pipelined_requests_are_answered_in_their_order(world: World) -> None:
    client = world.start().client()
    chunked = request("/echo", "Transfer-Encoding: chunked", body=b"2\r\nch\r\n3\r\nunk\r\n0\r\nA: b\r\n\r\n")
    sent = [(sized("/echo", b"%d" % number), b"%d" % number) for number in range(20)] + [(chunked, b"chunk")]
    client.sendall(b"".join(wire for wire, _ in sent))
    assert [client.answer()[::2] for _ in sent] == [(200, body) for _, body in sent]
    assert client.silent()


def test_a_request_that_comes_byte_by_byte(world: World) -> None:
    client = world.start().client()
    for byte in sized("/echo", b"hello") * 2:
        client.sendall(bytes([byte]))
    assert [client.answer()[::2] for _ in range(2)] == [(200, b"hello")] * 2


def test_a_client_that_leaves_harms_nobody(world: World) -> None:
    world.start(threads=1)
    for sent in (b"", b"GET / HT", sized("/echo", b"hello")[:-1], request("/block"), request("/large")):
        client = world.client()
        client.sendall(sent)
        if b"/block" in sent:
            wait_until(lambda: "/block" in world.app.calls)
        client.close()
    world.app.go_on.set()
    client = world.client()
    client.send_request("/hello")
    assert client.answer()[2] == b"hello"


MALFORMED = [
    b"x\r\n",
    b"5\r\nhelloworld\r\n0\r\n\r\n",
    b"5\nhello\r\n0\r\n\r\n",
    b"5;a=\0\r\nhello\r\n0\r\n\r\n",
    b"5;" + b"e" * 5000 + b"\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nA: " + b"t" * 5000 + b"\r\n\r\n",
    b"5\r\nhello\r\n0\r\nHost: a\r\n\r\n",
    b"5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n",
    b"5\r\nhello\r\n0\r\nA: b\n\r\n",
]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("body", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_body_has_one_answer_and_ends_the_connection(world: World, body: bytes, late: bool) -> None:
    client = world.start().client()
    head = request("/echo", "Transfer-Encoding: chunked", "X-Request-ID: r-1")
    behind = request("/hello") * 3
    if late:  # once the application has asked for it
        client.sendall(head)
        wait_until(lambda: world.app.calls == ["/echo"])
        client.sendall(body + behind)
    else:
        client.sendall(head + body + behind)
    status, headers, answer = client.answer()
    assert (status, headers["connection"], headers["x-request-id"]) == (400, "close", "r-1")
    assert json.loads(answer)["instance"] == "/echo"
    assert json.loads(answer)["detail"].startswith("the request body is malformed: ")
    assert client.end() == b""
    assert world.app.calls == ["/echo"] * late
    assert world.app.bodies == []
    [line] = [text for level, text in world.log.lines if level == "warning"]
    assert re.fullmatch(r"refused a request r-1 from 127\.0\.0\.1: the request body is malformed: .*", line)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: here\n\n", 400),
        (request("/hello", "Transfer-Encoding: gzip"), 501),
        (request("/hello", "Expect: x"), 417),
        (request("/hello", *[f"X{number}: {'a' * 8000}" for number in range(9)]), 431),
    ],
)
def test_a_head_that_is_refused_has_one_answer_and_ends_the_connection(world: World, sent: bytes, status: int) -> None:
    client = world.start().client()
    client.sendall(sized("/echo", b"one") + sent + request("/hello"))
    assert client.answer()[::2] == (200, b"one")
    assert client.answer()[0] == status
    assert client.end() == b""
    assert world.app.calls == ["/echo"]


def test_a_body_that_ends_too_early(world: World) -> None:
    client = world.start().client()
    client.sendall(sized("/echo", b"hello")[:-1])
    client.shutdown(socket.SHUT_WR)
    status, headers, body = client.answer()
    assert (status, headers["connection"]) == (400, "close")
    assert json.loads(body)["detail"] == "the request body ended too early"
    assert client.end() == b""
    assert world.app.bodies == []


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_limit_is_handed_over_cut_off(world: World, chunked: bool) -> None:
    client = world.start(max_body_size=100).client()
    if chunked:
        client.send_request("/echo", "Transfer-Encoding: chunked", body=b"65\r\n" + b"x" * 101)
    else:
        client.send_request("/echo", "Content-Length: 101", body=b"x" * 101)
    status, headers, body = client.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert len(body) == (101 if chunked else 0)
    assert client.end() == b""


@pytest.mark.parametrize(("crowded", "refused"), [(0.0, 0), (HOUR, 1)])
def test_the_memory_for_bodies_is_bounded(
    world: World, monkeypatch: pytest.MonkeyPatch, crowded: float, refused: int
) -> None:
    """Who has been waited for too long goes first, else who comes last; one body alone may have all of it."""
    monkeypatch.setattr("app.server.clients.CROWDED_SECONDS", crowded)
    clients = [world.start(max_body_bytes_in_flight=100).client(), world.client()]
    for number, client in enumerate(clients):
        client.send_request("/echo", "Content-Length: 150")
        expected = number + 1
        wait_until(partial(lambda count: len(world.app.calls) == len(world.worker._waiting.bodies) == count, expected))
    clients[0].sendall(b"x" * 90)
    wait_until(lambda: world.worker._clients._held == 90)
    clients[1].sendall(b"x" * 20)
    status, headers, body = clients[refused].answer()
    assert (status, headers["connection"], json.loads(body)["type"]) == (
        503, "close", "https://kubernaut.ai/problems/buffer-full"
    )  # fmt: skip
    assert clients[refused].end() == b""
    other, had = clients[1 - refused], (20, 90)[refused]
    other.sendall(b"x" * (150 - had))
    assert other.answer()[2] == b"x" * 150
    wait_until(lambda: world.worker._clients._held == 0)


def test_a_head_that_does_not_come(world: World) -> None:
    world.start(header_timeout=0.01)
    silent, begun = world.client(), world.client()
    begun.sendall(b"GET / HT")
    status, headers, _ = begun.answer()
    assert (status, headers["connection"]) == (408, "close")
    assert begun.end() == b""
    assert silent.end() == b"", "it never began a request, so there is nothing to answer"


def test_a_body_that_does_not_come(world: World) -> None:
    client = world.start(body_timeout=0.01).client()
    client.send_request("/echo", "Content-Length: 5")
    status, headers, _ = client.answer()
    assert (status, headers["connection"]) == (408, "close")
    assert client.end() == b""
    assert world.app.bodies == []


def test_a_connection_that_is_not_used_any_more(world: World) -> None:
    client = world.start(keepalive=1).client()
    client.send_request("/hello")
    assert client.answer()[1]["connection"] == "keep-alive"
    assert client.end() == b""


def test_an_answer_that_is_not_read(world: World) -> None:
    client = world.start(answer_timeout=0.01).client()
    client.send_request("/large")
    wait_until(lambda: world.app.calls and not world.worker._clients.connections)
    assert len(client.end()) < LARGE


def test_where_all_places_are_taken_one_that_waits_makes_room(world: World) -> None:
    """One for each place that is needed: the others may still send what they began."""
    world.start(connections=8)
    slow = [world.client() for _ in range(8)]
    for client in slow:
        client.sendall(b"POST /echo HT")
    # Seven there are also before the eighth is accepted.
    wait_until(lambda: any(not client.silent() for client in slow), what="one is told to go")
    wait_until(lambda: len(world.worker._clients.connections) == 7)
    gone = [client for client in slow if not client.silent()]
    assert [client.head()[0] for client in gone] == [408]
    newcomer = world.client()
    newcomer.send_request("/hello")
    assert newcomer.answer()[0] == 200
