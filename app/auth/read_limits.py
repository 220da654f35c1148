"""Which records a principal may read: those of some namespaces and of some categories."""

from __future__ import annotations

from dataclasses import dataclass

# A list takes a look into an index for each value.
MAX_VALUES = 100

# What the categories of the service's own records begin with.
OWN_CATEGORIES = "datastorage."


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Namespaces and categories that may be read; None: all of them. A record has to be in both.

    "" among the namespaces stands for records without one. What the service records of itself has none either, and
    shows what others did: it may be read where its category is named.
    """

    namespaces: frozenset[str] | None = None
    categories: frozenset[str] | None = None

    @property
    def narrow(self) -> bool:
        """Whether there is something that may not be read."""
        return self.namespaces is not None or self.categories is not None

    @property
    def nothing(self) -> bool:
        """Whether no record can be read."""
        return self.namespaces == frozenset() or self.categories == frozenset()

    @property
    def too_many(self) -> bool:
        """Whether there are more values than lists can be read by."""
        return max(len(self.namespaces or ()), len(self.categories or ())) > MAX_VALUES

    def admits(self, namespace: str | None, category: str) -> bool:
        """Whether a record of this namespace and category may be read."""
        if self.namespaces is not None and (namespace or "") not in self.namespaces:
            return False
        if self.categories is not None:
            return category in self.categories
        return self.namespaces is None or bool(namespace) or not category.startswith(OWN_CATEGORIES)


EVERYTHING = ReadLimits()
NOTHING = ReadLimits(frozenset(), frozenset())
