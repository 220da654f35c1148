from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.notification_channel import NotificationChannel
from ..models.notification_status import NotificationStatus
from ..types import UNSET, Unset

T = TypeVar("T", bound="NotificationRequest")


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
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
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
