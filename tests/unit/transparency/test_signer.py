"""What the signer signs, and what it does not: two trees of one size, or one that leaves out what was signed before."""

from __future__ import annotations

from uuid import uuid4

import psycopg
import pytest
from datastorage_common.checkpoints import Checkpoint, parse_checkpoint
from datastorage_common.notes import Note, SigningKey, make_key, parse_note

from app.transparency import log_store
from app.transparency.memories import Remembered, decode
from app.transparency.signer import (
    NO_KEY,
    InconsistentError,
    NotHolderError,
    NotSignedError,
    Signer,
    is_keyless,
)
from tests.unit.transparency.fake_log import FakeLog, FakeMemory

NAME = "log.example/one"
KEY, SECOND, OTHER = make_key(NAME, bytes(32)), make_key(NAME, b"2" * 32), make_key("log.example/two", b"3" * 32)


def sign(log: FakeLog, *memories: FakeMemory, keys: tuple[object, ...] = (KEY,), origin: str | None = None) -> int:
    """Sign it as its holder; the size, -1 where there is nothing new."""
    point = Signer(keys, memories, origin).sign(log, log.holder)  # type: ignore[arg-type]
    return -1 if point is None else point.size


def row(size: int, root: bytes, key: SigningKey = KEY, *, text: str = "") -> tuple[int, bytes, str]:
    """What log_checkpoints has of a tree that this key has signed; ``text``: what it has signed in its place."""
    text = text or Checkpoint(NAME, size, root).text()
    return 1, root, Note(text, (key.sign(text),)).encode().decode()


def held(memory: FakeMemory) -> tuple[str, int, int, bytes]:
    tree = decode(memory.held)
    assert tree is not None
    return tree.origin, tree.epoch, tree.size, tree.root


def test_what_is_new_is_signed_once() -> None:
    log, memory = FakeLog(300), FakeMemory()
    assert [sign(log, memory), sign(log, memory)] == [300, -1]
    log.grow(1)
    assert sign(log, memory) == 301
    assert (log.signed, log.origin, log.proven) == ([300, 301], NAME, 301)
    assert held(memory) == (NAME, 1, 301, log.root())
    note = parse_note(log.checkpoints[NAME, 301][2].encode())
    assert KEY.verifier.signed(note) is not None
    point = parse_checkpoint(note.text)
    assert (point.origin, point.size, point.root) == (NAME, 301, log.root())


def test_an_empty_log_is_signed_too() -> None:
    log = FakeLog()
    assert [sign(log), sign(log)] == [0, -1]


def test_it_is_remembered_before_it_is_signed_and_proven_before_that() -> None:
    log, memories = FakeLog(3), [FakeMemory("redis"), FakeMemory("file")]
    seen: list[tuple[int, list[bool], list[int]]] = []

    def look() -> None:
        seen.append((log.proven, [bool(memory.held) for memory in memories], log.signed))

    def look_behind_a_commit() -> None:
        assert log.executed[-1][0] == "COMMIT", "every standby that PostgreSQL waits for has it"
        look()

    for memory in memories:
        memory.before = look_behind_a_commit
    log.before["INSERT INTO log_checkpoints"] = look
    sign(log, *memories)
    assert seen == [(3, [False, False], []), (3, [True, False], []), (3, [True, True], [])]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_killed_between_the_memories_the_next_signs_a_tree_that_goes_on(number: int) -> None:
    """Also where more came behind it meanwhile."""
    log, memories = FakeLog(3), [FakeMemory("redis"), FakeMemory("file")]
    sign(log, *memories)
    log.grow(4)
    after = Remembered(NAME, log.epoch, 7, log.root()).encode()
    for memory in memories[:number]:
        memory.held = after
    log.taken_over()
    log.grow(2)
    assert sign(log, *memories) == 9
    assert [held(memory)[1:3] for memory in memories] == [(2, 9), (2, 9)]


def test_a_signature_that_was_not_stored_is_made_again() -> None:
    log, memory = FakeLog(3), FakeMemory()
    log.before["INSERT INTO log_checkpoints"] = lost
    with pytest.raises(psycopg.OperationalError):
        sign(log, memory)
    assert held(memory)[2] == 3
    assert (log.signed, sign(log, memory), log.signed) == ([], 3, [3])


