"""The faults of the campaign: each breaks something for a while and mends it, whatever else is broken."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil
import psycopg
import redis

from app.dev import DevError, EmbeddedPostgres, EmbeddedValkey

if TYPE_CHECKING:
    from tests.chaos.campaign import Campaign

Fault = Callable[["Campaign", random.Random], None]


def _pause(rng: random.Random, low: float, high: float) -> None:
    time.sleep(low + rng.random() * (high - low))


def _bring_back(server: EmbeddedPostgres | EmbeddedValkey) -> None:
    """Start a server again; with its disk full it may take more than one try."""
    deadline = time.monotonic() + 60
    while True:
        try:
            server.start()
            return
        except DevError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _sql(campaign: Campaign, *statements: str) -> None:
    """Run statements as superuser, again and again until the server takes them."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with psycopg.connect(
                campaign.database.superuser_url, autocommit=True, connect_timeout=3, options="-c statement_timeout=5000"
            ) as conn:
                # The campaign's own statements must not wait for the standby that it took away.
                conn.execute("SET synchronous_commit = local")
                conn.execute("SET default_transaction_read_only = off")
                for statement in statements:
                    conn.execute(statement)
            return
        except psycopg.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def postgres_kill(campaign: Campaign, rng: random.Random) -> None:
    with campaign.postgres_process:
        campaign.postgres.kill()
        _pause(rng, 0.2, 3)
        _bring_back(campaign.postgres)


def postgres_immediate(campaign: Campaign, rng: random.Random) -> None:
    with campaign.postgres_process:
        campaign.postgres.stop("immediate")
        _pause(rng, 0.2, 3)
        _bring_back(campaign.postgres)


def postgres_freeze(campaign: Campaign, rng: random.Random) -> None:
    with campaign.postgres_process:
        campaign.postgres.freeze()
        _pause(rng, 1, 5)
        campaign.postgres.thaw()


def valkey_kill(campaign: Campaign, rng: random.Random) -> None:
    with campaign.valkey_process:
        campaign.valkey.kill()
        _pause(rng, 0.2, 3)
        _bring_back(campaign.valkey)


def valkey_freeze(campaign: Campaign, rng: random.Random) -> None:
    with campaign.valkey_process:
        campaign.valkey.freeze()
        _pause(rng, 0.5, 3)
        campaign.valkey.thaw()


def both_kill(campaign: Campaign, rng: random.Random) -> None:
    with campaign.postgres_process, campaign.valkey_process:
        campaign.postgres.kill()
        campaign.valkey.kill()
        _pause(rng, 0.2, 2)
        _bring_back(campaign.valkey)
        _bring_back(campaign.postgres)


def worker_kill(campaign: Campaign, rng: random.Random) -> None:
    service = rng.choice(campaign.services)
    assert service.process is not None
    with contextlib.suppress(psutil.Error, IndexError):
        rng.choice(psutil.Process(service.process.pid).children()).kill()


def master_kill(campaign: Campaign, rng: random.Random) -> None:
    index = rng.randrange(len(campaign.services))
    with campaign.instances[index]:
        service = campaign.services[index]
        assert service.process is not None
        with contextlib.suppress(psutil.Error):
            workers = psutil.Process(service.process.pid).children()
            service.process.send_signal(signal.SIGKILL)
            service.process.wait(10)
            # Its workers see that they have no master any more, and end by themselves.
            psutil.wait_procs(workers, timeout=20)
        service.start(ready=False)


def rolling_restart(campaign: Campaign, rng: random.Random) -> None:
    index = rng.randrange(len(campaign.services))
    with campaign.instances[index]:
        campaign.services[index].stop()
        campaign.services[index].start(ready=False)


def disk_full(campaign: Campaign, rng: random.Random) -> None:
    if campaign.small_disk is None:
        return
    filler = campaign.small_disk / "filler"
    with campaign.disk, open(filler, "wb") as file:
        with contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        _pause(rng, 1, 4)
        os.truncate(filler, 0)


