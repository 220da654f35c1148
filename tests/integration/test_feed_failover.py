"""The feed across a failover to a standby that lacks the end of the log: what took places of others is given too."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage
from datastorage_common.notes import make_key

from tests.signing_support import KEY
from tests.standby import asynchronous_pair, superuser
from tests.support import (
    Answer,
    Database,
    GunicornService,
    event,
    valkey_server,
    wait_until,
)

NEW = make_key("log.example/two", bytes([7]) * 32)
BATCH = "/api/v1/audit/events/batch"
CAUGHT_UP = "SELECT pg_current_wal_lsn() = replay_lsn FROM pg_stat_replication"
SIGNED = "SELECT max(size) FROM log_checkpoints JOIN log_head USING (origin, size)"


def ask(service: GunicornService, **parameters: Any) -> Answer:
    return service.request("GET", f"/api/v1/audit/feed?{urlencode(parameters)}")


def drained(service: GunicornService, **parameters: Any) -> tuple[list[str], str]:
    """The ids of all events that follow, and the cursor behind them."""
    ids: list[str] = []
    while True:
        answer = ask(service, limit=1000, **parameters)
        assert answer.status == 200, answer.body
        ids += [item["event_id"] for item in answer.json["events"] if item["event_category"] == "gateway"]
        parameters["after"] = answer.json["next"]
        if answer.json["caught_up"]:
            return ids, answer.json["next"]


def post(service: GunicornService, count: int) -> list[str]:
    """Store so many, however long it takes until there is a primary."""
    events = [event(event_id=str(uuid.uuid4())) for _ in range(count)]
    wait_until(lambda: service.request("POST", BATCH, events).status in (200, 201), what="events are stored")
    return [each["event_id"] for each in events]


def signed(database: Database, size: int) -> None:
    """Wait until a log of at least so many entries is signed to its end."""
    wait_until(lambda: (database.query(SIGNED)[0][0] or 0) >= size, what=f"a log of {size} entries is signed")


@pytest.mark.embedded
@pytest.mark.timeout(300)
def test_the_end_is_lost_with_the_memory_and_the_log_gets_another_name(tmp_path: Path) -> None:
    """The standby lacks a part of what was signed; it goes on while the memory is away, and is found out then."""
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text(f"{KEY.encode()}\n{NEW.encode()}\n")
    with contextlib.ExitStack() as stack:
        valkey = stack.enter_context(valkey_server())
        pair = stack.enter_context(asynchronous_pair())
        primary, standby, database = pair.primary, pair.standby, pair.database
        environ = {
            "DATASTORAGE_DATABASE__URL": pair.url,
            "DATASTORAGE_REDIS__URL": valkey.url(),
            "DATASTORAGE_SERVER__WORKERS": "2",
            "DATASTORAGE_LOG__KEY_FILE": str(key_file),
            "DATASTORAGE_AUDIT__RECORD_SERVICE": "false",
        }
        service = GunicornService(environ, tmp_path / "gunicorn.log")
        service.start()
        stack.callback(service.stop)

        kept = post(service, 10)
        signed(database, 10)
        wait_until(lambda: superuser(primary, CAUGHT_UP) == [(True,)], what="the standby has all of it")
        standby.kill()
        lost = post(service, 10)
        signed(database, 20)
        ids, cursor = drained(service)
        assert ids == kept + lost
        valkey.kill()
        other = pair.promote()
        anew = post(service, 5)
        wait_until(lambda: other.query("SELECT size FROM log_head") == [(15,)], what="the log goes on")
        valkey.start()
        wait_until(lambda: other.query("SELECT inconsistent FROM log_head")[0][0], what="it is found out")
        assert ask(service, after=cursor).status == 503

        names = ("DATASTORAGE_DATABASE__URL", "DATASTORAGE_DATABASE__DIRECT_URL")
        owner = {**environ, **dict.fromkeys(names, other.owner_url)}
        command = ["log", "new-origin", NEW.name, "--reason", "a failover", "--yes"]
        done = CliRunner().invoke(datastorage, command, env=owner)
        assert done.exit_code == 0, done.output
        later = post(service, 3)
        signed(other, 19)  # with the act of the new name
        answer = ask(service, after=cursor)
        assert (answer.status, answer.json["type"].rpartition("/")[2]) == (410, "feed-restarted")
        ids, _ = drained(service, after=answer.json["next"])
        assert ids == kept + anew + later, "all that took places of what was lost, in order"
