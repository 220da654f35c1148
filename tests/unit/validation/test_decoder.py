"""The quick decoder takes nothing that the schema would not, and makes the same of what it takes."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any

import pytest
from datastorage_common import jsonvalue
from hypothesis import given
from hypothesis import strategies as st

from app.audit.event import AuditEvent
from app.audit.schemas import EVENT_FIELDS, AuditEventSchema
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from app.validation.decoder import decoder
from app.validation.field_errors import ValidationFailure
from tests.tree import ROOT
from tests.unit.common.test_jsonvalue import VALUES, same
from tests.unit.fakes import NOW, UUID_1, UUID_2, event

VALIDATOR = Validator(AuditSettings(), lambda: NOW)
LISTED = Validator(AuditSettings(event_categories=("gateway", "a.b", "Über alles|")), lambda: NOW)

TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["", " ", "\0", "\ud800", "\U0001f600" * 50, "é" * 20, "x" * 51, "x" * 101, "x" * 254, "x" * 256]),
    st.integers(0, 4100).map(lambda n: "y" * n),
)
TIMES = st.sampled_from(
    [
        "2026-01-05T10:00:00Z", "2026-01-05t10:00:00z", "2026-01-05T10:00:00.123456789Z", "2026-01-05T11:00:00+01:00",
        "2026-01-05T10:05:00Z", "2026-01-05T10:05:00.000001Z", "2025-12-29T10:00:00Z", "2025-12-29T09:59:59.999999Z",
        "2026-01-05 10:00:00Z", "2026-01-05T10:00:00", "20260105T100000Z", "2026-01-05", "2026-02-30T10:00:00Z", "now",
        "2026-01-05T24:00:00Z", "2026-01-05T10:00:60Z", "2026-01-05T10:00:00+24:00", "2026-W02-1T10:00:00Z",
    ]
)  # fmt: skip
IDS = st.sampled_from(
    [UUID_1, UUID_2, UUID_1.upper(), UUID_1.replace("-", ""), "{" + UUID_1 + "}", UUID_1[:-1] + "g", "x" * 36, ""]
)
ADDRESSES = st.sampled_from(["10.0.0.1", "::1", "0:0:0:0:0:0:0:1", "fe80::1%eth0", "10.0.0.256", "", "::ffff:10.0.0.1"])
NUMBERS = st.one_of(
    st.integers(-5, 3000),
    st.sampled_from([2**31 - 1, 2**31, 2**63, 2**70, True, False, 5.0, 5.5, -0.0, 1e300, "5"]),
)
ANYTHING = st.one_of(st.none(), TEXTS, TIMES, IDS, ADDRESSES, NUMBERS, VALUES)
OWN = {
    "event_timestamp": TIMES,
    "event_id": IDS,
    "parent_event_id": IDS,
    "actor_ip": ADDRESSES,
    "duration_ms": NUMBERS,
    "retention_days": NUMBERS,
    "is_sensitive": st.booleans(),
    "event_outcome": st.sampled_from(["success", "failure", "pending", "Success", ""]),
    "event_category": st.one_of(
        st.sampled_from(["gateway", "workflow", "nobody", "Gateway", "a.b", "axb", "Über alles|", "Über alles", ""]),
        st.sampled_from(["datastorage.access", "datastorage.", "datastorage", "xdatastorage.a", "datastorage.ä"]),
        st.sampled_from(["a\n", "gateway\n", "\ngateway", "a" * 50, "a" * 51, "datastorage." + "a" * 39, "a\0"]),
        st.from_regex("[a-z0-9._-]{0,52}", fullmatch=True),
    ),
    "event_data": st.dictionaries(TEXTS, VALUES, max_size=3),
}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A right event with up to four members changed to something that may be right or wrong."""
    body = event(event_id=UUID_1)
    for name in draw(st.lists(st.sampled_from([*EVENT_FIELDS, "surprise"]), max_size=4, unique=True)):
        match draw(st.sampled_from(["own", "any", "gone"])):
            case "own":
                body[name] = draw(OWN.get(name, TEXTS))
            case "any":
                body[name] = draw(ANYTHING)
            case _:
                body.pop(name, None)
    return body


def members(
    validator: Validator, body: dict[str, Any], *, replayed: bool = False
) -> tuple[dict[str, Any] | None, dict[str, Any] | ValidationFailure]:
    quick = validator._quick(dict(body), plain=False, replayed=replayed)
    return quick and quick[0], validator._judge(dict(body), replayed=replayed)


