"""A log in memory that answers what the signer asks of PostgreSQL, and memories that a test has in its hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

from datastorage_common.merkle import leaf_hash, root

from app.transparency.edge import Edge, Tile, grow
from app.transparency.memories import MemoryAwayError
from tests.unit.fakes import FakeConnection, FakeCursor
from tests.unit.transparency.test_entries import event_entry

ENTRY = event_entry()


class FakeLog(FakeConnection):
    """A connection to a log of so many entries; what a test does at a statement comes before it."""

    def __init__(self, size: int = 0, origin: str | None = None) -> None:
        super().__init__()
        self.hashes: list[bytes] = []
        self.edge, self.tiles = Edge(), dict[tuple[int, int], Tile]()
        self.epoch, self.holder, self.origin = 1, uuid4(), origin
        self.proven, self.unsigned, self.inconsistent = 0, None, None
        self.checkpoints: dict[tuple[str, int], tuple[int, bytes, str]] = {}
        self.before: dict[str, Callable[[], None]] = {}
        self.grow(size)

    def grow(self, number: int, mark: bytes = b"") -> None:
        """Put so many entries behind it; ``mark`` makes them others."""
        hashes = [leaf_hash(mark + i.to_bytes(8, "big")) for i in range(len(self.hashes), len(self.hashes) + number)]
        growth = grow(self.edge, [ENTRY] * number, hashes)
        self.hashes += hashes
        self.edge = growth.edge
        self.tiles |= {(tile.level, tile.number): tile for tile in growth.tiles}

    def root(self, size: int | None = None) -> bytes:
        """The root of the first so many entries."""
        return root(b"".join(self.hashes[:size]))

    def execute(self, statement: str, parameters: Any = None, **_: Any) -> FakeCursor:
        self.executed.append((statement, parameters))
        for part, do in list(self.before.items()):
            if part in statement:
                del self.before[part]
                do()
        rows, count = self._answer(statement, parameters)
        cursor = FakeCursor(rows)
        cursor.rowcount = count  # type: ignore[attr-defined]
        return cursor

    def _answer(self, statement: str, parameters: Any) -> tuple[Sequence[tuple[Any, ...]], int]:
        if statement.startswith("SELECT size, epoch, holder"):
            return [(self.edge.size, self.epoch, self.holder, self.origin, self.inconsistent)], 1
        if "JOIN log_tiles" in statement:
            wanted = zip(*parameters, strict=True)
            return [(*key, self.tiles[key].hashes) for key in wanted if key in self.tiles], 0
        if statement.startswith("SELECT origin, size, epoch, root, note FROM log_checkpoints"):
            origin, number = parameters
            rows = [(*key, *row) for key, row in sorted(self.checkpoints.items(), reverse=True) if key[0] == origin]
            return rows[:number] if "LIMIT" in statement else [row for row in rows if row[1] == number], 0
        if statement.startswith("INSERT INTO log_checkpoints"):
            origin, size, of_tree, epoch, note = parameters[:5]
            if origin == self.origin and self.inconsistent is None:
                self.checkpoints.setdefault((origin, size), (epoch, of_tree, note))
        if statement.startswith("UPDATE log_head"):
            return [], self._updated(statement, parameters)
        return [], 0

    def _updated(self, statement: str, parameters: Any) -> int:
        if "SET origin" in statement:
            origin, proven, self.memories, holder, epoch = parameters
            if (holder, epoch) != (self.holder, self.epoch) or self.inconsistent is not None:
                return 0
            self.origin, self.proven = origin, proven
        elif "SET unsigned" in statement:
            if parameters[-1] != self.holder:
                return 0
            self.unsigned = parameters[0]
        elif self.inconsistent is None:
            [self.inconsistent] = parameters
        return 1

    @property
    def signed(self) -> list[int]:
        """The sizes of its checkpoints."""
        return sorted(size for _, size in self.checkpoints)

    def taken_over(self) -> UUID:
        """Another one gives places; its name."""
        self.epoch += 1
        self.holder = uuid4()
        return self.holder


class FakeMemory:
    """A memory that does what a test says."""

    def __init__(self, name: str = "redis") -> None:
        self.name = name
        self.held = b""
        self.away = False
        self.moved: list[bytes] = []
        self.before: Callable[[], None] | None = None

    def read(self) -> bytes:
        if self.away:
            raise MemoryAwayError("no answer")
        return self.held

    def advance(self, before: bytes, after: bytes) -> bool:
        if self.before is not None:
            do, self.before = self.before, None
            do()
        if self.away:
            raise MemoryAwayError("no answer")
        if self.held != before:
            return False
        self.held = after
        self.moved.append(after)
        return True

    def close(self) -> None:
        """Nothing is open."""
