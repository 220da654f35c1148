"""A client's connection: what it has sent, and the one answer to it."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING, Any

from app.http.problems import CONTENT_TYPE, Problem
from app.server import heads
from app.server.bodies import Body, MalformedBodyError, malformed
from app.server.queues import Queue

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

# Read at a time: what a request takes, what a large body takes, and what one in tiny chunks takes: each of those costs
# over a microsecond, and all other clients wait meanwhile.
RECEIVE_BYTES = 8192
BODY_BYTES = 64 * 1024
FINE_BODY_BYTES = 2048
# An answer is sent when it is whole, or in pieces of so many bytes.
_PIECE_BYTES = 256 * 1024
# … or what there is of one that goes on for longer.
_PIECE_SECONDS = 1.0
# What a client has not taken of an answer that goes on.
_MAX_REST_BYTES = 4 * 1024**2
# That the kernel takes in one call, on every system.
_MOST_PARTS = 16
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientGoneError(Exception):
    """The client has left, or does not read its answer in time. There is no client to tell."""


class BodyWantedError(BaseException):
    """The application reads a body that has not come yet; not an Exception, since nothing in it may take it for one."""


class NotYet:
    """The body of a request that has not come yet."""

    def read(self, *_: int) -> bytes:
        """Unwind the application."""
        raise BodyWantedError

    readline = readlines = __iter__ = read


class Answer:
    """The one answer to one request.

    It is written once: by what gunicorn calls its socket (``sendall``, then ``finish``), or by ``refuse`` while no byte
    of it has been sent. After that nothing can be written on behalf of the request, and a connection makes the next
    answer only with its next request.
    """

    __slots__ = ("_parts", "_seconds", "_since", "_size", "_sock", "begun", "over")

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self._sock = sock
        self._seconds = seconds
        self._parts: list[bytes] = []
        self._size = 0
        self._since = 0.0  # when the first of the parts came
        self.begun = self.over = False

    def sendall(self, data: bytes) -> None:
        """Take a part of the answer. Raises ClientGoneError; waits for a client only in the middle of a large one."""
        if self.over:
            raise ClientGoneError
        now = time.monotonic()
        if not self._parts:
            self._since = now
        elif self._size >= _PIECE_BYTES or now - self._since > _PIECE_SECONDS:
            # Of the part before this one, so that the last is never waited for here.
            rest = self._send()
            if len(rest) > _MAX_REST_BYTES:
                self.wait(rest)
            elif rest:
                self._parts, self._size = [bytes(rest)], len(rest)
            self._since = now
        self._parts.append(data)
        self._size += len(data)

    def withdraw(self) -> bool:
        """Forget what has been taken, for it will be made anew; False if some of it has been sent."""
        if self.begun or self.over:
            return False
        self._parts, self._size = [], 0
        return True

    def finish(self) -> memoryview:
        """The answer is complete: send what is left. What the client does not take at once is returned."""
        if self.over:
            raise ClientGoneError
        rest = self._send()
        self.over = True
        return rest

    def wait(self, rest: memoryview) -> None:
        """Send all of it, however slowly the client reads, but for so many seconds at the most."""
        until = time.monotonic() + self._seconds
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLOUT)
        while rest:
            left = until - time.monotonic()
            if left <= 0:
                self.over = True
                raise ClientGoneError
            poll.poll(left * 1000)
            try:
                rest = rest[send_now(self._sock, rest) :]
            except ClientGoneError:
                self.over = True
                raise

    def refuse(self, problem: Problem, base_url: str, path: str = "", request_id: str = "") -> None:
        """Answer with a problem, from whatever thread, as far as that needs no waiting; nothing if it has begun."""
        if self.begun or self.over:
            return
        body = problem.body(base_url, path)
        lines = [
            f"HTTP/1.1 {problem.kind.status} {problem.title}",
            "Connection: close",
            f"Content-Type: {CONTENT_TYPE}",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in problem.headers.items()),
        ]
        if request_id:
            lines.append(f"X-Request-ID: {request_id}")
        self._parts, self._size = [], 0  # what was not sent yet of another one
        self.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        self.sendall(body)
        self.finish()

    def go_on(self) -> None:
        """Tell a client that waits for it to send its body; it does so by itself if this is lost."""
        if not self.begun:
            send_now(self._sock, memoryview(_CONTINUE))

    def _send(self) -> memoryview:
        parts, size = self._parts, self._size
        self._parts, self._size = [], 0
        self.begun = True
        if len(parts) > _MOST_PARTS:
            parts = [b"".join(parts)]
        try:
            # Not joined first: the body can be large.
            sent = self._sock.sendmsg(parts)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.over = True
            raise ClientGoneError from None
        return memoryview(b"" if sent == size else b"".join(parts)[sent:])


def send_now(sock: socket.socket, data: Buffer) -> int:
    """Send what the kernel takes without waiting; the number of bytes. Raises ClientGoneError."""
    try:
        return sock.send(data)
    except BlockingIOError:
        return 0
    except OSError:
        raise ClientGoneError from None


class RefusedError(Exception):
    """What the client has sent is no request that can be served; the connection ends with this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Connection:
    """One client's connection, of the worker's loop while it waits and of one thread while a request is served."""

    __slots__ = (
        "answer",
        "answer_seconds",
        "aside",
        "asked",
        "body",
        "cfg",
        "client",
        "drained",
        "expects_continue",
        "keep",
        "max_body",
        "queue",
        "received",
        "registered",
        "request",
        "server",
        "sock",
        "unsent",
    )

    def __init__(
        self, sock: socket.socket, client: Any, server: Any, cfg: Any, *, answer_seconds: float, max_body: int
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.client = client
        self.server = server
        self.cfg = cfg
        self.answer_seconds = answer_seconds
        self.max_body = max_body
        self.received = b""
        self.registered = False
        self.queue: Queue[Connection] | None = None  # where it waits; None while a thread has it
        self.drained = 0
        self.next_request()

    def next_request(self) -> None:
        """Begin with the next request; what came behind the last one is the beginning of it."""
        self.request: heads.Request | None = None
        self.body: Body | None = None
        self.answer = Answer(self.sock, self.answer_seconds)
        self.keep = self.expects_continue = False
        self.aside = 0.0  # seconds that the next request has to wait
        self.asked = False  # whether the application has said that it reads this body
        self.unsent: memoryview | None = None

    @property
    def held(self) -> int:
        """Bytes of a body that are kept."""
        return 0 if self.body is None else self.body.held

    def receive(self) -> bytes | None:
        """What is there to read; b"" at the end of the client's side or of the connection, None if there is nothing."""
        body = self.body
        try:
            return self.sock.recv(RECEIVE_BYTES if body is None else FINE_BODY_BYTES if body.fine else BODY_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def take(self, data: bytes) -> bool:
        """Add what has arrived; True once the request can be served. Raises RefusedError, never waits."""
        if self.body is None:
            looked_at = len(self.received)
            # Empty lines before a request are to be ignored (RFC 9112, section 2.2).
            received = self.received + data if looked_at else data.lstrip(b"\r\n")
            end = heads.end_of_head(received, looked_at)
            if max(end, len(received) if end < 0 else 0) > heads.MAX_HEAD_BYTES:
                raise RefusedError(heads.too_large())
            if end < 0:
                self.received = received
                return False
            self.received = b""
            try:
                self.request = request = heads.parse(self.cfg, received[:end], self.client)
            except heads.HeadError as e:
                raise RefusedError(e.problem) from None
            self.body = request.new_body(self.max_body)
            self.expects_continue = request.expects_continue
            data = received[end:]
        else:
            request = self._begun()
        body = self.body
        try:
            body.take(data)
        except MalformedBodyError as e:
            raise RefusedError(malformed(e)) from None
        if not body.ready:
            return False
        self.received = body.rest
        request.whole = body.whole
        return True

    def ended_early(self) -> RefusedError | None:
        """What to tell a client that has ended its side, if it had begun a body."""
        if self.body is None:
            return None
        return RefusedError(Problem("invalid_request", "the request body ended too early"))

    def _begun(self) -> heads.Request:
        assert self.request is not None  # noqa: S101 - a body is begun with its request
        return self.request

    def close(self) -> None:
        """Close it, whatever is still to be read or sent."""
        self.sock.close()