@given(bodies(), st.sampled_from([VALIDATOR, LISTED]), st.booleans())
def test_what_the_decoder_takes_the_schema_takes_too_and_makes_the_same_of_it(
    body: dict[str, Any], validator: Validator, replayed: bool
) -> None:
    quick, judged = members(validator, body, replayed=replayed)
    if quick is None:
        return  # it may decline anything
    assert not isinstance(judged, ValidationFailure)
    if "event_id" not in body:
        assert quick.pop("event_id").version == judged.pop("event_id").version == 7
    assert quick.keys() == judged.keys()
    assert all(type(quick[name]) is type(judged[name]) and same(quick[name], judged[name]) for name in quick)


@given(bodies(), st.booleans())
def test_an_event_is_the_same_however_its_body_was_read(body: dict[str, Any], spaced: bool) -> None:
    try:
        sent = jsonvalue.compact(body)
    except TypeError:  # a lone surrogate
        sent = json.dumps(body, default=str).encode()
    body = {**body, "event_id": UUID_1}
    exact = jsonvalue._parse_exactly(sent)
    document = jsonvalue.document(sent.replace(b'":', b'" :', 1) if spaced else sent)
    one, other = VALIDATOR.event(document.value, plain=document.plain), VALIDATOR.event(exact)
    if isinstance(one, ValidationFailure) or isinstance(other, ValidationFailure):
        assert isinstance(one, ValidationFailure)
        assert isinstance(other, ValidationFailure)
        assert one.errors == other.errors
        return
    if "event_id" in exact:
        assert (one.key, one.digest) == (other.key, other.digest)
        assert jsonvalue._parse_exactly(one.row) == jsonvalue._parse_exactly(other.row)


def test_right_events_do_not_need_the_schema() -> None:
    """Otherwise the decoder could decline everything and no test would notice."""
    everything = event(
        event_id=UUID_1, parent_event_id=UUID_2, actor_type="user", actor_id="u", resource_type="pod", resource_id="p",
        namespace="ns", cluster_name="c", severity="critical", duration_ms=7, trace_id="t", span_id="s",
        actor_ip="10.0.0.1", error_code="E1", error_message="no", is_sensitive=True, retention_days=30,
    )  # fmt: skip
    for body in (event(), everything, event(namespace=None, severity=None), event(event_data={"a": [{"b": 1}]})):
        for plain in (True, False):
            assert VALIDATOR._quick(body, plain=plain, replayed=False) is not None


def test_the_decoder_has_every_field_of_the_schema_with_its_default() -> None:
    schema = AuditEventSchema()
    made = decoder(schema)
    assert set(made.__struct_fields__) == set(schema.fields)


@pytest.mark.parametrize("depth", [1, 14, 15, 16, 17, 33])
def test_plain_and_nested_limits_meet(depth: int) -> None:
    """However small audit.max_nesting is, a plain body is not let past it."""
    data: Any = {}
    for _ in range(depth - 1):
        data = {"d": data}
    sent = jsonvalue.compact(event(event_data=data))
    for limit in (1, 14, 15, 16, 32):
        validator = Validator(dataclasses.replace(AuditSettings(), max_nesting=limit), lambda: NOW)
        document = jsonvalue.document(sent)
        made = validator.event(document.value, plain=document.plain)
        assert isinstance(made, AuditEvent) is (depth <= limit)


_FIRST_USE = """
import sys, threading
sys.setswitchinterval(1e-6)
from tests.unit.fakes import NOW, event
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from app.workflows import search_request

labels = dict(signal_type="s", severity="critical", component="c", environment="production", priority="P0")
validator, made, together = Validator(AuditSettings(), lambda: NOW), [], threading.Barrier(16)

def one():
    together.wait()
    made.append((validator.event(event()), search_request.search({"filters": labels})))

threads = [threading.Thread(target=one) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(made) == len(threads)  # a thread that failed has said why
assert {type(each).__name__ for pair in made for each in pair} == {"AuditEvent", "Search"}, made
"""


def test_a_decoder_can_be_used_for_the_first_time_by_many_threads_at_once() -> None:
    """In a process of its own: without the look ahead in `decoder` it crashes nearly every time."""
    ended = subprocess.run([sys.executable, "-c", _FIRST_USE], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, (ended.returncode, ended.stderr)
