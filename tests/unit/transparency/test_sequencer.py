"""The sequencer: when it gives places, when it leaves that to another one, and what it does after an error."""

from __future__ import annotations

import logging
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from app.clock import Clock
from app.config.settings import Settings
from app.postgres.watchdog import Watchdog
from app.transparency import sequencer as module
from app.transparency.entries import as_json, place_key
from app.transparency.log_store import TURN_ROWS
from app.transparency.sequencer import Sequencer
from app.transparency.signer import Signer
from tests.unit.fakes import FakeConnection, FakeCursor, StandingClock
from tests.unit.transparency.test_entries import event_entry, notification_entry
from tests.unit.transparency.test_log_store import places_in

PENDING, WAITS, LOCK = "WHERE before <", "SELECT (SELECT id FROM log_pending_a", "FOR UPDATE SKIP LOCKED"
HEAD, END, INTAKE, SIZES = "SELECT size, epoch, holder", "pg_terminate_backend", "FROM log_intake", "pg_table_size"
DONE = (True, True, None, None, None, 0, True)
OTHER = uuid4()


class LogConnection(FakeConnection):
    """A connection to a log with nothing in it, until a test says otherwise; it keeps the head that is put."""

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.rows: list[tuple[int, int, bytes]] = []
        self.age = 0.0  # how long they have waited, in seconds
        self.answers = {LOCK: [("2000", "1000")], HEAD: [(0, 0, None)], INTAKE: [DONE], SIZES: [(0, 0)], **answers}

    def execute(self, statement: str, parameters: Any = None, **keywords: Any) -> FakeCursor:
        self.executed.append((statement, parameters))
        if statement.startswith("UPDATE log_head"):
            self.answers[HEAD] = [parameters]
        for part, rows in self.answers.items():
            if part in statement:
                if isinstance(rows, Exception):
                    raise rows
                return FakeCursor(rows)
        if WAITS in statement:
            return FakeCursor([(bool(self.rows),)])
        if PENDING in statement:
            return FakeCursor([(*row, self.age) for row in self.rows])
        cursor = FakeCursor([])
        if statement.startswith("DELETE"):
            [numbers] = parameters
            cursor.rowcount = len(numbers)  # type: ignore[attr-defined]
            self.rows = [row for row in self.rows if row[0] not in numbers]
        return cursor

    def said(self, part: str) -> list[Any]:
        """The parameters of each statement that has this part."""
        return [parameters for statement, parameters in self.executed if part in statement]

    @property
    def committed(self) -> int:
        return len(self.said("COMMIT"))


