"""Every metric of the service, defined once, and the text that Prometheus reads.

Under gunicorn every worker writes to files in ``PROMETHEUS_MULTIPROC_DIR``, which prometheus_client reads when it
is imported; a scrape adds them up. A gauge says how: sums for what workers share out, the least for "is it up".
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

TRACES = Counter(
    "datastorage_audit_traces_total",
    "Outcome of every write.",
    ["service", "status"],
)
LAG = Histogram(
    "datastorage_audit_lag_seconds",
    "Time from an event's own timestamp to its being stored.",
    ["service"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 3600, 86400, 604800),
)
WRITE_SECONDS = Histogram(
    "datastorage_write_duration_seconds",
    "Time from a validated request to its outcome.",
    ["table"],
    buckets=_FAST,
)
VALIDATION_FAILURES = Counter(
    "datastorage_validation_failures_total",
    "Wrong fields of refused requests.",
    ["field", "reason"],
)
QUERY_SECONDS = Histogram(
    "datastorage_query_duration_seconds",
    "Time that a read took.",
    ["operation"],
    buckets=_FAST,
)
BUFFER_DEPTH = Gauge(
    "datastorage_buffer_depth",
    "Records that wait in the in-memory queue, all workers together.",
    multiprocess_mode="livesum",
)
BUFFER_CAPACITY = Gauge(
    "datastorage_buffer_capacity",
    "Records that the in-memory queue holds at the most, all workers together.",
    multiprocess_mode="livesum",
)
BUFFER_RATIO = Gauge(
    "datastorage_buffer_utilization_ratio",
    "Depth of the fullest worker's queue over its capacity.",
    multiprocess_mode="livemax",
)
BUFFER_REJECTED = Counter(
    "datastorage_buffer_rejected_total",
    "Requests that found no room in the queue in time, or no outcome.",
    ["reason"],
)
FLUSH_SIZE = Histogram(
    "datastorage_flush_batch_size",
    "Records of a flush.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
FLUSH_SECONDS = Histogram("datastorage_flush_duration_seconds", "Time that a flush took.", buckets=_FAST)
DB_UP = Gauge("datastorage_db_up", "1 while PostgreSQL answers every worker.", multiprocess_mode="livemin")
BREAKER_OPEN = Gauge(
    "datastorage_breaker_open", "1 while a worker does not try PostgreSQL.", multiprocess_mode="livemax"
)
POOL_SIZE = Gauge("datastorage_db_pool_size", "Connections for queries.", multiprocess_mode="livesum")
POOL_AVAILABLE = Gauge("datastorage_db_pool_available", "Idle connections for queries.", multiprocess_mode="livesum")
POOL_WAITING = Gauge("datastorage_db_pool_waiting", "Requests that wait for a connection.", multiprocess_mode="livesum")
POOL_WAIT_SECONDS = Counter("datastorage_db_pool_wait_seconds_total", "Time spent waiting for a connection.")
PARTITION_MONTHS_AHEAD = Gauge(
    "datastorage_partition_months_ahead",
    "Months after the current one that have a partition, without a gap.",
    multiprocess_mode="livemin",
)
BUSY_THREADS = Gauge(
    "datastorage_request_threads_busy", "Request threads that serve a request now.", multiprocess_mode="livesum"
)
BUILD_INFO = Gauge(
    "datastorage_build_info", "1, with what is running as labels.", ["version", "python"], multiprocess_mode="livemax"
)

REDIS_UP = Gauge("datastorage_redis_up", "1 while Redis answers every worker.", multiprocess_mode="livemin")
DLQ_DEPTH = Gauge(
    "datastorage_dlq_depth", "Entries that wait in the dead letter queue.", ["stream"], multiprocess_mode="livemax"
)
DLQ_RATIO = Gauge(
    "datastorage_dlq_capacity_ratio", "Depth over capacity of a stream.", ["stream"], multiprocess_mode="livemax"
)
DLQ_WARNING = Gauge(
    "datastorage_dlq_warning", "1 from 80 % of a stream's capacity.", ["stream"], multiprocess_mode="livemax"
)
DLQ_CRITICAL = Gauge(
    "datastorage_dlq_critical", "1 from 90 % of a stream's capacity.", ["stream"], multiprocess_mode="livemax"
)
DLQ_OVERFLOW = Gauge(
    "datastorage_dlq_overflow_imminent", "1 from 95 % of a stream's capacity.", ["stream"], multiprocess_mode="livemax"
)
DLQ_OLDEST = Gauge(
    "datastorage_dlq_oldest_age_seconds", "Age of a stream's oldest entry.", ["stream"], multiprocess_mode="livemax"
)
DLQ_DEAD = Gauge(
    "datastorage_dlq_dead_letter_depth", "Entries that failed for good.", ["stream"], multiprocess_mode="livemax"
)
DLQ_ENQUEUED = Counter("datastorage_dlq_enqueue_total", "Records spilled into a stream.", ["stream", "type"])
DLQ_REPLAYED = Counter("datastorage_dlq_replayed_total", "What became of replayed entries.", ["stream", "result"])
DLQ_REJECTED = Counter("datastorage_dlq_rejected_total", "Records that a stream did not take.", ["stream", "reason"])

# Label children that every request needs are looked up once.
for _reason in ("full", "timeout"):
    BUFFER_REJECTED.labels(_reason)
for _stream, _type in (("events", "audit_event"), ("notifications", "notification_audit")):
    DLQ_ENQUEUED.labels(_stream, _type)
    for _result in ("stored", "duplicate", "dead_lettered", "retry"):
        DLQ_REPLAYED.labels(_stream, _result)
    for _reason in ("full", "unreachable"):
        DLQ_REJECTED.labels(_stream, _reason)


def announce_build() -> None:
    """Say which release this is."""
    BUILD_INFO.labels(version("datastorage"), platform.python_version()).set(1)


def render(registry: CollectorRegistry) -> bytes:
    """All metrics as Prometheus text. ``registry`` holds those of the HTTP layer in a single process."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        everything = CollectorRegistry()
        MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
        return bytes(generate_latest(everything))
    return bytes(generate_latest(REGISTRY)) + bytes(generate_latest(registry))
