from __future__ import annotations

from pathlib import Path

import pytest

from app.auth.principal import SCOPES
from app.config.load import ConfigError
from app.config.settings import AuthSettings, Settings
from app.configuration import load_settings, unread_variables
from tests.tokens import AUDIENCE, ISSUER, entry, write_tokens
from tests.unit.config.helpers import env, faults


def test_the_start_is_refused_without_what_a_mode_needs(tmp_path: Path) -> None:
    def faults(**values: str) -> list[str]:
        with pytest.raises(ConfigError) as e:
            load_settings(None, {f"DATASTORAGE_AUTH__{k.upper()}": v for k, v in values.items()})
        return e.value.faults

    assert faults(mode="token") == ["auth.mode token needs auth.tokens_file"]
    other = "auth.mode jwt needs auth.jwt_issuers, or for one issuer with its keys in a file "
    assert faults(mode="jwt") == [other + "auth.jwt_keys_file, auth.jwt_issuer, auth.jwt_audience"]
    assert faults(mode="jwt", jwt_issuer=ISSUER, jwt_audience=AUDIENCE) == [other + "auth.jwt_keys_file"]
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


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_auth(host: str) -> None:
    assert load_settings(None, env(SERVER__HOST=host)).server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", ""])
def test_other_addresses_need_auth_or_a_word(host: str) -> None:
    [fault] = faults(env(SERVER__HOST=host))
    assert "is reachable from outside and auth.mode is none" in fault
    load_settings(None, env(SERVER__HOST=host, AUTH__ALLOW_ANONYMOUS="true"))
    assert AuthSettings().allow_anonymous is False


@pytest.mark.parametrize(
    ("host", "outside"),
    [
        ("127.0.0.1,[::1]", None),
        ("[::1]", None),
        ("localhost, ::1", None),
        ("[::]", "::"),
        ("127.0.0.1,10.0.0.1", "10.0.0.1"),
        ("::1,0.0.0.0", "0.0.0.0"),
        ("0.0.0.0,[::]", "0.0.0.0,::"),
    ],
)
def test_every_host_of_a_list_needs_auth_or_a_word(host: str, outside: str | None) -> None:
    if outside is not None:
        [fault] = faults(env(SERVER__HOST=host))
        assert fault.startswith(f"server.host {outside} is reachable from outside and auth.mode is none")
    found = load_settings(None, env(SERVER__HOST=host, AUTH__ALLOW_ANONYMOUS="true")).server.hosts()
    assert found == tuple(part.strip(" []") for part in host.split(","))


@pytest.mark.parametrize("key", ["principal_requests", "principal_events"])
def test_a_limit_of_principals_needs_a_mode_that_knows_them(tmp_path: Path, key: str) -> None:
    limit = {f"LIMITS__{key.upper()}": "5/minute"}
    [fault] = faults(env(**limit))
    assert fault.startswith(f"limits.{key} cannot work while auth.mode is none")
    path = write_tokens(tmp_path / "t", entry("a", "one", *SCOPES))
    assert load_settings(None, env(**limit, AUTH__MODE="token", AUTH__TOKENS_FILE=str(path)))
    # Of a mode that is misspelt it is not known whether it is none.
    assert [f.partition(":")[0] for f in faults(env(**limit, AUTH__MODE="tokens", SERVER__HOST="0.0.0.0"))] == [
        "DATASTORAGE_AUTH__MODE"
    ]


def test_what_a_mode_does_not_read_is_said() -> None:
    said = unread_variables(load_settings(None, env(AUTH__TOKENS_FILE="/t", AUTH__JWT_ISSUER=ISSUER)), {})
    assert said == [
        f"auth.{key} is not read while auth.mode is none: everybody is let in" for key in ("tokens_file", "jwt_issuer")
    ]
    assert unread_variables(Settings(auth=AuthSettings(mode="token", tokens_file="/t", jwt_leeway=5.0)), {}) == [
        "auth.jwt_leeway is not read while auth.mode is token"
    ]
