"""The right edge of the log's tree: all that has to be known of it to put more behind it.

Laid out as C2SP tlog-tiles: 256 hashes a tile; each tile that is full gives one hash to the level above.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from datastorage_common.merkle import EMPTY, HASH_BYTES, complete_root, root

WIDTH = 256
_TILE_BYTES = WIDTH * HASH_BYTES


@dataclass(frozen=True, slots=True)
class Tile:
    """A row of log_tiles."""

    level: int
    number: int
    hashes: bytes

    @property
    def width(self) -> int:
        """How many hashes it holds, 1 to 256."""
        return len(self.hashes) // HASH_BYTES


@dataclass(frozen=True, slots=True)
class Bundle:
    """A row of log_bundles: entries in the form in which they are kept."""

    number: int
    width: int
    entries: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """The log's size, and what is not full: the last bundle, and the last tile of each level."""

    size: int = 0
    bundle: bytes = b""
    tiles: tuple[bytes, ...] = ()  # hashes by level; nothing where the last tile of a level is full

    def root(self) -> bytes:
        """The root of the whole tree: what a level leaves over stands behind the hashes of the level above."""
        left_over = b""
        for hashes in self.tiles:
            if hashes:
                left_over = root(hashes + left_over)
        return left_over or EMPTY


@dataclass(frozen=True, slots=True)
class Growth:
    """What the log becomes by some more entries: its new edge, and the rows that are new or longer."""

    edge: Edge
    bundles: list[Bundle]
    tiles: list[Tile]


def partial_tiles(size: int) -> list[tuple[int, int]]:
    """The tiles of a log of this size that are not full, as (level, number)."""
    found = []
    level = 0
    while size:
        if size % WIDTH:
            found.append((level, size // WIDTH))
        size //= WIDTH
        level += 1
    return found


def grow(edge: Edge, entries: Sequence[bytes], hashes: Sequence[bytes]) -> Growth:
    """Put entries, in their kept form and with their leaf hashes, behind those that are there."""
    size = edge.size + len(entries)
    bundles, last = _bundles(edge, entries)
    written: list[Tile] = []
    tiles = list(edge.tiles)
    level, start, more = 0, edge.size, b"".join(hashes)
    while more:
        if level == len(tiles):
            tiles.append(b"")
        # The tiles that these hashes come into, from the one that is not full yet.
        first = start // WIDTH
        held = tiles[level] + more
        above = []
        for number, i in enumerate(range(0, len(held), _TILE_BYTES), first):
            tile = Tile(level, number, held[i : i + _TILE_BYTES])
            written.append(tile)
            if tile.width == WIDTH:
                above.append(complete_root(tile.hashes))
        tiles[level] = b"" if written[-1].width == WIDTH else written[-1].hashes
        level, start, more = level + 1, first, b"".join(above)
    return Growth(Edge(size, last, tuple(tiles)), bundles, written)


def _bundles(edge: Edge, entries: Sequence[bytes]) -> tuple[list[Bundle], bytes]:
    """The rows of log_bundles that these entries come into, and what of the last is not full."""
    found = []
    held, width = edge.bundle, edge.size % WIDTH
    number = edge.size // WIDTH
    i = 0
    while i < len(entries):
        part = entries[i : i + WIDTH - width]
        bundle = Bundle(number, width + len(part), held + b"".join(part))
        found.append(bundle)
        i += len(part)
        if bundle.width == WIDTH:
            held, width, number = b"", 0, number + 1
        else:
            held, width = bundle.entries, bundle.width
    return found, held
