from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.workflow_status import WorkflowStatus
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.custom_labels import CustomLabels
    from ..models.detected_labels import DetectedLabels
    from ..models.listed_workflow_parameters import ListedWorkflowParameters
    from ..models.workflow_labels import WorkflowLabels


T = TypeVar("T", bound="ListedWorkflow")


@_attrs_define
class ListedWorkflow:
    """
    Attributes:
        workflow_id (UUID):
        workflow_name (str):
        version (str):
        name (str):
        description (str):
        content_hash (str):
        execution_engine (str):
        labels (WorkflowLabels):
        detected_labels (DetectedLabels):
        status (WorkflowStatus):
        total_executions (int):
        successful_executions (int):
        is_latest_version (bool): The newest active create of its name.
        created_at (datetime.datetime):
        updated_at (datetime.datetime):
        owner (str | Unset):
        maintainer (str | Unset):
        content (str | Unset): Only with `include=content`.
        parameters (ListedWorkflowParameters | Unset):
        container_image (str | Unset):
        container_digest (str | Unset):
        custom_labels (CustomLabels | Unset):
        status_reason (str | Unset): Why it has its status.
        previous_version (str | Unset):
        deprecation_notice (str | Unset):
        version_notes (str | Unset):
        change_summary (str | Unset):
        approved_by (str | Unset):
        approved_at (datetime.datetime | Unset):
        expected_success_rate (float | Unset):
        expected_duration_seconds (int | Unset):
        actual_success_rate (float | Unset):
        created_by (str | Unset):
        disabled_at (datetime.datetime | Unset): Only while it is disabled.
        disabled_by (str | Unset):
        disabled_reason (str | Unset):
        updated_by (str | Unset):
    """

    workflow_id: UUID
    workflow_name: str
    version: str
    name: str
    description: str
    content_hash: str
    execution_engine: str
    labels: WorkflowLabels
    detected_labels: DetectedLabels
    status: WorkflowStatus
    total_executions: int
    successful_executions: int
    is_latest_version: bool
    created_at: datetime.datetime
    updated_at: datetime.datetime
    owner: str | Unset = UNSET
    maintainer: str | Unset = UNSET
    content: str | Unset = UNSET
    parameters: ListedWorkflowParameters | Unset = UNSET
    container_image: str | Unset = UNSET
    container_digest: str | Unset = UNSET
    custom_labels: CustomLabels | Unset = UNSET
    status_reason: str | Unset = UNSET
    previous_version: str | Unset = UNSET
    deprecation_notice: str | Unset = UNSET
    version_notes: str | Unset = UNSET
    change_summary: str | Unset = UNSET
    approved_by: str | Unset = UNSET
    approved_at: datetime.datetime | Unset = UNSET
    expected_success_rate: float | Unset = UNSET
    expected_duration_seconds: int | Unset = UNSET
    actual_success_rate: float | Unset = UNSET
    created_by: str | Unset = UNSET
    disabled_at: datetime.datetime | Unset = UNSET
    disabled_by: str | Unset = UNSET
    disabled_reason: str | Unset = UNSET
    updated_by: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_id = str(self.workflow_id)

        workflow_name = self.workflow_name

        version = self.version

        name = self.name

        description = self.description

        content_hash = self.content_hash

        execution_engine = self.execution_engine

        labels = self.labels.to_dict()

        detected_labels = self.detected_labels.to_dict()

        status = self.status.value

        total_executions = self.total_executions

        successful_executions = self.successful_executions

        is_latest_version = self.is_latest_version

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        owner = self.owner

        maintainer = self.maintainer

        content = self.content

        parameters: dict[str, Any] | Unset = UNSET
        if not isinstance(self.parameters, Unset):
            parameters = self.parameters.to_dict()

        container_image = self.container_image

        container_digest = self.container_digest

        custom_labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.custom_labels, Unset):
            custom_labels = self.custom_labels.to_dict()

        status_reason = self.status_reason

        previous_version = self.previous_version

        deprecation_notice = self.deprecation_notice

        version_notes = self.version_notes

        change_summary = self.change_summary

        approved_by = self.approved_by

        approved_at: str | Unset = UNSET
        if not isinstance(self.approved_at, Unset):
            approved_at = self.approved_at.isoformat()

        expected_success_rate = self.expected_success_rate

        expected_duration_seconds = self.expected_duration_seconds

        actual_success_rate = self.actual_success_rate

        created_by = self.created_by

        disabled_at: str | Unset = UNSET
        if not isinstance(self.disabled_at, Unset):
            disabled_at = self.disabled_at.isoformat()

        disabled_by = self.disabled_by

        disabled_reason = self.disabled_reason

        updated_by = self.updated_by

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_id": workflow_id,
                "workflow_name": workflow_name,
                "version": version,
                "name": name,
                "description": description,
                "content_hash": content_hash,
                "execution_engine": execution_engine,
                "labels": labels,
                "detected_labels": detected_labels,
                "status": status,
                "total_executions": total_executions,
                "successful_executions": successful_executions,
                "is_latest_version": is_latest_version,
                "created_at": created_at,
                "updated_at": updated_at,
            }
        )
        if owner is not UNSET:
            field_dict["owner"] = owner
        if maintainer is not UNSET:
            field_dict["maintainer"] = maintainer
        if content is not UNSET:
            field_dict["content"] = content
        if parameters is not UNSET:
            field_dict["parameters"] = parameters
        if container_image is not UNSET:
            field_dict["container_image"] = container_image
        if container_digest is not UNSET:
            field_dict["container_digest"] = container_digest
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
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
        if created_by is not UNSET:
            field_dict["created_by"] = created_by
        if disabled_at is not UNSET:
            field_dict["disabled_at"] = disabled_at
        if disabled_by is not UNSET:
            field_dict["disabled_by"] = disabled_by
        if disabled_reason is not UNSET:
            field_dict["disabled_reason"] = disabled_reason
        if updated_by is not UNSET:
            field_dict["updated_by"] = updated_by

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.custom_labels import CustomLabels  # noqa: PLC0415
        from ..models.detected_labels import DetectedLabels  # noqa: PLC0415
        from ..models.listed_workflow_parameters import ListedWorkflowParameters  # noqa: PLC0415
        from ..models.workflow_labels import WorkflowLabels  # noqa: PLC0415

        d = dict(src_dict)
        workflow_id = UUID(d.pop("workflow_id"))

        workflow_name = d.pop("workflow_name")

        version = d.pop("version")

        name = d.pop("name")

        description = d.pop("description")

        content_hash = d.pop("content_hash")

        execution_engine = d.pop("execution_engine")

        labels = WorkflowLabels.from_dict(d.pop("labels"))

        detected_labels = DetectedLabels.from_dict(d.pop("detected_labels"))

        status = WorkflowStatus(d.pop("status"))

        total_executions = d.pop("total_executions")

        successful_executions = d.pop("successful_executions")

        is_latest_version = d.pop("is_latest_version")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        owner = d.pop("owner", UNSET)

        maintainer = d.pop("maintainer", UNSET)

        content = d.pop("content", UNSET)

        _parameters = d.pop("parameters", UNSET)
        parameters: ListedWorkflowParameters | Unset
        if isinstance(_parameters, Unset):
            parameters = UNSET
        else:
            parameters = ListedWorkflowParameters.from_dict(_parameters)

        container_image = d.pop("container_image", UNSET)

        container_digest = d.pop("container_digest", UNSET)

        _custom_labels = d.pop("custom_labels", UNSET)
        custom_labels: CustomLabels | Unset
        if isinstance(_custom_labels, Unset):
            custom_labels = UNSET
        else:
            custom_labels = CustomLabels.from_dict(_custom_labels)

        status_reason = d.pop("status_reason", UNSET)

        previous_version = d.pop("previous_version", UNSET)

        deprecation_notice = d.pop("deprecation_notice", UNSET)

        version_notes = d.pop("version_notes", UNSET)

        change_summary = d.pop("change_summary", UNSET)

        approved_by = d.pop("approved_by", UNSET)

        _approved_at = d.pop("approved_at", UNSET)
        approved_at: datetime.datetime | Unset
        if isinstance(_approved_at, Unset):
            approved_at = UNSET
        else:
            approved_at = datetime.datetime.fromisoformat(_approved_at)

        expected_success_rate = d.pop("expected_success_rate", UNSET)

        expected_duration_seconds = d.pop("expected_duration_seconds", UNSET)

        actual_success_rate = d.pop("actual_success_rate", UNSET)

        created_by = d.pop("created_by", UNSET)

        _disabled_at = d.pop("disabled_at", UNSET)
        disabled_at: datetime.datetime | Unset
        if isinstance(_disabled_at, Unset):
            disabled_at = UNSET
        else:
            disabled_at = datetime.datetime.fromisoformat(_disabled_at)

        disabled_by = d.pop("disabled_by", UNSET)

        disabled_reason = d.pop("disabled_reason", UNSET)

        updated_by = d.pop("updated_by", UNSET)

        listed_workflow = cls(
            workflow_id=workflow_id,
            workflow_name=workflow_name,
            version=version,
            name=name,
            description=description,
            content_hash=content_hash,
            execution_engine=execution_engine,
            labels=labels,
            detected_labels=detected_labels,
            status=status,
            total_executions=total_executions,
            successful_executions=successful_executions,
            is_latest_version=is_latest_version,
            created_at=created_at,
            updated_at=updated_at,
            owner=owner,
            maintainer=maintainer,
            content=content,
            parameters=parameters,
            container_image=container_image,
            container_digest=container_digest,
            custom_labels=custom_labels,
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
            created_by=created_by,
            disabled_at=disabled_at,
            disabled_by=disabled_by,
            disabled_reason=disabled_reason,
            updated_by=updated_by,
        )

        listed_workflow.additional_properties = d
        return listed_workflow

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
