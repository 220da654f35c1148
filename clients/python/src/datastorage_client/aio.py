"""The client for asyncio: `DataStorageClient`, method by method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

import httpx

from datastorage_client._generated.api.audit import (
    create_audit_event,
    create_audit_events_batch,
    create_notification,
    get_audit_event,
    list_audit_events,
    list_notifications,
)
from datastorage_client._generated.api.workflows import (
    create_workflow,
    create_workflows_batch,
    disable_workflow,
    enable_workflow,
    get_latest_workflow,
    get_workflow,
    list_workflow_versions,
    list_workflows,
    search_workflows,
    update_workflow,
)
from datastorage_client._generated.client import AuthenticatedClient
from datastorage_client._generated.models import (
    AuditBatchAccepted,
    AuditBatchCreated,
    AuditEvent,
    AuditEventAccepted,
    AuditEventCreated,
    AuditEventPage,
    ListAuditEventsCount,
    ListNotificationsCount,
    Notification,
    NotificationAccepted,
    NotificationPage,
    StatusChange,
    Workflow,
    WorkflowBatchCreated,
    WorkflowPage,
    WorkflowPatch,
    WorkflowRequest,
    WorkflowSearchRequest,
    WorkflowSearchResponse,
    WorkflowVersions,
)
from datastorage_client._generated.types import UNSET
from datastorage_client.arguments import (
    Event,
    EventFilters,
    NotificationFilters,
    as_uuid,
    event_bodies,
    event_body,
    event_filters,
    expect,
    notification_body,
    notification_filters,
    understanding,
)
from datastorage_client.client import DEFAULT_RETRY_FOR_S, DEFAULT_TIMEOUT_S
from datastorage_client.problems import ConflictError
from datastorage_client.retry import Backoff
from datastorage_client.transport import AsyncToken, AsyncTransport

T = TypeVar("T")


class AsyncDataStorageClient:
    """`DataStorageClient` for asyncio: the same arguments, methods and exceptions.

    ``token`` may be a coroutine function.

    Use it in one event loop, and close it there.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: AsyncToken | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        retry_for: float = DEFAULT_RETRY_FOR_S,
        verify: bool | str = True,
    ) -> None:
        context = httpx.create_ssl_context(verify=verify) if base_url.startswith("https:") else False
        inner = httpx.AsyncHTTPTransport(verify=context, limits=httpx.Limits(max_connections=100))
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=timeout,
            transport=AsyncTransport(inner, token, retry_for, Backoff()),
            headers={"Accept": "application/json"},
        )
        self.api = AuthenticatedClient(base_url=base_url, token="").set_async_httpx_client(self._http)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, kind: type[T], call: Callable[..., Awaitable[object]], *arguments: Any, **named: Any) -> T:
        """Make a generated call. Raises UnexpectedAnswerError for an answer that is not what the document promises."""
        with understanding():
            return expect(await call(*arguments, client=self.api, **named), kind)

    # Audit events

    async def create_event(self, event: Event) -> AuditEventCreated | AuditEventAccepted:
        """Store one event. An event_id and event_timestamp are made where absent."""
        answer = await self._ask(object, create_audit_event.asyncio, body=event_body(event))
        return answer if isinstance(answer, AuditEventAccepted) else expect(answer, AuditEventCreated)

    async def create_events(self, events: Iterable[Event]) -> AuditBatchCreated | AuditBatchAccepted:
        """Store a batch, all or none of it."""
        answer = await self._ask(object, create_audit_events_batch.asyncio, body=event_bodies(events))
        return answer if isinstance(answer, AuditBatchAccepted) else expect(answer, AuditBatchCreated)

    async def get_event(self, event_id: UUID | str) -> AuditEvent:
        """One event. Raises NotFoundError."""
        return await self._ask(AuditEvent, get_audit_event.asyncio, as_uuid(event_id))

    async def list_events(
        self, *, limit: int = 50, offset: int = 0, exact_total: bool = True, **filters: Unpack[EventFilters]
    ) -> AuditEventPage:
        """A page of events, newest first. Without ``exact_total`` the service does not count them all."""
        count = ListAuditEventsCount.EXACT if exact_total else ListAuditEventsCount.NONE
        return await self._ask(
            AuditEventPage, list_audit_events.asyncio, limit=limit, offset=offset, count=count, **event_filters(filters)
        )

    async def iter_events(self, *, page_size: int = 500, **filters: Unpack[EventFilters]) -> AsyncIterator[AuditEvent]:
        """All events, newest first, page by page with a cursor: each that was there at the start comes once."""
        cursor: Any = UNSET
        while cursor is not None:
            page = await self._ask(
                AuditEventPage,
                list_audit_events.asyncio,
                limit=page_size,
                offset=UNSET,
                cursor=cursor,
                count=ListAuditEventsCount.NONE,
                **event_filters(filters),
            )
            for row in page.data:
                yield row
            cursor = page.pagination.next_cursor

    # Notifications

    async def create_notification(self, record: Event) -> Notification | NotificationAccepted | None:
        """Store a notification record; None if this very record is stored already, as after a retry.

        Raises ConflictError if another one has its notification_id.
        """
        try:
            answer = await self._ask(object, create_notification.asyncio, body=notification_body(record))
        except ConflictError as e:
            if e.identical:
                return None
            raise
        return answer if isinstance(answer, NotificationAccepted) else expect(answer, Notification)

    async def iter_notifications(
        self, *, page_size: int = 500, **filters: Unpack[NotificationFilters]
    ) -> AsyncIterator[Notification]:
        """All notification records, newest first, page by page with a cursor."""
        cursor: Any = UNSET
        while cursor is not None:
            page = await self._ask(
                NotificationPage,
                list_notifications.asyncio,
                limit=page_size,
                offset=UNSET,
                cursor=cursor,
                count=ListNotificationsCount.NONE,
                **notification_filters(filters),
            )
            for row in page.data:
                yield row
            cursor = page.pagination.next_cursor

    # Workflows

    async def create_workflow(self, workflow: WorkflowRequest) -> Workflow:
        """Store a version of a workflow. Raises ConflictError if it is there."""
        return await self._ask(Workflow, create_workflow.asyncio, body=workflow)

    async def create_workflows(self, workflows: list[WorkflowRequest]) -> WorkflowBatchCreated:
        """Store versions of workflows, all or none."""
        return await self._ask(WorkflowBatchCreated, create_workflows_batch.asyncio, body=workflows)

    async def get_workflow(self, workflow_id: UUID | str) -> Workflow:
        """One version of a workflow. Raises NotFoundError."""
        return await self._ask(Workflow, get_workflow.asyncio, as_uuid(workflow_id))

    async def get_latest_workflow(self, name: str) -> Workflow:
        """The latest version. Raises NotFoundError."""
        return await self._ask(Workflow, get_latest_workflow.asyncio, name)

    async def list_workflow_versions(self, name: str) -> WorkflowVersions:
        """All versions, newest first; none for an unknown name."""
        return await self._ask(WorkflowVersions, list_workflow_versions.asyncio, name)

    async def list_workflows(self, **arguments: Any) -> WorkflowPage:
        """A page of workflows; the arguments are those of the generated `list_workflows`."""
        return await self._ask(WorkflowPage, list_workflows.asyncio, **arguments)

    async def search_workflows(self, search: WorkflowSearchRequest, *, explain: bool = False) -> WorkflowSearchResponse:
        """The workflows that fit a signal, best first."""
        return expect(
            await search_workflows.asyncio(client=self.api, body=search, explain=explain), WorkflowSearchResponse
        )

    async def update_workflow(self, workflow_id: UUID | str, patch: WorkflowPatch) -> Workflow:
        """Change what of a workflow may change. Raises ImmutableFieldError."""
        return await self._ask(Workflow, update_workflow.asyncio, as_uuid(workflow_id), body=patch)

    async def disable_workflow(self, workflow_id: UUID | str, change: StatusChange | None = None) -> Workflow:
        """Let searches not find it any more."""
        return expect(
            await disable_workflow.asyncio(as_uuid(workflow_id), client=self.api, body=change or UNSET), Workflow
        )

    async def enable_workflow(self, workflow_id: UUID | str, change: StatusChange | None = None) -> Workflow:
        """Let searches find it again."""
        return expect(
            await enable_workflow.asyncio(as_uuid(workflow_id), client=self.api, body=change or UNSET), Workflow
        )
