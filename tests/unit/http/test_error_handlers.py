from __future__ import annotations

import logging

import flask
import psycopg
import pytest
from psycopg_pool import PoolTimeout, TooManyRequests
from werkzeug.exceptions import BadRequest, Gone, InternalServerError, RequestEntityTooLarge

from app import create_app
from app.config.settings import Settings
from tests.unit.fakes import make_services
from tests.unit.http.helpers import problem_of

SECRET = "password=hunter2 relation /srv/app SELECT"


def failing_client(error: Exception) -> flask.testing.FlaskClient:
    app = create_app(Settings(), make_services())

    @app.get("/fail")
    def fail() -> str:
        raise error

    return app.test_client()


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (RuntimeError(SECRET), 500, "internal-error"),
        (KeyError(SECRET), 500, "internal-error"),
        (psycopg.ProgrammingError(SECRET), 500, "internal-error"),
        (psycopg.errors.DivisionByZero(SECRET), 500, "internal-error"),
        (InternalServerError(SECRET), 500, "internal-error"),
        (psycopg.OperationalError(SECRET), 503, "service-unavailable"),
        (psycopg.errors.QueryCanceled(SECRET), 503, "service-unavailable"),
        (psycopg.errors.UndefinedTable(SECRET), 503, "service-unavailable"),
        (psycopg.errors.DeadlockDetected(SECRET), 503, "service-unavailable"),
        (PoolTimeout(SECRET), 503, "service-unavailable"),
        (TooManyRequests(SECRET), 503, "service-unavailable"),
        (RequestEntityTooLarge(SECRET), 413, "request-too-large"),
        (BadRequest(SECRET), 400, "invalid_request"),
        (Gone(SECRET), 400, "invalid_request"),
    ],
)
def test_no_error_shows_its_text(error: Exception, status: int, slug: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    response = failing_client(error).get("/fail")
    body = problem_of(response, status, slug)
    assert body["instance"] == "/fail"
    for word in SECRET.split():
        assert word not in response.text + str(response.headers)
    assert (status == 503) == (body.get("retry") is True) == (response.headers.get("Retry-After") == "5")
    assert bool(caplog.records) == (status >= 500), "what the client is not told is logged"


@pytest.mark.parametrize(
    ("path", "instance"),
    [
        ("/nope?a=1", "/nope"),
        *((path, path) for path in ("/", "/api/v1", "/api/v1/audit/nothing", "/api/v1/audit/events/")),
        ("/api/v1/%00%ff", None),
    ],
)
def test_unknown_path(client: flask.testing.FlaskClient, path: str, instance: str | None) -> None:
    body = problem_of(client.get(path), 404, "not-found")
    assert body["title"] == "Not Found"
    assert instance in (None, body["instance"])


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "BREW", "A" * 50])
@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/api/v1/audit/events", {"GET", "HEAD", "OPTIONS", "POST"}), ("/api/v1/audit/events/batch", {"OPTIONS", "POST"})],
)
def test_wrong_method(client: flask.testing.FlaskClient, path: str, allowed: set[str], method: str) -> None:
    response = client.open(path, method=method)
    assert problem_of(response, 405, "method-not-allowed")["title"] == "Method Not Allowed"
    assert {m.strip() for m in response.headers["Allow"].split(",")} == allowed
