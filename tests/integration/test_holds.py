"""Legal holds: set, released and shown; what one takes; who may; and that the log says so."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import flask
import flask.testing
import psycopg
import pytest
import werkzeug.serving
import yaml
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage
from datastorage_common import jsonvalue
from datastorage_common.times import rfc3339

from app.auth.principal import token_digest
from app.postgres.sessions import UnconfirmedError
from app.services import Services
from app.transparency.acts import commitment_to
from tests.integration.service import NOW, Service, running
from tests.read_limits import named_principals
from tests.support import Database, PostgresServer, event, notification, postgres_server, wait_until
from tests.unconfirmed import answers

HOLDS = "/api/v1/holds"
EVENTS = "/api/v1/audit/events"
ASKED = {"name": "case 2026-17", "reason": "letter of the court", "filter": {"actor_id": "alice"}}


@pytest.fixture(scope="module")
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s


@pytest.fixture
def tokens(tmp_path: Path) -> dict[str, Any]:
    """Settings with tokens named by what they may do."""
    scopes = {
        "legal": ["holds:admin", "audit:read"],
        "writer": ["audit:write"],
        "reader": ["audit:read"],
        "admin": ["dlq:admin", "audit:write", "audit:read"],
    }
    path = tmp_path / "tokens.yaml"
    entries = [{"name": name, "sha256": token_digest(name).hex(), "scopes": s} for name, s in scopes.items()]
    path.write_text(yaml.safe_dump(entries))
    return {"mode": "token", "tokens_file": str(path)}


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


def set_hold(service: Service, **members: Any) -> dict[str, Any]:
    answer = service.client.post(HOLDS, json={**ASKED, **members})
    assert answer.status_code == 201, answer.json
    found: dict[str, Any] = answer.json
    return found


def test_a_hold_is_set_shown_and_released(
    make_app: Callable[..., flask.Flask], database: Database, tokens: dict[str, Any]
) -> None:
    app = make_app(auth=tokens)
    client, legal = app.test_client(), {**bearer("legal"), "X-Request-ID": "r-1"}
    answer = client.post(HOLDS, json={**ASKED, "filter": {"actor_id": "alice", "since": "2026-01-01"}}, headers=legal)
    assert answer.status_code == 201
    hold = answer.json
    kept = {"actor_id": "alice", "since": "2026-01-01T00:00:00Z", "kinds": ["audit_event"]}
    assert hold == {
        **ASKED,
        "filter": kept,
        "hold_id": hold["hold_id"],
        "set_at": hold["set_at"],
        "set_act": hold["set_act"],
        "set_by": "legal",
        "state": "active",
    }
    path = f"{HOLDS}/{hold['hold_id']}"
    assert client.get(path, headers=legal).json == hold
    end = {"limit": 100, "offset": 0, "total": 1, "has_more": False, "next_cursor": None}
    assert client.get(f"{HOLDS}?state=active", headers=legal).json == {"holds": [hold], "pagination": end}
    assert client.get(f"{HOLDS}?state=released", headers=legal).json["holds"] == []

    released = client.post(f"{path}/release", json={"reason": "closed"}, headers={**legal, "X-Request-ID": "r-2"})
    assert released.status_code == 200
    after = released.json
    assert after == {
        **hold,
        "state": "released",
        "released_at": after["released_at"],
        "released_by": "legal",
        "release_reason": "closed",
        "release_act": after["release_act"],
    }
    assert after["released_at"] > hold["set_at"]
    assert client.post(f"{path}/release", json={"reason": "closed"}, headers=legal).json == after, "the same again"
    other = client.post(f"{path}/release", json={"reason": "another"}, headers=legal)
    assert (other.status_code, other.json["hold_id"]) == (409, hold["hold_id"])
    assert client.get(f"{HOLDS}?state=active", headers=legal).json["holds"] == []

    # Each is an audit event and an act, and both are in the log.
    columns = "event_type, actor_id, resource_id, request_id, is_sensitive, event_data"
    events = database.query(f"SELECT {columns} FROM audit_events WHERE resource_type = 'Hold' ORDER BY recorded_at")
    assert [row[:5] for row in events] == [
        ("datastorage.admin.hold_set", "legal", hold["hold_id"], "r-1", True),
        ("datastorage.admin.hold_released", "legal", hold["hold_id"], "r-2", True),
    ]
    assert {**ASKED, "filter": kept}.items() <= events[0][5].items()
    assert (events[1][5]["reason"], events[1][5]["act_id"]) == ("closed", after["release_act"])
    acts = database.query(
        "SELECT kind, act_id::text, acted_by, details, set_salt FROM log_acts JOIN audit_holds ON set_act = act_id "
        "UNION ALL SELECT kind, act_id::text, acted_by, details, release_salt "
        "FROM log_acts JOIN audit_holds ON release_act = act_id"
    )
    for (kind, act_id, role, details, salt), (verb, named, texts) in zip(
        acts,
        [("hold_set", hold["set_act"], {**ASKED, "filter": kept}), ("hold_released", after["release_act"], None)],
        strict=True,
    ):
        told = commitment_to(texts or {"reason": "closed"}, salt).hex()
        assert (kind, act_id, role) == (verb, named, "datastorage")
        assert details == {"hold_id": hold["hold_id"], "principal": "legal", "texts": told}
        assert "alice" not in repr(details)
        assert "court" not in repr(details)
    services: Services = app.extensions["datastorage"]
    wait_until(lambda: services.log_watch.state.size == 4, what="events and acts have their places")


def test_two_acts_of_one_text_do_not_say_that_it_is_the_same(service: Service) -> None:
    one, two = (set_hold(service) for _ in range(2))
    commitments = service.database.query(
        "SELECT details ->> 'texts' FROM log_acts WHERE act_id = ANY(%s::uuid[])", [one["set_act"], two["set_act"]]
    )
    assert len({text for (text,) in commitments}) == 2


WRONG = [
    ({}, {"name": "is required", "reason": "is required", "filter": "is required"}),
    (
        {"name": " ", "reason": "", "filter": [], "hold_id": "x"},
        {
            "name": "must not be empty",
            "reason": "must not be empty",
            "filter": "must be a JSON object",
            "hold_id": "must be a UUID",
        },
    ),
    (
        {**ASKED, "filter": {"actor": "alice", "event_outcome": "well", "actor_id": 7, "severity": ""}},
        {
            "filter.actor": "is not a filter of lists of records; did you mean actor_id?",
            "filter.event_outcome": "must be one of: success, failure, pending",
            "filter.actor_id": "must be a string",
            "filter.severity": "must have 1 to 500 characters",
        },
    ),
    (
        {**ASKED, "filter": {"since": "7d", "until": "soon", "data": []}},
        {
            "filter.since": "must be an RFC 3339 time or YYYY-MM-DD: the range of a hold does not move",
            "filter.until": "invalid time format: use 24h, 7d, an RFC 3339 time or YYYY-MM-DD",
            "filter.data": "must be a JSON object",
        },
    ),
    (
        {**ASKED, "filter": {"since": "2026-02-01", "until": "2026-01-01"}},
        {"filter.since": "is later than until: the hold would take nothing"},
    ),
    (
        {**ASKED, "filter": {"actor_id": "a", "channel": "email", "since": "2026-02-01"}},
        {
            "filter.actor_id": "goes with records of the kind audit_event alone: set a hold for each kind",
            "filter.channel": "goes with records of the kind notification alone: set a hold for each kind",
        },
    ),
    (
        {**ASKED, "filter": {"kinds": ["act"]}},
        {"filter.kinds": "must be a list of one or both of these: audit_event, notification"},
    ),
    (
        {**ASKED, "filter": {"kinds": None}},
        {"filter.kinds": "must be a list of one or both of these: audit_event, notification"},
    ),
    (
        {**ASKED, "filter": {"kinds": []}},
        {"filter.kinds": "must be a list of one or both of these: audit_event, notification"},
    ),
    (
        {**ASKED, "filter": {"kinds": ["notification"], "actor_id": "a"}},
        {"filter.kinds": "the other filters go with audit_event alone: leave kinds out"},
    ),
    ({**ASKED, "filter": {"data": {"a": "\0"}}}, {"filter": "holds something that cannot be stored"}),
    ({**ASKED, "filter": {"data": {"a": "x" * 16384}}}, {"filter": "is larger than 16384 bytes"}),
]


@pytest.mark.parametrize(("body", "errors"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_named_and_nothing_kept(
    service: Service, body: dict[str, Any], errors: dict[str, str]
) -> None:
    before = [service.database.count(table) for table in ("audit_holds", "log_acts", "audit_events")]
    answer = service.client.post(HOLDS, json=body)
    assert (answer.status_code, answer.json["field_errors"]) == (400, errors)
    assert [service.database.count(table) for table in ("audit_holds", "log_acts", "audit_events")] == before


def test_members_that_are_no_filters_are_named_up_to_a_number(service: Service) -> None:
    answer = service.client.post(HOLDS, json={**ASKED, "filter": {f"x{i}": "" for i in range(100)}})
    errors = answer.json["field_errors"]
    assert len(errors) == 21
    assert errors["filter"] == "has 100 members that are no filters"
    ignored = service.client.post(HOLDS, json={**ASKED, "resaon": "x"})
    assert (ignored.status_code, ignored.json["ignored"]) == (201, ["resaon"])


def test_an_id_of_ones_own_makes_a_request_repeatable(service: Service) -> None:
    ident = str(uuid.uuid4())
    sent = {**ASKED, "hold_id": ident, "filter": {"data": {"n": 1.50}, "until": "2026-01-01T01:00:00+01:00"}}
    first = service.client.post(HOLDS, json=sent)
    again = service.client.post(HOLDS, json=sent)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    for other in ({"name": "x"}, {"reason": "x"}, {"filter": {}}):
        refused = service.client.post(HOLDS, json={**sent, **other})
        assert (refused.status_code, refused.json["hold_id"]) == (409, ident)
    with ThreadPoolExecutor(4) as threads:
        both = {**ASKED, "hold_id": str(uuid.uuid4())}
        codes = list(threads.map(lambda _: service.client.post(HOLDS, json=both).status_code, range(4)))
    assert sorted(codes) == [200, 200, 200, 201]
    counted = service.database.query("SELECT count(*) FROM log_acts WHERE details ->> 'hold_id' = %s", both["hold_id"])
    assert counted == [(1,)]


def test_two_releases_at_once_are_one(service: Service) -> None:
    hold = set_hold(service)
    path = f"{HOLDS}/{hold['hold_id']}/release"
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: service.client.post(path, json={"reason": f"r{n}"}).status_code, range(4)))
    assert sorted(found) == [200, 409, 409, 409]
    counted = service.database.query("SELECT count(*) FROM log_acts WHERE details ->> 'hold_id' = %s", hold["hold_id"])
    assert counted == [(2,)]


def test_what_is_not_there_is_not_found(service: Service) -> None:
    for ident in (str(uuid.uuid4()), "x"):
        assert service.client.get(f"{HOLDS}/{ident}").status_code == 404
        assert service.client.post(f"{HOLDS}/{ident}/release", json={"reason": "x"}).status_code == 404
    assert service.client.post(f"{HOLDS}/{uuid.uuid4()}/release", json={}).json["field_errors"] == {
        "reason": "is required"
    }
    for query in ("state=gone", "limit=0", "cursor=x", "offset=-1", "stat=active"):
        assert service.client.get(f"{HOLDS}?{query}").status_code == 400, query


def test_a_list_has_pages_and_no_answer_is_too_large(make_app: Callable[..., flask.Flask]) -> None:
    client = make_app(server={"max_response_bytes": 65536}).test_client()
    names = [f"n{i}" for i in range(9)]
    for name in names:
        assert client.post(HOLDS, json={**ASKED, "name": name, "reason": "ü" * 4096}).status_code == 201
    seen, cursor, sizes = [], "", []
    while True:
        answer = client.get(f"{HOLDS}?limit=7{cursor}")
        sizes.append(len(answer.data))
        seen += [hold["name"] for hold in answer.json["holds"]]
        assert answer.json["pagination"]["total"] == 9
        if not answer.json["pagination"]["has_more"]:
            break
        cursor = f"&cursor={answer.json['pagination']['next_cursor']}"
    assert seen == names[::-1]
    assert max(sizes) <= 65536
    assert len(sizes) == 2
    first = client.get(f"{HOLDS}?limit=2&offset=3").json
    assert [hold["name"] for hold in first["holds"]] == ["n5", "n4"]
    small = make_app(server={"max_response_bytes": 65536 // 4}).test_client()
    page = small.get(HOLDS).json
    assert (len(page["holds"]), page["pagination"]["limit"], page["pagination"]["has_more"]) == (1, 1, True)


def test_an_event_says_by_which_holds_it_is_held(make_app: Callable[..., flask.Flask], tokens: dict[str, Any]) -> None:
    client = make_app(auth=tokens).test_client()
    ident, other = str(uuid.uuid4()), str(uuid.uuid4())
    for body in (event(event_id=ident, actor_id="alice", namespace="shop"), event(event_id=other, actor_id="bob")):
        assert client.post(EVENTS, json=body, headers=bearer("writer")).status_code == 201

    def told(of: str, whom: str) -> Any:
        return client.get(f"{EVENTS}/{of}", headers=bearer(whom)).json.get("held_by", "nothing")

    assert (told(ident, "legal"), told(ident, "reader")) == ([], "nothing")
    one = client.post(HOLDS, json=ASKED, headers=bearer("legal")).json
    two = client.post(HOLDS, json={**ASKED, "name": "all", "filter": {}}, headers=bearer("legal")).json
    held = [{"hold_id": hold["hold_id"], "name": hold["name"]} for hold in (one, two)]
    assert (told(ident, "legal"), told(other, "legal"), told(ident, "reader")) == (held, held[1:], "nothing")
    assert "held_by" not in client.get(EVENTS, headers=bearer("legal")).json["data"][0]
    client.post(f"{HOLDS}/{one['hold_id']}/release", json={"reason": "x"}, headers=bearer("legal"))
    assert told(ident, "legal") == held[1:], "the other one still holds it"
    for n in range(100):
        assert client.post(HOLDS, json={**ASKED, "name": str(n)}, headers=bearer("legal")).status_code == 201
    found = client.get(f"{EVENTS}/{ident}", headers=bearer("legal")).json
    assert [hold["name"] for hold in found["held_by"]] == ["all", *map(str, range(99))]
    assert found["held_by_more"] == 1


def test_without_authentication_everybody_is_told(service: Service) -> None:
    ident = str(uuid.uuid4())
    assert (
        service.client.post(
            EVENTS, json=event(event_id=ident, actor_id="carol", event_timestamp=rfc3339(NOW))
        ).status_code
        == 201
    )
    hold = set_hold(service, filter={"actor_id": "carol"})
    assert {"hold_id": hold["hold_id"], "name": hold["name"]} in service.client.get(f"{EVENTS}/{ident}").json["held_by"]


def test_who_may_read_some_records_alone_is_told_of_no_hold(make_app: Callable[..., flask.Flask]) -> None:
    """Holds are about the records of everybody; the claims of a token may give it both."""
    ident = str(uuid.uuid4())
    with named_principals():
        client = make_app().test_client()
    body = event(event_id=ident, namespace="payments")
    assert client.post(EVENTS, json=body, headers=bearer("unlimited")).status_code == 201
    assert client.post(HOLDS, json={**ASKED, "filter": {}}, headers=bearer("unlimited")).status_code == 201
    assert len(client.get(f"{EVENTS}/{ident}", headers=bearer("unlimited")).json["held_by"]) == 1
    assert "held_by" not in client.get(f"{EVENTS}/{ident}", headers=bearer("one")).json
    for method, path in (("GET", HOLDS), ("POST", HOLDS), ("GET", f"{HOLDS}/{ident}")):
        answer = client.open(path, method=method, json=ASKED, headers=bearer("one"))
        assert (answer.status_code, "holds:admin" in answer.json["detail"]) == (403, True)


@pytest.mark.parametrize("whom", ["writer", "reader", "admin"])
def test_others_do_not_see_or_change_holds(
    make_app: Callable[..., flask.Flask], tokens: dict[str, Any], database: Database, whom: str
) -> None:
    client = make_app(auth=tokens).test_client()
    ident = str(uuid.uuid4())
    for answer in (
        client.get(HOLDS, headers=bearer(whom)),
        client.post(HOLDS, json=ASKED, headers=bearer(whom)),
        client.get(f"{HOLDS}/{ident}", headers=bearer(whom)),
        client.post(f"{HOLDS}/{ident}/release", json={"reason": "x"}, headers=bearer(whom)),
    ):
        assert answer.status_code == 403
    assert database.count("audit_holds") == 0


def test_without_the_database_nothing_is_kept(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    before = service.database.count("audit_holds")
    service.parts.breaker.failed(unreachable=True)
    try:
        assert service.client.post(HOLDS, json=ASKED).status_code == 503
    finally:
        service.parts.breaker.recovered()
    assert service.database.count("audit_holds") == before


def test_a_commit_that_is_not_answered_is_said_to_be_unknown(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    real = service.parts.database.change

    def kept_and_silent(action: Callable[[Any], Any]) -> Any:
        real(action)
        raise UnconfirmedError("the standby has not said so")

    monkeypatch.setattr(service.parts.database, "change", kept_and_silent)
    answer = service.client.post(HOLDS, json=ASKED)
    assert (answer.status_code, answer.json["outcome"]) == (503, "unknown")
    monkeypatch.undo()
    again = service.client.post(HOLDS, json={**ASKED, "hold_id": answer.json["hold_id"]})
    assert again.status_code == 200, "it was kept, and the same again is no second one"


@pytest.mark.embedded
def test_what_no_standby_has_yet_is_not_answered_as_done(make_services_on: Callable[..., flask.Flask]) -> None:
    with postgres_server() as server:
        database = server.make_database()
        app = make_services_on(database)
        body = {**ASKED, "hold_id": str(uuid.uuid4())}
        release = f"{HOLDS}/{body['hold_id']}/release"
        said = [(503, "unknown"), (503, "unknown"), (200, None)]
        assert answers(app, database, HOLDS, body) == said
        assert answers(app, database, release, {"reason": "closed"}) == said


def test_a_month_that_is_missing_is_made(make_app: Callable[..., flask.Flask], database: Database) -> None:
    client = make_app().test_client()
    [(part,)] = database.query("SELECT 'audit_events_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')")
    database.query(f"DROP TABLE {part}")
    assert client.post(HOLDS, json=ASKED).status_code == 201
    assert database.query("SELECT event_type FROM audit_events") == [("datastorage.admin.hold_set",)]


def test_the_commands_set_show_and_release(
    make_app: Callable[..., flask.Flask], tokens: dict[str, Any], database: Database
) -> None:
    server = werkzeug.serving.make_server("127.0.0.1", 0, make_app(auth=tokens), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def run(*arguments: str, whom: str = "legal") -> tuple[int, str]:
        environ = {"DATASTORAGE_URL": f"http://127.0.0.1:{server.server_port}", "DATASTORAGE_TOKEN": whom}
        result = CliRunner().invoke(datastorage, ["holds", *arguments], env=environ)
        return result.exit_code, result.output

    try:
        named = ("--name", "case 1", "--reason", "a letter")
        data = '{"n": 1.50}'
        code, output = run("set", *named, "--actor-id", "alice", "--since", "7d", "--data", data, "--json")
        assert code == 0, output
        hold = json.loads(output)
        assert hold["filter"].keys() == {"actor_id", "since", "data", "kinds"}
        assert hold["set_by"] == "legal"
        code, output = run("set", *named, "--everything")
        assert (code, "it takes all audit events and notifications;" in output) == (0, True)
        assert run("list")[1].count("case 1") == 2
        assert [json.loads(line)["name"] for line in run("list", "--json", "--name", "case 1")[1].splitlines()] == [
            "case 1",
            "case 1",
        ]
        assert json.loads(run("show", hold["hold_id"], "--json")[1]) == hold
        released = run("release", hold["hold_id"], "--reason", "closed", "--yes")
        assert released == (0, f"hold {hold['hold_id']} is released: case 1\n")
        assert run("release", hold["hold_id"], "--reason", "closed", "--yes") == released, "the same again"
        assert run("release", hold["hold_id"], "--reason", "other", "--yes")[0] == 1
        assert "closed" in run("show", hold["hold_id"])[1]
        assert [
            json.loads(line)["hold_id"] for line in run("list", "--state", "released", "--json")[1].splitlines()
        ] == [hold["hold_id"]]
        code, output = run("set", *named, "--actor-id", "a", "--channel", "email")
        assert (code, "--actor-id: goes with records of the kind audit_event alone" in output) == (2, True)
        code, output = run("set", *named, "--outcome", "success", "--data", "{}", "--resource-id", "")
        assert (code, "--resource-id: must have 1 to 500 characters" in output) == (2, True)
        code, output = run("list", whom="reader")
        assert (code, "holds:admin" in output) == (1, True)
    finally:
        server.shutdown()
        thread.join()
    assert database.count("audit_holds") == 2


REFUSED = [
    "DELETE FROM audit_holds",
    "TRUNCATE audit_holds",
    "UPDATE audit_holds SET filter = '{\"kinds\": []}'",
    (
        "UPDATE audit_holds SET reason = 'x', released_at = now(), release_reason = 'x', release_act = set_act, "
        "release_salt = set_salt"
    ),
    (
        "UPDATE audit_holds SET released_at = NULL, released_by = NULL, release_reason = NULL, release_act = NULL, "
        "release_salt = NULL"
    ),
]
OF_THE_ROLE = [
    *REFUSED,
    "UPDATE audit_holds SET released_at = now(), release_reason = 'x', release_act = set_act, release_salt = set_salt",
    (
        "INSERT INTO audit_holds SELECT gen_random_uuid(), name, reason, filter, set_at, set_by, set_act, set_salt "
        "FROM audit_holds"
    ),
    "INSERT INTO log_acts (act_id, kind, acted_by, digest) VALUES (gen_random_uuid(), 'hold_released', 'x', '')",
    "ALTER TABLE audit_holds DISABLE TRIGGER ALL",
    (
        "CREATE OR REPLACE FUNCTION audit_filter_takes_event(filter jsonb, e audit_events) RETURNS boolean "
        "LANGUAGE sql RETURN false"
    ),
]


@pytest.mark.parametrize("role", ["service", "owner"])
def test_a_hold_is_only_released(service: Service, role: str) -> None:
    set_hold(service)
    hold = set_hold(service)
    service.client.post(f"{HOLDS}/{hold['hold_id']}/release", json={"reason": "x"})
    url = service.database.service_url if role == "service" else service.database.owner_url
    before = service.database.query("SELECT audit_holds::text FROM audit_holds ORDER BY 1")
    with psycopg.connect(url, autocommit=True) as conn:
        for statement in OF_THE_ROLE if role == "service" else REFUSED:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)
    assert service.database.query("SELECT audit_holds::text FROM audit_holds ORDER BY 1") == before


def test_nobody_else_may_set_or_release(service: Service) -> None:
    """The functions have the rights of the owner: they are the service's to call, and nobody's beside it."""
    rows = service.database.query(
        "SELECT proname, proacl::text FROM pg_proc WHERE proname IN ('audit_set_hold', 'audit_release_hold') ORDER BY 1"
    )
    assert len(rows) == 2
    for name, acl in rows:
        grantees = {entry.split("=")[0] for entry in acl.strip("{}").split(",")}
        assert grantees == {"datastorage", "datastorage_owner"}, (name, acl)


@pytest.mark.parametrize(
    ("wanted", "at"),
    [
        ('{"kinds": [], "since": "soon"}', "now"),
        ('{"kinds": ["audit_event"], "until": "31/12/2026"}', "now"),
        ('{"kinds": ["audit_event"], "until": "2026-02-30T00:00:00Z"}', "now"),
        ('{"kinds": ["audit_event"], "since": "infinity"}', "now"),
        ('{"kinds": ["audit_event"], "since": 7}', "now"),
        ('{"kinds": ["audit_event"], "since": null, "until": {}}', "now"),
        ("{}", "now"),
        ("7", "now"),
        ('{"kinds": []}', "infinity"),
        ('{"kinds": []}', "10000-01-01"),
        ('{"kinds": []}', "0001-01-01 BC"),
    ],
)
def test_no_hold_is_stored_that_would_make_looks_for_holds_fail(service: Service, wanted: str, at: str) -> None:
    """Not even past the service, by whoever has its role: it could never be deleted."""
    ident, hold_id = str(uuid.uuid4()), str(uuid.uuid4())
    assert service.client.post(EVENTS, json=event(event_id=ident, event_timestamp=rfc3339(NOW))).status_code == 201
    with psycopg.connect(service.database.service_url, autocommit=True) as conn:
        conn.execute("SET datestyle = 'ISO, DMY'")
        with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.DataError)):
            conn.execute(
                "SELECT audit_set_hold(%s, 'n', 'r', %s::jsonb, %s::timestamptz, NULL, substring(sha256('x') FOR 16), "
                "gen_random_uuid(), '{}'::jsonb, sha256('x'))",
                (hold_id, wanted, at),
            )
    assert service.client.get(f"{EVENTS}/{ident}").status_code == 200
    assert service.client.get(HOLDS).status_code == 200


def test_the_filter_is_compared_as_it_was_kept(service: Service) -> None:
    """The act commits to what was sent, and PostgreSQL writes numbers its own way."""
    hold = set_hold(service, filter={"data": {"n": [1.0, 1e3, 0.10, 12345678901234567890.5], "z": None, "a": "ü"}})
    [(details, name, reason, text, salt)] = service.database.query(
        "SELECT details, name, reason, filter::text, set_salt FROM audit_holds JOIN log_acts ON act_id = set_act "
        "WHERE hold_id = %s",
        hold["hold_id"],
    )
    texts = {"name": name, "reason": reason, "filter": jsonvalue.parse(text.encode())}
    assert commitment_to(texts, salt).hex() == details["texts"]


def test_notifications_are_held_too(service: Service) -> None:
    sent = notification(remediation_id="rr-held", channel="email", sent_at=rfc3339(NOW))
    assert service.client.post("/api/v1/audit/notifications", json=sent).status_code == 201
    taken = "SELECT audit_filter_takes_notification(%s::jsonb, n) FROM notification_audit n"
    for wanted, takes in (
        ({"remediation_id": "rr-held"}, True),
        ({"remediation_id": "rr-held", "channel": "sms"}, False),
        ({}, True),
        ({"kinds": ["audit_event"]}, False),
    ):
        hold = set_hold(service, filter=wanted)
        assert service.database.query(taken, jsonvalue.compact(hold["filter"]).decode()) == [(takes,)], wanted
