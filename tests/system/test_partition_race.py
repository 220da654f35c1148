"""A month's partition that another session has made, and not told about yet: the debugger holds it in between."""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from datastorage_common.times import rfc3339

from app.audit.outcome import WriteRequest
from app.audit.store import WriteSession, write
from app.audit.validator import Validator
from app.config.settings import AuditSettings
from app.postgres.sessions import Connection
from app.validation.field_errors import ValidationFailure
from devserver.processes import Guarded
from tests.support import BACKEND, Database, event, wait_until

pytestmark = [
    pytest.mark.skipif(BACKEND != "embedded", reason="looks into PostgreSQL's processes: runs with the embedded one"),
    pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not installed (Debian: gdb)"),
]
# PostgreSQL shows a transaction to others, then tells them what of the catalog to read anew (AtEOXact_Inval), then
# lets go of its locks. Here the second step takes 0.7 s, less than anybody waits for a lock.
HOLD = """set pagination off
break AtEOXact_Inval
commands
shell sleep 0.7
continue
end
continue
"""


def test_a_month_that_was_made_a_moment_ago_takes_events(database: Database, tmp_path: Path) -> None:
    (tmp_path / "hold").write_text(HOLD)
    log = tmp_path / "gdb.log"
    with (
        psycopg.connect(database.service_url, autocommit=True) as maker,
        Connection.connect(database.service_url, autocommit=True) as writer,
    ):
        # The maker has read the catalog, so that it is not held before it has made anything.
        maker.execute("SELECT audit_ensure_partition('2031-01-01')")
        arguments = ["gdb", "-q", "-batch", "-x", str(tmp_path / "hold"), "-p", str(maker.info.backend_pid)]
        with open(log, "wb") as output, Guarded(arguments, stdout=output, stderr=output) as debugger:
            try:
                wait_until(lambda: b"Breakpoint 1 at" in log.read_bytes() or debugger.poll() is not None, 60, "gdb")
                if debugger.poll() is not None:
                    pytest.skip(f"gdb may not look into other processes here: {log.read_text()[-300:]}")
                # On a busy machine the moment can be over before anybody has looked.
                tries = (_store_in_between(maker, writer, date(2031, month, 5)) for month in range(2, 7))
                assert next((outcome for outcome in tries if outcome is not None), "too late") == "Stored"
            finally:
                debugger.terminate()


def _store_in_between(maker: psycopg.Connection, writer: Connection, day: date) -> str | None:
    """What becomes of an event between the commit of its month and the news of it; None if that was missed."""
    # The writer knows that there is no such month.
    assert not _has_place(writer, day)
    first = day.replace(day=1)
    made = threading.Thread(target=maker.execute, args=["SELECT audit_ensure_partition(%s)", (first,)])
    made.start()
    try:
        wait_until(lambda: first in _months(writer), 30, "the month is seen")
        if _has_place(writer, day):
            return None
        now = datetime.combine(day, time(10), UTC)
        record = Validator(AuditSettings(), lambda: now).event(event(event_timestamp=rfc3339(now)))
        assert not isinstance(record, ValidationFailure)
        [outcome] = write(WriteSession(writer), [WriteRequest((record,))])
        return type(outcome).__name__
    finally:
        made.join()


def _months(conn: psycopg.Connection) -> set[Any]:
    return {month for (month,) in conn.execute("SELECT * FROM audit_partition_months()")}


def _has_place(conn: psycopg.Connection, day: date) -> bool:
    """Whether the session finds a partition for the day; there PostgreSQL says what the row lacks."""
    with pytest.raises(psycopg.errors.IntegrityError) as e:
        conn.execute("INSERT INTO audit_events (event_id, event_date) VALUES (gen_random_uuid(), %s)", (day,))
    return not isinstance(e.value, psycopg.errors.CheckViolation)
