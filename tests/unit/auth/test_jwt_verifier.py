from __future__ import annotations

import base64
import json
import math
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from app.auth.jwt_verifier import JWTVerifier
from app.auth.principal import REASONS, Principal, TokenError
from app.auth.verifiers import make_verifier
from app.auth.watched_file import CredentialFileError
from app.config.settings import AuthSettings
from tests.tokens import AUDIENCE, ISSUER, Issuer
from tests.unit.auth.helpers import jwks, refusal, replace


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


def verifier_of(tmp_path: Path, content: bytes, **keys: Any) -> JWTVerifier:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    settings = AuthSettings(
        mode="jwt", jwt_keys_file=str(path), jwt_issuer=ISSUER, jwt_audience=AUDIENCE, **{"jwt_leeway": 0.0, **keys}
    )
    made = make_verifier(settings)
    assert isinstance(made, JWTVerifier)
    return made


def look_again(verifier: JWTVerifier) -> None:
    verifier.issuers[ISSUER].keys._next_look = 0.0  # type: ignore[attr-defined]


@pytest.mark.parametrize("kid", ["rsa", "ec", "ed"])
def test_each_algorithm(tmp_path: Path, issuer: Issuer, kid: str) -> None:
    found = verifier_of(tmp_path, issuer.jwks()).principal(issuer.token(kid, sub="me"))
    assert found == Principal("me", frozenset({"audit:write"}))


def test_the_list_of_algorithms_can_be_shorter(tmp_path: Path, issuer: Issuer) -> None:
    verifier = verifier_of(tmp_path, issuer.jwks(), jwt_algorithms=("EdDSA",))
    assert verifier.principal(issuer.token("ed"))
    assert refusal(verifier, issuer.token("ec")) == "algorithm"


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "audit:read workflows:read"}, {"audit:read", "workflows:read"}),
        ({"scope": ..., "scp": ["audit:read", "dlq:admin"]}, {"audit:read", "dlq:admin"}),
        ({"scope": ..., "scp": "audit:read"}, {"audit:read"}),
        ({"scope": "openid audit:read AUDIT:WRITE audit:*"}, {"audit:read"}),
        ({"scope": ["audit:read", 5, None]}, {"audit:read"}),
        ({"scope": ...}, set()),
        ({"scope": {"audit:read": True}, "scp": 5}, set()),
    ],
)
def test_scopes_of_a_token(tmp_path: Path, issuer: Issuer, claims: dict[str, Any], scopes: set[str]) -> None:
    assert verifier_of(tmp_path, issuer.jwks()).principal(issuer.token(**claims)).scopes == scopes


def test_one_of_several_audiences_is_enough(tmp_path: Path, issuer: Issuer) -> None:
    assert verifier_of(tmp_path, issuer.jwks()).principal(issuer.token(aud=["other", AUDIENCE]))


def test_leeway_is_for_clocks_that_differ(tmp_path: Path, issuer: Issuer) -> None:
    now = int(time.time())
    patient = verifier_of(tmp_path, issuer.jwks(), jwt_leeway=3600.0)
    assert patient.principal(issuer.token(exp=now - 1800))
    assert patient.principal(issuer.token(nbf=now + 1800, iat=now + 1800))
    assert refusal(patient, issuer.token(exp=now - 7200)) == "expired"


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize(
    "value",
    [10**400, 10**12, -1, -1e300, 1e300, math.inf, -math.inf, math.nan, "4102444800", "1" * 5000, True, None, [], {}],
    ids=lambda value: repr(value)[:20],
)
def test_dates_that_no_calendar_has_are_refused(tmp_path: Path, issuer: Issuer, claim: str, value: object) -> None:
    """Whatever the reason is told as, the answer is 401."""
    token = issuer.token(**{"exp": 4102444800, "nbf": 0, "iat": 0, claim: value})
    refusal(verifier_of(tmp_path, issuer.jwks()), token)


def test_dates_at_the_ends_of_the_calendar(tmp_path: Path, issuer: Issuer) -> None:
    assert verifier_of(tmp_path, issuer.jwks()).principal(issuer.token(exp=253_402_300_799.0, nbf=0, iat=0))


def test_claims_that_nest_without_end_are_refused(tmp_path: Path, issuer: Issuer) -> None:
    deep = "[" * 5000 + "]" * 5000
    head, _, _ = issuer.token("ec").split(".")
    signing = f"{head}.{base64.urlsafe_b64encode(deep.encode()).rstrip(b'=').decode()}"
    key = jwt.get_algorithm_by_name("ES256")
    signature = base64.urlsafe_b64encode(key.sign(signing.encode(), issuer.keys["ec"])).rstrip(b"=").decode()
    assert refusal(verifier_of(tmp_path, issuer.jwks()), f"{signing}.{signature}") == "unknown"


