"""docs/deploy.md: every value of the chart is explained with its default, and what it says of them is so."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.helm import CHART
from tests.support import ROOT

PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")


def leaves(values: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            found |= leaves(value, f"{path}{key}.")
        else:
            found[path + key] = value
    return found


def written(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_value_is_explained_with_its_default() -> None:
    table = PAGE.partition("<!-- values -->")[2].partition("<!-- /values -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    shown = {name: default.strip("`") for name, default, _ in rows}
    values = leaves(yaml.safe_load((CHART / "values.yaml").read_text()))
    empty = ("", [], {})
    assert shown == {k: "" if v in empty else written(v) for k, v in values.items()}


def test_values_in_the_text_exist() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    text = PAGE.partition("<!-- values -->")[0]
    named = re.findall(rf"`((?:{'|'.join(values)})\.[A-Za-z.]+)(?::[^`]*)?`", text)
    assert len(named) > 8
    for name in named:
        section, _, rest = name.partition(".")
        place = values[section]
        for key in rest.split("."):
            assert key in place, name
            place = place[key]


def test_the_connections_add_up() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    each = values["database"]["poolSize"] + 3
    total = each * (values["replicas"] + values["rollout"]["maxSurge"]) + 2
    sentence = (
        f"{each} × ({values['replicas']} + {values['rollout']['maxSurge']}) + 2 = {total} "
        f"of {values['database']['maxConnections']}"
    )
    assert sentence in PAGE
