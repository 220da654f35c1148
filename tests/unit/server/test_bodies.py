"""Bodies as they arrive: however the bytes are cut, whatever stands in them."""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.server import bodies
from app.server.bodies import Body, ChunkedBody, Content, MalformedBodyError, SizedBody, malformed

LIMIT = 1000
MORE_THAN_ALL = 10**9
# What a body ended with: what there is of its content, the rest behind it, or what is wrong with it.
End = tuple[bool, bool, bytes, bytes, str | None]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The data in pieces, cut at these places."""
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def fed(body: Body, pieces: list[bytes]) -> End:
    """What comes out of a body that arrives in these pieces; what comes after its end is the rest, as in the server."""
    fault = None
    for at, piece in enumerate(pieces):
        try:
            body.take(piece)
        except MalformedBodyError as e:
            fault = str(e)
            break
        if body.ready:
            return body.ready, body.whole, body.content(), body.rest + b"".join(pieces[at + 1 :]), None
    return body.ready, body.whole, body.content(), b"", fault


def same(one: End, other: End, limit: int) -> bool:
    """Whether two ends are the same to the server: of a body that is too long, as much as shows that it is."""
    if one[:2] == (True, False):
        return other[:2] == (True, False) and one[2][: limit + 1] == other[2][: limit + 1]
    return one == other


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(data), extension, data)


PLACES = st.lists(st.integers(0, 400), max_size=12)
EXTENSIONS = st.sampled_from([b"", b";", b";a", b";a=b", b' ; a="b c"', b"\t;\xe4", b";a;b=1"])
TRAILERS = st.lists(
    st.sampled_from([b"A: b\r\n", b"Checksum:\r\n", b"X-Y: \xe4 \t z\r\n", b"content-md5:q\r\n"]), max_size=4
).map(b"".join)
CHUNKS = st.lists(st.tuples(st.binary(min_size=1, max_size=40), EXTENSIONS), max_size=6)


@st.composite
def encodings(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A body and one way to write it in chunks."""
    parts = draw(CHUNKS)
    wire = b"".join(chunk(*part) for part in parts)
    zero = draw(st.sampled_from([b"0", b"000", b"0" * 15]))
    wire += zero + draw(EXTENSIONS) + b"\r\n" + draw(TRAILERS) + b"\r\n"
    return b"".join(data for data, _ in parts), wire


# Pieces of chunked bodies, put together at random: most are malformed, at any place.
SOUP = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"0",
                b"1",
                b"a",
                b"f" * 15,
                b"f" * 16,
                b"\r\n",
                b"\n",
                b"\r",
                b";",
                b" ",
                b":",
                b"A: b\r\n",
                b"5\r\nhello\r\n",
                b"0\r\n\r\n",
                b"3\r\nabc",
                b"\0",
                b"Host: x\r\n",
                b"GET / HTTP/1.1\r\n\r\n",
                b";" + b"e" * 300,
            ]
        ),
        st.binary(max_size=5),
    ),
    max_size=12,
).map(b"".join)


@given(st.binary(max_size=200), st.integers(0, 220), st.sampled_from([0, 10, 1000]), PLACES)
def test_a_sized_body_does_not_depend_on_how_it_is_cut(data: bytes, length: int, limit: int, places: list[int]) -> None:
    whole = fed(SizedBody(length, limit), [data])
    assert same(fed(SizedBody(length, limit), cut(data, places)), whole, limit)
    if length > limit:
        assert whole[:3] == (True, False, b""), "it is not waited for"
    elif length <= len(data):
        assert whole == (True, True, data[:length], data[length:], None)
    else:
        assert whole == (False, False, data, b"", None)


@given(st.one_of(SOUP, encodings().map(lambda made: made[1])), SOUP, st.sampled_from([0, 7, 1000]), PLACES)
def test_a_chunked_body_does_not_depend_on_how_it_is_cut(
    data: bytes, behind: bytes, limit: int, places: list[int]
) -> None:
    data += behind
    whole = fed(ChunkedBody(limit), [data])
    assert same(fed(ChunkedBody(limit), cut(data, places)), whole, limit)
    assert same(fed(ChunkedBody(limit), [data[at : at + 1] for at in range(len(data))]), whole, limit)


@given(encodings(), st.binary(max_size=50), PLACES)
def test_a_well_formed_body_is_its_content_and_what_follows_is_the_rest(
    made: tuple[bytes, bytes], behind: bytes, places: list[int]
) -> None:
    content, wire = made
    body = ChunkedBody(LIMIT)
    assert fed(body, cut(wire + behind, places)) == (True, True, content, behind, None)
    assert body.held == len(content)


@given(encodings(), st.data())
def test_a_body_that_is_not_there_to_its_end_is_not_ready(made: tuple[bytes, bytes], data: st.DataObject) -> None:
    wire = made[1][: data.draw(st.integers(0, len(made[1]) - 1))]
    body = ChunkedBody(LIMIT)
    body.take(wire)
    assert (body.ready, body.whole, body.rest) == (False, False, b"")


