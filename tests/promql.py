"""What alerts, panels and pages say about metrics: their names and labels, read out of expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support import ROOT

RULES = ROOT / "deploy" / "prometheus" / "datastorage.rules.yaml"
DASHBOARD = ROOT / "deploy" / "grafana" / "datastorage.json"
# Prometheus gives these to every series of a target.
TARGET_LABELS = {"job", "instance"}

_SELECTOR = re.compile(r"(?P<name>datastorage_[a-z0-9_]+)(?:\{(?P<matchers>[^}]*)\})?")
_MATCHER = re.compile(r'(?P<label>[a-z_]+)\s*(?P<how>=~|!~|!=|=)\s*"(?P<value>[^"]*)"')
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Selector:
    """A metric as an expression names it."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]  # label, how it is compared, with what

    def matches(self, name: str, labels: dict[str, str]) -> bool:
        """Whether a sample of a scrape is one of these; what only targets have is left aside."""
        return name == self.name and all(
            label in labels and _compare(how, labels[label], value)
            for label, how, value in self.matchers
            if label not in TARGET_LABELS
        )


def _compare(how: str, have: str, value: str) -> bool:
    if how in ("=", "!="):
        return (have == value) is (how == "=")
    return (re.fullmatch(value, have) is not None) is (how == "=~")


def selectors(expression: str) -> list[Selector]:
    """The service's metrics in a PromQL expression."""
    return [Selector(m["name"], tuple(_MATCHER.findall(m["matchers"] or ""))) for m in _SELECTOR.finditer(expression)]


def grouping(expression: str) -> set[str]:
    """The labels that an expression groups and joins by."""
    return {label.strip() for labels in _GROUPING.findall(expression) for label in labels.split(",") if label.strip()}


def alerts() -> dict[str, dict[str, Any]]:
    """The alert rules by name."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    found = {rule["alert"]: rule for rule in rules}
    assert len(found) == len(rules), "two alerts of one name"
    return found


def panels() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(row, title, panel) of everything on the dashboard that shows data, in its order."""
    row = ""
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
        elif panel["type"] != "text":
            yield row, panel["title"], panel


def panel_queries() -> list[tuple[str, str]]:
    """(row / title, expression) of every query of the dashboard."""
    return [(f"{row} / {title}", target["expr"]) for row, title, panel in panels() for target in panel["targets"]]
