"""The operations of the API: written by `make client` from api/openapi/data-storage-v1.yaml."""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from datastorage_client._generated.models import (
    UNSET,
    AuditBatchAccepted,
    AuditBatchCreated,
    AuditEvent,
    AuditEventAccepted,
    AuditEventCreated,
    AuditEventPage,
    AuditEventRequest,
    AuditFeed,
    DeadLetter,
    DeadLetterAccepted,
    DeadLetterDeleted,
    DeadLetterPage,
    DlqStatus,
    DlqStreamName,
    EventOutcome,
    ExportAuditRecordsFormat,
    Hold,
    HoldPage,
    HoldRelease,
    HoldRequest,
    HoldState,
    ListAuditEventsCount,
    ListNotificationsCount,
    LogConsistency,
    LogProof,
    Notification,
    NotificationAccepted,
    NotificationChannel,
    NotificationPage,
    NotificationRequest,
    NotificationStatus,
    StatusChange,
    StoredPriority,
    StoredSeverity,
    Unset,
    Workflow,
    WorkflowBatchCreated,
    WorkflowInclude,
    WorkflowPage,
    WorkflowPatch,
    WorkflowRequest,
    WorkflowSearchRequest,
    WorkflowSearchResponse,
    WorkflowStatus,
    WorkflowVersions,
)


class create_audit_event:
    """Store one audit event."""

    @staticmethod
    def request(*, body: AuditEventRequest, strict: bool | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "post", "url": "/api/v1/audit/events", "params": params}
        _kwargs["json"] = body.to_dict()
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = AuditEventCreated.from_dict(response.json())
            return response_200
        if response.status_code == 201:
            response_201 = AuditEventCreated.from_dict(response.json())
            return response_201
        if response.status_code == 202:
            response_202 = AuditEventAccepted.from_dict(response.json())
            return response_202
        return None


class create_audit_events_batch:
    """Store many audit events, all or none."""

    @staticmethod
    def request(*, body: list[AuditEventRequest], strict: bool | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "post", "url": "/api/v1/audit/events/batch", "params": params}
        _kwargs["json"] = []
        for componentsschemas_audit_event_batch_item_data in body:
            componentsschemas_audit_event_batch_item = componentsschemas_audit_event_batch_item_data.to_dict()
            _kwargs["json"].append(componentsschemas_audit_event_batch_item)
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = AuditBatchCreated.from_dict(response.json())
            return response_200
        if response.status_code == 201:
            response_201 = AuditBatchCreated.from_dict(response.json())
            return response_201
        if response.status_code == 202:
            response_202 = AuditBatchAccepted.from_dict(response.json())
            return response_202
        return None


class create_notification:
    """Store a notification record."""

    @staticmethod
    def request(*, body: NotificationRequest, strict: bool | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "post", "url": "/api/v1/audit/notifications", "params": params}
        _kwargs["json"] = body.to_dict()
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 201:
            response_201 = Notification.from_dict(response.json())
            return response_201
        if response.status_code == 202:
            response_202 = NotificationAccepted.from_dict(response.json())
            return response_202
        return None


