"""Changes that a superuser can make to records and to the log, each of which tells what it has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from datastorage_common.merkle import leaf_hash
from datastorage_common.notes import make_key

from app.transparency.entries import as_json
from app.verify.records import record_name
from tests.verify_rows import Conn, Record, columns, entry_at, index_of, one, put_entries, put_hash
from tests.verify_support import (
    WITNESSES,
    make_events,
    store_events,
)


class Edit(NamedTuple):
    """What was changed: of which record, or from which place on."""

    record: Record | None
    index: int | None = None


def delete_event(conn: Conn) -> Edit:
    ident = one(conn, "DELETE FROM audit_events WHERE correlation_id = 'c-9' RETURNING event_id::text")
    return Edit(("audit_event", ident))


def delete_newest(conn: Conn) -> Edit:
    """With all that the log has of it."""
    record = record_name(entry_at(conn, 780))
    conn.execute("DELETE FROM notification_audit WHERE id::text = %s", (record[1],))
    return Edit(record, 780)


def delete_act(conn: Conn) -> Edit:
    return Edit(("intake_finished", one(conn, "DELETE FROM log_acts RETURNING act_id::text")))


def insert_past_the_log(conn: Conn) -> Edit:
    store_events(conn, [event := make_events(1, start=9000)[0]])
    return Edit(("audit_event", str(event.event_id)))


def insert_without_salt(conn: Conn) -> Edit:
    edit = insert_past_the_log(conn)
    conn.execute("UPDATE audit_events SET salt = NULL WHERE correlation_id = 'c-9000'")
    return edit


def insert_with_a_place(conn: Conn) -> Edit:
    """A place of another's entry."""
    edit = insert_past_the_log(conn)
    assert edit.record is not None
    key = hashlib.sha256(b"e" + UUID(edit.record[1]).bytes).digest()[:8]
    conn.execute("INSERT INTO log_places VALUES (%s, 5)", (int.from_bytes(key, "big", signed=True),))
    return edit


def same_id_on_another_day(conn: Conn) -> Edit:
    ident = one(conn, "SELECT event_id::text FROM audit_events WHERE correlation_id = 'c-11'")
    names = ", ".join(name for name, _, _ in columns(conn, "audit_events") if name != "event_date")
    conn.execute(
        f"INSERT INTO audit_events (event_date, {names}) SELECT event_date + CASE extract(day FROM event_date) "
        f"WHEN 1 THEN 1 ELSE -1 END, {names} FROM audit_events WHERE correlation_id = 'c-11'"
    )
    return Edit(("audit_event", ident))


def detach_the_month(conn: Conn) -> Edit:
    name = one(conn, "SELECT tableoid::regclass::text FROM audit_events WHERE correlation_id = 'c-1'")
    conn.execute(f"ALTER TABLE audit_events DETACH PARTITION {name}")
    return Edit(None)


def swap_contents(conn: Conn) -> Edit:
    """Everything of two rows but their ids, salts and digests among it."""
    names = [name for name, _, _ in columns(conn, "audit_events") if name not in ("event_id", "event_date")]
    other = ", ".join(f"b.{name}" for name in names)
    two = [one(conn, "SELECT event_id::text FROM audit_events WHERE correlation_id = %s", c) for c in ("c-20", "c-21")]
    conn.execute(
        f"UPDATE audit_events a SET ({', '.join(names)}) = (SELECT {other} FROM audit_events b "
        "WHERE b.correlation_id IN ('c-20', 'c-21') AND b.event_id <> a.event_id) "
        "WHERE a.correlation_id IN ('c-20', 'c-21')"
    )
    first = min(two, key=lambda ident: index_of(conn, ("audit_event", ident)))
    return Edit(("audit_event", first))


def swap_entries(conn: Conn) -> Edit:
    put_entries(conn, {400: entry_at(conn, 401), 401: entry_at(conn, 400)})
    return Edit(record_name(entry_at(conn, 400)), 400)


def swap_entries_and_hashes(conn: Conn) -> Edit:
    """In the bundle, the tile and the places: all but what stands above."""
    edit = swap_entries(conn)
    for index in (400, 401):
        put_hash(conn, index, leaf_hash(as_json(entry_at(conn, index))))
    conn.execute("UPDATE log_places SET log_index = 801 - log_index WHERE log_index IN (400, 401)")
    assert edit.index == 400
    return Edit(None, 0)  # of the tile above, where it shows


def change_commitment(conn: Conn) -> Edit:
    entry = entry_at(conn, 500)
    put_entries(conn, {500: entry[:-1] + bytes((entry[-1] ^ 1,))})
    return Edit(record_name(entry), 500)


def change_kind_of_entry(conn: Conn) -> Edit:
    conn.execute("UPDATE log_bundles SET entries = set_byte(entries, 0, 77) WHERE bundle = 1")
    return Edit(None, 256)


