"""Events as they are on disk: a frame each.

A frame is the length of its payload and the CRC-32 of length and payload (two big-endian 32-bit numbers), then the
payload: the event's number in its segment (16 bits, from 0, and after 65535 from 0 again; older segments have 0 in
all), the milliseconds at which it was captured (48 bits) and its JSON. The number tells how many events were in a
stretch that cannot be read.
"""

from __future__ import annotations

import errno
import math
import os
import struct
import zlib

from datastorage_client.buffered.event import Item

MAGIC = b"DSSPOOL1"
_HEAD = struct.Struct(">II")
_CAPTURED = struct.Struct(">Q")
_NUMBERS = 1 << 16
_MILLISECONDS = 1 << 48
_BLOCK_BYTES = 4096
# No frame is longer; a larger number is damage and must not be allocated.
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024


def frame(item: Item, number: int) -> bytes:
    """The item as it is on disk, as the event of that number in its segment."""
    stamp = number % _NUMBERS * _MILLISECONDS + item.captured_ms % _MILLISECONDS
    payload = _CAPTURED.pack(stamp) + item.raw
    length = len(payload)
    return _HEAD.pack(length, zlib.crc32(payload, zlib.crc32(length.to_bytes(4, "big")))) + payload


def read_frame(fd: int, offset: int, limit: int, since: float = -math.inf) -> tuple[Item, int, int] | None:
    """The item at an offset, where it ends, ``limit`` at the latest, and its number; None for what is no frame."""
    head = _read(fd, _HEAD.size, offset)
    if len(head) < _HEAD.size:
        return None
    length, crc = _HEAD.unpack(head)
    end = offset + _HEAD.size + length
    if not _CAPTURED.size <= length <= MAX_PAYLOAD_BYTES or end > limit:
        return None
    payload = _read(fd, length, offset + _HEAD.size)
    if len(payload) < length or zlib.crc32(payload, zlib.crc32(length.to_bytes(4, "big"))) != crc:
        return None
    number, captured_ms = divmod(_CAPTURED.unpack_from(payload)[0], _MILLISECONDS)
    return Item(payload[_CAPTURED.size :], captured_ms, since), end, number


def _read(fd: int, size: int, offset: int) -> bytes:
    """What is there; nothing if the disk cannot read it."""
    try:
        return os.pread(fd, size, offset)
    except OSError as e:
        if e.errno != errno.EIO:
            raise
        return b""


def read_around_holes(fd: int, offset: int, end: int) -> bytes:
    """All bytes of a stretch, zeros for blocks that the disk cannot read."""
    found = bytearray(_read(fd, end - offset, offset))
    while len(found) < end - offset:
        at = offset + len(found)
        size = min(_BLOCK_BYTES - at % _BLOCK_BYTES, end - at)
        found += _read(fd, size, at).ljust(size, b"\0")
    return bytes(found)


def is_torn(rest: bytes) -> bool:
    """Whether a segment ends so because a write was cut off, by a kill or a loss of power: nothing of it was synced."""
    if not rest.strip(b"\0") or len(rest) < _HEAD.size:
        return True
    length = int.from_bytes(rest[:4], "big")
    return _CAPTURED.size <= length <= MAX_PAYLOAD_BYTES and _HEAD.size + length > len(rest)
