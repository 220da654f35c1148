from __future__ import annotations

import dataclasses
import gzip
import io
import json
import logging
import uuid
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import flask
import psycopg
import pytest
from psycopg_pool import PoolTimeout, TooManyRequests
from werkzeug.exceptions import BadRequest, Gone, InternalServerError, RequestEntityTooLarge

from app import create_app
from app.config.settings import ServerSettings, Settings
from app.http.flask_app import App, Bodies, _declared_length, count_validation_failures, request_id
from app.http.problems import Problem
from app.telemetry import metrics
from tests.unit.fakes import event, make_client, make_services

# The same bytes every time: they stand in the names of tests.
compress = partial(gzip.compress, mtime=0)

KIB = 1024
MIB = 1024 * KIB


def reading(bodies: Bodies, body: Any, *, content_length: int | None = None, encoding: str | None = None) -> bytes:
    """Read a body (bytes or a stream); without content_length as one in chunks, as the server hands it over."""
    environ = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else body}
    if content_length is None:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    else:
        environ["CONTENT_LENGTH"] = str(content_length)
    if encoding is not None:
        environ["HTTP_CONTENT_ENCODING"] = encoding
    return bodies.read(flask.Request(environ))


def refusal(bodies: Bodies, body: bytes, **environ: Any) -> Problem:
    with pytest.raises(Problem) as e:
        reading(bodies, body, **environ)
    assert bodies._in_flight == 0, "what was reserved is given back"
    return e.value


@pytest.fixture
def bodies() -> Bodies:
    return Bodies(max_size=100 * KIB, max_in_flight=MIB)


# --- bodies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 100 * KIB])
@pytest.mark.parametrize("declared", [True, False])
def test_bodies_up_to_the_limit(bodies: Bodies, size: int, declared: bool) -> None:
    body = b"x" * size
    assert reading(bodies, body, content_length=size if declared else None) == body
    assert reading(bodies, compress(body), encoding="gzip") == body


@pytest.mark.parametrize("declared", [True, False])
def test_bodies_over_the_limit(bodies: Bodies, declared: bool) -> None:
    body = b"x" * (100 * KIB + 1)
    for sent, encoding in ((body, "identity"), (compress(body), "gzip")):
        problem = refusal(bodies, sent, encoding=encoding, content_length=len(sent) if declared else None)
        assert problem.kind.slug == "request-too-large"
        assert problem.detail == "the request body exceeds 102400 bytes"


def test_a_body_that_the_server_has_cut_off_behind_its_limit_is_over_it(bodies: Bodies) -> None:
    """The server does not wait for the rest of a body that is too long, whatever its length says."""
    cut_off = b"x" * (100 * KIB + 1)
    assert refusal(bodies, cut_off).kind.status == 413
    assert refusal(bodies, cut_off, encoding="gzip").kind.status == 413
    assert refusal(bodies, b"", content_length=10**18).kind.status == 413


