"""What is wrong with the fields of a request, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from marshmallow import Schema, ValidationError

FIELDS, WINDOW, DATA = 0, 1, 2  # stages of the validation, earliest first


class FieldMessage(str):
    """What is wrong with one field, with the reason that metrics count it under and the stage that found it."""

    __slots__ = ("reason", "stage")

    reason: str
    stage: int

    def __new__(cls, text: str, reason: str, stage: int = FIELDS) -> FieldMessage:
        message = super().__new__(cls, text)
        message.reason = reason
        message.stage = stage
        return message


class FieldError(NamedTuple):
    """One wrong field: its name, dotted inside of others, and what is wrong with it."""

    name: str
    message: FieldMessage


@dataclass(frozen=True, slots=True)
class ValidationFailure:
    """Why a request was not taken: every wrong field, and extra members for the problem."""

    errors: tuple[FieldError, ...]
    members: Mapping[str, Any]

    @property
    def stage(self) -> int:
        """The earliest stage that found something."""
        return min(e.message.stage for e in self.errors)

    @property
    def slug(self) -> str:
        """The kind of the problem."""
        return "invalid_event_data" if self.stage == DATA else "validation-error"

    @property
    def detail(self) -> str:
        """One sentence about the earliest failing stage."""
        first = [e for e in self.errors if e.message.stage == self.stage]
        if self.stage == WINDOW:
            return str(first[0].message)
        if len(first) == 1:
            return f"{first[0].name} {first[0].message}"
        return "invalid fields: " + ", ".join(e.name for e in first)

    def field_errors(self, prefix: str = "") -> dict[str, str]:
        """The messages by the names of their fields, as a problem shows them."""
        return {prefix + e.name: str(e.message) for e in self.errors}

    def reasons(self) -> list[tuple[str, str]]:
        """Each wrong field and the reason, as metrics count them."""
        return [(e.name, e.message.reason) for e in self.errors]


def load(schema: Schema, body: Mapping[str, Any]) -> tuple[dict[str, Any], list[FieldError]]:
    """What is right of a body, and what is wrong with it."""
    try:
        return dict(schema.load(body)), []
    except ValidationError as e:
        return e.valid_data if isinstance(e.valid_data, dict) else {}, field_errors(e)


def field_errors(error: ValidationError) -> list[FieldError]:
    """What a schema says is wrong: the first message of each field."""
    messages = error.messages if isinstance(error.messages, dict) else {"_schema": error.messages}
    return list(_flatten(messages, ""))


def _flatten(messages: Mapping[Any, Any], prefix: str) -> Iterator[FieldError]:
    for key, value in messages.items():
        name = prefix.rstrip(".") if key == "_schema" else f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}.")
        else:
            first = value[0]
            yield FieldError(name, first if isinstance(first, FieldMessage) else FieldMessage(str(first), "invalid"))
