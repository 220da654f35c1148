"""What the log refuses, and what it goes on beside: the service's role, and rows that nobody can read."""

from __future__ import annotations

from collections.abc import Callable

import flask
import psycopg
import pytest

from app.transparency import sequencer
from tests.integration.service import EVENTS
from tests.log_check import check_log
from tests.log_support import PENDING, insert, insert_old, new_id, sequencers, settled, size, statements_of, turn
from tests.support import Database, event, wait_until

ACT = (
    "INSERT INTO log_acts (act_id, kind, acted_by, digest) "
    "VALUES (gen_random_uuid(), 'hold', 'somebody', sha256('what was done'))"
)
# Of a log that is named and stands still: each for the role of the service.
NAMED = "UPDATE log_head SET origin = 'log.example/one', inconsistent = 'why'"
KEPT = (
    "UPDATE log_head SET origin = 'log.example/two'",
    "UPDATE log_head SET origin = NULL",
    "UPDATE log_head SET inconsistent = NULL",
    "UPDATE log_head SET inconsistent = 'something else'",
)
CHECKPOINT = (
    "INSERT INTO log_checkpoints (origin, size, root, epoch, note) SELECT 'log.example/one', size, sha256(''), 1, '' "
    "FROM log_head"
)
NAME = "UPDATE log_head SET origin = 'log.example/one' RETURNING true"
# Each for the role of the service, on a log with a full bundle and one that is not.
REFUSED = [
    *(
        f"{verb} {table}"
        for table in ("log_bundles", "log_tiles", "log_places", "log_salts", "log_acts", "log_head", "log_intake")
        for verb in ("DELETE FROM", "TRUNCATE")
    ),
    "UPDATE log_bundles SET width = 1, entries = '' WHERE bundle = 0",
    "UPDATE log_bundles SET entries = entries || '\\x00' WHERE bundle = 0",
    "UPDATE log_bundles SET width = width + 1, entries = '\\x00' || entries WHERE bundle = 1",
    "UPDATE log_bundles SET width = width - 1 WHERE bundle = 1",
    "UPDATE log_bundles SET width = width + 1 WHERE bundle = 1",
    "UPDATE log_bundles SET bundle = 7 WHERE bundle = 1",
    "UPDATE log_tiles SET hashes = sha256('') || substring(hashes FROM 33) WHERE tile = 0",
    "UPDATE log_tiles SET width = width - 1, hashes = substring(hashes FROM 33) WHERE level = 0 AND tile = 1",
    "UPDATE log_tiles SET width = width + 1, hashes = sha256('') || hashes WHERE level = 0 AND tile = 1",
    "UPDATE log_tiles SET tile = 9",
    "UPDATE log_places SET log_index = 0",
    "UPDATE log_salts SET salt = '\\x00'",
    "UPDATE log_acts SET details = '{}'",
    "UPDATE log_head SET size = size - 1",
    "UPDATE log_head SET size = 0, epoch = epoch + 1",
    "UPDATE log_head SET epoch = epoch - 1",
    "UPDATE log_head SET size = size + 1",
    "UPDATE log_head SET size = size + 256000",
    "UPDATE log_head SET size = 9223372036854775807",
    CHECKPOINT.replace("size, sha256", "size + 1, sha256"),
    CHECKPOINT.replace("log.example/one", "log.example/two"),
    "DELETE FROM log_checkpoints",
    "TRUNCATE log_checkpoints",
    "UPDATE log_checkpoints SET note = ''",
    "UPDATE log_checkpoints SET root = sha256('')",
    "UPDATE log_cosignatures SET line = ''",
    "TRUNCATE log_cosignatures",
    "INSERT INTO log_tiles VALUES (0, 5, 1, sha256(''))",
    "INSERT INTO log_tiles VALUES (1, 1, 1, sha256(''))",
    "INSERT INTO log_bundles VALUES (5, 1, '')",
    "UPDATE log_intake SET taken = 9223372036854775807",
    "UPDATE log_intake SET recorded_at = 'infinity'",
    "UPDATE log_intake SET events_done = false",
    "INSERT INTO log_set_aside VALUES (1, -5, '', now(), '')",
    "INSERT INTO log_set_aside VALUES (1, 1, '', '-infinity', '')",
    "INSERT INTO log_head (one) VALUES (false)",
    "INSERT INTO log_pending_a (id, count, entries) VALUES (1, 1, '')",
    "INSERT INTO log_pending_b (id, count, entries) VALUES (1, 1, '')",
    "UPDATE log_pending_a SET entries = ''",
    "UPDATE log_set_aside SET entries = ''",
    "DELETE FROM log_set_aside",
    "SELECT log_queue('', 1)",
    "SELECT nextval('log_pending_id')",
    "SELECT setval('log_pending_id', 1)",
    ACT,
    "ALTER TABLE audit_events DISABLE TRIGGER audit_events_into_log",
    "DROP TRIGGER audit_events_into_log ON audit_events",
    "SET session_replication_role = replica",
    (
        "CREATE TEMP TABLE stored_by_me (LIKE audit_events); CREATE TRIGGER t AFTER INSERT ON stored_by_me "
        "REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION log_note_events()"
    ),
]