def lost() -> None:
    raise psycopg.OperationalError("the connection was lost")


# --- contradictions -------------------------------------------------------------------------------------------


def restored(size: int, *, mark: bytes = b"") -> tuple[FakeLog, FakeMemory]:
    """A log of 3 entries that are signed, and some that are others, where 7 were remembered."""
    log, memory = FakeLog(3), FakeMemory()
    sign(log, memory)
    before = FakeLog(7)
    memory.held = Remembered(NAME, 1, 7, before.root()).encode()
    log.grow(size - 3, mark)
    return log, memory


@pytest.mark.parametrize(
    ("size", "mark", "why"),
    [
        (3, b"", "the memory in redis has 7 entries, and the log has 3"),
        (6, b"x", "the memory in redis has 7 entries, and the log has 6"),
        (7, b"x", "the memory in redis has another root of 7 entries than the log"),
        (9, b"x", "the memory in redis has another root of 7 entries than the log"),
    ],
)
def test_a_tree_beside_the_one_that_is_remembered_is_not_signed(size: int, mark: bytes, why: str) -> None:
    log, memory = restored(size, mark=mark)
    before = memory.held
    with pytest.raises(InconsistentError, match=why):
        sign(log, memory)
    with pytest.raises(InconsistentError, match=why):
        check(log, memory)
    assert (log.signed, memory.held) == ([3], before)


def check(log: FakeLog, *memories: FakeMemory, keys: tuple[object, ...] = (KEY,)) -> None:
    Signer(keys, memories).check(log, log_store.head(log))  # type: ignore[arg-type]


def test_the_same_entries_again_are_no_contradiction() -> None:
    log, memory = restored(9)
    check(log, memory)
    assert sign(log, memory) == 9


def test_a_checkpoint_that_the_log_does_not_continue() -> None:
    log = FakeLog(5)
    sign(log)
    log.checkpoints[NAME, 5] = row(5, bytes(32))
    for ask in (sign, check):
        with pytest.raises(InconsistentError, match="the last checkpoint has another root of 5 entries than the log"):
            ask(log)
    log.checkpoints[NAME, 9] = row(9, bytes(32))
    with pytest.raises(InconsistentError, match="the last checkpoint has 9 entries, and the log has 5"):
        sign(log)


STRANGER = make_key(NAME, b"4" * 32)
# What the service's role can put into log_checkpoints without a key.
MADE_UP = {
    "nothing": (1, bytes(32), ""),
    "a note of another key": row(5, bytes(32), STRANGER),
    "a signature of another tree": row(5, bytes(32), text=Checkpoint(NAME, 4, bytes(32)).text()),
    "a signature that is wrong": (1, bytes(32), row(5, bytes(32))[2][:-5] + "AA=\n"),
}


@pytest.mark.parametrize("made_up", MADE_UP.values(), ids=MADE_UP)
def test_a_row_that_none_of_its_keys_has_signed_contradicts_nothing(made_up: tuple[int, bytes, str]) -> None:
    """It keeps its place, as every row does, and the next larger tree is signed."""
    log, memory = FakeLog(4), FakeMemory()
    sign(log, memory)
    log.grow(1)
    log.checkpoints[NAME, 5] = made_up
    check(log, memory)
    for _ in range(2):
        with pytest.raises(NotSignedError, match="has a row of 5 entries that no key of this log has signed"):
            sign(log, memory)
    log.grow(1)
    assert [sign(log, memory), sign(log, memory)] == [6, -1]
    assert log.inconsistent is None


def test_the_right_root_without_a_signature_is_not_signed() -> None:
    log = FakeLog(5)
    log.before["INSERT INTO log_checkpoints"] = lambda: log.checkpoints.update({(NAME, 5): (1, log.root(), "")})
    with pytest.raises(NotSignedError, match="has a row of 5 entries that no key of this log has signed"):
        sign(log)


def test_behind_rows_that_nobody_has_signed_the_last_signed_one_counts() -> None:
    log = FakeLog(5)
    log.origin = NAME
    log.checkpoints = {(NAME, 3): row(3, bytes(32)), (NAME, 4): (1, bytes(32), ""), (NAME, 5): (1, bytes(32), "")}
    with pytest.raises(InconsistentError, match="the last checkpoint has another root of 3 entries"):
        sign(log)


