"""A log on loopback whose tree and proofs come from code that imports nothing of the service, and that can lie."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from datastorage_common.notes import COSIGNATURE, Note, SigningKey, make_key

from tests.log_record import act_steps, event_steps, notification_steps, parse
from tests.log_tree import LogTree, audit_path, consistency_path

ORIGIN = "log.example/audit"
KEY = make_key(ORIGIN, b"\1" * 32)
OTHER_KEY = make_key(ORIGIN, b"\2" * 32)
WITNESS = make_key("witness.example", b"\3" * 32, COSIGNATURE)
SALT = bytes(range(16))
DAY = "2026-01-05"
FEED = "/api/v1/audit/feed"
_PROBLEM = "https://kubernaut.ai/problems/"
Change = Callable[[bytes], bytes]
# Of the members events, texts of JSON, next and caught_up.
PageChange = Callable[[dict[str, Any]], None]


def event_json(
    ident: str, *, day: str = DAY, data: str = '{"weight": 1.50, "big": 123456789012345678901234567890}'
) -> bytes:
    """An event as the API answers it, its digest too."""
    members = {
        "event_id": ident, "event_date": day, "version": "1.0", "event_type": "gateway.signal.received",
        "event_timestamp": "2026-01-05T10:00:00Z", "event_category": "gateway", "event_action": "received",
        "event_outcome": "success", "correlation_id": "rr-1", "event_data": {}, "actor_type": "service",
        "actor_id": "gateway", "resource_type": "signal", "resource_id": "alert-1", "parent_event_id": None,
        "parent_event_date": None, "namespace": "prod", "cluster_name": None, "severity": "info", "duration_ms": 12,
        "trace_id": None, "trace_id_from_context": False, "span_id": None, "actor_ip": None, "error_code": None,
        "error_message": None, "is_sensitive": False, "retention_days": 2555,
        "recorded_at": "2026-01-05T10:00:00.120000Z", "recorded_by": "gateway", "request_id": None,
    }  # fmt: skip
    text = json.dumps(members).replace('"event_data": {}', f'"event_data": {data}')
    [steps] = event_steps(parse(text), SALT)
    return (text[:-1] + f', "digest": "{steps.digest.hex()}"}}').encode()


class Log:
    """Entries, and a checkpoint of those that are signed. `changes` alter answers by their path."""

    def __init__(self, count: int = 0, keys: tuple[SigningKey, ...] = (KEY,)) -> None:
        self.keys = keys
        self.origin = ORIGIN
        self.entries: list[bytes] = []
        self.events: dict[str, bytes] = {}
        self.notifications: dict[str, str | None] = {}  # their recorded_by
        self.salts: dict[int, bytes] = {}
        self.places: dict[str, int] = {}
        self.older: dict[tuple[str, str], tuple[bytes, int]] = {}  # of ids that were used again: by id and day
        self.knows_days = True  # whether an event is asked for by its day, as its proof always is
        self.size = 0  # what is signed
        self.witnessed = 0
        self.records: dict[int, tuple[str, str]] = {}  # kind and id by place; of an event its day behind it
        self.others: dict[int, dict[str, Any]] = {}  # notifications and acts by place, as the feed gives them
        self.turn: PageChange = lambda page: None  # alters each page of the feed
        self.changes: dict[str, Change] = {}
        self.missing: set[str] = set()  # paths that are answered 404
        self.denies = False  # whether all that is missing is said to be so for want of a checkpoint
        self.called: str | None = None  # the name that the log is said to have where there is no checkpoint
        self.contradicts: str | None = None  # what the service says that the log contradicts
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._tree = LogTree(b"")
        for _ in range(count):
            self.put_event()
        self.sign()

    def put_event(self, ident: str | None = None, **members: str) -> str:
        """Store an event; its id."""
        ident = ident or str(uuid.UUID(int=len(self.entries) + 1))
        if ident in self.events:
            self.older[ident, DAY] = (self.events[ident], self.places[ident])
        self.events[ident] = event_json(ident, **members)
        [steps] = event_steps(parse(self.events[ident]), SALT)
        self.places[ident] = self.put(steps.entry.encode(), SALT)
        self.records[self.places[ident]] = ("audit_event", f"{ident} {members.get('day', DAY)}")
        return ident

    def put_notification(self, row: dict[str, Any], recorded_by: str | None) -> None:
        """Store a notification, as lists answer it."""
        steps = notification_steps({**row, "recorded_by": recorded_by}, SALT)
        self.notifications[str(row["id"])] = recorded_by
        self.places[str(row["id"])] = index = self.put(steps.entry.encode(), SALT)
        self.records[index] = ("notification", str(row["id"]))
        self.others[index] = {**row, "recorded_by": recorded_by, "digest": steps.digest.hex()}

    def put_act(self, ident: str) -> None:
        """Put an act in its place."""
        act = {"act_id": ident, "acted_at": "2026-01-06T09:30:00Z", "acted_by": "owner", "details": {"taken": 3}}
        steps = act_steps(parse(json.dumps({**act, "kind": "intake_finished"})), SALT)
        index = self.put(steps.entry.encode(), SALT)
        self.records[index] = ("act", ident)
        self.others[index] = {"act": "intake_finished", **act, "digest": steps.digest.hex()}

    def put(self, entry: bytes, salt: bytes = b"") -> int:
        """Put an entry behind the others; its place."""
        self.entries.append(entry)
        self.salts[len(self.entries) - 1] = salt
        return len(self.entries) - 1

    def sign(self, size: int | None = None) -> None:
        """Sign the first entries, or all."""
        self.size = len(self.entries) if size is None else size
        self._tree = LogTree(b"".join(map(leaf, self.entries)))

    def note(self, size: int | None = None, *, cosigned: bool = False) -> bytes:
        """The signed checkpoint of so many entries."""
        size = self.size if size is None else size
        text = f"{self.origin}\n{size}\n{base64.b64encode(self._tree.root(size)).decode()}\n"
        signatures = [key.sign(text) for key in self.keys] + ([WITNESS.cosign(text, 1_767_600_000)] if cosigned else [])
        return Note(text, tuple(signatures)).encode()

    def proof(self, index: int, *, recorded_by: str | None = None) -> bytes:
        """A tlog-proof of an entry."""
        path = audit_path(index, self._leaves())
        extra = {"entry": json.loads(self.entries[index]), "salt": self.salts[index].hex()}
        if recorded_by is not None:
            extra["recorded_by"] = recorded_by
        lines = ["c2sp.org/tlog-proof@v1", f"extra {base64.b64encode(json.dumps(extra).encode()).decode()}"]
        lines += [f"index {index}", *(base64.b64encode(h).decode() for h in path), "", ""]
        return "\n".join(lines).encode() + self.note()

    def json_proof(self, index: int) -> bytes:
        """The same proof as JSON."""
        return json.dumps(
            {
                "index": index,
                "hashes": [base64.b64encode(h).decode() for h in audit_path(index, self._leaves())],
                "checkpoint": self.note().decode(),
                "entry": json.loads(self.entries[index]),
                "salt": self.salts[index].hex(),
            }
        ).encode()

    def _leaves(self) -> list[bytes]:
        return [leaf(entry) for entry in self.entries[: self.size]]

    def answer(self, target: str) -> tuple[int, str, bytes]:
        """Status, media type and body."""
        parts = urlsplit(target)
        with self._lock:
            self.asked.append(parts.path)
            if "event_date" in parts.query and not self.knows_days and not parts.path.endswith("/proof"):
                body = {
                    "type": _PROBLEM + "validation-error",
                    "title": "Wrong",
                    "status": 400,
                    "detail": "no parameter",
                }
                return 400, "application/problem+json", json.dumps(body).encode()
            if parts.path == FEED and self.contradicts is not None:
                body = {"type": _PROBLEM + "log-inconsistent", "title": "Wrong", "status": 503, "detail": "contradicts"}
                return 503, "application/problem+json", json.dumps(body).encode()
            found = None if parts.path in self.missing else self._find(parts.path, dict(parse_qsl(parts.query)))
        if found is None:
            slug = self._slug(parts.path)
            body = {"type": _PROBLEM + slug, "title": "Not found", "status": 404, "detail": "there is no such thing"}
            if slug == "no-checkpoint" and self.called is not None:
                body["origin"] = self.called
            return 404, "application/problem+json", json.dumps(body).encode()
        kind, body_ = found
        return 200, kind, self.changes.get(parts.path, lambda same: same)(body_)

    def _slug(self, path: str) -> str:
        if self.denies or path.startswith("/api/v1/log/checkpoint"):
            return "no-checkpoint"
        record = path.removesuffix("/proof").rpartition("/")[2]
        is_stored = record in self.events or record in self.notifications
        return "not-yet-in-log" if path.endswith("/proof") and is_stored else "not-found"

    def _find(self, path: str, query: dict[str, str]) -> tuple[str, bytes] | None:
        text = "text/plain; charset=utf-8"
        if path == "/api/v1/log/checkpoint":
            return text, self.note()
        if path == "/api/v1/log/checkpoint/witnessed":
            return (text, self.note(self.witnessed, cosigned=True)) if self.witnessed else None
        if path == "/api/v1/log/consistency":
            old, size = int(query["from"]), int(query.get("to", self.size))
            if size > self.size:
                return None
            hashes = consistency_path(old, self._leaves()[:size])
            told = {"from": old, "size": size, "hashes": [base64.b64encode(h).decode() for h in hashes]}
            return "application/json", json.dumps(told).encode()
        if tile := re.fullmatch("/api/v1/log/tile/([0-9]+|entries)/((?:x[0-9]{3}/)*[0-9]{3})(?:.p/([0-9]+))?", path):
            return self._tile(tile[1], int(re.sub("[x/]", "", tile[2])), int(tile[3] or 256))
        if record := re.fullmatch("/api/v1/audit/(?:events|notifications)/([^/]+)/proof", path):
            index = self.places.get(record[1], self.size)
            _, index = self.older.get((record[1], query.get("event_date", "")), (b"", index))
            if index >= self.size:
                return None
            return text, self.proof(index, recorded_by=self.notifications.get(record[1]))
        if path == "/health":
            said = {} if self.contradicts is None else {"log_inconsistent": self.contradicts}
            return "application/json", json.dumps({"status": "degraded", "log": {"size": self.size}, **said}).encode()
        if path == FEED:
            return "application/json", self._feed(query)
        ident = path.rpartition("/")[2]
        event = self.events.get(ident)
        if older := self.older.get((ident, query.get("event_date", ""))):
            event, _ = older
        return None if event is None else ("application/json", event)

    def _feed(self, query: dict[str, str]) -> bytes:
        after = query.get("after", "0")
        start, most = self.size if after == "end" else int(after), int(query.get("limit", "100"))
        stop = min(start + most, self.size)
        found = [self._item(index) for index in range(start, stop) if index in self.records]
        page = {"events": found, "next": str(stop), "caught_up": stop == self.size}
        self.turn(page)
        told = json.dumps({**page, "events": []})
        return told.replace('"events": []', f'"events": [{", ".join(page["events"])}]').encode()

    def _item(self, index: int) -> str:
        kind, ident = self.records[index]
        more = {"kind": kind, "log_index": index}
        if kind != "audit_event":
            return json.dumps({**self.others[index], **more, "salt": self.salts[index].hex()})
        ident, _, day = ident.partition(" ")
        event = self.older[ident, day][0] if (ident, day) in self.older else self.events.get(ident)
        if event is None:
            return json.dumps({"event_id": ident, "event_date": day, **more, "removed": True})
        return f"{event.decode()[:-1]}, {json.dumps({**more, 'salt': self.salts[index].hex()})[1:]}"

    def _tile(self, level: str, number: int, width: int) -> tuple[str, bytes] | None:
        size = self.size if level == "entries" else self.size >> 8 * int(level)
        if number * 256 + width > size:
            return None
        if level == "entries":
            entries = self.entries[number * 256 : number * 256 + width]
            body = b"".join(len(e).to_bytes(2, "big") + e for e in entries)
        else:
            body = self._tree.tile(int(level), number)[: 32 * width]
        return "application/octet-stream", body


def leaf(entry: bytes) -> bytes:
    """Its hash in the tree."""
    return hashlib.sha256(b"\0" + entry).digest()


@contextmanager
def serving(log: Log) -> Iterator[str]:
    """The address at which a log answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, kind, body = log.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if kind == "application/octet-stream" and "gzip" in self.headers.get("Accept-Encoding", ""):
                body = gzip.compress(body, 1)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
