"""The log as it is seen while the campaign runs: size and root again and again, to be held against what it becomes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from tests.log_tree import LogTree, edge_root

# The last tile of each level: in one statement, so that all of it is of one moment.
_EDGE = """
SELECT h.size, h.epoch, l.level, t.hashes
FROM log_head h
CROSS JOIN generate_series(0, 6) AS l(level)
LEFT JOIN log_tiles t ON t.level = l.level AND t.tile = h.size >> (8 * (l.level + 1))
ORDER BY l.level"""
_EVERY_SECONDS = 0.2


class RootWatch:
    """Every size of the log that was seen, with the root that it had."""

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._over = threading.Event()
        self._last = 0
        self.roots: dict[int, bytes] = {}
        self.epoch = 0
        self.faults: list[str] = []

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look again and again while the block runs."""
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def look(self, conn: psycopg.Connection[Any]) -> None:
        """Note what the log is now. Raises psycopg.Error."""
        rows = conn.execute(_EDGE).fetchall()
        if not rows:
            self.faults.append("log_head has no row")
            return
        size, self.epoch = int(rows[0][0]), int(rows[0][1])
        try:
            root = edge_root(size, {level: bytes(hashes) for _, _, level, hashes in rows if hashes is not None})
        except ValueError as e:
            self.faults.append(f"head and tiles contradict each other: {e}")
            return
        if size < self._last:
            self.faults.append(f"the log had {self._last} entries, and then {size}")
        self._last = size
        if self.roots.setdefault(size, root) != root:
            self.faults.append(f"of {size} entries two trees were seen")

    def contradictions(self, tree: LogTree) -> list[str]:
        """What was seen and is not the beginning of the log as it is now, and all else that was wrong."""
        found = list(self.faults)
        for size, root in sorted(self.roots.items()):
            if size > tree.size:
                found.append(f"the log had {size} entries, and has {tree.size}")
            elif tree.root(size) != root:
                found.append(f"the first {size} entries are not those that were seen")
        return found

    def _run(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(psycopg.Error), self._connect() as conn:
                while True:
                    self.look(conn)
                    if self._over.wait(_EVERY_SECONDS):
                        break
            self._over.wait(_EVERY_SECONDS)  # PostgreSQL is away
