"""The log is signed by the one that gives places, and never beside what is remembered of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import orjson
import psycopg
import pytest
import redis
from datastorage_common.checkpoints import parse_checkpoint
from datastorage_common.notes import make_key, parse_note

from app.config.stores import RedisSettings
from app.dlq.endpoint import Endpoint
from app.transparency import memories
from app.transparency.memories import FileMemory, Memory, RedisMemory, decode
from app.transparency.sequencer import Sequencer
from app.transparency.signer import Signer
from tests.log_check import check_log
from tests.log_support import sequencers, size, statements_of, turn
from tests.support import Database, Valkey

KEY = make_key("log.example/one", bytes(range(32)))


@pytest.fixture
def redis_memory(streams: redis.Redis, valkey: Valkey) -> Iterator[RedisMemory]:
    memory = RedisMemory(Endpoint(RedisSettings(url=valkey.url(0))))
    yield memory
    memory.close()


def signed_turn(one: Sequencer) -> None:
    """Let it give places and sign, however short ago it did."""
    one._signing._next = 0.0
    one._signing._idle_until = 0.0
    turn(one)


def notes(database: Database) -> list[tuple[int, bytes, str]]:
    return [
        (n, bytes(root), note)
        for n, root, note in database.query("SELECT size, root, note FROM log_checkpoints ORDER BY size")
    ]


def head(database: Database) -> tuple[object, ...]:
    return database.query("SELECT origin, proven, unsigned, inconsistent FROM log_head")[0]


def test_what_has_a_place_is_signed(database: Database, redis_memory: RedisMemory, tmp_path: Path) -> None:
    where: list[Memory] = [redis_memory, FileMemory(str(tmp_path / "checkpoint"))]
    with sequencers(database, signer=Signer((KEY,), where)) as [one]:
        for count in (3, 300, 0):
            statements_of(database, count)
            signed_turn(one)
    report = check_log(database.superuser_url)
    found = notes(database)
    assert [n for n, _, _ in found] == [3, 303]
    assert found[-1][1] == report.root
    for n, root, text in found:
        note = parse_note(text.encode())
        assert KEY.verifier.signed(note) is not None
        point = parse_checkpoint(note.text)
        assert (point.origin, point.size, point.root) == ("log.example/one", n, root)
    for memory in where:
        tree = decode(memory.read())
        assert tree is not None
        assert (tree.size, tree.root) == (303, report.root)
    assert head(database) == ("log.example/one", 303, None, None)


def test_a_log_behind_its_memory_stands_still(database: Database, tmp_path: Path) -> None:
    memory = FileMemory(str(tmp_path / "checkpoint"))
    statements_of(database, 5)
    with sequencers(database, 2, signer=Signer((KEY,), [memory])) as [one, other]:
        signed_turn(one)
        held = memory.read()
        tree = decode(held)
        assert tree is not None
        ahead = memories.Remembered(tree.origin, tree.epoch, 9, bytes(32)).encode()
        assert memory.advance(held, ahead)
        statements_of(database, 1)
        turn(other)
        assert not other.leading
        assert size(database) == 5, "no place is given behind it"
        why = "the memory in file has 9 entries, and the log has 5"
        assert head(database)[-1] == why
        turn(one)
        assert not one.leading
    assert [n for n, _, _ in notes(database)] == [5]


def test_a_failover_behind_the_same_connection_gives_no_place(database: Database, tmp_path: Path) -> None:
    """A pooler keeps the connection, and what stands behind it now has the same holder, and lost the last entries."""
    memory = FileMemory(str(tmp_path / "checkpoint"))
    tables = ("log_bundles", "log_tiles", "log_places", "log_checkpoints", "log_head")
    with sequencers(database, signer=Signer((KEY,), [memory])) as [one]:
        statements_of(database, 3)
        signed_turn(one)
        with psycopg.connect(database.superuser_url) as conn:
            for table in tables:
                conn.execute(f"CREATE TABLE before_{table} AS TABLE {table}")
        statements_of(database, 2)
        signed_turn(one)
        assert [n for n, _, _ in notes(database)] == [3, 5]
        with psycopg.connect(database.superuser_url) as conn:
            conn.execute("SET session_replication_role = replica")
            for table in tables:
                conn.execute(f"DELETE FROM {table}")
                conn.execute(f"INSERT INTO {table} TABLE before_{table}")
        connection = one._conn
        statements_of(database, 1)
        assert one.leading
        one.step()
        assert connection is not None
        assert connection.closed, "it stands still"
        assert size(database) == 3, "no place is given behind it"
        assert head(database)[-1] == "the memory in file has 5 entries, and the log has 3"


def test_an_empty_memory_is_not_filled(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    memory = FileMemory(str(path))
    with sequencers(database, signer=Signer((KEY,), [memory])) as [one]:
        statements_of(database, 1)
        signed_turn(one)
        path.unlink()
        statements_of(database, 1)
        signed_turn(one)
        assert (size(database), [n for n, _, _ in notes(database)]) == (2, [1])
        assert head(database)[2] == "the memory in file is empty, and there are checkpoints"
        assert not path.exists()


def test_nothing_is_signed_under_a_name_that_the_log_has_left(database: Database, tmp_path: Path) -> None:
    """The name is changed between the two steps that come last: moving the memories, and storing what was signed."""

    class Renamed(FileMemory):
        renames = False

        def advance(self, before: bytes, after: bytes) -> bool:
            moved = super().advance(before, after)
            if self.renames:
                database.query("UPDATE log_head SET origin = 'log.example/two', holder = NULL, epoch = epoch + 1")
            return moved

    memory = Renamed(str(tmp_path / "checkpoint"))
    with sequencers(database, signer=Signer((KEY,), [memory])) as [one]:
        statements_of(database, 1)
        signed_turn(one)
        memory.renames = True
        statements_of(database, 1)
        signed_turn(one)
        assert not one.leading
    assert [n for n, _, _ in notes(database)] == [1]
    assert head(database)[-1] is None


@pytest.mark.parametrize(
    "members",
    [
        {"epoch": 1.5, "origin": "a", "root": "00" * 32, "size": 1},
        {"epoch": 1, "origin": "a\n\u001b[31m", "root": "00" * 32, "size": 1},
        {"epoch": 1, "origin": 7, "root": "00" * 32, "size": 1},
        {"epoch": 1, "origin": "a", "root": "00" * 32, "size": -1},
        {"epoch": True, "origin": "a", "root": "00" * 32, "size": 1},
    ],
)
def test_what_a_memory_holds_is_looked_at(members: dict[str, object]) -> None:
    with pytest.raises(memories.MemoryBrokenError):
        decode(orjson.dumps(members, option=orjson.OPT_SORT_KEYS))
