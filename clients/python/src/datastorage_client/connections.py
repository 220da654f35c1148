"""Connections whose every wait ends at the deadline of the attempt, and answers that are read up to a size.

httpx limits each wait for the next bytes, and none of a request as a whole: a server or proxy that drips a byte now
and then would hold its caller for ever.
"""

from __future__ import annotations

# The first look-up of a host imports it otherwise, in the thread that makes it, and a fork may come in between.
import encodings.idna  # noqa: F401
import socket
import ssl
import threading
import time
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import httpcore
import httpx

MAX_ANSWER_BYTES = 64 * 1024 * 1024
ACCEPTED_ENCODINGS = "gzip"
MAX_CONNECTIONS = 100
_KEEP_ALIVE_S = 5.0
# Of a gzip that is read as it comes, at once.
_UNPACKED_BYTES = 256 * 1024

# How often who waits for an answer looks whether it is still wanted.
_LOOK_S = 0.25

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
_stop: ContextVar[threading.Event | None] = ContextVar("stop", default=None)
SocketOption = Any


@contextmanager
def within(seconds: float, stop: threading.Event | None = None) -> Iterator[None]:
    """Let all that `Connections` does in here end within so many seconds, and its reading soon after ``stop`` too."""
    deadline, until = _deadline.set(time.monotonic() + seconds), _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(until)
        _deadline.reset(deadline)


def _left(timeout: float | None, too_late: type[Exception]) -> float | None:
    """Seconds for the next wait. Raises ``too_late`` if there are none."""
    deadline = _deadline.get()
    if deadline is None:
        return timeout
    left = deadline - time.monotonic()
    if left <= 0:
        raise too_late("timed out")
    return left if timeout is None else min(left, timeout)


