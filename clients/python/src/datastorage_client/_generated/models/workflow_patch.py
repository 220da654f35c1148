from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_status import WorkflowStatus
from ..types import UNSET, Unset

T = TypeVar("T", bound="WorkflowPatch")


@_attrs_define
class WorkflowPatch:
    """
    Attributes:
        status (WorkflowStatus | Unset):
        disabled_by (None | str | Unset):
        disabled_reason (None | str | Unset): Kept while the workflow is disabled.
        expected_success_rate (float | None | Unset): At most 20 decimals.
        expected_duration_seconds (int | None | Unset):
        actual_success_rate (float | None | Unset): At most 20 decimals.
        total_executions (int | Unset):
        successful_executions (int | Unset):
        updated_by (None | str | Unset):
    """

    status: WorkflowStatus | Unset = UNSET
    disabled_by: None | str | Unset = UNSET
    disabled_reason: None | str | Unset = UNSET
    expected_success_rate: float | None | Unset = UNSET
    expected_duration_seconds: int | None | Unset = UNSET
    actual_success_rate: float | None | Unset = UNSET
    total_executions: int | Unset = UNSET
    successful_executions: int | Unset = UNSET
    updated_by: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status: str | Unset = UNSET
        if not isinstance(self.status, Unset):
            status = self.status.value

        disabled_by: None | str | Unset
        if isinstance(self.disabled_by, Unset):
            disabled_by = UNSET
        else:
            disabled_by = self.disabled_by

        disabled_reason: None | str | Unset
        if isinstance(self.disabled_reason, Unset):
            disabled_reason = UNSET
        else:
            disabled_reason = self.disabled_reason

        expected_success_rate: float | None | Unset
        if isinstance(self.expected_success_rate, Unset):
            expected_success_rate = UNSET
        else:
            expected_success_rate = self.expected_success_rate

        expected_duration_seconds: int | None | Unset
        if isinstance(self.expected_duration_seconds, Unset):
            expected_duration_seconds = UNSET
        else:
            expected_duration_seconds = self.expected_duration_seconds

        actual_success_rate: float | None | Unset
        if isinstance(self.actual_success_rate, Unset):
            actual_success_rate = UNSET
        else:
            actual_success_rate = self.actual_success_rate

        total_executions = self.total_executions

        successful_executions = self.successful_executions

        updated_by: None | str | Unset
        if isinstance(self.updated_by, Unset):
            updated_by = UNSET
        else:
            updated_by = self.updated_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if status is not UNSET:
            field_dict["status"] = status
        if disabled_by is not UNSET:
            field_dict["disabled_by"] = disabled_by
        if disabled_reason is not UNSET:
            field_dict["disabled_reason"] = disabled_reason
        if expected_success_rate is not UNSET:
            field_dict["expected_success_rate"] = expected_success_rate
        if expected_duration_seconds is not UNSET:
            field_dict["expected_duration_seconds"] = expected_duration_seconds
        if actual_success_rate is not UNSET:
            field_dict["actual_success_rate"] = actual_success_rate
        if total_executions is not UNSET:
            field_dict["total_executions"] = total_executions
        if successful_executions is not UNSET:
            field_dict["successful_executions"] = successful_executions
        if updated_by is not UNSET:
            field_dict["updated_by"] = updated_by

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        _status = d.pop("status", UNSET)
        status: WorkflowStatus | Unset
        if isinstance(_status, Unset):
            status = UNSET
        else:
            status = WorkflowStatus(_status)

        def _parse_disabled_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        disabled_by = _parse_disabled_by(d.pop("disabled_by", UNSET))

        def _parse_disabled_reason(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        disabled_reason = _parse_disabled_reason(d.pop("disabled_reason", UNSET))

        def _parse_expected_success_rate(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        expected_success_rate = _parse_expected_success_rate(d.pop("expected_success_rate", UNSET))

        def _parse_expected_duration_seconds(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        expected_duration_seconds = _parse_expected_duration_seconds(d.pop("expected_duration_seconds", UNSET))

        def _parse_actual_success_rate(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        actual_success_rate = _parse_actual_success_rate(d.pop("actual_success_rate", UNSET))

        total_executions = d.pop("total_executions", UNSET)

        successful_executions = d.pop("successful_executions", UNSET)

        def _parse_updated_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        updated_by = _parse_updated_by(d.pop("updated_by", UNSET))

        workflow_patch = cls(
            status=status,
            disabled_by=disabled_by,
            disabled_reason=disabled_reason,
            expected_success_rate=expected_success_rate,
            expected_duration_seconds=expected_duration_seconds,
            actual_success_rate=actual_success_rate,
            total_executions=total_executions,
            successful_executions=successful_executions,
            updated_by=updated_by,
        )

        workflow_patch.additional_properties = d
        return workflow_patch

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
