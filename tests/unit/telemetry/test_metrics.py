from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from app.telemetry import log_metrics, metrics
from tests.unit.fakes import event, make_client, make_services

METRICS = [m for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)]


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m._name)
def test_names_and_texts(metric: MetricWrapperBase) -> None:
    assert re.fullmatch(r"datastorage_[a-z0-9_]+", metric._name)
    assert metric._documentation.endswith(".")
    if metric._type == "gauge":
        assert getattr(metric, "_multiprocess_mode").startswith("live"), "gauges of dead workers must not count"  # noqa: B009


def test_metrics_of_the_log_are_given_on() -> None:
    """What is not there is set by nobody, and missed by each test that goes through all metrics."""
    of_the_log = [m for m in vars(log_metrics).values() if isinstance(m, MetricWrapperBase)]
    assert of_the_log
    assert {m._name for m in of_the_log} <= {m._name for m in METRICS}


def test_a_scrape_has_the_services_own_metrics_and_those_of_http() -> None:
    services = make_services()
    client = make_client(services)
    services.buffer.close()
    assert client.post("/api/v1/audit/events", json=event()).status_code == 503
    services.sampler.sample()
    metrics.announce_build()
    response = client.get("/metrics")
    assert response.content_type.startswith("text/plain; version=0.0.4")
    families = {f.name: f for f in text_string_to_metric_families(response.text)}
    for metric in METRICS:
        assert metric._name in families
    [build] = families["datastorage_build_info"].samples
    assert build.value == 1
    assert build.labels.keys() == {"version", "python"}
    written = [s for s in families["datastorage_write_duration_seconds"].samples if s.name.endswith("_count")]
    assert {s.labels["table"] for s in written} >= {"audit_events"}
    http = [name for name in families if name.startswith("datastorage_http_")]
    assert {"datastorage_http_request_duration_seconds", "datastorage_http_request"} <= set(http)


def test_metrics_are_right_under_several_workers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a directory of files everything comes from there, so that no process speaks for itself alone."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    registry = CollectorRegistry()
    Counter("of_this_process", "x", registry=registry).inc()
    assert metrics.render(registry) == b""


def test_a_scrape_while_a_worker_makes_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    made = tmp_path / "counter_99999.db"
    made.touch()
    waits: list[float] = []

    def grow(seconds: float) -> None:
        waits.append(seconds)
        made.write_bytes(bytes(1024))

    monkeypatch.setattr(metrics.time, "sleep", grow)
    assert metrics.render(CollectorRegistry()) == b""
    assert len(waits) == 1
    made.write_bytes(b"")
    waits.clear()
    monkeypatch.setattr(metrics.time, "sleep", waits.append)
    with pytest.raises(struct.error):  # a file that stays broken is no empty scrape
        metrics.render(CollectorRegistry())
    assert 0.3 < sum(waits) < 2, "as long as a worker may take, and not as long as a scrape may"


def test_series_that_alerts_need_are_there_before_anything_happens() -> None:
    text = metrics.render(CollectorRegistry()).decode()
    assert 'datastorage_buffer_rejected_total{reason="full"}' in text
    assert 'datastorage_buffer_rejected_total{reason="timeout"}' in text


def test_a_batch_of_values_is_observed_as_they_would_be_one_by_one() -> None:
    registry = CollectorRegistry()
    edges = (0.1, 0.5, 1.0)
    one = Histogram("one", "one", buckets=edges, registry=registry)
    other = Histogram("other", "other", buckets=edges, registry=registry)
    values = [0.0, 0.1, 0.1000001, 0.5, 0.75, 1.0, 1.5, 1e9]
    for value in values:
        one.observe(value)
    metrics.observe_all(other, values)
    assert [(s.labels, s.value) for s in one.collect()[0].samples if "created" not in s.name] == [
        (s.labels, s.value) for s in other.collect()[0].samples if "created" not in s.name
    ]
