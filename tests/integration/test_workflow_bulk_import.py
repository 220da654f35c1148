"""Two hundred workflows one by one and as one batch; their speed is measured by `make bench-datastorage`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.service import Service, running
from tests.integration.workflow_support import LABELS, WORKFLOWS, created, found, ids, workflow
from tests.support import PostgresServer

N = 200


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


def one_by_one(service: Service, bodies: list[dict[str, Any]]) -> list[str]:
    return [created(service, **body)["workflow_id"] for body in bodies]


def as_one_batch(service: Service, bodies: list[dict[str, Any]]) -> list[str]:
    answer = service.post(bodies, WORKFLOWS + "/batch")
    assert answer.status_code == 201, answer.text
    made: list[str] = answer.json["workflow_ids"]
    return made


@pytest.mark.parametrize("send", [one_by_one, as_one_batch])
def test_all_are_stored_and_found_right_after(
    service: Service, send: Callable[[Service, list[dict[str, Any]]], list[str]]
) -> None:
    labels = {**LABELS, "component": uuid.uuid4().hex}
    bodies = [workflow(labels=labels, content=f"step: {i}") for i in range(N)]
    made = send(service, bodies)
    # Equal scores: newest first, which is the last of the array.
    assert ids(found(service, top_k=100, filters=labels)) == made[:-101:-1]
    listed = service.client.get(WORKFLOWS, query_string={"component": labels["component"], "limit": 1000}).json
    assert [(w["workflow_id"], w["content"]) for w in listed["workflows"]] == [
        (ident, body["content"]) for ident, body in zip(made[::-1], bodies[::-1], strict=True)
    ]
    assert listed["total"] == N
    for ident in (made[0], made[-1]):
        assert service.list(correlation_id=ident)["pagination"]["total"] == 1
