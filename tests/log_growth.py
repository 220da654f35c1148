"""A log that grows fast: entries that belong to no record, put behind the others by the log's own functions."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

import psycopg
from datastorage_common.checkpoints import Checkpoint
from datastorage_common.merkle import leaf_hash
from datastorage_common.notes import Note, SigningKey

from app.clock import Clock
from app.postgres.sessions import Connection, Limits, connect, writing
from app.postgres.watchdog import Watchdog
from app.transparency import checkpoint_store, cosignatures, log_store
from app.transparency.edge import grow
from app.transparency.entries import as_json
from app.transparency.tree import root_at
from tests.conftest import settings_for
from tests.support import Database

_DAY = (9500).to_bytes(4, "big")


def kept_entry(number: int) -> bytes:
    """An entry in its kept form: each tenth is of a notification, which is shorter."""
    commitment = sha256(b"%d" % number).digest()
    if number % 10 == 3:
        return b"\x03" + (10**12 + number).to_bytes(8, "big") + _DAY + commitment
    return b"\x01" + UUID(int=number << 64 | 1).bytes + _DAY + commitment


def connection(database: Database) -> Connection:
    """A connection of the service's role, as the sequencer has one."""
    settings = settings_for(database).database
    return connect(settings, "growth", Limits(60.0, 60.0), Watchdog(Clock()))


def append(database: Database, count: int) -> None:
    """Let the log grow by so many entries."""
    with connection(database) as conn, writing(conn):
        head = log_store.head(conn)
        entries = [kept_entry(number) for number in range(head.size, head.size + count)]
        growth = grow(log_store.edge(conn, head.size), entries, [leaf_hash(as_json(entry)) for entry in entries])
        log_store.write(conn, growth, entries)
        conn.execute("UPDATE log_head SET size = %s", (growth.edge.size,))


def sign(database: Database, key: SigningKey) -> Checkpoint:
    """Store a checkpoint of the log as it is, under the key's name."""
    with connection(database) as conn, writing(conn):
        size = log_store.head(conn).size
        point = Checkpoint(key.name, size, root_at(conn, size))
        note = Note(point.text(), (key.sign(point.text()),)).encode().decode()
        conn.execute("UPDATE log_head SET origin = %s WHERE origin IS NULL", (key.name,))
        checkpoint_store.put(conn, key.name, size, point.root, 0, note)
    return point


def cosign(database: Database, witness: SigningKey, point: Checkpoint) -> None:
    """Store a witness's cosignature of a checkpoint."""
    line = witness.cosign(point.text(), 1767607200).line()
    with connection(database) as conn, writing(conn):
        cosignatures.put(conn, point.origin, point.size, witness.verifier, line)


def new_name(database: Database, name: str) -> None:
    """Give the log another name, as its owner does."""
    with psycopg.connect(database.superuser_url) as conn:
        conn.execute("UPDATE log_head SET origin = %s", (name,))
