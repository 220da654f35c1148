"""Checkpoints are cosigned by witnesses, well or badly, by the one that gives places; and what is served of that."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from datastorage_common.checkpoints import Checkpoint, parse_checkpoint
from datastorage_common.merkle import leaf_hash
from datastorage_common.notes import Note, make_key, parse_note
from datastorage_common.witness_policy import Policy, parse_policy

from app.clock import Clock
from app.postgres.sessions import Connection, Limits, connect
from app.postgres.watchdog import Watchdog
from app.telemetry import metrics
from app.transparency import witness_client, witness_turns, witnesses
from app.transparency.cosignatures import put, thin, witnessed
from app.transparency.log_reads import Published
from app.transparency.sequencer import Sequencer
from app.transparency.signer import Signer
from app.transparency.witnesses import Witnesses
from tests.conftest import settings_for
from tests.integration.test_log_signing import signed_turn
from tests.log_support import sequencers, size, statements_of, turn
from tests.support import Database, wait_until
from tests.verify_support import without_triggers
from tests.witness_server import SIZE, TEXT, WitnessServer, witness_server

KEY = make_key("log.example/one", bytes(range(32)))
NEXT = make_key(KEY.name, bytes(range(1, 33)))


class Log:
    """A log that is signed when the test says so, and what asks witnesses about it."""

    def __init__(self, database: Database, sequencer: Sequencer, asks: Witnesses, lines: list[str]) -> None:
        self.database = database
        self.sequencer = sequencer
        self.witnesses = asks
        self._lines = lines
        self.policy: Policy = parse_policy("\n".join(lines).encode())

    def ask_by(self, *lines: str) -> None:
        """Another policy is in force."""
        self._lines[:] = lines
        self.policy = parse_policy("\n".join(lines).encode())

    def grow(self, count: int = 3) -> int:
        """Store events, give them places and sign; the size then."""
        statements_of(self.database, count)
        signed_turn(self.sequencer)
        return size(self.database)

    def cosigned(self) -> list[tuple[str, int]]:
        """Who has cosigned what, in order."""
        rows = self.database.query("SELECT witness, size FROM log_cosignatures ORDER BY size, witness")
        return [(witness.split("+")[0], n) for witness, n in rows]

    def served(self) -> Published | None:
        """What is served as the newest checkpoint with a quorum."""
        with reader(self.database) as conn:
            return witnessed(conn, self.policy, [KEY.verifier])

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Let the witnesses be asked until something is so."""

        def then() -> object:
            self.witnesses.step()
            return condition()

        wait_until(then, what=what)


@contextlib.contextmanager
def reader(database: Database) -> Iterator[Connection]:
    watchdog = Watchdog(Clock())
    with connect(settings_for(database).database, "test", Limits(5, 1), watchdog) as conn:
        yield conn


@contextlib.contextmanager
def asked_log(database: Database, *lines: str) -> Iterator[Log]:
    """A log with this policy."""
    known = list(lines)
    parsed: dict[str, Policy] = {}

    def policy() -> Policy:
        text = "\n".join(known)
        return parsed.setdefault(text, parse_policy(text.encode()))

    with sequencers(database, signer=Signer((KEY,), ())) as [one]:
        turn(one)
        asks = Witnesses(
            settings_for(database),
            one._watchdog,
            Clock(),
            policy=policy,
            keys=(KEY,),
            leading=lambda: one.leading,
        )
        try:
            yield Log(database, one, asks, known)
        finally:
            asks._rest()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witnesses, "_ROUND_SECONDS", 0.0)
    monkeypatch.setattr(witness_turns, "_AGAIN_SECONDS", 0.0)


@pytest.fixture
def w1() -> Iterator[WitnessServer]:
    with witness_server("w1.example", KEY.verifier) as server:
        yield server


@pytest.fixture
def w2() -> Iterator[WitnessServer]:
    with witness_server("w2.example", KEY.verifier) as server:
        yield server


def both(w1: WitnessServer, w2: WitnessServer) -> list[str]:
    return [w1.line(), w2.line(), f"group both all {w1.key.name} {w2.key.name}", "quorum both"]


def failures(witness: WitnessServer, reason: str) -> float:
    label = f"{witness.key.name}+{witness.key.verifier.key_id.hex()}"
    return metrics.LOG_WITNESS_FAILURES.labels(label, reason)._value.get()


def gauge(metric: object, witness: WitnessServer) -> float:
    label = f"{witness.key.name}+{witness.key.verifier.key_id.hex()}"
    found: float = metric.labels(label)._value.get()  # type: ignore[attr-defined]
    return found


