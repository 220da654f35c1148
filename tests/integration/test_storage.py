"""Tables, partitions, rights and migrations."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from datastorage_common.times import rfc3339
from psycopg import conninfo

from app import create_app
from app.audit.outcome import WriteRequest
from app.audit.store import WriteSession, write
from app.postgres import partitions
from app.postgres.migrations import MigrationError, migrate, migrations, required_version
from app.postgres.partitions import add_months
from app.postgres.sessions import Connection
from app.services import Services
from app.telemetry import metrics
from tests.conftest import settings_for
from tests.integration.service import BATCH, NOW, running
from tests.integration.workflow_support import WORKFLOWS, workflow
from tests.support import Database, PostgresServer, event, wait_until, with_dbname

PARTITIONS = "SELECT to_char(d, 'YYYY-MM') FROM audit_partition_months() d ORDER BY 1"


def months(database: Database) -> set[str]:
    return {month for (month,) in database.query(PARTITIONS)}


def around(day: date) -> set[str]:
    return {add_months(day, n).strftime("%Y-%m") for n in (-1, 0, 1, 2)}


def drop_months(database: Database) -> None:
    """Only the partitions that the running service makes count."""
    for month in months(database):
        database.query(f"DROP TABLE audit_events_{month.replace('-', '_')}")


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with an event in each of two partitions, and a notification."""
    for day in ("date_trunc('month', now())::date", "(date_trunc('month', now()) + interval '1 month')::date"):
        database.query(
            "INSERT INTO audit_events (event_id, event_date, event_version, event_type, event_timestamp, event_action, "
            "event_category, event_outcome, correlation_id, event_data, actor_type, actor_id, resource_type, "
            f"resource_id, digest) SELECT gen_random_uuid(), {day}, '1', 't', now(), 'a', 'gateway', 'success', 'c', "
            "'{}', 'service', 'x', 'y', 'z', ''"
        )
    database.query(
        "INSERT INTO notification_audit (remediation_id, notification_id, recipient, channel, message_summary, status, "
        "sent_at, digest) VALUES ('r', 'n', 'r', 'email', 'm', 'sent', now(), '')"
    )
    return database


def refused(url: str, statement: str) -> str:
    """SQLSTATE that the statement fails with."""
    with psycopg.connect(url, autocommit=True) as conn, pytest.raises(psycopg.Error) as caught:
        conn.execute(statement)
    return str(caught.value.sqlstate)


def audit_tables(database: Database) -> list[str]:
    rows = database.query(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND "
        "relname ~ '^(audit_events|notification_audit)'"
    )
    return [name for (name,) in rows]


CHANGES = ("UPDATE {} SET recorded_by = 'x'", "DELETE FROM {}", "TRUNCATE {}")


def test_the_services_role_may_read_and_append_only(filled: Database) -> None:
    url = filled.service_url
    with psycopg.connect(url, autocommit=True) as conn:
        assert conn.execute("SELECT count(*) FROM audit_events").fetchone() == (2,)
        assert conn.execute("SELECT audit_ensure_partition(current_date)").fetchone() == (False,)
    for table in audit_tables(filled):
        for change in (
            *CHANGES,
            "DROP TABLE {}",
            "CREATE INDEX ON {} (digest)",
            "ALTER TABLE {} DISABLE TRIGGER ALL",
        ):
            assert refused(url, change.format(table)) == "42501", change
    for statement in (
        "CREATE TABLE x (i int)",
        "CREATE TABLE x PARTITION OF audit_events FOR VALUES FROM ('2090-01-01') TO ('2090-02-01')",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA s",
        "DELETE FROM schema_migrations",
        "INSERT INTO schema_migrations VALUES (99, 'x')",
        "SET ROLE datastorage_owner",
    ):
        assert refused(url, statement) == "42501", statement
    # Nor by way of a partition, whose rights are its own.
    (partition,) = [t for t in audit_tables(filled) if t.endswith(datetime.now(UTC).strftime("%Y_%m"))]
    assert refused(url, f"INSERT INTO {partition} SELECT * FROM audit_events LIMIT 1") == "42501"


@pytest.mark.parametrize("who", ["owner_url", "superuser_url"])
def test_triggers_refuse_even_the_owner(filled: Database, who: str) -> None:
    url = getattr(filled, who)
    tables = audit_tables(filled)
    assert len(tables) >= 6
    rows = {t: filled.count(t) for t in tables}
    assert sum(rows.values()) == 5
    for table in tables:
        with psycopg.connect(url) as conn, pytest.raises(psycopg.Error, match="append-only"):
            conn.execute(f"TRUNCATE {table}")
        for change in CHANGES[:2] if rows[table] else ():
            with psycopg.connect(url) as conn, pytest.raises(psycopg.Error, match="append-only"):
                conn.execute(change.format(table))
    assert {t: filled.count(t) for t in tables} == rows


