"""The log of a database held against its records: what is well, and what only several records show."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from pathlib import Path

import psycopg
import pytest
from datastorage_common.notes import make_key, parse_note

from app.transparency.edge import WIDTH
from app.transparency.memories import FileMemory
from app.transparency.origins import start_origin
from app.verify.checkpoints import OutsideError
from tests.log_support import sequencers, turn
from tests.support import Database, wait_until
from tests.verify_rows import checked, entry_at, index_of, one, put_hash
from tests.verify_support import (
    KEY,
    ORIGIN,
    POLICY,
    WITNESSES,
    check,
    cosign,
    fill,
    make_events,
    make_notifications,
    pinned,
    place_all,
    sign,
    store_events,
    store_notifications,
    store_old,
    without_triggers,
)

# --- all is well ----------------------------------------------------------------------------------------------


def test_an_untouched_database_is_well(log_of_all_kinds: Database) -> None:
    since = parse_note(log_of_all_kinds.query("SELECT note FROM log_checkpoints WHERE size = 300")[0][0].encode())
    seen: list[int] = []
    report = check(log_of_all_kinds, policy=POLICY, since=since, progress=lambda done, size: seen.append(done))
    assert (report.first, report.well) == (None, True)
    assert report.entries == {"audit_event": 740, "notification": 40, "intake_finished": 1}
    assert (report.size, report.signed_size, report.witnessed_size, report.since_size) == (781, 781, 781, 300)
    assert (report.old, report.checkpoints, report.unsigned, report.pending) == (50, 4, 0, 0)
    assert seen[-1] == 781


def test_an_empty_log_is_well(database: Database) -> None:
    report = check(database)
    assert (report.first, report.size, report.root) == (None, 0, hashlib.sha256().digest())


def test_pending_and_old_records_without_a_place_are_well(database: Database) -> None:
    store_old(database, 20, 10)
    with psycopg.connect(database.service_url) as conn:
        store_events(conn, make_events(50))
        store_notifications(conn, make_notifications(3))
    report = check(database)
    assert (report.first, report.pending, report.old_waiting, report.size) == (None, 53, 30, 0)
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        ident = one(
            conn, "UPDATE audit_events SET actor_id = 'x' WHERE correlation_id = 'c-7' RETURNING event_id::text"
        )
    wrong = check(database).first
    assert wrong is not None
    assert (wrong.kind, wrong.record, wrong.index) == ("content", ("audit_event", ident), None)


def test_a_database_that_is_written_to_is_well(database: Database) -> None:
    fill(database, 300, notifications=5)
    stop = threading.Event()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with (
                sequencers(database, buffer={"size": 10}) as [one],
                psycopg.connect(database.service_url, autocommit=True) as conn,
            ):
                start = 1000
                while not stop.is_set():
                    store_events(conn, make_events(20, start=start))
                    start += 20
                    turn(one)
        except BaseException as e:  # noqa: BLE001 - told by the test
            failures.append(e)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        sizes: list[int] = []
        wait_until(lambda: bool(failures) or _grew(database, sizes), what="the log has grown while it was checked")
    finally:
        stop.set()
        writer.join()
    assert failures == []
    place_all(database)
    assert check(database).first is None


def _grew(database: Database, sizes: list[int]) -> bool:
    report = check(database)
    assert report.first is None, report.first
    assert report.unsigned == report.size - 356
    sizes.append(report.size)
    return len(set(sizes)) > 4


def test_no_old_record_may_come_behind_the_end_of_the_intake(database: Database) -> None:
    fill(database, 10, notifications=0)
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        store_events(conn, made := make_events(1, start=5000))
        conn.execute("UPDATE audit_events SET salt = NULL WHERE correlation_id = 'c-5000'")
        conn.execute("UPDATE log_intake SET finished_by = NULL, events_done = false")
    place_all(database)
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        conn.execute("UPDATE log_intake SET finished_by = (SELECT act_id FROM log_acts)")
    found = check(database).first
    assert found is not None
    assert (found.kind, found.record) == ("intake", ("audit_event", str(made[0].event_id)))


def test_an_entry_twice(database: Database) -> None:
    """By a pending row that was put there once more."""
    fill(database, 300, old=0)
    ident = database.query("SELECT event_id::text FROM audit_events WHERE correlation_id = 'c-5'")[0][0]
    with psycopg.connect(database.superuser_url) as conn:
        index = index_of(conn, ("audit_event", ident))
        conn.execute("SELECT log_queue(%s, 1)", (entry_at(conn, index),))
    found = check(database).first
    assert found is not None
    assert (found.kind, found.record, found.index) == ("two entries", ("audit_event", ident), None)
    place_all(database)
    found = check(database).first
    assert found is not None
    assert (found.kind, found.record, found.index) == ("two entries", ("audit_event", ident), 330)


def test_one_id_on_two_days_is_two_records(database: Database) -> None:
    fill(database, 20, old=0)
    names = "event_version, event_type, event_timestamp, event_category, event_action, event_outcome, correlation_id"
    rest = "event_data, actor_type, actor_id, resource_type, resource_id, severity, trace_id, trace_id_from_context"
    more = f"{names}, {rest}, parent_event_id, recorded_by, request_id, is_sensitive, retention_days, digest"
    database.query(
        f"INSERT INTO audit_events (event_id, event_date, {more}) SELECT event_id, event_date + CASE WHEN "
        f"extract(day FROM event_date) = 1 THEN 1 ELSE -1 END, {more} FROM audit_events WHERE correlation_id = 'c-1'"
    )
    place_all(database)
    assert check(database).first is None


def test_rotated_keys_and_another_origin(database: Database) -> None:
    fill(database, 300, old=0, sizes=())
    second = make_key(ORIGIN, b"2" * 32)
    other = make_key("new.example.org", b"3" * 32)
    with psycopg.connect(database.service_url) as conn:
        store_events(conn, make_events(5, start=7000))
    place_all(database)
    sign(database, second)
    for known, signed in (([KEY.verifier, second.verifier], 335), ([second.verifier], 335)):
        report = check(database, keys=known)
        assert (report.first, report.signed_size) == (None, signed)
    found = check(database).first
    assert found is not None
    assert found.kind == "signature"
    with psycopg.connect(database.service_url) as conn:
        store_events(conn, make_events(5, start=7100))
    place_all(database)
    sign(database, other, origin=other.name)
    report = check(database, keys=[other.verifier])
    assert (report.first, report.signed_size, report.unknown_signers) == (None, 340, 2)


def test_the_act_of_a_new_origin(database: Database, tmp_path: Path) -> None:
    fill(database, 300, sizes=(5,))
    other = make_key("new.example.org", b"3" * 32)
    with pinned(database, database.owner_url) as conn:
        act = start_origin(conn, [FileMemory(str(tmp_path / "signed"))], other.name, "the key was seen", None).act
    sign(database, other, origin=other.name)
    report = check(database, keys=[other.verifier])
    assert (report.first, report.signed_size, report.entries["new_origin"]) == (None, 382, 1)
    with psycopg.connect(database.superuser_url) as conn, without_triggers(conn):
        conn.execute("UPDATE log_acts SET details = details || '{\"reason\": \"another\"}' WHERE kind = 'new_origin'")
    found = check(database, keys=[other.verifier]).first
    assert found is not None
    assert (found.kind, found.record, found.index) == ("content", ("new_origin", str(act.act_id)), 381)


def test_an_older_checkpoint_of_another_tree(log_of_all_kinds: Database, database: Database) -> None:
    fill(database, 320, sizes=(310,))
    since = parse_note(database.query("SELECT note FROM log_checkpoints WHERE size = 310")[0][0].encode())
    found = check(log_of_all_kinds, since=since).first
    assert found is not None
    assert (found.kind, "it was rewritten" in found.text) == ("since", True)
    larger = parse_note(log_of_all_kinds.query("SELECT note FROM log_checkpoints WHERE size = 781")[0][0].encode())
    found = check(database, since=larger).first
    assert found is not None
    assert found.kind == "since"
    with pytest.raises(OutsideError, match="none of the keys has signed it"):
        check(log_of_all_kinds, keys=[make_key(ORIGIN, b"4" * 32).verifier], since=since)


def test_a_policy_that_is_content_with_an_earlier_checkpoint(database: Database) -> None:
    fill(database, 100, old=0)
    with psycopg.connect(database.service_url) as conn:
        store_events(conn, make_events(5, start=7000))
    place_all(database)
    cosign(database, sign(database), WITNESSES[0])
    report = check(database, policy=POLICY)
    assert (report.first, report.witnessed_size, report.signed_size) == (None, 130, 135)


@pytest.mark.nightly
def test_upper_tiles(database: Database) -> None:
    """66,000 entries: tiles of three levels."""
    fill(database, 66_000, old=0, notifications=0, sizes=(65_536,))
    assert check(database).first is None
    for level, index in ((0, 65_600), (1, 255), (1, 256), (2, 0)):
        with contextlib.closing(psycopg.connect(database.superuser_url)) as conn:
            conn.execute("SET LOCAL session_replication_role = replica")
            put_hash(conn, index, hashlib.sha256().digest(), level=level)
            found = checked(conn).first
        assert found is not None
        assert found.index == (65_600 if level == 0 else index // WIDTH * WIDTH ** (level + 1))
