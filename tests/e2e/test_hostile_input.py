"""What a stranger on the network may send: no 500, nothing told of the inside, the service alive after."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import socket
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import yaml

from app import create_app
from app.config.settings import Settings
from tests.support import ROOT, Answer, GunicornService, event, notification

EVENTS = "/api/v1/audit/events"
# A piece of code, a driver's words, an address of ours: none of it may be in an answer.
INSIDE = re.compile(
    rb"traceback|psycopg|postgres|sqlstate|syntax error|relation \"|column \"|select |insert into|gunicorn/|werkzeug"
    rb"|site-packages|\.py\b|127\.0\.0\.1|redis\.|/usr/|/home/|/tmp/|werkzeug",
    re.IGNORECASE,
)
FRAGMENTS = (
    "'",
    "' OR '1'='1' --",
    "'; DROP TABLE audit_events; --",
    "1) UNION SELECT rolpassword FROM pg_authid --",
    "$1",
    "%s%(x)s",
    "\\'; SELECT pg_sleep(9) --",
    "$.**",
    '$.a ? (@.b like_regex "(a+)+$")',
    "a}b{{7*7}}",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "\x00",
    "\ud800",
    "\u202e\u0000",
    "x" * 3000,
    "<script>alert(1)</script>",
    "\r\nSet-Cookie: a=b",
    "-1e999",
    "NaN",
    "9" * 400,
    "2026-02-30T25:61:61Z",
    "[]",
    '{"a":',
)


class Raw:
    """One connection, bytes in and answers out."""

    def __init__(self, service: GunicornService) -> None:
        self.sock = socket.create_connection(("127.0.0.1", service.port), timeout=60)

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def ask(self, request: bytes, *, end: bool = True) -> bytes:
        """Everything that comes back until the server ends the connection."""
        self.sock.sendall(request)
        if end:
            self.sock.shutdown(socket.SHUT_WR)
        parts = []
        try:
            while part := self.sock.recv(65536):
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)


def statuses(raw: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", raw)]


def assert_harmless(answer: Answer, sent: object = None) -> None:
    assert answer.status < 500, (sent, answer.status, answer.body[:500])
    if answer.status >= 400:
        assert answer.headers["Content-Type"] == "application/problem+json"
        told = json.loads(answer.body)
        assert told.pop("status") == answer.status
        del told["instance"]  # what the client itself sent, and so may be in the rest
        said = json.dumps(told)
        for fragment in FRAGMENTS:
            said = said.replace(json.dumps(fragment)[1:-1], "")
        assert not INSIDE.search(said.encode()), (sent, said[:500])


@pytest.fixture(autouse=True)
def unharmed(service: GunicornService) -> Iterator[None]:
    """After each test: the log has no unexpected error, a write is stored, the same workers run."""
    before = service.log.stat().st_size
    yield
    assert service.request("POST", EVENTS, event()).status == 201
    said = service.log.read_bytes()[before:]
    assert b"Traceback" not in said, said[-3000:]
    assert b"unexpected error" not in said, said[-3000:]


def routes() -> Iterator[tuple[str, str]]:
    """Method and rule of each route of the service."""
    for rule in create_app(Settings()).url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield method, rule.rule


def document() -> dict[str, Any]:
    text = Path(ROOT / "api/openapi/data-storage-v1.yaml").read_text()
    loaded: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return loaded


def query_parameters(spec: dict[str, Any], method: str, path: str) -> list[str]:
    found = []
    for parameter in spec["paths"].get(path, {}).get(method.lower(), {}).get("parameters", []):
        node = parameter
        if "$ref" in node:
            node = spec["components"]["parameters"][node["$ref"].rsplit("/", 1)[1]]
        if node["in"] == "query":
            found.append(node["name"])
    return found


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def test_fragments_in_every_parameter_of_every_route(service: GunicornService) -> None:
    spec = document()
    tried = 0
    for method, rule in routes():
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
        names = query_parameters(spec, method, path)
        for fragment in FRAGMENTS:
            target = re.sub(r"\{\w+\}", lambda _, f=fragment: encoded(f), path)  # type: ignore[misc]
            query = "&".join(f"{name}={encoded(fragment)}" for name in names)
            # One after the other as well: the first wrong one may hide the others.
            queries = [query] + ([f"{n}={encoded(fragment)}" for n in names] if fragment in FRAGMENTS[:4] else [])
            for each in queries:
                url = f"{target}?{each}"
                if "{" not in path and not names and fragment != FRAGMENTS[0]:
                    continue
                body = {} if method != "GET" else None
                answer = service.request(method, url[:8000], body)
                assert_harmless(answer, (method, url[:200]))
                assert b"set-cookie" not in str(answer.headers).lower().encode()
                tried += 1
    assert tried > 300
    assert service.request("GET", f"{EVENTS}?limit=1").status == 200, "the table is still there"


@pytest.mark.parametrize("path", [EVENTS, f"{EVENTS}/batch", "/api/v1/audit/notifications", "/api/v1/workflows/search"])
def test_fragments_in_every_member_of_a_body(service: GunicornService, path: str) -> None:
    sample: dict[str, Any] = {
        EVENTS: event(),
        f"{EVENTS}/batch": event(),
        "/api/v1/audit/notifications": notification(),
        "/api/v1/workflows/search": {"filters": {"signal_type": "x", "severity": "high"}, "top_k": 3},
    }[path]
    more = ("actor_id", "namespace", "parent_event_id", "event_id", "trace_id", "actor_ip", "duration_ms")
    for member, fragment in itertools.product([*sample, *more], FRAGMENTS):
        body = {**sample, member: fragment}
        raw = json.dumps([body] if path.endswith("batch") else body).encode()
        assert_harmless(service.request("POST", path, raw), (member, fragment[:50]))


def test_fragments_as_keys_and_in_containment(service: GunicornService) -> None:
    for fragment in FRAGMENTS:
        assert_harmless(service.request("POST", EVENTS, event(event_data={fragment: {fragment: [fragment]}})), fragment)
        data = encoded(json.dumps({fragment: fragment}))
        assert_harmless(service.request("GET", f"{EVENTS}?data={data}"[:8000]), fragment)


BODIES = {
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b"[" * 20_000 + b"]" * 20_000,
    "duplicate keys": b'{"version": "1", "version": "2"}',
    "duplicate keys, escaped": b'{"version": "1", "\\u0076ersion": "2"}',
    "number bomb": json.dumps(event()).encode().replace(b'"world"', b"[" + b",".join([b"1e131071"] * 1000) + b"]"),
    "long integer": json.dumps(event()).encode().replace(b'"world"', b"9" * 200_000),
    "small exponent": json.dumps(event()).encode().replace(b'"world"', b"1e-999999999"),
    "not a number": b'{"version": NaN, "event_data": Infinity}',
    "invalid UTF-8": b'{"version": "\xff\xfe\xc0\xaf"}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": json.dumps(event()).encode("utf-16"),
    "nothing": b"",
    "white space": b" " * 10_000,
    "a scalar": b"42",
    "unclosed": b'{"version": "1',
    "NUL": b"\x00" * 100,
    "not gzip": b"\x1f\x8b but no more",
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", [EVENTS, f"{EVENTS}/batch", "/api/v1/audit/notifications", "/api/v1/workflows"])
def test_bodies_that_are_no_request(service: GunicornService, path: str, name: str) -> None:
    for headers in ({}, {"Content-Encoding": "gzip"}):
        raw = gzip.compress(BODIES[name]) if headers and name != "not gzip" else BODIES[name]
        answer = service.request("POST", path, raw, headers=headers)
        assert answer.status == 400, (answer.status, answer.body)
        assert_harmless(answer, name)


def test_too_large_plain_chunked_and_compressed(service: GunicornService) -> None:
    answer = service.request("POST", EVENTS, b" " * (5 * 1024**2 + 1))
    assert answer.status == 413
    # 1 GiB of zeros is 1 MiB of gzip; and a gzip in a gzip is only taken apart once.
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(engine.compress(bytes(1024**2)) for _ in range(256)) + engine.flush()
    assert service.request("POST", EVENTS, bomb, headers={"Content-Encoding": "gzip"}).status == 413
    twice = gzip.compress(bomb)
    assert service.request("POST", EVENTS, twice, headers={"Content-Encoding": "gzip"}).status == 400
    assert service.request("POST", EVENTS, twice, headers={"Content-Encoding": "gzip, gzip"}).status == 415
    head = b"POST /api/v1/audit/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with Raw(service) as raw:
        raw.sock.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        sent = 0
        try:
            while sent < 100:
                raw.sock.sendall(chunk)
                sent += 1
        except OSError:
            pass  # it need not listen to all of it
        assert sent < 100 or statuses(raw.ask(b"0\r\n\r\n")) == [413]
    with Raw(service) as raw:
        got = raw.ask(head + b"Content-Length: 99999999999999999999\r\n\r\n{}")
        assert statuses(got) == [413]


SMUGGLED = b"DELETE /api/v1/dlq/dead-letters/1-1 HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /api/v1/audit/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        POST + b"Content-Length: 2\r\nContent-Length: 50\r\n\r\n{}" + SMUGGLED,
        POST + b"Content-Length: 2, 2\r\n\r\n{}" + SMUGGLED,
        POST + b"Content-Length: +2\r\n\r\n{}" + SMUGGLED,
        POST + b"Content-Length: 0x2\r\n\r\n{}" + SMUGGLED,
        POST + b"Content-Length: -2\r\n\r\n{}" + SMUGGLED,
        POST + "Content-Length: ²\r\n\r\n".encode("latin-1") + SMUGGLED,
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX" + SMUGGLED,
        POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + SMUGGLED,
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 40 + b"\r\n" + SMUGGLED,
        POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + SMUGGLED,
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n" + SMUGGLED,
        b"GET / JUNK\r\n\r\n" + SMUGGLED,
        b"GET /\r\n\r\n" + SMUGGLED,
        b"get / HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" + SMUGGLED,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,
        b"\x00" * 70_000 + SMUGGLED,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\nX: " + b"y" * 10_000 + b"\r\n\r\n" + SMUGGLED,
        b"GET /?" + b"y" * 10_000 + b" HTTP/1.1\r\n\r\n" + SMUGGLED,
        b"GET /?" + b"y" * 100_000 + b" HTTP/1.1\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\nHost: x\r\nExpect: miracles\r\n\r\n" + SMUGGLED,
        b"GET / HTTP/1.1\r\nHost: x\r\nSCRIPT_NAME: /x\r\nConnection: close\r\n\r\n" + SMUGGLED,
    ],
)
def test_broken_http_ends_the_connection(service: GunicornService, request_: bytes) -> None:
    """One answer at the most: what stands behind a request that is not clear is never taken for another one."""
    with Raw(service) as raw:
        got = raw.ask(request_)
    codes = statuses(got)
    assert len(codes) <= 1, got
    assert codes, got
    assert 400 <= codes[0] < 500 or codes[0] == 501, got
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert not INSIDE.search(body), body
    assert json.loads(body)["status"] == codes[0]


HOSTLESS = POST.replace(b"Host: x\r\n", b"")
ONE_CHUNK = b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (HOSTLESS + b"Content-Length: 2\r\n\r\n{}", 400),
        (HOSTLESS.replace(b"1.1", b"1.0") + b"Host: x y\r\nContent-Length: 2\r\n\r\n{}", 400),
        (HOSTLESS + b"Host: x\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400),
        (HOSTLESS + b"Host: x\r\nHost:\r\nContent-Length: 2\r\n\r\n{}", 400),
        *(
            (HOSTLESS + b"Host: " + host + b"\r\nContent-Length: 2\r\n\r\n{}", 400)
            for host in (b"x, y", b"x y", b"user@x", b"x/y", b"x:80:80", b"[::1", b"::1", b"http://x")
        ),
        *(
            (POST + b"Transfer-Encoding: " + coding + ONE_CHUNK, 501)
            for coding in (b"gzip", b"identity", b"gzip, chunked")
        ),
        *(
            (POST + b"Transfer-Encoding: " + coding + ONE_CHUNK, None)  # 400 or 501: gunicorn has its say as well
            for coding in (
                b"deflate",
                b"x-gzip",
                b"chunked, chunked",
                b"chunked, gzip",
                b"chunked;x=y",
                b"chunked,",
                b",chunked",
                b"chunke",
            )
        ),
        *(
            (POST + b"Content-Length: 2\r\nTransfer-Encoding: " + coding + ONE_CHUNK, 400)
            for coding in (b"chunked", b"identity", b"gzip, chunked")
        ),
        (POST + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked" + ONE_CHUNK, 400),
        (POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked" + ONE_CHUNK, 400),
        (POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}", 400),
    ],
)
def test_doubtful_hosts_and_framing_are_refused_and_end_the_connection(
    service: GunicornService, request_: bytes, code: int | None
) -> None:
    """RFC 9112, sections 3.2 and 6: two that read it differently would take another request out of it."""
    with Raw(service) as raw:
        got = raw.ask(request_ + SMUGGLED)
    assert statuses(got) in ([[code]] if code else [[400], [501]]), got
    assert b"\r\nconnection: close\r\n" in got.lower()


def test_a_host_of_http_1_1_and_none_of_http_1_0(service: GunicornService) -> None:
    for head in (
        b"1.0\r\n",
        b"1.1\r\nHost: \r\nConnection: close\r\n",
        b"1.1\r\nHost: [::1]:80\r\nConnection: close\r\n",
    ):
        with Raw(service) as raw:
            assert statuses(raw.ask(b"GET /health/live HTTP/" + head + b"\r\n")) == [200], head


@pytest.mark.parametrize("sent", ["a\tb", "x" * 129, "ü", "<b>", "a b", "", "a,b", "%0d%0aX: y", "{}"])
def test_request_ids_of_a_bad_form_are_replaced(service: GunicornService, sent: str) -> None:
    answer = service.request("GET", "/health/live", headers={"X-Request-ID": sent.encode().decode("latin-1")})
    assert answer.status == 200
    uuid.UUID(answer.headers["X-Request-ID"])


PATHS = (
    "/%00",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/..%2f..%2fetc%2fpasswd",
    "/../../../etc/passwd",
    "//evil.example/x",
    "/%2f%2fevil.example",
    "/" + "a" * 4000,
    "/%c0%af%c0%ae",
    "/%ff%fe",
    "/%",
    "/%zz",
    "/;x=y",
    "/?%00=%ff",
    "/a\\b",
    "/docs/assets/..%2f..%2fconfig.py",
    "/docs/assets/%2e%2e/routes.py",
    "/problems/..%2f..",
    "/problems/%00",
    "/problems/%3Cscript%3E",
    "/health/live/",
    "/HEALTH",
    "/api/v1/audit/events/",
    "/api/v1/audit/events/%00",
    "/api/v1/workflows/by-name/%2e%2e/latest",
    "/api/v1/workflows/by-name/a%00b/latest",
    "http://evil.example/api/v1/audit/events/x",
)


@pytest.mark.parametrize("path", PATHS)
def test_tricks_with_paths(service: GunicornService, path: str) -> None:
    with Raw(service) as raw:
        got = raw.ask(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))
    (code,) = statuses(got)
    assert 400 <= code < 500, got[:300]
    head, _, body = got.partition(b"\r\n\r\n")
    # Its own path is told back to the client, as JSON and nothing else.
    assert b"application/problem+json" in head
    assert "Location" not in head.decode("latin-1")
    told = json.loads(body)
    assert not INSIDE.search(told["detail"].encode())
    assert urlsplit(told["type"]).scheme == "https"


def series(service: GunicornService) -> set[str]:
    return set(service.metrics())


def test_thousands_of_unknown_paths_and_methods_make_no_time_series(service: GunicornService) -> None:
    def go(first: int, last: int) -> None:
        conn = socket.create_connection(("127.0.0.1", service.port), timeout=60)
        for i in range(first, last):
            method = "GET" if i % 3 else f"M{'ABCDEFGHIJ'[i % 10]}{'ABCDEFGHIJ'[i // 10 % 10]}X"
            conn.sendall(f"{method} /x{i}/{uuid.uuid4()} HTTP/1.1\r\nHost: h{i}\r\n\r\n".encode())
            got = b""
            while b"\r\n\r\n" not in got or not got.endswith(b"}"):
                got += conn.recv(65536)
            assert statuses(got)[0] in (404, 405), got
            if b"Connection: close" in got:
                conn.close()
                conn = socket.create_connection(("127.0.0.1", service.port), timeout=60)
        conn.close()

    go(0, 60)  # each worker has its first of each
    before = series(service)
    go(60, 2060)
    assert len(series(service) - before) <= 20, sorted(series(service) - before)[:10]
    assert not any("/x1" in name for name in series(service))


def test_old_clients_and_odd_ones_are_served(service: GunicornService) -> None:
    for request in (
        b"GET /health/live HTTP/1.0\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + b"X-A: b\r\n" * 80 + b"\r\n",
    ):
        with Raw(service) as raw:
            assert statuses(raw.ask(request, end=False)) == [200], request
