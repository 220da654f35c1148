"""What the campaign sends: events and notifications made up from a seed, and the fingerprints of what they say."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

SINGLE, BATCH, NOTIFICATIONS = (f"/api/v1/audit/{rest}" for rest in ("events", "events/batch", "notifications"))
LARGE_BYTES = (100_000, 250_000)
# What no session's encoding may change.
_TEXTS = ("plain", "zoë", "Jürgen 😀", "Ünï©ødé", "Зоя", "a\\b'c\"d", "1/2/2026")

# What is compared of a record, by the names of its columns.
EVENT_COLUMNS = (
    "event_type",
    "event_category",
    "event_action",
    "event_outcome",
    "severity",
    "correlation_id",
    "actor_type",
    "actor_id",
    "resource_type",
    "resource_id",
    "namespace",
    "event_data",
    "event_timestamp",
)
NOTIFICATION_COLUMNS = ("remediation_id", "recipient", "channel", "message_summary", "status", "sent_at")
_MOMENTS = ("event_timestamp", "sent_at")
SEVERITIES = ("critical", "warning", "info")  # each of a third of the events
BATCH_EVENTS = 40  # of a batch at the most, where nothing else is said


@dataclass(frozen=True)
class Request:
    """A request, and what is to be known of it afterwards."""

    path: str
    body: Any
    prints: dict[str, str]  # id of each record → fingerprint
    kind: str  # good, invalid, poison (PostgreSQL never takes it), notification


def fingerprint(columns: tuple[str, ...], record: Mapping[str, Any]) -> str:
    """A short digest of what a record says; times are compared as moments, data as JSON values."""
    said = [_moment(record[name]) if name in _MOMENTS else record[name] for name in columns]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def _moment(value: datetime | str) -> str:
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC).isoformat()


def event(rng: random.Random, *, large: bool = False, **members: Any) -> dict[str, Any]:
    """An event with an id of its own."""
    ident = new_id(rng)
    size = rng.randrange(*LARGE_BYTES) if large else rng.randrange(300)
    return {
        "version": "1.0",
        "event_id": ident,
        "event_type": "gateway.signal.received",
        "event_timestamp": datetime.now(UTC).isoformat(),
        "event_category": "gateway",
        "event_action": "received",
        "event_outcome": "success",
        "severity": rng.choice(SEVERITIES),
        "correlation_id": f"c-{rng.randrange(1000)} {rng.choice(_TEXTS)}",
        "actor_type": "user",
        "actor_id": rng.choice(_TEXTS),
        "resource_type": "pod",
        "resource_id": rng.choice(_TEXTS),
        "namespace": rng.choice(_TEXTS),
        "event_data": {
            "proof": ident[::-1],
            "text": rng.choice(_TEXTS),
            "number": rng.getrandbits(70),
            # Not to be compressed, so that it is as large in every store.
            "filler": rng.randbytes(size // 2).hex(),
        },
        **members,
    }


def of_events(events: list[dict[str, Any]], kind: str = "good") -> Request:
    """The request that sends these events, one alone or several as a batch."""
    prints = {e["event_id"]: fingerprint(EVENT_COLUMNS, e) for e in events}
    return Request(BATCH, events, prints, kind) if len(events) > 1 else Request(SINGLE, events[0], prints, kind)


def any_request(rng: random.Random, *, large: bool, batch: int = BATCH_EVENTS) -> Request:
    """A request such as clients send, a few of them wrong; a single event is ``large`` if there is room for one."""
    dice = rng.random()
    if dice < 0.02:
        return of_events([event(rng, event_outcome="perhaps")], "invalid")
    if dice < 0.04:
        return of_events([event(rng, correlation_id="poison")], "poison")
    if dice < 0.08:
        return _notification(rng)
    if dice < 0.30:
        return of_events([event(rng) for _ in range(rng.randrange(2, batch))])
    return of_events([event(rng, large=large)])


def _notification(rng: random.Random) -> Request:
    ident = new_id(rng)
    note = {
        "remediation_id": rng.choice(_TEXTS),
        "notification_id": ident,
        "recipient": rng.choice(_TEXTS),
        "channel": "email",
        "message_summary": ident[::-1],
        "status": "sent",
        "sent_at": datetime.now(UTC).isoformat(),
    }
    return Request(NOTIFICATIONS, note, {ident: fingerprint(NOTIFICATION_COLUMNS, note)}, "notification")


def new_id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