def test_each_new_checkpoint_is_cosigned_by_all(database: Database, w1: WitnessServer, w2: WitnessServer) -> None:
    with asked_log(database, *both(w1, w2)) as log:
        assert log.served() is None
        for count in (3, 300, 7):
            n = log.grow(count)
            log.until(lambda n=n: log.cosigned()[-2:] == [("w1.example", n), ("w2.example", n)], "both have cosigned")
            found = log.served()
            assert found is not None
            note = parse_note(found.note)
            assert (found.origin, found.size, parse_checkpoint(note.text).size) == (KEY.name, n, n)
            assert KEY.verifier.signed(note) is not None
            assert log.policy.witnessed(note) == {"w1.example", "w2.example"}
        log.until(lambda: gauge(metrics.LOG_WITNESS_SIZE, w1) == 310, "the gauge says so")
        # Each from where it was, and none about what it has cosigned.
        assert [(a.old, a.point.size) for a in w1.asked] == [(0, 3), (3, 303), (303, 310)]
        assert len(w1.connections) == 1
        assert log.witnesses.claims == []


def test_one_that_is_away_or_slow_holds_up_nobody(
    database: Database, w1: WitnessServer, w2: WitnessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness_client, "TOTAL_SECONDS", 60.0)
    with witness_server("w3.example", KEY.verifier) as away:
        gone = away.line()
    w2.hold = threading.Event()
    with asked_log(database, w1.line(), w2.line(), gone, "quorum w1.example") as log:
        sizes = []
        for _ in range(3):
            sizes.append(log.grow())
            log.until(lambda: ("w1.example", sizes[-1]) in log.cosigned(), "the other one has cosigned")
        log.until(lambda: failures(away, "away") > 1, "who is away is asked again")
        assert w2.most_under_way == 1, "one request to each at a time"
        w2.hold.set()
        # What it was asked about is not the newest any more: kept all the same.
        for n in (sizes[0], sizes[-1]):
            log.until(lambda n=n: ("w2.example", n) in log.cosigned(), "the slow one has cosigned")
        assert {w for w, _ in log.cosigned()} == {"w1.example", "w2.example"}


def test_a_failure_is_said_once(database: Database, w1: WitnessServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "app")
    w1.instead = lambda _: (500, TEXT, b"")
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        n = log.grow()
        log.until(lambda: len(w1.asked) >= 4, "it is asked again")
        [held] = log.witnesses._turns.values()
        log.until(lambda: held.failures >= 4, "it is asked again")
        assert [r.getMessage() for r in caplog.records if "did not cosign" in r.message] == [
            f"the witness {held.label} did not cosign: it answers 500"
        ]
        w1.instead = lambda _: None
        log.until(lambda: log.cosigned() == [("w1.example", n)], "it has cosigned")
        assert "cosigns again" in caplog.text


def test_a_takeover_goes_on_from_what_was_cosigned(database: Database, w1: WitnessServer) -> None:
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        n = log.grow()
        log.until(lambda: log.cosigned() == [("w1.example", n)], "it has cosigned")
        with asked_log(database, w1.line(), "quorum w1.example") as other:
            more = other.grow()
            other.until(lambda: ("w1.example", more) in other.cosigned(), "it has cosigned")
            # The one before finds that out when there is something to do, and asks no more.
            statements_of(database, 1)
            log.sequencer.step()
            log.witnesses.step()
            assert log.witnesses._conn is None
        assert [(a.old, a.point.size) for a in w1.asked] == [(0, n), (n, more)]


def test_who_does_not_give_places_asks_nobody(database: Database, w1: WitnessServer) -> None:
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        log.grow()
        log.sequencer.leading = False
        for _ in range(3):
            log.witnesses.step()
        assert w1.paths == []
        assert log.witnesses._conn is None


def test_a_cosignature_that_was_not_kept_is_asked_for_again(database: Database, w1: WitnessServer) -> None:
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        n = log.grow()
        log.until(lambda: log.cosigned(), "it has cosigned")
        database.query("DELETE FROM log_cosignatures")
        log.until(lambda: log.cosigned() == [("w1.example", n)], "the same checkpoint is cosigned again")
        database.query("DELETE FROM log_cosignatures")
        more = log.grow()
        log.until(lambda: log.cosigned() == [("w1.example", more)], "it has cosigned")
        assert [(a.old, a.point.size) for a in w1.asked] == [(0, n), (0, n), (n, n), (0, more), (n, more)]
        assert failures(w1, "contradicts") == 0


def test_a_witness_that_forgot_begins_anew(database: Database, w1: WitnessServer) -> None:
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        log.grow()
        log.until(lambda: log.cosigned(), "it has cosigned")
        w1.last.clear()
        n = log.grow()
        log.until(lambda: ("w1.example", n) in log.cosigned(), "it has cosigned")
        assert w1.asked[-1].old == 0


