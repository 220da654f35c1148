"""Every principal × every way to follow the log: what comes is what the lists give, in the order of the log."""

from __future__ import annotations

import base64
import re
import struct
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from datastorage_common.times import rfc3339
from werkzeug.test import TestResponse

from app.auth.read_limits import MAX_VALUES
from tests.integration.service import BATCH, NOTIFICATIONS, NOW, Service, problem, running
from tests.integration.test_read_limits import FORMS, data_of_several_teams, get, listed, placed, shown
from tests.read_limits import LIMITS, NARROW, bearer, named_principals, within
from tests.support import PostgresServer, notification
from tests.verify_support import finish, without_triggers

FEED = "/api/v1/audit/feed"
KINDS = ("audit_event", "notification", "act")
ALL_KINDS = ",".join(KINDS)
Rows = list[dict[str, Any]]

pytestmark = pytest.mark.usefixtures("unhurried_feed")


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    """Events of several teams, notifications between them, and an act."""
    many = within({f"team-{n}" for n in range(MAX_VALUES + 1)})
    with named_principals(many=many), running(postgres, template, audit={"record_service": False}) as s:
        stored = data_of_several_teams()
        for n in range(4):
            part = stored[n * len(stored) // 4 : (n + 1) * len(stored) // 4]
            assert s.post(part, BATCH, headers=bearer("unlimited")).status_code == 201
            told = notification(notification_id=f"n-{n}", sent_at=rfc3339(NOW))
            assert s.post(told, NOTIFICATIONS, headers=bearer("unlimited")).status_code == 201
            if n == 2:
                placed(s)
                finish(s.database)
        placed(s)
        yield s


LENGTH = 108  # of a cursor


def page(service: Service, who: str, **parameters: Any) -> dict[str, Any]:
    answer = get(service, who, FEED, **parameters)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json
    assert body.keys() == {"events", "next", "caught_up"}
    return body


def drained(service: Service, who: str, after: str | None = None, **parameters: Any) -> Rows:
    """All that follows, page by page."""
    found: Rows = []
    while True:
        answer = page(service, who, **parameters, **({} if after is None else {"after": after}))
        room = int(parameters.get("limit", 100)) - len(answer["events"])
        assert room == 0 or (room > 0 and answer["caught_up"]), "a page has as many as it may, but for the last"
        found += answer["events"]
        if answer["caught_up"]:
            return found
        assert answer["next"] != after, "a page that does not get on"
        after = answer["next"]


@pytest.fixture(scope="module")
def whole(service: Service) -> Rows:
    """All events, as the list gives them to a reader without limits, in the order of the log."""
    rows: Rows = listed(service, "unlimited", limit=1000)["data"]
    assert len(rows) == len(data_of_several_teams())
    return sorted(rows, key=lambda row: row["log_index"])


@pytest.fixture(scope="module")
def told(service: Service) -> Rows:
    """All notifications, likewise."""
    rows: Rows = get(service, "unlimited", NOTIFICATIONS).json["data"]
    return sorted(rows, key=lambda row: row["log_index"])


def expected_of(who: str, whole: Rows, rows: Rows) -> Rows:
    """These events as the feed gives them to a principal."""
    return [{"kind": "audit_event", **row} for row in shown(rows, who, whole)]


def notified(who: str, told: Rows) -> Rows:
    """The notifications as the feed gives them to a principal: all of them or none."""
    if not LIMITS[who].admits(None, "notification"):
        return []
    rows = [{"kind": "notification", **row} for row in told]
    return [{k: v for k, v in row.items() if k != "log_index"} for row in rows] if LIMITS[who].narrow else rows


@pytest.mark.parametrize("who", LIMITS)
@pytest.mark.parametrize("form", FORMS, ids=lambda f: "&".join(f"{k}={v}" for k, v in f.items()) or "all")
def test_each_filter(service: Service, whole: Rows, who: str, form: dict[str, str]) -> None:
    meant = {(row["event_id"], row["event_date"]) for row in listed(service, who, limit=1000, **form)["data"]}
    rows = [row for row in whole if (row["event_id"], row["event_date"]) in meant]
    assert len(rows) == len(meant)
    expected = expected_of(who, whole, rows)
    for limit in (7, 1000):
        assert drained(service, who, limit=limit, **form) == expected


@pytest.mark.parametrize("who", LIMITS)
def test_each_kind(service: Service, whole: Rows, told: Rows, who: str) -> None:
    by_kind = {"audit_event": expected_of(who, whole, whole), "notification": notified(who, told)}
    everything = page(service, "unlimited", kinds=ALL_KINDS, limit=1000)["events"]
    assert [row["log_index"] for row in everything] == list(range(len(whole) + len(told) + 1))
    by_kind["act"] = [] if LIMITS[who].narrow else [row for row in everything if row["kind"] == "act"]
    assert len(by_kind["act"]) == (not LIMITS[who].narrow)
    # Where each of them is, by what names it; a reader with limits is not told.
    places = {named(row): n for n, row in enumerate(everything)}
    for kinds in (*KINDS, "audit_event,notification", "notification,act", "act,audit_event", ALL_KINDS):
        rows = [row for kind in kinds.split(",") for row in by_kind[kind]]
        expected = sorted(rows, key=lambda row: places[named(row)])
        for limit in (1, 7, 1000):
            assert drained(service, who, kinds=kinds, limit=limit) == expected, (kinds, limit)


def named(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("kind", "event_id", "event_date", "id", "act_id"))


@pytest.mark.parametrize("who", LIMITS)
def test_salts_are_those_of_what_may_be_read(service: Service, who: str) -> None:
    asked = {"kinds": "audit_event,notification", "limit": 1000, "salts": "true"}
    # Of a notification its digest too, which lists do not show.
    whole = drained(service, "unlimited", **asked)
    secrets = {named(row): {name: row[name] for name in ("salt", "digest")} for row in whole}
    assert all((len(each["salt"]), len(each["digest"])) == (32, 64) for each in secrets.values())
    with_salts = drained(service, who, **asked)
    without = drained(service, who, **{**asked, "salts": "false"})
    assert with_salts == [{**row, **secrets[named(row)]} for row in without]
    assert not any("digest" in row for row in without if row["kind"] == "notification")


# --- cursors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", LIMITS)
def test_a_cursor_says_nothing(service: Service, whole: Rows, who: str) -> None:
    """Neither by its length nor by what is in it, which is sealed."""
    given: list[str] = []
    while True:
        answer = page(service, who, limit=1, **({"after": given[-1]} if given else {}))
        given.append(answer["next"])
        if answer["caught_up"]:
            break
    assert len(given) >= len(shown(whole, who, whole))
    assert {len(cursor) for cursor in given} == {LENGTH}
    numbers = [form.pack(n) for n in range(len(whole) + 10) for form in (struct.Struct(">I"), struct.Struct("<I"))]
    # Six digits at the least, so that nothing is found by chance.
    numbers += [b"%06d" % n for n in range(len(whole) + 10)]
    for cursor in given:
        raw = base64.urlsafe_b64decode(cursor)[16:]  # behind the nonce
        assert not any(number in raw for number in numbers)


@pytest.mark.parametrize("who", NARROW)
def test_a_cursor_of_another_reader_is_a_place_and_no_more(service: Service, whole: Rows, who: str) -> None:
    for limit in (1, 9, 30, 66):
        answer = page(service, "unlimited", limit=limit)
        last = answer["events"][-1]["log_index"]
        rest = [row for row in whole if row["log_index"] > last]
        assert drained(service, who, after=answer["next"], limit=7) == expected_of(who, whole, rest)
    # And the other way round: the place is where the reader with limits was, which the other is told.
    answer = page(service, who, limit=3)
    rest = drained(service, "unlimited", after=answer["next"])
    assert rest == expected_of("unlimited", whole, whole)[len(whole) - len(rest) :]
    read = {named(row) for row in answer["events"]}
    assert not read & {named(row) for row in rest}
    end = page(service, who, after="end")
    assert (end["events"], end["caught_up"]) == ([], True)
    assert page(service, "unlimited", after=end["next"])["events"] == []
    assert end["next"] != page(service, who, after="end")["next"], "nobody sees whether there was something since"


@pytest.mark.parametrize("who", NARROW)
def test_a_cursor_that_nobody_gave(service: Service, who: str) -> None:
    given = page(service, who, limit=1)["next"]
    changed = [given[:n] + ("A" if given[n] != "A" else "B") + given[n + 1 :] for n in range(len(given))]
    plain = base64.urlsafe_b64encode(struct.pack(">BQ", 1, 5) + bytes(72)).rstrip(b"=").decode()
    assert len(plain) == len(given)
    answers = [get(service, who, FEED, after=after) for after in [*changed, plain, "1", "0", "x" * LENGTH]]
    said = {problem(answer, 400, "validation-error", FEED)["detail"] for answer in answers}
    assert len(said) == 1, "what is wrong with it is not told"


# --- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", LIMITS)
def test_a_head_is_a_get_without_its_body(service: Service, who: str) -> None:
    for form in ({}, {"limit": 3}, {"kinds": ALL_KINDS}, {"after": "end"}, {"after": "x"}, {"limit": "x"}):
        answer = get(service, who, FEED, **form)
        head = service.client.head(FEED, query_string=form, headers=bearer(who))
        assert head.data == b""
        assert head.status_code == answer.status_code
        assert headers_of(head) == headers_of(answer)


def headers_of(answer: TestResponse) -> list[tuple[str, str]]:
    """The headers, without what is another one each time: for readers with limits, cursors too."""
    return [(n, re.sub("after=[^&>]*", "after=", v)) for n, v in answer.headers if n != "X-Request-ID"]


@pytest.mark.parametrize("who", LIMITS)
def test_answers_are_kept_nowhere(service: Service, who: str) -> None:
    kept = "private, no-store" if LIMITS[who].narrow else "no-store"
    for form in ({}, {"limit": 2}, {"after": "end"}, {"kinds": ALL_KINDS}, {"after": "A" * LENGTH}):
        assert get(service, who, FEED, **form).headers["Cache-Control"] == kept
    if LIMITS[who].narrow:
        assert get(service, who, FEED, limit="x").headers["Cache-Control"] == kept


def test_more_values_than_can_be_read_by(service: Service) -> None:
    assert "at the most" in problem(get(service, "many", FEED), 403, "forbidden", FEED)["detail"]


@pytest.mark.parametrize("who", ["unlimited", "one", "categories", "without", "nothing"])
def test_what_was_removed_shows_to_those_without_limits_alone(
    postgres: PostgresServer, template: str, who: str
) -> None:
    with named_principals(), running(postgres, template, audit={"record_service": False}) as s:
        assert s.post(data_of_several_teams(), BATCH, headers=bearer("unlimited")).status_code == 201
        for n in range(2):
            told = notification(notification_id=f"n-{n}", sent_at=rfc3339(NOW))
            assert s.post(told, NOTIFICATIONS, headers=bearer("unlimited")).status_code == 201
        placed(s)
        asked = {"kinds": "audit_event,notification", "limit": 1000}
        before = drained(s, who, **asked)
        with psycopg.connect(s.database.superuser_url) as conn, without_triggers(conn):
            gone = conn.execute(
                "DELETE FROM audit_events WHERE event_id::text < '8' RETURNING event_id::text, event_date::text"
            ).fetchall()
            gone += conn.execute("DELETE FROM notification_audit WHERE notification_id = 'n-0' RETURNING id, 0")
        assert len(gone) > 10
        after = drained(s, who, **asked)
        removed = [row for row in after if row.get("removed")]
        if not LIMITS[who].narrow:
            assert len(removed) == len(gone)
            assert [row["log_index"] for row in after] == [row["log_index"] for row in before]
            assert not any(row.get("removed") for row in drained(s, who, limit=1000, namespace="bank"))
            return
        keys = set(gone)
        left = [
            row
            for row in before
            if (row.get("event_id"), row.get("event_date")) not in keys and (row.get("id"), 0) not in keys
        ]
        # A parent that is gone may be read by nobody.
        parents = {row["event_id"] for row in left if row["kind"] == "audit_event"}
        assert after == [
            row
            if row.get("parent_event_id") in parents
            else {**row, "parent_event_date": None}
            if row["kind"] == "audit_event"
            else row
            for row in left
        ]


@pytest.mark.parametrize("who", ["one", "both", "category", "without"])
def test_what_comes_depends_on_what_may_be_read_alone(postgres: PostgresServer, template: str, who: str) -> None:
    """Byte by byte the same records in pages of the same length, whatever others write, and however large."""
    limits = {"max_response_bytes": 64 * 1024}
    with named_principals(), running(postgres, template, server=limits, audit={"record_service": False}) as s:
        own = data_of_several_teams()
        for n, item in enumerate(own):
            item["event_data"] = {**item["event_data"], "text": "x" * (4000 * (n % 9))}
            item["parent_event_id"] = None
        readable = [LIMITS[who].admits(item["namespace"], item["event_category"]) for item in own]
        mine = [item for item, mine in zip(own, readable, strict=True) if mine]
        others = [item for item, mine in zip(own, readable, strict=True) if not mine]

        def pages(limit: int) -> list[bytes]:
            """The records of each page that has some."""
            found, after = [], None
            while True:
                answer = get(s, who, FEED, limit=limit, **({} if after is None else {"after": after}))
                if answer.json["events"]:
                    found.append(answer.data.partition(b',"next":')[0])
                after = answer.json["next"]
                if answer.json["caught_up"]:
                    return found

        def add(items: Rows, copy: int) -> None:
            moved = [{**item, "event_id": str(uuid.uuid4())} if copy else item for item in items]
            for item in moved:
                item["event_data"] = {**item["event_data"], "text": "y" * 40_000}
            assert s.post(moved, BATCH, headers=bearer("unlimited")).status_code == 201

        assert s.post(mine, BATCH, headers=bearer("unlimited")).status_code == 201
        placed(s)
        alone = {limit: pages(limit) for limit in (1, 5, 1000)}
        for copy in range(3):
            add(others, copy)
        placed(s)
        assert {limit: pages(limit) for limit in (1, 5, 1000)} == alone
