from __future__ import annotations

import flask
import pytest

from app import create_app
from app.config.settings import Settings
from app.http.flask_app import App
from tests.unit.fakes import make_services


def routed(app: flask.Flask, method: str, path: str, *, looked_up: bool, **environ: str) -> tuple[object, object]:
    """Rule and fault of a request, with the look-up or by the router alone."""
    assert isinstance(app, App)
    known = app._fixed
    app._fixed = known if looked_up else {}
    try:
        with app.test_request_context(path, method=method, environ_overrides=environ) as context:
            rule = context.request.url_rule
            return (
                rule and (rule.rule, rule.endpoint, context.request.view_args),
                str(context.request.routing_exception),
            )
    finally:
        app._fixed = known


@pytest.fixture(scope="module")
def app() -> flask.Flask:
    return create_app(Settings(), make_services())


PATHS = ("/api/v1/audit/events", "/api/v1/audit/events/batch", "/api/v1/workflows/search", "/health/live", "/metrics",
         "/api/v1/audit/events/", "//api/v1/audit/events", "/API/v1/audit/events", "/api/v1/audit/events/x", "/nothing",
         "/api/v1/audit%2Fevents", "/docs", "/docs/", "/openapi.json")  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PATCH", "TRACE"])
@pytest.mark.parametrize("path", PATHS)
def test_what_is_looked_up_is_what_the_router_finds(app: flask.Flask, path: str, method: str) -> None:
    assert routed(app, method, path, looked_up=True) == routed(app, method, path, looked_up=False)


def test_every_path_without_variables_is_looked_up(app: flask.Flask) -> None:
    assert isinstance(app, App)
    for rule in app.url_map.iter_rules():
        for method in rule.methods or ():
            assert ((method, rule.rule) in app._fixed) is (not rule.arguments and method != "OPTIONS")


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_HOST": "bad host"},
        {"HTTP_HOST": "a\\b"},
        {"HTTP_HOST": "exa_mple.org"},
        {"HTTP_HOST": "[::1]:8080"},
        {"HTTP_HOST": ""},
        {"HTTP_UPGRADE": "websocket", "HTTP_CONNECTION": "upgrade"},
        {"HTTP_UPGRADE": "h2c", "HTTP_CONNECTION": "upgrade"},
    ],
)
def test_a_host_or_an_upgrade_is_judged_as_by_the_router(app: flask.Flask, environ: dict[str, str]) -> None:
    path = "/api/v1/audit/events"
    assert routed(app, "POST", path, looked_up=True, **environ) == routed(app, "POST", path, looked_up=False, **environ)


def test_there_are_no_sessions(app: flask.Flask) -> None:
    with app.test_request_context("/"):
        assert not flask.session
        with pytest.raises(RuntimeError):
            flask.session["a"] = 1
