"""PostgreSQL is another one that lacks the newest, or one from before: the log that was signed is not signed again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from datastorage_common.notes import make_key

from app.transparency.memories import MemoryAwayError, decode
from tests.conftest import settings_for
from tests.log_check import check_log
from tests.log_support import size, statements_of, waiting
from tests.signing_support import KEY, ORIGIN, Head, SignedLog, Steps, new_origin, roots_of, signed_log, signed_turn
from tests.support import Database, Valkey

_TELLING = ("COMMIT put_head", "COMMIT note_proven", "advance redis", "advance file", "sign", "COMMIT stands")


Copy = Callable[[SignedLog], SignedLog]


class _DiedError(Exception):
    """Stands for the end of a process, or of its server."""


def _die(_: str) -> None:
    raise _DiedError


@pytest.fixture
def signed(database: Database, streams: redis.Redis, valkey: Valkey, tmp_path: Path) -> Iterator[SignedLog]:
    with signed_log(database, tmp_path, valkey.url(0)) as made:
        yield made


@pytest.fixture
def copy() -> Iterator[Copy]:
    """A copy of a database as it is now, with the same memories: what a standby has got, or a backup."""
    made: list[Database] = []

    def copied(signed: SignedLog) -> SignedLog:
        database = signed.database.server.make_database(signed.database.name)
        made.append(database)
        return SignedLog(database, signed.folder, signed.memories)

    yield copied
    for database in made:
        database.drop()


def grown(signed: SignedLog, count: int = 3) -> None:
    """Let the log grow, and be signed."""
    statements_of(signed.database, count)
    with signed.sequencers() as [one]:
        signed_turn(one)


def remembered(signed: SignedLog) -> list[int]:
    """The size of the tree in each memory."""
    return [tree.size if (tree := decode(memory.read())) else 0 for memory in signed.memories]


def _one_root_each(signed: SignedLog) -> None:
    assert all(len(roots) == 1 for roots in roots_of(signed.made).values()), "two trees of one size were signed"


def _fails_over(signed: SignedLog, redis_url: str, copy: Copy, steps: Steps) -> None:
    """The primary dies behind a step, and the standby has what was there before that turn began."""
    grown(signed)
    standby = copy(signed)
    statements_of(signed.database, 5)
    with (
        signed_log(signed.database, signed.folder, redis_url) as dying,
        dying.sequencers(keys=[steps.key(KEY)]) as [one],
    ):
        steps.watch(one, dying.memories)
        signed_turn(one)
    ahead = max(remembered(signed)) > 3
    assert ahead or ("sign" not in steps.said)
    statements_of(standby.database, 7)
    with standby.sequencers() as [one]:
        for _ in range(2):
            signed_turn(one)
    head = standby.head()
    if ahead:
        assert head.inconsistent is not None
        assert (size(standby.database), standby.signed()) == (3, 3), "nothing is put behind it, nothing signed"
        statements_of(standby.database, 1)
        assert waiting(standby.database) == 8, "writes go on"
    else:
        assert head.inconsistent is None
        assert (size(standby.database), standby.signed()) == (10, 10)
    _one_root_each(signed)


@pytest.mark.parametrize("step", _TELLING)
def test_a_failover_behind_a_step(signed: SignedLog, valkey: Valkey, copy: Copy, step: str) -> None:
    steps = Steps(name=step, act=_die)
    _fails_over(signed, valkey.url(0), copy, steps)
    assert steps.done


@pytest.mark.nightly
@pytest.mark.timeout(300)
def test_a_failover_behind_every_step(
    template: str, database: Database, streams: redis.Redis, valkey: Valkey, tmp_path: Path, copy: Copy
) -> None:
    for number in itertools.count():
        streams.flushall()
        fresh = database.server.make_database(template)
        (tmp_path / str(number)).mkdir()
        steps = Steps(number=number, act=_die)
        with signed_log(fresh, tmp_path / str(number), valkey.url(0)) as signed:
            _fails_over(signed, valkey.url(0), copy, steps)
        fresh.drop()
        if not steps.done:
            break
    assert number > 30


@pytest.mark.parametrize("step", ["read redis", "read file", "note_proven", "COMMIT note_proven"])
def test_two_primaries_at_once(signed: SignedLog, valkey: Valkey, copy: Copy, step: str) -> None:
    """The old one does not know yet that it is none: whoever moves the memory first signs, and nobody beside it."""
    grown(signed)
    standby = copy(signed)
    statements_of(signed.database, 5)
    steps = Steps(name=step, act=lambda _: grown(standby, 7))
    with (
        signed_log(signed.database, signed.folder, valkey.url(0)) as old,
        old.sequencers(keys=[steps.key(KEY)]) as [one],
    ):
        steps.watch(one, old.memories)
        signed_turn(one)
        assert steps.done
        signed_turn(one)
    assert "sign" not in steps.said
    assert (signed.signed(), standby.signed()) == (3, 10)
    assert signed.head().inconsistent is not None
    statements_of(standby.database, 2)
    with standby.sequencers() as [one]:
        signed_turn(one)
    assert standby.signed() == 12
    _one_root_each(signed)


def test_a_database_from_before_whose_memory_comes_back_late(
    signed: SignedLog, copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody could be asked at the beginning, so that places were given: the tree of the remembered size is another."""
    grown(signed)
    restored = copy(signed)
    grown(signed, 5)
    statements_of(restored.database, 20)

    def away() -> bytes:
        raise MemoryAwayError("gone")

    with monkeypatch.context() as patched, restored.sequencers() as [one]:
        for memory in restored.memories:
            patched.setattr(memory, "read", away)
        signed_turn(one)
        assert (size(restored.database), restored.signed()) == (23, 3)
        assert restored.head().unsigned == "the memory in redis is away: gone"
        patched.undo()
        signed_turn(one)
        assert restored.head().inconsistent == "the memory in redis has another root of 8 entries than the log"
        statements_of(restored.database, 1)
        signed_turn(one)
        assert size(restored.database) == 23
    _one_root_each(signed)


