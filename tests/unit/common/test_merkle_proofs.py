"""Proofs of the Merkle tree, against the definitions of RFC 6962 as they are written there."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from datastorage_common.merkle import (
    EMPTY,
    ProofError,
    check_consistency,
    check_inclusion,
    consistency_ranges,
    inclusion_ranges,
    leaf_hash,
    range_nodes,
    range_root,
)

_SIZE = 70
_LEAVES = [leaf_hash(str(n).encode()) for n in range(_SIZE)]


def _split(count: int) -> int:
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def mth(leaves: Sequence[bytes]) -> bytes:
    """Section 2.1."""
    if not leaves:
        return EMPTY
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    return [*path(m, leaves[:k]), mth(leaves[k:])] if m < k else [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], whole: bool) -> list[bytes]:
    """Section 2.1.2."""
    if m == len(leaves):
        return [] if whole else [mth(leaves)]
    k = _split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], whole), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def node(level: int, number: int) -> bytes:
    assert (number + 1) << level <= _SIZE, "asked for a subtree that is not complete"
    return mth(_LEAVES[number << level : (number + 1) << level])


@pytest.mark.parametrize("size", range(1, _SIZE))
def test_an_inclusion_proof_is_the_one_that_is_defined_and_no_other_passes(size: int) -> None:
    root = mth(_LEAVES[:size])
    for index in range(size):
        proof = [range_root(*r, node) for r in inclusion_ranges(index, size)]
        assert proof == path(index, _LEAVES[:size])
        check_inclusion(index, size, _LEAVES[index], proof, root)
        others = [[*proof, root], [root, *proof], proof[:-1] if proof else [root]]
        others += [[*proof[:i], sha256(h).digest(), *proof[i + 1 :]] for i, h in enumerate(proof)]
        for other in others:
            with pytest.raises(ProofError):
                check_inclusion(index, size, _LEAVES[index], other, root)
        with pytest.raises(ProofError):
            check_inclusion(index, size, _LEAVES[index + 1], proof, root)


@pytest.mark.parametrize("size", range(1, _SIZE))
def test_a_consistency_proof_is_the_one_that_is_defined_and_no_other_passes(size: int) -> None:
    root = mth(_LEAVES[:size])
    for old in range(1, size):
        before = mth(_LEAVES[:old])
        proof = [range_root(*r, node) for r in consistency_ranges(old, size)]
        assert proof == subproof(old, _LEAVES[:size], True)
        check_consistency(old, size, before, root, proof)
        others = [[*proof, root], [root, *proof], proof[:-1]]
        others += [[*proof[:i], sha256(h).digest(), *proof[i + 1 :]] for i, h in enumerate(proof)]
        for other in others:
            with pytest.raises(ProofError):
                check_consistency(old, size, before, root, other)
        with pytest.raises(ProofError):
            check_consistency(old, size, sha256(before).digest(), root, proof)


@pytest.mark.parametrize("old", [0, 7])
def test_from_nothing_and_to_the_same_size_there_is_nothing_to_prove(old: int) -> None:
    root = mth(_LEAVES[:7])
    before = EMPTY if old == 0 else root
    assert consistency_ranges(old, 7) == []
    check_consistency(old, 7, before, root, [])
    with pytest.raises(ProofError, match="too long"):
        check_consistency(old, 7, before, root, [root])
    with pytest.raises(ProofError, match="differ"):
        check_consistency(old, 7, sha256(before).digest(), root, [])


def test_what_is_not_in_the_tree_has_no_proof() -> None:
    for index in (-1, 5, 6):
        with pytest.raises(ProofError, match="no entry"):
            inclusion_ranges(index, 5)
        with pytest.raises(ProofError, match="no entry"):
            check_inclusion(index, 5, _LEAVES[0], [], mth(_LEAVES[:5]))
    for old in (-1, 6):
        with pytest.raises(ProofError, match="does not hold"):
            consistency_ranges(old, 5)
        with pytest.raises(ProofError, match="does not hold"):
            check_consistency(old, 5, EMPTY, mth(_LEAVES[:5]), [])


def test_the_root_is_made_of_complete_subtrees() -> None:
    assert range_nodes(0, 0) == []
    assert range_root(0, 0, node) == EMPTY
    assert range_nodes(0, 70) == [(6, 0), (2, 16), (1, 34)]
    for size in range(_SIZE + 1):
        assert range_root(0, size, node) == mth(_LEAVES[:size])


# --- known answers -----------------------------------------------------------------------------------------------

# The leaves that the tests of Certificate Transparency use (tests/unit/common/test_merkle.py has their roots), and the
# proofs that github.com/transparency-dev/merkle, proof/verify_test.go, has for them. There leaves count from 1.
_CT_LEAVES = [
    leaf_hash(bytes.fromhex(leaf))
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
_0 = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
_6 = "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
_0_1 = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
_2_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
_4_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
_6_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
_0_3 = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
_4_7 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"


def _ct_node(level: int, number: int) -> bytes:
    return mth(_CT_LEAVES[number << level : (number + 1) << level])


@pytest.mark.parametrize(
    ("leaf", "size", "proof"),
    [
        (1, 1, []),
        (1, 8, [_1, _2_3, _4_7]),
        (6, 8, [_4, _6_7, _0_3]),
        (3, 3, [_0_1]),
        (2, 5, [_0, _2_3, _4]),
    ],
)
def test_known_inclusion_proofs(leaf: int, size: int, proof: list[str]) -> None:
    hashes = [bytes.fromhex(h) for h in proof]
    assert [range_root(*r, _ct_node) for r in inclusion_ranges(leaf - 1, size)] == hashes
    check_inclusion(leaf - 1, size, _CT_LEAVES[leaf - 1], hashes, mth(_CT_LEAVES[:size]))


@pytest.mark.parametrize(
    ("old", "size", "proof"),
    [
        (1, 1, []),
        (1, 8, [_1, _2_3, _4_7]),
        (6, 8, [_4_5, _6_7, _0_3]),
        (2, 5, [_2_3, _4]),
        (6, 7, [_4_5, _6, _0_3]),
    ],
)
def test_known_consistency_proofs(old: int, size: int, proof: list[str]) -> None:
    hashes = [bytes.fromhex(h) for h in proof]
    assert [range_root(*r, _ct_node) for r in consistency_ranges(old, size)] == hashes
    check_consistency(old, size, mth(_CT_LEAVES[:old]), mth(_CT_LEAVES[:size]), hashes)
