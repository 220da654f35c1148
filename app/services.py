"""What a worker process runs: made once, started after the fork, stopped in order, each step with its budget."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from datastorage_common.counts import counted
from datastorage_common.witness_policy import Policy

from app.audit.accesses import AccessRecorder
from app.audit.buffer import Buffer
from app.audit.flusher import Flusher
from app.audit.ingest import Ingest
from app.audit.outcome import Sink, UnavailableSink
from app.audit.own_events import OwnEvents
from app.audit.recorder import Recorder
from app.audit.service_events import ServiceEvents
from app.audit.store import write
from app.audit.validator import Validator
from app.audit.writer import WriteFunction, Writer
from app.auth.principal import Verifier
from app.auth.verifiers import make_verifier
from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import LimitsSettings, Settings
from app.dlq.admin import Admin
from app.dlq.endpoint import Endpoint
from app.dlq.queue import DeadLetterQueue
from app.dlq.replay import Replayer
from app.dlq.replay_writer import ReplayWriter
from app.dlq.state import NOT_CONFIGURED, QueueState
from app.dlq.watch import QueueWatch
from app.holds.watch import HoldWatch
from app.http.bodies import Bodies
from app.instance import Run
from app.postgres.database import Database
from app.postgres.monitor import Monitor
from app.postgres.reader import Reader
from app.postgres.replica import Replica
from app.postgres.sessions import Connection
from app.telemetry import metrics
from app.telemetry.request_log import RequestLog
from app.telemetry.sampler import InFlight, Sampler
from app.transparency.feed_waiters import FeedWaiters
from app.transparency.log_files import LogFiles, read_log_files
from app.transparency.memories import make_memories
from app.transparency.sequencer import Sequencer
from app.transparency.signer import Signer
from app.transparency.watch import LogWatch

if TYPE_CHECKING:
    from app.quotas.requests import Quotas
    from app.telemetry.tracing import Tracing
    from app.transparency.witnesses import Witnesses

log = logging.getLogger(__name__)

# A flusher that has not shown itself for so long is stuck for good.
_HEARTBEAT_LIMIT_SECONDS = 30.0


class Services:
    """Every long-lived part of one app. Making it starts nothing and connects to nothing."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        sink: Sink | None = None,
        write_function: WriteFunction = write,
        instance_workers: int = 1,
        verifier: Verifier | None = None,
        log_files: LogFiles | None = None,
    ) -> None:
        """``verifier``, ``log_files``: what the settings ask for, where the files have been read already."""
        self.settings = settings
        self.clock = clock or Clock()
        self.verifier = verifier or make_verifier(settings.auth, self.clock)
        self.validator = Validator(settings.audit, self.clock.now)
        self.bodies = Bodies(settings.server.max_body_size, settings.server.max_body_bytes_in_flight)
        # pool_size is an instance's; its workers share it out, and each has at least one.
        pool_size = max(1, settings.database.pool_size // max(1, instance_workers))
        self.tracing: Tracing | None = None
        if settings.tracing.endpoint is not None:
            # Imported here: it pulls in OpenTelemetry, which is not there unless it was asked for.
            from app.telemetry.tracing import Tracing

            self.tracing = Tracing(settings.tracing)
        self.breaker = Breaker()
        self.database = Database(
            settings.database, pool_size=pool_size, clock=self.clock, is_away=lambda: self.breaker.unreachable
        )
        self.replica: Replica | None = None
        if settings.database.read_url is not None:
            self.replica = Replica(settings.database, pool_size=pool_size, clock=self.clock)
        self.reader = Reader(self.database, self.replica)
        self.queue: DeadLetterQueue | None = None
        self.admin: Admin | None = None
        self.queue_watch: QueueWatch | None = None
        self.replayer: Replayer | None = None
        endpoint: Endpoint | None = None
        if settings.redis.configured:
            endpoint = Endpoint(settings.redis, sentinel_timeout=settings.health.probe_timeout)
            self._make_queue(settings, write_function, endpoint)
        self.quotas: Quotas | None = None
        if settings.limits != LimitsSettings():
            from app.quotas.requests import Quotas  # brings the library, which most do without

            self.quotas = Quotas(settings.limits, self.clock, endpoint, workers=instance_workers)
        self.admit_events: Callable[[int], None] | None = self.quotas.admit_events if self.quotas else None
        self.sink: Sink = sink or self.queue or UnavailableSink()
        self.buffer = Buffer(settings.buffer.size, settings.buffer.max_bytes)
        flush_writer = Writer(settings, self.breaker, self.database.watchdog, self.clock, write_function)
        self.flusher = Flusher(settings.buffer, self.buffer, flush_writer, self.sink, self.clock, self.tracing)
        self.ingest = Ingest(settings.buffer, self.buffer, self.clock)
        own = OwnEvents(self.clock.now)
        self.recorder: Recorder | None = None
        if settings.audit.record_service:
            self.recorder = Recorder(settings, self.ingest, ServiceEvents(own), self.clock)
            if self.quotas is not None:
                self.quotas.on_refusal = self.recorder.refused
            if self.verifier is not None:
                self.verifier.watch(self.recorder.credentials_changed)
        self.run: Run | None = None  # what this process is a worker of
        self.accesses = AccessRecorder(self.ingest, own) if settings.audit.record_access else None
        self.log_files = log_files or read_log_files(settings.log)
        self.log_keys = self.log_files.keys
        self.memories = make_memories(settings.log, endpoint, settings.redis.min_replicas)
        signer = Signer(self.log_keys, self.memories, settings.log.origin)
        self.sequencer = Sequencer(settings, self.database.watchdog, self.clock, signer)
        self.witness_policy: Callable[[], Policy] | None = None
        self.witnesses: Witnesses | None = None
        if self.log_files.policy is not None:
            from app.transparency.witnesses import Witnesses  # brings what speaks HTTP, which most do without

            self.witness_policy = self.log_files.policy.current
            self.witnesses = Witnesses(
                settings,
                self.database.watchdog,
                self.clock,
                policy=self.witness_policy,
                keys=self.log_keys,
                leading=lambda: self.sequencer.leading,
            )
        self.feed_waiters = FeedWaiters(settings.server.threads // 4, self.clock, metrics.FEED_WAITING.set)
        self.log_watch = LogWatch(
            self.clock,
            stalled=self.sequencer.wanted,
            can_sign=signer.can_sign,
            grown=self.feed_waiters.note_growth,
            keys=[key.verifier for key in self.log_keys],
        )
        self.hold_watch = HoldWatch(self.clock)
        self.monitor = Monitor(
            settings,
            self.breaker,
            self.database.watchdog,
            self.clock,
            found_again=self.reader.renew,
            also=self._look_also,
        )
        self.request_log = RequestLog(settings.logging)
        self.draining = False
        self.in_flight = InFlight()
        self.sampler = Sampler(
            self.clock,
            queue=self.buffer,
            flusher=self.flusher,
            breaker=self.breaker,
            monitor=self.monitor,
            pool=self.database,
            in_flight=self.in_flight,
            request_threads=settings.server.threads,
            lines=self.request_log.writer,
            files=[self.log_files] if self.verifier is None else [self.verifier, self.log_files],
            record_log=self.log_watch,
        )

    def _make_queue(self, settings: Settings, write_function: WriteFunction, endpoint: Endpoint) -> None:
        """The dead letter queue and all that belongs to it."""
        self.queue = DeadLetterQueue(settings, self.clock, endpoint)
        self.admin = Admin(settings, endpoint)
        looking = Admin(settings, endpoint, timeout=settings.health.probe_timeout)
        self.queue_watch = QueueWatch(looking, self.queue, endpoint, self.clock)
        writer = ReplayWriter(settings, self.breaker, self.database.watchdog, self.clock, write_function, "replay")
        self.replayer = Replayer(settings, writer, self.validator, self.breaker, self.clock, endpoint, self.tracing)

    def _look_also(self, conn: Connection) -> None:
        """What the monitor looks at beside the server itself. Raises psycopg.Error."""
        self.log_watch.look(conn)
        self.hold_watch.look(conn)

    def start(self) -> None:
        """Start the threads. Called in the worker process, after the fork; PostgreSQL may be away."""
        self.log_files.say_what_is_wrong()
        metrics.announce_build()
        metrics.announce_services(self.settings.audit.named_categories)
        if self.tracing is not None:
            self.tracing.start()
        self.database.start()
        if self.replica is not None:
            self.replica.database.start()
        self.flusher.start()
        self.sequencer.start()
        if self.witnesses is not None:
            self.witnesses.start()
        self.monitor.start()
        if self.queue_watch is not None:
            self.queue_watch.start()
        else:
            metrics.no_redis()
        if self.replayer is not None:
            self.replayer.start()
        if self.recorder is not None:
            self.recorder.start(self.run)
        # What this worker has inherited may be older than the files, or they broken: that is said from the beginning.
        self.log_files.look()
        if self.verifier is not None:
            self.verifier.look()
        self.sampler.start()
        # Last: it waits for the first keys, a little while.
        if self.verifier is not None:
            self.verifier.start(metrics.keys_age)

    def drain(self) -> None:
        """Turn readiness off; requests are still served, and none waits any more for the log to grow."""
        self.draining = True
        self.feed_waiters.end()

    def stop(self) -> bool:
        """Flush what is queued, then end every part; True if nothing was left behind. May be called twice."""
        self.drain()
        clean = True
        b = self.settings.buffer
        if self.recorder is not None and not self.recorder.stop():
            log.warning("shutdown: what was to be recorded of the service itself was not queued in time")
        if not self.flusher.stop(timeout=b.commit_timeout):
            clean = False
            log.error("shutdown: still queued: %s", counted(self.buffer.depth, "record"))
        if self.replayer is not None and not self.replayer.stop(timeout=b.flush_timeout + 1):
            # What it had read was not acknowledged: another instance replays it.
            log.warning("shutdown: replay was still busy; its entries stay in the queue")
        for name, step in (
            ("sequencer", self.sequencer.stop),
            ("witnesses", self.witnesses.stop if self.witnesses else None),
            ("monitor", self.monitor.stop),
            ("database", self.database.stop),
            ("replica", self.replica.database.stop if self.replica else None),
            ("dlq-watch", self.queue_watch.stop if self.queue_watch else None),
            ("dlq-admin", self.admin.close if self.admin else None),
            ("dlq", self.queue.close if self.queue else None),
            *((f"memory in {memory.name}", memory.close) for memory in self.memories),
            ("quotas", self.quotas.close if self.quotas else None),
            ("sampler", self.sampler.stop),
            ("verifier", self.verifier.stop if self.verifier else None),
            ("tracing", self.tracing.stop if self.tracing else None),
        ):
            if step is None:
                continue
            try:
                step()
            except Exception:  # one part's trouble must not keep the others from ending
                clean = False
                log.exception("shutdown: %s did not stop", name)
        return clean

    def queue_state(self) -> QueueState:
        """What is known of the dead letter queue; never waits."""
        return NOT_CONFIGURED if self.queue_watch is None else self.queue_watch.known()

    def replay_paused(self) -> str | None:
        """Why this worker does not replay, or None."""
        if self.replayer is None:
            return "not_configured"
        if self.breaker.troubled:
            return "database_unavailable"
        return self.replayer.paused

    def stale_files(self) -> dict[str, bool]:
        """For each kind of file that is watched: whether it can't be read any more. What was read stays in force."""
        return {**(self.verifier.stale if self.verifier is not None else {}), **self.log_files.stale}

    def flusher_alive(self) -> bool:
        """Whether the flusher has shown itself lately."""
        return self.clock.monotonic() - self.flusher.heartbeat < _HEARTBEAT_LIMIT_SECONDS
