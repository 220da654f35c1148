"""Traces under gunicorn: each worker sends its own after the fork, and the last before it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.otlp import collector
from tests.support import GunicornService, event

EVENTS = "/api/v1/audit/events"


def test_every_worker_sends_all_that_it_has(run_service: Callable[..., GunicornService], tmp_path: Path) -> None:
    with collector() as otlp:
        service = run_service(
            tracing__endpoint=otlp.url,
            tracing__sample_ratio="1",
            tracing__service_name="under-gunicorn",
            server__workers="2",
        )
        for _ in range(40):
            assert service.request("POST", EVENTS, event()).status == 201
        assert service.stop() == 0
        requests, flushes = otlp.named(f"POST {EVENTS}"), otlp.named("flush")
        assert len({span.span_id for span in requests}) == 40, "each once"
        assert sorted(link for f in flushes for link in f.links) == sorted((s.trace_id, s.span_id) for s in requests)
        assert {s.resource["service.name"] for s in otlp.spans} == {"under-gunicorn"}
        assert 1 <= len({s.resource["service.instance.id"] for s in otlp.spans}) <= 2


def test_a_frozen_collector_does_not_keep_the_service_from_ending(
    run_service: Callable[..., GunicornService],
) -> None:
    with collector(frozen=True) as otlp:
        service = run_service(tracing__endpoint=otlp.url, server__workers="1")
        for _ in range(20):
            assert service.request("POST", EVENTS, event()).status == 201
        assert service.stop() == 0, "ended by itself, clean"
        assert otlp.spans == []
