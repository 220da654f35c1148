"""The reader of query parameters: what each method gives, and what is refused in which words."""

from __future__ import annotations

import flask
import pytest

from app.http.problems import Problem
from app.http.query import MAX_INTEGER, QueryParameters


def _errors(read: QueryParameters) -> dict[str, str]:
    with pytest.raises(Problem) as raised:
        read.check()
    assert raised.value.kind.slug == "validation-error"
    return dict(raised.value.members["field_errors"])


def test_nothing_given_is_nothing_wrong() -> None:
    read = QueryParameters({})
    assert read.raw("a") is None
    assert read.text("a") is None
    assert read.choice("a", ("x",), None) is None
    assert read.choice("a", ("x", "y"), "y") == "y"
    assert read.boolean("a", None) is None
    assert read.boolean("a", True) is True
    assert read.integer("a", 1, 9, 5) == 5
    assert "a" not in read
    read.check()


def test_what_is_not_asked_for_is_ignored_and_the_first_of_several_counts() -> None:
    app = flask.Flask("test")
    with app.test_request_context("/?limit=3&limit=x&other=1"):
        read = QueryParameters(flask.request.args)
        assert read.integer("limit", 1, 9, 5) == 3
        assert "other" in read
        read.check()


@pytest.mark.parametrize("text", ["", "plain", "with/slash", "ü", "😀"])
def test_a_text_that_can_be_stored(text: str) -> None:
    read = QueryParameters({"name": text})
    assert read.text("name") == read.raw("name") == text
    read.check()


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_a_text_that_cannot_be_stored(text: str) -> None:
    read = QueryParameters({"name": text})
    assert read.text("name") is None
    assert read.raw("name") == text
    assert _errors(read) == {"name": "holds a character that cannot be stored"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("z", "must be one of: x, y"),
        ("", "must be one of: x, y"),
        ("X", "must be one of: x, y"),
        ("x\0", "holds a character that cannot be stored"),
    ],
)
def test_a_choice_that_is_none(value: str, message: str) -> None:
    read = QueryParameters({"a": value})
    assert read.choice("a", ("x", "y"), "x") == value
    assert _errors(read) == {"a": message}


def test_a_choice() -> None:
    read = QueryParameters({"a": "y"})
    assert read.choice("a", ("x", "y"), "x") == "y"
    read.check()


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("false", False)])
def test_a_boolean(value: str, expected: bool) -> None:
    read = QueryParameters({"a": value})
    assert read.boolean("a", None) is expected
    read.check()


@pytest.mark.parametrize("value", ["", "True", "1", "yes"])
def test_a_boolean_that_is_none(value: str) -> None:
    read = QueryParameters({"a": value})
    assert read.boolean("a", False) is False
    assert _errors(read) == {"a": "must be true or false"}


@pytest.mark.parametrize(("value", "expected"), [("1", 1), ("9", 9), ("007", 7)])
def test_an_integer(value: str, expected: int) -> None:
    read = QueryParameters({"a": value})
    assert read.integer("a", 1, 9, 5) == expected
    read.check()


@pytest.mark.parametrize("value", ["", "0", "10", "-1", "+1", " 1", "1.0", "1_0", "٣", "²", "0" * 19 + "1"])
def test_an_integer_that_is_none(value: str) -> None:
    read = QueryParameters({"a": value})
    assert read.integer("a", 1, 9, 5) == 5
    assert _errors(read) == {"a": "must be an integer from 1 to 9"}


@pytest.mark.parametrize("value", [str(MAX_INTEGER + 1), "9" * 5000])
def test_an_integer_without_an_upper_limit_is_one_of_postgresql(value: str) -> None:
    assert QueryParameters({"a": str(MAX_INTEGER)}).integer("a", 0, MAX_INTEGER, 0) == MAX_INTEGER
    read = QueryParameters({"a": value})
    assert read.integer("a", 0, MAX_INTEGER, 0) == 0
    assert _errors(read) == {"a": "must be an integer of at least 0"}


def test_everything_wrong_is_named_in_the_order_of_reading() -> None:
    read = QueryParameters({"limit": "0", "stream": "z"})
    read.choice("stream", ("x",), "x")
    read.integer("limit", 1, 9, 5)
    read.refuse("cursor", "excludes offset")
    with pytest.raises(Problem) as raised:
        read.check()
    assert raised.value.detail == (
        "stream: must be one of: x; limit: must be an integer from 1 to 9; cursor: excludes offset"
    )
    assert list(raised.value.members["field_errors"]) == ["stream", "limit", "cursor"]
