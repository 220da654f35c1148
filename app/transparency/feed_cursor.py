"""Cursors of the feed: a place in the log, sealed, so that they say nothing and nobody can make one up."""

from __future__ import annotations

import base64
import binascii
import re
import struct
from hashlib import sha256
from typing import NamedTuple

from datastorage_common.merkle import leaf_hash

_VERSION = 1
_HASH_BYTES = 8
_form = struct.Struct(f">BQ{_HASH_BYTES}s{_HASH_BYTES}s")
_TAG_BYTES = 16
_CHARACTERS = -(-(_form.size + _TAG_BYTES) * 4 // 3)  # of base64 without padding
_TEXT = re.compile(f"[A-Za-z0-9_-]{{{_CHARACTERS}}}")
_NO_ENTRY = bytes(_HASH_BYTES)
_MAX_PASSED = 2**63 - 1


class Position(NamedTuple):
    """Where a consumer is: behind so many entries of a log (``passed``).

    ``origin`` and ``entry`` are the beginnings of hashes: of the log's name, as `origin_tag` gives it, and of the last
    of them, as `entry_tag` does. By them a log is known again that became another one.
    """

    passed: int
    origin: bytes
    entry: bytes


def origin_tag(name: str | None) -> bytes:
    """What a cursor keeps of the log's name; None: it never got another one than its first."""
    return _NO_ENTRY if name is None else sha256(name.encode()).digest()[:_HASH_BYTES]


def entry_tag(entry: bytes | None) -> bytes:
    """What a cursor keeps of an entry, canonical JSON; None: there is none before it."""
    return _NO_ENTRY if entry is None else leaf_hash(entry)[:_HASH_BYTES]


def looks_sealed(text: str) -> bool:
    """Whether the text has the form of a cursor."""
    return _TEXT.fullmatch(text) is not None


class CursorSeal:
    """Seals positions with a key of 32 bytes (AES-SIV, RFC 5297): the same position is always the same text."""

    def __init__(self, key: bytes) -> None:
        # Imported here: only who reads the feed pays for it.
        from cryptography.hazmat.primitives.ciphers.aead import AESSIV

        self._cipher = AESSIV(key)

    def seal(self, position: Position) -> str:
        """The cursor of a position."""
        sealed = self._cipher.encrypt(_form.pack(_VERSION, *position), None)
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str) -> Position | None:
        """The position of a cursor; None where this key has not sealed it."""
        from cryptography.exceptions import InvalidTag

        if not looks_sealed(text):
            return None
        try:
            plain = self._cipher.decrypt(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), None)
        except (InvalidTag, binascii.Error):
            return None
        version, passed, origin, entry = _form.unpack(plain)
        position = Position(passed, origin, entry)
        # Its last character has two bits that say nothing: one spelling is the cursor.
        well = version == _VERSION and passed <= _MAX_PASSED and self.seal(position) == text
        return position if well else None
