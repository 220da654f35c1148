"""Holds counts against what tests/counts/baseline.json says they were, and says what has grown where they do not hold.

The file is keyed by the minor version of Python; in it stand, for each scenario and figure, the total and what it is
made of by name. How much more a figure may be stands here alone, with the reason.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from tests.counts.measure import Counts
from tests.counts.scenarios import REQUESTS, SCENARIOS

FILE = Path(__file__).with_name("baseline.json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
UPDATE = "make update-counts"

_REQUEST = ("calls", "sleeps", "statements", "round_trips", "system_calls", "bytes")
FIGURES = {
    **dict.fromkeys(REQUESTS, _REQUEST),
    "start": ("calls", "sleeps", "modules", "system_calls", "bytes"),
    "replay": (*_REQUEST, "redis_commands", "redis_round_trips"),
}

# How much more than the baseline a figure may be, as a fraction, and why not less.
TOLERANCES = {
    "calls": 0.02,  # seen: none, but a few functions more or less of the start between patch releases of Python
    "bytes": 0.03,  # seen: 0.8 % between patch releases; lists and dictionaries grow in steps, paths are strings
    "system_calls": 0.10,  # seen: 7 %; the kernel hands on a large body or answer in one piece more or less
    "modules": 0.01,  # seen: 0.3 % between patch releases; a file of ours may be split, a library has more than that
    "sleeps": 0.0,
    "statements": 0.0,
    "round_trips": 0.0,
    "redis_commands": 0.0,
    "redis_round_trips": 0.0,
}
# Where a scenario needs more.
_WIDER = {
    ("start", "system_calls"): 0.20,  # seen: 1 %; but each folder of sys.path is looked through for each module
}
# Figures that differ a little each time, and by less than this part.
_NOISY = ("bytes", "system_calls")
_NOISE = 0.01
_SHOWN = 10
# What is less than this part of a figure is not kept by name.
_SMALL = 0.001
_REST = "(smaller ones)"


def tolerance(scenario: str, figure: str) -> float:
    """How much more than the baseline it may be, as a fraction."""
    return _WIDER.get((scenario, figure), TOLERANCES[figure])


@dataclass(frozen=True)
class Row:
    """One figure of one scenario. ``now`` is None where it could not be measured, ``then`` where it is new."""

    scenario: str
    figure: str
    then: int | None
    now: int | None
    differences: list[tuple[str, int, int]] = field(default_factory=list)  # name, then, now; the most grown first

    @property
    def limit(self) -> float:
        """The most that it may be."""
        return (self.then or 0) * (1 + tolerance(self.scenario, self.figure))

    @property
    def skipped(self) -> bool:
        """Whether nothing can be said, and that is no fault of the service."""
        return self.now is None and self.figure == "system_calls"

    @property
    def ok(self) -> bool:
        """Whether it holds."""
        return self.skipped or (self.then is not None and self.now is not None and self.now <= self.limit)

    @property
    def less(self) -> bool:
        """Whether it is so much less that the baseline should say so."""
        if self.then is None or self.now is None:
            return False
        return self.now < self.then * (1 - tolerance(self.scenario, self.figure))

    @property
    def verdict(self) -> str:
        """What it comes to, in a few words."""
        if self.skipped:
            return "not measured: strace is not there, or may not trace"
        if self.now is None:
            return "not measured"
        if self.then is None:
            return f"not in the baseline: {UPDATE}"
        if not self.ok and not tolerance(self.scenario, self.figure):
            return "more than in the baseline"
        if not self.ok:
            return f"more than {tolerance(self.scenario, self.figure):.0%} more"
        return f"less: {UPDATE} keeps it so" if self.less else "holds"

    def explain(self) -> str:
        """The figure, and what has grown the most."""
        allowed = f"{tolerance(self.scenario, self.figure):.0%}"
        lines = [
            f"{self.scenario} {self.figure.replace('_', ' ')}: {self.verdict}",
            f"baseline {_number(self.then)}, now {_number(self.now)}, tolerance {allowed}",
        ]
        grown = [each for each in self.differences if each[2] > each[1]][:_SHOWN]
        if grown:
            lines[-1] += "; what has grown the most:"
        lines += [f"  {now - then:+10,d}  {name}  ({then:,} → {now:,})" for name, then, now in grown]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """The row with what follows from it."""
        return {
            "scenario": self.scenario, "figure": self.figure, "baseline": self.then, "now": self.now,
            "tolerance": tolerance(self.scenario, self.figure), "ok": self.ok, "verdict": self.verdict,
            "differences": [dict(zip(("name", "baseline", "now"), each, strict=True)) for each in self.differences],
        }  # fmt: skip


def load(file: Path = FILE) -> dict[str, Any] | None:
    """The baseline of this version of Python, or None."""
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return kept.get(PYTHON)


def save(counts: Counts, file: Path = FILE) -> None:
    """Make these the baseline of this version of Python; what was not measured stays."""
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    mine = kept.setdefault(PYTHON, {})
    for scenario, figures in counts.items():
        for figure, names in figures.items():
            mine.setdefault(scenario, {})
            if not _same(figure, mine[scenario].get(figure), total := sum(names.values())):
                mine[scenario][figure] = {"total": total, "by": _trimmed(names)}
    ordered = {
        version: {s: {f: kept[version][s][f] for f in FIGURES[s] if f in kept[version][s]} for s in SCENARIOS
                  if s in kept[version]}
        for version in sorted(kept)
    }  # fmt: skip
    file.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


def _same(figure: str, then: dict[str, Any] | None, total: int) -> bool:
    """Whether it is the same up to its noise: then it stays, and a diff of the baseline shows what has changed."""
    return then is not None and figure in _NOISY and abs(total - int(then["total"])) < _NOISE * total


def _trimmed(names: dict[str, int]) -> dict[str, int]:
    """Ordered by name; what is next to nothing is summed up."""
    least = _SMALL * sum(names.values())
    small = sum(count for count in names.values() if count < least)
    kept = {name: count for name, count in sorted(names.items()) if count >= least}
    return {**kept, _REST: small} if small else kept


def compare(baseline: dict[str, Any], counts: Counts) -> list[Row]:
    """A row for each figure of the scenarios that were measured."""
    return [
        _row(scenario, figure, baseline.get(scenario, {}).get(figure), figures.get(figure))
        for scenario, figures in counts.items()
        for figure in FIGURES[scenario]
    ]


def _row(scenario: str, figure: str, then: dict[str, Any] | None, now: dict[str, int] | None) -> Row:
    total = None if now is None else sum(now.values())
    if then is None or now is None:
        return Row(scenario, figure, None if then is None else int(then["total"]), total)
    kept: dict[str, int] = then["by"]
    # What is new and next to nothing has its place among what was.
    least = _SMALL * int(then["total"])
    names: Counter[str] = Counter()
    for name, count in now.items():
        names[name if name in kept or count >= least else _REST] += count
    found = [(name, kept.get(name, 0), names[name]) for name in {*kept, *names} if kept.get(name, 0) != names[name]]
    found.sort(key=lambda each: (each[1] - each[2], each[0]))
    return Row(scenario, figure, int(then["total"]), total, found)


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def table(rows: list[Row]) -> Table:
    """The rows for people."""
    made = Table(title=f"counts against the baseline of Python {PYTHON}", title_justify="left")
    made.add_column("scenario", no_wrap=True)
    made.add_column("figure", no_wrap=True)
    for name in ("baseline", "now", "change", "tolerance"):
        made.add_column(name, justify="right", no_wrap=True)
    made.add_column("")
    before = None
    for row in rows:
        colour = "red" if not row.ok else "yellow" if row.less or row.skipped else "green"
        made.add_row(
            row.scenario if row.scenario != before else "",
            row.figure.replace("_", " "),
            _number(row.then),
            _number(row.now),
            f"{row.now / row.then - 1:+.1%}" if row.then and row.now is not None else "",
            f"{tolerance(row.scenario, row.figure):.0%}",
            f"[{colour}]{row.verdict}[/]",
        )
        before = row.scenario
    return made