def cut_bundle(conn: Conn) -> Edit:
    conn.execute("UPDATE log_bundles SET entries = substring(entries FOR octet_length(entries) - 10) WHERE bundle = 0")
    return Edit(None, 255)


def delete_bundle(conn: Conn) -> Edit:
    conn.execute("DELETE FROM log_bundles WHERE bundle = 1")
    return Edit(None, 256)


def delete_last_bundle(conn: Conn) -> Edit:
    conn.execute("DELETE FROM log_bundles WHERE bundle = 3")
    return Edit(None, 768)


def change_bundle_width(conn: Conn) -> Edit:
    conn.execute("UPDATE log_bundles SET width = 255 WHERE bundle = 1")
    return Edit(None, 511)


def change_leaf(conn: Conn) -> Edit:
    put_hash(conn, 300, hashlib.sha256().digest())
    return Edit(record_name(entry_at(conn, 300)), 300)


def change_level_1(conn: Conn) -> Edit:
    put_hash(conn, 1, hashlib.sha256().digest(), level=1)
    return Edit(None, 0)


def delete_tile(conn: Conn) -> Edit:
    conn.execute("DELETE FROM log_tiles WHERE level = 0 AND tile = 2")
    return Edit(None, 512)


def add_tile(conn: Conn) -> Edit:
    conn.execute("INSERT INTO log_tiles SELECT 2, 0, 1, substring(hashes FOR 32) FROM log_tiles LIMIT 1")
    return Edit(None)


def change_place(conn: Conn) -> Edit:
    conn.execute("UPDATE log_places SET id_hash = id_hash + 1 WHERE log_index = 123")
    return Edit(record_name(entry_at(conn, 123)), 123)


def move_place(conn: Conn) -> Edit:
    conn.execute("UPDATE log_places SET log_index = 124 WHERE log_index = 123")
    return Edit(record_name(entry_at(conn, 123)), 123)


def add_place(conn: Conn) -> Edit:
    conn.execute("INSERT INTO log_places VALUES (1, 123)")
    return Edit(None)


def change_old_salt(conn: Conn) -> Edit:
    conn.execute("UPDATE log_salts SET salt = set_byte(salt, 3, 255 - get_byte(salt, 3)) WHERE log_index = 17")
    return Edit(record_name(entry_at(conn, 17)), 17)


def delete_old_salt(conn: Conn) -> Edit:
    conn.execute("DELETE FROM log_salts WHERE log_index = 17")
    return Edit(record_name(entry_at(conn, 17)), 17)


def add_salt(conn: Conn) -> Edit:
    conn.execute("INSERT INTO log_salts VALUES (600, sha256('x'))")
    return Edit(None, 600)


def larger_head(conn: Conn) -> Edit:
    conn.execute("UPDATE log_head SET size = size + 1")
    return Edit(None)


def smaller_head(conn: Conn) -> Edit:
    conn.execute("UPDATE log_head SET size = size - 1")
    return Edit(None)


def change_root(conn: Conn) -> Edit:
    conn.execute("UPDATE log_checkpoints SET root = sha256(root) WHERE size = 300")
    return Edit(None)


def change_signature(conn: Conn) -> Edit:
    conn.execute(
        "UPDATE log_checkpoints SET note = overlay(note PLACING 'AAAA' FROM length(note) - 40) WHERE size = 256"
    )
    return Edit(None)


def other_signer(conn: Conn) -> Edit:
    """A whole other checkpoint, right but for who has signed it."""
    text, _, _ = one(conn, "SELECT note FROM log_checkpoints WHERE size = 781").partition("\n\n")
    other = make_key("other.example.org", bytes(32))
    note = f"{text}\n\n{other.sign(text + chr(10)).line()}"
    conn.execute("UPDATE log_checkpoints SET note = %s WHERE size = 781", (note,))
    return Edit(None)


def note_of_another_tree(conn: Conn) -> Edit:
    conn.execute(
        "UPDATE log_checkpoints SET note = (SELECT note FROM log_checkpoints WHERE size = 256) WHERE size = 300"
    )
    return Edit(None)


def no_checkpoints(conn: Conn) -> Edit:
    conn.execute("DELETE FROM log_checkpoints")
    return Edit(None)


def larger_checkpoint(conn: Conn) -> Edit:
    conn.execute("UPDATE log_checkpoints SET size = 9999 WHERE size = 300")
    return Edit(None)


def change_cosignature(conn: Conn) -> Edit:
    conn.execute("UPDATE log_cosignatures SET line = overlay(line PLACING 'AAAA' FROM length(line) - 40)")
    return Edit(None)


def delete_cosignature(conn: Conn) -> Edit:
    conn.execute("DELETE FROM log_cosignatures WHERE witness = %s", (str(WITNESSES[0].verifier),))
    return Edit(None)


