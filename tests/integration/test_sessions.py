"""What a role, a database, the environment or a pooler sets changes nothing of what is stored, read or answered."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from datastorage_common.merkle import EMPTY
from datastorage_common.notes import make_key
from datastorage_common.times import rfc3339
from psycopg import conninfo, sql

from app.postgres.migrations import migrate
from app.postgres.sessions import Limits, connect, writing
from app.transparency import acts, checkpoint_store, log_store, sequencer
from app.transparency.memories import FileMemory, Remembered
from app.transparency.origins import start_origin
from tests.conftest import settings_for
from tests.hostile import HOSTILE
from tests.integration.service import BATCH, EVENTS, NOTIFICATIONS, Service, running
from tests.integration.workflow_support import LABELS, SEARCH, WORKFLOWS, workflow
from tests.log_check import LogReport, check_log
from tests.pooler import BINARY, pgbouncer
from tests.support import Database, PostgresServer, event, notification, wait_until
from tests.tree import ROOT, modules
from tests.witness_server import witness_server

# What a write needs in their place, and what follows from it.
NEEDED = {
    "synchronous_commit": "on",
    "transaction_isolation": "read committed",
    "transaction_read_only": "off",
    "client_min_messages": "notice",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "bytea_output": "hex",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "row_security": "off",
    "gin_fuzzy_search_limit": "0",
    "transform_null_equals": "off",
    "exit_on_error": "off",
    "idle_session_timeout": "0",
    "search_path": '"public", pg_temp',
}
# Every write is noted, with the settings that it was made with.
SPY = """
CREATE TABLE public.seen (place text, statement text, settings jsonb);
CREATE FUNCTION public.spy_settings() RETURNS jsonb LANGUAGE sql AS $$
    SELECT jsonb_object_agg(lower(name), setting) FROM pg_settings
    WHERE lower(name) IN ({names})
$$;
CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.seen VALUES (TG_TABLE_NAME, current_query(), public.spy_settings());
    RETURN NULL;
END $$;
CREATE FUNCTION public.spy_schema() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.seen VALUES (TG_TAG, current_query(), public.spy_settings());
END $$;
"""
SPY_ON_TABLES = "CREATE EVENT TRIGGER spy ON ddl_command_end EXECUTE FUNCTION public.spy_schema()"
TABLES = ("audit_events", "notification_audit", "remediation_workflow_catalog")
# What the sequencer writes, and how. The rows of the pending tables come out of a trigger, with settings of its own.
LOG_TABLES = {
    "log_pending_a": "DELETE OR TRUNCATE",
    "log_pending_b": "DELETE OR TRUNCATE",
    "log_head": "UPDATE",
    "log_bundles": "INSERT OR UPDATE",
    "log_tiles": "INSERT OR UPDATE",
    "log_places": "INSERT",
    "log_salts": "INSERT",
    "log_intake": "UPDATE",
    "log_acts": "INSERT",
    "log_set_aside": "INSERT",
    "log_checkpoints": "INSERT",
    "log_cosignatures": "INSERT OR DELETE",
}
# Records from before there was a log.
OLD_RECORDS = """
INSERT INTO public.audit_events (event_id, event_date, event_version, event_type, event_timestamp, event_action,
    event_category, event_outcome, correlation_id, event_data, actor_type, actor_id, resource_type, resource_id,
    digest, salt)
SELECT gen_random_uuid(), (now() AT TIME ZONE 'UTC')::date, '1', 't', now(), 'a', 'gateway', 'success', 'c', '{}',
    'service', 'x', 'y', 'zoë', '', NULL;
INSERT INTO public.notification_audit (remediation_id, notification_id, recipient, channel, message_summary, status,
    sent_at, digest, salt)
