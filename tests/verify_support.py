"""A database with records of every kind in its log, under a signed checkpoint, for tests of what checks it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from datastorage_common import jsonvalue
from datastorage_common.checkpoints import Checkpoint
from datastorage_common.notes import COSIGNATURE, Note, SigningKey, VerifierKey, make_key
from datastorage_common.times import rfc3339
from datastorage_common.witness_policy import parse_policy

from app.audit.event import AuditEvent, Notification
from app.audit.rows import event_rows, notification_arrays
from app.audit.validator import Validator
from app.clock import Clock
from app.config.settings import AuditSettings
from app.postgres.sessions import Connection, Limits, connect, writing
from app.postgres.statements import statements
from app.postgres.watchdog import Watchdog
from app.transparency import checkpoint_store, cosignatures
from app.transparency.acts import finish_intake
from app.transparency.tree import root_at
from app.verify.check import check_log
from app.verify.database import database_source
from app.verify.report import Report
from tests.conftest import settings_for
from tests.log_support import sequencers, turn
from tests.support import Database, event, notification

ORIGIN = "log.example.org/audit"
KEY = make_key(ORIGIN, hashlib.sha256(b"signs").digest())
WITNESSES = [make_key(f"witness-{n}.example.org", hashlib.sha256(b"%d" % n).digest(), COSIGNATURE) for n in (1, 2)]
POLICY = parse_policy(
    "".join(f"witness w{n} {key.verifier}\n" for n, key in enumerate(WITNESSES, 1)).encode()
    + b"group both all w1 w2\nquorum both\n"
)
_SQL = statements("audit")
_AT_ONCE = 2000
# Numbers keep their spelling in the table, and the digest does not care for it.
_DATA = (
    b'{"weight": 1.50, "big": 123456789012345678901234567890, "tiny": -1.20e-7, "list": [1, "\\u00e9\\u0001", null]}',
    b'{"hello": "world"}',
    b"{}",
)


def make_events(count: int, *, start: int = 0) -> list[AuditEvent]:
    """Events of all sorts: with and without every member that may be absent."""
    now = datetime.now(UTC)
    made = []
    validator = Validator(AuditSettings(), Clock().now)
    for n in range(start, start + count):
        rare: dict[str, Any] = {}
        if n % 3 == 0:
            rare = {
                "namespace": f"team-{n % 20}", "cluster_name": "c", "severity": "warning", "duration_ms": n,
                "span_id": "00f067aa0ba902b7", "error_code": "E1", "error_message": "nö", "is_sensitive": n % 2 == 0,
                "actor_ip": ("192.0.2.7", "2001:db8::1", "::ffff:192.0.2.7")[n // 3 % 3],
            }  # fmt: skip
        if n % 5 == 0:
            rare["trace_id"] = "4bf92f3577b34da6a3ce929d0e0e4736"
        moment = now - timedelta(milliseconds=500 * (n % 1_000_000), microseconds=n % 2)
        body = event(event_timestamp=rfc3339(moment), correlation_id=f"c-{n}", **rare)
        body["event_data"] = jsonvalue.parse(_DATA[n % len(_DATA)])
        found = validator.event(
            body,
            recorded_by="writer" if n % 4 else None,
            context_trace_id="0af7651916cd43dd8448eb211c80319c" if n % 2 else None,
            request_id=f"request-{n}" if n % 7 else None,
        )
        assert isinstance(found, AuditEvent), found
        made.append(found)
    return made


def make_notifications(count: int) -> list[Notification]:
    made = []
    validator = Validator(AuditSettings(), Clock().now)
    for n in range(count):
        more = {"error_message": "no", "escalation_level": 2, "delivery_status": "late"} if n % 2 else {}
        found = validator.notification(notification(**more), recorded_by="writer" if n % 3 else None)
        assert isinstance(found, Notification), found
        made.append(found)
    return made


def store_events(conn: psycopg.Connection[Any], events: list[AuditEvent]) -> None:
    """As the service does."""
    conn.execute(_SQL["insert_events"], event_rows(events, {}))


def store_notifications(conn: psycopg.Connection[Any], notifications: list[Notification]) -> None:
    if notifications:
        conn.execute(_SQL["insert_notifications"], notification_arrays(notifications))


def store_old(database: Database, events: int, notifications: int) -> None:
    """Records as a migration finds them: without salts, and without a word about their trace ids."""
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        made = make_events(events, start=100_000)
        store_events(conn, made)
        store_notifications(conn, make_notifications(notifications))
        conn.execute("UPDATE audit_events SET salt = NULL, trace_id_from_context = NULL")
        conn.execute("UPDATE notification_audit SET salt = NULL")
        conn.execute("UPDATE log_intake SET events_done = false, notifications_done = false")


@contextlib.contextmanager
def without_triggers(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """What is done here no trigger sees: a superuser's doing."""
    conn.execute("SET session_replication_role = replica")
    yield
    conn.execute("SET session_replication_role = DEFAULT")


