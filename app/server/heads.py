"""Heads of requests: gunicorn's parser, and what is doubtful refused before anybody acts on it (RFC 9112)."""

from __future__ import annotations

import re
from typing import Any

from gunicorn.http import errors
from gunicorn.http.message import Request as GunicornRequest

from app.http.problems import Problem
from app.server.bodies import Body, ChunkedBody, SizedBody

# The most that a request's line and headers may take together.
MAX_HEAD_BYTES = 64 * 1024
# A head that ends with bare line feeds ends as well, to be refused then and not after its time.
_END = re.compile(rb"\n\r?\n")
# Not everybody in front reads two spaces, or a version with more digits, the same way.
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]\r\n")
# A name or an address, and a port; or nothing (RFC 9110, section 7.2).
_NAME = r"[A-Za-z0-9._~!$&'()*+,;=-]*"
_HOST = re.compile(rf"(?:{_NAME}(?:%[0-9A-Fa-f]{{2}}{_NAME})*|\[[A-Za-z0-9._~:%-]+\])(?::[0-9]*)?")
# More digits than these are too many bytes in any case.
_LENGTH_DIGITS = 19


class HeadError(Exception):
    """The head is refused; ``problem`` says why, and the connection ends."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def end_of_head(received: bytes, looked_at: int) -> int:
    """Where the head ends, past its empty line, or -1; all but the last three of ``looked_at`` bytes have none."""
    found = _END.search(received, max(0, looked_at - 3))
    return -1 if found is None else found.end()


class _Arrived:
    """What gunicorn's parser reads from: one head, which is there."""

    def __init__(self, head: bytes) -> None:
        self.left = head

    def read(self) -> bytes:
        """All of it, then nothing."""
        taken, self.left = self.left, b""
        return taken

    def unread(self, data: bytes) -> None:
        """Take back what the parser has no use for."""
        self.left = data + self.left


class Request(GunicornRequest):  # type: ignore[misc]
    """A parsed head. ``whole`` is set once the body has arrived; the connection of one that is not is closed."""

    body: Any
    _expected_100_continue: bool
    whole = False
    expects_continue = False
    length = 0
    chunked = False
    kept: dict[str, Any] | None = None  # what the application keeps of it from one asking to the next

    def set_body_reader(self) -> None:
        """Find out how the body is framed, in place of gunicorn's own readers. Raises what its parser does."""
        self.body = None  # given when it is there
        # gunicorn would say it before anybody has looked at the request.
        self.expects_continue, self._expected_100_continue = self._expected_100_continue, False
        length: str | None = None
        host: str | None = None
        coding: str | None = None
        connection = ""
        for name, value in self.headers:
            if name == "CONTENT-LENGTH":
                if length is not None:
                    raise errors.InvalidHeader(name)
                length = value
            elif name == "HOST":
                host = value
            elif name == "CONNECTION":
                connection = f"{connection},{value}" if connection else value
            elif name == "TRANSFER-ENCODING":
                if coding is not None:
                    raise errors.InvalidHeader(name)
                coding = value
        if (host is None and self.version > (1, 0)) or (host and not _HOST.fullmatch(host)):
            raise HeadError(Problem("invalid_request", "HTTP/1.1 needs a Host header, with a name or an address"))
        if coding is not None:
            # With a length beside it, or from a client that cannot know of chunks, two readers could differ.
            if length is not None or self.version < (1, 1):
                raise errors.InvalidHeader("TRANSFER-ENCODING")
            if coding.lower() != "chunked":
                raise errors.UnsupportedTransferCoding(coding)
            self.chunked = True
        elif length is not None:
            if not (length.isascii() and length.isdecimal()):
                raise errors.InvalidHeader("CONTENT-LENGTH")
            self.length = int(length.lstrip("0")[:_LENGTH_DIGITS] or "0")
        tokens = [each.strip().lower() for each in connection.split(",")] if connection else ()
        if "close" in tokens or (self.version <= (1, 0) and "keep-alive" not in tokens):
            self.force_close()

    def should_close(self) -> bool:
        """Whether the answer to this is the last on its connection; gunicorn asks when it writes the head of it."""
        return not self.whole or bool(self.must_close)

    def new_body(self, limit: int) -> Body:
        """A body with nothing in it yet, to be read up to so many bytes."""
        return ChunkedBody(limit) if self.chunked else SizedBody(self.length, limit)

    def header(self, name: str) -> str:
        """The first header of a name in upper case, or nothing."""
        return next((value for each, value in self.headers if each == name), "")


def parse(cfg: Any, head: bytes, client: Any) -> Request:
    """The request that a head makes. Raises HeadError."""
    # Each line ends with CR LF and none goes on in the next: not everybody in front reads anything else the same way.
    lines = head.count(b"\r\n")
    doubtful = head.count(b"\n") != lines or head.count(b"\r") != lines or b"\n " in head or b"\n\t" in head
    if doubtful or not _REQUEST_LINE.match(head):
        raise HeadError(Problem("invalid_request", "the request could not be understood"))
    arrived = _Arrived(head)
    try:
        request = Request(cfg, arrived, client)
    except (errors.NoMoreData, StopIteration):
        raise HeadError(Problem("invalid_request", "the request could not be understood")) from None
    except errors.ParseException as e:
        raise HeadError(_problem_of(e)) from None
    if arrived.left:
        raise HeadError(Problem("invalid_request", "the request could not be understood"))
    return request


def too_large() -> Problem:
    """Of a head that is larger than MAX_HEAD_BYTES."""
    return Problem("request-headers-too-large", "the request line and headers are too large")


def _problem_of(error: errors.ParseException) -> Problem:
    if isinstance(error, errors.LimitRequestHeaders | errors.LimitRequestLine):
        return too_large()
    if isinstance(error, errors.ExpectationFailed):
        return Problem("expectation-failed", "the only expectation that can be met is 100-continue")
    if isinstance(error, errors.UnsupportedTransferCoding):
        return Problem("unsupported-transfer-coding", "the only transfer coding is chunked")
    return Problem("invalid_request", "the request could not be understood")
