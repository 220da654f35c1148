"""Sends what a source holds, one batch after the other, until each event is written or refused."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from datastorage_common.counts import counted

from datastorage_client.buffered.counters import Counters
from datastorage_client.buffered.event import Item
from datastorage_client.buffered.memory import Source
from datastorage_client.problems import (
    BatchSizeExceededError,
    ConflictError,
    ConnectionFailedError,
    DataStorageError,
    ExpiredError,
    InternalError,
    InvalidEventDataError,
    InvalidRequestError,
    ProblemError,
    RateLimitError,
    ValidationError,
)
from datastorage_client.retry import Backoff

log = logging.getLogger(__name__)

_LOG_EVERY_S = 60.0
_SHOWN_TEXT = 500
_SMALLEST_BYTES = 1024
# So many failures that may be one event's doing, and the batch is made smaller to find it.
_SUSPECT_AFTER = 3
# So many answers 500 to one event alone, and it is given up, or nothing behind it would ever be sent.
_GIVE_UP_AFTER = 10


class Transport(Protocol):
    """What the store needs of a client."""

    def send_events(self, body: bytes, count: int) -> int:
        """POST a JSON array of so many events, once; 200, 201 or 202, each of which means that all are kept.

        Raises ProblemError for an answer of 300 or above, ConnectionFailedError for none, or one of something else
        than the service. Must be usable from any thread, and in a forked child.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """How to send."""

    batch_size: int
    max_batch_bytes: int
    flush_interval: float
    max_age: float | None  # seconds after which an event is not worth asking about; None: ask
    backoff: Backoff = field(default_factory=Backoff)