def test_a_request_without_a_body(bodies: Bodies) -> None:
    assert bodies.read(flask.Request({"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(b"")})) == b""


def test_a_declared_length_is_refused_before_reading(bodies: Bodies) -> None:
    class Untouchable(io.RawIOBase):
        def readinto(self, buffer: Any) -> int:
            raise AssertionError("was read")

    with pytest.raises(Problem, match="exceeds 102400 bytes"):
        reading(bodies, Untouchable(), content_length=100 * KIB + 1)


def test_a_bomb_is_not_unpacked(bodies: Bodies, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked = 0
    make = zlib.decompressobj

    class Engine:
        def __init__(self, wbits: int) -> None:
            self._engine = make(wbits=wbits)

        def decompress(self, data: bytes, limit: int) -> bytes:
            nonlocal unpacked
            part = self._engine.decompress(data, limit)
            unpacked += len(part)
            return part

        def __getattr__(self, name: str) -> Any:
            return getattr(self._engine, name)

    monkeypatch.setattr("app.http.flask_app.zlib.decompressobj", Engine)
    bomb = compress(bytes(5 * MIB))
    assert len(bomb) < 100 * KIB
    assert refusal(bodies, bomb, encoding="gzip").kind.slug == "request-too-large"
    assert unpacked <= 100 * KIB + 1


def test_many_members_count_together(bodies: Bodies) -> None:
    member = compress(b"y" * 10 * KIB)
    assert reading(bodies, member * 10, encoding="GZip ") == b"y" * 100 * KIB
    assert refusal(bodies, member * 10 + compress(b"y"), encoding="gzip").kind.status == 413
    assert reading(bodies, compress(b"") * 1000, encoding="gzip") == b""
    assert refusal(bodies, compress(b"") * 6000, encoding="gzip").kind.status == 413, "compressed size counts too"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        compress(b"{}")[:-1],
        compress(b"{}")[:5],
        compress(b"{}") + b"rest",
        compress(b"{}") + b"\x1f\x8b",
        compress(b"{}")[:-8] + b"\0" * 8,
    ],
)
def test_not_gzip_after_all(bodies: Bodies, body: bytes) -> None:
    problem = refusal(bodies, body, encoding="gzip")
    assert (problem.kind.slug, problem.detail) == ("invalid_request", "the request body is not gzip")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x"])
def test_other_encodings(bodies: Bodies, encoding: str) -> None:
    assert refusal(bodies, b"{}", encoding=encoding).kind.slug == "unsupported-encoding"


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_body_that_ends_too_early(bodies: Bodies, encoding: str) -> None:
    body = compress(b"{}") if encoding == "gzip" else b"{}"
    problem = refusal(bodies, body, content_length=len(body) + 5, encoding=encoding)
    assert (problem.kind.slug, problem.detail) == ("invalid_request", "the request body ended too early")


class Meanwhile:
    """zlib, during whose work something else happens once."""

    error = zlib.error

    def __init__(self, action: Callable[[], Any]) -> None:
        self._actions = [action]

    def decompressobj(self, wbits: int) -> Any:
        while self._actions:
            self._actions.pop()()
        return zlib.decompressobj(wbits=wbits)


@pytest.mark.parametrize(
    ("in_flight", "encoding", "good"),
    [(200, "gzip", True), (199, "gzip", False), (100, "gzip", False), (100, "identity", True)],
)
@pytest.mark.parametrize("declared", [True, False])
def test_what_comes_out_of_compressed_bodies_is_bounded_all_together(
    monkeypatch: pytest.MonkeyPatch, in_flight: int, encoding: str, good: bool, declared: bool
) -> None:
    """Each may come to the limit of one; those that are not compressed are bounded by the server."""
    bodies = Bodies(max_size=100, max_in_flight=in_flight)
    body = b"x" * 100
    sent = compress(body) if encoding == "gzip" else body
    seen: list[bytes | Problem] = []

    def other() -> None:
        try:
            seen.append(reading(bodies, sent, content_length=len(sent) if declared else None, encoding=encoding))
        except Problem as problem:
            seen.append(problem)

    monkeypatch.setattr("app.http.flask_app.zlib", Meanwhile(other))
    assert reading(bodies, compress(body), encoding="gzip") == body
    if good:
        assert seen == [body]
    else:
        [problem] = seen
        assert isinstance(problem, Problem)
        assert (problem.kind.slug, problem.headers["Retry-After"]) == ("buffer-full", "1")
    assert bodies._in_flight == 0
    assert reading(bodies, compress(body), encoding="gzip") == body


@pytest.mark.parametrize(
    ("text", "length"),
    [("844", 844), ("0", 0), ("0" * 30 + "844", 844), ("9" * 5000, 10**18 - 1), ("", 0), ("-1", 0)],
)
def test_the_length_that_a_request_declares(text: str, length: int | None) -> None:
    assert _declared_length({"CONTENT_LENGTH": text}) == length
    assert _declared_length({"CONTENT_LENGTH": text, "HTTP_TRANSFER_ENCODING": "chunked"}) is None


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_one_body_alone_is_always_let_in(encoding: str) -> None:
    body = b"x" * 100
    sent = compress(body) if encoding == "gzip" else body
    assert reading(Bodies(max_size=100, max_in_flight=10), sent, encoding=encoding) == body


# --- the app ------------------------------------------------------------------------------------------------

SECRET = "password=hunter2 relation /srv/app SELECT"


@pytest.fixture(scope="module")
def client() -> flask.testing.FlaskClient:
    return make_client(make_services())


def failing_client(error: Exception) -> flask.testing.FlaskClient:
    app = create_app(Settings(), make_services())

    @app.get("/fail")
    def fail() -> str:
        raise error

    return app.test_client()


def problem_of(response: Any, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    body = json.loads(response.data)
    assert body["type"] == f"https://kubernaut.ai/problems/{slug}"
    assert body["status"] == status
    assert body.keys() >= {"title", "detail", "instance"}
    return dict(body)


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (RuntimeError(SECRET), 500, "internal-error"),
        (KeyError(SECRET), 500, "internal-error"),
        (psycopg.ProgrammingError(SECRET), 500, "internal-error"),
        (psycopg.errors.DivisionByZero(SECRET), 500, "internal-error"),
        (InternalServerError(SECRET), 500, "internal-error"),
        (psycopg.OperationalError(SECRET), 503, "service-unavailable"),
        (psycopg.errors.QueryCanceled(SECRET), 503, "service-unavailable"),
        (psycopg.errors.UndefinedTable(SECRET), 503, "service-unavailable"),
        (psycopg.errors.DeadlockDetected(SECRET), 503, "service-unavailable"),
        (PoolTimeout(SECRET), 503, "service-unavailable"),
        (TooManyRequests(SECRET), 503, "service-unavailable"),
        (RequestEntityTooLarge(SECRET), 413, "request-too-large"),
        (BadRequest(SECRET), 400, "invalid_request"),
        (Gone(SECRET), 400, "invalid_request"),
    ],
)
def test_no_error_shows_its_text(error: Exception, status: int, slug: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    response = failing_client(error).get("/fail")
    body = problem_of(response, status, slug)
    assert body["instance"] == "/fail"
    for word in SECRET.split():
        assert word not in response.text + str(response.headers)
    assert (status == 503) == (body.get("retry") is True) == (response.headers.get("Retry-After") == "5")
    assert bool(caplog.records) == (status >= 500), "what the client is not told is logged"


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/nope?a=1", "/nope"),
        *((path, path) for path in ("/", "/api/v1", "/api/v1/audit/nothing", "/api/v1/audit/events/")),
        ("/api/v1/%00%ff", None),
    ],
)
def test_unknown_path(client: flask.testing.FlaskClient, path: str, instance: str | None) -> None:
    body = problem_of(client.get(path), 404, "not-found")
    assert body["title"] == "Not Found"
    assert instance in (None, body["instance"])


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "BREW", "A" * 50])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/api/v1/audit/events", {"GET", "HEAD", "OPTIONS", "POST"}), ("/api/v1/audit/events/batch", {"OPTIONS", "POST"})],
)
def test_wrong_method(client: flask.testing.FlaskClient, path: str, allowed: set[str], method: str) -> None:
    response = client.open(path, method=method)
    assert problem_of(response, 405, "method-not-allowed")["title"] == "Method Not Allowed"
    assert {m.strip() for m in response.headers["Allow"].split(",")} == allowed


