"""Data Storage Service: audit events and a workflow catalog, kept. `create_app` puts the parts together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import flask

    from app.config.settings import Settings
    from app.services import Services


def create_app(settings: Settings, services: Services | None = None) -> flask.Flask:
    """The WSGI application. Starts nothing: ``app.extensions["datastorage"].start()`` does.

    ``services`` replaces the parts made from the settings, so that a test can put in a sink, a clock or a write
    function of its own.
    """
    # Imported here, so that `import app` is cheap for the command line.
    import flask

    from app.audit import routes as audit_routes
    from app.auth import authorizer
    from app.dlq import routes as dlq_routes
    from app.health import routes as health_routes
    from app.holds import routes as hold_routes
    from app.http import flask_app, parameters
    from app.openapi import routes as openapi_routes
    from app.services import Services
    from app.telemetry import metrics
    from app.transparency import routes as log_routes
    from app.workflows import routes as workflow_routes

    parts = services if services is not None else Services(settings)
    app = flask_app.App("app", static_folder=None)
    app.extensions["datastorage"] = parts
    counted = metrics.HTTPMetrics()
    flask_app.install(
        app,
        settings,
        parts.request_log,
        counted,
        began=parts.in_flight.began,
        ended=parts.in_flight.ended,
        limits=parts.quotas,
    )
    if parts.tracing is not None:
        from app.http import traced

        traced.install(app, parts.tracing, app.extensions["client_addresses"])
    authorizer.install(
        app,
        settings,
        parts.verifier,
        known=parts.quotas.admit_principal if parts.quotas is not None else None,
        on_refusal=parts.recorder.refused if parts.recorder is not None else None,
    )
    parameters.install(app, settings.api)

    @app.get("/metrics")
    def prometheus() -> flask.Response:
        return flask.Response(metrics.render(counted.registry), content_type=metrics.CONTENT_TYPE)

    app.register_blueprint(audit_routes.create_blueprint(parts))
    app.register_blueprint(dlq_routes.create_blueprint(parts))
    app.register_blueprint(health_routes.create_blueprint(parts))
    app.register_blueprint(hold_routes.create_blueprint(parts))
    app.register_blueprint(log_routes.create_blueprint(parts))
    app.register_blueprint(openapi_routes.create_blueprint(parts))
    app.register_blueprint(workflow_routes.create_blueprint(parts))
    return app
