"""Everything of a store that belongs to one process: buffer, threads, spool, numbers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datastorage_common.counts import counted

from datastorage_client.buffered.counters import Counters, Stats
from datastorage_client.buffered.event import Item
from datastorage_client.buffered.memory import MemoryBuffer
from datastorage_client.buffered.metrics import MetricsHook
from datastorage_client.buffered.policies import Block, Policy, Spool
from datastorage_client.buffered.sender import Sender, SendOptions, Transport
from datastorage_client.buffered.spooler import SpooledSource, Spooler
from datastorage_client.buffered.workers import Worker
from datastorage_client.problems import DataStorageError, ExpiredError, ProblemError

log = logging.getLogger(__name__)

OnRefused = Callable[[dict[str, Any], DataStorageError], None]
_JOIN_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a store was made with."""

    transport: Transport
    max_events: int
    max_bytes: int
    max_event_bytes: int
    on_full: Policy
    on_refused: OnRefused | None
    metrics: MetricsHook
    send: SendOptions


class Pipeline:
    """Takes events from `put` to the service. The threads start with it, and the last to end lets go of the spool.

    ``ended`` is called then, in that thread.
    """

    def __init__(self, options: Options, ended: Callable[[Pipeline], None]) -> None:
        self._options = options
        self._ended = ended
        policy = options.on_full
        self.buffer = MemoryBuffer(options.max_events, options.max_bytes, options.send.batch_size)
        self.counters = Counters(options.metrics, lambda: self.buffer.accepted)
        self._wait_s = policy.timeout if isinstance(policy, Block | Spool) else 0.0
        self._moved = threading.Condition()
        self._target = 0  # a caller of flush waits for everything up to this number
        self.spooled = SpooledSource(self.buffer, policy, self._damaged) if isinstance(policy, Spool) else None
        self._sender = Sender(
            options.transport,
            self.buffer if self.spooled is None else self.spooled,
            options.send,
            self.counters,
            refuse=self._refuse,
            hurried=lambda: self._resolved() < self._target,
            progress=self._progress,
        )
        self._wake_sender = self.buffer.wake if self.spooled is None else threading.Event()
        self._workers = [Worker("audit-sender", lambda: self._sender.run(self._wait), self._sender_ended)]
        self._spooler: Spooler | None = None
        if self.spooled is not None and isinstance(policy, Spool):
            self._spooler = Spooler(self.spooled, self.buffer, policy.sync_interval, self._synced)
            self._workers.append(Worker("audit-spooler", self._spooler.run, self._worker_ended))
        self._running = len(self._workers)
        self._books = threading.Lock()
        self._lost = 0  # counted as dropped because they are in memory only
        self._started = False
        self._start()

    def _start(self) -> None:
        self._started = all(worker.start() for worker in self._workers)

    def put(self, item: Item) -> bool:
        """Take an event; False, and counted, if there is no room."""
        if not self._started:
            self._start()
        if len(item.raw) > self._options.max_event_bytes:
            self.counters.drop("too_large")
        elif self.buffer.put(item, 0.0 if self._wait_s and self._in_own_thread() else self._wait_s):
            return True
        else:
            self.counters.drop("full")
        return False

    def flush(self, timeout: float) -> bool:
        """Wait until everything that is there is written or refused, what earlier processes left included."""
        target = self.buffer.accepted
        self._target = max(self._target, target)
        self._wake()
        return self._wait_until(
            lambda: self._resolved() >= target and not self._orphans(), 0 if self._in_own_thread() else timeout
        )

    def sync(self, timeout: float) -> bool:
        """Wait until everything that is there is on disk, or with the service already."""
        target = self.buffer.accepted
        self._wake()
        return self._wait_until(lambda: self.buffer.taken >= target, timeout)

    def close(self, timeout: float) -> bool:
        """Send what can be sent in that time, write the rest to the spool if there is one, end the threads.

        A callback that closes its own store cannot wait for itself: the threads send what is there, then end.
        """
        deadline = time.monotonic() + timeout
        self.buffer.close()
        self._sender.closing.set()
        flushed = self.flush(timeout)
        if self._in_own_thread():
            return flushed
        self._sender.abandoned.set()
        if self._spooler is not None:
            self._spooler.stopped.set()
        self._wake()
        for worker in self._workers:
            worker.join(max(_JOIN_S, deadline - time.monotonic()))
        self._count_lost()
        return flushed

    @property
    def abandoned(self) -> bool:
        """Whether `close` was here, and a thread may be in its last attempt."""
        return self._sender.abandoned.is_set()

    def retire(self) -> None:
        """Send what is there, then end: the store is gone. Takes no lock, since it is called by garbage collection."""
        self._sender.retired = True

    def _in_own_thread(self) -> bool:
        return any(worker.is_current for worker in self._workers)

    def _sender_ended(self) -> None:
        if self._spooler is not None:
            self._spooler.stopped.set()
            self._wake()
        self._worker_ended()

    def _worker_ended(self) -> None:
        with self._books:
            self._running -= 1
            if self._running:
                return
        self._count_lost()
        if self.spooled is not None and self.spooled.disk is not None:
            if waiting := len(self.spooled.disk):
                log.warning("left in the spool for the next start: %s", counted(waiting, "audit event"))
            self.spooled.disk.close()
        self.counters.tell(len(self.buffer))
        self._ended(self)

    def _count_lost(self) -> None:
        """Only what is in memory goes with the process; less of it once an attempt that hung has come to its end."""
        with self._books:
            left = len(self.buffer)
            more, self._lost = left - self._lost, left
        self.counters.drop("closed", more)
        if more > 0:
            log.error("not written in time, and lost with the process: %s", counted(left, "audit event"))

    def forsake(self) -> None:
        """In a forked child: let go of what is the parent's."""
        if self.spooled is not None and self.spooled.disk is not None:
            self.spooled.disk.forsake()

    def stats(self) -> Stats:
        """The numbers as they are now."""
        resolved = self._resolved()
        return Stats(
            buffered=self.buffer.accepted,
            written=self.counters.written,
            dropped=self.counters.dropped(),
            waiting=max(0, self.buffer.accepted - resolved),
            synced=self.buffer.taken if self.spooled is not None else resolved,
            restarts=sum(worker.restarts for worker in self._workers),
        )

    def _refuse(self, item: Item, problem: DataStorageError) -> None:
        self.counters.drop("expired" if isinstance(problem, ExpiredError) else "refused")
        event = item.event()
        log.warning("audit event %s was refused: %s", event.get("event_id"), problem)
        if self.spooled is not None and self.spooled.disk is not None:
            why = problem.members if isinstance(problem, ProblemError) else {"title": "Expired", "detail": str(problem)}
            try:
                self.spooled.disk.reject(item, why)
            except OSError as e:
                log.error("the rejects file cannot be written (%s); the event refused was: %s", e, item.raw.decode())
        if self._options.on_refused is not None:
            try:
                self._options.on_refused(event, problem)
            except BaseException:  # sys.exit() in there would let the event be refused again and again
                log.exception("on_refused failed for audit event %s", event.get("event_id"))

    def _damaged(self, count: int) -> None:
        self.counters.drop("damaged", count)

    def _resolved(self) -> int:
        return self.buffer.taken if self.spooled is None else self.spooled.resolved

    def _orphans(self) -> bool:
        return self.spooled is not None and self.spooled.orphans

    def _progress(self) -> None:
        with self._moved:
            self._moved.notify_all()

    def _synced(self) -> None:
        self._progress()
        waiting = len(self.spooled) if self.spooled is not None else 0
        if waiting >= self._options.send.batch_size or self._resolved() < self._target or self._orphans():
            self._wake_sender.set()

    def _wait(self, seconds: float) -> None:
        self._wake_sender.wait(seconds)
        self._wake_sender.clear()

    def _wake(self) -> None:
        self.buffer.wake.set()
        self._wake_sender.set()

    def _wait_until(self, true: Callable[[], bool], timeout: float) -> bool:
        with self._moved:
            return self._moved.wait_for(true, timeout)
