"""Members that no request knows, against real servers: ignored, named, and a PATCH of nothing else refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.service import BATCH, NOTIFICATIONS, Service, problem, running
from tests.integration.test_events_contract import ev
from tests.integration.workflow_support import LABELS, SEARCH, WORKFLOWS, created, found, workflow
from tests.support import PostgresServer
from tests.unit.workflows.test_patch_members import OTHERS

UNKNOWN = f"{WORKFLOWS}/5f0c9d2e-8b1a-4c3d-9e7f-0a1b2c3d4e5f"


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


def stored(service: Service, ident: str) -> dict[str, Any]:
    return dict(service.client.get(f"{WORKFLOWS}/{ident}").json)


def test_events_of_a_batch_are_stored_without_them(service: Service) -> None:
    answer = service.post([ev(), ev(actor={"id": "x"}), ev(Severity="high")], BATCH)
    assert answer.status_code == 201
    assert answer.json["ignored"] == {"1": ["actor"], "2": ["Severity"]}
    for ident in answer.json["event_ids"]:
        assert not service.row(ident).keys() & {"actor", "Severity", "ignored"}


def test_a_notification_is_stored_without_them(service: Service) -> None:
    body = {
        "remediation_id": "r",
        "notification_id": "ignored-1",
        "recipient": "x",
        "channel": "email",
        "status": "sent",
    }
    answer = service.post({**body, "message_summary": "m", "sent_at": "2026-01-05T10:00:00Z", "to": "y"}, NOTIFICATIONS)
    assert answer.status_code == 201
    assert answer.json["ignored"] == ["to"]
    [row] = service.client.get(NOTIFICATIONS, query_string={"remediation_id": "r"}).json["data"]
    assert {**row, "ignored": ["to"]} == answer.json


def test_workflows_are_created_without_them(service: Service) -> None:
    made = created(service, labels={**LABELS, "extra": 1}, bogus=1)
    assert made.pop("ignored") == ["labels.extra", "bogus"]
    assert stored(service, made["workflow_id"]) == made
    answer = service.post([workflow(), workflow(bogus=1)], WORKFLOWS + "/batch")
    assert (answer.status_code, answer.json["ignored"]) == (201, {"1": ["bogus"]})
    assert "ignored" not in service.post([workflow()], WORKFLOWS + "/batch").json


@pytest.mark.parametrize("explain", [True, False])
def test_a_search_names_them_beside_its_filters(service: Service, explain: bool) -> None:
    filters = {"sevrity": "low", "detected_labels": {"helm": True}}
    answer = found(service, explain=explain, topk=1, filters=filters)
    assert answer["ignored"] == ["topk", "filters.sevrity", "filters.detected_labels.helm"]
    assert answer["filters"] == {**LABELS, **filters}
    assert "ignored" not in found(service, explain=explain)


def test_a_large_search_is_bounded_with_them(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template, server={"max_response_bytes": 20_000}) as small:
        for _ in range(5):
            created(small, description="d" * 8000)
        answer = small.post({"filters": LABELS, **{"x" * 60 + str(n): 1 for n in range(30)}}, SEARCH)
        assert answer.json["has_more"]
        assert len(answer.json["ignored"]) == 20
        assert answer.json["ignored_more"] == 10
        assert len(answer.data) <= 20_000


def test_a_patch_names_what_it_does_not_change(service: Service) -> None:
    ident = created(service)["workflow_id"]
    answer = service.client.patch(
        f"{WORKFLOWS}/{ident}", json={"status": "deprecated", "deprecation_notice": "use 2", "bogus": 1}
    )
    assert answer.status_code == 200
    assert answer.json["ignored"] == ["deprecation_notice", "bogus"]
    row = stored(service, ident)
    assert (row["status"], row.keys() & {"deprecation_notice", "ignored"}) == ("deprecated", set())


@pytest.mark.parametrize("member", sorted({*OTHERS, "bogus", ""}))
def test_a_patch_of_nothing_else_is_refused_before_the_look_up(service: Service, member: str) -> None:
    body = problem(service.client.patch(UNKNOWN, json={member: "x"}), 400, "validation-error", UNKNOWN)
    assert body["field_errors"] == {member: "cannot be changed by PATCH"}
    assert body["detail"] == f"nothing to change: {member} cannot be changed by PATCH"


def test_a_patch_of_many_such_members_names_twenty(service: Service) -> None:
    before = {"ident": created(service)["workflow_id"]}
    path = f"{WORKFLOWS}/{before['ident']}"
    row = stored(service, before["ident"])
    body = problem(service.client.patch(path, json={f"m{n}": 1 for n in range(50)}), 400, "validation-error", path)
    assert len(body["field_errors"]) == 20
    assert body["detail"].endswith("m19 and 30 more cannot be changed by PATCH")
    assert stored(service, before["ident"]) == row
    assert len(service.list(correlation_id=before["ident"])["data"]) == 1


def test_what_a_workflow_is_comes_first(service: Service) -> None:
    body = problem(
        service.client.patch(UNKNOWN, json={"version": "2", "bogus": 1}), 400, "immutable-field-violation", UNKNOWN
    )
    assert body["field_errors"] == {"version": "cannot be changed"}


@pytest.mark.parametrize("path", ["disable", "enable"])
def test_disable_and_enable_name_them(service: Service, path: str) -> None:
    ident = created(service)["workflow_id"]
    answer = service.client.patch(f"{WORKFLOWS}/{ident}/{path}", json={"reason": "r", "why": "x"})
    assert (answer.status_code, answer.json["ignored"]) == (200, ["why"])
    assert "ignored" not in service.client.patch(f"{WORKFLOWS}/{ident}/{path}").json


@pytest.mark.parametrize("path", [WORKFLOWS, WORKFLOWS + "/batch", SEARCH, UNKNOWN, UNKNOWN + "/disable"])
def test_a_refusal_names_them_too(service: Service, path: str) -> None:
    body = {"workflow_nam": "w", "top_k": 0, "reason": 5, "status": 5}
    method = service.client.patch if path.startswith(UNKNOWN) else service.client.post
    answer = method(path, json=[body] if path.endswith("batch") else body)
    assert answer.status_code == 400
    names = answer.json["ignored"]["0"] if path.endswith("batch") else answer.json["ignored"]
    assert "workflow_nam" in names
