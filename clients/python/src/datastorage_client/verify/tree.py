"""The tree of a checkpoint, read from the root down: nothing is taken that does not lead to the root."""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import partial

from datastorage_common.checkpoints import Checkpoint
from datastorage_common.merkle import HASH_BYTES, complete_root, leaf_hash, range_root, root

from datastorage_client.verify.errors import TreeError
from datastorage_client.verify.tiles import (
    TILE_BYTES,
    WIDTH,
    BundleFormError,
    Place,
    PlaceTooLargeError,
    Tiles,
    split_bundle,
)

_TILE_LEVELS = WIDTH.bit_length() - 1
# 8 KiB each: more than bundles are read ahead.
_MOST_LEAF_TILES = 64


class _WrongError(ValueError):
    """Bytes that are not those of the tree."""


class Tree:
    """The tree of one checkpoint. Any number of threads may read one."""

    def __init__(self, tiles: Tiles, checkpoint: Checkpoint) -> None:
        """Reads the last tile of each level. Raises TreeError unless the root of the checkpoint follows from them."""
        self.checkpoint = checkpoint
        self.size = checkpoint.size
        self._tiles = tiles
        self._above: dict[tuple[int, int], bytes] = {}  # of level 1 and higher: 8 KiB for 65,536 entries
        # Of level 0, the last that were read: whoever goes through entries in their order reads each once.
        self._leaves: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._edge = self._read_edge()

    def tile(self, level: int, number: int) -> bytes:
        """The hashes of a tile, as many as the tree has there. Raises TreeError, DataStorageError, OSError."""
        if number >= self.size >> _TILE_LEVELS * (level + 1):
            return self._edge[level]
        with self._lock:
            known = self._above.get((level, number)) if level else self._leaves.get(number)
        if known is not None:
            return known
        above = self.tile(level + 1, number // WIDTH)
        at = number % WIDTH * HASH_BYTES
        expected = above[at : at + HASH_BYTES]
        try:
            found = self._tiles.read(Place(level, number), partial(_check_tile, expected))
        except (_WrongError, PlaceTooLargeError):
            first = number << _TILE_LEVELS * (level + 1)
            last = ((number + 1) << _TILE_LEVELS * (level + 1)) - 1
            of = f"the hashes of the entries {first} to {last}, one or more of which is not what it was"
            raise TreeError(first, f"tile {number} of level {level} does not belong to the tree: {of}") from None
        with self._lock:
            if level:
                self._above[level, number] = found
            else:
                self._leaves[number] = found
                if len(self._leaves) > _MOST_LEAF_TILES:
                    self._leaves.popitem(last=False)
        return found

    def bundles(self) -> int:
        """How many bundles of entries there are, the last one perhaps not complete."""
        return -(-self.size // WIDTH)

    def entries(self, number: int) -> list[bytes]:
        """The entries of a bundle. Raises TreeError, which names the first wrong one; DataStorageError, OSError."""
        leaves = self.tile(0, number)
        found: list[bytes] = []
        width = len(leaves) // HASH_BYTES
        start = number * WIDTH
        try:
            self._tiles.read(Place(None, number, width), partial(_check_bundle, start, leaves, found))
        except PlaceTooLargeError as e:
            raise TreeError(start, f"the bundle of entry {start}: {e}") from None
        return found

    def root_at(self, size: int) -> bytes:
        """The root of the first ``size`` entries. Raises as `tile` does."""
        return range_root(0, size, self._node)

    def subtree(self, start: int, end: int) -> bytes:
        """The hash above the entries from ``start`` up to and without ``end``, which some range of proofs has.

        Raises as `tile` does.
        """
        return range_root(start, end, self._node)

    def _node(self, level: int, number: int) -> bytes:
        tile_level, above = divmod(level, _TILE_LEVELS)
        first = number << above
        hashes = self.tile(tile_level, first // WIDTH)
        at = first % WIDTH * HASH_BYTES
        return complete_root(hashes[at : at + (HASH_BYTES << above)])

    def _read_edge(self) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        left_over = b""
        level = 0
        while (count := self.size >> _TILE_LEVELS * level) > 0:
            width = count % WIDTH
            found[level] = b""
            if width:
                place = Place(level, count // WIDTH, width)
                try:
                    found[level] = self._tiles.read(place, partial(_check_length, width))
                except (_WrongError, PlaceTooLargeError) as e:
                    raise TreeError(count // WIDTH * WIDTH << _TILE_LEVELS * level, f"{place.path}: {e}") from None
                left_over = root(found[level] + left_over)
            level += 1
        if (left_over or root(b"")) != self.checkpoint.root:
            raise TreeError(0, f"the last tiles do not give the root of the checkpoint of {self.size} entries")
        return found


def _check_tile(expected: bytes, hashes: bytes) -> None:
    if len(hashes) != TILE_BYTES or complete_root(hashes) != expected:
        raise _WrongError


def _check_length(width: int, hashes: bytes) -> None:
    if len(hashes) != width * HASH_BYTES:
        raise _WrongError(f"{len(hashes)} bytes where {width} hashes belong")


def _check_bundle(start: int, leaves: bytes, found: list[bytes], data: bytes) -> None:
    found.clear()
    try:
        found += split_bundle(data)
    except BundleFormError as e:
        raise _WrongBundleError(start, f"the bundle of entry {start}: {e}") from None
    for i, entry in enumerate(found):
        if leaf_hash(entry) != leaves[i * HASH_BYTES : (i + 1) * HASH_BYTES]:
            raise _WrongBundleError(start + i, f"entry {start + i} is not the one that the tree has there")
    if len(found) * HASH_BYTES != len(leaves):
        width = len(leaves) // HASH_BYTES
        raise _WrongBundleError(
            start + len(found), f"the bundle of entry {start} has {len(found)} entries, not {width}"
        )


class _WrongBundleError(TreeError, ValueError):
    """As `_WrongError`, with the entry."""