def test_a_memory_that_is_empty_is_not_filled_where_there_is_any_row() -> None:
    log = FakeLog(5, NAME)
    log.checkpoints = {(NAME, 4): row(4, log.root(4), STRANGER)}
    with pytest.raises(NotSignedError, match="the memory in redis is empty"):
        sign(log, FakeMemory())


def test_hashes_that_are_gone() -> None:
    log = FakeLog(300)
    sign(log)
    del log.tiles[0, 1]
    with pytest.raises(InconsistentError, match="its hashes are not whole: tile 1 of level 0"):
        sign(log)


def test_a_database_from_before_anything_was_signed() -> None:
    """It has no name yet; what is remembered is held against it before a place is given."""
    log, memory = FakeLog(2), FakeMemory()
    memory.held = Remembered(NAME, 1, 7, bytes(32)).encode()
    for ask in (check, sign):
        with pytest.raises(InconsistentError, match="the memory in redis has 7 entries, and the log has 2"):
            ask(log, memory)
    assert log.origin is None


def test_a_memory_of_another_log() -> None:
    log, memory = FakeLog(2), FakeMemory()
    memory.held = Remembered("log.example/two", 1, 1, bytes(32)).encode()
    with pytest.raises(InconsistentError, match=r"is of the log log\.example/two, and this one is log\.example/one"):
        sign(log, memory)


def test_a_contradiction_is_told_although_another_memory_is_empty() -> None:
    log, memory = restored(7, mark=b"x")
    with pytest.raises(InconsistentError):
        sign(log, FakeMemory("file"), memory)


# --- nothing for now ------------------------------------------------------------------------------------------


def test_a_memory_that_is_away_or_empty_or_torn() -> None:
    log, redis, file = FakeLog(3), FakeMemory("redis"), FakeMemory("file")
    sign(log, redis, file)
    log.grow(2)
    for held_now, away, why in (
        (file.held, True, "the memory in file is away: no answer"),
        (b"", False, "the memory in file is empty, and there are checkpoints"),
        (b"{", False, "the memory in file does not hold a tree"),
    ):
        file.held, file.away = held_now, away
        with pytest.raises(NotSignedError, match=why):
            sign(log, redis, file)
        with pytest.raises(NotSignedError, match=why):
            check(log, redis, file)
    assert (log.signed, held(redis)[2]) == ([3], 3)


def test_a_memory_that_goes_away_between() -> None:
    log, redis, file = FakeLog(3), FakeMemory("redis"), FakeMemory("file")
    file.before = lambda: setattr(file, "away", True)
    with pytest.raises(NotSignedError, match="the memory in file is away"):
        sign(log, redis, file)
    assert log.signed == []
    file.away = False
    log.grow(1)
    assert sign(log, redis, file) == 4, "the one that is ahead is no contradiction"


@pytest.mark.parametrize(
    ("keys", "origin", "named", "why"),
    [
        ((), None, None, NO_KEY),
        ((), None, NAME, "there is no key of the log log.example/one: log.key_file is not set"),
        ((OTHER,), None, NAME, "there is no key of the log log.example/one: log.key_file has none"),
        ((KEY, OTHER), OTHER.name, NAME, "there is no key of the log log.example/one: log.origin is log.example/two"),
    ],
)
def test_without_a_key_of_this_log(keys: tuple[object, ...], origin: str, named: str | None, why: str) -> None:
    log = FakeLog(3, named)
    with pytest.raises(NotSignedError, match=why) as raised:
        sign(log, keys=keys, origin=origin)
    assert is_keyless(str(raised.value))
    signer = Signer(keys, (), origin)  # type: ignore[arg-type]
    assert not signer.can_sign(named)
    assert (log.signed, log.origin) == ([], named)


def test_what_others_could_mend_is_not_for_want_of_a_key() -> None:
    assert not is_keyless("the memory in redis is away: no answer")


# --- which keys -----------------------------------------------------------------------------------------------


def test_each_key_of_its_name_signs() -> None:
    """So an old and a new one do, for as long as both are there."""
    log = FakeLog(3)
    sign(log, keys=(KEY, OTHER, SECOND))
    note = parse_note(log.checkpoints[NAME, 3][2].encode())
    assert [(s.name, s.key_id) for s in note.signatures] == [(k.name, k.verifier.key_id) for k in (KEY, SECOND)]


