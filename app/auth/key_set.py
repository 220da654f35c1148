"""The issuer's public keys: a JSON Web Key Set (RFC 7517) in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MIN_RSA_BITS = 2048


@dataclass(frozen=True, slots=True)
class Key:
    """A public key with the one algorithm that it checks, and its kid."""

    algorithm: str
    ident: str | None
    key: Any


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of a set that can check signatures here; false if there is none, and then no token is accepted."""

    keys: tuple[Key, ...]
    others: int  # keys for other purposes or algorithms

    def __bool__(self) -> bool:
        return bool(self.keys)

    def by_name(self) -> Mapping[str, object]:
        """kid → key; those without a kid share one name."""
        names: dict[str, list[Key]] = {}
        for key in self.keys:
            names.setdefault(key.ident or "(no kid)", []).append(key)
        return names


def parse_key_set(content: bytes) -> KeySet:
    """The public keys of a JWK set (RFC 7517) that can check signatures with one of JWT_ALGORITHMS; there may be none.

    Raises ValueError for keys that must not be there: symmetric or private ones, with which a reader of the
    file could make tokens, and RSA keys under 2048 bits.
    """
    import json

    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list) or not all(isinstance(m, dict) for m in members):
        raise ValueError('must be a JSON Web Key Set: {"keys": [...]}')
    keys = [key for number, member in enumerate(members, 1) if (key := _public_key(member, number)) is not None]
    named = [key.ident for key in keys if key.ident is not None]
    if len(set(named)) < len(named):
        raise ValueError("holds two keys with the same kid")
    return KeySet(tuple(keys), len(members) - len(keys))


def _public_key(member: Mapping[str, Any], number: int) -> Key | None:
    import jwt

    kind, curve = str(member.get("kty")), member.get("crv")
    if kind == "oct" or "d" in member or "k" in member:
        raise ValueError(f"key {number} is secret: the set must hold public keys only")
    algorithm = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}.get((kind, curve))
    # Keys for other purposes or with other algorithms may stand beside ours.
    if algorithm is None or member.get("alg", algorithm) != algorithm or member.get("use", "sig") != "sig":
        return None
    if "verify" not in member.get("key_ops", ["verify"]):
        return None
    ident = member.get("kid")
    if ident is not None and not isinstance(ident, str):
        raise ValueError(f"key {number}: kid must be a text")
    try:
        key = jwt.PyJWK(dict(member), algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        raise ValueError(f"key {number} cannot be read") from None
    if kind == "RSA" and key.key_size < _MIN_RSA_BITS:
        raise ValueError(f"key {number} is an RSA key of fewer than {_MIN_RSA_BITS} bits")
    return Key(algorithm, ident, key)
