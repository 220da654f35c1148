"""Every principal × every way to read: what comes back is what a plain filter leaves of the whole."""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from datastorage_client import DataStorageClient
from datastorage_client.cli.commands import datastorage
from datastorage_common.times import rfc3339
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from app.audit.filters import EVENT_FILTERS
from app.auth.authorizer import SCOPE_OF, UNLIMITED_ROUTES, UNLIMITED_SCOPES
from app.auth.read_limits import MAX_VALUES
from app.postgres.lists import Cursor
from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS, NOW, Service, problem, running
from tests.log_support import waiting
from tests.read_limits import LIMITS, NARROW, bearer, named_principals, within
from tests.support import PostgresServer, event, notification, wait_until

# What a route that reads does about limits. A new one fails here until it is added, and then below.
NARROWED = {
    *(f"{EVENTS}", f"{EVENTS}/<event_id>", NOTIFICATIONS),
    # tests/integration/test_log_proofs.py
    *(f"{EVENTS}/<event_id>/proof", f"{NOTIFICATIONS}/<notification_id>/proof"),
    "/api/v1/audit/feed",  # tests/integration/test_feed_read_limits.py
    "/api/v1/audit/export",  # tests/integration/test_export_read_limits.py
}
NOT_NARROWED = {
    # The catalogue has neither namespaces nor categories.
    "/api/v1/workflows",
    "/api/v1/workflows/<workflow_id>",
    "/api/v1/workflows/by-name/<path:name>/versions",
    "/api/v1/workflows/by-name/<path:name>/latest",
}
TEAMS = ("payments", "shop", "bank", None)
CATEGORIES = ("gateway", "workflow", "notification", "datastorage.access")
MANY = within({f"team-{n}" for n in range(MAX_VALUES + 1)})
MOST = within({f"team-{n}" for n in range(MAX_VALUES)})


def ident(number: int) -> str:
    return str(uuid.UUID(int=(number * 7919) % 997 << 64 | number))


