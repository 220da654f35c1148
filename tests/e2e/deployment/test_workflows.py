"""Workflows are created, found by their labels, replaced by a newer version, and disabled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.deployment.conftest import Deployment, own

WORKFLOWS = "/api/v1/workflows"


class Catalogue:
    """Creates workflows of a signal that only this test knows."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.signal = own("signal")
        self.made: list[str] = []

    @property
    def labels(self) -> dict[str, str]:
        return {
            "signal_type": self.signal,
            "severity": "critical",
            "component": "deployment",
            "environment": "staging",
            "priority": "P0",
        }

    def create(self, name: str, version: str = "1.0.0", **members: Any) -> dict[str, Any]:
        body = {
            "workflow_name": name,
            "version": version,
            "name": "End-to-end check",
            "description": "Made by a test, never run",
            "content": "steps: []\n",
            "labels": self.labels,
            "execution_engine": "none",
            **members,
        }
        answer = self.deployment.request("POST", WORKFLOWS, body)
        assert answer.status == 201, answer.body
        self.made.append(answer.json["workflow_id"])
        return dict(answer.json)

    def search(self, **request: Any) -> list[dict[str, Any]]:
        answer = self.deployment.request("POST", f"{WORKFLOWS}/search", {**request, "filters": self.labels})
        assert answer.status == 200, answer.body
        return list(answer.json["workflows"])


@pytest.fixture
def catalogue(deployment: Deployment) -> Iterator[Catalogue]:
    made = Catalogue(deployment)
    yield made
    for workflow_id in made.made:
        path = f"{WORKFLOWS}/{workflow_id}/disable"
        assert deployment.request("PATCH", path, {"reason": "end-to-end test is over"}).status == 200


def test_the_latest_version_is_found_until_it_is_disabled(catalogue: Catalogue) -> None:
    name = own("workflow")
    catalogue.create(name)
    second = catalogue.create(name, "2.0.0")
    [found] = catalogue.search()
    assert (found["workflow_id"], found["confidence"], found["rank"]) == (second["workflow_id"], 0.5, 1)
    versions = catalogue.deployment.get(f"{WORKFLOWS}/by-name/{name}/versions")
    assert [v["version"] for v in versions["versions"]] == ["2.0.0", "1.0.0"]
    path = f"{WORKFLOWS}/{second['workflow_id']}/disable"
    assert catalogue.deployment.request("PATCH", path).json["status"] == "disabled"
    assert catalogue.search() == []
    assert [w["workflow_id"] for w in catalogue.search(include_disabled=True)] == [second["workflow_id"]]
    assert len(catalogue.deployment.get(f"/api/v1/audit/events?resource_id={second['workflow_id']}")["data"]) == 2


def test_the_same_version_twice_is_a_conflict(catalogue: Catalogue) -> None:
    made = catalogue.create(own("workflow"))
    body = {k: made[k] for k in ("workflow_name", "version", "name", "description", "content", "labels")}
    answer = catalogue.deployment.request("POST", WORKFLOWS, {**body, "execution_engine": "none"})
    assert (answer.status, answer.json["title"]) == (409, "Workflow Already Exists")
