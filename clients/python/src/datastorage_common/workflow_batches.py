"""How much a batch of workflows may hold: what the service takes, and what an import sends at most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAX_BATCH = 1000
# The index has a key for each combination of a workflow's severities, priorities and signals, and of its components
# and environments (sql/0003). Creates of other names wait for a batch that writes them: a hundred thousand short keys
# take a second, and so do sixteen megabytes of long ones.
MAX_BATCH_KEYS = 100_000
MAX_BATCH_KEY_BYTES = 16 * 1024**2


@dataclass(frozen=True)
class IndexKeys:
    """What labels cost in the index."""

    number: int = 0
    size_bytes: int = 0

    def __add__(self, other: IndexKeys) -> IndexKeys:
        return IndexKeys(self.number + other.number, self.size_bytes + other.size_bytes)

    @property
    def too_many_for_a_batch(self) -> bool:
        """Whether one transaction should not write them."""
        return self.number > MAX_BATCH_KEYS or self.size_bytes > MAX_BATCH_KEY_BYTES


def index_keys(labels: Mapping[str, str | Sequence[str]]) -> IndexKeys:
    """The keys of labels, as workflow_label_keys (sql/0002) and workflow_match_keys (sql/0003) make them."""
    values = {name: {given} if isinstance(given, str) else set(given) for name, given in labels.items()}
    sizes = {name: sum(len(v.encode()) for v in some) for name, some in values.items()}
    count, size = sum(map(len, values.values())), sum(sizes.values())
    for names in (("severity", "priority", "signal_type"), ("component", "environment")):
        combinations = math.prod(len(values[name]) for name in names)
        count += combinations
        size += sum(sizes[name] * combinations // len(values[name]) for name in names)
    return IndexKeys(count, size)
