from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="DlqStream")


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
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
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
