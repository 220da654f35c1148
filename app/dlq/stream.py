"""The dead letter queue in Redis Streams: spill whole requests, read what waits, settle, bury, revive.

Nothing here is ever trimmed or evicted. A full stream refuses; what Redis did not answer is in doubt.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
import redis
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError, NoScriptError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from app import metrics
from app.audit.event import AuditEvent, Notification, Record, rfc3339
from app.audit.outcome import InDoubt, Refused, Spilled, SpillOutcome, WriteRequest
from app.audit.schemas import EVENT_FIELDS, NOTIFICATION_FIELDS
from app.breaker import Breaker
from app.clock import Clock
from app.config import Settings
from app.dlq import scripts
from app.files import ReadError, read_secret

log = logging.getLogger(__name__)

GROUP = "data-storage-retry-workers"
EVENTS, NOTIFICATIONS = "events", "notifications"
STREAMS = (EVENTS, NOTIFICATIONS)
TYPES = {EVENTS: "audit_event", NOTIFICATIONS: "notification_audit"}


# (what it is called, from which ratio on, its gauge), the least first.
ALARMS = (
    ("warning", 0.80, metrics.DLQ_WARNING),
    ("critical", 0.90, metrics.DLQ_CRITICAL),
    ("overflow_imminent", 0.95, metrics.DLQ_OVERFLOW),
)


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


class PasswordFile(CredentialProvider):
    """Reads the password for each new connection, so that a rotated one needs no restart."""

    def __init__(self, path: str, user: str) -> None:
        self._path = path
        self._user = user

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """User, if there is one, and password. Raises redis.AuthenticationError while the file cannot be read."""
        try:
            password = read_secret(self._path)
        except ReadError:
            raise AuthenticationError("the file with the password of Redis cannot be read") from None
        return (self._user, password) if self._user else (password,)


def make_client(settings: Settings, *, connect_timeout: float, timeout: float) -> redis.Redis:
    """A client that waits no longer than it is told and never repeats a command by itself.

    redis-py's own retries would wait for a minute, and a repeated XADD makes a second entry.
    """
    r = settings.redis
    assert r.url is not None  # noqa: S101 - callers check
    url = r.url
    options: dict[str, Any] = {}
    if r.password_file is not None:
        parts = urlsplit(url)
        # redis-py refuses to be told twice who it is.
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        options["credential_provider"] = PasswordFile(r.password_file, unquote(parts.username or ""))
    if url.startswith("rediss:"):
        files = {"ssl_ca_certs": r.ca_file, "ssl_certfile": r.cert_file, "ssl_keyfile": r.key_file}
        options |= {name: file for name, file in files.items() if file is not None}
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=connect_timeout,
        socket_timeout=timeout,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        health_check_interval=0,
        client_name="datastorage",
        **options,
    )


def _members(record: Record) -> dict[str, Any]:
    """The record under the request's names: what a client would have to send to mean the same."""
    if isinstance(record, Notification):
        members = {name: getattr(record, name) for name in NOTIFICATION_FIELDS}
        return {**members, "sent_at": rfc3339(record.sent_at)}
    members = {name: getattr(record, name) for name in EVENT_FIELDS}
    members["event_timestamp"] = rfc3339(record.event_timestamp)
    members["event_data"] = orjson.Fragment(record.event_data)
    return members


def encode(record: Record, now: datetime, reason: str) -> bytes:
    """The message of an entry."""
    return orjson.dumps(
        {
            "type": TYPES[EVENTS] if isinstance(record, AuditEvent) else TYPES[NOTIFICATIONS],
            "payload": _members(record),
            "recorded_by": record.recorded_by,
            # Not in the payload: the digest is that of the client's members.
            **({"trace_id": record.context_trace_id} if isinstance(record, AuditEvent) else {}),
            "timestamp": rfc3339(now),
            "retry_count": 0,
            "last_error": reason,
        }
    )


