"""The names of the dead letter queue in Redis: its streams, the keys of each, and the group that replays them."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "data-storage-retry-workers"
EVENTS, NOTIFICATIONS = "events", "notifications"
STREAMS = (EVENTS, NOTIFICATIONS)
TYPES = {EVENTS: "audit_event", NOTIFICATIONS: "notification_audit"}


@dataclass(frozen=True)
class Keys:
    """The Redis keys of one stream."""

    stream: str
    size: str  # bytes of all messages in the stream
    attempts: str  # hash: entry id → attempts, due time, first failure
    dead: str

    @property
    def recount(self) -> str:
        """Hash: how far the bytes have been added up anew."""
        return f"{self.size}:recount"


KEYS = {
    name: Keys(
        f"audit:dlq:{name}", f"audit:dlq:{name}:bytes", f"audit:dlq:{name}:attempts", f"audit:dead-letter:{name}"
    )
    for name in STREAMS
}
# Each stream with its counter, as scripts take them.
PAIRS = tuple(key for name in STREAMS for key in (KEYS[name].stream, KEYS[name].size))
# A witness that no worker ever has, to try with.
NO_WITNESS = "audit:dlq:witness:probe"
