"""Proofs that an event or a notification is in the log, for whoever may read it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from app.audit import readable
from app.auth.read_limits import ReadLimits
from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.transparency.log_reads import Included, Keys, event_indexes, included, notification_index

_SQL = statements("log_reads")


@dataclass(frozen=True, slots=True)
class RecordProof:
    """The entry of a record in the log, and the salt with which its commitment can be made again."""

    included: Included
    salt: bytes | None  # None: it is kept no more
    is_sensitive: bool = False


def event_proof(
    conn: Connection, event_id: UUID, day: date | None, reads: ReadLimits, keys: Keys
) -> RecordProof | None:
    """That of an event, the newest that may be read if its id was used on several days and no day is named.

    None where there is none. Raises NoCheckpointError, NotYetInLogError.
    """
    source = readable.events(reads)
    where = readable.one_event(event_id, day)
    statement = _SQL["event"].format(readable=source.text, conditions=where.text)
    row = conn.execute(statement, [*source.parameters, *where.parameters]).fetchone()
    if row is None:
        return None
    found, salt, is_sensitive = row
    index = event_indexes(conn, [(event_id, found)]).get((event_id, found))
    proof = included(conn, index, keys)
    return RecordProof(proof, _salt(conn, salt, proof.index), is_sensitive)


def notification_proof(conn: Connection, number: int, reads: ReadLimits, keys: Keys) -> RecordProof | None:
    """That of a notification, by its row number; as `event_proof` else."""
    source = readable.notifications(reads)
    statement = _SQL["notification"].format(readable=source.text)
    row = conn.execute(statement, [*source.parameters, number]).fetchone()
    if row is None:
        return None
    proof = included(conn, notification_index(conn, number), keys)
    return RecordProof(proof, _salt(conn, row[0], proof.index))


def _salt(conn: Connection, of_row: bytes | None, index: int) -> bytes | None:
    """The salt of a record: that of its row, or of its place where it is from before the log."""
    if of_row is not None:
        return bytes(of_row)
    row = conn.execute(_SQL["old_salt"], (index,)).fetchone()
    return None if row is None else bytes(row[0])
