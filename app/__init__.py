"""Data Storage Service: audit events and a workflow catalog, kept. `create_app` puts the parts together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import flask

    from app.config import Settings
    from app.lifecycle import Services


def create_app(settings: Settings, services: Services | None = None) -> flask.Flask:
    """The WSGI application. Starts nothing: ``app.extensions["datastorage"].start()`` does.

    ``services`` replaces the parts made from the settings, so that a test can put in a sink, a clock or a write
    function of its own.
    """
    # Imported here, so that `import app` is cheap for the command line.
    import flask
    from prometheus_client import CollectorRegistry
    from prometheus_flask_exporter import PrometheusMetrics

    from app import http, metrics
    from app.audit import routes as audit_routes
    from app.dlq import routes as dlq_routes
    from app.health import routes as health_routes
    from app.lifecycle import Services
    from app.workflows import routes as workflow_routes

    parts = services if services is not None else Services(settings)
    app = flask.Flask("app", static_folder=None)
    app.extensions["datastorage"] = parts
    http.install(app, settings)

    @app.before_request
    def _count_in() -> None:
        parts.request_began()
        flask.g.counted = True

    @app.teardown_request
    def _count_out(error: BaseException | None) -> None:
        if flask.g.pop("counted", False):
            parts.request_ended()

    def route(request: flask.Request) -> str:
        # Never the raw path: whoever asks for a thousand unknown ones must not make a thousand time series.
        return request.url_rule.rule if request.url_rule is not None else "unmatched"

    registry = CollectorRegistry()
    PrometheusMetrics(app, path=None, defaults_prefix="datastorage", group_by=route, registry=registry)

    @app.get("/metrics")
    def prometheus() -> flask.Response:
        return flask.Response(metrics.render(registry), content_type=metrics.CONTENT_TYPE)

    app.register_blueprint(audit_routes.create_blueprint(parts))
    app.register_blueprint(dlq_routes.create_blueprint(parts))
    app.register_blueprint(health_routes.create_blueprint(parts))
    app.register_blueprint(workflow_routes.create_blueprint(parts))
    return app
