"""What is done to PostgreSQL from within: its disk, its settings, rights, locks and tables."""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime

import psycopg

from bench.campaign.faults.tools import nobody_following, pause, sql
from bench.campaign.stage import Stage
from devserver import SERVICE_ROLE
from tests.hostile import HOSTILE

_END_SESSIONS = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{SERVICE_ROLE}'"
_ATTACHED = "EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('{month}'))"
_DETACH = "DO $$ BEGIN IF {attached} THEN ALTER TABLE audit_events DETACH PARTITION {month}; END IF; END $$"
_ATTACH = """
DO $$ BEGIN IF NOT {attached} THEN
    ALTER TABLE audit_events ATTACH PARTITION {month} FOR VALUES FROM ('{first}') TO ('{next}');
END IF; END $$"""


def disk_full(stage: Stage, rng: random.Random) -> None:
    assert stage.tables_disk is not None
    with stage.disk:
        stage.tables_disk.fill()
        pause(rng, 1, 4)
        stage.tables_disk.empty()


def session_settings(stage: Stage, rng: random.Random) -> None:
    """New sessions begin with unusual settings, and all sessions are new."""
    database = stage.database.name
    whose = rng.choice(
        [f"DATABASE {database}", f"ROLE {SERVICE_ROLE}", f"ROLE {SERVICE_ROLE} IN DATABASE {database}"],
    )
    names = rng.sample(sorted(HOSTILE), rng.randrange(3, 9))
    with stage.session_settings:
        settings = [f"ALTER {whose} SET {name} TO '{HOSTILE[name]}'" for name in names]
        sql(stage, *settings, _END_SESSIONS)
        pause(rng, 1, 4)
        sql(stage, f"ALTER {whose} RESET ALL", _END_SESSIONS)


def revoked_rights(stage: Stage, rng: random.Random) -> None:
    with stage.rights:
        sql(stage, f"REVOKE INSERT ON audit_events, notification_audit FROM {SERVICE_ROLE}")
        pause(rng, 0.5, 3)
        sql(stage, f"GRANT INSERT ON audit_events, notification_audit TO {SERVICE_ROLE}")


def missing_standby(stage: Stage, rng: random.Random) -> None:
    with stage.server_settings:
        sql(stage, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        pause(rng, 1, 4)
        sql(stage, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


def lock_contention(stage: Stage, rng: random.Random) -> None:
    with (
        contextlib.suppress(psycopg.Error),
        stage.connect(lock_timeout="3000") as conn,
        conn.transaction(force_rollback=True),
    ):
        conn.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
        pause(rng, 0.5, 5)


def month_detached(stage: Stage, rng: random.Random) -> None:
    """The partition of this month is taken out by hand, with all that is in it, and put back.

    Nobody follows the feed meanwhile. What is in no partition is removed: the feed says so of each such event, and with
    a filter it gives nothing for it. It does not come again when the partition is back.
    """
    first = datetime.now(UTC).date().replace(day=1)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    month = f"audit_events_{first:%Y_%m}"
    names = {"attached": _ATTACHED.format(month=month), "month": month, "first": first, "next": following}
    with stage.month, nobody_following(stage):
        sql(stage, _DETACH.format(**names))
        pause(rng, 1, 4)
        sql(stage, _ATTACH.format(**names))
