"""Bodies of requests: read within their limits, decompressed, parsed."""

from __future__ import annotations

import threading
import zlib
from typing import TYPE_CHECKING, Any

import flask
from datastorage_common import jsonvalue

from app.http.json_provider import JSON_TYPE
from app.http.problems import Problem
from app.http.validation_failures import count_validation_failures

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_MAX_GZIP_MEMBERS = 1000
_GZIP_BYTES = 64 * 1024
# One coding under two names (RFC 9110, section 8.4.1.3).
_GZIP = ("gzip", "x-gzip")
_PLAIN = ("", "identity")


class Bodies:
    """Reads request bodies, each up to ``max_size`` bytes; compressed ones together up to ``max_in_flight``.

    The server bounds what it keeps of bodies as they are sent, and hands over a longer one cut off behind its limit.
    """

    def __init__(self, max_size: int, max_in_flight: int) -> None:
        self.max_size = max_size
        self._max_in_flight = max_in_flight
        self._lock = threading.Lock()
        self._in_flight = 0

    def read(self, request: flask.Request) -> bytes:
        """The decompressed body. Raises Problem 413, 415, 400 for one that is not gzip after all, or 503."""
        environ = request.environ
        zipped = _is_gzip(environ.get("HTTP_CONTENT_ENCODING", ""))
        declared = _declared_length(environ)
        if declared is not None and declared > self.max_size:
            raise self._too_large()
        # The server's own stream ends where the body does; werkzeug's, around it, would count once more.
        sent: bytes = environ["wsgi.input"].read(self.max_size + 1 if declared is None else declared)
        if len(sent) > self.max_size:
            raise self._too_large()
        if declared is not None and len(sent) < declared:
            raise Problem("invalid_request", "the request body ended too early")
        return self._gunzip(sent) if zipped else sent

    def _reserve(self, size: int) -> None:
        with self._lock:
            # One alone is always let in, so that a limit below max_size cannot refuse everything.
            if size > 0 and self._in_flight and self._in_flight + size > self._max_in_flight:
                raise Problem("buffer-full", "too many request bodies are being read - please retry")
            self._in_flight += size

    def _gunzip(self, sent: bytes) -> bytes:
        # It may come to the limit.
        self._reserve(self.max_size)
        try:
            return self._gunzipped(sent)
        except zlib.error:
            raise Problem("invalid_request", "the request body is not gzip") from None
        finally:
            self._reserve(-self.max_size)

    def _gunzipped(self, sent: bytes) -> bytes:
        parts: list[bytes] = []
        total = at = members = 0
        engine = None
        while at < len(sent):
            # RFC 1952 allows several members one after the other; each costs a copy of what follows in the piece.
            if engine is None:
                members += 1
                if members > _MAX_GZIP_MEMBERS:
                    raise Problem("invalid_request", "the request body has too many gzip members")
                engine = zlib.decompressobj(wbits=31)
            piece = sent[at : at + _GZIP_BYTES]
            part = engine.decompress(piece, self.max_size - total + 1)
            total += len(part)
            if total > self.max_size:
                raise self._too_large()
            parts.append(part)
            at += len(piece) - len(engine.unused_data)
            if engine.eof:
                engine = None
        if engine is not None or not members:
            raise Problem("invalid_request", "the request body is not gzip")
        return b"".join(parts)

    def _too_large(self) -> Problem:
        count_validation_failures([("body", "body_too_large")])
        return Problem("request-too-large", f"the request body exceeds {self.max_size} bytes")


def _is_gzip(header: str) -> bool:
    """Whether a Content-Encoding is gzip, once; False for none. Raises Problem 415 for every other.

    It is a list, in which empty elements and identity, which is no coding, say nothing (RFC 9110, section 8.4).
    """
    codings = [each for part in header.split(",") if (each := part.strip().lower()) not in _PLAIN] if header else []
    if not codings:
        return False
    if len(codings) > 1 or codings[0] not in _GZIP:
        headers = {"Accept-Encoding": "gzip"}
        raise Problem("unsupported-encoding", "only gzip is accepted as Content-Encoding", headers=headers)
    return True


def _declared_length(environ: WSGIEnvironment) -> int | None:
    """The length of the body, None for one in chunks; werkzeug's own look-up goes through two sets of headers."""
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        return None
    text: str = environ.get("CONTENT_LENGTH") or ""
    # More digits than these are too many bytes in any case, but for zeros in front.
    return int(text.lstrip("0")[:18] or "0") if text.isascii() and text.isdecimal() else 0


def json_body(bodies: Bodies) -> Any:
    """The parsed JSON body of the current request, exact to the last digit. Raises Problem."""
    return json_document(bodies).value


def json_document(bodies: Bodies) -> jsonvalue.Document:
    """As `json_body`, with what is known of the value as a whole."""
    request: flask.Request = flask.request._get_current_object()  # type: ignore[attr-defined] # each use of the proxy costs
    if request.environ.get("CONTENT_TYPE") != JSON_TYPE and request.mimetype != JSON_TYPE:
        count_validation_failures([("body", "invalid")])
        raise Problem(
            "validation-error",
            f"Content-Type must be {JSON_TYPE}",
            field_errors={"Content-Type": f"must be {JSON_TYPE}"},
        )
    raw = bodies.read(request)
    try:
        return jsonvalue.document(raw)
    except jsonvalue.JSONError as e:
        count_validation_failures([("body", "invalid_json")])
        raise Problem("invalid_request", f"request body is not valid JSON: {e}") from None