class export_audit_records:
    """Export records as one stream."""

    @staticmethod
    def request(
        *,
        format_: ExportAuditRecordsFormat | Unset = UNSET,
        kinds: str | Unset = "audit_event",
        salts: bool | Unset = False,
        after: str | Unset = UNSET,
        before: str | Unset = UNSET,
        event_type: str | Unset = UNSET,
        event_category: str | Unset = UNSET,
        event_outcome: EventOutcome | Unset = UNSET,
        severity: str | Unset = UNSET,
        correlation_id: str | Unset = UNSET,
        actor_type: str | Unset = UNSET,
        actor_id: str | Unset = UNSET,
        resource_type: str | Unset = UNSET,
        resource_id: str | Unset = UNSET,
        namespace: str | Unset = UNSET,
        cluster_name: str | Unset = UNSET,
        request_id: str | Unset = UNSET,
        since: str | Unset = UNSET,
        until: str | Unset = UNSET,
        data: str | Unset = UNSET,
        remediation_id: str | Unset = UNSET,
        channel: NotificationChannel | Unset = UNSET,
        status: NotificationStatus | Unset = UNSET,
        strict: bool | Unset = UNSET,
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        json_format_: str | Unset = UNSET
        if not isinstance(format_, Unset):
            json_format_ = format_.value
        params["format"] = json_format_
        params["kinds"] = kinds
        params["salts"] = salts
        params["after"] = after
        params["before"] = before
        params["event_type"] = event_type
        params["event_category"] = event_category
        json_event_outcome: str | Unset = UNSET
        if not isinstance(event_outcome, Unset):
            json_event_outcome = event_outcome.value
        params["event_outcome"] = json_event_outcome
        params["severity"] = severity
        params["correlation_id"] = correlation_id
        params["actor_type"] = actor_type
        params["actor_id"] = actor_id
        params["resource_type"] = resource_type
        params["resource_id"] = resource_id
        params["namespace"] = namespace
        params["cluster_name"] = cluster_name
        params["request_id"] = request_id
        params["since"] = since
        params["until"] = until
        params["data"] = data
        params["remediation_id"] = remediation_id
        json_channel: str | Unset = UNSET
        if not isinstance(channel, Unset):
            json_channel = channel.value
        params["channel"] = json_channel
        json_status: str | Unset = UNSET
        if not isinstance(status, Unset):
            json_status = status.value
        params["status"] = json_status
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/audit/export", "params": params}
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        return None


class get_audit_event:
    """Read one audit event."""

    @staticmethod
    def request(
        event_id: UUID, *, event_date: datetime.date | Unset = UNSET, strict: bool | Unset = UNSET
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        json_event_date: str | Unset = UNSET
        if not isinstance(event_date, Unset):
            json_event_date = event_date.isoformat()
        params["event_date"] = json_event_date
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "get",
            "url": "/api/v1/audit/events/{event_id}".format(event_id=quote(str(event_id), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = AuditEvent.from_dict(response.json())
            return response_200
        return None


class get_audit_event_proof:
    """Prove that an event is in the log."""

    @staticmethod
    def request(
        event_id: UUID, *, event_date: datetime.date | Unset = UNSET, strict: bool | Unset = UNSET
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        json_event_date: str | Unset = UNSET
        if not isinstance(event_date, Unset):
            json_event_date = event_date.isoformat()
        params["event_date"] = json_event_date
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "get",
            "url": "/api/v1/audit/events/{event_id}/proof".format(event_id=quote(str(event_id), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = LogProof.from_dict(response.json())
            return response_200
        return None


class get_audit_feed:
    """Follow what is stored, in the order of the log."""

    @staticmethod
    def request(
        *,
        after: str | Unset = UNSET,
        limit: int | Unset = 100,
        wait: int | Unset = 0,
        kinds: str | Unset = "audit_event",
        salts: bool | Unset = False,
        event_type: str | Unset = UNSET,
        event_category: str | Unset = UNSET,
        event_outcome: EventOutcome | Unset = UNSET,
        severity: str | Unset = UNSET,
        correlation_id: str | Unset = UNSET,
        actor_type: str | Unset = UNSET,
        actor_id: str | Unset = UNSET,
        resource_type: str | Unset = UNSET,
        resource_id: str | Unset = UNSET,
        namespace: str | Unset = UNSET,
        cluster_name: str | Unset = UNSET,
        request_id: str | Unset = UNSET,
        since: str | Unset = UNSET,
        until: str | Unset = UNSET,
        data: str | Unset = UNSET,
        strict: bool | Unset = UNSET,
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["after"] = after
        params["limit"] = limit
        params["wait"] = wait
        params["kinds"] = kinds
        params["salts"] = salts
        params["event_type"] = event_type
        params["event_category"] = event_category
        json_event_outcome: str | Unset = UNSET
        if not isinstance(event_outcome, Unset):
            json_event_outcome = event_outcome.value
        params["event_outcome"] = json_event_outcome
        params["severity"] = severity
        params["correlation_id"] = correlation_id
        params["actor_type"] = actor_type
        params["actor_id"] = actor_id
        params["resource_type"] = resource_type
        params["resource_id"] = resource_id
        params["namespace"] = namespace
        params["cluster_name"] = cluster_name
        params["request_id"] = request_id
        params["since"] = since
        params["until"] = until
        params["data"] = data
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/audit/feed", "params": params}
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = AuditFeed.from_dict(response.json())
            return response_200
        return None


class get_notification_proof:
    """Prove that a notification record is in the log."""

    @staticmethod
    def request(notification_id: int, *, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "get",
            "url": "/api/v1/audit/notifications/{notification_id}/proof".format(
                notification_id=quote(str(notification_id), safe="")
            ),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = LogProof.from_dict(response.json())
            return response_200
        return None


class list_audit_events:
    """Query audit events."""

    @staticmethod
    def request(
        *,
        event_type: str | Unset = UNSET,
        event_category: str | Unset = UNSET,
        event_outcome: EventOutcome | Unset = UNSET,
        severity: str | Unset = UNSET,
        correlation_id: str | Unset = UNSET,
        actor_type: str | Unset = UNSET,
        actor_id: str | Unset = UNSET,
        resource_type: str | Unset = UNSET,
        resource_id: str | Unset = UNSET,
        namespace: str | Unset = UNSET,
        cluster_name: str | Unset = UNSET,
        request_id: str | Unset = UNSET,
        since: str | Unset = UNSET,
        until: str | Unset = UNSET,
        data: str | Unset = UNSET,
        limit: int | Unset = 50,
        offset: int | Unset = 0,
        cursor: str | Unset = UNSET,
        count: ListAuditEventsCount | Unset = ListAuditEventsCount.EXACT,
        strict: bool | Unset = UNSET,
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["event_type"] = event_type
        params["event_category"] = event_category
        json_event_outcome: str | Unset = UNSET
        if not isinstance(event_outcome, Unset):
            json_event_outcome = event_outcome.value
        params["event_outcome"] = json_event_outcome
        params["severity"] = severity
        params["correlation_id"] = correlation_id
        params["actor_type"] = actor_type
        params["actor_id"] = actor_id
        params["resource_type"] = resource_type
        params["resource_id"] = resource_id
        params["namespace"] = namespace
        params["cluster_name"] = cluster_name
        params["request_id"] = request_id
        params["since"] = since
        params["until"] = until
        params["data"] = data
        params["limit"] = limit
        params["offset"] = offset
        params["cursor"] = cursor
        json_count: str | Unset = UNSET
        if not isinstance(count, Unset):
            json_count = count.value
        params["count"] = json_count
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/audit/events", "params": params}
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = AuditEventPage.from_dict(response.json())
            return response_200
        return None


class list_notifications:
    """Query notification records."""

    @staticmethod
    def request(
        *,
        remediation_id: str | Unset = UNSET,
        channel: NotificationChannel | Unset = UNSET,
        status: NotificationStatus | Unset = UNSET,
        since: str | Unset = UNSET,
        until: str | Unset = UNSET,
        limit: int | Unset = 50,
        offset: int | Unset = 0,
        cursor: str | Unset = UNSET,
        count: ListNotificationsCount | Unset = ListNotificationsCount.EXACT,
        strict: bool | Unset = UNSET,
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["remediation_id"] = remediation_id
        json_channel: str | Unset = UNSET
        if not isinstance(channel, Unset):
            json_channel = channel.value
        params["channel"] = json_channel
        json_status: str | Unset = UNSET
        if not isinstance(status, Unset):
            json_status = status.value
        params["status"] = json_status
        params["since"] = since
        params["until"] = until
        params["limit"] = limit
        params["offset"] = offset
        params["cursor"] = cursor
        json_count: str | Unset = UNSET
        if not isinstance(count, Unset):
            json_count = count.value
        params["count"] = json_count
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/audit/notifications", "params": params}
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = NotificationPage.from_dict(response.json())
            return response_200
        return None


class delete_dead_letter:
    """Delete a dead letter for good."""

    @staticmethod
    def request(letter_id: str, *, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "delete",
            "url": "/api/v1/dlq/dead-letters/{letter_id}".format(letter_id=quote(str(letter_id), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = DeadLetterDeleted.from_dict(response.json())
            return response_200
        return None


class get_dead_letter:
    """Read one dead letter."""

    @staticmethod
    def request(letter_id: str, *, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "get",
            "url": "/api/v1/dlq/dead-letters/{letter_id}".format(letter_id=quote(str(letter_id), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = DeadLetter.from_dict(response.json())
            return response_200
        return None


class get_dlq_status:
    """How full the dead letter queue is."""

    @staticmethod
    def request(*, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/dlq", "params": params}
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = DlqStatus.from_dict(response.json())
            return response_200
        return None


class list_dead_letters:
    """List dead letters."""

    @staticmethod
    def request(
        *,
        stream: DlqStreamName | Unset = UNSET,
        limit: int | Unset = 50,
        cursor: str | Unset = UNSET,
        strict: bool | Unset = UNSET,
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        json_stream: str | Unset = UNSET
        if not isinstance(stream, Unset):
            json_stream = stream.value
        params["stream"] = json_stream
        params["limit"] = limit
        params["cursor"] = cursor
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/dlq/dead-letters", "params": params}
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = DeadLetterPage.from_dict(response.json())
            return response_200
        return None


class replay_dead_letter:
    """Put a dead letter back into the queue."""

    @staticmethod
    def request(letter_id: str, *, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "post",
            "url": "/api/v1/dlq/dead-letters/{letter_id}/replay".format(letter_id=quote(str(letter_id), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 202:
            response_202 = DeadLetterAccepted.from_dict(response.json())
            return response_202
        return None


class get_hold:
    """Read one hold."""

    @staticmethod
    def request(hold_id: UUID, *, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "get",
            "url": "/api/v1/holds/{hold_id}".format(hold_id=quote(str(hold_id), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = Hold.from_dict(response.json())
            return response_200
        return None


class list_holds:
    """List holds."""

    @staticmethod
    def request(
        *,
        state: HoldState | Unset = UNSET,
        name: str | Unset = UNSET,
        limit: int | Unset = 100,
        offset: int | Unset = 0,
        cursor: str | Unset = UNSET,
        strict: bool | Unset = UNSET,
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        json_state: str | Unset = UNSET
        if not isinstance(state, Unset):
            json_state = state.value
        params["state"] = json_state
        params["name"] = name
        params["limit"] = limit
        params["offset"] = offset
        params["cursor"] = cursor
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/holds", "params": params}
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = HoldPage.from_dict(response.json())
            return response_200
        return None


class release_hold:
    """Release a hold."""

    @staticmethod
    def request(hold_id: UUID, *, body: HoldRelease, strict: bool | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "post",
            "url": "/api/v1/holds/{hold_id}/release".format(hold_id=quote(str(hold_id), safe="")),
            "params": params,
        }
        _kwargs["json"] = body.to_dict()
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = Hold.from_dict(response.json())
            return response_200
        return None


class set_hold:
    """Set a legal hold."""

    @staticmethod
    def request(*, body: HoldRequest, strict: bool | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "post", "url": "/api/v1/holds", "params": params}
        _kwargs["json"] = body.to_dict()
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = Hold.from_dict(response.json())
            return response_200
        if response.status_code == 201:
            response_201 = Hold.from_dict(response.json())
            return response_201
        return None


class get_log_checkpoint:
    """Read the newest checkpoint of the log."""

    @staticmethod
    def request(*, strict: bool | Unset = UNSET, if_none_match: str | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        if not isinstance(if_none_match, Unset):
            headers["If-None-Match"] = if_none_match
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/log/checkpoint", "params": params}
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = response.text
            return response_200
        return None


class get_log_checkpoint_witnessed:
    """Read the newest checkpoint that witnesses have cosigned."""

    @staticmethod
    def request(*, strict: bool | Unset = UNSET, if_none_match: str | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        if not isinstance(if_none_match, Unset):
            headers["If-None-Match"] = if_none_match
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/log/checkpoint/witnessed", "params": params}
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = response.text
            return response_200
        return None


class get_log_consistency:
    """Prove that the log only grew."""

    @staticmethod
    def request(*, from_: int, to: int | Unset = UNSET, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["from"] = from_
        params["to"] = to
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/log/consistency", "params": params}
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = LogConsistency.from_dict(response.json())
            return response_200
        return None


class get_log_entry_proof:
    """Prove that an entry is in the log."""

    @staticmethod
    def request(index: int, *, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "get",
            "url": "/api/v1/log/entries/{index}/proof".format(index=quote(str(index), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = LogProof.from_dict(response.json())
            return response_200
        return None


class get_log_key:
    """Read the verifier keys of the log."""

    @staticmethod
    def request(*, strict: bool | Unset = UNSET, if_none_match: str | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        if not isinstance(if_none_match, Unset):
            headers["If-None-Match"] = if_none_match
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/log/key", "params": params}
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = response.text
            return response_200
        return None


class create_workflow:
    """Create a workflow."""

    @staticmethod
    def request(*, body: WorkflowRequest, strict: bool | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "post", "url": "/api/v1/workflows", "params": params}
        _kwargs["json"] = body.to_dict()
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 201:
            response_201 = Workflow.from_dict(response.json())
            return response_201
        return None


class create_workflows_batch:
    """Create many workflows, all or none."""

    @staticmethod
    def request(*, body: list[WorkflowRequest], strict: bool | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "post", "url": "/api/v1/workflows/batch", "params": params}
        _kwargs["json"] = []
        for componentsschemas_workflow_batch_item_data in body:
            componentsschemas_workflow_batch_item = componentsschemas_workflow_batch_item_data.to_dict()
            _kwargs["json"].append(componentsschemas_workflow_batch_item)
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 201:
            response_201 = WorkflowBatchCreated.from_dict(response.json())
            return response_201
        return None


class disable_workflow:
    """Disable a workflow."""

    @staticmethod
    def request(
        workflow_id: UUID, *, body: StatusChange | Unset = UNSET, strict: bool | Unset = UNSET
    ) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "patch",
            "url": "/api/v1/workflows/{workflow_id}/disable".format(workflow_id=quote(str(workflow_id), safe="")),
            "params": params,
        }
        if not isinstance(body, Unset):
            _kwargs["json"] = body.to_dict()
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = Workflow.from_dict(response.json())
            return response_200
        return None


class enable_workflow:
    """Enable a workflow."""

    @staticmethod
    def request(
        workflow_id: UUID, *, body: StatusChange | Unset = UNSET, strict: bool | Unset = UNSET
    ) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "patch",
            "url": "/api/v1/workflows/{workflow_id}/enable".format(workflow_id=quote(str(workflow_id), safe="")),
            "params": params,
        }
        if not isinstance(body, Unset):
            _kwargs["json"] = body.to_dict()
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = Workflow.from_dict(response.json())
            return response_200
        return None


class get_latest_workflow:
    """Read the latest version of a name."""

    @staticmethod
    def request(name: str, *, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "get",
            "url": "/api/v1/workflows/by-name/{name}/latest".format(name=quote(str(name), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = Workflow.from_dict(response.json())
            return response_200
        return None


class get_workflow:
    """Read one workflow."""

    @staticmethod
    def request(workflow_id: UUID, *, strict: bool | Unset = UNSET) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "get",
            "url": "/api/v1/workflows/{workflow_id}".format(workflow_id=quote(str(workflow_id), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = Workflow.from_dict(response.json())
            return response_200
        return None


class list_workflow_versions:
    """List the versions of a name."""

    @staticmethod
    def request(
        name: str,
        *,
        limit: int | Unset = 1000,
        cursor: str | Unset = UNSET,
        include: WorkflowInclude | Unset = UNSET,
        strict: bool | Unset = UNSET,
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        params["limit"] = limit
        params["cursor"] = cursor
        json_include: str | Unset = UNSET
        if not isinstance(include, Unset):
            json_include = include.value
        params["include"] = json_include
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "get",
            "url": "/api/v1/workflows/by-name/{name}/versions".format(name=quote(str(name), safe="")),
            "params": params,
        }
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = WorkflowVersions.from_dict(response.json())
            return response_200
        return None


class list_workflows:
    """List workflows."""

    @staticmethod
    def request(
        *,
        status: WorkflowStatus | Unset = UNSET,
        workflow_name: str | Unset = UNSET,
        signal_type: str | Unset = UNSET,
        severity: StoredSeverity | Unset = UNSET,
        component: str | Unset = UNSET,
        environment: str | Unset = UNSET,
        priority: StoredPriority | Unset = UNSET,
        latest: bool | Unset = UNSET,
        limit: int | Unset = 100,
        offset: int | Unset = 0,
        cursor: str | Unset = UNSET,
        include: WorkflowInclude | Unset = UNSET,
        strict: bool | Unset = UNSET,
    ) -> dict[str, Any]:
        params: dict[str, Any] = {}
        json_status: str | Unset = UNSET
        if not isinstance(status, Unset):
            json_status = status.value
        params["status"] = json_status
        params["workflow_name"] = workflow_name
        params["signal_type"] = signal_type
        json_severity: str | Unset = UNSET
        if not isinstance(severity, Unset):
            json_severity = severity.value
        params["severity"] = json_severity
        params["component"] = component
        params["environment"] = environment
        json_priority: str | Unset = UNSET
        if not isinstance(priority, Unset):
            json_priority = priority.value
        params["priority"] = json_priority
        params["latest"] = latest
        params["limit"] = limit
        params["offset"] = offset
        params["cursor"] = cursor
        json_include: str | Unset = UNSET
        if not isinstance(include, Unset):
            json_include = include.value
        params["include"] = json_include
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "get", "url": "/api/v1/workflows", "params": params}
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = WorkflowPage.from_dict(response.json())
            return response_200
        return None


class search_workflows:
    """Find the workflows that fit a signal, best first."""

    @staticmethod
    def request(
        *, body: WorkflowSearchRequest, explain: bool | Unset = False, strict: bool | Unset = UNSET
    ) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["explain"] = explain
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {"method": "post", "url": "/api/v1/workflows/search", "params": params}
        _kwargs["json"] = body.to_dict()
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = WorkflowSearchResponse.from_dict(response.json())
            return response_200
        return None


class update_workflow:
    """Change status or metrics of a workflow."""

    @staticmethod
    def request(workflow_id: UUID, *, body: WorkflowPatch, strict: bool | Unset = UNSET) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        params: dict[str, Any] = {}
        params["strict"] = strict
        params = {k: v for k, v in params.items() if v is not UNSET and v is not None}
        _kwargs: dict[str, Any] = {
            "method": "patch",
            "url": "/api/v1/workflows/{workflow_id}".format(workflow_id=quote(str(workflow_id), safe="")),
            "params": params,
        }
        _kwargs["json"] = body.to_dict()
        headers["Content-Type"] = "application/json"
        _kwargs["headers"] = headers
        return _kwargs

    @staticmethod
    def answer(response: httpx.Response) -> Any:
        if response.status_code == 200:
            response_200 = Workflow.from_dict(response.json())
            return response_200
        return None


__all__ = [
    "create_audit_event",
    "create_audit_events_batch",
    "create_notification",
    "create_workflow",
    "create_workflows_batch",
    "delete_dead_letter",
    "disable_workflow",
    "enable_workflow",
    "export_audit_records",
    "get_audit_event",
    "get_audit_event_proof",
    "get_audit_feed",
    "get_dead_letter",
    "get_dlq_status",
    "get_hold",
    "get_latest_workflow",
    "get_log_checkpoint",
    "get_log_checkpoint_witnessed",
    "get_log_consistency",
    "get_log_entry_proof",
    "get_log_key",
    "get_notification_proof",
    "get_workflow",
    "list_audit_events",
    "list_dead_letters",
    "list_holds",
    "list_notifications",
    "list_workflow_versions",
    "list_workflows",
    "release_hold",
    "replay_dead_letter",
    "search_workflows",
    "set_hold",
    "update_workflow",
]