def test_methods_of_clients_do_not_become_labels(client: flask.testing.FlaskClient) -> None:
    client.open("/api/v1/audit/events", method="BREW")
    text = client.get("/metrics").text
    assert 'method="UNKNOWN"' in text
    assert "BREW" not in text


def test_paths_of_clients_do_not_become_labels(client: flask.testing.FlaskClient) -> None:
    client.get("/made-up-path")
    client.get("/api/v1/audit/events/made-up-id")
    text = client.get("/metrics").text
    assert "made-up" not in text
    assert 'group="unmatched"' in text or "unmatched" in text
    assert "/api/v1/audit/events/&lt;event_id&gt;" in text or "/api/v1/audit/events/<event_id>" in text


@pytest.mark.parametrize("sent", ["abc", "A-z_0.9:/+=@", "r-1", str(uuid.UUID(int=1)), "x" * 128])
def test_request_id_is_echoed(client: flask.testing.FlaskClient, sent: str) -> None:
    for path in ("/health/live", "/nope"):
        assert client.get(path, headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a;b", "<script>", "ä", "é", 'x"y'])
def test_other_request_ids_are_replaced(client: flask.testing.FlaskClient, sent: str) -> None:
    got = [client.get("/health/live", headers={"X-Request-ID": sent}).headers["X-Request-ID"] for _ in range(2)]
    assert uuid.UUID(got[0]) != uuid.UUID(got[1])


def test_request_id_outside_of_a_request() -> None:
    assert request_id() == "-"


WRITES = [f"/api/v1/audit/{p}" for p in ("events", "events/batch", "notifications")]


@pytest.fixture(scope="module")
def unwritten() -> flask.testing.FlaskClient:
    """A client of an app that must not hand anything to the write path."""
    return make_client(make_services(outcome=lambda request: pytest.fail(f"was to be written: {request}")))


@pytest.mark.parametrize(
    "content_type",
    [None, "", ";", "text/plain", "application/xml", "application/jsonx", "application/x-www-form-urlencoded"],
)
@pytest.mark.parametrize("path", WRITES)
def test_content_type_must_be_json(unwritten: flask.testing.FlaskClient, path: str, content_type: str | None) -> None:
    for sent in (b"not even JSON", json.dumps(event()).encode()):
        body = problem_of(unwritten.post(path, data=sent, content_type=content_type), 400, "validation-error")
        assert body["title"] == "Validation Error"
        assert body["field_errors"] == {"Content-Type": "must be application/json"}


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;a=b",
        "Application/JSON;charset=UTF-8;x=y",
    ],
)
def test_content_type_may_have_parameters(client: flask.testing.FlaskClient, content_type: str) -> None:
    body = problem_of(client.post("/api/v1/audit/events", data=b"{", content_type=content_type), 400, "invalid_request")
    assert body["detail"].startswith("request body is not valid JSON: ")
    assert body["detail"].endswith("(line 1, column 2)")


