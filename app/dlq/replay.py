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
from typing import TYPE_CHECKING, Any

import redis
from datastorage_common.times import rfc3339
from redis.exceptions import RedisError, ResponseError

from app.audit.event import Record
from app.audit.outcome import Conflict, NotWritten, ParentMissing, Rejected, Stored, WriteOutcome, WriteRequest
from app.audit.validator import Validator
from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import Settings
from app.dlq import scripts
from app.dlq.codec import decode, origin, span_of
from app.dlq.consumer import PARENT_PATIENCE_SECONDS, Attempts, Consumer, Entry
from app.dlq.endpoint import Endpoint
from app.dlq.keys import GROUP, KEYS, STREAMS
from app.dlq.replay_log import ReplayLog, of_request
from app.dlq.replay_writer import ReplayWriter
from app.dlq.suspects import Suspects
from app.loop import LoopThread
from app.postgres.errors import Fault
from app.telemetry import metrics

if TYPE_CHECKING:
    from app.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

# An idle thread looks so often for new entries.
_POLL_SECONDS = 0.2
# The bytes of the streams are looked at so often.
_RECOUNT_EVERY_SECONDS = 1.0
_LEAVE_EVERY_ROUNDS = 150
_STALE_CONSUMER_SECONDS = 600.0
# An entry that failed alone is tried again after so long.
_ASIDE_SECONDS = 2.0
# Where nothing is written at all, replay tries no more often than this.
_PAUSE_SECONDS = 1.0


