"""What holds the log against the records finds each way in which they can differ."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from app import create_app
from app.services import Services
from tests.conftest import settings_for
from tests.log_check import check_log
from tests.support import Database, PostgresServer, event, notification, wait_until

EVENTS = 600  # more than two tiles


@pytest.fixture(scope="module")
def logged(postgres: PostgresServer, template: str) -> Iterator[Database]:
    """A log of some events and one notification, behind which no sequencer comes any more."""
    database = postgres.make_database(template)
    settings = settings_for(database)
    services = Services(settings)
    client = create_app(settings, services).test_client()
    services.start()
    try:
        wait_until(lambda: services.monitor.state.connected, what="database connected")
        for _ in range(3):
            events = [event(event_id=str(uuid.uuid4())) for _ in range(EVENTS // 3)]
            assert client.post("/api/v1/audit/events/batch", json=events).status_code == 201
        assert client.post("/api/v1/audit/notifications", json=notification()).status_code == 201
        size = "SELECT size FROM log_head"
        wait_until(lambda: database.query(size) == [(EVENTS + 1,)], what="everything is in the log")
    finally:
        services.stop()
    yield database
    database.drop()


@pytest.fixture
def log(postgres: PostgresServer, logged: Database) -> Iterator[str]:
    """The address of a copy of it."""
    made = postgres.make_database(logged.name)
    yield made.superuser_url
    made.drop()


def test_a_log_that_is_right(log: str) -> None:
    report = check_log(log)
    assert (report.faults, report.size, report.records, report.pending) == ([], EVENTS + 1, EVENTS + 1, 0)
    assert report.kinds == {"audit_event": EVENTS, "notification": 1}
    assert report.root == report.tree.root(EVENTS + 1)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ("DELETE FROM audit_events WHERE event_id = (SELECT min(event_id::text)::uuid FROM audit_events)", "without a"),
        ("UPDATE audit_events SET recorded_at = recorded_at + interval '1 us'", "is not that of"),
        ("UPDATE audit_events SET digest = sha256('other')", "is not that of"),
        ("UPDATE notification_audit SET sent_at = sent_at - interval '1 day'", "is not that of"),
        ("UPDATE log_bundles SET entries = set_byte(entries, 30, 1 + get_byte(entries, 30)%255)", "tiles are right"),
        ("UPDATE log_bundles SET bundle = 7 WHERE bundle = 2", "bundle 7 holds 89 entries"),
        ("UPDATE log_bundles SET entries = entries || entries, width = 178 WHERE bundle = 2", "two entries for"),
        ("DELETE FROM log_bundles WHERE bundle = 2", "the head says 601, and there are 512 entries"),
        (
            "UPDATE log_tiles SET hashes = set_byte(hashes, 40, 255 - get_byte(hashes, 40)) WHERE level = 1",
            "wrong: [(1,",
        ),
        ("DELETE FROM log_tiles WHERE level = 1", "3 of 4 tiles are right"),
        ("DELETE FROM log_places WHERE log_index = 30", "the first that is wrong is 30"),
        ("UPDATE log_places SET id_hash = 0 WHERE log_index = 600", "the first that is wrong is 600"),
        ("DELETE FROM log_places WHERE log_index = 600", "the first that is wrong is 600"),
        ("INSERT INTO log_places VALUES (1, 601)", "the first that is wrong is 601"),
        ("INSERT INTO log_salts VALUES (5, '\\x00')", "1 salts of nothing"),
    ],
)
def test_what_is_wrong_is_found(log: str, change: str, fault: str) -> None:
    with psycopg.connect(log) as conn:
        # As superuser, past the triggers that refuse it.
        conn.execute("SET session_replication_role = replica")
        assert conn.execute(change).rowcount > 0
    faults = check_log(log).faults
    assert any(fault in found for found in faults), faults


def test_a_record_that_was_slipped_in_is_found(log: str) -> None:
    with psycopg.connect(log) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute(
            "INSERT INTO notification_audit OVERRIDING SYSTEM VALUE SELECT (json_populate_record(n, json_build_object("
            "'id', id + 1, 'notification_id', 'slipped in'))).* FROM notification_audit n"
        )
    assert [fault.split(" of ")[0] for fault in check_log(log).faults] == ["no entry for notification 2"]
