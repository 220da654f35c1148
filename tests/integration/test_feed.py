"""The feed: every record in the order of the log, from wherever a consumer was, and nothing that is not signed."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import psycopg
import pytest
from datastorage_common.notes import make_key
from werkzeug.test import TestResponse

from app.audit.shapes import ITEMS
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.postgres.statements import Sql
from app.services import Services
from app.transparency import feed_cursor, feed_routes, records_read
from app.transparency.feed import FeedPage, FeedQuery, read_page
from app.transparency.log_reads import Keys
from app.transparency.memories import FileMemory
from app.transparency.origins import start_origin
from app.transparency.records_read import Wanted
from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS, problem
from tests.log_check import entries_of
from tests.log_support import insert, size
from tests.support import Database, event, notification, wait_until
from tests.verify_support import KEY, fill, pinned, sign, without_triggers

FEED = "/api/v1/audit/feed"
# Nothing is recorded but what the test stores: reads of sensitive events would be.
QUIET = {"record_service": False, "record_access": False}
HERE = "127.0.0.1"
ALL_KINDS = "audit_event,notification,act"


@pytest.fixture
def app(make_app: Callable[..., flask.Flask]) -> flask.Flask:
    """The service, which signs nothing."""
    return make_app(audit=QUIET)


@pytest.fixture(scope="module")
def filled(postgres: Any, template: str) -> Iterator[Database]:
    """781 entries of all kinds, 40 of old events first, under a signed checkpoint. Nobody changes it."""
    made = postgres.make_database(template)
    fill(made, 700)
    yield made
    made.drop()


def ask(app: flask.Flask, address: str = HERE, /, **parameters: Any) -> TestResponse:
    asked = {k: str(v) for k, v in parameters.items()}
    return app.test_client().get(FEED, query_string=asked, environ_base={"REMOTE_ADDR": address})


def page(app: flask.Flask, **parameters: Any) -> dict[str, Any]:
    answer = ask(app, **parameters)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    body: dict[str, Any] = answer.json
    assert body.keys() == {"events", "next", "caught_up"}
    return body


def drained(app: flask.Flask, **parameters: Any) -> list[dict[str, Any]]:
    """All that follows, page by page."""
    found: list[dict[str, Any]] = []
    while True:
        answer = page(app, **parameters)
        found += answer["events"]
        if answer["caught_up"]:
            return found
        assert answer["next"] != parameters.get("after"), "a page that does not get on"
        parameters["after"] = answer["next"]


def post(app: flask.Flask, count: int, **members: Any) -> list[str]:
    """Store events, and wait until they are in the log; their ids."""
    answer = app.test_client().post(BATCH, json=[event(**members) for _ in range(count)])
    assert answer.status_code == 201, answer.text
    placed(app)
    ids: list[str] = answer.json["event_ids"]
    return ids


def placed(app: flask.Flask) -> None:
    parts = parts_of(app)
    wait_until(
        lambda: (
            parts.database.read(lambda c: c.execute("SELECT count(*) FROM log_pending_a").fetchone()) == (0,)
            and parts.database.read(lambda c: c.execute("SELECT count(*) FROM log_pending_b").fetchone()) == (0,)
        ),
        what="every record has its place in the log",
    )


def parts_of(app: flask.Flask) -> Services:
    parts: Services = app.extensions["datastorage"]
    return parts


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["event_id"] for row in rows]


def reading(
    database: Database,
    keys: Keys = (),
    *,
    after: str | None = None,
    limit: int = 1000,
    kind: str = "audit_event",
    monotonic: Callable[[], float] = lambda: 0.0,
) -> FeedPage:
    """A page as the service reads it, without one."""
    asked = FeedQuery(after, limit, Wanted(frozenset([kind]), EVERYTHING, ITEMS), 2**20)
    with pinned(database, database.service_url) as conn:
        return read_page(conn, asked, keys, monotonic)


# --- what is in it ------------------------------------------------------------------------------------------------


def test_events_as_the_list_gives_them_in_the_order_of_the_log(app: flask.Flask) -> None:
    client = app.test_client()
    for n in range(4):
        post(app, 3, event_data={"n": n}, correlation_id=f"c-{n}")
    answer = client.post(NOTIFICATIONS, json=notification())
    assert answer.status_code == 201
    post(app, 2, parent_event_id=None, is_sensitive=True)
    found = page(app)
    assert found["caught_up"] is True
    listed = client.get(EVENTS, query_string={"limit": "1000"}).json["data"]
    expected = sorted(({"kind": "audit_event", **row} for row in listed), key=lambda row: row["log_index"])
    assert [row["log_index"] for row in expected] == [*range(12), 13, 14]
    assert found["events"] == expected
    # And notifications between them, as their list gives them.
    both = page(app, kinds="notification,audit_event")["events"]
    assert [row["log_index"] for row in both] == list(range(15))
    [stored] = client.get(NOTIFICATIONS).json["data"]
    assert both[12] == {"kind": "notification", **stored}
    assert page(app, kinds="notification")["events"] == [both[12]]


@pytest.mark.parametrize("limit", [1, 7, 256, 1000])
def test_every_entry_once_whatever_a_page_holds(
    filled: Database, make_services_on: Callable[..., flask.Flask], limit: int
) -> None:
    app = make_services_on(filled, audit=QUIET)
    found = drained(app, kinds=ALL_KINDS, limit=limit)
    assert [row["log_index"] for row in found] == list(range(781))
    named = [(row["kind"], str(row.get("event_id") or row.get("id") or row.get("act_id"))) for row in found]
    bundles = filled.query("SELECT entries FROM log_bundles ORDER BY bundle")
    entries = [json.loads(entry) for (kept,) in bundles for entry in entries_of(bytes(kept))]
    kinds = {"audit_event", "notification"}
    assert named == [(e["kind"] if e["kind"] in kinds else "act", e["id"]) for e in entries]
    assert [row["act"] for row in found if row["kind"] == "act"] == ["intake_finished"]


def test_salts_for_who_asks(filled: Database, make_services_on: Callable[..., flask.Flask]) -> None:
    app = make_services_on(filled, audit=QUIET)
    found = drained(app, kinds=ALL_KINDS, salts="true", limit=1000)
    salts = {
        **dict(filled.query("SELECT event_id::text, encode(salt, 'hex') FROM audit_events WHERE salt IS NOT NULL")),
        **dict(filled.query("SELECT id::text, encode(salt, 'hex') FROM notification_audit WHERE salt IS NOT NULL")),
        **dict(filled.query("SELECT act_id::text, encode(salt, 'hex') FROM log_acts")),
    }
    old = dict(filled.query("SELECT log_index, encode(salt, 'hex') FROM log_salts"))
    assert len(old) == 50
    for row in found:
        ident = str(row.get("event_id") or row.get("id") or row.get("act_id"))
        assert row["salt"] == (old.get(row["log_index"]) or salts[ident])
    assert not any("salt" in row for row in drained(app, kinds=ALL_KINDS, limit=1000))


def test_filters_are_those_of_the_list(filled: Database, make_services_on: Callable[..., flask.Flask]) -> None:
    app = make_services_on(filled, audit=QUIET)
    client = app.test_client()
    whole = drained(app, limit=1000)
    for asked in (
        {"namespace": "team-3"},
        {"severity": "warning"},
        {"correlation_id": "c-100039"},
        {"event_outcome": "failure"},
        {"since": whole[400]["event_timestamp"]},
        {"until": whole[400]["event_timestamp"]},
        {"data": '{"hello": "world"}'},
        {"data": "{}", "namespace": "team-0", "request_id": "request-0"},
    ):
        listed = client.get(EVENTS, query_string={"limit": "1000", **asked}).json["data"]
        expected = [row for row in whole if row["event_id"] in set(ids(listed))]
        assert drained(app, limit=1000, **asked) == expected, asked
        assert drained(app, limit=2, **asked)[:20] == expected[:20], asked


@pytest.mark.usefixtures("unhurried_feed")
def test_a_filter_that_matches_little_moves_the_cursor(
    filled: Database, make_services_on: Callable[..., flask.Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_services_on(filled, audit=QUIET)
    monkeypatch.setattr(records_read, "_MAX_LOOKED_AT", 300)
    steps, after = [], None
    while True:
        answer = page(app, correlation_id="c-699", **({} if after is None else {"after": after}))
        steps.append(len(answer["events"]))
        after = answer["next"]
        if answer["caught_up"]:
            break
    assert steps == [0, 0, 1]
    assert page(app, correlation_id="c-699", after=after)["events"] == []


def test_a_page_that_takes_long_ends_where_it_is(filled: Database) -> None:
    """In pieces of 300, of which each takes longer than a page may."""
    moments = iter(range(100))
    after, found, steps = None, [], 0
    while True:
        answer = reading(filled, after=after, limit=300, kind="act", monotonic=lambda: 10.0 * next(moments))
        after, steps = answer.next, steps + 1
        found += answer.items
        if answer.caught_up:
            break
    assert (len(found), steps) == (1, 3)


def test_a_filter_that_takes_long_is_looked_for_in_small_pieces(database: Database) -> None:
    """A look of a third of a second, by the clock: two pieces that do not grow, and the page ends."""
    fill(database, 300, notifications=0, old=0, sizes=())
    asked = FeedQuery(
        None, 100, Wanted(frozenset(["audit_event"]), EVERYTHING, ITEMS, [Sql("severity = %s", ("no",))]), 2**20
    )
    with pinned(database, database.service_url) as conn:
        seconds = itertools.count(0.0, 0.3)
        ended = read_page(conn, asked, (), lambda: next(seconds))
        assert (ended.items, ended.caught_up) == ([], False)
        following = read_page(
            conn, replace(asked, after=ended.next, wanted=replace(asked.wanted, events=())), (), lambda: 0.0
        )
        assert json.loads(following.items[0])["log_index"] == 16
        assert read_page(conn, asked, (), lambda: 0.0).caught_up, "what is quick grows"


def test_few_look_for_a_filter_at_a_time(make_app: Callable[..., flask.Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(audit=QUIET, server={"threads": 8})
    post(app, 3)
    entered, leave = threading.Event(), threading.Event()

    def read(*args: Any, **keywords: Any) -> FeedPage:
        if args[1].wanted.events:
            entered.set()
            assert leave.wait(60)
        return read_page(*args, **keywords)

    monkeypatch.setattr(feed_routes, "read_page", read)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, app, severity="info")
        try:
            assert entered.wait(60)
            answer = ask(app, severity="info")
            assert "too many" in problem(answer, 503, "service-unavailable", FEED)["detail"]
            assert answer.headers["Retry-After"] == "1"
            assert len(page(app)["events"]) == 3, "without a filter nobody is sent away"
        finally:
            leave.set()
        assert first.result(60).status_code == 200
    assert ask(app, severity="info").status_code == 200


def test_where_a_page_ends_is_no_measure_for_readers_with_limits() -> None:
    narrow = Wanted(frozenset(), ReadLimits(frozenset(["a"])), ITEMS)
    found = {records_read._about(narrow, 4096) for _ in range(400)}
    assert len(found) > 200
    assert 2048 <= min(found) <= max(found) <= 4096
    assert {records_read._about(narrow, 1) for _ in range(50)} == {1}
    assert {records_read._about(replace(narrow, reads=EVERYTHING), 4096) for _ in range(50)} == {4096}


def test_what_was_removed_leaves_its_place(app: flask.Flask, database: Database) -> None:
    first, second, third = post(app, 3)
    number = app.test_client().post(NOTIFICATIONS, json=notification()).json["id"]
    placed(app)
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        conn.execute("DELETE FROM audit_events WHERE event_id = %s", (second,))
        conn.execute("DELETE FROM notification_audit")
    one, gone, three, note = page(app, kinds=ALL_KINDS)["events"]
    assert ids([one, three]) == [first, third]
    day = one["event_date"]
    assert gone == {"kind": "audit_event", "event_id": second, "event_date": day, "log_index": 1, "removed": True}
    assert note == {"kind": "notification", "id": number, "log_index": 3, "removed": True}
    assert ids(page(app, event_category="gateway")["events"]) == [first, third], "nobody can say what it was"


def test_a_large_event_behind_one_that_was_removed(make_app: Callable[..., flask.Flask], database: Database) -> None:
    app = make_app(audit=QUIET, server={"max_response_bytes": 1 << 16})
    [first, *_] = [*post(app, 1), *post(app, 1, event_data={"x": "y" * 200_000}), *post(app, 2)]
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        conn.execute("DELETE FROM audit_events WHERE event_id = %s", (first,))
    found = drained(app, limit=10)
    assert [(row["log_index"], "removed" in row) for row in found] == [(0, True), (1, False), (2, False), (3, False)]


def test_the_end_is_what_is_signed(app: flask.Flask, database: Database) -> None:
    post(app, 5)
    assert len(page(app)["events"]) == 5, "nothing was ever signed"
    sign(database)
    later = post(app, 3)
    found = page(app)
    assert (len(found["events"]), found["caught_up"]) == (5, True)
    assert page(app, after=found["next"]) == {"events": [], "next": found["next"], "caught_up": True}
    assert page(app, after="end")["next"] == found["next"]
    sign(database)
    assert ids(page(app, after=found["next"])["events"]) == later


def test_with_a_key_nothing_is_shown_before_it_has_signed(app: flask.Flask, database: Database) -> None:
    post(app, 5)
    assert len(reading(database).items) == 5
    held = reading(database, [KEY.verifier])
    assert (held.items, held.caught_up) == ([], True)
    sign(database)
    assert len(reading(database, [KEY.verifier]).items) == 5
    # Under another name nothing is signed yet; what one of them has signed counts, and nobody else's.
    with pinned(database, database.owner_url) as conn:
        conn.execute("UPDATE log_head SET origin = 'another'")
    assert reading(database).items == []


def test_from_the_end_on(app: flask.Flask) -> None:
    post(app, 5)
    end = page(app, after="end")
    assert (end["events"], end["caught_up"]) == ([], True)
    later = post(app, 2)
    assert ids(page(app, after=end["next"])["events"]) == later


def test_the_next_page_is_linked_with_all_that_was_asked_for(app: flask.Flask) -> None:
    post(app, 3, namespace="a b&c", event_data={"x": "é"})
    asked = {"namespace": "a b&c", "limit": "2", "data": '{"x": "é"}', "strict": "false", "unknown": "1"}
    answer = ask(app, **asked)
    link = answer.headers["Link"]
    assert link.startswith(f"<{FEED}?")
    assert link.endswith('>; rel="next"')
    target = urlsplit(link[1:].partition(">")[0])
    assert parse_qs(target.query) == {**{k: [v] for k, v in asked.items()}, "after": [answer.json["next"]]}
    following = app.test_client().get(target.geturl())
    assert len(following.json["events"]) == 1
    assert "Link" in following.headers


def test_the_link_is_as_the_request_was_sent(app: flask.Flask) -> None:
    sent = "limit=1&after=end&data=%7b%22x%22:{}%7D&namespace=a+b&strict=false&other=%zz"
    answer = app.test_client().get(f"{FEED}?{sent}")
    following = f"limit=1&after={answer.json['next']}&data=%7b%22x%22:%7B%7D%7D&namespace=a+b&strict=false&other=%25zz"
    assert answer.headers["Link"] == f'<{FEED}?{following}>; rel="next"'


def test_what_could_not_be_gone_on_from_is_refused_before_anything_is_read(
    app: flask.Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_routes, "read_page", lambda *args, **keywords: pytest.fail("it was read"))
    for method, query, longest in [
        ("GET", f"actor_id={'a' * 1800}&namespace={'n' * 2200}&after=end", "namespace"),
        ("HEAD", f"actor_id={'a' * 2200}&namespace={'n' * 1800}", "actor_id"),
        ("GET", f"actor_id={'a' * 1800}&namespace={'é' * 400}&namespace=", "namespace"),
        ("GET", f"strict=false&{'o' * 5000}", f"{'o' * 64}…"),
    ]:
        answer = app.test_client().open(f"{FEED}?{query}", method=method)
        assert answer.status_code == 400
        if method == "GET":
            found = problem(answer, 400, "validation-error", FEED)
            assert found["field_errors"].keys() == {longest}
            assert found["detail"].startswith(f"{longest}: is too long: the next request would have a line of ")
    refused = problem(app.test_client().get(f"{FEED}?limit=0&actor_id={'a' * 4000}"), 400, "validation-error", FEED)
    assert refused["field_errors"].keys() == {"limit", "actor_id"}


def test_a_cursor_is_as_long_as_is_reckoned_with(app: flask.Flask) -> None:
    post(app, 1)
    for after in ({}, {"after": "end"}):
        assert len(page(app, **after)["next"]) == feed_cursor.CHARACTERS


def test_what_is_wrong_is_named(app: flask.Flask) -> None:
    sent = {
        "after": "x", "limit": "1001", "wait": "31", "kinds": "act,events", "salts": "yes", "since": "tomorrow",
        "event_outcome": "x", "data": "[]",
    }  # fmt: skip
    found = problem(ask(app, **sent), 400, "validation-error", FEED)
    assert found["field_errors"].keys() == sent.keys()
    named = problem(ask(app, kinds=ALL_KINDS, namespace="a", since="1h", limit="5"), 400, "validation-error", FEED)
    assert named["field_errors"].keys() == {"namespace", "since"}
    for kinds in ("", ",", "act,", "Act"):
        assert problem(ask(app, kinds=kinds), 400, "validation-error", FEED)["field_errors"].keys() == {"kinds"}
    assert problem(ask(app, offset="1"), 400, "validation-error", FEED)["field_errors"].keys() == {"offset"}


# --- where a consumer was -----------------------------------------------------------------------------------------


def test_a_cursor_that_nobody_gave(app: flask.Flask) -> None:
    post(app, 3)
    given = page(app, limit=1)["next"]
    for n in range(0, len(given), 5):
        changed = given[:n] + ("A" if given[n] != "A" else "B") + given[n + 1 :]
        assert problem(ask(app, after=changed), 400, "validation-error", FEED)["field_errors"].keys() == {"after"}


def test_two_cursors_are_none(app: flask.Flask) -> None:
    post(app, 3)
    given = page(app, limit=1)["next"]
    for query in (
        f"after=end&after={given}",
        f"after={given}&limit=2&after={given}",
        f"after={given}&after=",
        "after=&after=",
    ):
        for more in ("", "&strict=false"):
            found = problem(app.test_client().get(f"{FEED}?{query}{more}"), 400, "validation-error", FEED)
            assert found["field_errors"] == {"after": "is given more than once: take one"}


def test_a_log_under_another_name(app: flask.Flask, database: Database, tmp_path: Path) -> None:
    first = post(app, 5)
    sign(database)
    early, late = page(app, limit=2)["next"], page(app)["next"]
    act(database, tmp_path, "new.example.org")
    held = page(app)
    assert (held["events"], held["caught_up"]) == ([], True), "nothing is signed under that name yet"
    sign(database, make_key("new.example.org", b"3" * 32), origin="new.example.org")
    later = post(app, 2)
    sign(database, make_key("new.example.org", b"3" * 32), origin="new.example.org")
    for cursor, expected in ((early, first[2:] + later), (late, later)):
        said = problem(ask(app, after=cursor), 410, "feed-restarted", FEED)
        assert ids(page(app, after=said["next"])["events"]) == expected
    assert page(app, kinds="act")["events"][0]["details"]["new_origin"] == "new.example.org"
    # And once more: from the first name as from the second.
    second = page(app)["next"]
    act(database, tmp_path, "third.example.org")
    sign(database, make_key("third.example.org", b"3" * 32), origin="third.example.org")
    for cursor, expected in ((early, first[2:] + later), (late, later), (second, [])):
        said = problem(ask(app, after=cursor), 410, "feed-restarted", FEED)
        assert ids(page(app, after=said["next"])["events"]) == expected


def act(database: Database, folder: Path, name: str) -> None:
    with pinned(database, database.owner_url) as conn:
        start_origin(conn, [FileMemory(str(folder / "signed"))], name, "the key was seen", None)


def test_a_name_for_a_log_that_had_none_changes_nothing(app: flask.Flask, database: Database) -> None:
    ids_of = post(app, 3)
    cursor = page(app, limit=1)["next"]
    sign(database)
    assert ids(page(app, after=cursor)["events"]) == ids_of[1:]


def test_a_log_that_was_restored_unnoticed(app: flask.Flask, database: Database) -> None:
    """Nothing is signed, so that nobody else remembers: records took the places of others."""
    post(app, 6)
    cursor = page(app)["next"]
    rewind(database, 4)
    said = problem(ask(app, after=cursor), 410, "feed-restarted", FEED)
    assert len(page(app, after=said["next"])["events"]) == 4, "it is shorter"
    post(app, 5)
    said = problem(ask(app, after=cursor), 410, "feed-restarted", FEED)
    assert len(page(app, after=said["next"])["events"]) == 9, "it is another one"


def test_what_two_logs_have_both_comes_once(
    make_services_on: Callable[..., flask.Flask], database: Database, tmp_path: Path
) -> None:
    """The end was lost and the log grew again before it got another name: what took places of others is not missed."""
    fill(database, 570, notifications=0, old=0, sizes=(256,))
    app = make_services_on(database, audit=QUIET)
    early, late = page(app, limit=520)["next"], page(app, limit=1000)["next"]
    rewind(database, 550)
    later = post(app, 10)
    act(database, tmp_path, "new.example.org")
    sign(database, make_key("new.example.org", b"3" * 32), origin="new.example.org")
    whole = drained(app, limit=1000)
    assert (len(whole), ids(whole[550:])) == (560, later)
    said = problem(ask(app, after=early), 410, "feed-restarted", FEED)
    assert drained(app, after=said["next"]) == whole[520:]
    said = problem(ask(app, after=late), 410, "feed-restarted", FEED)
    assert drained(app, after=said["next"]) == whole[512:]


def rewind(database: Database, entries: int) -> None:
    """The database as it was so many entries ago, under which the service goes on."""
    last, width = divmod(entries, 256)
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        gone = [
            json.loads(entry)["id"]
            for (kept,) in conn.execute("SELECT entries FROM log_bundles WHERE bundle >= %s ORDER BY bundle", (last,))
            for entry in entries_of(bytes(kept))
        ][width:]
        conn.execute("DELETE FROM audit_events WHERE event_id = ANY(%s::uuid[])", (gone,))
        conn.execute("UPDATE log_head SET size = %s", (entries,))
        conn.execute("DELETE FROM log_checkpoints WHERE size > %s", (entries,))
        conn.execute("DELETE FROM log_places WHERE log_index >= %s", (entries,))
        conn.execute("DELETE FROM log_bundles WHERE bundle > %s", (last,))
        conn.execute("DELETE FROM log_tiles WHERE level = 0 AND tile > %s", (last,))
        conn.execute(
            "UPDATE log_bundles SET entries = substring(entries FOR %s), width = %s WHERE bundle = %s",
            (53 * width, width, last),
        )
        conn.execute(
            "UPDATE log_tiles SET hashes = substring(hashes FOR %s), width = %s WHERE level = 0 AND tile = %s",
            (32 * width, width, last),
        )


def test_below_what_is_kept(make_services_on: Callable[..., flask.Flask], database: Database) -> None:
    fill(database, 300, old=0)
    app = make_services_on(database, audit=QUIET)
    asked = {"kinds": ALL_KINDS}
    below, edge = page(app, limit=255, **asked)["next"], page(app, limit=256, **asked)["next"]
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        conn.execute("DELETE FROM log_bundles WHERE bundle = 0")
    said = problem(ask(app, after=below, **asked), 410, "feed-expired", FEED)
    for cursor in ({"after": said["next"]}, {"after": edge}, {}):
        assert page(app, limit=1, **cursor, **asked)["events"][0]["log_index"] == 256
    assert page(app, after=said["next"], limit=1, **asked)["next"] == page(app, limit=1, **asked)["next"]


def test_a_log_that_contradicts_itself_is_followed_by_nobody(app: flask.Flask, database: Database) -> None:
    post(app, 3)
    cursor = page(app)["next"]
    with psycopg.connect(database.superuser_url) as conn:
        conn.execute("UPDATE log_head SET inconsistent = 'the log has 3 entries'")
    for asked in ({}, {"after": cursor}, {"after": cursor, "wait": 30}, {"after": "end"}):
        answer = ask(app, **asked)
        said = problem(answer, 503, "log-inconsistent", FEED)
        assert "contradicts" in said["detail"]
        assert "3 entries" not in answer.text
        assert int(answer.headers["Retry-After"]) > 0


# --- waiting ------------------------------------------------------------------------------------------------------


class Waiting:
    """Requests that wait, each in a thread of its own."""

    def __init__(self, app: flask.Flask, pool: ThreadPoolExecutor) -> None:
        self.app = app
        self.parts = parts_of(app)
        self._pool = pool

    def ask(self, address: str = HERE, /, **parameters: Any) -> Future[TestResponse]:
        return self._pool.submit(ask, self.app, address, **parameters)

    def until(self, number: int) -> None:
        waiters = self.parts.feed_waiters
        wait_until(lambda: waiters.waiting == number, what=f"{number} requests wait")


@pytest.fixture
def four(make_app: Callable[..., flask.Flask]) -> Iterator[Waiting]:
    """A service of sixteen threads, of which four may wait."""
    with ThreadPoolExecutor(8) as pool:
        made = Waiting(make_app(audit=QUIET, server={"threads": 16}), pool)
        yield made
        made.parts.feed_waiters.end()


def test_a_wait_ends_with_what_comes(four: Waiting) -> None:
    end = page(four.app, after="end")["next"]
    asked = four.ask(after=end, wait=30)
    four.until(1)
    stats = four.parts.database.pool_stats()
    assert stats["pool_available"] == stats["pool_size"], "who waits holds no connection"
    stored = post(four.app, 2)
    answer = asked.result(60)
    assert ids(answer.json["events"]) == stored
    assert "Retry-After" not in answer.headers
    four.until(0)


def test_a_wait_for_what_a_filter_lets_through(four: Waiting) -> None:
    end = page(four.app, after="end")["next"]
    asked = four.ask(after=end, wait=30, namespace="mine")
    four.until(1)
    post(four.app, 3, namespace="others")
    stored = post(four.app, 1, namespace="mine")
    assert ids(asked.result(60).json["events"]) == stored


def test_a_wait_in_vain_moves_the_cursor(four: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    end = page(four.app, after="end")["next"]
    reads: list[FeedPage] = []

    def read(*args: Any, **keywords: Any) -> FeedPage:
        reads.append(read_page(*args, **keywords))
        return reads[-1]

    monkeypatch.setattr(feed_routes, "read_page", read)
    asked = four.ask(after=end, wait=30, namespace="mine")
    four.until(1)
    post(four.app, 3, namespace="others")
    wait_until(lambda: reads[-1].next != end, what="it was looked at what has come")
    four.parts.feed_waiters.end()
    answer = asked.result(60).json
    assert answer == {"events": [], "next": page(four.app, after="end")["next"], "caught_up": True}


def test_a_quarter_of_the_threads_waits_and_others_are_answered_at_once(four: Waiting) -> None:
    end = page(four.app, after="end")["next"]
    asked = [four.ask(after=end, wait=30) for _ in range(4)]
    four.until(4)
    answer = ask(four.app, after=end, wait=30)
    assert (answer.json, answer.headers["Retry-After"]) == ({"events": [], "next": end, "caught_up": True}, "1")
    stored = post(four.app, 1)
    assert [ids(each.result(60).json["events"]) for each in asked] == [stored] * 4
    # What is there already is given to all, whoever waits.
    assert "Retry-After" not in ask(four.app, after=end, wait=30).headers


def test_who_has_all_places_leaves_some_to_others(four: Waiting) -> None:
    """Connections that hung up have theirs until their time is over, and a caller may have as many as it likes."""
    end = page(four.app, after="end")["next"]
    first = [four.ask(after=end, wait=30) for _ in range(4)]
    four.until(4)
    others = [four.ask(address, after=end, wait=30) for address in ("2001:db8::1", "2001:db8::2")]
    wait_until(lambda: sum(each.done() for each in first) == 2, what="two of the places are others'")
    ended = [each.result() for each in first if each.done()]
    assert [(a.json, a.headers["Retry-After"]) for a in ended] == [
        ({"events": [], "next": end, "caught_up": True}, "1")
    ] * 2
    assert "Retry-After" in ask(four.app, "2001:db8::3", after=end, wait=30).headers, "of one network as well"
    assert four.parts.feed_waiters.waiting == 4
    stored = post(four.app, 1)
    waited = [each for each in (asked.result(60) for asked in (*first, *others)) if each not in ended]
    assert [ids(answer.json["events"]) for answer in waited] == [stored] * 4
    assert not any("Retry-After" in answer.headers for answer in waited)


def test_a_wait_ends_in_time_where_looks_are_slow(four: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look takes longer than the log takes to grow again, by what the filter does not let through."""
    clock, looks = four.parts.clock, [0]
    running = clock.monotonic
    end = page(four.app, after="end")["next"]
    monkeypatch.setattr(clock, "monotonic", lambda: running() + 9 * looks[0])

    def slow(*args: Any, **keywords: Any) -> FeedPage:
        found = read_page(*args, **keywords)
        four.parts.feed_waiters.note_growth()
        looks[0] += 1
        assert looks[0] < 10, "it has no end"
        return found

    monkeypatch.setattr(feed_routes, "read_page", slow)
    answer = ask(four.app, after=end, wait=20, namespace="mine")
    assert (answer.json["events"], looks[0]) == ([], 3)


