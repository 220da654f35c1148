"""Names, scopes and read limits out of the claims of a verified token."""

from __future__ import annotations

from typing import Any

import pytest

from app.auth.claims import at, principal_of
from app.auth.principal import REASONS, TokenError
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.config.issuers import IssuerSettings, issuers

BASE = {"issuer": "https://a.example", "audience": "datastorage"}


def issuer(**keys: Any) -> IssuerSettings:
    [made] = issuers([{**BASE, **keys}])
    assert made.faults == ()
    return made


def principal(claims: dict[str, Any], prefixes: tuple[str, ...] = ("",), **keys: Any) -> Any:
    return principal_of(issuer(**keys), prefixes)({"sub": "me", **claims})


def refused(claims: dict[str, Any], prefixes: tuple[str, ...] = ("",), **keys: Any) -> bool:
    with pytest.raises(TokenError) as e:
        principal(claims, prefixes, **keys)
    return e.value.reason == "claims"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("realm_access.roles", ["a"]),
        ("/realm_access/roles", ["a"]),
        ("/a~1b/c~0d", 1),
        ("https://example.com/groups", ["g"]),
        ("a.b", "exact"),
        ("realm_access.none", None),
        ("sub.more", None),
        ("", None),
        (".", None),
    ],
)
def test_where_a_claim_is(path: str, found: object) -> None:
    claims = {
        "sub": "me",
        "realm_access": {"roles": ["a"]},
        "a/b": {"c~d": 1},
        "https://example.com/groups": ["g"],
        "a.b": "exact",
        "a": {"b": "nested"},
    }
    assert at(claims, path) == found


MAP = {"platform-admins": ["dlq:admin", "audit:read"], "Two Words": ["metrics"], "*": ["audit:write"]}


@pytest.mark.parametrize(
    ("groups", "scopes"),
    [
        (["platform-admins"], {"dlq:admin", "audit:read", "audit:write"}),
        (["Two Words", "others"], {"metrics", "audit:write"}),
        ("others platform-admins", {"dlq:admin", "audit:read", "audit:write"}),
        ([], {"audit:write"}),
        (None, {"audit:write"}),
        (["*"], {"audit:write"}),
        (["dlq:admin"], {"audit:write"}),
    ],
)
def test_scopes_by_a_map(groups: object, scopes: set[str]) -> None:
    claims = {"groups": groups, "scope": "workflows:write"}
    assert principal(claims, scopes={"claim": "groups", "map": MAP}).scopes == scopes


def test_scopes_of_a_claim_without_a_map() -> None:
    found = principal({"realm_access": {"roles": ["audit:read", "others"]}}, scopes={"claim": "realm_access.roles"})
    assert found.scopes == {"audit:read"}


@pytest.mark.parametrize("wrong", [5, True, {"a": 1}, ["a", 5], [["a"]], 1.5])
def test_claims_of_a_wrong_kind_are_refused(wrong: object) -> None:
    assert refused({"groups": wrong}, scopes={"claim": "groups", "map": MAP})
    assert refused({"ns": wrong}, reads={"namespaces_claim": "ns"})
    assert refused({"user": wrong}, name_claim="user")


@pytest.mark.parametrize(
    ("claims", "reads"),
    [
        ({}, ReadLimits(frozenset(), None)),
        ({"ns": None}, ReadLimits(frozenset(), None)),
        ({"ns": []}, ReadLimits(frozenset(), None)),
        ({"ns": ["a", ""]}, ReadLimits(frozenset({"a", ""}), None)),
        ({"ns": "a b"}, ReadLimits(frozenset({"a", "b"}), None)),
        ({"ns": ["*"]}, EVERYTHING),
        ({"ns": ["a", "*"]}, EVERYTHING),
    ],
)
def test_read_limits_of_a_claim(claims: dict[str, Any], reads: ReadLimits) -> None:
    assert principal(claims, reads={"namespaces_claim": "ns"}).reads == reads


