"""Members that a schema does not know: which are named, and within which bounds."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.audit.schemas import AuditEventSchema
from app.validation.ignored import MAX_CHARACTERS, MAX_ITEMS, MAX_NAMES, KnownMembers
from app.workflows import schemas, search_request
from tests.unit.fakes import event
from tests.unit.openapi.test_document import DOCUMENT

EVENT = KnownMembers(AuditEventSchema())


@pytest.mark.parametrize(
    "body", [{}, event(), event(event_data={"actor": {"x": 1}}), dict.fromkeys(AuditEventSchema().fields)]
)
def test_what_is_known_is_not_named(body: dict[str, Any]) -> None:
    assert EVENT.ignored(body) == {}
    assert EVENT.ignored_of_batch([body, body]) == {}


def test_unknown_members_are_named_in_their_order() -> None:
    body = {"zebra": 1, **event(), "actor": {"deep": {}}}
    assert EVENT.ignored(body) == {"ignored": ["zebra", "actor"]}
    assert EVENT.ignored_of_batch([event(), body, event()]) == {"ignored": {"1": ["zebra", "actor"]}}


def test_so_many_are_named_and_the_others_counted() -> None:
    many = {f"m{n}": n for n in range(MAX_NAMES + 5)}
    assert EVENT.ignored(event(**many)) == {"ignored": list(many)[:MAX_NAMES], "ignored_more": 5}
    assert "ignored_more" not in EVENT.ignored(dict.fromkeys(list(many)[:MAX_NAMES]))
    bodies = [event(**many)] * (MAX_ITEMS + 2)
    said = EVENT.ignored_of_batch(bodies)
    assert list(said["ignored"]) == [str(n) for n in range(MAX_ITEMS)]
    assert all(len(names) == MAX_NAMES for names in said["ignored"].values())
    assert said["ignored_more"] == 5 * MAX_ITEMS + 2 * (MAX_NAMES + 5)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("x" * 5000, "x" * MAX_CHARACTERS),
        ("", ""),
        ("\0\x1b<b>\u202e😀", "\0\x1b<b>\u202e😀"),
        ("a\ud800", "a\\ud800"),
        ("\ud800" * 64, ("\\ud800" * 64)[:MAX_CHARACTERS]),
    ],
)
def test_a_name_comes_back_as_it_was_sent(name: str, shown: str) -> None:
    said = EVENT.ignored({name: 1})
    assert said == {"ignored": [shown]}
    assert orjson.loads(orjson.dumps(said)) == said


def test_objects_whose_members_are_known_are_looked_into() -> None:
    body = {
        "labels": {"signal_type": "x", "colour": 1},
        "detected_labels": {"helmManaged": True, "helm": True},
        "custom_labels": {"anything": ["x"]},
        "parameters": {"anything": 1},
        "bogus": {"inside": 1},
    }
    named = ["labels.colour", "detected_labels.helm", "bogus"]
    assert schemas.WORKFLOW_MEMBERS.ignored(body) == {"ignored": named}
    assert schemas.WORKFLOW_MEMBERS.ignored_of_batch([{}, body]) == {"ignored": {"1": named}}
    filters = {"severity": "high", "detected_labels": {"x": 1}, "custom_labels": {"x": ["y"]}, "sevrity": "high"}
    assert search_request.MEMBERS.ignored({"filters": filters, "topk": 3}) == {
        "ignored": ["filters.detected_labels.x", "filters.sevrity", "topk"]
    }
    assert search_request.MEMBERS.ignored({"filters": {"detected_labels": None}}) == {}


def test_the_document_has_the_bounds() -> None:
    found = DOCUMENT["components"]["schemas"]
    assert found["IgnoredMembers"]["maxItems"] == MAX_NAMES
    assert found["IgnoredMembers"]["items"]["maxLength"] == MAX_CHARACTERS
    assert found["IgnoredMembersOfBatch"]["maxProperties"] == MAX_ITEMS
