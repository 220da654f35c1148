"""How the log stands, for the command line: its size, what waits, who gives places, how far old records are in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.postgres.sessions import Connection, reading
from app.postgres.statements import statements
from app.transparency.log_store import root

_SQL = statements("log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """How far records from before there was a log are in it."""

    taken: int
    left: int | None  # None: not counted before their index is there
    more_left: bool  # whether there are more than were counted
    indexed: bool
    done: bool
    finished_by: UUID | None  # the act that closed the log for them
    finished_at: datetime | None
    finished_as: str | None  # the role of the database


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The log, as one look found it."""

    size: int
    root: bytes
    pending: int
    lag_seconds: float
    epoch: int
    holder: UUID | None
    intake: Intake


def standing(conn: Connection, *, most: int | None = None) -> Standing:
    """Look at the log; of old records that are left, no more than ``most`` of each kind are counted.

    Raises psycopg.Error, UndefinedTable where there is no log yet; LogBrokenError where its tiles do not fit its size.
    """
    with reading(conn):
        looked = conn.execute(_SQL["look"], {"first": 0}).fetchone()
        row = conn.execute(_SQL["standing"]).fetchone()
    assert looked is not None and row is not None  # noqa: PT018, S101 - 0005_log.sql puts a row into each
    size, (pending, lag) = looked[0], looked[-2:]
    with reading(conn):
        of_all = root(conn, size)
    epoch, holder, taken, events_done, notifications_done, indexed, act, acted_at, acted_by = row
    done = events_done and notifications_done
    left = None
    if done or indexed:
        left = 0 if done else _left(conn, most)
    intake = Intake(
        taken=taken,
        left=left,
        more_left=most is not None and left is not None and left >= most,
        indexed=indexed,
        done=done,
        finished_by=act,
        finished_at=acted_at,
        finished_as=acted_by,
    )
    return Standing(size=size, root=of_all, pending=pending, lag_seconds=lag, epoch=epoch, holder=holder, intake=intake)


def _left(conn: Connection, most: int | None) -> int:
    with reading(conn):
        row = conn.execute(_SQL["old_left"], {"most": most}).fetchone()
    return int(row[0]) if row is not None else 0
