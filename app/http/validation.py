"""Requests that are not valid: counted, and answered with everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from app.http.problems import Problem
from app.http.validation_failures import count_validation_failures
from app.validation.field_errors import FieldError, ValidationFailure

T = TypeVar("T")

_NO_OBJECT = "must be a JSON object"


def invalid(failure: ValidationFailure) -> Problem:
    """The problem that answers a request with wrong fields."""
    count_validation_failures(failure.reasons())
    return Problem(failure.slug, failure.detail, field_errors=failure.field_errors(), members=failure.members)


def valid(value: T | ValidationFailure, wrong: tuple[FieldError, ...] = ()) -> T:
    """The value; ``wrong`` is what was found before, outside the body. Raises Problem 400 that names all of it."""
    if isinstance(value, ValidationFailure):
        raise invalid(ValidationFailure(wrong + value.errors, value.members))
    if wrong:
        raise invalid(ValidationFailure(wrong, {}))
    return value


def not_an_object() -> Problem:
    """The problem that answers a body that has to be a JSON object and is something else."""
    count_validation_failures([("body", "invalid")])
    return Problem("invalid_request", f"request body {_NO_OBJECT}")


def valid_batch(
    body: Any, noun: str, max_size: int, check: Callable[[dict[str, Any]], T | ValidationFailure]
) -> list[T]:
    """What ``check`` makes of each item of a batch. Raises Problem 400 that names every wrong field of every item.

    ``noun``: what an item is called in the detail, which is about the first item that is wrong.
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
        raise Problem(slug, f"{noun} at index {index}: {detail}", field_errors=errors, members=members)
    return items