MALFORMED = [
    *(b"", b" ", b"{", b"[", b"}", b'{"a":}', b"{'a':1}", b'{"a":1,}', b"nul", b"-", b"01", b"{} {}", b"[{}"),
    *(b"NaN", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b"[NaN]"),
    *(b"\xef\xbb\xbf{}", b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', "{}".encode("utf-16")),
    *(b'{"a": "raw\x00nul"}', b'{"a": "line\nfeed"}'),
    *(b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    *(b'{"a": 1, "a": 1}', b'{"\\u0061": 1, "a": 2}', b'{"\\ud800": 1, "\\ud800": 2}'),
    json.dumps(event())[:-1].encode(),
    json.dumps(event())[:-1].encode() + b', "version": "1.0"}',
    json.dumps(event(event_data="@")).replace('"@"', '{"x": {"k": 1, "k": 2}}').encode(),
]


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: ascii(body)[:40])
def test_a_malformed_body_is_a_problem(unwritten: flask.testing.FlaskClient, path: str, body: bytes) -> None:
    answer = problem_of(unwritten.post(path, data=body, content_type="application/json"), 400, "invalid_request")
    assert answer["title"] == "Invalid Request"
    assert answer["detail"].startswith("request body is not valid JSON: ")


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize("body", [b"5", b'"text"', b"null", b"true"])
def test_a_body_that_is_no_record_is_a_problem(unwritten: flask.testing.FlaskClient, path: str, body: bytes) -> None:
    answer = problem_of(unwritten.post(path, data=body, content_type="application/json"), 400, "invalid_request")
    batch = path.endswith("/batch")
    what = "a JSON array, not a single object" if batch else "a JSON object"
    assert answer["detail"] == f"request body must be {what}"


def test_the_same_key_twice_is_named(client: flask.testing.FlaskClient) -> None:
    response = client.post("/api/v1/audit/events", data=b'{"a": 1, "a": 1}', content_type="application/json")
    assert problem_of(response, 400, "invalid_request")["detail"].endswith('duplicate key "a"')


def test_the_limit_of_bodies_is_the_configured_one() -> None:
    settings = Settings(server=ServerSettings(max_body_size=10, problem_base_url="https://p.example/"))
    response = make_client(make_services(settings)).post(
        "/api/v1/audit/events", data=b'"0123456789"', content_type="application/json"
    )
    assert response.status_code == 413
    assert response.json is not None
    assert response.json["type"] == "https://p.example/request-too-large"


def test_only_known_names_become_labels() -> None:
    def counted(name: str) -> float:
        return metrics.VALIDATION_FAILURES.labels(name, "invalid")._value.get()

    before = counted("body"), counted("other")
    count_validation_failures([("body", "invalid"), ("made_up", "invalid"), ("<x>", "invalid")])
    assert (counted("body"), counted("other")) == (before[0] + 1, before[1] + 2)


def test_request_threads_are_counted_back() -> None:
    services = make_services()
    client = make_client(services)
    for path in ("/health/live", "/nope", "/api/v1/audit/events"):
        client.post(path)
        assert services.in_flight.count == 0


# --- CORS ---------------------------------------------------------------------------------------------------


@pytest.fixture
def cors_client() -> Iterator[Callable[..., flask.testing.FlaskClient]]:
    def make(*origins: str) -> flask.testing.FlaskClient:
        server = dataclasses.replace(ServerSettings(), cors_allowed_origins=origins)
        return make_client(make_services(Settings(server=server)))

    return make


PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}


