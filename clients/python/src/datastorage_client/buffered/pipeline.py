"""Everything of a store that belongs to one process: buffer, threads, spool, numbers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datastorage_client.buffered.event import Item
from datastorage_client.buffered.memory import MemoryBuffer
from datastorage_client.buffered.metrics import MetricsHook
from datastorage_client.buffered.policies import Block, Policy, Spool
from datastorage_client.buffered.sender import Sender, SendOptions, Transport
from datastorage_client.buffered.spooler import SpooledSource, Spooler
from datastorage_client.buffered.tally import Stats, Tally
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
    """Takes events from `put` to the service. The threads start with it."""

    def __init__(self, options: Options) -> None:
        self._options = options
        policy = options.on_full
        self.buffer = MemoryBuffer(options.max_events, options.max_bytes, options.send.batch_size)
        self.tally = Tally(options.metrics, lambda: self.buffer.accepted)
        self._wait_s = policy.timeout if isinstance(policy, Block | Spool) else 0.0
        self._moved = threading.Condition()
        self._target = 0  # somebody waits for everything up to this number
        self.spooled = SpooledSource(self.buffer, policy, self._damaged) if isinstance(policy, Spool) else None
        self._sender = Sender(
            options.transport,
            self.buffer if self.spooled is None else self.spooled,
            options.send,
            self.tally,
            refuse=self._refuse,
            hurried=lambda: self._resolved() < self._target,
            progress=self._progress,
        )
        self._wake_sender = self.buffer.wake if self.spooled is None else threading.Event()
        self._threads = [
            threading.Thread(target=self._sender.run, args=(self._wait,), name="audit-sender", daemon=True)
        ]
        self._spooler: Spooler | None = None
        if self.spooled is not None and isinstance(policy, Spool):
            self._spooler = Spooler(self.spooled, self.buffer, policy.sync_interval, self._synced)
            self._threads.append(threading.Thread(target=self._spooler.run, name="audit-spooler", daemon=True))
        for thread in self._threads:
            thread.start()

    def put(self, item: Item) -> bool:
        """Take an event; False, and counted, if there is no room."""
        if len(item.raw) > self._options.max_event_bytes:
            self.tally.drop("too_large")
        elif self.buffer.put(item, self._wait_s):
            return True
        else:
            self.tally.drop("full")
        return False

    def flush(self, timeout: float) -> bool:
        """Wait until everything that is there is written or refused, what earlier processes left included."""
        target = self.buffer.accepted
        self._target = max(self._target, target)
        self._wake()
        return self._wait_until(lambda: self._resolved() >= target and not self._orphans(), timeout)

    def sync(self, timeout: float) -> bool:
        """Wait until everything that is there is on disk, or with the service already."""
        target = self.buffer.accepted
        self._wake()
        return self._wait_until(lambda: self.buffer.taken >= target, timeout)

    def close(self, timeout: float) -> bool:
        """Send what can be sent in that time, write the rest to the spool if there is one, end the threads."""
        deadline = time.monotonic() + timeout
        self.buffer.close()
        self._sender.closing.set()
        flushed = self.flush(timeout)
        self._sender.abandoned.set()
        if self._spooler is not None:
            self._spooler.stopped.set()
        self._wake()
        for thread in self._threads:
            thread.join(max(_JOIN_S, deadline - time.monotonic()))
        ended = not any(thread.is_alive() for thread in self._threads)
        # Only what is in memory goes with the process.
        if left := len(self.buffer):
            self.tally.drop("closed", left)
            log.error("%d audit events were not written in time and are lost with the process", left)
        if self.spooled is not None and self.spooled.disk is not None and ended:
            if waiting := len(self.spooled.disk):
                log.warning("%d audit events stay in the spool for the next start", waiting)
            self.spooled.disk.close()
        if ended:
            self.tally.tell(left)
        return flushed

    def forsake(self) -> None:
        """In a forked child: let go of what is the parent's."""
        if self.spooled is not None and self.spooled.disk is not None:
            self.spooled.disk.forsake()

    def stats(self) -> Stats:
        """The numbers as they are now."""
        resolved = self._resolved()
        return Stats(
            buffered=self.buffer.accepted,
            written=self.tally.written,
            dropped=self.tally.dropped(),
            waiting=max(0, self.buffer.accepted - resolved),
            synced=self.buffer.taken if self.spooled is not None else resolved,
        )

    def _refuse(self, item: Item, problem: DataStorageError) -> None:
        self.tally.drop("expired" if isinstance(problem, ExpiredError) else "refused")
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
            except Exception:
                log.exception("on_refused failed for audit event %s", event.get("event_id"))

    def _damaged(self) -> None:
        self.tally.drop("damaged")

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
