"""A witness on this machine, as c2sp.org/tlog-witness has it, that cosigns well or badly, as a test tells it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from datastorage_common.checkpoints import Checkpoint, parse_checkpoint, parse_hash
from datastorage_common.merkle import EMPTY, ProofError, check_consistency
from datastorage_common.notes import COSIGNATURE, Note, NoteError, SigningKey, VerifierKey, make_key, parse_note

TEXT, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"
AnswerOf = tuple[int, str, bytes]


@dataclass(frozen=True)
class Asked:
    """A request, as far as it could be read."""

    old: int
    proof: list[bytes]
    point: Checkpoint


class _Quiet(ThreadingHTTPServer):
    """Says nothing of clients that are killed."""

    def handle_error(self, request: object, client_address: object) -> None: ...


class WitnessServer:
    """Cosigns what continues the tree that it cosigned last, of logs that it knows.

    ``instead`` answers add-checkpoint in its place; ``hold`` keeps every answer back until it is set; ``drip`` lets
    each body come a byte at a time; ``shows`` is what it publishes as the last checkpoint, where that is another.
    """

    def __init__(self, name: str, *logs: VerifierKey) -> None:
        self.key: SigningKey = make_key(name, sha256(name.encode()).digest(), COSIGNATURE)
        self.logs = {log.name: log for log in logs}
        self.last: dict[str, tuple[Checkpoint, bytes]] = {}  # by origin, with the note as it was cosigned
        self.asked: list[Asked] = []
        self.paths: list[str] = []
        self.connections: set[object] = set()
        self.now: Callable[[], float] = time.time
        self.signs_as: SigningKey = self.key
        self.instead: Callable[[Asked], AnswerOf | None] = lambda _: None
        self.shows: bytes | None = None
        self.hold: threading.Event | None = None
        self.drip = False
        self.under_way = self.most_under_way = 0
        self.ended = threading.Event()
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/prefix/"

    def line(self, with_url: bool = True) -> str:
        """Its line of a policy, under the name of its key."""
        return f"witness {self.key.name} {self.key.verifier}" + (f" {self.url}" if with_url else "")

    def start(self) -> None:
        """Listen; again on the same port after `stop`."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer._take(self, lambda: outer._add_checkpoint(body))

            def do_GET(self) -> None:
                outer._take(self, lambda: outer._checkpoint(self.path))

            def log_message(self, *_: object) -> None: ...

        self._server = _Quiet(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _take(self, handler: BaseHTTPRequestHandler, answer: Callable[[], AnswerOf]) -> None:
        with self._lock:
            self.paths.append(f"{handler.command} {handler.path}")
            self.connections.add(handler.client_address)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.hold is not None:
                self.hold.wait(60)
            status, kind, body = answer()
            with contextlib.suppress(OSError):
                self._send(handler, status, kind, body)
        finally:
            with self._lock:
                self.under_way -= 1

    def _send(self, handler: BaseHTTPRequestHandler, status: int, kind: str, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        if status in (301, 302, 307, 308):
            handler.send_header("Location", f"{self.url}elsewhere")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if not self.drip:
            handler.wfile.write(body)
            return
        for byte in body:
            handler.wfile.write(bytes([byte]))
            if self.ended.wait(0.2):
                return

    def _add_checkpoint(self, body: bytes) -> AnswerOf:
        head, _, data = body.partition(b"\n\n")
        first, *hashes = head.decode().split("\n")
        note = parse_note(data)
        asked = Asked(
            int(first.removeprefix("old ")), [parse_hash(text) for text in hashes], parse_checkpoint(note.text)
        )
        assert first == f"old {asked.old}"
        assert len(hashes) <= 63
        with self._lock:
            self.asked.append(asked)
            return self.instead(asked) or self._checked(asked, note)

    def _checked(self, asked: Asked, note: Note) -> AnswerOf:
        point, log = asked.point, self.logs.get(asked.point.origin)
        if log is None:
            return 404, TEXT, b""
        try:
            if log.signed(note) is None:
                return 403, TEXT, b""
        except NoteError:
            return 403, TEXT, b""
        if asked.old > point.size:
            return 400, TEXT, b""
        before = self.last[point.origin][0] if point.origin in self.last else Checkpoint(point.origin, 0, EMPTY)
        if asked.old != before.size:
            return 409, SIZE, b"%d\n" % before.size
        try:
            check_consistency(asked.old, point.size, before.root, point.root, asked.proof)
        except ProofError:
            return 422, TEXT, b""
        line = self.signs_as.cosign(note.text, int(self.now())).line()
        self.last[point.origin] = (point, note.encode() + line.encode())
        return 200, TEXT, line.encode()

    def _checkpoint(self, path: str) -> AnswerOf:
        found = {sha256(origin.encode()).hexdigest(): shown for origin, (_, shown) in self.last.items()}
        shown = self.shows or found.get(path.removeprefix("/prefix/").removesuffix("/checkpoint"))
        return (404, TEXT, b"") if shown is None else (200, TEXT, shown)


@contextlib.contextmanager
def witness_server(name: str, *logs: VerifierKey) -> Iterator[WitnessServer]:
    """A running witness of these logs."""
    server = WitnessServer(name, *logs)
    server.start()
    try:
        yield server
    finally:
        server.ended.set()
        if server.hold is not None:
            server.hold.set()
        server.stop()
