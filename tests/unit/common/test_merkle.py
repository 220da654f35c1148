"""Trees as RFC 6962, section 2.1, has them."""

from __future__ import annotations

from hashlib import sha256

import pytest
from datastorage_common.merkle import EMPTY, HASH_BYTES, complete_root, leaf_hash, node_hash, root
from hypothesis import given
from hypothesis import strategies as st

# The leaves that the tests of Certificate Transparency use, and the roots above the first 0 to 8 of them.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) as the RFC writes it."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


@pytest.mark.parametrize("count", range(9))
def test_known_roots(count: int) -> None:
    leaves = LEAVES[:count]
    assert root(b"".join(map(leaf_hash, leaves))).hex() == ROOTS[count]
    assert plain_root(leaves).hex() == ROOTS[count]


def test_a_tree_of_nothing() -> None:
    assert (root(b""), len(EMPTY)) == (EMPTY, HASH_BYTES)


def test_a_leaf_is_no_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert node_hash(left, right) != leaf_hash(left + right)
    assert root(left + right) == node_hash(left, right) == complete_root(left + right)
    assert root(left) == complete_root(left) == left


@given(st.lists(st.binary(max_size=40), max_size=300))
def test_roots_are_those_of_the_plain_form(leaves: list[bytes]) -> None:
    assert root(b"".join(map(leaf_hash, leaves))) == plain_root(leaves)


@given(st.integers(min_value=0, max_value=9), st.binary(min_size=1, max_size=4))
def test_a_complete_tree_is_a_tree(depth: int, seed: bytes) -> None:
    hashes = b"".join(leaf_hash(seed + i.to_bytes(2, "big")) for i in range(1 << depth))
    assert complete_root(hashes) == root(hashes)
