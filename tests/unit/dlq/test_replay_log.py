"""What replay says: sums at info, one line a second; each record at debug, under the id of its request."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

import pytest

from app.audit.event import AuditEvent, Notification
from app.audit.validator import Validator
from app.clock import Clock
from app.config.settings import AuditSettings, LoggingSettings
from app.dlq.codec import encode, origin
from app.dlq.replay_log import ReplayLog
from app.telemetry.logs import dress
from tests.unit.fakes import NOW, event, notification

VALIDATOR = Validator(AuditSettings(), lambda: NOW)
IDENT = str(uuid.UUID(int=7))
EVENT = VALIDATOR.event(event(event_id=IDENT), request_id="rq-1")
NOTE = VALIDATOR.notification(notification(notification_id="n-7"))
assert isinstance(EVENT, AuditEvent)
assert isinstance(NOTE, Notification)


class Clocked(Clock):
    at = 100.0

    def monotonic(self) -> float:
        return self.at


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []
        dress(self, LoggingSettings(format="json"))

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Lines:
    handler = Lines()
    log = logging.getLogger("app.dlq.replay_log")
    monkeypatch.setattr(log, "handlers", [handler])
    monkeypatch.setattr(log, "level", logging.INFO)
    log.manager._clear_cache()  # type: ignore[attr-defined] # which levels are wanted
    return handler


def test_counts_are_added_up_to_a_line_a_second(lines: Lines) -> None:
    clock = Clocked()
    said = ReplayLog(clock)
    said.say()
    assert lines.lines == []
    for known in (False, False, True):
        said.wrote("events", EVENT, known=known)
    said.say()
    clock.at += 0.9
    said.wrote("events", EVENT, known=False)
    said.wrote("notifications", NOTE, known=True)
    said.say()
    first = "replayed 3 entries of events: 2 stored, 1 duplicate"
    assert [line["message"] for line in lines.lines] == [first]
    clock.at += 0.2
    said.say()
    said.say()
    assert [line["message"] for line in lines.lines] == [
        first,
        "replayed 1 entry of events: 1 stored, 0 duplicates",
        "replayed 1 entry of notifications: 0 stored, 1 duplicate",
    ]


def test_the_last_ones_are_said_at_the_end(lines: Lines) -> None:
    said = ReplayLog(Clocked())
    for _ in range(2):
        said.wrote("events", EVENT, known=False)
        said.say(all_of_it=True)
    assert len(lines.lines) == 2


def test_at_debug_each_record_is_named_with_its_request(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("app.dlq.replay_log")
    monkeypatch.setattr(log, "level", logging.DEBUG)
    log.manager._clear_cache()  # type: ignore[attr-defined]
    said = ReplayLog(Clocked())
    said.wrote("events", EVENT, known=False)
    said.wrote("notifications", NOTE, known=True)
    told = [(line["message"], line.get("request_id")) for line in lines.lines]
    assert told == [
        (f"replay: {IDENT} of events is stored", "rq-1"),
        ("replay: n-7 of notifications was stored already", None),
    ]


@pytest.mark.parametrize("text", [None, b"", b"{", b"[]", b'{"payload": 1, "request_id": 7}'])
def test_an_entry_that_says_nothing_of_its_origin(text: bytes | None) -> None:
    assert origin(text) == ("-", "-")


def test_the_origin_of_an_entry() -> None:
    assert origin(encode(EVENT, NOW, "database unavailable")) == (IDENT, "rq-1")
    assert origin(encode(NOTE, NOW, "database unavailable")) == ("n-7", "-")


def test_the_origin_of_a_damaged_entry_is_one_line_of_text() -> None:
    text = b'{"type":"audit_event","payload":{"event_id":"a\\ud800\\u0000\\nb"}}'
    assert origin(text) == (r"a\ud800\x00\nb", "-")
