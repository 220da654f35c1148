from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.dlq_status_replay_paused_type_0 import DlqStatusReplayPausedType0
from ..models.redis_durability_type_0 import RedisDurabilityType0

if TYPE_CHECKING:
    from ..models.dlq_status_streams import DlqStatusStreams


T = TypeVar("T", bound="DlqStatus")


@_attrs_define
class DlqStatus:
    """
    Attributes:
        durability (None | RedisDurabilityType0): What Redis keeps through a power cut; only `aof_always` keeps
            everything.
        replay_paused (DlqStatusReplayPausedType0 | None): Why the worker that answered does not replay; null while it
            does.
        streams (DlqStatusStreams):
    """

    durability: None | RedisDurabilityType0
    replay_paused: DlqStatusReplayPausedType0 | None
    streams: DlqStatusStreams
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        durability: None | str
        if isinstance(self.durability, RedisDurabilityType0):
            durability = self.durability.value
        else:
            durability = self.durability

        replay_paused: None | str
        if isinstance(self.replay_paused, DlqStatusReplayPausedType0):
            replay_paused = self.replay_paused.value
        else:
            replay_paused = self.replay_paused

        streams = self.streams.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "durability": durability,
                "replay_paused": replay_paused,
                "streams": streams,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.dlq_status_streams import DlqStatusStreams  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_durability(data: object) -> None | RedisDurabilityType0:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                componentsschemas_redis_durability_type_0 = RedisDurabilityType0(data)

                return componentsschemas_redis_durability_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | RedisDurabilityType0, data)

        durability = _parse_durability(d.pop("durability"))

        def _parse_replay_paused(data: object) -> DlqStatusReplayPausedType0 | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                replay_paused_type_0 = DlqStatusReplayPausedType0(data)

                return replay_paused_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(DlqStatusReplayPausedType0 | None, data)

        replay_paused = _parse_replay_paused(d.pop("replay_paused"))

        streams = DlqStatusStreams.from_dict(d.pop("streams"))

        dlq_status = cls(
            durability=durability,
            replay_paused=replay_paused,
            streams=streams,
        )

        dlq_status.additional_properties = d
        return dlq_status

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