def test_cors_is_off_by_default(client: flask.testing.FlaskClient) -> None:
    for method, path in (("GET", "/health/live"), ("OPTIONS", "/health/live"), ("OPTIONS", "/api/v1/audit/events")):
        response = client.open(path, method=method, headers=PREFLIGHT)
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]
        assert "Vary" not in response.headers


def test_cors_for_configured_origins(cors_client: Any) -> None:
    client = cors_client("https://a.example", "https://b.example")
    response = client.options("/api/v1/audit/events", headers=PREFLIGHT)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in response.headers["Access-Control-Allow-Headers"]
    assert "Origin" in response.headers["Vary"]
    plain = client.get("/health/live", headers={"Origin": "https://b.example"})
    assert plain.headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert "Access-Control-Allow-Origin" not in client.get("/health/live").headers
    other = client.get("/health/live", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Origin" in other.headers["Vary"], "a cache must not serve one origin's answer to another"


def test_cors_for_anybody(cors_client: Any) -> None:
    response = cors_client("*").get("/nope", headers={"Origin": "https://x.example"})
    assert response.status_code == 404
    assert response.headers["Access-Control-Allow-Origin"] == "https://x.example"


# --- routes that are looked up ------------------------------------------------------------------------------


def routed(app: flask.Flask, method: str, path: str, *, looked_up: bool, **environ: str) -> tuple[object, object]:
    """Rule and fault of a request, with the look-up or by the router alone."""
    assert isinstance(app, App)
    known = app._fixed
    app._fixed = known if looked_up else {}
    try:
        with app.test_request_context(path, method=method, environ_overrides=environ) as context:
            rule = context.request.url_rule
            return (
                rule and (rule.rule, rule.endpoint, context.request.view_args),
                str(context.request.routing_exception),
            )
    finally:
        app._fixed = known


@pytest.fixture(scope="module")
def app() -> flask.Flask:
    return create_app(Settings(), make_services())


PATHS = ("/api/v1/audit/events", "/api/v1/audit/events/batch", "/api/v1/workflows/search", "/health/live", "/metrics",
         "/api/v1/audit/events/", "//api/v1/audit/events", "/API/v1/audit/events", "/api/v1/audit/events/x", "/nothing",
         "/api/v1/audit%2Fevents", "/docs", "/docs/", "/openapi.json")  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PATCH", "TRACE"])
@pytest.mark.parametrize("path", PATHS)
def test_what_is_looked_up_is_what_the_router_finds(app: flask.Flask, path: str, method: str) -> None:
    assert routed(app, method, path, looked_up=True) == routed(app, method, path, looked_up=False)


def test_every_path_without_variables_is_looked_up(app: flask.Flask) -> None:
    assert isinstance(app, App)
    for rule in app.url_map.iter_rules():
        for method in rule.methods or ():
            assert ((method, rule.rule) in app._fixed) is (not rule.arguments and method != "OPTIONS")


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_HOST": "bad host"},
        {"HTTP_HOST": "a\\b"},
        {"HTTP_HOST": "exa_mple.org"},
        {"HTTP_HOST": "[::1]:8080"},
        {"HTTP_HOST": ""},
        {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "upgrade"},
        {"HTTP_UPGRADE": "h2c", "HTTP_CONNECTION": "upgrade"},
    ],
)
def test_a_host_or_an_upgrade_is_judged_as_by_the_router(app: flask.Flask, environ: dict[str, str]) -> None:
    path = "/api/v1/audit/events"
    assert routed(app, "POST", path, looked_up=True, **environ) == routed(app, "POST", path, looked_up=False, **environ)


def test_there_are_no_sessions(app: flask.Flask) -> None:
    with app.test_request_context("/"):
        assert not flask.session
        with pytest.raises(RuntimeError):
            flask.session["a"] = 1
