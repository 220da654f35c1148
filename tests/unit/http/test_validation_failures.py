from __future__ import annotations

from app.http.validation_failures import count_validation_failures
from app.telemetry import metrics


def test_only_known_names_become_labels() -> None:
    def counted(name: str) -> float:
        return metrics.VALIDATION_FAILURES.labels(name, "invalid")._value.get()

    before = counted("body"), counted("other")
    count_validation_failures([("body", "invalid"), ("made_up", "invalid"), ("<x>", "invalid")])
    assert (counted("body"), counted("other")) == (before[0] + 1, before[1] + 2)
