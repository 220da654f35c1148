"""Spans of requests, flushes and replays as a collector gets them; a collector that is not well harms nothing."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
import redis

from app.dlq.keys import KEYS
from app.telemetry import tracing
from tests.otlp import Collector, Span, collector
from tests.support import Database, Valkey, event, wait_until

EVENTS = "/api/v1/audit/events"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SERVER, INTERNAL = 2, 1


def under(flags: str = "01", trace: str = TRACE) -> dict[str, str]:
    return {"traceparent": f"00-{trace}-{SPAN}-{flags}"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_SEND_EVERY_MS", 20.0)


@pytest.fixture
def otlp() -> Iterator[Collector]:
    with collector() as made:
        yield made


def arrived(otlp: Collector, name: str, count: int = 1) -> list[Span]:
    wait_until(lambda: len(otlp.named(name)) >= count, what=f"{count} spans {name}")
    assert len(otlp.named(name)) == count
    return otlp.named(name)


def test_a_request_is_a_span_below_its_callers(
    make_app: Callable[..., flask.Flask], otlp: Collector, tmp_path: Path
) -> None:
    headers = tmp_path / "headers"
    headers.write_text("Authorization: Bearer of-the-collector\n\n")
    client = make_app(
        tracing={"endpoint": otlp.url, "service_name": "audit", "headers_file": str(headers)}
    ).test_client()
    body = event()
    sent = client.post(EVENTS, json=body, headers={**under(), "X-Request-ID": "r-1"})
    assert sent.status_code == 201
    assert client.get("/health").status_code == 200
    assert client.get("/api/v1/nothing").status_code == 404
    [span] = arrived(otlp, f"POST {EVENTS}")
    assert (span.kind, span.trace_id, span.parent, span.failed) == (SERVER, TRACE, SPAN, False)
    length = span.attributes.pop("http.request.body.size")
    assert length > 100
    assert span.attributes == {
        "http.request.method": "POST",
        "http.route": EVENTS,
        "http.response.status_code": 201,
        "http.request.header.x-request-id": ["r-1"],
        "url.path": EVENTS,
        "url.scheme": "http",
        "client.address": "127.0.0.1",
        "datastorage.outcome": "stored",
        "datastorage.records": 1,
    }
    assert span.resource["service.name"] == "audit"
    assert {"service.version", "service.instance.id"} <= span.resource.keys()
    assert otlp.paths == {"/v1/traces"}
    assert otlp.headers[0]["authorization"] == "Bearer of-the-collector"
    [lost] = arrived(otlp, "GET")  # no route, no name of one
    assert (lost.attributes["http.response.status_code"], lost.parent) == (404, "")
    assert not [s for s in otlp.spans if "health" in s.name]


def test_a_flush_is_linked_to_its_requests(make_app: Callable[..., flask.Flask], otlp: Collector) -> None:
    app = make_app(tracing={"endpoint": otlp.url + "/v1/traces"})
    assert app.test_client().post(EVENTS + "/batch", json=[event(), event()], headers=under()).status_code == 201
    [request] = arrived(otlp, f"POST {EVENTS}/batch")
    [flush] = arrived(otlp, "flush")
    assert flush.links == [(TRACE, request.span_id)]
    assert (flush.kind, flush.parent, flush.trace_id == TRACE) == (INTERNAL, "", False)
    assert flush.attributes == {"records": 2, "datastorage.stored": 1}


def test_an_event_is_of_the_trace_that_began_here(
    make_app: Callable[..., flask.Flask], otlp: Collector, database: Database
) -> None:
    client = make_app(tracing={"endpoint": otlp.url}).test_client()
    assert client.post(EVENTS, json=event()).status_code == 201
    [span] = arrived(otlp, f"POST {EVENTS}")
    assert database.query("SELECT trace_id FROM audit_events") == [(span.trace_id,)]


def test_who_calls_decides_and_the_ratio_for_others(
    make_app: Callable[..., flask.Flask], otlp: Collector, database: Database
) -> None:
    client = make_app(tracing={"endpoint": otlp.url, "sample_ratio": 0.0}).test_client()
    assert client.post(EVENTS, json=event(correlation_id="1"), headers=under("00")).status_code == 201
    assert client.post(EVENTS, json=event(correlation_id="2")).status_code == 201
    other = "0af7651916cd43dd8448eb211c80319c"
    assert client.post(EVENTS, json=event(correlation_id="3"), headers=under("03", other)).status_code == 201
    [span] = arrived(otlp, f"POST {EVENTS}")
    assert span.trace_id == other
    assert len(arrived(otlp, "flush")) == 1
    # As without traces: the caller's trace, and none where it names none.
    rows = database.query("SELECT trace_id FROM audit_events ORDER BY correlation_id")
    assert [row[0] for row in rows] == [TRACE, None, other]


def test_a_replay_is_linked_to_the_request_that_was_spilled(
    make_app: Callable[..., flask.Flask], otlp: Collector, valkey: Valkey, streams: redis.Redis, database: Database
) -> None:
    app = make_app(tracing={"endpoint": otlp.url}, redis={"url": valkey.url(0)})
    wait_until(lambda: app.extensions["datastorage"].queue_watch.state.connected, what="Redis connected")
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    ident = str(uuid.uuid4())
    assert app.test_client().post(EVENTS, json=event(event_id=ident), headers=under()).status_code == 202
    [request] = arrived(otlp, f"POST {EVENTS}")
    assert request.attributes["datastorage.outcome"] == "spilled"
    database.query("GRANT INSERT ON audit_events TO datastorage")
    wait_until(lambda: streams.xlen(KEYS["events"].stream) == 0, what="replayed")
    # Rounds that found PostgreSQL still away are spans as well.
    wait_until(lambda: otlp.named("replay"), what="a replay")
    for replay in otlp.named("replay"):
        assert replay.links == [(TRACE, request.span_id)]
        assert replay.attributes == {"stream": "events", "entries": 1}
    assert database.query("SELECT event_id::text FROM audit_events") == [(ident,)]


def test_what_opentelemetry_has_turned_off_leaves_no_ids(
    make_app: Callable[..., flask.Flask], otlp: Collector, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    client = make_app(tracing={"endpoint": otlp.url}).test_client()
    assert client.post(EVENTS, json=event(correlation_id="1")).status_code == 201
    assert client.post(EVENTS, json=event(correlation_id="2"), headers=under()).status_code == 201
    rows = database.query("SELECT trace_id FROM audit_events ORDER BY correlation_id")
    assert [row[0] for row in rows] == [None, TRACE]


def test_what_fails_is_marked(make_app: Callable[..., flask.Flask], otlp: Collector, database: Database) -> None:
    client = make_app(tracing={"endpoint": otlp.url}).test_client()
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    assert client.post(EVENTS, json=event()).status_code == 503
    [span] = arrived(otlp, f"POST {EVENTS}")
    assert (span.failed, span.attributes["error.type"]) == (True, "503")


@pytest.mark.parametrize("how", ["away", "frozen", "refuses"])
def test_a_collector_that_is_not_well_costs_spans_alone(
    make_app: Callable[..., flask.Flask],
    how: str,
    dead_port: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tracing, "_MAX_WAITING", 20)
    monkeypatch.setattr(tracing, "_SEND_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(tracing, "_STOP_SECONDS", 0.2)
    caplog.set_level(logging.WARNING)
    with collector(frozen=how == "frozen") as otlp:
        otlp.status = 503 if how == "refuses" else 200
        app = make_app(tracing={"endpoint": f"http://127.0.0.1:{dead_port}" if how == "away" else otlp.url})
        client = app.test_client()
        answers = {client.post(EVENTS, json=event(), headers=under()).status_code for _ in range(60)}
        assert answers == {201}
        wait_until(lambda: said(caplog), what="the loss is said")
        app.extensions["datastorage"].stop()
    assert len(said(caplog)) == 1, "once a minute"
    assert not [r for r in caplog.records if r.name.startswith(("opentelemetry", "urllib3"))]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if "were not delivered" in r.getMessage()]


@pytest.fixture
def dead_port() -> Iterator[int]:
    import socket

    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_the_last_spans_are_sent_when_it_stops(
    make_app: Callable[..., flask.Flask], otlp: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "_SEND_EVERY_MS", 3_600_000.0)
    app = make_app(tracing={"endpoint": otlp.url})
    for _ in range(3):
        assert app.test_client().post(EVENTS, json=event()).status_code == 201
    assert otlp.spans == []
    app.extensions["datastorage"].stop()
    assert (len(otlp.named(f"POST {EVENTS}")), len(otlp.named("flush"))) == (3, 3)


def test_log_lines_are_of_our_span(
    make_app: Callable[..., flask.Flask], otlp: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app(tracing={"endpoint": otlp.url})
    lines: list[Any] = []
    writer = app.extensions["datastorage"].request_log.writer
    monkeypatch.setattr(writer, "put", lambda line, **_: lines.append(line))
    monkeypatch.setattr(type(writer), "running", True)
    assert app.test_client().post(EVENTS, json=event(), headers=under()).status_code == 201
    [span] = arrived(otlp, f"POST {EVENTS}")
    assert lines[0].trace == (TRACE, span.span_id)
