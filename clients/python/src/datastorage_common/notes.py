"""Signed notes (c2sp.org/signed-note), cosignatures of witnesses (c2sp.org/tlog-cosignature) and their keys.

Only Ed25519: type 1 for a log's own signatures, type 4 for cosignatures. Checking and signing take the library
cryptography; reading and writing notes does without.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

SIGNATURE = 1
COSIGNATURE = 4
_KINDS = (SIGNATURE, COSIGNATURE)
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64
_TIME_BYTES = 8
# The specification asks for 16 at least, and for room for those of up to nearly 5 kB, 7 kB as base64.
_MAX_SIGNATURES = 64
MAX_NOTE_BYTES = 128 * 1024
_DASH = "\N{EM DASH} "
_SIGNING_KEY = "PRIVATE+KEY+"
_HEX = re.compile("[0-9a-f]{8}")


class NoteError(ValueError):
    """A note, a key or a signature is not what it is said to be; the message is one line."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line: who signed, and with what."""

    name: str
    key_id: bytes  # 4 bytes
    value: bytes

    def line(self) -> str:
        """The line as it stands in a note."""
        return f"{_DASH}{self.name} {_encoded(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its signatures; none of them is checked yet."""

    text: str  # ends in a newline
    signatures: tuple[Signature, ...]

    def encode(self) -> bytes:
        """The note as it is written down."""
        return (self.text + "\n" + "".join(s.line() for s in self.signatures)).encode()