def test_the_services_role_makes_the_log_longer_and_nothing_else(database: Database) -> None:
    insert_old(database, 5, ["2026-01-05"])  # type: ignore[list-item]
    database.query(ACT)
    statements_of(database, 1, count=300)
    with sequencers(database) as [one]:
        turn(one)
        statements_of(database, 1)
        turn(one)
        database.query(NAME)
        database.query(CHECKPOINT)
        before = settled(database)
        with psycopg.connect(database.service_url, autocommit=True) as conn:
            for statement in REFUSED:
                with pytest.raises(psycopg.Error) as refused:
                    conn.execute(statement)
                assert refused.value.sqlstate in ("42501", "23514"), (statement, refused.value)
            partitions = database.query("SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class p "
                                        "ON p.oid = inhparent WHERE p.relname = 'audit_events'")  # fmt: skip
            for (partition,) in partitions:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):  # its trigger is the parent's
                    conn.execute(f"INSERT INTO {partition} SELECT * FROM audit_events LIMIT 1")
        turn(one)
    report = settled(database)
    assert (report.size, report.root) == (before.size, before.root)
    assert report.size == 327


def test_not_even_the_owner_changes_the_log_by_accident(database: Database) -> None:
    statements_of(database, 1, count=300)
    with sequencers(database) as [one]:
        turn(one)
    database.query(NAME)
    database.query(CHECKPOINT)
    # What it may do, and tables without rows, which refuse nothing but TRUNCATE.
    allowed = ("log_pending", "log_queue", "log_set_aside", "INSERT INTO log_acts", "DISABLE", "DROP", "CREATE TEMP")
    allowed += ("log_cosignatures",)
    empty = ("log_salts", "log_acts")
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        for statement in REFUSED:
            if any(part in statement for part in allowed):
                continue
            if not statement.startswith("TRUNCATE") and any(table in statement for table in empty):
                continue
            with pytest.raises(psycopg.Error):
                conn.execute(statement)
    assert settled(database).size == 300


def test_the_services_role_names_the_log_once_and_does_not_set_it_going(database: Database) -> None:
    with psycopg.connect(database.service_url, autocommit=True) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute(CHECKPOINT)
        conn.execute(NAME)
        conn.execute(CHECKPOINT)
        conn.execute("UPDATE log_head SET inconsistent = 'why'")
        for statement in KEPT:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(statement)
        conn.execute("UPDATE log_head SET unsigned = 'why'")
    assert database.query("SELECT origin, inconsistent FROM log_head") == [("log.example/one", "why")]
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        for statement in KEPT:
            conn.execute(statement)


