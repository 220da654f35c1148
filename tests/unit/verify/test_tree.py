"""The tree that is made anew, held against RFC 6962 as other code has it."""

from __future__ import annotations

import hashlib

import pytest

from app.verify.tree import Peaks
from tests.log_tree import tree_root

LEAVES = [hashlib.sha256(b"%d" % n).digest() for n in range(1100)]


@pytest.mark.parametrize("step", [1, 7, 255, 256, 257, 1024])
def test_the_root_at_every_stop(step: int) -> None:
    peaks = Peaks()
    assert peaks.root() == tree_root([])
    for start in range(0, len(LEAVES), step):
        peaks.extend(b"".join(LEAVES[start : start + step]))
        assert peaks.size == min(start + step, len(LEAVES))
        assert peaks.root() == tree_root(LEAVES[: peaks.size])
