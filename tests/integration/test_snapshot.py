"""A snapshot that is taken behind a lock: what a TRUNCATE before it has moved is seen where it went."""

from __future__ import annotations

import threading

import psycopg
import pytest

from app.postgres.sessions import snapshot
from tests.support import Database, wait_until
from tests.verify_support import pinned

WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'log_pending_a'::regclass"


@pytest.mark.parametrize("pooled", [False, True])
def test_it_is_taken_when_the_lock_is_there(database: Database, pooled: bool) -> None:
    sizes: list[int] = []
    with pinned(database, database.service_url) as conn, psycopg.connect(database.superuser_url) as other:
        if pooled:
            conn.pinning = "SELECT set_config('timezone', 'UTC', true)"
        other.execute("LOCK TABLE log_pending_a IN ACCESS EXCLUSIVE MODE")
        other.execute("SET session_replication_role = replica")
        other.execute("UPDATE log_head SET size = 77")

        def look() -> None:
            with snapshot(conn, "public", ("log_pending_a", "log_pending_b")):
                sizes.extend(size for (size,) in conn.execute("SELECT size FROM log_head"))

        reader = threading.Thread(target=look)
        reader.start()
        try:
            wait_until(lambda: database.query(WAITS) == [(1,)], what="the reader waits for the lock")
        finally:
            other.commit()
            reader.join()
    assert sizes == [77]


def test_nobody_empties_what_it_reads_and_it_changes_nothing(database: Database) -> None:
    with pinned(database) as conn, snapshot(conn, "public", ("log_pending_a", "log_pending_b")):
        for table in ("log_pending_a", "log_pending_b"):
            with pytest.raises(psycopg.errors.LockNotAvailable):
                database.query(f"SET lock_timeout = '50ms'; TRUNCATE {table}")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), conn.transaction():
            conn.execute("DELETE FROM log_pending_a")
    database.query("TRUNCATE log_pending_a, log_pending_b")