def data_of_several_teams() -> list[dict[str, Any]]:
    """Four events of each team and category, three at each moment, and children of all of them."""
    kinds = list(itertools.product(TEAMS, CATEGORIES))
    events = []
    for n in range(4 * len(kinds)):
        team, category = kinds[n % len(kinds)]
        members = {name: f"{name}-{n % 5}" for name in EVENT_FILTERS if name not in ("namespace", "event_category")}
        members["event_id"] = ident(n)
        members["severity"] = f"s-{n % 5}"
        # Each is the child of one of another team, or of its own.
        members["parent_event_id"] = ident(2 * n // 3) if n > 1 else None
        moment = rfc3339(NOW - timedelta(hours=n // 3))
        data = {"i": n, "k": n % 5}
        events.append(
            event(**members, namespace=team, event_category=category, event_timestamp=moment, event_data=data)
        )
    # One id on three days, each of another team.
    for days, team in enumerate(("bank", "payments", "shop")):
        moment = rfc3339(NOW - timedelta(days=days, minutes=1))
        events.append(event(event_id=ident(900), namespace=team, event_timestamp=moment, event_data={"day": days}))
    return events


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with named_principals(many=MANY, most=MOST), running(postgres, template, audit={"record_service": False}) as s:
        answer = s.post(data_of_several_teams(), BATCH, headers=bearer("unlimited"))
        assert answer.status_code == 201, answer.text
        for n in range(5):
            body = notification(notification_id=f"n-{n}", sent_at=rfc3339(NOW - timedelta(hours=n)))
            assert s.post(body, NOTIFICATIONS, headers=bearer("unlimited")).status_code == 201
        placed(s)
        yield s


def placed(service: Service) -> None:
    """Wait until each record has its place in the log, which rows show: from then on they do not change."""
    wait_until(lambda: waiting(service.database) == 0, what="every record has its place in the log")


def get(service: Service, who: str, path: str, **parameters: Any) -> TestResponse:
    return service.client.get(path, query_string=parameters, headers=bearer(who))


def now(**members: Any) -> dict[str, Any]:
    """An event of this moment, in a category and a namespace that few may read."""
    return event(**{"event_timestamp": rfc3339(NOW), "event_category": "workflow", "namespace": "x", **members})


def listed(service: Service, who: str, **parameters: Any) -> dict[str, Any]:
    answer = get(service, who, EVENTS, **parameters)
    assert answer.status_code == 200, answer.text
    return answer.json


def shown(rows: list[dict[str, Any]], who: str, whole: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a principal may see of rows, in plain Python; ``whole``: all events that there are."""
    limits = LIMITS[who]
    readable = {
        (row["event_id"], row["event_date"]) for row in whole if limits.admits(row["namespace"], row["event_category"])
    }
    return [
        {
            **row,
            "parent_event_date": row["parent_event_date"]
            if (row["parent_event_id"], row["parent_event_date"]) in readable
            else None,
            "log_index": None if limits.narrow else row["log_index"],
        }
        for row in rows
        if (row["event_id"], row["event_date"]) in readable
    ]


@pytest.fixture(scope="module")
def whole(service: Service) -> list[dict[str, Any]]:
    rows = listed(service, "unlimited", limit=1000)["data"]
    assert len(rows) == len(data_of_several_teams())
    assert sum(row["parent_event_date"] is not None for row in rows) > 40
    return rows


def test_every_route_that_reads_is_known_here(service: Service) -> None:
    rules = {r.rule for r in service.app.url_map.iter_rules() if "GET" in (r.methods or ()) and r.rule[:4] == "/api"}
    closed = {
        rule for (_, rule), scope in SCOPE_OF.items() if scope in UNLIMITED_SCOPES or rule.startswith(UNLIMITED_ROUTES)
    }
    assert rules - closed == NARROWED | NOT_NARROWED
    assert {"/api/v1/holds", "/api/v1/holds/<hold_id>"} <= closed
    assert {"/api/v1/dlq", "/api/v1/dlq/dead-letters", "/api/v1/dlq/dead-letters/<letter_id>"} <= closed


# --- lists ----------------------------------------------------------------------------------------------------

FORMS: list[dict[str, str]] = [
    {},
    *({name: f"{name}-3"} for name in EVENT_FILTERS if name not in ("namespace", "event_category", "severity")),
    *({"namespace": team} for team in ("payments", "shop", "bank", "nobodys", "")),
    *({"event_category": category} for category in (*CATEGORIES, "nothing")),
    {"severity": "s-3"},
    {"event_outcome": "success"},
    {"since": "5h"},
    {"until": "5h"},
    {"since": "6h", "until": "3h", "severity": "s-1"},
    {"data": '{"k": 3}'},
    {"data": "{}"},
    {"namespace": "payments", "event_category": "gateway"},
]


@pytest.mark.parametrize("who", LIMITS)
@pytest.mark.parametrize("form", FORMS, ids=lambda f: "&".join(f"{k}={v}" for k, v in f.items()) or "all")
def test_lists_by_each_filter(service: Service, whole: list[dict[str, Any]], who: str, form: dict[str, str]) -> None:
    expected = shown(listed(service, "unlimited", limit=1000, **form)["data"], who, whole)
    page = listed(service, who, limit=1000, **form)
    assert page["data"] == expected
    assert page["pagination"] == {
        "limit": 1000,
        "offset": 0,
        "total": len(expected),
        "has_more": False,
        "next_cursor": None,
    }
    # The total of a page that has others behind it is counted by a statement of its own.
    one = listed(service, who, limit=1, **form)
    assert one["data"] == expected[:1]
    assert one["pagination"]["total"] == len(expected)
    assert one["pagination"]["has_more"] is (len(expected) > 1)
    assert "total" not in listed(service, who, limit=1, count="none", **form)["pagination"]


@pytest.mark.parametrize("who", LIMITS)
def test_pages_by_offset_and_by_cursor(service: Service, whole: list[dict[str, Any]], who: str) -> None:
    expected = shown(whole, who, whole)
    by_offset = [
        row for offset in range(0, len(whole), 7) for row in listed(service, who, limit=7, offset=offset)["data"]
    ]
    assert by_offset == expected
    assert listed(service, who, offset=2**63 - 1)["data"] == []
    by_cursor, cursor = [], None
    while True:
        page = listed(service, who, limit=7, **({} if cursor is None else {"cursor": cursor}))
        by_cursor += page["data"]
        cursor = page["pagination"]["next_cursor"]
        if cursor is None:
            break
    assert by_cursor == expected


@pytest.mark.parametrize("who", NARROW)
def test_a_cursor_of_another_reader_is_a_place_and_no_more(
    service: Service, whole: list[dict[str, Any]], who: str
) -> None:
    page = listed(service, "unlimited", limit=9)
    rest = listed(service, who, limit=1000, cursor=page["pagination"]["next_cursor"])
    assert rest["data"] == shown(whole[9:], who, whole)
    forged = Cursor(NOW + timedelta(days=1), str(uuid.UUID(int=2**128 - 1))).encode()
    assert listed(service, who, limit=1000, cursor=forged)["data"] == shown(whole, who, whole)


@pytest.mark.parametrize("who", LIMITS)
def test_notifications_count_as_a_category_without_a_namespace(service: Service, who: str) -> None:
    for form in ({}, {"channel": "email"}, {"limit": "1"}, {"limit": "1", "offset": "1"}, {"since": "2h"}):
        every = get(service, "unlimited", NOTIFICATIONS, **form).json
        mine = get(service, who, NOTIFICATIONS, **form).json
        if LIMITS[who].admits(None, "notification"):
            if LIMITS[who].narrow:
                for row in every["data"]:
                    del row["log_index"]
            assert mine == every
        else:
            assert mine["data"] == []
            assert mine["pagination"]["total"] == 0
            assert not mine["pagination"]["has_more"]


# --- by id ----------------------------------------------------------------------------------------------------


def told(answer: TestResponse) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer that may tell something."""
    headers = [(name, value) for name, value in answer.headers if name != "X-Request-ID"]
    return answer.status_code, headers, answer.data


@pytest.mark.parametrize("who", LIMITS)
def test_one_by_its_id(service: Service, whole: list[dict[str, Any]], who: str) -> None:
    visible = shown(whole, who, whole)
    missing = ident(999)
    nothing = told(get(service, who, f"{EVENTS}/{missing}"))
    assert nothing[0] == 404
    for event_id in {row["event_id"] for row in whole}:
        path = f"{EVENTS}/{event_id}"
        answer = get(service, who, path)
        # The newest that may be read.
        expected = next((row for row in visible if row["event_id"] == event_id), None)
        head = service.client.head(path, headers=bearer(who))
        assert (head.status_code, head.content_length) == (answer.status_code, answer.content_length)
        if expected is not None:
            # Holds are about the records of everybody.
            assert answer.json == (expected if LIMITS[who].narrow else {**expected, "held_by": []})
        else:
            status, headers, body = told(answer)
            assert (status, headers, body.replace(event_id.encode(), missing.encode())) == nothing


@pytest.mark.parametrize("who", NARROW)
def test_answers_of_narrowed_readers_are_kept_nowhere(service: Service, who: str) -> None:
    for path in (EVENTS, f"{EVENTS}/{ident(1)}", f"{EVENTS}/{ident(999)}", NOTIFICATIONS):
        for form in ({}, {"limit": "x"}):
            assert get(service, who, path, **form).headers["Cache-Control"] == "private, no-store"
    assert "Cache-Control" not in get(service, "unlimited", EVENTS).headers


# --- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", LIMITS)
def test_dead_letters_and_holds_need_reading_without_limits(service: Service, who: str) -> None:
    for (method, rule), scope in SCOPE_OF.items():
        if scope not in UNLIMITED_SCOPES:
            continue
        path = rule.replace("<letter_id>", "events:1-0").replace("<hold_id>", ident(1))
        answer = service.client.open(path, method=method, headers=bearer(who))
        if LIMITS[who].narrow:
            body = problem(answer, 403, "forbidden", path)
            assert body["detail"] == f"the scope {scope} needs reading without limits"
            assert body.keys() == {"type", "title", "status", "detail", "instance"}
        elif scope == "dlq:admin":
            assert answer.status_code == 503, "there is no queue here"
        else:
            assert answer.status_code in (200, 400, 404), "no hold is sent, and there is none"


def test_more_values_than_a_list_can_be_read_by(service: Service) -> None:
    for path in (EVENTS, NOTIFICATIONS, f"{EVENTS}/{ident(1)}"):
        assert "at the most" in problem(get(service, "many", path), 403, "forbidden", path)["detail"]
    assert listed(service, "most", limit=1)["data"] == []


# --- others' rows change nothing ------------------------------------------------------------------------------

ASKED: list[tuple[str, dict[str, str]]] = [
    *((EVENTS, {"limit": limit, **form}) for limit in ("2", "1000") for form in FORMS),
    (EVENTS, {"limit": "5", "offset": "3"}),
    (EVENTS, {"limit": "x"}),
    (EVENTS, {"data": '{"k": 1e400}'}),
    *((f"{EVENTS}/{ident(n)}", {}) for n in (*range(12), 900, 999)),
    (NOTIFICATIONS, {}),
    (NOTIFICATIONS, {"limit": "1"}),
]


@pytest.mark.parametrize("who", ["one", "both", "category"])
def test_an_answer_depends_on_what_may_be_read_alone(postgres: PostgresServer, template: str, who: str) -> None:
    """Byte by byte the same, whatever others write; also where their rows would end a page by their size."""
    with named_principals(), running(postgres, template, server={"max_response_bytes": 64 * 1024}) as s:
        own = data_of_several_teams()
        for n, item in enumerate(own):
            item["event_data"] = {**item["event_data"], "text": "x" * (4000 * (n % 3))}
            item["parent_event_id"] = None
        mine = [item for item in own if LIMITS[who].admits(item["namespace"], item["event_category"])]
        others = [item for item in own if item not in mine]
        assert s.post(mine, BATCH, headers=bearer("unlimited")).status_code == 201

        def answers() -> list[Any]:
            return [told(get(s, who, path, **form)) for path, form in ASKED]

        placed(s)
        before = answers()
        for copy in range(3):
            moved = [{**item, "event_id": str(uuid.uuid4())} if copy else item for item in others]
            for item in moved:
                item["event_data"] = {**item["event_data"], "text": "y" * 40_000}
            assert s.post(moved, BATCH, headers=bearer("unlimited")).status_code == 201
        told_now = notification(sent_at=rfc3339(NOW))
        assert s.post(told_now, NOTIFICATIONS, headers=bearer("unlimited")).status_code == 201
        assert answers() == before


def test_one_day_of_an_id_that_was_used_on_several(service: Service) -> None:
    """The newest that may be read where no day is named; one of a day as any other, and of nobody else's day."""
    days = [(NOW - timedelta(days=n, minutes=1)).date().isoformat() for n in range(3)]
    path = f"{EVENTS}/{ident(900)}"
    seen = {day: get(service, "unlimited", path, event_date=day).json["namespace"] for day in days}
    assert seen == dict(zip(days, ("bank", "payments", "shop"), strict=True))
    assert get(service, "unlimited", path).json["event_date"] == days[0]
    for who, own in {"one": days[1:2], "two": days[1:]}.items():
        for day in days:
            answer = get(service, who, path, event_date=day)
            if day in own:
                assert answer.json["event_date"] == day
            else:
                problem(answer, 404, "not-found", path)
        assert get(service, who, path).json["event_date"] == own[0]
    answer = get(service, "one", path, event_date="2026-1-5")
    assert answer.status_code == 400
    assert answer.json["field_errors"] == {"event_date": "must be a day, as YYYY-MM-DD"}


# --- programs -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(service: Service) -> Iterator[str]:
    """The service by HTTP."""
    server = make_server("127.0.0.1", 0, service.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()


@pytest.mark.parametrize("who", LIMITS)
def test_the_client_and_the_command_see_the_same(
    service: Service, whole: list[dict[str, Any]], url: str, who: str
) -> None:
    expected = [row["event_id"] for row in shown(whole, who, whole)]
    with DataStorageClient(url, token=who) as client:
        assert [str(row.event_id) for row in client.iter_events(page_size=7)] == expected
    done = CliRunner(env={"DATASTORAGE_URL": url, "DATASTORAGE_TOKEN": who}).invoke(
        datastorage, ["events", "--json", "--all"]
    )
    assert done.exit_code == 0, done.output
    printed = [json.loads(line)["event_id"] for line in done.stdout.splitlines() if line.startswith("{")]
    assert printed == expected


# --- writes ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(postgres: PostgresServer, template: str) -> Iterator[Service]:
    """The same data, to be added to."""
    with named_principals(), running(postgres, template) as s:
        assert s.post(data_of_several_teams(), BATCH, headers=bearer("unlimited")).status_code == 201
        yield s


@pytest.mark.parametrize("who", LIMITS)
def test_a_parent_exists_for_those_who_may_read_it(written: Service, whole: list[dict[str, Any]], who: str) -> None:
    visible = {row["event_id"] for row in shown(whole, who, whole)}
    missing = written.post(now(parent_event_id=ident(999)), headers=bearer(who))
    assert missing.status_code == 400
    assert missing.json["detail"] == "parent event does not exist"
    for team, category in itertools.product(TEAMS, CATEGORIES):
        kind = (team, category)
        parent = next(row["event_id"] for row in whole if (row["namespace"], row["event_category"]) == kind)
        for path, body in ((EVENTS, now(parent_event_id=parent)), (BATCH, [now(), now(parent_event_id=parent)])):
            answer = written.post(body, path, headers=bearer(who))
            assert answer.status_code == (201 if parent in visible else 400), answer.text
        if parent not in visible:
            alone = written.post(now(parent_event_id=parent), headers=bearer(who))
            assert told(alone) == told(missing)


def test_the_day_of_a_parent_is_that_of_the_newest_readable(written: Service) -> None:
    days = {}
    for who in ("unlimited", "one", "two"):
        stored = written.post(now(parent_event_id=ident(900)), headers=bearer(who)).json["event_id"]
        days[who] = get(written, "unlimited", f"{EVENTS}/{stored}").json["parent_event_date"]
    assert days == {"unlimited": "2026-01-05", "one": "2026-01-04", "two": "2026-01-04"}


@pytest.mark.parametrize("who", NARROW)
def test_a_parent_before_it_in_the_batch_exists(written: Service, who: str) -> None:
    first = now(event_id=str(uuid.uuid4()))
    second = now(event_id=str(uuid.uuid4()), parent_event_id=first["event_id"])
    assert written.post([second, first], BATCH, headers=bearer(who)).status_code == 400
    assert written.post([first, second], BATCH, headers=bearer(who)).status_code == 201
    row = get(written, "unlimited", f"{EVENTS}/{second['event_id']}").json
    assert row["parent_event_date"] == "2026-01-05"


def test_an_id_that_is_taken_is_all_that_shows(written: Service) -> None:
    banks = (item for item in data_of_several_teams() if item["namespace"] == "bank")
    taken = next(item for item in banks if not item.get("parent_event_id"))
    answer = written.post(taken, headers=bearer("one"))
    assert answer.status_code == 200, "who sends the very same knows it"
    body = problem(written.post({**taken, "event_action": "another"}, headers=bearer("one")), 409, "conflict")
    assert "bank" not in json.dumps(body)
    assert "received" not in json.dumps(body)
