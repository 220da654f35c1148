"""Proxies that read along: what the service says to PostgreSQL and to Redis, and how often it waits for an answer."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

_CHUNK = 1 << 20
_TEXT = 80
# PostgreSQL's protocol 3: messages of the server after which it waits for the client, or does not go on at once.
_TURN = b"ZRGWHvAN"


@dataclass
class Heard:
    """What has been said so far, by the purpose that the service gives a connection."""

    statements: dict[str, Counter[str]] = field(default_factory=dict)
    round_trips: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def said(self, purpose: str, text: str) -> None:
        """Count a statement or a command."""
        with self.lock:
            self.statements.setdefault(purpose, Counter())[text] += 1

    def asked(self, purpose: str) -> None:
        """A connection waits for an answer from now on."""
        with self.lock:
            self.waiting[purpose] += 1

    def answered(self, purpose: str) -> None:
        """The answer has come: that was a round trip."""
        with self.lock:
            self.waiting[purpose] -= 1
            self.round_trips[purpose] += 1

    def take(self, purposes: tuple[str, ...]) -> tuple[Counter[str], Counter[str]]:
        """(statements by text, round trips by purpose) of these so far."""
        with self.lock:
            statements: Counter[str] = Counter()
            for name in purposes:
                statements.update(self.statements.get(name, {}))
            return statements, Counter({name: self.round_trips[name] for name in purposes if self.round_trips[name]})

    def idle(self, purposes: tuple[str, ...]) -> bool:
        """Whether none of these waits for an answer."""
        with self.lock:
            return not any(self.waiting[name] > 0 for name in purposes)


class Conversation:
    """One connection: takes the bytes of each side and gives what is to be passed on."""

    def __init__(self, heard: Heard) -> None:
        self.heard = heard

    def from_client(self, data: bytes) -> bytes:
        """Bytes that the client has sent."""
        raise NotImplementedError

    def from_server(self, data: bytes) -> bytes:
        """Bytes that the server has sent; what is kept back comes with a later answer."""
        raise NotImplementedError

    def closed(self) -> bytes:
        """The server has closed: what was kept back."""
        return b""


class Postgres(Conversation):
    """A connection to PostgreSQL, without TLS."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._purpose = ""
        self._asked = self._answers = self._held = b""
        self._prepared: dict[bytes, str] = {}
        self._portals: dict[bytes, str] = {}
        self._read = self._waiting = 0

    def from_client(self, data: bytes) -> bytes:
        self._asked += data
        while len(self._asked) >= 5:
            # The first message has no type.
            head = 1 if self._purpose else 0
            size = head + int.from_bytes(self._asked[head : head + 4], "big")
            if len(self._asked) < size:
                break
            message, self._asked = self._asked[:size], self._asked[size:]
            if self._purpose:
                self._message(message[:1], message[5:])
            else:
                parts = message[8:].split(b"\0")
                named = dict(zip(parts[::2], parts[1::2], strict=False))
                self._purpose = named.get(b"application_name", b"unnamed").decode().removeprefix("datastorage-")
        return data

    def _message(self, kind: bytes, body: bytes) -> None:
        if kind == b"Q":
            self.heard.said(self._purpose, folded(body[:-1]))
        if kind in b"QS":
            self._waiting += 1
            self.heard.asked(self._purpose)
        if kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._prepared[name] = folded(text)
            self.heard.said(self._purpose, f"(parsed) {folded(text)}")
        elif kind == b"B":
            portal, name, _ = body.split(b"\0", 2)
            self._portals[portal] = self._prepared.get(name, "(unknown)")
        elif kind == b"E":
            self.heard.said(self._purpose, self._portals.get(body.split(b"\0", 1)[0], "(unknown)"))

    def from_server(self, data: bytes) -> bytes:
        # A whole answer at once, or the service would find it in pieces, now more of them and now fewer.
        self._held += data
        last = b""
        while len(self._held) - self._read >= 5:
            size = 1 + int.from_bytes(self._held[self._read + 1 : self._read + 5], "big")
            if len(self._held) - self._read < size:
                return b""
            last = self._held[self._read : self._read + 1]
            if last == b"Z" and self._waiting:  # the first one comes unasked
                self._waiting -= 1
                self.heard.answered(self._purpose)
            self._read += size
        return self.closed() if self._read == len(self._held) and last in _TURN else b""

    def closed(self) -> bytes:
        data, self._held, self._read = self._held, b"", 0
        return data


class Redis(Conversation):
    """A connection to Redis or Valkey."""

    def __init__(self, heard: Heard) -> None:
        super().__init__(heard)
        self._asked = b""
        self._waiting = False

    def from_client(self, data: bytes) -> bytes:
        if not self._waiting:
            self._waiting = True
            self.heard.asked("redis")
        self._asked += data
        while (command := self._command()) is not None:
            self.heard.said("redis", command)
        return data

    def _command(self) -> str | None:
        """The name of the next whole command."""
        lines = self._asked.split(b"\r\n", 1)
        if len(lines) < 2:
            return None
        at, first = len(lines[0]) + 2, b""
        for n in range(int(lines[0][1:])):
            end = self._asked.find(b"\r\n", at)
            if end < 0:
                return None
            size = int(self._asked[at + 1 : end])
            first = first if n else self._asked[end + 2 : end + 2 + size]
            at = end + 2 + size + 2
        if at > len(self._asked):
            return None
        self._asked = self._asked[at:]
        return first.decode().upper()

    def from_server(self, data: bytes) -> bytes:
        if self._waiting:
            self._waiting = False
            self.heard.answered("redis")
        return data


def folded(text: bytes) -> str:
    """A statement in one line, cut to a length that tells it apart."""
    return re.sub(r"\s+", " ", text.decode(errors="replace")).strip()[:_TEXT]


class Proxy:
    """Listens on a port of its own and passes everything on to a server."""

    def __init__(self, host: str, port: int, speak: Callable[[Heard], Conversation]) -> None:
        self.heard = Heard()
        self._target = (host, port)
        self._speak = speak
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open += [client, server]
                said = self._speak(self.heard)
                for source, sink, read in ((client, server, said.from_client), (server, client, said.from_server)):
                    threading.Thread(target=self._pass, args=(source, sink, read, said), daemon=True).start()

    def _pass(
        self, source: socket.socket, sink: socket.socket, read: Callable[[bytes], bytes], said: Conversation
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if passed := read(data):
                    sink.sendall(passed)
            if read == said.from_server:
                sink.sendall(said.closed())
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End every connection."""
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