@contextlib.contextmanager
def pinned(database: Database, url: str | None = None) -> Iterator[Connection]:
    """A connection as the service makes them."""
    watchdog = Watchdog(Clock())
    watchdog.start()
    settings = settings_for(database, database={"url": url or database.superuser_url}).database
    try:
        with connect(settings, "test", Limits(statement=600.0, lock=10.0), watchdog) as conn:
            yield conn
    finally:
        watchdog.stop()


def place_all(database: Database) -> None:
    """Give places to all that waits, and to old records."""
    with sequencers(database) as [one]:
        size = None
        while (now := database.query("SELECT size FROM log_head")[0][0]) != size:
            size = now
            turn(one)


def finish(database: Database) -> None:
    with pinned(database, database.owner_url) as conn:
        finish_intake(conn, None)


def sign(database: Database, key: SigningKey = KEY, size: int | None = None, *, origin: str = ORIGIN) -> str:
    """Store a checkpoint of the tree as it is, or was at this size; its note."""
    with pinned(database) as conn, writing(conn):
        conn.execute("UPDATE log_head SET origin = %s", (origin,))
        if size is None:
            [(size,)] = conn.execute("SELECT size FROM log_head").fetchall()
        point = Checkpoint(origin, size, root_at(conn, size))
        note = Note(point.text(), (key.sign(point.text()),)).encode().decode()
        checkpoint_store.put(conn, origin, size, point.root, 1, note)
    return note


def cosign(database: Database, note: str, witness: SigningKey) -> None:
    """Store a witness's cosignature of a checkpoint, as the service does."""
    text = note.partition("\n\n")[0] + "\n"
    origin, size = text.split("\n")[:2]
    line = witness.cosign(text, 1_800_000_000).line()
    with pinned(database, database.service_url) as conn:
        cosignatures.put(conn, origin, int(size), witness.verifier, line)


def fill(
    database: Database, events: int, *, notifications: int = 30, old: int = 40, sizes: tuple[int, ...] = (1, 256, 300)
) -> None:
    """Records of all kinds in the log, an act, checkpoints of some sizes and of the whole, and two witnesses' words.

    ``old``: so many events from before there was a log, and ten notifications; without them there is no act.
    """
    if old:
        store_old(database, old, 10)
        place_all(database)
        finish(database)
    with psycopg.connect(database.service_url) as conn:
        for start in range(0, events, _AT_ONCE):
            store_events(conn, make_events(min(_AT_ONCE, events - start), start=start))
        store_notifications(conn, make_notifications(notifications))
    place_all(database)
    whole = database.query("SELECT size FROM log_head")[0][0]
    for size in sizes:
        if size < whole:
            sign(database, size=size)
    note = sign(database)
    for witness in WITNESSES:
        cosign(database, note, witness)


def check(database: Database, keys: Sequence[VerifierKey] = (KEY.verifier,), **options: Any) -> Report:
    """As the command does, as the service's role."""
    with pinned(database, database.service_url) as conn, database_source(conn, "public") as source:
        return check_log(source, keys, **options)
