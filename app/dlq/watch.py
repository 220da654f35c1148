"""Watching the dead letter queue: one thread a worker that knows how Redis is and how full the streams are.

Gauges and alarms are set from here, so that they fall when a stream empties, not only rise when it fills.
"""

from __future__ import annotations

import logging
import threading

from redis.exceptions import RedisError

from app import metrics
from app.dlq.operate import Operator, QueueState, StreamState
from app.dlq.stream import DeadLetterQueue

log = logging.getLogger(__name__)

ROUND_SECONDS = 1.0


class QueueWatch:
    """Looks at Redis once a second; `state` is the last known."""

    def __init__(self, operator: Operator, queue: DeadLetterQueue) -> None:
        self._operator = operator
        self._queue = queue
        self._breaker = queue.breaker
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._looked = False
        self.state = QueueState()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="dlq-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; waits no longer than one look takes."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=3)
        self._operator.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:  # the next round looks again; a watch that died would freeze the alarms
                log.exception("dlq watch failed unexpectedly")
            self._stop.wait(ROUND_SECONDS)

    def look(self) -> QueueState:
        """One round; the new state."""
        try:
            state = self._operator.look()
        except (RedisError, OSError) as e:
            if self.state.connected or not self._looked:
                log.warning("Redis does not answer (%s)", type(e).__name__)
            # The breaker hears of it too, so that a spill does not have to find out by waiting.
            self._breaker.failed(unreachable=True)
            state = QueueState()
        else:
            self._breaker.recovered()
            if state.fault is not None and state.fault != self.state.fault:
                log.error("Redis is not set up to keep what it is given: %s (%s)", state.fault, state.durability)
        self._looked = True
        self.state = state
        metrics.REDIS_UP.set(1 if state.connected else 0)
        if state.connected:  # else the last known stays: a Redis that is away did not become less durable
            metrics.REDIS_DURABLE.set(0 if state.fault is not None else 1)
        for name, stream in state.streams.items():
            self._measure(name, stream)
        return state

    def _measure(self, name: str, stream: StreamState) -> None:
        self._queue.measured(name, stream.depth)
        metrics.DLQ_OLDEST.labels(name).set(stream.oldest_age_seconds)
        metrics.DLQ_DEAD.labels(name).set(stream.dead_letters)
