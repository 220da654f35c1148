"""The count of what is wrong with requests, by field and reason."""

from __future__ import annotations

from collections.abc import Iterable

from app.telemetry import metrics

# Label values are a closed set: a name that a client made up must not become one.
_known_fields: set[str] = {"body"}


def register_field_labels(names: Iterable[str]) -> None:
    """Allow these field names as labels of datastorage_validation_failures_total."""
    _known_fields.update(names)


def count_validation_failures(failures: Iterable[tuple[str, str]]) -> None:
    """Count (field, reason) pairs; unknown field names count as other."""
    for name, reason in failures:
        metrics.VALIDATION_FAILURES.labels(name if name in _known_fields else "other", reason).inc()
