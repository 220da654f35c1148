"""What a worker process runs: made once, started after the fork, stopped in order, each step with its budget."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from app.audit.buffer import Buffer
from app.audit.flusher import Flusher
from app.audit.ingest import Ingest
from app.audit.outcome import Sink, UnavailableSink
from app.audit.schemas import Validator
from app.audit.store import write
from app.audit.writer import WriteFunction
from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import Settings
from app.dlq.admin import Admin
from app.dlq.endpoint import Endpoint
from app.dlq.queue import DeadLetterQueue
from app.dlq.replay import Replayer
from app.dlq.replay_writer import ReplayWriter
from app.dlq.watch import QueueWatch
from app.http.flask_app import Bodies
from app.postgres.database import Database
from app.postgres.monitor import Monitor
from app.postgres.reader import Reader
from app.postgres.replica import Replica
from app.telemetry import metrics
from app.telemetry.logs import RequestLog

log = logging.getLogger(__name__)

_SAMPLE_SECONDS = 0.2
# A flusher that has not shown itself for so long is stuck for good.
_HEARTBEAT_LIMIT_SECONDS = 30.0


@dataclass(frozen=True)
class RedisState:
    """What is known of the Redis behind the dead letter queue."""

    status: str  # connected, unreachable, or not_configured
    can_spill: bool
    durability: str | None = None
    faults: tuple[str, ...] = ()  # why the service is degraded
    obstacle: str | None = None  # why it cannot spill although Redis answers: queue_full or queue_refuses_writes


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
    ) -> None:
        self.settings = settings
        self.clock = clock or Clock()
        self.validator = Validator(settings.audit, self.clock.now)
        self.bodies = Bodies(settings.server.max_body_size, settings.server.max_body_bytes_in_flight)
        # pool_size is an instance's; its workers share it out, and each has at least one.
        pool_size = max(1, settings.database.pool_size // max(1, instance_workers))
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
        if settings.redis.configured:
            endpoint = Endpoint(settings.redis, sentinel_timeout=settings.health.probe_timeout)
            self.queue = DeadLetterQueue(settings, self.clock, endpoint)
            self.admin = Admin(settings, endpoint)
            looking = Admin(settings, endpoint, timeout=settings.health.probe_timeout)
            self.queue_watch = QueueWatch(looking, self.queue, endpoint, self.clock)
            writer = ReplayWriter(settings, self.breaker, self.database.watchdog, self.clock, write_function, "replay")
            self.replayer = Replayer(settings, writer, self.validator, self.breaker, self.clock, endpoint)
        self.sink: Sink = sink or self.queue or UnavailableSink()
        self.buffer = Buffer(settings.buffer.size, settings.buffer.max_bytes)
        self.flusher = Flusher(
            settings, self.buffer, self.sink, self.breaker, self.database.watchdog, self.clock, write_function
        )
        self.ingest = Ingest(settings.buffer, self.buffer, self.clock)
        self.monitor = Monitor(
            settings, self.breaker, self.database.watchdog, self.clock, found_again=self.reader.renew
        )
        self.request_log = RequestLog(settings.logging)
        self.draining = False
        self._busy = 0
        self._busy_lock = threading.Lock()
        self._stop = threading.Event()
        self._sampler: threading.Thread | None = None

    def start(self) -> None:
        """Start the threads. Called in the worker process, after the fork; PostgreSQL may be away."""
        metrics.announce_build()
        metrics.announce_services([*self.settings.audit.event_categories, "notification"])
        self.database.start()
        if self.replica is not None:
            self.replica.database.start()
        self.flusher.start()
        self.monitor.start()
        if self.queue_watch is not None:
            self.queue_watch.start()
        else:
            metrics.no_redis()
        if self.replayer is not None:
            self.replayer.start()
        self._sampler = threading.Thread(target=self._sample_forever, name="sampler", daemon=True)
        self._sampler.start()

    def drain(self) -> None:
        """Turn readiness off; requests are still served."""
        self.draining = True

    def stop(self) -> bool:
        """Flush what is queued, then end every part; True if nothing was left behind. May be called twice."""
        self.draining = True
        clean = True
        b = self.settings.buffer
        if not self.flusher.stop(timeout=b.commit_timeout):
            clean = False
            log.error("shutdown: %d records were still queued", self.buffer.depth)
        if self.replayer is not None and not self.replayer.stop(timeout=b.flush_timeout + 1):
            # What it had read was not acknowledged: another instance replays it.
            log.warning("shutdown: replay was still busy; its entries stay in the queue")
        for name, step in (
            ("monitor", self.monitor.stop),
            ("database", self.database.stop),
            ("replica", self.replica.database.stop if self.replica else None),
            ("dlq-watch", self.queue_watch.stop if self.queue_watch else None),
            ("dlq-admin", self.admin.close if self.admin else None),
            ("dlq", self.queue.close if self.queue else None),
            ("sampler", self._stop.set),
        ):
            if step is None:
                continue
            try:
                step()
            except Exception:  # one part's trouble must not keep the others from ending
                clean = False
                log.exception("shutdown: %s did not stop", name)
        return clean

    def redis_state(self) -> RedisState:
        """What is known of Redis; never waits."""
        if self.queue is None or self.queue_watch is None:
            return RedisState("not_configured", can_spill=False)
        state = self.queue_watch.state
        if not state.connected:
            return RedisState("unreachable", can_spill=False, faults=state.faults)
        obstacle = None
        if state.refuses is not None or self.queue.breaker.state == "open":
            obstacle = "queue_refuses_writes"
        elif any(s.full for s in state.streams.values()):
            obstacle = "queue_full"
        return RedisState("connected", obstacle is None, state.durability, state.faults, obstacle)

    def replay_paused(self) -> str | None:
        """Why this worker does not replay, or None."""
        if self.replayer is None:
            return "not_configured"
        if self.breaker.troubled:
            return "database_unavailable"
        return self.replayer.paused

    def request_began(self) -> None:
        """Count a request thread as busy."""
        with self._busy_lock:
            self._busy += 1

    def request_ended(self) -> None:
        """Count a request thread as free again."""
        with self._busy_lock:
            self._busy -= 1

    def flusher_alive(self) -> bool:
        """Whether the flusher has shown itself lately."""
        return self.clock.monotonic() - self.flusher.heartbeat < _HEARTBEAT_LIMIT_SECONDS

    def sample(self) -> None:
        """Set the gauges from what is; called all the time, so that they fall as well as rise."""
        metrics.BUFFER_DEPTH.set(self.buffer.depth)
        metrics.BUFFER_CAPACITY.set(self.buffer.size)
        metrics.BUFFER_RATIO.set(self.buffer.depth / self.buffer.size)
        metrics.BREAKER_OPEN.set(1 if self.breaker.troubled else 0)
        metrics.DB_UP.set(1 if self.monitor.state.connected else 0)
        in_flight, threads = self._busy, self.settings.server.threads
        metrics.IN_FLIGHT.set(in_flight)
        metrics.REQUEST_THREADS.set(threads)
        metrics.BUSY_THREADS.set(min(in_flight, threads))
        metrics.FLUSHER_AGE.set(self.clock.monotonic() - self.flusher.heartbeat)
        metrics.DB_DURABLE.set(1 if self.monitor.state.durable else 0)
        metrics.LOG_DROPPED.inc(self.request_log.writer.take_dropped())
        stats = self.database.pool_stats()
        metrics.POOL_SIZE.set(stats.get("pool_size", 0))
        metrics.POOL_AVAILABLE.set(stats.get("pool_available", 0))
        metrics.POOL_WAITING.set(stats.get("requests_waiting", 0))
        waited = stats.get("requests_wait_ms", 0) / 1000
        metrics.POOL_WAIT_SECONDS.inc(max(0.0, waited - self._waited))
        self._waited = max(self._waited, waited)

    _waited = 0.0

    def _sample_forever(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            self.sample()
