"""Hashes and proofs of the tree, out of the tiles: few rows of log_tiles, read in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datastorage_common.merkle import (
    HASH_BYTES,
    Node,
    Range,
    complete_root,
    consistency_ranges,
    inclusion_ranges,
    range_nodes,
    range_root,
)

from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.transparency.edge import WIDTH
from app.transparency.log_store import LogBrokenError

_TILES = statements("log")["tiles"]
_TILE_LEVELS = WIDTH.bit_length() - 1  # levels of the tree in a tile

TileKey = tuple[int, int]  # level and number


def root_at(conn: Connection, size: int) -> bytes:
    """The root of the tree of the first ``size`` entries. Raises LogBrokenError, psycopg.Error."""
    return roots_at(conn, [size])[0]


def roots_at(conn: Connection, sizes: Sequence[int]) -> list[bytes]:
    """As `root_at`, for several sizes at once."""
    return _hashes(conn, [(0, size) for size in sizes])


def inclusion_proof(conn: Connection, index: int, size: int) -> list[bytes]:
    """From the sibling of entry ``index`` to the child of the root of ``size`` entries. Raises as `root_at` does."""
    return _hashes(conn, inclusion_ranges(index, size))


def consistency_proof(conn: Connection, old: int, size: int) -> list[bytes]:
    """That the tree of ``old`` entries is the beginning of that of ``size``. Raises as `root_at` does."""
    return _hashes(conn, consistency_ranges(old, size))


def _hashes(conn: Connection, ranges: Sequence[Range]) -> list[bytes]:
    nodes = [node for start, end in ranges for node in range_nodes(start, end)]
    at = tile_nodes(_read(conn, {_tile_of(*node)[0] for node in nodes}))
    return [range_root(start, end, at) for start, end in ranges]


def tile_nodes(tiles: dict[TileKey, bytes]) -> Node:
    """The hashes above complete subtrees, out of these tiles."""

    def node(level: int, number: int) -> bytes:
        key, first, count = _tile_of(level, number)
        hashes = tiles.get(key, b"")[first * HASH_BYTES : (first + count) * HASH_BYTES]
        if len(hashes) != count * HASH_BYTES:
            raise LogBrokenError(f"tile {key[1]} of level {key[0]} does not hold its hash {first + count - 1}")
        return complete_root(hashes)

    return node


def _tile_of(level: int, number: int) -> tuple[TileKey, int, int]:
    """Where the hash above a complete subtree is made of: the tile, its first hash in it, and how many."""
    tile_level, above = divmod(level, _TILE_LEVELS)
    first = number << above
    return (tile_level, first // WIDTH), first % WIDTH, 1 << above


def _read(conn: Connection, keys: Iterable[TileKey]) -> dict[TileKey, bytes]:
    wanted = sorted(keys)
    if not wanted:
        return {}
    levels, numbers = zip(*wanted, strict=True)
    rows = conn.execute(_TILES, (list(levels), list(numbers)), binary=True)
    return {(level, number): bytes(hashes) for level, number, hashes in rows}
