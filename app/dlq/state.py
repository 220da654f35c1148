"""What is known of Redis and its streams, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.dlq.client import CLUSTER
from app.dlq.memory import NOTHING, EntryId


@dataclass(frozen=True)
class StreamState:
    """What one stream holds."""

    depth: int
    capacity: int
    dead_letters: int
    oldest_age_seconds: float
    full: bool = False  # of entries or of bytes
    first: EntryId = NOTHING  # id of the oldest entry that waits
    last: EntryId = NOTHING  # greatest id that the stream has ever had, as Redis knows it

    @property
    def ratio(self) -> float:
        return self.depth / self.capacity


@dataclass(frozen=True)
class QueueState:
    """What is known of Redis and its streams; nothing but that while Redis does not answer."""

    connected: bool = False
    durability: str | None = None  # none, snapshot, aof_everysec, aof_always, or unknown where Redis does not say
    evicts: bool = False
    streams: dict[str, StreamState] = field(default_factory=dict)
    refuses: str | None = None  # Redis' word for why it does not take a spill
    missing_rights: tuple[str, ...] = ()
    lost: bool = False  # whether Redis has forgotten entries lately
    run: str | None = None  # which run of which server it is
    configured: bool = True
    refused: bool = False  # whether the last spill or the last look found that it refuses

    @property
    def status(self) -> str:
        """connected, unreachable or not_configured."""
        if not self.configured:
            return "not_configured"
        return "connected" if self.connected else "unreachable"

    @property
    def obstacle(self) -> str | None:
        """Why it takes no spill although Redis answers, or None."""
        if not self.connected:
            return None
        if self.refuses is not None or self.refused:
            return "queue_refuses_writes"
        return "queue_full" if any(stream.full for stream in self.streams.values()) else None

    @property
    def can_spill(self) -> bool:
        return self.connected and self.obstacle is None

    @property
    def faults(self) -> tuple[str, ...]:
        """Why the service is degraded because of Redis."""
        if not self.configured:
            return ()
        if not self.connected:
            return ("redis_unreachable",)
        found = {
            "redis_is_cluster": self.refuses in CLUSTER,
            "redis_refuses_writes": self.refuses is not None and self.refuses not in CLUSTER,
            "redis_missing_rights": bool(self.missing_rights),
            "redis_evicts": self.evicts,
            "redis_durability_unknown": self.durability == "unknown",
            "redis_not_durable": self.durability in ("none", "snapshot", "aof_everysec"),
            "queue_lost": self.lost,
        }
        return tuple(fault for fault, so in found.items() if so)


# Without redis.url and redis.sentinels.
NOT_CONFIGURED = QueueState(configured=False)
