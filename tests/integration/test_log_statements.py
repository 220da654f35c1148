"""What the log keeps of statements of any size, and what the sequencer asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.clock import Clock
from app.postgres.watchdog import Watchdog
from app.transparency.sequencer import Sequencer
from app.transparency.signer import Signer
from tests.conftest import settings_for
from tests.log_check import check_log
from tests.support import Database

_EVENTS = (
    "INSERT INTO audit_events (event_id, event_date, event_version, event_type, event_timestamp, event_category, "
    "event_action, event_outcome, correlation_id, event_data, actor_type, actor_id, resource_type, resource_id, "
    "recorded_by, digest) "
    "SELECT gen_random_uuid(), '2026-11-20', '1.0', 'a.b.c', '2026-11-20 00:00:00Z', 'a', 'b', 'success', 'c', '{}', "
    "'service', 'd', 'e', 'f', 'tests', sha256(int4send(n)) FROM generate_series(1, %s) AS n"
)
_NOTIFICATIONS = (
    "INSERT INTO notification_audit (remediation_id, notification_id, recipient, channel, message_summary, status, "
    "sent_at, recorded_by, digest) SELECT 'r', 'n-' || n, 'x', 'slack', 'm', 'sent', '2026-11-20 00:00:00Z', 'tests', "
    "sha256(int4send(n)) FROM generate_series(1, %s) AS n"
)
_PENDING = "SELECT count FROM (SELECT * FROM log_pending_a UNION ALL SELECT * FROM log_pending_b) AS p ORDER BY id"


@pytest.fixture
def sequencer(database: Database) -> Iterator[Sequencer]:
    clock = Clock()
    made = Sequencer(settings_for(database), Watchdog(clock), clock, Signer((), ()))
    made.wanted()
    yield made
    made.stop()


@pytest.mark.parametrize("statement", [_EVENTS, _NOTIFICATIONS], ids=["events", "notifications"])
def test_a_statement_of_any_size_is_taken_in_parts(database: Database, sequencer: Sequencer, statement: str) -> None:
    for count in (0, 1, 4096, 9000):
        database.query(statement.replace("'n-' || n", f"'n-{count}-' || n"), count)
    assert [n for (n,) in database.query(_PENDING)] == [1, 4096, 4096, 4096, 808]
    sequencer.step()
    report = check_log(database.superuser_url)
    assert (report.size, report.pending, report.faults) == (13_097, 0, [])
