"""A whole worker, without gunicorn's master: a small application, and clients with sockets of their own."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gunicorn.config import Config

from app.config.settings import HealthSettings, ServerSettings, Settings, ShutdownSettings
from app.server.worker import Worker
from tests.unit.fakes import HOUR
from tests.unit.server.fakes import FakeServices, Log

LARGE = 4 * 1024**2  # more than the kernel takes for a client that does not read
UNREAD = 200 * 1024  # as well, with small buffers; but little enough for the loop to send it
PATIENT = {"header_timeout": HOUR, "body_timeout": HOUR, "answer_timeout": HOUR}


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
