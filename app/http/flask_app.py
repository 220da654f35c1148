"""What every request and response goes through: bodies with limits, request ids, problems, CORS."""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import flask
import orjson
import psycopg
from datastorage_common import jsonvalue
from flask.json.provider import JSONProvider
from flask.sessions import NullSession, SessionInterface
from psycopg_pool import PoolTimeout, TooManyRequests
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.routing import BaseConverter, MapAdapter, PathConverter, Rule

from app.config.settings import Settings
from app.http.client_address import ClientAddresses
from app.http.problems import CONTENT_TYPE, Problem, unavailable
from app.postgres.errors import Fault, OutageError, classify
from app.telemetry import metrics
from app.telemetry.logs import current_principal, current_request
from app.telemetry.request_log import RequestLog, RequestNote, current_note
from app.telemetry.trace import current_trace, parse_traceparent, request_id_from

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MAX_GZIP_MEMBERS = 1000
_GZIP_BYTES = 64 * 1024
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


class _NoSessions(SessionInterface):
    """There are none; making an empty one for each request costs as much as a look into it would."""

    _none = NullSession()

    def open_session(self, app: flask.Flask, request: flask.Request) -> NullSession:
        """The same nothing for every request."""
        return self._none


class App(flask.Flask):
    """Flask without what this service does not use and each request would pay for.

    No function is a coroutine, there are no sessions, and a path without variables is looked up instead of matched.
    """

    session_interface = _NoSessions()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._fixed: dict[tuple[str, str], Rule] = {}
        super().__init__(*args, **kwargs)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself."""
        return func

    def add_url_rule(self, rule: str, endpoint: str | None = None, *args: Any, **options: Any) -> None:
        """As Flask's. Of two rules for one path the first is served, as by the router."""
        super().add_url_rule(rule, endpoint, *args, **options)
        for made in self.url_map.iter_rules():
            if not made.arguments and made.redirect_to is None and not made.websocket:
                # The answer to OPTIONS is the router's.
                for method in (made.methods or set()) - {"OPTIONS"}:
                    self._fixed.setdefault((method, made.rule), made)

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """The router of a request; None for one that has its rule already."""
        # With an upgrade to websockets the router finds nothing.
        if request is not None and "HTTP_UPGRADE" not in request.environ:
            rule = self._fixed.get((request.method, request.path))
            if rule is not None:
                request.url_rule, request.view_args = rule, {}
                return None
        return super().create_url_adapter(request)


class _Segment(BaseConverter):
    """A segment of a path that is an id. The last words of other paths are none: with a wrong method they are 405."""

    part_isolating = True
    regex = r"(?!(?:batch|search)\Z)[^/]+"


class _Name(PathConverter):
    """Whatever stands there, with slashes at its front and line breaks too."""

    part_isolating = False
    regex = "(?s:.+?)"


class Bodies:
    """Reads request bodies, each below a size; what comes out of compressed ones all together below another.

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
        encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
        if encoding not in ("identity", "gzip", ""):
            raise Problem("unsupported-encoding", "only gzip is accepted as Content-Encoding")
        declared = _declared_length(environ)
        if declared is not None and declared > self.max_size:
            raise self._too_large()
        # The server's own stream ends where the body does; werkzeug's, around it, would count once more.
        sent: bytes = environ["wsgi.input"].read(self.max_size + 1 if declared is None else declared)
        if len(sent) > self.max_size:
            raise self._too_large()
        if declared is not None and len(sent) < declared:
            raise Problem("invalid_request", "the request body ended too early")
        return self._gunzip(sent) if encoding == "gzip" else sent

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


def client_address() -> str:
    """The address of the current request's client, past trusted proxies only; found when first asked for."""
    addresses: ClientAddresses = flask.current_app.extensions["client_addresses"]
    return addresses.of(flask.request.environ)


def request_id() -> str:
    """The id of the current request, or - outside of one."""
    return current_request.get()


def trace_id() -> str | None:
    """The trace that the current request belongs to by its headers, or None."""
    context = current_trace.get()
    return None if context is None else context.trace_id


def install(
    app: flask.Flask,
    settings: Settings,
    request_log: RequestLog,
    counted: metrics.HTTPMetrics,
    *,
    began: Callable[[], None] = lambda: None,
    ended: Callable[[], None] = lambda: None,
) -> None:
    """Give the app request ids, lines in the log, problems for every error, and CORS where origins are configured.

    ``began`` and ``ended`` are called around each request, once each.
    """
    base_url = settings.server.problem_base_url
    origins = frozenset(settings.server.cors_allowed_origins)
    app.json = ORJSONProvider(app)
    addresses = ClientAddresses(settings.server.trusted_proxies, settings.server.proxy_header)
    app.extensions["client_addresses"] = addresses
    app.request_class = Request
    # A workflow's name may hold several slashes in a row; the router would answer with a redirect to another name.
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"default": _Segment, "path": _Name}

    @app.before_request
    def _begin() -> flask.Response | None:
        began()
        current_note.set(RequestNote())
        environ = flask.request.environ
        environ["datastorage.began"] = True
        current_request.set(request_id_from(environ.get("HTTP_X_REQUEST_ID", "")))
        if (parent := environ.get("HTTP_TRACEPARENT")) is not None:
            current_trace.set(parse_traceparent(parent))
        if origins and environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
            return flask.Response(status=204)
        return None

    @app.after_request
    def _end(response: flask.Response) -> flask.Response:
        response.headers["X-Request-ID"] = request_id()
        if origins:
            _allow_origin(response, origins)
        request: flask.Request = flask.request._get_current_object()  # type: ignore[attr-defined] # each use of the proxy costs
        # Never the raw path: whoever asks for a thousand unknown ones must not make a thousand time series.
        route = request.url_rule.rule if request.url_rule is not None else "unmatched"
        method, status, body = request.method, response.status_code, response.response
        if (kept := current_note.get()) is not None:
            counted.observe(method, route, status, time.perf_counter() - kept.started)
        written = sum(map(len, body)) if isinstance(body, list) else 0
        client = addresses.of(request.environ)
        request_log.add(method, route, status, request.environ.get("CONTENT_LENGTH"), written, client)
        return response

    @app.teardown_request
    def _over(error: BaseException | None) -> None:
        current_request.set("-")
        if flask.request.environ.pop("datastorage.began", False):
            current_trace.set(None)
            current_principal.set("-")
            ended()

    def render(problem: Problem) -> flask.Response:
        if (kept := current_note.get()) is not None and kept.outcome == "ok":
            kept.outcome = problem.kind.slug
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

    def on_outage(error: OutageError) -> flask.Response:
        return render(unavailable())

    def on_any(error: Exception) -> flask.Response:
        log.error("unexpected error", exc_info=error)
        return render(Problem("internal-error", "an unexpected error occurred"))

    app.register_error_handler(Problem, render)
    app.register_error_handler(HTTPException, on_http_exception)
    app.register_error_handler(OutageError, on_outage)
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
