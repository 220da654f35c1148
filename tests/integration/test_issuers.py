"""The running service with issuers whose keys it fetches: new keys, an issuer that is away, and what health says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

from app.clock import Clock
from app.config.issuers import issuers
from tests.integration.service import EVENTS, problem
from tests.issuer_server import IssuerServer, issuer_server
from tests.support import Database, event, wait_until
from tests.tokens import AUDIENCE, Issuer, entry, write_tokens


class Ahead(Clock):
    """The machine's clock, and as much later as a test has said."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with issuer_server() as running:
        yield running


def post(app: flask.Flask, token: str) -> Any:
    return app.test_client().post(EVENTS, json=event(), headers={"Authorization": f"Bearer {token}"})


def auth(*listed: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"mode": "jwt", "jwt_issuers": issuers(list(listed)), **keys}


def age(app: flask.Flask, name: str) -> float:
    text = app.test_client().get("/metrics").text
    [found] = re.findall(rf'datastorage_auth_keys_age_seconds{{issuer="{name}"}} (\S+)', text)
    return float(found)


def test_an_issuer_that_is_away_for_ten_minutes(
    make_app: Callable[..., flask.Flask], server: IssuerServer, database: Database
) -> None:
    clock = Ahead()
    mine = {"issuer": server.url, "audience": AUDIENCE, "name": "away", "name_prefix": "corp:"}
    app = make_app(auth=auth(mine), services={"clock": clock})
    health = app.test_client().get
    assert post(app, server.token("ec")).status_code == 201
    assert database.query("SELECT recorded_by FROM audit_events") == [("corp:gateway",)]
    assert health("/health").json["issuers"] == "connected"

    server.published = server.jwks("ec", "rsa")
    server.stop()
    for _ in range(10):
        clock.seconds += 60
        assert post(app, server.token("rsa", jti=str(clock.seconds))).status_code == 201, "the keys stay in force"
    wait_until(lambda: health("/health").json["issuers"] == "unreachable", what="noticed")
    assert health("/health").json["status"] == "degraded"
    assert health("/health/ready").status_code == 200
    wait_until(lambda: age(app, "away") >= 600, what="the age is told")
    # What was there when it went away; a key that is not known can't be judged.
    answer = post(app, server.token("ed", headers={"kid": "new"}))
    problem(answer, 503, "service-unavailable")
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    assert answer.json["detail"] == "the keys of the token's issuer are not known yet - please retry"
    assert "WWW-Authenticate" not in answer.headers

    server.start()
    clock.seconds += 60
    wait_until(lambda: health("/health").json["issuers"] == "connected", what="it is back")
    assert health("/health").json["status"] == "healthy"
    assert age(app, "away") < 600
    # The key that was taken out meanwhile ends its tokens, also those that are remembered.
    assert post(app, server.token("rsa")).status_code == 201
    clock.seconds += 60
    wait_until(lambda: post(app, server.token("ed")).status_code == 401, what="the key that was taken out")


def test_keys_that_change_refuse_no_token_of_the_new_key(
    make_app: Callable[..., flask.Flask], server: IssuerServer
) -> None:
    """Also where the key is used in the moment in which it is published."""
    server.published = server.jwks("ec")
    clock = Ahead()
    app = make_app(auth=auth({"issuer": server.url, "audience": AUDIENCE}), services={"clock": clock})
    assert post(app, server.token("ec")).status_code == 201
    statuses: list[int] = []

    def taken(kid: str) -> bool:
        clock.seconds += 1
        statuses.append(post(app, server.token(kid)).status_code)
        return statuses[-1] == 201

    for kids in (("ec", "rsa"), ("rsa", "ed")):
        server.published = server.jwks(*kids)
        wait_until(lambda kid=kids[1]: taken(kid), what="the new key")
    assert set(statuses) <= {201, 503}
    assert post(app, server.token("ec")).status_code != 201


