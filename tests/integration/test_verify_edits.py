"""Whatever a superuser changes in records or log is found, and named."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator

import psycopg
import pytest

from app.verify import bundles, leftovers
from app.verify.records import record_name
from tests.support import Database
from tests.verify_edits import EDITS, Edit, insert_past_the_log
from tests.verify_rows import CHANGES, TABLES, Conn, change, checked, columns, entry_at, keys, record_of


@pytest.fixture
def conn(log_of_all_kinds: Database) -> Iterator[Conn]:
    """A superuser whom no trigger sees."""
    with contextlib.closing(psycopg.connect(log_of_all_kinds.superuser_url)) as conn:
        conn.execute("SET LOCAL session_replication_role = replica")
        yield conn
        conn.rollback()


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_a_record_is_covered(conn: Conn, table: str) -> None:
    """Those that the database has: a new one is here by itself. Records take turns."""
    turns = itertools.cycle(keys(conn, table))
    for column, kind, nullable in columns(conn, table):
        tos = [CHANGES[kind].format(c=column)] * 2
        tos += ["NULL"] if nullable else []
        tos += ["'infinity'", "'-infinity'"] if kind == "timestamp with time zone" else []
        for to in tos:
            key = next(turns)
            record = record_of(conn, table, key)
            conn.execute("SAVEPOINT before")
            if not change(conn, table, key, column, to):
                assert to == "NULL"
                continue
            found = checked(conn).first
            assert found is not None, (table, column, to)
            assert found.record == record, (table, column, to, found)
            assert found.index is not None
            conn.execute("ROLLBACK TO before")
    assert checked(conn).first is None


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_each_kind_of_change_is_found(conn: Conn, edit: Callable[[Conn], Edit]) -> None:
    done = edit(conn)
    found = checked(conn).first
    assert found is not None
    if done.record is not None:
        assert found.record == done.record, found
    if done.index is not None:
        assert found.index == done.index, found


def test_where_no_place_is_left_no_record_is_said_to_have_no_entry(conn: Conn, monkeypatch: pytest.MonkeyPatch) -> None:
    conn.execute("DELETE FROM log_places")
    insert_past_the_log(conn)
    monkeypatch.setattr(bundles, "MOST_WITHOUT_PLACE", 5)
    monkeypatch.setattr(leftovers, "MOST_WITHOUT_PLACE", 5)
    report = checked(conn)
    assert report.faults == {"place": 781, "no entry": 1}
    assert report.first is not None
    assert (report.first.kind, report.first.index) == ("place", 0)


def random_column(conn: Conn, rng: random.Random) -> Edit:
    table = rng.choices([*TABLES], weights=[8, 3, 1])[0]
    ident = TABLES[table]
    key = rng.choice(conn.execute(f"SELECT {ident}::text FROM {table} ORDER BY 1").fetchall())[0]
    record = record_of(conn, table, key)
    column, kind, _ = rng.choice(columns(conn, table))
    assert change(conn, table, key, column, CHANGES[kind].format(c=column))
    return Edit(record)


def random_deletion(conn: Conn, rng: random.Random) -> Edit:
    table = rng.choice(["audit_events", "notification_audit"])
    key = rng.choice(conn.execute(f"SELECT {TABLES[table]}::text FROM {table} ORDER BY 1").fetchall())[0]
    record = record_of(conn, table, key)
    conn.execute(f"DELETE FROM {table} WHERE {TABLES[table]}::text = %s", (key,))
    return Edit(record)


def random_byte(conn: Conn, rng: random.Random) -> Edit:
    """Of what the log keeps: a bundle, a tile, a salt, or the root of a checkpoint."""
    table, column, key = rng.choice(
        [
            ("log_bundles", "entries", "bundle"),
            ("log_tiles", "hashes", "level, tile"),
            ("log_salts", "salt", "log_index"),
            ("log_checkpoints", "root", "size"),
        ]
    )
    rows = conn.execute(f"SELECT ctid::text, {column} FROM {table} ORDER BY {key}").fetchall()
    row, value = rng.choice(rows)
    value = bytearray(value)
    value[rng.randrange(len(value))] ^= rng.randrange(1, 256)
    conn.execute(f"UPDATE {table} SET {column} = %s WHERE ctid = %s::tid", (bytes(value), row))
    return Edit(None)


def random_place(conn: Conn, rng: random.Random) -> Edit:
    column = rng.choice(["id_hash", "log_index"])
    index = rng.randrange(781)
    conn.execute(
        f"UPDATE log_places SET {column} = {column} # (1::bigint << %s) WHERE log_index = %s",
        (rng.randrange(63), index),
    )
    return Edit(record_name(entry_at(conn, index)), index)


def random_character(conn: Conn, rng: random.Random) -> Edit:
    """Of what a checkpoint says, or of its signature."""
    size, note = rng.choice(conn.execute("SELECT size, note FROM log_checkpoints ORDER BY size").fetchall())
    text = note.index("\n\n")
    at = rng.choice([rng.randrange(text), rng.randrange(len(note) - 80, len(note) - 1)])
    other = rng.choice([c for c in "abcXYZ0189+/" if c != note[at]])
    conn.execute("UPDATE log_checkpoints SET note = %s WHERE size = %s", (note[:at] + other + note[at + 1 :], size))
    return Edit(None)


RANDOM = [random_column, random_deletion, random_byte, random_place, random_character]


@pytest.mark.parametrize(("seed", "count"), [(1, 100), pytest.param(None, 1000, marks=pytest.mark.nightly)])
def test_random_changes_are_found(conn: Conn, seed: int | None, count: int) -> None:
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    rng = random.Random(seed)
    for n in range(count):
        conn.execute("SAVEPOINT before")
        how = rng.choices(RANDOM, weights=[5, 1, 3, 1, 1])[0]
        edit = how(conn, rng)
        found = checked(conn).first
        assert found is not None, (seed, n, how)
        if edit.record is not None:
            assert found.record == edit.record, (seed, n, how, edit, found)
        conn.execute("ROLLBACK TO before")
    assert checked(conn).first is None
