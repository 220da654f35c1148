"""database.read_url: queries go to the replica while it answers, and to the primary when it does not."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import flask
import pytest

from app.postgres import replica
from app.telemetry import metrics
from tests.log_support import waiting
from tests.support import Database, event, wait_until

pytestmark = pytest.mark.usefixtures("direct")
EVENTS = "/api/v1/audit/events"
FEED = "/api/v1/audit/feed"


@pytest.fixture
def other(database: Database, template: str) -> Database:
    """What stands for the replica: a database with other rows, so that it shows which of the two was asked."""
    return database.server.make_database(template)


def test_queries_go_to_the_replica_and_writes_do_not(
    make_app: Callable[..., flask.Flask], database: Database, other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "_RETRY_SECONDS", 0.2)
    client = make_app(database={"read_url": other.service_url, "connect_timeout": 1.0}).test_client()
    ident = str(uuid.uuid4())
    assert client.post(EVENTS, json=event(event_id=ident)).status_code == 201
    assert (database.count(), other.count()) == (1, 0)
    assert client.get(f"{EVENTS}/{ident}").status_code == 404, "the replica has not got it"
    workflow = client.post("/api/v1/workflows", json={})
    assert workflow.status_code == 400, "validation comes first"

    fallbacks = metrics.REPLICA_FALLBACKS._value.get()
    database.query(f"ALTER DATABASE {other.name} ALLOW_CONNECTIONS false")
    database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", other.name)
    assert client.get(f"{EVENTS}/{ident}").status_code == 200, "the primary answers, at the first failure already"
    assert metrics.REPLICA_FALLBACKS._value.get() == fallbacks + 1
    assert all(client.get(f"{EVENTS}/{ident}").status_code == 200 for _ in range(5))

    database.query(f"ALTER DATABASE {other.name} ALLOW_CONNECTIONS true")
    wait_until(lambda: client.get(f"{EVENTS}/{ident}").status_code == 404, what="the replica asked again")
    other.drop()


def test_a_replica_answers_while_the_primary_is_away(
    make_app: Callable[..., flask.Flask], database: Database, other: Database
) -> None:
    app = make_app(database={"read_url": other.service_url})
    parts = app.extensions["datastorage"]
    parts.monitor.stop()
    parts.breaker.failed(unreachable=True)
    assert app.test_client().get(EVENTS).status_code == 200
    parts.replica._failed(OSError())
    assert app.test_client().get(EVENTS).status_code == 503
    other.drop()


def test_the_feed_is_read_from_the_primary(
    make_app: Callable[..., flask.Flask], database: Database, other: Database
) -> None:
    """What was given once is not missing the next time: the replica may be behind."""
    app = make_app(database={"read_url": other.service_url}, audit={"record_service": False})
    client = app.test_client()
    ident = str(uuid.uuid4())
    assert client.post(EVENTS, json=event(event_id=ident)).status_code == 201
    wait_until(lambda: waiting(database) == 0, what="it has its place in the log")
    page = client.get(FEED).json
    assert [row["event_id"] for row in page["events"]] == [ident]
    assert client.get(f"{FEED}?after={page['next']}").json["next"] == page["next"]
    parts = app.extensions["datastorage"]
    parts.monitor.stop()
    parts.breaker.failed(unreachable=True)
    assert client.get(FEED).json["events"] == [], "this is the other one"
    parts.replica._failed(OSError())
    away = client.get(FEED)
    assert (away.status_code, away.json["type"].rpartition("/")[2]) == (503, "service-unavailable")
    assert int(away.headers["Retry-After"]) > 0
    other.drop()


def test_a_query_that_is_too_slow_is_not_repeated_on_the_primary(
    make_app: Callable[..., flask.Flask], database: Database, other: Database
) -> None:
    app = make_app(database={"read_url": other.service_url, "statement_timeout": 0.3})
    parts = app.extensions["datastorage"]
    asked: list[str] = []

    def slow(conn: object) -> None:
        asked.append(conn.info.dbname)  # type: ignore[attr-defined]
        conn.execute("SELECT pg_sleep(5)")  # type: ignore[attr-defined]

    with pytest.raises(Exception, match="statement timeout"):
        parts.reader.read(slow)
    assert asked == [other.name]
    other.drop()
