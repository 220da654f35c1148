"""What holds for every endpoint: problems, request ids, probes, metrics, and who may come in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.deployment.conftest import EVENTS, Deployment, event, own

WORKFLOWS = "/api/v1/workflows"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "slug"),
    [
        ("GET", "/api/v1/nothing-here", None, 404, "not-found"),
        ("DELETE", EVENTS, None, 405, "method-not-allowed"),
        ("POST", EVENTS, b"{", 400, "invalid_request"),
        ("POST", EVENTS, {}, 400, "validation-error"),
        ("POST", f"{EVENTS}/batch", {}, 400, "invalid_request"),
        ("POST", f"{EVENTS}/batch", [], 400, "validation-error"),
        ("GET", f"{EVENTS}?limit=0", None, 400, "validation-error"),
        ("GET", f"{EVENTS}/00000000-0000-4000-8000-000000000000", None, 404, "not-found"),
        ("GET", f"{WORKFLOWS}/00000000-0000-4000-8000-000000000000", None, 404, "not-found"),
    ],
)
def test_what_is_wrong_is_a_problem(
    deployment: Deployment, method: str, path: str, body: Any, status: int, slug: str
) -> None:
    answer = deployment.request(method, path, body)
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"].endswith(f"/{slug}")
    assert answer.json.keys() >= {"type", "title", "status", "detail", "instance"}


def test_every_wrong_field_is_named(deployment: Deployment) -> None:
    answer = deployment.request(
        "POST", EVENTS, event(event_outcome="perhaps", version=..., duration_ms=-1, event_type="x" * 101)
    )
    assert answer.status == 400
    assert answer.json["field_errors"].keys() == {"event_outcome", "version", "duration_ms", "event_type"}


def test_a_request_id_comes_back(deployment: Deployment) -> None:
    given = own("request")
    assert deployment.request("GET", "/health/live", headers={"X-Request-ID": given}).headers["X-Request-Id"] == given
    assert deployment.request("GET", "/health/live").headers["X-Request-Id"]


def test_it_is_live_ready_and_has_its_database(deployment: Deployment) -> None:
    assert deployment.get("/health/live") == {"status": "alive"}
    assert deployment.get("/health/ready")["status"] == "ready"
    report = deployment.get("/health")
    assert report["database"] == "connected"
    assert report["status"] in ("healthy", "degraded"), report


def test_metrics_are_there_to_be_scraped(deployment: Deployment) -> None:
    assert deployment.request("POST", EVENTS, event()).status == 201
    answer = deployment.request("GET", "/metrics")
    if answer.status in (401, 403, 404):
        pytest.skip(f"/metrics is not open to this caller ({answer.status})")
    assert answer.status == 200
    for name in ("datastorage_audit_traces_total", "datastorage_db_up", "datastorage_build_info"):
        assert f"\n{name}{{" in answer.body.decode() or f"\n{name} " in answer.body.decode(), name


def test_a_stranger_gets_nothing(deployment: Deployment) -> None:
    if deployment.token is None:
        pytest.skip("no TOKEN was given: the deployment may take anyone")
    strangers: list[dict[str, str]] = [{}, {"Authorization": "Bearer not-a-token"}]
    for headers in strangers:
        for method, path, body in (
            ("GET", EVENTS, None),
            ("POST", EVENTS, event()),
            ("POST", EVENTS, b"{"),
            ("GET", WORKFLOWS, None),
            ("GET", "/api/v1/dlq", None),
        ):
            answer = deployment.request(method, path, body, headers=headers, token=False)
            assert answer.status == 401, f"{method} {path}: {answer.body!r}"
            assert answer.headers["Www-Authenticate"].startswith("Bearer")
    assert deployment.request("GET", "/health/live", token=False).status == 200
