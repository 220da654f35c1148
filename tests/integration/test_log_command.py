"""`datastorage log`: how far old records are taken in, and closing the log for them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import psycopg
import pytest
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage

from app.audit.own_events import ADMIN
from app.cli import log as command
from app.postgres import migrations
from app.postgres.migrations import migrate
from app.postgres.sessions import Connection
from app.transparency.standing import Standing, standing
from tests.conftest import settings_for
from tests.log_check import check_log
from tests.old_records import database_before_the_log, put_records
from tests.support import ROOT, Database, PostgresServer, event, wait_until

EVENTS = "/api/v1/audit/events"


@pytest.fixture
def database(postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database from before there was a log, with records in it, and migrated since."""
    with database_before_the_log(postgres, tmp_path, monkeypatch) as made:
        put_records(made, events=700, notifications=30)
        yield made


def to_this_release(database: Database) -> None:
    migrate(database.owner_url, service_role=settings_for(database).database.service_role())


def run(database: Database, *arguments: str, as_owner: bool = False, **environ: str) -> Result:
    direct = {"DATASTORAGE_DATABASE__DIRECT_URL": database.owner_url} if as_owner else {}
    return CliRunner().invoke(datastorage, ["log", *arguments], env={**database.environ, **direct, **environ})


def told(database: Database) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(database, "status", "--json").output)
    return found


