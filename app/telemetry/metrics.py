"""Every metric of the service, defined once, and the text that Prometheus reads.

Those of the log are defined in log_metrics.py, and taken from here like all others.

Under gunicorn every worker writes to files in ``PROMETHEUS_MULTIPROC_DIR``, which prometheus_client reads when it
is imported; a scrape adds them up. A gauge says how: sums for what workers share out, the least for "is it up".
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import platform
import struct
import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.config.settings import KNOWN_EVENT_CATEGORIES
from app.telemetry import metric_files
from app.telemetry.log_metrics import EXPORTED_ROWS as EXPORTED_ROWS
from app.telemetry.log_metrics import EXPORTS as EXPORTS
from app.telemetry.log_metrics import EXPORTS_RUNNING as EXPORTS_RUNNING
from app.telemetry.log_metrics import FEED_WAITING as FEED_WAITING
from app.telemetry.log_metrics import HOLD_ACTS as HOLD_ACTS
from app.telemetry.log_metrics import HOLDS_ACTIVE as HOLDS_ACTIVE
from app.telemetry.log_metrics import LOG_INCONSISTENT as LOG_INCONSISTENT
from app.telemetry.log_metrics import LOG_LAG as LOG_LAG
from app.telemetry.log_metrics import LOG_PENDING as LOG_PENDING
from app.telemetry.log_metrics import LOG_SIGNED_SIZE as LOG_SIGNED_SIZE
from app.telemetry.log_metrics import LOG_SIZE as LOG_SIZE
from app.telemetry.log_metrics import LOG_UNSIGNED as LOG_UNSIGNED
from app.telemetry.log_metrics import LOG_WITNESS_CONTRADICTS as LOG_WITNESS_CONTRADICTS
from app.telemetry.log_metrics import LOG_WITNESS_FAILURES as LOG_WITNESS_FAILURES
from app.telemetry.log_metrics import LOG_WITNESS_SIZE as LOG_WITNESS_SIZE
from app.telemetry.log_metrics import witness_asked as witness_asked

log = logging.getLogger(__name__)

# How often files that are not complete yet are looked at, and how long apart.
_LOOKS = 50
_BETWEEN_LOOKS_SECONDS = 0.01

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

M = TypeVar("M", Counter, Histogram)

metric_files.install()

# 15, 25 and 50 ms are goals, 200 ms is a bar: alerts and panels need edges there.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0)

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
    buckets=SECONDS,
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
    buckets=SECONDS,
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
FLUSH_SECONDS = Histogram("datastorage_flush_duration_seconds", "Time that a flush took.", buckets=SECONDS)
DB_UP = Gauge("datastorage_db_up", "1 while PostgreSQL answers every worker.", multiprocess_mode="livemin")
BREAKER_OPEN = Gauge(
    "datastorage_breaker_open", "1 while a worker does not try PostgreSQL.", multiprocess_mode="livemax"
)
POOL_SIZE = Gauge("datastorage_db_pool_size", "Connections for queries.", multiprocess_mode="livesum")
POOL_AVAILABLE = Gauge("datastorage_db_pool_available", "Idle connections for queries.", multiprocess_mode="livesum")
POOL_WAITING = Gauge("datastorage_db_pool_waiting", "Requests that wait for a connection.", multiprocess_mode="livesum")
REPLICA_FALLBACKS = Counter(
    "datastorage_db_replica_fallbacks_total", "Queries that the replica failed and the primary had to answer."
)
POOL_WAIT_SECONDS = Counter("datastorage_db_pool_wait_seconds_total", "Time spent waiting for a connection.")
PARTITION_MONTHS_AHEAD = Gauge(
    "datastorage_partition_months_ahead",
    "Months after the current one that have a partition, without a gap.",
    multiprocess_mode="livemin",
)
FLUSHER_AGE = Gauge(
    "datastorage_flusher_heartbeat_age_seconds",
    "Time since a flusher last showed that it lives; the longest of the workers.",
    multiprocess_mode="livemax",
)
DB_DURABLE = Gauge(
    "datastorage_db_durable", "1 while PostgreSQL runs with fsync and full_page_writes.", multiprocess_mode="livemin"
)
REQUEST_THREADS = Gauge("datastorage_request_threads", "Request threads, all workers.", multiprocess_mode="livesum")
BUSY_THREADS = Gauge(
    "datastorage_request_threads_busy",
    "Request threads that serve a request now, all workers; at most as many as there are.",
    multiprocess_mode="livesum",
)
IN_FLIGHT = Gauge(
    "datastorage_http_requests_in_flight",
    "Requests that are served now, those of the probes' own threads too.",
    multiprocess_mode="livesum",
)
LOG_DROPPED = Counter(
    "datastorage_log_lines_dropped_total", "Log lines that nobody took in time: the queue was full, or a write failed."
)
BUILD_INFO = Gauge(
    "datastorage_build_info", "1, with what is running as labels.", ["version", "python"], multiprocess_mode="livemax"
)

REDIS_UP = Gauge(
    "datastorage_redis_up", "1 while Redis answers every worker; NaN without one.", multiprocess_mode="livemin"
)
REDIS_DURABLE = Gauge(
    "datastorage_redis_durable",
    "1 while Redis has every write on disk before it answers (appendfsync always) and evicts nothing, as last seen; "
    "NaN without one, or where it does not say.",
    multiprocess_mode="livemin",
)
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
DLQ_LOST = Counter(
    "datastorage_dlq_lost_total", "Spilled records that Redis has forgotten before they were written.", ["stream"]
)
AUTH_FAILURES = Counter(
    "datastorage_auth_failures_total",
    "Requests that were refused with 401 or 403, and with 503 where their issuer's keys are not known.",
    ["reason"],
)
AUTH_KEYS_AGE = Gauge(
    "datastorage_auth_keys_age_seconds",
    "Time since an issuer's keys were fetched last, infinite before the first time; the longest of the workers.",
    ["issuer"],
    multiprocess_mode="livemax",
)
AUTH_FILES_STALE = Gauge(
    "datastorage_auth_files_stale",
    "1 while a worker cannot read a file of tokens, keys or witnesses that was read before and stays in force.",
    ["file"],
    multiprocess_mode="livemax",
)
RATE_LIMITED = Counter("datastorage_rate_limited_total", "Requests that were refused with 429.", ["limit"])


@cache
def child(metric: M, *labels: str) -> M:
    """The metric with these labels, looked up once: a look-up costs more than counting. For closed label sets only."""
    return metric.labels(*labels)


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """Observe the values of a batch: each would cost two writes into a shared file, a bucket of them costs one."""
    buckets: dict[int, int] = {}
    for value in values:
        index = bisect_left(histogram._upper_bounds, value)
        buckets[index] = buckets.get(index, 0) + 1
    histogram._sum.inc(sum(values))
    for index, count in buckets.items():
        histogram._buckets[index].inc(count)


# Label children that every request needs are looked up once.
for _reason in ("full", "timeout"):
    BUFFER_REJECTED.labels(_reason)
for _stream, _type in (("events", "audit_event"), ("notifications", "notification_audit")):
    DLQ_ENQUEUED.labels(_stream, _type)
    for _result in ("stored", "duplicate", "dead_lettered", "retry"):
        DLQ_REPLAYED.labels(_stream, _result)
    DLQ_LOST.labels(_stream)
    for _reason in ("full", "unreachable"):
        DLQ_REJECTED.labels(_stream, _reason)


# The values of the label ``service``: these of every configuration, and what `announce_services` adds.
SERVICES = {*KNOWN_EVENT_CATEGORIES, "notification"}
OTHER_SERVICE = "other"


def announce_build() -> None:
    """Say which release this is."""
    BUILD_INFO.labels(version("datastorage"), platform.python_version()).set(1)


def announce_services(names: Iterable[str]) -> None:
    """Name the services that writes are counted by; every other event_category counts as ``other``.

    Clients may make up categories, so these alone bound the series. Each begins at 0: the first failure of a series
    that is born with it has no rate.
    """
    SERVICES.update(names)
    for name in (*SERVICES, OTHER_SERVICE):
        for status in ("success", "dlq_fallback", "duplicate", "failure"):
            TRACES.labels(name, status)


def no_redis() -> None:
    """Say that there is no Redis to be up or down: NaN is neither 0 nor 1, so no alert fires."""
    REDIS_UP.set(math.nan)
    REDIS_DURABLE.set(math.nan)


def keys_age(issuer: str, seconds: float) -> None:
    """Say how old an issuer's keys are; ``issuer`` is its short name in the configuration."""
    AUTH_KEYS_AGE.labels(issuer).set(seconds)


