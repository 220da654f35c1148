"""What befalls the worker that gives places in the log, its session, and the lock that makes it the only one."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator

import psutil
import psycopg

from bench.campaign.faults.tools import pause
from bench.campaign.stage import Stage

# Who has the lock of the head at this moment comes first; else the session that is there longest.
_SESSIONS = """
SELECT a.pid, a.client_port
FROM pg_stat_activity a
WHERE a.application_name = 'datastorage-sequencer' AND a.client_port > 0
ORDER BY EXISTS (
    SELECT FROM pg_locks l
    WHERE l.pid = a.pid AND l.relation = to_regclass('log_head') AND l.mode = 'RowShareLock' AND l.granted
) DESC, a.backend_start"""
_HOLDS_LOCK = """
SELECT EXISTS (
    SELECT FROM pg_locks l
    WHERE l.pid = %s AND l.relation = to_regclass('log_head') AND l.mode = 'RowShareLock' AND l.granted
)"""
_FIND_SECONDS = 20.0
_AT_WORK_SECONDS = 5.0  # then it is taken idle
_HANDOVER_SECONDS = 15.0


def sequencer_kill(stage: Stage, rng: random.Random) -> None:
    """The worker that gives places is killed, at any moment or while it has the lock."""
    if found := _find(stage, at_work=rng.random() < 0.5):
        with contextlib.suppress(psutil.Error):
            found[1].kill()
            stage.killed("sequencer")


def sequencer_session_end(stage: Stage, rng: random.Random) -> None:
    """Its session is ended by PostgreSQL."""
    if found := _find(stage, at_work=rng.random() < 0.5):
        with contextlib.suppress(psycopg.Error), stage.connect() as conn:
            conn.execute("SELECT pg_terminate_backend(%s)", (found[0],))


def sequencer_stop(stage: Stage, rng: random.Random) -> None:
    """It stands still for a while, with the lock or without, and goes on as if nothing had been."""
    with stage.sequencer:
        if found := _find(stage, at_work=rng.random() < 0.6):
            with _stopped(found[1]):
                pause(rng, 1, 12)


def two_sequencers(stage: Stage, rng: random.Random) -> None:
    """One stands still until another has taken over; that one does too, and both go on at once."""
    with stage.sequencer, contextlib.ExitStack() as stopped:
        for _ in range(2):
            before = _epoch(stage)
            if found := _find(stage, at_work=rng.random() < 0.6):
                stopped.enter_context(_stopped(found[1]))
            _wait_for_another(stage, before)


def log_lock_held(stage: Stage, rng: random.Random) -> None:
    """Somebody else has the lock of the log's head: with the rights of the service, or as superuser."""
    url = rng.choice([stage.database.service_url, stage.database.superuser_url])
    with (
        contextlib.suppress(psycopg.Error),  # who stands still for over 5 s is ended
        psycopg.connect(url, connect_timeout=3, options="-c search_path=public -c lock_timeout=3000") as conn,
    ):
        conn.execute("SELECT FROM log_head FOR UPDATE")
        pause(rng, 0.5, 9)


def _find(stage: Stage, *, at_work: bool) -> tuple[int, psutil.Process] | None:
    """The session of the one that gives places, and its worker; ``at_work`` waits a while until it has the lock.

    None where there is none for a while: PostgreSQL may be away.
    """
    deadline = time.monotonic() + _FIND_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(psycopg.Error, psutil.Error), stage.connect(statement_timeout="5000") as conn:
            session = conn.execute(_SESSIONS).fetchone()
            if session is not None:
                pid, port = int(str(session[0])), int(str(session[1]))
                worker = _worker(stage, port)
                if worker is not None:
                    idle_too = time.monotonic() + _AT_WORK_SECONDS
                    while at_work and time.monotonic() < idle_too:
                        if conn.execute(_HOLDS_LOCK, (pid,)).fetchone() == (True,):
                            break
                        time.sleep(0.002)
                    return pid, worker
        time.sleep(0.2)
    return None


def _worker(stage: Stage, port: int) -> psutil.Process | None:
    """The worker whose session comes to PostgreSQL from this port, through the relay."""
    client = stage.postgres_relay.client_of(port)
    for service in stage.services:
        if service.process is None or client is None:
            continue
        with contextlib.suppress(psutil.Error):
            for worker in psutil.Process(service.process.pid).children():
                with contextlib.suppress(psutil.Error):
                    if any(c.laddr and c.laddr.port == client for c in worker.net_connections("tcp")):
                        return worker
    return None


@contextlib.contextmanager
def _stopped(process: psutil.Process) -> Iterator[None]:
    with contextlib.suppress(psutil.Error):
        process.suspend()
    try:
        yield
    finally:
        with contextlib.suppress(psutil.Error):  # somebody has killed it
            process.resume()


def _epoch(stage: Stage) -> int | None:
    with contextlib.suppress(psycopg.Error), stage.connect(statement_timeout="5000") as conn:
        row = conn.execute("SELECT epoch FROM log_head").fetchone()
        return None if row is None else int(str(row[0]))
    return None


def _wait_for_another(stage: Stage, before: int | None) -> None:
    """Until the epoch has changed, or for a while: there may be nothing to give places to."""
    deadline = time.monotonic() + _HANDOVER_SECONDS
    while time.monotonic() < deadline:
        now = _epoch(stage)
        if now is not None and before is not None and now != before:
            return
        time.sleep(0.1)
