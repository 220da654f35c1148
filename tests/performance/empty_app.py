"""What the bench compares single events against: an empty route inside this app, and a bare Flask route.

Served by gunicorn with the service's own gunicorn.conf.py, so that workers, threads and pinning are the same.
"""

from __future__ import annotations

import flask

from app import create_app
from app.config import Settings, load_settings
from app.logs import RequestLog


class _Nothing:
    """Stands where the service's parts would be: the worker starts, drains and stops it."""

    draining = False

    def __init__(self, settings: Settings) -> None:
        self.request_log = RequestLog(settings.logging)

    def start(self) -> None:
        """Nothing to start."""

    def drain(self) -> None:
        """Remember that we were told to end."""
        self.draining = True

    def stop(self) -> bool:
        """Nothing to stop."""
        return True


def _empty() -> flask.Response:
    return flask.Response(b'{"status":"created"}', status=201, content_type="application/json")


def _inside() -> flask.Flask:
    app = create_app(load_settings())
    app.add_url_rule("/empty", "empty", _empty, methods=["POST"])
    return app


def _bare() -> flask.Flask:
    app = flask.Flask("bare", static_folder=None)
    app.extensions["datastorage"] = _Nothing(load_settings())
    app.add_url_rule("/empty", "empty", _empty, methods=["POST"])
    return app


def __getattr__(name: str) -> flask.Flask:
    # gunicorn asks for one of the two; the other is not made.
    makers = {"inside": _inside, "bare": _bare}
    if name not in makers:
        raise AttributeError(name)
    app = globals()[name] = makers[name]()
    return app