def test_a_drain_ends_all_waits(four: Waiting) -> None:
    end = page(four.app, after="end")["next"]
    asked = [four.ask(after=end, wait=30) for _ in range(3)]
    four.until(3)
    four.parts.drain()
    for each in asked:
        answer = each.result(60)
        assert (answer.status_code, answer.json["next"], answer.json["events"]) == (200, end, [])
    assert ask(four.app, after=end, wait=30).headers["Retry-After"] == "1"


def test_a_wait_through_an_outage_is_told(four: Waiting) -> None:
    end = page(four.app, after="end")["next"]
    asked = four.ask(after=end, wait=30)
    four.until(1)
    four.parts.breaker.failed(unreachable=True)
    four.parts.feed_waiters.note_growth()
    problem(asked.result(60), 503, "service-unavailable", FEED)


def test_events_that_come_while_many_follow(four: Waiting, database: Database) -> None:
    """Followers with waits, while events are stored past the service: each has all of them, in order."""
    total = 400

    def follow(limit: int) -> list[int]:
        got: list[int] = []
        after: str | None = None
        while len(got) < total:
            answer = ask(four.app, limit=limit, wait=5, **({} if after is None else {"after": after}))
            assert answer.status_code == 200, answer.text
            got += [row["log_index"] for row in answer.json["events"]]
            after = answer.json["next"]
        return got

    with ThreadPoolExecutor(6) as pool:
        followers = [pool.submit(follow, limit) for limit in (1000, 7, 31, 100, 64, 3)]
        with psycopg.connect(database.service_url, autocommit=True) as conn:
            for _ in range(total // 8):
                insert(conn, 8)
        assert [f.result(120) for f in followers] == [list(range(total))] * 6
    assert size(database) == total
