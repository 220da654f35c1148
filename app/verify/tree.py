"""The tree above the leaves of a log: its root at any size on the way, and whether its tiles are what is stored."""

from __future__ import annotations

from datastorage_common.merkle import EMPTY, HASH_BYTES, complete_root, node_hash

from app.transparency.edge import WIDTH, Edge, Tile, grow
from app.verify.report import Report
from app.verify.source import Source, TileKey, Totals

_TILE_BYTES = WIDTH * HASH_BYTES
_TILE_LEVELS = WIDTH.bit_length() - 1


class Peaks:
    """The complete subtrees that a growing tree is made of, largest first: all that its root needs."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def extend(self, hashes: bytes) -> None:
        """Put leaf hashes behind those that are there."""
        at = 0
        while at < len(hashes):
            if self.size % WIDTH == 0 and len(hashes) - at >= _TILE_BYTES:
                self._push(complete_root(hashes[at : at + _TILE_BYTES]), _TILE_LEVELS)
                at += _TILE_BYTES
            else:
                self._push(hashes[at : at + HASH_BYTES], 0)
                at += HASH_BYTES

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        if not self._peaks:
            return EMPTY
        above = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            above = node_hash(peak, above)
        return above

    def _push(self, node: bytes, level: int) -> None:
        number = self.size >> level
        while number & 1:
            node = node_hash(self._peaks.pop(), node)
            number >>= 1
        self._peaks.append(node)
        self.size += 1 << level


class TreeCheck:
    """Makes every tile anew from the leaves, and compares those above them with what is stored.

    Tiles of level 0 are compared with the entries, where they are read.
    """

    def __init__(self, source: Source, report: Report) -> None:
        self._source = source
        self._report = report
        self._edge = Edge()

    def grow(self, leaves: list[bytes]) -> None:
        """Some more leaves, in whole bundles but for the last."""
        growth = grow(self._edge, [b""] * len(leaves), leaves)
        self._edge = growth.edge
        self._compare([tile for tile in growth.tiles if tile.level and tile.width == WIDTH])

    def end(self, totals: Totals) -> None:
        """Compare what is not full, and look for tiles that are too many."""
        self._compare(
            [
                Tile(level, self._edge.size // WIDTH ** (level + 1), hashes)
                for level, hashes in enumerate(self._edge.tiles)
                if level and hashes
            ]
        )
        size = self._edge.size
        for level, (count, end) in sorted(totals.tiles.items()):
            expected = -(-(size // WIDTH**level) // WIDTH)
            if end > expected or count > expected:
                self._report.add("tile", f"level {level} has {count} tiles up to number {end - 1}, of {expected}")

    def _compare(self, tiles: list[Tile]) -> None:
        if not tiles:
            return
        keys: list[TileKey] = [(tile.level, tile.number) for tile in tiles]
        found = self._source.tiles(keys)
        for tile in tiles:
            kept = found.get((tile.level, tile.number))
            if kept is None:
                self._wrong(tile, "is not there")
            elif kept.data != tile.hashes or kept.width != tile.width:
                self._wrong(tile, "is not what its entries give")

    def _wrong(self, tile: Tile, what: str) -> None:
        index = tile.number * WIDTH ** (tile.level + 1)
        self._report.add("tile", f"tile {tile.number} of level {tile.level} {what}", index=index)
