from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.event_outcome import EventOutcome

if TYPE_CHECKING:
    from ..models.audit_event_event_data import AuditEventEventData


T = TypeVar("T", bound="AuditEvent")


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
        parent_event_date (datetime.date | None): The event_date of the parent.
        recorded_at (datetime.datetime): When it was stored.
        recorded_by (None | str): Who was authenticated when it was sent.
        digest (str): SHA-256 of the canonical form; equal digests mean equal content.
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

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.audit_event_event_data import AuditEventEventData  # noqa: PLC0415

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
