"""Everything that the faults can break: three instances, their stores, what lies between, who follows the feed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

from app.dlq.keys import GROUP, KEYS
from bench.campaign.client import Ledger
from bench.campaign.disks import SmallDisk
from bench.campaign.followers import FollowerProcess, following
from bench.campaign.queue_servers import QueueServers
from bench.campaign.signing import SigningStage
from devserver import EmbeddedPostgres
from tests.relay import Relay
from tests.support import AS_SHIPPED, Database, GunicornService, PostgresServer, environ_of, free_port

_INSTANCES = 3
_TABLES_DISK_BYTES = 1 << 30
_BYTES_AN_EVENT = 4096  # in the tables, generously: rows, indexes, and what died in them
# What PostgreSQL never takes: by a constraint, and as if it were an outage that never ends. The last five characters
# of such a correlation id are the SQLSTATE.
NEVER_TAKEN = """
ALTER TABLE audit_events ADD CONSTRAINT no_poison CHECK (correlation_id <> 'poison');
CREATE FUNCTION refuse_for_ever() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.correlation_id LIKE 'never-_____' THEN
        RAISE EXCEPTION 'refused for ever' USING ERRCODE = right(NEW.correlation_id, 5);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_for_ever BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse_for_ever();
"""
# The campaign's own statements go on, also with other settings of the server, the database or the role.
_UNMOVED = {
    "search_path": "public",
    "synchronous_commit": "local",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read\\ committed",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "exit_on_error": "off",
    "datestyle": "ISO",
    "row_security": "off",
}


class Stage:
    """The servers, the instances, and a lock for each thing that no two faults may break at once."""

    def __init__(self, directory: Path, app: str, redis_server: Path | None, events: int = 0) -> None:
        """``events`` is how many the tables have to have room for; 0 is what a campaign of some minutes makes."""
        self.directory = directory
        self._tables_disk_bytes = max(_TABLES_DISK_BYTES, events * _BYTES_AN_EVENT)
        self.app = app
        self.clock = directory / "clock"
        self.clock.write_text("0")
        self.postgres = EmbeddedPostgres(directory / "postgres", port=free_port())
        self.queue = QueueServers(directory, redis_server)
        self.signing = SigningStage(directory)
        self.tables_disk: SmallDisk | None = None
        self.services: list[GunicornService] = []
        self.followers: list[FollowerProcess] = []
        self.ledger_path = directory / "ledger-faults"
        self.ledger: Ledger  # of what the faults send
        # Faults of one kind do not overlap with themselves; of different kinds they do.
        self.postgres_process = threading.Lock()
        self.valkey_process = threading.Lock()
        self.server_settings = threading.Lock()
        self.session_settings = threading.Lock()
        self.rights = threading.Lock()
        self.month = threading.Lock()
        self.disk = threading.Lock()
        self.valkey_memory = threading.Lock()
        self.clock_lock = threading.Lock()
        self.sequencer = threading.Lock()
        self.signer = threading.Lock()
        self.memory_file = threading.Lock()
        self.witnesses = threading.Lock()
        self.instances = [threading.Lock() for _ in range(_INSTANCES)]
        self._kills = Counter[str]()
        self._kills_lock = threading.Lock()
        self.database: Database
        self.postgres_relay: Relay

    @contextlib.contextmanager
    def running(self, max_len: int) -> Iterator[None]:
        """All of it, for a block."""
        try:
            self.postgres.start()
            with (
                open(self.ledger_path, "w", encoding="utf-8") as out,
                self.queue.running(),
                self.signing.running(),
                Relay(self.postgres.port) as self.postgres_relay,
            ):
                self.ledger = Ledger(out)
                self._make_database()
                self._start_instances(max_len)
                try:
                    with following(self.directory, self.ports) as self.followers:
                        yield
                finally:
                    for service in self.services:
                        with contextlib.suppress(Exception):
                            service.stop(timeout=70)
        finally:
            with contextlib.suppress(Exception):
                self.postgres.thaw()
            with contextlib.suppress(Exception):
                self.postgres.close()
            if self.tables_disk is not None:
                self.tables_disk.unmount()

    @property
    def left_out(self) -> dict[str, str]:
        """The faults that this machine does not allow, and why."""
        why = "no file system could be mounted (needs root)"
        missing = {"disk_full": self.tables_disk is None, "redis_disk_full": len(self.queue.disks) < 2}
        return {name: why for name, is_missing in missing.items() if is_missing}

    @property
    def ports(self) -> list[int]:
        return [service.port for service in self.services]

    def connect(self, **settings: str) -> psycopg.Connection[tuple[object, ...]]:
        """A superuser's connection past the relay, unmoved by what the faults have set."""
        options = " ".join(f"-c {name}={value}" for name, value in {**_UNMOVED, **settings}.items())
        return psycopg.connect(
            self.database.superuser_url, autocommit=True, connect_timeout=3, options=options, client_encoding="UTF8"
        )

    def killed(self, what: str) -> None:
        """Count a process that was killed."""
        with self._kills_lock:
            self._kills[what] += 1

    @property
    def kills(self) -> dict[str, int]:
        """How many were killed of each kind of process."""
        with self._kills_lock:
            return dict(sorted(self._kills.items()))

    def sequenced(self) -> bool:
        """Whether every stored record has its place in the log."""
        try:
            with self.connect(statement_timeout="5000") as conn:
                row = conn.execute(
                    "SELECT EXISTS (SELECT FROM log_pending_a) OR EXISTS (SELECT FROM log_pending_b)"
                ).fetchone()
                return row == (False,)
        except psycopg.Error:
            return False

    def signed(self) -> bool:
        """Whether all of the log is in a checkpoint that a quorum of witnesses has cosigned."""
        try:
            with self.connect(statement_timeout="5000") as conn:
                row = conn.execute(
                    "SELECT size = (SELECT max(c.size) FROM log_checkpoints c) AND 2 <= "
                    "(SELECT count(*) FROM log_cosignatures s WHERE s.size = h.size) FROM log_head h"
                ).fetchone()
                return row == (True,)
        except psycopg.Error:
            return False

    def drained(self) -> bool:
        """Whether nothing waits in Redis."""
        try:
            with self.queue.client() as connection:
                for keys in KEYS.values():
                    if connection.xlen(keys.stream):
                        return False
                    with contextlib.suppress(redis.ResponseError):  # no group: nothing was ever read
                        if connection.xpending(keys.stream, GROUP)["pending"]:
                            return False
                return True
        except redis.RedisError:
            return False

    def _make_database(self) -> None:
        """The tables, on a disk of their own where that can be."""
        url = self.postgres.url
        server = PostgresServer(url("superuser"), url("owner"), url("service"), self.postgres)
        self.database = server.make_database()
        self.tables_disk = SmallDisk.mount(self.directory / "tables", self._tables_disk_bytes)
        if self.tables_disk is not None:
            folder = self.tables_disk.path / "pg"
            folder.mkdir(mode=0o700)
            owner = os.stat(self.directory / "postgres" / "pgdata")
            os.chown(folder, owner.st_uid, owner.st_gid)
            self.database.query(f"CREATE TABLESPACE small LOCATION '{folder}'")
            with psycopg.connect(self.postgres.url("superuser"), autocommit=True) as conn:
                conn.execute(f"ALTER DATABASE {self.database.name} SET TABLESPACE small")
        with psycopg.connect(self.database.owner_url, autocommit=True) as conn:
            conn.execute(NEVER_TAKEN)

    def _start_instances(self, max_len: int) -> None:
        for index in range(_INSTANCES):
            service = GunicornService(
                {
                    **environ_of(AS_SHIPPED),
                    "DATASTORAGE_DATABASE__URL": _at_port(self.database.service_url, self.postgres_relay.port),
                    "DATASTORAGE_REDIS__URL": self.queue.url(),
                    "DATASTORAGE_SERVER__WORKERS": "1",
                    "DATASTORAGE_DLQ__MAX_LEN": str(max_len),
                    # What can never be stored has to be a dead letter before the campaign is over.
                    "DATASTORAGE_DLQ__BACKOFF": "1s,1s,1s,1s,1s,1s",
                    # The clock steps by hours, and the clients' does not.
                    "DATASTORAGE_AUDIT__CLOCK_SKEW": "6h",
                    "CHAOS_CLOCK": str(self.clock),
                    **self.signing.environ,
                },
                self.directory / f"gunicorn-{index}.log",
                module=f"bench.campaign.apps:{self.app}",
            )
            self.services.append(service)
            service.start()


def _at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}").geturl()