def unfinish(conn: Conn) -> Edit:
    conn.execute("UPDATE log_intake SET finished_by = NULL")
    return Edit(None)


def _intake_from_the_beginning(conn: Conn) -> None:
    """As if no old record had been taken in; what keeps that from being said is taken away."""
    checks = "SELECT conname FROM pg_constraint WHERE conrelid = 'log_intake'::regclass AND contype = 'c'"
    for (name,) in conn.execute(checks).fetchall():
        conn.execute(f"ALTER TABLE log_intake DROP CONSTRAINT {name}")
    conn.execute("UPDATE log_intake SET events_done = false, recorded_at = '1970-01-01'")


def insert_an_old_record(conn: Conn) -> Edit:
    """One that is said to wait for being taken in, behind the end of the intake."""
    edit = insert_without_salt(conn)
    _intake_from_the_beginning(conn)
    conn.execute("UPDATE log_intake SET recorded_at = (SELECT max(recorded_at) FROM audit_events WHERE salt IS NULL)")
    conn.execute("UPDATE audit_events SET recorded_at = now() + interval '1 s' WHERE correlation_id = 'c-9000'")
    return edit


def insert_as_many_as_wait(conn: Conn) -> Edit:
    """So many records past the log as are said to wait for being taken in, and have been."""
    _intake_from_the_beginning(conn)
    store_events(conn, make_events(one(conn, "SELECT count(*) FROM audit_events WHERE salt IS NULL"), start=9000))
    return Edit(None)


def view_of_the_notifications(conn: Conn) -> Edit:
    """Shows what was there, whatever is stored."""
    conn.execute("CREATE TABLE shown AS SELECT * FROM notification_audit")
    conn.execute("ALTER TABLE notification_audit RENAME TO hidden")
    conn.execute("CREATE VIEW notification_audit AS SELECT * FROM shown")
    return Edit(None)


def rule_on_the_acts(conn: Conn) -> Edit:
    conn.execute("CREATE RULE nobody AS ON INSERT TO log_acts DO ALSO NOTHING")
    return Edit(None)


def policy_for_the_rows_of_a_month(conn: Conn) -> Edit:
    month = one(conn, "SELECT tableoid::regclass::text FROM audit_events WHERE correlation_id = 'c-1'")
    conn.execute(f"ALTER TABLE {month} ENABLE ROW LEVEL SECURITY")
    return Edit(None)


def table_below_the_places(conn: Conn) -> Edit:
    conn.execute("CREATE TABLE below () INHERITS (log_places)")
    return Edit(None)


def nothing_in_place_of_a_digest(conn: Conn) -> Edit:
    conn.execute("ALTER TABLE notification_audit ALTER digest DROP NOT NULL")
    first = "id = (SELECT min(id) FROM notification_audit)"
    ident = one(conn, f"UPDATE notification_audit SET digest = NULL WHERE {first} RETURNING id::text")
    return Edit(("notification", ident))


def nothing_in_place_of_a_note(conn: Conn) -> Edit:
    for column in ("note", "root"):
        conn.execute(f"ALTER TABLE log_checkpoints ALTER {column} DROP NOT NULL")
    conn.execute("UPDATE log_checkpoints SET note = NULL, root = NULL")
    return Edit(None)


def nothing_in_place_of_entries_and_hashes(conn: Conn) -> Edit:
    for table, column in (("log_bundles", "entries"), ("log_tiles", "hashes"), ("log_cosignatures", "line")):
        conn.execute(f"ALTER TABLE {table} ALTER {column} DROP NOT NULL")
        conn.execute(f"UPDATE {table} SET {column} = NULL")
    return Edit(None)


def more_taken(conn: Conn) -> Edit:
    conn.execute("UPDATE log_intake SET taken = taken + 1")
    return Edit(None)


EDITS: list[Callable[[Conn], Edit]] = [
    delete_event, delete_newest, delete_act, insert_past_the_log, insert_without_salt, insert_with_a_place,
    same_id_on_another_day, detach_the_month, swap_contents, swap_entries, swap_entries_and_hashes, change_commitment,
    change_kind_of_entry, cut_bundle, delete_bundle, delete_last_bundle, change_bundle_width, change_leaf,
    change_level_1, delete_tile, add_tile, change_place, move_place, add_place, change_old_salt, delete_old_salt,
    add_salt, larger_head, smaller_head, change_root, change_signature, other_signer, note_of_another_tree,
    no_checkpoints, larger_checkpoint, change_cosignature, delete_cosignature, unfinish, more_taken,
    insert_an_old_record, insert_as_many_as_wait, view_of_the_notifications, rule_on_the_acts,
    policy_for_the_rows_of_a_month, table_below_the_places, nothing_in_place_of_a_digest, nothing_in_place_of_a_note,
    nothing_in_place_of_entries_and_hashes,
]  # fmt: skip
