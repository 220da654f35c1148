"""An export on loopback: rows by their place in the log, `after` honoured, and orders for how a stream ends."""

from __future__ import annotations

import gzip
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from app.audit.csv_rows import EVENT_HEADER
from app.audit.shapes import EVENT_MEMBERS
from app.http.problems import Problem
from tests.unit.client.feed_service import EVENT_ID, event
from tests.unit.stub_service import Canned, Request, StubService

BEFORE = "end-of-this-export"
# What becomes of the bytes of a stream.
Bend = Callable[[Iterable[bytes]], Iterable[bytes]]


def ndjson(item: dict[str, Any]) -> bytes:
    """A row as the service writes it."""
    return json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def csv_row(item: dict[str, Any]) -> bytes:
    """A row of an event, with quotes and line breaks in a cell."""
    cells = ["" if item[name] is None else str(item[name]) for name in EVENT_MEMBERS]
    cells[EVENT_MEMBERS.index("event_data")] = json.dumps(item["event_data"])
    quoted = ('"' + cell.replace('"', '""') + '"' if set(cell) & set('",\r\n') else cell for cell in cells)
    return ",".join(quoted).encode() + b"\r\n"


class ExportService(StubService):
    """Gives `items` from behind `after` on. Orders of `script` come first; `bends` are for the streams to come."""

    def __init__(self, items: list[dict[str, Any]] | None = None, chunk_rows: int = 100) -> None:
        super().__init__()
        self.items = items if items is not None else [event(index) for index in range(500)]
        self.chunk_rows = chunk_rows
        self.packed = False
        self.bends: deque[Bend | None] = deque()
        self.headers: dict[str, str] = {}
        self._lines: dict[tuple[str, int], list[bytes]] = {}

    def lines(self, form: str) -> list[bytes]:
        """All rows, without a header line."""
        kept = (form, len(self.items))
        if kept not in self._lines:
            self._lines[kept] = [(csv_row if form == "csv" else ndjson)(item) for item in self.items]
        return self._lines[kept]

    def whole(self, form: str = "ndjson") -> bytes:
        """The body of an export that nothing breaks."""
        return (EVENT_HEADER if form == "csv" else b"") + b"".join(self.lines(form))

    def asked(self) -> list[dict[str, str]]:
        """What was asked for."""
        return [request.query for request in self.requests]

    def _route(self, request: Request) -> Canned:
        if request.path != "/api/v1/audit/export":
            raise Problem("not-found", "there is nothing here")
        form = request.query.get("format", "ndjson")
        chunks: Iterable[bytes] = self._chunks(form, self._start(request.query.get("after")))
        if self.packed:
            chunks = _pack(chunks)
        bend = self.bends.popleft() if self.bends else None
        headers = {
            "Content-Type": "text/csv; charset=utf-8; header=present" if form == "csv" else "application/x-ndjson",
            "Datastorage-Export-Before": BEFORE,
            "Datastorage-Log-Range": f"0-{len(self.items)}",
            "Datastorage-Principal": "alice",
            "X-Request-ID": f"request-{len(self.requests)}",
            "Link": '</api/v1/audit/feed?after=behind>; rel="next"',
            **({"Content-Encoding": "gzip"} if self.packed else {}),
            **self.headers,
        }
        return Canned(200, headers=tuple(headers.items()), chunks=bend(chunks) if bend else chunks)

    def _start(self, after: str | None) -> int:
        if after is None:
            return 0
        places = {place(item): index for index, item in enumerate(self.items)}
        return places[after] + 1

    def _chunks(self, form: str, start: int) -> Iterator[bytes]:
        rows = self.lines(form)
        if form == "csv":
            yield EVENT_HEADER
        for at in range(start, len(rows), self.chunk_rows):
            yield b"".join(rows[at : at + self.chunk_rows])


def place(item: dict[str, Any]) -> str:
    """As a request names it."""
    if item["kind"] == "notification":
        return f"notification/{item['id']}"
    return f"{item['event_date']}/{item['event_id']}"


def _pack(chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield gzip.compress(b"".join(chunks), 1, mtime=0)


__all__ = ["BEFORE", "EVENT_ID", "ExportService", "csv_row", "event", "ndjson", "place"]