def test_nothing_of_a_session_lets_the_log_do_what_it_may_not(database: Database) -> None:
    """Tables and functions of the session's own that say what ours would have to."""
    role = psycopg.conninfo.conninfo_to_dict(database.service_url)["user"]
    database.query(f"CREATE SCHEMA mine AUTHORIZATION {role}")
    database.query(NAMED)
    statements_of(database, 1, count=300)
    with psycopg.connect(database.service_url, autocommit=True) as conn:
        conn.execute("CREATE TEMP TABLE log_bundles AS SELECT n / 256 AS bundle, n % 256 + 1 AS width "
                     "FROM generate_series(0, 600) AS n")  # fmt: skip
        conn.execute("CREATE TEMP TABLE log_tiles AS SELECT 0 AS level, n AS tile, 256 AS width "
                     "FROM generate_series(0, 9) AS n")  # fmt: skip
        conn.execute("CREATE TEMP TABLE pg_class AS SELECT c.oid, r.oid AS relowner "
                     "FROM pg_catalog.pg_class c, pg_catalog.pg_roles r WHERE r.rolname = current_user")  # fmt: skip
        conn.execute("CREATE FUNCTION mine.pg_has_role(oid, text) RETURNS boolean LANGUAGE sql RETURN true")
        for path in ("public", "mine, pg_catalog, public"):
            conn.execute(f"SET search_path TO {path}")
            for statement in (
                "UPDATE public.log_head SET size = 600",
                "INSERT INTO public.log_tiles VALUES (0, 5, 1, sha256(''))",
                "INSERT INTO public.log_bundles VALUES (2, 1, '')",
                *(s.replace("log_head", "public.log_head") for s in KEPT),
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(statement)
    assert database.query("SELECT size, origin, inconsistent FROM log_head") == [(0, "log.example/one", "why")]


def test_nothing_of_a_session_leads_the_trigger_elsewhere(database: Database) -> None:
    """Tables and functions of the session's own that are named as ours: ours are taken."""
    role = psycopg.conninfo.conninfo_to_dict(database.service_url)["user"]
    database.query(f"CREATE SCHEMA mine AUTHORIZATION {role}")
    with psycopg.connect(database.service_url, autocommit=True) as conn:
        for table in ("log_pending_a", "log_pending_b"):
            conn.execute(f"CREATE TEMP TABLE {table} (LIKE public.{table} INCLUDING ALL)")
            conn.execute(f"CREATE TABLE mine.{table} (LIKE public.{table} INCLUDING ALL)")
        conn.execute(
            "CREATE FUNCTION mine.log_queue(entries bytea, count bigint) RETURNS void LANGUAGE sql AS 'SELECT 1'"
        )
        conn.execute("CREATE FUNCTION mine.sha256(bytea) RETURNS bytea LANGUAGE sql RETURN '\\x00'::bytea")
        conn.execute("CREATE FUNCTION mine.uuid_send(uuid) RETURNS bytea LANGUAGE sql RETURN '\\x00'::bytea")
        conn.execute("SET search_path TO pg_temp, mine, pg_catalog, public")
        conn.execute(  # the salt's default and the digest as they come
            "INSERT INTO public.audit_events (event_id, event_date, event_version, event_type, event_timestamp, "
            "event_category, event_action, event_outcome, correlation_id, event_data, actor_type, actor_id, "
            "resource_type, resource_id, digest) SELECT gen_random_uuid(), current_date, '1', 't', now(), 'c', 'a', "
            "'o', 'c', '{}', 'a', 'a', 'r', 'r', pg_catalog.sha256('x') FROM pg_catalog.generate_series(1, 3)"
        )
        assert conn.execute("SELECT (SELECT count(*) FROM log_pending_a) + (SELECT count(*) FROM mine.log_pending_a)"
                            ).fetchone() == (0,)  # fmt: skip
    with sequencers(database) as [one]:
        turn(one)
    assert settled(database).size == 3


UNREADABLE = {
    "unknown kind": b"\x09" + bytes(52),
    "cut off": b"\x01" + bytes(20),
    "no such day": b"\x01" + bytes(16) + b"\x7f\xff\xff\xff" + bytes(32),
    "act without JSON": b"\x04\x00\x03abc",
    "act without an id": b"\x04\x00\x08" + b'{"a": 1}',
    "two for one": (b"\x01" + bytes(52)) * 2,
    "nothing": b"",
}


@pytest.mark.parametrize(
    "entries",
    [
        # Each is told from others in tests/unit/transparency/test_entries.py; here is what becomes of them.
        pytest.param(kept, id=name, marks=() if name in ("unknown kind", "no such day") else pytest.mark.nightly)
        for name, kept in UNREADABLE.items()
    ],
)
def test_a_row_that_nobody_can_read_is_set_aside_and_not_forgotten(
    make_app: Callable[..., flask.Flask],
    database: Database,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    entries: bytes,
) -> None:
    app = make_app()
    client, watch = app.test_client(), app.extensions["datastorage"].log_watch
    number = database.query("SELECT nextval('log_pending_id')")[0][0]
    database.query("INSERT INTO log_pending_a (id, count, entries) VALUES (%s, 1, %s)", number, entries)
    kept = [new_id() for _ in range(3)]
    assert [client.post(EVENTS, json=event(event_id=i)).status_code for i in kept] == [201] * 3
    wait_until(lambda: "could not give places" in caplog.text, what="the row is told of")
    wait_until(lambda: watch.state.pending == 4 and watch.state.lag > 2, what="the lag grows")
    assert size(database) == 0, "an instance beside this one may be able to read it"
    assert client.post(EVENTS, json=event(event_id=new_id())).status_code == 201
    assert caplog.text.count("could not give places") == 1
    monkeypatch.setattr(sequencer, "_UNREADABLE_SECONDS", 1.0)
    assert settled(database, kept).size == 4
    assert database.query("SELECT id, count, entries FROM log_set_aside") == [(number, 1, entries)]
    wait_until(lambda: watch.state.pending == 1 and watch.state.lag > 2, what="it counts as pending for ever")
    assert caplog.text.count("it is set aside") == 1
    assert client.post(EVENTS, json=event()).status_code == 201
    assert settled(database).size == 5


def test_what_was_set_aside_can_be_tried_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "_UNREADABLE_SECONDS", 0.0)
    with psycopg.connect(database.service_url, autocommit=True) as conn:
        insert(conn, 5)
    with sequencers(database) as [one], monkeypatch.context() as older:
        # A release that does not know this kind.
        older.setattr("app.transparency.entries.EVENT", -1)
        older.setattr("app.transparency.entries.NOTIFICATION", -1)
        older.setattr("app.transparency.entries.ACT", -1)
        turn(one)
        statements_of(database, 2)
        turn(one)
    assert size(database) == 0
    [*_, last] = check_log(database.superuser_url).faults
    assert last.startswith("7 in all: no entry"), "a record without a place is no secret"
    with psycopg.connect(database.owner_url) as owner:
        owner.execute("SELECT log_queue(entries, count) FROM log_set_aside ORDER BY id")
        owner.execute("DELETE FROM log_set_aside")
    with sequencers(database) as [one]:
        turn(one)
    assert settled(database).size == 7


def test_a_mistake_of_the_sequencer_is_said_once_and_lets_others_try(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements_of(database, 1)
    with sequencers(database, 2) as [one, other]:
        with monkeypatch.context() as mistaken:
            mistaken.setattr(sequencer, "grow", lambda *_: 1 / 0)
            for _ in range(5):
                turn(one)
                assert not one.leading
        assert caplog.text.count("ZeroDivisionError: ") == 2, "in the line and in its traceback"
        turn(other)
    assert settled(database).size == 1
    assert database.query(f"SELECT count(*) FROM ({PENDING}) AS p") == [(0,)]
