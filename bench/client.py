"""A keep-alive connection on a raw socket, for measuring.

An answer with another status than the expected one ends the run: a fast 400 is not a fast write.
"""

from __future__ import annotations

import socket

# An answer that takes longer than this many seconds counts as none.
IDLE_SECONDS = 20.0


class WrongAnswerError(Exception):
    """An answer that was not the expected one, or none at all."""


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=IDLE_SECONDS)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._got = b""
        self._length = 0

    @property
    def fresh(self) -> bool:
        """Whether nothing of an answer has come yet."""
        return not self._got

    def feed(self, data: bytes, expected: int) -> bytes | None:
        """The whole answer that these bytes complete, or None while it is not whole.

        Raises WrongAnswerError for another status than the expected one, and where the connection was closed.
        """
        if not data:
            raise WrongAnswerError(f"connection closed after {self._got[:200]!r}")
        self._got += data
        if not self._length:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = self._got[:end].lower()
            at = head.find(b"content-length:") + 15
            if at < 15:
                raise WrongAnswerError(f"answer without a length: {head!r}")
            self._length = end + 4 + int(head[at:].split(b"\r", 1)[0])
        if len(self._got) < self._length:
            return None
        answer, self._got = self._got[: self._length], self._got[self._length :]
        self._length = 0
        if int(answer[9:12]) != expected:
            raise WrongAnswerError(f"expected {expected}, got {answer[:600]!r}")
        return answer

    def ask(self, request: bytes, expected: int) -> bytes:
        """Send and wait for the whole answer."""
        self.sock.sendall(request)
        while (answer := self.feed(self.sock.recv(1 << 18), expected)) is None:
            pass
        return answer.split(b"\r\n\r\n", 1)[1]

    def ask_any(self, request: bytes) -> tuple[int, bytes]:
        """Send and wait for the whole answer, with any status: (status, head and body)."""
        self.sock.sendall(request)
        while True:
            data = self.sock.recv(1 << 18)
            # An answer's first packet holds its status line.
            status = int((self._got + data)[9:12] or 0)
            if (answer := self.feed(data, status)) is not None:
                return status, answer

    def close(self) -> None:
        self.sock.close()
