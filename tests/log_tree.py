"""The Merkle tree of RFC 6962, section 2.1, of any size up to its own, by code that imports nothing of the service."""

from __future__ import annotations

import hashlib

HASH_BYTES = 32
WIDTH = 256  # hashes of a tile
EMPTY_ROOT = hashlib.sha256().digest()


def tree_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, as it is written there."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return _node(tree_root(leaves[:split]), tree_root(leaves[split:]))


def root_of_peaks(peaks: list[bytes]) -> bytes:
    """The root above complete trees that stand side by side, from the largest to the smallest."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = _node(peak, root)
    return root


def layer_above(hashes: bytes) -> bytes:
    """The parents of these hashes, one behind the other; one that is left over has none."""
    sha = hashlib.sha256
    return b"".join([sha(b"\1" + hashes[i : i + 64]).digest() for i in range(0, len(hashes) - 63, 64)])


class LogTree:
    """All complete subtrees above some leaf hashes, 64 bytes a leaf: gives the root of each prefix."""

    def __init__(self, leaves: bytes) -> None:
        """``leaves`` are leaf hashes, one behind the other."""
        self.size = len(leaves) // HASH_BYTES
        self._layers = [leaves]
        while len(self._layers[-1]) > HASH_BYTES:
            self._layers.append(layer_above(self._layers[-1]))

    def root(self, size: int) -> bytes:
        """The root of the first ``size`` leaves."""
        assert 0 <= size <= self.size
        peaks = []
        for layer in reversed(range(size.bit_length())):
            if size >> layer & 1:
                at = ((size >> layer) - 1) * HASH_BYTES
                peaks.append(self._layers[layer][at : at + HASH_BYTES])
        return root_of_peaks(peaks)

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile, as C2SP tlog-tiles lays them out; nothing where there is none."""
        if 8 * level >= len(self._layers):
            return b""
        return self._layers[8 * level][number * WIDTH * HASH_BYTES : (number + 1) * WIDTH * HASH_BYTES]

    def tiles(self) -> int:
        """How many tiles there are, of all levels."""
        return sum(-(-len(layer) // (WIDTH * HASH_BYTES)) for layer in self._layers[::8])


def edge_root(size: int, tiles: dict[int, bytes]) -> bytes:
    """The root of a log from the last tiles alone: the hashes in each, by level, where one is not full.

    Raises ValueError where a tile does not hold what a log of this size has there.
    """
    peaks: list[bytes] = []
    for level in range((size.bit_length() + 7) // 8):
        width = size >> (8 * level) & (WIDTH - 1)
        hashes = tiles.get(level, b"")
        if len(hashes) != width * HASH_BYTES:
            raise ValueError(f"of {size} entries, the last tile of level {level} has {len(hashes)} bytes")
        here = []
        for bit in reversed(range(8)):
            if width >> bit & 1:
                part, hashes = hashes[: HASH_BYTES << bit], hashes[HASH_BYTES << bit :]
                while len(part) > HASH_BYTES:
                    part = layer_above(part)
                here.append(part)
        peaks = here + peaks
    return root_of_peaks(peaks)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def audit_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1: from the sibling of a leaf to the child of the root."""
    if len(leaves) == 1:
        return []
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if index < split:
        return [*audit_path(index, leaves[:split]), tree_root(leaves[split:])]
    return [*audit_path(index - split, leaves[split:]), tree_root(leaves[:split])]


def consistency_path(old: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.2: that the tree of the first ``old`` leaves is the beginning of that of all."""
    return _subproof(old, leaves, True) if 0 < old < len(leaves) else []


def _subproof(old: int, leaves: list[bytes], known: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if known else [tree_root(leaves)]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if old <= split:
        return [*_subproof(old, leaves[:split], known), tree_root(leaves[split:])]
    return [*_subproof(old - split, leaves[split:], False), tree_root(leaves[:split])]


def root_of_path(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that an audit path leads to, RFC 6962, section 2.1.1 read backwards. Raises ValueError."""
    if size == 1:
        if path:
            raise ValueError("the path is too long")
        return leaf
    if not path:
        raise ValueError("the path is too short")
    split = 1 << ((size - 1).bit_length() - 1)
    if index < split:
        return _node(root_of_path(index, split, leaf, path[:-1]), path[-1])
    return _node(path[-1], root_of_path(index - split, size - split, leaf, path[:-1]))
