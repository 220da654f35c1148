"""Exchanges of raw HTTP that a stranger may have with the service, made up from a seed, and what is wrong in answers.

Exchange number n of a seed is always the same bytes: each is made from a generator of its own. A part of an exchange is
what ought to be one request. How it is framed decides what may follow:

- ``good``: it is framed as RFC 9112 says. It has one answer, unless an earlier answer closed the connection.
- ``either``: a server may take it or refuse it. It has one answer at the most.
- ``bad``: where it ends is doubtful. It has one answer at the most, and nothing that stands behind it has any.
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Framing = Literal["good", "either", "bad"]
Ending = Literal["half", "close", "reset"]

# As the service under test is set: one body in many is larger.
MAX_BODY_BYTES = 64 * 1024
# Limits that any server has: below the first everything is taken, above the second nothing.
SHORT_BYTES, LONG_BYTES = 150, 66 * 1024
EVENTS = "/api/v1/audit/events"


@dataclass(frozen=True)
class Part:
    """What ought to be one request; ``ident`` is its X-Request-ID."""

    kind: str
    data: bytes
    framing: Framing
    ident: str
    method: str = "POST"


@dataclass(frozen=True)
class Exchange:
    """What is sent on one connection, in pieces, and how the client ends its side."""

    seed: int
    number: int
    parts: tuple[Part, ...]
    pieces: tuple[bytes, ...]
    ending: Ending
    cut: bool = False

    @property
    def kinds(self) -> str:
        """The kinds of its parts, for a message."""
        return " + ".join(part.kind for part in self.parts) + (f", cut, {self.ending}" if self.cut else "")

    def replay(self) -> str:
        """What has to be known to send it again."""
        sizes = [len(piece) for piece in self.pieces]
        return (
            f"FUZZ_SEED={self.seed} FUZZ_ONLY={self.number} ({self.kinds}; ends by {self.ending}; pieces of {sizes})\n"
            f"  {_short(b''.join(self.pieces))}"
        )


def _short(data: bytes) -> str:
    """The bytes as Python has them, long runs of one byte or of one line folded."""
    text = re.sub(r"(.{1,24}?)\1{20,}", lambda m: f"{m[1]}<… {len(m[0])} characters>", repr(data))
    return text if len(text) < 3000 else f"{text[:2500]} … {text[-400:]}"


@dataclass(frozen=True)
class Tokens:
    """Tokens that exchanges may carry; the stranger's own requests carry none."""

    without_scope: str  # 403
    writer: str  # for bodies that are refused: too large, or no event


class Generator:
    """Makes the exchanges of one seed."""

    def __init__(self, seed: int, tokens: Tokens) -> None:
        self.seed = seed
        self.tokens = tokens

    def exchange(self, number: int) -> Exchange:
        """The exchange with that number."""
        return _Maker(self.seed, number, self.tokens).make()


