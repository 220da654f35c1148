"""A batch is valid, or everything that is wrong with it is named and counted."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import Schema, fields

from app.http import validation
from app.http.problems import Problem
from app.http.validation import valid, valid_batch
from app.validation.field_errors import DATA, FieldError, FieldMessage, ValidationFailure
from app.validation.ignored import KnownMembers

KNOWN = KnownMembers(Schema.from_dict({"name": fields.String()})())


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The failures that were counted."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(validation, "count_validation_failures", found.extend)
    return found


def check(item: dict[str, Any]) -> str | ValidationFailure:
    if "name" in item:
        return str(item["name"])
    return ValidationFailure((FieldError("name", FieldMessage("is required", "required")),), {"extra": 1})


def refused(body: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        valid_batch(body, "thing", 2, check, KNOWN)
    return caught.value


def test_the_items_in_their_order(counted: list[tuple[str, str]]) -> None:
    assert valid_batch([{"name": "a"}, {"name": "b"}], "thing", 2, check, KNOWN) == ["a", "b"]
    assert counted == []


@pytest.mark.parametrize(
    ("body", "slug", "detail", "reason"),
    [
        ({}, "invalid_request", "request body must be a JSON array, not a single object", "not_array"),
        ("x", "invalid_request", "request body must be a JSON array, not a single object", "not_array"),
        ([], "validation-error", "batch cannot be empty", "empty_batch"),
        (
            [{"name": "a"}] * 3,
            "batch-size-exceeded",
            "batch size 3 exceeds maximum allowed batch size of 2",
            "batch_too_large",
        ),
    ],
)
def test_a_body_that_is_no_batch(
    counted: list[tuple[str, str]], body: Any, slug: str, detail: str, reason: str
) -> None:
    problem = refused(body)
    assert (problem.kind.slug, problem.detail) == (slug, detail)
    assert counted == [("body", reason)]


def test_every_wrong_item_is_named_and_counted_and_the_first_is_told(counted: list[tuple[str, str]]) -> None:
    problem = refused([{}, 5])
    assert (problem.kind.slug, problem.detail) == ("validation-error", "thing at index 0: name is required")
    assert problem.members["field_errors"] == {"[0].name": "is required", "[1]": "must be a JSON object"}
    assert problem.members["extra"] == 1
    assert counted == [("name", "required"), ("body", "invalid")]
    assert refused([5, {}]).detail == "thing at index 0: must be a JSON object"


def test_what_was_found_before_the_body_is_told_together_with_it(counted: list[tuple[str, str]]) -> None:
    before = (FieldError("explain", FieldMessage("must be true or false", "invalid")),)
    assert valid("value") == "value"
    for value in ("value", ValidationFailure((FieldError("a", FieldMessage("is bad", "invalid", DATA)),), {})):
        with pytest.raises(Problem) as caught:
            valid(value, before)
        assert caught.value.members["field_errors"]["explain"] == "must be true or false"
    assert caught.value.members["field_errors"]["a"] == "is bad"
    assert counted == [("explain", "invalid"), ("explain", "invalid"), ("a", "invalid")]


def test_a_refused_batch_names_the_members_that_it_does_not_know(counted: list[tuple[str, str]]) -> None:
    assert refused([{"name": "a", "more": 1}, {"nmae": "b"}]).members["ignored"] == {"0": ["more"], "1": ["nmae"]}
    assert refused([5, {"nmae": "b"}]).members["ignored"] == {"1": ["nmae"]}
    assert "ignored" not in refused([{"name": "a"}, 5]).members
