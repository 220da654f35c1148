"""What is done to the dead letter queue: memory, disk, roles, counters, strangers, and entries hard to write."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import redis

from app.dlq.keys import EVENTS, GROUP, KEYS
from bench.campaign import load
from bench.campaign.faults.tools import bring_back, outage, outage_or_not, pause, send, send_poison, until_taken
from bench.campaign.stage import Stage
from devserver import EmbeddedValkey
from tests.support import wait_until

# What the counter of bytes is set to: deleted, far from what it was, and no whole number.
COUNTS = (None, "100000000000000", "-100000000000000", "nonsense", "1.5e3", "")
# SQLSTATEs that mean an outage, a time-out, and nothing known.
_NEVER_TAKEN = ("53100", "57014", "P0001")


def queue_full(stage: Stage, rng: random.Random) -> None:
    """Redis out of memory: with noeviction it refuses what it is given."""
    with stage.valkey_memory:
        server = stage.queue.primary
        _set_memory(stage, server, "1mb")
        pause(rng, 0.5, 3)
        _set_memory(stage, server, "0")


def _set_memory(stage: Stage, server: EmbeddedValkey, limit: str) -> None:
    def step() -> None:
        with stage.queue.client(server) as client:
            client.config_set("maxmemory", limit)

    until_taken(step, redis.RedisError)


def redis_disk_full(stage: Stage, rng: random.Random) -> None:
    """No room for the append-only file: Valkey refuses or, since each answer means that it is on disk, ends itself."""
    with outage_or_not(stage, rng), stage.valkey_process:
        server = stage.queue.primary
        disk = stage.queue.disks[server]
        disk.fill()
        try:
            pause(rng, 0.5, 3)
        finally:
            disk.empty()
        if server.exit_code() is not None:
            server.kill()  # it is gone already; now the object knows
            bring_back(server)


def redis_moved(stage: Stage, rng: random.Random) -> None:
    """The roles change as an operator changes them, who loses nothing; connections to the old primary stay."""
    with outage_or_not(stage, rng), stage.valkey_process:
        move(stage, rng)
        pause(rng, 0, 3)


def move(stage: Stage, rng: random.Random) -> None:
    """Make the replica the primary, whole, and the address lead to it."""
    queue = stage.queue
    old, new = queue.primary, queue.replica
    queue.wait_for_replica()
    with queue.client(old) as before, queue.client(new) as after:
        before.client_pause(20_000, all=False)
        wait_until(lambda: _offset(after, "slave") >= _offset(before, "master"), 15, "the replica has all")
        after.replicaof("NO", "ONE")
        before.replicaof("127.0.0.1", str(new.port))
        before.client_unpause()
        pause(rng, 0, 1)  # the address leads to the old one for a while
        queue.swap()


def _offset(client: redis.Redis, role: str) -> int:
    told: dict[str, Any] = client.info("replication")
    return int(told[f"{role}_repl_offset"])


def queue_counters(stage: Stage, rng: random.Random) -> None:
    """The count of bytes beside the stream is deleted, or set to something else, while entries wait."""
    with outage(stage, with_entries=True), contextlib.suppress(redis.RedisError):
        spoil_counter(stage, rng.choice(COUNTS))
        pause(rng, 0.2, 2)


def spoil_counter(stage: Stage, value: str | None) -> None:
    """Delete the events' count of bytes, or set it to something else."""
    key = KEYS[EVENTS].size
    with stage.queue.client() as client:
        if value is None:
            client.delete(key)
        else:
            client.set(key, value)


def foreign_consumer(stage: Stage, rng: random.Random) -> None:
    """Somebody else reads entries in the service's group and never says what became of them."""
    stream = KEYS[EVENTS].stream
    with outage(stage, with_entries=True), contextlib.suppress(redis.RedisError), stage.queue.client() as client:
        with contextlib.suppress(redis.ResponseError):  # the group is there
            client.xgroup_create(stream, GROUP, id="0", mkstream=True)
        client.xreadgroup(GROUP, "stranger", {stream: ">"}, count=rng.randrange(1, 50))
        pause(rng, 0.2, 2)


def large_entries(stage: Stage, rng: random.Random) -> None:
    """The queue fills with events of 100 to 250 KB."""
    with outage(stage):
        for _ in range(rng.randrange(20, 80)):
            if send(stage, rng, load.of_events([load.event(rng, large=True)])) == "unanswered":
                break  # the queue is full, or Valkey away


def poisoned_entries(stage: Stage, rng: random.Random) -> None:
    """Events that PostgreSQL refuses for ever with errors that say that something else is wrong."""
    for state in rng.sample(_NEVER_TAKEN, rng.randrange(1, 3)):
        send_poison(stage, rng, state)
        pause(rng, 0, 1)