VALUES ('r', 'before', 'zoë', 'email', 'm', 'sent', now(), '', NULL);
ALTER TABLE public.log_intake DISABLE TRIGGER log_intake_goes_on;
UPDATE public.log_intake SET events_done = false, notifications_done = false;
ALTER TABLE public.log_intake ENABLE TRIGGER log_intake_goes_on;
"""
# What reads the log with the settings of nobody.
SANE = "-c search_path=public -c idle_session_timeout=0 -c idle_in_transaction_session_timeout=0"


def make_hostile(database: Database) -> None:
    """Let every session of this database begin with settings that nobody expects."""
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        for name, value in HOSTILE.items():
            conn.execute(
                sql.SQL("ALTER DATABASE {} SET {} TO {}").format(
                    sql.Identifier(database.name), sql.Identifier(name), sql.Literal(value)
                )
            )


def spy_on(database: Database) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True, options="-c default_transaction_read_only=off") as c:
        c.execute("SET search_path TO public")
        c.execute(OLD_RECORDS)
        names = ", ".join(f"'{name}'" for name in (*NEEDED, "statement_timeout", "idle_in_transaction_session_timeout"))
        c.execute(SPY.replace("{names}", names))
        for table in TABLES:
            c.execute(
                f"CREATE TRIGGER spy BEFORE INSERT OR UPDATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION spy()"
            )
        for table, kinds in LOG_TABLES.items():
            c.execute(f"CREATE TRIGGER spy BEFORE {kinds} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION spy()")
        c.execute(SPY_ON_TABLES)


@pytest.fixture(scope="module", params=["direct", "pgbouncer", "pgbouncer, not told"])
def server(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[PostgresServer]:
    """PostgreSQL itself, behind a pooler, and behind a pooler that the settings do not know of."""
    if request.param == "direct" or postgres.pooled:
        yield postgres
        return
    if BINARY is None:
        pytest.skip("PgBouncer is not installed (Debian package pgbouncer)")
    with pgbouncer(postgres) as pooled:
        pooled.pooled = request.param == "pgbouncer"
        yield pooled


@pytest.fixture(scope="module")
def template(server: PostgresServer) -> Iterator[str]:
    """A database with hostile settings from before its tables were made, its writes noted."""
    database = server.make_database("template0")
    make_hostile(database)
    role = settings_for(database).database.service_role()
    assert migrate(database.owner_url, service_role=role)
    spy_on(database)
    yield database.name
    database.drop()


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    """Variables that libpq reads."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("PGCLIENTENCODING", "LATIN1"), ("PGDATESTYLE", "SQL, DMY"), ("PGTZ", "Asia/Kathmandu")):
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def service(
    server: PostgresServer, template: str, environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    key = make_key("log.example", bytes(32))
    key_file, policy = tmp_path_factory.mktemp("log") / "key", tmp_path_factory.mktemp("log") / "policy"
    key_file.write_text(f"{key.encode()}\n")
    key_file.chmod(0o600)
    with witness_server("w.example", key.verifier) as witness:
        policy.write_text(f"{witness.line()}\nquorum w.example\n")
        log = {"key_file": str(key_file), "witness_policy": str(policy)}
        yield from served(server, template, log)


def served(server: PostgresServer, template: str, log: dict[str, str]) -> Iterator[Service]:
    with running(server, template, at=datetime.now(UTC).replace(microsecond=0), log=log) as s:
        # Settings of a database are not copied with it.
        make_hostile(s.database)
        s.parts.reader.renew()
        s.parts.flusher.writer.drop_session()
        yield s


def notes(service: Service) -> list[tuple[str, str, dict[str, str]]]:
    with psycopg.connect(service.database.superuser_url, autocommit=True, options=SANE) as conn:
        return conn.execute("SELECT place, statement, settings FROM public.seen").fetchall()


def write_everything(service: Service) -> None:
    """One write of each kind that the service makes; replay writes with the function of the flusher."""
    assert service.post(event()).status_code == 201
    assert service.post([event(), event()], BATCH).status_code == 201
    assert service.post(notification(), NOTIFICATIONS).status_code == 201
    made = service.post(workflow(), WORKFLOWS)
    assert made.status_code == 201, made.text
    assert service.post([workflow(), workflow()], WORKFLOWS + "/batch").status_code == 201
    ident = made.json["workflow_id"]
    assert service.client.patch(f"{WORKFLOWS}/{ident}", json={"status": "disabled"}).status_code == 200
    search = service.post({"filters": LABELS}, SEARCH)
    assert search.status_code == 200
    search.close()


def test_texts_times_and_numbers_come_back_as_they_went(service: Service) -> None:
    sent = event(correlation_id="zoë", event_data={"user": "Jürgen", "back": "a\\b'c", "n": 0.1, "e": "€ 😀"})
    stored = service.stored(sent)
    assert (stored["correlation_id"], stored["event_data"]["user"]) == ("zoë", "Jürgen")
    assert stored["event_data"]["back"] == "a\\b'c"
    assert stored["event_data"]["e"] == "€ 😀"
    assert stored["event_timestamp"] == sent["event_timestamp"]
    assert [e["event_id"] for e in service.list(correlation_id="zoë")["data"]] == [stored["event_id"]]
    assert service.list(data='{"user": "Jürgen"}')["data"]
    assert service.post(sent | {"event_id": stored["event_id"]}).status_code == 200, "the digest is the same"
    told = notification(recipient="zoë@example.com")
    assert service.post(told, NOTIFICATIONS).status_code == 201
    page = service.client.get(NOTIFICATIONS)
    assert [n["recipient"] for n in page.json["data"] if n["notification_id"] == told["notification_id"]] == [
        "zoë@example.com"
    ]
    again = service.post(told, NOTIFICATIONS)
    assert again.status_code == 409
    flow = service.post(workflow(name="Größer", parameters={"null": None, "list": [None, "NULL"]}), WORKFLOWS)
    assert flow.status_code == 201, flow.text
    assert flow.json["name"] == "Größer"
    assert flow.json["parameters"] == {"null": None, "list": [None, "NULL"]}
    assert service.client.get(WORKFLOWS).json["total"] >= 1
    assert service.post({"filters": LABELS}, SEARCH).json["total_results"] >= 1


def ask_sane(service: Service, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    """As `Database.query`, on a session that does not end while a slow machine is between two steps."""
    with psycopg.connect(service.database.superuser_url, options=SANE, autocommit=True) as conn:
        return conn.execute(statement, parameters or None).fetchall()


def test_the_feed_gives_what_the_lists_give(service: Service) -> None:
    sent = event(
        correlation_id="größe", event_data={"user": "Jürgen", "n": 0.1}, actor_ip="192.0.2.7", is_sensitive=True
    )
    assert service.post(sent).status_code == 201
    told = notification(recipient="größe@example.com")
    assert service.post(told, NOTIFICATIONS).status_code == 201
    asked = {"kinds": "audit_event,notification", "limit": "1000", "salts": "true"}

    def told_of() -> dict[str, dict[str, Any]]:
        answer = service.client.get("/api/v1/audit/feed", query_string=asked)
        assert answer.status_code == 200, answer.text
        return {str(row.get("event_id", row.get("notification_id"))): row for row in answer.json["events"]}

    [stored] = service.list(correlation_id="größe")["data"]
    ident, number = stored["event_id"], told["notification_id"]
    rows = wait_until(lambda: found if {ident, number} <= (found := told_of()).keys() else None, what="signed")
    [stored] = service.client.get(EVENTS, query_string={"correlation_id": "größe"}).json["data"]
    salts = ask_sane(service, "SELECT encode(salt, 'hex') FROM public.audit_events WHERE event_id = %s", ident)
    assert rows[ident] == {"kind": "audit_event", **stored, "salt": salts[0][0]}
    listed = service.client.get(NOTIFICATIONS, query_string={"limit": "1000"}).json["data"]
    [expected] = [row for row in listed if row["notification_id"] == number]
    kept = "SELECT encode(salt, 'hex'), encode(digest, 'hex') FROM public.notification_audit WHERE id = %s"
    [(salt, digest)] = ask_sane(service, kept, expected["id"])
    assert rows[number] == {"kind": "notification", **expected, "salt": salt, "digest": digest}


def fill_and_empty_both_pending_tables(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the sequencer give places by way of both pending tables, and empty each when it is the other's turn."""
    monkeypatch.setattr(sequencer, "_TIDY_BYTES", -1)
    monkeypatch.setattr(sequencer, "_TIDY_SECONDS", 0)
    for table, number in (("log_pending_b", 1), ("log_pending_a", log_store.TURN_ROWS)):
        with psycopg.connect(
            service.database.superuser_url, options=SANE + " -c default_transaction_read_only=off"
        ) as c:
            c.execute(
                "SELECT setval('log_pending_id', greatest(%s, (SELECT last_value FROM log_pending_id)))", (number,)
            )
        assert service.post(event(event_timestamp=rfc3339(service.clock.at))).status_code == 201
        emptied = f"TRUNCATE {table}"
        wait_until(lambda: any(s == emptied for _, s, _ in notes(service)), what=emptied)  # noqa: B023 - called at once


def damage_a_pending_row(service: Service) -> None:
    """One that nobody could read for an hour, which the sequencer sets aside."""
    with psycopg.connect(service.database.superuser_url, options=SANE + " -c default_transaction_read_only=off") as c:
        c.execute("INSERT INTO log_pending_a VALUES (0, 1, decode('09', 'hex'), now() - interval '1 hour')")
    wait_until(lambda: any(place == "log_set_aside" for place, _, _ in notes(service)), what="a row set aside")


def sign_and_cosign(service: Service) -> None:
    """Wait until a checkpoint is signed and cosigned, and old cosignatures are looked for."""

    def is_cosigned() -> bool:
        begun = {(place, statement.split()[0]) for place, statement, _ in notes(service)}
        return begun >= {("log_checkpoints", "INSERT"), ("log_cosignatures", "INSERT"), ("log_cosignatures", "DELETE")}

    wait_until(is_cosigned, what="a checkpoint that is cosigned")


def contradict_the_log(service: Service) -> None:
    """As where what was signed is another tree: nothing goes on behind it."""
    database = service.parts.settings.database
    with connect(database, "log", Limits(60, 60), service.parts.database.watchdog) as conn, writing(conn):
        checkpoint_store.note_inconsistent(conn, "this is a test")


def finish_the_intake(service: Service) -> None:
    """As `datastorage log intake --finish` does, which is the owner's."""
    database = dataclasses.replace(service.parts.settings.database, url=service.database.owner_url)
    with connect(database, "log", Limits(60, 60), service.parts.database.watchdog) as conn:
        assert acts.finish_intake(conn, None)[1]


def start_a_new_origin(service: Service, tmp_path: Path) -> None:
    """As `datastorage log new-origin` does, which is the owner's."""
    memory = FileMemory(str(tmp_path / "checkpoint"))
    assert memory.advance(b"", Remembered("a.example/log", 1, 0, EMPTY).encode())
    database = dataclasses.replace(service.parts.settings.database, url=service.database.owner_url)
    with connect(database, "log", Limits(60, 60), service.parts.database.watchdog) as conn:
        lost = ["redis"]
        assert start_origin(conn, [memory], "b.example/log", "a test", None, without=lost).moved == ("file",)


def test_the_log_is_that_of_the_records(service: Service) -> None:
    assert service.post(event(correlation_id="zoë"), headers={"X-Request-ID": "rq-1"}).status_code == 201
    assert service.post(notification(recipient="zoë@example.com"), NOTIFICATIONS).status_code == 201
    url = conninfo.make_conninfo(service.database.superuser_url, options=SANE)

    def everything_has_its_place() -> LogReport | None:
        report = check_log(url)
        return report if report.pending == 0 and report.old == 2 else None

    report = wait_until(everything_has_its_place, what="a log of everything")
    assert report.faults == []
    assert report.kinds["audit_event"] >= 2
    assert report.kinds["notification"] >= 2


def test_every_write_is_made_with_the_settings_that_it_needs(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_everything(service)
    sign_and_cosign(service)
    # A month that is missing is made by the flush that needs it, and by the change of the catalogue.
    service.parts.monitor.stop()
    for post in (lambda at: service.post(event(event_timestamp=at)), lambda at: service.post(workflow(), WORKFLOWS)):
        service.clock.at += timedelta(days=150)
        assert post(rfc3339(service.clock.at)).status_code == 201
    fill_and_empty_both_pending_tables(service, monkeypatch)
    damage_a_pending_row(service)
    finish_the_intake(service)
    contradict_the_log(service)
    start_a_new_origin(service, tmp_path)
    noted = notes(service)
    assert {place for place, _, _ in noted} >= {*TABLES, *LOG_TABLES, "CREATE TABLE", "ALTER TABLE", "CREATE TRIGGER"}
    for place, statement, settings in noted:
        found = {name: settings[name] for name in NEEDED}
        if place in ("CREATE TABLE", "ALTER TABLE", "CREATE TRIGGER"):
            found["search_path"] = NEEDED["search_path"]  # the function that makes months has its own
        assert found == NEEDED, statement
        assert int(settings["statement_timeout"]) > 0
        assert int(settings["idle_in_transaction_session_timeout"]) > 1
    assert_every_writing_statement_was_seen({" ".join(statement.split()) for _, statement, _ in noted})


WRITES = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|TRUNCATE|MERGE|COPY|CREATE|ALTER|DROP|GRANT|REVOKE|CALL"
    r"|SELECT audit_ensure_partition)\b(?!$)"
)
# In a file of statements a write may stand further behind, in a WITH.
# (FOR UPDATE and LOCK are no writes: a reader locks too.)
WRITES_ANYWHERE = re.compile(
    r"\b(INSERT|(?<!FOR )UPDATE|DELETE|TRUNCATE|MERGE|COPY|CREATE|ALTER|DROP|audit_ensure_partition)\b"
)
# Where statements may stand that write, and how they begin; migrations run as the owner, by themselves.
KNOWN = {
    ("sql/audit.sql", "WITH secret AS MATERIALIZED ("),
    ("sql/audit.sql", "INSERT INTO notification_audit ("),
    ("app/postgres/partitions.py", "SELECT audit_ensure_partition("),
    ("sql/workflows.sql", "INSERT INTO remediation_workflow_catalog ("),
    ("sql/workflows.sql", "UPDATE remediation_workflow_catalog SET is_latest_version"),
    ("sql/workflows.sql", "UPDATE remediation_workflow_catalog SET "),
    ("sql/log.sql", "DELETE FROM log_pending_a "),
    ("sql/log.sql", "DELETE FROM log_pending_b "),
    ("sql/log.sql", "TRUNCATE log_pending_a"),
    ("sql/log.sql", "TRUNCATE log_pending_b"),
    ("sql/log.sql", "INSERT INTO log_bundles ("),
    ("sql/log.sql", "INSERT INTO log_tiles ("),
    ("sql/log.sql", "COPY log_places ("),
    ("sql/log.sql", "INSERT INTO log_salts ("),
    ("sql/log.sql", "UPDATE log_head SET "),
    ("sql/log.sql", "UPDATE log_intake SET "),
    ("sql/log.sql", "INSERT INTO log_acts ("),
    ("sql/log.sql", "INSERT INTO log_set_aside ("),
    ("sql/checkpoints.sql", "UPDATE log_head SET "),
    ("sql/checkpoints.sql", "INSERT INTO log_checkpoints ("),
    ("sql/checkpoints.sql", "INSERT INTO log_cosignatures ("),
    ("sql/checkpoints.sql", "DELETE FROM log_cosignatures "),
    ("sql/origins.sql", "UPDATE log_head SET "),
}
OWNERS = {"app/postgres/indexes.py", "app/postgres/migrations.py", "devserver/postgres.py"}


def writing_statements() -> Iterator[tuple[str, str]]:
    """Every statement of the application that writes: its file, and its text up to the first part that is put in."""
    yield from written_in_code()
    yield from written_in_files(ROOT / "sql")


def written_in_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Those of the files of statements; migrations and grants are the owner's."""
    for path in sorted(folder.glob("*.sql")):
        if re.match(r"\d{4}_", path.name) or path.name == "grants.sql":
            continue
        lines = [line for line in path.read_text().splitlines() if line.startswith("-- name: ") or line[:2] != "--"]
        for part in "\n".join(lines).split("-- name: ")[1:]:
            text = " ".join(part.partition("\n")[2].split())
            # A text in quotes does nothing by itself: the monitor asks for the right to 'INSERT'.
            if WRITES_ANYWHERE.search(re.sub(r"'[^']*'", "''", text)):
                yield f"sql/{path.name}", text.split("{")[0].removesuffix(";")


def written_in_code() -> Iterator[tuple[str, str]]:
    for path in modules():
        tree = ast.parse(path.read_text())
        inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = []
                for part in node.values:
                    if isinstance(part, ast.Constant):
                        parts.append(str(part.value))
                    else:
                        break
                text = "".join(parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
                text = node.value
            else:
                continue
            if WRITES.match(text):
                yield str(path.relative_to(ROOT)), " ".join(text.split())


def assert_every_writing_statement_was_seen(seen: set[str]) -> None:
    for path, text in writing_statements():
        if path in OWNERS:
            continue
        start = text.split("%")[0].strip()
        assert any(start in statement for statement in seen), f"{path}: no test has made the service run {text!r}"


def test_statements_that_write_are_where_they_are_known_to_be() -> None:
    """A new one goes through `sessions.writing`, and is added to the test that sees each of them run."""
    found = {(path, text) for path, text in writing_statements() if path not in OWNERS}
    assert not unknown(found)
    assert all(any(path == f[0] and f[1].startswith(start.strip()) for f in found) for path, start in KNOWN)


def unknown(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {f for f in found if not any(f[0] == path and f[1].startswith(start.strip()) for path, start in KNOWN)}


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM audit_events WHERE {where}",
        "WITH gone AS (\n    DELETE FROM audit_events\n)\nSELECT 1",
        "WITH gone AS (SELECT 'a' AS b), more AS (DELETE FROM audit_events WHERE c = 'd')\nSELECT 1",
    ],
)
def test_a_statement_that_writes_and_is_not_known_is_found(tmp_path: Path, text: str) -> None:
    (tmp_path / "audit.sql").write_text(f"-- name: parents\n-- Reads.\nSELECT 1;\n\n-- name: new\n-- Why.\n{text};\n")
    (tmp_path / "0009_new.sql").write_text(f"{text};\n")
    [(path, found)] = unknown(set(written_in_files(tmp_path)))
    assert path == "sql/audit.sql"
    assert "DELETE FROM audit_events" in found


@pytest.mark.parametrize(
    ("what", "where"),
    [
        (r"\.transaction\(", set()),
        (r'execute\(\s*"(BEGIN|COMMIT|SET )', {"app/postgres/sessions.py"}),
        (r"psycopg\.connect\(", {"devserver/postgres.py"}),
        (r"Connection\.connect\(", {"app/postgres/sessions.py", "app/postgres/migrations.py"}),
        (r"psycopg_pool import .*ConnectionPool", {"app/postgres/database.py"}),
    ],
)
def test_connections_and_transactions_are_made_in_one_place(what: str, where: set[str]) -> None:
    found = {str(p.relative_to(ROOT)) for p in modules() if re.search(what, p.read_text())}
    assert found == where