def test_a_partition_made_later_is_guarded_too(filled: Database) -> None:
    with psycopg.connect(filled.service_url, autocommit=True) as conn:
        assert conn.execute("SELECT audit_ensure_partition('2150-05-31')").fetchone() == (True,)
    assert refused(filled.owner_url, "TRUNCATE audit_events_2150_05") == "42501"
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'audit_events_{}'::regclass"
    now = datetime.now(UTC).strftime("%Y_%m")
    assert filled.query(triggers.format("2150_05")) == filled.query(triggers.format(now)) == [(3,)]


def test_there_is_no_default_partition(database: Database) -> None:
    found = database.query("SELECT partdefid FROM pg_partitioned_table WHERE partrelid = 'audit_events'::regclass")
    assert found == [(0,)]


# --- the clock --------------------------------------------------------------------------------------------------


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


MOMENTS = [
    *("2027-01-28T12:00:00", "2027-01-29T12:00:00", "2027-01-30T12:00:00", "2027-01-31T23:59:59"),
    *("2028-01-30T12:00:00", "2028-02-29T23:59:59", "2027-08-31T12:00:00", "2027-12-31T23:59:59"),
    *("2027-03-01T00:00:00", "2027-10-31T23:59:59.999999", "2028-01-01T00:00:00"),
]


@pytest.mark.parametrize("now", [at(m) for m in MOMENTS], ids=str)
def test_every_accepted_time_has_its_partition(postgres: PostgresServer, template: str, now: datetime) -> None:
    with running(postgres, template, at=now) as s:
        s.parts.monitor.stop()
        drop_months(s.database)
        s.parts.monitor._months.clear()
        s.parts.monitor.look()
        assert months(s.database) == around(now.date())
        made = months(s.database)
        times = [now, now + timedelta(minutes=5), now - timedelta(days=7), now - timedelta(days=3)]
        answer = s.post([event(event_timestamp=rfc3339(t)) for t in times], BATCH)
        assert answer.status_code == 201
        for ident, moment in zip(answer.json["event_ids"], times, strict=True):
            table = moment.strftime("audit_events_%Y_%m")
            assert s.row(ident)["event_date"] == moment.date().isoformat()
            assert s.database.query(f"SELECT event_date FROM {table} WHERE event_id = %s", ident) == [(moment.date(),)]
        assert months(s.database) == made


def test_an_instance_that_runs_for_five_months(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template, at=at("2027-09-28T00:00:00")) as s:
        s.parts.monitor.stop()
        drop_months(s.database)
        s.parts.monitor._months.clear()
        seen: set[str] = set()
        while s.clock.at < at("2028-02-29T00:00:00"):
            s.parts.monitor.look()
            seen |= around(s.clock.at.date())
            assert months(s.database) == seen
            assert s.post(event(event_timestamp=rfc3339(s.clock.at))).status_code == 201
            assert gauge() == 2
            s.clock.at += timedelta(days=1)
        assert len(seen) == 9
        assert s.database.count() == 154


def gauge() -> float:
    """datastorage_audit_partition_months_ahead as this process has it."""
    return float(metrics.PARTITION_MONTHS_AHEAD._value.get())


def test_the_metric_falls_when_months_cannot_be_made(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template) as s:
        s.parts.monitor.stop()
        role = psycopg.conninfo.conninfo_to_dict(s.database.service_url)["user"]
        s.parts.monitor.look()
        assert gauge() == 2
        s.database.query(f'REVOKE EXECUTE ON FUNCTION audit_ensure_partition(date) FROM "{role}"')
        ahead = []
        for _ in range(4):
            s.clock.at = datetime.combine(add_months(s.clock.at.date(), 1), s.clock.at.timetz())
            s.parts.monitor.look()
            ahead.append(gauge())
        assert ahead == [1, 0, -1, -1]


def test_a_write_makes_the_missing_partition(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template) as s:
        s.parts.monitor.stop()
        s.database.query("DROP TABLE audit_events_2025_12")
        s.database.query("DROP TABLE audit_events_2026_01")
        times = ["2025-12-30T00:00:00Z", "2025-12-31T23:59:59Z", rfc3339(NOW)]
        body = [event(event_timestamp=t) for t in times]
        assert s.post(body, BATCH).status_code == 201
        assert {"2025-12", "2026-01"} <= months(s.database)
        assert s.database.count("audit_events_2025_12") == 2


def test_a_change_of_the_catalogue_makes_the_missing_partition(postgres: PostgresServer, template: str) -> None:
    with running(postgres, template) as s:
        s.parts.monitor.stop()
        s.database.query(f"DROP TABLE audit_events_{NOW:%Y_%m}")
        assert s.post(workflow(), WORKFLOWS).status_code == 201
        assert f"{NOW:%Y-%m}" in months(s.database)
        [(kind,)] = s.database.query("SELECT event_type FROM audit_events")
        assert kind == "datastorage.workflow.created"
        assert s.database.count("remediation_workflow_catalog") == 1


