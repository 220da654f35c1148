"""Cosignatures of witnesses: kept, found again, and put behind the log's own signatures.

A witness is told from others by its verifier key. The transactions are those of the caller.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from datastorage_common.notes import VerifierKey
from datastorage_common.witness_policy import Policy

from app.postgres.sessions import Connection
from app.postgres.statements import statements
from app.transparency.log_reads import Keys, Published, published, published_at

_SQL = statements("checkpoints")
# Each step goes back to a checkpoint that one witness more has cosigned. All are asked about the same ones, so that the
# first or second is it; the limit is for a table in which no two of them ever met.
_MAX_STEPS = 64


def put(conn: Connection, origin: str, size: int, key: VerifierKey, line: str) -> None:
    """Store a cosignature that was checked. Raises psycopg.Error."""
    conn.execute(_SQL["put_cosignature"], (origin, str(key), size, line))


def sizes(conn: Connection, origin: str, keys: Iterable[VerifierKey], most: int) -> dict[VerifierKey, int]:
    """The largest tree, of no more than ``most`` entries, that each of these has cosigned. Raises psycopg.Error."""
    known = {str(key): key for key in keys}
    rows = conn.execute(_SQL["cosigned"], {"origin": origin, "witnesses": list(known), "most": most})
    return {known[witness]: size for witness, size in rows}


def witnessed(conn: Connection, policy: Policy, log_keys: Keys) -> Published | None:
    """The newest checkpoint with the cosignatures that the policy asks for, those of its witnesses in the note.

    None where there is none, under the log's present origin. Raises psycopg.Error.
    """
    point = published(conn, log_keys)
    size = None if point is None else _witnessed_size(conn, policy, point)
    if point is None or size is None:
        return None
    keys = [str(witness.key) for witness in policy.witnesses.values()]
    wanted = {"origin": point.origin, "witnesses": keys, "size": size}
    if published_at(conn, point.origin, size, log_keys) is None:
        return None
    row = conn.execute(_SQL["with_cosignatures"], wanted).fetchone()
    return None if row is None else Published(point.origin, size, _note(row[0], row[1]))


def thin(conn: Connection, policy: Policy, log_keys: Keys) -> int:
    """Remove cosignatures of hours that are over, but for the last ones; how many. Raises psycopg.Error.

    Nothing is removed from the newest checkpoint with a quorum on.
    """
    point = published(conn, log_keys)
    if point is None:
        return 0
    below = _witnessed_size(conn, policy, point)
    found = conn.execute(
        _SQL["thin_cosignatures"], {"origin": point.origin, "below": point.size if below is None else below}
    )
    return found.rowcount


def _witnessed_size(conn: Connection, policy: Policy, point: Published) -> int | None:
    if policy.needs_none:
        return point.size
    keys = {name: witness.key for name, witness in policy.witnesses.items()}
    most = point.size
    for _ in range(_MAX_STEPS):
        come = sizes(conn, point.origin, keys.values(), most)
        reached = policy.reached({name: come[key] for name, key in keys.items() if key in come})
        if reached is None or reached == most:
            return reached
        # No quorum is above it. Whether there is one at it: that is where all of them have to be.
        most = reached
    return None


def _note(note: str, lines: Sequence[str]) -> bytes:
    return (note + "".join(lines)).encode()
