from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="AuditEventAccepted")


@_attrs_define
class AuditEventAccepted:
    """
    Attributes:
        status (Literal['accepted']):
        message (str):
        event_id (UUID):
        event_timestamp (datetime.datetime):
    """

    status: Literal["accepted"]
    message: str
    event_id: UUID
    event_timestamp: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status

        message = self.message

        event_id = str(self.event_id)

        event_timestamp = self.event_timestamp.isoformat()

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

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        status = cast(Literal["accepted"], d.pop("status"))
        if status != "accepted":
            raise ValueError(f"status must match const 'accepted', got '{status}'")

        message = d.pop("message")

        event_id = UUID(d.pop("event_id"))

        event_timestamp = datetime.datetime.fromisoformat(d.pop("event_timestamp"))

        audit_event_accepted = cls(
            status=status,
            message=message,
            event_id=event_id,
            event_timestamp=event_timestamp,
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
