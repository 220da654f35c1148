"""A client's connection: what it has sent of a request's head, and limits on the time that the rest may take.

A thread is a scarce thing, so none ever waits for a client without a limit: the head of a request is gathered by the
worker's loop, which costs a slow client's connection nothing but its memory, and a thread reads the body and writes
the answer against a total deadline each, however steadily single bytes come or go.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import mmap
import os
import re
import select
import socket
import struct
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

from gunicorn import http
from gunicorn.http.body import LengthReader
from gunicorn.workers.gthread import TConn

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined]

# The most that a request's line and headers may take together.
MAX_HEAD_BYTES = 64 * 1024
# As much as gunicorn reads at a time: what of the body comes with the head is copied for each of its reads.
RECEIVE_BYTES = 8192
# Read of a body at a time.
BODY_BYTES = 64 * 1024

# The parser takes a bare LF for the end of a line, so this loop does as well: otherwise such a head would never end.
_END_OF_HEAD = re.compile(rb"\n\r?\n")


# For a listening TCP socket, whose filter sees the TCP header first: SYN without ACK is dropped, the rest passes.
# Instructions of classic BPF as in linux/filter.h, (code, jump if true, jump if false, value).
_DROP_SYN = (
    (0x30, 0, 0, 13),  # load the byte with the flags
    (0x54, 0, 0, 0x12),  # SYN | ACK
    (0x15, 0, 1, 0x02),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)
_SO_ATTACH_FILTER = 26


def held_by(pid: int, listener: socket.socket) -> bool:
    """Whether that process has the socket open as well; True where that cannot be known."""
    if sys.platform != "linux":
        return True
    mine = f"socket:[{os.fstat(listener.fileno()).st_ino}]"
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return True
    for name in names:
        with contextlib.suppress(OSError):  # closed since
            if os.readlink(f"{folder}/{name}") == mine:
                return True
    return False


def take_no_newcomers(listener: socket.socket) -> bool:
    """Let a listening socket finish the connections that have begun, and begin no other; True if that could be done.

    A client that connects now gets no reply, repeats it a second later, and is refused by then: nothing of its
    request has been sent. It holds for every process that shares the socket.
    """
    if sys.platform != "linux":
        return False
    code = b"".join(struct.pack("=HBBI", *each) for each in _DROP_SYN)
    kept = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(_DROP_SYN), ctypes.addressof(kept))
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:  # a sandbox that has none
        return False
    return True


class Shares:
    """How many connections each worker of one master has, in memory that all of them see.

    Made in the master before it forks. A slot is one worker's; -1 while that takes no connections.
    """

    # A worker may be so far ahead of another before it lets that one go first.
    SLACK = 1

    def __init__(self, slots: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * slots)).cast("i")
        for slot in range(slots):
            self._counts[slot] = -1

    def __len__(self) -> int:
        return len(self._counts)

    def set(self, slot: int, connections: int) -> None:
        """Say how many a worker has."""
        self._counts[slot] = connections

    def others_first(self, slot: int) -> bool:
        """Whether another worker has clearly fewer connections than this one."""
        limit = self._counts[slot] - self.SLACK
        return any(0 <= count < limit for count in self._counts)


class ClientSocket(socket.socket):
    """A connected socket that never blocks in the kernel; its `recv` and `sendall` wait, against total deadlines.

    Both raise TimeoutError with the number of a connection that the client has broken, by which gunicorn knows whose
    fault it is.
    """

    __slots__ = ("answer_seconds", "receive_until", "request")

    receive_until: float  # on the monotonic clock; 0 while nothing may be waited for
    answer_seconds: float
    request: Any  # gunicorn's request that is being served, or None

    @classmethod
    def of(cls, accepted: socket.socket, answer_seconds: float) -> ClientSocket:
        """Take over a socket that was just accepted."""
        made = cls(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        socket.socket.setblocking(made, False)
        made.receive_until = 0.0
        made.answer_seconds = answer_seconds
        made.request = None
        return made

    def setblocking(self, flag: bool) -> None:
        """Nothing: gunicorn switches back and forth with each request, at two system calls."""

    def settimeout(self, value: float | None) -> None:
        """Nothing: the deadlines are these."""

    def receive_now(self, size: int = RECEIVE_BYTES) -> bytes | None:
        """What is there to read; b"" at the end of the client's side or of the connection, None if there is nothing."""
        try:
            return socket.socket.recv(self, size)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        """As a blocking socket's, until the deadline for this request's body."""
        while True:
            # Asked each time, also when something is there: bytes may come one by one for ever.
            left = self.receive_until - time.monotonic()
            if left <= 0:
                self._too_slow("the request took too long to arrive")
            try:
                return socket.socket.recv(self, bufsize, flags)
            except BlockingIOError:
                self._wait(select.POLLIN, left)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """As a blocking socket's, but for `answer_seconds` at the most."""
        try:
            sent = self.send(data, flags)
        except BlockingIOError:
            sent = 0
        if sent == len(data):  # the kernel's buffer takes nearly every answer
            return
        rest = memoryview(data)[sent:]
        until = time.monotonic() + self.answer_seconds
        while rest:
            left = until - time.monotonic()
            if left <= 0:
                self._too_slow("the client took too long to read the answer")
            self._wait(select.POLLOUT, left)
            try:
                rest = rest[self.send(rest, flags) :]
            except BlockingIOError:
                continue

    def close_after_answer(self) -> None:
        """Say `Connection: close` in the answer to the current request, and do it."""
        if self.request is not None:
            self.request.force_close()

    def _wait(self, event: int, seconds: float) -> None:
        poll = select.poll()
        poll.register(self.fileno(), event)
        poll.poll(seconds * 1000)

    def _too_slow(self, what: str) -> NoReturn:
        self.close_after_answer()
        raise TimeoutError(errno.ECONNRESET, what)


