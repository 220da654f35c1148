from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.detected_label_name import DetectedLabelName
from ..models.git_ops_tool import GitOpsTool
from ..models.service_mesh import ServiceMesh
from ..types import UNSET, Unset

T = TypeVar("T", bound="DetectedLabels")


@_attrs_define
class DetectedLabels:
    """
    Attributes:
        git_ops_managed (bool | Unset):
        pdb_protected (bool | Unset):
        network_isolated (bool | Unset):
        helm_managed (bool | Unset):
        stateful (bool | Unset):
        hpa_enabled (bool | Unset):
        git_ops_tool (GitOpsTool | Unset):
        service_mesh (ServiceMesh | Unset):
        failed_detections (list[DetectedLabelName] | Unset): Labels that could not be detected.
    """

    git_ops_managed: bool | Unset = UNSET
    pdb_protected: bool | Unset = UNSET
    network_isolated: bool | Unset = UNSET
    helm_managed: bool | Unset = UNSET
    stateful: bool | Unset = UNSET
    hpa_enabled: bool | Unset = UNSET
    git_ops_tool: GitOpsTool | Unset = UNSET
    service_mesh: ServiceMesh | Unset = UNSET
    failed_detections: list[DetectedLabelName] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        git_ops_managed = self.git_ops_managed

        pdb_protected = self.pdb_protected

        network_isolated = self.network_isolated

        helm_managed = self.helm_managed

        stateful = self.stateful

        hpa_enabled = self.hpa_enabled

        git_ops_tool: str | Unset = UNSET
        if not isinstance(self.git_ops_tool, Unset):
            git_ops_tool = self.git_ops_tool.value

        service_mesh: str | Unset = UNSET
        if not isinstance(self.service_mesh, Unset):
            service_mesh = self.service_mesh.value

        failed_detections: list[str] | Unset = UNSET
        if not isinstance(self.failed_detections, Unset):
            failed_detections = []
            for failed_detections_item_data in self.failed_detections:
                failed_detections_item = failed_detections_item_data.value
                failed_detections.append(failed_detections_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if git_ops_managed is not UNSET:
            field_dict["gitOpsManaged"] = git_ops_managed
        if pdb_protected is not UNSET:
            field_dict["pdbProtected"] = pdb_protected
        if network_isolated is not UNSET:
            field_dict["networkIsolated"] = network_isolated
        if helm_managed is not UNSET:
            field_dict["helmManaged"] = helm_managed
        if stateful is not UNSET:
            field_dict["stateful"] = stateful
        if hpa_enabled is not UNSET:
            field_dict["hpaEnabled"] = hpa_enabled
        if git_ops_tool is not UNSET:
            field_dict["gitOpsTool"] = git_ops_tool
        if service_mesh is not UNSET:
            field_dict["serviceMesh"] = service_mesh
        if failed_detections is not UNSET:
            field_dict["failed_detections"] = failed_detections

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        git_ops_managed = d.pop("gitOpsManaged", UNSET)

        pdb_protected = d.pop("pdbProtected", UNSET)

        network_isolated = d.pop("networkIsolated", UNSET)

        helm_managed = d.pop("helmManaged", UNSET)

        stateful = d.pop("stateful", UNSET)

        hpa_enabled = d.pop("hpaEnabled", UNSET)

        _git_ops_tool = d.pop("gitOpsTool", UNSET)
        git_ops_tool: GitOpsTool | Unset
        if isinstance(_git_ops_tool, Unset):
            git_ops_tool = UNSET
        else:
            git_ops_tool = GitOpsTool(_git_ops_tool)

        _service_mesh = d.pop("serviceMesh", UNSET)
        service_mesh: ServiceMesh | Unset
        if isinstance(_service_mesh, Unset):
            service_mesh = UNSET
        else:
            service_mesh = ServiceMesh(_service_mesh)

        _failed_detections = d.pop("failed_detections", UNSET)
        failed_detections: list[DetectedLabelName] | Unset = UNSET
        if _failed_detections is not UNSET:
            failed_detections = []
            for failed_detections_item_data in _failed_detections:
                failed_detections_item = DetectedLabelName(failed_detections_item_data)

                failed_detections.append(failed_detections_item)

        detected_labels = cls(
            git_ops_managed=git_ops_managed,
            pdb_protected=pdb_protected,
            network_isolated=network_isolated,
            helm_managed=helm_managed,
            stateful=stateful,
            hpa_enabled=hpa_enabled,
            git_ops_tool=git_ops_tool,
            service_mesh=service_mesh,
            failed_detections=failed_detections,
        )

        detected_labels.additional_properties = d
        return detected_labels

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
