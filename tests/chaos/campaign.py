"""The fault campaign: the real service under load while everything around it breaks, and then the count.

Two gunicorn instances, a real PostgreSQL and Valkey, several client processes that retry with ids of their own.
At the end, with everything back, each acknowledged record must be stored exactly once with the content that was
sent, or, where the campaign made that impossible, be a dead letter with its reason.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg
import redis

from app.dev import EmbeddedPostgres, EmbeddedValkey
from app.dlq.stream import GROUP, KEYS
from tests.chaos import client
from tests.chaos.faults import FAULTS, Injector
from tests.support import (
    AS_SHIPPED,
    Database,
    GunicornService,
    PostgresServer,
    environ_of,
    free_port,
    scratch_dir,
    wait_until,
)

_SMALL_DISK_BYTES = 1 << 30
_DRAIN_SECONDS = 180.0


@dataclass
class Report:
    """What a campaign found."""

    seed: int
    seconds: float
    app: str
    faults: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    found: int = 0
    dead_letters: int = 0
    missing: int = 0
    doubled: int = 0
    altered: int = 0
    refused_but_stored: int = 0
    unanswered: int = 0
    unexpected: dict[str, int] = field(default_factory=dict)
    drain_seconds: float = 0.0
    errors: list[str] = field(default_factory=list)

    @property
    def kept_promise(self) -> bool:
        """Whether nothing was lost, doubled, altered or kept although it was refused."""
        return not (self.missing or self.doubled or self.altered or self.refused_but_stored)

    @property
    def ok(self) -> bool:
        """Whether the promise was kept and the campaign itself went as planned."""
        return self.kept_promise and not self.unexpected and not self.errors

    def as_json(self) -> str:
        return json.dumps({**asdict(self), "kept_promise": self.kept_promise, "ok": self.ok}, indent=2)


class Campaign:
    """Everything that the faults can break."""

    def __init__(self, directory: Path, app: str, redis_server: Path | None) -> None:
        self.directory = directory
        self.app = app
        self.clock = directory / "clock"
        self.clock.write_text("0")
        self.postgres = EmbeddedPostgres(directory / "postgres", port=free_port())
        self.valkey = EmbeddedValkey(directory / "valkey", port=free_port(), binary=redis_server)
        self.small_disk: Path | None = None
        self.services: list[GunicornService] = []
        # Faults of one kind do not overlap with themselves; of different kinds they do.
        self.postgres_process = threading.Lock()
        self.valkey_process = threading.Lock()
        self.server_settings = threading.Lock()
        self.rights = threading.Lock()
        self.disk = threading.Lock()
        self.valkey_memory = threading.Lock()
        self.clock_lock = threading.Lock()
        self.instances = [threading.Lock(), threading.Lock()]
        self.database: Database

    def start(self, max_len: int) -> None:
        """Start the servers, a database on the small disk, and two instances."""
        self.postgres.start()
        self.valkey.start()
        self._mount_small_disk()
        url = self.postgres.url
        server = PostgresServer(url("superuser"), url("owner"), url("service"), self.postgres)
        self.database = server.make_database()
        if self.small_disk is not None:
            with psycopg.connect(self.database.superuser_url, autocommit=True) as conn:
                conn.execute(f"CREATE TABLESPACE small LOCATION '{self.small_disk / 'pg'}'")
            with psycopg.connect(self.postgres.url("superuser"), autocommit=True) as conn:
                conn.execute(f"ALTER DATABASE {self.database.name} SET TABLESPACE small")
        self.database.query("ALTER TABLE audit_events ADD CONSTRAINT no_poison CHECK (correlation_id <> 'poison')")
        for index in range(2):
            self.services.append(
                GunicornService(
                    {
                        **environ_of(AS_SHIPPED),
                        "DATASTORAGE_DATABASE__URL": self.database.service_url,
                        "DATASTORAGE_REDIS__URL": self.valkey.url(0),
                        "DATASTORAGE_SERVER__WORKERS": "1",
                        "DATASTORAGE_DLQ__MAX_LEN": str(max_len),
                        "CHAOS_CLOCK": str(self.clock),
                    },
                    self.directory / f"gunicorn-{index}.log",
                    module=f"tests.chaos.apps:{self.app}",
                )
            )
            self.services[-1].start()

    def _mount_small_disk(self) -> None:
        """A file system of its own for the tables, so that filling it hurts nobody else; needs root."""
        mount = self.directory / "small"
        mount.mkdir()
        options = f"size={_SMALL_DISK_BYTES}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(mount)], capture_output=True)
        if done.returncode != 0:
            return
        (mount / "pg").mkdir(mode=0o700)
        owner = os.stat(self.directory / "postgres" / "pgdata")
        os.chown(mount / "pg", owner.st_uid, owner.st_gid)
        self.small_disk = mount

    def stop(self) -> None:
        """Stop everything."""
        for service in self.services:
            with contextlib.suppress(Exception):
                service.stop(timeout=70)
        for server in (self.postgres, self.valkey):
            with contextlib.suppress(Exception):
                server.thaw()
            with contextlib.suppress(Exception):
                server.close()
        if self.small_disk is not None:
            subprocess.run(["umount", str(self.small_disk)], capture_output=True, check=False)

    def drained(self) -> bool:
        """Whether nothing waits in Redis."""
        connection = redis.Redis.from_url(self.valkey.url(0), socket_timeout=3)
        try:
            for keys in KEYS.values():
                if connection.xlen(keys.stream):
                    return False
                with contextlib.suppress(redis.ResponseError):  # no group: nothing was ever read
                    if connection.xpending(keys.stream, GROUP)["pending"]:
                        return False
            return True
        except redis.RedisError:
            return False
        finally:
            connection.close()


@contextlib.contextmanager
def _running(app: str, max_len: int, redis_server: Path | None) -> Iterator[Campaign]:
    with scratch_dir() as directory:
        campaign = Campaign(directory, app, redis_server)
        try:
            campaign.start(max_len)
            yield campaign
        finally:
            campaign.stop()


def run(
    *,
    seconds: float,
    seed: int,
    clients: int = 3,
    gap: float = 1.0,
    app: str = "honest",
    only: list[str] | None = None,
    max_len: int = 5000,
    pause: float = 0.0,
    drain_seconds: float = _DRAIN_SECONDS,
    redis_server: Path | None = None,
) -> Report:
    """Run a campaign and count. ``gap`` is the mean time between faults, ``pause`` between a client's requests."""
    report = Report(seed, seconds, app)
    names = list(only or FAULTS)
    with _running(app, max_len, redis_server) as campaign:
        if campaign.small_disk is None and "disk_full" in names:
            names.remove("disk_full")
            report.left_out["disk_full"] = "no file system could be mounted (needs root)"
        context = multiprocessing.get_context("spawn")
        stop = context.Event()
        ports = [service.port for service in campaign.services]
        ledgers = [campaign.directory / f"ledger-{i}" for i in range(clients)]
        processes = [
            context.Process(target=client.run, args=(seed * 1000 + i, ports, ledger, stop, pause))
            for i, ledger in enumerate(ledgers)
        ]
        for process in processes:
            process.start()
        injector = Injector(campaign, random.Random(seed), names, gap)
        try:
            injector.run(seconds)
        finally:
            stop.set()
            for process in processes:
                process.join(120)
                if process.is_alive():
                    process.kill()
                    report.errors.append("a client process did not end")
        report.faults = injector.counts
        report.errors += injector.errors
        ended = time.monotonic()
        _settle(campaign, report, drain_seconds)
        report.drain_seconds = round(time.monotonic() - ended, 1)
        _count(campaign, ledgers, report)
        if not report.kept_promise and os.environ.get("CHAOS_KEEP_LOGS"):
            for index, service in enumerate(campaign.services):
                Path(f"{os.environ['CHAOS_KEEP_LOGS']}-{index}.log").write_bytes(service.log.read_bytes())
    return report


