"""The page about operating lists what there is, and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
from uuid import UUID

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from app.config.settings import Settings
from app.telemetry import metrics
from app.telemetry.request_line import RequestLine, request_json
from app.telemetry.trace import TraceContext
from tests.promql import alerts
from tests.support import ROOT

PAGE = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
OF_THE_EXPORTER = {"datastorage_http_request_total", "datastorage_http_request_duration_seconds"}


def test_every_metric_is_listed_with_its_labels() -> None:
    listed: dict[str, set[str]] = {}
    for names, labels in re.findall(r"^\| (`datastorage_[^|]*) \|([^|]*)\|", PAGE, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", names):
            listed[name] = {label.strip() for label in labels.split(",")} - {""}
    declared = {
        m._name + ("_total" if m._type == "counter" else ""): set(m._labelnames)
        for m in vars(metrics).values()
        if isinstance(m, MetricWrapperBase)
    }
    assert listed.keys() == declared.keys() | OF_THE_EXPORTER
    assert {name: listed[name] for name in declared} == declared


def test_every_alert_is_listed_with_its_severity_and_section() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(runbook\.md#(\w+)\) \| (\w+) \|", PAGE, re.MULTILINE)
    assert {name: severity for name, _, severity in rows} == {
        name: rule["labels"]["severity"] for name, rule in alerts().items()
    }
    assert all(anchor == name.lower() for name, anchor, _ in rows)


def test_the_example_is_a_line_as_it_is_written() -> None:
    [example] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    shown = json.loads(example)
    line = RequestLine(
        1.0, "r", "p", TraceContext("a", "b"), "POST", "/x", 201, 0.1, "stored", 2, "3", 4, "-", UUID(int=5)
    )
    written = json.loads(request_json(line))
    assert list(shown) == list(written)
    assert {key: type(value) for key, value in shown.items()} == {key: type(value) for key, value in written.items()}
    members = {name for cell in re.findall(r"^\| ([a-z_, ]+) \|", PAGE, re.MULTILINE) for name in cell.split(", ")}
    assert members >= written.keys()


def test_settings_and_values_of_the_chart_exist() -> None:
    shown = Settings().masked()
    values = yaml.safe_load((ROOT / "deploy" / "helm" / "datastorage" / "values.yaml").read_text())
    for path in re.findall(r"`([a-z]+(?:\.[A-Za-z_]+)+)(?::[^`]*)?`", PAGE):
        first, *rest = path.split(".")
        found = shown.get(first, values.get(first))
        for key in rest:
            assert isinstance(found, dict), path
            assert key in found, path
            found = found[key]


@pytest.mark.parametrize("arguments", ["        args:\n        - migrate\n", "        args: [migrate]\n"])
def test_the_job_that_closes_the_log_is_made_of_the_migration(arguments: str) -> None:
    """As it is rendered, and as helm gives the hooks back."""
    [recipe] = re.findall(r"^sed (.*) job\.yaml \| kubectl -n datastorage apply -f -$", PAGE, re.MULTILINE)
    manifest = (ROOT / "deploy" / "kubernetes" / "1-migration.yaml").read_text()
    rendered = manifest.replace("        args:\n        - migrate\n", arguments)
    assert arguments in rendered
    done = subprocess.run(["sh", "-c", f"sed {recipe}"], input=rendered, capture_output=True, text=True, check=True)
    before, after = (list(yaml.safe_load_all(text)) for text in (manifest, done.stdout))
    for document in before:
        document["metadata"]["name"] = "datastorage-finish"
    pod = before[1]["spec"]["template"]["spec"]
    pod["containers"][0]["args"] = ["log", "intake", "--finish"]
    pod["volumes"][0]["configMap"]["name"] = "datastorage-finish"
    assert after == before


def test_files_exist() -> None:
    for path in re.findall(r"`(deploy/[^`]+)`", PAGE):
        assert (ROOT / path).exists(), path
