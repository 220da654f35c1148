"""`datastorage log new-origin`: the log goes on under another name, and nothing is signed under the old one."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import shlex
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import flask
import psycopg
import pytest
import redis
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage
from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import make_key, parse_note
from flask.testing import FlaskClient

from app.audit.own_events import ADMIN
from app.clock import Clock
from app.config.log import LogSettings
from app.config.log_keys import load_keys
from app.postgres.sessions import Limits, connect
from app.postgres.watchdog import Watchdog
from app.transparency import origins
from app.transparency.acts import ActRefusedError
from app.transparency.memories import FileMemory, RedisMemory, Remembered, decode
from app.transparency.sequencer import Sequencer
from app.transparency.signer import Signer
from tests.conftest import settings_for
from tests.integration.test_log_signing import KEY, head, redis_memory, signed_turn
from tests.log_check import check_log
from tests.log_support import sequencers, size, statements_of, waiting
from tests.support import ROOT, Database, Valkey, event, wait_until

__all__ = ["redis_memory"]  # a fixture
WAITS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'datastorage-log' AND wait_event_type = 'Lock'
"""
NEW = make_key("log.example/two", bytes([7]) * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint"


@pytest.fixture
def environ(database: Database, valkey: Valkey, streams: redis.Redis, path: Path, tmp_path: Path) -> dict[str, str]:
    key_file = tmp_path / "log.key"
    key_file.write_text(f"{KEY.encode()}\n{NEW.encode()}\n")
    key_file.chmod(0o600)
    return {
        **database.environ,
        "DATASTORAGE_DATABASE__DIRECT_URL": database.owner_url,
        "DATASTORAGE_REDIS__URL": valkey.url(0),
        "DATASTORAGE_LOG__CHECKPOINT_FILE": str(path),
        "DATASTORAGE_LOG__KEY_FILE": str(key_file),
    }


@pytest.fixture
def signer(redis_memory: RedisMemory, path: Path) -> Signer:
    return Signer((KEY, NEW), [redis_memory, FileMemory(str(path))])


def run(
    environ: dict[str, str],
    *arguments: str,
    name: str = NEW.name,
    answer: str | None = None,
    reason: str = "the key was copied",
) -> Result:
    yes = [] if answer is not None else ["--yes"]
    words = ["log", "new-origin", name, "--reason", reason, *yes, *arguments]
    return CliRunner().invoke(datastorage, words, answer, env=environ)


def refusal(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    [line] = result.stderr.splitlines()
    return str(line)


def base64_of(digits: str) -> str:
    return base64.b64encode(bytes.fromhex(digits)).decode()


def checkpoints(database: Database) -> list[tuple[str, int]]:
    return [(o, n) for o, n in database.query("SELECT origin, size FROM log_checkpoints ORDER BY signed_at")]


def taken_over(one: Sequencer) -> None:
    """It sees that it has no place to give any more, and takes its turn anew."""
    signed_turn(one)
    signed_turn(one)


def act(database: Database) -> dict[str, Any]:
    [(ident, kind, details)] = database.query("SELECT act_id, kind, details FROM log_acts")
    return {"act_id": str(ident), "kind": kind, **details}


def proven_memories(database: Database) -> list[str]:
    [(names,)] = database.query("SELECT memories FROM log_head")
    return list(names)


def five_signed(database: Database, one: Sequencer) -> None:
    statements_of(database, 5)
    signed_turn(one)
    assert checkpoints(database) == [(KEY.name, 5)]


def test_the_log_goes_on_under_the_new_name(
    database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str], signer: Signer
) -> None:
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        statements_of(database, 2)  # they wait for a place, and come behind the act
        root = check_log(database.superuser_url).root.hex()
        done = run(environ)
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines() == [
            f"the log is {NEW.name} now; before it was {KEY.name}",
            *(
                f"remembered in {where}: 5 entries of {KEY.name}, root {base64_of(root)}"
                for where in ("checkpoint", "file", "redis")
            ),
            f"the log had 5 entries, root {base64_of(root)}",
            "moved to the new name: the memory in redis and the memory in file",
        ]
        assert done.stderr == ""
        report = check_log(database.superuser_url)
        assert (report.faults, report.kinds["new_origin"], size(database)) == ([], 1, 6)
        assert waiting(database) == 3, "the two, and the command's own event"
        assert head(database) == (NEW.name, 0, None, None)
        told = act(database)
        assert (told["kind"], told["old_origin"], told["new_origin"]) == ("new_origin", KEY.name, NEW.name)
        assert (told["size"], told["root"], told["reason"]) == (5, root, "the key was copied")
        assert (told["remembered_size"], told["remembered_root"]) == (5, root)
        tree = decode(path.read_bytes())
        assert tree is not None
        assert (tree.origin, tree.size, tree.root) == (NEW.name, 6, report.root)
        assert redis_memory.read() == path.read_bytes()

        taken_over(one)
        assert checkpoints(database) == [(KEY.name, 5), (NEW.name, 9)]
        [(note,)] = database.query("SELECT note FROM log_checkpoints WHERE origin = %s", NEW.name)
        parsed = parse_note(note.encode())
        assert (NEW.verifier.signed(parsed) is not None, KEY.verifier.signed(parsed)) == (True, None)
        report = check_log(database.superuser_url)
        assert report.faults == []
        assert parse_checkpoint(parsed.text).root == report.root
    [(data, severity)] = database.query(
        "SELECT event_data, severity FROM audit_events WHERE (event_category, event_action) = (%s, %s)",
        ADMIN,
        "log_new_origin",
    )
    assert (data["act_id"], data["reason"], severity) == (told["act_id"], "the key was copied", "warning")


def test_a_database_that_was_restored(
    database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str], signer: Signer
) -> None:
    """Its memories are ahead of it; what they held is written down, and the log goes on."""
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        held = path.read_bytes()
        ahead = Remembered(KEY.name, 1, 9, bytes(range(32)))
        for memory in (redis_memory, FileMemory(str(path))):
            assert memory.advance(held, ahead.encode())
        statements_of(database, 1)
        one._drop()
        signed_turn(one)
        assert head(database)[-1] == "the memory in redis has 9 entries, and the log has 5"
        told = json.loads(run(environ, "--json").stdout)
        assert (told["remembered_size"], told["remembered_root"]) == (9, ahead.root.hex())
        assert (told["size"], told["index"], told["moved"], told["already"]) == (5, 5, ["redis", "file"], False)
        assert [(m["in"], m["size"]) for m in told["remembered"]] == [("checkpoint", 5), ("file", 9), ("redis", 9)]
        assert "empty the caches in front of /api/v1/log/tile/" in run(environ).stdout, "entries behind 5 are others"
        signed_turn(one)
        assert checkpoints(database)[1:] == [(NEW.name, 8)]
        assert check_log(database.superuser_url).faults == []