LONG_LINE = bodies.MAX_CHUNK_LINE - len("1\r\n")
LONG_TRAILER = bodies.MAX_TRAILERS - len("A:\r\n")
MALFORMED = {
    "no size": b"\r\n",
    "no hexadecimal size": b"g\r\n",
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-1\r\n",
    "a size with 0x": b"0x5\r\nhello\r\n",
    "a size with _": b"1_0\r\n",
    "a size in two words": b"5 5\r\nhello\r\n",
    "a space before the size": b" 5\r\nhello\r\n",
    "a space behind the size": b"5 \r\nhello\r\n",
    "digits that are not ASCII": "\u0665\r\nhello\r\n".encode(),
    "a huge size": b"1" * 16 + b"\r\n",
    "a huge size of zeros": b"0" * 16 + b"\r\n\r\n",
    "a bare LF behind the size": b"5\nhello\r\n0\r\n\r\n",
    "a bare CR in the size's line": b"5\r;a\r\nhello\r\n",
    "a bare LF behind the chunk": b"5\r\nhello\n0\r\n\r\n",
    "no line end behind the chunk": b"5\r\nhello0\r\n\r\n",
    "a bare CR behind the chunk": b"5\r\nhello\rX",
    "a longer chunk than it says": b"4\r\nhello\r\n0\r\n\r\n",
    "a shorter chunk than it says": b"6\r\nhello\r\n0\r\n\r\n",
    "a bare LF behind the last chunk": b"0\n\n",
    "a bare LF at the end": b"0\r\n\n",
    "a NUL in an extension": b"5;a=\0\r\nhello\r\n0\r\n\r\n",
    "a control byte in an extension": b"5;\x1b[0m\r\nhello\r\n0\r\n\r\n",
    "DEL in an extension": b"0;\x7f\r\n\r\n",
    "an extension without its semicolon": b"5 a=b\r\nhello\r\n0\r\n\r\n",
    "an extension that is too long": b"1;" + b"e" * LONG_LINE + b"\r\na\r\n0\r\n\r\n",
    "extensions that are too long in sum": chunk(b"a", b";" + b"e" * 199) * 21 + b"0\r\n\r\n",
    "a trailer that is too long": b"0\r\nA:" + b"t" * (LONG_TRAILER + 1) + b"\r\n\r\n",
    "trailers that are too long in sum": b"0\r\n" + (b"A:" + b"t" * 96 + b"\r\n") * 41 + b"\r\n",
    "a folded trailer": b"0\r\nA: b\r\n c\r\n\r\n",
    "a trailer folded with a tab": b"0\r\nA: b\r\n\tc\r\n\r\n",
    "a trailer without colon": b"0\r\nA b\r\n\r\n",
    "a trailer without name": b"0\r\n: b\r\n\r\n",
    "a space before a trailer's colon": b"0\r\nA : b\r\n\r\n",
    "a space before a trailer": b"0\r\n A: b\r\n\r\n",
    "a trailer's name that is no token": b"0\r\nA(b): c\r\n\r\n",
    "a NUL in a trailer": b"0\r\nA: \0\r\n\r\n",
    "a bare CR in a trailer": b"0\r\nA: b\rc\r\n\r\n",
    "a bare LF behind a trailer": b"0\r\nA: b\n\r\n",
    "a request in place of the end": b"0\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
    **{f"{name} as a trailer": b"0\r\n%s: x\r\n\r\n" % name.encode()
       for name in ("Host", "content-length", "Transfer-Encoding", "TE", "TRAILER", "Authorization")},
}  # fmt: skip


