"""Pages of the feed are bounded in bytes, whatever is in them: they end early, and give each record exactly once."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import orjson
import psycopg
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
from tests.integration.test_large_answers import KINDS, LIMIT
from tests.integration.test_read_limits import placed
from tests.log_check import entries_of
from tests.read_limits import bearer, named_principals, within
from tests.support import PostgresServer, event, notification
from tests.verify_support import without_triggers

FEED = "/api/v1/audit/feed"
ROUNDS = 16
BOTH = "audit_event,notification"

pytestmark = pytest.mark.usefixtures("unhurried_feed")


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    """In each round an event of each kind and a notification, some of them removed since; by turns of two teams."""
    limits = {"max_response_bytes": LIMIT}
    with (
        named_principals(even=within({"even"})),
        running(postgres, template, server=limits, audit={"record_service": False}) as s,
    ):
        for n in range(ROUNDS):
            rows = [
                event(
                    event_timestamp=rfc3339(NOW - timedelta(seconds=n)),
                    correlation_id=kind,
                    event_action=str(n),
                    namespace=("even", "odd")[(n + k) % 2],
                    is_sensitive=False,
                    **members,
                )
                for k, (kind, members) in enumerate(KINDS.items())
            ]
            # Others stand at the beginning of each round.
            rows = rows[n % len(rows) :] + rows[: n % len(rows)]
            body = orjson.dumps(rows).replace(b'"numbers":[0', b'"numbers":[1e400').replace(b",0", b",1e400")
            assert s.post(body, BATCH, headers=bearer("unlimited")).status_code == 201
            sent = notification(notification_id=f"n-{n}", sent_at=rfc3339(NOW), message_summary="\x01" * 1000)
            assert s.post(sent, NOTIFICATIONS, headers=bearer("unlimited")).status_code == 201
        placed(s)
        with psycopg.connect(s.database.superuser_url) as conn, without_triggers(conn):
            conn.execute(
                "DELETE FROM audit_events WHERE event_action IN ('3', '4') AND correlation_id <> 'plain' "
                "OR event_action = '7' AND correlation_id IN ('larger', 'apart', 'plain') "
                "OR event_action = '5' AND correlation_id IN ('compressed', 'escaped', 'numbers') "
                "OR event_action = '0' AND correlation_id = 'plain'"
            )
            conn.execute("DELETE FROM notification_audit WHERE notification_id IN ('n-2', 'n-3', 'n-11')")
        yield s


def pages(service: Service, who: str = "unlimited", **parameters: Any) -> list[list[dict[str, Any]]]:
    """The items of all pages; each page within the limit, or of one item alone."""
    found: list[list[dict[str, Any]]] = []
    while True:
        answer = service.client.get(FEED, query_string=parameters, headers=bearer(who))
        assert answer.status_code == 200, answer.text
        page = exact(answer.data)
        assert len(answer.data) <= LIMIT or len(page["events"]) == 1
        assert page["events"] or page["caught_up"]
        found.append(page["events"])
        if page["caught_up"]:
            return found
        parameters["after"] = page["next"]


@pytest.fixture(scope="module")
def in_the_log(service: Service) -> list[tuple[int, str, bool]]:
    """Index, kind and whether it is there of each record, as the tables say."""
    there = {str(i) for (i,) in service.database.query("SELECT event_id FROM audit_events")}
    there |= {str(i) for (i,) in service.database.query("SELECT id FROM notification_audit")}
    kept = service.database.query("SELECT entries FROM log_bundles ORDER BY bundle")
    entries = [json.loads(entry) for (bundle,) in kept for entry in entries_of(bundle)]
    return [(n, entry["kind"], entry["id"] in there) for n, entry in enumerate(entries)]


def shape(item: dict[str, Any]) -> tuple[int, str, bool]:
    return item["log_index"], item["kind"], "removed" not in item


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
@pytest.mark.parametrize("kinds", ["audit_event", "notification", BOTH])
def test_every_record_comes_once_page_by_page(
    service: Service, in_the_log: list[tuple[int, str, bool]], kinds: str, limit: int
) -> None:
    expected = [each for each in in_the_log if each[1] in kinds.split(",")]
    assert len(expected) == ROUNDS * {"audit_event": len(KINDS), "notification": 1, BOTH: len(KINDS) + 1}[kinds]
    assert {there for _, _, there in expected} == {True, False}
    got = pages(service, kinds=kinds, limit=limit)
    assert [shape(item) for page in got for item in page] == expected
    assert all(len(page) <= limit for page in got)
    if limit == 1000:
        assert 1 < len(got) < len(expected) / 2, "no page ends long before it has to"


@pytest.mark.parametrize("limit", [7, 1000])
@pytest.mark.parametrize("kind", KINDS)
def test_every_event_that_a_filter_picks(service: Service, kind: str, limit: int) -> None:
    listed = exact(
        service.client.get(
            EVENTS, query_string={"correlation_id": kind, "limit": limit}, headers=bearer("unlimited")
        ).data
    )
    where = "SELECT event_id::text, event_action FROM audit_events WHERE correlation_id = %s"
    stored = dict(service.database.query(where, kind))
    got = pages(service, correlation_id=kind, limit=limit)
    rows = [row for page in got for row in page]
    assert [int(row["event_action"]) for row in rows] == sorted(map(int, stored.values()))
    assert {row["event_id"] for row in rows} == stored.keys()
    by_id = {row["event_id"]: row for row in rows}
    for row in listed["data"]:
        assert by_id[row["event_id"]] == {"kind": "audit_event", **row}
    if kind == "larger":
        assert [len(page) for page in got] == [1] * len(stored)


@pytest.mark.parametrize("limit", [3, 1000])
def test_every_record_that_may_be_read(service: Service, limit: int) -> None:
    stored = service.database.query("SELECT event_id::text FROM audit_events WHERE namespace = 'even'")
    got = pages(service, "even", kinds=BOTH, limit=limit)
    rows = [row for page in got for row in page]
    assert len(rows) == len(stored)
    assert {row["event_id"] for row in rows} == {i for (i,) in stored}
    whole = [item for page in pages(service, limit=1000, namespace="even") for item in page]
    assert rows == [{**row, "log_index": None} for row in whole]
    assert len(got) > 1


def test_a_page_that_ends_early_is_as_full_as_it_can_be(service: Service) -> None:
    first = pages(service, correlation_id="apart", limit=1000)[0]
    assert len(first) == LIMIT // 21_000
    # Of notifications, whose sizes are known, as many as there is room for.
    [first, second, *_] = pages(service, kinds="notification", limit=1000)
    assert sum(map(len, (orjson.dumps(item) for item in [*first, second[0]]))) > LIMIT - 1024


def test_salts_take_their_room_too(service: Service, in_the_log: list[tuple[int, str, bool]]) -> None:
    got = pages(service, kinds=BOTH, limit=1000, salts="true")
    assert [shape(item) for page in got for item in page] == in_the_log
    assert all(len(item["salt"]) == 32 for page in got for item in page if "removed" not in item)


def test_postgresql_sends_no_more_than_about_an_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    received = characters_received(monkeypatch)
    after: dict[str, str] = {}
    while True:
        received.clear()
        answer = service.client.get(FEED, query_string={"limit": "1000", **after}, headers=bearer("unlimited"))
        assert sum(received) < 4 * LIMIT
        page = exact(answer.data)
        if page["caught_up"]:
            break
        after = {"after": page["next"]}


def test_only_so_many_large_pages_are_made_at_a_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "_PATIENCE_SECONDS", 0)
    headers = bearer("unlimited")
    with contextlib.ExitStack() as others:
        for _ in range(4):
            others.enter_context(bounded.large_page())
        answer = service.client.get(FEED, query_string={"correlation_id": "apart"}, headers=headers)
        assert problem(answer, 503, "service-unavailable", FEED)["detail"].startswith("too many large answers")
        assert answer.headers["Retry-After"]
        small = service.client.get(FEED, query_string={"correlation_id": "plain"}, headers=headers)
        assert len(small.json["events"]) == ROUNDS - 2
    assert service.client.get(FEED, query_string={"correlation_id": "apart"}, headers=headers).json["events"]


@pytest.mark.parametrize("where", [{"correlation_id": "apart"}, {"kinds": BOTH}, {"wait": "30", "namespace": "even"}])
def test_who_waits_for_a_place_keeps_no_connection_from_others(
    service: Service, monkeypatch: pytest.MonkeyPatch, where: dict[str, str]
) -> None:
    def ask() -> Any:
        return service.client.get(FEED, query_string=where, headers=bearer("unlimited"))

    assert ask_at_a_busy_gate(service, monkeypatch, ask) == 200