def failure(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    [line] = result.stderr.splitlines()
    return str(line)


def no_faults(database: Database) -> int:
    report = check_log(database.superuser_url)
    assert report.faults == []
    return report.old


def test_before_there_is_a_log(database: Database) -> None:
    for arguments in (["status"], ["intake"], ["intake", "--finish"]):
        said = failure(run(database, *arguments))
        [(name,)] = database.query("SELECT current_database()")
        assert said.startswith(f"datastorage: the database {name} has no log in its schema public yet: run ")


def test_old_records_from_the_first_to_the_finish(
    database: Database, make_app: Callable[..., flask.Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    to_this_release(database)
    before = told(database)
    assert (before["size"], before["epoch"], before["holder"]) == (0, 0, None)
    assert before["intake"]["left"] == 730
    assert "old records: 0 taken in, 730 left" in run(database, "status").output
    assert "still being taken in" in failure(run(database, "intake", "--finish", as_owner=True))
    assert "nobody has given places yet: an instance of this release has to run" in run(database, "status").output
    monkeypatch.setattr(command, "WARN_SECONDS", 0.0)
    monkeypatch.setattr(command, "STANDSTILL_SECONDS", 0.0)
    stopped = run(database, "intake")
    assert (stopped.exit_code, stopped.stdout) == (1, "")
    first, warning, last = stopped.stderr.splitlines()
    assert first == "730 old records left"
    assert warning == "no old record was taken in for 0 s: an instance of this release has to run"
    assert last == f"datastorage: {warning}"
    monkeypatch.undo()
    client = make_app().test_client()
    waited = run(database, "intake")
    assert waited.output.endswith("730 taken in, none left; not finished (`datastorage log intake --finish`)\n")
    assert client.post(EVENTS, json=event()).status_code == 201
    wait_until(lambda: told(database)["pending"] == 0, what="the new event in the log")
    assert f", last given by worker {told(database)['holder']}\n" in run(database, "status").output
    assert no_faults(database) == 730

    assert "database.direct_url is the address of the role that owns" in failure(run(database, "intake", "--finish"))
    assert told(database)["intake"]["finished_by"] is None
    finished = run(database, "intake", "--finish", as_owner=True)
    assert (finished.exit_code, finished.output) == (0, "the intake is finished, with 730 old records\n")
    again = json.loads(run(database, "intake", "--finish", "--json", as_owner=True).output)
    assert again["already"] is True
    [(act_id, kind, by, details, digest)] = database.query(
        "SELECT act_id, kind, acted_by, details, digest FROM log_acts"
    )
    assert (str(act_id), kind, by, details) == (again["act_id"], "intake_finished", again["acted_by"], {"taken": 730})
    members = {k: again[k] for k in ("act_id", "acted_at", "acted_by")} | {"kind": kind, "details": details}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(b"log-act/1\n" + canonical.encode()).digest() == digest
    intake = told(database)["intake"]
    assert (intake["finished_by"], intake["finished_at"]) == (str(act_id), again["acted_at"])
    assert f"730 taken in; finished by {by} at {again['acted_at']}" in run(database, "status").output

    [(data,)] = database.query(
        "SELECT event_data FROM audit_events WHERE (event_category, event_action) = (%s, %s)",
        ADMIN,
        "log_intake_finished",
    )
    assert (data["act_id"], data["taken"], data["role"]) == (str(act_id), 730, by)
    wait_until(lambda: told(database)["pending"] == 0, what="act and event in the log")
    assert no_faults(database) == 730
    assert check_log(database.superuser_url).kinds["intake_finished"] == 1


def test_the_root_is_that_of_all_entries(database: Database, make_app: Callable[..., flask.Flask]) -> None:
    to_this_release(database)
    assert told(database)["root"] == hashlib.sha256().hexdigest()
    make_app()
    assert run(database, "intake").exit_code == 0
    wait_until(lambda: told(database)["pending"] == 0, what="everything is in the log")
    report = check_log(database.superuser_url)
    found = told(database)
    assert (found["size"], found["root"]) == (report.size, report.root.hex())
    assert f"root:        {base64.b64encode(report.root).decode()}\n" in run(database, "status").output
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        conn.execute("ALTER TABLE log_tiles DISABLE TRIGGER USER")
        conn.execute("DELETE FROM log_tiles")
    assert failure(run(database, "status")).startswith(
        "datastorage: the log's tables contradict each other: the last tile"
    )


def test_a_record_that_came_past_the_log(database: Database, make_app: Callable[..., flask.Flask]) -> None:
    to_this_release(database)
    make_app()
    assert run(database, "intake").exit_code == 0
    # Older than all that were taken in, so that nobody looks for it any more.
    database.query(
        "INSERT INTO notification_audit (id, remediation_id, notification_id, recipient, channel, message_summary, "
        "status, sent_at, digest, salt) OVERRIDING SYSTEM VALUE "
        "SELECT -1, 'r', 'slipped-in', 'x@example.org', 'email', 'm', 'sent', now(), '', NULL"
    )
    said = failure(run(database, "intake", "--finish", as_owner=True))
    assert said.startswith("datastorage: 1 record without a salt came after the others were taken in, and past the log")
    assert database.count("log_acts") == 0

    page = (ROOT / "docs" / "operate.md").read_text().split("### When closing the log is refused")[1].split("\n### ")[0]
    find, store_again = re.findall(r"^```sql\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    with psycopg.connect(database.owner_url, autocommit=True) as conn:
        assert [row[:2] for row in conn.execute(find)] == [("notification", "-1")]
        conn.execute(store_again.replace("= ID", "= -1"))
        assert conn.execute(find).fetchall() == []
        # And an event, which is written as the page says.
        conn.execute(
            "CREATE TEMPORARY TABLE one AS SELECT * FROM audit_events LIMIT 1; "
            "UPDATE one SET event_id = gen_random_uuid(), salt = NULL, recorded_at = '2020-01-01T00:00:00Z'; "
            "INSERT INTO audit_events SELECT * FROM one"
        )
        [(kind, ident, *_)] = conn.execute(find).fetchall()
        assert kind == "event"
        store_again = store_again.replace("notification_audit", "audit_events").replace("OVERRIDING SYSTEM VALUE ", "")
        conn.execute(store_again.replace("id = ID", f"event_id = '{ident}'"))
    wait_until(lambda: told(database)["pending"] == 0, what="both in the log")
    assert no_faults(database) == 730
    assert run(database, "intake", "--finish", as_owner=True).exit_code == 0
    assert database.query("SELECT (SELECT count(*) FROM log_salts) = (details->>'taken')::int FROM log_acts") == [
        (True,)
    ]


def test_a_month_that_was_detached_hides_no_record_that_came_past_the_log(
    database: Database, make_app: Callable[..., flask.Flask]
) -> None:
    to_this_release(database)
    make_app()
    assert run(database, "intake").exit_code == 0
    months = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'audit_events'::regclass"
    held = [(database.count(part), part) for (part,) in database.query(months)]
    count, part = max(held)
    assert count > 1
    database.query(f"ALTER TABLE audit_events DETACH PARTITION {part}")
    database.query(
        "INSERT INTO notification_audit (id, remediation_id, notification_id, recipient, channel, message_summary, "
        "status, sent_at, digest, salt) OVERRIDING SYSTEM VALUE "
        "SELECT -1, 'r', 'slipped-in', 'x@example.org', 'email', 'm', 'sent', now(), '', NULL"
    )
    assert failure(run(database, "intake", "--finish", as_owner=True)).startswith(
        "datastorage: 1 record without a salt"
    )


def test_without_the_index_new_events_flow_and_old_ones_wait(
    database: Database, make_app: Callable[..., flask.Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As `datastorage migrate` leaves it that was stopped before the indexes of the months.
    with monkeypatch.context() as patched:
        patched.setattr(migrations.indexes, "make_partitions", lambda *_: None)
        to_this_release(database)
    client = make_app().test_client()
    ids = [str(uuid.uuid4()) for _ in range(5)]
    for ident in ids:
        assert client.post(EVENTS, json=event(event_id=ident)).status_code == 201
    wait_until(lambda: told(database)["size"] == 5, what="the new events in the log")
    found = told(database)
    assert (found["intake"]["taken"], found["intake"]["left"], found["intake"]["indexed"]) == (0, None, False)
    assert "0 taken in; the others wait for their index (`datastorage migrate`)" in run(database, "status").output
    assert "run `datastorage migrate` to its end" in failure(run(database, "intake"))
    assert no_faults(database) == 0
    to_this_release(database)
    assert run(database, "intake").exit_code == 0
    assert no_faults(database) == 730


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_intake SET events_done = true",
        "UPDATE log_intake SET notifications_done = true",
        "UPDATE log_intake SET finished_by = gen_random_uuid()",
        "UPDATE log_intake SET recorded_at = recorded_at - interval '1 day'",
        "DELETE FROM log_intake",
        "INSERT INTO log_acts (act_id, kind, acted_by, digest) VALUES (gen_random_uuid(), 'intake_finished', 'x', '')",
    ],
)
def test_the_role_of_the_service_can_not_say_that_all_are_in(database: Database, statement: str) -> None:
    to_this_release(database)
    with psycopg.connect(database.service_url) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)


def test_a_database_without_old_records(
    postgres: PostgresServer, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = postgres.make_database(template)
    try:
        assert re.search(r"^old records: none$", run(made, "status").output, re.MULTILINE)
        assert run(made, "intake").output == "none\n"
        assert told(made)["intake"]["done"] is True
        made.query("SELECT log_queue(sha256(''), 1)")
        monkeypatch.setattr(command, "WARN_SECONDS", -1.0)
        assert "nobody seems to give places: an instance of this release has to run" in run(made, "status").output
    finally:
        made.drop()


def test_the_progress_is_a_bar_on_a_terminal(
    database: Database, make_app: Callable[..., flask.Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    to_this_release(database)
    looks: list[Standing] = []

    def then_the_service_starts(conn: Connection, *, most: int | None = None) -> Standing:
        looks.append(standing(conn, most=most))
        if len(looks) == 1:
            make_app()
        return looks[-1]

    monkeypatch.setattr(command, "standing", then_the_service_starts)
    shown = run(database, "intake", FORCE_COLOR="1")
    assert shown.exit_code == 0
    assert "730/730" in shown.stderr
    assert "old records" in shown.stderr


def test_without_a_server() -> None:
    environ = {"DATASTORAGE_DATABASE__URL": "postgresql://u:hunter2@127.0.0.1:1/d"}
    said = failure(CliRunner().invoke(datastorage, ["log", "status"], env=environ))
    assert "hunter2" not in said
    assert "not the service: by database.direct_url, or else by database.url" in said


def test_the_commands_of_the_page(database: Database, make_app: Callable[..., flask.Flask]) -> None:
    to_this_release(database)
    make_app()
    section = (ROOT / "docs" / "operate.md").read_text().split("### To the log of all records")[1].split("\n### ")[0]
    [block] = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    commands = [line.split() for line in block.splitlines()]
    assert [words[:2] for words in commands] == [["datastorage", "log"]] * 3
    for words in commands:
        done = run(database, *words[2:], as_owner=True)
        assert done.exit_code == 0, done.output
    assert done.output == "the intake is finished, with 730 old records\n"
