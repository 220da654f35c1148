"""One span a request, where traces are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import flask

from app.http.client_address import ClientAddresses
from app.http.request_context import request_id
from app.telemetry.request_log import QUIET, current_note
from app.telemetry.trace import current_span

if TYPE_CHECKING:
    from app.telemetry.tracing import Attribute, Tracing

_SPAN = "datastorage.span"
_MAX_PATH = 512


def install(app: flask.Flask, tracing: Tracing, addresses: ClientAddresses) -> None:
    """Begin and end a span with each request but those of probes and scrapes. After what gives requests their ids."""

    @app.before_request
    def _begin() -> None:
        request = flask.request
        rule = request.url_rule.rule if request.url_rule is not None else None
        if rule is None or not rule.startswith(QUIET):
            method = "HTTP" if request.method == "UNKNOWN" else request.method
            request.environ[_SPAN] = tracing.begin_request(method, rule, request.environ.get("HTTP_TRACEPARENT"))

    @app.after_request
    def _end(response: flask.Response) -> flask.Response:
        request = flask.request
        span = request.environ.pop(_SPAN, None)
        if span is not None:
            tracing.end_request(span, response.status_code, _attributes(request, addresses))
        return response

    @app.teardown_request
    def _over(error: BaseException | None) -> None:
        current_span.set(None)


def _attributes(request: flask.Request, addresses: ClientAddresses) -> dict[str, Attribute]:
    """By the names of OpenTelemetry's semantic conventions for HTTP servers, and two of our own."""
    found: dict[str, Attribute] = {
        "http.request.method": "_OTHER" if request.method == "UNKNOWN" else request.method,
        "url.path": request.path[:_MAX_PATH],
        "url.scheme": request.scheme,
        "client.address": addresses.of(request.environ),
        "http.request.header.x-request-id": [request_id()],
    }
    if request.url_rule is not None:
        found["http.route"] = request.url_rule.rule
    length = request.environ.get("CONTENT_LENGTH")
    if length and length.isdecimal():
        found["http.request.body.size"] = int(length[:15])
    note = current_note.get()
    if note is not None:
        found["datastorage.outcome"] = note.outcome
        if note.records:
            found["datastorage.records"] = note.records
    return found
