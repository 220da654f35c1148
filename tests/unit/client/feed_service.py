"""A feed on loopback: items by their index, cursors that are indexes, and orders for what to answer."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from app.audit.shapes import EVENT_MEMBERS, NOTIFICATION_MEMBERS
from app.http.problems import Problem
from tests.unit.stub_service import Canned, Request, StubService, json_answer

DAY = "2026-01-05"
EVENT_ID = "01890a5d-ac96-774b-bcce-{:012d}"


def event(index: int) -> dict[str, Any]:
    """An event as the feed gives it."""
    return {
        "kind": "audit_event",
        **dict.fromkeys(EVENT_MEMBERS),
        "event_id": EVENT_ID.format(index),
        "event_date": DAY,
        "version": "1.0",
        "event_type": "user.login",
        "event_timestamp": f"{DAY}T10:00:00Z",
        "event_category": "auth",
        "event_action": "login",
        "event_outcome": "success",
        "correlation_id": "session-10",
        "event_data": {"number": index},
        "is_sensitive": False,
        "retention_days": 2555,
        "actor_type": "user",
        "actor_id": "alice",
        "resource_type": "auth",
        "resource_id": "session-10",
        "recorded_at": f"{DAY}T10:00:01Z",
        "digest": "ab" * 32,
        "log_index": index,
    }


def notification(index: int) -> dict[str, Any]:
    """A notification record as the feed gives it."""
    record = {
        "id": index,
        "remediation_id": "rr-1",
        "notification_id": f"n-{index}",
        "recipient": "oncall@example.org",
        "channel": "email",
        "message_summary": "restarted",
        "status": "sent",
        "sent_at": f"{DAY}T10:00:00Z",
        "escalation_level": 0,
        "created_at": f"{DAY}T10:00:01Z",
        "updated_at": f"{DAY}T10:00:01Z",
        "log_index": index,
    }
    assert record.keys() <= {*NOTIFICATION_MEMBERS}
    return {"kind": "notification", **record, "salt": "cd" * 16}


def act(index: int) -> dict[str, Any]:
    """An act as the feed gives it."""
    return {
        "kind": "act",
        "act": "new_origin",
        "act_id": EVENT_ID.format(index),
        "acted_at": datetime(2026, 1, 6, tzinfo=UTC).isoformat(),
        "acted_by": "datastorage_owner",
        "details": {"reason": "restored"},
        "log_index": index,
    }


def removed_event(index: int) -> dict[str, Any]:
    """A tombstone of an event."""
    ident = EVENT_ID.format(index)
    return {"kind": "audit_event", "event_id": ident, "event_date": DAY, "log_index": index, "removed": True}


def removed_notification(index: int) -> dict[str, Any]:
    """A tombstone of a notification record."""
    return {"kind": "notification", "id": index, "log_index": index, "removed": True}


def page(events: list[dict[str, Any]], next_: str, caught_up: bool = True, **headers: str) -> Canned:
    """An answer of the feed."""
    names = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return json_answer(200, {"events": events, "next": next_, "caught_up": caught_up}, *names)


class FeedService(StubService):
    """Gives `items` by their place. What is asked to wait does, until something comes or it is `stopped`.

    Orders of `script` come first, as those of the stub do; None there is a real answer.
    """

    def __init__(self, items: list[dict[str, Any]] | None = None, port: int = 0) -> None:
        super().__init__(port)
        self.items = items or []
        self.waiting = 0
        self._changed = threading.Condition()
        self._stopped = False

    def add(self, item: dict[str, Any]) -> None:
        """Let one more be there."""
        with self._changed:
            self.items.append(item)
            self._changed.notify_all()

    def stop(self) -> None:
        """Answer who waits."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __exit__(self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        super().__exit__(kind, e, at)

    def feed_queries(self) -> list[dict[str, str]]:
        """What was asked for."""
        return [request.query for request in self.requests]

    def _route(self, request: Request) -> Canned:
        if request.path != "/api/v1/audit/feed":
            raise Problem("not-found", "there is nothing here")
        query = request.query
        with self._changed:
            after = query.get("after", "0")
            start = len(self.items) if after == "end" else int(after)
            self.waiting += 1
            self._changed.wait_for(lambda: self._stopped or len(self.items) > start, float(query.get("wait", "0")))
            self.waiting -= 1
            found = self.items[start : start + int(query.get("limit", "100"))]
            end = start + len(found)
            return page(found, str(end), end == len(self.items))
