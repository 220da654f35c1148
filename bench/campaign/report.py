"""What a campaign found."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass
class Report:
    """The count of a campaign; records, not requests, from ``acknowledged`` on."""

    seed: int
    seconds: float
    app: str
    faults: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    found: int = 0
    dead_letters: int = 0
    missing: int = 0
    wrongly_dead: int = 0  # those of the missing that are dead letters, though PostgreSQL would take them
    waiting: int = 0  # those of the missing that still wait in the queue: stuck, not gone
    doubled: int = 0
    altered: int = 0
    refused_but_stored: int = 0
    unanswered: int = 0
    unexpected: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)  # a few ids of each kind of broken promise
    drain_seconds: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def kept_promise(self) -> bool:
        """Whether nothing was lost, doubled, altered or kept although it was refused."""
        return not (self.missing or self.doubled or self.altered or self.refused_but_stored)

    @property
    def ok(self) -> bool:
        """Whether the promise was kept and the campaign itself went as planned."""
        return self.kept_promise and not self.unexpected and not self.errors

    def as_json(self) -> str:
        return json.dumps({**asdict(self), "kept_promise": self.kept_promise, "ok": self.ok}, indent=2)
