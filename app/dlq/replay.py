"""Replay: one thread a worker that writes what waits in the dead letter queue once PostgreSQL is back.

Any number of workers and instances replay side by side: each is a consumer of one group, takes new entries and
those that dead consumers left, and writes them with the one write function, whose idempotency makes a second
delivery harmless. An entry is acknowledged and deleted only after its commit.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
from dataclasses import dataclass
from typing import Any, cast

import redis
from redis.exceptions import RedisError, ResponseError

from app import jsonvalue, metrics
from app.audit.event import Record, rfc3339
from app.audit.outcome import Conflict, NotWritten, ParentMissing, Rejected, Stored, WriteOutcome, WriteRequest
from app.audit.schemas import Refusal, Validator
from app.audit.writer import Writer
from app.breaker import Breaker
from app.clock import Clock
from app.config import Settings
from app.database import Fault
from app.dlq import scripts
from app.dlq.endpoint import Endpoint
from app.dlq.stream import EVENTS, GROUP, KEYS, STREAMS, TYPES
from app.trace import is_trace_id

log = logging.getLogger(__name__)

# An idle thread looks so often for new entries.
_POLL_SECONDS = 0.2
# Entries of other consumers, and those put off, are looked through so often …
_CLAIM_EVERY_SECONDS = 2.0
# … once nobody has touched them for so long: longer than any flush.
_CLAIM_IDLE_SECONDS = 8.0
# A parent may be on its way: a child waits so long for it, uncounted.
_PARENT_PATIENCE_SECONDS = 600.0
_LEAVE_EVERY_ROUNDS = 150
_STALE_CONSUMER_SECONDS = 600.0


@dataclass(frozen=True)
class Entry:
    """One entry of a stream as it was delivered."""

    ident: bytes
    message: bytes | None


@dataclass(frozen=True)
class _Attempts:
    """What has happened to an entry so far; kept in a hash beside the stream."""

    count: int = 0
    due: float = 0.0  # seconds since the epoch
    first_orphaned: float = 0.0

    def encode(self) -> str:
        return f"{self.count}|{self.due:.3f}|{self.first_orphaned:.3f}"

    @staticmethod
    def decode(text: bytes | None) -> _Attempts:
        try:
            count, due, orphaned = (text or b"0|0|0").split(b"|")
            return _Attempts(int(count), float(due), float(orphaned))
        except ValueError:
            return _Attempts()


class Replayer:
    """Writes waiting entries while PostgreSQL takes writes."""

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        validator: Validator,
        breaker: Breaker,
        clock: Clock,
        endpoint: Endpoint | None = None,
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._validator = validator
        self._breaker = breaker
        self._clock = clock
        self._client: redis.Redis = (endpoint or Endpoint(settings.redis)).client(connect_timeout=1.0, timeout=3.0)
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._claimed_at = 0.0
        self._rounds = 0
        self._own_pending = dict.fromkeys(STREAMS, False)
        self.paused: str | None = None

    def start(self) -> None:
        """Start the thread; Redis and PostgreSQL may both be away."""
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """End after the current batch; True if it ended within ``timeout`` seconds."""
        self._stop.set()
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            busy = False
            try:
                busy = self.round()
            except RedisError as e:
                log.debug("replay: Redis does not answer (%s)", type(e).__name__)
            except Exception:  # the loop must outlive any mistake; nothing was acknowledged
                log.exception("replay failed unexpectedly")
                self._writer.drop_session()
            self._stop.wait(0 if busy else _POLL_SECONDS)
        self._writer.drop_session()
        try:
            for name in STREAMS:
                self._leave(name, self.consumer)
        except RedisError:
            log.info("replay: the consumer %s stays registered", self.consumer)
        self._client.close()

    def round(self) -> bool:
        """Replay one batch of each stream; True if there was something to do."""
        if not self._breaker.closed and self._breaker.state != "half-open":
            return False
        self._rounds += 1
        busy = False
        for name in STREAMS:
            busy = self._round(name) or busy
        if self._rounds % _LEAVE_EVERY_ROUNDS == 0:
            self._sweep_consumers()
        return busy

    def _round(self, name: str) -> bool:
        keys = KEYS[name]
        if self._client.xlen(keys.stream) == 0:
            return False
        try:
            entries = self._next(name)
        except ResponseError as e:
            if not str(e).startswith("NOGROUP"):
                raise
            self._make_group(name)
            entries = self._next(name)
        return self._replay(name, entries) if entries else False

    def _make_group(self, name: str) -> None:
        try:
            self._client.xgroup_create(KEYS[name].stream, GROUP, id="0", mkstream=True)
        except ResponseError as e:
            if not str(e).startswith("BUSYGROUP"):  # another instance was quicker
                raise

    def _next(self, name: str) -> list[Entry]:
        """Entries to try now: what this consumer could not finish, what is new, what others left."""
        count = self._settings.dlq.replay_batch
        if self._own_pending[name]:
            entries = self._read(name, "0", count)
            self._own_pending[name] = False
            if due := self._due(name, entries):
                return due
        if entries := self._read(name, ">", count):
            return entries
        now = self._clock.monotonic()
        if now - self._claimed_at < _CLAIM_EVERY_SECONDS:
            return []
        entries = self._claim(name)
        if name == STREAMS[-1]:
            self._claimed_at = now
        return self._due(name, entries)

    def _read(self, name: str, after: str, count: int) -> list[Entry]:
        answer: Any = self._client.xreadgroup(GROUP, self.consumer, {KEYS[name].stream: after}, count=count)
        if not answer:
            return []
        batches = answer.values() if isinstance(answer, dict) else [entries for _, entries in answer]
        return [_entry(ident, fields) for batch in batches for ident, fields in _flat(batch)]

    def _claim(self, name: str) -> list[Entry]:
        """What no consumer has touched for a while; the whole list is walked, so that no entry starves."""
        cursor: bytes | str = "0-0"
        found: list[Entry] = []
        while not self._stop.is_set():
            answer: Any = self._client.xautoclaim(
                KEYS[name].stream,
                GROUP,
                self.consumer,
                min_idle_time=round(1000 * _CLAIM_IDLE_SECONDS),
                start_id=cursor,
                count=self._settings.dlq.replay_batch,
            )
            cursor = answer[0]
            found += [_entry(ident, fields) for ident, fields in _flat(answer[1])]
            if cursor in (b"0-0", "0-0") or len(found) >= self._settings.dlq.replay_batch:
                break
        return found

    def _due(self, name: str, entries: list[Entry]) -> list[Entry]:
        """Those whose time has come."""
        if not entries:
            return []
        kept = self._attempts(name, entries)
        now = self._clock.now().timestamp()
        return [entry for entry in entries if kept[entry.ident].due <= now]

    def _attempts(self, name: str, entries: list[Entry]) -> dict[bytes, _Attempts]:
        texts = cast("list[bytes | None]", self._client.hmget(KEYS[name].attempts, [entry.ident for entry in entries]))
        return {entry.ident: _Attempts.decode(text) for entry, text in zip(entries, texts, strict=True)}

    # --- one batch ------------------------------------------------------------------------------------------

    def _replay(self, name: str, entries: list[Entry]) -> bool:
        """Write the entries and settle each; False if PostgreSQL or the dead letters' cap stopped it."""
        records: list[tuple[Entry, Record]] = []
        for entry in entries:
            record = self._decode(name, entry)
            if isinstance(record, str):
                if not self._bury(name, entry.ident, 0, record):
                    return False
            else:
                records.append((entry, record))
        if not records:
            return True
        outcomes = self._writer.to_database([WriteRequest((record,)) for _, record in records])
        settled: list[bytes] = []
        healthy = True
        for (entry, _), outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, Stored) or (isinstance(outcome, Conflict) and outcome.identical):
                settled.append(entry.ident)
                known = isinstance(outcome, Conflict) or bool(outcome.duplicates)
                metrics.DLQ_REPLAYED.labels(name, "duplicate" if known else "stored").inc()
            else:
                healthy = self._put_off(name, entry, outcome) and healthy
        if settled:
            keys = KEYS[name]
            self._client.eval(scripts.SETTLE, 3, keys.stream, keys.size, keys.attempts, GROUP, *settled)
        if not healthy:
            self._own_pending[name] = True
        return healthy

    def _decode(self, name: str, entry: Entry) -> Record | str:
        """The record of an entry, or why it can never be written."""
        if entry.message is None:
            return "the entry holds no message"
        try:
            message = jsonvalue.parse(entry.message)
        except jsonvalue.JSONError as e:
            return f"the entry is not JSON: {e}"
        if not isinstance(message, dict) or not isinstance(message.get("payload"), dict):
            return "the entry holds no payload"
        if message.get("type") != TYPES[name]:
            return f"the entry is of an unknown type: {str(message.get('type'))[:100]}"
        by = message.get("recorded_by")
        by = by if isinstance(by, str) else None
        record: Record | Refusal
        if name == EVENTS:
            trace = message.get("trace_id")
            record = self._validator.event(
                message["payload"],
                window=False,
                recorded_by=by,
                context_trace_id=trace if is_trace_id(trace) else None,
            )
        else:
            record = self._validator.notification(message["payload"], window=False, recorded_by=by)
        if isinstance(record, Refusal):
            return f"the payload is not valid: {record.detail}"
        if name == EVENTS and message["payload"].get("event_id") is None:
            return "the payload has no event_id"
        return record

    def _put_off(self, name: str, entry: Entry, outcome: WriteOutcome) -> bool:
        """Bury the entry or leave it for later; False if nothing more is to be tried now."""
        match outcome:
            case Conflict():
                return self._bury(name, entry.ident, 0, "its id is stored with different content")
            case Rejected():
                return self._bury(name, entry.ident, 0, "PostgreSQL refuses the record")
            case ParentMissing():
                return self._wait_for_parent(name, entry)
            case NotWritten(fault=Fault.UNKNOWN):
                return self._count_attempt(name, entry)
        return False  # an outage does not count against an entry

    def _wait_for_parent(self, name: str, entry: Entry) -> bool:
        kept = self._attempts(name, [entry])[entry.ident]
        now = self._clock.now().timestamp()
        first = kept.first_orphaned or now
        if now - first >= _PARENT_PATIENCE_SECONDS:
            return self._bury(name, entry.ident, kept.count, "parent event does not exist")
        self._remember(name, entry, _Attempts(kept.count, now + _CLAIM_IDLE_SECONDS, first))
        return True

    def _count_attempt(self, name: str, entry: Entry) -> bool:
        kept = self._attempts(name, [entry])[entry.ident]
        backoff = self._settings.dlq.backoff
        count = kept.count + 1
        if count > len(backoff) - 1:
            return self._bury(name, entry.ident, count, "PostgreSQL gave an unknown error each time")
        due = self._clock.now().timestamp() + backoff[count - 1]
        self._remember(name, entry, _Attempts(count, due, kept.first_orphaned))
        metrics.DLQ_REPLAYED.labels(name, "retry").inc()
        return True

    def _remember(self, name: str, entry: Entry, attempts: _Attempts) -> None:
        self._client.hset(KEYS[name].attempts, cast("str", entry.ident), attempts.encode())

    def _bury(self, name: str, ident: bytes, count: int, reason: str) -> bool:
        """Move the entry to the dead letters; False if they are at their cap."""
        keys = KEYS[name]
        moved = self._client.eval(
            scripts.BURY,
            4,
            keys.stream,
            keys.size,
            keys.attempts,
            keys.dead,
            GROUP,
            str(self._settings.dlq.dead_letter_max),
            ident,
            rfc3339(self._clock.now()),
            str(count),
            reason,
        )
        if int(cast("int", moved)) == -1:
            if self.paused is None:
                log.error(
                    "replay pauses: the dead letters of %s are at their cap of %d",
                    name,
                    self._settings.dlq.dead_letter_max,
                )
            self.paused = "dead_letters_full"
            return False
        self.paused = None
        if int(cast("int", moved)) == 1:
            metrics.DLQ_REPLAYED.labels(name, "dead_lettered").inc()
            log.error("replay: entry %s of %s became a dead letter: %s", ident.decode(), name, reason)
        return True

    # --- consumers ------------------------------------------------------------------------------------------

    def _leave(self, name: str, consumer: str) -> None:
        try:
            self._client.eval(scripts.LEAVE, 1, KEYS[name].stream, GROUP, consumer)
        except ResponseError as e:
            if "NOGROUP" not in str(e) and "no such key" not in str(e):  # a script words it around
                raise

    def _sweep_consumers(self) -> None:
        """Forget consumers of processes that are long gone and left nothing."""
        for name in STREAMS:
            try:
                consumers: Any = self._client.xinfo_consumers(KEYS[name].stream, GROUP)
            except ResponseError:
                continue  # no stream or no group yet
            for consumer in consumers:
                known = consumer["name"].decode() if isinstance(consumer["name"], bytes) else consumer["name"]
                if known != self.consumer and consumer["idle"] > 1000 * _STALE_CONSUMER_SECONDS:
                    self._leave(name, known)


def _flat(batch: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Entries of an answer, whichever of redis-py's shapes it came in."""
    if batch and isinstance(batch[0], list) and batch[0] and isinstance(batch[0][0], list | tuple):
        return [entry for inner in batch for entry in inner]
    return list(batch)


def _entry(ident: bytes, fields: dict[bytes, bytes] | None) -> Entry:
    return Entry(ident, (fields or {}).get(b"message"))
