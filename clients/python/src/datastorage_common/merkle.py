"""The hashes of a Merkle tree as RFC 6962, section 2.1, has them, with SHA-256. Hashes are 32 bytes each."""

from __future__ import annotations

from hashlib import sha256

HASH_BYTES = 32
# What the hash of a tree without entries is.
EMPTY = sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry of the log."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node above two others."""
    return sha256(b"\1" + left + right).digest()


def complete_root(hashes: bytes) -> bytes:
    """The root above ``hashes``, one behind the other, as many as a power of two."""
    while len(hashes) > HASH_BYTES:
        hashes = b"".join([sha256(b"\1" + hashes[i : i + 64]).digest() for i in range(0, len(hashes), 64)])
    return hashes


def root(hashes: bytes) -> bytes:
    """The root above any number of hashes, one behind the other: RFC 6962 splits at the largest power of two."""
    count = len(hashes) // HASH_BYTES
    if count == 0:
        return EMPTY
    if count & (count - 1) == 0:
        return complete_root(hashes)
    split = HASH_BYTES << (count.bit_length() - 1)
    return node_hash(complete_root(hashes[:split]), root(hashes[split:]))
