"""Write metrics: the outcomes of writes, counted many at a time, since each sample is a write into a shared file."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from app.audit.event import AuditEvent
from app.audit.outcome import Outcome, Spilled, Stored
from app.audit.pending_write import PendingWrite
from app.telemetry import metrics


def count(settled: Iterable[tuple[PendingWrite, Outcome]], now: datetime) -> None:
    """Count each record by its outcome, its lag if it was stored now, and how long each request took until ``now``.

    An event of the service's own (`PendingWrite.table` None) adds to the outcomes alone. Called once for each
    write: by the flusher if it took the write out of the queue, or else by the request itself.
    """
    outcomes: dict[tuple[str, str], int] = {}
    lags: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    ended = time.perf_counter()
    for pending, outcome in settled:
        stored = isinstance(outcome, Stored)
        duplicates = frozenset(outcome.duplicates) if isinstance(outcome, Stored) else frozenset()
        status = "success" if stored else "dlq_fallback" if isinstance(outcome, Spilled) else "failure"
        waited_for = pending.table is not None
        for index, record in enumerate(pending.request.records):
            if isinstance(record, AuditEvent):
                category, happened = record.event_category, record.event_timestamp
            else:
                category, happened = "notification", record.sent_at
            service = category if category in metrics.SERVICES else metrics.OTHER_SERVICE
            repeated = index in duplicates
            key = service, "duplicate" if repeated else status
            outcomes[key] = outcomes.get(key, 0) + 1
            # What was there already has been stored when it was: a late retry says nothing of the lag.
            if stored and waited_for and not repeated:
                lags.setdefault(service, []).append(max(0.0, (now - happened).total_seconds()))
        if pending.table is not None:
            seconds.setdefault(pending.table, []).append(ended - pending.began)
    for labels, n in outcomes.items():
        metrics.child(metrics.TRACES, *labels).inc(n)
    for service, values in lags.items():
        metrics.observe_all(metrics.child(metrics.LAG, service), values)
    for table, values in seconds.items():
        metrics.observe_all(metrics.child(metrics.WRITE_SECONDS, table), values)
