"""Hashes and proofs out of the tiles, held against RFC 6962 as it is written, over all leaves."""

from __future__ import annotations

import pytest

from app.transparency.edge import WIDTH, Tile
from app.transparency.log_store import LogBrokenError
from app.transparency.tree import consistency_proof, inclusion_proof, root_at, roots_at
from tests.log_tree import audit_path, consistency_path, tree_root
from tests.unit.transparency.fake_log import FakeLog

SIZES = (0, 1, 2, 3, 255, 256, 257, 300, 511, 512, 513, 600)
LOG = FakeLog(600)


@pytest.mark.parametrize("size", SIZES)
def test_roots_and_proofs_of_each_tree_that_the_log_was(size: int) -> None:
    leaves = LOG.hashes[:size]
    assert root_at(LOG, size) == tree_root(leaves)  # type: ignore[arg-type]
    for index in {0, 1, 254, 255, 256, size // 2, size - 1} & set(range(size)):
        assert inclusion_proof(LOG, index, size) == audit_path(index, leaves)  # type: ignore[arg-type]
    for old in [n for n in SIZES if n <= size]:
        assert consistency_proof(LOG, old, size) == consistency_path(old, leaves)  # type: ignore[arg-type]


def test_a_tree_of_three_levels_of_tiles() -> None:
    log = FakeLog(WIDTH * WIDTH + 300)
    size = log.edge.size
    assert root_at(log, size) == log.root() == log.edge.root()  # type: ignore[arg-type]
    assert inclusion_proof(log, WIDTH * WIDTH - 1, size) == audit_path(WIDTH * WIDTH - 1, log.hashes)  # type: ignore[arg-type]


def test_all_tiles_are_read_at_once() -> None:
    log = FakeLog(600)
    before = len(log.executed)
    roots_at(log, [600, 300, 7, 0])  # type: ignore[arg-type]
    assert len(log.executed) - before == 1
    roots_at(log, [0])  # type: ignore[arg-type]
    assert len(log.executed) - before == 1, "of nothing nothing is read"


@pytest.mark.parametrize("change", [{}, {"hashes": b""}])
def test_a_tile_that_is_gone_or_cut_off(change: dict[str, bytes]) -> None:
    log = FakeLog(300)
    if change:
        log.tiles[0, 1] = Tile(0, 1, log.tiles[0, 1].hashes[:-32])
    else:
        del log.tiles[0, 1]
    with pytest.raises(LogBrokenError, match="tile 1 of level 0 does not hold its hash"):
        root_at(log, 300)  # type: ignore[arg-type]
    assert root_at(log, 256) == log.root(256)  # type: ignore[arg-type]
