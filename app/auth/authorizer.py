"""Who is asking, and what may they do: bearer tokens (RFC 6750), scopes, and which route needs which.

Authentication comes before everything else that looks at a request: before its path is known to lead anywhere,
before its parameters are checked and before its body is read.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import flask

from app.auth.principal import REASONS, UNLIMITED_SCOPES, KeysUnknownError, Principal, TokenError, Verifier
from app.auth.read_limits import EVERYTHING, MAX_VALUES, NOTHING, ReadLimits
from app.auth.reads_nothing import ReadsNothing
from app.auth.refusal import OnRefusal, Refusal
from app.config.settings import Settings
from app.http.problems import Problem
from app.http.request_context import client_address, request_id, route
from app.telemetry import metrics
from app.telemetry.logs import current_principal

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    Known = Callable[[WSGIEnvironment, str], None]

log = logging.getLogger(__name__)

_API = "/api/v1"
# Method and rule → the scope that a token must have. The one place where that is decided: a route of the API that
# is not here answers 403 to every caller, and a test compares this with what the application serves.
SCOPE_OF: Mapping[tuple[str, str], str] = {
    ("POST", f"{_API}/audit/events"): "audit:write",
    ("POST", f"{_API}/audit/events/batch"): "audit:write",
    ("POST", f"{_API}/audit/notifications"): "audit:write",
    ("GET", f"{_API}/audit/events"): "audit:read",
    ("GET", f"{_API}/audit/events/<event_id>"): "audit:read",
    ("GET", f"{_API}/audit/events/<event_id>/proof"): "audit:read",
    ("GET", f"{_API}/audit/feed"): "audit:read",
    ("GET", f"{_API}/audit/export"): "audit:read",
    ("GET", f"{_API}/audit/notifications"): "audit:read",
    ("GET", f"{_API}/audit/notifications/<notification_id>/proof"): "audit:read",
    ("GET", f"{_API}/log/checkpoint"): "audit:read",
    ("GET", f"{_API}/log/checkpoint/witnessed"): "audit:read",
    ("GET", f"{_API}/log/key"): "audit:read",
    ("GET", f"{_API}/log/tile/<level>/<path:tile>"): "audit:read",
    ("GET", f"{_API}/log/tile/entries/<path:tile>"): "audit:read",
    ("GET", f"{_API}/log/consistency"): "audit:read",
    ("GET", f"{_API}/log/entries/<index>/proof"): "audit:read",
    ("POST", f"{_API}/workflows/search"): "workflows:read",
    ("GET", f"{_API}/workflows"): "workflows:read",
    ("GET", f"{_API}/workflows/<workflow_id>"): "workflows:read",
    ("GET", f"{_API}/workflows/by-name/<path:name>/versions"): "workflows:read",
    ("GET", f"{_API}/workflows/by-name/<path:name>/latest"): "workflows:read",
    ("POST", f"{_API}/workflows"): "workflows:write",
    ("POST", f"{_API}/workflows/batch"): "workflows:write",
    ("PATCH", f"{_API}/workflows/<workflow_id>"): "workflows:write",
    ("PATCH", f"{_API}/workflows/<workflow_id>/disable"): "workflows:write",
    ("PATCH", f"{_API}/workflows/<workflow_id>/enable"): "workflows:write",
    ("GET", f"{_API}/holds"): "holds:admin",
    ("POST", f"{_API}/holds"): "holds:admin",
    ("GET", f"{_API}/holds/<hold_id>"): "holds:admin",
    ("POST", f"{_API}/holds/<hold_id>/release"): "holds:admin",
    ("GET", f"{_API}/dlq"): "dlq:admin",
    ("GET", f"{_API}/dlq/dead-letters"): "dlq:admin",
    ("GET", f"{_API}/dlq/dead-letters/<letter_id>"): "dlq:admin",
    ("POST", f"{_API}/dlq/dead-letters/<letter_id>/replay"): "dlq:admin",
    ("DELETE", f"{_API}/dlq/dead-letters/<letter_id>"): "dlq:admin",
}
# As with UNLIMITED_SCOPES, by what their rules begin with.
UNLIMITED_ROUTES = f"{_API}/log/"
# What needs no token where the log is public (log.public): hashes, and what is signed. Entries name records.
PUBLIC_OF_LOG = frozenset(
    f"{_API}/log/{rest}" for rest in ("checkpoint", "checkpoint/witnessed", "key", "tile/<level>/<path:tile>")
)
# What needs no token: probes, and what describes the service without saying what is in it.
_OPEN = re.compile(r"/(health|docs|problems)(/.*)?|/openapi(\.[a-z]+|/.*)?")
_METRICS = "/metrics"
# Set in an app that asks nobody for a token.
_ANONYMOUS = "datastorage.anonymous"
# In the environ of a request that was authorized.
_READ_LIMITS = "datastorage.read_limits"
_SCOPES = "datastorage.scopes"

_REALM = 'Bearer realm="datastorage"'
_MAX_HEADER_CHARS = 8192
# RFC 6750, section 2.1: b64token.
_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9\-._~+/]+=*)")
# Refusals are logged so often at the most: a client that tries a thousand tokens must not fill the log.
_LOG_EVERY_SECONDS = 1.0
_KEYS_UNKNOWN = "keys_unknown"


def recorded_by() -> str | None:
    """The authenticated name of the current request, to be stored with what it writes; None without authentication."""
    name = current_principal.get()
    return None if name == "-" else name


def read_limits() -> ReadLimits:
    """Which records the caller of the current request may read; none where the request was not authorized."""
    limits: ReadLimits | None = flask.request.environ.get(_READ_LIMITS)
    if limits is not None:
        return limits
    return EVERYTHING if flask.current_app.extensions.get(_ANONYMOUS) else NOTHING


def has_scope(scope: str) -> bool:
    """Whether the caller of the current request has a scope, beside the one that its route needs."""
    scopes: frozenset[str] | None = flask.request.environ.get(_SCOPES)
    return bool(flask.current_app.extensions.get(_ANONYMOUS)) if scopes is None else scope in scopes


def tell(
    on_refusal: OnRefusal | None, status: int, reason: str, principal: str | None, required_scope: str | None = None
) -> None:
    """Tell that the current request is refused, if there is anything to be told."""
    if on_refusal is not None:
        on_refusal(Refusal(status, reason, principal, client_address(), route(), required_scope), request_id())


def is_open(path: str) -> bool:
    """Whether a path, or a route's rule, needs no token in any mode but for /metrics, which a setting decides."""
    return _OPEN.fullmatch(path) is not None


