"""Acts on the log, which have entries of their own in it.

An act is stored by the owner of the tables: the service's role has no right to. A trigger puts it into the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson
import uuid_utils.compat
from datastorage_common import jsonvalue, records
from datastorage_common.counts import counted
from datastorage_common.times import rfc3339

from app.postgres.sessions import Connection, writing
from app.postgres.statements import statements

INTAKE_FINISHED = "intake_finished"
HOLD_SET, HOLD_RELEASED = "hold_set", "hold_released"
_SQL = statements("log")


class ActRefusedError(Exception):
    """The act may not be done now; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class Act:
    """An act, as it is stored."""

    act_id: UUID
    kind: str
    acted_at: datetime
    acted_by: str  # a role of the database
    details: Mapping[str, Any]

    def digest(self) -> bytes:
        """SHA-256 of the canonical form of everything that is told of it."""
        members = {
            "act_id": str(self.act_id),
            "kind": self.kind,
            "acted_at": rfc3339(self.acted_at),
            "acted_by": self.acted_by,
            "details": dict(self.details),
        }
        return records.act_digest(jsonvalue.canonical(members))


def finish_intake(conn: Connection, record: Callable[[Connection, Act], None] | None) -> tuple[Act, bool]:
    """Close the log for records from before it; the act, and whether it is of now rather than of before.

    ``record`` is called in the same transaction. Raises ActRefusedError while records are left, psycopg.Error;
    InsufficientPrivilege where the role does not own the tables.
    """
    with writing(conn):
        all_taken, taken, finished_by = _row(conn, "lock_intake")
        if finished_by is not None:
            return stored_act(_row(conn, "act", (finished_by,))), False
        if not all_taken:
            raise ActRefusedError("old records are still being taken in: wait for `datastorage log intake` to end")
        (lost,) = _row(conn, "without_place")
        if lost > 0:
            raise ActRefusedError(
                f"{counted(lost, 'record')} without a salt came after the others were taken in, and past the log: "
                "rows with salt NULL in audit_events or notification_audit; who stored them?"
            )
        acted_at, role = now_and_who(conn)
        act = Act(uuid_utils.compat.uuid7(), INTAKE_FINISHED, acted_at, role, {"taken": taken})
        put_act(conn, act)
        conn.execute(_SQL["finish_intake"], (act.act_id,))
        if record is not None:
            record(conn, act)
        return act, True


def now_and_who(conn: Connection) -> tuple[datetime, str]:
    """The server's clock and the role, for an act that is about to be stored."""
    acted_at, role = _row(conn, "now_and_who")
    return acted_at, role


def commitment_to(texts: Mapping[str, Any], salt: bytes) -> bytes:
    """What an act holds in the place of texts that may be erased one day: SHA-256 of the salt and their JSON."""
    return sha256(salt + jsonvalue.canonical(dict(texts))).digest()


def stored_act(row: tuple[Any, ...]) -> Act:
    """An act out of its row, `details` as text."""
    act_id, kind, acted_at, acted_by, details = row
    return Act(act_id, kind, acted_at, acted_by, orjson.loads(details))


def put_act(conn: Connection, act: Act) -> None:
    """Store an act; a trigger leaves its pending row. Raises psycopg.Error."""
    details = orjson.dumps(act.details).decode()
    conn.execute(_SQL["put_act"], (act.act_id, act.kind, act.acted_at, act.acted_by, details, act.digest()))


def _row(conn: Connection, statement: str, parameters: tuple[object, ...] = ()) -> tuple[Any, ...]:
    row = conn.execute(_SQL[statement], parameters or None).fetchone()
    assert row is not None  # noqa: S101 - 0005_log.sql puts a row into log_intake, and each act is kept
    return row
