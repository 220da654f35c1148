"""docs/readiness.md repeats two things that are elsewhere: they are the same there."""

from __future__ import annotations

import re

import yaml

from tests.support import ROOT

PAGE = (ROOT / "docs" / "readiness.md").read_text(encoding="utf-8")


def test_the_alerts_that_wake_somebody_are_the_critical_ones() -> None:
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "datastorage.rules.yaml").read_text())["groups"]
    critical = {r["alert"] for g in groups for r in g["rules"] if r["labels"]["severity"] == "critical"}
    assert set(re.findall(r"`(DataStorage\w+)`", PAGE)) == critical


def test_the_campaigns_add_up() -> None:
    table = (ROOT / "docs" / "fault-campaign.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip().replace(",", "") for cell in row.split("|")]
        for row in re.findall(r"^\| [123] \|.*$", table, re.M)
    ]
    assert len(rows) == 3
    faults, acknowledged = (sum(int(row[column]) for row in rows) for column in (2, 8))
    assert f"of {acknowledged:,} acknowledged records; {faults} faults" in PAGE
    assert all(row[11:15] == ["0", "0", "0", "0"] for row in rows)
