"""To a writer with limits on reading a parent that he may not read is one that is not there: at once, and at replay."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import flask
import pytest
import redis
from datastorage_common.times import rfc3339

from app.audit.event import AuditEvent, with_own_parents
from app.audit.outcome import ParentMissing, Stored, WriteRequest
from app.audit.validator import Validator
from app.audit.writer import Writer
from app.auth.read_limits import EVERYTHING, ReadLimits
from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import AuditSettings
from app.dlq import replay
from app.dlq.codec import decode, encode
from app.dlq.keys import EVENTS as STREAM
from app.dlq.keys import KEYS
from app.postgres.watchdog import Watchdog
from tests.conftest import settings_for
from tests.integration.service import BATCH, EVENTS
from tests.read_limits import bearer, named_principals, within
from tests.support import Database, Valkey, event, wait_until

VALIDATOR = Validator(AuditSettings(), Clock().now)
MISSING = [ParentMissing((0,))]
PAYMENTS = within({"payments"})
TODAY = datetime.now(UTC)


def record(reads: ReadLimits = EVERYTHING, **members: Any) -> AuditEvent:
    made = VALIDATOR.event(event(**{"event_id": str(uuid.uuid4()), **members}), reads=reads)
    assert isinstance(made, AuditEvent)
    return made


def child(reads: ReadLimits, parent: AuditEvent, **members: Any) -> AuditEvent:
    return record(reads, parent_event_id=str(parent.event_id), namespace="payments", **members)


def requests(*records: AuditEvent) -> list[WriteRequest]:
    """A request for each record."""
    return [WriteRequest((one,)) for one in records]


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    clock = Clock()
    watchdog = Watchdog(clock)
    watchdog.start()
    made = Writer(settings_for(database), Breaker(), watchdog, clock)
    yield made
    made.drop_session()
    watchdog.stop()


def parent_day(database: Database, stored: AuditEvent) -> date | None:
    [(day,)] = database.query("SELECT parent_event_date FROM audit_events WHERE event_id = %s", stored.event_id)
    return day


def replayed(one: AuditEvent) -> AuditEvent:
    """The record as it comes out of the queue."""
    found = decode(VALIDATOR, STREAM, encode(one, TODAY, "why"))
    assert isinstance(found, AuditEvent)
    return found


@pytest.mark.parametrize("way", [lambda one: one, replayed], ids=["at once", "at replay"])
def test_a_parent_in_the_table(writer: Writer, way: Callable[[AuditEvent], AuditEvent]) -> None:
    own, others = record(namespace="payments"), record(namespace="bank")
    assert writer.to_database(requests(own, others)) == [Stored()] * 2
    for reads, parent, outcome in (
        (PAYMENTS, own, [Stored()]),
        (PAYMENTS, others, MISSING),
        (within(None, {"workflow"}), own, MISSING),
        (within(set()), own, MISSING),
        (EVERYTHING, others, [Stored()]),
    ):
        assert writer.to_database(requests(way(child(reads, parent)))) == outcome


def test_a_parent_in_the_same_flush(writer: Writer, database: Database) -> None:
    own, others = record(namespace="payments"), record(namespace="bank")
    children = [child(PAYMENTS, own), child(PAYMENTS, others), child(EVERYTHING, others), child(PAYMENTS, own)]
    outcomes = writer.to_database(requests(own, others, *children))
    assert outcomes == [Stored(), Stored(), Stored(), *MISSING, Stored(), Stored()]
    assert [parent_day(database, children[i]) for i in (0, 2, 3)] == [own.event_date] * 3
    assert database.query("SELECT 1 FROM audit_events WHERE event_id = %s", children[1].event_id) == []


def test_writers_with_other_limits_in_the_same_flush_get_their_own_answers(writer: Writer, database: Database) -> None:
    """One id on two days, each of another team."""
    ident, before = str(uuid.uuid4()), rfc3339(TODAY - timedelta(days=2))
    newer = record(event_id=ident, namespace="bank", event_timestamp=rfc3339(TODAY))
    older = record(event_id=ident, namespace="payments", event_timestamp=before)
    for flushes in ([requests(newer, older)], [requests(older), requests(newer)]):
        for flush in flushes:
            writer.to_database(flush)
        mine, banks, anybodys = (child(reads, newer) for reads in (PAYMENTS, within({"bank"}), EVERYTHING))
        shops = child(within({"shop"}), newer)
        outcomes = writer.to_database(requests(shops, anybodys, banks, mine))
        assert outcomes == [*MISSING, Stored(), Stored(), Stored()]
        assert parent_day(database, mine) == older.event_date
        assert parent_day(database, banks) == parent_day(database, anybodys) == newer.event_date


def test_a_batch_knows_its_own_parents_wherever_they_are_written(writer: Writer) -> None:
    parent = record(PAYMENTS, namespace="bank")
    batch = with_own_parents((parent, child(PAYMENTS, parent)))
    assert writer.to_database(requests(*map(replayed, batch))) == [Stored()] * 2
    # The child before its parent is none of those.
    late = child(PAYMENTS, parent)
    assert with_own_parents((late, parent)) == (late, parent)
    assert writer.to_database(requests(replayed(late))) == MISSING


def test_limits_are_no_part_of_what_is_stored() -> None:
    parent = record()
    members = {"event_id": str(uuid.uuid4()), "event_timestamp": rfc3339(TODAY)}
    narrow, wide = (child(reads, parent, **members) for reads in (PAYMENTS, EVERYTHING))
    assert narrow.parent_within == PAYMENTS
    assert (narrow.digest, narrow.row) == (wide.digest, wide.row)
    assert record(PAYMENTS).parent_within is None, "without a parent there is nothing to be looked for"


def test_through_an_outage(
    make_app: Callable[..., flask.Flask],
    database: Database,
    valkey: Valkey,
    streams: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was answered 202 is kept or a dead letter, whose reason is that of a parent that is not there."""
    monkeypatch.setattr(replay, "PARENT_PATIENCE_SECONDS", 0.0)
    with named_principals():
        client = make_app(redis={"url": valkey.url(0)}).test_client()
    ids = {name: str(uuid.uuid4()) for name in ("own", "others", "good", "bad", "lost", "first", "second")}

    def post(who: str, body: Any, path: str = EVENTS) -> int:
        return client.post(path, json=body, headers=bearer(who)).status_code

    assert post("unlimited", event(event_id=ids["own"], namespace="payments")) == 201
    assert post("unlimited", event(event_id=ids["others"], namespace="bank")) == 201
    database.query("REVOKE INSERT ON audit_events FROM datastorage")
    assert post("one", event(event_id=ids["good"], parent_event_id=ids["own"])) == 202
    # Whether a parent is there is not known yet, for anybody.
    assert post("one", event(event_id=ids["bad"], parent_event_id=ids["others"])) == 202
    assert post("one", event(event_id=ids["lost"], parent_event_id=str(uuid.uuid4()))) == 202
    first = event(event_id=ids["first"], namespace="bank")
    second = event(event_id=ids["second"], parent_event_id=ids["first"])
    assert post("one", [first, second], BATCH) == 202
    database.query("GRANT INSERT ON audit_events TO datastorage")
    keys = KEYS["events"]
    wait_until(lambda: streams.xlen(keys.stream) == 0, what="replayed")
    stored = {ident for (ident,) in database.query("SELECT event_id::text FROM audit_events")}
    assert stored == {ids[name] for name in ("own", "others", "good", "first", "second")}
    reasons = [fields[b"reason"].decode() for _, fields in streams.xrange(keys.dead)]
    assert reasons == ["parent event does not exist"] * 2
