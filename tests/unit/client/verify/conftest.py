"""A log of records of all kinds, and a feed of small pages."""

from __future__ import annotations

import uuid
from types import SimpleNamespace

import pytest
from datastorage_client.verify import feed

from tests.unit.client.cli.support import ROW
from tests.unit.client.verify.log_server import Log


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_MOST_RECORDS", 100)
    monkeypatch.setattr(feed, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def all_kinds() -> Log:
    """300 events, a notification, an event of an id that was used the day before, and an act, which is the last."""
    log = Log(300)
    log.put_notification(ROW, "notifier")
    log.put_event(str(uuid.UUID(int=8)), day="2026-01-06")
    log.put_act(str(uuid.UUID(int=1000)))
    log.sign()
    return log
