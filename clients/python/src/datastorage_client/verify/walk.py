"""All entries of a tree, read by several threads: each is well-formed, and no record has two."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256

from datastorage_common.records import EntryFormError, parse_entry

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
class Walked:
    """What was found in a tree."""

    kinds: Counter[str] = field(default_factory=Counter)
    wrong: int = 0  # bundles and entries
    first_index: int = -1
    first_wrong: str = ""

    def add(self, index: int, what: str) -> None:
        """Note what is wrong with an entry."""
        self.wrong += 1
        if self.first_index < 0 or index < self.first_index:
            self.first_index, self.first_wrong = index, what


def walk(tree: Tree, on_progress: Callable[[int], None] = lambda done: None) -> Walked:
    """Read and check every entry. Raises DataStorageError, OSError where something cannot be read."""
    found, seen = Walked(), Identities()
    for number, entries in _read(tree):
        if isinstance(entries, TreeError):
            found.add(entries.index, str(entries))
            continue
        for index, data in enumerate(entries, number * WIDTH):
            try:
                entry = parse_entry(data)
            except EntryFormError as e:
                found.add(index, f"entry {index}: {e}")
                continue
            found.kinds[entry.kind] += 1
            seen.add("\0".join(entry.identity), index)
        on_progress(min((number + 1) * WIDTH, tree.size))
    for first, again in seen.doubles():
        entry = parse_entry(tree.entries(again // WIDTH)[again % WIDTH])
        found.add(again, f"the {entry.kind} {entry.id} has entry {first}, and entry {again} too")
    return found


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
