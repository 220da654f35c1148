"""How the log stands, for the command line: its size, what waits, who gives places, what is signed and remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from datastorage_common.notes import VerifierKey

from app.postgres.sessions import Connection, reading
from app.postgres.statements import statements
from app.transparency.checkpoint_store import last_signed
from app.transparency.log_store import root
from app.transparency.signer import NO_KEY

_SQL = statements("log")
_SIGNED = statements("checkpoints")


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
class Cosigned:
    """The newest checkpoint that a witness has cosigned."""

    witness: str  # its verifier key
    size: int
    received_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """A name that the log had, as the act says that gave it the next."""

    origin: str | None  # None: it was signed in another database only
    size: str  # of the log then
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What is signed of the log, and whether that goes on."""

    origin: str | None  # None: nothing was signed yet
    size: int | None  # of the newest checkpoint; where keys of the log are known, of those that they have signed
    signed_at: datetime | None
    unsigned: str | None  # why nothing is signed for now
    inconsistent: str | None  # what the log contradicts: no place is given any more
    cosigned: list[Cosigned]
    earlier: list[Earlier]  # the oldest first

    @property
    def signing(self) -> str:
        """As in /health: on, off or stopped."""
        if (self.inconsistent or self.unsigned) is not None:
            never = self.origin is None and self.inconsistent is None and self.unsigned == NO_KEY
            return "off" if never else "stopped"
        return "on"


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
    signed: Signed


def standing(conn: Connection, *, most: int | None = None, keys: Sequence[VerifierKey] = ()) -> Standing:
    """Look at the log; of old records that are left, no more than ``most`` of each kind are counted.

    ``keys``: those that are known here; of a log with another name they say nothing.
    Raises psycopg.Error, UndefinedTable where there is no log yet; LogBrokenError where its tiles do not fit its size.
    """
    with reading(conn):
        looked = conn.execute(_SQL["look"], {"first": 0}).fetchone()
        row = conn.execute(_SQL["standing"]).fetchone()
    assert looked is not None and row is not None  # noqa: PT018, S101 - 0005_log.sql puts a row into each
    size, (pending, lag) = looked[0], looked[-2:]
    with reading(conn):
        of_all = root(conn, size)
        signed = _signed(conn, keys)
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
    return Standing(
        size=size,
        root=of_all,
        pending=pending,
        lag_seconds=lag,
        epoch=epoch,
        holder=holder,
        intake=intake,
        signed=signed,
    )


def _signed(conn: Connection, keys: Sequence[VerifierKey]) -> Signed:
    row = conn.execute(_SIGNED["signed"]).fetchone()
    assert row is not None  # noqa: S101 - 0005_log.sql puts a row into log_head
    cosigned = [
        Cosigned(witness=witness, size=size, received_at=at)
        for witness, size, at in conn.execute(_SIGNED["cosigned_by"], (row[0],))
    ]
    origin, size, signed_at, unsigned, inconsistent = row
    if size is not None and any(key.name == origin for key in keys):
        # The service's role may put rows there that nobody has signed.
        _, tree = last_signed(conn, origin, keys)
        found = conn.execute(_SIGNED["signed_at"], (origin, tree.size)).fetchone() if tree is not None else None
        size, signed_at = (tree.size, found[0]) if tree is not None and found is not None else (None, None)
    return Signed(
        origin=origin,
        size=size,
        signed_at=signed_at,
        unsigned=unsigned,
        inconsistent=inconsistent,
        cosigned=cosigned,
        earlier=earlier_origins(conn),
    )


def earlier_origins(conn: Connection) -> list[Earlier]:
    """The names that the log had before, the oldest first, in the caller's transaction. Raises psycopg.Error."""
    rows = conn.execute(_SIGNED["earlier"]).fetchall()
    return [Earlier(origin=origin, size=size, until=until, reason=reason) for origin, size, until, reason in rows]


def _left(conn: Connection, most: int | None) -> int:
    with reading(conn):
        row = conn.execute(_SQL["old_left"], {"most": most}).fetchone()
    return int(row[0]) if row is not None else 0
