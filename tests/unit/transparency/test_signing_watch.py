"""Since when the log is not signed, and when another worker should try to."""

from __future__ import annotations

from typing import Any

import pytest
from datastorage_common.checkpoints import Checkpoint
from datastorage_common.notes import Note, make_key

from app.telemetry import metrics
from app.transparency.signer import NO_KEY
from app.transparency.signing_watch import SignedSize, SigningWatch
from app.transparency.watch import LogWatch
from tests.unit.fakes import FakeConnection, StandingClock

PATIENCE = int(SigningWatch._PATIENCE_SECONDS)
AWAY = "the memory in redis is away: Redis does not answer (TimeoutError)"


class World:
    """A watch over a log whose state a test says; this worker has the key of the log `ours`."""

    def __init__(self, *, keys: bool = True) -> None:
        self.clock = StandingClock()
        self.stalled = 0
        self.watch = LogWatch(self.clock, self.stall, lambda origin: keys and origin in (None, "ours"))
        self.conn = FakeConnection()

    def stall(self) -> None:
        self.stalled += 1

    def looks(self, number: int, size: int, signed: int | None, **changes: Any) -> int:
        """So many looks, a second apart, that find this; how often this worker was to take over."""
        found = {"epoch": 1, "origin": "ours", "unsigned": None, "tried": 0.0, "inconsistent": None, **changes}
        self.conn.answers = {"FROM log_head h": [(size, 0, True, True, signed, *found.values(), None, 0, 0.0)]}
        before = self.stalled
        for _ in range(number):
            self.clock.seconds += 1.0
            self.watch.look(self.conn)  # type: ignore[arg-type]
        return self.stalled - before


def test_a_log_that_is_signed_is_left_alone() -> None:
    world = World()
    assert world.looks(200, 7, 7) == 0
    assert (world.watch.unsigned_for(), world.watch.signing()) == (0.0, ("on", None))
    assert metrics.LOG_SIGNED_SIZE._value.get() == 7


def test_who_signs_has_the_time_that_an_attempt_may_take() -> None:
    """Else several undo each other's attempts, where a memory is slow."""
    world = World()
    assert world.looks(PATIENCE + 1, 9, 7) == 0
    assert world.looks(1, 9, 7) == 1
    assert world.looks(PATIENCE + 1, 9, 7, epoch=2) == 0, "another one gives places, and has its time"
    assert world.looks(1, 12, 7, epoch=2) == 1, "although places are given"
    assert world.looks(3 * PATIENCE, 12, 12, epoch=2) == 0


def test_newer_checkpoints_show_that_somebody_signs() -> None:
    world = World()
    for size in range(9, 100):
        assert world.looks(1, size, size - 2) == 0
    assert world.watch.unsigned_for() == 0.0


def test_a_log_that_was_never_signed_is_taken_over_by_one_with_a_key() -> None:
    assert World().looks(PATIENCE + 2, 9, None, origin=None) == 1
    assert World(keys=False).looks(200, 9, None, origin=None) == 0


@pytest.mark.parametrize("why", [NO_KEY, "there is no key of the log ours: log.key_file has none"])
def test_one_without_the_key_is_relieved_by_one_that_has_it(why: str) -> None:
    assert World().looks(PATIENCE + 2, 9, 7, unsigned=why) == 1
    assert World().looks(200, 9, 7, unsigned=why, origin="theirs") == 0, "this one has no key of that log"
    assert World(keys=False).looks(200, 9, 7, unsigned=why) == 0


def test_one_that_tries_in_vain_is_relieved_after_a_while() -> None:
    """What is away for it may be there for another."""
    world = World()
    assert world.looks(int(SigningWatch._AWAY_SECONDS) + 1, 9, 7, unsigned=AWAY, tried=4.0) == 0
    assert world.looks(1, 9, 7, unsigned=AWAY, tried=4.0) == 1
    assert world.looks(60, 9, 7, unsigned=AWAY, tried=4.0, epoch=2) == 0


def test_one_that_tries_no_more_is_relieved_sooner() -> None:
    assert World().looks(PATIENCE + 2, 9, 7, unsigned=AWAY, tried=31.0) == 1


