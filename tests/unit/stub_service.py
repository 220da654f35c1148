"""A stand-in for the service on loopback: audit batches and queries, kept in a dictionary.

It validates with the service's own schemas and words failures as the service does, so that the commands meet
the real rules without a database. Answers can be put in its way: see `StubService.script`.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from datastorage_common import jsonvalue
from datastorage_common.times import parse_time, rfc3339
from datastorage_common.uuids import parse_uuid

from app.audit.event import AuditEvent
from app.audit.filters import event_query
from app.audit.shapes import EVENT_MEMBERS
from app.audit.validator import Validator
from app.auth.read_limits import EVERYTHING
from app.config.settings import AuditSettings
from app.http.problems import Problem
from app.validation.field_errors import ValidationFailure
from app.workflows import search_request

_SKIPPED = {"limit", "offset", "cursor", "count", "data", "since", "until"}


class Cut(Exception):  # noqa: N818 - no error, but what a test wants
    """Raised by the chunks of an answer: the connection ends here, in the middle of it."""


class Canned(NamedTuple):
    """An answer that is given instead of the real one. Status 0 closes the connection without a word.

    With `chunks` it comes chunked, and what is asked of them comes when it is there.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    act: bool = False  # whether the request is carried out all the same, and only its answer replaced
    chunks: Iterable[bytes] | None = None


class Request(NamedTuple):
    """What came in."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: dict[str, str]
    peer: tuple[str, int] = ("", 0)


def busy(slug: str = "service-unavailable", retry_after: str = "0", **members: Any) -> Canned:
    """A 503 as the service gives it."""
    body = Problem(slug, "please retry", members=members).body("https://kubernaut.ai/problems", "/")
    return Canned(503, body, (("Content-Type", "application/problem+json"), ("Retry-After", retry_after)))


class StubService:
    """Runs while used as a context manager; `url` is where."""

    def __init__(self, port: int = 0) -> None:
        """``port``: one that the test holds with SO_REUSEPORT, so that nobody else has it once the stub is gone."""
        self.rows: dict[tuple[UUID, date], tuple[bytes, dict[str, Any]]] = {}  # identity → digest, row
        self.requests: list[Request] = []
        self.script: deque[Canned | None] = deque()  # one for each request to come; None: a real answer
        self.accept_only = False  # batches are answered 202 and kept nowhere
        self.max_batch = 1000
        self.max_body = 5 * 1024**2
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._validator = Validator(AuditSettings(), lambda: self.now())
        self._server = _Server(("127.0.0.1", port), _handler(self), bind_and_activate=False)
        self._server.allow_reuse_port = port != 0
        self._server.server_bind()
        self._server.server_activate()
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> StubService:
        threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def posted(self) -> list[list[dict[str, Any]]]:
        """The batches that came in."""
        return [json.loads(r.body) for r in self.requests if r.method == "POST"]

    def stored(self) -> list[dict[str, Any]]:
        """Rows in the order of queries: newest first."""
        rows = [row for _, row in self.rows.values()]
        return sorted(rows, key=lambda r: (r["event_timestamp"], r["event_id"]), reverse=True)

    def answer(self, request: Request) -> Canned:
        """Carry a request out."""
        self.requests.append(request)
        canned = self.script.popleft() if self.script else None
        if canned is not None and not canned.act:
            return canned
        try:
            real = self._route(request)
        except Problem as p:
            body = p.body("https://kubernaut.ai/problems", request.path)
            headers = (("Content-Type", "application/problem+json"), *p.headers.items())
            real = Canned(p.kind.status, body, headers)
        return real if canned is None else canned

    def _route(self, request: Request) -> Canned:
        if request.method == "POST" and request.path == "/api/v1/audit/events/batch":
            return self._batch(request)
        if request.method == "GET" and request.path == "/api/v1/audit/events":
            return json_answer(200, self._page(request.query))
        if request.method == "GET" and request.path.startswith("/api/v1/audit/events/"):
            ident = parse_uuid(request.path.rpartition("/")[2])
            found = [row for row in self.stored() if row["event_id"] == str(ident)]
            if found:
                return json_answer(200, found[0])
        if request.method == "POST" and request.path == "/api/v1/workflows/search":
            search = search_request.search(jsonvalue.parse(request.body))
            if isinstance(search, ValidationFailure):
                errors = {f.name: str(f.message) for f in search.errors}
                raise Problem(search.slug, search.detail, field_errors=errors)
            return json_answer(200, {"workflows": []})
        raise Problem("not-found", "there is nothing here")

    def _batch(self, request: Request) -> Canned:
        if len(request.body) > self.max_body:
            raise Problem("request-too-large", "request body is too large")
        items = jsonvalue.parse(request.body)
        if not items:
            raise Problem("validation-error", "batch cannot be empty")
        if len(items) > self.max_batch:
            detail = f"batch size {len(items)} exceeds maximum allowed batch size of {self.max_batch}"
            raise Problem("batch-size-exceeded", detail, members={"max_batch_size": self.max_batch})
        events = self._validated(items)
        ids = [str(e.event_id) for e in events]
        if self.accept_only:
            message = f"{len(ids)} audit events queued for async processing"
            return json_answer(202, {"status": "accepted", "message": message, "count": len(ids), "event_ids": ids})
        conflicts = [i for i, e in enumerate(events) if self.rows.get(e.key, (e.digest,))[0] != e.digest]
        if conflicts:
            raise Problem(
                "conflict",
                f"event at index {conflicts[0]}: is stored with different content under the same event_id and date",
                members={"indexes": conflicts},
            )
        duplicates = [i for i, e in enumerate(events) if e.key in self.rows]
        for event, item in zip(events, items, strict=True):
            self.rows.setdefault(event.key, (event.digest, _row(event, item)))
        status = 200 if len(duplicates) == len(events) else 201
        return json_answer(status, {"event_ids": ids, "message": "created", "duplicates": duplicates})

    def _validated(self, items: list[Any]) -> list[AuditEvent]:
        events: list[AuditEvent] = []
        errors: dict[str, str] = {}
        first: tuple[int, ValidationFailure] | None = None
        for index, item in enumerate(items):
            event = self._validator.event(item)
            if isinstance(event, ValidationFailure):
                errors |= {f"[{index}].{f.name}": str(f.message) for f in event.errors}
                first = first or (index, event)
            else:
                events.append(event)
        if first is not None:
            index, failure = first
            raise Problem(failure.slug, f"event at index {index}: {failure.detail}", field_errors=errors)
        return events

    def _page(self, query: dict[str, str]) -> dict[str, Any]:
        # The cursors are the stub's own.
        event_query({name: value for name, value in query.items() if name != "cursor"}, self.now(), EVERYTHING)
        rows = [row for row in self.stored() if self._matches(row, query)]
        limit = int(query.get("limit", "50"))
        if "cursor" in query:
            after = query["cursor"].split("|")
            rows = [row for row in rows if [row["event_timestamp"], row["event_id"]] < after]
        page = rows[:limit]
        more = len(rows) > limit
        following = f"{page[-1]['event_timestamp']}|{page[-1]['event_id']}" if more else None
        return {"data": page, "pagination": {"limit": limit, "offset": 0, "has_more": more, "next_cursor": following}}

    def _matches(self, row: dict[str, Any], query: dict[str, str]) -> bool:
        for name, sign in (("since", 1), ("until", -1)):
            if name in query:
                moment = parse_time(query[name], self.now())
                stored = parse_time(row["event_timestamp"], self.now())
                assert moment is not None
                assert stored is not None
                if sign * (stored - moment).total_seconds() < 0:
                    return False
        if "data" in query and not contains(row["event_data"], jsonvalue.parse(query["data"].encode())):
            return False
        return all(row.get(name) == value for name, value in query.items() if name not in _SKIPPED)


class _Server(ThreadingHTTPServer):
    """A server that answers a test: the test, not a backlog of five, says how many may connect at once."""

    request_queue_size = 128


def contains(whole: Any, part: Any) -> bool:
    """jsonb's @>, near enough."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(k in whole and contains(whole[k], v) for k, v in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(w, p) for w in whole) for p in part)
    return bool(whole == part)


