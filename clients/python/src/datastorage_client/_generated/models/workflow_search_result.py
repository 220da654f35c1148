from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.custom_labels import CustomLabels
    from ..models.detected_labels import DetectedLabels
    from ..models.score_term import ScoreTerm


T = TypeVar("T", bound="WorkflowSearchResult")


@_attrs_define
class WorkflowSearchResult:
    """
    Attributes:
        workflow_id (UUID):
        title (str): The workflow's name.
        description (str):
        signal_type (list[str] | str): As stored.
        confidence (float): The same as final_score.
        label_boost (float):
        label_penalty (float):
        final_score (float): Rounded to 4 decimals.
        rank (int):
        detected_labels (DetectedLabels):
        container_image (str | Unset):
        container_digest (str | Unset):
        custom_labels (CustomLabels | Unset):
        score_breakdown (list[ScoreTerm] | Unset): With `explain=true`. The points sum up to ten times the score, until
            that reaches 1.
    """

    workflow_id: UUID
    title: str
    description: str
    signal_type: list[str] | str
    confidence: float
    label_boost: float
    label_penalty: float
    final_score: float
    rank: int
    detected_labels: DetectedLabels
    container_image: str | Unset = UNSET
    container_digest: str | Unset = UNSET
    custom_labels: CustomLabels | Unset = UNSET
    score_breakdown: list[ScoreTerm] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        workflow_id = str(self.workflow_id)

        title = self.title

        description = self.description

        signal_type: list[str] | str
        if isinstance(self.signal_type, list):
            signal_type = self.signal_type

        else:
            signal_type = self.signal_type

        confidence = self.confidence

        label_boost = self.label_boost

        label_penalty = self.label_penalty

        final_score = self.final_score

        rank = self.rank

        detected_labels = self.detected_labels.to_dict()

        container_image = self.container_image

        container_digest = self.container_digest

        custom_labels: dict[str, Any] | Unset = UNSET
        if not isinstance(self.custom_labels, Unset):
            custom_labels = self.custom_labels.to_dict()

        score_breakdown: list[dict[str, Any]] | Unset = UNSET
        if not isinstance(self.score_breakdown, Unset):
            score_breakdown = []
            for score_breakdown_item_data in self.score_breakdown:
                score_breakdown_item = score_breakdown_item_data.to_dict()
                score_breakdown.append(score_breakdown_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "workflow_id": workflow_id,
                "title": title,
                "description": description,
                "signal_type": signal_type,
                "confidence": confidence,
                "label_boost": label_boost,
                "label_penalty": label_penalty,
                "final_score": final_score,
                "rank": rank,
                "detected_labels": detected_labels,
            }
        )
        if container_image is not UNSET:
            field_dict["container_image"] = container_image
        if container_digest is not UNSET:
            field_dict["container_digest"] = container_digest
        if custom_labels is not UNSET:
            field_dict["custom_labels"] = custom_labels
        if score_breakdown is not UNSET:
            field_dict["score_breakdown"] = score_breakdown

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.custom_labels import CustomLabels  # noqa: PLC0415
        from ..models.detected_labels import DetectedLabels  # noqa: PLC0415
        from ..models.score_term import ScoreTerm  # noqa: PLC0415

        d = dict(src_dict)
        workflow_id = UUID(d.pop("workflow_id"))

        title = d.pop("title")

        description = d.pop("description")

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

        confidence = d.pop("confidence")

        label_boost = d.pop("label_boost")

        label_penalty = d.pop("label_penalty")

        final_score = d.pop("final_score")

        rank = d.pop("rank")

        detected_labels = DetectedLabels.from_dict(d.pop("detected_labels"))

        container_image = d.pop("container_image", UNSET)

        container_digest = d.pop("container_digest", UNSET)

        _custom_labels = d.pop("custom_labels", UNSET)
        custom_labels: CustomLabels | Unset
        if isinstance(_custom_labels, Unset):
            custom_labels = UNSET
        else:
            custom_labels = CustomLabels.from_dict(_custom_labels)

        _score_breakdown = d.pop("score_breakdown", UNSET)
        score_breakdown: list[ScoreTerm] | Unset = UNSET
        if _score_breakdown is not UNSET:
            score_breakdown = []
            for score_breakdown_item_data in _score_breakdown:
                score_breakdown_item = ScoreTerm.from_dict(score_breakdown_item_data)

                score_breakdown.append(score_breakdown_item)

        workflow_search_result = cls(
            workflow_id=workflow_id,
            title=title,
            description=description,
            signal_type=signal_type,
            confidence=confidence,
            label_boost=label_boost,
            label_penalty=label_penalty,
            final_score=final_score,
            rank=rank,
            detected_labels=detected_labels,
            container_image=container_image,
            container_digest=container_digest,
            custom_labels=custom_labels,
            score_breakdown=score_breakdown,
        )

        workflow_search_result.additional_properties = d
        return workflow_search_result

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
