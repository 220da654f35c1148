"""The sequencer killed, stopped, doubled and held up: no gap, no place given twice, nothing seen before its commit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psutil
import psycopg
import pytest

from app.transparency import sequencer, watch
from app.transparency.log_store import TURN_ROWS
from devserver.processes import Guarded
from tests.log_check import check_log
from tests.log_support import (
    Interrupted,
    end_backend,
    insert,
    insert_old,
    lose_answer,
    sequencers,
    settled,
    size,
    statements_of,
    turn,
    waiting,
)
from tests.support import ROOT, Database, wait_until

# Sequencers that are to die have a process of their own, and a copy of it for each death.
_KILLED = """
import os, signal, sys
import pytest
from tests.log_support import Interrupted, sequencers, statements_of, turn
from tests.support import Database, PostgresServer
url, pooled, how, first, last = sys.argv[1:]
database = Database("", "", "", url, server=PostgresServer("", "", url, pooled=pooled == "True"))
for number in range(int(first), int(last)):
    statements_of(database, 2, count=130)
    if (pid := os.fork()) == 0:
        with sequencers(database) as [one]:
            interrupted = Interrupted(pytest.MonkeyPatch())
            act = {how.partition(" ")[0]: lambda conn: os.kill(os.getpid(), getattr(signal, how.partition(" ")[2]))}
            interrupted.at(number, **act)
            turn(one)
            # One that was only stopped tries again, and again.
            for _ in range(20):
                one.step()
        os._exit(0 if interrupted.done else 3)
    print(pid, flush=True)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
