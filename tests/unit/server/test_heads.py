"""Heads of requests: what is doubtful is refused, by either of gunicorn's parsers."""

from __future__ import annotations

from typing import Any

import pytest
from gunicorn.config import Config
from hypothesis import given
from hypothesis import strategies as st

from app.http.environ import MAX_REQUEST_LINE
from app.server import heads
from app.server.bodies import ChunkedBody, SizedBody
from app.server.heads import HeadError, Request, end_of_head

CLIENT = ("127.0.0.1", 1)
PARSERS = ("python", "fast")
EACH_PARSER = pytest.mark.parametrize("parser", PARSERS)


def config(parser: str) -> Any:
    """gunicorn's settings as gunicorn.conf.py has them, with one of its parsers."""
    made = Config()
    made.set("http_parser", parser)
    made.set("limit_request_line", MAX_REQUEST_LINE)
    made.set("forwarded_allow_ips", "")
    made.set("secure_scheme_headers", {})
    made.set("forwarder_headers", "")
    return made


CONFIGS = {parser: config(parser) for parser in PARSERS}


def head(*headers: bytes, line: bytes = b"POST /a HTTP/1.1", host: bytes = b"Host: here\r\n") -> bytes:
    return line + b"\r\n" + host + b"".join(each + b"\r\n" for each in headers) + b"\r\n"


def parsed(parser: str, *headers: bytes, **parts: bytes) -> Request:
    return heads.parse(CONFIGS[parser], head(*headers, **parts), CLIENT)


def status(parser: str, data: bytes) -> int:
    """The status of the refusal of a head, 0 if it is a request."""
    try:
        heads.parse(CONFIGS[parser], data, CLIENT)
    except HeadError as e:
        return e.problem.kind.status
    return 0


@EACH_PARSER
def test_a_request(parser: str) -> None:
    request = parsed(
        parser, b"X-Request-ID: r-1", b"x-request-id: r-2", b"Content-Length: 5", line=b"PUT /a?b HTTP/1.1"
    )
    assert (request.method, request.path, request.query, request.version) == ("PUT", "/a", "b", (1, 1))
    assert request.headers[:2] == [("HOST", "here"), ("X-REQUEST-ID", "r-1")]
    assert request.header("X-REQUEST-ID") == "r-1"
    assert request.header("X-OTHER") == ""
    assert (request.length, request.chunked, request.expects_continue, request.body) == (5, False, False, None)


@EACH_PARSER
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_how_long_a_line_may_be(parser: str, method: str) -> None:
    longest = f"{method} /{'a' * (MAX_REQUEST_LINE - len(f'{method} / HTTP/1.1'))} HTTP/1.1".encode()
    assert status(parser, head(line=longest)) == 0
    assert status(parser, head(line=longest.replace(b"/a", b"/aa"))) == 431


def test_of_both_parsers_the_fast_one_is_there() -> None:
    """Or what is said here of both would be said of one."""
    assert parsed("fast")._use_fast
    assert not parsed("python")._use_fast


def test_where_a_head_ends() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest\r\n\r\n"
    whole = len(data) - len(b"rest\r\n\r\n")
    for had in range(whole):
        assert end_of_head(data[:had], 0) == -1
        assert end_of_head(data, had) == whole, "wherever it was cut"
    assert end_of_head(b"GET / HTTP/1.1\nHost: a\n\nrest", 0) == len(b"GET / HTTP/1.1\nHost: a\n\n")


# --- Host ---------------------------------------------------------------------------------------------------


@EACH_PARSER
def test_http_1_1_needs_a_host_and_http_1_0_does_not(parser: str) -> None:
    assert status(parser, head(host=b"")) == 400
    assert status(parser, head(host=b"", line=b"POST /a HTTP/1.0")) == 0


@EACH_PARSER
@pytest.mark.parametrize(
    "host",
    [
        "",
        "here",
        "here:8080",
        "here:",
        "[::1]:8080",
        "[::1]",
        "[fe80::1%25eth0]:1",
        "10.0.0.1",
        "a-b_c.example",
        "%41b",
    ],
)
def test_a_host(parser: str, host: str) -> None:
    assert parsed(parser, host=f"Host: {host}\r\n".encode()).header("HOST") == host


@EACH_PARSER
@pytest.mark.parametrize(
    "host",
    [
        *(
            "a b",
            "a/b",
            "a@b",
            "a?b",
            "a#b",
            "a\\b",
            "<a>",
            '"a"',
            "ä",
            "a\tb",
            "a, b",
            "a:b",
            "a:80:80",
            "a:+80",
            "a:-1",
        ),
        *("::1", "[::1", "::1]", "[]", "[::1]a", "a[::1]", "]a[", "%", "%4", "%zz", "http://a", "a" * 3000 + "%"),
    ],
)
def test_no_host(parser: str, host: str) -> None:
    assert status(parser, head(host=f"Host: {host}\r\n".encode())) == 400


