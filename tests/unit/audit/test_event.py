from __future__ import annotations

import pytest
from datastorage_common.records import event_digest

from app.audit.event import AuditEvent, Notification, notification_digest
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from tests.unit.fakes import NOW, UUID_1, event, notification

VALIDATOR = Validator(AuditSettings(), lambda: NOW)


def test_digests_are_pinned() -> None:
    """Stored rows hold digests: a change of the canonical form needs a new form name and a migration."""
    made = VALIDATOR.event(event(event_id=UUID_1))
    assert isinstance(made, AuditEvent)
    assert made.digest.hex() == "ba39d73eafcb85a2e1b2613fc4bad7f495987857a7d59e7cf0a96c9bf7a3f884"
    note = VALIDATOR.notification(notification())
    assert isinstance(note, Notification)
    assert note.digest.hex() == "dfb0b3183946c9c70e2bd742ee389d5471db55191f4c8ab99d8d65bfeeac7434"


def test_digests_tell_the_kinds_apart() -> None:
    assert event_digest(b'{"sent_at":"2026-01-05T10:00:00Z"}') != notification_digest({"sent_at": NOW})


def test_the_estimate_of_memory_grows_with_the_texts() -> None:
    small = VALIDATOR.event(event())
    large = VALIDATOR.event(event(event_data={"a": "x" * 10_000}, error_message="x" * 1000))
    assert isinstance(small, AuditEvent)
    assert isinstance(large, AuditEvent)
    assert large.nbytes - small.nbytes >= 11_000
    short = VALIDATOR.notification(notification())
    long = VALIDATOR.notification(notification(message_summary="x" * 900, error_message="x" * 900))
    assert isinstance(short, Notification)
    assert isinstance(long, Notification)
    assert long.nbytes - short.nbytes >= 1700


def test_records_cannot_be_changed() -> None:
    made = VALIDATOR.event(event())
    assert isinstance(made, AuditEvent)
    with pytest.raises(AttributeError):
        made.version = "2"  # type: ignore[misc]