def test_the_name_is_that_of_the_log_then_of_the_settings_then_of_the_first_key() -> None:
    log = FakeLog(3)
    sign(log, keys=(KEY, OTHER), origin=OTHER.name)
    assert log.origin == OTHER.name
    sign(FakeLog(3, OTHER.name), keys=(KEY, OTHER))
    log = FakeLog(3)
    sign(log, keys=(OTHER, KEY))
    assert log.origin == OTHER.name
    assert Signer((KEY,), ()).can_sign(None)
    assert Signer((KEY, OTHER), ()).can_sign(OTHER.name)


# --- another one ----------------------------------------------------------------------------------------------


def test_one_that_does_not_give_places_signs_nothing() -> None:
    log, memory = FakeLog(3), FakeMemory()
    with pytest.raises(NotHolderError):
        Signer((KEY,), (memory,)).sign(log, uuid4())  # type: ignore[arg-type]
    assert (log.signed, memory.held) == ([], b"")


def test_one_whose_turn_ends_before_it_has_proven_remembers_nothing() -> None:
    log, memory = FakeLog(3), FakeMemory()
    log.before["UPDATE log_head SET origin"] = log.taken_over  # type: ignore[assignment]
    with pytest.raises(NotHolderError):
        sign(log, memory)
    assert (log.signed, memory.held) == ([], b"")


def test_one_that_was_paused_does_not_put_a_memory_back() -> None:
    log, redis, file = FakeLog(3), FakeMemory("redis"), FakeMemory("file")

    def meanwhile() -> None:
        log.taken_over()
        log.grow(4)
        assert sign(log, redis, file) == 7

    redis.before = meanwhile
    with pytest.raises(NotHolderError):
        sign(log, redis, file)
    assert [held(memory)[1:3] for memory in (redis, file)] == [(2, 7), (2, 7)]


def test_two_trees_of_one_size_are_never_both_signed() -> None:
    """Two primaries, and one memory that both have read: one of them moves it on, and the other one stops."""
    one, other, memory = FakeLog(3), FakeLog(3), FakeMemory()
    sign(one, memory)
    other.checkpoints, other.origin = dict(one.checkpoints), NAME
    one.grow(4, b"x")
    other.grow(4, b"y")

    def meanwhile() -> None:
        assert sign(other, memory) == 7

    memory.before = meanwhile
    with pytest.raises(NotHolderError):
        sign(one, memory)
    with pytest.raises(InconsistentError, match="has another root of 7 entries"):
        sign(one, memory)
    assert (one.signed, other.signed) == ([3], [3, 7])


def test_a_failover_that_lost_the_takeover_is_no_contradiction() -> None:
    """The epoch is lower again, and the tree is there."""
    log, memory = FakeLog(3), FakeMemory()
    log.epoch = 6
    sign(log, memory)
    log.epoch = 5
    log.grow(1)
    check(log, memory)
    assert sign(log, memory) == 4
    assert held(memory)[1:3] == (5, 4)


def test_another_tree_that_is_stored_already_is_said() -> None:
    log = FakeLog(3)
    log.before["INSERT INTO log_checkpoints"] = lambda: log.checkpoints.update({(NAME, 3): row(3, bytes(32))})
    with pytest.raises(InconsistentError, match="two trees of 3 entries are signed"):
        sign(log)


def test_a_name_that_the_log_has_left_meanwhile() -> None:
    log, memory = FakeLog(3), FakeMemory()
    log.before["INSERT INTO log_checkpoints"] = lambda: setattr(log, "origin", OTHER.name)
    with pytest.raises(NotHolderError):
        sign(log, memory)
    assert log.signed == []


def test_a_log_that_was_signed_misses_its_key() -> None:
    log = FakeLog(3)
    with pytest.raises(NotSignedError, match=NO_KEY):
        sign(log, keys=())
    sign(log)
    with pytest.raises(NotSignedError) as missed:
        sign(log, keys=())
    assert str(missed.value) == f"there is no key of the log {NAME}: log.key_file is not set"
    assert is_keyless(str(missed.value))