def _row(event: AuditEvent, item: dict[str, Any]) -> dict[str, Any]:
    return {
        **dict.fromkeys(EVENT_MEMBERS),
        "recorded_at": rfc3339(datetime.now(UTC)),
        "digest": event.digest.hex(),
        "is_sensitive": event.is_sensitive,
        "retention_days": event.retention_days,
        "actor_type": event.actor_type,
        "actor_id": event.actor_id,
        "resource_type": event.resource_type,
        "resource_id": event.resource_id,
        **item,
        "event_id": str(event.event_id),
        "event_date": event.event_date.isoformat(),
        "event_timestamp": rfc3339(event.event_timestamp),
        "severity": event.severity,
    }


def json_answer(status: int, value: Any, *headers: tuple[str, str]) -> Canned:
    """An answer whose body is the value."""
    return Canned(status, jsonvalue.compact(value), (("Content-Type", "application/json"), *headers))


def _handler(stub: StubService) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body go out in two writes; without this, Nagle's algorithm waits 40 ms between them.
        disable_nagle_algorithm = True

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            target = urlsplit(self.path)
            request = Request(
                self.command,
                target.path,
                dict(parse_qsl(target.query)),
                body,
                dict(self.headers.items()),
                self.client_address,
            )
            answer = stub.answer(request)
            if answer.status == 0:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            if answer.chunks is not None:
                self._stream(answer.chunks)
                return
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def _stream(self, chunks: Iterable[bytes]) -> None:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for chunk in chunks:
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                self.wfile.write(b"0\r\n\r\n")
            except (Cut, OSError):  # the latter where who asked is gone
                self.close_connection = True

        do_GET = _handle  # noqa: N815 - http.server's names
        do_POST = _handle  # noqa: N815
        do_DELETE = _handle  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Quiet: tests read `requests` instead."""

    return Handler
