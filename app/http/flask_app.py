"""The Flask app: its requests, its routing, and what every request goes through."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import flask
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import BaseConverter, MapAdapter, PathConverter, Rule

from app.config.settings import Settings
from app.http import error_handlers, hooks
from app.http.client_address import ClientAddresses
from app.http.json_provider import ORJSONProvider
from app.telemetry import metrics
from app.telemetry.request_log import RequestLog

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Request(flask.Request):
    """A request whose method is one of a closed set, since it becomes a label of metrics."""

    def __init__(self, environ: WSGIEnvironment, populate_request: bool = True, shallow: bool = False) -> None:
        if environ["REQUEST_METHOD"] not in _METHODS:
            environ["REQUEST_METHOD"] = "UNKNOWN"
        super().__init__(environ, populate_request, shallow)


class _NoSessions(SessionInterface):
    """There are none; to make an empty one for each request costs as much as to look into one."""

    _none = NullSession()

    def open_session(self, app: flask.Flask, request: flask.Request) -> NullSession:
        """The same empty session for every request."""
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
    """Any text, with slashes at its front and line breaks too."""

    part_isolating = False
    regex = "(?s:.+?)"


def install(
    app: flask.Flask,
    settings: Settings,
    request_log: RequestLog,
    counted: metrics.HTTPMetrics,
    *,
    began: Callable[[], None] = lambda: None,
    ended: Callable[[], None] = lambda: None,
    limits: hooks.RequestLimits | None = None,
) -> None:
    """Give the app its JSON, its converters of paths, its hooks and its error handlers.

    ``began`` and ``ended`` are called around each request, once each; ``limits`` may refuse one.
    """
    server = settings.server
    app.json = ORJSONProvider(app)
    addresses = ClientAddresses(server.trusted_proxies, server.proxy_header)
    app.extensions["client_addresses"] = addresses
    app.request_class = Request
    # A workflow's name may hold several slashes in a row; the router would answer with a redirect to another name.
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"default": _Segment, "path": _Name}
    hooks.install(app, server, addresses, request_log, counted, began=began, ended=ended, limits=limits)
    error_handlers.install(app, server.problem_base_url)
