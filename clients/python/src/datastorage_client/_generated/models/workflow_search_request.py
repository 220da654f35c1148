from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.workflow_search_filters import WorkflowSearchFilters


T = TypeVar("T", bound="WorkflowSearchRequest")


@_attrs_define
class WorkflowSearchRequest:
    """
    Attributes:
        filters (WorkflowSearchFilters):
        remediation_id (None | str | Unset): Becomes the correlation_id of the search's audit event.
        top_k (int | None | Unset): Results at most. Default: 10.
        min_score (float | None | Unset): Results with at least this final_score. Default: 0.
        include_disabled (bool | None | Unset): Workflows of any status; wins over filters.status.
    """

    filters: WorkflowSearchFilters
    remediation_id: None | str | Unset = UNSET
    top_k: int | None | Unset = UNSET
    min_score: float | None | Unset = UNSET
    include_disabled: bool | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        filters = self.filters.to_dict()

        remediation_id: None | str | Unset
        if isinstance(self.remediation_id, Unset):
            remediation_id = UNSET
        else:
            remediation_id = self.remediation_id

        top_k: int | None | Unset
        if isinstance(self.top_k, Unset):
            top_k = UNSET
        else:
            top_k = self.top_k

        min_score: float | None | Unset
        if isinstance(self.min_score, Unset):
            min_score = UNSET
        else:
            min_score = self.min_score

        include_disabled: bool | None | Unset
        if isinstance(self.include_disabled, Unset):
            include_disabled = UNSET
        else:
            include_disabled = self.include_disabled

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "filters": filters,
            }
        )
        if remediation_id is not UNSET:
            field_dict["remediation_id"] = remediation_id
        if top_k is not UNSET:
            field_dict["top_k"] = top_k
        if min_score is not UNSET:
            field_dict["min_score"] = min_score
        if include_disabled is not UNSET:
            field_dict["include_disabled"] = include_disabled

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.workflow_search_filters import WorkflowSearchFilters  # noqa: PLC0415

        d = dict(src_dict)
        filters = WorkflowSearchFilters.from_dict(d.pop("filters"))

        def _parse_remediation_id(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        remediation_id = _parse_remediation_id(d.pop("remediation_id", UNSET))

        def _parse_top_k(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        top_k = _parse_top_k(d.pop("top_k", UNSET))

        def _parse_min_score(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        min_score = _parse_min_score(d.pop("min_score", UNSET))

        def _parse_include_disabled(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        include_disabled = _parse_include_disabled(d.pop("include_disabled", UNSET))

        workflow_search_request = cls(
            filters=filters,
            remediation_id=remediation_id,
            top_k=top_k,
            min_score=min_score,
            include_disabled=include_disabled,
        )

        workflow_search_request.additional_properties = d
        return workflow_search_request

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
