"""What the running service exports is what the contract, alerts, dashboard and pages speak of, and it moves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase

from app.telemetry import metrics
from tests.driving import SECRET, Driven, driven_service, log_lines
from tests.promql import TARGET_LABELS, alerts, grouping, panel_queries, selectors
from tests.support import ROOT, PostgresServer, wait_until

pytestmark = pytest.mark.embedded

# The metrics that others rely on: name → type, labels, and values that those labels must be seen with.
CONTRACT: dict[str, tuple[str, dict[str, set[str]]]] = {
    "datastorage_audit_traces": (
        "counter",
        {
            "service": {"gateway", "notification", "execution"},
            "status": {"success", "dlq_fallback", "duplicate", "failure"},
        },
    ),
    "datastorage_audit_lag_seconds": ("histogram", {"service": {"gateway", "notification"}}),
    "datastorage_write_duration_seconds": (
        "histogram",
        {"table": {"audit_events", "audit_events_batch", "notification_audit", "workflow_catalog"}},
    ),
    "datastorage_validation_failures": (
        "counter",
        {
            "field": {"event_type", "event_category", "correlation_id", "event_timestamp", "body"},
            "reason": {
                *("required", "invalid", "exceeds_max_length", "future_timestamp", "timestamp_too_old"),
                *("invalid_json", "not_array", "empty_batch", "batch_too_large", "parent_not_found", "body_too_large"),
            },
        },
    ),
    "datastorage_query_duration_seconds": (
        "histogram",
        {"operation": {"list_events", "get_event", "list_notifications", "search_workflows", "list_workflows"}},
    ),
    "datastorage_buffer_depth": ("gauge", {}),
    "datastorage_buffer_capacity": ("gauge", {}),
    "datastorage_buffer_utilization_ratio": ("gauge", {}),
    "datastorage_buffer_rejected": ("counter", {"reason": {"full", "timeout"}}),
    "datastorage_flush_batch_size": ("histogram", {}),
    "datastorage_flush_duration_seconds": ("histogram", {}),
    **{
        f"datastorage_dlq_{name}": ("gauge", {"stream": {"events", "notifications"}})
        for name in (
            *("capacity_ratio", "depth", "warning", "critical", "overflow_imminent", "oldest_age_seconds"),
            "dead_letter_depth",
        )
    },
    "datastorage_dlq_enqueue": (
        "counter",
        {"stream": {"events", "notifications"}, "type": {"audit_event", "notification_audit"}},
    ),
    "datastorage_dlq_replayed": (
        "counter",
        {"stream": {"events", "notifications"}, "result": {"stored", "duplicate", "dead_lettered", "retry"}},
    ),
    "datastorage_dlq_rejected": (
        "counter",
        {"stream": {"events", "notifications"}, "reason": {"full", "unreachable"}},
    ),
    "datastorage_hold_acts": ("counter", {"act": {"set", "released"}}),
    "datastorage_holds_active": ("gauge", {}),
    "datastorage_db_up": ("gauge", {}),
    "datastorage_redis_up": ("gauge", {}),
    "datastorage_breaker_open": ("gauge", {}),
    "datastorage_db_pool_size": ("gauge", {}),
    "datastorage_db_pool_available": ("gauge", {}),
    "datastorage_db_pool_waiting": ("gauge", {}),
    "datastorage_db_pool_wait_seconds": ("counter", {}),
    "datastorage_partition_months_ahead": ("gauge", {}),
    "datastorage_http_request": ("counter", {"method": {"GET", "POST", "PATCH"}, "status": {"200", "201", "503"}}),
    "datastorage_http_request_duration_seconds": (
        "histogram",
        {"method": {"POST"}, "route": {"/api/v1/audit/events", "/metrics"}, "status": {"201", "202", "503"}},
    ),
    "datastorage_http_requests_in_flight": ("gauge", {}),
    "datastorage_build_info": ("gauge", {"version": set(), "python": set()}),
}
# What this drive does not move, and the test that does.
MOVED_ELSEWHERE = {
    "datastorage_log_lines_dropped": "tests/unit/telemetry/test_log_writer.py",
    "datastorage_db_replica_fallbacks": "tests/integration/test_read_replica.py",
    "datastorage_auth_files_stale": "tests/integration/test_stale_credentials.py",
    "datastorage_dlq_lost": "tests/integration/test_redis_forgets.py",
    "datastorage_log_inconsistent": "tests/unit/transparency/test_signing_watch.py",
}
DECLARED = [m for m in vars(metrics).values() if isinstance(m, MetricWrapperBase)]


@pytest.fixture(scope="module")
def driven(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    with driven_service(postgres, tmp_path_factory.mktemp("watching")) as service:
        with service.watched():
            service.run()
        yield service


@pytest.mark.parametrize("name", CONTRACT)
def test_contract(driven: Driven, name: str) -> None:
    kind, labels = CONTRACT[name]
    assert driven.types.get(name) == kind
    sample = {"counter": f"{name}_total", "histogram": f"{name}_bucket"}.get(kind, name)
    assert driven.labels_of(sample) - {"le"} == labels.keys()
    for label, wanted in labels.items():
        seen = {value for pairs in driven.samples(sample) for key, value in pairs if key == label}
        assert seen >= wanted, label


@pytest.mark.parametrize("metric", DECLARED, ids=lambda m: m._name)
def test_nothing_is_declared_that_does_not_move(driven: Driven, metric: MetricWrapperBase) -> None:
    name = metric._name
    assert driven.types.get(name) == metric._type
    if name in MOVED_ELSEWHERE:
        constant = next(key for key, value in vars(metrics).items() if value is metric)
        assert f"metrics.{constant}" in (ROOT / MOVED_ELSEWHERE[name]).read_text()
        return
    sample = {"counter": f"{name}_total", "histogram": f"{name}_count"}.get(metric._type, name)
    assert any(value > 0 for value in driven.samples(sample).values())


def test_nothing_is_exported_that_is_not_declared(driven: Driven) -> None:
    known = {m._name for m in DECLARED} | {"datastorage_exporter_info"}
    assert {name for name in driven.types if name not in known} == {
        "datastorage_http_request",
        "datastorage_http_request_duration_seconds",
    }


@pytest.mark.parametrize(
    ("flag", "stream"), [("warning", "events"), ("critical", "events"), ("overflow_imminent", "events")]
)
def test_alarms_are_raised_and_fall_again(driven: Driven, flag: str, stream: str) -> None:
    key = (f"datastorage_dlq_{flag}", frozenset({("stream", stream)}))
    assert driven.peak[key] == 1
    wait_until(lambda: driven.scrape()[key] == 0, what="no alarm")


EXPRESSIONS = [
    *((name, rule["expr"]) for name, rule in alerts().items()),
    *panel_queries(),
]


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS, ids=[where for where, _ in EXPRESSIONS])
def test_alerts_and_panels_speak_of_what_there_is(driven: Driven, where: str, expression: str) -> None:
    named = selectors(expression)
    assert named
    labels = {label for selector in named for label in driven.labels_of(selector.name)}
    for selector in named:
        matching = [key for key in driven.peak if selector.matches(key[0], dict(key[1]))]
        assert matching, f"no sample is {selector}"
    assert grouping(expression) <= labels | TARGET_LABELS


PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")])
# Roles of PostgreSQL, names of packages, and claims of tokens.
NO_METRICS = {
    *(
        "datastorage_owner",
        "datastorage_client",
        "datastorage_common",
        "datastorage_namespaces",
        "datastorage_categories",
    ),
}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_speak_of_what_there_is(driven: Driven, page: Any) -> None:
    exported = {name for name, _ in driven.peak} | set(driven.types)
    for name in set(re.findall(r"\bdatastorage_[a-z0-9_]*[a-z0-9](?![a-z0-9_*])", page.read_text())) - NO_METRICS:
        assert name in exported, name


def test_one_form_for_every_line(driven: Driven) -> None:
    lines = log_lines(driven.service.log)
    assert all(line.keys() >= {"time", "level", "logger", "message", "pid"} for line in lines)
    text = driven.service.log.read_text()
    assert SECRET not in text, "payloads, parameters and tokens are nobody's business"
    assert driven.token not in text
    requests = [line for line in lines if line["logger"] == "app.request"]
    outcomes = {line["outcome"] for line in requests}
    assert outcomes >= {
        *("stored", "duplicate", "spilled", "ok", "conflict", "validation-error", "invalid_request", "buffer-full"),
        *("dlq-full", "service-unavailable", "unauthorized", "request-too-large", "batch-size-exceeded"),
    }
    assert {line["principal"] for line in requests} == {"driver", "-"}
    assert not any(line["route"] == "/metrics" for line in requests), "scrapes that went well are no news"
    asked = [line for line in requests if line["route"] == "/api/v1/audit/events/batch" and line["status"] == 201]
    assert [line["records"] for line in asked] == [2]
    messages = " ".join(line["message"] for line in lines)
    assert "dead letter queue events: critical raised" in messages
    assert "dead letter queue events: critical cleared" in messages
