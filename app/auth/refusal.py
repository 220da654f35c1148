"""A request that was refused, as it is told to what records it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Refusal(NamedTuple):
    """Who was refused, what, and why; the same for each such request, so that they can be counted."""

    status: int
    reason: str
    principal: str | None  # None: not known
    address: str | None
    route: str = "unmatched"
    required_scope: str | None = None


# And the id of the request.
OnRefusal = Callable[[Refusal, str], None]
