"""Cursors of the feed: a place in the log, sealed, so that they say nothing and nobody can make one up."""

from __future__ import annotations

import base64
import binascii
import os
import re
import struct
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

_VERSION = 1
# Of hashes so much is kept.
TAG_BYTES = 8
NO_TAG = bytes(TAG_BYTES)
# How far back a cursor knows the log, in bits of the number of entries: where the last ones became others, that 256 or
# 65536 before may not have.
_BACK = (0, 8, 16, 24)
_form = struct.Struct(f">BQ{TAG_BYTES}s{TAG_BYTES * len(_BACK)}s")
_NONCE_BYTES = 16
_SEAL_BYTES = 16
CHARACTERS = -(-(_NONCE_BYTES + _SEAL_BYTES + _form.size) * 4 // 3)  # of base64 without padding
_TEXT = re.compile(f"[A-Za-z0-9_-]{{{CHARACTERS}}}")
_MAX_PASSED = 2**63 - 1


class Position(NamedTuple):
    """Where a consumer is: behind so many entries of a log (``passed``).

    By the others a log is known again that became another one. ``origin``: what is kept of its name, as `origin_tag`
    gives it. ``tags``: for each of `marks`, how the hash of the entry before it begins; `NO_TAG` where there is none.
    """

    passed: int
    origin: bytes
    tags: tuple[bytes, ...]

    def known(self) -> dict[int, bytes]:
        """The tags by the number of entries that they stand behind, without those that say nothing."""
        return {at: tag for at, tag in zip(marks(self.passed), self.tags, strict=True) if at and tag != NO_TAG}


def marks(passed: int) -> list[int]:
    """The numbers of entries at which a cursor knows the log: that which it stands behind first, then rounder ones."""
    return [passed >> bits << bits for bits in _BACK]


def position(passed: int, origin: bytes, found: Mapping[int, bytes]) -> Position:
    """The position behind so many entries, by what was found of those before its marks."""
    return Position(passed, origin, tuple(found.get(at, NO_TAG) if at else NO_TAG for at in marks(passed)))


def origin_tag(name: str | None) -> bytes:
    """What a cursor keeps of the log's name; None: it never got another one than its first."""
    return NO_TAG if name is None else sha256(name.encode()).digest()[:TAG_BYTES]


def looks_sealed(text: str) -> bool:
    """Whether the text has the form of a cursor."""
    return _TEXT.fullmatch(text) is not None


class CursorSeal:
    """Seals positions with a key of 32 bytes (AES-SIV, RFC 5297)."""

    def __init__(self, key: bytes) -> None:
        # Imported here: only who reads the feed pays for it.
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._cipher = AESSIV(key)

    def seal(self, place: Position, *, each_another: bool = False) -> str:
        """The cursor of a position. With ``each_another`` nobody can tell whether two of them are of the same one."""
        return self._seal(place, os.urandom(_NONCE_BYTES) if each_another else bytes(_NONCE_BYTES))

    def _seal(self, place: Position, nonce: bytes) -> str:
        plain = _form.pack(_VERSION, place.passed, place.origin, b"".join(place.tags))
        return base64.urlsafe_b64encode(nonce + self._cipher.encrypt(plain, [nonce])).rstrip(b"=").decode()

    def open(self, text: str) -> Position | None:
        """The position of a cursor; None where this key has not sealed it."""
        from cryptography.exceptions import InvalidTag

        if not looks_sealed(text):
            return None
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            nonce = sealed[:_NONCE_BYTES]
            plain = self._cipher.decrypt(sealed[_NONCE_BYTES:], [nonce])
        except (InvalidTag, binascii.Error):
            return None
        version, passed, origin, tags = _form.unpack(plain)
        found = Position(passed, origin, tuple(tags[n : n + TAG_BYTES] for n in range(0, len(tags), TAG_BYTES)))
        # Bits of its last character may say nothing: one spelling is the cursor.
        well = version == _VERSION and passed <= _MAX_PASSED and self._seal(found, nonce) == text
        return found if well else None
