"""A log as files in the layout of c2sp.org/tlog-tiles, and a server that has them: for what is to be tampered with."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from datastorage_common.checkpoints import Checkpoint, Proof
from datastorage_common.merkle import inclusion_ranges, leaf_hash, range_root
from datastorage_common.notes import Note, SigningKey

from app.transparency.edge import Edge, grow
from app.transparency.entries import EVENT, NOTIFICATION, as_json, split
from app.transparency.tree import tile_nodes

WIDTH = 256


def kept(number: int) -> bytes:
    """An entry in its kept form: of an event or, now and then, a notification."""
    fill = sha256(b"%d" % number).digest()
    day = (9000 + number % 400).to_bytes(4, "big")
    if number % 7 == 3:
        return bytes([NOTIFICATION]) + number.to_bytes(8, "big") + day + fill
    return bytes([EVENT]) + fill[:16] + day + fill


def resource(kind: str, number: int, width: int) -> str:
    """The path of a tile of a level, or of a bundle: three digits an element, all but the last behind an x."""
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])
    return f"tile/{kind}/{path}" + (f".p/{width}" if width < WIDTH else "")


@dataclass
class StaticLog:
    """A log of made-up entries, as files."""

    folder: Path
    key: SigningKey
    size: int
    tiles: dict[tuple[int, int], bytes]
    edge: Edge

    @classmethod
    def make(cls, folder: Path, key: SigningKey, size: int) -> StaticLog:
        entries = [kept(n) for n in range(size)]
        texts = [as_json(entry) for entry in entries]
        growth = grow(Edge(), entries, [leaf_hash(text) for text in texts])
        log = cls(folder, key, size, {(t.level, t.number): t.hashes for t in growth.tiles}, growth.edge)
        for tile in growth.tiles:
            log.put(resource(str(tile.level), tile.number, tile.width), tile.hashes)
        for bundle in growth.bundles:
            held = map(as_json, split(bundle.entries))
            data = b"".join([len(text).to_bytes(2, "big") + text for text in held])
            log.put(resource("entries", bundle.number, bundle.width), data)
        log.put("checkpoint", log.note().encode())
        return log

    def note(self) -> Note:
        text = Checkpoint(self.key.name, self.size, self.edge.root()).text()
        return Note(text, (self.key.sign(text),))

    def proof(self, index: int) -> Proof:
        node = tile_nodes(self.tiles)
        path = tuple(range_root(*r, node) for r in inclusion_ranges(index, self.size))
        return Proof(index, path, self.note(), b'{"entry":' + as_json(kept(index)) + b"}")

    def put(self, path: str, data: bytes) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    def spoil(self, path: str) -> None:
        """Change one bit in the middle of a file; of hashes, in one of them."""
        data = bytearray((self.folder / path).read_bytes())
        data[len(data) // 2] ^= 1
        self.put(path, bytes(data))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out one by one

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has there
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """The URL under which a folder is served."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
