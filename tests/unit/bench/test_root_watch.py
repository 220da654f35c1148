"""The campaign's look at the log: roots from the last tiles, and what contradicts what was seen."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from bench.campaign.root_watch import RootWatch
from tests.log_tree import HASH_BYTES, WIDTH, LogTree, edge_root, tree_root

SIZES = [0, 1, 2, 3, 7, 255, 256, 257, 511, 512, 700, WIDTH**2 - 1, WIDTH**2, WIDTH**2 + 1, WIDTH**2 + 70_000]
LEAVES = [hashlib.sha256(b"%d" % i).digest() for i in range(max(SIZES))]
TREE = LogTree(b"".join(LEAVES))


class _Connection:
    """A database that holds a log of these hashes."""

    def __init__(self, tree: LogTree, size: int | None = None) -> None:
        self._tree, self._size = tree, tree.size if size is None else size

    def execute(self, statement: str) -> _Connection:
        return self

    def fetchall(self) -> list[Any]:
        return [(self._size, 4, level, tile) for level, tile in _edge(self._tree, self._size).items()]


def _edge(tree: LogTree, size: int) -> dict[int, bytes]:
    """What the last tiles of a log of this size hold, by level."""
    found = {}
    for level in range(7):
        width = (size >> 8 * level) % WIDTH
        found[level] = tree.tile(level, size >> 8 * (level + 1))[: width * HASH_BYTES]
    return found


def _watch() -> RootWatch:
    def connect() -> Any:
        raise AssertionError("no test connects")

    return RootWatch(connect)


@pytest.mark.parametrize("size", SIZES)
def test_the_root_of_a_prefix_is_that_of_the_standard(size: int) -> None:
    assert TREE.root(size) == tree_root(LEAVES[:size])


@pytest.mark.parametrize("size", SIZES)
def test_the_last_tiles_are_enough_for_the_root(size: int) -> None:
    assert edge_root(size, _edge(TREE, size)) == TREE.root(size)


def test_a_tile_that_is_too_short_has_no_root() -> None:
    tiles = _edge(TREE, 700)
    with pytest.raises(ValueError, match="the last tile of level 0"):
        edge_root(701, tiles)


def _seen(*logs: tuple[LogTree, int]) -> RootWatch:
    watch = _watch()
    for tree, size in logs:
        watch.look(_Connection(tree, size))  # type: ignore[arg-type]
    return watch


def test_a_log_that_only_grows_contradicts_nothing() -> None:
    watch = _seen(*((TREE, size) for size in SIZES))
    assert watch.contradictions(TREE) == []
    assert (len(watch.roots), watch.epoch) == (len(SIZES), 4)


def _other(size: int, changed: int) -> LogTree:
    return LogTree(b"".join([*LEAVES[:changed], bytes(HASH_BYTES), *LEAVES[changed + 1 : size]]))


def test_an_entry_that_was_changed_afterwards_is_found() -> None:
    watch = _seen((TREE, 256), (TREE, 257), (TREE, 700))
    assert watch.contradictions(_other(900, changed=256)) == [
        "the first 257 entries are not those that were seen",
        "the first 700 entries are not those that were seen",
    ]


def test_a_log_that_was_cut_is_found() -> None:
    assert _seen((TREE, 700)).contradictions(LogTree(b"".join(LEAVES[:600]))) == [
        "the log had 700 entries, and has 600"
    ]
    assert _seen((TREE, 700), (TREE, 600)).faults == ["the log had 700 entries, and then 600"]


def test_two_trees_of_one_size_are_found() -> None:
    assert _seen((TREE, 700), (_other(700, changed=3), 700)).faults == ["of 700 entries two trees were seen"]


def test_a_head_without_its_tiles_is_found() -> None:
    (fault,) = _seen((LogTree(b"".join(LEAVES[:700])), 760)).faults
    assert fault.startswith("head and tiles contradict each other: of 760 entries")
