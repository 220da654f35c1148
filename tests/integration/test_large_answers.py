"""Pages are bounded in bytes: they end early, say so, and give each row exactly once."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from datastorage_common.times import rfc3339

from app.http import bounded
from tests.integration.service import (
    BATCH,
    EVENTS,
    NOTIFICATIONS,
    NOW,
    Service,
    ask_at_a_busy_gate,
    characters_received,
    exact,
    problem,
    running,
)
from tests.support import PostgresServer, event, notification

LIMIT = 64 * 1024
N = 30


def texts(size: int) -> str:
    """So many characters that do not compress."""
    return os.urandom(size // 2).hex()


# What takes a page's room: each kind under a correlation of its own.
KINDS: dict[str, dict[str, Any]] = {
    "plain": {"event_data": {"text": "as it is stored"}},
    "apart": {"event_data": {"text": texts(20_000)}},
    "compressed": {"event_data": {"text": "x" * 20_000}},
    "escaped": {"event_data": {"text": "\x01" * 1_500}},
    "numbers": {"event_data": {"numbers": [0] * 40}},
    "message": {"error_message": "\x02" * 4096},
    "larger": {"event_data": {"text": texts(2 * LIMIT)}},
    "small ones": {"event_data": {}, "error_message": "\x03" * 600},
}


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    """N events of each kind, and as many notifications."""
    with running(postgres, template, server={"max_response_bytes": LIMIT}) as s:
        for kind, members in KINDS.items():
            rows = [
                event(
                    event_id=str(uuid.UUID(int=i)),
                    event_timestamp=rfc3339(NOW - timedelta(seconds=(i // 3) + 1000 * len(kind))),
                    correlation_id=kind,
                    event_action=str(i),
                    **members,
                )
                for i in range(N)
            ]
            for row in rows:
                row["event_id"] = str(uuid.uuid5(uuid.NAMESPACE_URL, kind + row["event_action"]))
            body = orjson.dumps(rows).replace(b'"numbers":[0', b'"numbers":[1e400').replace(b",0", b",1e400")
            assert s.post(body, BATCH).status_code == 201
        for i in range(N):
            sent = notification(notification_id=f"n-{i}", sent_at=rfc3339(NOW), message_summary="\x01" * 1000)
            assert s.post(sent, NOTIFICATIONS).status_code == 201
        yield s


def pages(service: Service, path: str, follow: str, **parameters: Any) -> list[dict[str, Any]]:
    """All pages, by cursor or by offset; each within the limit, or of one row alone."""
    found: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    while True:
        answer = service.client.get(path, query_string={**parameters, **more})
        assert answer.status_code == 200, answer.text
        page = exact(answer.data)
        rows, pagination = page["data"], page["pagination"]
        assert len(answer.data) <= LIMIT or len(rows) == 1
        found.append(page)
        assert pagination["has_more"] == (pagination["next_cursor"] is not None)
        if not pagination["has_more"]:
            return found
        assert pagination["limit"] == len(rows) > 0
        if follow == "cursor":
            more = {"cursor": pagination["next_cursor"]}
        else:
            more = {"offset": pagination["offset"] + pagination["limit"]}


@pytest.mark.parametrize("follow", ["cursor", "offset"])
@pytest.mark.parametrize("limit", [7, 1000])
@pytest.mark.parametrize("kind", KINDS)
def test_every_event_comes_once_page_by_page(service: Service, kind: str, limit: int, follow: str) -> None:
    got = pages(service, EVENTS, follow, correlation_id=kind, limit=limit)
    rows = [row for page in got for row in page["data"]]
    assert sorted(int(row["event_action"]) for row in rows) == list(range(N))
    keys = [(row["event_timestamp"], row["event_id"]) for row in rows]
    assert keys == sorted(keys, reverse=True)
    if follow == "offset":
        assert {page["pagination"]["total"] for page in got} == {N}
    if kind == "larger":
        assert [len(page["data"]) for page in got] == [1] * N
    elif kind == "plain":
        assert len(got) == (1 if limit == 1000 else 5), "what fits does not end early"
    else:
        assert len(got) < N, "no page ends long before it has to"
    for row in rows:
        assert row["error_message"] == KINDS[kind].get("error_message")
        assert kind == "numbers" or row["event_data"] == KINDS[kind].get("event_data", {"hello": "world"})


@pytest.mark.parametrize("follow", ["cursor", "offset"])
def test_every_notification_comes_once_page_by_page(service: Service, follow: str) -> None:
    got = pages(service, NOTIFICATIONS, follow, limit=1000)
    assert [row["notification_id"] for page in got for row in page["data"]] == [f"n-{i}" for i in range(N)[::-1]]
    assert 1 < len(got) < N


def test_a_page_that_ends_early_is_as_full_as_it_can_be(service: Service) -> None:
    page = service.list(correlation_id="apart", limit=1000)
    assert len(page["data"]) == LIMIT // 21_000


def test_only_so_many_large_pages_are_made_at_a_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_PATIENCE_SECONDS", 0)
    with contextlib.ExitStack() as others:
        for _ in range(4):
            others.enter_context(bounded.large_page())
        answer = service.client.get(EVENTS, query_string={"correlation_id": "apart"})
        assert problem(answer, 503, "service-unavailable")["detail"].startswith("too many large answers")
        assert answer.headers["Retry-After"]
        assert len(service.list(correlation_id="plain")["data"]) == N
    assert service.list(correlation_id="apart")["data"]


def test_who_waits_for_a_place_keeps_no_connection_from_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = {"correlation_id": "apart"}
    assert ask_at_a_busy_gate(service, monkeypatch, lambda: service.client.get(EVENTS, query_string=where)) == 200


def test_postgresql_sends_no_more_than_about_an_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted where rows arrive: of 2.6 MB that match no more than the answer, and one row more."""
    received = characters_received(monkeypatch)
    for kind in KINDS:
        received.clear()
        service.list(limit=1000, correlation_id=kind, count="none")
        assert sum(received) < (4 * LIMIT if kind != "larger" else 2 * LIMIT + 20_000), kind
