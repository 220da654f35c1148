"""The outcome of each write, its lag and its time, counted many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from app.audit import write_metrics
from app.audit.event import AuditEvent, Notification
from app.audit.outcome import Conflict, InDoubt, Outcome, Refused, Spilled, Stored, WriteRequest
from app.audit.pending_write import PendingWrite
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from app.telemetry import metrics
from tests.unit.fakes import NOW, event, notification

STATUSES = ("success", "dlq_fallback", "duplicate", "failure")
VALIDATOR = Validator(AuditSettings(), lambda: NOW)


def made(**members: Any) -> AuditEvent:
    record = VALIDATOR.event(event(**members))
    assert isinstance(record, AuditEvent)
    return record


@dataclass(frozen=True)
class Counts:
    """What the series say."""

    traces: dict[str, float]
    lags: tuple[float, float]  # how many and their sum
    writes: float


def counts(service: str, table: str) -> Counts:
    lag = metrics.LAG.labels(service)
    return Counts(
        {status: metrics.TRACES.labels(service, status)._value.get() for status in STATUSES},
        (sum(b.get() for b in lag._buckets), lag._sum.get()),
        sum(b.get() for b in metrics.WRITE_SECONDS.labels(table)._buckets),
    )


@dataclass
class Change:
    """How the series of one service and one table moved."""

    service: str
    table: str = "audit_events"

    def __post_init__(self) -> None:
        self.before = counts(self.service, self.table)

    @property
    def traces(self) -> dict[str, float]:
        after = counts(self.service, self.table).traces
        return {s: n - self.before.traces[s] for s, n in after.items() if n != self.before.traces[s]}

    @property
    def lags(self) -> tuple[float, float]:
        after = counts(self.service, self.table).lags
        return after[0] - self.before.lags[0], after[1] - self.before.lags[1]

    @property
    def writes(self) -> float:
        return counts(self.service, self.table).writes - self.before.writes


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Stored(), "success"),
        (Stored((0,)), "duplicate"),
        (Spilled(), "dlq_fallback"),
        (Refused("dlq-full"), "failure"),
        (InDoubt(), "failure"),
        (Conflict((0,)), "failure"),
    ],
)
def test_every_write_is_counted(outcome: Outcome, status: str) -> None:
    change = Change("workflow")
    pending = PendingWrite(WriteRequest((made(event_category="workflow"),)), "audit_events")
    write_metrics.count([(pending, outcome)], NOW + timedelta(seconds=3))
    assert change.traces == {status: 1}
    assert change.lags == ((1, 3) if outcome == Stored() else (0, 0)), "what is not stored now has no lag"
    assert change.writes == 1


def test_copies_in_a_batch_are_counted_apart() -> None:
    change = Change("analysis", "audit_events_batch")
    records = tuple(made(event_category="analysis") for _ in range(3))
    write_metrics.count([(PendingWrite(WriteRequest(records), "audit_events_batch"), Stored((1,)))], NOW)
    assert change.traces == {"success": 2, "duplicate": 1}
    assert change.lags[0] == 2
    assert change.writes == 1


def test_requests_of_one_flush_are_counted_together() -> None:
    gateway, mail = Change("gateway"), Change("notification", "notification_audit")
    record = VALIDATOR.notification(notification())
    assert isinstance(record, Notification)
    write_metrics.count(
        [
            (PendingWrite(WriteRequest((made(),)), "audit_events"), Stored()),
            (PendingWrite(WriteRequest((made(),)), "audit_events"), Spilled()),
            (PendingWrite(WriteRequest((record,)), "notification_audit"), Stored()),
        ],
        NOW,
    )
    assert (gateway.traces, gateway.writes) == ({"success": 1, "dlq_fallback": 1}, 2)
    assert (mail.traces, mail.writes, mail.lags[0]) == ({"success": 1}, 1, 1)


def test_categories_that_clients_make_up_are_one_service() -> None:
    metrics.announce_services(["billing"])
    other, billing = Change("other"), Change("billing")
    series = len(list(metrics.TRACES.collect()[0].samples))
    names = [f"made-up-{n}" for n in range(1000)] + ["datastorage.access", "billing"]
    records = tuple(made(event_category=name) for name in names)
    write_metrics.count([(PendingWrite(WriteRequest(records), "audit_events_batch"), Stored())], NOW)
    assert (other.traces, billing.traces) == ({"success": 1001}, {"success": 1})
    assert (other.lags[0], billing.lags[0]) == (1001, 1)
    assert len(list(metrics.TRACES.collect()[0].samples)) == series, "each began at 0"


def test_an_event_ahead_of_the_clock_has_no_lag() -> None:
    change = Change("gateway")
    write_metrics.count([(PendingWrite(WriteRequest((made(),)), "audit_events"), Stored())], NOW - timedelta(seconds=2))
    assert change.lags == (1, 0)


def test_a_request_takes_from_its_start_to_its_outcome() -> None:
    series = metrics.WRITE_SECONDS.labels("audit_events")
    before = series._sum.get()
    pending = PendingWrite(WriteRequest((made(),)), "audit_events")
    pending.began -= 7200
    write_metrics.count([(pending, Stored())], NOW)
    assert series._sum.get() - before >= 7200


@pytest.mark.parametrize(
    ("outcome", "status"), [(Stored(), "success"), (Spilled(), "dlq_fallback"), (InDoubt(), "failure")]
)
def test_of_an_event_that_no_request_waits_for_only_the_outcome_is_counted(outcome: Outcome, status: str) -> None:
    change = Change("workflow")
    write_metrics.count([(PendingWrite(WriteRequest((made(event_category="workflow"),))), outcome)], NOW)
    assert change.traces == {status: 1}
    assert (change.lags, change.writes) == ((0, 0), 0)
