"""What both clients do with their arguments and answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, TypedDict, TypeVar
from uuid import UUID

import httpx
from datastorage_common.counts import counted

from datastorage_client._generated.models import (
    UNSET,
    AuditBatchAccepted,
    AuditBatchCreated,
    AuditEventAccepted,
    AuditEventCreated,
    EventOutcome,
    Notification,
    NotificationAccepted,
    NotificationChannel,
    NotificationStatus,
    StoredPriority,
    StoredSeverity,
    Unset,
    WorkflowInclude,
    WorkflowPage,
    WorkflowStatus,
    WorkflowVersions,
)
from datastorage_client.buffered.event import SupportsToDict, capture
from datastorage_client.texts import Members, Text
from datastorage_client.transport import UnexpectedAnswerError, address

T = TypeVar("T")
A = TypeVar("A")
# 201 stored, 200 stored before, 202 will be stored.
_KEPT = frozenset({200, 201, 202})
Event = Mapping[str, Any] | SupportsToDict
EVENT_ANSWERS: tuple[type[AuditEventCreated | AuditEventAccepted], ...] = (AuditEventCreated, AuditEventAccepted)
BATCH_ANSWERS: tuple[type[AuditBatchCreated | AuditBatchAccepted], ...] = (AuditBatchCreated, AuditBatchAccepted)
NOTIFICATION_ANSWERS: tuple[type[Notification | NotificationAccepted], ...] = (Notification, NotificationAccepted)


class Operation(Protocol):
    """An operation of the API document, as `make client` writes it."""

    @staticmethod
    def request(*arguments: Any, **named: Any) -> dict[str, Any]:
        """What httpx is asked for."""

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        """The model in an answer; None for a status that the document does not name."""


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
    request_id: str
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


class WorkflowFilters(TypedDict, total=False):
    """Filters of workflows: exact and joined by AND; labels as they are stored, ``latest`` versions or all others."""

    status: WorkflowStatus | str
    workflow_name: str
    signal_type: str
    severity: StoredSeverity | str
    component: str
    environment: str
    priority: StoredPriority | str
    latest: bool


def included(content: bool) -> WorkflowInclude | Unset:
    """What ``include`` says: whether workflows of a list come with their content."""
    return WorkflowInclude.CONTENT if content else UNSET


def rows_and_cursor(page: Any) -> tuple[list[Any], str | None]:
    """The rows of a page, and the cursor of the next one; None on the last."""
    if isinstance(page, WorkflowPage):
        return page.workflows, page.next_cursor
    if isinstance(page, WorkflowVersions):
        return page.versions, page.next_cursor
    return page.data, page.pagination.next_cursor


def event_body(event: Event) -> Members:
    """The event with an id, made here if it has none."""
    _, item = capture(event)
    return Members(item.event())


def bodies(given: Iterable[T], body: Callable[[T], Members]) -> list[Members]:
    """Each of several as a body. Raises TypeError for a single one."""
    # It is iterable, too, and the error would be about its members.
    if isinstance(given, Mapping | SupportsToDict):
        raise TypeError(f"a list of mappings or models is wanted, not one {type(given).__name__}")
    return [body(one) for one in given]


def event_filters(filters: EventFilters, *others: str) -> dict[str, Any]:
    """Arguments of the generated call. Raises TypeError for one that is no filter; ``others`` there are as well."""
    arguments = _known(filters, EventFilters, others)
    if isinstance(data := arguments.get("data"), Mapping):
        arguments["data"] = json.dumps(data)
    return arguments


def notification_filters(filters: NotificationFilters, *others: str) -> dict[str, Any]:
    """As `event_filters`."""
    return _known(filters, NotificationFilters, others)


def workflow_filters(filters: WorkflowFilters, *others: str) -> dict[str, Any]:
    """As `event_filters`."""
    return _known(filters, WorkflowFilters, others)


def _known(filters: Mapping[str, Any], kind: type, others: Iterable[str]) -> dict[str, Any]:
    names = kind.__annotations__
    for name in filters:
        if name not in names:
            there = ", ".join([*others, *names])
            raise TypeError(f"unexpected keyword argument {name!r}: there are {there}")
    return {k: _text(v) for k, v in filters.items()}


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return Text(value) if isinstance(value, str) and not isinstance(value, Enum) else value


def as_uuid(ident: UUID | str) -> UUID:
    """The id as the generated calls want it. Raises ValueError."""
    return ident if isinstance(ident, UUID) else UUID(ident)


def understood(operation: Operation, response: httpx.Response, kinds: type[T] | tuple[type[T], ...]) -> T:
    """The answer of an operation if it is of a kind that the document promises. Raises UnexpectedAnswerError.

    The generated part fails on an answer of another form with an unrelated error. It does the same where it builds
    the request, but that is the caller's mistake, so only the reading happens in here.
    """
    try:
        answer = operation.answer(response)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as e:
        raise _unexpected(response, f"is not what the API document promises ({type(e).__name__})") from e
    if answer is not None and isinstance(answer, kinds):
        return answer
    raise _unexpected(response, f"({response.status_code}) is of no kind that the API document promises")


def _unexpected(response: httpx.Response, what: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(f"{address(response.url)}: the answer {what}")


def check_acknowledged(response: httpx.Response, sent: int) -> None:
    """See that an answer has the ids of so many events. Raises UnexpectedAnswerError.

    What answers 200 in the service's place, a captive portal or a wrong route, has not kept anything.
    """
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError):
        answer = None
    ids = answer.get("event_ids") if isinstance(answer, dict) else None
    if response.status_code not in _KEPT or not isinstance(ids, list) or not all(map(_is_uuid, ids)):
        raise _unexpected(response, f"does not acknowledge what was sent ({counted(sent, 'event')})")
    if len(ids) != sent:
        raise _unexpected(response, f"acknowledges {counted(len(ids), 'event')} of {sent}")


def acknowledged(answer: A, sent: Iterable[Mapping[str, Any]], ids: Iterable[UUID], base_url: httpx.URL) -> A:
    """The answer if it has the ids of the events that were sent. Raises UnexpectedAnswerError."""
    if [str(ident) for ident in ids] != [_normal(event["event_id"]) for event in sent]:
        raise UnexpectedAnswerError(f"{address(base_url)}: the answer acknowledges other events than were sent")
    return answer


def _normal(ident: object) -> str:
    """The id as a UUID is written; the service has the last word on what is none."""
    return str(UUID(ident)) if _is_uuid(ident) and isinstance(ident, str) else str(ident)


def _is_uuid(value: object) -> bool:
    try:
        UUID(value if isinstance(value, str) else "")
    except ValueError:
        return False
    return True
