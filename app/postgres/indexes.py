"""Indexes on a partitioned table that is in use: made on one partition after another, while it is written.

`CREATE INDEX` on the table itself would keep every writer out until the last partition is done. Here the parent's index
comes first, without its partitions (an instant), so that PostgreSQL gives it to each month that is made from then on.
Then each partition there is gets its own with CREATE INDEX CONCURRENTLY, which waits for others and lets nobody wait,
and the parent's takes it in. What is done stays done: a run that was stopped is taken up by the next.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import psycopg
from psycopg import sql

from app.postgres.sessions import Connection, begin, reading, roll_back
from app.postgres.short_tries import ShortTries, StillLockedError, held_by
from app.postgres.statements import statements

_TABLE = "audit_events"
INDEXES = statements("indexes")
_GAPS = statements("postgres")["index_gaps"]
# Any fixed number: it names "somebody makes the indexes of this database" among advisory locks.
_LOCK = 7_306_419

Gap = tuple[str, str, bool | None]  # index, partition, and whether what an earlier try left there is whole


def make_parents(tries: ShortTries) -> None:
    """Make the indexes that the table lacks, without the partitions that are there."""
    conn = tries.conn
    for name, definition in INDEXES.items():
        with reading(conn):
            known = conn.execute("SELECT to_regclass(%s)", (_quoted(tries.schema, name),)).fetchone()
        if known == (None,):
            statement = sql.SQL("CREATE INDEX IF NOT EXISTS {} ON ONLY {} " + definition).format(
                sql.Identifier(name), sql.Identifier(tries.schema, _TABLE)
            )
            tries.until_done(f"index {name}", partial(_make_parent, tries, statement))


def _make_parent(tries: ShortTries, statement: sql.Composed) -> None:
    tries.conn.execute("SELECT pg_advisory_xact_lock(%s)", (tries.lock,))
    tries.conn.execute(statement)


def make_partitions(tries: ShortTries, another: Callable[[], AbstractContextManager[Connection]]) -> None:
    """Make the indexes that partitions lack. ``another``: opens a second connection.

    Raises StillLockedError, psycopg.Error; what was made until then stays.
    """
    if not _gaps(tries):
        return
    with another() as guard, _alone(tries, guard):
        gaps = _gaps(tries)
        for i, gap in enumerate(gaps, 1):
            tries.say(f"making index {gap[0]} of {gap[1]} ({i} of {len(gaps)})")
            # A month that was dropped meanwhile needs none.
            with contextlib.suppress(psycopg.errors.UndefinedTable):
                _make(tries, gap)


@contextlib.contextmanager
def _alone(tries: ShortTries, guard: Connection) -> Iterator[None]:
    """Until no other migration makes indexes; the lock is the guard's, in a transaction that does nothing else.

    Asked for again and again, not waited for: a statement that waits has a snapshot, and CREATE INDEX CONCURRENTLY
    waits for every snapshot.
    """
    deadline = time.monotonic() + tries.patience.in_all
    said = False
    while True:
        begin(guard)
        # Without a parameter: one that is bound leaves a portal open, and with it a snapshot.
        if guard.execute(f"SELECT pg_try_advisory_xact_lock({_LOCK})").fetchone() == (True,):
            break
        roll_back(guard)
        if not _gaps(tries):
            break
        if time.monotonic() >= deadline:
            raise StillLockedError("another migration makes the indexes: wait for it, then run this one again")
        if not said:
            tries.say("another migration makes the indexes")
            said = True
        time.sleep(tries.patience.each_try)
    try:
        yield
    finally:
        roll_back(guard)


def _gaps(tries: ShortTries) -> list[Gap]:
    with reading(tries.conn) as conn:
        return [
            (name, str(partition), valid)
            for name in INDEXES
            for partition, valid in conn.execute(
                _GAPS, {"index": _quoted(tries.schema, name), "suffix": _suffix(name)}
            ).fetchall()
        ]


def _make(tries: ShortTries, gap: Gap) -> None:
    index, partition, valid = gap
    name = partition + _suffix(index)
    part = sql.Identifier(tries.schema, name)
    if valid is False:
        valid = _settled(tries, gap, name)
    if valid is False:  # stopped halfway
        _concurrently(tries, name, sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(part))
    if not valid:
        statement = sql.SQL("CREATE INDEX CONCURRENTLY {} ON {} " + INDEXES[index]).format(
            sql.Identifier(name), sql.Identifier(tries.schema, partition)
        )
        _concurrently(tries, name, statement)
    attach = sql.SQL("ALTER INDEX {} ATTACH PARTITION {}").format(sql.Identifier(tries.schema, index), part)
    tries.until_done(f"index {name}", partial(tries.conn.execute, attach))


def _settled(tries: ShortTries, gap: Gap, name: str) -> bool | None:
    """Whether an index is whole once nobody makes it any more.

    PostgreSQL goes on with a statement whose client was killed. It holds a lock that no writer asks for.
    """
    lock = sql.SQL("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE").format(sql.Identifier(tries.schema, gap[1]))

    def wait() -> None:
        tries.conn.execute("SELECT set_config('lock_timeout', %s, true)", (_milliseconds(tries.patience.in_all),))
        tries.conn.execute(lock)

    tries.until_done(f"index {name}", wait)
    return next((valid for *found, valid in _gaps(tries) if tuple(found) == gap[:2]), True)


def _concurrently(tries: ShortTries, name: str, statement: sql.Composed) -> None:
    """Run a statement that takes no transaction, and waits for others without keeping anybody waiting."""
    conn, patience = tries.conn, tries.patience
    before = {h[0] for h in tries.holders(snapshots=True)}
    _set_lock_timeout(conn, patience.in_all)
    try:
        conn.execute(statement)
    except psycopg.errors.LockNotAvailable:
        lasting = [h for h in tries.holders(snapshots=True) if h[0] in before]
        text = f"index {name} waits for a transaction to end{held_by(lasting)}"
        raise StillLockedError(f"{text}; gave up after {patience.in_all:g} s, run the migration again") from None
    finally:
        _set_lock_timeout(conn, patience.each_try)


def _set_lock_timeout(conn: Connection, seconds: float) -> None:
    # Behind a pooler the settings hold for a transaction, and there is none: the role's own limit counts.
    if not (conn.pooled or conn.closed):
        conn.execute("SELECT set_config('lock_timeout', %s, false)", (_milliseconds(seconds),))


def _milliseconds(seconds: float) -> str:
    return f"{round(1000 * seconds)}"


def _suffix(index: str) -> str:
    return index.removeprefix(_TABLE)


def _quoted(schema: str, name: str) -> str:
    return f'"{schema}".{name}'