class Replayer:
    """Writes waiting entries while PostgreSQL takes writes."""

    def __init__(
        self,
        settings: Settings,
        writer: ReplayWriter,
        validator: Validator,
        breaker: Breaker,
        clock: Clock,
        endpoint: Endpoint | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._settings = settings
        self._tracing = tracing
        self._writer = writer
        self._validator = validator
        self._breaker = breaker
        self._clock = clock
        self._client: redis.Redis = (endpoint or Endpoint(settings.redis)).client(connect_timeout=1.0, timeout=3.0)
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._consumers = {name: Consumer(self._client, name, self.consumer, settings.dlq, clock) for name in STREAMS}
        self._loop = LoopThread("replay", self._step, _POLL_SECONDS, log, end=self._leave_all)
        self._rounds = 0
        self._limits = dict.fromkeys(STREAMS, settings.dlq.replay_batch)
        self._suspects = {name: Suspects() for name in STREAMS}
        self._kept_at_failure = -1
        self._recounted_at = clock.monotonic() - _RECOUNT_EVERY_SECONDS
        self._resume_at = clock.monotonic()
        self.paused: str | None = None
        self._log = ReplayLog(clock)

    def start(self) -> None:
        """Start the thread; Redis and PostgreSQL may both be away."""
        self._loop.start()

    def stop(self, timeout: float) -> bool:
        """End after the current batch; True if it ended within ``timeout`` seconds."""
        return self._loop.stop(timeout)

    def _step(self) -> None:
        """Replay until there is nothing to do for now."""
        try:
            busy = True
            while busy and not self._loop.stopping:
                self._recount()
                busy = self.round()
                self._log.say()
            self._log.say()
        except RedisError as e:
            log.debug("replay: Redis does not answer (%s)", type(e).__name__)
        except Exception:  # nothing was acknowledged; the loop says what it was
            self._writer.drop_session()
            raise

    def _leave_all(self) -> None:
        self._log.say(all_of_it=True)
        self._writer.drop_session()
        try:
            for name in STREAMS:
                self._leave(name, self.consumer)
        except RedisError:
            log.info("replay: the consumer %s stays registered", self.consumer)
        self._client.close()

    def round(self) -> bool:
        """Replay one batch of each stream; True if there was something to do."""
        if self._breaker.state == "open" or self._clock.monotonic() < self._resume_at:
            return False
        self._rounds += 1
        busy = False
        for name in STREAMS:
            entries = self._consumers[name].next(self._limits[name])
            busy = (self._traced(name, entries) if entries else False) or busy
        if self._rounds % _LEAVE_EVERY_ROUNDS == 0:
            self._sweep_consumers()
        return busy

    def _recount(self) -> None:
        """Look at the bytes now and then, also while PostgreSQL is away: that is when a wrong count refuses writes."""
        now = self._clock.monotonic()
        if now - self._recounted_at < _RECOUNT_EVERY_SECONDS:
            return
        self._recounted_at = now
        try:
            for consumer in self._consumers.values():
                consumer.recount()
        except RedisError as e:
            # A Redis without memory takes no new key, but what waits can still be taken out of it.
            log.debug("replay: the bytes of what waits are not added up (%s)", type(e).__name__)

    def _traced(self, name: str, entries: list[Entry]) -> bool:
        """As `_replay`, in a span that is linked to those of the requests, where traces are on."""
        if self._tracing is None:
            return self._replay(name, entries)
        spans = (span_of(entry.message) for entry in entries)
        with self._tracing.work("replay", spans, always=True, stream=name, entries=len(entries)):
            return self._replay(name, entries)

    # --- one batch ------------------------------------------------------------------------------------------

    def _replay(self, name: str, entries: list[Entry]) -> bool:
        """Write the entries and settle each; False if PostgreSQL or the dead letters' cap stopped it."""
        entries = self._without_suspects(name, entries)
        records: list[tuple[Entry, Record]] = []
        for entry in entries:
            record = decode(self._validator, name, entry.message)
            if not isinstance(record, str):
                records.append((entry, record))
            elif not self._bury(name, entry, 0, record):
                self._consumers[name].again(entries[0])
                return False
        return self._write(name, records) if records else True

    def _without_suspects(self, name: str, entries: list[Entry]) -> list[Entry]:
        """The entries up to the first that has failed before, or that one alone: it must take no others with it."""
        cut = next((i for i, entry in enumerate(entries) if entry.ident in self._suspects[name]), len(entries))
        cut = max(1, cut)
        if cut < len(entries):
            self._consumers[name].again(entries[cut])
        return entries[:cut]

    def _write(self, name: str, records: list[tuple[Entry, Record]]) -> bool:
        outcomes = self._writer.to_database([WriteRequest((record,)) for _, record in records])
        settled: list[Entry] = []
        failed: list[Entry] = []
        others: list[tuple[Entry, WriteOutcome]] = []
        for (entry, record), outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, Stored) or (isinstance(outcome, Conflict) and outcome.identical):
                settled.append(entry)
                known = isinstance(outcome, Conflict) or bool(outcome.duplicates)
                self._log.wrote(name, record, known=known)
                metrics.DLQ_REPLAYED.labels(name, "duplicate" if known else "stored").inc()
            elif isinstance(outcome, NotWritten) and outcome.fault is not Fault.UNKNOWN:
                failed.append(entry)
            else:
                others.append((entry, outcome))
        if settled:  # first: what follows may fail, and these are committed
            self._consumers[name].settle(settled)
            for entry in settled:
                self._suspects[name].clear(entry.ident)
        healthy = True
        for entry, outcome in others:
            healthy = self._put_off(name, entry, outcome) and healthy
        if not healthy:
            self._consumers[name].again(records[0][0])
        return self._pace(name, len(records), failed) and healthy

    # --- what fails -----------------------------------------------------------------------------------------

    def _pace(self, name: str, tried: int, failed: list[Entry]) -> bool:
        """Go on with half of what failed, down to one entry, and with more and more after that; False: not at once."""
        limit = self._limits[name]
        if not failed:
            self._limits[name] = min(self._settings.dlq.replay_batch, limit + max(1, limit // 2))
            return True
        kept, before = self._breaker.kept, self._kept_at_failure
        self._kept_at_failure = kept
        if len(failed) > 1:
            self._limits[name] = max(1, tried // 2)
            self._consumers[name].again(failed[0])
            return not self._writer.lost
        moves = self._failed_alone(name, failed[0])
        if kept == before:
            # No other write was kept either: perhaps none can be.
            self._resume_at = self._clock.monotonic() + _PAUSE_SECONDS
        return moves and kept != before

    def _failed_alone(self, name: str, entry: Entry) -> bool:
        """Put an entry aside that failed by itself, and count that against it if others were written all along."""
        consumer = self._consumers[name]
        consumer.beyond(entry)
        if self._writer.lost:
            return True
        if self._suspects[name].failed(entry.ident, self._breaker.kept):
            return self._count_attempt(name, entry, "PostgreSQL takes other records, but failed at this one each time")
        attempts = consumer.attempts(entry)
        consumer.remember(entry, Attempts(attempts.count, consumer.now() + _ASIDE_SECONDS))
        return True

    def _put_off(self, name: str, entry: Entry, outcome: WriteOutcome) -> bool:
        """Bury the entry or leave it for later; False if nothing more is to be tried now."""
        match outcome:
            case Conflict():
                return self._bury(name, entry, 0, "its id is stored with different content")
            case Rejected():
                return self._bury(name, entry, 0, "PostgreSQL refuses the record")
            case ParentMissing():
                return self._wait_for_parent(name, entry)
        return self._count_attempt(name, entry, "PostgreSQL gave an unknown error each time")

    def _wait_for_parent(self, name: str, entry: Entry) -> bool:
        consumer = self._consumers[name]
        kept, now = consumer.attempts(entry), consumer.now()
        if kept.patience(now) >= PARENT_PATIENCE_SECONDS:
            return self._bury(name, entry, kept.count, "parent event does not exist")
        consumer.remember(entry, kept.orphaned_again(now))
        return True

    def _count_attempt(self, name: str, entry: Entry, reason: str) -> bool:
        consumer = self._consumers[name]
        backoff = self._settings.dlq.backoff
        count = consumer.attempts(entry).count + 1
        if count > len(backoff) - 1:
            return self._bury(name, entry, count, reason)
        consumer.remember(entry, Attempts(count, consumer.now() + backoff[count - 1]))
        metrics.DLQ_REPLAYED.labels(name, "retry").inc()
        return True

    def _bury(self, name: str, entry: Entry, count: int, reason: str) -> bool:
        """Move the entry to the dead letters; False if they are at their cap."""
        moved = self._consumers[name].bury(entry, count, reason, rfc3339(self._clock.now()))
        if moved is False:
            if self.paused is None:
                log.error(
                    "replay pauses: the dead letters of %s are at their cap of %d",
                    name,
                    self._settings.dlq.dead_letter_max,
                )
            self.paused = "dead_letters_full"
            return False
        self.paused = None
        self._suspects[name].clear(entry.ident)
        if moved:
            metrics.DLQ_REPLAYED.labels(name, "dead_lettered").inc()
            ident, request = origin(entry.message)
            with of_request(request):
                text = "replay: entry %s of %s became a dead letter: %s (its id: %s)"
                log.error(text, entry.ident.decode(), name, reason, ident)
        return True

    # --- consumers ------------------------------------------------------------------------------------------

    def _leave(self, name: str, consumer: str) -> None:
        try:
            scripts.LEAVE.run(self._client, 1, KEYS[name].stream, GROUP, consumer)
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