def test_two_writers_that_miss_the_same_month(
    postgres: PostgresServer, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long they may wait for each other is not what this is about.
    monkeypatch.setattr(partitions, "LOCK_TIMEOUT", "60s")
    with running(postgres, template) as s:
        s.database.query("ALTER FUNCTION audit_ensure_partition(date) SET lock_timeout = '60s'")
        s.parts.monitor.stop()
        for month in range(1, 9):
            s.clock.at = at(f"2031-{month:02}-05T10:00:00")
            start = threading.Barrier(3)
            outcomes: list[Any] = []

            def send(start: threading.Barrier = start, outcomes: list[Any] = outcomes) -> None:
                record = s.parts.validator.event(event(event_timestamp=rfc3339(s.clock.at)))
                with Connection.connect(s.database.service_url, autocommit=True) as conn:
                    start.wait()
                    outcomes.extend(write(WriteSession(conn), [WriteRequest((record,))]))

            threads = [threading.Thread(target=send) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [type(o).__name__ for o in outcomes] == ["Stored"] * 3
        assert s.database.count() == 24


# --- migrations -------------------------------------------------------------------------------------------------


@pytest.fixture
def empty(postgres: PostgresServer, database: Database) -> Database:
    """A database without anything in it."""
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("DROP OWNED BY CURRENT_USER CASCADE")
    assert database.query("SELECT 1 FROM pg_class WHERE relname = 'audit_events'") == []
    return database


def versions(database: Database) -> list[int]:
    return [v for (v,) in database.query("SELECT version FROM schema_migrations ORDER BY 1")]


def test_migrations_run_twice(empty: Database) -> None:
    role = settings_for(empty).database.service_role()
    shape = (
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_class c "
        "JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1, 2"
    )
    began = datetime.now(UTC).date()
    assert len(migrate(empty.owner_url, service_role=role)) == required_version()
    ended = datetime.now(UTC).date()
    before = empty.query(shape)
    assert migrate(empty.owner_url, service_role=role) == []
    assert empty.query(shape) == before
    assert versions(empty) == list(range(1, required_version() + 1))
    assert months(empty) in (around(began), around(ended))


def test_the_tables_are_in_the_schema_that_is_set(empty: Database) -> None:
    role = settings_for(empty).database.service_role()
    assert len(migrate(empty.owner_url, service_role=role, schema="Audit_2")) == required_version()
    homes = "SELECT DISTINCT relnamespace::regnamespace::text FROM pg_class WHERE relname IN (%s, %s)"
    tables = (homes, "audit_events", "schema_migrations")
    assert empty.query(*tables) == [('"Audit_2"',)]
    services = Services(settings_for(empty, database={"url": empty.service_url, "schema": "Audit_2"}))
    client = create_app(services.settings, services).test_client()
    services.start()
    try:
        wait_until(lambda: services.monitor.state.connected, what="database connected")
        assert client.post(BATCH, json=[event(), event()]).status_code == 201
        assert client.post(WORKFLOWS, json=workflow()).status_code == 201
        assert client.get("/api/v1/audit/events").json["pagination"]["total"] == 3
        assert client.get("/health").json["status"] == "healthy"
    finally:
        services.stop()
    # Without the setting nobody begins anew beside what is there.
    with pytest.raises(
        MigrationError, match=r"the tables are in the schema Audit_2, not in public: set database\.schema to Audit_2"
    ):
        migrate(empty.owner_url, service_role=role)
    assert empty.query(*tables) == [('"Audit_2"',)]


def test_a_schema_that_the_role_may_not_make_is_said(empty: Database) -> None:
    with pytest.raises(MigrationError, match="there is no schema other, and this role may not make it"):
        migrate(empty.service_url, schema="other")


def test_an_encoding_other_than_utf8_is_said(postgres: PostgresServer, direct: None) -> None:
    name = "t_latin1_" + uuid.uuid4().hex[:8]
    owner = conninfo.conninfo_to_dict(postgres.owner_url)["user"]
    with psycopg.connect(postgres.superuser_url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    urls = (with_dbname(u, name) for u in (postgres.superuser_url, postgres.owner_url, postgres.service_url))
    latin = Database(name, *urls, server=postgres)
    try:
        with pytest.raises(MigrationError, match="the database's encoding is LATIN1: make it with ENCODING 'UTF8'"):
            migrate(latin.owner_url)
        services = Services(settings_for(latin))
        services.monitor.start()
        wait_until(lambda: services.monitor.state.connected, what="database connected")
        assert services.monitor.state.encoding == "LATIN1"
        services.stop()
    finally:
        latin.drop()


def test_migrations_run_concurrently(empty: Database) -> None:
    role = settings_for(empty).database.service_role()
    with ThreadPoolExecutor(6) as pool:
        applied = list(pool.map(lambda _: migrate(empty.owner_url, service_role=role), range(6)))
    # Each once, whoever was first to its turn.
    assert sorted(name for names in applied for name in names) == [m.name for m in migrations()]
    assert versions(empty) == list(range(1, required_version() + 1))


def test_notifications_have_one_row_an_id(filled: Database) -> None:
    assert filled.query("SELECT count(*) FROM notification_audit") == [(1,)]
    insert = (
        "INSERT INTO notification_audit (remediation_id, notification_id, recipient, channel, message_summary, status, "
        "sent_at, digest) VALUES ('r', 'n', 'r', 'email', 'm', 'sent', now(), '')"
    )
    assert refused(filled.service_url, insert) == "23505"
