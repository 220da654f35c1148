"""The service's own audit events: made as every other event is, and right by making.

Not through the schema that clients' events go through: some are made inside a request that has milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import uuid_utils.compat
from datastorage_common import jsonvalue
from datastorage_common.jsonvalue import UNSTORABLE, has_unstorable_text

from app.audit.event import AuditEvent, make_event
from app.validation.fields import parse_address

# Who read what is marked sensitive; who was refused; what of the service was changed.
ACCESS, AUTH, ADMIN = "datastorage.access", "datastorage.auth", "datastorage.admin"
ACTOR = "datastorage"

# Every member of an event that is the same in all of these, with the defaults of `AuditEventSchema`.
_DEFAULTS: dict[str, Any] = {
    "version": "1.0",
    "event_outcome": "success",
    "actor_type": "service",
    "actor_id": ACTOR,
    "severity": "info",
    "is_sensitive": False,
    "retention_days": 2555,
    **dict.fromkeys(("parent_event_id", "namespace", "cluster_name", "duration_ms", "trace_id", "span_id")),
    **dict.fromkeys(("actor_ip", "error_code", "error_message")),
}


class Caller(NamedTuple):
    """Who asks, and by which request."""

    principal: str | None  # None: nobody is authenticated
    address: str | None
    request_id: str
    trace_id: str | None
    route: str  # method and rule


def canonical_address(text: str | None) -> str | None:
    """An address in the form that events have it in, or None where it is not known."""
    try:
        return parse_address(text)
    except ValueError:
        return None


def _storable(value: Any) -> Any:
    """The value with a replacement for each character that PostgreSQL cannot store."""
    if isinstance(value, str):
        return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, Mapping):
        return {_storable(k): _storable(v) for k, v in value.items()}
    return [_storable(v) for v in value] if isinstance(value, list | tuple) else value


class OwnEvents:
    """Makes the service's own events."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def make(
        self,
        *,
        event_data: Mapping[str, Any],
        event_id: UUID | None = None,
        at: datetime | None = None,
        trace_id: str | None = None,
        recorded_by: str | None = None,
        request_id: str | None = None,
        **members: Any,
    ) -> AuditEvent:
        """An event with these members, of now and with a new id unless they are given."""
        if has_unstorable_text([members, event_data]):
            # Of a request, an entry or a file: it says what it says, and must not keep the event from being stored.
            members, event_data = _storable(members), _storable(event_data)
        body = {
            **_DEFAULTS,
            **members,
            "event_id": event_id or uuid_utils.compat.uuid7(),
            "event_timestamp": at or self._now(),
            "event_data": event_data,
        }
        return make_event(
            body,
            jsonvalue.compact(event_data),
            recorded_by=recorded_by,
            context_trace_id=trace_id,
            request_id=request_id,
        )

    def of_caller(self, caller: Caller, *, event_data: Mapping[str, Any], **members: Any) -> AuditEvent:
        """An event about what a caller did.

        ``recorded_by`` stays empty: the service says it, not the caller. An event that a client made up has the
        client's name there.
        """
        return self.make(
            trace_id=caller.trace_id,
            request_id=caller.request_id,
            actor_id=caller.principal or "anonymous",
            actor_ip=caller.address,
            correlation_id=caller.request_id,
            event_data={"request_id": caller.request_id, "route": caller.route, **event_data},
            **members,
        )
