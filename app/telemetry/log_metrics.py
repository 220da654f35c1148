"""The metrics of the log of all records. Who sets one takes it from app/telemetry/metrics.py, as every metric."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from app.telemetry import metric_files

metric_files.install()

LOG_SIZE = Gauge(
    "datastorage_log_size", "Entries of the log of all records, as last seen.", multiprocess_mode="livemax"
)
LOG_PENDING = Gauge(
    "datastorage_log_pending",
    "Stored records that have no place in the log yet, as last seen.",
    multiprocess_mode="livemax",
)
LOG_LAG = Gauge(
    "datastorage_log_lag_seconds",
    "How long the first of the records without a place in the log has waited for one, or how long a worker has not "
    "seen whether any does; the longest of the workers.",
    multiprocess_mode="livemax",
)
LOG_SIGNED_SIZE = Gauge(
    "datastorage_log_signed_size",
    "Entries under the newest checkpoint of the log, as last seen; 0 until there is one.",
    multiprocess_mode="livemax",
)
LOG_UNSIGNED = Gauge(
    "datastorage_log_unsigned_seconds",
    "For how long the newest of the log is in no signed checkpoint; the longest of the workers. 0 if signing is off.",
    multiprocess_mode="livemax",
)
FEED_WAITING = Gauge(
    "datastorage_feed_waiting",
    "Requests of the feed that wait for the log to grow; each keeps a request thread.",
    multiprocess_mode="livesum",
)
EXPORTS = Counter(
    "datastorage_exports_total",
    "Exports that ended: complete, or broken off.",
    ["format", "outcome"],
)
EXPORTED_ROWS = Counter("datastorage_exported_rows_total", "Rows that exports gave.", ["format"])
EXPORTS_RUNNING = Gauge(
    "datastorage_exports_running",
    "Exports under way; each keeps a request thread.",
    multiprocess_mode="livesum",
)
HOLD_ACTS = Counter("datastorage_hold_acts_total", "Legal holds that were set, and that were released.", ["act"])
HOLDS_ACTIVE = Gauge(
    "datastorage_holds_active",
    "Legal holds that are in force, as last seen.",
    multiprocess_mode="livemax",
)
LOG_INCONSISTENT = Gauge(
    "datastorage_log_inconsistent",
    "1 while the log contradicts what was signed, so that no place is given any more.",
    multiprocess_mode="livemax",
)
# The label ``witness`` is one of a witness that is asked: no more than app/transparency/witnesses.py takes of a policy.
LOG_WITNESS_SIZE = Gauge(
    "datastorage_log_witness_size",
    "Entries of the last checkpoint that a witness has cosigned for this instance.",
    ["witness"],
    multiprocess_mode="livemax",
)
LOG_WITNESS_CONTRADICTS = Gauge(
    "datastorage_log_witness_contradicts",
    "1 where a witness says that it has cosigned another tree of this log, until it cosigns again.",
    ["witness"],
    multiprocess_mode="livemax",
)
LOG_WITNESS_FAILURES = Counter(
    "datastorage_log_witness_failures_total",
    "Requests to a witness that brought no cosignature.",
    ["witness", "reason"],
)
WITNESS_REASONS = ("away", "refused", "wrong", "contradicts")


def witness_asked(label: str) -> None:
    """Let the series of a witness begin at 0: the first failure of a series that is born with it has no rate."""
    LOG_WITNESS_SIZE.labels(label).set(0)
    LOG_WITNESS_CONTRADICTS.labels(label).set(0)
    for reason in WITNESS_REASONS:
        LOG_WITNESS_FAILURES.labels(label, reason)
