"""What the claims of a verified token mean here: the principal's name, its scopes, and which records it may read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from app.auth.principal import SCOPES, Principal, TokenError, usable_name
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.config.issuers import ClaimMapping, IssuerSettings

EVERY = "*"
_SHOWN_CHARS = 100
Claims = Mapping[str, Any]


def principal_of(issuer: IssuerSettings, prefixes: Iterable[str]) -> Callable[[Claims], Principal]:
    """How the claims of this issuer's tokens become a principal; ``prefixes`` are those of all issuers.

    What is given raises TokenError for claims that are missing or of the wrong kind.
    """
    # The longer ones belong to others: what begins with one would be taken for one of their callers.
    foreign = tuple(p for p in prefixes if len(p) > len(issuer.name_prefix))

    def principal(claims: Claims) -> Principal:
        sub = at(claims, issuer.name_claim)
        if not isinstance(sub, str) or not sub:
            raise TokenError("claims", f"{issuer.name_claim} {'is missing' if sub is None else 'must be a text'}")
        name = issuer.name_prefix + sub
        if not usable_name(name) or name.startswith(foreign):
            raise TokenError("claims", f"{issuer.name_claim} cannot be taken for a name")
        named = _plain_scopes(claims) if issuer.scopes is None else _mapped(claims, issuer.scopes)
        scopes = frozenset(named).intersection(SCOPES)
        reads, remark = EVERYTHING, ""
        if issuer.namespaces is not None or issuer.categories is not None:
            reads = ReadLimits(_limit(claims, issuer.namespaces), _limit(claims, issuer.categories))
            if reads.nothing:
                remark = _why_nothing(claims, issuer, reads)
        return Principal(name, scopes, reads, remark)

    return principal


def scope_faults(issuer: IssuerSettings) -> list[str]:
    """The scopes of a mapping that there are not."""
    named = () if issuer.scopes is None or issuer.scopes.values is None else issuer.scopes.values.items()
    return [
        f"scopes.map: {group!r} names scopes that there are not, only: {', '.join(SCOPES)}"
        for group, scopes in named
        if not set(scopes) <= set(SCOPES)
    ]


def at(claims: Claims, path: str) -> Any:
    """The claim of that name, or in the mappings that a dotted path or a JSON pointer (RFC 6901) goes through.

    None where there is none. A name comes first: some providers have dots and slashes in it (https://example/groups).
    """
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in _parts(path):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _parts(path: str) -> Sequence[str]:
    if path.startswith("/"):
        return [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    return path.split(".")


def _texts(claims: Claims, path: str) -> Sequence[str]:
    """The texts of a claim: a list, or one text separated by spaces; none where it is absent. Raises TokenError."""
    found = at(claims, path)
    if found is None:
        return ()
    if isinstance(found, str):
        return found.split()
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        return found
    raise TokenError("claims", f"{path} must be a list of texts, or one text")


def _mapped(claims: Claims, mapping: ClaimMapping) -> list[str]:
    """What the claim's values stand for; where there is a map, what it does not name stands for nothing."""
    given = _texts(claims, mapping.claim)
    if mapping.values is None:
        return [*given]
    # "*" is a word of the map's own: a token that holds it as a value gets no more than every token does.
    return [meant for value in {EVERY, *given} for meant in mapping.values.get(value, ())]


def _limit(claims: Claims, mapping: ClaimMapping | None) -> frozenset[str] | None:
    if mapping is None:
        return None
    # Fails closed: without the claim nothing may be read.
    values = frozenset(_mapped(claims, mapping))
    return None if EVERY in values else values


def _why_nothing(claims: Claims, issuer: IssuerSettings, reads: ReadLimits) -> str:
    of = (("namespaces", issuer.namespaces, reads.namespaces), ("categories", issuer.categories, reads.categories))
    found = []
    for kind, mapping, limit in of:
        if mapping is None or limit != frozenset():
            continue
        if at(claims, mapping.claim) is None:
            why = "is missing"
        else:
            why = "is empty" if not _texts(claims, mapping.claim) else "has no value that the map gives any for"
        found.append(f"no {kind}, since the claim {mapping.claim[:_SHOWN_CHARS]} {why}")
    return "; ".join(found)


def _plain_scopes(claims: Claims) -> list[str]:
    """The scopes of ours in scope and scp: a text separated by spaces (RFC 8693, section 4.2) or a list of texts."""
    found: list[str] = []
    for claim in (claims.get("scope"), claims.get("scp")):
        named = claim.split(" ") if isinstance(claim, str) else claim
        found += [s for s in named if isinstance(s, str)] if isinstance(named, list) else []
    return found
