"""Workflows and searches for the tests of the catalogue."""

from __future__ import annotations

import uuid
from typing import Any

from tests.integration.service import Service, exact

WORKFLOWS = "/api/v1/workflows"
SEARCH = WORKFLOWS + "/search"
LABELS = {
    "signal_type": "OOMKilled",
    "severity": "critical",
    "component": "deployment",
    "environment": "production",
    "priority": "P0",
}


def workflow(**members: Any) -> dict[str, Any]:
    """A valid workflow of a name of its own; a member given as `...` is left out."""
    body: dict[str, Any] = {
        "workflow_name": f"workflow-{uuid.uuid4().hex}",
        "version": "1.0.0",
        "name": "Increase memory",
        "description": "Gives the pod more memory",
        "content": "steps:\n  - restart\n",
        "labels": LABELS,
        "execution_engine": "tekton",
        **members,
    }
    return {k: v for k, v in body.items() if v is not ...}


def created(service: Service, **members: Any) -> dict[str, Any]:
    """Create a workflow; the answer's object."""
    answer = service.post(workflow(**members), WORKFLOWS)
    assert answer.status_code == 201, answer.text
    return exact(answer.data)


def found(service: Service, *, explain: bool = False, **request: Any) -> dict[str, Any]:
    """Search, for LABELS if nothing else is said; filters are merged into those."""
    body = {**request, "filters": {**LABELS, **request.get("filters", {})}}
    answer = service.post(body, SEARCH + ("?explain=true" if explain else ""))
    assert answer.status_code == 200, answer.text
    answer.close()  # as a server does once the answer is sent
    return exact(answer.data)


def ids(answer: dict[str, Any]) -> list[str]:
    return [w["workflow_id"] for w in answer["workflows"]]
