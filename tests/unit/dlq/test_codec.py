"""Entries: what a spill writes, replay reads as the same record; what can never be written has a reason."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.audit.event import AuditEvent, Notification
from app.audit.validator import Validator
from app.auth.read_limits import ReadLimits
from app.config.settings import AuditSettings
from app.dlq.codec import decode, encode, span_of
from app.dlq.keys import EVENTS, NOTIFICATIONS
from app.telemetry.trace import TraceContext
from tests.unit.fakes import NOW, UUID_2, event, notification

VALIDATOR = Validator(AuditSettings(), lambda: NOW)
RECORD = VALIDATOR.event(event(), recorded_by="alice", request_id="rq-1")
assert isinstance(RECORD, AuditEvent)
ENTRY = encode(RECORD, NOW, "database unavailable")
MESSAGE = json.loads(ENTRY)
WITHOUT_ID = {name: value for name, value in MESSAGE["payload"].items() if name != "event_id"}


def test_an_entry_is_read_as_the_record_that_was_spilled() -> None:
    assert decode(VALIDATOR, EVENTS, ENTRY) == RECORD


def test_an_entry_tells_the_span_of_its_request_where_there_is_one() -> None:
    span = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    entry = encode(RECORD, NOW, "database unavailable", span)
    assert span_of(entry) == span
    assert decode(VALIDATOR, EVENTS, entry) == RECORD
    assert "traceparent" not in MESSAGE


@pytest.mark.parametrize("text", [None, ENTRY, b'{"traceparent"', b'["traceparent"]', b'{"traceparent": 1}'])
def test_an_entry_that_tells_no_span(text: bytes | None) -> None:
    assert span_of(text) is None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (None, "the entry holds no message"),
        (b"{", "the entry is not JSON"),
        (b"[]", "the entry holds no payload"),
        (json.dumps({**MESSAGE, "payload": 1}).encode(), "the entry holds no payload"),
        (json.dumps({**MESSAGE, "type": "other"}).encode(), "the entry is of an unknown type: other"),
        (json.dumps({**MESSAGE, "payload": {}}).encode(), "the payload is not valid"),
        (json.dumps({**MESSAGE, "payload": WITHOUT_ID}).encode(), "the payload has no event_id"),
    ],
)
def test_an_entry_that_can_never_be_written_says_why(message: bytes | None, reason: str) -> None:
    found = decode(VALIDATOR, EVENTS, message)
    assert isinstance(found, str)
    assert found.startswith(reason)


@pytest.mark.parametrize(
    "members", [{"event_category": "auth"}, {"event_category": "Über alles"}, {"event_data": {"a": {"b": "c" * 99}}}]
)
def test_no_setting_refuses_what_was_accepted(members: dict[str, Any]) -> None:
    """Not even a list that was the only one to have a name of another form."""
    narrow = Validator(AuditSettings(event_categories=("gateway",), max_event_data=10, max_nesting=1), lambda: NOW)
    found = decode(narrow, EVENTS, json.dumps({**MESSAGE, "payload": {**MESSAGE["payload"], **members}}).encode())
    assert isinstance(found, AuditEvent)
    long = json.dumps({**MESSAGE, "payload": {**MESSAGE["payload"], "event_category": "a" * 51}}).encode()
    assert "exceeds maximum length" in str(decode(narrow, EVENTS, long)), "its column ends there"


def test_the_request_id_stands_beside_the_payload() -> None:
    assert MESSAGE["request_id"] == "rq-1"
    assert "request_id" not in MESSAGE["payload"]


@pytest.mark.parametrize("beside", [{}, {"request_id": None}, {"request_id": 7}, {"request_id": 'a" \u0000'}])
def test_an_entry_without_a_request_id_is_read_all_the_same(beside: dict[str, object]) -> None:
    """The release before writes none; what is in a queue may have been edited."""
    message = {name: value for name, value in MESSAGE.items() if name != "request_id"}
    found = decode(VALIDATOR, EVENTS, json.dumps({**message, **beside}).encode())
    assert isinstance(found, AuditEvent)
    assert found.request_id is None
    assert (found.digest, found.recorded_by) == (RECORD.digest, "alice")


def test_a_notification_keeps_its_request_id() -> None:
    record = VALIDATOR.notification(notification(), request_id="rq-2")
    assert isinstance(record, Notification)
    assert decode(VALIDATOR, NOTIFICATIONS, encode(record, NOW, "database unavailable")) == record


def test_a_stream_holds_one_kind_of_record() -> None:
    found = decode(VALIDATOR, NOTIFICATIONS, json.dumps(MESSAGE).encode())
    assert found == "the entry is of an unknown type: audit_event"


@pytest.mark.parametrize(
    ("limits", "written"),
    [
        (ReadLimits(), None),
        (ReadLimits(frozenset({"b", "", "a"})), {"namespaces": ["", "a", "b"], "categories": None}),
        (ReadLimits(frozenset(), frozenset({"gateway"})), {"namespaces": [], "categories": ["gateway"]}),
    ],
)
def test_limits_within_which_a_parent_must_be_come_along(limits: ReadLimits, written: object) -> None:
    child = VALIDATOR.event(event(parent_event_id=UUID_2), reads=limits)
    assert isinstance(child, AuditEvent)
    entry = encode(child, NOW, "why")
    assert json.loads(entry).get("parent_within") == written
    assert "parent_within" not in json.loads(entry)["payload"]
    assert decode(VALIDATOR, EVENTS, entry) == child
    # The release before reads the members that it knows: the payload, and two beside it.
    assert ("parent_within" in json.loads(entry)) is limits.narrow


@pytest.mark.parametrize(
    "limits",
    [
        1,
        "all",
        [],
        {},
        {"namespaces": ["a"]},
        {"namespaces": "a", "categories": None},
        {"namespaces": [1], "categories": None},
        {"namespaces": None, "categories": None, "more": []},
    ],
)
def test_limits_that_cannot_be_read_let_nothing_be_written(limits: object) -> None:
    found = decode(VALIDATOR, EVENTS, json.dumps({**MESSAGE, "parent_within": limits}).encode())
    assert found == "the entry's limits on reading cannot be read"
