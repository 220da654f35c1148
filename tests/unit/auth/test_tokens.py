from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.auth.tokens import (
    SCOPES,
    CredentialFileError,
    JWTVerifier,
    Principal,
    TokenError,
    TokenVerifier,
    WatchedFile,
    parse_key_set,
    parse_tokens,
    usable_name,
)
from app.config.settings import AuthSettings, ConfigError, load_settings
from tests.tokens import AUDIENCE, ISSUER, Issuer, entry, write_tokens


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


def refusal(verifier: Any, token: str) -> str:
    with pytest.raises(TokenError) as e:
        verifier.principal(token)
    return e.value.reason


# --- files that are watched ----------------------------------------------------------------------------------


class Ticks:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def replace(path: Path, text: str) -> None:
    """As Kubernetes does: another file takes the place of this one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    os.replace(fresh, path)


def test_a_file_is_read_again_when_it_changed_and_at_most_once_a_second(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    read: list[bytes] = []
    ticks = Ticks()
    file = WatchedFile(str(path), lambda content: read.append(content) or content, ticks)
    replace(path, "two")
    assert file.current() == b"one"
    ticks.at += 1.0
    assert file.current() == b"two"
    for _ in range(5):
        ticks.at += 1.0
        assert file.current() == b"two"
    assert read == [b"one", b"two"], "what did not change is not read"


def test_a_change_of_the_same_size_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    ticks = Ticks()
    file = WatchedFile(str(path), bytes, ticks)
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    ticks.at += 1
    assert file.current() == b"two"


def test_a_file_that_went_bad_leaves_what_was_known_in_force(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_tokens(tmp_path / "tokens", entry("a", "secret-token", "audit:read"))
    ticks = Ticks()
    file = WatchedFile(str(path), parse_tokens, ticks)
    known = file.current()
    for spoil in (lambda: replace(path, "- name: ["), path.unlink, lambda: replace(path, "nonsense")):
        caplog.clear()
        spoil()
        for _ in range(3):
            ticks.at += 1
            assert file.current() is known
        [line] = [r.getMessage() for r in caplog.records]
        assert line.endswith("what was read before stays in force")
    replace(path, "[]")
    ticks.at += 1
    assert file.current() == {}


def test_the_first_reading_must_work(tmp_path: Path) -> None:
    with pytest.raises(CredentialFileError, match=r"none: No such file or directory$"):
        WatchedFile(str(tmp_path / "none"), bytes)


def test_a_file_that_is_none_stops_the_start_and_nothing_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fifo, large = tmp_path / "fifo", tmp_path / "large"
    os.mkfifo(fifo)
    with open(large, "wb") as stream:
        stream.truncate(1 << 40)
    path = tmp_path / "file"
    path.write_text("one")
    ticks = Ticks()
    file = WatchedFile(str(path), bytes, ticks)
    for bad, reason in (
        (fifo, "is a pipe, where a regular file is needed"),
        (tmp_path, "is a folder, where a regular file is needed"),
        (large, "is larger than 4194304 bytes"),
    ):
        with pytest.raises(CredentialFileError, match=reason):
            WatchedFile(str(bad), bytes)
        caplog.clear()
        path.unlink()
        path.symlink_to(bad)
        ticks.at += 1
        assert file.current() == b"one"
        [line] = [r.getMessage() for r in caplog.records]
        assert line == f"{path}: {reason}; what was read before stays in force"


# --- static tokens -------------------------------------------------------------------------------------------


def test_tokens_have_names_and_scopes(tmp_path: Path) -> None:
    path = write_tokens(
        tmp_path / "t", entry("gateway", "one", "audit:write"), entry("reports", "two", "audit:read", "workflows:read")
    )
    verifier = TokenVerifier(str(path))
    assert verifier.principal("one") == Principal("gateway", frozenset({"audit:write"}))
    assert verifier.principal("two") == Principal("reports", frozenset({"audit:read", "workflows:read"}))
    assert refusal(verifier, "three") == "unknown"
    assert "one" not in path.read_text()


def test_a_token_expires(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"one").hexdigest()
    path = tmp_path / "t"
    path.write_text(f"- {{name: a, sha256: '{digest}', scopes: [audit:read], expires: 2030-01-01T00:00:00+01:00}}\n")
    end = 1893452400.0  # 2029-12-31T23:00:00Z
    assert TokenVerifier(str(path), now=lambda: end - 1).principal("one").name == "a"
    assert refusal(TokenVerifier(str(path), now=lambda: end), "one") == "expired"


def test_comparison_is_of_hashes_and_constant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared never holds the token, and is compared by what takes the same time whatever it finds."""
    path = write_tokens(tmp_path / "t", entry("a", "one", "audit:read"))
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr("app.auth.tokens.hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    TokenVerifier(str(path)).principal("one")
    digest = hashlib.sha256(b"one").digest()
    assert compared == [(digest, digest)]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tokens: []", "must be a list of tokens"),
        ("- a", "entry 1: must have name, sha256 and scopes"),
        ("- {name: a, sha256: {HASH}, scopes: [audit:read], scope: x}", "entry 1: there is no key scope"),
        ("- {sha256: {HASH}, scopes: [audit:read]}", "entry 1: name must be"),
        ("- {name: '', sha256: {HASH}, scopes: [audit:read]}", "entry 1: name must be"),
        ("- {name: a, scopes: [audit:read]}", "entry 1: sha256 must be 64 hexadecimal digits"),
        ("- {name: a, sha256: abc, scopes: [audit:read]}", "entry 1: sha256 must be 64 hexadecimal digits"),
        ("- {name: a, sha256: {HASH}, scopes: []}", "entry 1: scopes must be a list out of audit:write"),
        ("- {name: a, sha256: {HASH}, scopes: audit:read}", "entry 1: scopes must be a list out of audit:write"),
        ("- {name: a, sha256: {HASH}, scopes: [audit:all]}", "entry 1: scopes must be a list out of audit:write"),
        ("- {name: a, sha256: {HASH}, scopes: [audit:read], expires: soon}", "entry 1: expires must be a time"),
        (
            "- {name: a, sha256: {HASH}, scopes: [audit:read]}\n- {name: b, sha256: {HASH}, scopes: [audit:read]}",
            "entry 2: the same token stands there twice",
        ),
        ("- a\n- b", "entry 1: must have name, sha256 and scopes; entry 2: must have"),
        ("- [", "is not YAML"),
        ("\xc3\x28", "is not UTF-8"),
    ],
)
def test_faults_of_a_token_file(text: str, fault: str) -> None:
    content = text.replace("{HASH}", "'" + "ab" * 32 + "'").encode("latin-1")
    with pytest.raises(ValueError) as e:
        parse_tokens(content)
    assert str(e.value).startswith(fault)
    assert "abab" not in str(e.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"# none yet\n"])
