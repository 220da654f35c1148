"""What is remembered of the log outside its database, against the tree."""

from __future__ import annotations

from collections.abc import Mapping

from app.verify.report import Report
from app.verify.source import RememberedTree


class RememberedCheck:
    """Compares each tree that a memory holds with the root that the log has at its size."""

    def __init__(self, report: Report, trees: Mapping[str, RememberedTree], origin: str | None) -> None:
        """``trees``: by the name of the memory, read before the log was; ``origin``: the log's, None: not named yet."""
        self._report = report
        self._trees: dict[str, RememberedTree] = {}
        for name, tree in trees.items():
            if origin is not None and tree.origin != origin:
                self._wrong(name, f"is of the log {tree.origin}, and this one is {origin}")
            else:
                self._trees[name] = tree

    def sizes(self, after: int, upto: int) -> set[int]:
        """The sizes that a root is needed of, more than ``after`` and at most ``upto``."""
        return {tree.size for tree in self._trees.values() if after < tree.size <= upto}

    def compare(self, size: int, root: bytes) -> None:
        """The log has this root of so many entries. Each size comes once."""
        for name, tree in self._trees.items():
            if tree.size == size and tree.root != root:
                self._wrong(name, f"has another root of {size} entries than the log")

    def end(self, size: int) -> None:
        """The log ends here."""
        for name, tree in self._trees.items():
            if tree.size > size:
                self._wrong(name, f"has {tree.size} entries, and the log has {size}")

    def _wrong(self, name: str, what: str) -> None:
        self._report.add("remembered", f"the memory in {name} {what}")
