"""Texts and mappings in the place of what the generated models are made of.

A model says ``severity: Severity``, and people write ``severity="high"``: the generated code would fail on that
text with an unrelated error, or take it for a list of its letters.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Self, get_args, get_type_hints
from uuid import UUID

import attrs

from datastorage_client._generated import models


class Text(str):
    """A text where a generated call wants a member of an enumeration: the service judges whether it is one."""

    __slots__ = ()

    @property
    def value(self) -> str:
        """The text, as a member has it."""
        return str(self)


class Members(dict[str, Any]):
    """A mapping where a generated call wants a model: the service judges what is in it."""

    def to_dict(self) -> Self:
        """The mapping, as a model has it."""
        return self


def as_meant(model: Any) -> Any:
    """The model, or a copy of it with members, times and ids where texts stand for them. Raises ValueError."""
    changed = {}
    kind: type = type(model)
    for name, classes in _wanted(kind).items():
        value = getattr(model, name)
        meant = _meant(name, value, classes)
        if meant is not value:
            changed[name] = meant
    if not changed:
        return model
    made = copy.copy(model)
    for name, meant in changed.items():
        setattr(made, name, meant)
    return made


def _meant(name: str, value: Any, classes: tuple[type, ...]) -> Any:
    if isinstance(value, list):
        meant = [_meant(name, each, classes) for each in value]
        return meant if any(one is not other for one, other in zip(meant, value, strict=True)) else value
    if _is_model(type(value)):
        return as_meant(value)
    if isinstance(value, Mapping):
        return Members(value) if any(_is_model(cls) for cls in classes) else value
    if isinstance(value, str) and not isinstance(value, Enum):
        return _member(name, value, classes)
    return value


def _member(name: str, text: str, classes: tuple[type, ...]) -> Any:
    readers: list[Callable[[str], Any]] = []
    there: list[str] = []
    for cls in classes:
        if issubclass(cls, Enum):
            readers.append(cls)
            there += [member.value for member in cls]
        elif cls is datetime:
            readers.append(datetime.fromisoformat)
            there.append("an RFC 3339 time")
        elif cls is UUID:
            readers.append(UUID)
            there.append("a UUID")
    for read in readers:
        with contextlib.suppress(ValueError):
            return read(text)
    if readers:
        raise ValueError(f"{name} is {text!r} and not one of: {', '.join(dict.fromkeys(there))}")
    return text


def _is_model(cls: type) -> bool:
    return cls.__module__ == models.__name__ and attrs.has(cls)


@cache
def _wanted(model: type) -> dict[str, tuple[type, ...]]:
    """By member, the classes that it may be of; without the members that may be any text."""
    if not _is_model(model):
        return {}
    hints = get_type_hints(model)
    found = {name: tuple(_classes(hint)) for name, hint in hints.items() if name != "additional_properties"}
    return {name: classes for name, classes in found.items() if str not in classes}


def _classes(hint: Any) -> Iterator[type]:
    if arguments := get_args(hint):
        for argument in arguments:
            yield from _classes(argument)
    elif isinstance(hint, type):
        yield hint