def test_one_that_contradicts_itself_is_asked_no_more_than_twice(database: Database, w1: WitnessServer) -> None:
    sizes = iter([b"1\n", b"2\n"] * 100)
    w1.instead = lambda _: (409, SIZE, next(sizes))
    before = failures(w1, "wrong")
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        log.grow()
        log.until(lambda: failures(w1, "wrong") > before, "it is counted")
        assert [a.old for a in w1.asked[:2]] == [0, 1]


@pytest.mark.parametrize("how", ["409", "422"])
def test_a_liar_is_shown_and_stops_nothing(database: Database, w1: WitnessServer, w2: WitnessServer, how: str) -> None:
    w1.instead = lambda _: (409, SIZE, b"1000000\n") if how == "409" else (422, TEXT, b"")
    mine = make_key("evil.example", bytes(32))
    # What it shows is signed by everybody but the log.
    forged = Checkpoint(KEY.name, 1_000_000, bytes(32)).text()
    wrong = Note(forged, (mine.sign(forged), KEY.sign("something else\n"), w1.key.cosign(forged, int(time.time()))))
    w1.shows = wrong.encode()
    with asked_log(database, w1.line(), w2.line(), "quorum w2.example") as log:
        n = log.grow()
        log.until(lambda: len([p for p in w1.paths if p.startswith("GET")]) >= 2, "it is asked for what it has seen")
        assert len(log.witnesses.claims) == 1
        assert KEY.name in log.witnesses.claims[0]
        assert gauge(metrics.LOG_WITNESS_CONTRADICTS, w1) == 1
        more = log.grow()
        log.until(lambda: ("w2.example", more) in log.cosigned(), "the other one cosigns")
        assert more > n
        assert database.query("SELECT inconsistent FROM log_head") == [(None,)]
        # It was restored to what it was, perhaps.
        w1.instead = lambda _: None
        log.until(lambda: ("w1.example", more) in log.cosigned(), "it cosigns")
        assert log.witnesses.claims == []
        assert gauge(metrics.LOG_WITNESS_CONTRADICTS, w1) == 0


def test_what_is_said_against_the_log_goes_with_its_turn(database: Database, w1: WitnessServer) -> None:
    w1.instead = lambda _: (422, TEXT, b"")
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        log.grow()
        log.until(lambda: log.witnesses.claims, "it is shown")
        log.sequencer.leading = False
        log.witnesses.step()
        assert log.witnesses.claims == []
        assert gauge(metrics.LOG_WITNESS_CONTRADICTS, w1) == 0


@pytest.mark.parametrize("how", ["ahead", "another"])
def test_two_trees_under_our_own_signature_stop_the_log(database: Database, w1: WitnessServer, how: str) -> None:
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        n = log.grow()
        # What the key has signed before the database was restored, and only the witness remembers.
        lost = Checkpoint(KEY.name, n + 5 if how == "ahead" else n, leaf_hash(b"lost"))
        text = lost.text()
        cosigned = w1.key.cosign(text, int(time.time()))
        w1.last[KEY.name] = (lost, Note(text, (KEY.sign(text), cosigned)).encode())
        log.until(
            lambda: database.query("SELECT inconsistent FROM log_head WHERE inconsistent IS NOT NULL"), "it is noted"
        )
        [(why,)] = database.query("SELECT inconsistent FROM log_head")
        assert f"tree of {lost.size} entries is signed" in why
        assert "w1.example" in why
        statements_of(database, 1)
        signed_turn(log.sequencer)
        assert size(database) == n, "no place is given any more"
        assert not log.sequencer.leading


def test_a_checkpoint_whose_row_was_lost_is_no_other_tree(database: Database, w1: WitnessServer) -> None:
    """A standby took over that has all entries, and not the row of the last checkpoint; nobody can sign just now."""
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        log.grow()
        n = log.grow()
        log.until(lambda: ("w1.example", n) in log.cosigned(), "it has cosigned")
        with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
            conn.execute("DELETE FROM log_checkpoints WHERE size = %s", (n,))
            conn.execute("DELETE FROM log_cosignatures")
        shown = len([path for path in w1.paths if path.startswith("GET")])
        log.until(lambda: len([p for p in w1.paths if p.startswith("GET")]) > shown + 1, "it shows what it has seen")
        assert database.query("SELECT inconsistent FROM log_head") == [(None,)]
        assert log.witnesses.claims
        more = log.grow()
        log.until(lambda: ("w1.example", more) in log.cosigned(), "it goes on")


