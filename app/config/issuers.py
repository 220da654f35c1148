"""Issuers of JSON Web Tokens, as ``auth.jwt_issuers`` lists them: where their keys are, what their claims mean here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from datastorage_common.addresses import is_loopback

# Each has a thread of its own in every worker, and a value of a metric's label.
MAX_ISSUERS = 16
# Asymmetric ones only, so that a service that can check a token cannot make one (RFC 8725, section 3.1).
JWT_ALGORITHMS = ("RS256", "ES256", "EdDSA")
# Every text of a mapping is compared with each token's claims.
_MAX_TEXT_CHARS = 2048
_SHORT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


@dataclass(frozen=True, kw_only=True)
class ClaimMapping:
    """A claim whose values are taken as they are, or translated by a map; ``*`` in the map is for every token."""

    claim: str
    values: Mapping[str, tuple[str, ...]] | None = None


@dataclass(frozen=True, kw_only=True)
class IssuerSettings:
    """One entry of the list. ``faults`` says what is wrong with it, a sentence for each key."""

    name: str
    issuer: str = ""
    audience: tuple[str, ...] = ()
    jwks_url: str | None = None
    keys_file: str | None = None
    ca_file: str | None = None
    allow_http: bool = False
    algorithms: tuple[str, ...] | None = None  # None: those of auth.jwt_algorithms
    name_claim: str = "sub"
    name_prefix: str = ""
    scopes: ClaimMapping | None = None
    namespaces: ClaimMapping | None = None
    categories: ClaimMapping | None = None
    faults: tuple[str, ...] = field(default=(), compare=False)
    given: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def shown(self) -> dict[str, Any]:
        """The entry as it was written; it holds no secret."""
        return dict(self.given)


def issuers(value: object) -> tuple[IssuerSettings, ...]:
    """A list of mappings, in the environment as JSON. ValueError for what is none; all else is in their faults."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except (ValueError, RecursionError):
            value = None
    if value is None or not isinstance(value, list | tuple):
        raise ValueError("a list of issuers, each with issuer and audience, or in the environment such a list as JSON")
    if len(value) > MAX_ISSUERS:
        raise ValueError(f"a list of at most {MAX_ISSUERS} issuers")
    return tuple(
        _issuer(entry, number) if isinstance(entry, dict) else _none(number) for number, entry in enumerate(value)
    )


def may_be_fetched(url: str, *, http: bool) -> bool:
    """Whether keys may come from there: over https, or over plain HTTP from this machine or where it is allowed."""
    try:
        parts = urlsplit(url)
        good = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    # A password would be shown wherever the address is.
    if not good or "@" in parts.netloc or parts.fragment or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (http or is_loopback(str(parts.hostname))))


_KEYS = (
    *("name", "issuer", "audience", "discovery", "jwks_url", "keys_file", "ca_file", "allow_http", "algorithms"),
    *("name_claim", "name_prefix", "scopes", "reads"),
)
_KEYS_OF_READS = ("namespaces_claim", "namespaces_map", "categories_claim", "categories_map")
_ADDRESS = "an https:// address without user and password (http:// from this machine, or with allow_http: true)"


def _none(number: int) -> IssuerSettings:
    """What stands for an entry that is no mapping, so that those beside it are looked at."""
    return IssuerSettings(
        name=str(number + 1),
        faults=(f"auth.jwt_issuers[{number}] must be a mapping with issuer and audience",),
    )