def test_killed_between_the_commit_and_the_memories(
    database: Database,
    redis_memory: RedisMemory,
    path: Path,
    environ: dict[str, str],
    signer: Signer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        before = path.read_bytes()

        def killed(*_: object) -> None:
            raise SystemExit(137)

        for name in ("_move", "advanced"):
            monkeypatch.setattr(origins, name, killed)
            assert run(environ).exit_code == 137
            monkeypatch.undo()
            # The log stands still, and says what has to be done; writes go on.
            statements_of(database, 1)
            signed_turn(one)
            assert (size(database), checkpoints(database), one.leading) == (6, [(KEY.name, 5)], False)
            assert head(database)[-1] == origins.standing_still(NEW.name)
            assert path.read_bytes() == redis_memory.read() == before
            assert origins.standing_still(NEW.name) in refusal(run(environ, name="log.example/three"))

        done = run(environ)
        assert done.exit_code == 0, done.output
        assert done.stdout.startswith(f"the log has been {NEW.name} since ")
        assert "moved to the new name: the memory in redis and the memory in file\n" in done.stdout
        assert database.count("log_acts") == 1
        signed_turn(one)
        assert checkpoints(database)[1:] == [(NEW.name, 9)]
        assert check_log(database.superuser_url).faults == []
        # Once more: there is nothing left to do, and what was signed since stays remembered.
        held = path.read_bytes()
        again = run(environ)
        assert (again.exit_code, "moved" in again.stdout) == (0, False)
        assert (path.read_bytes(), head(database)[-1]) == (held, None)


def test_a_memory_that_the_command_did_not_know_of(
    database: Database, path: Path, environ: dict[str, str], signer: Signer
) -> None:
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        without = {name: value for name, value in environ.items() if name != "DATASTORAGE_LOG__CHECKPOINT_FILE"}
        ahead = Remembered(KEY.name, 1, 9, bytes(range(32)))
        assert FileMemory(str(path)).advance(path.read_bytes(), ahead.encode())
        said = refusal(run(without))
        assert "the log is remembered in file too, which is not set up here: set log.checkpoint_file" in said
        assert "it can be asked" in refusal(run(environ, "--without", "file"))
        assert (database.count("log_acts"), size(database)) == (0, 5)
        assert run(without, "--without", "file").exit_code == 0
        assert act(database)["without"] == ["file"]
        taken_over(one)
        assert head(database)[-1] == f"the memory in file is of the log {KEY.name}, and this one is {NEW.name}"
        done = run(environ, reason="another")
        assert "moved to the new name: the memory in file\n" in done.stdout
        held = f"9 entries of {KEY.name}, root {base64_of(ahead.root.hex())}"
        assert f"the memory in file held what the act does not name: {held}\n" in done.stdout
        assert "the reason that was given first stands: the key was copied\n" in done.stderr
        [(data,)] = database.query("SELECT event_data FROM audit_events WHERE event_action = 'log_memory_moved'")
        assert (data["memory"], data["held"]["size"], data["held"]["root"]) == ("file", 9, ahead.root.hex())
        taken_over(one)
        assert [o for o, _ in checkpoints(database)] == [KEY.name, NEW.name]
        assert head(database)[-1] is None


def test_a_memory_that_the_last_signer_did_not_know_of(
    database: Database, path: Path, environ: dict[str, str], signer: Signer
) -> None:
    """What was ever moved is asked for, also where an instance signs meanwhile that has it not set up."""
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
    file = FileMemory(str(path))
    with sequencers(database, signer=Signer((KEY, NEW), [file])) as [other]:
        statements_of(database, 2)
        signed_turn(other)
        assert checkpoints(database)[1:] == [(KEY.name, 7)]
        assert proven_memories(database) == ["file", "redis"]
        without = {name: value for name, value in environ.items() if name != "DATASTORAGE_REDIS__URL"}
        assert "the log is remembered in redis too, which is not set up here" in refusal(run(without))
        assert run(without, "--without", "redis").exit_code == 0
        assert proven_memories(database) == ["file"], "what was given up is not asked for under the new name"
        taken_over(other)
        assert proven_memories(database) == ["file"]


def test_a_memory_that_is_given_up_when_the_command_is_run_again(
    database: Database, environ: dict[str, str], signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)

        def killed(*_: object) -> None:
            raise SystemExit(137)

        monkeypatch.setattr(origins, "_move", killed)
        assert run(environ).exit_code == 137
        monkeypatch.undo()
        del environ["DATASTORAGE_REDIS__URL"]
        assert "--without redis" in refusal(run(environ))
        assert proven_memories(database) == ["file", "redis"]
        assert run(environ, "--without", "redis").exit_code == 0
        assert proven_memories(database) == ["file"]


def test_a_memory_that_is_away(database: Database, path: Path, environ: dict[str, str], signer: Signer) -> None:
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        said = refusal(run(environ | {"DATASTORAGE_REDIS__URL": "redis://127.0.0.1:1/0"}))
        assert said.startswith("datastorage: the memory in redis is away: ")
        assert (size(database), database.count("log_acts")) == (5, 0)


def test_without_the_rights_of_the_owner(
    database: Database, path: Path, environ: dict[str, str], signer: Signer
) -> None:
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        held = path.read_bytes()
        del environ["DATASTORAGE_DATABASE__DIRECT_URL"]
        said = refusal(run(environ))
        assert said.endswith("database.direct_url is the address of the role that owns the tables")
        assert (size(database), path.read_bytes(), head(database)[0]) == (5, held, KEY.name)


def test_names_that_are_taken(database: Database, environ: dict[str, str], signer: Signer) -> None:
    nothing = refusal(run(environ))
    assert "nothing was signed yet" in nothing
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        assert "is or was the name of this log" in refusal(run(environ, name=KEY.name))
        assert run(environ).exit_code == 0
        assert run(environ, name="log.example/three").exit_code == 0
        for name in (KEY.name, NEW.name):
            assert "is or was the name of this log" in refusal(run(environ, name=name))
    assert head(database)[0] == "log.example/three"


def test_a_name_that_a_memory_has_already(
    database: Database, path: Path, environ: dict[str, str], signer: Signer
) -> None:
    """The database was restored from before the last new origin: under that name something was signed."""
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        assert FileMemory(str(path)).advance(path.read_bytes(), Remembered(NEW.name, 3, 99, bytes(32)).encode())
        assert "is or was the name of this log" in refusal(run(environ))
        assert run(environ, name="log.example/three").exit_code == 0
        assert act(database)["remembered_size"] == 99


def test_a_name_that_a_memory_had_before(
    database: Database, redis_memory: RedisMemory, environ: dict[str, str], path: Path
) -> None:
    """A database that is new knows of no checkpoint; that a memory did is known by the act alone."""
    tree = Remembered(KEY.name, 3, 11_008, bytes(32)).encode()
    assert redis_memory.advance(b"", tree)
    assert FileMemory(str(path)).advance(b"", tree)
    statements_of(database, 2)
    assert run(environ, name="log.example/between").exit_code == 0
    taken = "datastorage: {} is or was the name of this log: a new origin needs a name of its own"
    assert refusal(run(environ, name=KEY.name)) == taken.format(KEY.name)
    assert run(environ).exit_code == 0


def test_it_asks_first(database: Database, environ: dict[str, str], signer: Signer) -> None:
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        asked = run(environ, answer="n\n")
        assert asked.exit_code == 1
        assert f"go on as {NEW.name}? [y/N]" in asked.output
        for where in ("last checkpoint", "memory in redis", "memory in file"):
            assert f"the {where}: 5 entries of {KEY.name}, root " in asked.output
        assert head(database)[0] == KEY.name
        assert run(environ, answer="y\n").exit_code == 0
        assert head(database)[0] == NEW.name


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "\x1b[31m", "a\u0000b", "x" * 1001])
def test_reasons_that_can_not_be_kept(environ: dict[str, str], reason: str) -> None:
    arguments = ["log", "new-origin", NEW.name, "--yes", "--reason", reason]
    refused = CliRunner().invoke(datastorage, arguments, env=environ)
    assert refused.exit_code == 2
    assert "a line of 1 to 1000 characters" in refused.stderr


