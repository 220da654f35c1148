from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="ScoreTerm")


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
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
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
