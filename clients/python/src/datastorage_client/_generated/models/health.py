from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.health_database import HealthDatabase
from ..models.health_reasons_item import HealthReasonsItem
from ..models.health_redis import HealthRedis
from ..models.health_status import HealthStatus
from ..models.redis_durability_type_0 import RedisDurabilityType0
from ..types import UNSET, Unset

T = TypeVar("T", bound="Health")


@_attrs_define
class Health:
    """
    Attributes:
        status (HealthStatus):
        database (HealthDatabase):
        redis (HealthRedis):
        durability (None | RedisDurabilityType0 | Unset): What Redis keeps through a power cut; only `aof_always` keeps
            everything.
        reasons (list[HealthReasonsItem] | Unset): Why it is degraded or unhealthy.
    """

    status: HealthStatus
    database: HealthDatabase
    redis: HealthRedis
    durability: None | RedisDurabilityType0 | Unset = UNSET
    reasons: list[HealthReasonsItem] | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status = self.status.value

        database = self.database.value

        redis = self.redis.value

        durability: None | str | Unset
        if isinstance(self.durability, Unset):
            durability = UNSET
        elif isinstance(self.durability, RedisDurabilityType0):
            durability = self.durability.value
        else:
            durability = self.durability

        reasons: list[str] | Unset = UNSET
        if not isinstance(self.reasons, Unset):
            reasons = []
            for reasons_item_data in self.reasons:
                reasons_item = reasons_item_data.value
                reasons.append(reasons_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "database": database,
                "redis": redis,
            }
        )
        if durability is not UNSET:
            field_dict["durability"] = durability
        if reasons is not UNSET:
            field_dict["reasons"] = reasons

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        status = HealthStatus(d.pop("status"))

        database = HealthDatabase(d.pop("database"))

        redis = HealthRedis(d.pop("redis"))

        def _parse_durability(data: object) -> None | RedisDurabilityType0 | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                componentsschemas_redis_durability_type_0 = RedisDurabilityType0(data)

                return componentsschemas_redis_durability_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | RedisDurabilityType0 | Unset, data)

        durability = _parse_durability(d.pop("durability", UNSET))

        _reasons = d.pop("reasons", UNSET)
        reasons: list[HealthReasonsItem] | Unset = UNSET
        if _reasons is not UNSET:
            reasons = []
            for reasons_item_data in _reasons:
                reasons_item = HealthReasonsItem(reasons_item_data)

                reasons.append(reasons_item)

        health = cls(
            status=status,
            database=database,
            redis=redis,
            durability=durability,
            reasons=reasons,
        )

        health.additional_properties = d
        return health

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
