"""The dead letter queue in Redis Streams, as the sink of the write path: it keeps whole requests, or refuses them.

Nothing here is ever trimmed or evicted. A full stream refuses; what Redis did not answer is in doubt.
"""

from __future__ import annotations

import logging
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, NoScriptError, RedisError, ResponseError

from app.audit.event import AuditEvent
from app.audit.outcome import InDoubt, Refused, Spilled, SpillOutcome, WriteRequest
from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import Settings
from app.dlq import scripts
from app.dlq.client import REFUSALS, code_of, dispensable, time_left, within
from app.dlq.codec import TYPES, encode
from app.dlq.endpoint import Endpoint
from app.dlq.keys import EVENTS, KEYS, NOTIFICATIONS, PAIRS, STREAMS
from app.dlq.memory import NOTHING, Memory, format_id, parse_id
from app.telemetry import metrics

log = logging.getLogger(__name__)

# (what it is called, from which ratio on, its gauge), the least first.
ALARMS = (
    ("warning", 0.80, metrics.DLQ_WARNING),
    ("critical", 0.90, metrics.DLQ_CRITICAL),
    ("overflow_imminent", 0.95, metrics.DLQ_OVERFLOW),
)


@dataclass(frozen=True)
class _Answer:
    """What the spill script says: which requests are kept, and of each stream the depth and the last id added."""

    kept: list[bool]
    depths: list[int]
    last: list[bytes]


def _broke_off(error: Exception) -> bool:
    """Whether a script ended half-way: Redis undoes nothing of what it had done by then.

    What a server refuses because of its own state it refuses at the first command that writes.
    """
    return "script: " in str(error) and (code_of(error) == "NOPERM" or code_of(error) not in REFUSALS)