@EACH_PARSER
@pytest.mark.parametrize("line", [b"POST /a HTTP/1.1", b"POST /a HTTP/1.0"])
@pytest.mark.parametrize("other", [b"Host: here", b"host: there"])
def test_two_hosts(parser: str, line: bytes, other: bytes) -> None:
    assert status(parser, head(other, line=line)) == 400


# --- lines --------------------------------------------------------------------------------------------------


@EACH_PARSER
@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\nHost: a\n\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
        b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nX: b\r\n\r\n",
        b"\r\n\r\n",
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
    ],
)
def test_lines_that_end_otherwise_or_are_folded(parser: str, data: bytes) -> None:
    assert status(parser, data) == 400


# --- the body's framing -------------------------------------------------------------------------------------


@EACH_PARSER
@pytest.mark.parametrize(
    ("text", "length"),
    [("0", 0), ("5", 5), ("00005", 5), ("0" * 30 + "5", 5), ("9" * 18, 10**18 - 1), ("0" * 40, 0)],
)
def test_a_length(parser: str, text: str, length: int) -> None:
    request = parsed(parser, b"Content-Length: " + text.encode())
    assert request.length == length
    assert isinstance(request.new_body(10), SizedBody)
    assert request.new_body(10).ready is (length > 10)


@EACH_PARSER
@pytest.mark.parametrize("digits", [19, 30, 4300, 5000, 8000])
def test_a_huge_length_is_only_known_to_be_too_long(parser: str, digits: int) -> None:
    data = head(b"Content-Length: " + b"9" * digits)
    if parser == "python" or status(parser, data) == 0:  # the fast one refuses some, since it counts beyond 64 bits
        assert heads.parse(CONFIGS[parser], data, CLIENT).length == 10**19 - 1


@EACH_PARSER
@pytest.mark.parametrize(
    "text",
    [
        "",
        "+5",
        "-5",
        "-0",
        "5,5",
        "5, 5",
        "5 5",
        "0x5",
        "5_0",
        "5.0",
        "1e3",
        "five",
        "\u00b2",
        "\u0665",
        "5;a",
        "0" * 8000 + "x",
    ],
    ids=lambda text: ascii(text)[:12],
)
def test_no_length(parser: str, text: str) -> None:
    assert status(parser, head(b"Content-Length: " + text.encode())) == 400
    assert status(parser, head(b"Content-Length: " + text.encode("latin-1", "replace"))) == 400


@EACH_PARSER
@pytest.mark.parametrize(
    "other", [b"Content-Length: 5", b"content-length: 5", b"Content-Length: 6", b"Content-Length:"]
)
def test_two_lengths(parser: str, other: bytes) -> None:
    assert status(parser, head(b"Content-Length: 5", other)) == 400
    assert status(parser, head(other, b"Content-Length: 5")) == 400


@EACH_PARSER
@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"CHUNKED", b" \tchunked \t"])
def test_chunks(parser: str, coding: bytes) -> None:
    request = parsed(parser, b"Transfer-Encoding: " + coding)
    assert request.chunked
    assert isinstance(request.new_body(10), ChunkedBody)


@pytest.mark.parametrize(
    "coding",
    [
        *(b"gzip", b"identity", b"gzip, chunked", b"deflate", b"deflate, gzip", b"x", b"chunkedx", b"xchunked"),
        *(b"chunke", b""),
    ],
)
def test_other_codings(coding: bytes) -> None:
    with pytest.raises(HeadError) as e:
        parsed("python", b"Transfer-Encoding: " + coding)
    assert (e.value.problem.kind.status, e.value.problem.detail) == (501, "the only transfer coding is chunked")
    # Of some the fast one says itself that they are no coding.
    assert status("fast", head(b"Transfer-Encoding: " + coding)) in (400, 501)


@pytest.mark.parametrize("coding", [b"gzip", b"identity", b"gzip, chunked", b""])
def test_other_codings_that_the_fast_parser_knows(coding: bytes) -> None:
    assert status("fast", head(b"Transfer-Encoding: " + coding)) == 501


@EACH_PARSER
@pytest.mark.parametrize(
    "coding", [b"chunked, chunked", b"chunked, gzip", b"chunked, identity", b"chunked;a=b", b"chunked,"]
)
def test_what_is_made_of_chunked_is_refused_one_way_or_the_other(parser: str, coding: bytes) -> None:
    assert status(parser, head(b"Transfer-Encoding: " + coding)) in (400, 501)


