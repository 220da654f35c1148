"""Every alert, shown by promtool to fire when it should and not to when it should not."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.promql import RULES, alerts

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian's prometheus)")

ALERTS = alerts() if RULES.exists() else {}
Series = dict[str, str]
TARGET = 'job="datastorage",instance="a:8080"'


class Case(NamedTuple):
    """Series (promtool's notation, a value each minute), and when to look whether the alert fires."""

    series: Series
    at: str
    labels: dict[str, str] | None  # of the alert that fires beside its severity; None: none does


def gauge(name: str, values: str, labels: str = "") -> Series:
    return {f"{name}{{{TARGET}{',' if labels else ''}{labels}}}": values}


JOB = {"job": "datastorage"}
INSTANCE = {"job": "datastorage", "instance": "a:8080"}
EVENTS = {**INSTANCE, "stream": "events"}


def both_streams(name: str, seconds: str, until: str) -> list[Case]:
    """A flag that is up for either stream, one that is up not long enough, and one that falls in between."""
    flag = f"datastorage_dlq_{name}"
    long = {**gauge(flag, "1x30", 'stream="events"'), **gauge(flag, "0x30", 'stream="notifications"')}
    other = {**gauge(flag, "0x30", 'stream="events"'), **gauge(flag, "1x30", 'stream="notifications"')}
    return [
        Case(long, seconds, EVENTS),
        Case(other, seconds, {**INSTANCE, "stream": "notifications"}),
        Case(long, until, None),
        Case(gauge(flag, "0x30", 'stream="events"'), seconds, None),
    ]


def histogram(name: str, fast: str, slow: str, labels: str) -> Series:
    """Observations of at most 25 ms, and those of at most 500 ms; both count up."""
    return {
        **gauge(f"{name}_bucket", fast, f'{labels},le="0.025"'),
        **gauge(f"{name}_bucket", fast, f'{labels},le="0.05"'),
        **gauge(f"{name}_bucket", slow, f'{labels},le="0.5"'),
        **gauge(f"{name}_bucket", slow, f'{labels},le="+Inf"'),
    }


def answers(good: str, bad: str, route: str = "/api/v1/audit/events") -> Series:
    name = "datastorage_http_request_duration_seconds_count"
    return {
        **gauge(name, good, f'method="POST",route="{route}",status="201"'),
        **gauge(name, bad, f'method="POST",route="{route}",status="503"'),
    }


def waiting(depth: str, replayed: str, up: str = "1x40") -> Series:
    return {
        **gauge("datastorage_dlq_depth", depth, 'stream="events"'),
        **gauge("datastorage_db_up", up),
        **gauge("datastorage_dlq_replayed_total", replayed, 'stream="events",result="stored"'),
        **gauge("datastorage_dlq_replayed_total", "0x40", 'stream="events",result="duplicate"'),
        **gauge("datastorage_dlq_replayed_total", "0+1x40", 'stream="events",result="retry"'),
    }


def flag(name: str, bad: str, good: str, at: str, **more: str) -> list[Case]:
    """A gauge that is bad for long enough, one that is good, and one that is bad and gets well in time."""
    rest = {key: value for extra, values in more.items() for key, value in gauge(extra, values).items()}
    return [
        Case({**gauge(name, f"{bad}x90"), **rest}, at, INSTANCE),
        Case({**gauge(name, f"{good}x90"), **rest}, at, None),
        Case({**gauge(name, f"{bad} {good}x90"), **rest}, at, None),
    ]


def log_lag(bad: str, good: str, at: str) -> list[Case]:
    """Behind for long enough, seen by one of two instances, not behind, caught up again, and without PostgreSQL."""
    name, up = "datastorage_log_lag_seconds", gauge("datastorage_db_up", "1x90")
    other = 'job="datastorage",instance="b:8080"'
    job = {"job": "datastorage"}
    return [
        Case({**gauge(name, f"{bad}x90"), **up}, at, job),
        Case(
            {
                **gauge(name, "0x90"),
                **up,
                f"{name}{{{other}}}": f"{bad}x90",
                f"datastorage_db_up{{{other}}}": "1x90",
            },
            at,
            job,
        ),
        Case({**gauge(name, f"{good}x90"), **up}, at, None),
        Case({**gauge(name, f"{bad} 0x90"), **up}, at, None),
        Case({**gauge(name, f"{bad}x90"), **gauge("datastorage_db_up", "0x90")}, at, None),
    ]


def unsigned(seconds: str, *, up: str = "1x9", inconsistent: str = "0x9") -> Series:
    return {
        **gauge("datastorage_log_unsigned_seconds", seconds),
        **gauge("datastorage_db_up", up),
        **gauge("datastorage_log_inconsistent", inconsistent),
    }


BUILD = gauge("datastorage_build_info", "1x90", 'version="1",python="3"')
CASES: dict[str, list[Case]] = {
    "DataStorageDLQWarning": both_streams("warning", "10m", "9m"),
    "DataStorageDLQCritical": both_streams("critical", "5m", "4m"),
    "DataStorageDLQOverflowImminent": both_streams("overflow_imminent", "1m", "30s"),
    "DataStorageDLQNotDraining": [
        Case(waiting("5x40", "7x40"), "20m", EVENTS),
        Case(waiting("5x40", "0+1x40"), "20m", None),
        Case(waiting("5x12 0x27", "7x40"), "20m", None),
        Case(waiting("5x40", "7x40", up="1x8 0x2 1x30"), "20m", None),  # PostgreSQL was away: waiting is right
    ],
    "DataStorageDeadLetters": [
        Case(
            gauge("datastorage_dlq_dead_letter_depth", "1x9", 'stream="events"'),
            "2m",
            {"job": "datastorage", "stream": "events"},
        ),
        Case(gauge("datastorage_dlq_dead_letter_depth", "0x9", 'stream="events"'), "2m", None),
    ],
    "DataStorageWritesRefused": [
        Case(
            gauge("datastorage_dlq_rejected_total", "0x3 1x9", 'stream="events",reason="full"'),
            "5m",
            {"job": "datastorage", "stream": "events", "reason": "full"},
        ),
        Case(gauge("datastorage_dlq_rejected_total", "4x12", 'stream="events",reason="full"'), "9m", None),
        Case(gauge("datastorage_dlq_rejected_total", "0 1x20", 'stream="events",reason="full"'), "15m", None),
    ],
    "DataStorageDown": [
        Case({**gauge("up", "1 0x9"), **BUILD}, "3m", INSTANCE),
        Case({"up": "1x9"}, "3m", {}),  # nothing of the service is known at all
        Case({**gauge("up", "1 0 1x9"), **BUILD}, "3m", None),
        Case({'up{job="something-else",instance="b"}': "0x9", **BUILD}, "3m", None),
    ],
    "DataStorageErrorRatio": [
        Case(answers("0+98x30", "0+2x30"), "12m", {"job": "datastorage"}),
        Case(answers("0+999x30", "0+5x30"), "12m", None),
        Case({**answers("0+100x30", "0x30"), **answers("0x30", "0+50x30", route="/health/ready")}, "12m", None),
        Case(answers("0+98x30", "0+2x4 8x26"), "12m", None),
    ],
    "DataStorageBufferSaturated": [
        Case(gauge("datastorage_buffer_utilization_ratio", "0.9x9"), "5m", INSTANCE),
        Case(gauge("datastorage_buffer_rejected_total", "0+3x9", 'reason="full"'), "5m", INSTANCE),
        Case(
            {
                **gauge("datastorage_buffer_utilization_ratio", "0.5x9"),
                **gauge("datastorage_buffer_rejected_total", "7x9", 'reason="full"'),
            },
            "5m",
            None,
        ),
    ],
    "DataStorageFlusherStuck": [
        Case(gauge("datastorage_flusher_heartbeat_age_seconds", "1 12 27"), "2m", INSTANCE),
        Case(gauge("datastorage_flusher_heartbeat_age_seconds", "1 7 3"), "1m", None),
    ],
    "DataStorageRequestThreadsSaturated": flag(
        "datastorage_request_threads_busy", "31", "20", "6m", datastorage_request_threads="32x90"
    ),
    "DataStorageCallersRefused": [
        Case(gauge("datastorage_auth_failures_total", "0+120x30", 'reason="unknown"'), "16m", {"job": "datastorage"}),
        Case(gauge("datastorage_auth_failures_total", "0+30x30", 'reason="unknown"'), "16m", None),
        Case(gauge("datastorage_auth_failures_total", "0+120x4 480x26", 'reason="unknown"'), "16m", None),
    ],
    "DataStorageIssuerKeysOld": [
        Case(
            gauge("datastorage_auth_keys_age_seconds", "0+60x60", 'issuer="corp"'),
            "40m",
            {"job": "datastorage", "issuer": "corp"},
        ),
        Case(
            gauge("datastorage_auth_keys_age_seconds", "+Inf+0x20", 'issuer="corp"'),
            "8m",
            {"job": "datastorage", "issuer": "corp"},
        ),
        Case(gauge("datastorage_auth_keys_age_seconds", "900x60", 'issuer="corp"'), "50m", None),
    ],
    "DataStorageCredentialsStale": [
        Case(
            gauge("datastorage_auth_files_stale", "1x90", 'file="tokens"'),
            "6m",
            {**INSTANCE, "file": "tokens"},
        ),
        Case(gauge("datastorage_auth_files_stale", "0x90", 'file="tokens"'), "6m", None),
        Case(gauge("datastorage_auth_files_stale", "1 0x90", 'file="keys"'), "6m", None),
    ],
    "DataStorageRateLimited": [
        Case(
            gauge("datastorage_rate_limited_total", "0+120x30", 'limit="events"'),
            "16m",
            {"job": "datastorage", "limit": "events"},
        ),
        Case(gauge("datastorage_rate_limited_total", "0+30x30", 'limit="events"'), "16m", None),
        Case(gauge("datastorage_rate_limited_total", "0+120x4 480x26", 'limit="events"'), "16m", None),
    ],
    "DataStorageLogLinesDropped": [
        Case(gauge("datastorage_log_lines_dropped_total", "0+10x20"), "12m", INSTANCE),
        Case(gauge("datastorage_log_lines_dropped_total", "10x20"), "12m", None),
    ],
    "DataStorageWriteLatencyHigh": [
        Case(
            histogram("datastorage_write_duration_seconds", "0+90x30", "0+100x30", 'table="audit_events"'),
            "16m",
            {"job": "datastorage"},
        ),
        Case(
            histogram("datastorage_write_duration_seconds", "0+96x30", "0+100x30", 'table="audit_events"'),
            "16m",
            None,
        ),
        # Batches take longer, and may.
        Case(
            histogram("datastorage_write_duration_seconds", "0+1x30", "0+100x30", 'table="audit_events_batch"'),
            "16m",
            None,
        ),
    ],
    "DataStorageQueryLatencyHigh": [
        Case(
            histogram("datastorage_query_duration_seconds", "0+50x30", "0+100x30", 'operation="search_workflows"'),
            "16m",
            {"job": "datastorage", "operation": "search_workflows"},
        ),
        Case(
            histogram("datastorage_query_duration_seconds", "0+99x30", "0+100x30", 'operation="search_workflows"'),
            "16m",
            None,
        ),
    ],
    "DataStorageDatabaseDown": flag("datastorage_db_up", "0", "1", "2m"),
    "DataStorageBreakerOpen": flag("datastorage_breaker_open", "1", "0", "2m"),
    "DataStorageDatabaseNotDurable": flag("datastorage_db_durable", "0", "1", "6m"),
    "DataStorageDatabasePoolWaiting": [
        Case(gauge("datastorage_db_pool_wait_seconds_total", "0+90x30"), "12m", INSTANCE),
        Case(gauge("datastorage_db_pool_wait_seconds_total", "0+30x30"), "12m", None),
    ],
    "DataStoragePartitionsRunningOut": [
        *flag("datastorage_partition_months_ahead", "0", "3", "61m"),
        Case(gauge("datastorage_partition_months_ahead", "-1x90"), "61m", INSTANCE),
        Case(gauge("datastorage_partition_months_ahead", "1x90"), "61m", None),
    ],
    "DataStorageRedisDown": [
        *flag("datastorage_redis_up", "0", "1", "2m"),
        Case(gauge("datastorage_redis_up", "NaN NaN NaN"), "2m", None),  # there is none to be down
    ],
    "DataStorageRedisNotDurable": [
        *flag("datastorage_redis_durable", "0", "1", "6m", datastorage_redis_up="1x90"),
        Case({**gauge("datastorage_redis_durable", "0x9"), **gauge("datastorage_redis_up", "0x9")}, "6m", None),
    ],
    "DataStorageLogLagging": log_lag("61", "60", "6m"),
    "DataStorageLogStopped": log_lag("901", "900", "2m"),
    "DataStorageLogInconsistent": [
        Case(gauge("datastorage_log_inconsistent", "0 1x9"), "1m", JOB),
        Case(gauge("datastorage_log_inconsistent", "0x9"), "5m", None),
        Case(gauge("datastorage_log_inconsistent", "1 1 0x9"), "3m", None),
    ],
    "DataStorageLogUnsigned": [
        Case(unsigned("301x9"), "2m", JOB),
        Case(unsigned("300x9"), "5m", None),
        Case(unsigned("301 0x9"), "2m", None),
        Case(unsigned("301x9", up="0x9"), "5m", None),
        Case(unsigned("301x9", inconsistent="1x9"), "5m", None),  # that has an alert of its own
    ],
    "DataStorageLogWitnessContradicts": [
        Case(gauge("datastorage_log_witness_contradicts", "0 1x9", 'witness="w"'), "1m", {**JOB, "witness": "w"}),
        Case(gauge("datastorage_log_witness_contradicts", "0x9", 'witness="w"'), "5m", None),
    ],
}


def test_every_alert_has_a_case_that_fires_and_one_that_does_not() -> None:
    assert CASES.keys() == ALERTS.keys()
    for name, cases in CASES.items():
        assert any(case.labels is not None for case in cases), f"{name} is never shown to fire"
        assert any(case.labels is None for case in cases), f"{name} is never shown not to"


def expected(name: str, labels: dict[str, str]) -> dict[str, Any]:
    """The alert as promtool is to see it."""

    def filled(text: str) -> str:
        return re.sub(r"{{ \$labels\.(\w+) }}", lambda m: labels.get(m[1], ""), text)

    rule = ALERTS[name]
    return {
        "exp_labels": {**rule["labels"], **labels},
        "exp_annotations": {key: filled(text) for key, text in rule["annotations"].items()},
    }


def promtool(*arguments: str) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_rules() -> None:
    promtool("check", "rules", str(RULES))


@pytest.mark.parametrize("name", ALERTS)
def test_alert(name: str, tmp_path: Path) -> None:
    tests = [
        {
            "interval": "1m",
            "name": f"{name} {number}",
            "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
            "alert_rule_test": [
                {
                    "eval_time": case.at,
                    "alertname": name,
                    "exp_alerts": [] if case.labels is None else [expected(name, case.labels)],
                }
            ],
        }
        for number, case in enumerate(CASES[name])
    ]
    path = tmp_path / "alerts.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": tests}))
    promtool("test", "rules", str(path))
