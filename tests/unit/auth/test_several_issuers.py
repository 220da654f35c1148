"""Several issuers side by side, and static tokens beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.auth.jwt_verifier import JWTVerifier
from app.auth.principal import KeysUnknownError, Principal, Verifier
from app.auth.verifiers import make_verifier
from app.config.issuers import issuers
from app.config.settings import AuthSettings
from tests.issuer_server import issuer_server
from tests.tokens import AUDIENCE, Issuer, entry, write_tokens
from tests.unit.auth.helpers import refusal, replace

A, B = "https://a.example", "https://b.example"


@pytest.fixture(scope="module")
def first() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def second() -> Issuer:
    return Issuer()


def two(tmp_path: Path, first: Issuer, second: Issuer, **settings: Any) -> Verifier:
    listed = []
    for name, url, issuer in (("a", A, first), ("b", B, second)):
        (tmp_path / name).write_bytes(issuer.jwks())
        listed.append(
            {
                "issuer": url,
                "audience": f"{AUDIENCE}-{name}",
                "keys_file": str(tmp_path / name),
                "name_prefix": f"{name}/",
            }
        )
    made = make_verifier(AuthSettings(mode="jwt", jwt_issuers=issuers(listed), jwt_leeway=0.0, **settings))
    assert made is not None
    return made


def test_each_token_is_checked_with_what_its_issuer_says(tmp_path: Path, first: Issuer, second: Issuer) -> None:
    verifier = two(tmp_path, first, second)
    mine, theirs = {"iss": A, "aud": f"{AUDIENCE}-a"}, {"iss": B, "aud": f"{AUDIENCE}-b"}
    assert verifier.principal(first.token(**mine)).name == "a/gateway"
    assert verifier.principal(second.token(**theirs)).name == "b/gateway"
    # A key of one never verifies a token that says it is from the other.
    assert refusal(verifier, first.token(**theirs)) == "unknown"
    assert refusal(verifier, second.token(**mine)) == "unknown"
    assert refusal(verifier, first.token(iss=A, aud=theirs["aud"])) == "audience"
    assert refusal(verifier, first.token(iss="https://c.example", aud=mine["aud"])) == "issuer"
    assert refusal(verifier, first.token(iss=..., aud=mine["aud"])) == "claims"


def test_keys_of_one_that_change_leave_the_others_tokens_remembered(
    tmp_path: Path, first: Issuer, second: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = two(tmp_path, first, second)
    assert isinstance(verifier, JWTVerifier)
    mine, theirs = first.token(iss=A, aud=f"{AUDIENCE}-a"), second.token(iss=B, aud=f"{AUDIENCE}-b")
    known = verifier.principal(theirs)
    verifier.principal(mine)
    replace(tmp_path / "a", first.jwks("rsa").decode())
    verifier.issuers[A].keys._next_look = 0.0  # type: ignore[attr-defined]
    assert refusal(verifier, mine) == "key"
    assert verifier.principal(theirs) is known


def test_algorithms_may_be_fewer_for_one(tmp_path: Path, first: Issuer) -> None:
    (tmp_path / "a").write_bytes(first.jwks())
    listed = [{"issuer": A, "audience": AUDIENCE, "keys_file": str(tmp_path / "a"), "algorithms": ["ES256"]}]
    verifier = make_verifier(AuthSettings(mode="jwt", jwt_issuers=issuers(listed)))
    assert verifier is not None
    assert verifier.principal(first.token("ec", iss=A))
    assert refusal(verifier, first.token("rsa", iss=A)) == "algorithm"


def test_static_tokens_stand_beside(tmp_path: Path, first: Issuer, second: Issuer) -> None:
    file = write_tokens(
        tmp_path / "t", entry("cron", "dst_secret", "audit:write"), entry("old", "no-prefix", "metrics")
    )
    verifier = two(tmp_path, first, second, tokens_file=str(file))
    assert verifier.principal("dst_secret") == Principal("cron", frozenset({"audit:write"}))
    assert verifier.principal("no-prefix").name == "old"
    assert verifier.principal(first.token(iss=A, aud=f"{AUDIENCE}-a")).name == "a/gateway"
    for unknown in ("dst_other", "dst_a.b.c", "other", "a.b", "a.b.c"):
        assert refusal(verifier, unknown) == "unknown"


def test_without_a_file_a_static_token_is_unknown(tmp_path: Path, first: Issuer, second: Issuer) -> None:
    assert refusal(two(tmp_path, first, second), "dst_secret") == "unknown"


def test_a_fetched_set_lets_in_and_shuts_out(tmp_path: Path) -> None:
    with issuer_server() as server:
        listed = json.dumps([{"issuer": server.url, "audience": AUDIENCE, "name": "local"}])
        verifier = make_verifier(AuthSettings(mode="jwt", jwt_issuers=issuers(listed)))
        assert isinstance(verifier, JWTVerifier)
        keys: Any = verifier.issuers[server.url].keys
        ages: dict[str, float] = {}
        verifier.start(ages.__setitem__)
        try:
            token = server.token("ec")
            assert verifier.principal(token).name == "gateway"
            assert ages.keys() == {"local"}
            assert verifier.issuers_away == ()
            # An expired token with an unknown key brings nothing about.
            asked = len(server.asked)
            assert refusal(verifier, server.token("ec", headers={"kid": "gone"}, exp=1)) == "key"
            assert len(server.asked) == asked
            server.published = server.jwks("rsa")
            keys._due = 0.0
            keys.round()
            assert refusal(verifier, token) == "key"
            assert verifier.principal(server.token("rsa"))
            server.stop()
            keys._due = 0.0
            keys.round()
            assert verifier.issuers_away == ("local",)
            assert verifier.principal(server.token("rsa", jti="other"))
            with pytest.raises(KeysUnknownError):
                verifier.principal(server.token("ed"))
        finally:
            verifier.stop()