def parse_note(data: bytes) -> Note:
    """Read a note. Raises NoteError."""
    if len(data) > MAX_NOTE_BYTES:
        raise NoteError(f"a note of more than {MAX_NOTE_BYTES} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NoteError("a note that is not UTF-8") from None
    if any(c < " " and c != "\n" for c in text):
        raise NoteError("a note with control characters")
    head, blank, tail = text.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteError("a note without signatures")
    return Note(head + "\n", parse_signatures(tail))


def parse_signatures(text: str) -> tuple[Signature, ...]:
    """Read signature lines, one at least. Raises NoteError."""
    lines = text.removesuffix("\n").split("\n")
    if len(lines) > _MAX_SIGNATURES:
        raise NoteError(f"a note with more than {_MAX_SIGNATURES} signatures")
    return tuple(_parse_signature(line) for line in lines)


def _parse_signature(line: str) -> Signature:
    parts = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2 or not _is_name(parts[0]):
        raise NoteError("a signature line that is none")
    value = _decoded(parts[1], "a signature")
    if len(value) <= 4:
        raise NoteError("a signature that is too short")
    return Signature(parts[0], value[:4], value[4:])


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name that it signs under."""

    name: str
    kind: int  # SIGNATURE or COSIGNATURE
    public: bytes  # 32 bytes, RFC 8032

    @property
    def key_id(self) -> bytes:
        """Which key of that name it is, 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{_encoded(bytes([self.kind]) + self.public)}"

    def signed(self, note: Note) -> Signature | None:
        """This key's signature of a note, checked; None if there is none. Raises NoteError where it is wrong."""
        for signature in note.signatures:
            if (signature.name, signature.key_id) == (self.name, self.key_id):
                self.check(note.text, signature)
                return signature
        return None

    def check(self, text: str, signature: Signature) -> None:
        """Raises NoteError unless the signature is this key's, of this text."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        value, message = signature.value, text.encode()
        if self.kind == COSIGNATURE:
            moment = cosigned_at(signature)
            value, message = value[_TIME_BYTES:], _cosigned(moment, text)
        try:
            if len(value) != _SIGNATURE_BYTES:
                raise InvalidSignature
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, message)
        except (InvalidSignature, ValueError):
            raise NoteError(f"the signature of {self.name} is wrong") from None


def cosigned_at(signature: Signature) -> int:
    """When a witness says that it has signed, in seconds since 1970. Raises NoteError."""
    moment = int.from_bytes(signature.value[:_TIME_BYTES], "big")
    if len(signature.value) != _TIME_BYTES + _SIGNATURE_BYTES or moment >= 2**63:
        raise NoteError(f"the cosignature of {signature.name} is wrong")
    return moment


def _cosigned(moment: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {moment}\n{text}".encode()


def parse_verifier_key(text: str, kinds: Iterable[int] = _KINDS) -> VerifierKey:
    """Read a verifier key of one of these kinds. Raises NoteError."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3 or not _is_name(parts[0]) or not _HEX.fullmatch(parts[1]):
        raise NoteError("not a verifier key: NAME+ID+KEY is expected")
    data = _decoded(parts[2], "a verifier key")
    if not data or data[0] not in kinds or len(data) != 1 + _KEY_BYTES:
        raise NoteError(f"the verifier key of {parts[0]} is of a kind that is not taken here")
    key = VerifierKey(parts[0], data[0], data[1:])
    if key.key_id.hex() != parts[1]:
        raise NoteError(f"the verifier key of {parts[0]} does not fit its id")
    return key


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key, in the form that Go's x/mod/sumdb/note has for it."""

    name: str
    seed: bytes  # 32 bytes, RFC 8032
    verifier: VerifierKey

    def __repr__(self) -> str:
        return f"SigningKey({self.name!r})"

    def encode(self) -> str:
        """The key as it is kept: PRIVATE+KEY+NAME+ID+KEY."""
        key = _encoded(bytes([self.verifier.kind]) + self.seed)
        return f"{_SIGNING_KEY}{self.name}+{self.verifier.key_id.hex()}+{key}"

    def sign(self, text: str) -> Signature:
        """The signature of a text that ends in a newline, of the kind of a log's own."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        value = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return Signature(self.name, self.verifier.key_id, value)

    def cosign(self, text: str, moment: int) -> Signature:
        """The cosignature of a checkpoint's text at this time, in seconds since 1970: what a witness does."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        value = Ed25519PrivateKey.from_private_bytes(self.seed).sign(_cosigned(moment, text))
        return Signature(self.name, self.verifier.key_id, moment.to_bytes(_TIME_BYTES, "big") + value)


def make_key(name: str, seed: bytes, kind: int = SIGNATURE) -> SigningKey:
    """The key of a name from 32 random bytes. Raises NoteError for a name that none can have."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if not _is_name(name):
        raise NoteError("the name of a key has no spaces, no plus and no control characters")
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return SigningKey(name, seed, VerifierKey(name, kind, public))


def parse_signing_key(text: str) -> SigningKey:
    """Read a private key. Raises NoteError, which tells nothing of the key."""
    text = text.strip()
    parts = text.removeprefix(_SIGNING_KEY).split("+", 2)
    if not text.startswith(_SIGNING_KEY) or len(parts) != 3:
        raise NoteError("not a signing key: PRIVATE+KEY+NAME+ID+KEY is expected")
    data = _decoded(parts[2], "a signing key")
    if len(data) != 1 + _KEY_BYTES or data[0] not in _KINDS:
        raise NoteError(f"the signing key of {parts[0]} is of a kind that is not taken here")
    key = make_key(parts[0], data[1:], data[0])
    if key.verifier.key_id.hex() != parts[1]:
        raise NoteError(f"the signing key of {parts[0]} does not fit its id")
    return key


def _is_name(name: str) -> bool:
    # A policy is read octet by octet: what is not UTF-8 in it comes as surrogates.
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " or "\ud800" <= c <= "\udfff" for c in name)


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str, what: str) -> bytes:
    try:
        return decode_base64(text)
    except ValueError:
        raise NoteError(f"{what} that is not base64") from None


def decode_base64(text: str) -> bytes:
    """The bytes of RFC 4648, section 4: in the one form that they are written down in. Raises ValueError."""
    data = base64.b64decode(text.encode("ascii"), validate=True)
    # Python passes over too much padding, and over bits behind the last byte.
    if _encoded(data) != text:
        raise ValueError("base64 in another form than it is written down in")
    return data
