"""What remembers the log's last tree is away, slow, refuses, is empty or from before: nothing is signed beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from app.transparency import memories
from app.transparency.memories import KEY as MEMORY
from app.transparency.memories import Memory, decode
from devserver import EmbeddedValkey
from tests.log_support import size, statements_of
from tests.signing_support import SignedLog, roots_of, signed_log, signed_turn
from tests.support import Database, Valkey, free_port, valkey_server, wait_until


@pytest.fixture
def signed(database: Database, streams: redis.Redis, valkey: Valkey, tmp_path: Path) -> Iterator[SignedLog]:
    with signed_log(database, tmp_path, valkey.url(0)) as made:
        yield made


def grow(signed: SignedLog, count: int = 2) -> str | None:
    """Let the log grow, and be signed if that can be; why it was not."""
    statements_of(signed.database, count)
    before = size(signed.database)
    with signed.sequencers() as [one]:
        signed_turn(one)
        assert size(signed.database) == before + count, "places are given, whatever becomes of the signature"
    head = signed.head()
    assert head.inconsistent is None
    assert (signed.signed() == head.size) == (head.unsigned is None)
    return head.unsigned


def held(memory: Memory) -> int:
    """The size of the tree that it remembers."""
    tree = decode(memory.read())
    assert tree is not None
    return tree.size


def goes_on(signed: SignedLog) -> None:
    """It is signed again, and the memories follow."""
    assert grow(signed) is None
    assert {held(memory) for memory in signed.memories} == {signed.head().size}
    signed.check()


# --- Redis --------------------------------------------------------------------------------------------------


def test_a_redis_that_was_flushed_is_not_filled_by_itself(signed: SignedLog, streams: redis.Redis) -> None:
    assert grow(signed) is None
    before = streams.get(MEMORY)
    streams.flushall()
    assert grow(signed) == "the memory in redis is empty, and there are checkpoints"
    assert streams.get(MEMORY) is None
    assert isinstance(before, bytes)
    streams.set(MEMORY, before)
    goes_on(signed)


def test_a_redis_from_before_is_consistent(signed: SignedLog, streams: redis.Redis) -> None:
    assert grow(signed) is None
    before = streams.get(MEMORY)
    assert isinstance(before, bytes)
    assert grow(signed, 300) is None
    streams.set(MEMORY, before)
    goes_on(signed)


@pytest.mark.parametrize("found", [b"{}", b"nonsense", b'{"epoch":1,"origin":"log.example/one","root":"00","size":1}'])
def test_a_memory_that_holds_something_else_is_left_alone(
    signed: SignedLog, streams: redis.Redis, found: bytes
) -> None:
    assert grow(signed) is None
    streams.set(MEMORY, found)
    assert grow(signed) == "the memory in redis does not hold a tree"
    assert streams.get(MEMORY) == found


def _freeze(server: EmbeddedValkey) -> Callable[[], None]:
    server.freeze()
    return server.thaw


def _kill(server: EmbeddedValkey) -> Callable[[], None]:
    server.kill()
    return server.start


def _follow_nobody(server: EmbeddedValkey) -> Callable[[], None]:
    """A replica: it tells what it has, and takes nothing."""

    def say(*words: str | int) -> None:
        with redis.Redis.from_url(server.url()) as client:
            client.execute_command(*words)

    say("REPLICAOF", "127.0.0.1", free_port())
    return lambda: say("REPLICAOF", "NO", "ONE")


def _full(server: EmbeddedValkey) -> Callable[[], None]:
    with redis.Redis.from_url(server.url()) as client:
        client.config_set("maxmemory", 1)

    def empty() -> None:
        with redis.Redis.from_url(server.url()) as client:
            client.config_set("maxmemory", 0)

    return empty


@pytest.mark.embedded
@pytest.mark.parametrize("end", [_freeze, _kill, _follow_nobody, _full])
def test_a_redis_that_does_not_remember_now(
    database: Database, tmp_path: Path, end: Callable[[EmbeddedValkey], Callable[[], None]]
) -> None:
    with valkey_server() as server, signed_log(database, tmp_path, server.url()) as signed:
        assert grow(signed) is None
        signed_at = signed.signed()
        mend = end(server)
        for _ in range(2):
            why = grow(signed)
            assert why is not None
            assert why.startswith("the memory in redis is away: ")
        assert signed.signed() == signed_at
        assert held(signed.memories[1]) == signed_at, "the file is not moved on alone"
        mend()
        goes_on(signed)


@pytest.mark.embedded
@pytest.mark.parametrize("got", ["older", "nothing"])
def test_a_replica_that_lacks_the_newest_becomes_the_primary(database: Database, tmp_path: Path, got: str) -> None:
    with valkey_server() as primary, valkey_server() as replica:
        with (
            redis.Redis.from_url(replica.url()) as client,
            signed_log(database, tmp_path, primary.url()) as signed,
        ):
            assert grow(signed) is None
            if got == "older":
                client.config_set("masterauth", urlsplit(primary.url()).password or "")
                client.replicaof("127.0.0.1", primary.port)
                wait_until(lambda: client.get(MEMORY) is not None, what="it follows")
            client.replicaof("NO", "ONE")
            assert grow(signed) is None
        primary.kill()
        with signed_log(database, tmp_path, replica.url()) as signed:
            if got == "older":
                goes_on(signed)
            else:
                assert grow(signed) == "the memory in redis is empty, and there are checkpoints"
                signed.check()


def test_a_move_whose_answer_is_lost_was_made_or_not(signed: SignedLog, monkeypatch: pytest.MonkeyPatch) -> None:
    assert grow(signed) is None
    run = memories._ADVANCE.run

    def lost(*arguments: Any) -> None:
        run(*arguments)
        raise redis.ConnectionError("the answer was lost")

    with monkeypatch.context() as patched:
        patched.setattr(memories, "_ADVANCE", SimpleNamespace(run=lost))
        assert grow(signed) == "the memory in redis is away: Redis does not answer (ConnectionError)"
    assert signed.signed() == 2
    assert held(signed.memories[0]) == 4, "it was made"
    goes_on(signed)


# --- the file -----------------------------------------------------------------------------------------------


def test_a_file_that_is_gone_is_not_made_anew(signed: SignedLog) -> None:
    assert grow(signed) is None
    before = signed.file.read_bytes()
    signed.file.unlink()
    assert grow(signed) == "the memory in file is empty, and there are checkpoints"
    assert not signed.file.exists()
    signed.file.write_bytes(before)
    goes_on(signed)


def test_a_folder_that_is_gone(signed: SignedLog) -> None:
    """Such as one that was not mounted."""
    assert grow(signed) is None
    away = signed.folder / "away"
    os.rename(signed.file.parent, away)
    assert grow(signed) == "the memory in file is empty, and there are checkpoints"
    os.rename(away, signed.file.parent)
    goes_on(signed)


def test_a_folder_that_takes_nothing(signed: SignedLog) -> None:
    assert grow(signed) is None
    (signed.file.parent / "checkpoint.new").mkdir()
    assert grow(signed) == f"the memory in file is away: {signed.file}.new: Is a directory"
    # Redis was moved on before it: the next signature takes it from there.
    assert (held(signed.memories[0]), held(signed.memories[1])) == (4, 2)
    (signed.file.parent / "checkpoint.new").rmdir()
    goes_on(signed)


def test_a_file_from_before_and_half_a_file(signed: SignedLog) -> None:
    assert grow(signed) is None
    before = signed.file.read_bytes()
    assert grow(signed) is None
    signed.file.write_bytes(before[:20])
    assert grow(signed) == "the memory in file does not hold a tree"
    signed.file.write_bytes(before)
    goes_on(signed)


# --- the table of checkpoints -------------------------------------------------------------------------------


def test_a_full_disk_under_the_checkpoints(signed: SignedLog) -> None:
    """The memories know of a tree that was signed and not stored; it is stored later, or one that continues it."""
    assert grow(signed) is None
    signed.database.query(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$"
    )
    signed.database.query(
        "CREATE TRIGGER full_disk BEFORE INSERT ON log_checkpoints FOR EACH ROW EXECUTE FUNCTION full_disk()"
    )
    for more in (2, 1):
        statements_of(signed.database, more)
        with signed.sequencers() as [one]:
            signed_turn(one)
        assert signed.signed() == 2
    assert signed.head().size == 5
    assert held(signed.memories[0]) == 5
    signed.database.query("DROP TRIGGER full_disk ON log_checkpoints")
    with signed.sequencers() as [one]:
        signed_turn(one)
    assert signed.signed() == 5
    goes_on(signed)
    assert all(len(roots) == 1 for roots in roots_of(signed.made).values())


# --- what a superuser does ----------------------------------------------------------------------------------

_AT_THE_END = (
    "DELETE FROM audit_events WHERE event_id = (SELECT event_id FROM audit_events LIMIT 1)",
    "UPDATE log_bundles SET width = width - 1, entries = substring(entries FOR octet_length(entries) - 53)",
    "UPDATE log_tiles SET width = width - 1, hashes = substring(hashes FOR octet_length(hashes) - 32)",
    "DELETE FROM log_places WHERE log_index = (SELECT size - 1 FROM log_head)",
    "UPDATE log_head SET size = size - 1, proven = size - 1",
)
_FLIPPED = "UPDATE log_tiles SET hashes = set_byte(hashes, 5, get_byte(hashes, 5) # 1)"


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (_AT_THE_END, "the last checkpoint has 4 entries, and the log has 3"),
        (
            (*_AT_THE_END, "DELETE FROM log_checkpoints WHERE size = 4"),
            "the memory in redis has 4 entries, and the log",
        ),
        ((_FLIPPED,), "the last checkpoint has another root of 4 entries than the log"),
        (("DELETE FROM log_tiles",), "its hashes are not whole: tile 0 of level 0"),
        (("UPDATE log_head SET origin = 'log.example/none'",), "the memory in redis is of the log log.example/one"),
    ],
    ids=["newest", "newest-and-checkpoint", "tile", "no-tiles", "name"],
)
@pytest.mark.parametrize("more", [0, 2])
def test_a_log_that_was_edited_stands_still(
    signed: SignedLog, statements: tuple[str, ...], why: str, more: int
) -> None:
    assert grow(signed) is None
    assert grow(signed) is None
    with psycopg.connect(signed.database.superuser_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")  # no trigger is in the way
        for statement in statements:
            conn.execute(statement)
    before, made = size(signed.database), signed.made.read_bytes()
    statements_of(signed.database, more)
    with signed.sequencers(2) as several:
        for one in several:
            signed_turn(one)
            assert not one.leading
    assert (signed.head().inconsistent or "").startswith(why)
    assert size(signed.database) == before
    assert signed.made.read_bytes() == made, "nothing is signed"
    statements_of(signed.database, 1)


def test_what_stands_beside_a_note_is_nobodys_word(signed: SignedLog) -> None:
    """The root of a checkpoint is the one that was signed, whatever its column says; verify finds the edit."""
    assert grow(signed) is None
    with psycopg.connect(signed.database.superuser_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("UPDATE log_checkpoints SET root = sha256('')")
    before = size(signed.database)
    statements_of(signed.database, 1)
    with signed.sequencers(2) as several:
        for one in several:
            signed_turn(one)
            assert one.leading
    assert signed.head().inconsistent is None
    assert size(signed.database) == before + 1
    assert signed.database.query("SELECT max(size) FROM log_checkpoints") == [(before + 1,)]
