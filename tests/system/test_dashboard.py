"""A real Prometheus against the running service: every panel's query gives data, and every rule can be evaluated."""

from __future__ import annotations

import json
import math
import shutil
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devserver.processes import Guarded
from tests.driving import Driven, driven_service
from tests.promql import RULES, alerts, panel_queries
from tests.support import PostgresServer, free_port, wait_until

pytestmark = pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs prometheus (Debian's package)")

# What Grafana puts in for a scrape each second and an hour on the screen is at least this; it covers the drive.
RATE_INTERVAL = "60s"
QUERIES = panel_queries()


class Prometheus:
    """A Prometheus that scrapes one service each second."""

    def __init__(self, directory: Path, target: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        config = directory / "prometheus.yaml"
        scrape = {"job_name": "datastorage", "static_configs": [{"targets": [target]}]}
        config.write_text(
            yaml.safe_dump(
                {
                    "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(RULES)],
                    "scrape_configs": [scrape],
                }
            )
        )
        self._log = open(directory / "prometheus.log", "wb")  # noqa: SIM115 - closed by stop
        self._process = Guarded(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
            stdout=self._log,
            stderr=self._log,
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._log.close()

    def get(self, path: str, **parameters: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as r:
            answer = json.loads(r.read())
        assert answer["status"] == "success", answer
        return answer["data"]

    def values(self, expression: str) -> list[float]:
        """The values of an instant query, NaN left out."""
        found = self.get("query", query=expression)["result"]
        return [value for value in (float(series["value"][1]) for series in found) if not math.isnan(value)]

    def scraped(self) -> bool:
        try:
            return self.values('up{job="datastorage"}') == [1]
        except OSError:
            return False


@pytest.fixture(scope="module")
def watched(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Driven, Prometheus]]:
    directory = tmp_path_factory.mktemp("prometheus")
    with driven_service(postgres, directory) as driven:
        prometheus = Prometheus(directory, f"127.0.0.1:{driven.service.port}")
        try:
            wait_until(prometheus.scraped, 30, "a first scrape")
            driven.run()
            stop = threading.Event()

            def load() -> None:
                while not stop.wait(0.05):
                    driven.post(201)
                    driven.catalogue()

            thread = threading.Thread(target=load)
            thread.start()
            time.sleep(3)  # a few scrapes more, under load
            yield driven, prometheus
            stop.set()
            thread.join()
        finally:
            prometheus.stop()


@pytest.mark.parametrize(("where", "expression"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_panel_has_data(watched: tuple[Driven, Prometheus], where: str, expression: str) -> None:
    _, prometheus = watched
    for name, value in (("$__rate_interval", RATE_INTERVAL), ("$job", "datastorage"), ("$instance", ".*")):
        expression = expression.replace(name, value)
    assert "$" not in expression
    assert prometheus.values(expression), "no data"


@pytest.mark.parametrize("variable", ["job", "instance"])
def test_variables_have_values(watched: tuple[Driven, Prometheus], variable: str) -> None:
    _, prometheus = watched
    found = prometheus.get("series", **{"match[]": "datastorage_build_info"})
    assert {series[variable] for series in found} - {""}


def test_rules_are_evaluated_without_complaint(watched: tuple[Driven, Prometheus]) -> None:
    _, prometheus = watched
    rules = {rule["name"]: rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]}
    assert rules.keys() == alerts().keys()
    assert {name: rule["lastError"] for name, rule in rules.items() if rule.get("lastError")} == {}
    # The drive made the queue refuse and bury: these fire for real, at once or nearly so.
    assert rules["DataStorageWritesRefused"]["state"] == "firing"
    assert rules["DataStorageDeadLetters"]["state"] in ("pending", "firing")
    for name in ("DataStorageDown", "DataStorageDatabaseDown", "DataStorageRedisDown", "DataStorageRedisNotDurable"):
        assert rules[name]["state"] == "inactive", name
