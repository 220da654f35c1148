from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.problem_field_errors import ProblemFieldErrors


T = TypeVar("T", bound="Problem")


@_attrs_define
class Problem:
    """RFC 9457. `type` tells the kind of problem: `x-problem-types` of this document says what each means, what to do, and
    which of the members below it may have. `title` and `detail` are for people.

        Attributes:
            type_ (str): `server.problem_base_url` and one of the slugs.
            title (str):
            status (int):
            detail (str): What was wrong with this request.
            instance (str): The path of the request.
            field_errors (ProblemFieldErrors | Unset): One message for every wrong member or parameter; in a batch the key
                is `[index].member`.
            retry (bool | Unset): Sending the same request again later can help.
            outcome (Literal['unknown'] | Unset): Whether it was kept is not known. Send it again with the same ids.
            event_id (UUID | Unset): The event whose outcome is unknown.
            event_ids (list[UUID] | Unset): The events whose outcome is unknown.
            notification_id (str | Unset): The notification record whose outcome is unknown.
            server_time (datetime.datetime | Unset): The service's clock.
            event_time (datetime.datetime | Unset): The time that is outside the window.
            resource (str | Unset): The kind of record in conflict.
            field (str | Unset): The member whose value is taken.
            value (str | Unset): The value that is taken.
            identical (bool | Unset): The stored notification record is the same as the one that was sent.
            index (int | Unset): The first element of a batch in conflict.
            indexes (list[int] | Unset): All elements of a batch in conflict.
            workflow_name (str | Unset): The name in conflict.
            version (str | Unset): The version in conflict.
            required_scope (str | Unset): The scope that the token lacks.
    """

    type_: str
    title: str
    status: int
    detail: str
    instance: str
    field_errors: ProblemFieldErrors | Unset = UNSET
    retry: bool | Unset = UNSET
    outcome: Literal["unknown"] | Unset = UNSET
    event_id: UUID | Unset = UNSET
    event_ids: list[UUID] | Unset = UNSET
    notification_id: str | Unset = UNSET
    server_time: datetime.datetime | Unset = UNSET
    event_time: datetime.datetime | Unset = UNSET
    resource: str | Unset = UNSET
    field: str | Unset = UNSET
    value: str | Unset = UNSET
    identical: bool | Unset = UNSET
    index: int | Unset = UNSET
    indexes: list[int] | Unset = UNSET
    workflow_name: str | Unset = UNSET
    version: str | Unset = UNSET
    required_scope: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        title = self.title

        status = self.status

        detail = self.detail

        instance = self.instance

        field_errors: dict[str, Any] | Unset = UNSET
        if not isinstance(self.field_errors, Unset):
            field_errors = self.field_errors.to_dict()

        retry = self.retry

        outcome = self.outcome

        event_id: str | Unset = UNSET
        if not isinstance(self.event_id, Unset):
            event_id = str(self.event_id)

        event_ids: list[str] | Unset = UNSET
        if not isinstance(self.event_ids, Unset):
            event_ids = []
            for event_ids_item_data in self.event_ids:
                event_ids_item = str(event_ids_item_data)
                event_ids.append(event_ids_item)

        notification_id = self.notification_id

        server_time: str | Unset = UNSET
        if not isinstance(self.server_time, Unset):
            server_time = self.server_time.isoformat()

        event_time: str | Unset = UNSET
        if not isinstance(self.event_time, Unset):
            event_time = self.event_time.isoformat()

        resource = self.resource

        field = self.field

        value = self.value

        identical = self.identical

        index = self.index

        indexes: list[int] | Unset = UNSET
        if not isinstance(self.indexes, Unset):
            indexes = self.indexes

        workflow_name = self.workflow_name

        version = self.version

        required_scope = self.required_scope

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "title": title,
                "status": status,
                "detail": detail,
                "instance": instance,
            }
        )
        if field_errors is not UNSET:
            field_dict["field_errors"] = field_errors
        if retry is not UNSET:
            field_dict["retry"] = retry
        if outcome is not UNSET:
            field_dict["outcome"] = outcome
        if event_id is not UNSET:
            field_dict["event_id"] = event_id
        if event_ids is not UNSET:
            field_dict["event_ids"] = event_ids
        if notification_id is not UNSET:
            field_dict["notification_id"] = notification_id
        if server_time is not UNSET:
            field_dict["server_time"] = server_time
        if event_time is not UNSET:
            field_dict["event_time"] = event_time
        if resource is not UNSET:
            field_dict["resource"] = resource
        if field is not UNSET:
            field_dict["field"] = field
        if value is not UNSET:
            field_dict["value"] = value
        if identical is not UNSET:
            field_dict["identical"] = identical
        if index is not UNSET:
            field_dict["index"] = index
        if indexes is not UNSET:
            field_dict["indexes"] = indexes
        if workflow_name is not UNSET:
            field_dict["workflow_name"] = workflow_name
        if version is not UNSET:
            field_dict["version"] = version
        if required_scope is not UNSET:
            field_dict["required_scope"] = required_scope

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.problem_field_errors import ProblemFieldErrors  # noqa: PLC0415

        d = dict(src_dict)
        type_ = d.pop("type")

        title = d.pop("title")

        status = d.pop("status")

        detail = d.pop("detail")

        instance = d.pop("instance")

        _field_errors = d.pop("field_errors", UNSET)
        field_errors: ProblemFieldErrors | Unset
        if isinstance(_field_errors, Unset):
            field_errors = UNSET
        else:
            field_errors = ProblemFieldErrors.from_dict(_field_errors)

        retry = d.pop("retry", UNSET)

        outcome = cast(Literal["unknown"] | Unset, d.pop("outcome", UNSET))
        if outcome != "unknown" and not isinstance(outcome, Unset):
            raise ValueError(f"outcome must match const 'unknown', got '{outcome}'")

        _event_id = d.pop("event_id", UNSET)
        event_id: UUID | Unset
        if isinstance(_event_id, Unset):
            event_id = UNSET
        else:
            event_id = UUID(_event_id)

        _event_ids = d.pop("event_ids", UNSET)
        event_ids: list[UUID] | Unset = UNSET
        if _event_ids is not UNSET:
            event_ids = []
            for event_ids_item_data in _event_ids:
                event_ids_item = UUID(event_ids_item_data)

                event_ids.append(event_ids_item)

        notification_id = d.pop("notification_id", UNSET)

        _server_time = d.pop("server_time", UNSET)
        server_time: datetime.datetime | Unset
        if isinstance(_server_time, Unset):
            server_time = UNSET
        else:
            server_time = datetime.datetime.fromisoformat(_server_time)

        _event_time = d.pop("event_time", UNSET)
        event_time: datetime.datetime | Unset
        if isinstance(_event_time, Unset):
            event_time = UNSET
        else:
            event_time = datetime.datetime.fromisoformat(_event_time)

        resource = d.pop("resource", UNSET)

        field = d.pop("field", UNSET)

        value = d.pop("value", UNSET)

        identical = d.pop("identical", UNSET)

        index = d.pop("index", UNSET)

        indexes = cast(list[int], d.pop("indexes", UNSET))

        workflow_name = d.pop("workflow_name", UNSET)

        version = d.pop("version", UNSET)

        required_scope = d.pop("required_scope", UNSET)

        problem = cls(
            type_=type_,
            title=title,
            status=status,
            detail=detail,
            instance=instance,
            field_errors=field_errors,
            retry=retry,
            outcome=outcome,
            event_id=event_id,
            event_ids=event_ids,
            notification_id=notification_id,
            server_time=server_time,
            event_time=event_time,
            resource=resource,
            field=field,
            value=value,
            identical=identical,
            index=index,
            indexes=indexes,
            workflow_name=workflow_name,
            version=version,
            required_scope=required_scope,
        )

        problem.additional_properties = d
        return problem

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
