"""The models of the API: written by `make client` from api/openapi/data-storage-v1.yaml."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal, Self, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field


class Unset:
    """A member that is not there."""

    def __bool__(self) -> Literal[False]:
        return False


UNSET: Unset = Unset()


class DetectedLabelName(StrEnum):
    GITOPSMANAGED = "gitOpsManaged"
    GITOPSTOOL = "gitOpsTool"
    HELMMANAGED = "helmManaged"
    HPAENABLED = "hpaEnabled"
    NETWORKISOLATED = "networkIsolated"
    PDBPROTECTED = "pdbProtected"
    SERVICEMESH = "serviceMesh"
    STATEFUL = "stateful"

    def __str__(self) -> str:
        return str(self.value)


class DlqStatusReplayPausedType0(StrEnum):
    DATABASE_UNAVAILABLE = "database_unavailable"
    DEAD_LETTERS_FULL = "dead_letters_full"
    NOT_CONFIGURED = "not_configured"

    def __str__(self) -> str:
        return str(self.value)


class DlqStreamName(StrEnum):
    EVENTS = "events"
    NOTIFICATIONS = "notifications"

    def __str__(self) -> str:
        return str(self.value)


class EventOutcome(StrEnum):
    FAILURE = "failure"
    PENDING = "pending"
    SUCCESS = "success"

    def __str__(self) -> str:
        return str(self.value)


class ExportAuditRecordsFormat(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"

    def __str__(self) -> str:
        return str(self.value)


class GetDocsAssetName(StrEnum):
    DOCS_CSS = "docs.css"
    DOCS_JS = "docs.js"
    FAVICON_16X16_PNG = "favicon-16x16.png"
    FAVICON_32X32_PNG = "favicon-32x32.png"
    SWAGGER_UI_BUNDLE_JS = "swagger-ui-bundle.js"
    SWAGGER_UI_CSS = "swagger-ui.css"

    def __str__(self) -> str:
        return str(self.value)


class GitOpsTool(StrEnum):
    ARGOCD = "argocd"
    FLUX = "flux"
    VALUE_2 = "*"

    def __str__(self) -> str:
        return str(self.value)


class HealthCredentials(StrEnum):
    CURRENT = "current"
    STALE = "stale"

    def __str__(self) -> str:
        return str(self.value)


class HealthDatabase(StrEnum):
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"

    def __str__(self) -> str:
        return str(self.value)


class HealthIssuers(StrEnum):
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"

    def __str__(self) -> str:
        return str(self.value)


class HealthReasonsItem(StrEnum):
    DATABASE_ENCODING = "database_encoding"
    DATABASE_IS_STANDBY = "database_is_standby"
    DATABASE_NOT_DURABLE = "database_not_durable"
    DATABASE_REFUSES_CONNECTIONS = "database_refuses_connections"
    DATABASE_REFUSES_WRITES = "database_refuses_writes"
    MISSING_RIGHTS = "missing_rights"
    QUEUE_LOST = "queue_lost"
    REDIS_DURABILITY_UNKNOWN = "redis_durability_unknown"
    REDIS_EVICTS = "redis_evicts"
    REDIS_IS_CLUSTER = "redis_is_cluster"
    REDIS_MISSING_RIGHTS = "redis_missing_rights"
    REDIS_NOT_DURABLE = "redis_not_durable"
    REDIS_REFUSES_WRITES = "redis_refuses_writes"
    REDIS_UNREACHABLE = "redis_unreachable"
    SCHEMA_OUTDATED = "schema_outdated"

    def __str__(self) -> str:
        return str(self.value)


class HealthRedis(StrEnum):
    CONNECTED = "connected"
    NOT_CONFIGURED = "not_configured"
    UNREACHABLE = "unreachable"

    def __str__(self) -> str:
        return str(self.value)


class HealthStatus(StrEnum):
    DEGRADED = "degraded"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"

    def __str__(self) -> str:
        return str(self.value)


class HoldFilterKindsItem(StrEnum):
    AUDIT_EVENT = "audit_event"
    NOTIFICATION = "notification"

    def __str__(self) -> str:
        return str(self.value)


class HoldState(StrEnum):
    ACTIVE = "active"
    RELEASED = "released"

    def __str__(self) -> str:
        return str(self.value)


class ListAuditEventsCount(StrEnum):
    EXACT = "exact"
    NONE = "none"

    def __str__(self) -> str:
        return str(self.value)


class ListNotificationsCount(StrEnum):
    EXACT = "exact"
    NONE = "none"

    def __str__(self) -> str:
        return str(self.value)


class LivenessStatus(StrEnum):
    ALIVE = "alive"
    DEAD = "dead"

    def __str__(self) -> str:
        return str(self.value)


class LogHealthSigning(StrEnum):
    OFF = "off"
    ON = "on"
    STOPPED = "stopped"

    def __str__(self) -> str:
        return str(self.value)


class LogHealthState(StrEnum):
    CURRENT = "current"
    LAGGING = "lagging"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return str(self.value)


class NotificationChannel(StrEnum):
    EMAIL = "email"
    PAGERDUTY = "pagerduty"
    SLACK = "slack"
    SMS = "sms"
    TEAMS = "teams"
    WEBHOOK = "webhook"

    def __str__(self) -> str:
        return str(self.value)


class NotificationStatus(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    FAILED = "failed"
    PENDING = "pending"
    SENT = "sent"

    def __str__(self) -> str:
        return str(self.value)


class ProblemSlug(StrEnum):
    BATCH_SIZE_EXCEEDED = "batch-size-exceeded"
    BUFFER_FULL = "buffer-full"
    CONFLICT = "conflict"
    DLQ_FULL = "dlq-full"
    EXPECTATION_FAILED = "expectation-failed"
    FEED_EXPIRED = "feed-expired"
    FEED_RESTARTED = "feed-restarted"
    FORBIDDEN = "forbidden"
    HELD = "held"
    HTTP_VERSION_NOT_SUPPORTED = "http-version-not-supported"
    IMMUTABLE_FIELD_VIOLATION = "immutable-field-violation"
    INTERNAL_ERROR = "internal-error"
    INVALID_EVENT_DATA = "invalid_event_data"
    INVALID_REQUEST = "invalid_request"
    LOG_INCONSISTENT = "log-inconsistent"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NOT_FOUND = "not-found"
    NOT_YET_IN_LOG = "not-yet-in-log"
    NO_CHECKPOINT = "no-checkpoint"
    RATE_LIMIT_EXCEEDED = "rate-limit-exceeded"
    REQUEST_HEADERS_TOO_LARGE = "request-headers-too-large"
    REQUEST_TIMEOUT = "request-timeout"
    REQUEST_TOO_LARGE = "request-too-large"
    SERVICE_UNAVAILABLE = "service-unavailable"
    UNAUTHORIZED = "unauthorized"
    UNSUPPORTED_ENCODING = "unsupported-encoding"
    UNSUPPORTED_TRANSFER_CODING = "unsupported-transfer-coding"
    VALIDATION_ERROR = "validation-error"

    def __str__(self) -> str:
        return str(self.value)


class ReadinessReason(StrEnum):
    BUFFER_FULL = "buffer_full"
    DATABASE_IS_STANDBY = "database_is_standby"
    DATABASE_REFUSES_WRITES = "database_refuses_writes"
    DATABASE_UNREACHABLE = "database_unreachable"
    MISSING_RIGHTS = "missing_rights"
    QUEUE_FULL = "queue_full"
    QUEUE_REFUSES_WRITES = "queue_refuses_writes"
    SCHEMA_OUTDATED = "schema_outdated"
    SHUTTING_DOWN = "shutting_down"

    def __str__(self) -> str:
        return str(self.value)


class ReadinessStatus(StrEnum):
    NOT_READY = "not_ready"
    READY = "ready"

    def __str__(self) -> str:
        return str(self.value)


class RedisDurabilityType0(StrEnum):
    AOF_ALWAYS = "aof_always"
    AOF_EVERYSEC = "aof_everysec"
    NONE = "none"
    SNAPSHOT = "snapshot"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return str(self.value)


class ServiceMesh(StrEnum):
    ISTIO = "istio"
    LINKERD = "linkerd"
    VALUE_2 = "*"

    def __str__(self) -> str:
        return str(self.value)


class StoredPriority(StrEnum):
    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    VALUE_4 = "*"

    def __str__(self) -> str:
        return str(self.value)


class StoredSeverity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    LOW = "low"
    MEDIUM = "medium"
    VALUE_4 = "*"

    def __str__(self) -> str:
        return str(self.value)


class WorkflowInclude(StrEnum):
    CONTENT = "content"

    def __str__(self) -> str:
        return str(self.value)


class WorkflowPriority(StrEnum):
    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"

    def __str__(self) -> str:
        return str(self.value)


class WorkflowSeverity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    LOW = "low"
    MEDIUM = "medium"

    def __str__(self) -> str:
        return str(self.value)


class WorkflowStatus(StrEnum):
    ACTIVE = "active"
    ARCHIVED = "archived"
    DEPRECATED = "deprecated"
    DISABLED = "disabled"

    def __str__(self) -> str:
        return str(self.value)


@_attrs_define
class AuditBatchAccepted:
    """
    Attributes:
        status (Literal['accepted']):
        message (str):
        count (int):
        event_ids (list[UUID]): In the order of the request.
        ignored (IgnoredMembersOfBatch | Unset): The ignored members of items of the batch, by the index of the item in
            the request.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    status: Literal["accepted"]
    message: str
    count: int
    event_ids: list[UUID]
    ignored: IgnoredMembersOfBatch | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status

        message = self.message

        count = self.count

        event_ids = []
        for event_ids_item_data in self.event_ids:
            event_ids_item = str(event_ids_item_data)
            event_ids.append(event_ids_item)

        ignored: dict[str, Any] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored.to_dict()

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "message": message,
                "count": count,
                "event_ids": event_ids,
            }
        )
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        status = cast(Literal["accepted"], d.pop("status"))
        if status != "accepted":
            raise ValueError(f"status must match const 'accepted', got '{status}'")

        message = d.pop("message")

        count = d.pop("count")

        event_ids = []
        _event_ids = d.pop("event_ids")
        for event_ids_item_data in _event_ids:
            event_ids_item = UUID(event_ids_item_data)

            event_ids.append(event_ids_item)

        _ignored = d.pop("ignored", UNSET)
        ignored: IgnoredMembersOfBatch | Unset
        if isinstance(_ignored, Unset):
            ignored = UNSET
        else:
            ignored = IgnoredMembersOfBatch.from_dict(_ignored)

        ignored_more = d.pop("ignored_more", UNSET)

        audit_batch_accepted = cls(
            status=status,
            message=message,
            count=count,
            event_ids=event_ids,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        audit_batch_accepted.additional_properties = d
        return audit_batch_accepted

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class AuditBatchCreated:
    """
    Attributes:
        event_ids (list[UUID]): In the order of the request.
        message (str):
        duplicates (list[int]): Indexes of the events that were stored already, or that are copies of an earlier one in
            the batch.
        ignored (IgnoredMembersOfBatch | Unset): The ignored members of items of the batch, by the index of the item in
            the request.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    event_ids: list[UUID]
    message: str
    duplicates: list[int]
    ignored: IgnoredMembersOfBatch | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        event_ids = []
        for event_ids_item_data in self.event_ids:
            event_ids_item = str(event_ids_item_data)
            event_ids.append(event_ids_item)

        message = self.message

        duplicates = self.duplicates

        ignored: dict[str, Any] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored.to_dict()

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "event_ids": event_ids,
                "message": message,
                "duplicates": duplicates,
            }
        )
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        event_ids = []
        _event_ids = d.pop("event_ids")
        for event_ids_item_data in _event_ids:
            event_ids_item = UUID(event_ids_item_data)

            event_ids.append(event_ids_item)

        message = d.pop("message")

        duplicates = cast(list[int], d.pop("duplicates"))

        _ignored = d.pop("ignored", UNSET)
        ignored: IgnoredMembersOfBatch | Unset
        if isinstance(_ignored, Unset):
            ignored = UNSET
        else:
            ignored = IgnoredMembersOfBatch.from_dict(_ignored)

        ignored_more = d.pop("ignored_more", UNSET)

        audit_batch_created = cls(
            event_ids=event_ids,
            message=message,
            duplicates=duplicates,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        audit_batch_created.additional_properties = d
        return audit_batch_created

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class AuditEvent:
    """
    Attributes:
        event_id (UUID): Unique together with event_date.
        event_date (datetime.date): The UTC date of event_timestamp.
        version (str):
        event_type (str):
        event_timestamp (datetime.datetime): In UTC, at microseconds.
        event_category (str):
        event_action (str):
        event_outcome (EventOutcome):
        correlation_id (str):
        event_data (AuditEventEventData):
        actor_type (str):
        actor_id (str):
        resource_type (str):
        resource_id (str):
        parent_event_id (None | UUID):
        namespace (None | str):
        cluster_name (None | str):
        severity (None | str):
        duration_ms (int | None):
        trace_id (None | str):
        span_id (None | str):
        actor_ip (Any):
        error_code (None | str):
        error_message (None | str):
        is_sensitive (bool):
        retention_days (int):
        parent_event_date (datetime.date | None): The event_date of the parent; null too where the token may not read
            that.
        recorded_at (datetime.datetime): When it was stored.
        recorded_by (None | str): Who was authenticated when it was sent.
        digest (str): SHA-256 of the canonical form; equal digests mean equal content.
        request_id (None | str | Unset): The `X-Request-ID` of the request that it came with; of several, the first.
        trace_id_from_context (bool | None | Unset): Whether trace_id is that of the request's `traceparent`, and so no
            part of the digest; null where it is not known: an older release stored the event.
        log_index (int | None | Unset): Where it is in the log of all records; null until it is there.
        held_by (list[HoldOfEvent] | Unset): The holds in force that take it, the oldest first; 100 at most. Only of an
            event that is read by its id, and only for tokens with the scope `holds:admin`.
        held_by_more (int | Unset): Holds of it that are not named.
    """

    event_id: UUID
    event_date: datetime.date
    version: str
    event_type: str
    event_timestamp: datetime.datetime
    event_category: str
    event_action: str
    event_outcome: EventOutcome
    correlation_id: str
    event_data: AuditEventEventData
    actor_type: str
    actor_id: str
    resource_type: str
    resource_id: str
    parent_event_id: None | UUID
    namespace: None | str
    cluster_name: None | str
    severity: None | str
    duration_ms: int | None
    trace_id: None | str
    span_id: None | str
    actor_ip: Any
    error_code: None | str
    error_message: None | str
    is_sensitive: bool
    retention_days: int
    parent_event_date: datetime.date | None
    recorded_at: datetime.datetime
    recorded_by: None | str
    digest: str
    request_id: None | str | Unset = UNSET
    trace_id_from_context: bool | None | Unset = UNSET
    log_index: int | None | Unset = UNSET
    held_by: list[HoldOfEvent] | Unset = UNSET
    held_by_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        event_id = str(self.event_id)

        event_date = self.event_date.isoformat()

        version = self.version

        event_type = self.event_type

        event_timestamp = self.event_timestamp.isoformat()

        event_category = self.event_category

        event_action = self.event_action

        event_outcome = self.event_outcome.value

        correlation_id = self.correlation_id

        event_data = self.event_data.to_dict()

        actor_type = self.actor_type

        actor_id = self.actor_id

        resource_type = self.resource_type

        resource_id = self.resource_id

        parent_event_id: None | str
        if isinstance(self.parent_event_id, UUID):
            parent_event_id = str(self.parent_event_id)
        else:
            parent_event_id = self.parent_event_id

        namespace: None | str
        namespace = self.namespace

        cluster_name: None | str
        cluster_name = self.cluster_name

        severity: None | str
        severity = self.severity

        duration_ms: int | None
        duration_ms = self.duration_ms

        trace_id: None | str
        trace_id = self.trace_id

        span_id: None | str
        span_id = self.span_id

        actor_ip: Any
        actor_ip = self.actor_ip

        error_code: None | str
        error_code = self.error_code

        error_message: None | str
        error_message = self.error_message

        is_sensitive = self.is_sensitive

        retention_days = self.retention_days

        parent_event_date: None | str
        if isinstance(self.parent_event_date, datetime.date):
            parent_event_date = self.parent_event_date.isoformat()
        else:
            parent_event_date = self.parent_event_date

        recorded_at = self.recorded_at.isoformat()

        recorded_by: None | str
        recorded_by = self.recorded_by

        digest = self.digest

        request_id: None | str | Unset
        if isinstance(self.request_id, Unset):
            request_id = UNSET
        else:
            request_id = self.request_id

        trace_id_from_context: bool | None | Unset
        if isinstance(self.trace_id_from_context, Unset):
            trace_id_from_context = UNSET
        else:
            trace_id_from_context = self.trace_id_from_context

        log_index: int | None | Unset
        if isinstance(self.log_index, Unset):
            log_index = UNSET
        else:
            log_index = self.log_index

        held_by: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.held_by, Unset):
            held_by = []
            for held_by_item_data in self.held_by:
                held_by_item = held_by_item_data.to_dict()
                held_by.append(held_by_item)

        held_by_more = self.held_by_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "event_id": event_id,
                "event_date": event_date,
                "version": version,
                "event_type": event_type,
                "event_timestamp": event_timestamp,
                "event_category": event_category,
                "event_action": event_action,
                "event_outcome": event_outcome,
                "correlation_id": correlation_id,
                "event_data": event_data,
                "actor_type": actor_type,
                "actor_id": actor_id,
                "resource_type": resource_type,
                "resource_id": resource_id,
                "parent_event_id": parent_event_id,
                "namespace": namespace,
                "cluster_name": cluster_name,
                "severity": severity,
                "duration_ms": duration_ms,
                "trace_id": trace_id,
                "span_id": span_id,
                "actor_ip": actor_ip,
                "error_code": error_code,
                "error_message": error_message,
                "is_sensitive": is_sensitive,
                "retention_days": retention_days,
                "parent_event_date": parent_event_date,
                "recorded_at": recorded_at,
                "recorded_by": recorded_by,
                "digest": digest,
            }
        )
        if request_id is not UNSET:
            field_dict["request_id"] = request_id
        if trace_id_from_context is not UNSET:
            field_dict["trace_id_from_context"] = trace_id_from_context
        if log_index is not UNSET:
            field_dict["log_index"] = log_index
        if held_by is not UNSET:
            field_dict["held_by"] = held_by
        if held_by_more is not UNSET:
            field_dict["held_by_more"] = held_by_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        event_id = UUID(d.pop("event_id"))

        event_date = datetime.date.fromisoformat(d.pop("event_date"))

        version = d.pop("version")

        event_type = d.pop("event_type")

        event_timestamp = datetime.datetime.fromisoformat(d.pop("event_timestamp"))

        event_category = d.pop("event_category")

        event_action = d.pop("event_action")

        event_outcome = EventOutcome(d.pop("event_outcome"))

        correlation_id = d.pop("correlation_id")

        event_data = AuditEventEventData.from_dict(d.pop("event_data"))

        actor_type = d.pop("actor_type")

        actor_id = d.pop("actor_id")

        resource_type = d.pop("resource_type")

        resource_id = d.pop("resource_id")

        def _parse_parent_event_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                parent_event_id_type_0 = UUID(data)

                return parent_event_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        parent_event_id = _parse_parent_event_id(d.pop("parent_event_id"))

        def _parse_namespace(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        namespace = _parse_namespace(d.pop("namespace"))

        def _parse_cluster_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        cluster_name = _parse_cluster_name(d.pop("cluster_name"))

        def _parse_severity(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        severity = _parse_severity(d.pop("severity"))

        def _parse_duration_ms(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        duration_ms = _parse_duration_ms(d.pop("duration_ms"))

        def _parse_trace_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        trace_id = _parse_trace_id(d.pop("trace_id"))

        def _parse_span_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        span_id = _parse_span_id(d.pop("span_id"))

        def _parse_actor_ip(data: object) -> Any:
            return cast(Any, data)

        actor_ip = _parse_actor_ip(d.pop("actor_ip"))

        def _parse_error_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error_code = _parse_error_code(d.pop("error_code"))

        def _parse_error_message(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error_message = _parse_error_message(d.pop("error_message"))

        is_sensitive = d.pop("is_sensitive")

        retention_days = d.pop("retention_days")

        def _parse_parent_event_date(data: object) -> datetime.date | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                parent_event_date_type_0 = datetime.date.fromisoformat(data)

                return parent_event_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None, data)

        parent_event_date = _parse_parent_event_date(d.pop("parent_event_date"))

        recorded_at = datetime.datetime.fromisoformat(d.pop("recorded_at"))

        def _parse_recorded_by(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        recorded_by = _parse_recorded_by(d.pop("recorded_by"))

        digest = d.pop("digest")

        def _parse_request_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        request_id = _parse_request_id(d.pop("request_id", UNSET))

        def _parse_trace_id_from_context(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        trace_id_from_context = _parse_trace_id_from_context(d.pop("trace_id_from_context", UNSET))

        def _parse_log_index(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        log_index = _parse_log_index(d.pop("log_index", UNSET))

        _held_by = d.pop("held_by", UNSET)
        held_by: list[HoldOfEvent] | Unset = UNSET
        if _held_by is not UNSET:
            held_by = []
            for held_by_item_data in _held_by:
                held_by_item = HoldOfEvent.from_dict(held_by_item_data)

                held_by.append(held_by_item)

        held_by_more = d.pop("held_by_more", UNSET)

        audit_event = cls(
            event_id=event_id,
            event_date=event_date,
            version=version,
            event_type=event_type,
            event_timestamp=event_timestamp,
            event_category=event_category,
            event_action=event_action,
            event_outcome=event_outcome,
            correlation_id=correlation_id,
            event_data=event_data,
            actor_type=actor_type,
            actor_id=actor_id,
            resource_type=resource_type,
            resource_id=resource_id,
            parent_event_id=parent_event_id,
            namespace=namespace,
            cluster_name=cluster_name,
            severity=severity,
            duration_ms=duration_ms,
            trace_id=trace_id,
            span_id=span_id,
            actor_ip=actor_ip,
            error_code=error_code,
            error_message=error_message,
            is_sensitive=is_sensitive,
            retention_days=retention_days,
            parent_event_date=parent_event_date,
            recorded_at=recorded_at,
            recorded_by=recorded_by,
            digest=digest,
            request_id=request_id,
            trace_id_from_context=trace_id_from_context,
            log_index=log_index,
            held_by=held_by,
            held_by_more=held_by_more,
        )

        audit_event.additional_properties = d
        return audit_event

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class AuditEventAccepted:
    """
    Attributes:
        status (Literal['accepted']):
        message (str):
        event_id (UUID):
        event_timestamp (datetime.datetime):
        ignored (list[str] | Unset): Members of the request that are not named in this document, dotted inside of
            objects. They were ignored. There only in the answer to that request. A longer name is cut after 64 characters.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    status: Literal["accepted"]
    message: str
    event_id: UUID
    event_timestamp: datetime.datetime
    ignored: list[str] | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status

        message = self.message

        event_id = str(self.event_id)

        event_timestamp = self.event_timestamp.isoformat()

        ignored: list[str] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "message": message,
                "event_id": event_id,
                "event_timestamp": event_timestamp,
            }
        )
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        status = cast(Literal["accepted"], d.pop("status"))
        if status != "accepted":
            raise ValueError(f"status must match const 'accepted', got '{status}'")

        message = d.pop("message")

        event_id = UUID(d.pop("event_id"))

        event_timestamp = datetime.datetime.fromisoformat(d.pop("event_timestamp"))

        ignored = cast(list[str], d.pop("ignored", UNSET))

        ignored_more = d.pop("ignored_more", UNSET)

        audit_event_accepted = cls(
            status=status,
            message=message,
            event_id=event_id,
            event_timestamp=event_timestamp,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        audit_event_accepted.additional_properties = d
        return audit_event_accepted

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class AuditEventCreated:
    """
    Attributes:
        event_id (UUID):
        event_timestamp (datetime.datetime):
        message (str):
        ignored (list[str] | Unset): Members of the request that are not named in this document, dotted inside of
            objects. They were ignored. There only in the answer to that request. A longer name is cut after 64 characters.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    event_id: UUID
    event_timestamp: datetime.datetime
    message: str
    ignored: list[str] | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        event_id = str(self.event_id)

        event_timestamp = self.event_timestamp.isoformat()

        message = self.message

        ignored: list[str] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "event_id": event_id,
                "event_timestamp": event_timestamp,
                "message": message,
            }
        )
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        event_id = UUID(d.pop("event_id"))

        event_timestamp = datetime.datetime.fromisoformat(d.pop("event_timestamp"))

        message = d.pop("message")

        ignored = cast(list[str], d.pop("ignored", UNSET))

        ignored_more = d.pop("ignored_more", UNSET)

        audit_event_created = cls(
            event_id=event_id,
            event_timestamp=event_timestamp,
            message=message,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        audit_event_created.additional_properties = d
        return audit_event_created

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class AuditEventEventData:
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        audit_event_event_data = cls()

        audit_event_event_data.additional_properties = d
        return audit_event_event_data

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class AuditEventPage:
    """
    Attributes:
        data (list[AuditEvent]):
        pagination (Pagination):
    """

    data: list[AuditEvent]
    pagination: Pagination
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        data = []
        for data_item_data in self.data:
            data_item = data_item_data.to_dict()
            data.append(data_item)

        pagination = self.pagination.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "data": data,
                "pagination": pagination,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        data = []
        _data = d.pop("data")
        for data_item_data in _data:
            data_item = AuditEvent.from_dict(data_item_data)

            data.append(data_item)

        pagination = Pagination.from_dict(d.pop("pagination"))

        audit_event_page = cls(
            data=data,
            pagination=pagination,
        )

        audit_event_page.additional_properties = d
        return audit_event_page

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class AuditEventRequest:
    """
    Attributes:
        version (str): Version of the event's form.
        event_type (str):
        event_timestamp (datetime.datetime): When it happened: from 7 days ago (audit.max_event_age) to 5 minutes ahead
            (audit.clock_skew). Finer parts than microseconds are cut off.
        event_category (str):
        event_action (str):
        event_outcome (EventOutcome):
        correlation_id (str): What belongs together has the same.
        event_data (AuditEventRequestEventData): What happened, kept value-exact. At most 256 KiB as compact UTF-8
            (audit.max_event_data) with numbers written out (1e400 counts as its 401 digits), 32 levels (audit.max_nesting),
            numbers of at most 400 significant digits and exponents of at most ±400.
        actor_type (str | Unset): Default: `service`.
        actor_id (str | Unset): Default: `<event_category>-service`.
        resource_type (str | Unset): Default: the event_category.
        resource_id (str | Unset): Default: the correlation_id.
        parent_event_id (None | Unset | UUID): The event that this one follows from; it must be stored, within what the
            token may read, or come earlier in the same batch.
        namespace (None | str | Unset): Empty counts as absent.
        cluster_name (None | str | Unset): Empty counts as absent.
        severity (None | str | Unset): Empty counts as absent. Default: 'info'.
        duration_ms (int | None | Unset):
        event_id (UUID | Unset): Idempotency key of the client's own. Default: a UUIDv7 of the service.
        trace_id (None | str | Unset):
        span_id (None | str | Unset):
        actor_ip (Any | Unset): An IPv4 or IPv6 address, without a zone.
        error_code (None | str | Unset):
        error_message (None | str | Unset):
        is_sensitive (bool | Unset):  Default: False.
        retention_days (int | Unset): How long the event has to be kept. Default: 2555.
    """

    version: str
    event_type: str
    event_timestamp: datetime.datetime
    event_category: str
    event_action: str
    event_outcome: EventOutcome
    correlation_id: str
    event_data: AuditEventRequestEventData
    actor_type: str | Unset = UNSET
    actor_id: str | Unset = UNSET
    resource_type: str | Unset = UNSET
    resource_id: str | Unset = UNSET
    parent_event_id: None | Unset | UUID = UNSET
    namespace: None | str | Unset = UNSET
    cluster_name: None | str | Unset = UNSET
    severity: None | str | Unset = "info"
    duration_ms: int | None | Unset = UNSET
    event_id: UUID | Unset = UNSET
    trace_id: None | str | Unset = UNSET
    span_id: None | str | Unset = UNSET
    actor_ip: Any | Unset = UNSET
    error_code: None | str | Unset = UNSET
    error_message: None | str | Unset = UNSET
    is_sensitive: bool | Unset = False
    retention_days: int | Unset = 2555
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        version = self.version

        event_type = self.event_type

        event_timestamp = self.event_timestamp.isoformat()

        event_category = self.event_category

        event_action = self.event_action

        event_outcome = self.event_outcome.value

        correlation_id = self.correlation_id

        event_data = self.event_data.to_dict()

        actor_type = self.actor_type

        actor_id = self.actor_id

        resource_type = self.resource_type

        resource_id = self.resource_id

        parent_event_id: None | str | Unset
        if isinstance(self.parent_event_id, Unset):
            parent_event_id = UNSET
        elif isinstance(self.parent_event_id, UUID):
            parent_event_id = str(self.parent_event_id)
        else:
            parent_event_id = self.parent_event_id

        namespace: None | str | Unset
        if isinstance(self.namespace, Unset):
            namespace = UNSET
        else:
            namespace = self.namespace

        cluster_name: None | str | Unset
        if isinstance(self.cluster_name, Unset):
            cluster_name = UNSET
        else:
            cluster_name = self.cluster_name

        severity: None | str | Unset
        if isinstance(self.severity, Unset):
            severity = UNSET
        else:
            severity = self.severity

        duration_ms: int | None | Unset
        if isinstance(self.duration_ms, Unset):
            duration_ms = UNSET
        else:
            duration_ms = self.duration_ms

        event_id: str | Unset = UNSET
        if not isinstance(self.event_id, Unset):
            event_id = str(self.event_id)

        trace_id: None | str | Unset
        if isinstance(self.trace_id, Unset):
            trace_id = UNSET
        else:
            trace_id = self.trace_id

        span_id: None | str | Unset
        if isinstance(self.span_id, Unset):
            span_id = UNSET
        else:
            span_id = self.span_id

        actor_ip: Any | Unset
        if isinstance(self.actor_ip, Unset):
            actor_ip = UNSET
        else:
            actor_ip = self.actor_ip

        error_code: None | str | Unset
        if isinstance(self.error_code, Unset):
            error_code = UNSET
        else:
            error_code = self.error_code

        error_message: None | str | Unset
        if isinstance(self.error_message, Unset):
            error_message = UNSET
        else:
            error_message = self.error_message

        is_sensitive = self.is_sensitive

        retention_days = self.retention_days

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "version": version,
                "event_type": event_type,
                "event_timestamp": event_timestamp,
                "event_category": event_category,
                "event_action": event_action,
                "event_outcome": event_outcome,
                "correlation_id": correlation_id,
                "event_data": event_data,
            }
        )
        if actor_type is not UNSET:
            field_dict["actor_type"] = actor_type
        if actor_id is not UNSET:
            field_dict["actor_id"] = actor_id
        if resource_type is not UNSET:
            field_dict["resource_type"] = resource_type
        if resource_id is not UNSET:
            field_dict["resource_id"] = resource_id
        if parent_event_id is not UNSET:
            field_dict["parent_event_id"] = parent_event_id
        if namespace is not UNSET:
            field_dict["namespace"] = namespace
        if cluster_name is not UNSET:
            field_dict["cluster_name"] = cluster_name
        if severity is not UNSET:
            field_dict["severity"] = severity
        if duration_ms is not UNSET:
            field_dict["duration_ms"] = duration_ms
        if event_id is not UNSET:
            field_dict["event_id"] = event_id
        if trace_id is not UNSET:
            field_dict["trace_id"] = trace_id
        if span_id is not UNSET:
            field_dict["span_id"] = span_id
        if actor_ip is not UNSET:
            field_dict["actor_ip"] = actor_ip
        if error_code is not UNSET:
            field_dict["error_code"] = error_code
        if error_message is not UNSET:
            field_dict["error_message"] = error_message
        if is_sensitive is not UNSET:
            field_dict["is_sensitive"] = is_sensitive
        if retention_days is not UNSET:
            field_dict["retention_days"] = retention_days

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        version = d.pop("version")

        event_type = d.pop("event_type")

        event_timestamp = datetime.datetime.fromisoformat(d.pop("event_timestamp"))

        event_category = d.pop("event_category")

        event_action = d.pop("event_action")

        event_outcome = EventOutcome(d.pop("event_outcome"))

        correlation_id = d.pop("correlation_id")

        event_data = AuditEventRequestEventData.from_dict(d.pop("event_data"))

        actor_type = d.pop("actor_type", UNSET)

        actor_id = d.pop("actor_id", UNSET)

        resource_type = d.pop("resource_type", UNSET)

        resource_id = d.pop("resource_id", UNSET)

        def _parse_parent_event_id(data: object) -> None | Unset | UUID:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                parent_event_id_type_0 = UUID(data)

                return parent_event_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | UUID, data)

        parent_event_id = _parse_parent_event_id(d.pop("parent_event_id", UNSET))

        def _parse_namespace(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        namespace = _parse_namespace(d.pop("namespace", UNSET))

        def _parse_cluster_name(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        cluster_name = _parse_cluster_name(d.pop("cluster_name", UNSET))

        def _parse_severity(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        severity = _parse_severity(d.pop("severity", UNSET))

        def _parse_duration_ms(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        duration_ms = _parse_duration_ms(d.pop("duration_ms", UNSET))

        _event_id = d.pop("event_id", UNSET)
        event_id: UUID | Unset
        if isinstance(_event_id, Unset):
            event_id = UNSET
        else:
            event_id = UUID(_event_id)

        def _parse_trace_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        trace_id = _parse_trace_id(d.pop("trace_id", UNSET))

        def _parse_span_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        span_id = _parse_span_id(d.pop("span_id", UNSET))

        def _parse_actor_ip(data: object) -> Any | Unset:
            if isinstance(data, Unset):
                return data
            return cast(Any | Unset, data)

        actor_ip = _parse_actor_ip(d.pop("actor_ip", UNSET))

        def _parse_error_code(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        error_code = _parse_error_code(d.pop("error_code", UNSET))

        def _parse_error_message(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        error_message = _parse_error_message(d.pop("error_message", UNSET))

        is_sensitive = d.pop("is_sensitive", UNSET)

        retention_days = d.pop("retention_days", UNSET)

        audit_event_request = cls(
            version=version,
            event_type=event_type,
            event_timestamp=event_timestamp,
            event_category=event_category,
            event_action=event_action,
            event_outcome=event_outcome,
            correlation_id=correlation_id,
            event_data=event_data,
            actor_type=actor_type,
            actor_id=actor_id,
            resource_type=resource_type,
            resource_id=resource_id,
            parent_event_id=parent_event_id,
            namespace=namespace,
            cluster_name=cluster_name,
            severity=severity,
            duration_ms=duration_ms,
            event_id=event_id,
            trace_id=trace_id,
            span_id=span_id,
            actor_ip=actor_ip,
            error_code=error_code,
            error_message=error_message,
            is_sensitive=is_sensitive,
            retention_days=retention_days,
        )

        audit_event_request.additional_properties = d
        return audit_event_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class AuditEventRequestEventData:
    """What happened, kept value-exact. At most 256 KiB as compact UTF-8 (audit.max_event_data) with numbers written out
    (1e400 counts as its 401 digits), 32 levels (audit.max_nesting), numbers of at most 400 significant digits and
    exponents of at most ±400.

    """

    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        audit_event_request_event_data = cls()

        audit_event_request_event_data.additional_properties = d
        return audit_event_request_event_data

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class AuditFeed:
    """
    Attributes:
        events (list[FeedAct | FeedEvent | FeedNotification | FeedRemovedEvent | FeedRemovedNotification]): In the order
            of the log.
        next_ (str): The `after` of the next request. Keep it once the page is handled.
        caught_up (bool): Whether the end of the feed is reached.
    """

    events: list[FeedAct | FeedEvent | FeedNotification | FeedRemovedEvent | FeedRemovedNotification]
    next_: str
    caught_up: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        events = []
        for events_item_data in self.events:
            events_item: dict[str, Any]
            if isinstance(events_item_data, FeedEvent):
                events_item = events_item_data.to_dict()
            elif isinstance(events_item_data, FeedNotification):
                events_item = events_item_data.to_dict()
            elif isinstance(events_item_data, FeedAct):
                events_item = events_item_data.to_dict()
            elif isinstance(events_item_data, FeedRemovedEvent):
                events_item = events_item_data.to_dict()
            else:
                events_item = events_item_data.to_dict()

            events.append(events_item)

        next_ = self.next_

        caught_up = self.caught_up

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "events": events,
                "next": next_,
                "caught_up": caught_up,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        events = []
        _events = d.pop("events")
        for events_item_data in _events:

            def _parse_events_item(
                data: object,
            ) -> FeedAct | FeedEvent | FeedNotification | FeedRemovedEvent | FeedRemovedNotification:
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    componentsschemas_feed_item_type_0 = FeedEvent.from_dict(data)

                    return componentsschemas_feed_item_type_0
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    componentsschemas_feed_item_type_1 = FeedNotification.from_dict(data)

                    return componentsschemas_feed_item_type_1
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    componentsschemas_feed_item_type_2 = FeedAct.from_dict(data)

                    return componentsschemas_feed_item_type_2
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    componentsschemas_feed_item_type_3 = FeedRemovedEvent.from_dict(data)

                    return componentsschemas_feed_item_type_3
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                if not isinstance(data, dict):
                    raise TypeError()
                componentsschemas_feed_item_type_4 = FeedRemovedNotification.from_dict(data)

                return componentsschemas_feed_item_type_4

            events_item = _parse_events_item(events_item_data)

            events.append(events_item)

        next_ = d.pop("next")

        caught_up = d.pop("caught_up")

        audit_feed = cls(
            events=events,
            next_=next_,
            caught_up=caught_up,
        )

        audit_feed.additional_properties = d
        return audit_feed

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class CustomLabels:
    additional_properties: dict[str, list[str]] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        for prop_name, prop in self.additional_properties.items():
            field_dict[prop_name] = prop

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        custom_labels = cls()

        additional_properties = {}
        for prop_name, prop_dict in d.items():
            additional_property = cast(list[str], prop_dict)

            additional_properties[prop_name] = additional_property

        custom_labels.additional_properties = additional_properties
        return custom_labels

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> list[str]:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: list[str]) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DeadLetter:
    """
    Attributes:
        id (str):
        stream (DlqStreamName):
        final_retry_count (int):
        entry (Any): The entry as it was queued; null if it cannot be read as JSON.
        raw (None | str): What is there instead of an entry that can be read.
        original_id (str | Unset): The id that the entry had in its stream.
        moved_at (str | Unset): When it was given up (RFC 3339).
        reason (str | Unset):
    """

    id: str
    stream: DlqStreamName
    final_retry_count: int
    entry: Any
    raw: None | str
    original_id: str | Unset = UNSET
    moved_at: str | Unset = UNSET
    reason: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        stream = self.stream.value

        final_retry_count = self.final_retry_count

        entry = self.entry

        raw: None | str
        raw = self.raw

        original_id = self.original_id

        moved_at = self.moved_at

        reason = self.reason

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "stream": stream,
                "final_retry_count": final_retry_count,
                "entry": entry,
                "raw": raw,
            }
        )
        if original_id is not UNSET:
            field_dict["original_id"] = original_id
        if moved_at is not UNSET:
            field_dict["moved_at"] = moved_at
        if reason is not UNSET:
            field_dict["reason"] = reason

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = d.pop("id")

        stream = DlqStreamName(d.pop("stream"))

        final_retry_count = d.pop("final_retry_count")

        entry = d.pop("entry")

        def _parse_raw(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        raw = _parse_raw(d.pop("raw"))

        original_id = d.pop("original_id", UNSET)

        moved_at = d.pop("moved_at", UNSET)

        reason = d.pop("reason", UNSET)

        dead_letter = cls(
            id=id,
            stream=stream,
            final_retry_count=final_retry_count,
            entry=entry,
            raw=raw,
            original_id=original_id,
            moved_at=moved_at,
            reason=reason,
        )

        dead_letter.additional_properties = d
        return dead_letter

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DeadLetterAccepted:
    """
    Attributes:
        status (Literal['accepted']):
        message (str):
        id (str):
    """

    status: Literal["accepted"]
    message: str
    id: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status

        message = self.message

        id = self.id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "message": message,
                "id": id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        status = cast(Literal["accepted"], d.pop("status"))
        if status != "accepted":
            raise ValueError(f"status must match const 'accepted', got '{status}'")

        message = d.pop("message")

        id = d.pop("id")

        dead_letter_accepted = cls(
            status=status,
            message=message,
            id=id,
        )

        dead_letter_accepted.additional_properties = d
        return dead_letter_accepted

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DeadLetterDeleted:
    """
    Attributes:
        status (Literal['deleted']):
        id (str):
    """

    status: Literal["deleted"]
    id: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status

        id = self.id

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "id": id,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        status = cast(Literal["deleted"], d.pop("status"))
        if status != "deleted":
            raise ValueError(f"status must match const 'deleted', got '{status}'")

        id = d.pop("id")

        dead_letter_deleted = cls(
            status=status,
            id=id,
        )

        dead_letter_deleted.additional_properties = d
        return dead_letter_deleted

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DeadLetterPage:
    """
    Attributes:
        dead_letters (list[DeadLetter]):
        pagination (DeadLetterPagination):
    """

    dead_letters: list[DeadLetter]
    pagination: DeadLetterPagination
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        dead_letters = []
        for dead_letters_item_data in self.dead_letters:
            dead_letters_item = dead_letters_item_data.to_dict()
            dead_letters.append(dead_letters_item)

        pagination = self.pagination.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "dead_letters": dead_letters,
                "pagination": pagination,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        dead_letters = []
        _dead_letters = d.pop("dead_letters")
        for dead_letters_item_data in _dead_letters:
            dead_letters_item = DeadLetter.from_dict(dead_letters_item_data)

            dead_letters.append(dead_letters_item)

        pagination = DeadLetterPagination.from_dict(d.pop("pagination"))

        dead_letter_page = cls(
            dead_letters=dead_letters,
            pagination=pagination,
        )

        dead_letter_page.additional_properties = d
        return dead_letter_page

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DeadLetterPagination:
    """
    Attributes:
        limit (int):
        has_more (bool):
        next_cursor (None | str): The `cursor` of the next page; null on the last.
    """

    limit: int
    has_more: bool
    next_cursor: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        limit = self.limit

        has_more = self.has_more

        next_cursor: None | str
        next_cursor = self.next_cursor

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "limit": limit,
                "has_more": has_more,
                "next_cursor": next_cursor,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        limit = d.pop("limit")

        has_more = d.pop("has_more")

        def _parse_next_cursor(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        next_cursor = _parse_next_cursor(d.pop("next_cursor"))

        dead_letter_pagination = cls(
            limit=limit,
            has_more=has_more,
            next_cursor=next_cursor,
        )

        dead_letter_pagination.additional_properties = d
        return dead_letter_pagination

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DetectedLabels:
    """
    Attributes:
        git_ops_managed (bool | Unset):
        pdb_protected (bool | Unset):
        network_isolated (bool | Unset):
        helm_managed (bool | Unset):
        stateful (bool | Unset):
        hpa_enabled (bool | Unset):
        git_ops_tool (GitOpsTool | Unset):
        service_mesh (ServiceMesh | Unset):
        failed_detections (list[DetectedLabelName] | Unset): Labels that could not be detected.
    """

    git_ops_managed: bool | Unset = UNSET
    pdb_protected: bool | Unset = UNSET
    network_isolated: bool | Unset = UNSET
    helm_managed: bool | Unset = UNSET
    stateful: bool | Unset = UNSET
    hpa_enabled: bool | Unset = UNSET
    git_ops_tool: GitOpsTool | Unset = UNSET
    service_mesh: ServiceMesh | Unset = UNSET
    failed_detections: list[DetectedLabelName] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        git_ops_managed = self.git_ops_managed

        pdb_protected = self.pdb_protected

        network_isolated = self.network_isolated

        helm_managed = self.helm_managed

        stateful = self.stateful

        hpa_enabled = self.hpa_enabled

        git_ops_tool: str | Unset = UNSET
        if not isinstance(self.git_ops_tool, Unset):
            git_ops_tool = self.git_ops_tool.value

        service_mesh: str | Unset = UNSET
        if not isinstance(self.service_mesh, Unset):
            service_mesh = self.service_mesh.value

        failed_detections: list[str] | Unset = UNSET
        if not isinstance(self.failed_detections, Unset):
            failed_detections = []
            for failed_detections_item_data in self.failed_detections:
                failed_detections_item = failed_detections_item_data.value
                failed_detections.append(failed_detections_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if git_ops_managed is not UNSET:
            field_dict["gitOpsManaged"] = git_ops_managed
        if pdb_protected is not UNSET:
            field_dict["pdbProtected"] = pdb_protected
        if network_isolated is not UNSET:
            field_dict["networkIsolated"] = network_isolated
        if helm_managed is not UNSET:
            field_dict["helmManaged"] = helm_managed
        if stateful is not UNSET:
            field_dict["stateful"] = stateful
        if hpa_enabled is not UNSET:
            field_dict["hpaEnabled"] = hpa_enabled
        if git_ops_tool is not UNSET:
            field_dict["gitOpsTool"] = git_ops_tool
        if service_mesh is not UNSET:
            field_dict["serviceMesh"] = service_mesh
        if failed_detections is not UNSET:
            field_dict["failed_detections"] = failed_detections

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        git_ops_managed = d.pop("gitOpsManaged", UNSET)

        pdb_protected = d.pop("pdbProtected", UNSET)

        network_isolated = d.pop("networkIsolated", UNSET)

        helm_managed = d.pop("helmManaged", UNSET)

        stateful = d.pop("stateful", UNSET)

        hpa_enabled = d.pop("hpaEnabled", UNSET)

        _git_ops_tool = d.pop("gitOpsTool", UNSET)
        git_ops_tool: GitOpsTool | Unset
        if isinstance(_git_ops_tool, Unset):
            git_ops_tool = UNSET
        else:
            git_ops_tool = GitOpsTool(_git_ops_tool)

        _service_mesh = d.pop("serviceMesh", UNSET)
        service_mesh: ServiceMesh | Unset
        if isinstance(_service_mesh, Unset):
            service_mesh = UNSET
        else:
            service_mesh = ServiceMesh(_service_mesh)

        _failed_detections = d.pop("failed_detections", UNSET)
        failed_detections: list[DetectedLabelName] | Unset = UNSET
        if _failed_detections is not UNSET:
            failed_detections = []
            for failed_detections_item_data in _failed_detections:
                failed_detections_item = DetectedLabelName(failed_detections_item_data)

                failed_detections.append(failed_detections_item)

        detected_labels = cls(
            git_ops_managed=git_ops_managed,
            pdb_protected=pdb_protected,
            network_isolated=network_isolated,
            helm_managed=helm_managed,
            stateful=stateful,
            hpa_enabled=hpa_enabled,
            git_ops_tool=git_ops_tool,
            service_mesh=service_mesh,
            failed_detections=failed_detections,
        )

        detected_labels.additional_properties = d
        return detected_labels

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DetectedLabelsRequest:
    """
    Attributes:
        git_ops_managed (bool | None | Unset):
        pdb_protected (bool | None | Unset):
        network_isolated (bool | None | Unset):
        helm_managed (bool | None | Unset):
        stateful (bool | None | Unset):
        hpa_enabled (bool | None | Unset):
        git_ops_tool (GitOpsTool | None | Unset):
        service_mesh (None | ServiceMesh | Unset):
        failed_detections (DetectedLabelName | list[DetectedLabelName] | None | Unset): Labels that could not be
            detected; a search leaves them out of the score.
    """

    git_ops_managed: bool | None | Unset = UNSET
    pdb_protected: bool | None | Unset = UNSET
    network_isolated: bool | None | Unset = UNSET
    helm_managed: bool | None | Unset = UNSET
    stateful: bool | None | Unset = UNSET
    hpa_enabled: bool | None | Unset = UNSET
    git_ops_tool: GitOpsTool | None | Unset = UNSET
    service_mesh: None | ServiceMesh | Unset = UNSET
    failed_detections: DetectedLabelName | list[DetectedLabelName] | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        git_ops_managed: bool | None | Unset
        if isinstance(self.git_ops_managed, Unset):
            git_ops_managed = UNSET
        else:
            git_ops_managed = self.git_ops_managed

        pdb_protected: bool | None | Unset
        if isinstance(self.pdb_protected, Unset):
            pdb_protected = UNSET
        else:
            pdb_protected = self.pdb_protected

        network_isolated: bool | None | Unset
        if isinstance(self.network_isolated, Unset):
            network_isolated = UNSET
        else:
            network_isolated = self.network_isolated

        helm_managed: bool | None | Unset
        if isinstance(self.helm_managed, Unset):
            helm_managed = UNSET
        else:
            helm_managed = self.helm_managed

        stateful: bool | None | Unset
        if isinstance(self.stateful, Unset):
            stateful = UNSET
        else:
            stateful = self.stateful

        hpa_enabled: bool | None | Unset
        if isinstance(self.hpa_enabled, Unset):
            hpa_enabled = UNSET
        else:
            hpa_enabled = self.hpa_enabled

        git_ops_tool: None | str | Unset
        if isinstance(self.git_ops_tool, Unset):
            git_ops_tool = UNSET
        elif isinstance(self.git_ops_tool, GitOpsTool):
            git_ops_tool = self.git_ops_tool.value
        else:
            git_ops_tool = self.git_ops_tool

        service_mesh: None | str | Unset
        if isinstance(self.service_mesh, Unset):
            service_mesh = UNSET
        elif isinstance(self.service_mesh, ServiceMesh):
            service_mesh = self.service_mesh.value
        else:
            service_mesh = self.service_mesh

        failed_detections: list[str] | None | str | Unset
        if isinstance(self.failed_detections, Unset):
            failed_detections = UNSET
        elif isinstance(self.failed_detections, DetectedLabelName):
            failed_detections = self.failed_detections.value
        elif isinstance(self.failed_detections, list):
            failed_detections = []
            for failed_detections_type_1_item_data in self.failed_detections:
                failed_detections_type_1_item = failed_detections_type_1_item_data.value
                failed_detections.append(failed_detections_type_1_item)

        else:
            failed_detections = self.failed_detections

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if git_ops_managed is not UNSET:
            field_dict["gitOpsManaged"] = git_ops_managed
        if pdb_protected is not UNSET:
            field_dict["pdbProtected"] = pdb_protected
        if network_isolated is not UNSET:
            field_dict["networkIsolated"] = network_isolated
        if helm_managed is not UNSET:
            field_dict["helmManaged"] = helm_managed
        if stateful is not UNSET:
            field_dict["stateful"] = stateful
        if hpa_enabled is not UNSET:
            field_dict["hpaEnabled"] = hpa_enabled
        if git_ops_tool is not UNSET:
            field_dict["gitOpsTool"] = git_ops_tool
        if service_mesh is not UNSET:
            field_dict["serviceMesh"] = service_mesh
        if failed_detections is not UNSET:
            field_dict["failed_detections"] = failed_detections

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

        def _parse_git_ops_managed(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        git_ops_managed = _parse_git_ops_managed(d.pop("gitOpsManaged", UNSET))

        def _parse_pdb_protected(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        pdb_protected = _parse_pdb_protected(d.pop("pdbProtected", UNSET))

        def _parse_network_isolated(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        network_isolated = _parse_network_isolated(d.pop("networkIsolated", UNSET))

        def _parse_helm_managed(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        helm_managed = _parse_helm_managed(d.pop("helmManaged", UNSET))

        def _parse_stateful(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        stateful = _parse_stateful(d.pop("stateful", UNSET))

        def _parse_hpa_enabled(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        hpa_enabled = _parse_hpa_enabled(d.pop("hpaEnabled", UNSET))

        def _parse_git_ops_tool(data: object) -> GitOpsTool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                git_ops_tool_type_0 = GitOpsTool(data)

                return git_ops_tool_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(GitOpsTool | None | Unset, data)

        git_ops_tool = _parse_git_ops_tool(d.pop("gitOpsTool", UNSET))

        def _parse_service_mesh(data: object) -> None | ServiceMesh | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                service_mesh_type_0 = ServiceMesh(data)

                return service_mesh_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | ServiceMesh | Unset, data)

        service_mesh = _parse_service_mesh(d.pop("serviceMesh", UNSET))

        def _parse_failed_detections(data: object) -> DetectedLabelName | list[DetectedLabelName] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                failed_detections_type_0 = DetectedLabelName(data)

                return failed_detections_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, list):
                    raise TypeError()
                failed_detections_type_1 = []
                _failed_detections_type_1 = data
                for failed_detections_type_1_item_data in _failed_detections_type_1:
                    failed_detections_type_1_item = DetectedLabelName(failed_detections_type_1_item_data)

                    failed_detections_type_1.append(failed_detections_type_1_item)

                return failed_detections_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(DetectedLabelName | list[DetectedLabelName] | None | Unset, data)

        failed_detections = _parse_failed_detections(d.pop("failed_detections", UNSET))

        detected_labels_request = cls(
            git_ops_managed=git_ops_managed,
            pdb_protected=pdb_protected,
            network_isolated=network_isolated,
            helm_managed=helm_managed,
            stateful=stateful,
            hpa_enabled=hpa_enabled,
            git_ops_tool=git_ops_tool,
            service_mesh=service_mesh,
            failed_detections=failed_detections,
        )

        detected_labels_request.additional_properties = d
        return detected_labels_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DlqStatus:
    """
    Attributes:
        durability (None | RedisDurabilityType0): What Redis keeps through a power cut; only `aof_always` keeps
            everything.
        replay_paused (DlqStatusReplayPausedType0 | None): Why the worker that answered does not replay; null while it
            does.
        streams (DlqStatusStreams):
    """

    durability: None | RedisDurabilityType0
    replay_paused: DlqStatusReplayPausedType0 | None
    streams: DlqStatusStreams
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        durability: None | str
        if isinstance(self.durability, RedisDurabilityType0):
            durability = self.durability.value
        else:
            durability = self.durability

        replay_paused: None | str
        if isinstance(self.replay_paused, DlqStatusReplayPausedType0):
            replay_paused = self.replay_paused.value
        else:
            replay_paused = self.replay_paused

        streams = self.streams.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "durability": durability,
                "replay_paused": replay_paused,
                "streams": streams,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

        def _parse_durability(data: object) -> None | RedisDurabilityType0:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                componentsschemas_redis_durability_type_0 = RedisDurabilityType0(data)

                return componentsschemas_redis_durability_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | RedisDurabilityType0, data)

        durability = _parse_durability(d.pop("durability"))

        def _parse_replay_paused(data: object) -> DlqStatusReplayPausedType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                replay_paused_type_0 = DlqStatusReplayPausedType0(data)

                return replay_paused_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(DlqStatusReplayPausedType0 | None, data)

        replay_paused = _parse_replay_paused(d.pop("replay_paused"))

        streams = DlqStatusStreams.from_dict(d.pop("streams"))

        dlq_status = cls(
            durability=durability,
            replay_paused=replay_paused,
            streams=streams,
        )

        dlq_status.additional_properties = d
        return dlq_status

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DlqStatusStreams:
    """
    Attributes:
        events (DlqStream):
        notifications (DlqStream):
    """

    events: DlqStream
    notifications: DlqStream
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        events = self.events.to_dict()

        notifications = self.notifications.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "events": events,
                "notifications": notifications,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        events = DlqStream.from_dict(d.pop("events"))

        notifications = DlqStream.from_dict(d.pop("notifications"))

        dlq_status_streams = cls(
            events=events,
            notifications=notifications,
        )

        dlq_status_streams.additional_properties = d
        return dlq_status_streams

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class DlqStream:
    """
    Attributes:
        depth (int): Entries that wait.
        capacity (int):
        ratio (float): depth / capacity.
        oldest_age_seconds (float):
        dead_letters (int):
    """

    depth: int
    capacity: int
    ratio: float
    oldest_age_seconds: float
    dead_letters: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        depth = self.depth

        capacity = self.capacity

        ratio = self.ratio

        oldest_age_seconds = self.oldest_age_seconds

        dead_letters = self.dead_letters

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "depth": depth,
                "capacity": capacity,
                "ratio": ratio,
                "oldest_age_seconds": oldest_age_seconds,
                "dead_letters": dead_letters,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        depth = d.pop("depth")

        capacity = d.pop("capacity")

        ratio = d.pop("ratio")

        oldest_age_seconds = d.pop("oldest_age_seconds")

        dead_letters = d.pop("dead_letters")

        dlq_stream = cls(
            depth=depth,
            capacity=capacity,
            ratio=ratio,
            oldest_age_seconds=oldest_age_seconds,
            dead_letters=dead_letters,
        )

        dlq_stream.additional_properties = d
        return dlq_stream

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class FeedAct:
    """What was done to the log itself.

    Attributes:
        kind (Literal['act']):
        act (str):
        act_id (UUID):
        acted_at (datetime.datetime):
        acted_by (str): The role of PostgreSQL that did it.
        details (FeedActDetails):
        log_index (int): Where it is in the log of all records.
        digest (None | str | Unset): The digest that it is stored with. Only with `salts=true`.
        salt (None | str | Unset): The salt of its entry in the log. Only with `salts=true`.
    """

    kind: Literal["act"]
    act: str
    act_id: UUID
    acted_at: datetime.datetime
    acted_by: str
    details: FeedActDetails
    log_index: int
    digest: None | str | Unset = UNSET
    salt: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind

        act = self.act

        act_id = str(self.act_id)

        acted_at = self.acted_at.isoformat()

        acted_by = self.acted_by

        details = self.details.to_dict()

        log_index = self.log_index

        digest: None | str | Unset
        if isinstance(self.digest, Unset):
            digest = UNSET
        else:
            digest = self.digest

        salt: None | str | Unset
        if isinstance(self.salt, Unset):
            salt = UNSET
        else:
            salt = self.salt

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "act": act,
                "act_id": act_id,
                "acted_at": acted_at,
                "acted_by": acted_by,
                "details": details,
                "log_index": log_index,
            }
        )
        if digest is not UNSET:
            field_dict["digest"] = digest
        if salt is not UNSET:
            field_dict["salt"] = salt

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        kind = cast(Literal["act"], d.pop("kind"))
        if kind != "act":
            raise ValueError(f"kind must match const 'act', got '{kind}'")

        act = d.pop("act")

        act_id = UUID(d.pop("act_id"))

        acted_at = datetime.datetime.fromisoformat(d.pop("acted_at"))

        acted_by = d.pop("acted_by")

        details = FeedActDetails.from_dict(d.pop("details"))

        log_index = d.pop("log_index")

        def _parse_digest(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        digest = _parse_digest(d.pop("digest", UNSET))

        def _parse_salt(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        salt = _parse_salt(d.pop("salt", UNSET))

        feed_act = cls(
            kind=kind,
            act=act,
            act_id=act_id,
            acted_at=acted_at,
            acted_by=acted_by,
            details=details,
            log_index=log_index,
            digest=digest,
            salt=salt,
        )

        feed_act.additional_properties = d
        return feed_act

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class FeedActDetails:
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        feed_act_details = cls()

        feed_act_details.additional_properties = d
        return feed_act_details

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class FeedEvent:
    """
    Attributes:
        kind (Literal['audit_event']):
        event_id (UUID): Unique together with event_date.
        event_date (datetime.date): The UTC date of event_timestamp.
        version (str):
        event_type (str):
        event_timestamp (datetime.datetime): In UTC, at microseconds.
        event_category (str):
        event_action (str):
        event_outcome (EventOutcome):
        correlation_id (str):
        event_data (FeedEventEventData):
        actor_type (str):
        actor_id (str):
        resource_type (str):
        resource_id (str):
        parent_event_id (None | UUID):
        namespace (None | str):
        cluster_name (None | str):
        severity (None | str):
        duration_ms (int | None):
        trace_id (None | str):
        span_id (None | str):
        actor_ip (Any):
        error_code (None | str):
        error_message (None | str):
        is_sensitive (bool):
        retention_days (int):
        parent_event_date (datetime.date | None): The event_date of the parent; null too where the token may not read
            that.
        recorded_at (datetime.datetime): When it was stored.
        recorded_by (None | str): Who was authenticated when it was sent.
        digest (str): SHA-256 of the canonical form; equal digests mean equal content.
        log_index (int | None): Where it is in the log of all records; null for readers with limits.
        request_id (None | str | Unset): The `X-Request-ID` of the request that it came with; of several, the first.
        trace_id_from_context (bool | None | Unset): Whether trace_id is that of the request's `traceparent`, and so no
            part of the digest; null where it is not known: an older release stored the event.
        salt (None | str | Unset): The salt of its entry in the log. Only with `salts=true`.
    """

    kind: Literal["audit_event"]
    event_id: UUID
    event_date: datetime.date
    version: str
    event_type: str
    event_timestamp: datetime.datetime
    event_category: str
    event_action: str
    event_outcome: EventOutcome
    correlation_id: str
    event_data: FeedEventEventData
    actor_type: str
    actor_id: str
    resource_type: str
    resource_id: str
    parent_event_id: None | UUID
    namespace: None | str
    cluster_name: None | str
    severity: None | str
    duration_ms: int | None
    trace_id: None | str
    span_id: None | str
    actor_ip: Any
    error_code: None | str
    error_message: None | str
    is_sensitive: bool
    retention_days: int
    parent_event_date: datetime.date | None
    recorded_at: datetime.datetime
    recorded_by: None | str
    digest: str
    log_index: int | None
    request_id: None | str | Unset = UNSET
    trace_id_from_context: bool | None | Unset = UNSET
    salt: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind

        event_id = str(self.event_id)

        event_date = self.event_date.isoformat()

        version = self.version

        event_type = self.event_type

        event_timestamp = self.event_timestamp.isoformat()

        event_category = self.event_category

        event_action = self.event_action

        event_outcome = self.event_outcome.value

        correlation_id = self.correlation_id

        event_data = self.event_data.to_dict()

        actor_type = self.actor_type

        actor_id = self.actor_id

        resource_type = self.resource_type

        resource_id = self.resource_id

        parent_event_id: None | str
        if isinstance(self.parent_event_id, UUID):
            parent_event_id = str(self.parent_event_id)
        else:
            parent_event_id = self.parent_event_id

        namespace: None | str
        namespace = self.namespace

        cluster_name: None | str
        cluster_name = self.cluster_name

        severity: None | str
        severity = self.severity

        duration_ms: int | None
        duration_ms = self.duration_ms

        trace_id: None | str
        trace_id = self.trace_id

        span_id: None | str
        span_id = self.span_id

        actor_ip: Any
        actor_ip = self.actor_ip

        error_code: None | str
        error_code = self.error_code

        error_message: None | str
        error_message = self.error_message

        is_sensitive = self.is_sensitive

        retention_days = self.retention_days

        parent_event_date: None | str
        if isinstance(self.parent_event_date, datetime.date):
            parent_event_date = self.parent_event_date.isoformat()
        else:
            parent_event_date = self.parent_event_date

        recorded_at = self.recorded_at.isoformat()

        recorded_by: None | str
        recorded_by = self.recorded_by

        digest = self.digest

        log_index: int | None
        log_index = self.log_index

        request_id: None | str | Unset
        if isinstance(self.request_id, Unset):
            request_id = UNSET
        else:
            request_id = self.request_id

        trace_id_from_context: bool | None | Unset
        if isinstance(self.trace_id_from_context, Unset):
            trace_id_from_context = UNSET
        else:
            trace_id_from_context = self.trace_id_from_context

        salt: None | str | Unset
        if isinstance(self.salt, Unset):
            salt = UNSET
        else:
            salt = self.salt

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "event_id": event_id,
                "event_date": event_date,
                "version": version,
                "event_type": event_type,
                "event_timestamp": event_timestamp,
                "event_category": event_category,
                "event_action": event_action,
                "event_outcome": event_outcome,
                "correlation_id": correlation_id,
                "event_data": event_data,
                "actor_type": actor_type,
                "actor_id": actor_id,
                "resource_type": resource_type,
                "resource_id": resource_id,
                "parent_event_id": parent_event_id,
                "namespace": namespace,
                "cluster_name": cluster_name,
                "severity": severity,
                "duration_ms": duration_ms,
                "trace_id": trace_id,
                "span_id": span_id,
                "actor_ip": actor_ip,
                "error_code": error_code,
                "error_message": error_message,
                "is_sensitive": is_sensitive,
                "retention_days": retention_days,
                "parent_event_date": parent_event_date,
                "recorded_at": recorded_at,
                "recorded_by": recorded_by,
                "digest": digest,
                "log_index": log_index,
            }
        )
        if request_id is not UNSET:
            field_dict["request_id"] = request_id
        if trace_id_from_context is not UNSET:
            field_dict["trace_id_from_context"] = trace_id_from_context
        if salt is not UNSET:
            field_dict["salt"] = salt

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        kind = cast(Literal["audit_event"], d.pop("kind"))
        if kind != "audit_event":
            raise ValueError(f"kind must match const 'audit_event', got '{kind}'")

        event_id = UUID(d.pop("event_id"))

        event_date = datetime.date.fromisoformat(d.pop("event_date"))

        version = d.pop("version")

        event_type = d.pop("event_type")

        event_timestamp = datetime.datetime.fromisoformat(d.pop("event_timestamp"))

        event_category = d.pop("event_category")

        event_action = d.pop("event_action")

        event_outcome = EventOutcome(d.pop("event_outcome"))

        correlation_id = d.pop("correlation_id")

        event_data = FeedEventEventData.from_dict(d.pop("event_data"))

        actor_type = d.pop("actor_type")

        actor_id = d.pop("actor_id")

        resource_type = d.pop("resource_type")

        resource_id = d.pop("resource_id")

        def _parse_parent_event_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                parent_event_id_type_0 = UUID(data)

                return parent_event_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        parent_event_id = _parse_parent_event_id(d.pop("parent_event_id"))

        def _parse_namespace(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        namespace = _parse_namespace(d.pop("namespace"))

        def _parse_cluster_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        cluster_name = _parse_cluster_name(d.pop("cluster_name"))

        def _parse_severity(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        severity = _parse_severity(d.pop("severity"))

        def _parse_duration_ms(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        duration_ms = _parse_duration_ms(d.pop("duration_ms"))

        def _parse_trace_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        trace_id = _parse_trace_id(d.pop("trace_id"))

        def _parse_span_id(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        span_id = _parse_span_id(d.pop("span_id"))

        def _parse_actor_ip(data: object) -> Any:
            return cast(Any, data)

        actor_ip = _parse_actor_ip(d.pop("actor_ip"))

        def _parse_error_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error_code = _parse_error_code(d.pop("error_code"))

        def _parse_error_message(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error_message = _parse_error_message(d.pop("error_message"))

        is_sensitive = d.pop("is_sensitive")

        retention_days = d.pop("retention_days")

        def _parse_parent_event_date(data: object) -> datetime.date | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                parent_event_date_type_0 = datetime.date.fromisoformat(data)

                return parent_event_date_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.date | None, data)

        parent_event_date = _parse_parent_event_date(d.pop("parent_event_date"))

        recorded_at = datetime.datetime.fromisoformat(d.pop("recorded_at"))

        def _parse_recorded_by(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        recorded_by = _parse_recorded_by(d.pop("recorded_by"))

        digest = d.pop("digest")

        def _parse_log_index(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        log_index = _parse_log_index(d.pop("log_index"))

        def _parse_request_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        request_id = _parse_request_id(d.pop("request_id", UNSET))

        def _parse_trace_id_from_context(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        trace_id_from_context = _parse_trace_id_from_context(d.pop("trace_id_from_context", UNSET))

        def _parse_salt(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        salt = _parse_salt(d.pop("salt", UNSET))

        feed_event = cls(
            kind=kind,
            event_id=event_id,
            event_date=event_date,
            version=version,
            event_type=event_type,
            event_timestamp=event_timestamp,
            event_category=event_category,
            event_action=event_action,
            event_outcome=event_outcome,
            correlation_id=correlation_id,
            event_data=event_data,
            actor_type=actor_type,
            actor_id=actor_id,
            resource_type=resource_type,
            resource_id=resource_id,
            parent_event_id=parent_event_id,
            namespace=namespace,
            cluster_name=cluster_name,
            severity=severity,
            duration_ms=duration_ms,
            trace_id=trace_id,
            span_id=span_id,
            actor_ip=actor_ip,
            error_code=error_code,
            error_message=error_message,
            is_sensitive=is_sensitive,
            retention_days=retention_days,
            parent_event_date=parent_event_date,
            recorded_at=recorded_at,
            recorded_by=recorded_by,
            digest=digest,
            log_index=log_index,
            request_id=request_id,
            trace_id_from_context=trace_id_from_context,
            salt=salt,
        )

        feed_event.additional_properties = d
        return feed_event

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class FeedEventEventData:
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        feed_event_event_data = cls()

        feed_event_event_data.additional_properties = d
        return feed_event_event_data

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class FeedNotification:
    """
    Attributes:
        kind (Literal['notification']):
        id (int):
        remediation_id (str):
        notification_id (str):
        recipient (str):
        channel (NotificationChannel):
        message_summary (str):
        status (NotificationStatus):
        sent_at (datetime.datetime):
        escalation_level (int):
        created_at (datetime.datetime):
        updated_at (datetime.datetime):
        log_index (int | None): Where it is in the log of all records; null for readers with limits.
        delivery_status (str | Unset):
        error_message (str | Unset):
        request_id (str | Unset):
        recorded_by (str | Unset): Who was authenticated when it was sent. Only in lists.
        digest (None | str | Unset): The digest that it is stored with. Only with `salts=true`.
        salt (None | str | Unset): The salt of its entry in the log. Only with `salts=true`.
    """

    kind: Literal["notification"]
    id: int
    remediation_id: str
    notification_id: str
    recipient: str
    channel: NotificationChannel
    message_summary: str
    status: NotificationStatus
    sent_at: datetime.datetime
    escalation_level: int
    created_at: datetime.datetime
    updated_at: datetime.datetime
    log_index: int | None
    delivery_status: str | Unset = UNSET
    error_message: str | Unset = UNSET
    request_id: str | Unset = UNSET
    recorded_by: str | Unset = UNSET
    digest: None | str | Unset = UNSET
    salt: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind

        id = self.id

        remediation_id = self.remediation_id

        notification_id = self.notification_id

        recipient = self.recipient

        channel = self.channel.value

        message_summary = self.message_summary

        status = self.status.value

        sent_at = self.sent_at.isoformat()

        escalation_level = self.escalation_level

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        log_index: int | None
        log_index = self.log_index

        delivery_status = self.delivery_status

        error_message = self.error_message

        request_id = self.request_id

        recorded_by = self.recorded_by

        digest: None | str | Unset
        if isinstance(self.digest, Unset):
            digest = UNSET
        else:
            digest = self.digest

        salt: None | str | Unset
        if isinstance(self.salt, Unset):
            salt = UNSET
        else:
            salt = self.salt

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "id": id,
                "remediation_id": remediation_id,
                "notification_id": notification_id,
                "recipient": recipient,
                "channel": channel,
                "message_summary": message_summary,
                "status": status,
                "sent_at": sent_at,
                "escalation_level": escalation_level,
                "created_at": created_at,
                "updated_at": updated_at,
                "log_index": log_index,
            }
        )
        if delivery_status is not UNSET:
            field_dict["delivery_status"] = delivery_status
        if error_message is not UNSET:
            field_dict["error_message"] = error_message
        if request_id is not UNSET:
            field_dict["request_id"] = request_id
        if recorded_by is not UNSET:
            field_dict["recorded_by"] = recorded_by
        if digest is not UNSET:
            field_dict["digest"] = digest
        if salt is not UNSET:
            field_dict["salt"] = salt

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        kind = cast(Literal["notification"], d.pop("kind"))
        if kind != "notification":
            raise ValueError(f"kind must match const 'notification', got '{kind}'")

        id = d.pop("id")

        remediation_id = d.pop("remediation_id")

        notification_id = d.pop("notification_id")

        recipient = d.pop("recipient")

        channel = NotificationChannel(d.pop("channel"))

        message_summary = d.pop("message_summary")

        status = NotificationStatus(d.pop("status"))

        sent_at = datetime.datetime.fromisoformat(d.pop("sent_at"))

        escalation_level = d.pop("escalation_level")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        def _parse_log_index(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        log_index = _parse_log_index(d.pop("log_index"))

        delivery_status = d.pop("delivery_status", UNSET)

        error_message = d.pop("error_message", UNSET)

        request_id = d.pop("request_id", UNSET)

        recorded_by = d.pop("recorded_by", UNSET)

        def _parse_digest(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        digest = _parse_digest(d.pop("digest", UNSET))

        def _parse_salt(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        salt = _parse_salt(d.pop("salt", UNSET))

        feed_notification = cls(
            kind=kind,
            id=id,
            remediation_id=remediation_id,
            notification_id=notification_id,
            recipient=recipient,
            channel=channel,
            message_summary=message_summary,
            status=status,
            sent_at=sent_at,
            escalation_level=escalation_level,
            created_at=created_at,
            updated_at=updated_at,
            log_index=log_index,
            delivery_status=delivery_status,
            error_message=error_message,
            request_id=request_id,
            recorded_by=recorded_by,
            digest=digest,
            salt=salt,
        )

        feed_notification.additional_properties = d
        return feed_notification

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class FeedRemovedEvent:
    """An event that the log has and its table has not now; keep your copy.

    Attributes:
        kind (Literal['audit_event']):
        event_id (UUID):
        event_date (datetime.date):
        log_index (int):
        removed (bool):
    """

    kind: Literal["audit_event"]
    event_id: UUID
    event_date: datetime.date
    log_index: int
    removed: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind

        event_id = str(self.event_id)

        event_date = self.event_date.isoformat()

        log_index = self.log_index

        removed = self.removed

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "event_id": event_id,
                "event_date": event_date,
                "log_index": log_index,
                "removed": removed,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        kind = cast(Literal["audit_event"], d.pop("kind"))
        if kind != "audit_event":
            raise ValueError(f"kind must match const 'audit_event', got '{kind}'")

        event_id = UUID(d.pop("event_id"))

        event_date = datetime.date.fromisoformat(d.pop("event_date"))

        log_index = d.pop("log_index")

        removed = d.pop("removed")

        feed_removed_event = cls(
            kind=kind,
            event_id=event_id,
            event_date=event_date,
            log_index=log_index,
            removed=removed,
        )

        feed_removed_event.additional_properties = d
        return feed_removed_event

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class FeedRemovedNotification:
    """A notification record that the log has and its table has not now; keep your copy.

    Attributes:
        kind (Literal['notification']):
        id (int):
        log_index (int):
        removed (bool):
    """

    kind: Literal["notification"]
    id: int
    log_index: int
    removed: bool
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind

        id = self.id

        log_index = self.log_index

        removed = self.removed

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "id": id,
                "log_index": log_index,
                "removed": removed,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        kind = cast(Literal["notification"], d.pop("kind"))
        if kind != "notification":
            raise ValueError(f"kind must match const 'notification', got '{kind}'")

        id = d.pop("id")

        log_index = d.pop("log_index")

        removed = d.pop("removed")

        feed_removed_notification = cls(
            kind=kind,
            id=id,
            log_index=log_index,
            removed=removed,
        )

        feed_removed_notification.additional_properties = d
        return feed_removed_notification

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class GetOpenapiJsonResponse200:
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        get_openapi_json_response_200 = cls()

        get_openapi_json_response_200.additional_properties = d
        return get_openapi_json_response_200

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class Health:
    """
    Attributes:
        status (HealthStatus):
        database (HealthDatabase):
        redis (HealthRedis):
        durability (None | RedisDurabilityType0 | Unset): What Redis keeps through a power cut; only `aof_always` keeps
            everything.
        issuers (HealthIssuers | Unset): Whether every issuer gave its keys when it was asked last; there only where
            keys are fetched. The keys that were fetched before stay in force. `unreachable` alone makes `degraded` without
            reasons.
        issuers_unreachable (list[str] | Unset): The configured names of the issuers that did not give their keys to the
            worker that answers, when it asked them last. Each worker asks for itself.
        credentials (HealthCredentials | Unset): Whether the files of tokens and keys could be read when they were
            looked at last; there only where there are such files. What was read before stays in force, also a token that
            was taken out since. `stale` alone makes `degraded` without reasons.
        log (LogHealth | Unset): The log of all records, as the worker that answers saw it last; there only once it was
            looked at, or should have been long ago.
        log_inconsistent (str | Unset): What was signed and the log of all records contradicts; there only where it
            does. Alone it makes `degraded` without reasons: no place is given any more and nothing signed, while records
            are stored and read as ever.
        reasons (list[HealthReasonsItem] | Unset): Why it is degraded or unhealthy.
    """

    status: HealthStatus
    database: HealthDatabase
    redis: HealthRedis
    durability: None | RedisDurabilityType0 | Unset = UNSET
    issuers: HealthIssuers | Unset = UNSET
    issuers_unreachable: list[str] | Unset = UNSET
    credentials: HealthCredentials | Unset = UNSET
    log: LogHealth | Unset = UNSET
    log_inconsistent: str | Unset = UNSET
    reasons: list[HealthReasonsItem] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status.value

        database = self.database.value

        redis = self.redis.value

        durability: None | str | Unset
        if isinstance(self.durability, Unset):
            durability = UNSET
        elif isinstance(self.durability, RedisDurabilityType0):
            durability = self.durability.value
        else:
            durability = self.durability

        issuers: str | Unset = UNSET
        if not isinstance(self.issuers, Unset):
            issuers = self.issuers.value

        issuers_unreachable: list[str] | Unset = UNSET
        if not isinstance(self.issuers_unreachable, Unset):
            issuers_unreachable = self.issuers_unreachable

        credentials: str | Unset = UNSET
        if not isinstance(self.credentials, Unset):
            credentials = self.credentials.value

        log: dict[str, Any] | Unset = UNSET
        if not isinstance(self.log, Unset):
            log = self.log.to_dict()

        log_inconsistent = self.log_inconsistent

        reasons: list[str] | Unset = UNSET
        if not isinstance(self.reasons, Unset):
            reasons = []
            for reasons_item_data in self.reasons:
                reasons_item = reasons_item_data.value
                reasons.append(reasons_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "database": database,
                "redis": redis,
            }
        )
        if durability is not UNSET:
            field_dict["durability"] = durability
        if issuers is not UNSET:
            field_dict["issuers"] = issuers
        if issuers_unreachable is not UNSET:
            field_dict["issuers_unreachable"] = issuers_unreachable
        if credentials is not UNSET:
            field_dict["credentials"] = credentials
        if log is not UNSET:
            field_dict["log"] = log
        if log_inconsistent is not UNSET:
            field_dict["log_inconsistent"] = log_inconsistent
        if reasons is not UNSET:
            field_dict["reasons"] = reasons

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        status = HealthStatus(d.pop("status"))

        database = HealthDatabase(d.pop("database"))

        redis = HealthRedis(d.pop("redis"))

        def _parse_durability(data: object) -> None | RedisDurabilityType0 | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                componentsschemas_redis_durability_type_0 = RedisDurabilityType0(data)

                return componentsschemas_redis_durability_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | RedisDurabilityType0 | Unset, data)

        durability = _parse_durability(d.pop("durability", UNSET))

        _issuers = d.pop("issuers", UNSET)
        issuers: HealthIssuers | Unset
        if isinstance(_issuers, Unset):
            issuers = UNSET
        else:
            issuers = HealthIssuers(_issuers)

        issuers_unreachable = cast(list[str], d.pop("issuers_unreachable", UNSET))

        _credentials = d.pop("credentials", UNSET)
        credentials: HealthCredentials | Unset
        if isinstance(_credentials, Unset):
            credentials = UNSET
        else:
            credentials = HealthCredentials(_credentials)

        _log = d.pop("log", UNSET)
        log: LogHealth | Unset
        if isinstance(_log, Unset):
            log = UNSET
        else:
            log = LogHealth.from_dict(_log)

        log_inconsistent = d.pop("log_inconsistent", UNSET)

        _reasons = d.pop("reasons", UNSET)
        reasons: list[HealthReasonsItem] | Unset = UNSET
        if _reasons is not UNSET:
            reasons = []
            for reasons_item_data in _reasons:
                reasons_item = HealthReasonsItem(reasons_item_data)

                reasons.append(reasons_item)

        health = cls(
            status=status,
            database=database,
            redis=redis,
            durability=durability,
            issuers=issuers,
            issuers_unreachable=issuers_unreachable,
            credentials=credentials,
            log=log,
            log_inconsistent=log_inconsistent,
            reasons=reasons,
        )

        health.additional_properties = d
        return health

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class Hold:
    """
    Attributes:
        hold_id (UUID):
        name (str):
        reason (str):
        filter_ (HoldFilter): The filters of the lists, exact and joined by AND. An empty one takes every record.
        set_at (datetime.datetime):
        set_act (UUID): The act in the log that says so.
        state (HoldState):
        set_by (str | Unset): Who was authenticated; absent without authentication.
        released_at (datetime.datetime | Unset): This and the next three: absent while it is in force.
        released_by (str | Unset):
        release_reason (str | Unset):
        release_act (UUID | Unset):
        ignored (list[str] | Unset): Members of the request that are not named in this document, dotted inside of
            objects. They were ignored. There only in the answer to that request. A longer name is cut after 64 characters.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    hold_id: UUID
    name: str
    reason: str
    filter_: HoldFilter
    set_at: datetime.datetime
    set_act: UUID
    state: HoldState
    set_by: str | Unset = UNSET
    released_at: datetime.datetime | Unset = UNSET
    released_by: str | Unset = UNSET
    release_reason: str | Unset = UNSET
    release_act: UUID | Unset = UNSET
    ignored: list[str] | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        hold_id = str(self.hold_id)

        name = self.name

        reason = self.reason

        filter_ = self.filter_.to_dict()

        set_at = self.set_at.isoformat()

        set_act = str(self.set_act)

        state = self.state.value

        set_by = self.set_by

        released_at: str | Unset = UNSET
        if not isinstance(self.released_at, Unset):
            released_at = self.released_at.isoformat()

        released_by = self.released_by

        release_reason = self.release_reason

        release_act: str | Unset = UNSET
        if not isinstance(self.release_act, Unset):
            release_act = str(self.release_act)

        ignored: list[str] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "hold_id": hold_id,
                "name": name,
                "reason": reason,
                "filter": filter_,
                "set_at": set_at,
                "set_act": set_act,
                "state": state,
            }
        )
        if set_by is not UNSET:
            field_dict["set_by"] = set_by
        if released_at is not UNSET:
            field_dict["released_at"] = released_at
        if released_by is not UNSET:
            field_dict["released_by"] = released_by
        if release_reason is not UNSET:
            field_dict["release_reason"] = release_reason
        if release_act is not UNSET:
            field_dict["release_act"] = release_act
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        hold_id = UUID(d.pop("hold_id"))

        name = d.pop("name")

        reason = d.pop("reason")

        filter_ = HoldFilter.from_dict(d.pop("filter"))

        set_at = datetime.datetime.fromisoformat(d.pop("set_at"))

        set_act = UUID(d.pop("set_act"))

        state = HoldState(d.pop("state"))

        set_by = d.pop("set_by", UNSET)

        _released_at = d.pop("released_at", UNSET)
        released_at: datetime.datetime | Unset
        if isinstance(_released_at, Unset):
            released_at = UNSET
        else:
            released_at = datetime.datetime.fromisoformat(_released_at)

        released_by = d.pop("released_by", UNSET)

        release_reason = d.pop("release_reason", UNSET)

        _release_act = d.pop("release_act", UNSET)
        release_act: UUID | Unset
        if isinstance(_release_act, Unset):
            release_act = UNSET
        else:
            release_act = UUID(_release_act)

        ignored = cast(list[str], d.pop("ignored", UNSET))

        ignored_more = d.pop("ignored_more", UNSET)

        hold = cls(
            hold_id=hold_id,
            name=name,
            reason=reason,
            filter_=filter_,
            set_at=set_at,
            set_act=set_act,
            state=state,
            set_by=set_by,
            released_at=released_at,
            released_by=released_by,
            release_reason=release_reason,
            release_act=release_act,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        hold.additional_properties = d
        return hold

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class HoldFilter:
    """The filters of the lists, exact and joined by AND. An empty one takes every record.

    Attributes:
        kinds (list[HoldFilterKindsItem] | Unset): Which kinds of records it takes, where that is fewer than its other
            members allow.
        event_type (str | Unset):
        event_category (str | Unset):
        event_outcome (EventOutcome | Unset):
        severity (str | Unset):
        correlation_id (str | Unset):
        actor_type (str | Unset):
        actor_id (str | Unset):
        resource_type (str | Unset):
        resource_id (str | Unset):
        namespace (str | Unset):
        cluster_name (str | Unset):
        request_id (str | Unset):
        data (HoldFilterData | Unset): What event_data contains (`@>` of PostgreSQL).
        remediation_id (str | Unset): Of notifications, as the next two.
        channel (NotificationChannel | Unset):
        status (NotificationStatus | Unset):
        since (str | Unset): The first event_timestamp or sent_at: an RFC 3339 time, or a day (UTC midnight). The range
            of a hold does not move, so that `7d` is refused.
        until (str | Unset): The last one, as since.
    """

    kinds: list[HoldFilterKindsItem] | Unset = UNSET
    event_type: str | Unset = UNSET
    event_category: str | Unset = UNSET
    event_outcome: EventOutcome | Unset = UNSET
    severity: str | Unset = UNSET
    correlation_id: str | Unset = UNSET
    actor_type: str | Unset = UNSET
    actor_id: str | Unset = UNSET
    resource_type: str | Unset = UNSET
    resource_id: str | Unset = UNSET
    namespace: str | Unset = UNSET
    cluster_name: str | Unset = UNSET
    request_id: str | Unset = UNSET
    data: HoldFilterData | Unset = UNSET
    remediation_id: str | Unset = UNSET
    channel: NotificationChannel | Unset = UNSET
    status: NotificationStatus | Unset = UNSET
    since: str | Unset = UNSET
    until: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        kinds: list[str] | Unset = UNSET
        if not isinstance(self.kinds, Unset):
            kinds = []
            for kinds_item_data in self.kinds:
                kinds_item = kinds_item_data.value
                kinds.append(kinds_item)

        event_type = self.event_type

        event_category = self.event_category

        event_outcome: str | Unset = UNSET
        if not isinstance(self.event_outcome, Unset):
            event_outcome = self.event_outcome.value

        severity = self.severity

        correlation_id = self.correlation_id

        actor_type = self.actor_type

        actor_id = self.actor_id

        resource_type = self.resource_type

        resource_id = self.resource_id

        namespace = self.namespace

        cluster_name = self.cluster_name

        request_id = self.request_id

        data: dict[str, Any] | Unset = UNSET
        if not isinstance(self.data, Unset):
            data = self.data.to_dict()

        remediation_id = self.remediation_id

        channel: str | Unset = UNSET
        if not isinstance(self.channel, Unset):
            channel = self.channel.value

        status: str | Unset = UNSET
        if not isinstance(self.status, Unset):
            status = self.status.value

        since = self.since

        until = self.until

        field_dict: dict[str, Any] = {}

        field_dict.update({})
        if kinds is not UNSET:
            field_dict["kinds"] = kinds
        if event_type is not UNSET:
            field_dict["event_type"] = event_type
        if event_category is not UNSET:
            field_dict["event_category"] = event_category
        if event_outcome is not UNSET:
            field_dict["event_outcome"] = event_outcome
        if severity is not UNSET:
            field_dict["severity"] = severity
        if correlation_id is not UNSET:
            field_dict["correlation_id"] = correlation_id
        if actor_type is not UNSET:
            field_dict["actor_type"] = actor_type
        if actor_id is not UNSET:
            field_dict["actor_id"] = actor_id
        if resource_type is not UNSET:
            field_dict["resource_type"] = resource_type
        if resource_id is not UNSET:
            field_dict["resource_id"] = resource_id
        if namespace is not UNSET:
            field_dict["namespace"] = namespace
        if cluster_name is not UNSET:
            field_dict["cluster_name"] = cluster_name
        if request_id is not UNSET:
            field_dict["request_id"] = request_id
        if data is not UNSET:
            field_dict["data"] = data
        if remediation_id is not UNSET:
            field_dict["remediation_id"] = remediation_id
        if channel is not UNSET:
            field_dict["channel"] = channel
        if status is not UNSET:
            field_dict["status"] = status
        if since is not UNSET:
            field_dict["since"] = since
        if until is not UNSET:
            field_dict["until"] = until

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        _kinds = d.pop("kinds", UNSET)
        kinds: list[HoldFilterKindsItem] | Unset = UNSET
        if _kinds is not UNSET:
            kinds = []
            for kinds_item_data in _kinds:
                kinds_item = HoldFilterKindsItem(kinds_item_data)

                kinds.append(kinds_item)

        event_type = d.pop("event_type", UNSET)

        event_category = d.pop("event_category", UNSET)

        _event_outcome = d.pop("event_outcome", UNSET)
        event_outcome: EventOutcome | Unset
        if isinstance(_event_outcome, Unset):
            event_outcome = UNSET
        else:
            event_outcome = EventOutcome(_event_outcome)

        severity = d.pop("severity", UNSET)

        correlation_id = d.pop("correlation_id", UNSET)

        actor_type = d.pop("actor_type", UNSET)

        actor_id = d.pop("actor_id", UNSET)

        resource_type = d.pop("resource_type", UNSET)

        resource_id = d.pop("resource_id", UNSET)

        namespace = d.pop("namespace", UNSET)

        cluster_name = d.pop("cluster_name", UNSET)

        request_id = d.pop("request_id", UNSET)

        _data = d.pop("data", UNSET)
        data: HoldFilterData | Unset
        if isinstance(_data, Unset):
            data = UNSET
        else:
            data = HoldFilterData.from_dict(_data)

        remediation_id = d.pop("remediation_id", UNSET)

        _channel = d.pop("channel", UNSET)
        channel: NotificationChannel | Unset
        if isinstance(_channel, Unset):
            channel = UNSET
        else:
            channel = NotificationChannel(_channel)

        _status = d.pop("status", UNSET)
        status: NotificationStatus | Unset
        if isinstance(_status, Unset):
            status = UNSET
        else:
            status = NotificationStatus(_status)

        since = d.pop("since", UNSET)

        until = d.pop("until", UNSET)

        hold_filter = cls(
            kinds=kinds,
            event_type=event_type,
            event_category=event_category,
            event_outcome=event_outcome,
            severity=severity,
            correlation_id=correlation_id,
            actor_type=actor_type,
            actor_id=actor_id,
            resource_type=resource_type,
            resource_id=resource_id,
            namespace=namespace,
            cluster_name=cluster_name,
            request_id=request_id,
            data=data,
            remediation_id=remediation_id,
            channel=channel,
            status=status,
            since=since,
            until=until,
        )

        return hold_filter


@_attrs_define
class HoldFilterData:
    """What event_data contains (`@>` of PostgreSQL)."""

    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        hold_filter_data = cls()

        hold_filter_data.additional_properties = d
        return hold_filter_data

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class HoldOfEvent:
    """
    Attributes:
        hold_id (UUID):
        name (str):
    """

    hold_id: UUID
    name: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        hold_id = str(self.hold_id)

        name = self.name

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "hold_id": hold_id,
                "name": name,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        hold_id = UUID(d.pop("hold_id"))

        name = d.pop("name")

        hold_of_event = cls(
            hold_id=hold_id,
            name=name,
        )

        hold_of_event.additional_properties = d
        return hold_of_event

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class HoldPage:
    """
    Attributes:
        holds (list[Hold]):
        pagination (Pagination):
    """

    holds: list[Hold]
    pagination: Pagination
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        holds = []
        for holds_item_data in self.holds:
            holds_item = holds_item_data.to_dict()
            holds.append(holds_item)

        pagination = self.pagination.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "holds": holds,
                "pagination": pagination,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        holds = []
        _holds = d.pop("holds")
        for holds_item_data in _holds:
            holds_item = Hold.from_dict(holds_item_data)

            holds.append(holds_item)

        pagination = Pagination.from_dict(d.pop("pagination"))

        hold_page = cls(
            holds=holds,
            pagination=pagination,
        )

        hold_page.additional_properties = d
        return hold_page

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class HoldRelease:
    """
    Attributes:
        reason (str): Why it is released.
    """

    reason: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        reason = self.reason

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "reason": reason,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        reason = d.pop("reason")

        hold_release = cls(
            reason=reason,
        )

        hold_release.additional_properties = d
        return hold_release

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class HoldRequest:
    """
    Attributes:
        name (str): What it is called, such as the case; several may have the same.
        reason (str): Why it is set.
        filter_ (HoldFilter): The filters of the lists, exact and joined by AND. An empty one takes every record.
        hold_id (UUID | Unset): An id of the client's own, by which it can send the same request again: it is answered
            200, and nothing is doubled. Default: a UUIDv7 of the service.
    """

    name: str
    reason: str
    filter_: HoldFilter
    hold_id: UUID | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        reason = self.reason

        filter_ = self.filter_.to_dict()

        hold_id: str | Unset = UNSET
        if not isinstance(self.hold_id, Unset):
            hold_id = str(self.hold_id)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "reason": reason,
                "filter": filter_,
            }
        )
        if hold_id is not UNSET:
            field_dict["hold_id"] = hold_id

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        name = d.pop("name")

        reason = d.pop("reason")

        filter_ = HoldFilter.from_dict(d.pop("filter"))

        _hold_id = d.pop("hold_id", UNSET)
        hold_id: UUID | Unset
        if isinstance(_hold_id, Unset):
            hold_id = UNSET
        else:
            hold_id = UUID(_hold_id)

        hold_request = cls(
            name=name,
            reason=reason,
            filter_=filter_,
            hold_id=hold_id,
        )

        hold_request.additional_properties = d
        return hold_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class IgnoredMembersOfBatch:
    """The ignored members of items of the batch, by the index of the item in the request."""

    additional_properties: dict[str, list[str]] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        for prop_name, prop in self.additional_properties.items():
            field_dict[prop_name] = prop

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        ignored_members_of_batch = cls()

        additional_properties = {}
        for prop_name, prop_dict in d.items():
            additional_property = cast(list[str], prop_dict)

            additional_properties[prop_name] = additional_property

        ignored_members_of_batch.additional_properties = additional_properties
        return ignored_members_of_batch

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> list[str]:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: list[str]) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class ListedWorkflow:
    """
    Attributes:
        workflow_id (UUID):
        workflow_name (str):
        version (str):
        name (str):
        description (str):
        content_hash (str):
        execution_engine (str):
        labels (WorkflowLabels):
        detected_labels (DetectedLabels):
        status (WorkflowStatus):
        total_executions (int):
        successful_executions (int):
        is_latest_version (bool): The newest active create of its name.
        created_at (datetime.datetime):
        updated_at (datetime.datetime):
        owner (str | Unset):
        maintainer (str | Unset):
        content (str | Unset): Only with `include=content`.
        parameters (ListedWorkflowParameters | Unset):
        container_image (str | Unset):
        container_digest (str | Unset):
        custom_labels (CustomLabels | Unset):
        status_reason (str | Unset): Why it has its status.
        previous_version (str | Unset):
        deprecation_notice (str | Unset):
        version_notes (str | Unset):
        change_summary (str | Unset):
        approved_by (str | Unset):
        approved_at (datetime.datetime | Unset):
        expected_success_rate (float | Unset):
        expected_duration_seconds (int | Unset):
        actual_success_rate (float | Unset):
        created_by (str | Unset):
        disabled_at (datetime.datetime | Unset): Only while it is disabled.
        disabled_by (str | Unset):
        disabled_reason (str | Unset):
        updated_by (str | Unset):
    """

    workflow_id: UUID
    workflow_name: str
    version: str
    name: str
    description: str
    content_hash: str
    execution_engine: str
    labels: WorkflowLabels
    detected_labels: DetectedLabels
    status: WorkflowStatus
    total_executions: int
    successful_executions: int
    is_latest_version: bool
    created_at: datetime.datetime
    updated_at: datetime.datetime
    owner: str | Unset = UNSET
    maintainer: str | Unset = UNSET
    content: str | Unset = UNSET
    parameters: ListedWorkflowParameters | Unset = UNSET
    container_image: str | Unset = UNSET
    container_digest: str | Unset = UNSET
    custom_labels: CustomLabels | Unset = UNSET
    status_reason: str | Unset = UNSET
    previous_version: str | Unset = UNSET
    deprecation_notice: str | Unset = UNSET
    version_notes: str | Unset = UNSET
    change_summary: str | Unset = UNSET
    approved_by: str | Unset = UNSET
    approved_at: datetime.datetime | Unset = UNSET
    expected_success_rate: float | Unset = UNSET
    expected_duration_seconds: int | Unset = UNSET
    actual_success_rate: float | Unset = UNSET
    created_by: str | Unset = UNSET
    disabled_at: datetime.datetime | Unset = UNSET
    disabled_by: str | Unset = UNSET
    disabled_reason: str | Unset = UNSET
    updated_by: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_id = str(self.workflow_id)

        workflow_name = self.workflow_name

        version = self.version

        name = self.name

        description = self.description

        content_hash = self.content_hash

        execution_engine = self.execution_engine

        labels = self.labels.to_dict()

        detected_labels = self.detected_labels.to_dict()

        status = self.status.value

        total_executions = self.total_executions

        successful_executions = self.successful_executions

        is_latest_version = self.is_latest_version

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        owner = self.owner

        maintainer = self.maintainer

        content = self.content

        parameters: dict[str, Any] | Unset = UNSET
        if not isinstance(self.parameters, Unset):
            parameters = self.parameters.to_dict()

        container_image = self.container_image

        container_digest = self.container_digest

        custom_labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.custom_labels, Unset):
            custom_labels = self.custom_labels.to_dict()

        status_reason = self.status_reason

        previous_version = self.previous_version

        deprecation_notice = self.deprecation_notice

        version_notes = self.version_notes

        change_summary = self.change_summary

        approved_by = self.approved_by

        approved_at: str | Unset = UNSET
        if not isinstance(self.approved_at, Unset):
            approved_at = self.approved_at.isoformat()

        expected_success_rate = self.expected_success_rate

        expected_duration_seconds = self.expected_duration_seconds

        actual_success_rate = self.actual_success_rate

        created_by = self.created_by

        disabled_at: str | Unset = UNSET
        if not isinstance(self.disabled_at, Unset):
            disabled_at = self.disabled_at.isoformat()

        disabled_by = self.disabled_by

        disabled_reason = self.disabled_reason

        updated_by = self.updated_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_id": workflow_id,
                "workflow_name": workflow_name,
                "version": version,
                "name": name,
                "description": description,
                "content_hash": content_hash,
                "execution_engine": execution_engine,
                "labels": labels,
                "detected_labels": detected_labels,
                "status": status,
                "total_executions": total_executions,
                "successful_executions": successful_executions,
                "is_latest_version": is_latest_version,
                "created_at": created_at,
                "updated_at": updated_at,
            }
        )
        if owner is not UNSET:
            field_dict["owner"] = owner
        if maintainer is not UNSET:
            field_dict["maintainer"] = maintainer
        if content is not UNSET:
            field_dict["content"] = content
        if parameters is not UNSET:
            field_dict["parameters"] = parameters
        if container_image is not UNSET:
            field_dict["container_image"] = container_image
        if container_digest is not UNSET:
            field_dict["container_digest"] = container_digest
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if status_reason is not UNSET:
            field_dict["status_reason"] = status_reason
        if previous_version is not UNSET:
            field_dict["previous_version"] = previous_version
        if deprecation_notice is not UNSET:
            field_dict["deprecation_notice"] = deprecation_notice
        if version_notes is not UNSET:
            field_dict["version_notes"] = version_notes
        if change_summary is not UNSET:
            field_dict["change_summary"] = change_summary
        if approved_by is not UNSET:
            field_dict["approved_by"] = approved_by
        if approved_at is not UNSET:
            field_dict["approved_at"] = approved_at
        if expected_success_rate is not UNSET:
            field_dict["expected_success_rate"] = expected_success_rate
        if expected_duration_seconds is not UNSET:
            field_dict["expected_duration_seconds"] = expected_duration_seconds
        if actual_success_rate is not UNSET:
            field_dict["actual_success_rate"] = actual_success_rate
        if created_by is not UNSET:
            field_dict["created_by"] = created_by
        if disabled_at is not UNSET:
            field_dict["disabled_at"] = disabled_at
        if disabled_by is not UNSET:
            field_dict["disabled_by"] = disabled_by
        if disabled_reason is not UNSET:
            field_dict["disabled_reason"] = disabled_reason
        if updated_by is not UNSET:
            field_dict["updated_by"] = updated_by

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_id = UUID(d.pop("workflow_id"))

        workflow_name = d.pop("workflow_name")

        version = d.pop("version")

        name = d.pop("name")

        description = d.pop("description")

        content_hash = d.pop("content_hash")

        execution_engine = d.pop("execution_engine")

        labels = WorkflowLabels.from_dict(d.pop("labels"))

        detected_labels = DetectedLabels.from_dict(d.pop("detected_labels"))

        status = WorkflowStatus(d.pop("status"))

        total_executions = d.pop("total_executions")

        successful_executions = d.pop("successful_executions")

        is_latest_version = d.pop("is_latest_version")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        owner = d.pop("owner", UNSET)

        maintainer = d.pop("maintainer", UNSET)

        content = d.pop("content", UNSET)

        _parameters = d.pop("parameters", UNSET)
        parameters: ListedWorkflowParameters | Unset
        if isinstance(_parameters, Unset):
            parameters = UNSET
        else:
            parameters = ListedWorkflowParameters.from_dict(_parameters)

        container_image = d.pop("container_image", UNSET)

        container_digest = d.pop("container_digest", UNSET)

        _custom_labels = d.pop("custom_labels", UNSET)
        custom_labels: CustomLabels | Unset
        if isinstance(_custom_labels, Unset):
            custom_labels = UNSET
        else:
            custom_labels = CustomLabels.from_dict(_custom_labels)

        status_reason = d.pop("status_reason", UNSET)

        previous_version = d.pop("previous_version", UNSET)

        deprecation_notice = d.pop("deprecation_notice", UNSET)

        version_notes = d.pop("version_notes", UNSET)

        change_summary = d.pop("change_summary", UNSET)

        approved_by = d.pop("approved_by", UNSET)

        _approved_at = d.pop("approved_at", UNSET)
        approved_at: datetime.datetime | Unset
        if isinstance(_approved_at, Unset):
            approved_at = UNSET
        else:
            approved_at = datetime.datetime.fromisoformat(_approved_at)

        expected_success_rate = d.pop("expected_success_rate", UNSET)

        expected_duration_seconds = d.pop("expected_duration_seconds", UNSET)

        actual_success_rate = d.pop("actual_success_rate", UNSET)

        created_by = d.pop("created_by", UNSET)

        _disabled_at = d.pop("disabled_at", UNSET)
        disabled_at: datetime.datetime | Unset
        if isinstance(_disabled_at, Unset):
            disabled_at = UNSET
        else:
            disabled_at = datetime.datetime.fromisoformat(_disabled_at)

        disabled_by = d.pop("disabled_by", UNSET)

        disabled_reason = d.pop("disabled_reason", UNSET)

        updated_by = d.pop("updated_by", UNSET)

        listed_workflow = cls(
            workflow_id=workflow_id,
            workflow_name=workflow_name,
            version=version,
            name=name,
            description=description,
            content_hash=content_hash,
            execution_engine=execution_engine,
            labels=labels,
            detected_labels=detected_labels,
            status=status,
            total_executions=total_executions,
            successful_executions=successful_executions,
            is_latest_version=is_latest_version,
            created_at=created_at,
            updated_at=updated_at,
            owner=owner,
            maintainer=maintainer,
            content=content,
            parameters=parameters,
            container_image=container_image,
            container_digest=container_digest,
            custom_labels=custom_labels,
            status_reason=status_reason,
            previous_version=previous_version,
            deprecation_notice=deprecation_notice,
            version_notes=version_notes,
            change_summary=change_summary,
            approved_by=approved_by,
            approved_at=approved_at,
            expected_success_rate=expected_success_rate,
            expected_duration_seconds=expected_duration_seconds,
            actual_success_rate=actual_success_rate,
            created_by=created_by,
            disabled_at=disabled_at,
            disabled_by=disabled_by,
            disabled_reason=disabled_reason,
            updated_by=updated_by,
        )

        listed_workflow.additional_properties = d
        return listed_workflow

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class ListedWorkflowParameters:
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        listed_workflow_parameters = cls()

        listed_workflow_parameters.additional_properties = d
        return listed_workflow_parameters

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class Liveness:
    """
    Attributes:
        status (LivenessStatus):
        reason (Literal['flusher_stuck'] | Unset):
    """

    status: LivenessStatus
    reason: Literal["flusher_stuck"] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status.value

        reason = self.reason

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
            }
        )
        if reason is not UNSET:
            field_dict["reason"] = reason

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        status = LivenessStatus(d.pop("status"))

        reason = cast(Literal["flusher_stuck"] | Unset, d.pop("reason", UNSET))
        if reason != "flusher_stuck" and not isinstance(reason, Unset):
            raise ValueError(f"reason must match const 'flusher_stuck', got '{reason}'")

        liveness = cls(
            status=status,
            reason=reason,
        )

        liveness.additional_properties = d
        return liveness

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class LogConsistency:
    """
    Attributes:
        from_ (int):
        size (int): How many entries the checkpoint has.
        hashes (list[str]): In base64; none where there is nothing to prove.
        checkpoint (str): The signed note of the larger tree.
    """

    from_: int
    size: int
    hashes: list[str]
    checkpoint: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from_ = self.from_

        size = self.size

        hashes = self.hashes

        checkpoint = self.checkpoint

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "from": from_,
                "size": size,
                "hashes": hashes,
                "checkpoint": checkpoint,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        from_ = d.pop("from")

        size = d.pop("size")

        hashes = cast(list[str], d.pop("hashes"))

        checkpoint = d.pop("checkpoint")

        log_consistency = cls(
            from_=from_,
            size=size,
            hashes=hashes,
            checkpoint=checkpoint,
        )

        log_consistency.additional_properties = d
        return log_consistency

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class LogEntry:
    """An entry of the log; its canonical JSON is what is hashed.

    Attributes:
        commitment (str):
        id (str):
        kind (str):
        on (datetime.date):
        v (int):
    """

    commitment: str
    id: str
    kind: str
    on: datetime.date
    v: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        commitment = self.commitment

        id = self.id

        kind = self.kind

        on = self.on.isoformat()

        v = self.v

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "commitment": commitment,
                "id": id,
                "kind": kind,
                "on": on,
                "v": v,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        commitment = d.pop("commitment")

        id = d.pop("id")

        kind = d.pop("kind")

        on = datetime.date.fromisoformat(d.pop("on"))

        v = d.pop("v")

        log_entry = cls(
            commitment=commitment,
            id=id,
            kind=kind,
            on=on,
            v=v,
        )

        log_entry.additional_properties = d
        return log_entry

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class LogHealth:
    """The log of all records, as the worker that answers saw it last; there only once it was looked at, or should have
    been long ago.

        Attributes:
            state (LogHealthState): `lagging` where `lag_seconds` is above 60. Alone it makes `degraded` without reasons:
                records are stored and read as ever, and get their places later. `unknown` while PostgreSQL is away: `size` and
                `pending` are as they were last seen.
            lag_seconds (float): How long the first record without a place has waited for one; while the log cannot be
                looked at, how long nothing has been seen of it.
            size (int | Unset): How many entries the log has.
            pending (int | Unset): Stored records that have no place in the log yet.
            signed_size (int | None | Unset): How many entries the newest checkpoint has; null until there is one.
            signing (LogHealthSigning | Unset): Whether the log is signed; `off` where no key is set up. `stopped` alone
                makes `degraded` without reasons once the newest has been in no checkpoint for 60 seconds.
            signing_stopped (str | Unset): Why nothing is signed for now; there only where `signing` is `stopped`.
    """

    state: LogHealthState
    lag_seconds: float
    size: int | Unset = UNSET
    pending: int | Unset = UNSET
    signed_size: int | None | Unset = UNSET
    signing: LogHealthSigning | Unset = UNSET
    signing_stopped: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        state = self.state.value

        lag_seconds = self.lag_seconds

        size = self.size

        pending = self.pending

        signed_size: int | None | Unset
        if isinstance(self.signed_size, Unset):
            signed_size = UNSET
        else:
            signed_size = self.signed_size

        signing: str | Unset = UNSET
        if not isinstance(self.signing, Unset):
            signing = self.signing.value

        signing_stopped = self.signing_stopped

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "state": state,
                "lag_seconds": lag_seconds,
            }
        )
        if size is not UNSET:
            field_dict["size"] = size
        if pending is not UNSET:
            field_dict["pending"] = pending
        if signed_size is not UNSET:
            field_dict["signed_size"] = signed_size
        if signing is not UNSET:
            field_dict["signing"] = signing
        if signing_stopped is not UNSET:
            field_dict["signing_stopped"] = signing_stopped

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        state = LogHealthState(d.pop("state"))

        lag_seconds = d.pop("lag_seconds")

        size = d.pop("size", UNSET)

        pending = d.pop("pending", UNSET)

        def _parse_signed_size(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        signed_size = _parse_signed_size(d.pop("signed_size", UNSET))

        _signing = d.pop("signing", UNSET)
        signing: LogHealthSigning | Unset
        if isinstance(_signing, Unset):
            signing = UNSET
        else:
            signing = LogHealthSigning(_signing)

        signing_stopped = d.pop("signing_stopped", UNSET)

        log_health = cls(
            state=state,
            lag_seconds=lag_seconds,
            size=size,
            pending=pending,
            signed_size=signed_size,
            signing=signing,
            signing_stopped=signing_stopped,
        )

        log_health.additional_properties = d
        return log_health

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class LogProof:
    """
    Attributes:
        index (int):
        hashes (list[str]): From the leaf's sibling up to the child of the root, in base64 (RFC 6962, section 2.1.1).
        checkpoint (str): The signed note with the root that they lead to.
        entry (LogEntry): An entry of the log; its canonical JSON is what is hashed.
        salt (str | Unset): Of an event or a notification, what its commitment is made with. It belongs to the record,
            and is as secret.
    """

    index: int
    hashes: list[str]
    checkpoint: str
    entry: LogEntry
    salt: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        index = self.index

        hashes = self.hashes

        checkpoint = self.checkpoint

        entry = self.entry.to_dict()

        salt = self.salt

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "index": index,
                "hashes": hashes,
                "checkpoint": checkpoint,
                "entry": entry,
            }
        )
        if salt is not UNSET:
            field_dict["salt"] = salt

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        index = d.pop("index")

        hashes = cast(list[str], d.pop("hashes"))

        checkpoint = d.pop("checkpoint")

        entry = LogEntry.from_dict(d.pop("entry"))

        salt = d.pop("salt", UNSET)

        log_proof = cls(
            index=index,
            hashes=hashes,
            checkpoint=checkpoint,
            entry=entry,
            salt=salt,
        )

        log_proof.additional_properties = d
        return log_proof

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class Notification:
    """
    Attributes:
        id (int):
        remediation_id (str):
        notification_id (str):
        recipient (str):
        channel (NotificationChannel):
        message_summary (str):
        status (NotificationStatus):
        sent_at (datetime.datetime):
        escalation_level (int):
        created_at (datetime.datetime):
        updated_at (datetime.datetime):
        delivery_status (str | Unset):
        error_message (str | Unset):
        request_id (str | Unset):
        recorded_by (str | Unset): Who was authenticated when it was sent. Only in lists.
        log_index (int | Unset): Where it is in the log of all records. Only in lists; absent until it is there.
        ignored (list[str] | Unset): Members of the request that are not named in this document, dotted inside of
            objects. They were ignored. There only in the answer to that request. A longer name is cut after 64 characters.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    id: int
    remediation_id: str
    notification_id: str
    recipient: str
    channel: NotificationChannel
    message_summary: str
    status: NotificationStatus
    sent_at: datetime.datetime
    escalation_level: int
    created_at: datetime.datetime
    updated_at: datetime.datetime
    delivery_status: str | Unset = UNSET
    error_message: str | Unset = UNSET
    request_id: str | Unset = UNSET
    recorded_by: str | Unset = UNSET
    log_index: int | Unset = UNSET
    ignored: list[str] | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = self.id

        remediation_id = self.remediation_id

        notification_id = self.notification_id

        recipient = self.recipient

        channel = self.channel.value

        message_summary = self.message_summary

        status = self.status.value

        sent_at = self.sent_at.isoformat()

        escalation_level = self.escalation_level

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        delivery_status = self.delivery_status

        error_message = self.error_message

        request_id = self.request_id

        recorded_by = self.recorded_by

        log_index = self.log_index

        ignored: list[str] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "remediation_id": remediation_id,
                "notification_id": notification_id,
                "recipient": recipient,
                "channel": channel,
                "message_summary": message_summary,
                "status": status,
                "sent_at": sent_at,
                "escalation_level": escalation_level,
                "created_at": created_at,
                "updated_at": updated_at,
            }
        )
        if delivery_status is not UNSET:
            field_dict["delivery_status"] = delivery_status
        if error_message is not UNSET:
            field_dict["error_message"] = error_message
        if request_id is not UNSET:
            field_dict["request_id"] = request_id
        if recorded_by is not UNSET:
            field_dict["recorded_by"] = recorded_by
        if log_index is not UNSET:
            field_dict["log_index"] = log_index
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        id = d.pop("id")

        remediation_id = d.pop("remediation_id")

        notification_id = d.pop("notification_id")

        recipient = d.pop("recipient")

        channel = NotificationChannel(d.pop("channel"))

        message_summary = d.pop("message_summary")

        status = NotificationStatus(d.pop("status"))

        sent_at = datetime.datetime.fromisoformat(d.pop("sent_at"))

        escalation_level = d.pop("escalation_level")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        delivery_status = d.pop("delivery_status", UNSET)

        error_message = d.pop("error_message", UNSET)

        request_id = d.pop("request_id", UNSET)

        recorded_by = d.pop("recorded_by", UNSET)

        log_index = d.pop("log_index", UNSET)

        ignored = cast(list[str], d.pop("ignored", UNSET))

        ignored_more = d.pop("ignored_more", UNSET)

        notification = cls(
            id=id,
            remediation_id=remediation_id,
            notification_id=notification_id,
            recipient=recipient,
            channel=channel,
            message_summary=message_summary,
            status=status,
            sent_at=sent_at,
            escalation_level=escalation_level,
            created_at=created_at,
            updated_at=updated_at,
            delivery_status=delivery_status,
            error_message=error_message,
            request_id=request_id,
            recorded_by=recorded_by,
            log_index=log_index,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        notification.additional_properties = d
        return notification

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class NotificationAccepted:
    """
    Attributes:
        status (Literal['accepted']):
        message (str):
        ignored (list[str] | Unset): Members of the request that are not named in this document, dotted inside of
            objects. They were ignored. There only in the answer to that request. A longer name is cut after 64 characters.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    status: Literal["accepted"]
    message: str
    ignored: list[str] | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status

        message = self.message

        ignored: list[str] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "message": message,
            }
        )
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        status = cast(Literal["accepted"], d.pop("status"))
        if status != "accepted":
            raise ValueError(f"status must match const 'accepted', got '{status}'")

        message = d.pop("message")

        ignored = cast(list[str], d.pop("ignored", UNSET))

        ignored_more = d.pop("ignored_more", UNSET)

        notification_accepted = cls(
            status=status,
            message=message,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        notification_accepted.additional_properties = d
        return notification_accepted

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class NotificationPage:
    """
    Attributes:
        data (list[Notification]):
        pagination (Pagination):
    """

    data: list[Notification]
    pagination: Pagination
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        data = []
        for data_item_data in self.data:
            data_item = data_item_data.to_dict()
            data.append(data_item)

        pagination = self.pagination.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "data": data,
                "pagination": pagination,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        data = []
        _data = d.pop("data")
        for data_item_data in _data:
            data_item = Notification.from_dict(data_item_data)

            data.append(data_item)

        pagination = Pagination.from_dict(d.pop("pagination"))

        notification_page = cls(
            data=data,
            pagination=pagination,
        )

        notification_page.additional_properties = d
        return notification_page

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class NotificationRequest:
    """
    Attributes:
        remediation_id (str):
        notification_id (str): Unique among all records.
        recipient (str):
        channel (NotificationChannel):
        message_summary (str):
        status (NotificationStatus):
        sent_at (datetime.datetime): At most 5 minutes ahead (audit.clock_skew).
        delivery_status (None | str | Unset):
        error_message (None | str | Unset):
        escalation_level (int | Unset):  Default: 0.
    """

    remediation_id: str
    notification_id: str
    recipient: str
    channel: NotificationChannel
    message_summary: str
    status: NotificationStatus
    sent_at: datetime.datetime
    delivery_status: None | str | Unset = UNSET
    error_message: None | str | Unset = UNSET
    escalation_level: int | Unset = 0
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        remediation_id = self.remediation_id

        notification_id = self.notification_id

        recipient = self.recipient

        channel = self.channel.value

        message_summary = self.message_summary

        status = self.status.value

        sent_at = self.sent_at.isoformat()

        delivery_status: None | str | Unset
        if isinstance(self.delivery_status, Unset):
            delivery_status = UNSET
        else:
            delivery_status = self.delivery_status

        error_message: None | str | Unset
        if isinstance(self.error_message, Unset):
            error_message = UNSET
        else:
            error_message = self.error_message

        escalation_level = self.escalation_level

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "remediation_id": remediation_id,
                "notification_id": notification_id,
                "recipient": recipient,
                "channel": channel,
                "message_summary": message_summary,
                "status": status,
                "sent_at": sent_at,
            }
        )
        if delivery_status is not UNSET:
            field_dict["delivery_status"] = delivery_status
        if error_message is not UNSET:
            field_dict["error_message"] = error_message
        if escalation_level is not UNSET:
            field_dict["escalation_level"] = escalation_level

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        remediation_id = d.pop("remediation_id")

        notification_id = d.pop("notification_id")

        recipient = d.pop("recipient")

        channel = NotificationChannel(d.pop("channel"))

        message_summary = d.pop("message_summary")

        status = NotificationStatus(d.pop("status"))

        sent_at = datetime.datetime.fromisoformat(d.pop("sent_at"))

        def _parse_delivery_status(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        delivery_status = _parse_delivery_status(d.pop("delivery_status", UNSET))

        def _parse_error_message(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        error_message = _parse_error_message(d.pop("error_message", UNSET))

        escalation_level = d.pop("escalation_level", UNSET)

        notification_request = cls(
            remediation_id=remediation_id,
            notification_id=notification_id,
            recipient=recipient,
            channel=channel,
            message_summary=message_summary,
            status=status,
            sent_at=sent_at,
            delivery_status=delivery_status,
            error_message=error_message,
            escalation_level=escalation_level,
        )

        notification_request.additional_properties = d
        return notification_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class Pagination:
    """
    Attributes:
        limit (int): As asked; of a page that ended early, the number of its rows. The next offset is `offset + limit`.
        offset (int):
        has_more (bool):
        next_cursor (None | str): The `cursor` of the next page; null on the last.
        total (int | Unset): Rows of all pages; absent with `count=none` or a cursor.
    """

    limit: int
    offset: int
    has_more: bool
    next_cursor: None | str
    total: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        limit = self.limit

        offset = self.offset

        has_more = self.has_more

        next_cursor: None | str
        next_cursor = self.next_cursor

        total = self.total

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "limit": limit,
                "offset": offset,
                "has_more": has_more,
                "next_cursor": next_cursor,
            }
        )
        if total is not UNSET:
            field_dict["total"] = total

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        limit = d.pop("limit")

        offset = d.pop("offset")

        has_more = d.pop("has_more")

        def _parse_next_cursor(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        next_cursor = _parse_next_cursor(d.pop("next_cursor"))

        total = d.pop("total", UNSET)

        pagination = cls(
            limit=limit,
            offset=offset,
            has_more=has_more,
            next_cursor=next_cursor,
            total=total,
        )

        pagination.additional_properties = d
        return pagination

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class Problem:
    """RFC 9457. `type` tells the kind of problem: `x-problem-types` of this document says what each means, what to do, and
    which of the members below it may have. `title` and `detail` are for people.

        Attributes:
            type_ (str): `server.problem_base_url` and one of the slugs.
            title (str):
            status (int):
            detail (str): What was wrong with this request.
            instance (str): The path of the request.
            field_errors (ProblemFieldErrors | Unset): One message for every wrong member or parameter; in a batch the key
                is `[index].member`.
            ignored (IgnoredMembersOfBatch | list[str] | Unset): Members that are not known, as in the answer to a request
                that was taken. A misspelt one is there.
            ignored_more (int | Unset): Ignored members that are not named.
            retry (bool | Unset): Sending the same request again later can help. With every 429 and 503.
            outcome (Literal['unknown'] | Unset): Whether it was kept is not known. Send it again with the same ids.
            event_id (UUID | Unset): The event whose outcome is unknown.
            event_ids (list[UUID] | Unset): The events whose outcome is unknown.
            notification_id (str | Unset): The notification record whose outcome is unknown.
            server_time (datetime.datetime | Unset): The service's clock.
            event_time (datetime.datetime | Unset): The time that is outside the window.
            resource (str | Unset): The kind of record in conflict.
            field (str | Unset): The member whose value is taken.
            value (str | Unset): The value that is taken.
            identical (bool | Unset): The stored notification record is the same as the one that was sent.
            index (int | Unset): The first element of a batch in conflict.
            indexes (list[int] | Unset): All elements of a batch in conflict.
            workflow_name (str | Unset): The name in conflict.
            version (str | Unset): The version in conflict.
            required_scope (str | Unset): The scope that the token lacks.
            origin (str | Unset): The name of the log that has nothing signed to show.
            max_batch_size (int | Unset): How many elements a batch may have.
            next_ (str | Unset): The cursor with which a feed goes on.
            hold_id (UUID | Unset): The hold in conflict, or whose outcome is unknown.
            held_by (list[UUID] | Unset): Holds that are in the way; no more than ten are named.
    """

    type_: str
    title: str
    status: int
    detail: str
    instance: str
    field_errors: ProblemFieldErrors | Unset = UNSET
    ignored: IgnoredMembersOfBatch | list[str] | Unset = UNSET
    ignored_more: int | Unset = UNSET
    retry: bool | Unset = UNSET
    outcome: Literal["unknown"] | Unset = UNSET
    event_id: UUID | Unset = UNSET
    event_ids: list[UUID] | Unset = UNSET
    notification_id: str | Unset = UNSET
    server_time: datetime.datetime | Unset = UNSET
    event_time: datetime.datetime | Unset = UNSET
    resource: str | Unset = UNSET
    field: str | Unset = UNSET
    value: str | Unset = UNSET
    identical: bool | Unset = UNSET
    index: int | Unset = UNSET
    indexes: list[int] | Unset = UNSET
    workflow_name: str | Unset = UNSET
    version: str | Unset = UNSET
    required_scope: str | Unset = UNSET
    origin: str | Unset = UNSET
    max_batch_size: int | Unset = UNSET
    next_: str | Unset = UNSET
    hold_id: UUID | Unset = UNSET
    held_by: list[UUID] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        title = self.title

        status = self.status

        detail = self.detail

        instance = self.instance

        field_errors: dict[str, Any] | Unset = UNSET
        if not isinstance(self.field_errors, Unset):
            field_errors = self.field_errors.to_dict()

        ignored: dict[str, Any] | list[str] | Unset
        if isinstance(self.ignored, Unset):
            ignored = UNSET
        elif isinstance(self.ignored, list):
            ignored = self.ignored

        else:
            ignored = self.ignored.to_dict()

        ignored_more = self.ignored_more

        retry = self.retry

        outcome = self.outcome

        event_id: str | Unset = UNSET
        if not isinstance(self.event_id, Unset):
            event_id = str(self.event_id)

        event_ids: list[str] | Unset = UNSET
        if not isinstance(self.event_ids, Unset):
            event_ids = []
            for event_ids_item_data in self.event_ids:
                event_ids_item = str(event_ids_item_data)
                event_ids.append(event_ids_item)

        notification_id = self.notification_id

        server_time: str | Unset = UNSET
        if not isinstance(self.server_time, Unset):
            server_time = self.server_time.isoformat()

        event_time: str | Unset = UNSET
        if not isinstance(self.event_time, Unset):
            event_time = self.event_time.isoformat()

        resource = self.resource

        field = self.field

        value = self.value

        identical = self.identical

        index = self.index

        indexes: list[int] | Unset = UNSET
        if not isinstance(self.indexes, Unset):
            indexes = self.indexes

        workflow_name = self.workflow_name

        version = self.version

        required_scope = self.required_scope

        origin = self.origin

        max_batch_size = self.max_batch_size

        next_ = self.next_

        hold_id: str | Unset = UNSET
        if not isinstance(self.hold_id, Unset):
            hold_id = str(self.hold_id)

        held_by: list[str] | Unset = UNSET
        if not isinstance(self.held_by, Unset):
            held_by = []
            for held_by_item_data in self.held_by:
                held_by_item = str(held_by_item_data)
                held_by.append(held_by_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "title": title,
                "status": status,
                "detail": detail,
                "instance": instance,
            }
        )
        if field_errors is not UNSET:
            field_dict["field_errors"] = field_errors
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more
        if retry is not UNSET:
            field_dict["retry"] = retry
        if outcome is not UNSET:
            field_dict["outcome"] = outcome
        if event_id is not UNSET:
            field_dict["event_id"] = event_id
        if event_ids is not UNSET:
            field_dict["event_ids"] = event_ids
        if notification_id is not UNSET:
            field_dict["notification_id"] = notification_id
        if server_time is not UNSET:
            field_dict["server_time"] = server_time
        if event_time is not UNSET:
            field_dict["event_time"] = event_time
        if resource is not UNSET:
            field_dict["resource"] = resource
        if field is not UNSET:
            field_dict["field"] = field
        if value is not UNSET:
            field_dict["value"] = value
        if identical is not UNSET:
            field_dict["identical"] = identical
        if index is not UNSET:
            field_dict["index"] = index
        if indexes is not UNSET:
            field_dict["indexes"] = indexes
        if workflow_name is not UNSET:
            field_dict["workflow_name"] = workflow_name
        if version is not UNSET:
            field_dict["version"] = version
        if required_scope is not UNSET:
            field_dict["required_scope"] = required_scope
        if origin is not UNSET:
            field_dict["origin"] = origin
        if max_batch_size is not UNSET:
            field_dict["max_batch_size"] = max_batch_size
        if next_ is not UNSET:
            field_dict["next"] = next_
        if hold_id is not UNSET:
            field_dict["hold_id"] = hold_id
        if held_by is not UNSET:
            field_dict["held_by"] = held_by

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        type_ = d.pop("type")

        title = d.pop("title")

        status = d.pop("status")

        detail = d.pop("detail")

        instance = d.pop("instance")

        _field_errors = d.pop("field_errors", UNSET)
        field_errors: ProblemFieldErrors | Unset
        if isinstance(_field_errors, Unset):
            field_errors = UNSET
        else:
            field_errors = ProblemFieldErrors.from_dict(_field_errors)

        def _parse_ignored(data: object) -> IgnoredMembersOfBatch | list[str] | Unset:
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                ignored_type_0 = cast(list[str], data)

                return ignored_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, dict):
                raise TypeError()
            ignored_type_1 = IgnoredMembersOfBatch.from_dict(data)

            return ignored_type_1

        ignored = _parse_ignored(d.pop("ignored", UNSET))

        ignored_more = d.pop("ignored_more", UNSET)

        retry = d.pop("retry", UNSET)

        outcome = cast(Literal["unknown"] | Unset, d.pop("outcome", UNSET))
        if outcome != "unknown" and not isinstance(outcome, Unset):
            raise ValueError(f"outcome must match const 'unknown', got '{outcome}'")

        _event_id = d.pop("event_id", UNSET)
        event_id: UUID | Unset
        if isinstance(_event_id, Unset):
            event_id = UNSET
        else:
            event_id = UUID(_event_id)

        _event_ids = d.pop("event_ids", UNSET)
        event_ids: list[UUID] | Unset = UNSET
        if _event_ids is not UNSET:
            event_ids = []
            for event_ids_item_data in _event_ids:
                event_ids_item = UUID(event_ids_item_data)

                event_ids.append(event_ids_item)

        notification_id = d.pop("notification_id", UNSET)

        _server_time = d.pop("server_time", UNSET)
        server_time: datetime.datetime | Unset
        if isinstance(_server_time, Unset):
            server_time = UNSET
        else:
            server_time = datetime.datetime.fromisoformat(_server_time)

        _event_time = d.pop("event_time", UNSET)
        event_time: datetime.datetime | Unset
        if isinstance(_event_time, Unset):
            event_time = UNSET
        else:
            event_time = datetime.datetime.fromisoformat(_event_time)

        resource = d.pop("resource", UNSET)

        field = d.pop("field", UNSET)

        value = d.pop("value", UNSET)

        identical = d.pop("identical", UNSET)

        index = d.pop("index", UNSET)

        indexes = cast(list[int], d.pop("indexes", UNSET))

        workflow_name = d.pop("workflow_name", UNSET)

        version = d.pop("version", UNSET)

        required_scope = d.pop("required_scope", UNSET)

        origin = d.pop("origin", UNSET)

        max_batch_size = d.pop("max_batch_size", UNSET)

        next_ = d.pop("next", UNSET)

        _hold_id = d.pop("hold_id", UNSET)
        hold_id: UUID | Unset
        if isinstance(_hold_id, Unset):
            hold_id = UNSET
        else:
            hold_id = UUID(_hold_id)

        _held_by = d.pop("held_by", UNSET)
        held_by: list[UUID] | Unset = UNSET
        if _held_by is not UNSET:
            held_by = []
            for held_by_item_data in _held_by:
                held_by_item = UUID(held_by_item_data)

                held_by.append(held_by_item)

        problem = cls(
            type_=type_,
            title=title,
            status=status,
            detail=detail,
            instance=instance,
            field_errors=field_errors,
            ignored=ignored,
            ignored_more=ignored_more,
            retry=retry,
            outcome=outcome,
            event_id=event_id,
            event_ids=event_ids,
            notification_id=notification_id,
            server_time=server_time,
            event_time=event_time,
            resource=resource,
            field=field,
            value=value,
            identical=identical,
            index=index,
            indexes=indexes,
            workflow_name=workflow_name,
            version=version,
            required_scope=required_scope,
            origin=origin,
            max_batch_size=max_batch_size,
            next_=next_,
            hold_id=hold_id,
            held_by=held_by,
        )

        problem.additional_properties = d
        return problem

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class ProblemFieldErrors:
    """One message for every wrong member or parameter; in a batch the key is `[index].member`."""

    additional_properties: dict[str, str] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        problem_field_errors = cls()

        problem_field_errors.additional_properties = d
        return problem_field_errors

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> str:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: str) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class Readiness:
    """
    Attributes:
        status (ReadinessStatus):
        mode (Literal['degraded'] | Unset):
        reason (ReadinessReason | Unset):
    """

    status: ReadinessStatus
    mode: Literal["degraded"] | Unset = UNSET
    reason: ReadinessReason | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status.value

        mode = self.mode

        reason: str | Unset = UNSET
        if not isinstance(self.reason, Unset):
            reason = self.reason.value

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
            }
        )
        if mode is not UNSET:
            field_dict["mode"] = mode
        if reason is not UNSET:
            field_dict["reason"] = reason

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        status = ReadinessStatus(d.pop("status"))

        mode = cast(Literal["degraded"] | Unset, d.pop("mode", UNSET))
        if mode != "degraded" and not isinstance(mode, Unset):
            raise ValueError(f"mode must match const 'degraded', got '{mode}'")

        _reason = d.pop("reason", UNSET)
        reason: ReadinessReason | Unset
        if isinstance(_reason, Unset):
            reason = UNSET
        else:
            reason = ReadinessReason(_reason)

        readiness = cls(
            status=status,
            mode=mode,
            reason=reason,
        )

        readiness.additional_properties = d
        return readiness

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class ScoreTerm:
    """
    Attributes:
        term (str):
        points (float): Negative for a penalty.
        asked (bool | str | Unset): What the query asked for; absent for the base.
    """

    term: str
    points: float
    asked: bool | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        term = self.term

        points = self.points

        asked: bool | str | Unset
        if isinstance(self.asked, Unset):
            asked = UNSET
        else:
            asked = self.asked

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "term": term,
                "points": points,
            }
        )
        if asked is not UNSET:
            field_dict["asked"] = asked

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        term = d.pop("term")

        points = d.pop("points")

        def _parse_asked(data: object) -> bool | str | Unset:
            if isinstance(data, Unset):
                return data
            return cast(bool | str | Unset, data)

        asked = _parse_asked(d.pop("asked", UNSET))

        score_term = cls(
            term=term,
            points=points,
            asked=asked,
        )

        score_term.additional_properties = d
        return score_term

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class StatusChange:
    """
    Attributes:
        reason (None | str | Unset):
        updated_by (None | str | Unset):
    """

    reason: None | str | Unset = UNSET
    updated_by: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        reason: None | str | Unset
        if isinstance(self.reason, Unset):
            reason = UNSET
        else:
            reason = self.reason

        updated_by: None | str | Unset
        if isinstance(self.updated_by, Unset):
            updated_by = UNSET
        else:
            updated_by = self.updated_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if reason is not UNSET:
            field_dict["reason"] = reason
        if updated_by is not UNSET:
            field_dict["updated_by"] = updated_by

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

        def _parse_reason(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        reason = _parse_reason(d.pop("reason", UNSET))

        def _parse_updated_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        updated_by = _parse_updated_by(d.pop("updated_by", UNSET))

        status_change = cls(
            reason=reason,
            updated_by=updated_by,
        )

        status_change.additional_properties = d
        return status_change

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class Workflow:
    """
    Attributes:
        workflow_id (UUID):
        workflow_name (str):
        version (str):
        name (str):
        description (str):
        content (str):
        content_hash (str):
        execution_engine (str):
        labels (WorkflowLabels):
        detected_labels (DetectedLabels):
        status (WorkflowStatus):
        total_executions (int):
        successful_executions (int):
        is_latest_version (bool): The newest active create of its name.
        created_at (datetime.datetime):
        updated_at (datetime.datetime):
        owner (str | Unset):
        maintainer (str | Unset):
        parameters (WorkflowParameters | Unset):
        container_image (str | Unset):
        container_digest (str | Unset):
        custom_labels (CustomLabels | Unset):
        status_reason (str | Unset): Why it has its status.
        previous_version (str | Unset):
        deprecation_notice (str | Unset):
        version_notes (str | Unset):
        change_summary (str | Unset):
        approved_by (str | Unset):
        approved_at (datetime.datetime | Unset):
        expected_success_rate (float | Unset):
        expected_duration_seconds (int | Unset):
        actual_success_rate (float | Unset):
        created_by (str | Unset):
        disabled_at (datetime.datetime | Unset): Only while it is disabled.
        disabled_by (str | Unset):
        disabled_reason (str | Unset):
        updated_by (str | Unset):
        ignored (list[str] | Unset): Members of the request that are not named in this document, dotted inside of
            objects. They were ignored. There only in the answer to that request. A longer name is cut after 64 characters.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    workflow_id: UUID
    workflow_name: str
    version: str
    name: str
    description: str
    content: str
    content_hash: str
    execution_engine: str
    labels: WorkflowLabels
    detected_labels: DetectedLabels
    status: WorkflowStatus
    total_executions: int
    successful_executions: int
    is_latest_version: bool
    created_at: datetime.datetime
    updated_at: datetime.datetime
    owner: str | Unset = UNSET
    maintainer: str | Unset = UNSET
    parameters: WorkflowParameters | Unset = UNSET
    container_image: str | Unset = UNSET
    container_digest: str | Unset = UNSET
    custom_labels: CustomLabels | Unset = UNSET
    status_reason: str | Unset = UNSET
    previous_version: str | Unset = UNSET
    deprecation_notice: str | Unset = UNSET
    version_notes: str | Unset = UNSET
    change_summary: str | Unset = UNSET
    approved_by: str | Unset = UNSET
    approved_at: datetime.datetime | Unset = UNSET
    expected_success_rate: float | Unset = UNSET
    expected_duration_seconds: int | Unset = UNSET
    actual_success_rate: float | Unset = UNSET
    created_by: str | Unset = UNSET
    disabled_at: datetime.datetime | Unset = UNSET
    disabled_by: str | Unset = UNSET
    disabled_reason: str | Unset = UNSET
    updated_by: str | Unset = UNSET
    ignored: list[str] | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_id = str(self.workflow_id)

        workflow_name = self.workflow_name

        version = self.version

        name = self.name

        description = self.description

        content = self.content

        content_hash = self.content_hash

        execution_engine = self.execution_engine

        labels = self.labels.to_dict()

        detected_labels = self.detected_labels.to_dict()

        status = self.status.value

        total_executions = self.total_executions

        successful_executions = self.successful_executions

        is_latest_version = self.is_latest_version

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        owner = self.owner

        maintainer = self.maintainer

        parameters: dict[str, Any] | Unset = UNSET
        if not isinstance(self.parameters, Unset):
            parameters = self.parameters.to_dict()

        container_image = self.container_image

        container_digest = self.container_digest

        custom_labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.custom_labels, Unset):
            custom_labels = self.custom_labels.to_dict()

        status_reason = self.status_reason

        previous_version = self.previous_version

        deprecation_notice = self.deprecation_notice

        version_notes = self.version_notes

        change_summary = self.change_summary

        approved_by = self.approved_by

        approved_at: str | Unset = UNSET
        if not isinstance(self.approved_at, Unset):
            approved_at = self.approved_at.isoformat()

        expected_success_rate = self.expected_success_rate

        expected_duration_seconds = self.expected_duration_seconds

        actual_success_rate = self.actual_success_rate

        created_by = self.created_by

        disabled_at: str | Unset = UNSET
        if not isinstance(self.disabled_at, Unset):
            disabled_at = self.disabled_at.isoformat()

        disabled_by = self.disabled_by

        disabled_reason = self.disabled_reason

        updated_by = self.updated_by

        ignored: list[str] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_id": workflow_id,
                "workflow_name": workflow_name,
                "version": version,
                "name": name,
                "description": description,
                "content": content,
                "content_hash": content_hash,
                "execution_engine": execution_engine,
                "labels": labels,
                "detected_labels": detected_labels,
                "status": status,
                "total_executions": total_executions,
                "successful_executions": successful_executions,
                "is_latest_version": is_latest_version,
                "created_at": created_at,
                "updated_at": updated_at,
            }
        )
        if owner is not UNSET:
            field_dict["owner"] = owner
        if maintainer is not UNSET:
            field_dict["maintainer"] = maintainer
        if parameters is not UNSET:
            field_dict["parameters"] = parameters
        if container_image is not UNSET:
            field_dict["container_image"] = container_image
        if container_digest is not UNSET:
            field_dict["container_digest"] = container_digest
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if status_reason is not UNSET:
            field_dict["status_reason"] = status_reason
        if previous_version is not UNSET:
            field_dict["previous_version"] = previous_version
        if deprecation_notice is not UNSET:
            field_dict["deprecation_notice"] = deprecation_notice
        if version_notes is not UNSET:
            field_dict["version_notes"] = version_notes
        if change_summary is not UNSET:
            field_dict["change_summary"] = change_summary
        if approved_by is not UNSET:
            field_dict["approved_by"] = approved_by
        if approved_at is not UNSET:
            field_dict["approved_at"] = approved_at
        if expected_success_rate is not UNSET:
            field_dict["expected_success_rate"] = expected_success_rate
        if expected_duration_seconds is not UNSET:
            field_dict["expected_duration_seconds"] = expected_duration_seconds
        if actual_success_rate is not UNSET:
            field_dict["actual_success_rate"] = actual_success_rate
        if created_by is not UNSET:
            field_dict["created_by"] = created_by
        if disabled_at is not UNSET:
            field_dict["disabled_at"] = disabled_at
        if disabled_by is not UNSET:
            field_dict["disabled_by"] = disabled_by
        if disabled_reason is not UNSET:
            field_dict["disabled_reason"] = disabled_reason
        if updated_by is not UNSET:
            field_dict["updated_by"] = updated_by
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_id = UUID(d.pop("workflow_id"))

        workflow_name = d.pop("workflow_name")

        version = d.pop("version")

        name = d.pop("name")

        description = d.pop("description")

        content = d.pop("content")

        content_hash = d.pop("content_hash")

        execution_engine = d.pop("execution_engine")

        labels = WorkflowLabels.from_dict(d.pop("labels"))

        detected_labels = DetectedLabels.from_dict(d.pop("detected_labels"))

        status = WorkflowStatus(d.pop("status"))

        total_executions = d.pop("total_executions")

        successful_executions = d.pop("successful_executions")

        is_latest_version = d.pop("is_latest_version")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        owner = d.pop("owner", UNSET)

        maintainer = d.pop("maintainer", UNSET)

        _parameters = d.pop("parameters", UNSET)
        parameters: WorkflowParameters | Unset
        if isinstance(_parameters, Unset):
            parameters = UNSET
        else:
            parameters = WorkflowParameters.from_dict(_parameters)

        container_image = d.pop("container_image", UNSET)

        container_digest = d.pop("container_digest", UNSET)

        _custom_labels = d.pop("custom_labels", UNSET)
        custom_labels: CustomLabels | Unset
        if isinstance(_custom_labels, Unset):
            custom_labels = UNSET
        else:
            custom_labels = CustomLabels.from_dict(_custom_labels)

        status_reason = d.pop("status_reason", UNSET)

        previous_version = d.pop("previous_version", UNSET)

        deprecation_notice = d.pop("deprecation_notice", UNSET)

        version_notes = d.pop("version_notes", UNSET)

        change_summary = d.pop("change_summary", UNSET)

        approved_by = d.pop("approved_by", UNSET)

        _approved_at = d.pop("approved_at", UNSET)
        approved_at: datetime.datetime | Unset
        if isinstance(_approved_at, Unset):
            approved_at = UNSET
        else:
            approved_at = datetime.datetime.fromisoformat(_approved_at)

        expected_success_rate = d.pop("expected_success_rate", UNSET)

        expected_duration_seconds = d.pop("expected_duration_seconds", UNSET)

        actual_success_rate = d.pop("actual_success_rate", UNSET)

        created_by = d.pop("created_by", UNSET)

        _disabled_at = d.pop("disabled_at", UNSET)
        disabled_at: datetime.datetime | Unset
        if isinstance(_disabled_at, Unset):
            disabled_at = UNSET
        else:
            disabled_at = datetime.datetime.fromisoformat(_disabled_at)

        disabled_by = d.pop("disabled_by", UNSET)

        disabled_reason = d.pop("disabled_reason", UNSET)

        updated_by = d.pop("updated_by", UNSET)

        ignored = cast(list[str], d.pop("ignored", UNSET))

        ignored_more = d.pop("ignored_more", UNSET)

        workflow = cls(
            workflow_id=workflow_id,
            workflow_name=workflow_name,
            version=version,
            name=name,
            description=description,
            content=content,
            content_hash=content_hash,
            execution_engine=execution_engine,
            labels=labels,
            detected_labels=detected_labels,
            status=status,
            total_executions=total_executions,
            successful_executions=successful_executions,
            is_latest_version=is_latest_version,
            created_at=created_at,
            updated_at=updated_at,
            owner=owner,
            maintainer=maintainer,
            parameters=parameters,
            container_image=container_image,
            container_digest=container_digest,
            custom_labels=custom_labels,
            status_reason=status_reason,
            previous_version=previous_version,
            deprecation_notice=deprecation_notice,
            version_notes=version_notes,
            change_summary=change_summary,
            approved_by=approved_by,
            approved_at=approved_at,
            expected_success_rate=expected_success_rate,
            expected_duration_seconds=expected_duration_seconds,
            actual_success_rate=actual_success_rate,
            created_by=created_by,
            disabled_at=disabled_at,
            disabled_by=disabled_by,
            disabled_reason=disabled_reason,
            updated_by=updated_by,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        workflow.additional_properties = d
        return workflow

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowBatchCreated:
    """
    Attributes:
        workflow_ids (list[UUID]): In the order of the request.
        message (str):
        ignored (IgnoredMembersOfBatch | Unset): The ignored members of items of the batch, by the index of the item in
            the request.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    workflow_ids: list[UUID]
    message: str
    ignored: IgnoredMembersOfBatch | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_ids = []
        for workflow_ids_item_data in self.workflow_ids:
            workflow_ids_item = str(workflow_ids_item_data)
            workflow_ids.append(workflow_ids_item)

        message = self.message

        ignored: dict[str, Any] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored.to_dict()

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_ids": workflow_ids,
                "message": message,
            }
        )
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_ids = []
        _workflow_ids = d.pop("workflow_ids")
        for workflow_ids_item_data in _workflow_ids:
            workflow_ids_item = UUID(workflow_ids_item_data)

            workflow_ids.append(workflow_ids_item)

        message = d.pop("message")

        _ignored = d.pop("ignored", UNSET)
        ignored: IgnoredMembersOfBatch | Unset
        if isinstance(_ignored, Unset):
            ignored = UNSET
        else:
            ignored = IgnoredMembersOfBatch.from_dict(_ignored)

        ignored_more = d.pop("ignored_more", UNSET)

        workflow_batch_created = cls(
            workflow_ids=workflow_ids,
            message=message,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        workflow_batch_created.additional_properties = d
        return workflow_batch_created

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowLabels:
    """
    Attributes:
        signal_type (list[str] | str): A value, `*` for any, or a list of such.
        severity (list[StoredSeverity] | StoredSeverity): A value, `*` for any, or a list of such.
        component (list[str] | str): A value, `*` for any, or a list of such.
        environment (list[str] | str): A value, `*` for any, or a list of such.
        priority (list[StoredPriority] | StoredPriority): A value, `*` for any, or a list of such.
    """

    signal_type: list[str] | str
    severity: list[StoredSeverity] | StoredSeverity
    component: list[str] | str
    environment: list[str] | str
    priority: list[StoredPriority] | StoredPriority
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        signal_type: list[str] | str
        if isinstance(self.signal_type, list):
            signal_type = self.signal_type

        else:
            signal_type = self.signal_type

        severity: list[str] | str
        if isinstance(self.severity, StoredSeverity):
            severity = self.severity.value
        else:
            severity = []
            for severity_type_1_item_data in self.severity:
                severity_type_1_item = severity_type_1_item_data.value
                severity.append(severity_type_1_item)

        component: list[str] | str
        if isinstance(self.component, list):
            component = self.component

        else:
            component = self.component

        environment: list[str] | str
        if isinstance(self.environment, list):
            environment = self.environment

        else:
            environment = self.environment

        priority: list[str] | str
        if isinstance(self.priority, StoredPriority):
            priority = self.priority.value
        else:
            priority = []
            for priority_type_1_item_data in self.priority:
                priority_type_1_item = priority_type_1_item_data.value
                priority.append(priority_type_1_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "signal_type": signal_type,
                "severity": severity,
                "component": component,
                "environment": environment,
                "priority": priority,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)

        def _parse_signal_type(data: object) -> list[str] | str:
            try:
                if not isinstance(data, list):
                    raise TypeError()
                signal_type_type_1 = cast(list[str], data)

                return signal_type_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | str, data)

        signal_type = _parse_signal_type(d.pop("signal_type"))

        def _parse_severity(data: object) -> list[StoredSeverity] | StoredSeverity:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                severity_type_0 = StoredSeverity(data)

                return severity_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, list):
                raise TypeError()
            severity_type_1 = []
            _severity_type_1 = data
            for severity_type_1_item_data in _severity_type_1:
                severity_type_1_item = StoredSeverity(severity_type_1_item_data)

                severity_type_1.append(severity_type_1_item)

            return severity_type_1

        severity = _parse_severity(d.pop("severity"))

        def _parse_component(data: object) -> list[str] | str:
            try:
                if not isinstance(data, list):
                    raise TypeError()
                component_type_1 = cast(list[str], data)

                return component_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | str, data)

        component = _parse_component(d.pop("component"))

        def _parse_environment(data: object) -> list[str] | str:
            try:
                if not isinstance(data, list):
                    raise TypeError()
                environment_type_1 = cast(list[str], data)

                return environment_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | str, data)

        environment = _parse_environment(d.pop("environment"))

        def _parse_priority(data: object) -> list[StoredPriority] | StoredPriority:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                priority_type_0 = StoredPriority(data)

                return priority_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, list):
                raise TypeError()
            priority_type_1 = []
            _priority_type_1 = data
            for priority_type_1_item_data in _priority_type_1:
                priority_type_1_item = StoredPriority(priority_type_1_item_data)

                priority_type_1.append(priority_type_1_item)

            return priority_type_1

        priority = _parse_priority(d.pop("priority"))

        workflow_labels = cls(
            signal_type=signal_type,
            severity=severity,
            component=component,
            environment=environment,
            priority=priority,
        )

        workflow_labels.additional_properties = d
        return workflow_labels

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowPage:
    """
    Attributes:
        workflows (list[ListedWorkflow]):
        limit (int): As asked; of a page with others behind it, the number of its rows. The next offset is `offset +
            limit`.
        offset (int):
        total (int): Rows of all pages.
        has_more (bool):
        next_cursor (None | str): The `cursor` of the next page; null on the last.
    """

    workflows: list[ListedWorkflow]
    limit: int
    offset: int
    total: int
    has_more: bool
    next_cursor: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflows = []
        for workflows_item_data in self.workflows:
            workflows_item = workflows_item_data.to_dict()
            workflows.append(workflows_item)

        limit = self.limit

        offset = self.offset

        total = self.total

        has_more = self.has_more

        next_cursor: None | str
        next_cursor = self.next_cursor

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflows": workflows,
                "limit": limit,
                "offset": offset,
                "total": total,
                "has_more": has_more,
                "next_cursor": next_cursor,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflows = []
        _workflows = d.pop("workflows")
        for workflows_item_data in _workflows:
            workflows_item = ListedWorkflow.from_dict(workflows_item_data)

            workflows.append(workflows_item)

        limit = d.pop("limit")

        offset = d.pop("offset")

        total = d.pop("total")

        has_more = d.pop("has_more")

        def _parse_next_cursor(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        next_cursor = _parse_next_cursor(d.pop("next_cursor"))

        workflow_page = cls(
            workflows=workflows,
            limit=limit,
            offset=offset,
            total=total,
            has_more=has_more,
            next_cursor=next_cursor,
        )

        workflow_page.additional_properties = d
        return workflow_page

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowParameters:
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_parameters = cls()

        workflow_parameters.additional_properties = d
        return workflow_parameters

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowPatch:
    """
    Attributes:
        status (WorkflowStatus | Unset):
        disabled_by (None | str | Unset):
        disabled_reason (None | str | Unset): Kept while the workflow is disabled.
        expected_success_rate (float | None | Unset): At most 20 decimals.
        expected_duration_seconds (int | None | Unset):
        actual_success_rate (float | None | Unset): At most 20 decimals.
        total_executions (int | Unset):
        successful_executions (int | Unset):
        updated_by (None | str | Unset):
    """

    status: WorkflowStatus | Unset = UNSET
    disabled_by: None | str | Unset = UNSET
    disabled_reason: None | str | Unset = UNSET
    expected_success_rate: float | None | Unset = UNSET
    expected_duration_seconds: int | None | Unset = UNSET
    actual_success_rate: float | None | Unset = UNSET
    total_executions: int | Unset = UNSET
    successful_executions: int | Unset = UNSET
    updated_by: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status: str | Unset = UNSET
        if not isinstance(self.status, Unset):
            status = self.status.value

        disabled_by: None | str | Unset
        if isinstance(self.disabled_by, Unset):
            disabled_by = UNSET
        else:
            disabled_by = self.disabled_by

        disabled_reason: None | str | Unset
        if isinstance(self.disabled_reason, Unset):
            disabled_reason = UNSET
        else:
            disabled_reason = self.disabled_reason

        expected_success_rate: float | None | Unset
        if isinstance(self.expected_success_rate, Unset):
            expected_success_rate = UNSET
        else:
            expected_success_rate = self.expected_success_rate

        expected_duration_seconds: int | None | Unset
        if isinstance(self.expected_duration_seconds, Unset):
            expected_duration_seconds = UNSET
        else:
            expected_duration_seconds = self.expected_duration_seconds

        actual_success_rate: float | None | Unset
        if isinstance(self.actual_success_rate, Unset):
            actual_success_rate = UNSET
        else:
            actual_success_rate = self.actual_success_rate

        total_executions = self.total_executions

        successful_executions = self.successful_executions

        updated_by: None | str | Unset
        if isinstance(self.updated_by, Unset):
            updated_by = UNSET
        else:
            updated_by = self.updated_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if status is not UNSET:
            field_dict["status"] = status
        if disabled_by is not UNSET:
            field_dict["disabled_by"] = disabled_by
        if disabled_reason is not UNSET:
            field_dict["disabled_reason"] = disabled_reason
        if expected_success_rate is not UNSET:
            field_dict["expected_success_rate"] = expected_success_rate
        if expected_duration_seconds is not UNSET:
            field_dict["expected_duration_seconds"] = expected_duration_seconds
        if actual_success_rate is not UNSET:
            field_dict["actual_success_rate"] = actual_success_rate
        if total_executions is not UNSET:
            field_dict["total_executions"] = total_executions
        if successful_executions is not UNSET:
            field_dict["successful_executions"] = successful_executions
        if updated_by is not UNSET:
            field_dict["updated_by"] = updated_by

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        _status = d.pop("status", UNSET)
        status: WorkflowStatus | Unset
        if isinstance(_status, Unset):
            status = UNSET
        else:
            status = WorkflowStatus(_status)

        def _parse_disabled_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        disabled_by = _parse_disabled_by(d.pop("disabled_by", UNSET))

        def _parse_disabled_reason(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        disabled_reason = _parse_disabled_reason(d.pop("disabled_reason", UNSET))

        def _parse_expected_success_rate(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        expected_success_rate = _parse_expected_success_rate(d.pop("expected_success_rate", UNSET))

        def _parse_expected_duration_seconds(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        expected_duration_seconds = _parse_expected_duration_seconds(d.pop("expected_duration_seconds", UNSET))

        def _parse_actual_success_rate(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        actual_success_rate = _parse_actual_success_rate(d.pop("actual_success_rate", UNSET))

        total_executions = d.pop("total_executions", UNSET)

        successful_executions = d.pop("successful_executions", UNSET)

        def _parse_updated_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        updated_by = _parse_updated_by(d.pop("updated_by", UNSET))

        workflow_patch = cls(
            status=status,
            disabled_by=disabled_by,
            disabled_reason=disabled_reason,
            expected_success_rate=expected_success_rate,
            expected_duration_seconds=expected_duration_seconds,
            actual_success_rate=actual_success_rate,
            total_executions=total_executions,
            successful_executions=successful_executions,
            updated_by=updated_by,
        )

        workflow_patch.additional_properties = d
        return workflow_patch

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowRequest:
    """
    Attributes:
        workflow_name (str): Unique together with version.
        version (str): Any text.
        name (str): A title for people.
        description (str):
        content (str): The workflow itself.
        labels (WorkflowLabels):
        execution_engine (str):
        content_hash (None | str | Unset): SHA-256 of content; computed when absent and checked when given
            (workflows.verify_content_hash).
        status (None | Unset | WorkflowStatus): Default: `active`.
        owner (None | str | Unset):
        maintainer (None | str | Unset):
        parameters (None | Unset | WorkflowRequestParametersType0): Any object of at most 32 levels, numbers as in
            event_data; writing them out may add at most 256 KiB.
        container_image (None | str | Unset):
        container_digest (None | str | Unset):
        custom_labels (None | Unset | WorkflowRequestCustomLabelsType0): They raise the score of a search that asks for
            the same.
        detected_labels (DetectedLabelsRequest | None | Unset):
        status_reason (None | str | Unset):
        previous_version (None | str | Unset):
        deprecation_notice (None | str | Unset):
        version_notes (None | str | Unset):
        change_summary (None | str | Unset):
        approved_by (None | str | Unset):
        approved_at (datetime.datetime | None | Unset):
        expected_success_rate (float | None | Unset): At most 20 decimals.
        expected_duration_seconds (int | None | Unset):
        actual_success_rate (float | None | Unset): At most 20 decimals.
        total_executions (int | None | Unset):
        successful_executions (int | None | Unset):
        created_by (None | str | Unset):
    """

    workflow_name: str
    version: str
    name: str
    description: str
    content: str
    labels: WorkflowLabels
    execution_engine: str
    content_hash: None | str | Unset = UNSET
    status: None | Unset | WorkflowStatus = UNSET
    owner: None | str | Unset = UNSET
    maintainer: None | str | Unset = UNSET
    parameters: None | Unset | WorkflowRequestParametersType0 = UNSET
    container_image: None | str | Unset = UNSET
    container_digest: None | str | Unset = UNSET
    custom_labels: None | Unset | WorkflowRequestCustomLabelsType0 = UNSET
    detected_labels: DetectedLabelsRequest | None | Unset = UNSET
    status_reason: None | str | Unset = UNSET
    previous_version: None | str | Unset = UNSET
    deprecation_notice: None | str | Unset = UNSET
    version_notes: None | str | Unset = UNSET
    change_summary: None | str | Unset = UNSET
    approved_by: None | str | Unset = UNSET
    approved_at: datetime.datetime | None | Unset = UNSET
    expected_success_rate: float | None | Unset = UNSET
    expected_duration_seconds: int | None | Unset = UNSET
    actual_success_rate: float | None | Unset = UNSET
    total_executions: int | None | Unset = UNSET
    successful_executions: int | None | Unset = UNSET
    created_by: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_name = self.workflow_name

        version = self.version

        name = self.name

        description = self.description

        content = self.content

        labels = self.labels.to_dict()

        execution_engine = self.execution_engine

        content_hash: None | str | Unset
        if isinstance(self.content_hash, Unset):
            content_hash = UNSET
        else:
            content_hash = self.content_hash

        status: None | str | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        elif isinstance(self.status, WorkflowStatus):
            status = self.status.value
        else:
            status = self.status

        owner: None | str | Unset
        if isinstance(self.owner, Unset):
            owner = UNSET
        else:
            owner = self.owner

        maintainer: None | str | Unset
        if isinstance(self.maintainer, Unset):
            maintainer = UNSET
        else:
            maintainer = self.maintainer

        parameters: dict[str, Any] | None | Unset
        if isinstance(self.parameters, Unset):
            parameters = UNSET
        elif isinstance(self.parameters, WorkflowRequestParametersType0):
            parameters = self.parameters.to_dict()
        else:
            parameters = self.parameters

        container_image: None | str | Unset
        if isinstance(self.container_image, Unset):
            container_image = UNSET
        else:
            container_image = self.container_image

        container_digest: None | str | Unset
        if isinstance(self.container_digest, Unset):
            container_digest = UNSET
        else:
            container_digest = self.container_digest

        custom_labels: dict[str, Any] | None | Unset
        if isinstance(self.custom_labels, Unset):
            custom_labels = UNSET
        elif isinstance(self.custom_labels, WorkflowRequestCustomLabelsType0):
            custom_labels = self.custom_labels.to_dict()
        else:
            custom_labels = self.custom_labels

        detected_labels: dict[str, Any] | None | Unset
        if isinstance(self.detected_labels, Unset):
            detected_labels = UNSET
        elif isinstance(self.detected_labels, DetectedLabelsRequest):
            detected_labels = self.detected_labels.to_dict()
        else:
            detected_labels = self.detected_labels

        status_reason: None | str | Unset
        if isinstance(self.status_reason, Unset):
            status_reason = UNSET
        else:
            status_reason = self.status_reason

        previous_version: None | str | Unset
        if isinstance(self.previous_version, Unset):
            previous_version = UNSET
        else:
            previous_version = self.previous_version

        deprecation_notice: None | str | Unset
        if isinstance(self.deprecation_notice, Unset):
            deprecation_notice = UNSET
        else:
            deprecation_notice = self.deprecation_notice

        version_notes: None | str | Unset
        if isinstance(self.version_notes, Unset):
            version_notes = UNSET
        else:
            version_notes = self.version_notes

        change_summary: None | str | Unset
        if isinstance(self.change_summary, Unset):
            change_summary = UNSET
        else:
            change_summary = self.change_summary

        approved_by: None | str | Unset
        if isinstance(self.approved_by, Unset):
            approved_by = UNSET
        else:
            approved_by = self.approved_by

        approved_at: None | str | Unset
        if isinstance(self.approved_at, Unset):
            approved_at = UNSET
        elif isinstance(self.approved_at, datetime.datetime):
            approved_at = self.approved_at.isoformat()
        else:
            approved_at = self.approved_at

        expected_success_rate: float | None | Unset
        if isinstance(self.expected_success_rate, Unset):
            expected_success_rate = UNSET
        else:
            expected_success_rate = self.expected_success_rate

        expected_duration_seconds: int | None | Unset
        if isinstance(self.expected_duration_seconds, Unset):
            expected_duration_seconds = UNSET
        else:
            expected_duration_seconds = self.expected_duration_seconds

        actual_success_rate: float | None | Unset
        if isinstance(self.actual_success_rate, Unset):
            actual_success_rate = UNSET
        else:
            actual_success_rate = self.actual_success_rate

        total_executions: int | None | Unset
        if isinstance(self.total_executions, Unset):
            total_executions = UNSET
        else:
            total_executions = self.total_executions

        successful_executions: int | None | Unset
        if isinstance(self.successful_executions, Unset):
            successful_executions = UNSET
        else:
            successful_executions = self.successful_executions

        created_by: None | str | Unset
        if isinstance(self.created_by, Unset):
            created_by = UNSET
        else:
            created_by = self.created_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_name": workflow_name,
                "version": version,
                "name": name,
                "description": description,
                "content": content,
                "labels": labels,
                "execution_engine": execution_engine,
            }
        )
        if content_hash is not UNSET:
            field_dict["content_hash"] = content_hash
        if status is not UNSET:
            field_dict["status"] = status
        if owner is not UNSET:
            field_dict["owner"] = owner
        if maintainer is not UNSET:
            field_dict["maintainer"] = maintainer
        if parameters is not UNSET:
            field_dict["parameters"] = parameters
        if container_image is not UNSET:
            field_dict["container_image"] = container_image
        if container_digest is not UNSET:
            field_dict["container_digest"] = container_digest
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if detected_labels is not UNSET:
            field_dict["detected_labels"] = detected_labels
        if status_reason is not UNSET:
            field_dict["status_reason"] = status_reason
        if previous_version is not UNSET:
            field_dict["previous_version"] = previous_version
        if deprecation_notice is not UNSET:
            field_dict["deprecation_notice"] = deprecation_notice
        if version_notes is not UNSET:
            field_dict["version_notes"] = version_notes
        if change_summary is not UNSET:
            field_dict["change_summary"] = change_summary
        if approved_by is not UNSET:
            field_dict["approved_by"] = approved_by
        if approved_at is not UNSET:
            field_dict["approved_at"] = approved_at
        if expected_success_rate is not UNSET:
            field_dict["expected_success_rate"] = expected_success_rate
        if expected_duration_seconds is not UNSET:
            field_dict["expected_duration_seconds"] = expected_duration_seconds
        if actual_success_rate is not UNSET:
            field_dict["actual_success_rate"] = actual_success_rate
        if total_executions is not UNSET:
            field_dict["total_executions"] = total_executions
        if successful_executions is not UNSET:
            field_dict["successful_executions"] = successful_executions
        if created_by is not UNSET:
            field_dict["created_by"] = created_by

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_name = d.pop("workflow_name")

        version = d.pop("version")

        name = d.pop("name")

        description = d.pop("description")

        content = d.pop("content")

        labels = WorkflowLabels.from_dict(d.pop("labels"))

        execution_engine = d.pop("execution_engine")

        def _parse_content_hash(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        content_hash = _parse_content_hash(d.pop("content_hash", UNSET))

        def _parse_status(data: object) -> None | Unset | WorkflowStatus:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_type_0 = WorkflowStatus(data)

                return status_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | WorkflowStatus, data)

        status = _parse_status(d.pop("status", UNSET))

        def _parse_owner(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        owner = _parse_owner(d.pop("owner", UNSET))

        def _parse_maintainer(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        maintainer = _parse_maintainer(d.pop("maintainer", UNSET))

        def _parse_parameters(data: object) -> None | Unset | WorkflowRequestParametersType0:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                parameters_type_0 = WorkflowRequestParametersType0.from_dict(data)

                return parameters_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | WorkflowRequestParametersType0, data)

        parameters = _parse_parameters(d.pop("parameters", UNSET))

        def _parse_container_image(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        container_image = _parse_container_image(d.pop("container_image", UNSET))

        def _parse_container_digest(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        container_digest = _parse_container_digest(d.pop("container_digest", UNSET))

        def _parse_custom_labels(data: object) -> None | Unset | WorkflowRequestCustomLabelsType0:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                custom_labels_type_0 = WorkflowRequestCustomLabelsType0.from_dict(data)

                return custom_labels_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | WorkflowRequestCustomLabelsType0, data)

        custom_labels = _parse_custom_labels(d.pop("custom_labels", UNSET))

        def _parse_detected_labels(data: object) -> DetectedLabelsRequest | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                detected_labels_type_0 = DetectedLabelsRequest.from_dict(data)

                return detected_labels_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(DetectedLabelsRequest | None | Unset, data)

        detected_labels = _parse_detected_labels(d.pop("detected_labels", UNSET))

        def _parse_status_reason(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        status_reason = _parse_status_reason(d.pop("status_reason", UNSET))

        def _parse_previous_version(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        previous_version = _parse_previous_version(d.pop("previous_version", UNSET))

        def _parse_deprecation_notice(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        deprecation_notice = _parse_deprecation_notice(d.pop("deprecation_notice", UNSET))

        def _parse_version_notes(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        version_notes = _parse_version_notes(d.pop("version_notes", UNSET))

        def _parse_change_summary(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        change_summary = _parse_change_summary(d.pop("change_summary", UNSET))

        def _parse_approved_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        approved_by = _parse_approved_by(d.pop("approved_by", UNSET))

        def _parse_approved_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                approved_at_type_0 = datetime.datetime.fromisoformat(data)

                return approved_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        approved_at = _parse_approved_at(d.pop("approved_at", UNSET))

        def _parse_expected_success_rate(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        expected_success_rate = _parse_expected_success_rate(d.pop("expected_success_rate", UNSET))

        def _parse_expected_duration_seconds(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        expected_duration_seconds = _parse_expected_duration_seconds(d.pop("expected_duration_seconds", UNSET))

        def _parse_actual_success_rate(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        actual_success_rate = _parse_actual_success_rate(d.pop("actual_success_rate", UNSET))

        def _parse_total_executions(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        total_executions = _parse_total_executions(d.pop("total_executions", UNSET))

        def _parse_successful_executions(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        successful_executions = _parse_successful_executions(d.pop("successful_executions", UNSET))

        def _parse_created_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        created_by = _parse_created_by(d.pop("created_by", UNSET))

        workflow_request = cls(
            workflow_name=workflow_name,
            version=version,
            name=name,
            description=description,
            content=content,
            labels=labels,
            execution_engine=execution_engine,
            content_hash=content_hash,
            status=status,
            owner=owner,
            maintainer=maintainer,
            parameters=parameters,
            container_image=container_image,
            container_digest=container_digest,
            custom_labels=custom_labels,
            detected_labels=detected_labels,
            status_reason=status_reason,
            previous_version=previous_version,
            deprecation_notice=deprecation_notice,
            version_notes=version_notes,
            change_summary=change_summary,
            approved_by=approved_by,
            approved_at=approved_at,
            expected_success_rate=expected_success_rate,
            expected_duration_seconds=expected_duration_seconds,
            actual_success_rate=actual_success_rate,
            total_executions=total_executions,
            successful_executions=successful_executions,
            created_by=created_by,
        )

        workflow_request.additional_properties = d
        return workflow_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowRequestCustomLabelsType0:
    """They raise the score of a search that asks for the same."""

    additional_properties: dict[str, list[str]] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        for prop_name, prop in self.additional_properties.items():
            field_dict[prop_name] = prop

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_request_custom_labels_type_0 = cls()

        additional_properties = {}
        for prop_name, prop_dict in d.items():
            additional_property = cast(list[str], prop_dict)

            additional_properties[prop_name] = additional_property

        workflow_request_custom_labels_type_0.additional_properties = additional_properties
        return workflow_request_custom_labels_type_0

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> list[str]:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: list[str]) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowRequestParametersType0:
    """Any object of at most 32 levels, numbers as in event_data; writing them out may add at most 256 KiB."""

    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_request_parameters_type_0 = cls()

        workflow_request_parameters_type_0.additional_properties = d
        return workflow_request_parameters_type_0

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowSearchFilters:
    """
    Attributes:
        signal_type (str): Concrete; `*` matches only a stored `*`.
        severity (WorkflowSeverity):
        component (str): Concrete; `*` matches only a stored `*`.
        environment (str): Concrete; `*` matches only a stored `*`.
        priority (WorkflowPriority):
        custom_labels (None | Unset | WorkflowSearchFiltersCustomLabelsType0): At most 100 values in all.
        detected_labels (DetectedLabelsRequest | None | Unset):
        status (list[WorkflowStatus] | None | Unset | WorkflowStatus): One status or a list. Default: active.
    """

    signal_type: str
    severity: WorkflowSeverity
    component: str
    environment: str
    priority: WorkflowPriority
    custom_labels: None | Unset | WorkflowSearchFiltersCustomLabelsType0 = UNSET
    detected_labels: DetectedLabelsRequest | None | Unset = UNSET
    status: list[WorkflowStatus] | None | Unset | WorkflowStatus = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        signal_type = self.signal_type

        severity = self.severity.value

        component = self.component

        environment = self.environment

        priority = self.priority.value

        custom_labels: dict[str, Any] | None | Unset
        if isinstance(self.custom_labels, Unset):
            custom_labels = UNSET
        elif isinstance(self.custom_labels, WorkflowSearchFiltersCustomLabelsType0):
            custom_labels = self.custom_labels.to_dict()
        else:
            custom_labels = self.custom_labels

        detected_labels: dict[str, Any] | None | Unset
        if isinstance(self.detected_labels, Unset):
            detected_labels = UNSET
        elif isinstance(self.detected_labels, DetectedLabelsRequest):
            detected_labels = self.detected_labels.to_dict()
        else:
            detected_labels = self.detected_labels

        status: list[str] | None | str | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        elif isinstance(self.status, WorkflowStatus):
            status = self.status.value
        elif isinstance(self.status, list):
            status = []
            for status_type_1_item_data in self.status:
                status_type_1_item = status_type_1_item_data.value
                status.append(status_type_1_item)

        else:
            status = self.status

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "signal_type": signal_type,
                "severity": severity,
                "component": component,
                "environment": environment,
                "priority": priority,
            }
        )
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if detected_labels is not UNSET:
            field_dict["detected_labels"] = detected_labels
        if status is not UNSET:
            field_dict["status"] = status

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        signal_type = d.pop("signal_type")

        severity = WorkflowSeverity(d.pop("severity"))

        component = d.pop("component")

        environment = d.pop("environment")

        priority = WorkflowPriority(d.pop("priority"))

        def _parse_custom_labels(data: object) -> None | Unset | WorkflowSearchFiltersCustomLabelsType0:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                custom_labels_type_0 = WorkflowSearchFiltersCustomLabelsType0.from_dict(data)

                return custom_labels_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | WorkflowSearchFiltersCustomLabelsType0, data)

        custom_labels = _parse_custom_labels(d.pop("custom_labels", UNSET))

        def _parse_detected_labels(data: object) -> DetectedLabelsRequest | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                detected_labels_type_0 = DetectedLabelsRequest.from_dict(data)

                return detected_labels_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(DetectedLabelsRequest | None | Unset, data)

        detected_labels = _parse_detected_labels(d.pop("detected_labels", UNSET))

        def _parse_status(data: object) -> list[WorkflowStatus] | None | Unset | WorkflowStatus:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_type_0 = WorkflowStatus(data)

                return status_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, list):
                    raise TypeError()
                status_type_1 = []
                _status_type_1 = data
                for status_type_1_item_data in _status_type_1:
                    status_type_1_item = WorkflowStatus(status_type_1_item_data)

                    status_type_1.append(status_type_1_item)

                return status_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[WorkflowStatus] | None | Unset | WorkflowStatus, data)

        status = _parse_status(d.pop("status", UNSET))

        workflow_search_filters = cls(
            signal_type=signal_type,
            severity=severity,
            component=component,
            environment=environment,
            priority=priority,
            custom_labels=custom_labels,
            detected_labels=detected_labels,
            status=status,
        )

        workflow_search_filters.additional_properties = d
        return workflow_search_filters

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowSearchFiltersCustomLabelsType0:
    """At most 100 values in all."""

    additional_properties: dict[str, list[str]] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        for prop_name, prop in self.additional_properties.items():
            field_dict[prop_name] = prop

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_search_filters_custom_labels_type_0 = cls()

        additional_properties = {}
        for prop_name, prop_dict in d.items():
            additional_property = cast(list[str], prop_dict)

            additional_properties[prop_name] = additional_property

        workflow_search_filters_custom_labels_type_0.additional_properties = additional_properties
        return workflow_search_filters_custom_labels_type_0

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> list[str]:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: list[str]) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowSearchRequest:
    """
    Attributes:
        filters (WorkflowSearchFilters):
        remediation_id (None | str | Unset): Becomes the correlation_id of the search's audit event.
        top_k (int | None | Unset): Results at most. Default: 10.
        min_score (float | None | Unset): Results with at least this final_score. Default: 0.
        include_disabled (bool | None | Unset): Workflows of any status; wins over filters.status.
    """

    filters: WorkflowSearchFilters
    remediation_id: None | str | Unset = UNSET
    top_k: int | None | Unset = UNSET
    min_score: float | None | Unset = UNSET
    include_disabled: bool | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        filters = self.filters.to_dict()

        remediation_id: None | str | Unset
        if isinstance(self.remediation_id, Unset):
            remediation_id = UNSET
        else:
            remediation_id = self.remediation_id

        top_k: int | None | Unset
        if isinstance(self.top_k, Unset):
            top_k = UNSET
        else:
            top_k = self.top_k

        min_score: float | None | Unset
        if isinstance(self.min_score, Unset):
            min_score = UNSET
        else:
            min_score = self.min_score

        include_disabled: bool | None | Unset
        if isinstance(self.include_disabled, Unset):
            include_disabled = UNSET
        else:
            include_disabled = self.include_disabled

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "filters": filters,
            }
        )
        if remediation_id is not UNSET:
            field_dict["remediation_id"] = remediation_id
        if top_k is not UNSET:
            field_dict["top_k"] = top_k
        if min_score is not UNSET:
            field_dict["min_score"] = min_score
        if include_disabled is not UNSET:
            field_dict["include_disabled"] = include_disabled

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        filters = WorkflowSearchFilters.from_dict(d.pop("filters"))

        def _parse_remediation_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        remediation_id = _parse_remediation_id(d.pop("remediation_id", UNSET))

        def _parse_top_k(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        top_k = _parse_top_k(d.pop("top_k", UNSET))

        def _parse_min_score(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        min_score = _parse_min_score(d.pop("min_score", UNSET))

        def _parse_include_disabled(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        include_disabled = _parse_include_disabled(d.pop("include_disabled", UNSET))

        workflow_search_request = cls(
            filters=filters,
            remediation_id=remediation_id,
            top_k=top_k,
            min_score=min_score,
            include_disabled=include_disabled,
        )

        workflow_search_request.additional_properties = d
        return workflow_search_request

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowSearchResponse:
    """
    Attributes:
        workflows (list[WorkflowSearchResult]):
        total_results (int): How many results are in this answer.
        has_more (bool): Whether results are left out because the answer would become larger than
            `server.max_response_bytes`; the best are there.
        filters (WorkflowSearchResponseFilters): As they were asked.
        ignored (list[str] | Unset): Members of the request that are not named in this document, dotted inside of
            objects. They were ignored. There only in the answer to that request. A longer name is cut after 64 characters.
        ignored_more (int | Unset): Ignored members that are not named.
    """

    workflows: list[WorkflowSearchResult]
    total_results: int
    has_more: bool
    filters: WorkflowSearchResponseFilters
    ignored: list[str] | Unset = UNSET
    ignored_more: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflows = []
        for workflows_item_data in self.workflows:
            workflows_item = workflows_item_data.to_dict()
            workflows.append(workflows_item)

        total_results = self.total_results

        has_more = self.has_more

        filters = self.filters.to_dict()

        ignored: list[str] | Unset = UNSET
        if not isinstance(self.ignored, Unset):
            ignored = self.ignored

        ignored_more = self.ignored_more

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflows": workflows,
                "total_results": total_results,
                "has_more": has_more,
                "filters": filters,
            }
        )
        if ignored is not UNSET:
            field_dict["ignored"] = ignored
        if ignored_more is not UNSET:
            field_dict["ignored_more"] = ignored_more

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflows = []
        _workflows = d.pop("workflows")
        for workflows_item_data in _workflows:
            workflows_item = WorkflowSearchResult.from_dict(workflows_item_data)

            workflows.append(workflows_item)

        total_results = d.pop("total_results")

        has_more = d.pop("has_more")

        filters = WorkflowSearchResponseFilters.from_dict(d.pop("filters"))

        ignored = cast(list[str], d.pop("ignored", UNSET))

        ignored_more = d.pop("ignored_more", UNSET)

        workflow_search_response = cls(
            workflows=workflows,
            total_results=total_results,
            has_more=has_more,
            filters=filters,
            ignored=ignored,
            ignored_more=ignored_more,
        )

        workflow_search_response.additional_properties = d
        return workflow_search_response

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowSearchResponseFilters:
    """As they were asked."""

    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_search_response_filters = cls()

        workflow_search_response_filters.additional_properties = d
        return workflow_search_response_filters

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowSearchResult:
    """
    Attributes:
        workflow_id (UUID):
        title (str): The workflow's name.
        description (str):
        signal_type (list[str] | str): As stored.
        confidence (float): The same as final_score.
        label_boost (float):
        label_penalty (float):
        final_score (float): Rounded to 4 decimals.
        rank (int):
        detected_labels (DetectedLabels):
        container_image (str | Unset):
        container_digest (str | Unset):
        custom_labels (CustomLabels | Unset):
        score_breakdown (list[ScoreTerm] | Unset): With `explain=true`. The points sum up to ten times the score, until
            that reaches 1.
    """

    workflow_id: UUID
    title: str
    description: str
    signal_type: list[str] | str
    confidence: float
    label_boost: float
    label_penalty: float
    final_score: float
    rank: int
    detected_labels: DetectedLabels
    container_image: str | Unset = UNSET
    container_digest: str | Unset = UNSET
    custom_labels: CustomLabels | Unset = UNSET
    score_breakdown: list[ScoreTerm] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_id = str(self.workflow_id)

        title = self.title

        description = self.description

        signal_type: list[str] | str
        if isinstance(self.signal_type, list):
            signal_type = self.signal_type

        else:
            signal_type = self.signal_type

        confidence = self.confidence

        label_boost = self.label_boost

        label_penalty = self.label_penalty

        final_score = self.final_score

        rank = self.rank

        detected_labels = self.detected_labels.to_dict()

        container_image = self.container_image

        container_digest = self.container_digest

        custom_labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.custom_labels, Unset):
            custom_labels = self.custom_labels.to_dict()

        score_breakdown: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.score_breakdown, Unset):
            score_breakdown = []
            for score_breakdown_item_data in self.score_breakdown:
                score_breakdown_item = score_breakdown_item_data.to_dict()
                score_breakdown.append(score_breakdown_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_id": workflow_id,
                "title": title,
                "description": description,
                "signal_type": signal_type,
                "confidence": confidence,
                "label_boost": label_boost,
                "label_penalty": label_penalty,
                "final_score": final_score,
                "rank": rank,
                "detected_labels": detected_labels,
            }
        )
        if container_image is not UNSET:
            field_dict["container_image"] = container_image
        if container_digest is not UNSET:
            field_dict["container_digest"] = container_digest
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if score_breakdown is not UNSET:
            field_dict["score_breakdown"] = score_breakdown

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_id = UUID(d.pop("workflow_id"))

        title = d.pop("title")

        description = d.pop("description")

        def _parse_signal_type(data: object) -> list[str] | str:
            try:
                if not isinstance(data, list):
                    raise TypeError()
                signal_type_type_1 = cast(list[str], data)

                return signal_type_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | str, data)

        signal_type = _parse_signal_type(d.pop("signal_type"))

        confidence = d.pop("confidence")

        label_boost = d.pop("label_boost")

        label_penalty = d.pop("label_penalty")

        final_score = d.pop("final_score")

        rank = d.pop("rank")

        detected_labels = DetectedLabels.from_dict(d.pop("detected_labels"))

        container_image = d.pop("container_image", UNSET)

        container_digest = d.pop("container_digest", UNSET)

        _custom_labels = d.pop("custom_labels", UNSET)
        custom_labels: CustomLabels | Unset
        if isinstance(_custom_labels, Unset):
            custom_labels = UNSET
        else:
            custom_labels = CustomLabels.from_dict(_custom_labels)

        _score_breakdown = d.pop("score_breakdown", UNSET)
        score_breakdown: list[ScoreTerm] | Unset = UNSET
        if _score_breakdown is not UNSET:
            score_breakdown = []
            for score_breakdown_item_data in _score_breakdown:
                score_breakdown_item = ScoreTerm.from_dict(score_breakdown_item_data)

                score_breakdown.append(score_breakdown_item)

        workflow_search_result = cls(
            workflow_id=workflow_id,
            title=title,
            description=description,
            signal_type=signal_type,
            confidence=confidence,
            label_boost=label_boost,
            label_penalty=label_penalty,
            final_score=final_score,
            rank=rank,
            detected_labels=detected_labels,
            container_image=container_image,
            container_digest=container_digest,
            custom_labels=custom_labels,
            score_breakdown=score_breakdown,
        )

        workflow_search_result.additional_properties = d
        return workflow_search_result

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


@_attrs_define
class WorkflowVersions:
    """
    Attributes:
        workflow_name (str):
        versions (list[ListedWorkflow]):
        total (int): Rows of all pages.
        has_more (bool):
        next_cursor (None | str): The `cursor` of the next page; null on the last.
    """

    workflow_name: str
    versions: list[ListedWorkflow]
    total: int
    has_more: bool
    next_cursor: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_name = self.workflow_name

        versions = []
        for versions_item_data in self.versions:
            versions_item = versions_item_data.to_dict()
            versions.append(versions_item)

        total = self.total

        has_more = self.has_more

        next_cursor: None | str
        next_cursor = self.next_cursor

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_name": workflow_name,
                "versions": versions,
                "total": total,
                "has_more": has_more,
                "next_cursor": next_cursor,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any]) -> Self:
        d = dict(src_dict)
        workflow_name = d.pop("workflow_name")

        versions = []
        _versions = d.pop("versions")
        for versions_item_data in _versions:
            versions_item = ListedWorkflow.from_dict(versions_item_data)

            versions.append(versions_item)

        total = d.pop("total")

        has_more = d.pop("has_more")

        def _parse_next_cursor(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        next_cursor = _parse_next_cursor(d.pop("next_cursor"))

        workflow_versions = cls(
            workflow_name=workflow_name,
            versions=versions,
            total=total,
            has_more=has_more,
            next_cursor=next_cursor,
        )

        workflow_versions.additional_properties = d
        return workflow_versions

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties


__all__ = [
    "AuditBatchAccepted",
    "AuditBatchCreated",
    "AuditEvent",
    "AuditEventAccepted",
    "AuditEventCreated",
    "AuditEventEventData",
    "AuditEventPage",
    "AuditEventRequest",
    "AuditEventRequestEventData",
    "AuditFeed",
    "CustomLabels",
    "DeadLetter",
    "DeadLetterAccepted",
    "DeadLetterDeleted",
    "DeadLetterPage",
    "DeadLetterPagination",
    "DetectedLabelName",
    "DetectedLabels",
    "DetectedLabelsRequest",
    "DlqStatus",
    "DlqStatusReplayPausedType0",
    "DlqStatusStreams",
    "DlqStream",
    "DlqStreamName",
    "EventOutcome",
    "ExportAuditRecordsFormat",
    "FeedAct",
    "FeedActDetails",
    "FeedEvent",
    "FeedEventEventData",
    "FeedNotification",
    "FeedRemovedEvent",
    "FeedRemovedNotification",
    "GetDocsAssetName",
    "GetOpenapiJsonResponse200",
    "GitOpsTool",
    "Health",
    "HealthCredentials",
    "HealthDatabase",
    "HealthIssuers",
    "HealthReasonsItem",
    "HealthRedis",
    "HealthStatus",
    "Hold",
    "HoldFilter",
    "HoldFilterData",
    "HoldFilterKindsItem",
    "HoldOfEvent",
    "HoldPage",
    "HoldRelease",
    "HoldRequest",
    "HoldState",
    "IgnoredMembersOfBatch",
    "ListAuditEventsCount",
    "ListNotificationsCount",
    "ListedWorkflow",
    "ListedWorkflowParameters",
    "Liveness",
    "LivenessStatus",
    "LogConsistency",
    "LogEntry",
    "LogHealth",
    "LogHealthSigning",
    "LogHealthState",
    "LogProof",
    "Notification",
    "NotificationAccepted",
    "NotificationChannel",
    "NotificationPage",
    "NotificationRequest",
    "NotificationStatus",
    "Pagination",
    "Problem",
    "ProblemFieldErrors",
    "ProblemSlug",
    "Readiness",
    "ReadinessReason",
    "ReadinessStatus",
    "RedisDurabilityType0",
    "ScoreTerm",
    "ServiceMesh",
    "StatusChange",
    "StoredPriority",
    "StoredSeverity",
    "UNSET",
    "Unset",
    "Workflow",
    "WorkflowBatchCreated",
    "WorkflowInclude",
    "WorkflowLabels",
    "WorkflowPage",
    "WorkflowParameters",
    "WorkflowPatch",
    "WorkflowPriority",
    "WorkflowRequest",
    "WorkflowRequestCustomLabelsType0",
    "WorkflowRequestParametersType0",
    "WorkflowSearchFilters",
    "WorkflowSearchFiltersCustomLabelsType0",
    "WorkflowSearchRequest",
    "WorkflowSearchResponse",
    "WorkflowSearchResponseFilters",
    "WorkflowSearchResult",
    "WorkflowSeverity",
    "WorkflowStatus",
    "WorkflowVersions",
]
