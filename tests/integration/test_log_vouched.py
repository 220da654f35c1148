"""A row of log_checkpoints that no key has signed is no checkpoint: not for the watch, and not for the status."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from datastorage_client.cli.commands import datastorage
from datastorage_common.notes import VerifierKey, make_key

from app.clock import Clock
from app.postgres.sessions import Connection, Limits, connect
from app.postgres.watchdog import Watchdog
from app.transparency import signing_watch
from app.transparency.signer import Signer
from app.transparency.watch import LogWatch
from tests.conftest import settings_for
from tests.integration.test_log_signing import KEY, signed_turn
from tests.log_support import sequencers, size, statements_of
from tests.support import Database

OTHER = make_key("log.example/two", bytes([7]) * 32)


@pytest.fixture
def conn(database: Database) -> Iterator[Connection]:
    """A connection like the monitor's."""
    watchdog = Watchdog(Clock())
    watchdog.start()
    with connect(settings_for(database).database, "test", Limits(5, 5), watchdog) as made:
        yield made
    watchdog.stop()


def watch_of(*keys: VerifierKey) -> LogWatch:
    return LogWatch(Clock(), stalled=lambda: None, keys=keys)


def seen(watch: LogWatch, conn: Connection) -> int | None:
    watch.look(conn)
    return watch.state.signed


def grown(database: Database, count: int, *, signed: bool) -> None:
    statements_of(database, count)
    with sequencers(database, signer=Signer((KEY,) if signed else (), ())) as [one]:
        signed_turn(one)


def made_up(database: Database, *sizes: int) -> None:
    """Put rows there as the service's role may."""
    with psycopg.connect(database.service_url) as conn:
        for each in sizes:
            conn.execute(
                "INSERT INTO log_checkpoints (origin, size, root, epoch, note) VALUES (%s, %s, sha256(''), 0, 'x')",
                (KEY.name, each),
            )


def checkpoint(database: Database, **environ: str) -> dict[str, Any] | None:
    done = CliRunner().invoke(datastorage, ["log", "status", "--json"], env={**database.environ, **environ})
    assert done.exit_code == 0, done.output
    found: dict[str, Any] | None = json.loads(done.stdout)["checkpoint"]
    return found


def test_what_no_key_has_signed_does_not_count(database: Database, conn: Connection, tmp_path: Path) -> None:
    file = tmp_path / "log.key"
    file.write_text(f"{KEY.encode()}\n")
    file.chmod(0o600)
    key_file = {"DATASTORAGE_LOG__KEY_FILE": str(file)}
    ours, keyless, others = watch_of(KEY.verifier), watch_of(), watch_of(OTHER.verifier)
    grown(database, 5, signed=True)
    assert [seen(watch, conn) for watch in (ours, keyless, others)] == [5, 5, 5]
    signed_at = checkpoint(database, **key_file)
    assert signed_at is not None
    grown(database, 3, signed=False)
    made_up(database, 6, 8)
    assert size(database) == 8
    assert seen(ours, conn) == seen(watch_of(KEY.verifier), conn) == 5
    assert ours.unsigned_for() > 0, "so that somebody is told"
    assert checkpoint(database, **key_file) == signed_at
    # Where no key of the log is known, nobody can tell.
    assert [seen(watch, conn) for watch in (keyless, others)] == [8, 8]
    assert (checkpoint(database) or {})["size"] == 8
    grown(database, 1, signed=True)
    assert seen(ours, conn) == 9
    assert (checkpoint(database, **key_file) or {})["size"] == 9


def test_more_rows_than_are_looked_at_do_not_hide_what_was_seen(
    database: Database, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_watch, "_ROWS", 2)
    grown(database, 2, signed=True)
    watch = watch_of(KEY.verifier)
    assert seen(watch, conn) == 2
    grown(database, 4, signed=False)
    made_up(database, 4, 5, 6)
    assert seen(watch, conn) == 2
    assert seen(watch_of(KEY.verifier), conn) is None


def test_a_log_that_nobody_has_signed(database: Database, conn: Connection, tmp_path: Path) -> None:
    file = tmp_path / "log.key"
    file.write_text(f"{KEY.encode()}\n")
    file.chmod(0o600)
    grown(database, 3, signed=False)
    database.query("UPDATE log_head SET origin = %s", KEY.name)
    made_up(database, 2)
    watch = watch_of(KEY.verifier)
    assert seen(watch, conn) is None
    assert checkpoint(database, DATASTORAGE_LOG__KEY_FILE=str(file)) is None


def test_a_log_that_lost_checkpoints_is_looked_at_anew(database: Database, conn: Connection) -> None:
    grown(database, 3, signed=True)
    grown(database, 3, signed=True)
    watch = watch_of(KEY.verifier)
    assert seen(watch, conn) == 6
    database.query("ALTER TABLE log_checkpoints DISABLE TRIGGER USER")
    database.query("DELETE FROM log_checkpoints WHERE size = 6")
    assert seen(watch, conn) == 3