def test_without_a_kid_there_must_be_one_key_to_choose(tmp_path: Path, issuer: Issuer) -> None:
    token = issuer.token("ec", headers={"kid": ...})
    assert verifier_of(tmp_path, issuer.jwks()).principal(token)
    second = {**Issuer().public("ec"), "kid": "ec2"}
    both = json.dumps({"keys": [issuer.public("ec"), second]}).encode()
    assert refusal(verifier_of(tmp_path, both), token) == "key"
    assert verifier_of(tmp_path, both).principal(issuer.token("ec"))


def test_a_verified_token_is_remembered_until_it_expires(
    tmp_path: Path, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = verifier_of(tmp_path, issuer.jwks())
    token = issuer.token()
    known = verifier.principal(token)
    monkeypatch.setattr(jwt, "decode", lambda *a, **k: pytest.fail("verified again"))
    assert verifier.principal(token) is known
    end = jwt.decode_complete(token, options={"verify_signature": False})["payload"]["exp"]
    verifier._now = lambda: end - 1.0
    assert verifier.principal(token) is known
    verifier._now = lambda: float(end)
    assert refusal(verifier, token) == "expired"


def test_what_is_remembered_is_bounded(tmp_path: Path, issuer: Issuer) -> None:
    verifier = verifier_of(tmp_path, issuer.jwks())
    verifier._cache_size = 10
    for number in range(25):
        verifier.principal(issuer.token("ed", jti=str(number)))
        assert len(verifier._cache) <= 10


def test_a_key_that_is_taken_out_ends_its_tokens(tmp_path: Path, issuer: Issuer) -> None:
    verifier = verifier_of(tmp_path, issuer.jwks())
    token = issuer.token("ec")
    assert verifier.principal(token)
    replace(tmp_path / "keys.json", issuer.jwks("ed").decode())
    look_again(verifier)
    assert refusal(verifier, token) == "key"
    assert verifier.principal(issuer.token("ed"))


@pytest.mark.parametrize("members", [{"use": "enc"}, {"key_ops": ["sign"]}, {"alg": "ES512"}])
def test_the_start_is_refused_with_keys_that_check_nothing(tmp_path: Path, issuer: Issuer, members: Any) -> None:
    with pytest.raises(CredentialFileError, match=r"holds no key for RS256, ES256, EdDSA$"):
        verifier_of(tmp_path, jwks(issuer.public("ec", **members)))


def test_an_empty_set_admits_nobody(tmp_path: Path, issuer: Issuer) -> None:
    assert refusal(verifier_of(tmp_path, jwks()), issuer.token("ec")) == "key"


@pytest.mark.parametrize("members", [None, {"use": "enc"}])
def test_a_set_that_loses_its_keys_admits_nobody(
    tmp_path: Path, issuer: Issuer, members: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Also those that it let in before, and says so once."""
    verifier = verifier_of(tmp_path, issuer.jwks())
    token = issuer.token("ec")
    assert verifier.principal(token)
    replace(tmp_path / "keys.json", jwks(*([] if members is None else [issuer.public("ec", **members)])).decode())
    for _ in range(3):
        look_again(verifier)
        assert refusal(verifier, token) == "key"
    [line] = [r.getMessage() for r in caplog.records]
    assert line.endswith("keys.json has changed and admits nobody: every token is refused")
    replace(tmp_path / "keys.json", issuer.jwks().decode())
    look_again(verifier)
    assert verifier.principal(token)


@pytest.mark.parametrize("content", ["", "{", '{"keys": {}}', "[]", '{"keys": [5]}'])
def test_a_set_that_went_bad_leaves_its_keys_in_force(tmp_path: Path, issuer: Issuer, content: str) -> None:
    verifier = verifier_of(tmp_path, issuer.jwks())
    token = issuer.token("ec")
    replace(tmp_path / "keys.json", content)
    look_again(verifier)
    assert verifier.principal(token)


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"exp": ...}, ": exp is missing"),
        ({"aud": ...}, ": aud is missing"),
        ({"sub": ...}, ": sub is missing"),
        ({"exp": "9999999999"}, ": exp must be a number of seconds"),
        ({"iss": ...}, ": iss is missing"),
        ({"iss": "https://other.example\n" + "x" * 500}, ""),
    ],
)
def test_what_is_wrong_is_named_to_the_caller_and_in_the_log_whose_token_it_is(
    tmp_path: Path, issuer: Issuer, claims: dict[str, Any], said: str
) -> None:
    verifier = verifier_of(tmp_path, issuer.jwks())
    with pytest.raises(TokenError) as e:
        verifier.principal(issuer.token("ec", **claims))
    assert str(e.value) == REASONS[e.value.reason] + said
    assert e.value.where.endswith(", kid ec")
    assert e.value.where.isprintable()
    assert len(e.value.where) < 300
    assert ("issuer 1," in e.value.where) is ("iss" not in claims)


def test_when_a_token_ends(tmp_path: Path, issuer: Issuer) -> None:
    token = issuer.token("ec", exp=9999999999)
    assert verifier_of(tmp_path, issuer.jwks()).expires(token) == 9999999999
