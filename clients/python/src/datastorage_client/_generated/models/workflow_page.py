from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.listed_workflow import ListedWorkflow


T = TypeVar("T", bound="WorkflowPage")


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
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.listed_workflow import ListedWorkflow  # noqa: PLC0415

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