@EACH_PARSER
@pytest.mark.parametrize(
    "headers",
    [
        (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 5", b"Transfer-Encoding: identity"),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: \x0bchunked",),
        (b"Transfer-Encoding: chunked\x00",),
        (b"Transfer-Encoding : chunked",),
        (b"Content-Length : 5",),
        (b"Content-Length\t: 5",),
    ],
)
def test_doubtful_framing(parser: str, headers: tuple[bytes, ...]) -> None:
    assert status(parser, head(*headers)) == 400


@EACH_PARSER
def test_http_1_0_knows_no_chunks(parser: str) -> None:
    assert status(parser, head(b"Transfer-Encoding: chunked", line=b"POST /a HTTP/1.0")) == 400


@EACH_PARSER
def test_a_name_with_an_underscore_frames_nothing_and_is_not_shown(parser: str) -> None:
    """It would look the same to the application as the one with a hyphen."""
    request = parsed(parser, b"Transfer_Encoding: chunked", b"Content_Length: 5", b"X_Forwarded_For: a")
    assert (request.chunked, request.length, request.headers) == (False, 0, [("HOST", "here")])


# --- the connection -----------------------------------------------------------------------------------------


@EACH_PARSER
@pytest.mark.parametrize(
    ("headers", "closes", "closes_1_0"),
    [
        ((), False, True),
        ((b"Connection: close",), True, True),
        ((b"Connection: Close",), True, True),
        ((b"Connection: keep-alive",), False, False),
        ((b"Connection: Keep-Alive",), False, False),
        ((b"Connection: keep-alive, close",), True, True),
        ((b"Connection: close, keep-alive",), True, True),
        ((b"Connection: foo ,\tCLOSE",), True, True),
        ((b"Connection: foo, keep-alive",), False, False),
        ((b"Connection: foo", b"Connection: close"), True, True),
        ((b"Connection: close", b"Connection: foo"), True, True),
        ((b"Connection: foo", b"Connection: keep-alive"), False, False),
        ((b"Connection: ",), False, True),
        ((b"Connection: closed",), False, True),
        ((b"Connection: not close",), False, True),
        ((b"Keep-Alive: timeout=5",), False, True),
    ],
)
def test_whether_the_connection_stays(parser: str, headers: tuple[bytes, ...], closes: bool, closes_1_0: bool) -> None:
    for line, expected in ((b"GET / HTTP/1.1", closes), (b"GET / HTTP/1.0", closes_1_0)):
        request = parsed(parser, *headers, line=line)
        request.whole = True
        assert request.should_close() is expected
        request.whole = False
        assert request.should_close(), "its body was not read to its end"


# --- Expect -------------------------------------------------------------------------------------------------


@EACH_PARSER
def test_a_client_that_waits_to_be_told_to_go_on(parser: str) -> None:
    for text in (b"100-continue", b"100-Continue"):
        request = parsed(parser, b"Expect: " + text)
        assert request.expects_continue
        assert not request._expected_100_continue, "gunicorn would say it before anybody has looked at the request"
    assert not parsed(parser, b"Expect: 100-continue", line=b"POST /a HTTP/1.0").expects_continue


@EACH_PARSER
@pytest.mark.parametrize("text", [b"", b"x", b"100-continue, x", b"100-continue=1", b"200-ok"])
def test_other_expectations(parser: str, text: bytes) -> None:
    assert status(parser, head(b"Expect: " + text)) == 417


# --- limits -------------------------------------------------------------------------------------------------


@EACH_PARSER
@pytest.mark.parametrize(
    "data",
    [
        head(line=b"GET /" + b"a" * 5000 + b" HTTP/1.1"),
        head(b"X: " + b"a" * 9000),
        head(b"X" * 9000 + b": a"),
        head(*[b"X: a"] * 100),
    ],
    ids=["the line", "a value", "a name", "headers"],
)
def test_limits(parser: str, data: bytes) -> None:
    assert status(parser, data) == 431


@EACH_PARSER
def test_just_below_the_limits(parser: str) -> None:
    assert status(parser, head(*[b"X: a"] * 99)) == 0
    assert status(parser, head(b"X: " + b"a" * 8000)) == 0
    assert status(parser, head(line=b"GET /" + b"a" * 4000 + b" HTTP/1.1")) == 0


def test_a_head_that_is_too_large_as_a_whole() -> None:
    assert heads.too_large().kind.status == 431


# --- both parsers -------------------------------------------------------------------------------------------

