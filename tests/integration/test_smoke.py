"""The shortest way through the service."""

from flask.testing import FlaskClient

from tests.support import Database, event


def test_an_event_goes_in_and_comes_out(client: FlaskClient, database: Database) -> None:
    answer = client.post("/api/v1/audit/events", json=event(correlation_id="c-1"))
    assert answer.status_code == 201
    found = client.get("/api/v1/audit/events?correlation_id=c-1").json["data"]
    assert [row["event_id"] for row in found] == [answer.json["event_id"]]
    assert database.count() == 1
