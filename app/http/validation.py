"""Requests that are not valid: counted, and answered with everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from app.http.problems import Problem
from app.http.validation_failures import count_validation_failures
from app.validation.field_errors import FieldError, ValidationFailure
from app.validation.ignored import NOTHING, KnownMembers

T = TypeVar("T")

_NO_OBJECT = "must be a JSON object"


def invalid(failure: ValidationFailure, ignored: Mapping[str, Any] = NOTHING) -> Problem:
    """The problem that answers a request with wrong fields.

    ``ignored``: what it says of members that are not known. One of them may be a member that is missing, misspelt.
    """
    count_validation_failures(failure.reasons())
    members = {**failure.members, **ignored}
    return Problem(failure.slug, failure.detail, field_errors=failure.field_errors(), members=members)


def valid(value: T | ValidationFailure, wrong: tuple[FieldError, ...] = (), ignored: Mapping[str, Any] = NOTHING) -> T:
    """The value; ``wrong`` is what was found before, outside the body. Raises Problem 400 that names all of it."""
    if isinstance(value, ValidationFailure):
        raise invalid(ValidationFailure(wrong + value.errors, value.members), ignored)
    if wrong:
        raise invalid(ValidationFailure(wrong, {}), ignored)
    return value


def not_an_object() -> Problem:
    """The problem that answers a body that has to be a JSON object and is something else."""
    count_validation_failures([("body", "invalid")])
    return Problem("invalid_request", f"request body {_NO_OBJECT}")


def valid_batch(
    body: Any,
    noun: str,
    max_size: int,
    check: Callable[[dict[str, Any]], T | ValidationFailure],
    known: KnownMembers,
) -> list[T]:
    """What ``check`` makes of each item of a batch. Raises Problem 400 that names every wrong field of every item.

    ``noun``: what an item is called in the detail, which is about the first item that is wrong. ``known``: the members
    of an item; the problem names all others.
    """
    if not isinstance(body, list):
        count_validation_failures([("body", "not_array")])
        raise Problem("invalid_request", "request body must be a JSON array, not a single object")
    if not body:
        count_validation_failures([("body", "empty_batch")])
        raise Problem("validation-error", "batch cannot be empty")
    if len(body) > max_size:
        count_validation_failures([("body", "batch_too_large")])
        detail = f"batch size {len(body)} exceeds maximum allowed batch size of {max_size}"
        raise Problem("batch-size-exceeded", detail, members={"max_batch_size": max_size})
    items: list[T] = []
    errors: dict[str, str] = {}
    first: tuple[int, str, str, dict[str, Any]] | None = None
    for index, item in enumerate(body):
        if not isinstance(item, dict):
            count_validation_failures([("body", "invalid")])
            errors[f"[{index}]"] = _NO_OBJECT
            first = first or (index, "invalid_request", _NO_OBJECT, {})
            continue
        checked = check(item)
        if isinstance(checked, ValidationFailure):
            count_validation_failures(checked.reasons())
            errors |= checked.field_errors(f"[{index}].")
            first = first or (index, checked.slug, checked.detail, dict(checked.members))
        else:
            items.append(checked)
    if first is not None:
        index, slug, detail, members = first
        ignored = known.ignored_of_batch([item if isinstance(item, dict) else {} for item in body])
        told = f"{noun} at index {index}: {detail}"
        raise Problem(slug, told, field_errors=errors, members={**members, **ignored})
    return items
