"""The last release and this one beside each other on one database, under load, while the schema is migrated."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from app.postgres.migrations import migrate
from tests.e2e.load import EVENTS, Writers
from tests.support import (
    ROOT,
    Database,
    GunicornService,
    PostgresServer,
    event,
    notification,
    valkey_server,
    wait_until,
    with_dbname,
)

# The last release: its tag, and the commit that it stands for where a clone came without tags.
RELEASES = ("v1.0.0", "dce6a54")


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last release's files, as they were."""
    folder = tmp_path_factory.mktemp("release")
    for name in RELEASES:
        archive = subprocess.run(["git", "archive", name], cwd=ROOT, capture_output=True, check=False)
        if archive.returncode == 0:
            with tarfile.open(fileobj=BytesIO(archive.stdout)) as tar:
                tar.extractall(folder, filter="data")
            return folder
    pytest.skip(f"needs the history of the project back to {RELEASES[0]} (a shallow clone has none)")


@pytest.fixture
def old_database(postgres: PostgresServer, release: Path) -> Iterator[Database]:
    """A database with the schema of the last release, made by the last release."""
    name = "t_" + uuid.uuid4().hex[:16]
    owner = conninfo.conninfo_to_dict(postgres.owner_url)["user"]
    with psycopg.connect(postgres.superuser_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(str(owner))))
    urls = (postgres.superuser_url, postgres.owner_url, postgres.service_url)
    made = Database(name, *(with_dbname(url, name) for url in urls), server=postgres)
    role = conninfo.conninfo_to_dict(postgres.service_url)["user"]
    # Where that release has it.
    program = "import sys; from app.migrate import migrate; print(migrate(sys.argv[1], service_role=sys.argv[2]))"
    subprocess.run([sys.executable, "-c", program, made.owner_url, str(role)], cwd=release, check=True)
    yield made
    made.drop()


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
    assert old.request("POST", "/api/v1/audit/notifications", record).status == 201
    answer = new.request("POST", "/api/v1/audit/notifications", record)
    assert (answer.status, answer.json["identical"]) == (409, True)
