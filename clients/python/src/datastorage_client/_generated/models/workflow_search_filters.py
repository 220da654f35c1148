from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_priority import WorkflowPriority
from ..models.workflow_severity import WorkflowSeverity
from ..models.workflow_status import WorkflowStatus
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.detected_labels_request import DetectedLabelsRequest
    from ..models.workflow_search_filters_custom_labels_type_0 import WorkflowSearchFiltersCustomLabelsType0


T = TypeVar("T", bound="WorkflowSearchFilters")


@_attrs_define
class WorkflowSearchFilters:
    """
    Attributes:
        signal_type (str): Concrete; `*` matches only a stored `*`.
        severity (WorkflowSeverity):
        component (str): Concrete; `*` matches only a stored `*`.
        environment (str): Concrete; `*` matches only a stored `*`.
        priority (WorkflowPriority):
        custom_labels (None | Unset | WorkflowSearchFiltersCustomLabelsType0): At most 100 values in all.
        detected_labels (DetectedLabelsRequest | None | Unset):
        status (list[WorkflowStatus] | None | Unset | WorkflowStatus): One status or a list. Default: active.
    """

    signal_type: str
    severity: WorkflowSeverity
    component: str
    environment: str
    priority: WorkflowPriority
    custom_labels: None | Unset | WorkflowSearchFiltersCustomLabelsType0 = UNSET
    detected_labels: DetectedLabelsRequest | None | Unset = UNSET
    status: list[WorkflowStatus] | None | Unset | WorkflowStatus = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.detected_labels_request import DetectedLabelsRequest  # noqa: PLC0415
        from ..models.workflow_search_filters_custom_labels_type_0 import WorkflowSearchFiltersCustomLabelsType0  # noqa: PLC0415

        signal_type = self.signal_type

        severity = self.severity.value

        component = self.component

        environment = self.environment

        priority = self.priority.value

        custom_labels: dict[str, Any] | None | Unset
        if isinstance(self.custom_labels, Unset):
            custom_labels = UNSET
        elif isinstance(self.custom_labels, WorkflowSearchFiltersCustomLabelsType0):
            custom_labels = self.custom_labels.to_dict()
        else:
            custom_labels = self.custom_labels

        detected_labels: dict[str, Any] | None | Unset
        if isinstance(self.detected_labels, Unset):
            detected_labels = UNSET
        elif isinstance(self.detected_labels, DetectedLabelsRequest):
            detected_labels = self.detected_labels.to_dict()
        else:
            detected_labels = self.detected_labels

        status: list[str] | None | str | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        elif isinstance(self.status, WorkflowStatus):
            status = self.status.value
        elif isinstance(self.status, list):
            status = []
            for status_type_1_item_data in self.status:
                status_type_1_item = status_type_1_item_data.value
                status.append(status_type_1_item)

        else:
            status = self.status

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "signal_type": signal_type,
                "severity": severity,
                "component": component,
                "environment": environment,
                "priority": priority,
            }
        )
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if detected_labels is not UNSET:
            field_dict["detected_labels"] = detected_labels
        if status is not UNSET:
            field_dict["status"] = status

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.detected_labels_request import DetectedLabelsRequest  # noqa: PLC0415
        from ..models.workflow_search_filters_custom_labels_type_0 import WorkflowSearchFiltersCustomLabelsType0  # noqa: PLC0415

        d = dict(src_dict)
        signal_type = d.pop("signal_type")

        severity = WorkflowSeverity(d.pop("severity"))

        component = d.pop("component")

        environment = d.pop("environment")

        priority = WorkflowPriority(d.pop("priority"))

        def _parse_custom_labels(data: object) -> None | Unset | WorkflowSearchFiltersCustomLabelsType0:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                custom_labels_type_0 = WorkflowSearchFiltersCustomLabelsType0.from_dict(data)

                return custom_labels_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | WorkflowSearchFiltersCustomLabelsType0, data)

        custom_labels = _parse_custom_labels(d.pop("custom_labels", UNSET))

        def _parse_detected_labels(data: object) -> DetectedLabelsRequest | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                detected_labels_type_0 = DetectedLabelsRequest.from_dict(data)

                return detected_labels_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(DetectedLabelsRequest | None | Unset, data)

        detected_labels = _parse_detected_labels(d.pop("detected_labels", UNSET))

        def _parse_status(data: object) -> list[WorkflowStatus] | None | Unset | WorkflowStatus:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                status_type_0 = WorkflowStatus(data)

                return status_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, list):
                    raise TypeError()
                status_type_1 = []
                _status_type_1 = data
                for status_type_1_item_data in _status_type_1:
                    status_type_1_item = WorkflowStatus(status_type_1_item_data)

                    status_type_1.append(status_type_1_item)

                return status_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[WorkflowStatus] | None | Unset | WorkflowStatus, data)

        status = _parse_status(d.pop("status", UNSET))

        workflow_search_filters = cls(
            signal_type=signal_type,
            severity=severity,
            component=component,
            environment=environment,
            priority=priority,
            custom_labels=custom_labels,
            detected_labels=detected_labels,
            status=status,
        )

        workflow_search_filters.additional_properties = d
        return workflow_search_filters

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
