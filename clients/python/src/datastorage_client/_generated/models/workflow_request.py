from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_status import WorkflowStatus
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.detected_labels_request import DetectedLabelsRequest
    from ..models.workflow_labels import WorkflowLabels
    from ..models.workflow_request_custom_labels_type_0 import WorkflowRequestCustomLabelsType0
    from ..models.workflow_request_parameters_type_0 import WorkflowRequestParametersType0


T = TypeVar("T", bound="WorkflowRequest")


@_attrs_define
class WorkflowRequest:
    """
    Attributes:
        workflow_name (str): Unique together with version.
        version (str): Any text.
        name (str): A title for people.
        description (str):
        content (str): The workflow itself.
        labels (WorkflowLabels):
        execution_engine (str):
        content_hash (None | str | Unset): SHA-256 of content; computed when absent and checked when given
            (workflows.verify_content_hash).
        status (None | Unset | WorkflowStatus): Default: `active`.
        owner (None | str | Unset):
        maintainer (None | str | Unset):
        parameters (None | Unset | WorkflowRequestParametersType0): Any object of at most 32 levels, numbers as in
            event_data; writing them out may add at most 256 KiB.
        container_image (None | str | Unset):
        container_digest (None | str | Unset):
        custom_labels (None | Unset | WorkflowRequestCustomLabelsType0): They raise the score of a search that asks for
            the same.
        detected_labels (DetectedLabelsRequest | None | Unset):
        status_reason (None | str | Unset):
        previous_version (None | str | Unset):
        deprecation_notice (None | str | Unset):
        version_notes (None | str | Unset):
        change_summary (None | str | Unset):
        approved_by (None | str | Unset):
        approved_at (datetime.datetime | None | Unset):
        expected_success_rate (float | None | Unset): At most 20 decimals.
        expected_duration_seconds (int | None | Unset):
        actual_success_rate (float | None | Unset): At most 20 decimals.
        total_executions (int | None | Unset):
        successful_executions (int | None | Unset):
        created_by (None | str | Unset):
    """

    workflow_name: str
    version: str
    name: str
    description: str
    content: str
    labels: WorkflowLabels
    execution_engine: str
    content_hash: None | str | Unset = UNSET
    status: None | Unset | WorkflowStatus = UNSET
    owner: None | str | Unset = UNSET
    maintainer: None | str | Unset = UNSET
    parameters: None | Unset | WorkflowRequestParametersType0 = UNSET
    container_image: None | str | Unset = UNSET
    container_digest: None | str | Unset = UNSET
    custom_labels: None | Unset | WorkflowRequestCustomLabelsType0 = UNSET
    detected_labels: DetectedLabelsRequest | None | Unset = UNSET
    status_reason: None | str | Unset = UNSET
    previous_version: None | str | Unset = UNSET
    deprecation_notice: None | str | Unset = UNSET
    version_notes: None | str | Unset = UNSET
    change_summary: None | str | Unset = UNSET
    approved_by: None | str | Unset = UNSET
    approved_at: datetime.datetime | None | Unset = UNSET
    expected_success_rate: float | None | Unset = UNSET
    expected_duration_seconds: int | None | Unset = UNSET
    actual_success_rate: float | None | Unset = UNSET
    total_executions: int | None | Unset = UNSET
    successful_executions: int | None | Unset = UNSET
    created_by: None | str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.detected_labels_request import DetectedLabelsRequest  # noqa: PLC0415
        from ..models.workflow_request_custom_labels_type_0 import WorkflowRequestCustomLabelsType0  # noqa: PLC0415
        from ..models.workflow_request_parameters_type_0 import WorkflowRequestParametersType0  # noqa: PLC0415

        workflow_name = self.workflow_name

        version = self.version

        name = self.name

        description = self.description

        content = self.content

        labels = self.labels.to_dict()

        execution_engine = self.execution_engine

        content_hash: None | str | Unset
        if isinstance(self.content_hash, Unset):
            content_hash = UNSET
        else:
            content_hash = self.content_hash

        status: None | str | Unset
        if isinstance(self.status, Unset):
            status = UNSET
        elif isinstance(self.status, WorkflowStatus):
            status = self.status.value
        else:
            status = self.status

        owner: None | str | Unset
        if isinstance(self.owner, Unset):
            owner = UNSET
        else:
            owner = self.owner

        maintainer: None | str | Unset
        if isinstance(self.maintainer, Unset):
            maintainer = UNSET
        else:
            maintainer = self.maintainer

        parameters: dict[str, Any] | None | Unset
        if isinstance(self.parameters, Unset):
            parameters = UNSET
        elif isinstance(self.parameters, WorkflowRequestParametersType0):
            parameters = self.parameters.to_dict()
        else:
            parameters = self.parameters

        container_image: None | str | Unset
        if isinstance(self.container_image, Unset):
            container_image = UNSET
        else:
            container_image = self.container_image

        container_digest: None | str | Unset
        if isinstance(self.container_digest, Unset):
            container_digest = UNSET
        else:
            container_digest = self.container_digest

        custom_labels: dict[str, Any] | None | Unset
        if isinstance(self.custom_labels, Unset):
            custom_labels = UNSET
        elif isinstance(self.custom_labels, WorkflowRequestCustomLabelsType0):
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

        status_reason: None | str | Unset
        if isinstance(self.status_reason, Unset):
            status_reason = UNSET
        else:
            status_reason = self.status_reason

        previous_version: None | str | Unset
        if isinstance(self.previous_version, Unset):
            previous_version = UNSET
        else:
            previous_version = self.previous_version

        deprecation_notice: None | str | Unset
        if isinstance(self.deprecation_notice, Unset):
            deprecation_notice = UNSET
        else:
            deprecation_notice = self.deprecation_notice

        version_notes: None | str | Unset
        if isinstance(self.version_notes, Unset):
            version_notes = UNSET
        else:
            version_notes = self.version_notes

        change_summary: None | str | Unset
        if isinstance(self.change_summary, Unset):
            change_summary = UNSET
        else:
            change_summary = self.change_summary

        approved_by: None | str | Unset
        if isinstance(self.approved_by, Unset):
            approved_by = UNSET
        else:
            approved_by = self.approved_by

        approved_at: None | str | Unset
        if isinstance(self.approved_at, Unset):
            approved_at = UNSET
        elif isinstance(self.approved_at, datetime.datetime):
            approved_at = self.approved_at.isoformat()
        else:
            approved_at = self.approved_at

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

        total_executions: int | None | Unset
        if isinstance(self.total_executions, Unset):
            total_executions = UNSET
        else:
            total_executions = self.total_executions

        successful_executions: int | None | Unset
        if isinstance(self.successful_executions, Unset):
            successful_executions = UNSET
        else:
            successful_executions = self.successful_executions

        created_by: None | str | Unset
        if isinstance(self.created_by, Unset):
            created_by = UNSET
        else:
            created_by = self.created_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_name": workflow_name,
                "version": version,
                "name": name,
                "description": description,
                "content": content,
                "labels": labels,
                "execution_engine": execution_engine,
            }
        )
        if content_hash is not UNSET:
            field_dict["content_hash"] = content_hash
        if status is not UNSET:
            field_dict["status"] = status
        if owner is not UNSET:
            field_dict["owner"] = owner
        if maintainer is not UNSET:
            field_dict["maintainer"] = maintainer
        if parameters is not UNSET:
            field_dict["parameters"] = parameters
        if container_image is not UNSET:
            field_dict["container_image"] = container_image
        if container_digest is not UNSET:
            field_dict["container_digest"] = container_digest
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if detected_labels is not UNSET:
            field_dict["detected_labels"] = detected_labels
        if status_reason is not UNSET:
            field_dict["status_reason"] = status_reason
        if previous_version is not UNSET:
            field_dict["previous_version"] = previous_version
        if deprecation_notice is not UNSET:
            field_dict["deprecation_notice"] = deprecation_notice
        if version_notes is not UNSET:
            field_dict["version_notes"] = version_notes
        if change_summary is not UNSET:
            field_dict["change_summary"] = change_summary
        if approved_by is not UNSET:
            field_dict["approved_by"] = approved_by
        if approved_at is not UNSET:
            field_dict["approved_at"] = approved_at
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
        if created_by is not UNSET:
            field_dict["created_by"] = created_by

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.detected_labels_request import DetectedLabelsRequest  # noqa: PLC0415
        from ..models.workflow_labels import WorkflowLabels  # noqa: PLC0415
        from ..models.workflow_request_custom_labels_type_0 import WorkflowRequestCustomLabelsType0  # noqa: PLC0415
        from ..models.workflow_request_parameters_type_0 import WorkflowRequestParametersType0  # noqa: PLC0415

        d = dict(src_dict)
        workflow_name = d.pop("workflow_name")

        version = d.pop("version")

        name = d.pop("name")

        description = d.pop("description")

        content = d.pop("content")

        labels = WorkflowLabels.from_dict(d.pop("labels"))

        execution_engine = d.pop("execution_engine")

        def _parse_content_hash(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        content_hash = _parse_content_hash(d.pop("content_hash", UNSET))

        def _parse_status(data: object) -> None | Unset | WorkflowStatus:
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
            return cast(None | Unset | WorkflowStatus, data)

        status = _parse_status(d.pop("status", UNSET))

        def _parse_owner(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        owner = _parse_owner(d.pop("owner", UNSET))

        def _parse_maintainer(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        maintainer = _parse_maintainer(d.pop("maintainer", UNSET))

        def _parse_parameters(data: object) -> None | Unset | WorkflowRequestParametersType0:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                parameters_type_0 = WorkflowRequestParametersType0.from_dict(data)

                return parameters_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | WorkflowRequestParametersType0, data)

        parameters = _parse_parameters(d.pop("parameters", UNSET))

        def _parse_container_image(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        container_image = _parse_container_image(d.pop("container_image", UNSET))

        def _parse_container_digest(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        container_digest = _parse_container_digest(d.pop("container_digest", UNSET))

        def _parse_custom_labels(data: object) -> None | Unset | WorkflowRequestCustomLabelsType0:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                custom_labels_type_0 = WorkflowRequestCustomLabelsType0.from_dict(data)

                return custom_labels_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | WorkflowRequestCustomLabelsType0, data)

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

        def _parse_status_reason(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        status_reason = _parse_status_reason(d.pop("status_reason", UNSET))

        def _parse_previous_version(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        previous_version = _parse_previous_version(d.pop("previous_version", UNSET))

        def _parse_deprecation_notice(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        deprecation_notice = _parse_deprecation_notice(d.pop("deprecation_notice", UNSET))

        def _parse_version_notes(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        version_notes = _parse_version_notes(d.pop("version_notes", UNSET))

        def _parse_change_summary(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        change_summary = _parse_change_summary(d.pop("change_summary", UNSET))

        def _parse_approved_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        approved_by = _parse_approved_by(d.pop("approved_by", UNSET))

        def _parse_approved_at(data: object) -> datetime.datetime | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                approved_at_type_0 = datetime.datetime.fromisoformat(data)

                return approved_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None | Unset, data)

        approved_at = _parse_approved_at(d.pop("approved_at", UNSET))

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

        def _parse_total_executions(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        total_executions = _parse_total_executions(d.pop("total_executions", UNSET))

        def _parse_successful_executions(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        successful_executions = _parse_successful_executions(d.pop("successful_executions", UNSET))

        def _parse_created_by(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        created_by = _parse_created_by(d.pop("created_by", UNSET))

        workflow_request = cls(
            workflow_name=workflow_name,
            version=version,
            name=name,
            description=description,
            content=content,
            labels=labels,
            execution_engine=execution_engine,
            content_hash=content_hash,
            status=status,
            owner=owner,
            maintainer=maintainer,
            parameters=parameters,
            container_image=container_image,
            container_digest=container_digest,
            custom_labels=custom_labels,
            detected_labels=detected_labels,
            status_reason=status_reason,
            previous_version=previous_version,
            deprecation_notice=deprecation_notice,
            version_notes=version_notes,
            change_summary=change_summary,
            approved_by=approved_by,
            approved_at=approved_at,
            expected_success_rate=expected_success_rate,
            expected_duration_seconds=expected_duration_seconds,
            actual_success_rate=actual_success_rate,
            total_executions=total_executions,
            successful_executions=successful_executions,
            created_by=created_by,
        )

        workflow_request.additional_properties = d
        return workflow_request

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
