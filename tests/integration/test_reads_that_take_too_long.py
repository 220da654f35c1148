"""A read that the server ends at its statement_timeout is told as that: nothing is away, and less may be asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import flask
import pytest

from app.postgres.database import Database as Pool
from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS, problem
from tests.integration.workflow_support import LABELS, SEARCH, WORKFLOWS
from tests.support import event

READS = [
    EVENTS,
    f"{EVENTS}/{uuid.uuid4()}",
    f"{EVENTS}/{uuid.uuid4()}/proof",
    NOTIFICATIONS,
    "/api/v1/audit/feed",
    "/api/v1/audit/export",
    "/api/v1/log/checkpoint",
    WORKFLOWS,
    f"{WORKFLOWS}/{uuid.uuid4()}",
]
TOO_LONG = "the query took longer than it may - please ask for less, or retry"


@pytest.fixture
def app(make_app: Callable[..., flask.Flask]) -> flask.Flask:
    return make_app(database={"statement_timeout": 0.2})


def run_instead(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    """Have each read of a request run this statement."""
    query = Pool._query
    monkeypatch.setattr(Pool, "_query", lambda self, _: query(self, lambda conn: conn.execute(statement)))


def answers(client: flask.testing.FlaskClient) -> list[tuple[str, Any]]:
    return [*((path, client.get(path)) for path in READS), (SEARCH, client.post(SEARCH, json={"filters": LABELS}))]


def test_each_read_says_so_and_nothing_is_taken_for_away(
    app: flask.Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, parts = app.test_client(), app.extensions["datastorage"]
    with monkeypatch.context() as patch:
        run_instead(patch, "SELECT pg_sleep(600)")
        for path, answer in answers(client):
            found = problem(answer, 503, "service-unavailable", path)
            assert (found["detail"], found["retry"], answer.headers["Retry-After"]) == (TOO_LONG, True, "5"), path
    assert parts.breaker.state == "closed"
    assert "a query took longer than it may: feed" in caplog.messages
    assert not any("not available" in said for said in caplog.messages)
    assert client.post(BATCH, json=[event()]).status_code == 201, "and writes go on"
    assert client.get(EVENTS).status_code == 200


def test_what_somebody_else_ends_is_not_told_as_that(app: flask.Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    for ends in ("pg_cancel_backend", "pg_terminate_backend"):
        with monkeypatch.context() as patch:
            run_instead(patch, f"SELECT {ends}(pg_backend_pid()), pg_sleep(600)")
            found = problem(app.test_client().get(EVENTS), 503, "service-unavailable", EVENTS)
            assert found["detail"] == "the database is not available - please retry"
