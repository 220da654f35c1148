"""Bodies of requests, put together from what arrives: by length or in chunks (RFC 9112, sections 6 and 7)."""

from __future__ import annotations

import io
import re

from app.http.problems import Problem

# Of a chunk's line, its extension included, and of all trailers: bytes. Nothing reads what stands there.
MAX_CHUNK_LINE = 256
MAX_EXTENSIONS = 4096
MAX_TRAILERS = 4096
# Kept apart, pieces of a few bytes would take twenty times that.
_PIECE_BYTES = 1024
# With less than so many bytes to a line, a body is a fine one.
_FINE_BYTES = 64

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})([ \t]*;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[\t\x20-\x7e\x80-\xff]*")
# What decides where a message ends, where it goes or who sent it may not come behind its body (RFC 9110, 6.5.1).
_NO_TRAILERS = frozenset((b"host", b"content-length", b"transfer-encoding", b"trailer", b"te", b"authorization"))


class MalformedBodyError(Exception):
    """The bytes are no body. Where the next request would begin is not known, so there is none."""


class Body:
    """What has arrived of a body.

    ``ready`` says that a request can be served: the body is there to its end (``whole``), or it is larger than
    ``limit`` bytes and the rest is not needed. ``held`` counts the bytes that are kept, ``rest`` is what came
    behind the end. ``fine`` says that it comes in chunks so small that taking them apart is most of the work.
    """

    __slots__ = ("_limit", "_parts", "fine", "held", "ready", "rest", "whole")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes | bytearray] = []
        self.held = 0
        self.ready = self.whole = self.fine = False
        self.rest = b""

    def take(self, data: bytes) -> None:
        """Add what has arrived. Raises MalformedBodyError."""
        raise NotImplementedError

    def content(self) -> bytes:
        """All of it, or more than ``limit`` bytes of it; handed over, so only once."""
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def _keep(self, part: bytes) -> None:
        if len(part) >= _PIECE_BYTES:
            self._parts.append(part)
        elif self._parts and isinstance(last := self._parts[-1], bytearray):
            last += part
        else:
            self._parts.append(bytearray(part))
        self.held += len(part)

    def _end(self, rest: bytes) -> None:
        self.ready = self.whole = True
        self.rest = rest


class Content(io.BytesIO):
    """A body as the application reads it, let go when it is read: what is made of it is kept while it waits."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._size = len(data)

    def read(self, size: int | None = -1, /) -> bytes:
        """As of any stream; all of it in one piece is not a copy."""
        data = super().read(size)
        if len(data) == self._size:
            self.seek(0)
            self.truncate()
        return data


class SizedBody(Body):
    """A body of known length; one that is too long is not waited for."""

    __slots__ = ("_missing",)

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(limit)
        self._missing = length
        self.ready = length > limit

    def take(self, data: bytes) -> None:
        """Add what has arrived."""
        if self.ready:
            return
        missing = self._missing
        if len(data) < missing:
            self._missing = missing - len(data)
            if data:
                self._keep(data)
        elif len(data) == missing:
            self._keep(data)
            self._end(b"")
        else:
            self._keep(data[:missing])
            self._end(data[missing:])


class ChunkedBody(Body):
    """A body in chunks."""

    __slots__ = ("_extensions", "_in_trailers", "_missing", "_raw", "_trailers")

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._raw = b""  # what has arrived and is not taken apart yet, a line at the most
        self._missing = 0  # of the current chunk with the line end behind it; 0 before a chunk's line
        self._extensions = self._trailers = 0
        self._in_trailers = False
        self.fine = True  # until more is known

    def take(self, data: bytes) -> None:
        """Take apart what has arrived. Raises MalformedBodyError."""
        if self.ready:
            return
        raw = self._raw + data if self._raw else data
        at = lines = 0
        while not self.ready:
            if self._missing:
                if at == len(raw):
                    break
                at = self._chunk(raw, at)
            else:
                most = MAX_TRAILERS if self._in_trailers else MAX_CHUNK_LINE
                end = raw.find(b"\n", at, at + most)
                if end < 0:
                    if len(raw) - at >= most:
                        raise MalformedBodyError("a line of it is too long")
                    break
                if end == at or raw[end - 1] != 0x0D:
                    raise MalformedBodyError("a line of it does not end with CR LF")
                line = raw[at : end - 1]
                at = end + 1
                lines += 1
                if self._in_trailers:
                    self._trailer(line, raw, at)
                else:
                    self._chunk_line(line)
            if self.held > self._limit:
                self.ready = True
        self._raw = b"" if self.ready else raw[at:]
        self.fine = lines * _FINE_BYTES > len(data)

    def _chunk_line(self, line: bytes) -> None:
        found = _CHUNK_LINE.fullmatch(line)
        if found is None:
            raise MalformedBodyError("a chunk has no size")
        if found[2]:
            self._extensions += len(found[2])
            if self._extensions > MAX_EXTENSIONS:
                raise MalformedBodyError("its chunks have too many extensions")
        size = int(found[1], 16)
        if size:
            self._missing = size + 2
        else:
            self._in_trailers = True

    def _chunk(self, raw: bytes, at: int) -> int:
        """Take what is there of the current chunk and the line end behind it; where it goes on."""
        content = self._missing - 2
        if content > 0:
            part = raw[at : at + content]
            self._keep(part)
            self._missing -= len(part)
            return at + len(part)
        wanted = b"\r\n"[-self._missing :]
        there = raw[at : at + self._missing]
        if there != wanted[: len(there)]:
            raise MalformedBodyError("a chunk is not as long as it says")
        self._missing -= len(there)
        return at + len(there)

    def _trailer(self, line: bytes, raw: bytes, at: int) -> None:
        if not line:
            self._end(raw[at:])
            return
        self._trailers += len(line) + 2
        if self._trailers > MAX_TRAILERS:
            raise MalformedBodyError("its trailers are too long")
        found = _TRAILER.fullmatch(line)
        if found is None or found[1].lower() in _NO_TRAILERS:
            raise MalformedBodyError("it has a trailer that is none")


def malformed(error: MalformedBodyError) -> Problem:
    """What the client of such a body is told."""
    return Problem("invalid_request", f"the request body is malformed: {error}")
