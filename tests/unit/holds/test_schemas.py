"""What a request about a hold may say, and how its filter is kept."""

from __future__ import annotations

from typing import Any

import pytest

from app.audit.filters import EVENT_CONDITIONS, NOTIFICATION_CONDITIONS
from app.holds import schemas
from app.validation.field_errors import ValidationFailure
from tests.unit.fakes import NOW

BOTH = ["audit_event", "notification"]


def kept(wanted: dict[str, Any]) -> dict[str, Any]:
    found = schemas.hold({"name": "n", "reason": "r", "filter": wanted}, NOW)
    assert not isinstance(found, ValidationFailure), found
    return dict(found["filter"])


def refused(wanted: dict[str, Any]) -> set[str]:
    found = schemas.hold({"name": "n", "reason": "r", "filter": wanted}, NOW)
    assert isinstance(found, ValidationFailure), found
    return {error.name for error in found.errors}


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        ({}, BOTH),
        ({"since": "2026-01-01", "until": "2026-02-01"}, BOTH),
        ({"since": "2026-01-01", "actor_id": "a"}, ["audit_event"]),
        ({"data": {}}, ["audit_event"]),
        ({"channel": "email"}, ["notification"]),
        ({"kinds": ["notification"]}, ["notification"]),
        ({"kinds": ["notification", "audit_event"]}, BOTH),
    ],
)
def test_which_kinds_of_records_a_filter_takes(wanted: dict[str, Any], kinds: list[str]) -> None:
    assert kept(wanted)["kinds"] == kinds


def test_times_are_kept_in_utc() -> None:
    wanted = kept({"since": "2026-01-01", "until": "2026-01-01T02:00:00.5+01:00"})
    assert (wanted["since"], wanted["until"]) == ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00.500000Z")


@pytest.mark.parametrize("moving", ["7d", "1h30m", "0s"])
def test_a_range_does_not_move(moving: str) -> None:
    assert refused({"since": moving}) == {"filter.since"}


def test_what_is_no_filter_is_refused_by_its_name() -> None:
    assert refused({"actor": "alice", "limit": "1"}) == {"filter.actor", "filter.limit"}


def test_filters_of_both_kinds_are_refused_each() -> None:
    assert refused({"actor_id": "a", "channel": "email"}) == {"filter.actor_id", "filter.channel"}


def test_every_filter_of_the_lists_has_a_name_for_errors() -> None:
    named = {f"filter.{name}" for name in (*EVENT_CONDITIONS, *NOTIFICATION_CONDITIONS, "kinds")}
    assert named <= set(schemas.FIELDS)


def test_a_release_needs_a_reason() -> None:
    assert schemas.release({"reason": "closed"}) == {"reason": "closed"}
    assert isinstance(schemas.release({"reason": " "}), ValidationFailure)
