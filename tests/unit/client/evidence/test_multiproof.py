"""One proof for many entries, against trees that other code makes."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from hashlib import sha256

import pytest
from datastorage_client.evidence.multiproof import ProofWrongError, prove, root_above
from hypothesis import given
from hypothesis import strategies as st


def leaf(index: int) -> bytes:
    return sha256(b"%d" % index).digest()


def above(start: int, end: int) -> bytes:
    """RFC 6962, section 2.1, as it stands there."""
    if start == end:
        return sha256().digest()
    if end - start == 1:
        return leaf(start)
    k = 1
    while 2 * k < end - start:
        k *= 2
    return sha256(b"\1" + above(start, start + k) + above(start + k, end)).digest()


def proof_of(size: int, indexes: Sequence[int]) -> list[bytes]:
    return list(prove(size, indexes, above))


def root_of(size: int, indexes: Sequence[int], proof: Sequence[bytes]) -> bytes:
    return root_above(size, [(index, leaf(index)) for index in indexes], proof)


@pytest.mark.parametrize("size", range(41))
def test_the_root_follows_from_any_entries_of_any_tree(size: int) -> None:
    choices = [[], [*range(size)], [*range(0, size, 3)], [*range(size // 2, size)], *([i] for i in range(size))]
    if size <= 9:
        choices = [[i for i in range(size) if chosen >> i & 1] for chosen in range(1 << size)]
    choices += [list(pair) for pair in itertools.combinations(range(size), 2)]
    for indexes in choices:
        assert root_of(size, indexes, proof_of(size, indexes)) == above(0, size)


@given(st.data())
def test_nothing_may_be_missing_left_over_or_another(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 400))
    indexes = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=40)))
    proof = proof_of(size, indexes)
    assert root_of(size, indexes, proof) == above(0, size)
    with pytest.raises(ProofWrongError, match="more hashes"):
        root_of(size, indexes, [*proof, leaf(0)])
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        with pytest.raises(ProofWrongError, match="missing"):
            root_of(size, indexes, proof[:at] + proof[at + 1 :])
        assert root_of(size, indexes, [*proof[:at], leaf(size), *proof[at + 1 :]]) != above(0, size)
    other = data.draw(st.integers(0, size - 1).filter(lambda index: index not in indexes) | st.none())
    if other is not None:
        # The same hashes, for another entry in the place of one of these.
        moved = sorted({*indexes[1:], other})
        with contextlib.suppress(ProofWrongError):
            assert root_of(size, moved, proof) != above(0, size)


@pytest.mark.parametrize(
    ("indexes", "said"),
    [((3, 3), "stands behind"), ((4, 2), "stands behind"), ((7,), "not in a tree of 7"), ((2, 9), "not in a tree")],
)
def test_entries_that_do_not_rise_or_are_outside_are_refused(indexes: Sequence[int], said: str) -> None:
    with pytest.raises(ProofWrongError, match=said):
        root_of(7, indexes, proof_of(7, sorted({index for index in indexes if index < 7})))


def test_one_entry_of_a_million_needs_a_path_alone() -> None:
    """Subtrees are asked for as a whole: nobody goes through a million entries."""
    asked: list[tuple[int, int]] = []

    def subtree(start: int, end: int) -> bytes:
        asked.append((start, end))
        return sha256(b"%d-%d" % (start, end)).digest()

    assert len(list(prove(1_000_000, [654_321], subtree))) == len(asked) <= 20
    assert sum(end - start for start, end in asked) == 999_999
