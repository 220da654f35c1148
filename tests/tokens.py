"""Tokens and keys for tests: an issuer of JWTs with keys of its own, and token files."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://issuer.example"
AUDIENCE = "datastorage"
_ALGORITHMS = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}


class Issuer:
    """Signs tokens; `jwks` is what it publishes."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {
            "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
            "ec": ec.generate_private_key(ec.SECP256R1()),
            "ed": ed25519.Ed25519PrivateKey.generate(),
        }

    def public(self, kid: str, **members: Any) -> dict[str, Any]:
        """The public key as a JWK."""
        algorithm = jwt.get_algorithm_by_name(_ALGORITHMS[kid])
        return {**algorithm.to_jwk(self.keys[kid].public_key(), as_dict=True), "kid": kid, **members}  # type: ignore[dict-item, unused-ignore]

    def jwks(self, *kids: str) -> bytes:
        """The key set with these keys, or with all."""
        return json.dumps({"keys": [self.public(kid) for kid in kids or self.keys]}).encode()

    def token(self, kid: str = "ec", *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is right but for what is given; a claim of ``...`` is left out."""
        body = {**self.claims(), **claims}
        body = {name: value for name, value in body.items() if value is not ...}
        header = {name: value for name, value in {"kid": kid, **(headers or {})}.items() if value is not ...}
        return jwt.encode(body, self.keys[kid], algorithm=_ALGORITHMS[kid], headers=header)

    def unsigned(self, **claims: Any) -> str:
        """A token that says it needs no signature."""
        return jwt.encode({**self.claims(), **claims}, None, algorithm="none")  # type: ignore[arg-type]

    def confused(self, form: str = "pem", **claims: Any) -> str:
        """HS256 with a public key as the secret: what a library that lets the token choose would accept."""
        encoding, layout = serialization.Encoding, serialization.PublicFormat.SubjectPublicKeyInfo
        chosen = encoding.PEM if form == "pem" else encoding.DER
        secret = self.keys["rsa"].public_key().public_bytes(chosen, layout)
        head, body = (
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
            for part in ({"alg": "HS256", "typ": "JWT", "kid": "rsa"}, {**self.claims(), **claims})
        )
        signature = hmac.digest(secret, head + b"." + body, hashlib.sha256)
        return (head + b"." + body + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()

    @staticmethod
    def claims() -> dict[str, Any]:
        """Claims that are accepted."""
        now = int(time.time())
        return {"iss": ISSUER, "aud": AUDIENCE, "sub": "gateway", "iat": now, "exp": now + 600, "scope": "audit:write"}


def entry(name: str, token: str, *scopes: str, **members: Any) -> dict[str, Any]:
    """A line of a token file."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return {"name": name, "sha256": digest, "scopes": list(scopes), **members}


def write_tokens(path: Path, *entries: dict[str, Any]) -> Path:
    """A token file of these entries."""
    path.write_text(yaml.safe_dump(list(entries)))
    return path
