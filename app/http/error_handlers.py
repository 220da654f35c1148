"""Every error that a request can end in becomes a problem."""

from __future__ import annotations

import logging

import flask
import psycopg
from psycopg_pool import PoolTimeout, TooManyRequests
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from app.http.problems import CONTENT_TYPE, Problem, unavailable
from app.postgres.errors import Fault, OutageError, classify
from app.telemetry.request_log import current_note

log = logging.getLogger(__name__)


def install(app: flask.Flask, base_url: str) -> None:
    """Answer every error of a request with a problem; the types of problems begin with ``base_url``."""

    def render(problem: Problem) -> flask.Response:
        return problem_response(problem, base_url)

    def on_error(error: Exception) -> flask.Response:
        return render(as_problem(error))

    app.register_error_handler(Problem, render)
    for kind in (HTTPException, OutageError, psycopg.Error, PoolTimeout, TooManyRequests, Exception):
        app.register_error_handler(kind, on_error)


def as_problem(error: Exception) -> Problem:
    """What a client is told of an error; what nobody expects is logged."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _from_http(error)
    if isinstance(error, OutageError):
        return unavailable()
    database = isinstance(error, psycopg.Error | PoolTimeout | TooManyRequests)
    if database and classify(error) in (Fault.OUTAGE, Fault.DEPLOYMENT, Fault.CONFLICT):
        log.warning("database not available for a read: %s", type(error).__name__)
        return unavailable()
    log.error("unexpected error", exc_info=error)
    return Problem("internal-error", "an unexpected error occurred")


def problem_response(problem: Problem, base_url: str) -> flask.Response:
    """The answer to the current request that is this problem; its line in the log names it."""
    if (kept := current_note.get()) is not None and kept.outcome == "ok":
        kept.outcome = problem.kind.slug
    return flask.Response(
        problem.body(base_url, flask.request.path),
        status=problem.kind.status,
        headers=problem.headers,
        content_type=CONTENT_TYPE,
    )


def _from_http(error: HTTPException) -> Problem:
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or []))
        return Problem("method-not-allowed", "the method is not allowed for this path", headers={"Allow": allowed})
    if isinstance(error, RequestEntityTooLarge):
        return Problem("request-too-large", "the request body is too large")
    if error.code == 404:
        return Problem("not-found", "there is nothing at this path")
    if error.code is not None and 400 <= error.code < 500:
        return Problem("invalid_request", "the request could not be understood")
    log.error("unexpected HTTP error", exc_info=error)
    return Problem("internal-error", "an unexpected error occurred")
