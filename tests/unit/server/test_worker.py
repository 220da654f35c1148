"""A whole worker, without gunicorn's master: a small application, and clients with sockets of their own."""

from __future__ import annotations

import json
import logging
import os
import re
import resource
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

from app.config.settings import HealthSettings, ServerSettings, Settings, ShutdownSettings
from app.server.worker import Worker
from app.telemetry.log_writer import LineWriter
from tests.support import wait_until
from tests.unit.fakes import HOUR
from tests.unit.server.fakes import FakeServices, Log

LARGE = 4 * 1024**2  # more than the kernel takes for a client that does not read
UNREAD = 200 * 1024  # as well, with small buffers; but little enough for the loop to send it
PATIENT = {"header_timeout": HOUR, "body_timeout": HOUR, "answer_timeout": HOUR}
INTERNAL_ERROR = "https://kubernaut.ai/problems/internal-error"


class Application:
    """Calls the test's function for a path; what was called, in order."""

    def __init__(self) -> None:
        self.services = FakeServices()
        self.extensions = {"datastorage": self.services}
        self.calls: list[str] = []
        self.bodies: list[bytes] = []
        self.go_on = threading.Event()
        self.handlers: dict[str, Callable[[dict[str, Any], Any], Iterable[bytes]]] = {
            "/hello": lambda environ, start: self.answer(start, b"hello"),
            "/echo": lambda environ, start: self.answer(start, self.body(environ)),
            "/private": lambda environ, start: self.answer(start, b"no", "401 Unauthorized"),
            "/large": lambda environ, start: self.answer(start, b"x" * LARGE),
            "/unread": lambda environ, start: self.answer(start, b"x" * UNREAD),
            "/block": self.block,
            "/broken": self.broken,
            "/broken-early": self.broken_early,
            "/broken-late": self.broken_late,
            "/late-reader": self.late_reader,
        }

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.calls.append(environ["PATH_INFO"])
        return self.handlers[environ["PATH_INFO"]](environ, start_response)

    def answer(self, start: Any, body: bytes, status: str = "200 OK") -> list[bytes]:
        start(status, [("Content-Length", str(len(body)))])
        return [body]

    def body(self, environ: dict[str, Any]) -> bytes:
        self.bodies.append(environ["wsgi.input"].read())
        return self.bodies[-1]

    def block(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        assert self.go_on.wait(HOUR)
        return self.answer(start, b"at last")

    def broken(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        raise RuntimeError("secret")

    def broken_early(self, environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", "10")])
        yield b"half"
        raise RuntimeError("secret")

    def broken_late(self, environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", str(LARGE))])
        yield b"x" * (LARGE // 4)
        yield b"x" * (LARGE // 4)
        raise RuntimeError("secret")

    def late_reader(self, environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        start("200 OK", [("Content-Length", "10")])
        yield b"begin"
        yield self.body(environ)


class Client(socket.socket):
    """A client's connection, and what it has read beyond the last answer."""

    def __init__(self, address: Any, receive_buffer: int = 0) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.settimeout(120)
        if receive_buffer:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.connect(address)
        self.got = b""

    def send_request(self, path: str, *headers: str, body: bytes = b"", line: str = "POST {} HTTP/1.1") -> None:
        self.sendall(request(path, *headers, body=body, line=line))

    def more(self) -> bool:
        try:
            data = self.recv(65536)
        except ConnectionResetError:
            data = b""
        self.got += data
        return bool(data)

    def head(self) -> tuple[int, dict[str, str]]:
        """The status and the headers of the next answer."""
        while b"\r\n\r\n" not in self.got:
            assert self.more(), f"no answer: {self.got[:1000]!r}"
        head, _, self.got = self.got.partition(b"\r\n\r\n")
        line, *headers = head.decode("latin-1").split("\r\n")
        return int(line.split(" ")[1]), dict(each.lower().split(": ", 1) for each in headers)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer, of known length."""
        status, headers = self.head()
        length = int(headers["content-length"])
        while len(self.got) < length:
            assert self.more(), "the answer is not whole"
        body, self.got = self.got[:length], self.got[length:]
        return status, headers, body

    def end(self) -> bytes:
        """What else comes until the server's side has ended."""
        while self.more():
            pass
        return self.got

    def silent(self) -> bool:
        """Whether nothing has come."""
        return not self.got and not select.select([self], [], [], 0)[0]


def request(path: str, *headers: str, body: bytes = b"", line: str = "POST {} HTTP/1.1") -> bytes:
    return "\r\n".join([line.format(path), "Host: here", *headers, "", ""]).encode() + body


def sized(path: str, body: bytes) -> bytes:
    return request(path, f"Content-Length: {len(body)}", body=body)


class World:
    """A worker that runs in a thread."""

    def __init__(self) -> None:
        self.app = Application()
        self.log = Log()
        self.clients: list[Client] = []
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=50) for _ in range(2)]
        self.address, self.health_address = (listener.getsockname() for listener in self.listeners)
        self.thread: threading.Thread | None = None
        self.fault: BaseException | None = None

    def make(
        self, *, threads: int = 4, connections: int = 64, keepalive: int = 3600, ppid: int = 0, **server: Any
    ) -> Any:
        cfg = Config()
        for name, value in (
            ("threads", threads), ("worker_connections", connections), ("keepalive", keepalive),
            ("forwarded_allow_ips", ""), ("sendfile", False),
        ):  # fmt: skip
            cfg.set(name, value)
        self.worker: Any = Worker(1, ppid or os.getppid(), self.listeners, None, 60, cfg, self.log)
        self.worker.wsgi = self.app
        self.settings = Settings(
            server=ServerSettings(**{**PATIENT, **server}),
            health=HealthSettings(port=self.health_address[1]),
            shutdown=ShutdownSettings(endpoint_propagation_delay=0.0, request_timeout=HOUR),
        )
        return self.worker

    def start(self, **options: Any) -> World:
        self.make(**options).begin(self.settings)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def _run(self) -> None:
        try:
            self.worker.run()
        except BaseException as e:
            self.fault = e
            raise

    def client(self, address: Any = None, receive_buffer: int = 0) -> Client:
        made = Client(address or self.address, receive_buffer)
        self.clients.append(made)
        return made

    def stop(self) -> None:
        """As after SIGQUIT; the worker's thread must end."""
        self.app.go_on.set()
        for client in self.clients:
            client.close()
        if self.thread is not None:
            self.worker.handle_quit(0, None)
            self.thread.join(120)
            assert not self.thread.is_alive()
            assert self.fault is None, self.fault
        for listener in self.listeners:
            listener.close()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    made = World()
    yield made
    made.stop()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


# --- connections that stay ----------------------------------------------------------------------------------


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


def test_without_keep_alive_every_answer_closes(world: World) -> None:
    client = world.start(keepalive=0).client()
    client.send_request("/hello")
    assert client.answer()[1]["connection"] == "close"
    assert client.end() == b""


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


def test_an_answer_without_a_length_is_sent_in_chunks(world: World) -> None:
    def chunks(environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        start("200 OK", [])
        yield from (b"a", b"", b"bc")

    world.app.handlers["/chunks"] = chunks
    client = world.start().client()
    client.send_request("/chunks", "Connection: close")
    assert client.end().partition(b"\r\n\r\n")[2] == b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"


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


# --- bodies -------------------------------------------------------------------------------------------------


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


# --- answers ------------------------------------------------------------------------------------------------


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


# --- limits -------------------------------------------------------------------------------------------------


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


# --- its life -----------------------------------------------------------------------------------------------


def test_it_finishes_what_has_begun_and_then_flushes(world: World) -> None:
    world.start()
    idle, busy, begun, unbegun = (world.client() for _ in range(4))
    idle.send_request("/hello")
    assert idle.answer()[0] == 200
    busy.send_request("/block")
    begun.sendall(sized("/echo", b"hello")[:-1])
    wait_until(
        lambda: len(world.worker._clients.connections) == 4 and sorted(world.app.calls) == ["/block", "/echo", "/hello"]
    )
    wait_until(lambda: len(world.worker._waiting.bodies) == 1)
    world.worker.handle_exit(0, None)
    assert idle.end() == b""
    assert unbegun.end() == b""
    begun.sendall(b"o")
    assert begun.answer()[::2] == (200, b"hello")
    assert world.app.services.calls == ["start", "drain"]
    world.app.go_on.set()
    status, headers, _ = busy.answer()
    assert (status, headers["connection"]) == (200, "close")
    for client in world.clients:
        client.close()
    assert world.thread is not None
    world.thread.join(120)
    assert world.app.services.calls == ["start", "drain", "stop"]
    with pytest.raises(ConnectionRefusedError):
        world.client()
    assert list(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).iterdir()) == []


def test_during_the_delay_it_takes_connections_and_closes_each_after_its_answer(world: World) -> None:
    worker = world.make()
    world.settings = Settings(
        server=world.settings.server,
        health=world.settings.health,
        shutdown=ShutdownSettings(endpoint_propagation_delay=HOUR),
    )
    worker.begin(world.settings)
    world.thread = threading.Thread(target=world._run, daemon=True)
    world.thread.start()
    client = world.client()
    client.send_request("/hello")
    assert client.answer()[1]["connection"] == "keep-alive"
    worker.handle_exit(0, None)
    for each in (client, world.client()):
        each.send_request("/hello")
        assert each.answer()[1]["connection"] == "close"
        assert each.end() == b""


def test_a_worker_without_a_master_ends_by_itself(world: World) -> None:
    world.start(ppid=2**22 + 1)
    assert world.thread is not None
    world.thread.join(120)
    assert world.app.services.calls == ["start", "drain", "stop"]
    assert any("has no master any more" in text for _, text in world.log.lines)


def test_told_to_stop_before_it_began(world: World) -> None:
    worker = world.make()
    worker.handle_exit(0, None)
    worker.handle_quit(0, None)
    worker.begin(world.settings)
    worker.run()
    worker.end()
    worker.close_log()
    assert world.app.services.calls == []


def test_told_to_stop_while_it_began(world: World) -> None:
    """By a signal that comes after the first look whether there was one, and before there is something to stop."""
    worker = world.make()
    worker.begin(world.settings)
    worker.alive = False
    worker.run()
    assert world.app.services.calls == ["start", "drain", "stop"]


def test_all_that_a_worker_logs_goes_through_one_queue(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    writer = LineWriter(write=written.append)
    worker = world.make()
    services = SimpleNamespace(request_log=SimpleNamespace(writer=writer))
    worker.wsgi = SimpleNamespace(extensions={"datastorage": services})
    gunicorns = logging.Logger("gunicorn.error")
    worker.log = SimpleNamespace(error_log=gunicorns)
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    worker.open_log(Settings())
    assert writer.running
    gunicorns.info("of gunicorn")
    logging.getLogger("app.x").warning("of ours")
    worker.close_log()
    worker.close_log()
    assert not writer.running
    gunicorns.info("after the end")
    lines = [json.loads(line)["message"] for line in b"".join(written).splitlines()]
    assert lines == ["of gunicorn", "of ours", "after the end"]
