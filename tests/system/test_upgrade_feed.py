"""The release before the feed beside this one: cursors stay good over an upgrade, back, and forth again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from app.config.log_keys import new_key_file
from app.postgres.migrations import migrate
from tests.support import (
    PATIENT,
    Answer,
    GunicornService,
    PostgresServer,
    environ_of,
    event,
    valkey_server,
    wait_until,
)
from tests.system.test_upgrade import commits_before, database_of, files_of, service_role

FEED = "/api/v1/audit/feed"
BATCH = "/api/v1/audit/events/batch"
SIGNED = "SELECT max(size) FROM log_checkpoints JOIN log_head USING (origin, size)"


@pytest.fixture(scope="module")
def before_the_feed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the last commit without it."""
    return files_of(commits_before("sql/0007_feed.sql"), tmp_path_factory.mktemp("before"))


def ask(service: GunicornService, **parameters: Any) -> Answer:
    return service.request("GET", f"{FEED}?{urlencode(parameters)}")


def followed(service: GunicornService, after: str) -> tuple[list[str], str]:
    """The ids of what follows a cursor, and the one behind it."""
    answer = ask(service, after=after, limit=1000)
    assert (answer.status, answer.json["caught_up"]) == (200, True), answer.body
    return [item["event_id"] for item in answer.json["events"]], answer.json["next"]


@pytest.mark.timeout(300)
def test_cursors_over_an_upgrade_and_back(before_the_feed: Path, postgres: PostgresServer, tmp_path: Path) -> None:
    with ExitStack() as stack:
        database = stack.enter_context(database_of(before_the_feed, "app.postgres.migrations", postgres))
        valkey = stack.enter_context(valkey_server())
        new_key_file(tmp_path / "log.key", "log.example/one")
        environ = {
            "DATASTORAGE_DATABASE__URL": database.service_url,
            "DATASTORAGE_REDIS__URL": valkey.url(),
            "DATASTORAGE_SERVER__WORKERS": "1",
            "DATASTORAGE_AUDIT__RECORD_SERVICE": "false",
            "DATASTORAGE_LOG__KEY_FILE": str(tmp_path / "log.key"),
        }
        its_own = {"PYTHONPATH": str(before_the_feed / "clients" / "python" / "src"), **environ_of(PATIENT)}
        old = GunicornService(environ | its_own, tmp_path / "old.log", root=before_the_feed)
        new = GunicornService(environ, tmp_path / "new.log")
        for service in (old, new):
            stack.callback(lambda service=service: service.process is not None and service.stop())
        stored = 0

        def post(service: GunicornService, count: int) -> list[str]:
            """Store events, and wait until they are in a signed log."""
            nonlocal stored
            answer = service.request("POST", BATCH, [event() for _ in range(count)])
            assert answer.status == 201, answer.body
            stored += count
            wait_until(lambda: database.query(SIGNED) == [(stored,)], what="a checkpoint of all of them")
            ids: list[str] = answer.json["event_ids"]
            return ids

        old.start()
        first = post(old, 5)
        new.launch()
        wait_until(lambda: new.probe("/health/live") == 200, what="the new one answers")
        wait_until(lambda: ask(new).status == 503, what="no feed before the migration")
        assert "Retry-After" in ask(new).headers
        migrate(database.owner_url, service_role=service_role(database))
        answer = wait_until(lambda: a if (a := ask(new, limit=3)).status == 200 else None, what="a feed")
        assert [item["event_id"] for item in answer.json["events"]] == first[:3]
        assert ask(old).status == 404
        ids, cursor = followed(new, answer.json["next"])
        assert ids == first[3:]
        more = post(old, 4) + post(new, 4)
        ids, cursor = followed(new, cursor)
        assert ids == more
        # Back to the release before, on the schema of this one, and forth again.
        assert new.stop() == 0
        more = post(old, 4)
        assert old.stop() == 0
        new.start()
        more += post(new, 4)
        assert followed(new, cursor)[0] == more
