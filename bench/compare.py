"""Holds measurements against the baseline, figure by figure.

A **ratio** regresses when it is worse than the baseline by more than its tolerance (20 % unless the baseline says
otherwise). An **absolute** time or rate says as much of the machine as of the service: it fails only past its bar, and
is shown beside the baseline. A figure of the baseline that was not measured is a failure.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

TOLERANCE = 0.20
# Ratios move a little from one processor to another: elsewhere than where the baseline is from, so much more.
ELSEWHERE = 2.0
SAME_MACHINE = ("processor", "cores", "python")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure: what it was, what it is, and what it may be at the worst. ``now`` is None where it is missing."""

    section: str
    figure: str
    kind: str
    unit: str
    then: float | None
    now: float | None
    limit: float | None
    ok: bool
    why: str = ""

    @property
    def change(self) -> float | None:
        """How much more it is than it was, as a fraction."""
        return None if self.now is None or not self.then else self.now / self.then - 1

    def as_json(self) -> dict[str, Any]:
        """The row with its change."""
        return {**asdict(self), "change": self.change}


def same_machine(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two measurements are of machines alike."""
    return all(one.get("machine", {}).get(key) == other.get("machine", {}).get(key) for key in SAME_MACHINE)


def compare(
    baseline: dict[str, Any],
    measured: list[dict[str, Any]],
    *,
    kinds: tuple[str, ...] = ("ratio", "absolute"),
    sections: tuple[str, ...] | None = None,
) -> list[Row]:
    """A row for each figure of the baseline, of several measurements the best one.

    Raises ValueError where the baseline has no section to compare.
    """
    wider = 1.0 if measured and same_machine(baseline, measured[0]) else ELSEWHERE
    general = float(baseline.get("tolerance", TOLERANCE))
    rows = []
    wanted = baseline["sections"] if sections is None else {s: baseline["sections"].get(s, {}) for s in sections}
    for section, figures in wanted.items():
        if not any(f["kind"] in kinds for f in figures.values()):
            rows.append(_absent(section))
        for name, then in figures.items():
            if then["kind"] in kinds:
                values = [
                    m["sections"][section][name]["value"]
                    for m in measured
                    if name in m.get("sections", {}).get(section, {})
                ]
                rows.append(_row(section, name, then, values, float(then.get("tolerance", general)) * wider))
    if not rows:
        raise ValueError("the baseline holds no section")
    return rows


def _absent(section: str) -> Row:
    return Row(
        section=section, figure="–", kind="ratio", unit="", then=None, now=None, limit=None, ok=False,
        why="the baseline has no such section",
    )  # fmt: skip


def _row(section: str, name: str, then: dict[str, Any], values: list[float], tolerance: float) -> Row:
    higher = then["better"] == "higher"
    known = {"section": section, "figure": name, "kind": then["kind"], "unit": then["unit"], "then": then["value"]}
    ratio = then["kind"] == "ratio"
    limit = then["value"] * (1 - tolerance if higher else 1 + tolerance) if ratio else then.get("bar")
    if not values:
        return Row(**known, now=None, limit=limit, ok=False, why="not measured")
    now = max(values) if higher else min(values)
    ok = limit is None or (now >= limit if higher else now <= limit)
    why = "" if ok else f"worse by more than {tolerance:.0%}" if ratio else "past its bar"
    return Row(**known, now=now, limit=limit, ok=ok, why=why)


def table(rows: list[Row]) -> Table:
    """The rows for people."""
    made = Table(title="performance against the baseline", title_justify="left")
    made.add_column("section", no_wrap=True)
    made.add_column("figure", no_wrap=True)
    for name in ("baseline", "now", "change", "worst allowed"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("")
    before = None
    for row in rows:
        change = "" if row.change is None else f"{row.change:+.0%}"
        verdict = "[green]holds[/]" if row.ok else f"[red]{row.why}[/]"
        if row.ok and row.limit is None:
            verdict = "[dim]shown only[/]"
        made.add_row(
            row.section if row.section != before else "",
            row.figure,
            _text(row.then, row.unit),
            _text(row.now, row.unit),
            change,
            _text(row.limit, row.unit),
            verdict,
        )
        before = row.section
    return made


def _text(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}"


def summary(rows: list[Row], baseline: dict[str, Any], measured: list[dict[str, Any]]) -> list[str]:
    """What the table comes to, in lines."""
    lines = []
    if measured and not same_machine(baseline, measured[0]):
        lines.append(
            "The baseline is of another machine: ratios may be off by twice their tolerance. "
            "`make update-performance-baseline` makes one of this machine."
        )
    failed = [row for row in rows if not row.ok]
    for row in failed:
        now = "missing" if row.now is None else _text(row.now, row.unit)
        lines.append(f"{row.section}.{row.figure}: {now}, {row.why}")
    if failed:
        lines.append(f"{len(failed)} of {len(rows)} figures do not hold.")
    else:
        lines.append(f"All {len(rows)} figures hold.")
    return lines


def keep_tolerances(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Carry what was set by hand, and sections that were not measured now, into the new baseline."""
    new["tolerance"] = old.get("tolerance", TOLERANCE)
    for section, figures in old.get("sections", {}).items():
        mine = new["sections"].setdefault(section, {})
        for name, figure in figures.items():
            if name not in mine:
                mine[name] = figure
            elif "tolerance" in figure:
                mine[name]["tolerance"] = figure["tolerance"]


def merge(into: dict[str, Any], other: dict[str, Any]) -> None:
    """Add the figures of another measurement."""
    for section, figures in other["sections"].items():
        into["sections"].setdefault(section, {}).update(figures)


def middle(measured: list[dict[str, Any]]) -> dict[str, Any]:
    """One measurement whose figures are the medians of several."""
    made = measured[0]
    for section, figures in made["sections"].items():
        for name, figure in figures.items():
            figure["value"] = median(m["sections"][section][name]["value"] for m in measured)
    return made
