"""Each member of a record, as the feed gives it, altered on its way."""

from __future__ import annotations

import uuid

import pytest

from tests.unit.client.verify.feed_support import ACT, EVENT_7, EVENT_9, Lie, edit, whole
from tests.unit.client.verify.log_server import DAY, Log

pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.fixture
def log(all_kinds: Log) -> Log:
    return all_kinds


@pytest.mark.parametrize(
    ("lie", "says"),
    [
        (edit(9, '"prod"', '"dev"'), f"{EVENT_9}, entry 9: its content does not give its digest"),
        (edit(9, "1.50", "1.51"), f"{EVENT_9}, entry 9: its content does not give its digest"),
        (edit(9, '"digest": "', '"digest": "00'), f"{EVENT_9}, entry 9: its digest was changed"),
        (edit(9, '"recorded_by": "gateway"', '"recorded_by": null'), f"{EVENT_9}, entry 9: a column outside its"),
        (edit(9, '"salt": "00', '"salt": "01'), f"{EVENT_9}, entry 9: a column outside its"),
        (edit(9, f'"salt": "{bytes(range(16)).hex()}"', '"salt": null'), f"{EVENT_9}, entry 9: its salt is not there"),
        (edit(9, '"salt"', '"more"'), f"{EVENT_9}, entry 9: it cannot be read: a member of it is missing"),
        (edit(9, '"actor_id"', '"actor_id": "x", "actor_id"'), f"{EVENT_9}, entry 9: it cannot be read: duplicate key"),
        (edit(9, "567890}", "567890e999999}"), f"{EVENT_9}, entry 9: it has a number that no record can have"),
        (edit(9, "1.50", "[" * 300 + "]" * 300), f"{EVENT_9}, entry 9: it cannot be read"),
        (edit(9, "1.50", f"[{'1,' * 10**6}1]"), f"{EVENT_9}, entry 9: it has more than 1,000,000 values, and is not"),
        (
            edit(9, str(uuid.UUID(int=10)), str(uuid.UUID(int=11))),
            f"{EVENT_9}, entry 9: the service gives the audit_event {uuid.UUID(int=11)} of {DAY} for it",
        ),
        (edit(301, '"2026-01-06"', '"2026-01-05"'), f"{EVENT_7}, entry 301: the service gives the audit_event"),
        (edit(9, '"kind": "audit_event"', '"kind": "act"'), f"{EVENT_9}, entry 9: it cannot be read"),
        (edit(9, '"kind": "audit_event"', '"kind": []'), f"{EVENT_9}, entry 9: it cannot be read"),
        (edit(300, '"ops@example.com"', '"x"'), "notification 42, entry 300: its content does not give its digest"),
        (edit(300, '"notifier"', "null"), "notification 42, entry 300: a column outside its digest was changed"),
        (edit(300, '"id": 42', '"id": 43'), "notification 42, entry 300: the service gives the notification 43 for it"),
        (edit(302, '"owner"', '"other"'), f"{ACT}, entry 302: its content does not give its digest"),
        (edit(302, '"intake_finished"', '"purge"'), f"{ACT}, entry 302: its content does not give its digest"),
    ],
)  # fmt: skip
def test_a_record_that_differs_is_named(log: Log, lie: Lie, says: str) -> None:
    log.turn = lie
    found = whole(log)
    assert says in str(found.first)
    assert (found.faults.total(), found.compared) == (1, 303)


def test_an_entry_of_another_day_is_not_that_of_the_record(log: Log) -> None:
    log.entries[300] = log.entries[300].replace(b'"on":"2026-01-05"', b'"on":"2026-01-06"')
    log.sign()
    found = whole(log)
    assert found.faults == {"columns": 1}
    assert "notification 42, entry 300" in str(found.first)