@pytest.mark.parametrize(
    ("members", "kind"),
    [({}, "rsa"), ({}, "ec"), ({"kid": "the only one"}, "ec")],
    ids=["another kind without a kid", "the same kind without a kid", "always the same kid"],
)
def test_a_key_that_comes_in_the_place_of_another_refuses_no_token_of_its_own(
    make_app: Callable[..., flask.Flask], server: IssuerServer, members: dict[str, str], kind: str
) -> None:
    second = Issuer()

    def published(issuer: Issuer, kid: str) -> bytes:
        key = {name: value for name, value in issuer.public(kid).items() if name != "kid"}
        return json.dumps({"keys": [{**key, **members}]}).encode()

    def token(issuer: Issuer, kid: str) -> str:
        return issuer.token(kid, iss=server.url, headers={"kid": members.get("kid", ...)})

    server.published = published(server, "ec")
    clock = Ahead()
    app = make_app(auth=auth({"issuer": server.url, "audience": AUDIENCE}), services={"clock": clock})
    assert post(app, token(server, "ec")).status_code == 201
    server.published = published(second, kind)
    statuses: list[int] = []

    def taken() -> bool:
        clock.seconds += 1
        statuses.append(post(app, token(second, kind)).status_code)
        return statuses[-1] == 201

    wait_until(taken, what="the new key")
    assert set(statuses) <= {201, 503}
    # It has not signed what a stranger sends, and that brings no fetch about each time.
    before = len(server.asked)
    stranger = Issuer()
    refused = {post(app, token(stranger, kind)).status_code for _ in range(50)}
    assert refused <= {401, 503}
    assert len(server.asked) - before <= 4


def test_an_issuer_that_is_away_from_the_start(make_app: Callable[..., flask.Flask], server: IssuerServer) -> None:
    server.stop()
    clock, other = Ahead(), Issuer()
    app = make_app(auth=auth({"issuer": server.url, "audience": AUDIENCE, "name": "late"}), services={"clock": clock})
    problem(post(app, server.token("ec")), 503, "service-unavailable")
    assert age(app, "late") == float("inf")
    assert post(app, other.token("ec", iss="https://others.example")).status_code == 401
    assert post(app, "no.json.web-token").status_code == 401
    server.start()
    clock.seconds += 20
    wait_until(lambda: post(app, server.token("ec")).status_code == 201, what="its keys")


def test_made_up_keys_cost_one_fetch(make_app: Callable[..., flask.Flask], server: IssuerServer) -> None:
    app = make_app(auth=auth({"issuer": server.url, "audience": AUDIENCE}))
    before = len(server.asked)
    stranger = Issuer()
    statuses = [
        post(app, stranger.token("ec", iss=server.url, headers={"kid": f"made-up-{n}"})).status_code for n in range(200)
    ]
    assert set(statuses) <= {401, 503}
    assert statuses.count(503) <= 20
    assert len(server.asked) - before <= 4, "a document and a set, at the most twice"


def test_scopes_and_read_limits_from_claims_and_static_tokens_beside(
    make_app: Callable[..., flask.Flask], server: IssuerServer, tmp_path: Path
) -> None:
    file = write_tokens(tmp_path / "tokens", entry("cron", "dst_one", "audit:write"))
    mapping = {"claim": "realm_access.roles", "map": {"writers": ["audit:write"], "operators": ["dlq:admin"]}}
    listed = {"issuer": server.url, "audience": AUDIENCE, "scopes": mapping, "reads": {"namespaces_claim": "ns"}}
    app = make_app(auth=auth(listed, tokens_file=str(file)))
    assert post(app, server.token(realm_access={"roles": ["writers", "others"]})).status_code == 201
    assert post(app, server.token(realm_access={"roles": ["others"]})).status_code == 403
    assert post(app, server.token(realm_access={"roles": "audit:write"})).status_code == 403
    assert post(app, server.token(realm_access={"roles": 5})).status_code == 401
    dead_letters = app.test_client().get(
        "/api/v1/dlq", headers={"Authorization": "Bearer " + server.token(realm_access={"roles": ["operators"]})}
    )
    assert dead_letters.status_code == 403, "dead letters show what may not be read"
    assert post(app, "dst_one").status_code == 201
    assert post(app, "dst_two").status_code == 401
