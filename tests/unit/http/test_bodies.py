from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import flask
import pytest

from app.config.settings import ServerSettings, Settings
from app.http.bodies import Bodies, _declared_length
from app.http.problems import Problem
from tests.unit.fakes import event, make_client, make_services
from tests.unit.http.helpers import problem_of

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


@pytest.mark.parametrize("size", [0, 1, 64 * KIB, 100 * KIB])
@pytest.mark.parametrize("declared", [True, False])
def test_bodies_up_to_the_limit(bodies: Bodies, size: int, declared: bool) -> None:
    body = b"x" * size
    assert reading(bodies, body, content_length=size if declared else None) == body
    assert reading(bodies, compress(body), encoding="gzip") == body


@pytest.mark.parametrize(
    "encoding",
    ["gzip", "x-gzip", "X-GZIP", " gzip ", "gzip,", ", x-gzip", "gzip, identity", "identity,\tgzip", ",,gzip,,"],
)
def test_gzip_by_any_of_its_names(bodies: Bodies, encoding: str) -> None:
    assert reading(bodies, compress(b"{}"), encoding=encoding) == b"{}"


@pytest.mark.parametrize("encoding", ["", "identity", "Identity", " ", ",", "identity, identity"])
def test_no_coding(bodies: Bodies, encoding: str) -> None:
    assert reading(bodies, b"{}", encoding=encoding) == b"{}"


@pytest.mark.parametrize(
    "encoding",
    [
        "br",
        "deflate",
        "x-compress",
        "gzip, gzip",
        "gzip, x-gzip",
        "gzip;q=1",
        "gzip gzip",
        "xgzip",
        "*",
        "aws-chunked,gzip",
    ],
)
def test_other_codings(bodies: Bodies, encoding: str) -> None:
    problem = refusal(bodies, compress(b"{}"), encoding=encoding)
    assert (problem.kind.status, problem.headers) == (415, {"Accept-Encoding": "gzip"})


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

    monkeypatch.setattr("app.http.bodies.zlib.decompressobj", Engine)
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

    monkeypatch.setattr("app.http.bodies.zlib", Meanwhile(other))
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
