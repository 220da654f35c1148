"""The check against the baseline notices a slower write path, and leaves an unchanged one alone."""

from __future__ import annotations

import copy

import pytest
from rich.console import Console

from bench import check, compare

SECTION = ("audit_write",)
CONSOLE = Console(width=140)


@pytest.mark.timeout(400)
def test_a_delay_of_30_percent_in_the_write_path_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    baseline = compare.middle([check.ratios(CONSOLE, SECTION) for _ in range(3)])
    lone = baseline["sections"]["audit_write"]["lone_ms"]["value"]

    unchanged = compare.compare(baseline, check.best_of(CONSOLE, baseline, SECTION), kinds=("ratio",), sections=SECTION)
    assert [row.why for row in unchanged if not row.ok] == []

    monkeypatch.setenv("GUARD_DELAY_MS", f"{0.3 * lone:.3f}")
    delayed = check.best_of(CONSOLE, baseline, SECTION, "bench.delayed_app:application")
    assert len(delayed) == check.ATTEMPTS, "it failed each time"
    rows = compare.compare(baseline, delayed, kinds=("ratio",), sections=SECTION)
    failed = {row.figure: row.why for row in rows if not row.ok}
    assert failed.get("latency_to_parts") == "worse by more than 20%"


@pytest.mark.timeout(120)
def test_a_section_that_is_not_measured_fails() -> None:
    measured = check.ratios(CONSOLE, ("cold_start",))
    baseline = copy.deepcopy(measured)
    assert all(row.ok for row in compare.compare(baseline, [measured], kinds=("ratio",)))
    del measured["sections"]["cold_start"]
    assert [row.why for row in compare.compare(baseline, [measured], kinds=("ratio",))] == ["not measured"]
