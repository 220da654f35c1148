"""Records as they are in a database from before there was a log."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql

from app.postgres import migrations
from tests.support import Database, PostgresServer

_MONTH = "SELECT audit_ensure_partition((date_trunc('month', now()) - make_interval(months => %s))::date)"
# One after the other, spread evenly over the months until now, each recorded a second after it was sent.
_EVENTS = """
WITH span AS (SELECT date_trunc('month', now()) - make_interval(months => %(months)s) AS since)
INSERT INTO audit_events (event_id, event_date, event_version, event_type, event_timestamp, event_action,
    event_category, event_outcome, correlation_id, event_data, actor_type, actor_id, resource_type, resource_id,
    namespace, digest, recorded_at, recorded_by)
SELECT gen_random_uuid(), (at AT TIME ZONE 'UTC')::date, '1.0', 'gateway.signal.received', at, 'received', 'gateway',
    'success', 'correlation-' || n, '{"hello": "world"}', 'service', 'x', 'y', 'z', 'team-' || n %% 20,
    sha256(int8send(n)), at + interval '1 second', 'writer'
FROM (
    SELECT n, since + (now() - since) * (n::float8 / %(count)s) AS at FROM span, generate_series(1, %(count)s) AS n
) AS numbered
"""
_NOTIFICATIONS = """
INSERT INTO notification_audit (
    remediation_id, notification_id, recipient, channel, message_summary, status, sent_at, digest
)
SELECT 'r' || n, 'old-' || n, 'oncall@example.org', 'email', 'm', 'sent', now() - n * interval '1 second',
    sha256(int8send(n))
FROM generate_series(1, %s) AS n
"""


def put_records(database: Database, *, events: int, notifications: int, months: int = 3) -> None:
    """Store so many, without ids or digests that a client would make. In months that a partition is made for."""
    with psycopg.connect(database.superuser_url, autocommit=True) as conn:
        conn.execute("SET timezone = 'UTC'")
        for back in range(months + 1):
            conn.execute(
                "SELECT audit_ensure_partition((date_trunc('month', now()) - make_interval(months => %s))::date)",
                (back,),
            )
        if events:
            conn.execute(_EVENTS, {"count": events, "months": months})
        conn.execute(_NOTIFICATIONS, (notifications,))


@contextlib.contextmanager
def database_before_the_log(postgres: PostgresServer, folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Database]:
    """An empty database with the schema of the last release without a log. ``folder`` is for the files of that."""
    name = "t_" + uuid.uuid4().hex[:16]
    owner = conninfo.conninfo_to_dict(postgres.owner_url)["user"]
    with psycopg.connect(postgres.superuser_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(str(owner))))
    made = postgres.database(name)
    try:
        for path in migrations.SQL_DIR.glob("000[1-4]_*.sql"):
            shutil.copy(path, folder)
        with patch.context() as patched:
            patched.setattr(migrations, "SQL_DIR", folder)
            # One of them needs a column that this schema does not have.
            patched.setattr(migrations.indexes, "INDEXES", {})
            migrations.migrate(made.owner_url)
        yield made
    finally:
        made.drop()
