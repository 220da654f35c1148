"""The workflow catalogue: statuses, bodies and problems that clients rely on."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import psycopg
import pytest
from datastorage_common import workflow_batches
from werkzeug.test import TestResponse

from app.audit import store as audit_store
from app.telemetry import metrics
from tests.integration.service import Service, exact, problem, running
from tests.integration.workflow_support import LABELS, WORKFLOWS, created, workflow
from tests.support import Database, GunicornService, PostgresServer, wait_until

BATCH = WORKFLOWS + "/batch"
UNKNOWN = f"{WORKFLOWS}/5f0c9d2e-8b1a-4c3d-9e7f-0a1b2c3d4e5f"
TABLE = "remediation_workflow_catalog"


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


def without_content(workflow: dict[str, Any]) -> dict[str, Any]:
    """The workflow as lists have it."""
    return {k: v for k, v in workflow.items() if k != "content"}


def get(service: Service, path: str, **query: Any) -> dict[str, Any]:
    answer = service.client.get(WORKFLOWS + path, query_string=query)
    assert answer.status_code == 200, answer.text
    return exact(answer.data)


def patched(service: Service, ident: str, body: Any = None, path: str = "") -> dict[str, Any]:
    answer = service.client.patch(f"{WORKFLOWS}/{ident}{path}", **({} if body is None else {"json": body}))
    assert answer.status_code == 200, answer.text
    return exact(answer.data)


def events(service: Service, ident: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = service.list(correlation_id=ident)["data"]
    return rows


# --- create -----------------------------------------------------------------------------------------------------


def test_a_workflow_is_kept_as_sent(service: Service) -> None:
    sent = workflow(
        owner="team",
        maintainer="me",
        parameters={"a": [1, 2.50, {"b": None}]},
        container_image="image:1",
        container_digest="sha256:ab",
        labels={**LABELS, "environment": ["staging", "*"], "extra": "dropped"},
        custom_labels={'k"\\.': ["ü'; --"]},
        detected_labels={"gitOpsManaged": True, "stateful": False, "gitOpsTool": "*", "failed_detections": []},
        expected_success_rate=0.95,
        expected_duration_seconds=30,
        approved_at="2026-01-05T10:00:00+01:00",
        created_by="ann",
        not_a_member=1,
    )
    answer = created(service, **sent)
    for member in ("workflow_id", "created_at", "updated_at"):
        assert answer[member]
    assert answer.pop("ignored") == ["labels.extra", "not_a_member"]
    assert answer == get(service, f"/{answer['workflow_id']}")
    expected = {
        **{k: v for k, v in sent.items() if k != "not_a_member"},
        "labels": {**LABELS, "environment": ["staging", "*"]},
        "parameters": {"a": [1, Decimal("2.50"), {"b": None}]},
        "expected_success_rate": Decimal("0.95"),
        "approved_at": "2026-01-05T09:00:00Z",
        "content_hash": hashlib.sha256(sent["content"].encode()).hexdigest(),
        "status": "active",
        "is_latest_version": True,
        "total_executions": 0,
        "successful_executions": 0,
    }
    assert {k: v for k, v in answer.items() if k not in ("workflow_id", "created_at", "updated_at")} == expected
    assert answer["created_at"] == answer["updated_at"]


def test_members_that_are_null_are_left_out(service: Service) -> None:
    answer = created(service, owner=None)
    assert answer["detected_labels"] == {}
    assert not answer.keys() & {"owner", "custom_labels", "disabled_at", "previous_version", "actual_success_rate"}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"expected_success_rate": 1e-21}, "expected_success_rate"),  # more decimals than PostgreSQL keeps
    *(({m: ...}, m) for m in ("workflow_name", "version", "name", "description", "content", "execution_engine")),
    *(({m: ""}, m) for m in ("workflow_name", "version", "name", "description", "content", "execution_engine")),
    *(({"labels": {k: v for k, v in LABELS.items() if k != m}}, f"labels.{m}") for m in LABELS),
    *(({"labels": {**LABELS, m: ""}}, f"labels.{m}") for m in LABELS),
    *(({"labels": {**LABELS, m: []}}, f"labels.{m}") for m in LABELS),
    *(({"labels": {**LABELS, m: [LABELS[m]] * 65}}, f"labels.{m}") for m in LABELS),
    ({"labels": {**LABELS, "priority": "p0"}}, "labels.priority"),
    ({"labels": {**LABELS, "severity": ["critical", "bad"]}}, "labels.severity"),
    ({"labels": ...}, "labels"),
    ({"labels": []}, "labels"),
    ({"workflow_name": "x" * 256}, "workflow_name"),
    ({"version": "x" * 51}, "version"),
    ({"execution_engine": "x" * 51}, "execution_engine"),
    ({"status": "gone"}, "status"),
    ({"content_hash": "0" * 64}, "content_hash"),
    ({"content_hash": "A"}, "content_hash"),
    ({"parameters": []}, "parameters"),
    ({"parameters": {"k": "\0"}}, "parameters"),
    ({"custom_labels": {"k": "v"}}, "custom_labels"),
    ({"detected_labels": {"stateful": "true"}}, "detected_labels.stateful"),
    ({"detected_labels": {"gitOpsTool": "other"}}, "detected_labels.gitOpsTool"),
    ({"detected_labels": {"failed_detections": ["x"]}}, "detected_labels.failed_detections"),
    ({"expected_success_rate": 1.01}, "expected_success_rate"),
    ({"total_executions": -1}, "total_executions"),
]


def test_a_wrong_member_is_named(service: Service) -> None:
    """All in one batch: each element is judged by itself."""
    before = service.database.count(TABLE)
    answer = service.post([workflow(**members) for members, _ in WRONG], BATCH)
    errors = problem(answer, 400, "validation-error", BATCH)["field_errors"]
    for index, (members, field) in enumerate(WRONG):
        named = {name for name in errors if name.startswith(f"[{index}].")}
        assert named == {f"[{index}].{field}"}, members
    assert service.database.count(TABLE) == before


def test_parameters_count_with_their_numbers_written_out(service: Service) -> None:
    body = orjson.dumps(workflow(parameters={"n": "@"}))

    def create(count: int) -> TestResponse:
        return service.post(body.replace(b'"@"', b"[" + b",".join([b"1e400"] * count) + b"]"), WORKFLOWS)

    message = "holds too many numbers with large exponents"
    assert problem(create(700), 400, "validation-error", WORKFLOWS)["field_errors"] == {"parameters": message}
    assert create(600).status_code == 201


def many(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{i}" for i in range(count)]


MANY_LABELS: list[dict[str, Any]] = [
    LABELS,
    {**LABELS, "component": many("c", 31), "environment": many("e", 30)},
    {**LABELS, "component": ["a", "a", "ä", "*"], "environment": ["e", "e"], "severity": ["*", "low", "low"]},
    {**dict.fromkeys(LABELS, "*"), "signal_type": many("s", 64), "priority": ["P0", "P1", "P2", "P3", "*"]},
]


def test_keys_are_counted_as_the_index_has_them(service: Service) -> None:
    for labels in MANY_LABELS:
        ident = created(service, labels=labels)["workflow_id"]
        [(number, size)] = service.database.query(
            "SELECT cardinality(keys), octet_length(array_to_string(keys, '')) "
            "FROM (SELECT label_keys || match_keys AS keys FROM remediation_workflow_catalog WHERE workflow_id = %s) k",
            ident,
        )
        counted = workflow_batches.index_keys(labels)
        assert counted.number == number
        # Without what stands between the values.
        assert size - 12 * number <= counted.size_bytes <= size


def test_the_keys_of_a_workflow_are_bounded(service: Service) -> None:
    most = {**LABELS, "component": many("c", 31), "environment": many("e", 30)}
    assert service.post(workflow(labels=most), WORKFLOWS).status_code == 201
    more = {**most, "component": many("c", 32), "environment": many("e", 31)}
    body = problem(service.post(workflow(labels=more, version=""), WORKFLOWS), 400, "validation-error", WORKFLOWS)
    assert body["field_errors"].keys() == {"version", "labels"}
    assert body["field_errors"]["labels"].startswith("make 1059 keys of the index, max 1024: ")
    answer = service.post([workflow(), workflow(labels=more)], BATCH)
    assert problem(answer, 400, "validation-error", BATCH)["field_errors"].keys() == {"[1].labels"}


@pytest.mark.parametrize(
    ("labels", "first"),
    [
        ({**LABELS, "component": many("c", 31), "environment": many("e", 30)}, 100),
        # As long as labels may be, in characters of four bytes.
        ({**LABELS, "component": many("\U0001f600" * 250, 31), "environment": many("\U0001f600" * 250, 30)}, 8),
    ],
    ids=["number", "bytes"],
)
def test_the_keys_of_a_batch_are_bounded(service: Service, labels: dict[str, Any], first: int) -> None:
    before = service.database.count(TABLE)
    sent = [workflow(labels=labels) for _ in range(first + 5)]
    body = problem(service.post(sent, BATCH), 400, "batch-size-exceeded", BATCH)
    assert body["field_errors"].keys() == {f"[{first}].labels"}
    assert body["detail"].endswith("send fewer workflows at a time")
    assert service.database.count(TABLE) == before
    assert service.post(sent[:first], BATCH).status_code == 201


def test_creates_beside_the_largest_batches_are_stored(service: Service) -> None:
    labels = {**LABELS, "component": many("c", 31), "environment": many("e", 30)}
    done = threading.Event()

    def create() -> list[int]:
        codes = []
        while not done.is_set() or not codes:
            codes.append(service.post(workflow(), WORKFLOWS).status_code)
        return codes

    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(create)
        try:
            answers = [service.post([workflow(labels=labels) for _ in range(100)], BATCH) for _ in range(2)]
        finally:
            done.set()
    assert [a.status_code for a in answers] == [201, 201]
    assert set(beside.result()) == {201}


def test_every_wrong_member_is_named_at_once(service: Service) -> None:
    body = problem(service.post({"labels": {}}, WORKFLOWS), 400, "validation-error", WORKFLOWS)
    assert len(body["field_errors"]) == 11


def test_a_made_up_hash_is_taken_where_the_setting_says_so(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template, workflows={"verify_content_hash": False}) as s:
        assert created(s, content_hash="0" * 64)["content_hash"] == "0" * 64


def test_a_second_version_takes_the_flag_and_a_disabled_one_does_not(service: Service) -> None:
    name = uuid.uuid4().hex
    first = created(service, workflow_name=name, version="2")
    second = created(service, workflow_name=name, version="1")
    third = created(service, workflow_name=name, version="3", status="disabled")
    assert (second["is_latest_version"], third["is_latest_version"]) == (True, False)
    assert third["disabled_at"] == third["created_at"]
    rows = get(service, f"/by-name/{name}/versions")
    assert (rows["workflow_name"], rows["total"]) == (name, 3)
    assert [r["version"] for r in rows["versions"]] == ["3", "1", "2"]
    assert get(service, f"/by-name/{name}/latest")["workflow_id"] == second["workflow_id"]
    assert get(service, f"/{first['workflow_id']}")["is_latest_version"] is False


def test_a_duplicate_is_a_conflict_and_the_old_row_keeps_its_flag(service: Service) -> None:
    old = created(service)
    answer = service.post(workflow(workflow_name=old["workflow_name"], content="other"), WORKFLOWS)
    body = problem(answer, 409, "conflict", WORKFLOWS)
    assert body["title"] == "Workflow Already Exists"
    assert old["workflow_name"] in body["detail"]
    assert old["version"] in body["detail"]
    assert get(service, f"/{old['workflow_id']}") == old


# --- batch ------------------------------------------------------------------------------------------------------


def test_the_array_decides_which_is_latest(service: Service) -> None:
    name = uuid.uuid4().hex
    batch = [workflow(workflow_name=name, version=v) for v in ("3", "1", "2")]
    batch.append(workflow(workflow_name=name, version="4", status="deprecated"))
    answer = service.post(batch, BATCH)
    assert answer.status_code == 201
    assert answer.json["message"]
    rows = get(service, f"/by-name/{name}/versions")["versions"]
    assert [r["workflow_id"] for r in rows] == answer.json["workflow_ids"][::-1]
    assert [r["version"] for r in rows if r["is_latest_version"]] == ["2"]
    for ident in answer.json["workflow_ids"]:
        assert [e["event_type"] for e in events(service, ident)] == ["datastorage.workflow.created"]


def test_a_batch_with_a_duplicate_keeps_nothing(service: Service) -> None:
    old = created(service)
    before = service.database.count(TABLE), service.database.count()
    for twin in (old["workflow_name"], "a-twin"):
        batch = [workflow(workflow_name="a-twin"), workflow(), workflow(workflow_name=twin)]
        body = problem(service.post(batch, BATCH), 409, "conflict", BATCH)
        assert body["index"] == 2
        assert "index 2" in body["detail"]
    assert (service.database.count(TABLE), service.database.count()) == before


def test_wrong_batches(service: Service) -> None:
    body = problem(
        service.post([workflow(), workflow(name=""), 1, workflow(version=...)], BATCH), 400, "validation-error", BATCH
    )
    assert body["detail"].startswith("workflow at index 1: ")
    assert body["field_errors"].keys() == {"[1].name", "[2]", "[3].version"}
    problem(service.post([], BATCH), 400, "validation-error", BATCH)
    problem(service.post({}, BATCH), 400, "invalid_request", BATCH)
    problem(service.post([{}] * 1001, BATCH), 400, "batch-size-exceeded", BATCH)
    problem(service.post([], WORKFLOWS), 400, "invalid_request", WORKFLOWS)


# --- concurrency ------------------------------------------------------------------------------------------------


def at_once(service: Service, bodies: list[dict[str, Any]]) -> list[int]:
    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(lambda b: service.post(b, WORKFLOWS).status_code, bodies))


def test_concurrent_versions_of_one_name_are_all_kept_and_one_is_latest(service: Service) -> None:
    name = uuid.uuid4().hex
    assert at_once(service, [workflow(workflow_name=name, version=str(i)) for i in range(32)]) == [201] * 32
    rows = get(service, f"/by-name/{name}/versions")["versions"]
    assert {r["version"] for r in rows} == {str(i) for i in range(32)}
    assert [r["is_latest_version"] for r in rows] == [True] + [False] * 31


def test_of_concurrent_creates_of_one_version_one_wins(service: Service) -> None:
    name = uuid.uuid4().hex
    assert sorted(at_once(service, [workflow(workflow_name=name)] * 32)) == [201] + [409] * 31
    assert get(service, f"/by-name/{name}/versions")["total"] == 1


def test_batches_that_cross_each_other_do_not_deadlock(service: Service) -> None:
    names = [uuid.uuid4().hex for _ in range(20)]

    def send(i: int) -> int:
        order = names if i % 2 else names[::-1]
        return service.post([workflow(workflow_name=n, version=str(i)) for n in order], BATCH).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, range(8))) == [201] * 8


# --- list and get -----------------------------------------------------------------------------------------------


def test_the_list_filters_and_pages(service: Service) -> None:
    env = uuid.uuid4().hex
    labels = {**LABELS, "environment": env}
    made = [
        created(service, labels={**labels, "severity": "*"}),
        created(service, labels={**labels, "environment": ["x", env], "priority": ["P1", "*"]}),
        created(service, labels=labels, status="archived"),
    ]
    idents = [w["workflow_id"] for w in made][::-1]

    def listed(**query: Any) -> list[int]:
        rows = get(service, "", environment=env, **query)["workflows"]
        return [2 - idents.index(r["workflow_id"]) for r in rows]

    assert listed() == [2, 1, 0]
    assert listed(severity="*") == [0]
    assert listed(severity="critical") == [2, 1]
    assert listed(priority="P1") == [1]
    assert listed(status="archived") == [2]
    assert listed(latest="false") == [2]
    assert listed(latest="true", signal_type="OOMKilled", component="deployment") == [1, 0]
    assert listed(workflow_name=made[0]["workflow_name"]) == [0]
    page = get(service, "", environment=env, limit=1, offset=1)
    assert (page["limit"], page["offset"], page["total"]) == (1, 1, 3)
    assert page["workflows"] == [without_content(made[1])]
    assert page["has_more"]
    assert get(service, "", environment=env, include="content", limit=1)["workflows"] == [made[2]]
    end = {"has_more": False, "next_cursor": None}
    assert get(service, "", environment=env, offset=9) == {
        "workflows": [],
        "limit": 100,
        "offset": 9,
        "total": 3,
        **end,
    }


def test_wrong_list_parameters_are_named(service: Service) -> None:
    query = {"limit": "0", "offset": "-1", "status": "x", "latest": "1", "severity": "x", "environment": "\0"}
    query |= {"include": "everything", "cursor": "x"}
    answer = service.client.get(WORKFLOWS, query_string=query)
    assert problem(answer, 400, "validation-error", WORKFLOWS)["field_errors"].keys() == query.keys()
    assert service.client.get(WORKFLOWS + "?limit=1001").status_code == 400


def test_names_are_free_text(service: Service) -> None:
    name = "a/b c'ü%?#" + uuid.uuid4().hex
    made = created(service, workflow_name=name)
    path = "/by-name/" + quote(name, safe="")
    assert get(service, path + "/latest") == made
    assert get(service, path + "/versions")["versions"] == [without_content(made)]
    assert get(service, path + "/versions", include="content")["versions"] == [made]
    end = {"has_more": False, "next_cursor": None}
    assert get(service, "/by-name/unknown/versions") == {"workflow_name": "unknown", "versions": [], "total": 0, **end}
    for unknown in ("unknown", "a%00b"):
        assert service.client.get(f"{WORKFLOWS}/by-name/{unknown}/latest").status_code == 404
    assert service.client.get(f"{WORKFLOWS}/by-name/a%00b/versions").status_code == 200


# --- changes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ident", [UNKNOWN.rsplit("/", 1)[1], "not-a-uuid", "{00000000-0000-0000-0000-000000000000}"])
def test_an_unknown_or_malformed_id_is_not_found(service: Service, ident: str) -> None:
    client = service.client
    path = f"{WORKFLOWS}/{ident}"
    for answer in (
        client.get(path),
        client.patch(path, json={"status": "active"}),
        client.patch(path, json={}),
        client.patch(path + "/disable"),
        client.patch(path + "/enable", json={"reason": "x"}),
    ):
        assert answer.status_code == 404
        assert answer.json["type"].endswith("/not-found")


IMMUTABLE = (
    *("workflow_id", "workflow_name", "version", "name", "description", "owner", "maintainer", "content"),
    *("content_hash", "parameters", "execution_engine", "container_image", "container_digest"),
    *("labels", "custom_labels", "detected_labels"),
)


def test_a_reason_of_the_wrong_type_disables_nothing(service: Service) -> None:
    ident = created(service)["workflow_id"]
    answer = service.client.patch(f"{WORKFLOWS}/{ident}/disable", json={"reason": 5})
    errors = problem(answer, 400, "validation-error", f"{WORKFLOWS}/{ident}/disable")["field_errors"]
    assert errors == {"reason": "must be a string"}
    assert get(service, f"/{ident}")["status"] == "active"


@pytest.mark.parametrize("members", [IMMUTABLE, ("content_hash",)], ids=["all", "one"])
def test_immutable_members_are_refused_before_the_look_up(service: Service, members: tuple[str, ...]) -> None:
    answer = service.client.patch(UNKNOWN, json={**dict.fromkeys(members), "status": "active"})
    body = problem(answer, 400, "immutable-field-violation", UNKNOWN)
    assert body["title"] == "Bad Request"
    assert body["field_errors"].keys() == set(members)


def test_patch_changes_status_and_metrics(service: Service) -> None:
    made = created(service)
    changes = {
        "status": "disabled",
        "disabled_by": "ann",
        "disabled_reason": "broken",
        "expected_success_rate": 1,
        "actual_success_rate": 0.5,
        "expected_duration_seconds": 7,
        "total_executions": 2,
        "successful_executions": 1,
        "created_at": "ignored",
    }
    after = patched(service, made["workflow_id"], changes)
    assert after.pop("ignored") == ["created_at"]
    assert after["disabled_at"] == after["updated_at"] > made["updated_at"]
    assert {k: after[k] for k in changes} == {**changes, "created_at": made["created_at"]}
    assert get(service, f"/{made['workflow_id']}") == after
    again = patched(service, made["workflow_id"], {"status": "active", "expected_duration_seconds": None})
    assert not again.keys() & {"disabled_at", "disabled_by", "disabled_reason", "expected_duration_seconds"}
    assert patched(service, made["workflow_id"], {}) == again
    kinds = [(e["event_type"], e["event_action"]) for e in events(service, made["workflow_id"])]
    updated = ("datastorage.workflow.updated", "update")
    assert sorted(kinds) == [("datastorage.workflow.created", "create"), updated, updated]


@pytest.mark.parametrize(
    "body", [{"status": "x"}, {"status": None}, {"total_executions": None}, {"actual_success_rate": "1"}]
)
def test_patch_refuses_wrong_values(service: Service, body: dict[str, Any]) -> None:
    answer = service.client.patch(UNKNOWN, json=body)
    assert problem(answer, 400, "validation-error", UNKNOWN)["field_errors"].keys() == body.keys()


@pytest.mark.parametrize("body", [None, {}, {"reason": "broken", "updated_by": "ann"}])
def test_disable_and_enable(service: Service, body: dict[str, Any] | None) -> None:
    ident = created(service)["workflow_id"]
    off = patched(service, ident, body, "/disable")
    assert off["status"] == "disabled"
    assert off["disabled_at"] == off["updated_at"]
    given = body or {}
    assert [off.get(m) for m in ("disabled_reason", "disabled_by", "updated_by")] == [
        given.get("reason"),
        given.get("updated_by"),
        given.get("updated_by"),
    ]
    on = patched(service, ident, body, "/enable")
    assert on["status"] == "active"
    assert on["is_latest_version"] is True
    assert not on.keys() & {"disabled_at", "disabled_by", "disabled_reason"}


# --- audit events -----------------------------------------------------------------------------------------------


def test_the_event_of_a_create(service: Service) -> None:
    made = created(service)
    (event,) = events(service, made["workflow_id"])
    expected = {
        "version": "1.0",
        "event_type": "datastorage.workflow.created",
        "event_category": "workflow",
        "event_action": "create",
        "event_outcome": "success",
        "actor_type": "service",
        "actor_id": "datastorage",
        "resource_type": "Workflow",
        "resource_id": made["workflow_id"],
    }
    assert {k: event[k] for k in expected} == expected
    assert event["event_data"]["workflow_name"] == made["workflow_name"]


@pytest.mark.parametrize("kill", [False, True])
def test_a_change_without_its_event_is_not_kept(service: Service, monkeypatch: pytest.MonkeyPatch, kill: bool) -> None:
    made = created(service)

    def fail(conn: psycopg.Connection, rows: Any) -> None:
        if kill:
            conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        raise psycopg.OperationalError("gone")

    monkeypatch.setattr(audit_store, "append", fail)
    before = service.database.count(TABLE), service.database.count()
    assert service.post(workflow(workflow_name=made["workflow_name"], version="2"), WORKFLOWS).status_code == 503
    assert service.client.patch(f"{WORKFLOWS}/{made['workflow_id']}/disable").status_code == 503
    assert (service.database.count(TABLE), service.database.count()) == before
    assert get(service, f"/{made['workflow_id']}") == made


def test_events_of_the_catalogue_are_counted_as_all_others(service: Service) -> None:
    series = metrics.TRACES.labels("workflow", "success")
    before = series._value.get()
    made = created(service)
    service.post([workflow(), workflow()], WORKFLOWS + "/batch")
    service.client.patch(f"{WORKFLOWS}/{made['workflow_id']}/disable")
    assert series._value.get() == before + 4


def test_changes_and_events_agree_after_a_kill(database: Database, tmp_path: Path) -> None:
    gunicorn = GunicornService(database.environ, tmp_path / "log")
    gunicorn.start()
    assert gunicorn.process is not None
    accepted: list[str] = []
    stop = threading.Event()

    def create() -> None:
        while not stop.is_set():
            try:
                answer = gunicorn.request("POST", WORKFLOWS, workflow())
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 201:
                accepted.append(json.loads(answer.body)["workflow_id"])

    threads = [threading.Thread(target=create) for _ in range(8)]
    try:
        for t in threads:
            t.start()
        while len(accepted) < 40:
            stop.wait(0.01)
    finally:
        os.killpg(gunicorn.process.pid, signal.SIGKILL)
        stop.set()
        for t in threads:
            t.join()
        gunicorn.process.wait()
    # In one look: a commit that was under way may still arrive.
    [(rows, events)] = database.query(
        f"SELECT ARRAY(SELECT workflow_id::text FROM {TABLE}), ARRAY(SELECT resource_id FROM audit_events "
        "WHERE event_type = 'datastorage.workflow.created')"
    )
    stored, told = set(rows), set(events)
    assert stored == told
    assert stored >= set(accepted)


def test_the_first_event_of_a_month_has_its_partition_made(service: Service) -> None:
    # The service's clock stands in a month that the migration made no partition for.
    ident = created(service)["workflow_id"]
    wait_until(lambda: events(service, ident), what="the event of the workflow")
    assert service.database.query("SELECT to_regclass('audit_events_2026_01') IS NOT NULL") == [(True,)]
