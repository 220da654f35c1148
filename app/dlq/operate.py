"""What operators see of the dead letter queue, and what they can do with a dead letter."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

import redis
from redis.exceptions import RedisError

from app import jsonvalue
from app.config import Settings
from app.dlq import scripts
from app.dlq.stream import KEYS, STREAMS, make_client

# Two unsigned numbers of 64 bits; Redis answers anything else with an error.
_ENTRY_ID = re.compile(r"([0-9]{1,20})-([0-9]{1,20})")
_MAX_ENTRY_NUMBER = 2**64 - 1


@dataclass(frozen=True)
class StreamState:
    """What one stream holds."""

    depth: int
    capacity: int
    dead_letters: int
    oldest_age_seconds: float

    @property
    def ratio(self) -> float:
        return self.depth / self.capacity


@dataclass(frozen=True)
class QueueState:
    """What is known of Redis and its streams; empty while Redis does not answer."""

    connected: bool = False
    durability: str | None = None  # none, snapshot, aof_everysec or aof_always
    evicts: bool = False
    streams: dict[str, StreamState] = field(default_factory=dict)

    @property
    def fault(self) -> str | None:
        """Why the service is degraded because of Redis, or None."""
        if not self.connected:
            return "redis_unreachable"
        if self.evicts:
            return "redis_evicts"
        return "redis_not_durable" if self.durability in ("none", "snapshot") else None


class Operator:
    """Reads and mends the queue. Every call is bounded in time and may raise redis.RedisError."""

    def __init__(self, settings: Settings, *, timeout: float = 1.0) -> None:
        self._settings = settings
        self._client: redis.Redis = make_client(settings, connect_timeout=timeout, timeout=timeout)

    def look(self) -> QueueState:
        """The state of Redis and of both streams."""
        streams = {}
        for name in STREAMS:
            keys = KEYS[name]
            with self._client.pipeline(transaction=False) as pipe:
                pipe.xlen(keys.stream)
                pipe.xlen(keys.dead)
                pipe.xrange(keys.stream, count=1)
                pipe.time()
                depth, dead, first, (seconds, micros) = pipe.execute()
            age = 0.0
            if first:
                born = int(first[0][0].split(b"-")[0]) / 1000
                # By the clock that the id is of.
                age = max(0.0, seconds + micros / 1_000_000 - born)
            streams[name] = StreamState(depth, self._settings.dlq.max_len, dead, age)
        durability, evicts = self._durability()
        return QueueState(True, durability, evicts, streams)

    def _durability(self) -> tuple[str | None, bool]:
        info = self._client.info("persistence", "memory")
        evicts = info.get("maxmemory_policy", "noeviction") != "noeviction" and info.get("maxmemory", 0) > 0
        try:
            config = cast("dict[str, str]", self._client.config_get("appendfsync", "save"))
        except RedisError:
            config = {}  # managed servers forbid CONFIG: what INFO says has to do
        if info.get("aof_enabled"):
            # Without CONFIG the weaker of the two is what can be promised.
            return ("aof_always" if config.get("appendfsync") == "always" else "aof_everysec"), evicts
        return ("snapshot" if config.get("save") else "none"), evicts

    def dead_letters(self, stream: str, limit: int, after: str | None) -> list[dict[str, Any]]:
        """Dead letters of a stream, oldest first, after the given id."""
        entries = cast(
            "list[tuple[bytes, dict[bytes, bytes]]]",
            self._client.xrange(KEYS[stream].dead, min=f"({after}" if after else "-", count=limit),
        )
        return [_letter(stream, ident, fields) for ident, fields in entries]

    def dead_letter(self, letter_id: str) -> dict[str, Any] | None:
        """One dead letter, or None if there is none with this id."""
        stream, ident = split_id(letter_id)
        if stream is None:
            return None
        entries = cast(
            "list[tuple[bytes, dict[bytes, bytes]]]", self._client.xrange(KEYS[stream].dead, min=ident, max=ident)
        )
        return _letter(stream, *entries[0]) if entries else None

    def revive(self, letter_id: str) -> str:
        """Put a dead letter back into its stream: accepted, unknown, full or empty."""
        stream, ident = split_id(letter_id)
        if stream is None:
            return "unknown"
        keys = KEYS[stream]
        done = self._client.eval(
            scripts.REVIVE,
            3,
            keys.dead,
            keys.stream,
            keys.size,
            ident,
            str(self._settings.dlq.max_len),
            str(self._settings.dlq.max_bytes),
        )
        return {1: "accepted", 0: "unknown", -1: "full", -2: "empty"}[int(cast("int", done))]

    def delete(self, letter_id: str) -> bool:
        """Delete a dead letter for good; False if there is none with this id."""
        stream, ident = split_id(letter_id)
        return stream is not None and self._client.xdel(KEYS[stream].dead, ident) == 1

    def close(self) -> None:
        """Close every connection."""
        self._client.close()


def split_id(letter_id: str) -> tuple[str | None, str]:
    """Stream and entry id of a dead letter's id such as ``events:1767600000000-0``; (None, "") if it is not one."""
    stream, _, ident = letter_id.partition(":")
    found = _ENTRY_ID.fullmatch(ident)
    if stream not in STREAMS or found is None or max(map(int, found.groups())) > _MAX_ENTRY_NUMBER:
        return (None, "")
    return (stream, ident)


def _letter(stream: str, ident: bytes, fields: dict[bytes, bytes]) -> dict[str, Any]:
    text = {k.decode("utf-8", "replace"): v for k, v in fields.items()}
    message = text.get("message")
    letter: dict[str, Any] = {
        "id": f"{stream}:{ident.decode()}",
        "stream": stream,
        **{
            name: text[name].decode("utf-8", "replace")
            for name in ("original_id", "moved_at", "reason")
            if name in text
        },
        "final_retry_count": int(text.get("final_retry_count", b"0")),
        "entry": None,
        "raw": None,
    }
    try:
        letter["entry"] = jsonvalue.parse(message) if message is not None else None
    except jsonvalue.JSONError:
        letter["raw"] = message.decode("utf-8", "backslashreplace") if message is not None else None
    if message is None:
        letter["raw"] = str(fields)
    return letter