def install(
    app: flask.Flask,
    settings: Settings,
    verifier: Verifier | None,
    *,
    known: Known | None = None,
    on_refusal: OnRefusal | None = None,
) -> None:
    """Authorize each request; None lets every one through. To be called after what counts and times requests.

    ``known`` is called with the environ and the principal's name once it is known who asks, before it is looked at
    what they may do. ``on_refusal`` is told of each request that is refused.
    """
    for reason in (*REASONS, "scope", "read_limits", _KEYS_UNKNOWN):
        metrics.AUTH_FAILURES.labels(reason)  # so that each is 0 before it has happened
    if verifier is None:
        app.extensions[_ANONYMOUS] = True
        return
    authorizer = Authorizer(
        verifier,
        protect_metrics=settings.auth.protect_metrics,
        public=PUBLIC_OF_LOG if settings.log.public else frozenset(),
        known=known,
        on_refusal=on_refusal,
    )

    @app.before_request
    def _authorize() -> None:
        authorizer.check(flask.request._get_current_object())  # type: ignore[attr-defined] # each use of the proxy costs


class Authorizer:
    """Decides whether a request may go on, and counts and logs each that it refuses."""

    def __init__(
        self,
        verifier: Verifier,
        *,
        protect_metrics: bool,
        public: frozenset[str] = frozenset(),
        known: Known | None = None,
        on_refusal: OnRefusal | None = None,
    ) -> None:
        self._verifier = verifier
        self._known = known
        self._scopes = {**SCOPE_OF, **({("GET", _METRICS): "metrics"} if protect_metrics else {})}
        self._protect_metrics = protect_metrics
        self._public = public
        self._on_refusal = on_refusal
        self._reads_nothing = ReadsNothing()
        self._lock = threading.Lock()
        self._log_after = 0.0
        self._unlogged = 0

    def check(self, request: flask.Request) -> None:
        """Set the principal of the request. Raises Problem 401, 403, or 503 where nobody can say whose token it is."""
        rule = request.url_rule.rule if request.url_rule is not None else None
        if self._is_open(rule if rule is not None else request.path):
            return
        principal = self._authenticated(request)
        current_principal.set(principal.name)
        if self._known is not None:
            self._known(request.environ, principal.name)
        # Nothing there, or not with this method: the router says so to a caller who is known.
        if rule is None or request.method == "OPTIONS":
            return
        scope = self._scopes.get(("GET" if request.method == "HEAD" else request.method, rule))
        if scope not in principal.scopes:
            raise self._forbidden(principal, scope)
        self._limit(request.environ, principal, scope, rule)

    def _limit(self, environ: WSGIEnvironment, principal: Principal, scope: str, rule: str) -> None:
        """Hold the request to what its principal may read. Raises Problem 403 where that cannot be done."""
        limits = principal.reads
        environ[_READ_LIMITS] = limits
        environ[_SCOPES] = principal.scopes - UNLIMITED_SCOPES if limits.narrow else principal.scopes
        if not limits.narrow:
            return
        # Nothing on the way may show to one caller what another was answered.
        flask.after_this_request(_uncached)
        if scope in UNLIMITED_SCOPES:
            raise self._unreadable(principal, f"the scope {scope} needs reading without limits")
        if rule.startswith(UNLIMITED_ROUTES):
            raise self._unreadable(principal, "the log of all records needs reading without limits")
        if scope == "audit:read":
            self._reads_nothing.look_at(principal)
        if limits.too_many:
            most = f"a token may be limited to {MAX_VALUES} namespaces and {MAX_VALUES} categories at the most"
            raise self._unreadable(principal, most)

    def _unreadable(self, principal: Principal, detail: str) -> Problem:
        metrics.AUTH_FAILURES.labels("read_limits").inc()
        tell(self._on_refusal, 403, "read_limits", principal.name)
        log.info("%s is refused: %s", principal.name, detail)
        challenge = f'{_REALM}, error="insufficient_scope", error_description="{detail}"'
        return Problem("forbidden", detail, headers={"WWW-Authenticate": challenge})

    def _is_open(self, path: str) -> bool:
        if path == _METRICS:
            return not self._protect_metrics
        return path in self._public or is_open(path)

    def _authenticated(self, request: flask.Request) -> Principal:
        header = request.environ.get("HTTP_AUTHORIZATION")
        try:
            return self._verifier.principal(_bearer_token(header))
        except KeysUnknownError as e:
            metrics.AUTH_FAILURES.labels(_KEYS_UNKNOWN).inc()
            self._log_refusal("the keys of its issuer are not known yet")
            raise Problem("service-unavailable", str(e), headers={"Retry-After": str(e.retry_after_seconds)}) from None
        except TokenError as e:
            metrics.AUTH_FAILURES.labels(e.reason).inc()
            told = f"{e} ({e.where})" if e.where else str(e)
            self._log_refusal(told + (f" ({e.principal})" if e.principal is not None else ""))
            tell(self._on_refusal, 401, e.reason, e.principal)
            # RFC 6750, section 3: a request without a token is told only that one is needed.
            challenge = _REALM if e.reason == "missing" else f'{_REALM}, error="invalid_token"'
            if e.reason != "missing":
                challenge += f', error_description="{REASONS[e.reason]}"'
            raise Problem(
                "unauthorized", str(e), headers={"WWW-Authenticate": challenge, "Cache-Control": "no-store"}
            ) from None

    def _forbidden(self, principal: Principal, scope: str | None) -> Problem:
        metrics.AUTH_FAILURES.labels("scope").inc()
        tell(self._on_refusal, 403, "scope", principal.name, scope)
        if scope is None:
            # A route without a scope is refused to every caller.
            log.error("the route %s has no scope and is refused", flask.request.url_rule)
            return Problem("forbidden", "this route is not served to anybody")
        log.info("%s lacks the scope %s", principal.name, scope)
        return Problem(
            "forbidden",
            f"the scope {scope} is required",
            headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{scope}"'},
            members={"required_scope": scope},
        )

    def _log_refusal(self, why: str) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._log_after:
                self._unlogged += 1
                return
            self._log_after = now + _LOG_EVERY_SECONDS
            more, self._unlogged = self._unlogged, 0
        log.info("a request was refused: %s%s", why, f" ({more} more since the last line)" if more else "")


def _uncached(response: flask.Response) -> flask.Response:
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _bearer_token(header: str | None) -> str:
    """The token of an Authorization header. Raises TokenError."""
    if header is None:
        raise TokenError("missing")
    found = _BEARER.fullmatch(header.strip()) if len(header) <= _MAX_HEADER_CHARS else None
    if found is None:
        raise TokenError("malformed")
    return found[1]