DOUBTFUL = [
    *(head(line=line) for line in (
        b"GET /", b"GET", b"", b" GET / HTTP/1.1", b"GET / HTTP/1.1 ", b"GET\t/ HTTP/1.1", b"GET /a b HTTP/1.1",
        b"GET / http/1.1", b"GET / HTTP/0.9", b"GET / HTTP/2.0", b"GET / HTTP/11", b"GET / HTTP/1.10",
        b"GET / HTTP/1.", b"GET / HTTPS/1.1", b"GET / HTTP/1.1\0", b"GET / HTTP/1.\xb2", b"PRI * HTTP/2.0",
        b"get / HTTP/1.1", b"GE / HTTP/1.1", b"G@T / HTTP/1.1", b"G#T / HTTP/1.1", b"G\xc4T / HTTP/1.1",
        b"M-SEARCH / HTTP/1.1", b"A" * 20 + b" / HTTP/1.1", b"A" * 21 + b" / HTTP/1.1", b"GET * HTTP/1.1",
        b"POST * HTTP/1.1", b"OPTIONS * HTTP/1.1", b"GET here:80 HTTP/1.1", b"CONNECT here:80 HTTP/1.1",
        b"CONNECT / HTTP/1.1", b"GET http://here/b HTTP/1.1", b"GET //here//b HTTP/1.1", b"GET http://[::1 HTTP/1.1",
        b"GET //[ HTTP/1.1", b"GET /\xff HTTP/1.1", b"GET /\x80 HTTP/1.1", b"GET /%00 HTTP/1.1", b"GET /# HTTP/1.1",
        b"GET ? HTTP/1.1", b"GET a HTTP/1.1", b"GET mailto:x HTTP/1.1",
        b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1",
    )),
    *(head(each) for each in (
        b"X : a", b"X\t: a", b": a", b"X", b"X:", b"X::a", b"\tX: a", b"X: \0", b"X: \1", b"X: \x7f", b"X: \x1f",
        b"X: a\x0bb", b"X: \xff", b"X: \x85", b"X: \xc3\xa4", b"X: a\tb", b"X:\ta", b"X_Y: a", b"X@: a", b"X(: a",
        b"\xc4: a", b"X\0: a", b"Upgrade: h2c", b"X-Forwarded-Proto: https", b"Script-Name: /x",
        b"Content-Type: a\r\nContent-Type: b", b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: chunked;a",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"X: " + b"a" * 70_000,
    )),
    *(head(line=b"GET /" + b"a" * size + b" HTTP/1.1") for size in range(4070, 4090)),
    *(head(b"X: " + b"a" * size) for size in range(8180, 8195)),
    *(head(*[b"X: a"] * count) for count in range(97, 103)),
]  # fmt: skip


@pytest.mark.parametrize("data", DOUBTFUL, ids=[f"{at}-{ascii(data)[2:30]}" for at, data in enumerate(DOUBTFUL)])
def test_both_parsers_take_the_same(data: bytes) -> None:
    taken = {parser: status(parser, data) == 0 for parser in PARSERS}
    assert taken["python"] is taken["fast"]
    if taken["fast"]:
        one, other = (heads.parse(CONFIGS[parser], data, CLIENT) for parser in PARSERS)
        for name in ("method", "uri", "path", "query", "version", "headers", "length", "chunked", "must_close"):
            assert getattr(one, name) == getattr(other, name)


# Where gunicorn's parsers differ, or read what others in front do not.
STRICTER = [
    *(b"GET / HTTP/1.%d" % minor for minor in range(2, 10)),
    *(b"GET /%c HTTP/1.1" % code for code in (*range(10), 11, 12, *range(14, 32), 127)),
    b"GET  / HTTP/1.1",
    b"GET   / HTTP/1.1",
    b"\r\nGET / HTTP/1.1",
]


@pytest.mark.parametrize("line", STRICTER)
def test_what_either_parser_might_take_is_refused(line: bytes) -> None:
    assert {parser: status(parser, head(line=line)) for parser in PARSERS} == dict.fromkeys(PARSERS, 400)


# Parts of heads, good ones and bad ones, put together at random.
PARTS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"GET / HTTP/1.1\r\n",
                b"Host: a\r\n",
                b"POST",
                b" ",
                b"/",
                b"HTTP/1.1",
                b"HTTP/1.0",
                b"\r\n",
                b"\n",
                b"\r",
                b":",
                b"Content-Length: ",
                b"5",
                b"Transfer-Encoding: chunked\r\n",
                b"Connection: ",
                b"close",
                b"Expect: ",
                b"100-continue",
                b"http://[",
                b"PROXY ",
                b"\t",
                b"\0",
                b"\xff",
            ]
        ),
        st.binary(max_size=6),
    ),
    max_size=14,
).map(b"".join)


@given(st.one_of(PARTS, PARTS.map(lambda part: b"GET / HTTP/1.1\r\nHost: a\r\n" + part), st.binary(max_size=60)))
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    for parser in PARSERS:
        for sent in (data + b"\r\n\r\n", data):
            found = status(parser, sent)
            assert found in (0, 400, 417, 431, 501)
            if found == 0:
                assert sent.endswith(b"\r\n\r\n")
                assert sent.count(b"\r\n\r\n") == 1
                request = heads.parse(CONFIGS[parser], sent, CLIENT)
                assert request.version == (1, 0) or "HOST" in dict(request.headers)