def test_read_limits_by_maps() -> None:
    reads = {
        "namespaces_claim": "groups",
        "namespaces_map": {"team-a": ["a"], "team-b": ["b", ""], "auditors": ["*"]},
        "categories_claim": "groups",
        "categories_map": {"*": ["gateway"], "auditors": ["*"]},
    }
    gateway = frozenset({"gateway"})
    assert principal({}, reads=reads).reads == ReadLimits(frozenset(), gateway)
    assert principal({"groups": ["team-a", "team-b"]}, reads=reads).reads == ReadLimits(
        frozenset({"a", "b", ""}), gateway
    )
    assert principal({"groups": ["auditors"]}, reads=reads).reads == EVERYTHING
    # A group that is called as the word of the map gives nothing by that.
    assert principal({"groups": ["*"]}, reads=reads).reads == ReadLimits(frozenset(), gateway)


@pytest.mark.parametrize("ns", [["a"], ["*"]])
def test_scopes_do_not_go_by_what_may_be_read_so_that_a_403_can_say_why(ns: list[str]) -> None:
    claims = {"scope": "dlq:admin audit:read", "ns": ns}
    assert principal(claims, reads={"namespaces_claim": "ns"}).scopes == {"audit:read", "dlq:admin"}


@pytest.mark.parametrize(
    ("claims", "remark"),
    [
        ({"groups": ["a"], "cat": ["x"]}, ""),
        ({"cat": ["x"]}, "no namespaces, since the claim groups is missing"),
        (
            {"groups": ["b"], "cat": ["x"]},
            "no namespaces, since the claim groups has no value that the map gives any for",
        ),
        ({"groups": ["a"], "cat": []}, "no categories, since the claim cat is empty"),
        (
            {"groups": []},
            "no namespaces, since the claim groups is empty; no categories, since the claim cat is missing",
        ),
    ],
)
def test_why_nothing_can_be_read(claims: dict[str, Any], remark: str) -> None:
    reads = {"namespaces_claim": "groups", "namespaces_map": {"a": ["team-a"]}, "categories_claim": "cat"}
    found = principal(claims, reads=reads)
    assert (found.remark, found.reads.nothing) == (remark, bool(remark))


@pytest.mark.parametrize(
    ("claims", "keys", "said"),
    [
        ({"sub": ...}, {}, "sub is missing"),
        ({"sub": 5}, {}, "sub must be a text"),
        ({"azp": "a" * 300}, {"name_claim": "azp"}, "azp cannot be taken for a name"),
        ({"g": 5}, {"scopes": {"claim": "g"}}, "g must be a list of texts, or one text"),
    ],
)
def test_a_refusal_names_the_claim(claims: dict[str, Any], keys: dict[str, Any], said: str) -> None:
    given = {name: value for name, value in {"sub": "me", **claims}.items() if value is not ...}
    with pytest.raises(TokenError) as e:
        principal_of(issuer(**keys), [""])(given)
    assert str(e.value) == f"{REASONS['claims']}: {said}"


def test_names() -> None:
    assert principal({}).name == "me"
    assert principal({"user": "they"}, name_claim="user", name_prefix="corp:").name == "corp:they"
    for wrong in ("", "-", "a\nb", "x" * 256):
        assert refused({"sub": wrong})
    assert refused({"sub": "x" * 251}, name_prefix="corp:")
    assert principal({"sub": "x" * 250}, name_prefix="corp:").name == "corp:" + "x" * 250


def test_a_name_of_one_issuer_is_never_that_of_another() -> None:
    prefixes = ("", "corp:", "corp:eu:")
    assert refused({"sub": "corp:me"}, prefixes)
    assert refused({"sub": "eu:me"}, prefixes, name_prefix="corp:")
    assert principal({"sub": "me"}, prefixes, name_prefix="corp:eu:").name == "corp:eu:me"
    assert principal({"sub": "me"}, prefixes).name == "me"