"""


def process(database: Database, how: str, numbers: tuple[int, int]) -> Guarded:
    """A process whose sequencers are sent a signal before or after the statements of these numbers."""
    arguments = [database.service_url, str(database.server.pooled), how, *map(str, numbers)]
    return Guarded(
        [sys.executable, "-c", _KILLED, *arguments], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True
    )


def _ending(how: str, old: bool) -> Any:
    # Those that find most; the others take as long.
    often = (how, old) in (("answer lost", False), ("after", True))
    name = f"{how}-{'old' if old else 'new'}"
    return pytest.param(how, old, id=name, marks=() if often else pytest.mark.nightly)


@pytest.mark.parametrize(
    ("how", "old"), [_ending(how, old) for how in ("before", "after", "answer lost") for old in (False, True)]
)
def test_a_backend_that_ends_at_any_statement(
    database: Database, monkeypatch: pytest.MonkeyPatch, how: str, old: bool
) -> None:
    if old:
        insert_old(database, 2500, [datetime.now(UTC).date()])
        monkeypatch.setattr(sequencer, "_MAX_ENTRIES", 300)
    interrupted = Interrupted(monkeypatch)
    said = 0
    with sequencers(database, 2) as [one, other]:
        for number in range(60):
            statements_of(database, 3, count=100)
            if how == "before":
                interrupted.at(number, before=end_backend(database))
            else:
                interrupted.at(number, after=end_backend(database) if how == "after" else lose_answer)
            turn(one)
            if not interrupted.done:
                break
            said = number
            # What others see is whole, wherever it ended.
            assert check_log(database.superuser_url).faults == []
            turn(other)
            assert old or waiting(database) == 0
        else:
            pytest.fail("there is no end of statements")
    assert said >= 11
    if old:
        with sequencers(database) as [one]:
            turn(one)
    report = settled(database)
    assert report.size == database.count() + database.count("notification_audit")


def test_a_process_that_is_killed_at_any_statement(database: Database) -> None:
    child = process(database, "after SIGKILL", (0, 60))
    out, _ = child.communicate(timeout=150)
    assert child.returncode == 3, "it was killed until there were no more statements"
    assert len(out.split()) > 10
    assert check_log(database.superuser_url).faults == []
    with sequencers(database) as [one]:
        turn(one)
    assert settled(database).size == database.count()


@pytest.mark.parametrize(
    "number",
    [n if n in (0, 2, 11) else pytest.param(n, marks=pytest.mark.nightly) for n in (0, 1, 2, 5, 8, 11)],
    ids=lambda n: f"statement-{n}",
)
def test_one_that_is_stopped_does_no_harm_when_it_comes_back(database: Database, number: int) -> None:
    """With the lock and without it: PostgreSQL ends a transaction whose client stands still."""
    child = process(database, "after SIGSTOP", (number, number + 1))
    assert child.stdout is not None
    stopped = psutil.Process(int(child.stdout.readline()))
    try:
        wait_until(lambda: stopped.status() == psutil.STATUS_STOPPED, what="it is stopped")
        with sequencers(database) as [one]:

            def taken() -> bool:
                turn(one)
                return waiting(database) == 0

            wait_until(taken, what="another one takes over")
            assert settled(database).size == 260
            statements_of(database, 2, count=10)
            turn(one)
            before = size(database)
            stopped.send_signal(signal.SIGCONT)
            assert child.wait(60) == 0
            statements_of(database, 2, count=10)
            wait_until(taken, what="the last ones have their places")
            assert size(database) == before + 20
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        child.stdout.close()
    assert settled(database).size == 300


def test_a_holder_that_stands_still_is_ended(
    database: Database, caplog: pytest.LogCaptureFixture, direct: None
) -> None:
    """One that no time limit of its own ends: behind a network that was cut, or a client that was stopped."""
    statements_of(database, 1)
    with psycopg.connect(database.service_url) as holder, sequencers(database) as [one]:
        holder.execute("SET idle_in_transaction_session_timeout = 0")
        holder.execute("SELECT FROM log_head FOR UPDATE")
        turn(one)
        assert not one.leading, "it has the lock for no more than a moment: that may be a bite"

        def taken() -> bool:
            turn(one)
            return one.leading

        wait_until(taken, what="another one takes over")
        with pytest.raises(psycopg.OperationalError):
            holder.execute("SELECT 1")
    assert "ended 1 session that held the log's lock" in caplog.text
    assert settled(database).size == 1


def test_a_lock_that_nobody_can_end_is_said_once(
    database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "_LOCKED_OUT_SECONDS", 0.2)
    with psycopg.connect(database.superuser_url) as holder, sequencers(database) as [one]:
        holder.execute("SELECT FROM log_head FOR UPDATE")
        statements_of(database, 3)
        said = "another session holds the lock"

        def told() -> bool:
            turn(one)
            return said in caplog.text

        wait_until(told, what="the lock is told of")
        for _ in range(20):
            turn(one)
        assert caplog.text.count(said) == 1
        holder.rollback()
        turn(one)
        assert one.leading
    assert settled(database).size == 3


def test_two_at_once_for_many_rounds(database: Database) -> None:
    stop, took_turns = threading.Event(), threading.Event()

    def give_places(each: Any) -> None:
        while not stop.is_set():
            turn(each)

    def write(count: int) -> int:
        written = 0
        # Who gives places loses them to another only while there is something to take.
        while written < 400 * count or not took_turns.is_set():
            statements_of(database, 20, count=count)
            written += 20 * count
        return written

    with sequencers(database, 3) as several, ThreadPoolExecutor(5) as threads:
        working = [threads.submit(give_places, each) for each in several]
        writing = [threads.submit(write, count) for count in (1, 7)]
        try:
            wait_until(lambda: database.query("SELECT epoch > 5 FROM log_head") == [(True,)], what="they took turns")
            took_turns.set()
            stored = sum(each.result() for each in writing)
            wait_until(lambda: waiting(database) == 0, what="every record has its place")
        finally:
            took_turns.set()
            stop.set()
        for each in working:
            each.result()
    assert settled(database).size == stored


def test_readers_see_every_place_below_one_that_they_see(database: Database) -> None:
    stop, looks = threading.Event(), {"read committed": 0, "repeatable read": 0}
    counts = "SELECT (SELECT size FROM log_head), (SELECT coalesce(sum(width), 0)::bigint FROM log_bundles)"
    places = ", (SELECT count(*) FROM log_places), (SELECT coalesce(max(log_index), -1) + 1 FROM log_places)"

    def read_committed() -> None:
        with psycopg.connect(database.service_url, autocommit=True) as conn:
            while not stop.is_set():
                row = conn.execute("SELECT coalesce(max(log_index), -1) + 1 FROM log_places").fetchone()
                assert row is not None
                [(known, held)] = conn.execute(counts).fetchall()
                [(below,)] = conn.execute("SELECT count(*) FROM log_places WHERE log_index < %s", row).fetchall()
                assert row[0] == below <= known == held
                looks["read committed"] += 1

    def repeatable_read() -> None:
        with psycopg.connect(database.service_url) as conn:
            conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            while not stop.is_set():
                [(held,)] = conn.execute("SELECT coalesce(sum(width), 0)::bigint FROM log_bundles").fetchall()
                [row] = conn.execute(counts + places).fetchall()
                assert set(row) == {held}
                conn.commit()
                looks["repeatable read"] += 1

    with sequencers(database, 2) as [one, other], ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(r) for r in (read_committed, repeatable_read)]
        rounds = 0
        try:
            while (rounds < 40 or min(looks.values()) <= 5) and not any(r.done() for r in readers):
                statements_of(database, 5, count=11)
                turn(one if rounds % 7 else other)
                rounds += 1
        finally:
            stop.set()
        for reader in readers:
            reader.result()
    assert settled(database).size == 55 * rounds


def test_who_commits_late_is_taken_in_late(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch.Floor, "_BEHIND", 20)
    with sequencers(database) as [one]:
        turn(one)
        monkeypatch.setattr(watch.Floor, "_WHOLE_EVERY_SECONDS", 3600.0)
        one._floor.first()  # the look at all is done for the next hour
        for n in range(30):
            with psycopg.connect(database.service_url) as late:
                ids = insert(late, 3)
                statements_of(database, 4 + n % 3)
                turn(one)
                assert waiting(database) == 0
            turn(one)
            assert waiting(database) == 0, "within the distance it is seen at once"
        with psycopg.connect(database.service_url) as late:
            ids = insert(late, 3)
            statements_of(database, 50)
            turn(one)
        turn(one)
        assert waiting(database) == 3, "beyond it a look that is not at all of them passes it by"
        one._floor._whole_again = 0.0
        turn(one)
    settled(database, ids)


def test_a_long_snapshot_lets_the_queue_stay_small(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "_TIDY_BYTES", 200_000)
    monkeypatch.setattr(sequencer, "_TIDY_SECONDS", 0.0)
    monkeypatch.setattr(sequencer, "_IDLE_SECONDS", 0.0)
    sizes = "SELECT pg_table_size('log_pending_a') + pg_table_size('log_pending_b')"
    with psycopg.connect(database.superuser_url) as long, sequencers(database) as [one]:
        long.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        long.execute("SELECT count(*) FROM audit_events")
        largest, written = 0, 0
        for number in range(8):
            database.query("SELECT setval('log_pending_id', %s)", TURN_ROWS * number + 1)
            statements_of(database, 80, count=40)
            written += 80 * 40 * 53
            turn(one)
            largest = max(largest, database.query(sizes)[0][0])
        assert written > 1_300_000
        assert largest < 700_000
        assert long.execute("SELECT count(*) FROM audit_events").fetchone() == (0,)
    assert settled(database).size == 8 * 80 * 40


def test_a_backup_under_way_makes_no_look_slow(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump locks every table and holds a snapshot: nothing is emptied, and dead rows stay."""
    monkeypatch.setattr(watch.Floor, "_BEHIND", 100)
    monkeypatch.setattr(sequencer, "_TIDY_BYTES", 0)
    monkeypatch.setattr(sequencer, "_TIDY_SECONDS", 0.0)
    monkeypatch.setattr(sequencer, "_IDLE_SECONDS", 0.0)
    tables = ("log_pending_a", "log_pending_b", "log_head", "log_bundles", "log_tiles", "log_places", "audit_events")
    explain = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
    looks = [
        sequencer.log_store._SQL["anything_pending"],
        sequencer.log_store._SQL["pending"].replace("%(rows)s", "4096").replace("%(entries)s", "16384"),
        watch._LOOK,
    ]

    def touched(first: int) -> list[int]:
        found = []
        with psycopg.connect(database.service_url, autocommit=True) as conn:
            for look in looks:
                for _ in range(2):  # the catalogs are known at the second
                    [(plan,)] = conn.execute(explain + look, {"first": first}).fetchall()
                top = plan[0]["Plan"]
                found.append(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
        return found

    with psycopg.connect(database.superuser_url) as dump, sequencers(database) as [one]:
        dump.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        dump.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS SHARE MODE")
        dump.execute("SELECT count(*) FROM audit_events")
        seen = []
        for _ in range(2):
            for _ in range(4):
                statements_of(database, 500)
                turn(one)
            assert waiting(database) == 0, "sequencing goes on"
            near = one._floor._near
            seen.append(touched(near))
        whole = touched(0)
    assert all(later < 60 for later in seen[1]), seen
    assert min(whole) > max(seen[1]), "this is what the distance spares"
    with sequencers(database) as [one]:
        turn(one)
        assert settled(database).size == 4000
