"""Earlier releases and this one beside each other on one database, under load, while the schema is migrated."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from app.postgres.migrations import migrate
from tests.e2e.load import EVENTS, Writers, Written
from tests.log_check import LogReport, check_log
from tests.support import (
    PATIENT,
    ROOT,
    Database,
    GunicornService,
    PostgresServer,
    environ_of,
    event,
    notification,
    valkey_server,
    wait_until,
    with_dbname,
)

# The first release: its tag, and the commit that it stands for where a clone came without tags.
RELEASES = ("v1.0.0", "dce6a54")
# The last release without a log: its tag, or else the commit before the one that brought the log's migration.
BEFORE_THE_LOG = "v1.1.0"
NOTIFICATIONS = "/api/v1/audit/notifications"


def files_of(names: tuple[str, ...], folder: Path) -> Path:
    """The files of the first of these commits that this clone has; skips the test where it has none of them."""
    for name in names:
        archive = subprocess.run(["git", "archive", name], cwd=ROOT, capture_output=True, check=False)
        if archive.returncode == 0:
            with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
                tar.extractall(folder, filter="data")
            return folder
    pytest.skip(
        f"needs the history of the project back to {' or '.join(names) or 'its migrations'} (a shallow clone has none)"
    )


def commits_before(file: str) -> tuple[str, ...]:
    """The last commit without this file; nothing where this clone does not say."""
    # The oldest, should the file ever have been added twice.
    asked = ["git", "log", "--diff-filter=A", "--reverse", "--format=%H", "--", file]
    found = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    return tuple(f"{commit}^" for commit in found[:1])


@contextmanager
def database_of(release: Path, home_of_migrate: str, postgres: PostgresServer) -> Iterator[Database]:
    """A database with the schema of a release, made by that release."""
    name = "t_" + uuid.uuid4().hex[:16]
    owner = conninfo.conninfo_to_dict(postgres.owner_url)["user"]
    with psycopg.connect(postgres.superuser_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(str(owner))))
    urls = (postgres.superuser_url, postgres.owner_url, postgres.service_url)
    made = Database(name, *(with_dbname(url, name) for url in urls), server=postgres)
    program = f"import sys; from {home_of_migrate} import migrate; migrate(sys.argv[1], service_role=sys.argv[2])"
    subprocess.run([sys.executable, "-c", program, made.owner_url, service_role(made)], cwd=release, check=True)
    yield made
    made.drop()


def service_role(database: Database) -> str:
    return str(conninfo.conninfo_to_dict(database.service_url)["user"])


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first release's files, as they were."""
    return files_of(RELEASES, tmp_path_factory.mktemp("release"))


@pytest.fixture
def old_database(postgres: PostgresServer, release: Path) -> Iterator[Database]:
    """A database with the schema of the first release."""
    with database_of(release, "app.migrate", postgres) as made:
        yield made


