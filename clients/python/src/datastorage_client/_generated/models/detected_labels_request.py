from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.detected_label_name import DetectedLabelName
from ..models.git_ops_tool import GitOpsTool
from ..models.service_mesh import ServiceMesh
from ..types import UNSET, Unset

T = TypeVar("T", bound="DetectedLabelsRequest")


@_attrs_define
class DetectedLabelsRequest:
    """
    Attributes:
        git_ops_managed (bool | None | Unset):
        pdb_protected (bool | None | Unset):
        network_isolated (bool | None | Unset):
        helm_managed (bool | None | Unset):
        stateful (bool | None | Unset):
        hpa_enabled (bool | None | Unset):
        git_ops_tool (GitOpsTool | None | Unset):
        service_mesh (None | ServiceMesh | Unset):
        failed_detections (DetectedLabelName | list[DetectedLabelName] | None | Unset): Labels that could not be
            detected; a search leaves them out of the score.
    """

    git_ops_managed: bool | None | Unset = UNSET
    pdb_protected: bool | None | Unset = UNSET
    network_isolated: bool | None | Unset = UNSET
    helm_managed: bool | None | Unset = UNSET
    stateful: bool | None | Unset = UNSET
    hpa_enabled: bool | None | Unset = UNSET
    git_ops_tool: GitOpsTool | None | Unset = UNSET
    service_mesh: None | ServiceMesh | Unset = UNSET
    failed_detections: DetectedLabelName | list[DetectedLabelName] | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        git_ops_managed: bool | None | Unset
        if isinstance(self.git_ops_managed, Unset):
            git_ops_managed = UNSET
        else:
            git_ops_managed = self.git_ops_managed

        pdb_protected: bool | None | Unset
        if isinstance(self.pdb_protected, Unset):
            pdb_protected = UNSET
        else:
            pdb_protected = self.pdb_protected

        network_isolated: bool | None | Unset
        if isinstance(self.network_isolated, Unset):
            network_isolated = UNSET
        else:
            network_isolated = self.network_isolated

        helm_managed: bool | None | Unset
        if isinstance(self.helm_managed, Unset):
            helm_managed = UNSET
        else:
            helm_managed = self.helm_managed

        stateful: bool | None | Unset
        if isinstance(self.stateful, Unset):
            stateful = UNSET
        else:
            stateful = self.stateful

        hpa_enabled: bool | None | Unset
        if isinstance(self.hpa_enabled, Unset):
            hpa_enabled = UNSET
        else:
            hpa_enabled = self.hpa_enabled

        git_ops_tool: None | str | Unset
        if isinstance(self.git_ops_tool, Unset):
            git_ops_tool = UNSET
        elif isinstance(self.git_ops_tool, GitOpsTool):
            git_ops_tool = self.git_ops_tool.value
        else:
            git_ops_tool = self.git_ops_tool

        service_mesh: None | str | Unset
        if isinstance(self.service_mesh, Unset):
            service_mesh = UNSET
        elif isinstance(self.service_mesh, ServiceMesh):
            service_mesh = self.service_mesh.value
        else:
            service_mesh = self.service_mesh

        failed_detections: list[str] | None | str | Unset
        if isinstance(self.failed_detections, Unset):
            failed_detections = UNSET
        elif isinstance(self.failed_detections, DetectedLabelName):
            failed_detections = self.failed_detections.value
        elif isinstance(self.failed_detections, list):
            failed_detections = []
            for failed_detections_type_1_item_data in self.failed_detections:
                failed_detections_type_1_item = failed_detections_type_1_item_data.value
                failed_detections.append(failed_detections_type_1_item)

        else:
            failed_detections = self.failed_detections

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

        def _parse_git_ops_managed(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        git_ops_managed = _parse_git_ops_managed(d.pop("gitOpsManaged", UNSET))

        def _parse_pdb_protected(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        pdb_protected = _parse_pdb_protected(d.pop("pdbProtected", UNSET))

        def _parse_network_isolated(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        network_isolated = _parse_network_isolated(d.pop("networkIsolated", UNSET))

        def _parse_helm_managed(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        helm_managed = _parse_helm_managed(d.pop("helmManaged", UNSET))

        def _parse_stateful(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        stateful = _parse_stateful(d.pop("stateful", UNSET))

        def _parse_hpa_enabled(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        hpa_enabled = _parse_hpa_enabled(d.pop("hpaEnabled", UNSET))

        def _parse_git_ops_tool(data: object) -> GitOpsTool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                git_ops_tool_type_0 = GitOpsTool(data)

                return git_ops_tool_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(GitOpsTool | None | Unset, data)

        git_ops_tool = _parse_git_ops_tool(d.pop("gitOpsTool", UNSET))

        def _parse_service_mesh(data: object) -> None | ServiceMesh | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                service_mesh_type_0 = ServiceMesh(data)

                return service_mesh_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | ServiceMesh | Unset, data)

        service_mesh = _parse_service_mesh(d.pop("serviceMesh", UNSET))

        def _parse_failed_detections(data: object) -> DetectedLabelName | list[DetectedLabelName] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                failed_detections_type_0 = DetectedLabelName(data)

                return failed_detections_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            try:
                if not isinstance(data, list):
                    raise TypeError()
                failed_detections_type_1 = []
                _failed_detections_type_1 = data
                for failed_detections_type_1_item_data in _failed_detections_type_1:
                    failed_detections_type_1_item = DetectedLabelName(failed_detections_type_1_item_data)

                    failed_detections_type_1.append(failed_detections_type_1_item)

                return failed_detections_type_1
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(DetectedLabelName | list[DetectedLabelName] | None | Unset, data)

        failed_detections = _parse_failed_detections(d.pop("failed_detections", UNSET))

        detected_labels_request = cls(
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

        detected_labels_request.additional_properties = d
        return detected_labels_request

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
