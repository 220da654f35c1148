"""The fields that only requests about workflows have, and what their schemas share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from datastorage_common import jsonvalue
from marshmallow import EXCLUDE, Schema, ValidationError, fields

from app.validation.decoder import decoder
from app.validation.field_errors import FieldMessage
from app.validation.fields import MESSAGES, Choice, Flag, Text
from app.workflows.labels import ANY, CHOICE_WEIGHTS, FLAG_WEIGHTS, LABEL_TOOLS

UNBOUNDED = 2**31  # the body's size is the limit
MAX_LABEL_VALUES = 64
_MAX_RATE_DECIMALS = 20
# An object of members says "type" of a value that is none.
OBJECT_MESSAGES: dict[str, Any] = {**MESSAGES, "type": FieldMessage("must be a JSON object", "invalid")}


def _each(member: Text, values: Iterable[Any]) -> list[str]:
    return [str(member.deserialize(v)) for v in values]


class Label(fields.Field[Any]):
    """A stored label: a value or ``*``, or a list of such."""

    def __init__(self, allowed: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)
        self.member = Text(1, 255) if allowed is None else Choice((*allowed, ANY), 255)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str | list[str]:
        if not isinstance(value, list):
            return _each(self.member, [value])[0]
        if not value:
            raise ValidationError(FieldMessage("must not be empty", "required"))
        if len(value) > MAX_LABEL_VALUES:
            raise ValidationError(FieldMessage(f"must hold at most {MAX_LABEL_VALUES} values", "exceeds_max_length"))
        return _each(self.member, value)


class TextLists(fields.Field[dict[str, list[str]]]):
    """An object from name to a list of strings."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)
        self.key, self.member = Text(1, 255), Text(0, 255)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it; see `app.audit.schemas.decoder`."""
        return dict[self.key.wire, list[self.member.wire]]  # type: ignore[name-defined]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, list[str]]:
        if not isinstance(value, dict) or not all(isinstance(v, list) for v in value.values()):
            raise ValidationError(FieldMessage("must be an object from names to lists of strings", "invalid"))
        return dict(zip(_each(self.key, value), (_each(self.member, v) for v in value.values()), strict=True))


class Choices(fields.Field[list[str]]):
    """A list out of a closed set, or one of it."""

    def __init__(self, allowed: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)
        self.member = Choice(allowed)

    @property
    def wire(self) -> Any:
        """What msgspec may take for it."""
        return self.member.wire | list[self.member.wire]  # type: ignore[name-defined]

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        return _each(self.member, value if isinstance(value, list) else [value])


class Rate(fields.Field[Decimal]):
    """A number from 0 to 1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not 0 <= value <= 1:
            raise ValidationError(FieldMessage("must be a number from 0 to 1", "invalid"))
        number = Decimal(value)
        if number.as_tuple().exponent < -_MAX_RATE_DECIMALS:  # type: ignore[operator]
            raise ValidationError(FieldMessage(f"must have at most {_MAX_RATE_DECIMALS} decimals", "invalid"))
        return number


class Parameters(fields.Field[dict[str, Any]]):
    """Any JSON object that PostgreSQL can store."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, error_messages=MESSAGES)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError(OBJECT_MESSAGES["type"])
        match jsonvalue.fault_of(value, jsonvalue.MAX_NESTING, jsonvalue.MAX_NUMBER_DIGITS):
            case "depth" | "number":
                text = "is nested too deeply or holds a number too large to store"
                raise ValidationError(FieldMessage(text, "invalid"))
            case "text":
                raise ValidationError(FieldMessage("holds a character that cannot be stored", "invalid"))
        if jsonvalue.growth_bytes(value) > jsonvalue.MAX_GROWTH_BYTES:
            raise ValidationError(FieldMessage("holds too many numbers with large exponents", "exceeds_max_length"))
        return value


class Hash(Text):
    """SHA-256 as 64 lower-case hexadecimal digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch("[0-9a-f]{64}", text):
            raise ValidationError(FieldMessage("must be 64 lower-case hexadecimal digits", "invalid"))
        return text


class WorkflowBase(Schema):
    class Meta:
        unknown = EXCLUDE

    error_messages = OBJECT_MESSAGES


class Object(fields.Nested):
    """An object with members of its own."""

    @property
    def wire(self) -> Any:
        """What msgspec may take for it."""
        return decoder(self.schema)


def nested(schema: type[Schema], **kwargs: Any) -> Object:
    return Object(schema, unknown=EXCLUDE, error_messages=OBJECT_MESSAGES, **kwargs)


def optional(high: int) -> Text:
    return Text(0, high, allow_none=True)


DETECTED_LABELS = WorkflowBase.from_dict(
    {
        **{n: Flag(allow_none=True) for n in FLAG_WEIGHTS},
        **{n: Choice(LABEL_TOOLS[n], allow_none=True) for n in CHOICE_WEIGHTS},
        "failed_detections": Choices((*FLAG_WEIGHTS, *CHOICE_WEIGHTS), allow_none=True),
    },
    name="DetectedLabels",
)


def present(detected: Mapping[str, Any] | None) -> dict[str, Any]:
    """The detected labels that are set."""
    return {k: v for k, v in (detected or {}).items() if v is not None}
