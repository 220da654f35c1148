"""The log of all records in tests: sequencers of their own, what waits, and the log held against what was answered."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from app.clock import Clock
from app.postgres.sessions import Connection, Limits, connect
from app.postgres.watchdog import Watchdog
from app.transparency import sequencer
from app.transparency.sequencer import Sequencer
from app.transparency.signer import Signer
from tests.conftest import settings_for
from tests.log_check import LogReport, check_log
from tests.support import Database, wait_until

PENDING = "SELECT id, count, entries, queued_at FROM log_pending_a UNION ALL SELECT * FROM log_pending_b"
# The statement of the release before the log, as far as it says which columns it names.
OLD_INSERT = """
    INSERT INTO audit_events (
        event_id, event_date, event_version, event_type, event_timestamp, event_category, event_action, event_outcome,
        correlation_id, event_data, actor_type, actor_id, resource_type, resource_id, parent_event_id,
        parent_event_date, namespace, cluster_name, severity, duration_ms, trace_id, span_id, actor_ip, error_code,
        error_message, is_sensitive, retention_days, recorded_by, request_id, digest
    )
    SELECT gen_random_uuid(), %(day)s::date, '1.0', 't', %(day)s::date, 'gateway', 'a', 'success', 'c', '{}',
        'a', 'a', 'r', 'r', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false, 1,
        %(by)s, %(request)s, sha256(int4send(n))
    FROM generate_series(1, %(count)s) AS n
    ON CONFLICT (event_id, event_date) DO NOTHING
    RETURNING event_id
"""


def insert(
    conn: psycopg.Connection[Any], count: int = 1, *, by: str | None = None, request: str | None = None, day: Any = None
) -> list[str]:
    """Store events by one statement of the release before the log; their ids."""
    values = {"count": count, "by": by, "request": request, "day": day or datetime.now(UTC).date()}
    return [str(row[0]) for row in conn.execute(OLD_INSERT, values)]


def insert_old(database: Database, count: int, days: Iterable[date], *, by: str | None = None) -> None:
    """Store records as a migration finds them: so many events a day, and 20 notifications, without salts."""
    tables = ("audit_events", "notification_audit")
    with psycopg.connect(database.superuser_url) as conn:
        for table in tables:
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            conn.execute(f"ALTER TABLE {table} ALTER salt DROP DEFAULT")
        for day in days:
            conn.execute("SELECT audit_ensure_partition(%s)", (day,))
            insert(conn, count, day=day, by=by)
        conn.execute(
            "INSERT INTO notification_audit (remediation_id, notification_id, recipient, channel, message_summary, "
            "status, sent_at, digest) SELECT 'r', 'old-' || n, 'x', 'email', 'm', 'sent', now(), sha256(int4send(n)) "
            "FROM generate_series(1, 20) AS n"
        )
        for table in tables:
            conn.execute(f"ALTER TABLE {table} ALTER salt SET DEFAULT uuid_send(gen_random_uuid())")
            conn.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        conn.execute("ALTER TABLE log_intake DISABLE TRIGGER log_intake_goes_on")
        conn.execute("UPDATE log_intake SET events_done = false, notifications_done = false")
        conn.execute("ALTER TABLE log_intake ENABLE TRIGGER log_intake_goes_on")


def statements_of(database: Database, number: int, *, count: int = 1) -> None:
    """Store events by so many statements, as the service's role, each in a transaction of its own."""
    with psycopg.connect(database.service_url, autocommit=True) as conn, conn.pipeline():
        values = {"count": count, "by": None, "request": None, "day": datetime.now(UTC).date()}
        for _ in range(number):
            conn.execute(OLD_INSERT, values)


def waiting(database: Database) -> int:
    """How many records have no place in the log yet."""
    return int(database.query(f"SELECT coalesce(sum(count), 0) FROM ({PENDING}) AS rows_of_both")[0][0])


def size(database: Database) -> int:
    """How many entries the log has."""
    return int(database.query("SELECT size FROM log_head")[0][0])


def settled(database: Database, events: Iterable[str] = (), notifications: Iterable[str] = ()) -> LogReport:
    """Wait until nothing waits for a place; the log then, which has each of these and no fault."""
    wait_until(lambda: waiting(database) == 0, what="every record has its place in the log")
    report = check_log(database.superuser_url)
    assert report.faults == []
    stored = {str(i) for (i,) in database.query("SELECT event_id FROM audit_events")}
    assert set(events) <= stored, "what was answered as kept is not there"
    told = {i for (i,) in database.query("SELECT notification_id FROM notification_audit")}
    assert set(notifications) <= told
    assert report.kinds["audit_event"] == database.count()
    assert report.kinds["notification"] == database.count("notification_audit")
    return report


@contextlib.contextmanager
def sequencers(
    database: Database, number: int = 1, *, signer: Signer | None = None, **sections: dict[str, Any]
) -> Iterator[list[Sequencer]]:
    """Sequencers that work when the test says so (`turn`), each with connections of its own; they sign nothing."""
    clock = Clock()
    watchdog = Watchdog(clock)
    watchdog.start()
    made = [
        Sequencer(settings_for(database, **sections), watchdog, clock, signer or Signer((), ())) for _ in range(number)
    ]
    try:
        yield made
    finally:
        for each in made:
            each._leave()
        watchdog.stop()


def turn(one: Sequencer) -> None:
    """Let it give places, whoever gave them before."""
    one.wanted()
    one.step()


class Interrupted:
    """Stands in for what connects a sequencer, and does something at the n-th statement from the next `BEGIN` on."""

    def __init__(self, monkeypatch: Any) -> None:
        self._connect = connect
        self._at = 0
        self._seen: int | None = None  # statements since BEGIN; None: none is waited for
        self._before: Callable[[Connection], None] = lambda _: None
        self._after: Callable[[Connection], None] = lambda _: None
        self.said: list[str] = []  # the statements since BEGIN
        monkeypatch.setattr(sequencer, "connect", self.connect)

    def at(
        self,
        number: int,
        *,
        before: Callable[[Connection], None] = lambda _: None,
        after: Callable[[Connection], None] = lambda _: None,
    ) -> None:
        """From the next BEGIN (which is number 0) on: do this around the statement of this number, once."""
        self._at, self._before, self._after = number, before, after
        self._seen, self.said = -1, []

    @property
    def done(self) -> bool:
        """Whether that has happened."""
        return self._seen is None

    def connect(self, settings: Any, purpose: str, limits: Limits, watchdog: Watchdog) -> Connection:
        conn = self._connect(settings, purpose, limits, watchdog)
        execute = conn.execute

        def observed(query: Any, *args: Any, **keywords: Any) -> Any:
            if self._seen is None or (self._seen < 0 and not str(query).startswith("BEGIN")):
                return execute(query, *args, **keywords)
            self._seen += 1
            self.said.append(str(query))
            if self._seen != self._at:
                return execute(query, *args, **keywords)
            self._seen = None
            self._before(conn)
            answer = execute(query, *args, **keywords)
            self._after(conn)
            return answer

        conn.execute = observed  # type: ignore[method-assign]
        return conn


def end_backend(database: Database) -> Callable[[Connection], None]:
    """Something that ends the server's side of a connection, as an operator does."""

    def end(conn: Connection) -> None:
        pid = conn.info.backend_pid
        database.query("SELECT pg_terminate_backend(%s, 10000)", pid)

    return end


def lose_answer(conn: Connection) -> None:
    """What was said has been done, and nobody hears of it."""
    conn.close()
    raise psycopg.OperationalError("the connection was lost")


def new_id() -> str:
    return str(uuid.uuid4())
