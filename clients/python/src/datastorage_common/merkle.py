"""The hashes of a Merkle tree as RFC 6962, section 2.1, has them, with SHA-256. Hashes are 32 bytes each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


# --- proofs: RFC 6962, sections 2.1.1 and 2.1.2 -------------------------------------------------------------------

# The hash above a complete subtree: 2 ** level entries, the one that begins with entry number * 2 ** level.
Node = Callable[[int, int], bytes]
# From the first entry to behind the last.
Range = tuple[int, int]


class ProofError(ValueError):
    """A proof does not prove what it is said to; the message says where it ends."""


def range_nodes(start: int, end: int) -> list[tuple[int, int]]:
    """The complete subtrees, as (level, number), that the hash above these entries is made of, left to right.

    ``start`` is a multiple of the least power of two that is not less than their number, as in all ranges of proofs.
    """
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        found.append((level, start >> level))
        start += 1 << level
    return found


def range_root(start: int, end: int, node: Node) -> bytes:
    """The hash above these entries."""
    hashes = [node(level, number) for level, number in range_nodes(start, end)]
    if not hashes:
        return EMPTY
    above = hashes.pop()
    while hashes:
        above = node_hash(hashes.pop(), above)
    return above


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """What the hashes of an inclusion proof stand above, from the leaf's sibling to the child of the root."""
    if not 0 <= index < size:
        raise ProofError(f"there is no entry {index} in a tree of {size}")
    found: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start = middle
    return found[::-1]


def consistency_ranges(old: int, size: int) -> list[Range]:
    """What the hashes of a consistency proof stand above; nothing where it needs none (from 0, or the same size)."""
    if not 0 <= old <= size:
        raise ProofError(f"a tree of {size} does not hold one of {old}")
    if old in (0, size):
        return []
    found: list[Range] = []
    start, end = 0, size
    whole = True  # whether the old tree is, up to here, a complete subtree that its reader knows
    while old != end:
        middle = start + split(end - start)
        if old <= middle:
            found.append((middle, end))
            end = middle
        else:
            found.append((start, middle))
            start, whole = middle, False
    if not whole:
        found.append((start, end))
    return found[::-1]


def check_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Raises ProofError unless the proof leads from the leaf hash of entry ``index`` to this root of ``size`` entries.

    RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no entry {index} in a tree of {size}")
    number, last, above = index, size - 1, leaf
    for step in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        if number & 1 or number == last:
            above = node_hash(step, above)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            above = node_hash(above, step)
        number, last = number >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    if above != root:
        raise ProofError("the proof leads to another root")


def check_consistency(old: int, size: int, old_root: bytes, root: bytes, proof: Sequence[bytes]) -> None:
    """Raises ProofError unless the tree of ``old`` entries is the beginning of that of ``size``.

    RFC 9162, section 2.1.4.2; from 0 and to the same size there is nothing to prove.
    """
    if not 0 <= old <= size:
        raise ProofError(f"a tree of {size} does not hold one of {old}")
    if old in (0, size):
        if proof:
            raise ProofError("the proof is too long")
        if old_root != (EMPTY if old == 0 else root):
            raise ProofError("the roots differ")
        return
    steps = list(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        raise ProofError("the proof is too short")
    number, last = old - 1, size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    before = after = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise ProofError("the proof is too long")
        if number & 1 or number == last:
            before, after = node_hash(step, before), node_hash(step, after)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            after = node_hash(after, step)
        number, last = number >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    if before != old_root:
        raise ProofError("the proof leads to another root of the old tree")
    if after != root:
        raise ProofError("the proof leads to another root")


def split(count: int) -> int:
    """The largest power of two below ``count``: where a range of so many entries is split."""
    return 1 << ((count - 1).bit_length() - 1)
