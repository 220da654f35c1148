"""What is known of the current request: its id, its trace and its client's address."""

from __future__ import annotations

import flask

from app.http.client_address import ClientAddresses
from app.telemetry.logs import current_request
from app.telemetry.trace import current_trace


def client_address() -> str:
    """The address of the current request's client, past trusted proxies only; found when first asked for."""
    addresses: ClientAddresses = flask.current_app.extensions["client_addresses"]
    return addresses.of(flask.request.environ)


def from_proxy() -> bool:
    """Whether the current request came from a trusted proxy, whose connection others' requests come by too."""
    addresses: ClientAddresses = flask.current_app.extensions["client_addresses"]
    return addresses.is_proxy(flask.request.environ)


def route() -> str:
    """Method and rule of the current request; ``unmatched`` where no rule is, so that there are only so many."""
    request = flask.request
    return "unmatched" if request.url_rule is None else f"{request.method} {request.url_rule.rule}"


def request_id() -> str:
    """The id of the current request, or - outside of one."""
    return current_request.get()


def trace_id() -> str | None:
    """The trace that the current request belongs to by its headers, or None."""
    context = current_trace.get()
    return None if context is None else context.trace_id
