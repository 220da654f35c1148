"""What the alert rules promise, as far as it can be read in them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.promql import alerts

ALERTS = alerts()


@pytest.mark.parametrize(
    ("name", "expression", "held_for"),
    [
        ("DataStorageDLQWarning", "datastorage_dlq_warning == 1", "10m"),
        ("DataStorageDLQCritical", "datastorage_dlq_critical == 1", "5m"),
        ("DataStorageDLQOverflowImminent", "datastorage_dlq_overflow_imminent == 1", "1m"),
    ],
)
def test_what_other_systems_know_by_name(name: str, expression: str, held_for: str) -> None:
    assert (ALERTS[name]["expr"], ALERTS[name]["for"]) == (expression, held_for)


def test_the_summary_that_is_looked_for() -> None:
    assert ALERTS["DataStorageDLQCritical"]["annotations"]["summary"] == "Data Storage DLQ critical (90% full)"


@pytest.mark.parametrize("rule", ALERTS.values(), ids=ALERTS)
def test_each_says_how_bad_it_is_and_where_help_is(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith("/runbook#" + rule["alert"].lower())
