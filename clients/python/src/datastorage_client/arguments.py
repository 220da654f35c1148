"""What both clients do with their arguments and answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypedDict, TypeVar, cast
from uuid import UUID

from datastorage_client._generated.models import (
    AuditEventRequest,
    EventOutcome,
    NotificationChannel,
    NotificationRequest,
    NotificationStatus,
)
from datastorage_client.buffered.event import SupportsToDict, capture
from datastorage_client.transport import UnexpectedAnswerError

T = TypeVar("T")
Event = Mapping[str, Any] | SupportsToDict


class EventFilters(TypedDict, total=False):
    """Filters of events: exact and joined by AND. ``since`` and ``until`` also as ``24h`` or ``2026-01-05``.

    ``data`` is a JSON object that event_data has to contain.
    """

    event_type: str
    event_category: str
    event_outcome: EventOutcome | str
    severity: str
    correlation_id: str
    actor_type: str
    actor_id: str
    resource_type: str
    resource_id: str
    namespace: str
    cluster_name: str
    since: str | datetime
    until: str | datetime
    data: str | Mapping[str, Any]


class NotificationFilters(TypedDict, total=False):
    """Filters of notification records: exact and joined by AND; ``since`` and ``until`` are about sent_at."""

    remediation_id: str
    channel: NotificationChannel | str
    status: NotificationStatus | str
    since: str | datetime
    until: str | datetime


class _Members:
    """A body as the generated calls want it, without their view of what is in it: the service judges that."""

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    def to_dict(self) -> dict[str, Any]:
        return self._members


def event_body(event: Event) -> AuditEventRequest:
    """The event with an id, made here if it has none."""
    _, item = capture(event)
    return cast("AuditEventRequest", _Members(item.event()))


def event_bodies(events: Iterable[Event]) -> list[AuditEventRequest]:
    """The events, each with an id."""
    return [event_body(event) for event in events]


def notification_body(record: Event) -> NotificationRequest:
    """The record as it is."""
    members = dict(record) if isinstance(record, Mapping) else record.to_dict()
    if isinstance(sent_at := members.get("sent_at"), datetime):
        members["sent_at"] = sent_at.isoformat()
    return cast("NotificationRequest", _Members(members))


def event_filters(filters: EventFilters) -> dict[str, Any]:
    """Arguments of the generated call."""
    arguments = _times(filters)
    if "event_outcome" in arguments:
        arguments["event_outcome"] = EventOutcome(arguments["event_outcome"])
    if isinstance(data := arguments.get("data"), Mapping):
        arguments["data"] = json.dumps(data)
    return arguments


def notification_filters(filters: NotificationFilters) -> dict[str, Any]:
    """Arguments of the generated call."""
    arguments = _times(filters)
    if "channel" in arguments:
        arguments["channel"] = NotificationChannel(arguments["channel"])
    if "status" in arguments:
        arguments["status"] = NotificationStatus(arguments["status"])
    return arguments


def _times(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in filters.items()}


def as_uuid(ident: UUID | str) -> UUID:
    """The id as the generated calls want it. Raises ValueError."""
    return ident if isinstance(ident, UUID) else UUID(ident)


def expect(answer: object, kind: type[T]) -> T:
    """The answer if it is of the kind that the document promises. Raises UnexpectedAnswerError."""
    if isinstance(answer, kind):
        return answer
    raise UnexpectedAnswerError(f"the answer is no {kind.__name__}")


@contextlib.contextmanager
def understanding() -> Iterator[None]:
    """Around a generated call, which meets an answer of another form with whatever it stumbles over.

    Raises UnexpectedAnswerError instead.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise UnexpectedAnswerError(f"the answer is not what the API document promises ({type(e).__name__})") from e


def check_acknowledged(body: bytes, sent: int) -> None:
    """See that an answer acknowledges so many events. Raises UnexpectedAnswerError.

    Whatever answers 200 in the service's place, a captive portal or a wrong route, has not kept anything.
    """
    try:
        answer = json.loads(body)
        acknowledged = len(answer["event_ids"])
    except (ValueError, KeyError, TypeError):
        acknowledged = -1
    if acknowledged != sent:
        raise UnexpectedAnswerError(f"the answer does not acknowledge the {sent} events that were sent")