def test_cosignatures_of_another_key_are_not_kept(database: Database, w1: WitnessServer) -> None:
    w1.signs_as = make_key(w1.key.name, bytes(32), 4)
    before = failures(w1, "wrong")
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        log.grow()
        log.until(lambda: failures(w1, "wrong") > before, "it is counted")
        assert log.cosigned() == []
        assert log.served() is None


def test_another_policy_is_in_force_at_once(database: Database, w1: WitnessServer, w2: WitnessServer) -> None:
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        n = log.grow()
        log.until(lambda: log.cosigned() == [("w1.example", n)], "it has cosigned")
        # The same name for another one: what the first has said does not count for it.
        log.ask_by(w2.line().replace("witness w2.example", "witness w1.example"), "quorum w1.example")
        assert log.served() is None
        log.until(lambda: log.cosigned() == [("w1.example", n), ("w2.example", n)], "the other one has cosigned")
        found = log.served()
        assert found is not None
        assert [s.name for s in parse_note(found.note).signatures] == [KEY.name, "w2.example"]
        asked = len(w1.paths)
        more = log.grow()
        log.until(lambda: ("w2.example", more) in log.cosigned(), "it has cosigned")
        assert len(w1.paths) == asked
        log.ask_by("quorum none")
        found = log.served()
        assert found is not None
        assert found.size == more
        log.witnesses.step()
        assert log.witnesses._conn is None


def test_no_more_are_asked_than_a_policy_has_at_least(
    database: Database, w1: WitnessServer, w2: WitnessServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "MAX_WITNESSES", 1)
    with asked_log(database, *both(w1, w2)) as log:
        n = log.grow()
        log.until(lambda: log.cosigned() == [("w1.example", n)], "the first has cosigned")
        assert w2.paths == []


def test_a_database_that_goes_away_is_found_again(database: Database, w1: WitnessServer) -> None:
    with asked_log(database, w1.line(), "quorum w1.example") as log:
        log.grow()
        log.until(lambda: log.cosigned(), "it has cosigned")
        database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ~ 'witnesses'")
        n = log.grow()
        log.until(lambda: ("w1.example", n) in log.cosigned(), "it has cosigned")


def test_the_newest_quorum_is_found_wherever_it_is(database: Database, w1: WitnessServer, w2: WitnessServer) -> None:
    with asked_log(database, *both(w1, w2)) as log, reader(database) as conn:
        sizes = [log.grow(1) for _ in range(12)]
        assert sizes == list(range(1, 13))
        put(conn, KEY.name, 4, w1.key.verifier, "a\n")
        put(conn, KEY.name, 4, w2.key.verifier, "b\n")
        # Behind it they never meet, and one goes on alone.
        for n in (5, 7, 9, 10, 11, 12):
            put(conn, KEY.name, n, w1.key.verifier, "a\n")
        for n in (6, 8):
            put(conn, KEY.name, n, w2.key.verifier, "b\n")
        # Nor does what is said of another log count.
        put(conn, "another", 12, w2.key.verifier, "b\n")
        found = log.served()
        assert found is not None
        assert found.size == 4
        [(note,)] = database.query("SELECT note FROM log_checkpoints WHERE size = 4")
        assert found.note.decode() == note + "a\nb\n"


def test_cosignatures_are_thinned_out(database: Database, w1: WitnessServer, w2: WitnessServer) -> None:
    with asked_log(database, *both(w1, w2)) as log, reader(database) as conn:
        for _ in range(12):
            log.grow(1)

        def said(n: int, witness: WitnessServer, hours: float) -> None:
            put(conn, KEY.name, n, witness.key.verifier, "x\n")
            database.query(
                "UPDATE log_cosignatures SET received_at = date_trunc('hour', now()) - make_interval(secs => %s) "
                "WHERE size = %s AND witness = %s",
                3600 * hours,
                n,
                str(witness.key.verifier),
            )

        # An hour in which both meet at 3 and the second goes no further; one in which they part; and what is new.
        for n in (1, 2, 3, 4):
            said(n, w1, 9.5)
        for n in (1, 2, 3):
            said(n, w2, 9.5)
        for n in (5, 6, 7):
            said(n, w1, 5.5)
            said(n, w2, 5.5)
        for n in (8, 9):
            said(n, w1, 4.5)
        for n in (10, 11):
            said(n, w1, 0)
        assert thin(conn, log.policy, [KEY.verifier]) == 8
        kept = [(3, "w1"), (3, "w2"), (4, "w1"), (7, "w1"), (7, "w2"), (8, "w1"), (9, "w1"), (10, "w1"), (11, "w1")]
        assert [(n, w.removesuffix(".example")) for w, n in log.cosigned()] == kept
        found = log.served()
        assert found is not None
        assert found.size == 7
        assert thin(conn, log.policy, [KEY.verifier]) == 0