def test_a_file_without_tokens_lets_nobody_in(content: bytes) -> None:
    assert parse_tokens(content) == {}


@pytest.mark.parametrize("name", ["-", "", "a" * 256, "a\nb", "a\x00", "a\x1b[0m", None, 5, ["a"]])
def test_names_that_cannot_be_recorded(name: object) -> None:
    assert not usable_name(name)


# --- JSON Web Tokens -----------------------------------------------------------------------------------------


def verifier_of(tmp_path: Path, content: bytes, **keys: Any) -> JWTVerifier:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    settings = AuthSettings(
        mode="jwt", jwt_keys_file=str(path), jwt_issuer=ISSUER, jwt_audience=AUDIENCE, **{"jwt_leeway": 0.0, **keys}
    )
    return JWTVerifier(settings)


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
    verifier.file._next_look = 0.0
    assert refusal(verifier, token) == "key"
    assert verifier.principal(issuer.token("ed"))


def jwks(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def test_faults_of_a_key_set(issuer: Issuer) -> None:
    private = jwt.get_algorithm_by_name("ES256").to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    weak = jwt.get_algorithm_by_name("RS256").to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    good = issuer.public("ec")
    for content, fault in (
        (b"{", "is not JSON"),
        (b"[]", "must be a JSON Web Key Set"),
        (b'{"keys": [1]}', "must be a JSON Web Key Set"),
        (b"[" * 100_000, "is not JSON"),
        (jwks({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}), "key 1 is secret"),
        (jwks(good, private), "key 2 is secret"),
        (jwks(weak), "key 1 is an RSA key of fewer than 2048 bits"),
        (jwks({**good, "x": "AA"}), "key 1 cannot be read"),
        (jwks({**good, "kid": 5}), "key 1: kid must be a text"),
        (jwks(good, good), "holds two keys with the same kid"),
    ):
        with pytest.raises(ValueError) as e:
            parse_key_set(content)
        assert str(e.value).startswith(fault)
        assert str(private["d"]) not in str(e.value)


def test_other_keys_may_stand_in_the_set(issuer: Issuer) -> None:
    other = {"kty": "EC", "crv": "P-521", "kid": "other", "x": "AA", "y": "AA"}
    keys = parse_key_set(jwks(other, issuer.public("ec", use="sig", alg="ES256"))).keys
    assert [key.ident for key in keys] == ["ec"]


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
        verifier.file._next_look = 0.0
        assert refusal(verifier, token) == "key"
    [line] = [r.getMessage() for r in caplog.records]
    assert line.endswith("keys.json has changed and admits nobody: every token is refused")
    replace(tmp_path / "keys.json", issuer.jwks().decode())
    verifier.file._next_look = 0.0
    assert verifier.principal(token)


@pytest.mark.parametrize("content", ["", "{", '{"keys": {}}', "[]", '{"keys": [5]}'])
def test_a_set_that_went_bad_leaves_its_keys_in_force(tmp_path: Path, issuer: Issuer, content: str) -> None:
    verifier = verifier_of(tmp_path, issuer.jwks())
    token = issuer.token("ec")
    replace(tmp_path / "keys.json", content)
    verifier.file._next_look = 0.0
    assert verifier.principal(token)


def test_a_list_that_loses_its_tokens_admits_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_tokens(tmp_path / "tokens", entry("a", "one", "audit:read"))
    verifier = TokenVerifier(str(path))
    assert verifier.principal("one")
    replace(path, "[]\n")
    verifier.file._next_look = 0.0
    assert refusal(verifier, "one") == "unknown"
    [line] = [r.getMessage() for r in caplog.records]
    assert line.endswith("admits nobody: every token is refused")


# --- the configuration ---------------------------------------------------------------------------------------


def test_the_start_is_refused_without_what_a_mode_needs(tmp_path: Path) -> None:
    def faults(**values: str) -> list[str]:
        with pytest.raises(ConfigError) as e:
            load_settings(None, {f"DATASTORAGE_AUTH__{k.upper()}": v for k, v in values.items()})
        return e.value.faults

    assert faults(mode="token") == ["auth.mode token needs auth.tokens_file"]
    assert faults(mode="jwt") == [
        f"auth.mode jwt needs auth.{key}" for key in ("jwt_keys_file", "jwt_issuer", "jwt_audience")
    ]
    path = tmp_path / "file"
    assert faults(mode="token", tokens_file=str(path)) == [f"auth.tokens_file: {path}: No such file or directory"]
    path.write_text("- a")
    assert faults(mode="token", tokens_file=str(path)) == [
        f"auth.tokens_file: {path}: entry 1: must have name, sha256 and scopes"
    ]
    jwt_keys = {"mode": "jwt", "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    assert faults(**jwt_keys, jwt_keys_file=str(path)) == [f"auth.jwt_keys_file: {path}: is not JSON"]
    assert faults(jwt_algorithms="HS256") == [
        "DATASTORAGE_AUTH__JWT_ALGORITHMS: auth.jwt_algorithms must be a list out of RS256, ES256, EdDSA"
    ]


def test_with_a_mode_the_service_may_listen_everywhere(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "t", entry("a", "one", *SCOPES))
    environ = {"DATASTORAGE_AUTH__MODE": "token", "DATASTORAGE_AUTH__TOKENS_FILE": str(path)}
    assert load_settings(None, {**environ, "DATASTORAGE_SERVER__HOST": "0.0.0.0"}).server.host == "0.0.0.0"