class DeadLetterQueue:
    """The sink that keeps what PostgreSQL could not take. Safe to share between threads."""

    def __init__(self, settings: Settings, clock: Clock, endpoint: Endpoint | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._endpoint = endpoint or Endpoint(settings.redis)
        self.breaker = Breaker()
        self.memory = Memory(STREAMS, settings.dlq.remember, clock)
        # Each worker has a witness of its own in Redis, which is as forgetful as the entries beside it.
        self._witness = f"audit:dlq:witness:{socket.gethostname()}-{secrets.token_hex(8)}"
        # Whether Redis is known to sync each write before it answers, from the watch.
        self.synced = False
        self._raised: dict[tuple[str, str], bool] = {}
        # All of one spill happens within spill_timeout: connecting, the answer, and trying again where Redis said no.
        limit = settings.redis.spill_timeout
        self._client = self._endpoint.client(connect_timeout=0.4 * limit, timeout=0.6 * limit)

    # --- the sink -------------------------------------------------------------------------------------------

    def spill(self, requests: Sequence[WriteRequest], reason: str) -> list[SpillOutcome]:
        """Keep each request whole or not at all, in order, within redis.spill_timeout."""
        if not self.breaker.allow():
            return self._refuse(requests, "unreachable", Refused("service-unavailable"))
        arguments = self._arguments(requests, reason)
        with within(self._settings.redis.spill_timeout):
            answer = self._attempt(arguments, len(requests))
            if isinstance(answer, Refused) and self._may_try_again():
                # It answered, and kept nothing: another server may be behind the address by now.
                self._endpoint.locate()
                answer = self._attempt(arguments, len(requests))
        if not isinstance(answer, _Answer):
            return self._refuse(requests, "unreachable", answer)
        if self.breaker.succeeded():
            log.info("Redis takes entries again")
        for name, depth in zip(STREAMS, answer.depths, strict=True):
            self.measured(name, depth)
        return self._outcomes(requests, answer)

    def measured(self, name: str, depth: int) -> None:
        """Set a stream's gauges and alarms from its depth; log each crossing, both ways."""
        capacity = self._settings.dlq.max_len
        ratio = depth / capacity
        metrics.DLQ_DEPTH.labels(name).set(depth)
        metrics.DLQ_RATIO.labels(name).set(ratio)
        for alarm, threshold, gauge in ALARMS:
            raised = ratio >= threshold
            gauge.labels(name).set(1 if raised else 0)
            if raised != self._raised.get((name, alarm), False):
                self._raised[(name, alarm)] = raised
                word = "raised" if raised else "cleared"
                log.warning("dead letter queue %s: %s %s (%d of %d)", name, alarm, word, depth, capacity)

    def may_hold_parents(self) -> bool:
        """Whether events wait in the queue; True when Redis cannot say."""
        try:
            return self._client.xlen(KEYS[EVENTS].stream) > 0
        except RedisError:
            return True

    def _arguments(self, requests: Sequence[WriteRequest], reason: str) -> list[bytes | str | int]:
        now = self._clock.now()
        arguments: list[bytes | str | int] = [self._settings.dlq.max_len, self._settings.dlq.max_bytes]
        arguments += [format_id(self.memory.seen(name)) for name in STREAMS]
        arguments.append(len(requests))
        for request in requests:
            pair = 1 if isinstance(request.records[0], AuditEvent) else 2
            arguments += [pair, len(request.records)]
            arguments += [encode(record, now, reason, request.span) for record in request.records]
        return arguments

    def _attempt(self, arguments: list[bytes | str | int], requests: int) -> _Answer | Refused | InDoubt:
        """Connect, spill, and have it assured; Refused where nothing was kept."""
        sent = False
        try:
            # Connecting is a step of its own: what fails here was never sent.
            connection = self._client.connection_pool.get_connection()
            try:
                sent = True
                return self._call(connection, arguments, requests)
            finally:
                self._client.connection_pool.release(connection)
        except (RedisError, OSError) as e:
            # A word of Redis' own is an answer: out of memory, read-only, or unable to persist. It kept nothing.
            answered = isinstance(e, ResponseError) or code_of(e) in REFUSALS
            self._failed(e, unreachable=not answered)
            return InDoubt() if sent and (not answered or _broke_off(e)) else Refused("service-unavailable")

    def _may_try_again(self) -> bool:
        """Whether Redis said no rather than nothing, and there is time for another connection and an answer."""
        left = time_left()
        return not self.breaker.unreachable and left is not None and left > 0.6 * self._settings.redis.spill_timeout

    def _call(self, connection: Any, arguments: list[bytes | str | int], requests: int) -> _Answer:
        keys = [*PAIRS, self._witness]
        call = [len(keys), *keys, *arguments]
        try:
            connection.send_command("EVALSHA", scripts.SPILL.sha, *call)
            said = connection.read_response()
        except NoScriptError:
            # A restarted Redis has forgotten its scripts; nothing ran.
            connection.send_command("EVAL", scripts.SPILL.text, *call)
            said = connection.read_response()
        depths = said[requests : requests + len(STREAMS)]
        answer = _Answer([bool(k) for k in said[:requests]], depths, said[requests + len(STREAMS) :])
        for name, last in zip(STREAMS, answer.last, strict=True):
            self.memory.saw(name, parse_id(last))
        if any(answer.kept):
            try:
                self._assure(connection)
            except ResponseError as e:
                raise RedisConnectionError("Redis has it and would not say how well") from e
        return answer

    def _assure(self, connection: Any) -> None:
        """What was kept is with the replicas that are asked for, and on its way to the disk; else it is in doubt."""
        replicas = self._settings.redis.min_replicas
        if replicas:
            connection.send_command("WAIT", replicas, round(300 * self._settings.redis.spill_timeout))
            if int(connection.read_response()) < replicas:
                raise RedisConnectionError("too few replicas have it")
        if not self.synced and not self._written(connection):
            raise RedisConnectionError("the append-only file cannot be written")

    def _written(self, connection: Any) -> bool:
        """Whether the append-only file took what was written last; True where Redis does not say.

        Without appendfsync always Redis answers before it knows: with a full disk the first writes are taken and lost.
        A question of its own, since one that comes together with the write is answered before the file is written.
        """
        try:
            with dispensable():
                connection.send_command("INFO", "persistence")
                said = connection.read_response()
        except NoPermissionError:
            return True
        return b"aof_last_write_status:err" not in said

    def _outcomes(self, requests: Sequence[WriteRequest], answer: _Answer) -> list[SpillOutcome]:
        outcomes: list[SpillOutcome] = []
        counts = dict.fromkeys(STREAMS, 0)
        for request, ok in zip(requests, answer.kept, strict=True):
            stream = EVENTS if isinstance(request.records[0], AuditEvent) else NOTIFICATIONS
            if ok:
                counts[stream] += len(request.records)
                metrics.DLQ_ENQUEUED.labels(stream, TYPES[stream]).inc(len(request.records))
                outcomes.append(Spilled())
            else:
                metrics.DLQ_REJECTED.labels(stream, "full").inc(len(request.records))
                outcomes.append(Refused("dlq-full"))
        for name, last in zip(STREAMS, answer.last, strict=True):
            if counts[name]:
                self.memory.kept(name, parse_id(last), counts[name])
        return outcomes

    def _refuse(self, requests: Sequence[WriteRequest], why: str, outcome: SpillOutcome) -> list[SpillOutcome]:
        for request in requests:
            stream = EVENTS if isinstance(request.records[0], AuditEvent) else NOTIFICATIONS
            metrics.DLQ_REJECTED.labels(stream, why).inc(len(request.records))
        return [outcome] * len(requests)

    def _failed(self, error: Exception, *, unreachable: bool) -> None:
        self._endpoint.doubt()
        if self.breaker.failed(unreachable=unreachable):
            log.warning(
                "Redis does not take entries (%s): writes are refused while PostgreSQL is away",
                code_of(error) or type(error).__name__,
            )

    @property
    def witness(self) -> str:
        """The key of this worker's own in Redis: stream → the last id that it was told."""
        return self._witness

    def close(self) -> None:
        """Close every connection, leaving no witness where Redis can still be told."""
        if any(self.memory.seen(name) > NOTHING for name in STREAMS):
            try:
                with within(self._settings.redis.spill_timeout):
                    self._client.delete(self._witness)
            except (RedisError, OSError) as e:
                log.debug("the witness stays until it expires (%s)", type(e).__name__)
        self._client.close()
        self._endpoint.close()
