"""What is done before and after each request: ids, the line in the log, metrics, CORS."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import flask

from app.config.settings import ServerSettings
from app.http.client_address import ClientAddresses
from app.http.request_context import request_id
from app.telemetry import metrics
from app.telemetry.logs import current_principal, current_request
from app.telemetry.request_log import RequestLog, RequestNote, current_note
from app.telemetry.trace import current_trace, parse_traceparent, request_id_from

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment


class RequestLimits(Protocol):
    """Limits that requests stand under (`app.quotas.requests.Quotas` has it)."""

    def admit_address(self, environ: WSGIEnvironment, address: str) -> None:
        """Count a request of a client's address. Raises Problem where it has made as many as it may."""

    def tell(self, environ: WSGIEnvironment, response: flask.Response) -> None:
        """Say in the answer how the caller stands."""


def install(
    app: flask.Flask,
    settings: ServerSettings,
    addresses: ClientAddresses,
    request_log: RequestLog,
    counted: metrics.HTTPMetrics,
    *,
    began: Callable[[], None],
    ended: Callable[[], None],
    limits: RequestLimits | None,
) -> None:
    """Give each request an id, a line in the log and its place in the metrics; CORS where origins are configured.

    ``began`` and ``ended`` are called around each request, once each. ``limits`` may refuse one before anything else
    looks at it.
    """
    origins = frozenset(settings.cors_allowed_origins)

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
        if limits is not None:
            limits.admit_address(environ, addresses.of(environ))
        return None

    @app.after_request
    def _end(response: flask.Response) -> flask.Response:
        response.headers["X-Request-ID"] = request_id()
        if origins:
            _allow_origin(response, origins)
        request: flask.Request = flask.request._get_current_object()  # type: ignore[attr-defined] # each use of the proxy costs
        if limits is not None:
            limits.tell(request.environ, response)
        # Never the raw path: a thousand unknown ones would make a thousand time series.
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


def _allow_origin(response: flask.Response, origins: frozenset[str]) -> None:
    response.headers.add("Vary", "Origin")
    origin = flask.request.headers.get("Origin", "")
    if origin in origins or "*" in origins:
        response.headers["Access-Control-Allow-Origin"] = origin or "*"
        response.headers["Access-Control-Allow-Methods"] = "GET, POST, PATCH, DELETE"
        response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, X-Request-ID"
        response.headers["Access-Control-Expose-Headers"] = "X-Request-ID, Retry-After, RateLimit, RateLimit-Policy"
        response.headers["Access-Control-Max-Age"] = "600"
