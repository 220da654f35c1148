"""The buffered audit store: write audit events without waiting for the service."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from datastorage_client.buffered.counters import Stats
from datastorage_client.buffered.event import SupportsToDict, capture
from datastorage_client.buffered.forking import fork_lock
from datastorage_client.buffered.memory import StoreClosedError
from datastorage_client.buffered.metrics import MetricsHook, NoMetrics
from datastorage_client.buffered.pipeline import OnRefused, Options, Pipeline
from datastorage_client.buffered.policies import DropNew, Policy, Spool
from datastorage_client.buffered.sender import SendOptions, Transport
from datastorage_client.retry import Backoff

log = logging.getLogger(__name__)

_MIB = 1024 * 1024
_LARGEST_EVENT_BYTES = 32 * _MIB
_CLOSE_S = 10.0


class BufferedAuditStore:
    """Takes audit events and writes them to the service in batches, from a background thread.

    What `store` promises when it has returned an id depends on ``on_full``:

    - ``drop_new()`` (default) and ``block(timeout)``: the event is in memory, and will be sent, again and again and
      with the same id, until the service has it or refuses it. It is lost if the process ends before that: killed,
      or closed with a timeout that was too short.
    - ``spool(path)``: as above, and within ``sync_interval`` and an fsync the event is on disk; from then on it
      outlives the process and the power supply. It is sent by this process, by another that uses the same folder, or
      at the next start. ``sync(timeout)`` waits for that moment, ``stats().synced`` counts the events beyond it.

    In every case an event is stored once however often it is sent: it has an id before its first attempt. 201, 200
    and 202 count as written. An event that the service refuses (400, 409), and one that waited longer than
    ``max_age``, goes to ``on_refused(event, problem)``, called in the background thread, and with a spool into
    ``rejects.jsonl`` in its folder; the others of its batch go on. After a crash that may happen twice for the same
    event. Order is kept.

    The store may be used by any number of threads and lives through a fork: the child starts with an empty buffer,
    threads and spool segments of its own, and does not send what is the parent's. It is closed at exit, also without a
    reference to it; its threads end when all is sent once the last reference is gone. Processes that end by os._exit
    (children of multiprocessing) have to call `close` themselves.

    client: a `DataStorageClient`, or anything with its `send_events`.
    max_events, max_bytes: bounds of the buffer in memory. max_event_bytes: a larger event is dropped and counted.
    batch_size, max_batch_bytes: bounds of a batch; made smaller when the service says that it takes less.
    flush_interval: seconds that an event waits at most for others to share its batch.
    max_age: seconds after which an event counts as expired; None leaves the judgement to the service.
    backoff: how long to wait after a failure; by default up to 0.25 s, doubled each time up to 30 s.
    metrics: a hook such as `PrometheusMetrics()`.

    Raises OSError when the spool's folder cannot be made, ValueError for bounds below 1.
    """

    def __init__(
        self,
        client: Transport,
        *,
        max_events: int = 10_000,
        max_bytes: int = 32 * _MIB,
        max_event_bytes: int = _MIB,
        batch_size: int = 500,
        max_batch_bytes: int = 1_000_000,
        flush_interval: float = 1.0,
        max_age: float | None = 7 * 86_400.0,
        backoff: Backoff | None = None,
        on_full: Policy | None = None,
        on_refused: OnRefused | None = None,
        metrics: MetricsHook | None = None,
    ) -> None:
        if min(max_events, max_bytes, max_event_bytes, batch_size, max_batch_bytes) < 1 or flush_interval <= 0:
            raise ValueError("bounds are at least 1, and the flush interval is above 0")
        if max_event_bytes > _LARGEST_EVENT_BYTES:
            raise ValueError(f"max_event_bytes is {_LARGEST_EVENT_BYTES} at most")
        if not callable(getattr(client, "send_events", None)):
            raise TypeError("client is a Client (or another transport that has send_events), not its address")
        policy = on_full or DropNew()
        if not isinstance(policy, Policy):
            raise TypeError("on_full is one of the policies: drop_new(), block(…) or spool(…)")
        if isinstance(policy, Spool):
            if os.name != "posix":
                raise ValueError("the spool needs file locks of POSIX")
            if max_event_bytes > policy.chunk_bytes:
                raise ValueError("the spool's max_bytes is at least four times max_event_bytes")
            policy.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._options = Options(
            transport=client,
            max_events=max_events,
            max_bytes=max_bytes,
            max_event_bytes=max_event_bytes,
            on_full=policy,
            on_refused=on_refused,
            metrics=metrics or NoMetrics(),
            send=SendOptions(
                batch_size=batch_size,
                max_batch_bytes=max_batch_bytes,
                flush_interval=flush_interval,
                max_age=max_age,
                backoff=backoff or Backoff(),
            ),
        )
        self._closed = False
        self._starting = threading.Lock()
        self._last: Pipeline | None = None
        self._pipeline: Pipeline | None = self._new_pipeline()
        _stores.add(self)

    def store(self, event: Mapping[str, Any] | SupportsToDict) -> str | None:
        """Take an event as it is now; its event_id, or None if it was dropped, which is counted.

        The event is a mapping or a model, with the members of POST /api/v1/audit/events. event_id and event_timestamp
        are filled in where absent. The answer says nothing about whether the service will accept it.

        Does no input or output and, but for the timeout of a policy, does not wait. Raises TypeError or ValueError for
        what JSON cannot say (NaN, a set, a time without zone), StoreClosedError after `close`; never for an outage.
        """
        event_id, item = capture(event)
        pipeline = self._pipeline
        if pipeline is None:
            pipeline = self._start()
        return event_id if pipeline.put(item) else None

    def flush(self, timeout: float) -> bool:
        """Send now what was stored before the call; whether all of it was written or refused within so many seconds."""
        return self._pipeline is None or self._pipeline.flush(timeout)

    def sync(self, timeout: float) -> bool:
        """Whether all that was stored before the call is durable, on disk or written, within so many seconds.

        Raises ValueError for a store without a spool: nothing of it is durable but by `flush`.
        """
        if not isinstance(self._options.on_full, Spool):
            raise ValueError("only a store with a spool can sync; see flush")
        return self._pipeline is None or self._pipeline.sync(timeout)

    def close(self, timeout: float = _CLOSE_S) -> bool:
        """Flush and end. Whether all was written or refused in time; the rest stays in the spool, or is lost.

        Takes up to a second longer for each thread that does not end; its spool is free for others once it has. Closing
        again does nothing. In a callback of the store it does not wait: all that is there is sent afterwards.
        """
        with self._starting:
            if self._closed:
                return True
            self._closed = True
            pipeline = self._pipeline
        done = pipeline is None or pipeline.close(timeout)
        _stores.discard(self)
        self._last, self._pipeline = pipeline, None
        return done

    def stats(self) -> Stats:
        """Numbers of this process so far."""
        pipeline = self._pipeline or self._last
        if pipeline is not None:
            return pipeline.stats()
        return Stats(buffered=0, written=0, dropped={}, waiting=0, synced=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _new_pipeline(self) -> Pipeline:
        pipeline = Pipeline(self._options, _pipelines.discard)
        _pipelines.add(pipeline)
        self._finalizer = weakref.finalize(self, pipeline.retire)
        self._finalizer.atexit = False
        return pipeline

    def _start(self) -> Pipeline:
        with self._starting:
            if self._closed:
                raise StoreClosedError("the store is closed")
            if self._pipeline is None:
                self._pipeline = self._new_pipeline()
            return self._pipeline

    def _after_fork_in_child(self) -> None:
        self._starting = threading.Lock()
        self._pipeline = self._last = None
        self._finalizer.detach()


_stores: weakref.WeakSet[BufferedAuditStore] = weakref.WeakSet()
_pipelines: set[Pipeline] = set()  # whose threads have not ended, also of stores that are gone


def _close_all() -> None:
    for store in list(_stores):
        store.close()
    for pipeline in list(_pipelines):
        if not pipeline.abandoned:
            pipeline.close(_CLOSE_S)


def _child() -> None:
    for store in list(_stores):
        store._after_fork_in_child()
    for pipeline in _pipelines:
        pipeline.forsake()
    _pipelines.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=fork_lock.acquire, after_in_parent=fork_lock.release, after_in_child=fork_lock.release)
    os.register_at_fork(after_in_child=_child)
