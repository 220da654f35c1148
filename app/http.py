"""What every request and response goes through: bodies with limits, request ids, problems, CORS."""

from __future__ import annotations

import logging
import re
import threading
import uuid
import zlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import flask
import orjson
import psycopg
from flask.json.provider import JSONProvider
from psycopg_pool import PoolTimeout, TooManyRequests
from werkzeug.exceptions import ClientDisconnected, HTTPException, MethodNotAllowed, RequestEntityTooLarge

from app import jsonvalue, metrics
from app.config import Settings
from app.database import Fault, classify
from app.logs import current_request
from app.problems import CONTENT_TYPE, Problem, unavailable

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CHUNK_BYTES = 64 * 1024
JSON_TYPE = "application/json"


class ORJSONProvider(JSONProvider):
    """Flask's JSON on orjson; its own would write datetimes as HTTP dates."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return orjson.loads(s)


class Request(flask.Request):
    """A request whose method is one of a closed set, since it becomes a label of metrics."""

    def __init__(self, environ: WSGIEnvironment, populate_request: bool = True, shallow: bool = False) -> None:
        if environ["REQUEST_METHOD"] not in _METHODS:
            environ["REQUEST_METHOD"] = "UNKNOWN"
        super().__init__(environ, populate_request, shallow)


class Bodies:
    """Reads request bodies, each below a size and all together below another."""

    def __init__(self, max_size: int, max_in_flight: int) -> None:
        self.max_size = max_size
        self._max_in_flight = max_in_flight
        self._lock = threading.Lock()
        self._in_flight = 0

    def read(self, request: flask.Request) -> bytes:
        """The decompressed body. Raises Problem 413, 415, 400 for one that is not gzip after all, or 503."""
        encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip", ""):
            raise Problem("unsupported-encoding", "only gzip is accepted as Content-Encoding")
        declared = request.content_length
        if declared is not None and declared > self.max_size:
            raise self._too_large()
        # A body of unknown or compressed size may come to the limit.
        reserved = self.max_size if declared is None or encoding == "gzip" else declared
        self._reserve(reserved)
        try:
            try:
                return self._gunzip(request) if encoding == "gzip" else self._plain(request)
            except (ClientDisconnected, OSError):
                raise Problem("invalid_request", "the request body ended too early") from None
        finally:
            self._reserve(-reserved)

    def _reserve(self, size: int) -> None:
        with self._lock:
            # One alone is always let in, so that a limit below max_size cannot refuse everything.
            if size > 0 and self._in_flight and self._in_flight + size > self._max_in_flight:
                raise Problem("buffer-full", "too many request bodies are being read - please retry")
            self._in_flight += size

    def _plain(self, request: flask.Request) -> bytes:
        parts = []
        total = 0
        stream = request.stream
        while chunk := stream.read(_CHUNK_BYTES):
            total += len(chunk)
            if total > self.max_size:
                raise self._too_large()
            parts.append(chunk)
        self._check_complete(request, total)
        return b"".join(parts)

    def _gunzip(self, request: flask.Request) -> bytes:
        parts = []
        total = received = 0
        engine = zlib.decompressobj(wbits=31)
        stream = request.stream
        try:
            while chunk := stream.read(_CHUNK_BYTES):
                received += len(chunk)
                if received > self.max_size:
                    raise self._too_large()
                while chunk:
                    part = engine.decompress(chunk, self.max_size - total + 1)
                    total += len(part)
                    if total > self.max_size:
                        raise self._too_large()
                    parts.append(part)
                    chunk = engine.unconsumed_tail
                    if engine.eof:
                        # RFC 1952 allows several members one after the other.
                        chunk = engine.unused_data
                        if chunk:
                            engine = zlib.decompressobj(wbits=31)
        except zlib.error:
            raise Problem("invalid_request", "the request body is not gzip") from None
        self._check_complete(request, received)
        if not engine.eof:
            raise Problem("invalid_request", "the request body is not gzip")
        return b"".join(parts)

    @staticmethod
    def _check_complete(request: flask.Request, received: int) -> None:
        if request.content_length is not None and received < request.content_length:
            raise Problem("invalid_request", "the request body ended too early")

    def _too_large(self) -> Problem:
        count_validation_failures([("body", "body_too_large")])
        return Problem(
            "request-too-large", f"the request body exceeds {self.max_size} bytes", headers={"Connection": "close"}
        )


def json_body(bodies: Bodies) -> Any:
    """The parsed JSON body of the current request, exact to the last digit. Raises Problem."""
    request = flask.request
    if request.mimetype != JSON_TYPE:
        count_validation_failures([("body", "invalid")])
        raise Problem(
            "validation-error",
            f"Content-Type must be {JSON_TYPE}",
            field_errors={"Content-Type": f"must be {JSON_TYPE}"},
        )
    raw = bodies.read(request)
    try:
        return jsonvalue.parse(raw)
    except jsonvalue.JSONError as e:
        count_validation_failures([("body", "invalid_json")])
        raise Problem("invalid_request", f"request body is not valid JSON: {e}") from None


# Label values are a closed set: a name that a client made up must not become one.
_known_fields: set[str] = {"body"}


def register_field_labels(names: Iterable[str]) -> None:
    """Allow these field names as labels of datastorage_validation_failures_total."""
    _known_fields.update(names)


def count_validation_failures(failures: Iterable[tuple[str, str]]) -> None:
    """Count (field, reason) pairs; unknown field names count as other."""
    for name, reason in failures:
        metrics.VALIDATION_FAILURES.labels(name if name in _known_fields else "other", reason).inc()


def json_response(body: bytes, status: int = 200, headers: dict[str, str] | None = None) -> flask.Response:
    """A JSON response of bytes that are JSON already."""
    return flask.Response(body, status=status, headers=headers, content_type=JSON_TYPE)


def request_id() -> str:
    """The id of the current request, or - outside of one."""
    return current_request.get()


def install(app: flask.Flask, settings: Settings) -> None:
    """Give the app request ids, problems for every error, and CORS where origins are configured."""
    base_url = settings.server.problem_base_url
    origins = frozenset(settings.server.cors_allowed_origins)
    app.json = ORJSONProvider(app)
    app.request_class = Request

    @app.before_request
    def _begin() -> flask.Response | None:
        sent = flask.request.headers.get("X-Request-ID", "")
        current_request.set(sent if _REQUEST_ID.fullmatch(sent) else str(uuid.uuid4()))
        if origins and flask.request.method == "OPTIONS" and "Access-Control-Request-Method" in flask.request.headers:
            return flask.Response(status=204)
        return None

    @app.after_request
    def _end(response: flask.Response) -> flask.Response:
        response.headers["X-Request-ID"] = request_id()
        if origins:
            _allow_origin(response, origins)
        return response

    @app.teardown_request
    def _over(error: BaseException | None) -> None:
        current_request.set("-")

    def render(problem: Problem) -> flask.Response:
        return flask.Response(
            problem.body(base_url, flask.request.path),
            status=problem.kind.status,
            headers=problem.headers,
            content_type=CONTENT_TYPE,
        )

    def on_http_exception(error: HTTPException) -> flask.Response:
        return render(_from_http(error))

    def on_database_error(error: Exception) -> flask.Response:
        if classify(error) in (Fault.OUTAGE, Fault.DEPLOYMENT, Fault.CONFLICT):
            log.warning("database not available for a read: %s", type(error).__name__)
            return render(unavailable())
        return on_any(error)

    def on_any(error: Exception) -> flask.Response:
        log.error("unexpected error", exc_info=error)
        return render(Problem("internal-error", "an unexpected error occurred"))

    app.register_error_handler(Problem, render)
    app.register_error_handler(HTTPException, on_http_exception)
    for kind in (psycopg.Error, PoolTimeout, TooManyRequests):
        app.register_error_handler(kind, on_database_error)
    app.register_error_handler(Exception, on_any)


def _from_http(error: HTTPException) -> Problem:
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or []))
        return Problem("method-not-allowed", "the method is not allowed for this path", headers={"Allow": allowed})
    if isinstance(error, RequestEntityTooLarge):
        return Problem("request-too-large", "the request body is too large")
    if error.code == 404:
        return Problem("not-found", "there is nothing at this path")
    if error.code is not None and 400 <= error.code < 500:
        return Problem("invalid_request", "the request could not be understood")
    log.error("unexpected HTTP error", exc_info=error)
    return Problem("internal-error", "an unexpected error occurred")


def _allow_origin(response: flask.Response, origins: frozenset[str]) -> None:
    response.headers.add("Vary", "Origin")
    origin = flask.request.headers.get("Origin", "")
    if origin in origins or "*" in origins:
        response.headers["Access-Control-Allow-Origin"] = origin or "*"
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, PATCH, DELETE"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, X-Request-ID"
        response.headers["Access-Control-Expose-Headers"] = "X-Request-ID, Retry-After"
        response.headers["Access-Control-Max-Age"] = "600"
