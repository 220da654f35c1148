"""Waiting for a lock of a table without a queue behind the wait.

Whoever waits for a lock that keeps everybody out makes all who come later wait as well: behind one long read, writers
would stand still for as long as it lasts. So a migration waits for a moment only, lets them through, and tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg

from app.postgres.sessions import Connection, reading, writing
from app.postgres.statements import statements

T = TypeVar("T")

_HOLDERS = statements("postgres")["lock_holders"]


class StillLockedError(Exception):
    """A lock did not come free in all the time that there was; the message is one line for the operator."""


@dataclass(frozen=True)
class Patience:
    """How long a migration waits for locks, in seconds."""

    # Writes may stand still for so long: less than a flush waits for a lock (buffer.flush_lock_timeout, 1 s).
    each_try: float = 0.3
    # They catch up in between.
    pause: float = 1.0
    # For all tries of one step together. The chart gives the whole migration 15 minutes.
    in_all: float = 300.0


@dataclass(frozen=True)
class ShortTries:
    """Tries of one connection, whose lock_timeout is ``patience.each_try``. ``lock``: the migrations' advisory lock."""

    conn: Connection
    patience: Patience
    schema: str
    lock: int
    say: Callable[[str], None]

    def until_done(self, what: str, action: Callable[[], T]) -> T:
        """Run the action in a transaction of its own, until one comes to its locks.

        Raises StillLockedError with the holder, if it can be told, and psycopg.Error for what is no lock.
        """
        deadline = time.monotonic() + self.patience.in_all
        seen: set[object] = set()
        said = ""
        while True:
            try:
                with writing(self.conn):
                    return action()
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                holders = self.holders()
            # One that was there before: those that come and go are the writers.
            text = f"{what} waits for a lock{held_by([h for h in holders if h[0] in seen])}"
            if time.monotonic() >= deadline:
                raise StillLockedError(f"{text}; gave up after {self.patience.in_all:g} s")
            if seen and text != said:
                self.say(text)
                said = text
            seen = {h[0] for h in holders}
            time.sleep(self.patience.pause)

    def holders(self, *, snapshots: bool = False) -> list[tuple[Any, ...]]:
        """Transactions that may be in the way, as ``lock_holders`` (sql/postgres.sql) gives them."""
        asked = {"schema": f'"{self.schema}"', "lock": self.lock, "snapshots": snapshots}
        with reading(self.conn):
            return self.conn.execute(_HOLDERS, asked).fetchall()


def held_by(holders: list[tuple[Any, ...]]) -> str:
    """Who holds a lock, for the end of a sentence; nothing if it cannot be told."""
    if not holders:
        return ""
    _, pid, role, application, since = holders[0]
    if pid is None:
        return ", held by a prepared transaction (pg_prepared_xacts)"
    # Of another role's sessions PostgreSQL tells no times, unless one may read all statistics.
    began = f", in a transaction since {since:%Y-%m-%d %H:%M:%S} UTC" if since is not None else ""
    others = f", and {len(holders) - 1} more" if len(holders) > 1 else ""
    return f", held by process {pid} ({' of '.join(str(n) for n in (application, role) if n)}{began}){others}"
