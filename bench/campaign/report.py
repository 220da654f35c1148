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
    kills: dict[str, int] = field(default_factory=dict)  # processes that were killed, by what they were
    log_size: int = 0  # entries of the log
    log_takeovers: int = 0  # how often another worker began to give places
    log_looks: int = 0  # sizes of the log that were seen while the campaign ran, each with its root
    log_notes: int = 0  # checkpoints that were signed, also where nobody stored them
    log_checkpoints: int = 0  # those that are stored
    log_served: int = 0  # different ones that clients were given
    log_faults: list[str] = field(default_factory=list)
    followers: int = 0  # consumers of the feed; what follows is counted each time that it came to one of them
    feed_items: int = 0
    feed_repeated: int = 0  # had come before, as a consumer went on from its cursor
    feed_missing: int = 0
    feed_out_of_order: int = 0
    feed_strange: int = 0  # are not in the log at that place, say something else, or were not asked for
    feed_faults: list[str] = field(default_factory=list)
    unanswered: int = 0
    unexpected: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)  # a few ids of each kind of broken promise
    drain_seconds: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def kept_promise(self) -> bool:
        """Whether nothing was lost, doubled, altered or kept although it was refused, and log and feed are right."""
        records = self.missing or self.doubled or self.altered or self.refused_but_stored
        feed = self.feed_missing or self.feed_out_of_order or self.feed_strange or self.feed_faults
        return not (records or self.log_faults or feed)

    @property
    def ok(self) -> bool:
        """Whether the promise was kept and the campaign itself went as planned."""
        return self.kept_promise and not self.unexpected and not self.errors

    def as_json(self) -> str:
        return json.dumps({**asdict(self), "kept_promise": self.kept_promise, "ok": self.ok}, indent=2)
