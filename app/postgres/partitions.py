"""The monthly partitions: which must exist, by first-of-month arithmetic, and how one is made.

Adding a month to the 31st would skip February.
"""

from __future__ import annotations

import contextlib
from collections.abc import Set
from datetime import date

import psycopg

from app.postgres.sessions import Connection, writing

# Previous, current and the next two: every accepted timestamp falls in one, with weeks to notice a failure.
_BACK, _AHEAD = 1, 2
# How long one that makes a month is waited for; as audit_ensure_partition has it.
LOCK_TIMEOUT = "900ms"


def add_months(day: date, months: int) -> date:
    """First day of the month that lies ``months`` after the month of ``day``."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def wanted_months(today: date) -> list[date]:
    """First days of the months that must have a partition now, earliest first."""
    return [add_months(today, offset) for offset in range(-_BACK, _AHEAD + 1)]


def months_ahead(today: date, existing: Set[date]) -> int:
    """How many months after the current one have a partition, counted up to the first gap; -1 if this one lacks it."""
    ahead = -1
    while add_months(today, ahead + 1) in existing:
        ahead += 1
    return ahead


def make_partition(conn: Connection, day: date) -> None:
    """Make the partition of the month that holds the day; events go into it from the next statement on.

    On a connection without a transaction. Raises psycopg.Error.
    """
    # Another instance, or the monitor, may have made it in between: then the aim is reached.
    with contextlib.suppress(psycopg.errors.DuplicateTable), writing(conn):
        conn.execute("SELECT audit_ensure_partition(%s)", (day,))
    # The maker commits, and only then tells the other sessions that there is a partition more: one that looks in
    # between finds the month in the catalog, and no partition for its rows. The lock of the maker is held to the end of
    # both, so a session that has waited for it has been told.
    with writing(conn):
        conn.execute("SELECT set_config('lock_timeout', %s, true)", (LOCK_TIMEOUT,))
        conn.execute("SELECT pg_advisory_xact_lock(hashtext('audit_ensure_partition'))")
