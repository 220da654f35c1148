"""What the bench compares with: an empty route inside this app, a bare Flask route, and one that asks PostgreSQL.

Served by gunicorn with the service's own gunicorn.conf.py, so that workers, threads and pinning are the same.
"""

from __future__ import annotations

import contextlib

import flask
from psycopg import Connection, OperationalError
from psycopg.rows import TupleRow, tuple_row
from psycopg_pool import ConnectionPool

from app import create_app
from app.config.settings import Settings
from app.configuration import load_settings
from app.telemetry.request_log import RequestLog


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


# Ten rows that PostgreSQL makes by itself in about the time of a search: no table of ours, and nothing to plan anew.
_ROWS = """
    SELECT n, md5(n::text), jsonb_build_object('n', n, 'text', repeat('x', 40))
      FROM generate_series(1, 500) AS n ORDER BY md5(n::text) LIMIT 10
"""


class _Asking:
    """A bare route that decodes its body, asks PostgreSQL for ten rows and sends them as JSON, as any service does."""

    def __init__(self, url: str) -> None:
        # Opened by the first request, in the worker that it is for.
        self._pool: ConnectionPool[Connection[TupleRow]] = ConnectionPool(
            url, min_size=1, max_size=10, open=False, kwargs={"autocommit": True, "row_factory": tuple_row}
        )

    def __call__(self) -> flask.Response:
        """Answer one request."""
        asked = flask.request.get_json()
        if self._pool.closed:
            self._pool.open(wait=True, timeout=10)
        rows = self._rows()
        answer = flask.jsonify([{"n": n, "name": name, "more": more} for n, name, more in rows], len(asked))
        answer.status_code = 201
        return answer

    def _rows(self) -> list[TupleRow]:
        for _ in range(self._pool.max_size):
            # Of a PostgreSQL that was stopped every connection in the pool has to be found dead once.
            with contextlib.suppress(OperationalError), self._pool.connection(timeout=30) as conn:
                return conn.execute(_ROWS, prepare=True).fetchall()
        with self._pool.connection(timeout=30) as conn:
            return conn.execute(_ROWS, prepare=True).fetchall()


def _inside() -> flask.Flask:
    app = create_app(load_settings())
    app.add_url_rule("/empty", "empty", _empty, methods=["POST"])
    return app


def _bare() -> flask.Flask:
    settings = load_settings()
    app = flask.Flask("bare", static_folder=None)
    app.extensions["datastorage"] = _Nothing(settings)
    app.add_url_rule("/empty", "empty", _empty, methods=["POST"])
    app.add_url_rule("/asking", "asking", _Asking(str(settings.database.url)), methods=["POST"])
    return app


def __getattr__(name: str) -> flask.Flask:
    # gunicorn asks for one of the two; the other is not made.
    makers = {"inside": _inside, "bare": _bare}
    if name not in makers:
        raise AttributeError(name)
    app = globals()[name] = makers[name]()
    return app
