from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.stored_priority import StoredPriority
from ..models.stored_severity import StoredSeverity

T = TypeVar("T", bound="WorkflowLabels")


@_attrs_define
class WorkflowLabels:
    """
    Attributes:
        signal_type (list[str] | str): A value, `*` for any, or a list of such.
        severity (list[StoredSeverity] | StoredSeverity): A value, `*` for any, or a list of such.
        component (list[str] | str): A value, `*` for any, or a list of such.
        environment (list[str] | str): A value, `*` for any, or a list of such.
        priority (list[StoredPriority] | StoredPriority): A value, `*` for any, or a list of such.
    """

    signal_type: list[str] | str
    severity: list[StoredSeverity] | StoredSeverity
    component: list[str] | str
    environment: list[str] | str
    priority: list[StoredPriority] | StoredPriority
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        signal_type: list[str] | str
        if isinstance(self.signal_type, list):
            signal_type = self.signal_type

        else:
            signal_type = self.signal_type

        severity: list[str] | str
        if isinstance(self.severity, StoredSeverity):
            severity = self.severity.value
        else:
            severity = []
            for severity_type_1_item_data in self.severity:
                severity_type_1_item = severity_type_1_item_data.value
                severity.append(severity_type_1_item)

        component: list[str] | str
        if isinstance(self.component, list):
            component = self.component

        else:
            component = self.component

        environment: list[str] | str
        if isinstance(self.environment, list):
            environment = self.environment

        else:
            environment = self.environment

        priority: list[str] | str
        if isinstance(self.priority, StoredPriority):
            priority = self.priority.value
        else:
            priority = []
            for priority_type_1_item_data in self.priority:
                priority_type_1_item = priority_type_1_item_data.value
                priority.append(priority_type_1_item)

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

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)

        def _parse_signal_type(data: object) -> list[str] | str:
            try:
                if not isinstance(data, list):
                    raise TypeError()
                signal_type_type_1 = cast(list[str], data)

                return signal_type_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | str, data)

        signal_type = _parse_signal_type(d.pop("signal_type"))

        def _parse_severity(data: object) -> list[StoredSeverity] | StoredSeverity:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                severity_type_0 = StoredSeverity(data)

                return severity_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, list):
                raise TypeError()
            severity_type_1 = []
            _severity_type_1 = data
            for severity_type_1_item_data in _severity_type_1:
                severity_type_1_item = StoredSeverity(severity_type_1_item_data)

                severity_type_1.append(severity_type_1_item)

            return severity_type_1

        severity = _parse_severity(d.pop("severity"))

        def _parse_component(data: object) -> list[str] | str:
            try:
                if not isinstance(data, list):
                    raise TypeError()
                component_type_1 = cast(list[str], data)

                return component_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | str, data)

        component = _parse_component(d.pop("component"))

        def _parse_environment(data: object) -> list[str] | str:
            try:
                if not isinstance(data, list):
                    raise TypeError()
                environment_type_1 = cast(list[str], data)

                return environment_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | str, data)

        environment = _parse_environment(d.pop("environment"))

        def _parse_priority(data: object) -> list[StoredPriority] | StoredPriority:
            try:
                if not isinstance(data, str):
                    raise TypeError()
                priority_type_0 = StoredPriority(data)

                return priority_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            if not isinstance(data, list):
                raise TypeError()
            priority_type_1 = []
            _priority_type_1 = data
            for priority_type_1_item_data in _priority_type_1:
                priority_type_1_item = StoredPriority(priority_type_1_item_data)

                priority_type_1.append(priority_type_1_item)

            return priority_type_1

        priority = _parse_priority(d.pop("priority"))

        workflow_labels = cls(
            signal_type=signal_type,
            severity=severity,
            component=component,
            environment=environment,
            priority=priority,
        )

        workflow_labels.additional_properties = d
        return workflow_labels

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
