"""All entries of a tree, read by several threads: each is well-formed, and no record has two."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256

from datastorage_common.faults import Faults, second_entry
from datastorage_common.records import Entry, EntryFormError, parse_entry

from datastorage_client.verify.errors import TreeError
from datastorage_client.verify.tiles import WIDTH
from datastorage_client.verify.tree import Tree

_THREADS = 4
# Bundles on their way, 50 KB each.
_AHEAD = 4 * _THREADS
_KEY_BYTES = 16
_INDEX_BYTES = 6
_BUCKETS = 256


@dataclass(slots=True)
class Walked(Faults):
    """What was found in a tree: entries by kind, and what is wrong."""

    kinds: Counter[str] = field(default_factory=Counter)


def walk(
    tree: Tree,
    on_progress: Callable[[int], None] = lambda done: None,
    on_entries: Callable[[int, Sequence[Entry | None]], None] = lambda first, entries: None,
    found: Walked | None = None,
) -> Walked:
    """Read and check every entry. Raises DataStorageError, OSError where something cannot be read.

    ``on_entries`` is given the entries in their order, with the place of the first; None stands for one that cannot be
    read. ``found``: to which is added.
    """
    found, seen = found or Walked(), Identities()
    for number, bundle in _read(tree):
        first = number * WIDTH
        if isinstance(bundle, TreeError):
            # The place is said beside it.
            what = str(bundle).removeprefix(f"entry {bundle.index} ")
            found.add("tree", what, index=bundle.index)
            entries: list[Entry | None] = [None] * min(WIDTH, tree.size - first)
        else:
            entries = [_entry(data, index, found) for index, data in enumerate(bundle, first)]
        for index, entry in enumerate(entries, first):
            if entry is not None:
                found.kinds[entry.kind] += 1
                seen.add("\0".join(entry.identity), index)
        on_entries(first, entries)
        on_progress(first + len(entries))
    for earlier, again in seen.doubles():
        entry = parse_entry(tree.entries(again // WIDTH)[again % WIDTH])
        found.add(*second_entry(earlier), index=again, record=(entry.kind, entry.id))
    return found


def _entry(data: bytes, index: int, found: Walked) -> Entry | None:
    try:
        return parse_entry(data)
    except EntryFormError as e:
        found.add("entry", str(e), index=index)
        return None


def read_ahead(tree: Tree, start: int = 0) -> Iterator[tuple[int, list[bytes]]]:
    """The bundles from number ``start`` on, in order. Raises TreeError, DataStorageError, OSError."""
    for number, entries in _read(tree, start):
        if isinstance(entries, TreeError):
            raise entries
        yield number, entries


def _read(tree: Tree, start: int = 0) -> Iterator[tuple[int, list[bytes] | TreeError]]:
    def entries(number: int) -> list[bytes] | TreeError:
        try:
            return tree.entries(number)
        except TreeError as e:
            return e

    under_way: deque[tuple[int, Future[list[bytes] | TreeError]]] = deque()
    numbers = iter(range(start, tree.bundles()))
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for number in numbers:
                under_way.append((number, pool.submit(entries, number)))
                if len(under_way) == _AHEAD:
                    first, future = under_way.popleft()
                    yield first, future.result()
            while under_way:
                first, future = under_way.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(cancel_futures=True)


class Identities:
    """Which records have an entry: 22 bytes each, sorted a part at a time, so that many millions fit into memory."""

    def __init__(self) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def add(self, identity: str, index: int) -> None:
        """Note the entry of a record."""
        key = sha256(identity.encode()).digest()[:_KEY_BYTES]
        self._buckets[key[0]] += key + index.to_bytes(_INDEX_BYTES, "big")

    def doubles(self) -> Iterator[tuple[int, int]]:
        """The first entry of a record that has several, with each of the others."""
        step = _KEY_BYTES + _INDEX_BYTES
        for bucket in self._buckets:
            rows = sorted(bytes(bucket[i : i + step]) for i in range(0, len(bucket), step))
            first = b""
            for row in rows:
                if row[:_KEY_BYTES] == first[:_KEY_BYTES]:
                    yield _index(first), _index(row)
                else:
                    first = row


def _index(row: bytes) -> int:
    return int.from_bytes(row[_KEY_BYTES:], "big")