def _issuer(given: Mapping[Any, Any], number: int) -> IssuerSettings:
    entry = _Entry(given, f"auth.jwt_issuers[{number}]")
    entry.only(_KEYS)
    name = entry.text("name", str(number + 1))
    if not _SHORT_NAME.fullmatch(name):
        entry.fault("name", "up to 32 letters in lower case, digits and dashes")
    http = entry.boolean("allow_http", default=False)
    issuer, url, file = entry.text("issuer"), entry.optional("jwks_url"), entry.optional("keys_file")
    discovery = entry.boolean("discovery", default=url is None and file is None)
    if [discovery, url is not None, file is not None].count(True) != 1:
        entry.faults.append(f"{entry.place} needs one of discovery: true, jwks_url and keys_file")
    if discovery and issuer and (not may_be_fetched(issuer, http=http) or urlsplit(issuer).query):
        entry.fault("issuer", f"{_ADDRESS}, since its keys are found there; or name them by jwks_url or keys_file")
    if url is not None and not may_be_fetched(url, http=http):
        entry.fault("jwks_url", _ADDRESS)
    audience = entry.texts("audience", one=True)
    if not audience or not all(audience):
        entry.fault("audience", "a text, or a list of texts: what the claim aud has to hold one of")
    algorithms = entry.texts("algorithms") if "algorithms" in given else None
    if algorithms is not None and not (algorithms and set(algorithms) <= set(JWT_ALGORITHMS)):
        entry.fault("algorithms", "a list out of " + ", ".join(JWT_ALGORITHMS))
    scopes, reads = entry.mapping("scopes"), entry.mapping("reads")
    if reads is not None:
        reads.only(_KEYS_OF_READS)
        if not any(f"{kind}_claim" in reads.given for kind in ("namespaces", "categories")):
            reads.faults.append(f"{reads.place} needs namespaces_claim or categories_claim")
    if scopes is not None:
        scopes.only(("claim", "map"))
    made = {
        "scopes": None if scopes is None else scopes.claim_mapping("claim", "map"),
        "namespaces": None if reads is None else reads.claim_mapping("namespaces_claim", "namespaces_map"),
        "categories": None if reads is None else reads.claim_mapping("categories_claim", "categories_map"),
    }
    return IssuerSettings(
        name=name,
        issuer=issuer,
        audience=audience,
        jwks_url=url,
        keys_file=file,
        ca_file=entry.optional("ca_file"),
        allow_http=http,
        algorithms=algorithms,
        name_claim=entry.text("name_claim", "sub"),
        name_prefix=entry.text("name_prefix", "", empty=True),
        **made,
        faults=tuple(dict.fromkeys(entry.faults)),
        given=given,
    )


class _Entry:
    """A mapping of the configuration as it is read; each wrong key becomes a fault instead of an exception."""

    def __init__(self, given: Mapping[Any, Any], place: str, faults: list[str] | None = None) -> None:
        self.given = given
        self.place = place
        self.faults = [] if faults is None else faults

    def fault(self, key: str, must_be: str) -> None:
        self.faults.append(f"{self.place}.{key} must be {must_be}")

    def only(self, known: Sequence[str]) -> None:
        self.faults.extend(f"{self.place}: there is no key {key}" for key in self.given if key not in known)

    def optional(self, key: str) -> str | None:
        return self.text(key) if self.given.get(key) is not None else None

    def text(self, key: str, default: str | None = None, *, empty: bool = False) -> str:
        value = self.given.get(key, default)
        if _is_text(value) and (value or empty):
            return str(value)
        self.fault(key, "a text")
        return default or ""

    def boolean(self, key: str, *, default: bool) -> bool:
        value = self.given.get(key, default)
        if not isinstance(value, bool):
            self.fault(key, "true or false")
            return default
        return value

    def texts(self, key: str, *, one: bool = False) -> tuple[str, ...]:
        """A list of texts, with ``one`` a text as well; () for anything else."""
        value = self.given.get(key)
        if one and _is_text(value):
            return (str(value),)
        return tuple(value) if isinstance(value, list) and all(map(_is_text, value)) else ()

    def mapping(self, key: str) -> _Entry | None:
        value = self.given.get(key)
        if value is not None and not isinstance(value, dict):
            self.fault(key, "a mapping")
            return None
        return None if value is None else _Entry(value, f"{self.place}.{key}", self.faults)

    def claim_mapping(self, claim: str, translated: str) -> ClaimMapping | None:
        """The claim under one key with the map under another; None where neither is there."""
        if claim not in self.given and translated not in self.given:
            return None
        found = self.given.get(translated)
        values = None
        if translated in self.given:
            values = {k: v for k, v in found.items() if _is_text(k)} if isinstance(found, dict) else {}
            lists = [v for v in values.values() if isinstance(v, list) and all(map(_is_text, v))]
            if not isinstance(found, dict) or not found or len(lists) < len(found):
                self.fault(translated, "a mapping of texts to lists of texts")
                values = {}
        return ClaimMapping(
            claim=self.text(claim), values=None if values is None else {k: tuple(v) for k, v in values.items()}
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_TEXT_CHARS
