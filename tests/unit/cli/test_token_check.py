"""`datastorage token check`: what the service makes of a token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.auth.read_limits import ReadLimits
from app.cli.token import append, entry_text
from tests.issuer_server import issuer_server
from tests.tokens import AUDIENCE, ISSUER, Issuer
from tests.unit.cli.test_token import run

STATIC = "dst_one-0123456789abcdefghijklmnopqrstuvwxyz"


def config(tmp_path: Path, **auth: Any) -> Path:
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump({"auth": auth}))
    return path


def check(settings: Path, token: str, *options: str) -> tuple[int, Any]:
    result = run("token", "check", "--config", settings, *options, input=token + "\n")
    assert token not in result.output
    return result.exit_code, json.loads(result.stdout) if "--json" in options else result.stdout.splitlines()


def test_a_static_token(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    append(tokens, entry_text(STATIC, "team-a", ("audit:read",), None, reads=ReadLimits(frozenset({"a", "b"}))))
    settings = config(tmp_path, mode="token", tokens_file=str(tokens))
    assert check(settings, STATIC) == (
        0,
        ["name:    team-a", "scopes:  audit:read", "reads:   namespaces: a, b", "expires: never"],
    )
    assert check(settings, STATIC, "--json") == (
        0,
        {
            "accepted": True,
            "name": "team-a",
            "scopes": ["audit:read"],
            "reads": {"namespaces": ["a", "b"]},
            "reads_nothing": None,
            "expires": None,
        },
    )
    assert check(settings, "dst_other") == (1, ["refused: the token is not valid"])


def test_a_token_of_an_issuer_whose_keys_are_fetched(tmp_path: Path) -> None:
    with issuer_server() as server:
        listed = {
            "issuer": server.url, "audience": AUDIENCE, "name": "corp", "reads": {"namespaces_claim": "groups"}
        }  # fmt: skip
        settings = config(tmp_path, mode="jwt", jwt_issuers=[listed])
        code, lines = check(settings, server.token("ec", exp=4102444800))
        assert (code, lines[2:]) == (
            0,
            [
                "reads:   nothing: no namespaces, since the claim groups is missing",
                "expires: 2100-01-01T00:00:00Z",
            ],
        )
        code, found = check(settings, server.token("ec", exp=...), "--json")
        assert (code, found["accepted"], found["from"]) == (1, False, "issuer corp, kid ec")
        assert found["reason"].endswith(": exp is missing")
        server.stop()
        assert check(settings, server.token("ec")) == (
            1,
            ["refused: the keys of the token's issuer are not known yet - please retry"],
        )


def test_a_file_holds_the_token(tmp_path: Path) -> None:
    issuer, keys, token = Issuer(), tmp_path / "keys", tmp_path / "token"
    keys.write_bytes(issuer.jwks())
    token.write_text(issuer.token("ec"))
    settings = config(tmp_path, mode="jwt", jwt_keys_file=str(keys), jwt_issuer=ISSUER, jwt_audience=AUDIENCE)
    assert run("token", "check", "--config", settings, token).exit_code == 0
    token.write_text("")
    assert run("token", "check", "--config", settings, token).exit_code == 2


@pytest.mark.parametrize("auth", [{"mode": "none"}, {"mode": "token"}])
def test_without_a_mode_or_with_a_wrong_configuration(tmp_path: Path, auth: dict[str, str]) -> None:
    result = run("token", "check", "--config", config(tmp_path, **auth), input=STATIC)
    assert (result.exit_code, result.stdout) == (2, "")