def read_only(campaign: Campaign, rng: random.Random) -> None:
    with campaign.server_settings:
        _sql(campaign, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        _pause(rng, 0.5, 3)
        _sql(campaign, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")


def revoked_rights(campaign: Campaign, rng: random.Random) -> None:
    with campaign.rights:
        _sql(campaign, "REVOKE INSERT ON audit_events, notification_audit FROM datastorage")
        _pause(rng, 0.5, 3)
        _sql(campaign, "GRANT INSERT ON audit_events, notification_audit TO datastorage")


def missing_standby(campaign: Campaign, rng: random.Random) -> None:
    with campaign.server_settings:
        _sql(campaign, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        _pause(rng, 1, 4)
        _sql(campaign, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


def queue_full(campaign: Campaign, rng: random.Random) -> None:
    """Redis out of memory: with noeviction it refuses what it is given."""
    with campaign.valkey_memory:
        _redis(campaign, "1mb")
        _pause(rng, 0.5, 3)
        _redis(campaign, "0")


def _redis(campaign: Campaign, maxmemory: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        client = redis.Redis.from_url(campaign.valkey.url(0), socket_timeout=3, socket_connect_timeout=3)
        try:
            client.config_set("maxmemory", maxmemory)
            return
        except redis.RedisError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        finally:
            client.close()


def lock_contention(campaign: Campaign, rng: random.Random) -> None:
    with (
        contextlib.suppress(psycopg.Error),
        psycopg.connect(campaign.database.superuser_url, connect_timeout=3, options="-c lock_timeout=3000") as conn,
    ):
        conn.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
        _pause(rng, 0.5, 5)
        conn.rollback()


def clock_step(campaign: Campaign, rng: random.Random) -> None:
    with campaign.clock_lock:
        campaign.clock.write_text(str(rng.randrange(-120, 120)))
        _pause(rng, 0.5, 3)
        campaign.clock.write_text("0")


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        postgres_kill,
        postgres_immediate,
        postgres_freeze,
        valkey_kill,
        valkey_freeze,
        both_kill,
        worker_kill,
        master_kill,
        rolling_restart,
        disk_full,
        read_only,
        revoked_rights,
        missing_standby,
        queue_full,
        lock_contention,
        clock_step,
    )
}


class Injector:
    """Starts faults at random, up to three at a time, until told to stop."""

    def __init__(self, campaign: Campaign, rng: random.Random, names: list[str], gap: float) -> None:
        self._campaign = campaign
        self._rng = rng
        self._names = names
        self._gap = gap
        self._slots = threading.Semaphore(3)
        self._threads: list[threading.Thread] = []
        self.counts: dict[str, int] = dict.fromkeys(names, 0)
        self.errors: list[str] = []

    def run(self, seconds: float) -> None:
        """Inject for so many seconds, then wait until everything is mended."""
        deadline = time.monotonic() + seconds
        queue: list[str] = []
        while time.monotonic() < deadline:
            if not queue:
                # Every fault once before any comes again, in an order that the seed decides.
                queue = self._rng.sample(self._names, len(self._names))
            name = queue.pop()
            if self._slots.acquire(timeout=1):
                self.counts[name] += 1
                thread = threading.Thread(target=self._inject, args=(name, random.Random(self._rng.random())))
                thread.start()
                self._threads.append(thread)
            time.sleep(self._rng.random() * 2 * self._gap)
        for thread in self._threads:
            thread.join()

    def _inject(self, name: str, rng: random.Random) -> None:
        try:
            FAULTS[name](self._campaign, rng)
        except Exception as e:  # noqa: BLE001 - a fault that cannot be mended spoils the campaign, and is reported by it
            self.errors.append(f"{name}: {type(e).__name__}: {e}")
        finally:
            self._slots.release()
