from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.event_category import EventCategory
from ..models.event_outcome import EventOutcome
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.audit_event_request_event_data import AuditEventRequestEventData


T = TypeVar("T", bound="AuditEventRequest")


@_attrs_define
class AuditEventRequest:
    """
    Attributes:
        version (str): Version of the event's form.
        event_type (str):
        event_timestamp (datetime.datetime): When it happened: from 7 days ago (audit.max_event_age) to 5 minutes ahead
            (audit.clock_skew). Finer parts than microseconds are cut off.
        event_category (EventCategory):
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
        parent_event_id (None | Unset | UUID): The event that this one follows from; it must be stored, or come earlier
            in the same batch.
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
    event_category: EventCategory
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

        event_category = self.event_category.value

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
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.audit_event_request_event_data import AuditEventRequestEventData  # noqa: PLC0415

        d = dict(src_dict)
        version = d.pop("version")

        event_type = d.pop("event_type")

        event_timestamp = datetime.datetime.fromisoformat(d.pop("event_timestamp"))

        event_category = EventCategory(d.pop("event_category"))

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
