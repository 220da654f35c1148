from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.dlq_stream import DlqStream


T = TypeVar("T", bound="DlqStatusStreams")


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
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.dlq_stream import DlqStream  # noqa: PLC0415

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
