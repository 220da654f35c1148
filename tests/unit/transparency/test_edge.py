"""The right edge of the tree: whatever the pieces it grows by, every tile is what C2SP tlog-tiles says."""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import lru_cache

import pytest
from datastorage_common.merkle import HASH_BYTES, leaf_hash, root
from hypothesis import given, settings
from hypothesis import strategies as st

from app.transparency.edge import WIDTH, Bundle, Edge, Growth, Tile, grow, partial_tiles

MOST = 65_537
SIZES = (0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, MOST)
ENTRIES = [b"entry %d" % i for i in range(MOST)]
HASHES = [leaf_hash(entry) for entry in ENTRIES]


@lru_cache(maxsize=1024)
def subtree(level: int, number: int) -> bytes:
    """The root above the leaves of one hash of a level: 256 ** level of them."""
    span = WIDTH**level
    return root(b"".join(HASHES[number * span : (number + 1) * span]))


def defined_tiles(size: int) -> dict[tuple[int, int], bytes]:
    """Every tile of a log of this size: level L has a hash for each 256 ** L leaves that are all there."""
    found = {}
    for level in range(8):
        count = size // WIDTH**level
        for number in range(-(-count // WIDTH)):
            parts = range(number * WIDTH, min(count, (number + 1) * WIDTH))
            found[(level, number)] = b"".join(subtree(level, i) if level else HASHES[i] for i in parts)
    return found


def defined_bundles(size: int) -> dict[int, tuple[int, bytes]]:
    return {
        number: (min(WIDTH, size - i), b"".join(ENTRIES[i : min(size, i + WIDTH)]))
        for number, i in enumerate(range(0, size, WIDTH))
    }


class Tables:
    """What log_bundles and log_tiles hold: a row only grows, behind what it holds."""

    def __init__(self) -> None:
        self.edge = Edge()
        self.bundles: dict[int, Bundle] = {}
        self.tiles: dict[tuple[int, int], Tile] = {}

    def grow_to(self, size: int) -> Growth:
        growth = grow(self.edge, ENTRIES[self.edge.size : size], HASHES[self.edge.size : size])
        for bundle in growth.bundles:
            before = self.bundles.get(bundle.number)
            assert before is None or (before.width < bundle.width and bundle.entries.startswith(before.entries))
            self.bundles[bundle.number] = bundle
        for tile in growth.tiles:
            old = self.tiles.get((tile.level, tile.number))
            assert old is None or (old.width < tile.width and tile.hashes.startswith(old.hashes))
            self.tiles[(tile.level, tile.number)] = tile
        self.edge = growth.edge
        return growth


def grown(sizes: Iterable[int]) -> Tables:
    tables = Tables()
    for size in sizes:
        tables.grow_to(size)
    return tables


def assert_as_defined(tables: Tables, size: int) -> None:
    assert {key: tile.hashes for key, tile in tables.tiles.items()} == defined_tiles(size)
    assert {n: (bundle.width, bundle.entries) for n, bundle in tables.bundles.items()} == defined_bundles(size)
    assert tables.edge.size == size
    assert all(0 < tile.width <= WIDTH for tile in tables.tiles.values())


@pytest.mark.parametrize("size", SIZES)
def test_all_at_once_is_as_defined(size: int) -> None:
    assert_as_defined(grown([size]), size)


@pytest.mark.parametrize("size", SIZES)
def test_pieces_make_the_same(size: int) -> None:
    cuts = random.Random(size)
    sizes = [*sorted(cuts.sample(range(size + 1), min(size, 12))), size]
    tables = grown(sizes)
    assert_as_defined(tables, size)
    assert tables.edge == grown([size]).edge


def test_one_after_the_other_over_the_ends_of_tiles() -> None:
    tables = grown([250])
    for size in range(251, 520):
        tables.grow_to(size)
    assert_as_defined(tables, 519)


@pytest.mark.parametrize("start", [65_279, 65_280, 65_535, 65_536])
def test_a_tile_of_the_level_above_fills(start: int) -> None:
    tables = grown([start])
    for size in range(start + 1, min(MOST, start + 4) + 1):
        tables.grow_to(size)
    assert_as_defined(tables, tables.edge.size)


@settings(max_examples=50)
@given(st.lists(st.integers(0, 1500), min_size=1, max_size=8))
def test_any_pieces(sizes: list[int]) -> None:
    assert_as_defined(grown(sorted(sizes)), max(sizes))


def test_only_what_changed_is_written() -> None:
    tables = grown([600])
    growth = tables.grow_to(601)
    assert [(t.level, t.number, t.width) for t in growth.tiles] == [(0, 2, 89)]
    assert [(b.number, b.width) for b in growth.bundles] == [(2, 89)]
    assert tables.grow_to(601) == Growth(tables.edge, [], [])


@pytest.mark.parametrize("size", [*SIZES, 300, 1025, 65_300])
def test_the_root_is_that_of_all_hashes(size: int) -> None:
    assert grown([size]).edge.root() == root(b"".join(HASHES[:size]))


@pytest.mark.parametrize("size", SIZES)
def test_the_edge_is_the_partial_tiles(size: int) -> None:
    tables = grown([size])
    partial = {(t.level, t.number): t.hashes for t in tables.tiles.values() if t.width < WIDTH}
    assert partial_tiles(size) == sorted(partial)
    kept = {level: hashes for level, hashes in enumerate(tables.edge.tiles) if hashes}
    assert kept == {level: hashes for (level, _), hashes in partial.items()}
    assert len(tables.edge.bundle) == sum(map(len, ENTRIES[size - size % WIDTH : size]))
    for (level, _), hashes in partial.items():
        assert len(hashes) == size // WIDTH**level % WIDTH * HASH_BYTES


def test_the_example_of_the_specification() -> None:
    # c2sp.org/tlog-tiles: what a tree of 70,000 entries is represented by, and one of 256.
    def tiles_of(size: int) -> dict[int, list[int]]:
        growth = grow(Edge(), [b"e"] * size, [bytes(HASH_BYTES)] * size)
        widths: dict[int, list[int]] = {}
        for tile in growth.tiles:
            widths.setdefault(tile.level, []).append(tile.width)
        return widths

    assert tiles_of(70_000) == {0: [256] * 273 + [112], 1: [256, 17], 2: [1]}
    assert partial_tiles(70_000) == [(0, 273), (1, 1), (2, 0)]
    assert tiles_of(256) == {0: [256], 1: [1]}
