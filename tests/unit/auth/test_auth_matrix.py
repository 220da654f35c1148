"""Every route × every kind of credentials gives the answer of the table, in both modes."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import time
from pathlib import Path
from typing import Any

import flask
import pytest

from app import create_app
from app.audit.outcome import Stored
from app.auth.authorizer import SCOPE_OF, is_open
from app.auth.principal import REASONS, SCOPES
from app.config.settings import AuthSettings, ServerSettings, Settings
from app.telemetry import metrics
from tests.tokens import AUDIENCE, ISSUER, Issuer, entry, write_tokens
from tests.unit.fakes import make_client, make_services

ALL = " ".join(SCOPES)
# An application without servers behind it, only to know the routes.
ROUTES = sorted(
    {
        (method, rule.rule)
        for rule in create_app(Settings(), make_services()).url_map.iter_rules()
        for method in (rule.methods or ())
    }
)
GUARDED = [(method, rule) for method, rule in ROUTES if rule.startswith("/api")]
OPEN = [(method, rule) for method, rule in ROUTES if not rule.startswith("/api")]


class Unreadable(io.RawIOBase):
    """A request body that nobody may read."""

    def readinto(self, buffer: Any) -> int:
        raise AssertionError("the body was read")


def only(scope: str) -> str:
    """The static token that has this scope alone."""
    return "only-" + scope.replace(":", ".")


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("auth")


@pytest.fixture(scope="module", params=["token", "jwt"])
def auth(request: pytest.FixtureRequest, issuer: Issuer, folder: Path) -> AuthSettings:
    if request.param == "jwt":
        return jwt_settings(issuer, folder)
    entries = [entry(f"only {scope}", only(scope), scope) for scope in SCOPES]
    path = write_tokens(
        folder / "tokens.yaml",
        *entries,
        entry("everything", "everything", *SCOPES),
        {**entry("was", "was-valid", *SCOPES), "expires": "2020-01-01T00:00:00Z"},
    )
    # YAML times are no texts.
    path.write_text(path.read_text().replace("'2020-01-01T00:00:00Z'", "2020-01-01T00:00:00Z"))
    return AuthSettings(mode="token", tokens_file=str(path))


def jwt_settings(issuer: Issuer, folder: Path, **keys: Any) -> AuthSettings:
    path = folder / "keys.json"
    path.write_bytes(issuer.jwks())
    return AuthSettings(
        mode="jwt", jwt_keys_file=str(path), jwt_issuer=ISSUER, jwt_audience=AUDIENCE, **{"jwt_leeway": 0.0, **keys}
    )


@pytest.fixture(scope="module")
def client(auth: AuthSettings) -> flask.testing.FlaskClient:
    return client_of(auth)


def client_of(auth: AuthSettings, **server: Any) -> flask.testing.FlaskClient:
    return make_client(make_services(Settings(auth=auth, server=ServerSettings(**server)), Stored()))


def ask(client: flask.testing.FlaskClient, method: str, rule: str, authorization: str | None) -> Any:
    """A request for a route, with a body that must not be read unless the caller may ask."""
    path = rule.replace("<event_id>", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b").replace("<path:name>", "a/b")
    path = path.replace("<workflow_id>", "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b").replace("<letter_id>", "events:1-0")
    headers = {} if authorization is None else {"Authorization": authorization}
    return client.open(path, method=method, headers=headers, content_type="application/json")


def refused(client: flask.testing.FlaskClient, method: str, rule: str, authorization: str | None) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    body = {"wsgi.input": Unreadable(), "CONTENT_LENGTH": "10", "CONTENT_TYPE": "text/wrong"}
    return client.open(rule, method=method, headers=headers, environ_overrides=body)


def relabelled(issuer: Issuer, **header: Any) -> str:
    """A token whose header was changed after it was signed."""
    _, body, signature = issuer.token("ec", scope=ALL).split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "ES256", "kid": "ec", **header}).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


MALFORMED = {
    "no token after the scheme": "Bearer",
    "another scheme": "Basic ZGF0YTpzdG9yYWdl",
    "two tokens": "Bearer one two",
    "characters no token has": "Bearer a,b",
    "two headers in one": "Bearer one, Bearer two",
    "far too long": "Bearer " + "a" * 10_000,
    "not ASCII": "Bearer \u00fc",
    "empty": "",
}


@pytest.fixture(scope="module")
def bad(auth: AuthSettings, issuer: Issuer) -> dict[str, tuple[str | None, str]]:
    """The wrong credentials, made once."""
    return bad_credentials(auth.mode, issuer)


def bad_credentials(mode: str, issuer: Issuer) -> dict[str, tuple[str | None, str]]:
    """Case → the Authorization header, and the reason that it is refused for."""
    cases: dict[str, tuple[str | None, str]] = {"no token": (None, "missing")}
    cases |= {name: (header, "malformed") for name, header in MALFORMED.items()}
    if mode == "token":
        return cases | {
            "unknown": ("Bearer nobodys", "unknown"),
            "expired": ("Bearer was-valid", "expired"),
            "the hash itself": (f"Bearer {hashlib.sha256(b'everything').hexdigest()}", "unknown"),
            "almost": ("Bearer everythinG", "unknown"),
        }
    now = int(time.time())

    def token(kid: str = "ec", **changes: Any) -> str:
        return "Bearer " + issuer.token(kid, **{"scope": ALL, **changes})

    stranger = Issuer()
    return cases | {
        "not a JWT": ("Bearer nobodys", "unknown"),
        "expired": (token(exp=now - 60), "expired"),
        "never expires": (token(exp=...), "claims"),
        "exp is no number": (token(exp="soon"), "unknown"),
        "not valid yet": (token(nbf=now + 600), "not_yet_valid"),
        "issued in the future": (token(iat=now + 600), "not_yet_valid"),
        "wrong audience": (token(aud="elsewhere"), "audience"),
        "no audience": (token(aud=...), "claims"),
        "wrong issuer": (token(iss="https://evil.example"), "issuer"),
        "no issuer": (token(iss=...), "claims"),
        "no subject": (token(sub=...), "claims"),
        "a subject that cannot be stored": (token(sub="a" * 256), "claims"),
        "a subject with a line end": (token(sub="a\nb"), "claims"),
        "unknown kid": (token(headers={"kid": "nobody's"}), "key"),
        "a stranger's key under a known kid": ("Bearer " + stranger.token("ec", scope=ALL), "unknown"),
        "alg none": ("Bearer " + issuer.unsigned(scope=ALL), "algorithm"),
        "alg none, spelt otherwise": ("Bearer " + relabelled(issuer, alg="nOnE"), "algorithm"),
        "HS256 with the public key as PEM": ("Bearer " + issuer.confused("pem", scope=ALL), "algorithm"),
        "HS256 with the public key as DER": ("Bearer " + issuer.confused("der", scope=ALL), "algorithm"),
        "an algorithm that is not on the list": ("Bearer " + relabelled(issuer, alg="ES512"), "algorithm"),
        "another key's algorithm": ("Bearer " + relabelled(issuer, alg="RS256"), "algorithm"),
        "an algorithm that is no text": ("Bearer " + relabelled(issuer, alg=["ES256"]), "algorithm"),
        "another kid after signing": ("Bearer " + relabelled(issuer, kid="rsa"), "algorithm"),
        "a key of its own": ("Bearer " + relabelled(issuer, jku="https://evil.example/jwks"), "unknown"),
        "a critical extension": (token(headers={"crit": ["exp"]}), "unknown"),
        "no signature": ("Bearer " + issuer.token("ec").rpartition(".")[0] + ".", "unknown"),
    }


def credentials(mode: str, issuer: Issuer, scope: str | None) -> str:
    """Credentials with one scope, or with all."""
    if mode == "token":
        return "Bearer " + (only(scope) if scope else "everything")
    return "Bearer " + issuer.token("ed", sub=f"only {scope}" if scope else "everything", scope=scope or ALL)


def failures(reason: str) -> float:
    return float(metrics.AUTH_FAILURES.labels(reason)._value.get())


def test_every_route_has_its_scope_or_is_open() -> None:
    """A new route must be put into the map, or nobody gets to it."""
    served = {(m, r) for m, r in GUARDED if m not in ("HEAD", "OPTIONS")}
    assert served == set(SCOPE_OF)
    assert set(SCOPE_OF.values()) == set(SCOPES) - {"metrics"}
    assert {rule for _, rule in OPEN if not is_open(rule)} == {"/metrics"}


@pytest.mark.parametrize(("method", "rule"), GUARDED)
def test_bad_credentials_get_401(
    client: flask.testing.FlaskClient, bad: dict[str, tuple[str | None, str]], method: str, rule: str
) -> None:
    implied = method in ("HEAD", "OPTIONS")  # what Flask adds by itself goes the same way: a few cases show it
    for case, (header, reason) in list(bad.items())[: 3 if implied else None]:
        before = failures(reason)
        answer = refused(client, method, rule, header)
        assert answer.status_code == 401, case
        assert failures(reason) == before + 1, case
        challenge = answer.headers["WWW-Authenticate"]
        assert challenge.startswith('Bearer realm="datastorage"')
        assert ('error="invalid_token"' in challenge) is (reason != "missing"), case
        if method != "HEAD":
            assert answer.content_type == "application/problem+json"
            assert answer.json["type"].endswith("/unauthorized")
            assert answer.json["detail"].partition(": ")[0] == REASONS[reason], case
        token = (header or "").rpartition(" ")[2]
        assert len(token) < 7 or token not in answer.text + challenge, case


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("method", "rule"), GUARDED)
def test_one_scope_opens_its_own_routes(
    client: flask.testing.FlaskClient, auth: AuthSettings, issuer: Issuer, method: str, rule: str, scope: str
) -> None:
    header = credentials(auth.mode, issuer, scope)
    needed = SCOPE_OF.get(("GET" if method == "HEAD" else method, rule))
    if method == "OPTIONS" or scope == needed:
        assert ask(client, method, rule, header).status_code not in (401, 403)
        return
    before = failures("scope")
    answer = refused(client, method, rule, header)
    assert answer.status_code == 403
    assert failures("scope") == before + 1
    assert f'error="insufficient_scope", scope="{needed}"' in answer.headers["WWW-Authenticate"]
    if method != "HEAD":
        assert answer.json["type"].endswith("/forbidden")
        assert answer.json["required_scope"] == needed
        assert needed in answer.json["detail"]


@pytest.mark.parametrize(("method", "rule"), OPEN)
def test_open_routes_ask_for_nothing(
    client: flask.testing.FlaskClient,
    auth: AuthSettings,
    issuer: Issuer,
    bad: dict[str, tuple[str | None, str]],
    method: str,
    rule: str,
) -> None:
    for header, _ in [*list(bad.values())[:3], list(bad.values())[-1], (credentials(auth.mode, issuer, None), "")]:
        assert ask(client, method, rule, header).status_code not in (401, 403)


def test_metrics_by_setting(auth: AuthSettings, issuer: Issuer) -> None:
    guarded = client_of(dataclasses.replace(auth, protect_metrics=True))
    assert guarded.get("/metrics").status_code == 401
    for scope in SCOPES:
        answer = guarded.get("/metrics", headers={"Authorization": credentials(auth.mode, issuer, scope)})
        assert answer.status_code == (200 if scope == "metrics" else 403)
    assert guarded.get("/health/live").status_code != 401


@pytest.mark.parametrize("path", ["/api", "/api/v1/nothing", "/api/v1/audit/events/", "/healthy", "/openapis", "/x"])
def test_what_is_not_there_is_nobodys_to_know(
    client: flask.testing.FlaskClient, auth: AuthSettings, issuer: Issuer, path: str
) -> None:
    assert client.get(path).status_code == 401
    answer = client.get(path, headers={"Authorization": credentials(auth.mode, issuer, "audit:read")})
    assert answer.status_code == 404


def test_a_wrong_method_is_told_to_those_who_may_ask(
    client: flask.testing.FlaskClient, auth: AuthSettings, issuer: Issuer
) -> None:
    assert client.delete("/api/v1/audit/events").status_code == 401
    answer = client.delete(
        "/api/v1/audit/events", headers={"Authorization": credentials(auth.mode, issuer, "audit:read")}
    )
    assert answer.status_code == 405


def test_a_route_that_nobody_has_given_a_scope_is_refused(auth: AuthSettings, issuer: Issuer) -> None:
    settings = Settings(auth=auth)
    app = create_app(settings, make_services(settings))
    app.add_url_rule("/api/v1/new", view_func=lambda: "secret", endpoint="new")
    app.add_url_rule("/elsewhere", view_func=lambda: "secret", endpoint="elsewhere")
    for path in ("/api/v1/new", "/elsewhere"):
        answer = app.test_client().get(path, headers={"Authorization": credentials(auth.mode, issuer, None)})
        assert answer.status_code == 403
        assert "secret" not in answer.text


def test_authentication_comes_before_validation(client: flask.testing.FlaskClient, auth: AuthSettings) -> None:
    assert client.get("/api/v1/audit/events?limit=nonsense").status_code == 401
    assert client.get("/api/v1/audit/events/not-an-id").status_code == 401
    assert client.post("/api/v1/audit/events", data=b"{", content_type="text/plain").status_code == 401


def test_a_preflight_needs_no_token_and_its_request_does(auth: AuthSettings) -> None:
    origin = "https://console.example"
    app = client_of(auth, cors_allowed_origins=(origin,))
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert app.options("/api/v1/audit/events", headers=asked).status_code == 204
    answer = app.post("/api/v1/audit/events", headers={"Origin": origin})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == origin


def test_without_a_mode_nothing_is_asked_for() -> None:
    app = make_client(make_services())
    for method, rule in ROUTES:
        assert ask(app, method, rule, None).status_code not in (401, 403)
