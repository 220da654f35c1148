"""`datastorage log remember`: memories that are empty are filled behind a proof, and others never touched."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result
from datastorage_client.cli.commands import datastorage
from datastorage_common.merkle import EMPTY

from app.audit.own_events import ADMIN
from app.postgres.sessions import Connection
from app.transparency import remembering
from app.transparency.memories import KEY as REDIS_KEY
from app.transparency.memories import FileMemory, RedisMemory, Remembered, decode
from app.transparency.signer import Signer
from tests.integration.test_log_signing import KEY, head, notes, redis_memory, signed_turn
from tests.log_support import sequencers, statements_of
from tests.support import Database, Valkey

__all__ = ["redis_memory"]  # a fixture
EVENT = "SELECT event_outcome, event_data FROM audit_events WHERE (event_category, event_action) = (%s, %s) ORDER BY 1"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint"


@pytest.fixture
def environ(database: Database, valkey: Valkey, streams: redis.Redis, path: Path) -> dict[str, str]:
    return {
        **database.environ,
        "DATASTORAGE_REDIS__URL": valkey.url(0),
        "DATASTORAGE_LOG__CHECKPOINT_FILE": str(path),
    }


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(datastorage, ["log", "remember", *arguments], env=environ)


def refusal(environ: dict[str, str]) -> str:
    result = run(environ)
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    [line] = result.stderr.splitlines()
    return str(line)


def recorded(database: Database) -> list[dict[str, Any]]:
    return [data | {"outcome": outcome} for outcome, data in database.query(EVENT, ADMIN, "log_remembered")]


@contextlib.contextmanager
def signed(database: Database, memory: RedisMemory, path: Path) -> Iterator[Any]:
    """A log of five entries that is signed."""
    statements_of(database, 5)
    with sequencers(database, signer=Signer((KEY,), [memory, FileMemory(str(path))])) as [one]:
        signed_turn(one)
        assert [n for n, _, _ in notes(database)] == [5]
        yield one


def test_a_memory_that_was_lost(
    database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str]
) -> None:
    with signed(database, redis_memory, path) as one:
        held = path.read_bytes()
        path.unlink()
        done = run(environ)
        assert done.exit_code == 0, done.output
        assert done.stdout == (
            f"the memory in file remembers the log {KEY.name} of 5 entries now; the memory in redis held one already\n"
        )
        assert path.read_bytes() == held
        assert redis_memory.read() == held
        event, done_event = recorded(database)
        assert (event["outcome"], event["memories"], event["size"]) == ("pending", ["file"], 5)
        assert done_event == event | {"outcome": "success"}
        assert (event["origin"], event["root"]) == (KEY.name, notes(database)[0][1].hex())
        assert run(environ).stdout == "no memory is empty: nothing was done\n"
        assert len(recorded(database)) == 2
        signed_turn(one)
        assert [n for n, _, _ in notes(database)] == [5, 7], "it is signed again, with the command's own events"


def test_all_memories_at_once_by_the_last_checkpoint(
    database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str], streams: redis.Redis
) -> None:
    with signed(database, redis_memory, path) as one:
        path.unlink()
        streams.delete(REDIS_KEY)
        statements_of(database, 1)
        signed_turn(one)
        assert "is empty, and there are checkpoints" in str(head(database)[2])
        told = json.loads(run(environ, "--json").stdout)
        assert (told["filled"], told["held"], told["tree"]["size"]) == (["redis", "file"], [], 5)
        signed_turn(one)
        assert [n for n, _, _ in notes(database)] == [5, 8]
        assert head(database)[2] is None


def test_nothing_is_filled_beside_what_contradicts_the_log(
    database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str]
) -> None:
    with signed(database, redis_memory, path):
        held = redis_memory.read()
        path.unlink()
        for tree, why in (
            (Remembered(KEY.name, 1, 9, bytes(32)), "the memory in redis has 9 entries, and the log has 5"),
            (Remembered(KEY.name, 1, 5, bytes(32)), "the memory in redis has another root of 5 entries than the log"),
            (
                Remembered("b.example/x", 1, 0, EMPTY),
                f"the memory in redis is of the log b.example/x, and this one is {KEY.name}",
            ),
        ):
            assert redis_memory.advance(redis_memory.read(), tree.encode())
            assert refusal(environ) == f"datastorage: nothing was filled: {why}"
        assert redis_memory.advance(redis_memory.read(), b"something")
        assert "does not hold a tree" in refusal(environ)
        assert redis_memory.advance(b"something", held)
        database.query("UPDATE log_head SET inconsistent = 'it has another root'")
        assert "the log is inconsistent, and stays so: it has another root" in refusal(environ)
        assert not path.exists()
        assert recorded(database) == []


def test_nothing_is_filled_while_a_memory_is_away_or_none_is_set_up(
    database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str]
) -> None:
    with signed(database, redis_memory, path):
        path.unlink()
        away = refusal(environ | {"DATASTORAGE_REDIS__URL": "redis://127.0.0.1:1/0"})
        assert away.startswith("datastorage: the memory in redis is away: ")
        assert not path.exists()
        assert "no memory is set up here" in refusal(database.environ)


def test_a_memory_that_is_not_set_up_here_is_missed(
    database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str]
) -> None:
    with signed(database, redis_memory, path):
        path.unlink()
        del environ["DATASTORAGE_REDIS__URL"]
        said = refusal(environ)
        assert "the log is remembered in redis too, which is not set up here: set redis.url" in said
        assert not path.exists()
        done = run(environ, "--without", "redis")
        assert done.exit_code == 0, done.output
        assert [event["without"] for event in recorded(database)] == [["redis"]] * 2
        assert path.exists()
        path.unlink()
        assert run(environ).exit_code == 0, "it is given up once"


def test_a_memory_that_was_given_up_and_is_moved_again_is_missed_again(
    database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str]
) -> None:
    with signed(database, redis_memory, path) as one:
        path.unlink()
        del environ["DATASTORAGE_REDIS__URL"]
        assert run(environ, "--without", "redis").exit_code == 0
        signed_turn(one)
        path.unlink()
        assert "the log is remembered in redis too" in refusal(environ)


def test_before_anything_was_signed(environ: dict[str, str]) -> None:
    assert run(environ).stdout == "nothing was signed yet: the first checkpoint fills the memories\n"


def test_where_nothing_can_be_written_nothing_is_proven(
    database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a standby, which may lag behind what was signed."""
    with signed(database, redis_memory, path):
        path.unlink()
        monkeypatch.setattr(Connection, "begin_writing", "BEGIN READ ONLY")
        assert "read-only transaction" in refusal(environ)
        assert not path.exists()


def test_without_rights(database: Database, redis_memory: RedisMemory, path: Path, environ: dict[str, str]) -> None:
    with signed(database, redis_memory, path):
        path.unlink()
        database.query("REVOKE INSERT ON audit_events FROM datastorage")
        assert "database.direct_url is the address of the role that owns the tables" in refusal(environ)
        assert not path.exists(), "what could not be recorded was not done"


def test_two_at_once(
    database: Database,
    redis_memory: RedisMemory,
    path: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The other one, and the signer, come between the look at the memories and the filling."""
    with signed(database, redis_memory, path) as one:
        path.unlink()

        def after_another(memory: Any, before: bytes, tree: Remembered) -> bool:
            monkeypatch.undo()
            assert run(environ).exit_code == 0
            signed_turn(one)
            return remembering.advanced(memory, before, tree)

        monkeypatch.setattr(remembering, "advanced", after_another)
        assert run(environ).stdout == "no memory is empty: nothing was done\n"
        tree = decode(path.read_bytes())
        assert tree is not None
        assert tree.size > 5, "what came later stays"
