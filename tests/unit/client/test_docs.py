"""What the pages about the client name is there."""

from __future__ import annotations

import inspect
import re

from datastorage_client import BufferedAuditStore, DataStorageClient
from datastorage_client.buffered.prometheus import PrometheusMetrics
from prometheus_client import CollectorRegistry

from tests.tree import ROOT

PAGE = (ROOT / "docs" / "integrate.md").read_text(encoding="utf-8")


def test_every_metric_is_documented() -> None:
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    made = {m.name + ("_total" if m.type == "counter" else "") for m in registry.collect()}
    table = PAGE.partition("\n### Metrics\n")[2].partition("\n### ")[0]
    assert set(re.findall(r"`(audit_[a-z_]+)(?:\{[a-z]+\})?`", table)) == made


def test_defaults_on_the_page_are_those_of_the_code() -> None:
    defaults = {n: p.default for n, p in inspect.signature(BufferedAuditStore).parameters.items()}
    assert f"`max_events` ({defaults['max_events']:,})" in PAGE
    assert f"`max_bytes` ({defaults['max_bytes'] // 1024**2} MiB)" in PAGE
    assert f"up to {defaults['batch_size']} events or {defaults['max_batch_bytes'] // 10**6} MB" in PAGE
    assert f"`max_age` ({defaults['max_age'] / 86400:.0f} days" in PAGE
    for name in ("token", "retry_for"):
        assert name in inspect.signature(DataStorageClient).parameters
        assert f"`{name}`" in PAGE