class DeadLetterQueue:
    """The sink that keeps what PostgreSQL could not take. Safe to share between threads."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.breaker = Breaker()
        self._raised: dict[tuple[str, str], bool] = {}
        # One spill is one connection attempt and one answer at the most, both inside spill_timeout.
        limit = settings.redis.spill_timeout
        self._client = make_client(settings, connect_timeout=0.4 * limit, timeout=0.6 * limit)
        self._spill_script = self._client.register_script(scripts.SPILL)

    # --- the sink -------------------------------------------------------------------------------------------

    def spill(self, requests: Sequence[WriteRequest], reason: str) -> list[SpillOutcome]:
        """Keep each request whole or not at all, in order, within redis.spill_timeout."""
        if not self.breaker.allow():
            return self._refuse(requests, "unreachable", Refused("service-unavailable"))
        arguments = self._arguments(requests, reason)
        sent = False
        try:
            # Connecting is a step of its own: what fails here was never sent.
            connection = self._client.connection_pool.get_connection()
            try:
                sent = True
                kept = self._call(connection, arguments)
            finally:
                self._client.connection_pool.release(connection)
        except ResponseError as e:
            # Redis answered: out of memory, read-only, or unable to persist. It kept nothing.
            self._failed(e, unreachable=False)
            return self._refuse(requests, "unreachable", Refused("service-unavailable"))
        except (RedisError, OSError) as e:
            self._failed(e, unreachable=True)
            return self._refuse(requests, "unreachable", InDoubt() if sent else Refused("service-unavailable"))
        if self.breaker.succeeded():
            log.info("Redis takes entries again")
        depths = kept[len(requests) :]
        for name, depth in zip(STREAMS, depths, strict=True):
            self.measured(name, depth)
        return self._outcomes(requests, kept[: len(requests)])

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
        arguments: list[bytes | str | int] = [self._settings.dlq.max_len, self._settings.dlq.max_bytes, len(requests)]
        for request in requests:
            pair = 1 if isinstance(request.records[0], AuditEvent) else 2
            arguments += [pair, len(request.records)]
            arguments += [encode(record, now, reason) for record in request.records]
        return arguments

    def _call(self, connection: Any, arguments: list[bytes | str | int]) -> list[int]:
        keys = [key for name in STREAMS for key in (KEYS[name].stream, KEYS[name].size)]
        call = [len(keys), *keys, *arguments]
        try:
            connection.send_command("EVALSHA", self._spill_script.sha, *call)
            kept = connection.read_response()
        except NoScriptError:
            # A restarted Redis has forgotten its scripts; nothing ran.
            connection.send_command("EVAL", scripts.SPILL, *call)
            kept = connection.read_response()
        replicas = self._settings.redis.min_replicas
        if replicas and any(kept[: -len(STREAMS)]):
            connection.send_command("WAIT", replicas, round(300 * self._settings.redis.spill_timeout))
            if int(connection.read_response()) < replicas:
                raise RedisConnectionError("too few replicas have it")
        return [int(k) for k in kept]

    def _outcomes(self, requests: Sequence[WriteRequest], kept: list[int]) -> list[SpillOutcome]:
        outcomes: list[SpillOutcome] = []
        for request, ok in zip(requests, kept, strict=True):
            stream = EVENTS if isinstance(request.records[0], AuditEvent) else NOTIFICATIONS
            if ok:
                metrics.DLQ_ENQUEUED.labels(stream, TYPES[stream]).inc(len(request.records))
                outcomes.append(Spilled())
            else:
                metrics.DLQ_REJECTED.labels(stream, "full").inc(len(request.records))
                outcomes.append(Refused("dlq-full"))
        return outcomes

    def _refuse(self, requests: Sequence[WriteRequest], why: str, outcome: SpillOutcome) -> list[SpillOutcome]:
        for request in requests:
            stream = EVENTS if isinstance(request.records[0], AuditEvent) else NOTIFICATIONS
            metrics.DLQ_REJECTED.labels(stream, why).inc(len(request.records))
        return [outcome] * len(requests)

    def _failed(self, error: Exception, *, unreachable: bool) -> None:
        if self.breaker.failed(unreachable=unreachable):
            log.warning(
                "Redis does not take entries (%s): writes are refused while PostgreSQL is away", type(error).__name__
            )

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
