"""A proxy before the service that can be slow, say 503, and lose answers."""

from __future__ import annotations

import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class FaultyProxy:
    """Passes POSTs on to a port of this machine, with what ``mode`` says done to them.

    pass: nothing. slow: 0.3 s later. busy: answered 503 here. lose: passed on, but the answer is not passed back.
    """

    def __init__(self, target_port: int) -> None:
        self.mode = "pass"
        self.seen: dict[str, int] = {}
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                mode = proxy.mode
                proxy.seen[mode] = proxy.seen.get(mode, 0) + 1
                if mode == "busy":
                    self._busy()
                    return
                if mode == "slow":
                    time.sleep(0.3)
                try:
                    answer, content = self._forward(body)
                except (OSError, http.client.HTTPException):
                    self.close_connection = True  # as if the service itself was not there
                    return
                if mode == "lose":
                    self.close_connection = True
                    return
                self._answer(answer.status, content, dict(answer.getheaders()))

            def _forward(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
                conn = http.client.HTTPConnection("127.0.0.1", target_port, timeout=60)
                try:
                    conn.request("POST", self.path, body, {"Content-Type": self.headers["Content-Type"]})
                    answer = conn.getresponse()
                    return answer, answer.read()
                finally:
                    conn.close()

            def _busy(self) -> None:
                body = {
                    "type": "https://kubernaut.ai/problems/buffer-full",
                    "title": "Service Unavailable",
                    "status": 503,
                    "detail": "the service is at its capacity - please retry",
                    "instance": self.path,
                }
                headers = {"Content-Type": "application/problem+json", "Retry-After": "0"}
                self._answer(503, json.dumps(body).encode(), headers)

            def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name in ("Content-Type", "Retry-After"):
                    if name in headers:
                        self.send_header(name, headers[name])
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)
