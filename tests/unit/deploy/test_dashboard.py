"""The dashboard as Grafana loads it."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import yaml

from tests.promql import DASHBOARD, panels
from tests.support import ROOT

BOARD: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def test_a_row_for_each_concern() -> None:
    rows = [panel["title"] for panel in BOARD["panels"] if panel["type"] == "row"]
    assert rows == ["Traffic", "Latency", "Buffer", "Dead letter queue", "Database", "Log", "Workflows"]
    assert {row for row, _, _ in panels()} == set(rows)


def test_the_data_source_is_a_variable() -> None:
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for _, title, panel in panels():
        assert panel["datasource"] == SOURCE, title
        assert all(target["datasource"] == SOURCE for target in panel["targets"]), title
    assert all(variables[name]["datasource"] == SOURCE for name in ("job", "instance"))
    assert "${DS_" not in DASHBOARD.read_text(encoding="utf-8"), "left over from an export"


def test_every_panel_is_of_the_chosen_job_and_instances() -> None:
    for _, title, panel in panels():
        assert panel["targets"], title
        for target in panel["targets"]:
            assert target["expr"].count('{job="$job",instance=~"$instance"') == target["expr"].count("datastorage_"), (
                title
            )


def test_panels_do_not_overlap() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    places = sorted(
        (p["gridPos"]["y"], p["gridPos"]["x"], p["gridPos"]["w"], p["gridPos"]["h"]) for p in BOARD["panels"]
    )
    for (y1, x1, w1, h1), (y2, x2, w2, _) in pairwise(places):
        assert x1 + w1 <= 24
        assert x2 + w2 <= 24
        assert (y1 == y2 and x1 + w1 <= x2) or (y2 >= y1 + h1 and x2 == 0)


def test_what_is_provisioned_finds_the_dashboard() -> None:
    folder = ROOT / "deploy" / "grafana" / "provisioning"
    [source] = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    assert source["isDefault"]
    [provider] = yaml.safe_load((folder / "dashboards" / "datastorage.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
