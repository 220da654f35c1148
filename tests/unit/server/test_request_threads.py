"""The threads of a whole worker: bodies that are asked for, answers, and applications that fail."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app.http.problems import Problem
from tests.support import wait_until
from tests.unit.server.world import LARGE, UNREAD, World, request

INTERNAL_ERROR = "https://kubernaut.ai/problems/internal-error"


def test_without_keep_alive_every_answer_closes(world: World) -> None:
    client = world.start(keepalive=0).client()
    client.send_request("/hello")
    assert client.answer()[1]["connection"] == "close"
    assert client.end() == b""


def test_an_answer_without_a_length_is_sent_in_chunks(world: World) -> None:
    def chunks(environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        start("200 OK", [])
        yield from (b"a", b"", b"bc")

    world.app.handlers["/chunks"] = chunks
    client = world.start().client()
    client.send_request("/chunks", "Connection: close")
    assert client.end().partition(b"\r\n\r\n")[2] == b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"


@pytest.mark.parametrize("chunked", [True, False])
def test_an_application_that_reads_a_body_is_asked_again_when_it_is_there(world: World, chunked: bool) -> None:
    client = world.start(threads=1).client()
    client.send_request("/echo", "Transfer-Encoding: chunked" if chunked else "Content-Length: 5")
    wait_until(lambda: world.app.calls == ["/echo"])
    assert client.silent()
    other = world.client()
    other.send_request("/hello")
    assert other.answer()[0] == 200, "no thread waits for it"
    client.sendall(b"3\r\nhel\r\n" if chunked else b"hel")
    client.sendall(b"2\r\nlo\r\n0\r\n\r\n" if chunked else b"lo")
    assert client.answer()[::2] == (200, b"hello")
    assert world.app.calls == ["/echo", "/hello", "/echo"]
    assert world.app.bodies == [b"hello"]
    client.send_request("/hello")
    assert client.answer()[0] == 200


@pytest.mark.parametrize("header", ["Content-Length: 1000000", "Transfer-Encoding: chunked"])
def test_who_is_not_let_in_is_answered_before_the_body_and_nothing_comes_after(world: World, header: str) -> None:
    client = world.start().client()
    client.send_request("/private", header)
    status, headers, body = client.answer()
    assert (status, headers["connection"], body) == (401, "close", b"no")
    client.sendall(b"5\r\nhello\r\n0\r\nHost: bad trailer\r\n\r\n" + request("/hello"))
    assert client.end() == b""
    assert world.app.calls == ["/private"]


@pytest.mark.parametrize("header", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_client_is_told_to_go_on_only_when_its_body_is_read(world: World, header: str) -> None:
    world.start()
    refused = world.client()
    refused.send_request("/private", header, "Expect: 100-continue")
    assert refused.answer()[0] == 401
    assert refused.end() == b""
    client = world.client()
    client.send_request("/echo", header, "Expect: 100-continue")
    assert client.head() == (100, {})
    client.sendall(b"hello" if "Length" in header else b"5\r\nhello\r\n0\r\n\r\n")
    assert client.answer()[::2] == (200, b"hello")
    assert client.silent(), "it is said once"


def test_a_client_that_has_sent_its_body_need_not_be_told(world: World) -> None:
    client = world.start().client()
    client.send_request("/echo", "Content-Length: 5", "Expect: 100-continue", body=b"hello")
    assert client.answer()[::2] == (200, b"hello")


def test_an_application_that_reads_the_body_after_it_began_to_answer(world: World) -> None:
    """What it has written when it is asked again is not written twice."""
    client = world.start().client()
    client.send_request("/late-reader", "Content-Length: 5")
    wait_until(lambda: world.app.calls == ["/late-reader"])
    client.sendall(b"hello")
    assert client.answer()[::2] == (200, b"beginhello")
    client.send_request("/hello")
    assert client.answer()[::2] == (200, b"hello")


def test_one_whose_answer_has_begun_cannot_be_asked_again(world: World) -> None:
    def handler(environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", str(LARGE))])
        yield b"x" * (LARGE // 4)
        yield b"x" * (LARGE // 4)  # the first part is sent by now
        yield environ["wsgi.input"].read()

    world.app.handlers["/too-late"] = handler
    client = world.start().client()
    client.send_request("/too-late", "Content-Length: 5")
    got = client.end()
    assert got.count(b"HTTP/1.1") == 1
    assert len(got) < LARGE
    client.close()
    assert world.app.calls == ["/too-late"]


def test_a_client_that_does_not_read_its_answer_keeps_no_thread(world: World) -> None:
    world.listeners[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # of each connection that it takes
    world.start(threads=1)
    slow = [world.client(receive_buffer=8192) for _ in range(2)]
    for client in slow:
        client.send_request("/unread")
    wait_until(lambda: len(world.worker._waiting.unread) == 2)
    assert world.worker._clients._unsent > 0
    other = world.client()
    other.send_request("/hello")
    assert other.answer()[0] == 200
    for client in slow:
        assert client.answer()[::2] == (200, b"x" * UNREAD)
        client.send_request("/hello")
        assert client.answer()[2] == b"hello"
    wait_until(lambda: world.worker._clients._unsent == 0)


def test_an_application_that_raises_before_it_answers(world: World) -> None:
    client = world.start().client()
    client.sendall(request("/broken") + request("/hello"))
    status, headers, body = client.answer()
    assert (status, headers["connection"]) == (500, "close")
    assert json.loads(body)["type"] == INTERNAL_ERROR
    assert b"secret" not in body
    assert client.end() == b""
    assert world.app.calls == ["/broken"]
    assert world.log.lines[-1][0] == "error"


def test_an_application_that_raises_before_anything_of_its_answer_is_sent(world: World) -> None:
    client = world.start().client()
    client.sendall(request("/broken-early") + request("/hello"))
    status, _, body = client.answer()
    assert (status, json.loads(body)["type"]) == (500, INTERNAL_ERROR)
    assert client.end() == b""


def test_an_application_that_raises_after_its_first_byte_ends_the_connection(world: World) -> None:
    client = world.start().client()
    client.sendall(request("/broken-late") + request("/hello"))
    got = client.end()
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert got.count(b"HTTP/1.1") == 1, "there is no second answer"
    assert 0 < len(got.partition(b"\r\n\r\n")[2]) < LARGE
    assert world.app.calls == ["/broken-late"]


@pytest.mark.parametrize("sent", [b"a little", bytes(LARGE)], ids=["nothing is sent yet", "some of it is sent"])
def test_an_answer_in_parts_that_breaks_off_with_a_problem(world: World, sent: bytes) -> None:
    """It is the answer where that is still possible. Else the last chunk is missing, and the log has no mistake."""

    def breaks(environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        start("200 OK", [])
        yield sent
        yield b"and"
        raise Problem("service-unavailable", "it stops")

    world.app.handlers["/breaks"] = breaks
    client = world.start().client()
    client.send_request("/breaks")
    head, _, body = client.end().partition(b"\r\n\r\n")
    if sent == b"a little":
        assert head.startswith(b"HTTP/1.1 503 ")
        assert json.loads(body)["detail"] == "it stops"
    else:
        assert head.startswith(b"HTTP/1.1 200 ")
        assert not body.endswith(b"0\r\n\r\n")
    assert not [line for line in world.log.lines if "unexpected" in str(line)]


def test_an_answer_that_is_shorter_than_it_says_ends_the_connection(world: World) -> None:
    """What came next would be read as the rest of it."""

    def handler(environ: dict[str, Any], start: Any) -> list[bytes]:
        start("200 OK", [("Content-Length", "10")])
        return [b"abc"]

    world.app.handlers["/short"] = handler
    client = world.start().client()
    client.sendall(request("/short") + request("/hello"))
    got = client.end()
    assert got.endswith(b"\r\n\r\nabc")
    assert got.count(b"HTTP/1.1") == 1
    assert world.app.calls == ["/short"]


def test_what_the_application_returned_is_closed(world: World) -> None:
    closed = threading.Event()

    class Parts(list[bytes]):
        def close(self) -> None:
            closed.set()

    def handler(environ: dict[str, Any], start: Any) -> Parts:
        start("200 OK", [("Content-Length", "1")])
        return Parts([b"x"])

    world.app.handlers["/closing"] = handler
    client = world.start().client()
    client.send_request("/closing")
    assert client.answer()[2] == b"x"
    assert closed.is_set()


def test_probes_have_threads_and_places_of_their_own(world: World) -> None:
    world.start(threads=1, connections=8)
    blocked = [world.client() for _ in range(8)]
    for client in blocked:
        client.send_request("/block")
    wait_until(lambda: len(world.worker._clients.connections) == 8)
    probe = world.client(world.health_address)
    probe.send_request("/hello")
    assert probe.answer()[0] == 200
    world.app.go_on.set()
    assert [client.answer()[2] for client in blocked] == [b"at last"] * 8
