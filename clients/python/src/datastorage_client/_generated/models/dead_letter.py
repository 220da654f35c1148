from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.dlq_stream_name import DlqStreamName
from ..types import UNSET, Unset

T = TypeVar("T", bound="DeadLetter")


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
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
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
