"""Tokens under gunicorn: who is let in, who is recorded, also through the dead letter queue, and what is logged."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.cli.token import append, entry_text
from tests.support import Answer, Database, GunicornService, Valkey, event, notification, wait_until
from tests.tokens import AUDIENCE, ISSUER, Issuer

EVENTS = "/api/v1/audit/events"
WRITER, READER, OPERATOR, LATER = (f"dst_{name}-0123456789abcdefghijklmnopqrstuvwxyz" for name in "wrol")


def test_tokens_under_gunicorn(
    run_service: Callable[..., GunicornService], database: Database, valkey: Valkey, tmp_path: Path
) -> None:
    file = tmp_path / "tokens.yaml"
    append(file, entry_text(WRITER, "gateway", ("audit:write", "workflows:write", "workflows:read"), None))
    append(file, entry_text(READER, "reports", ("audit:read",), None))
    append(file, entry_text(OPERATOR, "on-call", ("dlq:admin", "metrics"), None))
    service = run_service(
        auth__mode="token",
        auth__tokens_file=str(file),
        auth__protect_metrics="true",
        redis__url=valkey.url(3),
        server__workers="1",
        server__host="127.0.0.1",
    )

    def ask(method: str, path: str, token: str | None, body: Any = None) -> Answer:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return service.request(method, path, body, headers=headers)

    answer = ask("POST", EVENTS, None, event())
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="datastorage"')
    assert ask("POST", EVENTS, READER, event()).json["required_scope"] == "audit:write"
    assert ask("GET", "/api/v1/dlq", WRITER).status == 403
    assert ask("GET", "/api/v1/dlq", OPERATOR).status == 200
    assert (service.request("GET", "/metrics").status, ask("GET", "/metrics", OPERATOR).status) == (401, 200)
    assert all(service.probe(path) == 200 for path in ("/health", "/health/ready", "/health/live", "/docs"))

    # Everything that is written says who wrote it, whatever actor it names.
    ids = {name: str(uuid.uuid4()) for name in ("one", "batch", "spilled")}
    assert ask("POST", EVENTS, WRITER, event(event_id=ids["one"], actor_id="somebody")).status == 201
    assert ask("POST", f"{EVENTS}/batch", WRITER, [event(event_id=ids["batch"])]).status == 201
    told = notification()
    assert ask("POST", "/api/v1/audit/notifications", WRITER, told).status == 201
    database.query("REVOKE INSERT ON audit_events, notification_audit FROM datastorage")
    assert ask("POST", EVENTS, WRITER, event(event_id=ids["spilled"])).status == 202
    later = notification()
    assert ask("POST", "/api/v1/audit/notifications", WRITER, later).status == 202
    database.query("GRANT INSERT ON audit_events, notification_audit TO datastorage")
    wait_until(lambda: database.count() == 3 and database.count("notification_audit") == 2, what="replayed")
    by = database.query("SELECT event_id::text, recorded_by, actor_id FROM audit_events")
    assert {(ident, name) for ident, name, _ in by} == {(ident, "gateway") for ident in ids.values()}
    assert "somebody" in {actor for _, _, actor in by}
    assert database.query("SELECT DISTINCT recorded_by FROM notification_audit") == [("gateway",)]
    # Who wrote it is no part of what was written: the same from another caller is the same event.
    known = ask("GET", f"{EVENTS}/{ids['one']}", READER).json
    again = {k: known[k] for k in event() if k != "version"} | {"version": "1.0", "event_id": ids["one"]}
    append(file, entry_text(LATER, "newcomer", ("audit:write",), None))
    wait_until(lambda: ask("POST", EVENTS, LATER, {**again, "actor_id": "somebody"}).status == 200, what="let in")
    assert database.query("SELECT recorded_by FROM audit_events WHERE event_id = %s", ids["one"]) == [("gateway",)]

    search = {"signal_type": "a", "severity": "low", "component": "b", "environment": "c", "priority": "P1"}
    assert ask("POST", "/api/v1/workflows/search", WRITER, {"filters": search}).status == 200
    found = "SELECT recorded_by FROM audit_events WHERE event_type = 'workflow.catalog.search_completed'"
    wait_until(lambda: database.query(found) == [("gateway",)], what="the event of the search")

    _taken_out_is_shut_out(service, file)
    _bodies_of_strangers(service)
    failures = {k: v for k, v in _metrics(ask("GET", "/metrics", OPERATOR)).items() if "auth_failures" in k}
    assert failures['datastorage_auth_failures_total{reason="missing"}'] >= 2
    assert failures['datastorage_auth_failures_total{reason="scope"}'] >= 2
    service.stop()
    log = service.log.read_text()
    assert not any(token in log for token in (WRITER, READER, OPERATOR, LATER))
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    spilled = [line for line in lines if line.get("outcome") == "spilled"]
    assert {line["principal"] for line in spilled} == {"gateway"}


def test_json_web_tokens_under_gunicorn(
    run_service: Callable[..., GunicornService], database: Database, tmp_path: Path
) -> None:
    issuer, stranger = Issuer(), Issuer()
    keys = tmp_path / "keys.json"
    keys.write_bytes(issuer.jwks("rsa", "ec"))
    service = run_service(
        auth__mode="jwt",
        auth__jwt_keys_file=str(keys),
        auth__jwt_issuer=ISSUER,
        auth__jwt_audience=AUDIENCE,
        auth__jwt_leeway="0",
        server__workers="1",
    )

    def ask(token: str) -> Answer:
        return service.request("POST", EVENTS, event(), headers={"Authorization": f"Bearer {token}"})

    for kid in ("rsa", "ec"):
        assert ask(issuer.token(kid, sub=f"by-{kid}")).status == 201
    assert {by for (by,) in database.query("SELECT recorded_by FROM audit_events")} == {"by-rsa", "by-ec"}
    bad = {
        "expired": issuer.token(exp=int(time.time()) - 1),
        "audience": issuer.token(aud="others"),
        "issuer": issuer.token(iss="https://elsewhere.example"),
        "signature": stranger.token("ec"),
        "unknown key": issuer.token("ed"),
        "none": issuer.unsigned(),
        "algorithm": issuer.confused(),
    }
    assert {what: ask(token).status for what, token in bad.items()} == dict.fromkeys(bad, 401)
    assert 'error="invalid_token"' in ask(bad["none"]).headers["WWW-Authenticate"]
    few = ask(issuer.token(scope="audit:read"))
    assert (few.status, few.json["required_scope"]) == (403, "audit:write")
    assert database.count() == 2

    # A key that is published later is taken, one that is withdrawn is not.
    changed = keys.with_suffix(".new")
    changed.write_bytes(issuer.jwks("ed"))
    os.replace(changed, keys)
    wait_until(lambda: ask(issuer.token("ed", sub="by-ed")).status == 201, what="the new key")
    assert ask(issuer.token("ec")).status == 401
    # A broken set leaves it in force; an emptied one admits nobody, who was known before neither.
    good = issuer.token("ed", sub="by-ed")
    assert ask(good).status == 201
    for content, status, word in ((b"{", 201, "stays in force"), (b'{"keys": []}', 401, "admits nobody")):
        changed.write_bytes(content)
        os.replace(changed, keys)
        wait_until(lambda word=word: ask(good).status and word in service.log.read_text(), what=word)  # type: ignore[misc]
        assert ask(good).status == status
    service.stop()
    log = service.log.read_text()
    assert log.count("admits nobody") == 1
    assert not any(token in log for token in bad.values())


def _metrics(answer: Answer) -> dict[str, float]:
    samples = (line.rsplit(" ", 1) for line in answer.body.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in samples}


def _taken_out_is_shut_out(service: GunicornService, file: Path) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(file.read_text().partition("- name: newcomer")[0])
    os.replace(fresh, file)
    headers = {"Authorization": f"Bearer {LATER}"}
    wait_until(lambda: service.request("GET", EVENTS, headers=headers).status == 401, what="shut out")


def _bodies_of_strangers(service: GunicornService) -> None:
    """Whoever is not let in is answered before the body came, and does not keep others waiting."""
    conn = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    with contextlib.closing(conn):
        conn.putrequest("POST", EVENTS)
        conn.putheader("Content-Type", "application/json")
        conn.putheader("Content-Length", "1000000")
        conn.endheaders()
        conn.send(b"[")
        assert conn.getresponse().status == 401
    assert service.probe("/health/live") == 200