class Sender:
    """The loop of the sending thread. Everything here runs in that thread, but for the two events.

    A batch that was not answered with success is sent again with the same ids. Events that were refused are settled:
    they stay in the source until all older ones have left it, but are not sent any more.
    """

    def __init__(
        self,
        transport: Transport,
        source: Source,
        options: SendOptions,
        counters: Counters,
        *,
        refuse: Callable[[Item, DataStorageError], None],
        hurried: Callable[[], bool],
        progress: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._source = source
        self._options = options
        self._counters = counters
        self._refuse = refuse
        self._hurried = hurried
        self._progress = progress
        self._most = options.batch_size  # what the service has taken us to, at most
        self._most_bytes = options.max_batch_bytes
        self._limit = self._most  # what the next batch is limited to, while a culprit is looked for
        self._failures = 0  # in a row
        self._alone_failures = 0
        self._warned = False  # of the failures since the last success
        self._next_log = 0.0
        self.closing = threading.Event()  # send what is there, then end
        self.abandoned = threading.Event()  # end after the attempt under way
        self.retired = False  # as closing; for those who may take no lock
        self._rest = options.flush_interval  # until something is due

    def run(self, wait: Callable[[float], None]) -> None:
        """Send until closed; ``wait`` returns after so many seconds, or sooner if there may be something to do."""
        while not self.abandoned.is_set():
            if self.retired:
                self.closing.set()
            try:
                worked = self._step()
                self._counters.tell(len(self._source))
            except Exception as e:  # noqa: BLE001 - of any kind: this thread alone sends
                self._failed(f"unexpectedly, {type(e).__name__}: {e}", None, fault=e)
                worked = True
            if not worked:
                if self.closing.is_set() and not len(self._source):
                    return
                wait(self._rest)

    def _step(self) -> bool:
        """Do one thing that is due; False if there was none."""
        self._rest = self._options.flush_interval
        items = self._source.peek(self._limit, self._most_bytes)
        if not items or not self._due(items):
            # That what earlier processes left is dealt with shows only here, after the last of it was acknowledged.
            self._progress()
            return False
        self._expire(items)
        sent = [item for item in items if not item.settled]
        if sent:
            if not self._attempt(items, sent):
                self._source.release()
                return True
            self._counters.written += len(sent)
        self._source.ack(len(items))
        self._limit = min(self._most, self._limit * 2)
        self._progress()
        return True

    def _due(self, items: Sequence[Item]) -> bool:
        """Whether the batch is full, its oldest event has waited, a caller of flush waits, or events wait elsewhere."""
        self._rest = self._options.flush_interval - (time.monotonic() - items[0].since)
        return (
            len(items) >= self._limit
            or len(items) < len(self._source)  # the bound in bytes
            or self._rest <= 0
            or self._failures > 0
            or self._hurried()
            or self.closing.is_set()
        )

    def _attempt(self, items: Sequence[Item], sent: Sequence[Item]) -> bool:
        """Send once; whether everything of it is written."""
        body = b"[" + b",".join([item.raw for item in sent]) + b"]"
        started = time.monotonic()
        try:
            self._transport.send_events(body, len(sent))
        except ProblemError as e:
            self._counters.failed(str(e.status), time.monotonic() - started)
            self._not_written(items, sent, len(body), e)
            return False
        except ConnectionFailedError as e:
            self._counters.failed("connection", time.monotonic() - started)
            self._failed(str(e), None)
            if e.sent and self._failures >= _SUSPECT_AFTER:
                self._halve(items)
            return False
        except Exception as e:  # noqa: BLE001 - the transport's own or its token's, and perhaps each time: one line
            self._counters.failed("client", time.monotonic() - started)
            self._failed(f"{type(e).__name__}: {e}", None)
            return False
        self._counters.succeeded(time.monotonic() - started)
        if self._failures:
            log.log(
                logging.INFO if self._warned else logging.DEBUG,
                "audit events are written again after %s",
                counted(self._failures, "failure"),
            )
        self._failures = self._alone_failures = 0
        self._warned = False
        self._next_log = 0.0
        return True

    def _not_written(self, items: Sequence[Item], sent: Sequence[Item], size: int, problem: ProblemError) -> None:
        alone = len(sent) == 1
        if isinstance(problem, BatchSizeExceededError) and not alone:
            # What the service says it takes; without a word of that, or with an idle one, half.
            most = problem.max_batch_size
            self._most = most if most is not None and most < len(sent) else max(1, len(sent) // 2)
            self._limit = min(self._limit, self._most)
        elif problem.status == 413 and not alone:
            self._most_bytes = max(_SMALLEST_BYTES, size // 2)
            self._halve(items)
        elif problem.status == 413 or isinstance(problem, BatchSizeExceededError):
            self._settle(sent, problem)
        elif isinstance(problem, ValidationError | InvalidRequestError | InvalidEventDataError | ConflictError):
            refused = [sent[n] for n in refused_positions(problem, len(sent))]
            if refused or alone:
                self._settle(refused or sent, problem)
            else:
                self._halve(items)
        else:
            # Waiting for a limit's end is how a limit works, and comes again in each of its windows.
            level = logging.DEBUG if isinstance(problem, RateLimitError) else logging.WARNING
            self._failed(f"{problem.status} {problem}", problem.retry_after, level=level)
            if isinstance(problem, InternalError) and self._failures >= _SUSPECT_AFTER:
                self._suspect(items, sent, problem)

    def _suspect(self, items: Sequence[Item], sent: Sequence[Item], problem: InternalError) -> None:
        self._halve(items)
        if len(sent) == 1:
            self._alone_failures += 1
            if self._alone_failures >= _GIVE_UP_AFTER:
                self._settle(sent, problem)
                self._alone_failures = 0

    def _halve(self, items: Sequence[Item]) -> None:
        self._limit = max(1, len(items) // 2)

    def _expire(self, items: Sequence[Item]) -> None:
        if (max_age := self._options.max_age) is None:
            return
        oldest_ms = (time.time() - max_age) * 1000
        oldest = time.monotonic() - max_age  # the wall clock may have been put forth since
        if expired := [i for i in items if not i.settled and i.captured_ms < oldest_ms and i.since < oldest]:
            self._settle(expired, ExpiredError(f"older than {max_age:g} s when it could have been sent"))

    def _settle(self, items: Sequence[Item], problem: DataStorageError) -> None:
        for item in items:
            self._refuse(item, problem)
            item.settled = True

    def _failed(
        self, reason: str, retry_after: float | None, *, fault: Exception | None = None, level: int = logging.WARNING
    ) -> None:
        """Wait, and say why, but not each time."""
        self._failures += 1
        wait = self._options.backoff.wait(self._failures, retry_after)
        now = time.monotonic()
        if level < logging.WARNING or now >= self._next_log:
            if level >= logging.WARNING:
                self._warned = True
                self._next_log = now + _LOG_EVERY_S
            log.log(
                level,
                "audit events cannot be written now and wait (%d of them, attempt %d): %s",
                len(self._source),
                self._failures,
                " ".join(reason.split())[:_SHOWN_TEXT],
                exc_info=fault,
            )
        # Meanwhile they may go to a disk that has room again.
        self._source.release()
        # Closing ends the wait that it finds, for a last attempt; not those after it.
        end = self.abandoned if self.closing.is_set() else self.closing
        deadline = now + wait
        while (left := deadline - time.monotonic()) > 0 and not end.wait(min(left, self._options.flush_interval)):
            self._counters.tell(len(self._source))


def refused_positions(problem: ProblemError, count: int) -> list[int]:
    """Which events of a batch of ``count`` a problem is about: field_errors and indexes, or else the detail."""
    named = {int(m[1]) for key in problem.field_errors if (m := re.match(r"\[(\d+)\]", key))}
    indexes = problem.members.get("indexes")
    if isinstance(indexes, list):
        named |= {n for n in indexes if isinstance(n, int)}
    if not named and (m := re.match(r"event at index (\d+)\b", problem.detail)):
        named = {int(m[1])}
    return sorted(n for n in named if 0 <= n < count)
