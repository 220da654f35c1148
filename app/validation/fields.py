"""The fields that requests are made of: marshmallow's, each with what the quick decoder may take for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from datastorage_common import jsonvalue
from datastorage_common.addresses import canonical_address
from datastorage_common.times import parse_rfc3339
from datastorage_common.uuids import parse_uuid
from marshmallow import ValidationError, fields

from app.validation.field_errors import DATA, FieldMessage

UUIDText = Annotated[str, msgspec.Meta(min_length=36, max_length=36)]

# What every field says of a value that is not there.
MESSAGES: dict[str, Any] = {
    "required": FieldMessage("is required", "required"),
    "null": FieldMessage("must not be null", "required"),
}


class Text(fields.Field[str]):
    """A string of 'low' to 'high' code points that PostgreSQL can store."""

    def __init__(self, low: int, high: int, *, blank: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)
        self.low, self.high, self.blank = low, high, blank

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return Annotated[str, msgspec.Meta(min_length=self.low, max_length=self.high)]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(FieldMessage("must be a string", "invalid"))
        if len(value) > self.high:
            raise ValidationError(
                FieldMessage(f"exceeds maximum length (actual: {len(value)}, max: {self.high})", "exceeds_max_length")
            )
        if len(value) < self.low or (not self.blank and not value.strip()):
            raise ValidationError(FieldMessage("must not be empty", "required"))
        if not jsonvalue.is_storable_text(value):
            raise ValidationError(FieldMessage("holds a character that cannot be stored", "invalid"))
        return value


class Choice(Text):
    """A string out of a closed set; case matters."""

    def __init__(self, allowed: Sequence[str], high: int = 50, **kwargs: Any) -> None:
        super().__init__(1, high, **kwargs)
        self.allowed = frozenset(allowed)
        self.choices = tuple(allowed)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return Literal[self.choices] if self.choices else msgspec.UnsetType

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text not in self.allowed:
            raise ValidationError(FieldMessage("must be one of: " + ", ".join(self.choices), "invalid"))
        return text


class Whole(fields.Field[int]):
    """An integer from 'low' to 'high'; 5.0 is one, "5" and true are not."""

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)
        self.low, self.high = low, high

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return Annotated[int, msgspec.Meta(ge=self.low, le=self.high)]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if isinstance(value, Decimal) and abs(value.adjusted()) < 20 and value == value.to_integral_value():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValidationError(FieldMessage(f"must be an integer from {self.low} to {self.high}", "invalid"))
        if not self.low <= value <= self.high:
            raise ValidationError(FieldMessage(f"must be an integer from {self.low} to {self.high}", "invalid"))
        return value


class Flag(fields.Field[bool]):
    """true or false, nothing that merely looks like it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return bool

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(FieldMessage("must be true or false", "invalid"))
        return value


class Identifier(fields.Field[UUID]):
    """A UUID in its 36-character form, any case."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return UUIDText

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> UUID:
        parsed = parse_uuid(value)
        if parsed is None:
            raise ValidationError(FieldMessage("must be a UUID", "invalid"))
        return parsed


class Moment(fields.Field[datetime]):
    """An RFC 3339 time with zone."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return str

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        parsed = parse_rfc3339(value)
        if parsed is None:
            raise ValidationError(
                FieldMessage("must be an RFC 3339 time with zone, such as 2026-01-05T10:00:00Z", "invalid")
            )
        return parsed


def parse_address(value: object) -> str:
    """The canonical text of an IPv4 or IPv6 address; ValueError if it is not one."""
    # Zone ids (fe80::1%eth0) mean nothing on another host, and PostgreSQL's inet refuses them.
    if isinstance(value, str) and "%" not in value and len(value) <= 45:
        return canonical_address(value)
    raise ValueError("not an IP address")


class Address(fields.Field[str]):
    """An IPv4 or IPv6 address, given back in canonical form."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return str

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return parse_address(value)
        except ValueError:
            raise ValidationError(FieldMessage("must be an IP address", "invalid")) from None


class Data(fields.Field[dict[str, Any]]):
    """A JSON object; what may be in it is checked by the event_data stage."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; never more than `_deserialize` does."""
        return dict[str, Any]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError(FieldMessage("must be a JSON object", "invalid", DATA))
        return value
