from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest

from app.config.settings import ServerSettings, Settings
from tests.unit.fakes import make_client, make_services


def test_methods_of_clients_do_not_become_labels(client: flask.testing.FlaskClient) -> None:
    client.open("/api/v1/audit/events", method="BREW")
    text = client.get("/metrics").text
    assert 'method="UNKNOWN"' in text
    assert "BREW" not in text


def test_paths_of_clients_do_not_become_labels(client: flask.testing.FlaskClient) -> None:
    client.get("/made-up-path")
    client.get("/api/v1/audit/events/made-up-id")
    text = client.get("/metrics").text
    assert "made-up" not in text
    assert 'group="unmatched"' in text or "unmatched" in text
    assert "/api/v1/audit/events/&lt;event_id&gt;" in text or "/api/v1/audit/events/<event_id>" in text


@pytest.mark.parametrize("sent", ["abc", "A-z_0.9:/+=@", "r-1", str(uuid.UUID(int=1)), "x" * 128])
def test_request_id_is_echoed(client: flask.testing.FlaskClient, sent: str) -> None:
    for path in ("/health/live", "/nope"):
        assert client.get(path, headers={"X-Request-ID": sent}).headers["X-Request-ID"] == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a;b", "<script>", "ä", "é", 'x"y'])
def test_other_request_ids_are_replaced(client: flask.testing.FlaskClient, sent: str) -> None:
    got = [client.get("/health/live", headers={"X-Request-ID": sent}).headers["X-Request-ID"] for _ in range(2)]
    assert uuid.UUID(got[0]) != uuid.UUID(got[1])


def test_request_threads_are_counted_back() -> None:
    services = make_services()
    client = make_client(services)
    for path in ("/health/live", "/nope", "/api/v1/audit/events"):
        client.post(path)
        assert services.in_flight.count == 0


@pytest.fixture
def cors_client() -> Iterator[Callable[..., flask.testing.FlaskClient]]:
    def make(*origins: str) -> flask.testing.FlaskClient:
        server = dataclasses.replace(ServerSettings(), cors_allowed_origins=origins)
        return make_client(make_services(Settings(server=server)))

    return make


PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}


def test_cors_is_off_by_default(client: flask.testing.FlaskClient) -> None:
    for method, path in (("GET", "/health/live"), ("OPTIONS", "/health/live"), ("OPTIONS", "/api/v1/audit/events")):
        response = client.open(path, method=method, headers=PREFLIGHT)
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]
        assert "Vary" not in response.headers


def test_cors_for_configured_origins(cors_client: Any) -> None:
    client = cors_client("https://a.example", "https://b.example")
    response = client.options("/api/v1/audit/events", headers=PREFLIGHT)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in response.headers["Access-Control-Allow-Headers"]
    assert "Origin" in response.headers["Vary"]
    plain = client.get("/health/live", headers={"Origin": "https://b.example"})
    assert plain.headers["Access-Control-Allow-Origin"] == "https://b.example"
    assert "Access-Control-Allow-Origin" not in client.get("/health/live").headers
    other = client.get("/health/live", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Origin" in other.headers["Vary"], "a cache must not serve one origin's answer to another"


def test_cors_for_anybody(cors_client: Any) -> None:
    response = cors_client("*").get("/nope", headers={"Origin": "https://x.example"})
    assert response.status_code == 404
    assert response.headers["Access-Control-Allow-Origin"] == "https://x.example"