@pytest.fixture(scope="module")
def before_the_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the last release without a log."""
    return files_of((BEFORE_THE_LOG, *commits_before("sql/0005_log.sql")), tmp_path_factory.mktemp("before"))


@pytest.fixture
def database_before_the_log(postgres: PostgresServer, before_the_log: Path) -> Iterator[Database]:
    """A database with the schema of the last release without a log."""
    with database_of(before_the_log, "app.postgres.migrations", postgres) as made:
        yield made


@pytest.mark.timeout(180)
def test_both_releases_on_one_database(release: Path, old_database: Database, tmp_path: Path) -> None:
    with ExitStack() as stack:
        valkey = stack.enter_context(valkey_server())
        environ = {
            "DATASTORAGE_DATABASE__URL": old_database.service_url,
            "DATASTORAGE_REDIS__URL": valkey.url(),
            "DATASTORAGE_SERVER__WORKERS": "1",
        }
        old = GunicornService(environ, tmp_path / "old.log", root=release)
        new = GunicornService(environ, tmp_path / "new.log")
        old.start()
        stack.callback(old.stop)
        assert old.probe("/openapi.json") == 404, "the old one is the old one: it had no API document"
        with Writers(old, 3) as before:
            wait_until(lambda: len(before.sent) > 50, what="load on the old release")
            role = conninfo.conninfo_to_dict(old_database.service_url)["user"]
            migrate(old_database.owner_url, service_role=str(role))
            whole = (
                "SELECT bool_and(indisvalid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relname LIKE "
            )
            assert old_database.query(whole + "'audit_events%'") == [(True,)], "an index is not whole"
            new.start()
            stack.callback(new.stop)
            assert new.probe("/openapi.json") == 200
            with Writers(new, 3) as after:
                wait_until(lambda: len(after.sent) > 200, what="load on both")
                same_content_is_the_same_to_both(old, new)
                the_new_one_keeps_request_ids(old, new)
                assert old.stop() == 0, "the old one goes while the new one serves"
                before.stop()
                count = len(after.sent)
                wait_until(lambda: len(after.sent) > count + 50, what="load on the new one alone")
        assert {w.status for w in after.sent} == {201}
        # The old one is stopped without an ingress that would have sent its clients elsewhere.
        answered = [w for w in before.sent if w.answer is not None]
        assert {w.status for w in answered} == {201}
        rows = {str(i): n for i, n in old_database.query("SELECT event_id, count(*) FROM audit_events GROUP BY 1")}
        assert set(rows.values()) == {1}, "an event is there twice"
        assert {w.event_id for w in answered + after.sent} <= rows.keys(), "an event that was answered is missing"


@pytest.mark.timeout(180)
def test_a_category_that_the_old_release_does_not_know(release: Path, old_database: Database, tmp_path: Path) -> None:
    """Its replay makes a dead letter of it, which the new release writes: docs/operate.md, "Upgrading"."""
    with ExitStack() as stack:
        valkey = stack.enter_context(valkey_server())
        environ = {
            "DATASTORAGE_DATABASE__URL": old_database.service_url,
            "DATASTORAGE_REDIS__URL": valkey.url(),
            "DATASTORAGE_SERVER__WORKERS": "1",
        }
        role = conninfo.conninfo_to_dict(old_database.service_url)["user"]
        migrate(old_database.owner_url, service_role=str(role))
        new = GunicornService(environ, tmp_path / "new.log")
        new.start()
        old_database.query(f"REVOKE INSERT ON audit_events FROM {role}")
        known, unknown = (event(event_id=str(uuid.uuid4()), event_category=c) for c in ("gateway", "auth"))
        assert [new.request("POST", EVENTS, body).status for body in (known, unknown)] == [202, 202]
        assert new.stop() == 0
        old_database.query(f"GRANT INSERT ON audit_events TO {role}")
        old = GunicornService(environ, tmp_path / "old.log", root=release)
        old.start()
        stack.callback(old.stop)
        wait_until(lambda: old_database.count() == 1, what="the old release replays what it knows")
        letters = "/api/v1/dlq/dead-letters"
        wait_until(lambda: len(old.request("GET", letters).json["dead_letters"]) == 1, what="the other is kept")
        [letter] = old.request("GET", letters).json["dead_letters"]
        assert letter["reason"].startswith("the payload is not valid: event_category must be one of: gateway, ")
        assert old.stop() == 0
        new.start()
        stack.callback(new.stop)
        assert new.request("POST", f"{letters}/{letter['id']}/replay").status == 202
        wait_until(lambda: old_database.count() == 2, what="the new release writes it")
        for body in (known, unknown):
            assert new.request("POST", EVENTS, body).status == 200, "unaltered"


@pytest.mark.timeout(400)
def test_every_record_is_in_the_log_once(
    before_the_log: Path, database_before_the_log: Database, tmp_path: Path
) -> None:
    """Whatever release stored it, alone or beside the other, forth and back; and whichever replayed it."""
    database = database_before_the_log
    sent: list[Written] = []
    with ExitStack() as stack:
        valkey = stack.enter_context(valkey_server())
        environ = {
            "DATASTORAGE_DATABASE__URL": database.service_url,
            "DATASTORAGE_REDIS__URL": valkey.url(),
            "DATASTORAGE_SERVER__WORKERS": "1",
        }
        # What the client and the service share is of that release too.
        its_own = {"PYTHONPATH": str(before_the_log / "clients" / "python" / "src"), **environ_of(PATIENT)}
        old = GunicornService(environ | its_own, tmp_path / "old.log", root=before_the_log)
        new = GunicornService(environ, tmp_path / "new.log")
        for service in (old, new):
            stack.callback(lambda service=service: service.process is not None and service.stop())

        old.start()
        with Writers(old, 2) as before:
            wait_until(lambda: len(before.sent) > 50, what="load on the old release alone")
            assert old.request("POST", NOTIFICATIONS, notification()).status == 201
            migrate(database.owner_url, service_role=service_role(database))
            new.start()
            with Writers(new, 2) as after:
                wait_until(lambda: len(after.sent) > 50, what="load on both")
                assert old.stop() == 0
                before.stop()
                count = len(after.sent)
                wait_until(lambda: len(after.sent) > count + 50, what="load on the new one alone")
        sent += before.sent + after.sent
        sent += spilled_by_one_and_replayed_by_the_other(new, old, database)
        with Writers(old, 2) as back:
            wait_until(lambda: len(back.sent) > 50, what="load on the old one alone, again")
        sent += back.sent
        assert old.request("POST", NOTIFICATIONS, notification()).status == 201
        sent += spilled_by_one_and_replayed_by_the_other(old, new, database)
        with Writers(new, 2) as last:
            wait_until(lambda: len(last.sent) > 50, what="load on the new one, again")
        sent += last.sent

        all_in_the_log(database)
        assert datastorage(database, "log", "intake").endswith(
            "none left; not finished (`datastorage log intake --finish`)"
        )
        assert datastorage(database, "log", "intake", "--finish").startswith("the intake is finished, with ")
        report = all_in_the_log(database)
        assert report.kinds["intake_finished"] == 1
    answered = [w for w in sent if w.answer is not None]
    assert {w.status for w in answered} <= {201, 202}
    rows = {str(i): n for i, n in database.query("SELECT event_id, count(*) FROM audit_events GROUP BY 1")}
    assert set(rows.values()) == {1}, "an event is there twice"
    assert {w.event_id for w in answered} <= rows.keys(), "an event that was answered is missing"


def spilled_by_one_and_replayed_by_the_other(
    one: GunicornService, other: GunicornService, database: Database
) -> list[Written]:
    """Dead letters of the one, which runs, are written by the other, which is started after it."""
    role = service_role(database)
    database.query(f"REVOKE INSERT ON audit_events, notification_audit FROM {role}")
    kept = []
    for members in CONTENT:
        body = event(event_id=str(uuid.uuid4()), **members)
        kept.append(Written(body, one.request("POST", EVENTS, body)))
    record = notification()
    assert one.request("POST", NOTIFICATIONS, record).status == 202
    assert {w.status for w in kept} == {202}
    assert one.stop() == 0
    database.query(f"GRANT INSERT ON audit_events, notification_audit TO {role}")
    other.start()
    ids = [w.event_id for w in kept]
    there = "SELECT count(*) FROM audit_events WHERE event_id = ANY(%s::uuid[])"
    wait_until(lambda: database.query(there, ids) == [(len(ids),)], what="the other release replays the events")
    of_it = "SELECT count(*) FROM notification_audit WHERE notification_id = %s"
    wait_until(lambda: database.query(of_it, record["notification_id"]) == [(1,)], what="and the notification")
    return kept


def all_in_the_log(database: Database) -> LogReport:
    """The log once it has everything that is stored."""
    done = "SELECT events_done AND notifications_done FROM log_intake"
    wait_until(lambda: database.query(done) == [(True,)], what="all old records in the log")
    counts = "SELECT (SELECT count(*) FROM log_pending_a) + (SELECT count(*) FROM log_pending_b)"
    wait_until(lambda: database.query(counts) == [(0,)], what="all others in the log")
    report = check_log(database.superuser_url)
    assert report.faults == []
    assert report.size == sum(database.count(t) for t in ("audit_events", "notification_audit", "log_acts"))
    assert report.old > 50, "those from before the migration"
    return report


def datastorage(database: Database, *arguments: str) -> str:
    """What a command prints, run as the owner of the tables."""
    environ = {**os.environ, "DATASTORAGE_DATABASE__URL": database.service_url}
    environ["DATASTORAGE_DATABASE__DIRECT_URL"] = database.owner_url
    program = Path(sys.executable).with_name("datastorage")
    done = subprocess.run([program, *arguments], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def the_new_one_keeps_request_ids(old: GunicornService, new: GunicornService) -> None:
    """The last release stores events without; both find and list what the other stored."""
    headers = {"X-Request-ID": "rq-upgrade"}
    bodies = [event(event_id=str(uuid.uuid4())) for _ in range(2)]
    for service, body in zip((old, new), bodies, strict=True):
        assert service.request("POST", EVENTS, body, headers=headers).status == 201
    kept = [new.request("GET", f"{EVENTS}/{body['event_id']}").json["request_id"] for body in bodies]
    assert kept == [None, "rq-upgrade"]
    [found] = new.request("GET", f"{EVENTS}?request_id=rq-upgrade").json["data"]
    assert found["event_id"] == bodies[1]["event_id"]
    assert "request_id" not in old.request("GET", f"{EVENTS}/{bodies[1]['event_id']}").json


CONTENT = (
    {},
    {"event_data": {"b": [1, 1.0, 1.10, 1e2, -0.0, 12345678901234567890123, None, True], "a": {"ü": "\u2028é"}}},
    {"event_data": {"": "", "nested": {"z": 1, "a": {"k": [[], {}]}}}, "severity": "", "namespace": ""},
    {"actor_ip": "2001:DB8:0:0::1", "duration_ms": 0, "trace_id": "t", "error_message": "e" * 4096},
    {"retention_days": 30, "is_sensitive": True, "resource_id": "r", "cluster_name": "c"},
)


def same_content_is_the_same_to_both(old: GunicornService, new: GunicornService) -> None:
    """An event that one release stored is a duplicate to the other, and different content a conflict, either way."""
    for members in CONTENT:
        for first, second in ((old, new), (new, old)):
            body = event(event_id=str(uuid.uuid4()), **members)
            assert first.request("POST", EVENTS, body).status == 201
            again = second.request("POST", EVENTS, body)
            assert again.status == 200, (members, again.body)
            assert second.request("POST", EVENTS, {**body, "event_action": "another"}).status == 409
            one, other = (s.request("GET", f"{EVENTS}/{body['event_id']}").json for s in (first, second))
            assert {k: v for k, v in other.items() if k in one} == {k: v for k, v in one.items() if k in other}
    record = notification()
    assert old.request("POST", NOTIFICATIONS, record).status == 201
    answer = new.request("POST", NOTIFICATIONS, record)
    assert (answer.status, answer.json["identical"]) == (409, True)
