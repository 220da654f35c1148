"""Every way in: what is stored, in whatever way, has exactly one entry in the log of all records."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import flask
import psycopg
import pytest
import redis
import yaml

from app.auth.principal import token_digest
from app.dlq.keys import KEYS
from app.services import Services
from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS, Service, running
from tests.integration.test_poison import CHECK, PATIENT, Gate, ev, together
from tests.log_support import (
    OLD_INSERT,
    PENDING,
    insert,
    insert_old,
    new_id,
    sequencers,
    settled,
    statements_of,
    turn,
    waiting,
)
from tests.sinks import FakeSink
from tests.support import Database, PostgresServer, Valkey, event, notification, valkey_server, wait_until

ODD = 'a "quoted" \\ name\n\t\x7f\x1f\u2028 żółw 🐢 </script>'


def test_events_batches_and_notifications_have_one_entry_each(app: flask.Flask, database: Database) -> None:
    client = app.test_client()
    events = [new_id() for _ in range(30)]
    assert client.post(EVENTS, json=event(event_id=events[0])).status_code == 201
    assert client.post(BATCH, json=[event(event_id=i) for i in events[1:]]).status_code == 201
    told = [notification() for _ in range(3)]
    assert [client.post(NOTIFICATIONS, json=body).status_code for body in told] == [201] * 3
    report = settled(database, events, [body["notification_id"] for body in told])
    assert dict(report.kinds) == {"audit_event": 30, "notification": 3}
    assert report.old == 0


def test_what_is_there_already_gets_no_second_entry(app: flask.Flask, database: Database) -> None:
    client = app.test_client()
    once, later = event(event_id=new_id()), [event(event_id=new_id()) for _ in range(10)]
    told = notification()
    for status in (201, 200):
        assert client.post(EVENTS, json=once).status_code == status
    assert [client.post(NOTIFICATIONS, json=told).status_code for _ in range(2)] == [201, 409]
    assert client.post(BATCH, json=later[:5]).status_code == 201
    assert client.post(BATCH, json=[*later, once]).status_code < 300, "half of them are new"
    assert client.post(BATCH, json=[*later, once]).status_code < 300, "none is"
    # The same id with other content is refused, and leaves no trace.
    assert client.post(EVENTS, json={**once, "event_action": "changed"}).status_code == 409
    assert client.post(NOTIFICATIONS, json={**told, "recipient": "other@example.org"}).status_code == 409
    assert client.post(BATCH, json=[event(), {**once, "event_action": "changed"}]).status_code == 409
    report = settled(database, [once["event_id"], *(body["event_id"] for body in later)])
    assert dict(report.kinds) == {"audit_event": 11, "notification": 1}


def test_one_id_on_several_days_and_months(make_app: Callable[..., flask.Flask], database: Database) -> None:
    app = make_app(audit={"max_event_age": 90 * 86400.0})
    ident, now = new_id(), datetime.now(UTC)
    days = [now - timedelta(days=back) for back in (0, 1, 2, 40, 70)]
    for day in days:  # a month without a partition gets one while it is written
        body = event(event_id=ident, event_timestamp=day.isoformat())
        assert app.test_client().post(EVENTS, json=body).status_code == 201, body
    report = settled(database, [ident])
    assert report.size == len(days)
    assert database.query("SELECT count(*), count(DISTINCT id_hash) FROM log_places") == [(len(days), 1)]


def test_a_trace_id_that_came_from_headers_is_covered(app: flask.Flask, database: Database) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01", "X-Request-ID": "request-7"}
    client = app.test_client()
    first, second = new_id(), new_id()
    assert client.post(EVENTS, json=event(event_id=first), headers=headers).status_code == 201
    assert client.post(EVENTS, json=event(event_id=second, trace_id=trace)).status_code == 201
    settled(database, [first, second])
    flags = dict(database.query("SELECT event_id::text, trace_id_from_context FROM audit_events"))
    assert flags == {first: True, second: False}
    assert {t for (t,) in database.query("SELECT trace_id FROM audit_events")} == {trace}


def test_the_services_own_events_have_entries(
    make_app: Callable[..., flask.Flask], database: Database, tmp_path: Path
) -> None:
    tokens = tmp_path / "tokens.yaml"
    scopes = ["audit:write", "audit:read"]
    tokens.write_text(yaml.safe_dump([{"name": "alice", "sha256": token_digest("a").hex(), "scopes": scopes}]))
    client = make_app(auth={"mode": "token", "tokens_file": str(tokens)}).test_client()
    headers = {"Authorization": "Bearer a"}
    ident = new_id()
    assert client.post(EVENTS, json=event(event_id=ident, is_sensitive=True), headers=headers).status_code == 201
    assert client.get(f"{EVENTS}/{ident}", headers=headers).status_code == 200
    wait_until(lambda: database.count() == 2, what="the access is recorded")
    assert settled(database, [ident]).size == 2


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with valkey_server() as server:
        yield server


def test_what_is_replayed_has_an_entry_whichever_release_spilled_it(
    make_app: Callable[..., flask.Flask], database: Database, valkey: Valkey
) -> None:
    events, told = [event(event_id=new_id()) for _ in range(5)], notification()
    queue = KEYS["events"]
    with redis.Redis.from_url(valkey.url(0)) as client:
        client.flushall()
        for number, body in enumerate(events):
            # The release before knows neither of request ids nor of what came after them.
            newest = {} if number < 3 else {"request_id": "r-1"}
            message = json.dumps({"type": "audit_event", "payload": body, **newest})
            client.xadd(queue.stream, {"message": message})
            client.incrby(queue.size, len(message))
        message = json.dumps({"type": "notification_audit", "payload": told})
        client.xadd(KEYS["notifications"].stream, {"message": message})
        client.incrby(KEYS["notifications"].size, len(message))
        app = make_app(redis={"url": valkey.url(0)})
        # One of them has been stored before its entry was taken out of the queue.
        assert app.test_client().post(EVENTS, json=events[0]).status_code in (200, 201)
        wait_until(lambda: client.xlen(queue.stream) == 0, what="the events are replayed")
        wait_until(lambda: client.xlen(KEYS["notifications"].stream) == 0, what="the notification is replayed")
    report = settled(database, [body["event_id"] for body in events], [told["notification_id"]])
    assert dict(report.kinds) == {"audit_event": 5, "notification": 1}


def test_a_flush_that_was_isolated_by_halving(postgres: PostgresServer, template: str) -> None:
    gate = Gate()
    with running(postgres, template, services={"write_function": gate, "sink": FakeSink()}, buffer=PATIENT) as service:
        service.database.query(CHECK)
        bodies: list[Any] = [ev(event_id=new_id()) for _ in range(60)]
        bodies[17]["correlation_id"] = "poison"
        bodies.append([ev(event_id=new_id()) for _ in range(7)])
        answers = together(service, gate, bodies)
        assert [a.status_code for a in answers].count(201) == 60
        kept = [body["event_id"] for n, body in enumerate(bodies[:-1]) if n != 17]
        report = settled(service.database, [*kept, *(body["event_id"] for body in bodies[-1])])
        assert report.size == 67  # with what `together` begins with


def test_the_statement_of_the_release_before_leaves_entries(app: flask.Flask, database: Database) -> None:
    months = [datetime.now(UTC).date().replace(day=1), datetime.now(UTC).date()]
    with psycopg.connect(database.service_url, autocommit=True) as conn:
        first = [i for day in months for i in insert(conn, 300, day=day)]
        odd = insert(conn, 1, by=ODD, request=ODD)
    report = settled(database, [*first, *odd])
    assert (report.size, report.old) == (601, 0), "the column's default gave each a salt"
    assert database.query("SELECT count(DISTINCT salt), min(length(salt)) FROM audit_events") == [(601, 16)]


def test_rows_copied_in_and_settings_of_the_session_change_nothing(database: Database) -> None:
    columns = ("event_id, event_date, event_version, event_type, event_timestamp, event_category, event_action, "
               "event_outcome, correlation_id, event_data, actor_type, actor_id, resource_type, resource_id, "
               "digest")  # fmt: skip
    day = datetime.now(UTC).date()
    odd = {"timezone": "Asia/Kathmandu", "datestyle": "SQL, DMY", "bytea_output": "escape", "intervalstyle": "iso_8601"}
    with psycopg.connect(database.service_url, autocommit=True) as conn:
        for name, value in odd.items():
            conn.execute("SELECT set_config(%s, %s, false)", (name, value))
        insert(conn, 2, by="odd")
        with conn.cursor().copy(f"COPY audit_events ({columns}) FROM STDIN") as copy:
            for n in range(3):
                fixed = ("1.0", "t", "2026-01-01T00:00:00Z", "g", "a", "s", "c", "{}", "a", "a", "r", "r")
                copy.write_row((uuid.uuid4(), day.strftime("%d/%m/%Y"), *fixed, bytes([n] * 32)))
        with conn.transaction(force_rollback=True):
            insert(conn, 5)
    assert database.query(f"SELECT count FROM ({PENDING}) AS p ORDER BY id") == [(2,), (3,)]
    with sequencers(database) as [one]:
        turn(one)
    assert settled(database).size == 5


def test_what_its_owner_puts_straight_into_a_month_has_entries(app: flask.Flask, database: Database) -> None:
    """The month that a migration makes, and one that is made later."""
    days = [datetime.now(UTC).date(), date(2150, 5, 31)]
    ids = []
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        for day in days:
            conn.execute("SELECT audit_ensure_partition(%s)", (day,))
            straight = OLD_INSERT.replace("audit_events", f"audit_events_{day:%Y_%m}")
            values = {"count": 2, "by": None, "request": None, "day": day}
            ids += [str(row[0]) for row in conn.execute(straight, values)]
            ids += insert(conn, 3, day=day)
    assert len(ids) == 10
    settled(database, ids)


def test_records_from_before_the_log_are_taken_in_beside_new_ones(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    """As a migration finds them: in their tables, without a salt, and the index is there."""
    days = [datetime.now(UTC).date() - timedelta(days=back) for back in (0, 1, 35)]
    insert_old(database, 400, days, by=ODD)
    client = make_app().test_client()
    new = [new_id() for _ in range(20)]
    assert all(client.post(EVENTS, json=event(event_id=i)).status_code == 201 for i in new)
    done = "SELECT events_done AND notifications_done FROM log_intake"
    wait_until(lambda: database.query(done) == [(True,)], what="the old records are taken in")
    report = settled(database, new)
    assert (report.size, report.old) == (1240, 1220)
    assert client.post(EVENTS, json=event()).status_code == 201
    assert settled(database).size == 1241


def test_several_workers_write_while_partitions_are_made(
    make_app: Callable[..., flask.Flask], database: Database
) -> None:
    make_app()
    day = datetime.now(UTC).date()
    months = [(day.replace(day=1) - timedelta(days=30 * back)).replace(day=1) for back in range(3, 8)]
    for month in months:
        with psycopg.connect(database.service_url, autocommit=True) as conn, conn.transaction():
            insert(conn, 3)
            database.query("SELECT audit_ensure_partition(%s)", month)
            insert(conn, 3, day=month)
        statements_of(database, 5)
    assert settled(database).size == 5 * 11


def test_the_lag_is_shown_and_goes_away(app: flask.Flask, database: Database) -> None:
    parts = app.extensions["datastorage"]
    assert isinstance(parts, Services)
    watch = parts.log_watch
    with psycopg.connect(database.superuser_url) as away:
        away.execute("LOCK TABLE log_head IN ROW EXCLUSIVE MODE")
        away.execute("SELECT FROM log_head FOR UPDATE")
        assert app.test_client().post(EVENTS, json=event()).status_code == 201
        wait_until(lambda: watch.state.pending == 1 and watch.state.lag > 0, what="the lag is seen")
        assert waiting(database) == 1
    wait_until(lambda: (watch.state.size, watch.state.pending, watch.state.lag) == (1, 0, 0), what="no lag")
    settled(database)


def test_a_service_on_a_clock_of_its_own(service: Service) -> None:
    """The log counts on PostgreSQL's clock and on the monotonic one."""
    assert service.post(ev()).status_code == 201
    service.clock.at += timedelta(days=400)
    assert service.post(ev(event_timestamp=service.clock.at.isoformat())).status_code == 201
    assert settled(service.database).size == 2


@pytest.fixture
def service(postgres: PostgresServer, template: str) -> Iterator[Service]:
    with running(postgres, template) as s:
        yield s
