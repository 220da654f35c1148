"""The client for threads: written by `make client` from aio.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

from datastorage_client._generated.models import (
    UNSET,
    AuditBatchAccepted,
    AuditBatchCreated,
    AuditEvent,
    AuditEventAccepted,
    AuditEventCreated,
    AuditEventPage,
    ListAuditEventsCount,
    ListedWorkflow,
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
from datastorage_client._generated.operations import (
    create_audit_event,
    create_audit_events_batch,
    create_notification,
    create_workflow,
    create_workflows_batch,
    disable_workflow,
    enable_workflow,
    get_audit_event,
    get_latest_workflow,
    get_workflow,
    list_audit_events,
    list_notifications,
    list_workflow_versions,
    list_workflows,
    search_workflows,
    update_workflow,
)
from datastorage_client.arguments import (
    BATCH_ANSWERS,
    EVENT_ANSWERS,
    NOTIFICATION_ANSWERS,
    Event,
    EventFilters,
    NotificationFilters,
    Operation,
    WorkflowFilters,
    acknowledged,
    as_uuid,
    bodies,
    check_acknowledged,
    event_body,
    event_filters,
    included,
    notification_filters,
    rows_and_cursor,
    understood,
    workflow_filters,
)
from datastorage_client.asking import Repeat
from datastorage_client.buffered.event import plain
from datastorage_client.connections import MAX_ANSWER_BYTES
from datastorage_client.export import Export, ExportFilters, ExportFormat, export_request
from datastorage_client.feed import (
    DEFAULT_FEED_WAIT_S,
    Course,
    FeedFollower,
    FeedOptions,
    FeedPage,
    FeedQuery,
    Stop,
    feed_page,
)
from datastorage_client.problems import ConflictError
from datastorage_client.transport import (
    DEFAULT_RETRY_FOR_S,
    DEFAULT_TIMEOUT_S,
    Limits,
    Token,
    make_http,
)

T = TypeVar("T")


class DataStorageClient:
    """Speaks to one service; any number of threads may share it, and it lives through a fork.

    base_url: such as ``http://127.0.0.1:8080``. token: a bearer token, or what gives one; it
    is called for each attempt, and once more after a 401, so that tokens can rotate. timeout: seconds for one attempt,
    from connecting to the last byte of the answer. retry_for: no attempt starts later than so many seconds after the
    first; 0 makes one attempt. Back-off is exponential with full jitter, and Retry-After is honoured. max_answer_bytes:
    an answer that is longer, unpacked, is none.

    Repeated are reads, searches, and what the service stores only once however often it comes: events (they get an
    event_id before their first attempt) and notifications. Other writes are repeated only if nothing can have been
    sent.

    Bodies may be models or mappings, and in a model texts may stand for members of enumerations, times and ids. What is
    in a mapping the service judges.

    Every method raises the subclass of ProblemError that says what the service refused, ConnectionFailedError when
    there was no answer; TypeError or ValueError, before anything is sent, for arguments that make no request.
    Operations that have no method here go through `call`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: Token | None = None,
        timeout: float = DEFAULT_TIMEOUT_S,
        retry_for: float = DEFAULT_RETRY_FOR_S,
        verify: bool | str = True,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        limits = Limits(timeout=timeout, retry_for=retry_for, max_answer_bytes=max_answer_bytes)
        self._retry_for = retry_for
        self._http = make_http(base_url, token, limits, verify)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, kinds: type[T] | tuple[type[T], ...], operation: Operation, /, *arguments: Any, **named: Any) -> T:
        """The answer of an operation. Raises UnexpectedAnswerError where it is not what the document promises."""
        response = self._http.request(**operation.request(*arguments, **named))
        return understood(operation, response, kinds)

    def _pages(self, kind: type[Any], operation: Operation, /, *arguments: Any, **named: Any) -> Iterator[Any]:
        cursor: Any = UNSET
        while cursor is not None:
            page = self._ask(kind, operation, *arguments, cursor=cursor, **named)
            rows, cursor = rows_and_cursor(page)
            yield from rows

    def call(self, operation: Operation, /, *arguments: Any, **named: Any) -> Any:
        """The answer of an operation of `datastorage_client.operations`, such as ``call(get_dlq_status)``."""
        return self._ask(object, operation, *arguments, **named)

    # Audit events

    def create_event(self, event: Event) -> AuditEventCreated | AuditEventAccepted:
        """Store one event. An event_id and event_timestamp are made where absent."""
        body = event_body(event)
        answer = self._ask(EVENT_ANSWERS, create_audit_event, body=body)
        return acknowledged(answer, [body], [answer.event_id], self._http.base_url)

    def create_events(self, events: Iterable[Event]) -> AuditBatchCreated | AuditBatchAccepted:
        """Store a batch, all or none of it."""
        sent = bodies(events, event_body)
        answer = self._ask(BATCH_ANSWERS, create_audit_events_batch, body=sent)
        return acknowledged(answer, sent, answer.event_ids, self._http.base_url)

    def send_events(self, body: bytes, count: int) -> int:
        """Send a JSON array of so many events in one attempt, as `BufferedAuditStore` does; the status."""
        response = self._http.post(
            "/api/v1/audit/events/batch",
            content=body,
            headers={"Content-Type": "application/json"},
            extensions=Repeat.NEVER.extension,
        )
        check_acknowledged(response, count)
        return response.status_code

    def get_event(self, event_id: UUID | str) -> AuditEvent:
        """One event. Raises NotFoundError."""
        return self._ask(AuditEvent, get_audit_event, as_uuid(event_id))

    def list_events(
        self, *, limit: int = 50, offset: int = 0, exact_total: bool = True, **filters: Unpack[EventFilters]
    ) -> AuditEventPage:
        """A page of events, newest first. Without ``exact_total`` the service does not count them all."""
        count = ListAuditEventsCount.EXACT if exact_total else ListAuditEventsCount.NONE
        return self._ask(
            AuditEventPage,
            list_audit_events,
            limit=limit,
            offset=offset,
            count=count,
            **event_filters(filters, "limit", "offset", "exact_total"),
        )

    def iter_events(self, *, page_size: int = 500, **filters: Unpack[EventFilters]) -> Iterator[AuditEvent]:
        """All events, newest first, page by page with a cursor: each that was there at the start comes once."""
        wanted = event_filters(filters, "page_size")
        return self._pages(
            AuditEventPage, list_audit_events, offset=UNSET, limit=page_size, count=ListAuditEventsCount.NONE, **wanted
        )

    # The export

    def export(
        self,
        *,
        format: ExportFormat = "ndjson",  # noqa: A002 - the name that the parameter has
        kinds: str | Iterable[str] | None = None,
        salts: bool = False,
        after: str | None = None,
        before: str | None = None,
        **filters: Unpack[ExportFilters],
    ) -> Export:
        """All records that match, in the order of the log, as a stream of bytes: a context manager to iterate over.

        ``kinds``: ``audit_event`` (the default), ``notification``, or with ndjson and without filters both. ``salts``:
        whether rows come with their salts, in ndjson. ``after`` and ``before``: places in the log: a cursor,
        ``EVENT_DATE/EVENT_ID``, ``notification/ID`` or an index; by default all up to the newest signed checkpoint.
        """
        return Export(self._http, export_request(format, kinds, salts, after, before, filters))

    # The feed

    def read_feed(self, *, after: str | None = None, wait: int = 0, **options: Unpack[FeedOptions]) -> FeedPage:
        """A page of the feed, in the order of the log: what comes behind the cursor ``after``.

        Without it from the beginning, with ``"end"`` from the present end. The answer may ``wait`` so many seconds, up
        to 30, for something to come, on top of the client's timeout. Raises FeedRestartedError and FeedExpiredError,
        whose ``next`` is the cursor to go on from.
        """
        return feed_page(self._http.request(**FeedQuery.of(wait, options).request(after)), after)

    def follow_feed(
        self,
        *,
        after: str | None = None,
        wait: int = DEFAULT_FEED_WAIT_S,
        retry_for: float | None = None,
        stop: Stop | None = None,
        **options: Unpack[FeedOptions],
    ) -> FeedFollower:
        """The pages of the feed one after the other, empty ones too, until ``stop`` is set or the follower is closed.

        Arguments and exceptions as of `read_feed`. While the service does not answer, or not now, it is asked again
        for ``retry_for`` seconds, by default those of the client; `math.inf` does so without end.
        """
        give_up = self._retry_for if retry_for is None else retry_for
        return FeedFollower(self._http, Course(FeedQuery.of(wait, options), after, give_up), stop)

    # Notifications

    def create_notification(self, record: Event) -> Notification | NotificationAccepted | None:
        """Store a notification record; None if this very record is stored already, as after a retry.

        Raises ConflictError if another one has its notification_id.
        """
        try:
            return self._ask(NOTIFICATION_ANSWERS, create_notification, body=plain(record))
        except ConflictError as e:
            if e.identical:
                return None
            raise

    def iter_notifications(
        self, *, page_size: int = 500, **filters: Unpack[NotificationFilters]
    ) -> Iterator[Notification]:
        """All notification records, newest first, page by page with a cursor."""
        wanted = notification_filters(filters, "page_size")
        return self._pages(
            NotificationPage,
            list_notifications,
            offset=UNSET,
            limit=page_size,
            count=ListNotificationsCount.NONE,
            **wanted,
        )

    # Workflows

    def create_workflow(self, workflow: WorkflowRequest | Mapping[str, Any]) -> Workflow:
        """Store a version of a workflow. Raises ConflictError if it is there."""
        return self._ask(Workflow, create_workflow, body=plain(workflow))

    def create_workflows(self, workflows: Iterable[WorkflowRequest | Mapping[str, Any]]) -> WorkflowBatchCreated:
        """Store versions of workflows, all or none."""
        return self._ask(WorkflowBatchCreated, create_workflows_batch, body=bodies(workflows, plain))

    def get_workflow(self, workflow_id: UUID | str) -> Workflow:
        """One version of a workflow. Raises NotFoundError."""
        return self._ask(Workflow, get_workflow, as_uuid(workflow_id))

    def get_latest_workflow(self, name: str) -> Workflow:
        """The latest version. Raises NotFoundError."""
        return self._ask(Workflow, get_latest_workflow, name)

    def list_workflow_versions(self, name: str, *, content: bool = False) -> WorkflowVersions:
        """The versions of a name, newest first, at most 1000 and what one answer holds; none for an unknown name.

        With their content only if it is asked for, as in every list; `iter_workflow_versions` gives all of them.
        """
        return self._ask(WorkflowVersions, list_workflow_versions, name, include=included(content))

    def iter_workflow_versions(
        self, name: str, *, page_size: int = 500, content: bool = False
    ) -> Iterator[ListedWorkflow]:
        """All versions of a name, newest first, page by page with a cursor."""
        return self._pages(WorkflowVersions, list_workflow_versions, name, limit=page_size, include=included(content))

    def list_workflows(
        self, *, limit: int = 100, offset: int = 0, content: bool = False, **filters: Unpack[WorkflowFilters]
    ) -> WorkflowPage:
        """A page of workflows, newest first; it ends early where one answer holds no more."""
        wanted = workflow_filters(filters, "limit", "offset", "content")
        return self._ask(WorkflowPage, list_workflows, limit=limit, offset=offset, include=included(content), **wanted)

    def iter_workflows(
        self, *, page_size: int = 100, content: bool = False, **filters: Unpack[WorkflowFilters]
    ) -> Iterator[ListedWorkflow]:
        """All workflows, newest first, page by page with a cursor."""
        wanted = workflow_filters(filters, "page_size", "content")
        return self._pages(
            WorkflowPage, list_workflows, offset=UNSET, limit=page_size, include=included(content), **wanted
        )

    def search_workflows(
        self, search: WorkflowSearchRequest | Mapping[str, Any], *, explain: bool = False
    ) -> WorkflowSearchResponse:
        """The workflows that fit a signal, best first."""
        return self._ask(WorkflowSearchResponse, search_workflows, body=plain(search), explain=explain)

    def update_workflow(self, workflow_id: UUID | str, patch: WorkflowPatch | Mapping[str, Any]) -> Workflow:
        """Change what of a workflow may change. Raises ImmutableFieldError."""
        return self._ask(Workflow, update_workflow, as_uuid(workflow_id), body=plain(patch))

    def disable_workflow(
        self, workflow_id: UUID | str, change: StatusChange | Mapping[str, Any] | None = None
    ) -> Workflow:
        """Let searches not find it any more."""
        return self._ask(
            Workflow, disable_workflow, as_uuid(workflow_id), body=UNSET if change is None else plain(change)
        )

    def enable_workflow(
        self, workflow_id: UUID | str, change: StatusChange | Mapping[str, Any] | None = None
    ) -> Workflow:
        """Let searches find it again."""
        return self._ask(
            Workflow, enable_workflow, as_uuid(workflow_id), body=UNSET if change is None else plain(change)
        )