class _Arriving(io.RawIOBase):
    """A body of known length as it comes: what was read along with the head, then what the socket gives."""

    def __init__(self, sock: ClientSocket, begun: bytes, length: int) -> None:
        self._sock = sock
        self._begun = begun
        self._missing = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Read into the buffer; 0 at the end of the body, or where the client ended it early."""
        room = memoryview(buffer)
        size = min(len(room), self._missing)
        if size == 0:
            return 0
        if self._begun:
            part, self._begun = self._begun[:size], self._begun[size:]
        else:
            part = self._sock.recv(min(size, BODY_BYTES))
        room[: len(part)] = part
        self._missing -= len(part)
        return len(part)


class Connection(TConn):  # type: ignore[misc]
    """gunicorn's connection, with what has arrived of the next request's head."""

    sock: ClientSocket

    def __init__(self, cfg: Any, sock: ClientSocket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.head = b""
        self.folded = False
        self.deadline = 0.0  # when the head has to be complete, on the monotonic clock
        self.parser = http.get_parser(cfg, sock, client)
        self.initialized = True

    def add(self, data: bytes) -> bool:
        """Take what has arrived; True when a thread can go on: the head is complete, or more than is allowed."""
        looked_at = max(0, len(self.head) - 3)
        # Empty lines before a request are to be ignored (RFC 9112, section 2.2).
        self.head = self.head + data if self.head else data.lstrip(b"\r\n")
        if (end := _END_OF_HEAD.search(self.head, looked_at)) is None:
            return self.too_long()
        # A line that begins with a space goes on with the one before, says the parser; to be refused, says RFC 9112
        # in section 5.2, since not everybody in front reads it so.
        self.folded = self.head.find(b"\n ", 0, end.start()) >= 0 or self.head.find(b"\n\t", 0, end.start()) >= 0
        return True

    def too_long(self) -> bool:
        """Whether the head is larger than is allowed."""
        return len(self.head) > MAX_HEAD_BYTES + RECEIVE_BYTES

    def next_request(self) -> Any:
        """The request whose head is complete, parsed. Raises what gunicorn's parser does, never waits."""
        self.sock.receive_until = 0.0
        if self.folded:
            raise http.errors.ObsoleteFolding("a header over several lines")
        self.parser.unreader.unread(self.head)
        self.head = b""
        request = next(self.parser)
        # gunicorn reads a body by the kilobyte, and copies what it holds each time.
        if type(reader := request.body.reader) is LengthReader and reader.length:
            request.body = self._body(reader.length)
        return request

    def _body(self, length: int) -> io.BytesIO | io.BufferedReader:
        begun = self.parser.unreader.take_buffered()
        if len(begun) > length:
            self.parser.unreader.unread(begun[length:])
            begun = begun[:length]
        if len(begun) == length:
            return io.BytesIO(begun)
        return io.BufferedReader(_Arriving(self.sock, begun, length))

    def take_pipelined(self) -> bool:
        """Start the next head with what came behind the last request; True if that is a complete one."""
        return self.add(self.parser.unreader.take_buffered())