def _settle(campaign: Campaign, report: Report, drain_seconds: float) -> None:
    """Wait until the queue is empty and the gauges say so."""
    try:
        wait_until(campaign.drained, drain_seconds, "the queue is drained")
        for service in campaign.services:
            wait_until(lambda s=service: _at_rest(s), 15, "gauges are back to zero")
    except AssertionError as e:
        report.errors.append(str(e))


def _at_rest(service: GunicornService) -> bool:
    samples = service.metrics()
    names = ("datastorage_buffer_depth", 'datastorage_dlq_depth{stream="events"}', "datastorage_breaker_open")
    return all(samples.get(name) == 0 for name in names)


def _count(campaign: Campaign, ledgers: list[Path], report: Report) -> None:
    acknowledged: dict[str, str] = {}  # id → kind
    refused: set[str] = set()
    totals: Counter[str] = Counter()
    unexpected: Counter[str] = Counter()
    for ledger in ledgers:
        for line in ledger.read_text().splitlines():
            item = json.loads(line)
            if "counts" in item:
                totals.update(item["counts"])
                continue
            kind, result, ids = item["kind"], item["result"], item["ids"]
            if result in ("200", "201", "202") or (kind == "notification" and result == "409"):
                # A notification id that is taken is this client's own earlier try: nobody else has the id.
                acknowledged.update(dict.fromkeys(ids, kind))
            elif result == "400" and kind in ("invalid", "poison"):
                refused.update(ids)
            elif result == "unanswered":
                report.unanswered += len(ids)
            else:
                unexpected[f"{kind} {result}"] += 1
    stored = Counter[str]()
    altered = set()
    with psycopg.connect(campaign.database.superuser_url) as conn:
        for ident, proof in conn.execute("SELECT event_id::text, event_data->>'proof' FROM audit_events"):
            stored[ident] += 1
            if proof != ident[::-1]:
                altered.add(ident)
        for ident, summary in conn.execute("SELECT notification_id, message_summary FROM notification_audit"):
            stored[ident] += 1
            if summary != ident[::-1]:
                altered.add(ident)
    dead = _dead_ids(campaign)
    report.counts = dict(sorted(totals.items()))
    report.unexpected = dict(unexpected)
    report.acknowledged = len(acknowledged)
    report.found = sum(1 for ident in acknowledged if stored[ident])
    # Only what the campaign itself made impossible to store may be a dead letter.
    report.dead_letters = sum(1 for i, kind in acknowledged.items() if kind == "poison" and i in dead and not stored[i])
    report.missing = report.acknowledged - report.found - report.dead_letters
    report.doubled = sum(1 for count in stored.values() if count > 1)
    report.altered = len(altered)
    report.refused_but_stored = sum(1 for ident in refused if stored[ident])


def _dead_ids(campaign: Campaign) -> set[str]:
    connection = redis.Redis.from_url(campaign.valkey.url(0), socket_timeout=10)
    found = set()
    for keys in KEYS.values():
        for _, fields in connection.xrange(keys.dead):
            if fields.get(b"reason"):
                payload = json.loads(fields[b"message"])["payload"]
                found.add(payload.get("event_id") or payload["notification_id"])
    connection.close()
    return found
