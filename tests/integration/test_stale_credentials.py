"""A file of tokens or keys that breaks after the start: it stays in force, and health, metric and record say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import flask
import pytest

from app.auth import watched_file
from app.telemetry import metrics
from tests.integration.service import EVENTS
from tests.support import Database, wait_until
from tests.tokens import AUDIENCE, ISSUER, Issuer, entry, write_tokens


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_file, "_RECHECK_SECONDS", 0.0)


def stale(kind: str) -> float:
    value: float = metrics.AUTH_FILES_STALE.labels(kind)._value.get()
    return value


def test_a_token_file_that_breaks_is_said(make_app: Callable[..., flask.Flask], tmp_path: Path) -> None:
    tokens = write_tokens(tmp_path / "tokens.yaml", entry("alice", "alice", "audit:read"))
    client = make_app(auth={"mode": "token", "tokens_file": str(tokens)}).test_client()
    assert client.get("/health").json["credentials"] == "current"
    whole = tokens.read_text()
    tokens.write_text(whole + "- name: [")
    # No request with a token comes: the worker looks by itself.
    wait_until(lambda: client.get("/health").json["credentials"] == "stale", what="health says so")
    assert client.get("/health").json["status"] == "degraded"
    assert "reasons" not in client.get("/health").json
    assert client.get("/health/ready").status_code == 200
    wait_until(lambda: stale("tokens") == 1, what="the gauge is up")
    assert client.get(EVENTS, headers={"Authorization": "Bearer alice"}).status_code == 200
    tokens.write_text("[]")
    wait_until(lambda: client.get("/health").json["credentials"] == "current", what="it can be read")
    assert client.get("/health").json["status"] == "healthy"
    wait_until(lambda: stale("tokens") == 0, what="the gauge is down")
    assert client.get(EVENTS, headers={"Authorization": "Bearer alice"}).status_code == 401


def test_a_key_file_that_is_gone_is_said(make_app: Callable[..., flask.Flask], tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_bytes(Issuer().jwks())
    settings = {"mode": "jwt", "jwt_keys_file": str(keys), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    client = make_app(auth=settings).test_client()
    keys.rename(tmp_path / "away")
    wait_until(lambda: client.get("/health").json["credentials"] == "stale", what="health says so")
    wait_until(lambda: stale("keys") == 1, what="the gauge is up")
    (tmp_path / "away").rename(keys)
    wait_until(lambda: client.get("/health").json["credentials"] == "current", what="it is back")


def test_without_such_files_nothing_is_said(make_app: Callable[..., flask.Flask]) -> None:
    assert "credentials" not in make_app().test_client().get("/health").json


def test_each_worker_records_a_change_without_a_request_and_it_is_stored_once(
    make_app: Callable[..., flask.Flask], database: Database, tmp_path: Path
) -> None:
    alice, bob = entry("alice", "alice", "audit:read"), entry("bob", "bob", "audit:read")
    tokens = write_tokens(tmp_path / "tokens.yaml", alice)
    app = make_app(auth={"mode": "token", "tokens_file": str(tokens)})
    app.extensions["datastorage"].sampler.sample()
    tokens.write_text("# the same\n" + tokens.read_text())
    write_tokens(tokens, alice, bob)
    found = "SELECT event_data FROM audit_events WHERE event_action = 'credentials_changed'"
    wait_until(lambda: database.query(found), what="the change")
    app.extensions["datastorage"].stop()
    [(data,)] = database.query(found)
    assert data["added"] == ["bob"]
    assert data["sha256_before"] != data["sha256_after"]
