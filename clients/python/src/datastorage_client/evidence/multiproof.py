"""One proof for many entries: the hashes of the largest subtrees without any of them, left to right.

The root follows by recursion from the range of all entries: a range without any of ours takes the next hash; one entry
is its leaf; any other range is split as RFC 6962, section 2.1, says. Nothing is held but one path down the tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from datastorage_common.merkle import EMPTY, node_hash, split

T = TypeVar("T")


class ProofWrongError(ValueError):
    """The hashes are not as many as the entries need, or the entries are not of this tree."""


class _Ahead(Generic[T]):
    """What comes, with a look at the next one."""

    def __init__(self, source: Iterable[T]) -> None:
        self._source = iter(source)
        self.next = next(self._source, None)

    def take(self) -> T | None:
        taken, self.next = self.next, next(self._source, None)
        return taken


def prove(size: int, indexes: Iterable[int], subtree: Callable[[int, int], bytes]) -> Iterator[bytes]:
    """The hashes, for entries of a tree of ``size``. Raises what ``subtree`` raises.

    ``indexes``: rising, below ``size``. ``subtree``: the hash above the entries from one up to and without another.
    """
    ours = _Ahead(indexes)

    def below(start: int, end: int) -> Iterator[bytes]:
        if ours.next is None or ours.next >= end:
            yield subtree(start, end)
        elif end - start == 1:
            ours.take()
        else:
            middle = start + split(end - start)
            yield from below(start, middle)
            yield from below(middle, end)

    if size:
        yield from below(0, size)


def root_above(size: int, leaves: Iterable[tuple[int, bytes]], hashes: Iterable[bytes]) -> bytes:
    """The root of a tree of ``size`` that these hashes and leaves give. Raises ProofWrongError.

    ``leaves``: index and leaf hash of each entry, indexes rising.
    """
    ours, given = _Ahead(leaves), _Ahead(hashes)

    def above(start: int, end: int) -> bytes:
        if ours.next is None or ours.next[0] >= end:
            found = given.take()
            if found is None:
                raise ProofWrongError(f"the hash above the entries {start} to {end - 1} is missing")
            return found
        if ours.next[0] < start:
            raise ProofWrongError(f"entry {ours.next[0]} stands behind entry {start - 1}")
        if end - start == 1:
            taken = ours.take()
            assert taken is not None  # noqa: S101 - as just looked at
            return taken[1]
        middle = start + split(end - start)
        left = above(start, middle)
        return node_hash(left, above(middle, end))

    root = above(0, size) if size else EMPTY
    if ours.next is not None:
        raise ProofWrongError(f"entry {ours.next[0]} is not in a tree of {size} entries")
    if given.next is not None:
        raise ProofWrongError("there are more hashes than the entries need")
    return root
