from __future__ import annotations

import json

import pytest

from app.audit.event import AuditEvent
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from app.dlq.codec import encode
from app.telemetry.trace import TraceContext, is_trace_id, parse_traceparent
from tests.unit.fakes import NOW, event

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"
VALIDATOR = Validator(AuditSettings(), lambda: NOW)


@pytest.mark.parametrize(
    "header",
    [
        GOOD,
        f"00-{TRACE}-{SPAN}-00",
        f"00-{TRACE}-{SPAN}-ff",  # flags that nobody knows yet
        f"01-{TRACE}-{SPAN}-01",  # a later version …
        f"cc-{TRACE}-{SPAN}-01-what-comes-later",  # … may be longer
        f"fe-{TRACE}-{SPAN}-01-",
    ],
)
def test_traceparents(header: str) -> None:
    assert parse_traceparent(header) == TraceContext(TRACE, SPAN)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{TRACE}-{SPAN}-0A",
        f"0A-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-",  # version 00 ends with its flags
        f"00-{TRACE}-{SPAN}-01-what",
        f"01-{TRACE}-{SPAN}-01what",  # whatever follows begins with a dash
        f"01-{TRACE}-{SPAN}-0",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00_{TRACE}_{SPAN}_01",
        f"0x-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"{GOOD},{GOOD}",
        f"01-{TRACE}-{SPAN}-01-x,{GOOD}",
        f"01-{TRACE}-{SPAN}-01-" + "x" * 500,
        f"00-{TRACE.replace('4', '４')}-{SPAN}-01",  # a digit, but not one of ASCII
    ],
)
def test_what_is_ignored(header: str) -> None:
    assert parse_traceparent(header) is None


@pytest.mark.parametrize("value", [None, 1, "", TRACE.upper(), TRACE + "0", "0" * 32, "x; DROP TABLE", [TRACE]])
def test_not_a_trace_id(value: object) -> None:
    assert is_trace_id(TRACE)
    assert not is_trace_id(value)


def made(trace: str | None, **members: object) -> AuditEvent:
    record = VALIDATOR.event(event(event_id="0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b", **members), context_trace_id=trace)
    assert isinstance(record, AuditEvent)
    return record


@pytest.mark.parametrize("members", [{}, {"trace_id": None}, {"trace_id": ""}, {"trace_id": "mine"}])
def test_a_trace_of_the_headers_is_outside_the_digest(members: dict[str, object]) -> None:
    under_a_trace, without = made(TRACE, **members), made(None, **members)
    assert under_a_trace.digest == without.digest
    assert under_a_trace.trace_id == members.get("trace_id")
    assert under_a_trace.context_trace_id == (TRACE if members.get("trace_id") is None else None)


def test_the_clients_own_trace_id_is_part_of_the_digest() -> None:
    assert made(None, trace_id=TRACE).digest != made(TRACE).digest


def test_an_entry_keeps_it_beside_the_payload() -> None:
    entry = json.loads(encode(made(TRACE), NOW, "database unavailable"))
    assert entry["trace_id"] == TRACE
    assert entry["payload"]["trace_id"] is None
