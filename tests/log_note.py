"""Signed notes and their keys, as docs/log.md and c2sp.org/signed-note say; imports nothing of the service."""

from __future__ import annotations

import base64
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"


def verifier_key(name: str, public: bytes) -> str:
    """NAME+ID+KEY."""
    ident = sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]
    return f"{name}+{ident.hex()}+{base64.b64encode(_ED25519 + public).decode()}"


def opened(note: str, key: str) -> str:
    """The text of a note that the key has signed. Raises ValueError, cryptography's InvalidSignature."""
    name, ident, encoded = key.split("+", 2)
    public = base64.b64decode(encoded)
    if verifier_key(name, public[1:]) != key or public[:1] != _ED25519:
        raise ValueError("not a verifier key")
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    for line in signatures.splitlines():
        dash, signer, signature = line.split(" ")
        value = base64.b64decode(signature)
        if (dash, signer, value[:4].hex()) == ("\N{EM DASH}", name, ident):
            Ed25519PublicKey.from_public_bytes(public[1:]).verify(value[4:], text.encode())
            return text
    raise ValueError("the key has not signed the note")


def signed(text: str, name: str, seed: bytes) -> tuple[str, str]:
    """A note with one signature, and the verifier key to it."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    made = verifier_key(name, key.public_key().public_bytes_raw())
    value = bytes.fromhex(made.split("+")[1]) + key.sign(text.encode())
    return f"{text}\n\N{EM DASH} {name} {base64.b64encode(value).decode()}\n", made
