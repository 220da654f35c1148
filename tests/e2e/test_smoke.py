"""The shortest way through the service under gunicorn."""

from app.config import ServerSettings
from tests.support import GunicornService, event, wait_until

effective_workers = ServerSettings().effective_workers


def test_an_event_goes_in_and_comes_out(service: GunicornService) -> None:
    answer = service.request("POST", "/api/v1/audit/events", event(correlation_id="smoke"))
    assert answer.status == 201
    found = service.request("GET", "/api/v1/audit/events?correlation_id=smoke").json["data"]
    assert [row["event_id"] for row in found] == [answer.json["event_id"]]


def test_probes_answer_on_the_port_of_their_own(service: GunicornService) -> None:
    assert service.probe("/health/live", port=service.health_port) == 200
    assert service.probe("/health/ready", port=service.health_port) == 200


def test_metrics_come_from_all_workers(service: GunicornService) -> None:
    wait_until(lambda: service.metrics()["datastorage_db_up"] == 1, what="every worker reports the database")
    assert service.metrics()["datastorage_buffer_capacity"] == 1000 * effective_workers()
