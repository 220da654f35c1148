"""The list of issuers: how it is written, shown, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage

from app.config.issuers import MAX_ISSUERS, ClaimMapping, issuers, may_be_fetched
from app.config.load import ConfigError
from app.configuration import load_settings
from tests.unit.config.helpers import env

GOOD = {"issuer": "https://a.example", "audience": "datastorage"}


def faults(*listed: dict[str, Any], **others: str) -> list[str]:
    with pytest.raises(ConfigError) as e:
        load_settings(None, env(AUTH__MODE="jwt", AUTH__JWT_ISSUERS=json.dumps(listed), **others))
    return e.value.faults


def test_the_least_and_the_most_of_an_entry(tmp_path: Path) -> None:
    [least] = issuers([GOOD])
    assert (least.name, least.audience, least.name_claim, least.name_prefix) == ("1", ("datastorage",), "sub", "")
    assert (least.jwks_url, least.keys_file, least.scopes, least.namespaces, least.algorithms) == (None,) * 5
    [most] = issuers(
        [
            {
                **GOOD,
                "name": "corp",
                "audience": ["a", "b"],
                "jwks_url": "https://keys.example/jwks?appid=1",
                "ca_file": "/ca.pem",
                "algorithms": ["RS256"],
                "name_claim": "azp",
                "name_prefix": "corp:",
                "scopes": {"claim": "groups", "map": {"admins": ["audit:read"], "*": ["audit:write"]}},
                "reads": {"namespaces_claim": "ns", "categories_claim": "groups", "categories_map": {"a": []}},
            }
        ]
    )
    assert most.faults == ()
    assert most.scopes == ClaimMapping(claim="groups", values={"admins": ("audit:read",), "*": ("audit:write",)})
    assert most.namespaces == ClaimMapping(claim="ns")
    assert most.categories == ClaimMapping(claim="groups", values={"a": ()})


@pytest.mark.parametrize("value", ["{", "{}", "5", "[" * 100_000, 5, {"a": 1}, None])
def test_what_is_no_list(value: object) -> None:
    with pytest.raises(ValueError, match="a list of issuers"):
        issuers(value)


def test_their_number_is_bounded() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_ISSUERS} issuers"):
        issuers([GOOD] * (MAX_ISSUERS + 1))


@pytest.mark.parametrize(
    ("url", "http", "good"),
    [
        ("https://a.example", False, True),
        ("https://a.example:8443/x?y=1", False, True),
        ("http://a.example", False, False),
        ("http://a.example", True, True),
        ("http://127.0.0.1:8080/x", False, True),
        ("http://[::1]/x", False, True),
        ("http://localhost/x", False, True),
        ("http://127.0.0.1.example/x", False, False),
        ("https://u:p@a.example", False, False),
        ("https://a.example/#x", False, False),
        ("https://", False, False),
        ("https://a.example:99999", False, False),
        ("https://[a", False, False),
        ("https://a b", False, False),
        ("file:///etc/passwd", True, False),
        ("", True, False),
    ],
)
def test_where_keys_may_come_from(url: str, http: bool, good: bool) -> None:
    assert may_be_fetched(url, http=http) is good


def test_every_fault_is_said_at_once_and_names_its_key() -> None:
    found = faults(
        {"issuer": "http://a.example", "name": "A B", "bogus": 1, "discovery": "yes", "allow_http": 1},
        {
            "issuer": "https://u:hunter2@b.example",
            "audience": 5,
            "algorithms": ["HS256"],
            "scopes": {"claim": "groups", "map": {"admins": ["everything"]}},
            "reads": {"namespaces_map": {"a": "b"}, "x": 1},
        },
        {"issuer": "https://c.example", "audience": "d", "jwks_url": "ftp://c.example", "keys_file": "/k", "scopes": 5},
    )
    assert "hunter2" not in "".join(found)
    places = [
        *("[0]: there is no key bogus", "[0].name must", "[0].discovery must", "[0].issuer must", "[0].audience must"),
        *(
            "[0].allow_http must",
            "[1].issuer must",
            "[1].audience must",
            "[1].algorithms must",
            "[1].scopes.map: 'admins'",
        ),
        *("[1].reads: there is no key x", "[1].reads needs", "[1].reads.namespaces_map must", "[2] needs one of"),
        *("[2].jwks_url must", "[2].scopes must", ": each needs its own name_prefix"),
    ]
    missing = [p for p in places if not any(f.startswith(f"auth.jwt_issuers{p}") for f in found)]
    assert missing == []
    assert len(found) == len(set(found))


def test_an_entry_that_is_no_mapping_hides_nothing_and_adds_nothing() -> None:
    found = faults("a", {**GOOD, "name": "A B"}, [], {"audience": "x", "name_prefix": "x"})  # type: ignore[arg-type]
    assert found == [
        "auth.jwt_issuers[0] must be a mapping with issuer and audience",
        "auth.jwt_issuers[1].name must be up to 32 letters in lower case, digits and dashes",
        "auth.jwt_issuers[2] must be a mapping with issuer and audience",
        "auth.jwt_issuers[3].issuer must be a text",
    ]


@pytest.mark.parametrize("wrong", ["5", "{", "[" + ",".join(["{}"] * (MAX_ISSUERS + 1)) + "]"])
def test_of_a_list_that_is_none_there_is_one_fault(wrong: str) -> None:
    with pytest.raises(ConfigError) as e:
        load_settings(None, env(AUTH__MODE="jwt", AUTH__JWT_ISSUERS=wrong))
    [fault] = e.value.faults
    assert fault.startswith("DATASTORAGE_AUTH__JWT_ISSUERS: auth.jwt_issuers must be a list")


def test_an_issuer_whose_keys_cannot_be_found_at_its_address() -> None:
    [found] = faults({**GOOD, "issuer": "urn:us"})
    assert found.startswith("auth.jwt_issuers[0].issuer must be an https:// address")
    assert found.endswith("since its keys are found there; or name them by jwks_url or keys_file")


def test_a_list_that_is_wrong_is_no_list_that_is_missing() -> None:
    assert not any("auth.jwt_keys_file" in fault for fault in faults({"issuer": "https://a.example"}))


def test_files_are_looked_at(tmp_path: Path) -> None:
    found = faults(
        {**GOOD, "keys_file": "/none"}, {**GOOD, "issuer": "https://b.example", "ca_file": "/no", "name_prefix": "b"}
    )
    assert found == [
        "auth.jwt_issuers[0].keys_file: /none: No such file or directory",
        "auth.jwt_issuers[1].ca_file: /no: No such file or directory",
    ]


def test_either_the_list_or_the_older_keys() -> None:
    [found] = faults(GOOD, AUTH__JWT_ISSUER="https://b.example", AUTH__JWT_AUDIENCE="x")
    assert found == "auth.jwt_issuers holds every issuer: auth.jwt_issuer, auth.jwt_audience cannot be set beside it"


def test_two_issuers_need_what_tells_them_apart() -> None:
    assert faults(GOOD, GOOD) == [
        "auth.jwt_issuers: each needs its own issuer",
        "auth.jwt_issuers: each needs its own name_prefix: else the same name from two issuers would be one caller",
    ]
    two = json.dumps([GOOD, {**GOOD, "issuer": "https://b.example", "name_prefix": "b:"}])
    assert load_settings(None, env(AUTH__MODE="jwt", AUTH__JWT_ISSUERS=two))


def test_they_are_shown_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "settings.yaml"
    listed = [{**GOOD, "scopes": {"claim": "groups", "map": {"*": ["audit:write"]}}}]
    path.write_text(yaml.safe_dump({"auth": {"mode": "jwt", "jwt_issuers": listed}}))
    for option, parse in ((), yaml.safe_load), (("--json",), json.loads):
        result = CliRunner().invoke(datastorage, ["config", "show", "--config", str(path), *option])
        assert result.exit_code == 0, result.output
        assert parse(result.stdout)["auth"]["jwt_issuers"] == listed
