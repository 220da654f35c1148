"""What follows from what is known of Redis: does it take a spill, and why is the service degraded."""

from __future__ import annotations

import pytest

from app.dlq.state import NOT_CONFIGURED, QueueState, StreamState


def stream(depth: int, *, full: bool = False) -> StreamState:
    return StreamState(depth=depth, capacity=10, dead_letters=0, oldest_age_seconds=0.0, full=full)


@pytest.mark.parametrize(
    ("state", "status", "obstacle", "faults"),
    [
        (NOT_CONFIGURED, "not_configured", None, ()),
        (QueueState(), "unreachable", None, ("redis_unreachable",)),
        (
            QueueState(True, "aof_always", streams={"events": stream(9), "notifications": stream(9)}),
            "connected",
            None,
            (),
        ),
        (
            QueueState(True, "aof_always", streams={"events": stream(10, full=True), "notifications": stream(9)}),
            "connected",
            "queue_full",
            (),
        ),
        (
            QueueState(True, "aof_always", refuses="READONLY"),
            "connected",
            "queue_refuses_writes",
            ("redis_refuses_writes",),
        ),
        (
            QueueState(True, "aof_always", refuses="CROSSSLOT"),
            "connected",
            "queue_refuses_writes",
            ("redis_is_cluster",),
        ),
        (QueueState(True, "aof_always", refused=True), "connected", "queue_refuses_writes", ()),
        (QueueState(True, "none", streams={"events": stream(0)}), "connected", None, ("redis_not_durable",)),
        (QueueState(True, "aof_everysec"), "connected", None, ("redis_not_durable",)),
        (
            QueueState(True, "unknown", missing_rights=("+xadd",), lost=True),
            "connected",
            None,
            ("redis_missing_rights", "redis_durability_unknown", "queue_lost"),
        ),
        (
            QueueState(True, "aof_always", evicts=True, streams={"events": stream(0)}),
            "connected",
            None,
            ("redis_evicts",),
        ),
    ],
)
def test_what_follows_from_a_state(
    state: QueueState, status: str, obstacle: str | None, faults: tuple[str, ...]
) -> None:
    assert (state.status, state.obstacle, state.faults) == (status, obstacle, faults)
    assert state.can_spill == (status == "connected" and obstacle is None)