class _Maker:
    def __init__(self, seed: int, number: int, tokens: Tokens) -> None:
        self.random = random.Random(f"{seed}:{number}")
        self.seed, self.number, self.tokens = seed, number, tokens
        self.count = 0

    def make(self) -> Exchange:
        chance = self.random.random
        parts = [self._good() for _ in range(self.random.choice((0, 0, 0, 1, 1, 2, 5)))]
        if chance() < 0.85:
            parts.append(self.random.choice(_STRANGE)(self))
        if not parts or chance() < 0.7:
            # Behind what is bad it is a smuggled request; behind what is good it shows that nothing else stood there.
            parts.append(self._plain("last", close=chance() < 0.7))
        data = b"".join(part.data for part in parts)
        ending: Ending = "half"
        cut = chance() < 0.15
        if cut:
            # Where it is cut, in the middle of bodies and heads alike.
            at = self.random.randrange(1, len(data))
            data = data[:at]
            parts = _cut(parts, at)
            ending = self.random.choice(("half", "close", "reset"))
        return Exchange(self.seed, self.number, tuple(parts), tuple(self._split(data)), ending, cut)

    def _split(self, data: bytes) -> list[bytes]:
        pieces = self.random.choice((1, 1, 1, 2, 3, 8))
        places = sorted({0, len(data), *(self.random.randrange(len(data) + 1) for _ in range(pieces - 1))})
        return [data[a:b] for a, b in itertools.pairwise(places)]

    # Pieces of requests.

    def ident(self) -> str:
        self.count += 1
        return f"stranger-{self.seed}-{self.number}-{self.count}"

    def target(self) -> tuple[str, str, list[str]]:
        """Method, path and headers of a request that is refused whatever its body is."""
        return self.random.choice(
            (
                ("POST", EVENTS, []),
                ("POST", EVENTS, []),
                ("POST", f"{EVENTS}/batch", []),
                ("POST", "/api/v1/workflows/search", []),
                ("POST", EVENTS, [f"Authorization: Bearer {self.tokens.without_scope}"]),
                ("POST", EVENTS, [f"Authorization: Bearer {self.tokens.writer}"]),
                ("POST", "/api/v1/nothing", []),
                ("POST", "/health/live", []),
                ("PUT", EVENTS, []),
                ("DELETE", EVENTS, []),
                ("PATCH", "/health", []),
                ("FROBNICATE", EVENTS, []),
                ("GET", "/health/live", []),
                ("GET", EVENTS, []),
            )
        )

    def body(self) -> bytes:
        """A body that is no event, without spaces: what is left of it is no request line."""
        return json.dumps({"rest": "x" * self.random.choice((1, 10, 300, 3000))}, separators=(",", ":")).encode()

    def part(
        self,
        kind: str,
        framing: Framing,
        lines: list[str],
        body: bytes,
        *,
        version: str = "1.1",
        host: tuple[str, ...] = ("Host: x",),
        end: bytes = b"\r\n",
        method: str | None = None,
        path: str | None = None,
    ) -> Part:
        """A part with a head of these lines."""
        chosen, place, headers = self.target()
        chosen, place = method or chosen, path or place
        ident = self.ident()
        head = [
            f"{chosen} {place} HTTP/{version}",
            *host,
            f"X-Request-ID: {ident}",
            "Content-Type: application/json",
            *headers,
            *lines,
        ]
        data = b"".join(line.encode("latin-1") + end for line in head) + end + body
        return Part(kind, data, framing, ident, chosen)

    def chunks(self) -> bytes:
        """The chunks of a body without the last one."""
        body = self.body()
        at = self.random.randrange(1, len(body))
        return b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in (body[:at], body[at:]))

    def chunked(self, kind: str, framing: Framing, body: bytes) -> Part:
        """A part whose body is in chunks."""
        return self.part(kind, framing, ["Transfer-Encoding: chunked"], body)

    # What is good.

    def _plain(self, kind: str, *, close: bool = False) -> Part:
        method = self.random.choice(("GET", "GET", "GET", "HEAD", "OPTIONS"))
        path = self.random.choice(("/health/live", "/health/live", EVENTS, "/api/v1/nothing"))
        return self.part(kind, "good", ["Connection: close"] if close else [], b"", method=method, path=path)

    def _good(self) -> Part:
        kind = self.random.choice(("plain", "length", "chunked", "trailer", "extension"))
        if kind == "plain":
            return self._plain(kind)
        if kind == "length":
            body = self.body()
            return self.part(kind, "good", [f"Content-Length: {len(body)}"], body)
        if kind == "chunked":
            return self.chunked(kind, "good", self.chunks() + b"0\r\n\r\n")
        if kind == "trailer":
            fields = b"".join(b"X-%d: %s\r\n" % (n, b"v" * 20) for n in range(self.random.randrange(1, 5)))
            return self.chunked(kind, "good", self.chunks() + b"0\r\n" + fields + b"\r\n")
        extension = b";name=" + b"v" * self.random.randrange(1, SHORT_BYTES)
        return self.chunked(kind, "good", b"2%s\r\n{}\r\n0\r\n\r\n" % extension)

    # What is strange.

    def length(self) -> Part:
        """A Content-Length that is none, or several."""
        body = self.body()
        size = len(body)
        kind = self.random.choice(
            (f"+{size}", f"-{size}", f"0x{size:x}", f"{size}, {size}", f"{size}, {size + 1}", "", "²", f"{size};",
             f"{size} {size}", f"{size}.0", "9" * 30, "1_0")
        )  # fmt: skip
        return self.part(f"Content-Length: {kind}", "bad", [f"Content-Length: {kind}"], body)

    def length_wrong(self) -> Part:
        """A length that is longer than the body: whatever follows belongs to it."""
        body = self.body()
        return self.part("Content-Length too long", "bad", [f"Content-Length: {len(body) + 5000}"], body)

    def length_short(self) -> Part:
        """A length that is shorter: the rest begins what ought to be a request, and is none."""
        body = self.body()
        return self.part("Content-Length too short", "bad", [f"Content-Length: {len(body) - 7}"], body)

    def length_twice(self) -> Part:
        """Two Content-Length."""
        body = self.body()
        other = len(body) + self.random.choice((0, 1, 40))
        return self.part(
            "Content-Length twice", "bad", [f"Content-Length: {len(body)}", f"Content-Length: {other}"], body
        )

    def coding(self) -> Part:
        """A transfer coding that is not just chunked."""
        coding = self.random.choice(
            ("gzip, chunked", "gzip", "identity", "chunked, chunked", "chunked, identity", "xchunked", "chunked;q=1",
             "\x0bchunked", "'chunked'", "deflate, chunked", "")
        )  # fmt: skip
        return self.part(f"Transfer-Encoding: {coding!r}", "bad", [f"Transfer-Encoding: {coding}"], b"0\r\n\r\n")

    def both(self) -> Part:
        """Both, in either order."""
        lines = ["Transfer-Encoding: chunked", f"Content-Length: {self.random.choice((0, 5, 50))}"]
        self.random.shuffle(lines)
        return self.part("both lengths", "bad", lines, b"0\r\n\r\n")

    def old_chunked(self) -> Part:
        """Chunks in HTTP/1.0, which has none."""
        return self.part("HTTP/1.0 chunked", "bad", ["Transfer-Encoding: chunked"], b"0\r\n\r\n", version="1.0")

    def old(self) -> Part:
        """HTTP/1.0 as it should be; the server closes."""
        body = self.body()
        return self.part("HTTP/1.0", "good", [f"Content-Length: {len(body)}"], body, version="1.0")

    def chunk_size(self) -> Part:
        """A size of a chunk that is none."""
        size = self.random.choice(
            (b"zz", b"", b"-2", b"+2", b"0x2", b" 2", b"2_", b"f" * 40, b"\xb2", b"2,2", b"0" * 70000)
        )
        return self.chunked(f"chunk size {size[:8]!r}", "bad", self.chunks() + size + b"\r\n{}\r\n0\r\n\r\n")

    def chunk_end(self) -> Part:
        """A chunk without its CRLF, or with half of it."""
        between = self.random.choice((b"", b"\n", b"\r", b"XX", b"\n\r"))
        return self.chunked(f"chunk ends with {between!r}", "bad", b"2\r\n{}" + between + b"0\r\n\r\n")

    def chunk_line(self) -> Part:
        """A size of a chunk that ends with a bare LF or CR."""
        end = self.random.choice((b"\n", b"\r", b" \n", b";a\n"))
        return self.chunked(f"chunk size ends with {end!r}", "bad", b"2" + end + b"{}\r\n0\r\n\r\n")

    def extension_long(self) -> Part:
        """An extension that is too long, or has no end."""
        size = self.random.choice((LONG_BYTES, 2 * LONG_BYTES, 8 * LONG_BYTES))
        if self.random.random() < 0.5:
            return self.chunked("extension too long", "bad", b"2;" + b"e" * size + b"\r\n{}\r\n0\r\n\r\n")
        return self.chunked("many extensions", "bad", b"1;%s\r\n \r\n" % (b"e" * 120) * (size // 120) + b"0\r\n\r\n")

    def extension_odd(self) -> Part:
        """An extension with bytes that stand in none, or one of a length that a server may have too much of."""
        odd = self.random.choice(
            (b"\x00", b"\xff", b'="unclosed', b"=\x7f", b" = v", b"e" * self.random.randrange(200, 9000))
        )
        return self.chunked("odd extension", "either", b"2;name" + odd + b"\r\n{}\r\n0\r\n\r\n")

    def trailer_long(self) -> Part:
        """A trailer field that is too long; a proxy with buffers of 16 KB passes the shorter of them on."""
        size = self.random.choice((8200, 9000, 12_000, 14_000, 14_000, 40_000, LONG_BYTES, 2 * LONG_BYTES))
        framing: Framing = "bad" if size >= LONG_BYTES else "either"
        return self.chunked("trailer too long", framing, self.chunks() + b"0\r\nX-Long: " + b"t" * size + b"\r\n\r\n")

    def trailers_many(self) -> Part:
        """More trailer fields than anybody needs."""
        count = self.random.choice((101, 150, 1000, 12_000))
        framing: Framing = "bad" if count > 10_000 else "either"
        fields = b"".join(b"X-%d: v\r\n" % n for n in range(count))
        return self.chunked("too many trailers", framing, self.chunks() + b"0\r\n" + fields + b"\r\n")

    def trailer_malformed(self) -> Part:
        """A trailer that is no field."""
        line = self.random.choice(
            (b"no colon", b"Bad Name: x", b"X : x", b": x", b"X: a\x00b", b"X: a\rb", b"X: a\r\n folded", b" first",
             b"X: a\nY: b", b"X\xff: a")
        )  # fmt: skip
        return self.chunked(f"trailer {line!r}", "bad", self.chunks() + b"0\r\n" + line + b"\r\n\r\n")

    def trailer_end(self) -> Part:
        """Trailers that end with a bare LF."""
        end = self.random.choice((b"\n\n", b"\r\n\n", b"\n\r\n"))
        return self.chunked("trailers end with a bare LF", "bad", self.chunks() + b"0\r\nX: a" + end)

    def trailer_forbidden(self) -> Part:
        """A field that must not stand in a trailer: to be ignored or refused."""
        line = self.random.choice(
            (
                b"Content-Length: 50",
                b"Transfer-Encoding: chunked",
                b"Host: y",
                b"Authorization: Bearer x",
                b"Trailer: X",
            )
        )
        return self.chunked("forbidden trailer", "either", self.chunks() + b"0\r\n" + line + b"\r\n\r\n")

    def host(self) -> Part:
        """No Host, or two."""
        host = self.random.choice(((), ("Host: x", "Host: x"), ("Host: x", "Host: y")))
        return self.part(f"{len(host)} Host", "bad", [], b"", host=host, method="GET", path="/health/live")

    def request_line(self) -> Part:
        """A first line that is none."""
        kind = "request line"
        ident = self.ident()
        line = self.random.choice(
            (b"get /health/live HTTP/1.1", b"GET  /health/live HTTP/1.1", b"GET /health/live",
             b"GET /health/live HTTP/2.0", b"GET /\x00 HTTP/1.1", b"GET /health/live HTTP/1.1 ",
             b"GET /health/live JUNK", b"\x16\x03\x01\x02\x00\x01")
        )  # fmt: skip
        return Part(kind, line + f"\r\nHost: x\r\nX-Request-ID: {ident}\r\n\r\n".encode(), "bad", ident, "GET")

    def header(self) -> Part:
        """A header that is none, or a head that is too long."""
        line = self.random.choice(
            ("no colon", "X : x", ": x", "X: a\x00b", "X: a\rb", "X: a\r\n folded", "Transfer-Encoding : chunked",
             "X: " + "h" * 70_000, "\r\n".join(f"X-{n}: x" for n in range(300)), "Expect: miracles")
        )  # fmt: skip
        return self.part(f"header {line[:12]!r}", "bad", [line], b"", method="GET", path="/health/live")

    def bare_lf(self) -> Part:
        """A head whose lines end with a bare LF."""
        return self.part("bare LF", "bad", [], b"", end=b"\n", method="GET", path="/health/live")

    def expect(self) -> Part:
        """A client that says it waits for 100, and does not."""
        if self.random.random() < 0.5:
            body = self.body()
            return self.part("expects", "good", ["Expect: 100-continue", f"Content-Length: {len(body)}"], body)
        body = self.chunks() + b"0\r\n\r\n"
        return self.part("expects", "good", ["Expect: 100-continue", "Transfer-Encoding: chunked"], body)

    def method(self) -> Part:
        """A method that is none of ours."""
        method = self.random.choice(("FOO", "TRACE", "PROPFIND", "M-SEARCH", "A" * 20))
        body = self.body()
        return self.part(f"method {method}", "good", [f"Content-Length: {len(body)}"], body, method=method)

    def large(self) -> Part:
        """A body beyond the limit."""
        size = MAX_BODY_BYTES + self.random.choice((1, 30_000, 200_000))
        headers = [f"Authorization: Bearer {self.tokens.writer}"]
        body, lengths = b" " * size, [f"Content-Length: {size}"]
        if self.random.random() < 0.6:
            body, lengths = b"%x\r\n%s\r\n0\r\n\r\n" % (size, body), ["Transfer-Encoding: chunked"]
        return self.part("too large", "good", headers + lengths, body, method="POST", path=EVENTS)

    def large_then_trailer(self) -> Part:
        """A body beyond the limit whose trailer is too long as well."""
        size = MAX_BODY_BYTES + 1
        body = b"%x\r\n%s\r\n0\r\nX-Long: %s\r\n\r\n" % (size, b" " * size, b"t" * self.random.choice((9000, 14_000)))
        lines = [f"Authorization: Bearer {self.tokens.writer}", "Transfer-Encoding: chunked"]
        return self.part("too large, trailer too long", "either", lines, body, method="POST", path=EVENTS)


# What makes the worst of mistakes stands here several times.
_STRANGE: tuple[Callable[[_Maker], Part], ...] = (
    _Maker.length,
    _Maker.length,
    _Maker.length_wrong,
    _Maker.length_short,
    _Maker.length_twice,
    _Maker.coding,
    _Maker.coding,
    _Maker.both,
    _Maker.old_chunked,
    _Maker.old,
    _Maker.chunk_size,
    _Maker.chunk_size,
    _Maker.chunk_end,
    _Maker.chunk_line,
    _Maker.extension_long,
    _Maker.extension_odd,
    _Maker.trailer_long,
    _Maker.trailer_long,
    _Maker.trailer_long,
    _Maker.trailer_long,
    _Maker.trailers_many,
    _Maker.trailers_many,
    _Maker.trailer_malformed,
    _Maker.trailer_malformed,
    _Maker.trailer_end,
    _Maker.trailer_forbidden,
    _Maker.host,
    _Maker.request_line,
    _Maker.header,
    _Maker.bare_lf,
    _Maker.expect,
    _Maker.method,
    _Maker.large,
    _Maker.large_then_trailer,
)


def _cut(parts: list[Part], at: int) -> list[Part]:
    """The parts of which something is left, the last one not whole."""
    left = []
    for part in parts:
        if at <= 0:
            break
        whole = len(part.data) <= at
        left.append(part if whole else Part(part.kind, part.data[:at], "bad", part.ident, part.method))
        at -= len(part.data)
    return left


@dataclass
class Received:
    """One final answer; ``interim`` are the statuses of those before it (100)."""

    status: int
    headers: dict[str, str]
    body: bytes
    interim: list[int] = field(default_factory=list)
    whole: bool = True

    @property
    def ident(self) -> str | None:
        """The request that it says it answers."""
        return self.headers.get("x-request-id")

    @property
    def closes(self) -> bool:
        """Whether nothing may follow it."""
        return "close" in self.headers.get("connection", "").lower()


class NoAnswerError(Exception):
    """Bytes that are no answer stand where one ought to begin."""


def answers_in(data: bytes, methods: list[str]) -> list[Received]:
    """The answers in what the server sent, strictly read; ``methods`` are those of the requests.

    Raises NoAnswerError for bytes that are none. The last answer may have been cut short, and then says so.
    """
    found: list[Received] = []
    interim: list[int] = []
    while data:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if not re.match(rb"HTTP/1\.[01] [1-5]\d\d [^\r\n]*(\r\n|\Z)", head):
            raise NoAnswerError(f"no answer: {data[:200]!r}")
        status = int(head[9:12])
        lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
        headers = {name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, _, value in lines}
        if not separator:
            found.append(Received(status, headers, b"", interim, whole=False))
            return found
        if status < 200:
            interim.append(status)
            data = rest
            continue
        answer = Received(status, headers, b"", interim)
        interim = []
        found.append(answer)
        head_only = len(found) <= len(methods) and methods[len(found) - 1] == "HEAD"
        # To a request that was not understood a server may answer as if it were no HEAD, and closes.
        if status in (204, 304) or (head_only and (not rest or rest.startswith(b"HTTP/1.") or not answer.closes)):
            data = rest
        else:
            answer.body, answer.whole, data = _body(headers, rest)
    return found


def _body(headers: dict[str, str], data: bytes) -> tuple[bytes, bool, bytes]:
    """The body of an answer, whether it is whole, and what stands behind it."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while (line := re.match(rb"([0-9a-f]+)\r\n", data, re.IGNORECASE)) is not None:
            size = int(line[1], 16)
            chunk, data = data[line.end() : line.end() + size], data[line.end() + size :]
            body += chunk
            if not data.startswith(b"\r\n"):
                return body, False, b""
            data = data[2:]
            if size == 0:
                return body, True, data
        return body, False, b""
    if "content-length" in headers:
        size = int(headers["content-length"])
        return data[:size], len(data) >= size, data[size:]
    return data, True, b""


def faults(exchange: Exchange, data: bytes, *, whole: bool) -> list[str]:
    """What is wrong in all that the server sent on the bare wire for an exchange.

    ``whole`` is False where the connection was reset: then the end of what was sent may be missing.
    """
    parts = exchange.parts
    try:
        answers = answers_in(data, [part.method for part in parts])
    except NoAnswerError as e:
        return [str(e)]
    wrong = []
    first_bad = next((n for n, part in enumerate(parts) if part.framing == "bad"), len(parts))
    # What is left of a body that was announced too short is one more beginning of a request.
    most = min(len(parts), first_bad + 1)
    if first_bad < len(parts) and parts[first_bad].kind == "Content-Length too short":
        most += 1
    if len(answers) > most:
        wrong.append(f"{len(answers)} answers, {most} at the most: {[answer.status for answer in answers]}")
    for n, answer in enumerate(answers):
        if answer.status == 500:
            wrong.append(f"answer {n + 1} is 500")
        if answer.ident is not None and (n >= len(parts) or answer.ident != parts[n].ident):
            wrong.append(f"answer {n + 1} ({answer.status}) is to {answer.ident}")
        if answer.closes and n + 1 < len(answers):
            wrong.append(f"behind answer {n + 1} ({answer.status}), which closes, stands {answers[n + 1].status}")
        if not answer.whole and whole:
            wrong.append(f"answer {n + 1} ({answer.status}) was cut short")
        if (
            n < len(parts)
            and n == first_bad
            and not answer.closes
            and answer.status >= 400
            and "short" not in parts[n].kind
        ):
            wrong.append(f"answer {n + 1} ({answer.status}) to {parts[n].kind} does not close")
    surely = next((n for n, part in enumerate(parts) if part.framing != "good"), len(parts))
    if whole and len(answers) < surely and not (answers and answers[-1].closes):
        wrong.append(f"{len(answers)} answers to {surely} good requests")
    return wrong


def foreign(exchange: Exchange, data: bytes) -> list[str]:
    """What is wrong in what a stranger got through a proxy, which may answer itself and may understand more."""
    own = {part.ident for part in exchange.parts}
    idents = re.findall(rb"(?im)^x-request-id:[ ]*([^\r\n]*)", data)
    wrong = [f"an answer to {ident.decode()}" for ident in idents if ident.decode("latin-1") not in own]
    if re.search(rb"(?m)^HTTP/1\.[01] 500 ", data):
        wrong.append("an answer of 500")
    return wrong
