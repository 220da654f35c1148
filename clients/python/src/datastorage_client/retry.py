"""How long to wait before the next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Backoff:
    """Exponential back-off with full jitter: a random part of ``first`` s, doubled each time up to ``longest`` s.

    What the service asks for with Retry-After is waited in full, and the random part on top, so that clients that
    were all told the same do not come back at the same moment.
    """

    first: float = 0.25
    longest: float = 30.0
    random: Callable[[], float] = field(default=random.random, repr=False)

    def wait(self, attempt: int, retry_after: float | None = None) -> float:
        """Seconds to wait after the failure number ``attempt``, counted from 1."""
        ceiling = min(self.longest, self.first * 2.0 ** min(attempt - 1, 60))
        return (retry_after or 0.0) + ceiling * self.random()
