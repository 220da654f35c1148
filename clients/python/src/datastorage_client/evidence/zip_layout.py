"""The bytes of a bundle's zip file (APPNOTE 6.3.9) but those of its members: each follows from names, sizes and CRCs.

So a reader can make them anew and compare: no field is left in which something could be changed unseen.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

STORED, DEFLATED = 0, 8
# In their order. The manifest says what the others are, and so comes last.
RECORDS, EXPORTED, ENTRIES, PROOF = "records.ndjson", "exported.ndjson", "entries.ndjson", "proof.txt"
CHECKPOINT, KEYS, PAGE, MANIFEST = "checkpoint", "keys.txt", "README.html", "manifest.json"
# Hashes and signatures do not become shorter.
METHODS = {
    RECORDS: DEFLATED, EXPORTED: DEFLATED, ENTRIES: DEFLATED, PROOF: STORED,
    CHECKPOINT: STORED, KEYS: STORED, PAGE: STORED, MANIFEST: STORED,
}  # fmt: skip
# What stands in 32 bits; larger numbers stand in the fields of ZIP64.
MOST_32 = 0xFFFFFFFE
_ELSEWHERE = 0xFFFFFFFF
_VERSION = 45  # ZIP64
_UNIX = 3 << 8
_DAY = 0x21  # 1980-01-01: a time would be one more thing to check
_MODE = 0o100644 << 16
_LOCAL = struct.Struct("<4s5H3I2H")
_LOCAL_64 = struct.Struct("<2H2Q")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END_64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR_64 = struct.Struct("<4sIQI")
_END = struct.Struct("<4s4H2IH")
COMMENT = b"sha256:"
_COMMENT_BYTES = len(COMMENT) + 64
END_BYTES = _END.size + _COMMENT_BYTES


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the zip: where it begins, and its bytes packed and unpacked."""

    name: str
    at: int  # of its header
    crc: int = 0
    packed: int = 0
    size: int = 0

    @property
    def method(self) -> int:
        """How it is packed."""
        return METHODS[self.name]

    @property
    def begin(self) -> int:
        """Where its packed bytes begin."""
        return self.at + header_bytes(self.name)

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.begin + self.packed


def header_bytes(name: str) -> int:
    """How long the header before a member is."""
    return _LOCAL.size + len(name) + _LOCAL_64.size


def header(member: Member) -> bytes:
    """What stands before a member. Its sizes are always those of ZIP64, so that they fit whatever comes."""
    name = member.name.encode()
    fixed = (b"PK\3\4", _VERSION, 0, member.method, 0, _DAY, member.crc)
    extra = _LOCAL_64.pack(1, _LOCAL_64.size - 4, member.size, member.packed)
    return _LOCAL.pack(*fixed, _ELSEWHERE, _ELSEWHERE, len(name), len(extra)) + name + extra


def read_header(data: bytes, name: str, at: int) -> Member | None:
    """The member that a header at this place stands before; None where it is not one of this name."""
    if len(data) != header_bytes(name):
        return None
    crc: int = _LOCAL.unpack_from(data)[6]
    size, packed = _LOCAL_64.unpack(data[-_LOCAL_64.size :])[2:]
    found = Member(name, at, crc, packed, size)
    return found if header(found) == data else None


def directory(members: Sequence[Member]) -> bytes:
    """What stands behind the last member, without the end of it that has the comment."""
    start = members[-1].end
    entries = b"".join(map(_directory_entry, members))
    if len(entries) + start <= MOST_32:
        return entries
    count = len(members)
    ends = _END_64.pack(
        b"PK\6\6", _END_64.size - 12, _UNIX | _VERSION, _VERSION, 0, 0, count, count, len(entries), start
    )
    return entries + ends + _LOCATOR_64.pack(b"PK\6\7", 0, start + len(entries), 1)


def end(members: Sequence[Member], digest: bytes) -> bytes:
    """The end of the file. ``digest``: SHA-256 of all that stands before it."""
    start, count = members[-1].end, len(members)
    length = sum(len(_directory_entry(member)) for member in members)
    at = start if start + length <= MOST_32 else _ELSEWHERE
    fixed = _END.pack(b"PK\5\6", 0, 0, count, count, length, at, _COMMENT_BYTES)
    return fixed + COMMENT + digest.hex().encode()


def _directory_entry(member: Member) -> bytes:
    name = member.name.encode()
    numbers = (member.size, member.packed, member.at)
    large = [number for number in numbers if number > MOST_32]
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size, packed, at = (number if number <= MOST_32 else _ELSEWHERE for number in numbers)
    fixed = (b"PK\1\2", _UNIX | _VERSION, _VERSION, 0, member.method, 0, _DAY, member.crc, packed, size)
    return _CENTRAL.pack(*fixed, len(name), len(extra), 0, 0, 0, _MODE, at) + name + extra
