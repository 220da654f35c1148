"""Lists, versions and searches of the catalogue are bounded in bytes, and every row is still to be had."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from werkzeug.test import TestResponse

from app.http import bounded
from tests.integration.service import Service, ask_at_a_busy_gate, characters_received, exact, running
from tests.integration.workflow_support import LABELS, SEARCH, WORKFLOWS, workflow
from tests.support import PostgresServer

LIMIT = 64 * 1024
N = 30
NUMBERS = b'{"n": [' + b",".join([b"1e400"] * 20) + b"]}"


def texts(size: int) -> str:
    """So many characters that do not compress."""
    return os.urandom(size // 2).hex()


# What takes the room: each kind is a name with N versions, and a component.
KINDS: dict[str, dict[str, Any]] = {
    "small": {},
    "description": {"description": texts(20_000)},
    "compressed": {"description": "x" * 20_000},
    "escaped": {"version_notes": "\x01" * 2_000},
    "parameters": {"parameters": {"text": "x" * 10_000}},
    "numbers": {"parameters": "@"},
    "labels": {"custom_labels": {texts(100): [texts(100)] * 40}},
    "larger": {"description": texts(2 * LIMIT)},
}


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template, server={"max_response_bytes": LIMIT}) as s:
        for kind, members in KINDS.items():
            labels = {**LABELS, "component": kind}
            body = [workflow(workflow_name=f"large/{kind}", version=str(i), labels=labels, **members) for i in range(N)]
            if kind == "larger":
                for part in (body[:15], body[15:]):
                    assert s.post(part, WORKFLOWS + "/batch").status_code == 201
            else:
                sent = orjson.dumps(body).replace(b'"@"', NUMBERS)
                assert s.post(sent, WORKFLOWS + "/batch").status_code == 201
        found = [
            workflow(labels={**LABELS, "component": f"found {kind}"}, version=str(i), **members)
            for kind, members in KINDS.items()
            if kind not in ("numbers", "larger")
            for i in range(N)
        ]
        assert s.post(found, WORKFLOWS + "/batch").status_code == 201
        yield s


def pages(service: Service, path: str, rows: str, follow: str, **parameters: Any) -> list[dict[str, Any]]:
    """All pages, by cursor or by offset; each within the limit, or of one row alone."""
    found: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    while True:
        answer = service.client.get(path, query_string={**parameters, **more})
        assert answer.status_code == 200, answer.text
        page = exact(answer.data)
        assert len(answer.data) <= LIMIT or len(page[rows]) == 1
        assert page["total"] == N
        assert page["has_more"] == (page["next_cursor"] is not None)
        found.append(page)
        if not page["has_more"]:
            return found
        if follow == "cursor":
            more = {"cursor": page["next_cursor"]}
        else:
            assert page["limit"] == len(page[rows])
            more = {"offset": page["offset"] + page["limit"]}


def check(kind: str, got: list[dict[str, Any]], rows: str) -> None:
    assert [r["version"] for page in got for r in page[rows]] == [str(i) for i in range(N)][::-1]
    if kind == "small":
        assert len(got) == 1
    elif kind == "larger":
        assert len(got) == N
    else:
        assert 1 < len(got) < N


@pytest.mark.parametrize("follow", ["cursor", "offset"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_workflow_comes_once_page_by_page(service: Service, kind: str, follow: str) -> None:
    check(kind, pages(service, WORKFLOWS, "workflows", follow, component=kind, limit=1000), "workflows")


@pytest.mark.parametrize("kind", KINDS)
def test_every_version_comes_once_page_by_page(service: Service, kind: str) -> None:
    path = f"{WORKFLOWS}/by-name/{quote(f'large/{kind}')}/versions"
    check(kind, pages(service, path, "versions", "cursor"), "versions")


def test_pages_of_a_few(service: Service) -> None:
    got = pages(service, WORKFLOWS, "workflows", "cursor", component="small", limit=7)
    assert [len(page["workflows"]) for page in got] == [7, 7, 7, 7, 2]
    path = f"{WORKFLOWS}/by-name/{quote('large/small')}/versions"
    assert [len(page["versions"]) for page in pages(service, path, "versions", "cursor", limit=20)] == [20, 10]


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("numbers", "larger")])
def test_a_search_gives_the_best_that_fit(service: Service, kind: str) -> None:
    body = {"filters": {**LABELS, "component": f"found {kind}"}, "top_k": 100}
    answer = service.post(body, SEARCH)
    assert answer.status_code == 200
    answer.close()
    assert len(answer.data) <= LIMIT
    result = exact(answer.data)
    ranks = [r["rank"] for r in result["workflows"]]
    assert ranks == list(range(1, len(ranks) + 1))
    large = kind in ("description", "compressed", "labels")
    assert result["has_more"] == large
    assert (0 < result["total_results"] < N) if large else result["total_results"] == N
    assert result["total_results"] == len(ranks)
    for row in result["workflows"]:
        assert row["description"] == KINDS[kind].get("description", "Gives the pod more memory")
        assert row.get("custom_labels") == KINDS[kind].get("custom_labels")


def test_a_result_that_is_larger_comes_alone(service: Service) -> None:
    body = {"filters": {**LABELS, "component": "larger"}, "include_disabled": True}
    answer = service.post(body, SEARCH + "?explain=true")
    answer.close()
    [result] = exact(answer.data)["workflows"]
    assert result["description"] == KINDS["larger"]["description"]
    assert result["score_breakdown"]


def test_a_breakdown_counts_too(service: Service) -> None:
    many = {str(k): ["\x01" * 255] for k in range(100)}
    body = {"filters": {**LABELS, "component": "found small", "custom_labels": many}, "top_k": 100}
    answer = service.post(body, SEARCH + "?explain=true")
    answer.close()
    result = exact(answer.data)
    assert result["has_more"]
    assert len(result["workflows"]) >= 1


def test_content_is_read_by_id_or_where_it_is_asked_for(service: Service) -> None:
    row = pages(service, WORKFLOWS, "workflows", "cursor", component="small")[0]["workflows"][0]
    assert "content" not in row
    whole = exact(service.client.get(f"{WORKFLOWS}/{row['workflow_id']}").data)
    assert whole["content"]
    assert {**row, "content": whole["content"]} == whole
    asked = pages(service, WORKFLOWS, "workflows", "cursor", component="small", include="content")
    assert {r["content"] for page in asked for r in page["workflows"]} == {whole["content"]}


def test_only_so_many_large_answers_are_made_at_a_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_PATIENCE_SECONDS", 0)
    with contextlib.ExitStack() as others:
        for _ in range(4):
            others.enter_context(bounded.large_page())
        assert service.client.get(WORKFLOWS).status_code == 503
        for component, status in (("found description", 503), ("found small", 200)):
            answer = service.post({"filters": {**LABELS, "component": component}, "top_k": 100}, SEARCH)
            answer.close()
            assert answer.status_code == status
    assert service.client.get(WORKFLOWS).status_code == 200


@pytest.mark.parametrize("way", ["list", "search"])
def test_who_waits_for_a_place_keeps_no_connection_from_others(
    service: Service, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    body = {"filters": {**LABELS, "component": "found description"}, "top_k": 100}

    def ask() -> TestResponse:
        if way == "list":
            return service.client.get(WORKFLOWS)
        answer = service.post(body, SEARCH)
        answer.close()
        return answer

    assert ask_at_a_busy_gate(service, monkeypatch, ask) == 200


def test_postgresql_sends_no_more_than_about_an_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    received = characters_received(monkeypatch)
    for kind in KINDS:
        received.clear()
        service.client.get(WORKFLOWS, query_string={"component": kind, "limit": 1000})
        assert sum(received) < (4 * LIMIT if kind != "larger" else 3 * LIMIT), kind