def test_a_restored_log_goes_on_under_a_new_origin(signed: SignedLog, copy: Copy) -> None:
    grown(signed)
    restored = copy(signed)
    grown(signed, 5)
    statements_of(restored.database, 4)
    other = make_key("log.example/two", KEY.seed)
    with restored.sequencers(2) as several:
        for one in several:
            signed_turn(one)
        assert restored.head().inconsistent == "the memory in redis has 8 entries, and the log has 3"
    new_origin(restored.database, restored.memories, other.name)
    with restored.sequencers(2, keys=[KEY, other]) as [one, another]:
        signed_turn(one)
        statements_of(restored.database, 4)
        signed_turn(another)
    assert restored.head().origin == other.name
    assert list(restored.stored()) == [8, 12], "the act has a place too"
    report = check_log(restored.database.superuser_url)
    assert report.faults == []
    assert restored.stored()[12] == report.root
    assert {origin for origin, _ in roots_of(signed.made)} == {ORIGIN, other.name}
    _one_root_each(signed)


@pytest.mark.parametrize("step", ["read file", "COMMIT note_proven", "advance redis", "sign"])
def test_a_new_origin_in_the_middle_of_a_signature(signed: SignedLog, valkey: Valkey, step: str) -> None:
    """Such as one that was paused: it stores nothing under the name that was left."""
    grown(signed)
    other = make_key("log.example/two", KEY.seed)
    statements_of(signed.database, 5)
    steps = Steps(name=step, act=lambda _: new_origin(signed.database, signed.memories, other.name))
    with (
        signed_log(signed.database, signed.folder, valkey.url(0)) as old,
        old.sequencers(keys=[steps.key(KEY), other]) as [one],
    ):
        steps.watch(one, old.memories)
        signed_turn(one)
        assert steps.done
        assert signed.database.query("SELECT max(size) FROM log_checkpoints WHERE origin = %s", ORIGIN) == [(3,)]
        statements_of(signed.database, 2)
        signed_turn(one)
    assert signed.head() == Head(other.name, 11, 11, None, None)
    assert list(signed.stored()) == [11]
    signed.check(keys=(KEY, other))


def test_the_database_of_an_hour_ago_under_a_running_service(signed: SignedLog, copy: Copy) -> None:
    """The same address leads to another database: the one that gave places there does not go on in this one."""
    grown(signed)
    restored = copy(signed)
    with signed.sequencers() as [one]:
        statements_of(signed.database, 5)
        signed_turn(one)
        # The holder is the same, so is the epoch: both are in the backup.
        restored.database.query("UPDATE log_head SET epoch = 100, holder = %s", one._ident)
        statements_of(restored.database, 9)
        one._drop()
        one._settings = settings_for(restored.database)
        one.leading = True
        one.step()
    assert restored.head().inconsistent == "the memory in redis has 8 entries, and the log has 3"
    assert size(restored.database) == 3
    _one_root_each(signed)


def test_without_a_memory_a_lost_tree_is_signed_anew(database: Database, tmp_path: Path, copy: Copy) -> None:
    """What memories are for: with none, the database that lost checkpoints does not know of them."""
    with signed_log(database, tmp_path, None, file=False) as signed:
        grown(signed)
        restored = copy(signed)
        grown(signed, 5)
        grown(restored, 5)
        assert restored.head().inconsistent is None
        roots = roots_of(signed.made)
        assert len(roots[ORIGIN, 8]) == 2
