"""What is recorded of the service, when, and that it waits for nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from app.audit.event import AuditEvent
from app.audit.outcome import Outcome, Refused, Rejected, Spilled, Stored, WriteRequest
from app.audit.own_events import OwnEvents
from app.audit.recorder import Recorder
from app.audit.service_events import ServiceEvents, settings_mark
from app.auth.principal import CredentialChange
from app.auth.refusal import Refusal
from app.config.settings import AuditSettings, BufferSettings, Settings
from app.config.stores import DatabaseSettings
from app.instance import Run
from tests.support import wait_until
from tests.unit.fakes import NOW, FakeIngest, StandingClock


class Queue(FakeIngest):
    """Takes events, or has no room for them."""

    def post(self, request: WriteRequest) -> bool:
        self.requests.append(request)
        return True

    def submit(self, request: WriteRequest, table: str | None) -> Outcome:
        if isinstance(self.outcome, Stored | Spilled):
            self.requests.append(request)
        return self.outcome  # type: ignore[return-value]

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(e.event_type, orjson.loads(e.event_data)) for r in self.requests for e in r.records if is_event(e)]


def is_event(record: object) -> bool:
    return isinstance(record, AuditEvent)


@pytest.fixture
def queue() -> Queue:
    return Queue(Stored())


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


def change(seconds: float, before: dict[str, Any], after: dict[str, Any]) -> CredentialChange:
    return CredentialChange("/t", int(seconds) * 10**9, "0a", "0b", before, after)


def make(queue: Queue, clock: StandingClock, settings: Settings | None = None) -> Recorder:
    return Recorder(settings or Settings(), queue, ServiceEvents(OwnEvents(clock.now)), clock)  # type: ignore[arg-type]


def a_run(clock: StandingClock) -> Run:
    run = Run()
    run.began = clock.now()
    return run


def test_the_first_refusal_is_recorded_at_once_and_more_once_a_minute(queue: Queue, clock: StandingClock) -> None:
    recorder = make(queue, clock)
    recorder.start(None)
    recorder.refused(Refusal(401, "unknown", None, "192.0.2.1"), "request")
    wait_until(lambda: queue.events, what="the first")
    [(kind, first)] = queue.events
    assert (kind, first["refused"]) == ("datastorage.auth.refused", 1)
    for _ in range(1000):
        recorder.refused(Refusal(401, "unknown", None, "192.0.2.1"), "request")
    recorder.refused(Refusal(403, "scope", "alice", "192.0.2.2"), "request")
    recorder._round()
    assert len(queue.events) == 1, "the minute is not over"
    clock.seconds += 61
    recorder._round()
    _, summed = queue.events[1]
    assert (summed["refused"], summed["by_reason"]) == (1001, {"unknown": 1000, "scope": 1})
    assert summed["callers"][0] == {
        "status": 401,
        "reason": "unknown",
        "principal": None,
        "address": "192.0.2.1",
        "route": "unmatched",
        "count": 1000,
    }
    recorder.refused(Refusal(401, "missing", None, None), "request")
    assert recorder.stop()
    assert queue.events[2][1]["by_reason"] == {"missing": 1}, "what there is at the end is not lost"


def test_what_finds_no_room_is_tried_again(queue: Queue, clock: StandingClock) -> None:
    recorder = make(queue, clock)
    queue.outcome = Refused("service-unavailable")
    recorder.refused(Refusal(401, "unknown", None, "192.0.2.1"), "request")
    recorder.credentials_changed(change(0, {"a": 1}, {}))
    recorder._round()
    assert queue.events == []
    queue.outcome = Spilled()
    recorder._round()
    assert [kind for kind, _ in queue.events] == ["datastorage.admin.credentials_changed", "datastorage.auth.refused"]


def test_every_worker_of_a_run_says_the_same_and_one_says_that_it_ends(queue: Queue, clock: StandingClock) -> None:
    run = a_run(clock)
    workers = [make(queue, clock) for _ in range(3)]
    for worker in workers:
        worker.start(run)
        worker.credentials_changed(change(NOW.timestamp(), {"a": 1, "b": 1}, {"b": 2, "c": 1}))
    assert all(worker.stop() for worker in workers)
    events = [e for r in queue.requests for e in r.records if isinstance(e, AuditEvent)]
    keys = {(e.event_type.rsplit(".", 1)[1], e.event_id, e.digest) for e in events}
    assert sorted(kind for kind, _, _ in keys) == ["credentials_changed", "started", "stopped"]
    assert len(events) == 3 + 3 + 1
    changed = next(data for kind, data in queue.events if kind.endswith("credentials_changed"))
    assert (changed["added"], changed["removed"], changed["changed"]) == (["c"], ["a"], ["b"])


def test_a_worker_that_is_made_anew_after_weeks_says_nothing_of_the_start(queue: Queue, clock: StandingClock) -> None:
    run = a_run(clock)
    clock.moment += timedelta(days=30)
    recorder = make(queue, clock, Settings(audit=AuditSettings(max_event_age=86400.0)))
    recorder.start(run)
    assert recorder.stop()
    assert [kind for kind, _ in queue.events] == ["datastorage.admin.stopped"]


def test_a_time_of_a_file_that_cannot_be_is_not_taken(queue: Queue, clock: StandingClock) -> None:
    recorder = make(queue, clock)
    recorder.start(a_run(clock))
    for seconds in (0, 4_000_000_000):
        recorder.credentials_changed(change(seconds, {}, {"a": 1}))
    assert recorder.stop()
    events = [e for r in queue.requests for e in r.records if isinstance(e, AuditEvent)]
    assert {e.event_timestamp for e in events} == {NOW}


@pytest.mark.parametrize(("outcome", "kept"), [(Stored(), True), (Spilled(), True), (Refused("dlq-full"), False)])
def test_what_must_be_kept(queue: Queue, clock: StandingClock, outcome: Any, kept: bool) -> None:
    queue.outcome = outcome
    recorder = make(queue, clock)
    assert recorder.keep(recorder.events.started(Settings(), a_run(clock))) is kept


def test_the_mark_of_the_settings_shows_changes_and_no_secret() -> None:
    digest, changed = settings_mark(Settings())
    assert changed == []
    other, changed = settings_mark(Settings(buffer=BufferSettings(size=7)))
    assert (other != digest, changed) == (True, ["buffer.size"])
    one, two = (
        settings_mark(Settings(database=DatabaseSettings(url=f"postgresql://u:{p}@db/x"))) for p in ("secret", "other")
    )
    assert one == two == (one[0], ["database.url"])


def test_what_cannot_be_stored_holds_up_nothing(
    queue: Queue, clock: StandingClock, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = make(queue, clock)
    recorder.credentials_changed(change(0, {}, {"k\0": {1}, "\ud800": {2}}))
    recorder.credentials_changed(change(1, {}, {"dave": {1}}))
    queue.outcome = Rejected(0)
    recorder._round()
    assert [record.message for record in caplog.records if "is not recorded" in record.message] == [
        "datastorage.admin.credentials_changed is not recorded: Rejected"
    ] * 2
    assert not recorder._waiting


def test_what_came_of_a_file_can_be_stored(queue: Queue, clock: StandingClock) -> None:
    recorder = make(queue, clock)
    recorder.credentials_changed(change(0, {}, {"k\0": {1}, "\ud800": {2}}))
    recorder._round()
    [(_, data)] = queue.events
    assert set(data["added"]) == {"k\ufffd", "\ufffd"}