@pytest.mark.parametrize("wire", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_body_is_refused(wire: bytes) -> None:
    for pieces in ([wire], [wire[at : at + 1] for at in range(len(wire))]):
        body = ChunkedBody(10**6)
        *_, fault = fed(body, pieces)
        assert fault is not None
        assert not body.whole
    problem = malformed(MalformedBodyError(fault))
    assert problem.kind.status == 400
    assert problem.detail == f"the request body is malformed: {fault}"
    assert json.loads(problem.body("https://p.example", "/"))["status"] == 400


@pytest.mark.parametrize(
    "wire",
    [
        b"1;" + b"e" * (LONG_LINE - 1) + b"\r\na\r\n0\r\n\r\n",
        chunk(b"a", b";" + b"e" * 127) * 32 + b"0\r\n\r\n",
        b"1\r\na\r\n0\r\nA:" + b"t" * LONG_TRAILER + b"\r\n\r\n",
        b"1\r\na\r\n0\r\n" + (b"A:" + b"t" * 124 + b"\r\n") * 32 + b"\r\n",
        b"1\r\na\r\n" + b"0" * 15 + b"\r\n\r\n",
    ],
    ids=["one extension", "extensions in sum", "one trailer", "trailers in sum", "zeros"],
)
def test_what_is_just_short_enough_is_taken(wire: bytes) -> None:
    body = ChunkedBody(LIMIT)
    body.take(wire)
    assert body.whole
    assert set(body.content()) == set(b"a")


@pytest.mark.parametrize("sized", [True, False])
def test_a_body_up_to_the_limit_is_whole_and_a_longer_one_is_not_waited_for(sized: bool) -> None:
    def arriving(size: int, *, end: bool = True) -> Body:
        data = b"x" * size
        body: Body = SizedBody(size, LIMIT) if sized else ChunkedBody(LIMIT)
        body.take(data if sized else chunk(data) + (b"0\r\n\r\n" if end else b""))
        return body

    exact = arriving(LIMIT)
    assert (exact.ready, exact.whole, len(exact.content())) == (True, True, LIMIT)
    longer = arriving(LIMIT + 1, end=False)
    assert (longer.ready, longer.whole, longer.rest) == (True, False, b"")
    longer.take(b"whatever comes then is not looked at")
    assert (longer.ready, longer.whole, longer.rest) == (True, False, b"")


def test_a_chunk_that_says_it_is_huge_is_no_more_than_what_arrives_of_it() -> None:
    body = ChunkedBody(LIMIT)
    body.take(b"f" * 15 + b"\r\n")
    assert (body.ready, body.held) == (False, 0)
    body.take(b"x" * LIMIT)
    assert (body.ready, body.held) == (False, LIMIT)
    body.take(b"x")
    assert (body.ready, body.whole) == (True, False)


@pytest.mark.parametrize(
    ("begin", "more", "most"),
    [
        (b"1;", b"e", bodies.MAX_CHUNK_LINE),
        (b"0", b"0", bodies.MAX_CHUNK_LINE),
        (b"", b"\r", bodies.MAX_CHUNK_LINE),
        (b"0\r\nA: ", b"t", bodies.MAX_TRAILERS),
    ],
    ids=["an extension", "a size", "CR", "a trailer"],
)
def test_a_line_that_never_ends_is_refused_by_its_bytes(begin: bytes, more: bytes, most: int) -> None:
    body = ChunkedBody(LIMIT)
    body.take(begin)
    sent = len(begin.rpartition(b"\n")[2])
    while sent < most - 1:
        body.take(more)
        sent += 1
    with pytest.raises(MalformedBodyError):
        body.take(more)


def test_extensions_that_never_end_are_refused_by_their_bytes() -> None:
    body = ChunkedBody(MORE_THAN_ALL)
    for _ in range(bodies.MAX_EXTENSIONS // 128):
        body.take(chunk(b"a", b";" + b"e" * 127))
    with pytest.raises(MalformedBodyError):
        body.take(chunk(b"a", b";"))


@given(PLACES, encodings())
def test_what_is_held_is_counted(places: list[int], made: tuple[bytes, bytes]) -> None:
    for make, wire in ((lambda: SizedBody(200, LIMIT), b"x" * 200), (lambda: ChunkedBody(LIMIT), made[1])):
        body: Body = make()
        got = 0
        for piece in cut(wire, places):
            body.take(piece)
            # What it hands over it keeps no more; what it held is counted all the same until its request is served.
            got += len(body.content())
            assert body.held == got


def memory_of(body: Any) -> int:
    """Bytes of all that a body keeps, the pieces of lists too."""
    seen: dict[int, Any] = {}
    todo = [getattr(body, name) for kind in type(body).__mro__ for name in getattr(kind, "__slots__", ())]
    while todo:
        each = todo.pop()
        if id(each) not in seen:
            seen[id(each)] = each
            todo.extend(each if isinstance(each, list) else ())
    return sum(map(sys.getsizeof, seen.values()))


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_body_of_many_small_pieces_takes_about_the_memory_that_is_counted(size: int) -> None:
    """What bounds the memory of all bodies is the count of their bytes, so those in small pieces may not take more."""
    chunked = ChunkedBody(MORE_THAN_ALL)
    sized = SizedBody(MORE_THAN_ALL, MORE_THAN_ALL)
    for number in range(20_000 // size):
        piece = number.to_bytes(2, "big") if size == 2 else b"x" * size
        chunked.take(chunk(piece))
        sized.take(piece)
    for body in (chunked, sized):
        assert body.held == 20_000
        assert memory_of(body) < 2 * body.held


def test_what_is_read_is_let_go() -> None:
    data = bytes(range(256)) * 40
    content = Content(data)
    assert content.read(len(data) + 1) is data
    assert (content.read(), content.getbuffer().nbytes) == (b"", 0)
    in_pieces = Content(data)
    assert b"".join(iter(lambda: in_pieces.read(1000), b"")) == data