def test_what_one_that_is_gone_wrote_down_of_a_log_that_is_signed_is_taken_back() -> None:
    world = World()
    assert world.looks(60, 9, 9, unsigned=AWAY, tried=4.0) == 0, "it still tries"
    assert world.looks(1, 9, 9, unsigned=AWAY, tried=31.0) == 1
    assert world.looks(60, 9, 9, unsigned=NO_KEY, tried=31.0) == 0


def test_an_inconsistent_log_is_left_alone() -> None:
    world = World()
    assert world.looks(200, 9, 7, inconsistent="the memory in file has 12 entries, and the log has 9") == 0
    assert world.watch.signing() == ("stopped", "the memory in file has 12 entries, and the log has 9")
    assert metrics.LOG_INCONSISTENT._value.get() == 1
    world.looks(1, 9, 9)
    assert metrics.LOG_INCONSISTENT._value.get() == 0


def test_for_how_long_the_newest_is_not_signed() -> None:
    world = World()
    world.looks(1, 9, 7)
    world.clock.seconds += 61.0
    assert world.watch.unsigned_for() == 61.0, "also where nobody can look"
    world.looks(1, 12, 9)
    assert world.watch.unsigned_for() == 0.0, "a newer checkpoint came"
    world.looks(30, 12, 9, unsigned=AWAY)
    assert world.watch.unsigned_for() == 30.0
    assert world.watch.signing() == ("stopped", AWAY)


@pytest.mark.parametrize("why", [None, NO_KEY])
def test_without_a_key_signing_is_off_and_nothing_is_late(why: str | None) -> None:
    """Nobody has said so where nobody has given places yet."""
    world = World(keys=False)
    for size in (0, 9):
        world.looks(100, size, None, origin=None, unsigned=why)
        assert (world.watch.unsigned_for(), world.watch.signing()) == (0.0, ("off", None))


@pytest.mark.parametrize("why", [None, "there is no key of the log ours: log.key_file is not set", NO_KEY])
@pytest.mark.parametrize("signed", [None, 7])
def test_a_log_that_was_signed_and_has_lost_its_key_is_not_off(why: str | None, signed: int | None) -> None:
    """Nor is one that has just got another name, whose first checkpoint is to come."""
    world = World(keys=False)
    world.looks(101, 9, signed, unsigned=why)
    assert world.watch.unsigned_for() == 100.0
    assert world.watch.signing() == (("on", None) if why is None else ("stopped", why))


def test_one_without_a_key_sees_that_others_sign() -> None:
    world = World(keys=False)
    world.looks(1, 9, 7)
    assert world.watch.signing() == ("on", None)
    world.looks(60, 9, 7)
    assert world.watch.unsigned_for() == 60.0


def test_a_newest_row_that_was_found_signed_is_not_asked_for_again() -> None:
    key = make_key("ours", bytes(32))
    conn = FakeConnection()
    signed = SignedSize([key.verifier])

    def look(newest: int, rows: list[tuple[int, bool]]) -> tuple[int | None, int]:
        """What is found, and by how many statements; ``rows``: sizes, and whether the key has signed them."""
        texts = {n: Checkpoint("ours", n, bytes(32)).text() for n, _ in rows}
        notes = {n: Note(texts[n], (key.sign(texts[n]),)).encode().decode() if by_us else "x" for n, by_us in rows}
        conn.answers = {"FROM log_checkpoints": [("ours", n, 1, bytes(32), notes[n]) for n, _ in rows]}
        before = len(conn.executed)
        found = signed.look(conn, "ours", newest)  # type: ignore[arg-type]
        return found, len(conn.executed) - before

    assert look(7, [(7, True)]) == (7, 1)
    assert [look(7, []) for _ in range(3)] == [(7, 0)] * 3
    assert look(9, [(9, False), (7, True)]) == (7, 1)
    assert look(9, [(10, True), (9, False), (7, True)]) == (7, 1), "what came since is not of this look"
    assert look(10, [(10, True), (9, False), (7, True)]) == (10, 1)
    assert look(10, []) == (10, 0)
    assert signed.look(conn, "theirs", 4) == 4, "a log whose keys are not known"  # type: ignore[arg-type]
