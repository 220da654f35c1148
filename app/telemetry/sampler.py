"""The sampler: one thread a worker that sets the gauges from what is, so that they fall as well as rise."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

from app.breaker import Breaker
from app.clock import Clock
from app.loop import LoopThread
from app.telemetry import metrics
from app.telemetry.log_writer import LineWriter

log = logging.getLogger(__name__)

_SAMPLE_SECONDS = 0.2


class Queue(Protocol):
    """The in-memory queue, as the sampler sees it."""

    size: int

    @property
    def depth(self) -> int: ...


class Flusher(Protocol):
    """The flusher, as the sampler sees it."""

    heartbeat: float


class State(Protocol):
    """What is known of PostgreSQL, as the sampler sees it."""

    @property
    def connected(self) -> bool: ...

    @property
    def durable(self) -> bool: ...


class Monitor(Protocol):
    """The monitor, as the sampler sees it."""

    @property
    def state(self) -> State: ...


class Pool(Protocol):
    """The pool for queries, as the sampler sees it."""

    def pool_stats(self) -> dict[str, int]: ...


class Files(Protocol):
    """Files that are read again when they change, as the sampler sees them."""

    def look(self) -> Mapping[str, bool]: ...


class Log(Protocol):
    """The log of all records, as the sampler sees it."""

    def lag(self) -> float: ...

    def unsigned_for(self) -> float: ...


class InFlight:
    """How many requests are served now. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def began(self) -> None:
        """Count a request thread as busy."""
        with self._lock:
            self.count += 1

    def ended(self) -> None:
        """Count a request thread as free again."""
        with self._lock:
            self.count -= 1


class Sampler:
    """Sets the gauges of one worker; `sample` is one round."""

    def __init__(
        self,
        clock: Clock,
        *,
        queue: Queue,
        flusher: Flusher,
        breaker: Breaker,
        monitor: Monitor,
        pool: Pool,
        in_flight: InFlight,
        request_threads: int,
        lines: LineWriter,
        files: Sequence[Files],
        record_log: Log,
    ) -> None:
        self._clock = clock
        self._queue = queue
        self._flusher = flusher
        self._breaker = breaker
        self._monitor = monitor
        self._pool = pool
        self._in_flight = in_flight
        self._request_threads = request_threads
        self._lines = lines
        self._files = files
        self._record_log = record_log
        self._waited = 0.0  # seconds spent waiting for a connection, as counted so far
        self._loop = LoopThread("sampler", self.sample, _SAMPLE_SECONDS, log)

    def start(self) -> None:
        """Start the thread."""
        self._loop.start()

    def stop(self) -> None:
        """End the thread; waits no longer than one round takes."""
        self._loop.stop(timeout=1)

    def sample(self) -> None:
        """Set the gauges from what is."""
        metrics.BUFFER_DEPTH.set(self._queue.depth)
        metrics.BUFFER_CAPACITY.set(self._queue.size)
        metrics.BUFFER_RATIO.set(self._queue.depth / self._queue.size)
        metrics.BREAKER_OPEN.set(1 if self._breaker.troubled else 0)
        metrics.DB_UP.set(1 if self._monitor.state.connected else 0)
        metrics.DB_DURABLE.set(1 if self._monitor.state.durable else 0)
        in_flight = self._in_flight.count
        metrics.IN_FLIGHT.set(in_flight)
        metrics.REQUEST_THREADS.set(self._request_threads)
        metrics.BUSY_THREADS.set(min(in_flight, self._request_threads))
        metrics.FLUSHER_AGE.set(self._clock.monotonic() - self._flusher.heartbeat)
        # Here, not where it is looked at: while nobody can look, it has to grow.
        metrics.LOG_LAG.set(self._record_log.lag())
        metrics.LOG_UNSIGNED.set(self._record_log.unsigned_for())
        metrics.LOG_DROPPED.inc(self._lines.take_dropped())
        for files in self._files:
            # Here too, not only where they are used: a change is then seen, and recorded, by a worker without requests.
            for kind, stale in files.look().items():
                metrics.AUTH_FILES_STALE.labels(kind).set(1 if stale else 0)
        stats = self._pool.pool_stats()
        metrics.POOL_SIZE.set(stats.get("pool_size", 0))
        metrics.POOL_AVAILABLE.set(stats.get("pool_available", 0))
        metrics.POOL_WAITING.set(stats.get("requests_waiting", 0))
        waited = stats.get("requests_wait_ms", 0) / 1000
        metrics.POOL_WAIT_SECONDS.inc(max(0.0, waited - self._waited))
        self._waited = max(self._waited, waited)