class HTTPMetrics:
    """What the exporter counts and times of an app's requests.

    The metrics are the exporter's; its hooks, which look every label up anew for each request, are not used:
    `app.http.hooks` calls `observe`. Labels: method out of a closed set, the route's template or unmatched, status.
    """

    def __init__(self) -> None:
        from prometheus_flask_exporter import PrometheusMetrics  # brings Flask, which not all who count things need

        def route(_: object) -> str:  # gives the label its name
            return ""

        # Of one app; under several workers the files of all are read instead.
        self.registry = CollectorRegistry()
        exporter = PrometheusMetrics(None, path=None, registry=self.registry)
        exporter.export_defaults(app=_NoHooks(), prefix="datastorage", group_by=route, buckets=SECONDS)
        made = self.registry._names_to_collectors
        # Counts what no error handler takes, and there is one for everything: a metric that nothing would ever move.
        self.registry.unregister(made["datastorage_http_request_exceptions_total"])
        self._seconds = made["datastorage_http_request_duration_seconds"]
        self._total = made["datastorage_http_request_total"]
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that is about to be answered."""
        pair = self._children.get((method, route, status))
        if pair is None:
            timed = self._seconds.labels(method=method, route=route, status=status)  # type: ignore[attr-defined]
            pair = timed, self._total.labels(method=method, status=status)  # type: ignore[attr-defined]
            self._children[method, route, status] = pair
        pair[0].observe(seconds)
        pair[1].inc()


class _NoHooks:
    """Stands where the exporter would hang itself into an app."""

    def before_request(self, hook: object) -> None: ...

    def after_request(self, hook: object) -> None: ...

    def teardown_request(self, hook: object) -> None: ...


@cache
def _say_once(line: str) -> None:
    log.warning(line)


def _say_what_has_no_room() -> None:
    """Not from where it is noticed: a lock is held there that a line of the log may need."""
    if metric_files.left_out:
        _say_once("metrics: no room in PROMETHEUS_MULTIPROC_DIR for new series; they are kept in memory, unseen")


def render(registry: CollectorRegistry) -> bytes:
    """All metrics as Prometheus text. ``registry`` holds those of the HTTP layer in a single process."""
    _say_what_has_no_room()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR") and not metric_files.alone:
        everything = CollectorRegistry()
        MultiProcessCollector(everything)  # type: ignore[no-untyped-call]
        for _ in range(_LOOKS - 1):
            # A worker that is just starting makes a file and gives it its size a moment later.
            with contextlib.suppress(struct.error):
                return bytes(generate_latest(everything))
            time.sleep(_BETWEEN_LOOKS_SECONDS)
        return bytes(generate_latest(everything))
    return bytes(generate_latest(REGISTRY)) + bytes(generate_latest(registry))
