"""The store's metrics in Prometheus' form. Needs prometheus-client, as the extra ``prometheus`` has it."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram


class PrometheusMetrics:
    """A metrics hook on prometheus_client.

    One for each registry, shared by all stores of the process: a registry takes a name only once. With several
    processes (PROMETHEUS_MULTIPROC_DIR) the sizes of the living ones add up.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._buffered = Counter("audit_events_buffered_total", "Audit events taken by store().", registry=registry)
        self._dropped = Counter(
            "audit_events_dropped_total", "Audit events not kept, by reason.", ["reason"], registry=registry
        )
        self._written = Counter(
            "audit_events_written_total", "Audit events that the service has acknowledged.", registry=registry
        )
        self._failed = Counter(
            "audit_batches_failed_total", "Attempts to write a batch that failed.", ["reason"], registry=registry
        )
        self._size = Gauge(
            "audit_buffer_size",
            "Audit events that wait, in memory and in the spool.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._duration = Histogram(
            "audit_write_duration_seconds", "Duration of an attempt to write a batch.", registry=registry
        )

    def buffered(self, count: int) -> None:
        self._buffered.inc(count)

    def dropped(self, count: int, reason: str) -> None:
        self._dropped.labels(reason).inc(count)

    def written(self, count: int) -> None:
        self._written.inc(count)

    def batch_failed(self, reason: str) -> None:
        self._failed.labels(reason).inc()

    def buffer_size(self, events: int) -> None:
        self._size.set(events)

    def write_duration(self, seconds: float) -> None:
        self._duration.observe(seconds)
