"""An issuer of tokens on this machine that publishes its keys over HTTP, well or badly, as a test tells it."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.tokens import Issuer

DISCOVERY = "/.well-known/openid-configuration"


class IssuerServer(Issuer):
    """Signs tokens whose ``iss`` is its own address, and answers with its document and its key set.

    ``answers`` has other answers for a path: status, headers, body; ``drip`` lets every body come a byte at a time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.published: bytes | None = None  # None: all keys
        self.document: dict[str, Any] = {}
        self.cache_control: str | None = None
        self.drip = False
        self.hold: threading.Event | None = None
        self.ended = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def claims(self) -> dict[str, Any]:  # type: ignore[override]
        return {**Issuer.claims(), "iss": self.url}

    def start(self, tls: tuple[Path, Path] | None = None) -> None:
        """Listen; again on the same port after `stop`."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        if tls is not None:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        if self.hold is not None:
            self.hold.wait(60)
        status, headers, body = self.answers.get(handler.path) or self._right(handler.path)
        with contextlib.suppress(OSError):
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            if not self.drip:
                handler.wfile.write(body)
                return
            for byte in body:
                handler.wfile.write(bytes([byte]))
                if self.ended.wait(0.05):
                    return

    def _right(self, path: str) -> tuple[int, dict[str, str], bytes]:
        headers = {} if self.cache_control is None else {"Cache-Control": self.cache_control}
        if path == DISCOVERY:
            return 200, {}, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.document}).encode()
        if path == "/keys":
            return 200, headers, self.jwks() if self.published is None else self.published
        return 404, {}, b""


@contextlib.contextmanager
def issuer_server(tls: tuple[Path, Path] | None = None) -> Iterator[IssuerServer]:
    """A running issuer."""
    server = IssuerServer()
    server.start(tls)
    try:
        yield server
    finally:
        server.ended.set()
        if server.hold is not None:
            server.hold.set()
        server.stop()
