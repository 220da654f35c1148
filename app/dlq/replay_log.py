"""What replay says of the records that it wrote: each at debug, how many at info."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Iterator

from datastorage_common.counts import counted

from app.audit.event import AuditEvent, Record
from app.clock import Clock
from app.telemetry.logs import current_request

log = logging.getLogger(__name__)

# Thousands of entries a second are replayed: one line for those of so long.
_SAY_EVERY_SECONDS = 1.0


@contextlib.contextmanager
def of_request(request_id: str) -> Iterator[None]:
    """Log lines of this thread are about that request, whose answer is long given."""
    token = current_request.set(request_id)
    try:
        yield
    finally:
        current_request.reset(token)


class ReplayLog:
    """Adds up what was written, stream by stream, until it is time for a line. For one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._counts: dict[str, Counter[str]] = {}
        self._said_at = clock.monotonic() - _SAY_EVERY_SECONDS

    def wrote(self, stream: str, record: Record, *, known: bool) -> None:
        """A record of the stream is in its table; ``known``: it was there before."""
        self._counts.setdefault(stream, Counter())["duplicate" if known else "stored"] += 1
        if log.isEnabledFor(logging.DEBUG):
            ident = record.event_id if isinstance(record, AuditEvent) else record.notification_id
            with of_request(record.request_id or "-"):
                log.debug("replay: %s of %s %s", ident, stream, "was stored already" if known else "is stored")

    def say(self, *, all_of_it: bool = False) -> None:
        """Log what was added up since the last line, unless that is just past."""
        now = self._clock.monotonic()
        if not self._counts or (now - self._said_at < _SAY_EVERY_SECONDS and not all_of_it):
            return
        for stream, counts in self._counts.items():
            stored, known = counts["stored"], counts["duplicate"]
            log.info(
                "replayed %s of %s: %d stored, %s",
                counted(stored + known, "entry", "entries"),
                stream,
                stored,
                counted(known, "duplicate"),
            )
        self._counts.clear()
        self._said_at = now