def test_what_is_left_to_do_is_said(
    database: Database, environ: dict[str, str], signer: Signer, tmp_path: Path
) -> None:
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        (tmp_path / "log.key").write_text(KEY.encode())
        done = run(environ | {"DATASTORAGE_LOG__ORIGIN": KEY.name})
        assert done.exit_code == 0
        first, second = done.stderr.splitlines()
        assert first == f"log.origin is still {KEY.name}: nothing is signed before it is {NEW.name}"
        assert second.startswith(f"log.key_file has no key of {NEW.name} here: ")


def started(database: Database, path: Path) -> origins.NewOrigin:
    """As the command does it, in whichever thread."""
    settings = settings_for(database).database
    watchdog = Watchdog(Clock())
    watchdog.start()
    try:
        owner = dataclasses.replace(settings, url=database.owner_url)
        with connect(owner, "log", Limits(60, 10), watchdog) as conn:
            return origins.start_origin(conn, [FileMemory(str(path))], NEW.name, "a test", None)
    finally:
        watchdog.stop()


def test_two_at_once_make_one_act(database: Database, path: Path) -> None:
    with sequencers(database, signer=Signer((KEY, NEW), [FileMemory(str(path))])) as [one]:
        five_signed(database, one)
        with ThreadPoolExecutor(4) as threads:
            done = [each.result() for each in [threads.submit(started, database, path) for _ in range(4)]]
        assert sorted(each.already for each in done) == [False, True, True, True]
        assert sorted(each.moved for each in done) == [(), (), (), ("file",)]
        assert (database.count("log_acts"), size(database)) == (1, 6)
        taken_over(one)
        assert checkpoints(database) == [(KEY.name, 5), (NEW.name, 6)]
        assert check_log(database.superuser_url).faults == []


