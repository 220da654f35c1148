"""Watching the dead letter queue: one thread a worker that knows how Redis is and how full the streams are.

Gauges and alarms are set from here, so that they fall when a stream empties, not only rise when it fills.
"""

from __future__ import annotations

import dataclasses
import logging
import math

from datastorage_common.counts import counted
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from app.clock import Clock
from app.dlq import rights
from app.dlq.admin import Admin
from app.dlq.client import CLUSTER, REFUSALS, code_of
from app.dlq.endpoint import Endpoint
from app.dlq.keys import STREAMS
from app.dlq.memory import NOTHING, EntryId
from app.dlq.queue import DeadLetterQueue
from app.dlq.state import QueueState, StreamState
from app.loop import LoopThread
from app.telemetry import metrics

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0


class QueueWatch:
    """Looks at Redis once a second; `state` is the last known."""

    def __init__(self, admin: Admin, queue: DeadLetterQueue, endpoint: Endpoint, clock: Clock) -> None:
        self._admin = admin
        self._queue = queue
        self._endpoint = endpoint
        self._clock = clock
        self._breaker = queue.breaker
        # Sooner than a round where a client met a server that refuses: it may not be the right one any more.
        self._loop = LoopThread("dlq-watch", self.look, ROUND_SECONDS, log, wake=endpoint.wanted)
        self._looked = False
        self._lost_until = float("-inf")
        self._last: dict[str, StreamState] = {}  # the streams when they were last seen, through outages too
        self._run_seen: str | None = None
        self.state = QueueState()

    def start(self) -> None:
        """Start the thread; Redis may be away."""
        self._loop.start()

    def stop(self) -> None:
        """End the thread; waits no longer than one look takes."""
        self._loop.stop(timeout=3)
        self._admin.close()

    def known(self) -> QueueState:
        """What was seen last, and whether a spill was refused; never waits."""
        return dataclasses.replace(self.state, refused=self._breaker.state == "open")

    def look(self) -> QueueState:
        """One round; the new state."""
        try:
            state = self._see()
        except (RedisError, OSError) as e:
            state = self._not_seen(e)
        self._tell(state)
        self._looked = True
        self.state = state
        metrics.REDIS_UP.set(1 if state.connected else 0)
        if state.connected:  # else the last known stays: a Redis that is away did not become less durable
            durable = math.nan if state.durability == "unknown" else float(state.durability == "aof_always")
            metrics.REDIS_DURABLE.set(0 if state.evicts else durable)
        for name, stream in state.streams.items():
            self._measure(name, stream)
        return state

    def _see(self) -> QueueState:
        """What Redis says, by a connection made for this look: a living one may lead to yesterday's server."""
        self._admin.redial()
        # Before anything is looked at: what is spilled meanwhile is of the next look.
        told = {name: self._queue.memory.last(name) for name in STREAMS}
        state = self._admin.look()
        self._queue.synced = state.durability == "aof_always"
        another = state.run != self._run_seen
        if another:
            if self._run_seen is not None:
                log.info("another Redis, or another run of it, is behind the address: all connections are made anew")
                self._endpoint.drop()
            self._run_seen = state.run
        refuses = self._admin.probe() or state.refuses
        if refuses is None:
            self._endpoint.trust()
            self._breaker.recovered()
        else:
            self._breaker.failed(unreachable=False)
        missing = self.state.missing_rights
        if missing or another or refuses == "NOPERM" or not self.state.connected:
            missing = self._admin.missing_rights()
        self._find_losses(state, told)
        lost = self._clock.monotonic() < self._lost_until
        return dataclasses.replace(state, refuses=refuses, missing_rights=missing, lost=lost)

    def _not_seen(self, error: Exception) -> QueueState:
        """The state where the look came to nothing; the breaker hears of it, so that no spill has to find out."""
        code = code_of(error)
        connected = isinstance(error, ResponseError) or code in REFUSALS
        self._breaker.failed(unreachable=not connected)
        self._endpoint.doubt()
        if not connected:
            if self.state.connected or not self._looked:
                log.warning("Redis does not answer (%s)", type(error).__name__)
            return QueueState()
        missing = self._missing(error) if code == "NOPERM" else ()
        return QueueState(True, "unknown", refuses=code or "ERR", missing_rights=missing, streams=self.state.streams)

    def _missing(self, error: Exception) -> tuple[str, ...]:
        try:
            return self._admin.missing_rights()
        except NoPermissionError as e:  # even a connection needs one that is not there
            return rights.named_in(e) or rights.named_in(error)
        except (RedisError, OSError):
            return rights.named_in(error)

    def _tell(self, state: QueueState) -> None:
        """One line for each thing that is wrong, when it begins or changes."""
        before = self.state if self._looked else QueueState()
        if state.missing_rights and state.missing_rights != before.missing_rights:
            log.error("Redis: the service's user lacks rights: %s", " ".join(state.missing_rights))
        if state.refuses in CLUSTER and state.refuses != before.refuses:
            log.error(
                "this is a Redis Cluster, which is not supported: use one primary, with sentinels or behind one address"
            )
        elif state.refuses is not None and state.refuses != before.refuses:
            log.error("Redis answers and does not take entries (%s)", state.refuses)
        elif state.refuses is None and before.refuses is not None and state.connected:
            log.info("Redis takes entries again")
        kept = (state.durability, state.evicts)
        if state.connected and kept != (before.durability, before.evicts):
            for fault in set(state.faults) & {"redis_evicts", "redis_not_durable", "redis_durability_unknown"}:
                log.error("Redis is not set up to keep what it is given: %s (%s)", fault, state.durability)

    def _find_losses(self, state: QueueState, told: dict[str, EntryId]) -> None:
        """Whether Redis still knows what this worker spilled; an entry that was replayed is no loss."""
        memory = self._queue.memory
        known = self._admin.witnessed(self._queue.witness) if any(i > NOTHING for i in told.values()) else {}
        for name, stream in state.streams.items():
            before = self._last.get(name)
            ours = told[name] > known.get(name, NOTHING)
            if ours or (before is not None and stream.last < before.last):
                self._lost(
                    name, memory.lost(name, known.get(name, NOTHING)) if ours else 0, before, stream.last == NOTHING
                )
            else:
                memory.settled(name, stream.first if stream.depth else (told[name][0], told[name][1] + 1))
            self._last[name] = stream
            memory.saw(name, stream.last)

    def _lost(self, name: str, count: int, before: StreamState | None, whole: bool) -> None:
        waited = before.depth if before is not None else 0
        # A failover takes along entries that no replica had: who asked for replicas never acknowledged those.
        if not count and not (whole and waited):
            log.warning("Redis has forgotten entries of %s, none that this worker knows to be acknowledged", name)
            return
        log.error(
            "queue_lost: Redis has forgotten entries of %s: up to %s that this worker spilled, "
            "and %s of all workers waited when it was last seen",
            name,
            counted(count, "record"),
            counted(waited, "entry", "entries"),
        )
        metrics.DLQ_LOST.labels(name).inc(count)
        self._lost_until = self._clock.monotonic() + self._queue.memory.seconds

    def _measure(self, name: str, stream: StreamState) -> None:
        self._queue.measured(name, stream.depth)
        metrics.DLQ_OLDEST.labels(name).set(stream.oldest_age_seconds)
        metrics.DLQ_DEAD.labels(name).set(stream.dead_letters)
