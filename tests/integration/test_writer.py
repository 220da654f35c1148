"""What one connection did and another is asked to do again: the outcomes say what was kept, and what may have been."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from app.audit.outcome import NotWritten, Rejected, Stored, WriteOutcome, WriteRequest
from app.audit.store import WriteSession, write
from app.audit.validator import Validator
from app.audit.writer import Writer
from app.breaker import Breaker
from app.clock import Clock
from app.config.settings import AuditSettings
from app.postgres.errors import Fault
from app.postgres.sessions import Limits, connect
from app.postgres.watchdog import Watchdog
from app.validation.field_errors import ValidationFailure
from tests.conftest import settings_for
from tests.relay import Relay
from tests.support import Database, event, free_port, notification

# Refuses an event of the type "refused"; ends its own connection at the first of the type "ending".
_TRIGGER = """
CREATE SEQUENCE endings;
GRANT USAGE ON endings TO PUBLIC;
CREATE FUNCTION trouble() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.event_type = 'refused' THEN
        RAISE EXCEPTION USING ERRCODE = '22000';
    ELSIF NEW.event_type = 'ending' AND nextval('endings') = 1 THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(60);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER trouble BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION trouble();
"""


def request(record: dict[str, Any]) -> WriteRequest:
    check = Validator(AuditSettings(), Clock().now)
    made = check.notification(record) if "notification_id" in record else check.event(record)
    assert not isinstance(made, ValidationFailure)
    return WriteRequest((made,))


@pytest.fixture
def relay(database: Database) -> Iterator[Relay]:
    with Relay(int(urlsplit(database.service_url).port or 0)) as made:
        yield made


@pytest.fixture
def writer(database: Database, relay: Relay, direct: None) -> Iterator[Writer]:
    """A writer that has written one event already; the relay lies before its PostgreSQL."""
    parts = urlsplit(database.service_url)
    url = parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{relay.port}").geturl()
    clock = Clock()
    watchdog = Watchdog(clock)
    watchdog.start()
    made = Writer(settings_for(database, database={"url": url}), Breaker(), watchdog, clock)
    assert made.to_database([request(event())]) == [Stored()]
    yield made
    made.drop_session()
    watchdog.stop()


def test_what_was_stored_before_the_connection_ended_is_not_its_own_duplicate(
    database: Database, writer: Writer
) -> None:
    database.query(_TRIGGER)
    first, *others = writer.to_database(
        [request(notification()), request(event(event_type="refused")), request(event(event_type="ending"))]
    )
    assert isinstance(first, Stored), first
    assert others == [Rejected(0), Stored()]
    assert (database.count("notification_audit"), database.count()) == (1, 2)


def test_no_second_connection_takes_back_no_doubt(database: Database, writer: Writer, relay: Relay) -> None:
    database.query(_TRIGGER)
    relay.target = free_port()
    assert writer.to_database([request(event(event_type="ending"))]) == [NotWritten(Fault.OUTAGE, in_doubt=True)]


def test_a_second_try_that_is_refused_takes_back_no_doubt(database: Database, writer: Writer) -> None:
    tries: list[WriteOutcome] = []

    def then_without_rights(session: WriteSession, requests: Any) -> list[WriteOutcome]:
        outcomes = write(session, requests)
        tries.extend(outcomes)
        database.query("REVOKE INSERT ON audit_events FROM datastorage")
        return outcomes

    database.query(_TRIGGER)
    writer._write = then_without_rights
    [outcome] = writer.to_database([request(event(event_type="ending"))])
    assert tries == [NotWritten(Fault.OUTAGE, in_doubt=True), NotWritten(Fault.DEPLOYMENT)]
    assert outcome == NotWritten(Fault.DEPLOYMENT, in_doubt=True)


def test_what_a_statement_kept_is_in_doubt_where_the_next_one_fails(database: Database, direct: None) -> None:
    known, new, note = request(event()), request(event()), request(notification())
    settings = settings_for(database)
    watchdog = Watchdog(Clock())
    conn = connect(settings.database, "flusher", Limits(20, 20), watchdog)
    with conn:
        session = WriteSession(conn)
        assert [type(o) for requests in ([known], [note]) for o in write(session, requests)] == [Stored, Stored]
        for table, columns in (
            ("audit_events", "event_id, event_date"),
            ("notification_audit", "notification_id, id, created_at, updated_at"),
        ):
            database.query(f"REVOKE SELECT ON {table} FROM datastorage")
            database.query(f"GRANT SELECT ({columns}) ON {table} TO datastorage")
        other = request(notification())
        doubt = NotWritten(Fault.OUTAGE, in_doubt=True)
        assert write(session, [known, new]) == [doubt, doubt]
        assert write(session, [note, other]) == [doubt, doubt]
    assert (database.count(), database.count("notification_audit")) == (2, 2)
