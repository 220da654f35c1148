"""What the service records of itself: whom it refused, what was done to dead letters, tokens, migrations."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
import redis
import yaml
from click.testing import CliRunner

from app.audit.own_events import ADMIN, AUTH
from app.auth import watched_file
from app.auth.principal import token_digest
from app.cli.migrate import migrate
from app.dlq.keys import KEYS
from tests.integration.test_dlq_replay import put
from tests.support import Database, PostgresServer, Valkey, event, wait_until

EVENTS = "/api/v1/audit/events"


def recorded(database: Database, category: str) -> list[dict[str, Any]]:
    """The service's own events, oldest first."""
    names = ("event_type", "event_action", "event_outcome", "actor_id", "resource_id", "recorded_by", "event_data")
    rows = database.query(
        f"SELECT {', '.join(names)} FROM audit_events WHERE event_category = %s ORDER BY event_id", category
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


def write_tokens(path: Path, **scopes: str) -> None:
    """A token file: names, each with the token that is its name."""
    entries = [{"name": n, "sha256": token_digest(n).hex(), "scopes": s.split()} for n, s in scopes.items()]
    path.write_text(yaml.safe_dump(entries))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_who_was_refused(make_app: Callable[..., flask.Flask], database: Database, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    write_tokens(tokens, reader="audit:read")
    app = make_app(auth={"mode": "token", "tokens_file": str(tokens)})
    client = app.test_client()
    assert client.get(EVENTS, headers={**bearer("guessed"), "X-Request-ID": "guess-1"}).status_code == 401
    wait_until(lambda: recorded(database, AUTH), what="the first refusal")
    for _ in range(20):
        assert client.get(EVENTS, headers=bearer("guessed")).status_code == 401
    assert client.post(EVENTS, json={}, headers={**bearer("reader"), "X-Request-ID": "scope-1"}).status_code == 403
    app.extensions["datastorage"].stop()
    first, rest = recorded(database, AUTH)
    assert (first["actor_id"], first["event_outcome"], first["recorded_by"]) == ("anonymous", "failure", None)
    assert first["event_data"]["refused"] == 1
    [caller] = first["event_data"]["callers"]
    assert (caller["route"], caller["request_id"]) == (f"GET {EVENTS}", "guess-1")
    assert database.query("SELECT count(*) FROM audit_events WHERE request_id = 'guess-1'") == [(1,)]
    many, scope = rest["event_data"]["callers"]
    assert "request_id" not in many
    assert (scope["route"], scope["required_scope"], scope["request_id"]) == (
        f"POST {EVENTS}",
        "audit:write",
        "scope-1",
    )
    assert rest["event_data"]["by_reason"] == {"unknown": 20, "scope": 1}
    assert {c["principal"] for c in rest["event_data"]["callers"]} == {None, "reader"}
    assert "guessed" not in str((first, rest))


def test_whose_token_has_expired(
    make_app: Callable[..., flask.Flask], database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = tmp_path / "tokens.yaml"
    write_tokens(tokens, reader="audit:read")
    tokens.write_text(tokens.read_text() + "  expires: 2020-01-01T00:00:00Z\n")
    app = make_app(auth={"mode": "token", "tokens_file": str(tokens)})
    with caplog.at_level("INFO", "app.auth.authorizer"):
        assert app.test_client().get(EVENTS, headers=bearer("reader")).status_code == 401
    assert [r.getMessage() for r in caplog.records] == ["a request was refused: the token has expired (reader)"]
    app.extensions["datastorage"].stop()
    [told] = recorded(database, AUTH)
    assert told["actor_id"] == "reader"
    [caller] = told["event_data"]["callers"]
    assert (caller["reason"], caller["principal"]) == ("expired", "reader")


def test_who_asked_too_often(make_app: Callable[..., flask.Flask], database: Database, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    write_tokens(tokens, reader="audit:read")
    app = make_app(auth={"mode": "token", "tokens_file": str(tokens)}, limits={"principal_requests": "1/day"})
    answers = [app.test_client().get(EVENTS, headers=bearer("reader")).status_code for _ in range(4)]
    assert answers == [200, 429, 429, 429]
    app.extensions["datastorage"].stop()
    told = [caller for e in recorded(database, AUTH) for caller in e["event_data"]["callers"]]
    assert {(c["status"], c["reason"], c["principal"]) for c in told} == {(429, "rate_limit", "reader")}
    assert sum(c["count"] for c in told) == 3


def test_tokens_that_came_and_went(
    make_app: Callable[..., flask.Flask], database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched_file, "_RECHECK_SECONDS", 0.0)
    tokens = tmp_path / "tokens.yaml"
    write_tokens(tokens, alice="audit:read", bob="audit:read", carol="audit:read")
    client = make_app(auth={"mode": "token", "tokens_file": str(tokens)}).test_client()
    write_tokens(tokens, bob="audit:read", carol="audit:write", dave="audit:read dlq:admin")
    assert client.get(EVENTS, headers=bearer("dave")).status_code == 200
    wait_until(lambda: recorded(database, ADMIN), what="the change")
    [change] = recorded(database, ADMIN)
    assert change["event_action"] == "credentials_changed"
    data = change["event_data"]
    assert (data["added"], data["removed"], data["changed"]) == (["dave"], ["alice"], ["carol"])
    assert token_digest("dave").hex() not in str(change)


def test_what_is_done_to_dead_letters(
    make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis, database: Database
) -> None:
    client = make_app(redis={"url": valkey.url(0)}).test_client()
    ids = [put(streams, event_type="", request_id=brought) for brought in ("brought-1", None)]
    wait_until(lambda: streams.xlen(KEYS["events"].dead) == 2, what="dead letters")
    first, second = (letter["id"] for letter in client.get("/api/v1/dlq/dead-letters").json["dead_letters"])
    assert client.delete(f"/api/v1/dlq/dead-letters/{first}").status_code == 200
    assert client.post(f"/api/v1/dlq/dead-letters/{second}/replay").status_code == 202
    assert client.delete(f"/api/v1/dlq/dead-letters/{first}").status_code == 404
    deleted, replayed = recorded(database, ADMIN)
    assert (deleted["event_action"], deleted["resource_id"]) == ("dead_letter_delete", first)
    assert (replayed["event_action"], replayed["resource_id"]) == ("dead_letter_replay", second)
    assert [e["event_data"]["record"] for e in (deleted, replayed)] == ids
    assert [e["event_data"]["record_request_id"] for e in (deleted, replayed)] == ["brought-1", None]
    assert {e["event_outcome"] for e in (deleted, replayed)} == {"pending"}


def test_a_dead_letter_stays_where_its_end_cannot_be_recorded(
    make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis, database: Database
) -> None:
    client = make_app(redis={"url": valkey.url(0)}, dlq={"max_len": 1}).test_client()
    put(streams, event_type="")
    wait_until(lambda: streams.xlen(KEYS["events"].dead) == 1, what="a dead letter")
    [letter] = client.get("/api/v1/dlq/dead-letters").json["dead_letters"]
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    wait_until(lambda: client.post(EVENTS, json=event()).status_code == 503, what="a full queue")
    assert client.delete(f"/api/v1/dlq/dead-letters/{letter['id']}").status_code == 503
    assert streams.xlen(KEYS["events"].dead) == 1


def test_without_the_setting_nothing_is_recorded(
    make_app: Callable[..., flask.Flask], valkey: Valkey, streams: redis.Redis, database: Database
) -> None:
    client = make_app(redis={"url": valkey.url(0)}, audit={"record_service": False}).test_client()
    put(streams, event_type="")
    wait_until(lambda: streams.xlen(KEYS["events"].dead) == 1, what="a dead letter")
    [letter] = client.get("/api/v1/dlq/dead-letters").json["dead_letters"]
    assert client.delete(f"/api/v1/dlq/dead-letters/{letter['id']}").status_code == 200
    assert recorded(database, ADMIN) == []


def test_migrations_are_recorded_by_the_role_that_applied_them(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = postgres.make_database()
    try:
        database.query("DROP SCHEMA public CASCADE")
        database.query("CREATE SCHEMA public AUTHORIZATION datastorage_owner")
        monkeypatch.setattr(
            os,
            "environ",
            {
                **{k: v for k, v in os.environ.items() if not k.startswith("DATASTORAGE_")},
                "DATASTORAGE_DATABASE__URL": database.service_url,
                "DATASTORAGE_DATABASE__DIRECT_URL": database.owner_url,
            },
        )
        for _ in range(2):
            done = CliRunner().invoke(migrate)
            assert done.exit_code == 0, done.output
        [migrated] = recorded(database, ADMIN)
        assert (migrated["event_action"], migrated["actor_id"]) == ("migrated", "datastorage_owner")
        assert migrated["event_data"]["migrations"][0] == "0001_audit"
    finally:
        database.drop()