class World:
    """A sequencer whose connections come from a list; an exception in it is raised instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *connections: Any) -> None:
        self.waiting = list(connections)
        self.clock = StandingClock()
        monkeypatch.setattr(module, "connect", self.connect)
        self.sequencer = Sequencer(Settings(), Watchdog(Clock()), self.clock, Signer((), ()))
        # What is signed is not looked at here.
        monkeypatch.setattr(self.sequencer._signing, "step", lambda *_: None)

    def connect(self, *_: Any) -> Any:
        made = self.waiting.pop(0)
        if isinstance(made, Exception):
            raise made
        return made

    def take_over(self) -> None:
        self.sequencer.wanted()
        self.sequencer.step()


def test_nothing_is_done_until_somebody_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, LogConnection())
    for _ in range(5):
        world.sequencer.step()
    assert len(world.waiting) == 1, "not even a connection is made"
    assert not world.sequencer.leading


def test_who_takes_over_puts_a_new_epoch_and_its_name(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    conn = LogConnection(**{HEAD: [(0, 41, OTHER)]})
    world = World(monkeypatch, conn)
    world.take_over()
    assert world.sequencer.leading
    assert conn.said("UPDATE log_head") == [(0, 42, world.sequencer._ident)]
    assert [r.getMessage() for r in caplog.records] == [
        f"this worker gives places in the log now, from 0 on, as holder {world.sequencer._ident}"
    ]


def test_an_idle_one_asks_one_question_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = LogConnection()
    world = World(monkeypatch, conn)
    world.take_over()
    conn.executed.clear()
    for _ in range(8):
        world.sequencer.step()
    assert len(conn.executed) == len(conn.said(WAITS)) == 8


def test_what_waits_gets_its_place_in_one_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [event_entry(ident=UUID(int=i)) for i in range(3)] + [notification_entry()]
    conn = LogConnection()
    conn.rows = [(7, 3, b"".join(entries[:3])), (TURN_ROWS, 1, entries[3])]
    world = World(monkeypatch, conn)
    world.take_over()
    hashes = b"".join(sha256(b"\0" + as_json(entry)).digest() for entry in entries)
    assert conn.said("INSERT INTO log_tiles") == [([0], [0], [4], [hashes])]
    assert conn.said("INSERT INTO log_bundles") == [([0], [4], [b"".join(entries)])]
    [copied] = conn.said("COPY log_places")
    assert places_in(copied) == [(place_key(entry), i) for i, entry in enumerate(entries)]
    assert conn.said("DELETE FROM log_pending_a") == [([7],)]
    assert conn.said("DELETE FROM log_pending_b") == [([TURN_ROWS],)]
    assert conn.said("UPDATE log_head") == [(4, 1, world.sequencer._ident)]
    assert conn.committed == 1
    assert conn.rows == []


def test_what_follows_is_put_behind_without_reading_the_edge_again(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = LogConnection()
    world = World(monkeypatch, conn)
    for number in range(3):
        conn.rows = [(number, 1, event_entry(ident=UUID(int=number)))]
        world.take_over()
    assert [p[:2] for p in conn.said("UPDATE log_head")] == [(1, 1), (2, 1), (3, 1)]
    assert [p[2] for p in conn.said("INSERT INTO log_tiles")] == [[1], [2], [3]]
    assert not conn.said("FROM log_bundles"), "it is known"


def test_where_another_one_has_the_lock_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = LogConnection(**{LOCK: []})
    world = World(monkeypatch, conn)
    world.take_over()
    assert not world.sequencer.leading
    assert (conn.said("UPDATE log_head"), conn.committed, conn.closed) == ([], 0, True)


def test_one_that_stands_still_with_the_lock_is_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(monkeypatch, LogConnection(**{LOCK: [], END: [(True,)]}), LogConnection())
    world.take_over()
    assert [r.getMessage() for r in caplog.records] == ["ended 1 session that held the log's lock and stood still"]
    world.take_over()
    assert world.sequencer.leading


def test_one_whose_turn_is_over_steps_down(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    conn = LogConnection()
    world = World(monkeypatch, conn)
    world.take_over()
    caplog.set_level(logging.INFO)
    conn.answers[HEAD] = [(9, 2, OTHER)]
    conn.rows = [(7, 1, event_entry())]
    world.sequencer.step()
    assert not world.sequencer.leading
    assert len(conn.rows) == 1, "it is the other's"
    assert conn.closed
    assert [r.getMessage() for r in caplog.records] == ["another worker gives places in the log now"]
    world.sequencer.step()  # and asks for no connection


def test_an_error_is_said_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    lost = psycopg.OperationalError("connection\n refused")
    conn = LogConnection()
    world = World(monkeypatch, lost, lost, lost, conn)
    for _ in range(3):
        world.take_over()
        assert not world.sequencer.leading
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("WARNING", "could not give places in the log: connection refused")
    ]
    world.take_over()
    assert world.sequencer.leading


def test_an_error_ends_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = LogConnection()
    world = World(monkeypatch, conn)
    world.take_over()
    conn.rows = [(7, 1, event_entry())]
    conn.answers["INSERT INTO log_tiles"] = psycopg.errors.DiskFull("no space left")
    world.sequencer.step()
    assert not world.sequencer.leading
    assert conn.closed
    assert world.sequencer._edge is None, "what became of the commit, the tables say"


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((7, 2, event_entry()), "the pending row 7 does not hold 2 entries"),
        ((7, 1, event_entry()[:-1]), "the pending row 7 can't be read: the last entry is cut off"),
        ((7, 1, b"\x09" + event_entry()[1:]), "the pending row 7 can't be read: there is no entry of the kind 9"),
    ],
)
def test_a_row_that_is_damaged_stays_and_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, row: tuple[int, int, bytes], why: str
) -> None:
    conn = LogConnection()
    conn.rows = [row]
    world = World(monkeypatch, conn)
    world.take_over()
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("ERROR", f"could not give places in the log: its tables contradict each other: {why}")
    ]
    assert (conn.committed, conn.rows) == (0, [row])


def test_a_row_that_nobody_could_read_for_long_is_set_aside(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    conn = LogConnection()
    conn.rows = [(7, 1, b"\x09" * 53), (8, 1, event_entry())]
    conn.age = 61.0
    World(monkeypatch, conn).take_over()
    [(number, count, kept, age, why)] = conn.said("INSERT INTO log_set_aside")
    assert (number, count, kept, age) == (7, 1, b"\x09" * 53, 61.0)
    assert "there is no entry of the kind 9" in why
    assert [p[:2] for p in conn.said("UPDATE log_head")] == [(1, 1)], "the one behind it has its place"
    assert "it is set aside, in log_set_aside" in caplog.text


def test_what_stands_before_a_row_that_cannot_be_read_gets_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = LogConnection()
    damaged = (8, 1, b"\x09" * 53)
    conn.rows = [(7, 1, event_entry()), damaged, (9, 1, event_entry(ident=UUID(int=9)))]
    World(monkeypatch, conn).take_over()
    assert [p[:2] for p in conn.said("UPDATE log_head")] == [(1, 1)]
    assert conn.rows[0] == damaged
    assert not conn.said("INSERT INTO log_set_aside")


def test_what_takes_too_long_is_halved_and_grows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    canceled = LogConnection(**{PENDING: psycopg.errors.QueryCanceled("statement timeout")})
    world = World(monkeypatch, *[LogConnection(**canceled.answers) for _ in range(9)], LogConnection())
    limits = []
    for _ in range(9):
        world.take_over()
        limits.append(world.sequencer._max_entries)
    assert limits == [8192, 4096, 2048, 1024, 512, 256, 256, 256, 256]
    for expected in (512, 1024):
        world.take_over()
        assert world.sequencer._max_entries == expected


def test_a_connection_that_was_ended_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = LogConnection(), LogConnection()
    world = World(monkeypatch, first, second)
    world.take_over()
    second.answers[HEAD] = first.answers[HEAD]
    first.hang_up()
    world.sequencer.step()
    assert first.closed
    assert second.said(WAITS)
    assert second.said(LOCK), "whether it is its turn there shows under the lock"
    assert world.sequencer.leading
    assert world.sequencer._edge is not None, "so that it is signed, also where nothing more comes"


def test_a_new_connection_shows_that_another_one_gives_places(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = LogConnection(), LogConnection(**{HEAD: [(0, 9, OTHER)]})
    world = World(monkeypatch, first, second)
    world.take_over()
    first.hang_up()
    world.sequencer.step()
    assert (world.sequencer.leading, second.closed) == (False, True)


@pytest.mark.parametrize(
    ("sizes", "highest", "emptied"),
    [
        ((0, 65 * 1024**2), TURN_ROWS - 1, ["TRUNCATE log_pending_b"]),
        ((0, 65 * 1024**2), TURN_ROWS, []),
        ((65 * 1024**2, 0), TURN_ROWS, ["TRUNCATE log_pending_a"]),
        ((65 * 1024**2, 0), 2 * TURN_ROWS, []),
        ((64 * 1024**2, 64 * 1024**2), 1, []),
    ],
)
def test_the_table_whose_turn_it_is_not_is_emptied_where_it_is_large(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int], highest: int, emptied: list[str]
) -> None:
    nothing = {"SELECT EXISTS (SELECT FROM log_pending_a)": [(False,)]}
    nothing |= {"SELECT EXISTS (SELECT FROM log_pending_b)": [(False,)]}
    conn = LogConnection(**{SIZES: [sizes], **nothing})
    conn.rows = [(highest, 1, event_entry())]
    world = World(monkeypatch, conn)
    world.clock.seconds = 100.0
    world.take_over()
    for _ in range(9):
        world.clock.seconds += 1.0
        world.sequencer.step()
    assert not conn.said(SIZES), "who has a snapshot from before has not locked it perhaps"
    for _ in range(5):
        world.clock.seconds += 1.0
        world.sequencer.step()
    assert len(conn.said(SIZES)) == 1, "looked at seldom"
    assert [s for s, _ in conn.executed if s.startswith("TRUNCATE")] == emptied
    world.clock.seconds += 1.0
    world.sequencer.step()
    assert len(conn.said(SIZES)) == 2


def test_old_records_are_asked_for_until_there_are_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = LogConnection(**{INTAKE: [(False, False, None, None, None, 0, True)]})
    world = World(monkeypatch, conn)
    world.take_over()
    assert conn.said("UPDATE log_intake SET events_done")
    assert conn.said("UPDATE log_intake SET notifications_done")
    conn.answers[INTAKE] = [DONE]
    world.sequencer.step()
    conn.executed.clear()
    world.sequencer.step()
    assert not conn.said(INTAKE)


def test_that_there_are_no_more_old_records_is_known_when_it_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    conn, again = LogConnection(COMMIT=psycopg.OperationalError("server closed the connection")), LogConnection()
    world = World(monkeypatch, conn, again)
    world.take_over()
    assert not world.sequencer.leading
    world.take_over()
    assert again.said(INTAKE), "the transaction that noted it is gone"


def test_it_ends_with_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    conn = LogConnection()
    world = World(monkeypatch, conn)
    world.sequencer.start()
    world.sequencer.wanted()
    thread = world.sequencer._loop._thread
    world.sequencer.stop()
    assert thread is not None
    assert not thread.is_alive()
    assert not world.sequencer.leading
    assert conn.closed or world.waiting == [conn]
