from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.listed_workflow import ListedWorkflow


T = TypeVar("T", bound="WorkflowVersions")


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
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.listed_workflow import ListedWorkflow  # noqa: PLC0415

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