def verification(base_url: str, verify: bool | str) -> ssl.SSLContext | None:
    """What to verify the service's certificate with. Raises ValueError for what is no URL of a service."""
    url = httpx.URL(base_url)
    # Else every request would fail as if there were no answer.
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url is http:// or https:// and a host")
    return httpx.create_ssl_context(verify=verify) if url.scheme == "https" else None


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if (stop := _stop.get()) is None:
            return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))
        while not stop.is_set():
            left = _left(timeout, httpcore.ReadTimeout)
            with suppress(httpcore.ReadTimeout):
                return self._inner.read(max_bytes, _LOOK_S if left is None else min(left, _LOOK_S))
        raise httpcore.ReadError("the answer is not wanted any more")

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # The inner one gives each part that the peer takes the same time again.
        sock: socket.socket = self._inner.get_extra_info("socket")
        view = memoryview(buffer)
        try:
            while view:
                sock.settimeout(_left(timeout, httpcore.WriteTimeout))
                view = view[sock.send(view) :]
        except TimeoutError as e:
            raise httpcore.WriteTimeout(str(e)) from e
        except OSError as e:
            raise httpcore.WriteError(str(e)) from e

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        timeout = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.SyncBackend):
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        # One address of the name after the other in here, or each would get the whole time.
        error: Exception | None = None
        for address in addresses(host, port):
            left = _left(timeout, httpcore.ConnectTimeout)
            try:
                return _Stream(super().connect_tcp(address, port, left, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as e:
                error = error or e
        raise error or httpcore.ConnectError(f"{host} has no address")


def addresses(host: str, port: int) -> list[str]:
    """The addresses of the host of a URL. Raises httpcore.ConnectError."""
    if ":" in host:
        host = host.replace("%25", "%", 1)  # RFC 6874: before the zone of an IPv6 address
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as e:  # the latter for a name that no host can have
        raise httpcore.ConnectError(str(e)) from e
    # Of an IPv6 address (host, port, flow, zone) the zone is not in the host.
    return [f"{a[0]}%{a[3]}" if len(a) == 4 and a[3] else str(a[0]) for *_, a in found]


class _Body(httpx.SyncByteStream):
    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx():
            yield from self._parts

    def close(self) -> None:
        if hasattr(self._parts, "close"):
            self._parts.close()


class Connections(httpx.BaseTransport):
    """A pool of connections over HTTP/1.1, as `httpx.HTTPTransport`, that keeps to `within`."""

    def __init__(self, verify: ssl.SSLContext | None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=verify,
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE_S,
            network_backend=_Backend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        assert isinstance(request.stream, httpx.SyncByteStream)  # noqa: S101 - a Client makes no others
        wanted = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with _as_httpx():
            answer = self._pool.handle_request(wanted)
        assert isinstance(answer.stream, Iterable)  # noqa: S101 - the pool is not the one for asyncio
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer.stream),
            extensions=dict(answer.extensions),
        )

    def close(self) -> None:
        self._pool.close()


@contextmanager
def _as_httpx() -> Iterator[None]:
    """The exceptions of httpcore as those of httpx, which have the same names."""
    try:
        yield
    except tuple(_HTTPX) as e:
        raise _HTTPX[type(e)](str(e)) from e


def _every(base: type[Exception]) -> Iterator[type[Exception]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _every(kind)


_HTTPX: dict[type[Exception], type[httpx.TransportError]] = {
    kind: getattr(httpx, kind.__name__)
    for base in (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)
    for kind in (base, *_every(base))
} | {httpcore.ProxyError: httpx.ProxyError, httpcore.UnsupportedProtocol: httpx.UnsupportedProtocol}


class TooLargeError(httpx.DecodingError):
    """An answer is larger than its reader takes."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"the answer is larger than {max_bytes} bytes")
        self.max_bytes = max_bytes


class Reading:
    """The body of an answer as it comes in, unpacked, and no more of it than ``max_bytes``."""

    def __init__(self, response: httpx.Response, max_bytes: int) -> None:
        self._response = response
        self._max_bytes = max_bytes
        self._content = bytearray()
        self._unpack = _unpacker(response)

    def add(self, part: bytes) -> None:
        """Take the next bytes. Raises httpx.DecodingError for what is no gzip, TooLargeError for too many."""
        room = self._max_bytes - len(self._content)
        if self._unpack is not None:
            # What stands behind the end would be kept in there, however much it is.
            if self._unpack.eof:
                return
            try:
                # 0 would be no limit.
                part = self._unpack.decompress(part, room + 1)
            except zlib.error as e:
                raise httpx.DecodingError(str(e)) from e
        if len(part) > room:
            raise TooLargeError(self._max_bytes)
        self._content += part

    def whole(self, request: httpx.Request) -> httpx.Response:
        """The answer with its body. Raises httpx.DecodingError if the gzip in it has no end."""
        if self._unpack is not None and self._content and not self._unpack.eof:
            raise httpx.DecodingError("the answer ends in the middle of its gzip")
        headers = [(k, v) for k, v in self._response.headers.raw if k.lower() not in _OF_THE_TRANSFER]
        return httpx.Response(
            self._response.status_code,
            headers=headers,
            content=bytes(self._content),
            request=request,
            extensions=self._response.extensions,
        )


class IncompleteError(httpx.TransportError):
    """The body of an answer ended before its end."""


class Unpacking:
    """The body of an answer in parts as they come in, unpacked: of a gzip never more than `_UNPACKED_BYTES` at once.

    Raises httpx.DecodingError, also at the start, for what is no gzip, was altered, or has no end that could be told.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._unpack = _unpacker(response)
        framed = "Content-Length" in response.headers or "chunked" in response.headers.get("Transfer-Encoding", "")
        if self._unpack is None and not framed:
            # It would end with the connection, whole or not.
            raise httpx.DecodingError("the end of the answer could not be told from a break")

    def parts(self, part: bytes) -> Iterator[bytes]:
        """What the next bytes give."""
        unpack = self._unpack
        if unpack is None:
            yield part
            return
        while part:
            if unpack.eof:
                raise httpx.DecodingError("something stands behind the end of the gzip")
            try:
                out = unpack.decompress(part, _UNPACKED_BYTES)
            except zlib.error as e:
                raise httpx.DecodingError(str(e)) from e
            if out:
                yield out
            part = unpack.unconsumed_tail or unpack.unused_data
            if not part and len(out) == _UNPACKED_BYTES:
                # More may be kept inside that fits no earlier.
                yield from self._rest(unpack)

    def _rest(self, unpack: zlib._Decompress) -> Iterator[bytes]:
        while not unpack.eof and (out := unpack.decompress(b"", _UNPACKED_BYTES)):
            yield out

    def end(self) -> None:
        """The body has ended. Raises IncompleteError where its gzip has not."""
        if self._unpack is not None and not self._unpack.eof:
            raise IncompleteError("the answer ends in the middle of its gzip")


class _Unpacked(httpx.SyncByteStream):
    def __init__(self, response: httpx.Response, unpacking: Unpacking) -> None:
        self._response = response
        self._unpacking = unpacking

    def __iter__(self) -> Iterator[bytes]:
        for part in self._response.iter_raw():
            yield from self._unpacking.parts(part)
        self._unpacking.end()

    def close(self) -> None:
        self._response.close()


class _AsyncUnpacked(httpx.AsyncByteStream):
    def __init__(self, response: httpx.Response, unpacking: Unpacking) -> None:
        self._response = response
        self._unpacking = unpacking

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_raw():
            for unpacked in self._unpacking.parts(part):
                yield unpacked
        self._unpacking.end()

    async def aclose(self) -> None:
        await self._response.aclose()


def unpacked(response: httpx.Response, request: httpx.Request) -> httpx.Response:
    """An answer whose body comes unpacked as it is read. Raises httpx.DecodingError; the answer is closed then."""
    try:
        stream = _Unpacked(response, Unpacking(response))
    except httpx.DecodingError:
        response.close()
        raise
    return _with_stream(response, request, stream)


async def aunpacked(response: httpx.Response, request: httpx.Request) -> httpx.Response:
    """As `unpacked`, for asyncio."""
    try:
        stream = _AsyncUnpacked(response, Unpacking(response))
    except httpx.DecodingError:
        await response.aclose()
        raise
    return _with_stream(response, request, stream)


def _with_stream(
    response: httpx.Response, request: httpx.Request, stream: httpx.SyncByteStream | httpx.AsyncByteStream
) -> httpx.Response:
    headers = [(k, v) for k, v in response.headers.raw if k.lower() not in _OF_THE_TRANSFER]
    return httpx.Response(
        response.status_code, headers=headers, stream=stream, request=request, extensions=response.extensions
    )


def _unpacker(response: httpx.Response) -> zlib._Decompress | None:
    """What unpacks a body; None where nothing is packed. Raises httpx.DecodingError for what was not asked for."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "", ACCEPTED_ENCODINGS):
        raise httpx.DecodingError(f"the answer comes in the coding {coding[:40]!r}, which was not asked for")
    return zlib.decompressobj(16 + zlib.MAX_WBITS) if coding == ACCEPTED_ENCODINGS else None


_OF_THE_TRANSFER = frozenset({b"content-encoding", b"content-length", b"transfer-encoding"})


def beginning(response: httpx.Response, max_bytes: int) -> bytes:
    """The first bytes of an answer's body; its connection is let go. Raises httpx.TransportError."""
    content = bytearray()
    try:
        for part in response.iter_raw():
            content += part
            if len(content) >= max_bytes:
                break
    finally:
        response.close()
    return bytes(content[:max_bytes])


def read(response: httpx.Response, request: httpx.Request, max_bytes: int) -> httpx.Response:
    """Read an answer and let its connection go. Raises httpx.TransportError or DecodingError."""
    try:
        reading = Reading(response, max_bytes)
        for part in response.iter_raw():
            reading.add(part)
    finally:
        response.close()
    return reading.whole(request)


async def aread(response: httpx.Response, request: httpx.Request, max_bytes: int) -> httpx.Response:
    """As `read`, for asyncio."""
    parts: AsyncIterator[bytes] = response.aiter_raw()
    try:
        reading = Reading(response, max_bytes)
        async for part in parts:
            reading.add(part)
    finally:
        await response.aclose()
    return reading.whole(request)