def test_it_waits_for_the_lock_a_while(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with sequencers(database, signer=Signer((KEY, NEW), [FileMemory(str(path))])) as [one]:
        five_signed(database, one)
        with ThreadPoolExecutor(1) as threads:
            with psycopg.connect(database.superuser_url) as holder:
                holder.execute("SELECT FROM log_head FOR UPDATE")
                with monkeypatch.context() as patched:
                    patched.setattr(origins, "_LOCK_SECONDS", 0.0)
                    with pytest.raises(ActRefusedError, match="has held the lock"):
                        started(database, path)
                assert database.count("log_acts") == 0
                other = threads.submit(started, database, path)
                wait_until(lambda: database.query(WAITS) == [(1,)], what="the command waits")
            assert not other.result(30).already


def test_a_log_whose_edge_is_not_whole(database: Database, path: Path, environ: dict[str, str], signer: Signer) -> None:
    with sequencers(database, signer=signer) as [one]:
        five_signed(database, one)
        held = path.read_bytes()
        with psycopg.connect(database.owner_url, autocommit=True) as conn:
            conn.execute("ALTER TABLE log_tiles DISABLE TRIGGER USER")
            conn.execute("DELETE FROM log_tiles")
        assert "the log's tables contradict each other" in refusal(run(environ))
        assert (database.count("log_acts"), path.read_bytes(), head(database)[0]) == (0, held, KEY.name)


def health(client: FlaskClient) -> dict[str, Any]:
    told: dict[str, Any] | None = client.get("/health").json
    assert told is not None
    return told


def test_a_service_that_runs_goes_on_by_itself(
    database: Database, environ: dict[str, str], path: Path, make_app: Callable[..., flask.Flask]
) -> None:
    log = {"key_file": environ["DATASTORAGE_LOG__KEY_FILE"], "checkpoint_file": str(path)}
    client = make_app(redis={"url": environ["DATASTORAGE_REDIS__URL"]}, log=log).test_client()
    assert client.post("/api/v1/audit/events", json=event()).status_code == 201
    wait_until(lambda: checkpoints(database)[-1:] == [(KEY.name, size(database))], what="signed under the first name")
    done = run(environ)
    assert done.exit_code == 0, done.output
    assert client.post("/api/v1/audit/events", json=event()).status_code == 201
    wait_until(
        lambda: waiting(database) == 0 and checkpoints(database)[-1:] == [(NEW.name, size(database))],
        what="signed under the new name",
    )
    wait_until(lambda: health(client)["log"]["signing"] == "on", what="health")
    assert "log_inconsistent" not in health(client)
    assert check_log(database.superuser_url).faults == []


def test_the_commands_of_the_page(
    database: Database, path: Path, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of docs/log.md that make keys, fill memories and start a new origin, in the order of the page."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.key").unlink()
    page = (ROOT / "docs" / "log.md").read_text()
    lines = []
    for section in ("Checkpoints", "Keys", "When the log is inconsistent"):
        text = page.split(f"\n## {section}\n")[1].split("\n## ")[0]
        lines += re.findall(r"^datastorage log .*$", text, re.MULTILINE)
    assert [line.split()[2] for line in lines] == ["remember", "keygen", "key", "new-origin"]
    keygen, key, remember, new_origin = (shlex.split(line)[1:] for line in (*lines[1:3], lines[0], lines[3]))

    def said(words: list[str], answer: str | None = None) -> Result:
        done = CliRunner().invoke(datastorage, words, answer, env=environ)
        assert done.exit_code == 0, done.output
        return done

    made = said(keygen).stdout
    assert said([word for word in key if not word.startswith(">")]).stdout == made
    signing = load_keys(LogSettings(key_file=str(tmp_path / "log.key")))
    with sequencers(database, signer=Signer(signing, [FileMemory(str(path))])) as [one]:
        statements_of(database, 2)
        signed_turn(one)
    assert "the memory in redis remembers the log audit.example.com/log of 2 entries now" in said(remember).stdout
    assert "the log is audit.example.com/log-2 now" in said(new_origin, "y\n").stdout
